// SPDX-License-Identifier: GPL-2.0

//! Cases, and into which guests they go.

/// Where the accelerators are plugged in, and what is above them (`topology=...`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// Each below a port of its own that has ACS: each function is alone in its IOMMU group
    #[default]
    Port,
    /// On the root bus, as integrated endpoints (`integrated`)
    Integrated,
    /// As `Port`, without ACS: all functions of an accelerator share a group (`no-acs`)
    NoAcs,
    /// As `Port`, in a machine without an IOMMU (`no-iommu`)
    NoIommu,
}

impl Topology {
    fn read(name: &str) -> Option<Self> {
        match name {
            "integrated" => Some(Self::Integrated),
            "no-acs" => Some(Self::NoAcs),
            "no-iommu" => Some(Self::NoIommu),
            _ => None,
        }
    }
}

/// What a guest is to be for a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The generation of the accelerators (`hw=5`); V3 where none is said
    pub hw: Option<u32>,
    pub topology: Topology,
    /// QEMU's `-m` (`memory=2G`)
    pub memory: Option<String>,
    /// How many VFs each PF can have, if not 8 (`vfs=63`)
    pub vfs: Option<u32>,
    /// For the kernel's command line (`kernel=kunit.enable=1`), as often as it is said
    pub kernel: Vec<String>,
    /// No other case runs in it (`fresh`)
    pub fresh: bool,
    /// It is a host of guests itself: KVM, Debian's QEMU, something for it to boot (`nested`)
    pub nested: bool,
}

/// A complaint of the kernel that is not a case's failure: `HEAD @ PLACE`, or `HEAD` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excuse {
    /// Words of the line that says what the complaint is.
    pub head: String,
    /// Words of any of its lines, such as a function in its trace.
    pub place: Option<String>,
}

impl Excuse {
    pub fn read(text: &str) -> Option<Self> {
        let (head, place) = match text.split_once(" @ ") {
            Some((head, place)) => (head, Some(place)),
            None => (text, None),
        };
        let has_words = !head.is_empty() && place != Some("");
        has_words.then(|| Self {
            head: head.to_owned(),
            place: place.map(str::to_owned),
        })
    }
}

/// A case, as `acc-selftest list` names it: its name, and each attribute behind a tab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// `SUITE.CASE`, then `:DRIVER` where it runs with more than one, then `:v5` where the
    /// accelerators are of that generation
    pub name: String,
    pub needs: Needs,
    /// The kernel has to complain of this, by the line that says what it is, else the case fails
    /// (`splat=KASAN:`)
    pub splat: Option<String>,
    /// Known defects of the kernel itself (`known=WARNING: a.c @ f+0x`, any number). The result
    /// names those that came. A place is required, because the kernel may complain of our code in
    /// the same words.
    pub known: Vec<Excuse>,
    /// Complaints that the case provokes (`allow=event 0x10`, any number).
    pub allowed: Vec<Excuse>,
    /// It takes long: left out where no case is asked for by name (`long`)
    pub long: bool,
    /// Its guest need not outlive it (`lethal`, with `fresh`): it is ended when the case has a
    /// result, or when the kernel has complained as it has to
    pub lethal: bool,
    /// Only with this flavour of the kernel (`flavour=debug`)
    pub flavour: Option<String>,
}

impl Case {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a line of the list.
    pub fn read(line: &str) -> Result<Self, String> {
        let mut fields = line.split('\t');
        let mut case = Self::new(fields.next().unwrap_or_default());
        let name = case.name.clone();
        let wrong = |field: &str| format!("{name}: '{field}' is not complete");
        for field in fields {
            match field.split_once('=').unwrap_or((field, "")) {
                ("hw", value) => {
                    let hw = value
                        .parse()
                        .map_err(|_| format!("{}: hw={value}", case.name))?;
                    case.needs.hw = Some(hw);
                }
                ("vfs", value) => {
                    let vfs = value
                        .parse()
                        .map_err(|_| format!("{}: vfs={value}", case.name))?;
                    case.needs.vfs = Some(vfs);
                }
                ("topology", value) => {
                    case.needs.topology = Topology::read(value)
                        .ok_or_else(|| format!("{}: topology={value}", case.name))?;
                }
                ("memory", value) => case.needs.memory = Some(value.to_owned()),
                ("kernel", value) => case.needs.kernel.push(value.to_owned()),
                ("fresh", "") => case.needs.fresh = true,
                ("nested", "") => case.needs.nested = true,
                ("long", "") => case.long = true,
                ("splat", value) => case.splat = Some(value.to_owned()),
                ("known", value) => {
                    let excuse = Excuse::read(value).filter(|excuse| excuse.place.is_some());
                    case.known.push(excuse.ok_or_else(|| wrong(field))?);
                }
                ("allow", value) => {
                    let excuse = Excuse::read(value);
                    case.allowed.push(excuse.ok_or_else(|| wrong(field))?);
                }
                ("lethal", "") => case.lethal = true,
                ("flavour", value) => case.flavour = Some(value.to_owned()),
                _ => return Err(format!("{}: '{field}' is not known", case.name)),
            }
        }
        Ok(case)
    }

