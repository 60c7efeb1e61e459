// SPDX-License-Identifier: GPL-2.0

//! The conditions of migration, one after another.

use crate::{
    facts::Blocker,
    host::{Accelerator, Host, DRIVER, VFIO_DRIVERS},
    sysfs,
};
use serde::Serialize;

/// Whether a condition holds.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It does not hold.
    No,
    /// Nothing says whether it holds.
    Unknown,
}

/// A condition of migration.
#[derive(Serialize, Clone, Debug)]
pub struct Condition {
    /// A name that does not change.
    pub name: &'static str,
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it; nothing if it holds.
    pub advice: String,
}

/// All conditions of a VF.
#[derive(Serialize)]
pub struct Why {
    pub address: String,
    /// The driver's answer; `None` if it has none.
    pub migratable: Option<bool>,
    pub conditions: Vec<Condition>,
}

fn ok(name: &'static str, found: impl Into<String>) -> Condition {
    Condition {
        name,
        status: Status::Ok,
        found: found.into(),
        advice: String::new(),
    }
}

fn no(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Condition {
    Condition {
        name,
        status: Status::No,
        found: found.into(),
        advice: advice.into(),
    }
}

fn unknown(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Condition {
    Condition {
        status: Status::Unknown,
        ..no(name, found, advice)
    }
}

/// Kernel options without which the modules cannot be loaded, or userspace cannot open a VF.
const OPTIONS: [&[&str]; 4] = [
    &["CONFIG_RUST"],
    &["CONFIG_VFIO_PCI_CORE"],
    &["CONFIG_CRYPTO_DEV_HISI_QM"],
    &["CONFIG_IOMMUFD", "CONFIG_VFIO_CONTAINER"],
];

/// Returns whether the running kernel has the options.
fn kernel(host: &Host) -> Condition {
    const NAME: &str = "kernel";
    let release = host.release().unwrap_or_default();
    if host.is_loaded(DRIVER) {
        return ok(NAME, format!("{release} runs {DRIVER}"));
    }
    let Some(config) = host.kernel_config() else {
        let text = format!("{release} shows its options nowhere");
        return unknown(NAME, text, format!("load {DRIVER}: modprobe {DRIVER}"));
    };
    let has = |option: &&&str| {
        config
            .lines()
            .filter_map(|line| line.strip_prefix(**option))
            .any(|value| value == "=y" || value == "=m")
    };
    let lacks: Vec<String> = OPTIONS
        .iter()
        .filter(|either| !either.iter().any(|option| has(&option)))
        .map(|either| either.join(" or "))
        .collect();
    match lacks.is_empty() {
        true => ok(NAME, format!("{release} has the options")),
        false => no(
            NAME,
            format!("{release} lacks {}", lacks.join(", ")),
            "install a kernel with these options",
        ),
    }
}

/// Returns whether the driver is loaded, or can be.
fn modules(host: &Host) -> Condition {
    const NAME: &str = "modules";
    if host.is_loaded(DRIVER) {
        return ok(NAME, format!("{DRIVER} is loaded"));
    }
    let found = format!("{DRIVER} is not loaded");
    match host.is_installed(DRIVER) {
        true => no(NAME, found, format!("load it: modprobe {DRIVER}")),
        false => no(
            NAME,
            format!("{found}, and not installed for this kernel"),
            "install the modules (admin-guide/install.rst)",
        ),
    }
}

/// Returns whether the hardware is new enough.
fn revision(vf: &Accelerator) -> Condition {
    const NAME: &str = "revision";
    let Some(revision) = vf.revision() else {
        return unknown(NAME, "the revision cannot be read", "look at lspci");
    };
    let row = vf.generation().map(|generation| generation.layout());
    match row {
        Some(row) if row.migration.is_some() => {
            ok(NAME, format!("revision {revision:#04x}, {}", row.name))
        }
        _ => no(
            NAME,
            format!("revision {revision:#04x} has no migration registers"),
            "nothing helps: the hardware is older than V3 (revision 0x30)",
        ),
    }
}

/// Returns whether an IOMMU limits the DMA of the VF, and of nothing else with it.
fn group(vf: &Accelerator) -> [Condition; 2] {
    let number = vf.function.link("iommu_group").unwrap_or_default();
    let Some(devices) = vf.function.group() else {
        let advice = "enable the IOMMU (SMMU) in the firmware and in the kernel";
        return [
            no("iommu", "the VF has no IOMMU group", advice),
            unknown("group", "there is no IOMMU group", ""),
        ];
    };
    let others: Vec<String> = devices
        .into_iter()
        .filter(|one| one != vf.address())
        .collect();
    let group = match others.is_empty() {
        true => ok("group", format!("alone in IOMMU group {number}")),
        false => no(
            "group",
            format!("shares IOMMU group {number} with {}", others.join(" ")),
            "enable ACS in the bridges above the VF",
        ),
    };
    [ok("iommu", "the VF has an IOMMU group"), group]
}

/// Returns whether the PF has its driver, and whether its queue manager is published.
fn pf(host: &Host, vf: &Accelerator) -> [Condition; 2] {
    let module = vf.engine.descriptor().module;
    let Some(address) = vf.pf() else {
        let found = "the VF has no PF in this machine";
        let advice = "use it on the host: a VF passed through to a guest cannot migrate again";
        return [
            no("pf", found, advice),
            unknown("link", "there is no PF", ""),
        ];
    };
    let pf = Accelerator {
        engine: vf.engine,
        is_vf: false,
        function: host.function(&address),
    };
    let driver = match pf.driver() {
        Some(driver) if driver == module => ok("pf", format!("{address} is bound to {module}")),
        Some(other) => no(
            "pf",
            format!("{address} is bound to {other}"),
            format!("bind it to {module}"),
        ),
        None => no(
            "pf",
            format!("{address} has no driver"),
            format!("modprobe {module}; echo {address} >/sys/bus/pci/drivers/{module}/bind"),
        ),
    };
    let link = match pf.has_link() {
        true => ok("link", format!("hisi_acc_link publishes {address}")),
        false => no(
            "link",
            format!("hisi_acc_link does not publish {address}"),
            format!("modprobe {DRIVER}, bind the PF to {module}, then bind the VF again"),
        ),
    };
    [driver, link]
}

/// Returns whether the VF has this driver.
fn driver(vf: &Accelerator) -> Condition {
    const NAME: &str = "driver";
    let advice = format!("accvf bind {}", vf.address());
    match vf.driver() {
        Some(driver) if driver == DRIVER => ok(NAME, format!("bound to {DRIVER}")),
        Some(other) => no(NAME, format!("bound to {other}"), advice),
        None => no(NAME, "no driver", advice),
    }
}

/// Asks the driver.
fn blocker(vf: &Accelerator) -> (Option<bool>, Condition) {
    const NAME: &str = "migration_blocker";
    if vf.driver().as_deref() != Some(DRIVER) {
        let found = format!("{DRIVER} cannot be asked: the VF is not bound to it");
        return (None, unknown(NAME, found, ""));
    }
    match Blocker::of(vf) {
        Ok(Blocker::None) => (Some(true), ok(NAME, "the driver says that the VF migrates")),
        Ok(Blocker::Because(why)) => {
            let advice = "remove the cause, then bind the VF again (troubleshooting.rst)";
            (Some(false), no(NAME, why, advice))
        }
        Ok(Blocker::NoAttribute) => {
            let found = format!("this {DRIVER} is older than the attribute");
            let advice = "look for 'no migration' in the kernel's log, or install a newer driver";
            (None, unknown(NAME, found, advice))
        }
        Err(e) => (None, unknown(NAME, e.to_string(), "run it as root")),
    }
}

/// Returns whether the driver can track dirty pages on this kernel, and whether it does.
fn tracking(host: &Host, vf: &Accelerator) -> [Condition; 2] {
    /// The largest page in which the mailbox and the doorbells of a VF are apart.
    const PAGE: u64 = 4096;
    let pages = match host.page_size() {
        Some(PAGE) => ok("page_size", "pages of 4 KiB"),
        Some(size) => unknown(
            "page_size",
            format!(
                "pages of {} KiB: the driver cannot track dirty pages",
                size / 1024
            ),
            "use a kernel with pages of 4 KiB, or an IOMMU with dirty bits and iommufd",
        ),
        None => unknown("page_size", "the page size cannot be read", ""),
    };
    let mode = sysfs::read_optional(&vf.function.path.join("dirty_tracking"));
    let tracks = pages.status == Status::Ok;
    let name = "dirty_tracking";
    let iommu = "only an IOMMU with dirty bits reports what the VF writes, to QEMU with iommufd";
    let dirty = match mode.as_deref() {
        Some(mode @ ("auto" | "on")) if tracks => ok(
            name,
            match mode {
                "on" => "on: the driver tracks",
                _ => "auto: the driver tracks, unless iommufd uses dirty bits of the IOMMU",
            },
        ),
        Some("off") if tracks => unknown(
            name,
            format!("off: {iommu}"),
            format!(
                "without such an IOMMU: echo auto >/sys/bus/pci/devices/{}/dirty_tracking",
                vf.address()
            ),
        ),
        Some(mode) => unknown(name, format!("{mode}: {iommu}"), ""),
        None => unknown(name, "the driver of the VF has no such attribute", ""),
    };
    [pages, dirty]
}

/// Returns the conditions that must hold before the VF is bound.
pub fn before_bind(host: &Host, vf: &Accelerator) -> Vec<Condition> {
    let mut all = vec![kernel(host), modules(host), revision(vf)];
    all.extend(group(vf));
    all.extend(pf(host, vf));
    all
}

impl Why {
    /// Looks at all conditions.
    pub fn of(host: &Host, vf: &Accelerator) -> Self {
        let mut conditions = before_bind(host, vf);
        conditions.push(driver(vf));
        let (answer, says) = blocker(vf);
        conditions.push(says);
        conditions.extend(tracking(host, vf));
        let fails = conditions.iter().any(|one| one.status == Status::No);
        Self {
            address: vf.address().to_owned(),
            // What the driver says counts; a VF without the driver does not migrate.
            migratable: match answer {
                None if fails => Some(false),
                answer => answer,
            },
            conditions,
        }
    }

    /// Returns whether all conditions hold that can be judged.
    pub fn holds(&self) -> bool {
        let no = |one: &Condition| one.status == Status::No;
        self.migratable != Some(false) && !self.conditions.iter().any(no)
    }

    /// Returns it as a text: a line for each condition, and a line for what to do.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for condition in &self.conditions {
            text += &condition.text();
        }
        text += &match self.migratable {
            Some(true) if !self.holds() => format!(
                "the driver says that {} can migrate, but a condition does not hold\n",
                self.address
            ),
            Some(true) => format!("{} can migrate\n", self.address),
            Some(false) => format!("{} cannot migrate\n", self.address),
            None => format!("it is unknown whether {} can migrate\n", self.address),
        };
        text
    }
}

impl Condition {
    /// Returns it as a line, and what to do as another.
    pub fn text(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::No => "NO",
            Status::Unknown => "?",
        };
        let mut text = format!("{status:<3} {:<18} {}\n", self.name, self.found);
        if !self.advice.is_empty() {
            text += &format!("    {:<18} -> {}\n", "", self.advice);
        }
        text
    }
}

/// Returns whether a driver is one that gives VFs to userspace.
pub fn is_vfio(driver: &str) -> bool {
    VFIO_DRIVERS.contains(&driver)
}
