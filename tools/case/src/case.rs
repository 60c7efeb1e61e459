// SPDX-License-Identifier: GPL-2.0

//! A case and what it needs.

use serde::{Deserialize, Serialize};

/// Where the accelerators are plugged in, and what is above them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topology {
    /// Each below a port of its own that has ACS: each function is alone in its IOMMU group.
    #[default]
    Port,
    /// On the root bus, as integrated endpoints.
    Integrated,
    /// As `Port`, without ACS: all functions of an accelerator share a group.
    NoAcs,
    /// As `Port`, in a machine without an IOMMU.
    NoIommu,
}

/// Dirty bits of the IOMMU: whether it notes in its page tables which pages devices write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Httu {
    #[default]
    Off,
    /// With each write.
    On,
    /// With a write that has no translation in the IOMMU's cache.
    Cached,
}

/// What the guest of a case has to be. Cases with equal needs share a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Needs {
    /// Generation of the accelerators. V3 for `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw: Option<u32>,
    pub topology: Topology,
    /// GiB of memory. The harness has a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<u32>,
    /// Number of VFs that each PF can have. 8 for `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vfs: Option<u32>,
    /// What the accelerators do instead of what the model guesses: the property `guess`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guess: Option<String>,
    /// Words for the command line of the kernel.
    pub kernel: Vec<String>,
    /// No other case runs in the guest.
    pub fresh: bool,
    /// The guest runs guests itself: it has KVM, Debian's QEMU, and what these boot.
    pub nested: bool,
    /// The guest has the root of a bare Debian, which it can change (`tools/env/debian.sh`).
    pub debian: bool,
    /// systemd boots that Debian before the case runs, after `acc-selftest install` has done in it
    /// what an operator does.
    pub systemd: bool,
    /// The guest has the root of a Debian with libvirt and QEMU (`tools/env/debian.sh libvirt`).
    pub libvirt: bool,
    /// The guest has modules of another build, in `/other-build` (`tools/testing/other-build.sh`).
    pub other_build: bool,
    /// The modules of the kernel are signed, and the guest has this project's with signatures in
    /// `/signed` (`tools/testing/signed.sh`).
    pub signed: bool,
    /// Dirty bits of the IOMMU.
    pub httu: Httu,
}

/// A complaint of the kernel that is not a failure of the case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excuse {
    /// Words of the line that says what the complaint is.
    pub head: String,
    /// Words of any of its lines, such as a function in its trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    /// `SUITE.CASE`, then `:DRIVER` if it runs with more than one driver, then `:v5` if the
    /// accelerators are of that generation.
    pub name: String,
    pub needs: Needs,
    /// Words with which the kernel has to complain, in the line that says what the complaint is.
    /// Without that complaint the case fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub splat: Option<String>,
    /// Known defects of the kernel itself. The result names those that came. Each has a place,
    /// because the kernel may complain of our code in the same words.
    pub known: Vec<Excuse>,
    /// Complaints that the case provokes.
    pub allowed: Vec<Excuse>,
    /// The case takes long. It is left out unless it is asked for by name.
    pub long: bool,
    /// The case takes ten seconds or more. `QUICK=1` leaves it out.
    pub slow: bool,
    /// The guest need not outlive the case, which is alone in it. The harness ends the guest when
    /// the case has a result, or when the kernel has complained as it has to.
    pub lethal: bool,
    /// The only flavour of the kernel that the case runs with. The plain one is the empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavour: Option<String>,
}

impl Case {
    /// Makes a case without needs.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a line of the list.
    pub fn read(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }

    /// Returns the case as a line of the list.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    pub fn suite(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Returns the driver in the name, if the case runs with more than one.
    pub fn driver(&self) -> Option<&str> {
        let driver = self.name.split(':').nth(1)?;
        (!is_generation(driver)).then_some(driver)
    }
}

/// Returns whether a part of the name of a case is `v5` or the like.
fn is_generation(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let case = Case {
            name: "a.b:c:v5".to_owned(),
            needs: Needs {
                hw: Some(5),
                topology: Topology::NoAcs,
                memory_gib: Some(2),
                vfs: Some(63),
                guess: Some("G1:no".to_owned()),
                kernel: vec!["x=1".to_owned(), "y".to_owned()],
                fresh: true,
                nested: true,
                debian: true,
                systemd: true,
                libvirt: true,
                signed: true,
                other_build: true,
                httu: Httu::Cached,
            },
            splat: Some("BUG: \"no\"\t".to_owned()),
            known: vec![Excuse {
                head: "WARNING: a.c".to_owned(),
                place: Some("f+0x".to_owned()),
            }],
            allowed: vec![Excuse {
                head: "event".to_owned(),
                place: None,
            }],
            long: true,
            slow: true,
            lethal: true,
            flavour: Some(String::new()),
        };
        let line = case.line().unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(Case::read(&line).unwrap(), case);
        let plain = Case::new("a.b");
        assert_eq!(Case::read(&plain.line().unwrap()).unwrap(), plain);
        assert_eq!(Case::read("{\"name\":\"a.b\"}").unwrap(), plain);
        for wrong in [
            "{\"name\":\"a.b\",\"memroy\":2}",
            "{\"name\":\"a.b\",\"needs\":{\"hw\":\"five\"}}",
            "{\"name\":\"a.b\",\"needs\":{\"topology\":\"Ring\"}}",
            "a.b",
        ] {
            assert!(Case::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn drivers() {
        assert_eq!(Case::new("a.b:vfio-pci").driver(), Some("vfio-pci"));
        assert_eq!(Case::new("a.b:c:v5").driver(), Some("c"));
        assert_eq!(Case::new("a.b:v5").driver(), None);
        assert_eq!(Case::new("a.b").driver(), None);
    }
}
