// SPDX-License-Identifier: GPL-2.0

//! The registry of cases. Each case is registered where it stands, by `case!`.

use crate::differences;
use acc_case::{Case, Httu, Needs, Topology};
use acc_vfio_user::{ensure, host, Driver, Result};
use hisi_acc_hw::Generation;
use linkme::distributed_slice;

/// All registrations, which the linker puts together.
#[distributed_slice]
pub static CASES: [Registered];

/// One registration.
pub struct Registered {
    /// The module that the case stands in: `...::cases::SUITE::FILE`.
    pub module: &'static str,
    pub line: u32,
    /// Name of the case within its suite.
    pub name: &'static str,
    pub run: Run,
    pub spec: Spec,
}

/// How a case is run. A case that passes may have a remark.
#[derive(Clone, Copy)]
pub enum Run {
    /// No driver is in the name.
    Alone(fn() -> Result<String>),
    /// With each of the drivers, whose name is in the name of the case.
    With(&'static [Driver], fn(Driver) -> Result<String>),
    /// Under a driver that is not ours to choose, whose name is in the name of the case.
    Under(&'static str, fn() -> Result<String>),
}

/// Generations of the accelerators that a case runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Generations {
    /// All that migrate.
    Each,
    One(Generation),
}

/// Flavours of the kernel that a case runs with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    Any,
    Plain,
    Debug,
    Pages64k,
    Host,
}

/// A known defect of the kernel, as [`acc_case::Excuse`].
#[derive(Clone, Copy)]
pub struct Known {
    pub head: &'static str,
    pub place: &'static str,
}

/// What a case needs, and what its kernel may complain of. See [`acc_case::Case`].
#[derive(Clone, Copy)]
pub struct Spec {
    pub generations: Generations,
    pub topology: Topology,
    pub memory_gib: Option<u32>,
    pub vfs: Option<u32>,
    pub guess: Option<&'static str>,
    pub kernel: &'static [&'static str],
    pub fresh: bool,
    pub nested: bool,
    pub debian: bool,
    pub systemd: bool,
    pub libvirt: bool,
    pub other_build: bool,
    pub signed: bool,
    pub httu: Httu,
    pub long: bool,
    pub slow: bool,
    pub lethal: bool,
    pub flavour: Flavour,
    pub splat: Option<&'static str>,
    pub known: &'static [Known],
    pub allowed: &'static [&'static str],
    /// How many VFs of the ZIP the case uses, if it needs nothing but these: it runs on hardware,
    /// too. `None` if it needs the device model.
    pub hardware: Option<usize>,
}

impl Spec {
    /// Any guest will do.
    pub const NONE: Self = Self {
        generations: Generations::One(Generation::V3),
        topology: Topology::Port,
        memory_gib: None,
        vfs: None,
        guess: None,
        kernel: &[],
        fresh: false,
        nested: false,
        debian: false,
        systemd: false,
        libvirt: false,
        other_build: false,
        signed: false,
        httu: Httu::Off,
        long: false,
        slow: false,
        lethal: false,
        flavour: Flavour::Any,
        splat: None,
        known: &[],
        allowed: &[],
        hardware: None,
    };
}

/// pci_disable_sriov() by the driver of a PF that is unbound: without pci_rescan_remove_lock.
pub const SRIOV_UNLOCKED: Known = Known {
    head: "WARNING: drivers/pci/remove.c:",
    place: "hisi_qm_sriov_disable+",
};

/// `vfio_create_group()` has no memory for the name or the character device of a group, and drops
/// a group that it has not taken from its IOMMU group.
pub const VFIO_GROUP_KEPT: Known = Known {
    head: "WARNING: drivers/vfio/group.c:",
    place: "vfio_create_group+",
};

/// What lockdep says of the C driver in whatever case it resets a VF after migration data went
/// through. The driver takes its state's lock below memory_lock when the VF is reset. It faults
/// pages in, which takes memory_lock, below the lock of its migration file, which is below the lock
/// of the state.
pub const C_LOCK_CYCLE: Known = Known {
    head: "WARNING: possible circular locking dependency",
    place: "hisi_acc_vf_pci_aer_reset_done+",
};

/// The SMMU reports F_TRANSLATION: the case sends the device where nothing is mapped.
pub const UNMAPPED: &str = "smmuv3: event 0x10 received";

/// Makes the remark of what a case returns.
pub trait Remark {
    fn remark(self) -> String;
}

impl Remark for () {
    fn remark(self) -> String {
        String::new()
    }
}

impl Remark for String {
    fn remark(self) -> String {
        self
    }
}

