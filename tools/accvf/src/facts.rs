// SPDX-License-Identifier: GPL-2.0

//! Facts about PFs and VFs, as `accvf list --json` has them.

use crate::{
    error::Result,
    host::{Accelerator, Host, User, C_DRIVER, DRIVER},
    output::or_dash,
    output::table,
    sysfs,
};
use serde::{Deserialize, Serialize};
use std::io;

/// The host.
#[derive(Serialize, Deserialize, Clone)]
pub struct HostFacts {
    pub name: Option<String>,
    pub kernel: Option<String>,
    pub page_size: Option<u64>,
}

/// A PF.
#[derive(Serialize, Deserialize, Clone)]
pub struct Pf {
    pub address: String,
    pub kind: String,
    pub revision: Option<u16>,
    pub generation: Option<String>,
    pub driver: Option<String>,
    /// Whether hisi_acc_link publishes its queue manager.
    pub link: bool,
    pub vfs: Option<u32>,
    pub vfs_max: Option<u32>,
    /// The queues that its driver keeps for it (`pf_q_num`).
    pub pf_queues: Option<u32>,
}

/// The IOMMU group of a VF.
#[derive(Serialize, Deserialize, Clone)]
pub struct Group {
    pub number: String,
    /// All devices in it.
    pub devices: Vec<String>,
}

/// A VF.
#[derive(Serialize, Deserialize, Clone)]
pub struct Vf {
    pub address: String,
    pub kind: String,
    pub pf: Option<String>,
    /// Its number among the VFs of the PF, from 0.
    pub index: Option<u32>,
    pub revision: Option<u16>,
    pub generation: Option<String>,
    pub driver: Option<String>,
    pub group: Option<Group>,
    /// Whether it can migrate; `None` if nobody says.
    pub migratable: Option<bool>,
    /// Why it cannot, or why it is unknown.
    pub blocker: Option<String>,
    /// The attribute `dirty_tracking`.
    pub dirty_tracking: Option<String>,
    /// The migration state. Only root can read it.
    pub state: Option<String>,
    /// The processes that have it open. `None` if only root can know.
    pub users: Option<Vec<User>>,
}

/// All of a host.
#[derive(Serialize, Deserialize, Clone)]
pub struct Listing {
    pub host: HostFacts,
    pub pfs: Vec<Pf>,
    pub vfs: Vec<Vf>,
}

/// What the attribute `migration_blocker` of a VF says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Blocker {
    /// The VF can migrate.
    None,
    /// It cannot, for this reason.
    Because(String),
    /// The driver of the VF has no such attribute.
    NoAttribute,
}