    pub fn suite(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// With which driver, where it runs with more than one.
    pub fn driver(&self) -> Option<&str> {
        let driver = self.name.split(':').nth(1)?;
        (!is_generation(driver)).then_some(driver)
    }
}

/// Whether a part of a case's name is `v5` or the like.
fn is_generation(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The cases of a guest, and its name: that of the suite, or of the case if it is alone.
pub type Group = (String, Vec<Case>);

/// Puts cases into guests: one for each suite and what its guest is to be. `apart`: those with the
/// C driver into others, for the debug kernel may be blind after a complaint (lockdep is).
pub fn groups(cases: Vec<Case>, apart: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let with_c = |case: &Case| apart && case.driver() == Some("c");
    for case in cases {
        let same = groups.iter_mut().find(|(_, cases)| {
            let first = &cases[0];
            !case.needs.fresh
                && first.suite() == case.suite()
                && first.needs == case.needs
                && with_c(first) == with_c(&case)
        });
        if let Some((_, cases)) = same {
            cases.push(case);
            continue;
        }
        let mut name = match (case.needs.fresh, case.needs.hw) {
            (true, _) => case.name.replace(['.', ':'], "-"),
            (false, Some(hw)) => format!("{}-v{hw}", case.suite()),
            (false, None) => case.suite().to_owned(),
        };
        if with_c(&case) && !case.needs.fresh {
            name.push_str("-c");
        }
        let alike = groups
            .iter()
            .filter(|(other, _)| other.strip_prefix(&name).is_some_and(is_number))
            .count();
        if alike != 0 {
            name = format!("{name}-{}", alike + 1);
        }
        groups.push((name, vec![case]));
    }
    groups
}

/// What follows the name of a guest among those named alike: nothing, or `-2` and so on.
fn is_number(rest: &str) -> bool {
    rest.is_empty()
        || rest
            .strip_prefix('-')
            .is_some_and(|n| n.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes() {
        let case = Case::read(
            "a.b:c:v5\thw=5\ttopology=no-acs\tvfs=63\tmemory=2G\tkernel=x=1\tkernel=y\tfresh\tnested\tlong\tsplat=BUG: no\tknown=WARNING: a.c @ f+0x\tallow=event\tlethal",
        );
        assert_eq!(
            case,
            Ok(Case {
                name: "a.b:c:v5".to_owned(),
                needs: Needs {
                    hw: Some(5),
                    topology: Topology::NoAcs,
                    memory: Some("2G".to_owned()),
                    vfs: Some(63),
                    kernel: vec!["x=1".to_owned(), "y".to_owned()],
                    fresh: true,
                    nested: true,
                },
                splat: Some("BUG: no".to_owned()),
                known: vec![Excuse {
                    head: "WARNING: a.c".to_owned(),
                    place: Some("f+0x".to_owned()),
                }],
                allowed: vec![Excuse {
                    head: "event".to_owned(),
                    place: None,
                }],
                long: true,
                lethal: true,
                flavour: None,
            })
        );
        assert!(Case::read("a.b\tmemroy=2G").is_err());
        assert!(Case::read("a.b\thw=five").is_err());
        assert!(Case::read("a.b\ttopology=ring").is_err());
        // What is known has a place.
        for half in ["f+0x", "WARNING: a.c", "WARNING: a.c @ ", " @ f+0x", ""] {
            assert!(Case::read(&format!("a.b\tknown={half}")).is_err(), "{half}");
        }
        assert!(Case::read("a.b\tallow=").is_err());
    }

    #[test]
    fn drivers() {
        assert_eq!(Case::new("a.b:vfio-pci").driver(), Some("vfio-pci"));
        assert_eq!(Case::new("a.b:c:v5").driver(), Some("c"));
        assert_eq!(Case::new("a.b:v5").driver(), None);
        assert_eq!(Case::new("a.b").driver(), None);
    }

    #[test]
    fn guests() {
        let cases = [
            "a.one",
            "b.one",
            "a.two",
            "a.one:v5\thw=5",
            "a.large\tmemory=2G",
            "a.alone\tfresh",
            "a.huge\tmemory=4G",
            "a.both:rust",
            "a.both:c",
        ];
        let cases = cases.iter().map(|line| Case::read(line).unwrap()).collect();
        let groups: Vec<(String, usize)> = groups(cases, true)
            .into_iter()
            .map(|(name, cases)| (name, cases.len()))
            .collect();
        let expected = [
            ("a", 3),
            ("b", 1),
            ("a-v5", 1),
            ("a-2", 1),
            ("a-alone", 1),
            ("a-3", 1),
            ("a-c", 1),
        ];
        let expected: Vec<_> = expected.map(|(n, c)| (n.to_owned(), c)).into();
        assert_eq!(groups, expected);
    }
}