/// Registers a case: a function of the module, named as the case.
///
/// `case!(name)` registers a function without arguments. `case!(name, with: [Rust, C])` registers a
/// function that gets the driver. What the case needs beside `SUITE` of the parent module follows:
/// fields of [`Spec`].
macro_rules! case {
    ($name:ident, with: [$($driver:ident),+] $(, $field:ident: $value:expr)* $(,)?) => {
        $crate::registry::register!(
            stringify!($name),
            With(&[$(acc_vfio_user::Driver::$driver),+], |driver| {
                $name(driver).map($crate::registry::Remark::remark)
            })
            $(, $field: $value)*
        );
    };
    ($name:ident $(, $field:ident: $value:expr)* $(,)?) => {
        $crate::registry::register!(
            stringify!($name),
            Alone(|| $name().map($crate::registry::Remark::remark))
            $(, $field: $value)*
        );
    };
}

/// Registers a case by its name and how it is run.
macro_rules! register {
    ($name:expr, $run:expr $(, $field:ident: $value:expr)* $(,)?) => {
        const _: () = {
            #[allow(unused_imports)]
            use $crate::registry::{
                Flavour::*, Generations::*, Known, Run::*, C_LOCK_CYCLE, SRIOV_UNLOCKED, UNMAPPED,
                VFIO_GROUP_KEPT,
            };
            #[allow(unused_imports)]
            use hisi_acc_hw::Generation::*;
            #[linkme::distributed_slice($crate::registry::CASES)]
            static REGISTERED: $crate::registry::Registered = $crate::registry::Registered {
                module: module_path!(),
                line: line!(),
                name: $name,
                run: $run,
                #[allow(clippy::needless_update)]
                spec: $crate::registry::Spec {
                    $($field: $value,)*
                    ..super::SUITE
                },
            };
        };
    };
}
pub(crate) use register;

/// Returns the generation that names of cases do not mention.
fn first() -> Option<Generation> {
    Generation::migrating().next()
}

/// Returns whether names of cases mention the generation.
fn is_later(generation: Generation) -> bool {
    Generation::migrating()
        .skip(1)
        .any(|later| later == generation)
}

/// A case that can be run.
pub struct Entry {
    pub case: Case,
    run: Run,
    /// The driver to run it with.
    driver: Option<Driver>,
    generation: Generation,
    /// See [`Spec::hardware`].
    hardware: Option<usize>,
}

impl Entry {
    fn new(registered: &Registered, driver: Option<Driver>, generation: Generation) -> Self {
        let Spec {
            topology,
            memory_gib,
            vfs,
            guess,
            kernel,
            fresh,
            nested,
            debian,
            systemd,
            libvirt,
            other_build,
            signed,
            httu,
            long,
            slow,
            lethal,
            flavour,
            splat,
            known,
            allowed,
            ..
        } = registered.spec;
        let module = registered.module;
        let suite = module
            .split("::")
            .skip_while(|part| *part != "cases")
            .nth(1);
        let mut name = format!("{}.{}", suite.unwrap_or(module), registered.name);
        let behind = match (registered.run, driver) {
            (Run::Under(driver, _), _) => Some(driver),
            (_, driver) => driver.map(Driver::name),
        };
        if let Some(driver) = behind {
            name += &format!(":{driver}");
        }
        let layout = generation.layout();
        if is_later(generation) {
            name += &format!(":{}", layout.name);
        }
        let excuse = |head: &str, place: Option<&str>| acc_case::Excuse {
            head: head.to_owned(),
            place: place.map(str::to_owned),
        };
        let mut case = Case {
            name,
            needs: Needs {
                hw: (first() != Some(generation)).then_some(layout.number),
                topology,
                memory_gib,
                vfs,
                guess: guess.map(str::to_owned),
                kernel: kernel.iter().map(|word| (*word).to_owned()).collect(),
                fresh,
                nested,
                debian,
                systemd,
                libvirt,
                other_build,
                signed,
                httu,
            },
            splat: splat.map(str::to_owned),
            known: known
                .iter()
                .chain((driver == Some(Driver::C)).then_some(&C_LOCK_CYCLE))
                .map(|known| excuse(known.head, Some(known.place)))
                .collect(),
            allowed: allowed.iter().map(|head| excuse(head, None)).collect(),
            long,
            slow,
            lethal,
            flavour: match flavour {
                Flavour::Any => None,
                Flavour::Plain => Some(String::new()),
                Flavour::Debug => Some("debug".to_owned()),
                Flavour::Pages64k => Some("64k".to_owned()),
                Flavour::Host => Some("host".to_owned()),
            },
        };
        differences::adapt(&mut case);
        Self {
            case,
            run: registered.run,
            driver,
            generation,
            hardware: registered.spec.hardware,
        }
    }

