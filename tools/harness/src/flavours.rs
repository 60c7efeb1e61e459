// SPDX-License-Identifier: GPL-2.0

//! The flavours of the guests' kernel and the slices of the tests: tools/kernel/flavours.

use crate::select;
use acc_case::Case;

/// One flavour of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavour {
    pub name: String,
    /// Factor by which it is slower than the plain kernel.
    pub slowness: u32,
}

/// One slice of the tests. CI runs one for each commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub flavour: String,
    /// The kernel, if it is not the toolchain root's: what `make check KERNEL=` takes.
    pub kernel: Option<String>,
    pub driver: String,
    pub patterns: String,
}

/// Names the flavour without fragments. Its folders have no suffix.
pub const PLAIN: &str = "plain";

/// Contents of the file.
#[derive(Debug, Default)]
pub struct Flavours {
    pub flavours: Vec<Flavour>,
    pub slices: Vec<Slice>,
}

impl Flavours {
    pub fn read(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["flavour", name, slowness, ..] => {
                    let slowness = slowness.parse();
                    let slowness = slowness.map_err(|_| format!("'{line}': how slow is it?"))?;
                    read.flavours.push(Flavour {
                        name: (*name).to_owned(),
                        slowness,
                    });
                }
                ["slice", which, driver @ ("rust" | "c" | "both"), patterns @ ..]
                    if !patterns.is_empty() =>
                {
                    let (flavour, kernel) = match which.split_once('@') {
                        Some((flavour, kernel)) => (flavour, Some(kernel)),
                        None => (*which, None),
                    };
                    if !read.flavours.iter().any(|known| known.name == flavour) {
                        return Err(format!("'{line}': there is no such flavour before it"));
                    }
                    read.slices.push(Slice {
                        flavour: flavour.to_owned(),
                        kernel: kernel.map(str::to_owned),
                        driver: (*driver).to_owned(),
                        patterns: patterns.join(" "),
                    });
                }
                _ => return Err(format!("'{line}' is neither a flavour nor a slice")),
            }
        }
        Ok(read)
    }

    /// Returns the factor by which a flavour is slower than the plain kernel.
    pub fn slowness(&self, name: &str) -> Option<u32> {
        let mut flavours = self.flavours.iter();
        Some(flavours.find(|f| f.name == name)?.slowness)
    }
}

impl Slice {
    /// Returns whether a case runs in this slice.
    pub fn has(&self, case: &Case) -> bool {
        let flavour = match self.flavour.as_str() {
            PLAIN => "",
            name => name,
        };
        case.flavour.as_ref().is_none_or(|only| only == flavour)
            && select::matches(&self.patterns, &self.driver, case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let read = Flavours::read(
            "# a comment\n\nflavour plain 1\nflavour debug 5 a.config b.config\n\
             slice debug rust a.* b.c\nslice plain both *\nslice plain@9.9 c a.*",
        );
        let read = read.unwrap();
        assert_eq!(read.slowness("debug"), Some(5));
        assert_eq!(read.slowness("other"), None);
        assert_eq!(read.slices.len(), 3);
        assert_eq!(read.slices[0].patterns, "a.* b.c");
        let case = |name: &str, flavour: Option<&str>| Case {
            flavour: flavour.map(str::to_owned),
            ..Case::new(name)
        };
        let in_first = |name: &str, flavour| read.slices[0].has(&case(name, flavour));
        assert!(in_first("a.x:rust", None) && in_first("b.c", None));
        assert!(in_first("a.x", Some("debug")) && !in_first("a.x", Some("")));
        assert!(!in_first("a.x:c", None) && !in_first("b.d", None));
        assert!(read.slices[1].has(&case("a.x", Some(""))));
        assert_eq!(read.slices[1].kernel, None);
        assert_eq!(read.slices[2].flavour, PLAIN);
        assert_eq!(read.slices[2].kernel.as_deref(), Some("9.9"));
        for wrong in [
            "flavour debug",
            "flavour debug x",
            "slice plain rust a.*",
            "flavour plain 1\nslice plain rust",
            "flavour plain 1\nslice plain rusty a.*",
            "falvour plain 1",
        ] {
            assert!(Flavours::read(wrong).is_err(), "{wrong}");
        }
    }

    /// Reads the file of the tree.
    #[test]
    fn file() {
        let read = Flavours::read(include_str!("../../kernel/flavours")).unwrap();
        assert_eq!(read.slowness(PLAIN), Some(1));
        assert!(!read.slices.is_empty());
    }
}