impl Blocker {
    /// Asks the driver.
    pub fn of(vf: &Accelerator) -> io::Result<Self> {
        match sysfs::read_raw(&vf.function.path.join("migration_blocker")) {
            Ok(text) if text.is_empty() => Ok(Self::None),
            Ok(text) => Ok(Self::Because(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::NoAttribute),
            Err(e) => Err(e),
        }
    }
}

/// Returns whether a VF can migrate and, if not or if that is unknown, why.
fn migratable(vf: &Accelerator) -> (Option<bool>, Option<String>) {
    match Blocker::of(vf) {
        Ok(Blocker::None) => (Some(true), None),
        Ok(Blocker::Because(why)) => (Some(false), Some(why)),
        Err(e) => (None, Some(format!("migration_blocker: {e}"))),
        Ok(Blocker::NoAttribute) => match vf.driver().as_deref() {
            Some(DRIVER) => (
                None,
                Some(format!("this {DRIVER} is older than migration_blocker")),
            ),
            Some(C_DRIVER | "hisi-acc-vfio-pci") => (
                None,
                Some("the C driver shows it in the kernel's log only".to_owned()),
            ),
            Some(other) => (Some(false), Some(format!("bound to {other}"))),
            None => (Some(false), Some("no driver".to_owned())),
        },
    }
}

impl Pf {
    /// Reads the facts about a PF.
    pub fn of(host: &Host, pf: &Accelerator) -> Self {
        let module = pf.engine.descriptor().module;
        let queues = format!("sys/module/{module}/parameters/pf_q_num");
        Self {
            address: pf.address().to_owned(),
            kind: pf.kind().to_owned(),
            revision: pf.revision(),
            generation: pf.generation().map(|g| g.layout().name.to_owned()),
            driver: pf.driver(),
            link: pf.has_link(),
            vfs: sysfs::number(&pf.function.path.join("sriov_numvfs")),
            vfs_max: sysfs::number(&pf.function.path.join("sriov_totalvfs")),
            pf_queues: sysfs::number(&host.path(&queues)),
        }
    }
}

impl Vf {
    /// Reads the facts about a VF.
    pub fn of(host: &Host, vf: &Accelerator) -> Self {
        let (migratable, blocker) = migratable(vf);
        let number = vf.function.link("iommu_group");
        let pf = vf.pf();
        let siblings = pf.as_ref().map(|address| {
            let function = host.function(address);
            Accelerator {
                engine: vf.engine,
                is_vf: false,
                function,
            }
            .vfs()
        });
        let index = siblings.and_then(|all| all.iter().position(|one| one == vf.address()));
        Self {
            address: vf.address().to_owned(),
            kind: vf.kind().to_owned(),
            pf,
            index: index.and_then(|n| u32::try_from(n).ok()),
            revision: vf.revision(),
            generation: vf.generation().map(|g| g.layout().name.to_owned()),
            driver: vf.driver(),
            group: number.map(|number| Group {
                number,
                devices: vf.function.group().unwrap_or_default(),
            }),
            migratable,
            blocker,
            dirty_tracking: sysfs::read_optional(&vf.function.path.join("dirty_tracking")),
            state: sysfs::read_optional(&vf.debugfs(host).join("state")),
            users: host.users(vf),
        }
    }
}

impl Listing {
    /// Reads everything.
    pub fn of(host: &Host) -> Result<Self> {
        let all = host.all()?;
        let of = |is_vf: bool| all.iter().filter(move |one| one.is_vf == is_vf);
        Ok(Self {
            host: HostFacts {
                name: host.name(),
                kernel: host.release(),
                page_size: host.page_size(),
            },
            pfs: of(false).map(|pf| Pf::of(host, pf)).collect(),
            vfs: of(true).map(|vf| Vf::of(host, vf)).collect(),
        })
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        if self.pfs.is_empty() && self.vfs.is_empty() {
            return "no accelerator of ZIP, SEC2 or HPRE on this host\n".to_owned();
        }
        let pfs = table(
            &["PF", "KIND", "REV", "DRIVER", "LINK", "VFS"],
            self.pfs.iter().map(|pf| {
                vec![
                    pf.address.clone(),
                    pf.kind.clone(),
                    revision(pf.revision, &pf.generation),
                    or_dash(&pf.driver),
                    if pf.link { "yes" } else { "no" }.to_owned(),
                    format!("{} of {}", or_dash(&pf.vfs), or_dash(&pf.vfs_max)),
                ]
            }),
        );
        let vfs = table(
            &[
                "VF", "KIND", "REV", "DRIVER", "GROUP", "TRACKING", "STATE", "USERS", "MIGRATES",
            ],
            self.vfs.iter().map(|vf| {
                vec![
                    vf.address.clone(),
                    vf.kind.clone(),
                    revision(vf.revision, &vf.generation),
                    or_dash(&vf.driver),
                    group(&vf.group),
                    or_dash(&vf.dirty_tracking),
                    or_dash(&vf.state),
                    users(&vf.users),
                    // The longest one.
                    migrates(vf.migratable, &vf.blocker),
                ]
            }),
        );
        match self.vfs.is_empty() {
            true => format!("{pfs}\n\nno VF: 'accvf setup PF --vfs N' creates some\n"),
            false => format!("{pfs}\n\n{vfs}\n"),
        }
    }
}

fn revision(revision: Option<u16>, generation: &Option<String>) -> String {
    match (revision, generation) {
        (Some(revision), Some(generation)) => format!("{revision:#04x} {generation}"),
        (Some(revision), None) => format!("{revision:#04x}"),
        (None, _) => "-".to_owned(),
    }
}

fn group(group: &Option<Group>) -> String {
    match group {
        None => "none".to_owned(),
        Some(group) if group.devices.len() < 2 => group.number.clone(),
        Some(group) => format!("{} (shared by {})", group.number, group.devices.len()),
    }
}

fn migrates(migratable: Option<bool>, why: &Option<String>) -> String {
    let why = why.as_deref().unwrap_or_default();
    match migratable {
        Some(true) => "yes".to_owned(),
        Some(false) => format!("no: {why}"),
        None => format!("unknown: {why}"),
    }
}

/// Shows the processes that use a VF.
pub fn users(users: &Option<Vec<User>>) -> String {
    match users {
        None => "? (run as root)".to_owned(),
        Some(users) if users.is_empty() => "-".to_owned(),
        Some(users) => users
            .iter()
            .map(|user| format!("{}({})", user.name, user.pid))
            .collect::<Vec<_>>()
            .join(" "),
    }
}