    /// Returns why the case cannot run on the VFs that were named, with `driver`.
    pub fn skipped(&self, driver: Driver) -> Result<Option<String>> {
        let here = host::generation()?;
        let named = host::ZIP.named().unwrap_or_default().len();
        // V4 is as V3, as far as cases can tell.
        let of_others = is_later(self.generation) != is_later(here);
        Ok(match self.hardware {
            None => Some("needs the device model".to_owned()),
            Some(_) if of_others => Some(format!("this is not {}", self.generation.layout().name)),
            Some(_) if self.driver.is_some_and(|own| own != driver) => {
                Some("is for another driver".to_owned())
            }
            Some(wanted) if wanted > named => {
                Some(format!("needs {wanted} VFs of the ZIP, named are {named}"))
            }
            Some(_) => None,
        })
    }

    /// Runs the case. If it passes, it may have a remark.
    pub fn run(&self) -> Result<String> {
        if is_later(self.generation) {
            ensure!(
                host::generation()? == self.generation,
                "the accelerators of this guest are not {}",
                self.generation.layout().name
            );
        }
        match (self.run, self.driver) {
            (Run::Alone(run) | Run::Under(_, run), _) => run(),
            (Run::With(_, run), Some(driver)) => run(driver),
            (Run::With(..), None) => Err("no driver".into()),
        }
    }
}

/// Returns all cases: first those of the first generation, a suite after another, in the order in
/// which they stand.
pub fn all() -> Vec<Entry> {
    let mut registered: Vec<&Registered> = CASES.iter().collect();
    registered.sort_by_key(|registered| (registered.module, registered.line));
    let mut entries = Vec::new();
    for (n, generation) in Generation::migrating().enumerate() {
        for registered in &registered {
            let on = match registered.spec.generations {
                Generations::Each => generation,
                // In a place of the first.
                Generations::One(one) if n == 0 => one,
                Generations::One(_) => continue,
            };
            match registered.run {
                Run::With(drivers, _) => entries.extend(
                    drivers
                        .iter()
                        .map(|driver| Entry::new(registered, Some(*driver), on)),
                ),
                _ => entries.push(Entry::new(registered, None, on)),
            }
        }
    }
    entries
}

/// Returns the case of a name.
pub fn find(name: &str) -> Option<Entry> {
    all().into_iter().find(|entry| entry.case.name == name)
}

/// Tests that CI runs each case in the plain suite or in a slice (tools/kernel/flavours).
#[cfg(test)]
mod tests {
    use super::*;
    use acc_cases::flavours::{Flavours, Slice};

    fn cases() -> Vec<Case> {
        all().into_iter().map(|entry| entry.case).collect()
    }

    fn flavours() -> Flavours {
        Flavours::read(include_str!("../../../kernel/flavours")).unwrap()
    }

    /// A slice of this flavour of the toolchain root's own kernel.
    fn is(slice: &Slice, flavour: &str) -> bool {
        slice.kernel.is_none() && slice.flavour == flavour
    }

    #[test]
    fn names_are_unique() {
        let cases = cases();
        assert!(cases.len() > 100);
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cases.len(), "two cases have the same name");
    }

    #[test]
    fn the_harness_reads_all() {
        for case in cases() {
            assert_eq!(Case::read(&case.line().unwrap()).unwrap(), case);
        }
    }

    /// A slice of the debug flavour has each case that can run there with our driver.
    #[test]
    fn debug_slices_have_all() {
        let slices = flavours().slices;
        let debug: Vec<_> = slices.iter().filter(|s| is(s, "debug")).collect();
        let missing: Vec<String> = cases()
            .into_iter()
            .filter(|case| match &case.flavour {
                Some(flavour) => flavour == "debug",
                None => case.driver().is_none_or(|driver| driver == "rust"),
            })
            .filter(|case| !debug.iter().any(|slice| slice.has(case)))
            .map(|case| case.name)
            .collect();
        assert!(
            missing.is_empty(),
            "in no slice of the debug flavour: {missing:?}"
        );
    }

    /// A slice of each other flavour has the cases that run there only.
    #[test]
    fn slices_have_those_of_a_flavour() {
        let slices = flavours().slices;
        let missing: Vec<String> = cases()
            .into_iter()
            .filter(|case| {
                let flavour = case.flavour.as_deref().unwrap_or_default();
                let mut of = slices.iter().filter(|slice| is(slice, flavour));
                !flavour.is_empty() && !of.any(|slice| slice.has(case))
            })
            .map(|case| case.name)
            .collect();
        assert!(
            missing.is_empty(),
            "in no slice of their flavour: {missing:?}"
        );
    }

    /// A slice of the plain flavour has each case that the plain suite leaves out.
    #[test]
    fn plain_slices_have_the_rest() {
        let slices = flavours().slices;
        let plain: Vec<_> = slices.iter().filter(|s| is(s, "plain")).collect();
        let missing: Vec<String> = cases()
            .into_iter()
            .filter(|case| case.long && case.flavour.as_ref().is_none_or(String::is_empty))
            .filter(|case| !plain.iter().any(|slice| slice.has(case)))
            .map(|case| case.name)
            .collect();
        assert!(
            missing.is_empty(),
            "in no slice of the plain flavour: {missing:?}"
        );
    }
}
