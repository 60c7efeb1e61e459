// SPDX-License-Identifier: GPL-2.0

//! `accvf plan`: whether VFs of one host would migrate to another, by the lists of both.

use crate::{
    error::{Error, Result},
    facts::{Listing, Pf, Vf},
    host::{C_DRIVER, DRIVER},
    output::SCHEMA,
    why::{Condition, Status},
};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// A VF of the source, and the VF of the target that suits best.
#[derive(Serialize)]
pub struct Pair {
    pub source: String,
    /// `None` if the target has no free VF of the kind.
    pub target: Option<String>,
    pub migrates: Option<bool>,
    pub conditions: Vec<Condition>,
}

/// The plan.
#[derive(Serialize)]
pub struct Plan {
    pub source_host: Option<String>,
    pub target_host: Option<String>,
    pub pairs: Vec<Pair>,
    /// What no list has.
    pub not_compared: Vec<&'static str>,
}

/// What neither sysfs nor debugfs of a host shows.
const NOT_COMPARED: [&str; 1] =
    ["the queue isolation of the PFs: 'accvf check' on the target compares it, with a stream"];

/// A file with a list.
#[derive(Deserialize)]
struct File {
    schema: u32,
    #[serde(flatten)]
    listing: Listing,
}

/// Reads the output of `accvf list --json`.
pub fn read(path: &Path) -> Result<Listing> {
    let advice = "give the output of 'accvf list --json' of each host";
    let text = fs::read(path).map_err(|e| Error::of_file(path, e))?;
    let file: File = serde_json::from_slice(&text)
        .map_err(|e| Error::malformed(format!("{}: {e}", path.display()), advice))?;
    match file.schema {
        SCHEMA => Ok(file.listing),
        other => Err(Error::malformed(
            format!(
                "{}: schema {other}, this accvf knows {SCHEMA}",
                path.display()
            ),
            "use the same version of accvf on all hosts",
        )),
    }
}

fn condition(name: &'static str, status: Status, found: impl Into<String>) -> Condition {
    Condition {
        name,
        status,
        found: found.into(),
        advice: String::new(),
    }
}

/// Returns whether a VF can migrate, as its own host has it.
fn migratable(name: &'static str, vf: &Vf) -> Condition {
    let why = vf.blocker.clone().unwrap_or_default();
    match vf.migratable {
        Some(true) => condition(name, Status::Ok, format!("{} can migrate", vf.address)),
        Some(false) => Condition {
            advice: format!("on that host: accvf why {}", vf.address),
            ..condition(name, Status::No, format!("{}: {why}", vf.address))
        },
        None => condition(name, Status::Unknown, format!("{}: {why}", vf.address)),
    }
}

/// Returns the PF of a VF.
fn pf<'a>(host: &'a Listing, vf: &Vf) -> Option<&'a Pf> {
    host.pfs
        .iter()
        .find(|pf| Some(&pf.address) == vf.pf.as_ref())
}

/// What decides how many queues a VF has (`qm_vf_q_assign()` of qm.c): the PF's driver divides
/// those that it does not keep. The last VF may have more.
#[derive(PartialEq)]
struct Share {
    vfs: u32,
    pf_queues: u32,
    is_last: bool,
}

fn share(host: &Listing, vf: &Vf) -> Option<Share> {
    let pf = pf(host, vf)?;
    let vfs = pf.vfs?;
    Some(Share {
        vfs,
        pf_queues: pf.pf_queues?,
        is_last: vf.index? + 1 == vfs,
    })
}

/// Returns whether both VFs have the same number of queues.
fn queues(source: Option<Share>, target: Option<Share>) -> Condition {
    const NAME: &str = "queues";
    let (Some(source), Some(target)) = (source, target) else {
        let found = "a list does not say how the PF divides its queues";
        return condition(NAME, Status::Unknown, found);
    };
    if source == target {
        let found = format!("one of {} VFs on both", source.vfs);
        return condition(NAME, Status::Ok, found);
    }
    if source.vfs != target.vfs {
        return Condition {
            advice: "create the same number of VFs on both PFs".to_owned(),
            ..condition(
                NAME,
                Status::No,
                format!(
                    "one of {} VFs on the source, of {} on the target",
                    source.vfs, target.vfs
                ),
            )
        };
    }
    if source.pf_queues != target.pf_queues {
        return Condition {
            advice: "load the driver of both PFs with the same pf_q_num".to_owned(),
            ..condition(
                NAME,
                Status::No,
                format!(
                    "the PF keeps {} queues on the source, {} on the target",
                    source.pf_queues, target.pf_queues
                ),
            )
        };
    }
    let found = "one of them is the last VF of its PF, which may have more queues";
    condition(NAME, Status::Unknown, found)
}

/// Returns whether both are of the same generation.
fn generation(source: &Vf, target: &Vf) -> Condition {
    const NAME: &str = "generation";
    match (&source.generation, &target.generation) {
        (Some(a), Some(b)) if a == b => condition(NAME, Status::Ok, format!("{a} on both")),
        (Some(a), Some(b)) => condition(
            NAME,
            Status::Unknown,
            format!("{a} on the source, {b} on the target: nobody has tried it"),
        ),
        _ => condition(NAME, Status::Unknown, "a list does not have it"),
    }
}

/// Returns whether nobody has the target open.
fn free(target: &Vf) -> Condition {
    const NAME: &str = "free";
    match target.users.as_deref() {
        Some([]) => condition(NAME, Status::Ok, "no process has the target open"),
        Some([user, ..]) => condition(
            NAME,
            Status::No,
            format!("the target is open in {}({})", user.name, user.pid),
        ),
        None => condition(NAME, Status::Unknown, "the list was not made by root"),
    }
}

/// Returns whether QEMU learns what the source writes.
fn tracking(host: &Listing, source: &Vf) -> Condition {
    const NAME: &str = "dirty_tracking";
    let small = host.host.page_size == Some(4096);
    match (source.driver.as_deref(), source.dirty_tracking.as_deref()) {
        (Some(DRIVER), Some("auto" | "on")) if small => condition(
            NAME,
            Status::Ok,
            "the driver of the source or its IOMMU tracks",
        ),
        _ => condition(
            NAME,
            Status::Unknown,
            "only an IOMMU with dirty bits tracks on the source, with iommufd",
        ),
    }
}

/// Returns all conditions of a pair.
fn conditions(
    from: &Listing,
    to: &Listing,
    source: &Vf,
    target: &Vf,
    vfs: usize,
) -> Vec<Condition> {
    let mut all = vec![
        migratable("source", source),
        migratable("target", target),
        queues(share(from, source), share(to, target)),
        generation(source, target),
        tracking(from, source),
        free(target),
    ];
    let drivers = [source, target].map(|vf| vf.driver.as_deref());
    if vfs > 1 && drivers.contains(&Some(C_DRIVER)) {
        all.push(Condition {
            advice: format!("bind the VFs of both hosts to {DRIVER}"),
            ..condition(
                "p2p",
                Status::No,
                "the C driver has no P2P states: QEMU refuses a guest with several VFs",
            )
        });
    }
    all
}

/// Returns what the conditions come to.
fn verdict(conditions: &[Condition]) -> Option<bool> {
    let has = |status| conditions.iter().any(|one| one.status == status);
    match (has(Status::No), has(Status::Unknown)) {
        (true, _) => Some(false),
        (false, true) => None,
        (false, false) => Some(true),
    }
}

/// How bad a verdict is.
fn badness(conditions: &[Condition]) -> (usize, usize) {
    let count = |status| conditions.iter().filter(|one| one.status == status).count();
    (count(Status::No), count(Status::Unknown))
}

/// Plans the migration of the VFs that `only` names, which are those of one guest, or of all VFs,
/// each for itself.
pub fn plan(from: &Listing, to: &Listing, only: &[String]) -> Result<Plan> {
    let sources: Vec<&Vf> = match only.is_empty() {
        true => from.vfs.iter().collect(),
        false => only
            .iter()
            .map(|address| {
                let found = from.vfs.iter().find(|vf| vf.address == *address);
                found.ok_or_else(|| {
                    Error::not_found(
                        format!("the source has no VF {address}"),
                        "name a VF as 'accvf list' on the source shows it",
                    )
                })
            })
            .collect::<Result<_>>()?,
    };
    let mut taken: Vec<&str> = Vec::new();
    let mut pairs = Vec::new();
    for source in sources {
        let targets = to.vfs.iter().filter(|vf| vf.kind == source.kind);
        let best = targets
            .filter(|vf| !taken.contains(&vf.address.as_str()))
            .map(|target| (target, conditions(from, to, source, target, only.len())))
            .min_by_key(|(_, conditions)| badness(conditions));
        pairs.push(match best {
            Some((target, conditions)) => {
                taken.push(&target.address);
                Pair {
                    source: source.address.clone(),
                    target: Some(target.address.clone()),
                    migrates: verdict(&conditions),
                    conditions,
                }
            }
            None => Pair {
                source: source.address.clone(),
                target: None,
                migrates: Some(false),
                conditions: vec![Condition {
                    advice: "accvf setup PF --vfs N, on the target".to_owned(),
                    ..condition(
                        "kind",
                        Status::No,
                        format!("the target has no VF of {} that is left", source.kind),
                    )
                }],
            },
        });
    }
    Ok(Plan {
        source_host: from.host.name.clone(),
        target_host: to.host.name.clone(),
        pairs,
        not_compared: NOT_COMPARED.to_vec(),
    })
}

impl Plan {
    /// Returns whether nothing speaks against it.
    pub fn holds(&self) -> bool {
        !self.pairs.is_empty() && self.pairs.iter().all(|pair| pair.migrates != Some(false))
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.pairs.is_empty() {
            text += "the source has no VF\n";
        }
        for pair in &self.pairs {
            let target = pair.target.as_deref().unwrap_or("no VF");
            let verdict = match pair.migrates {
                Some(true) => "migrates",
                Some(false) => "does NOT migrate",
                None => "migrates if what is unknown holds",
            };
            text += &format!("{} -> {target}: {verdict}\n", pair.source);
            for condition in &pair.conditions {
                for line in condition.text().lines() {
                    text += &format!("  {line}\n");
                }
            }
        }
        for what in &self.not_compared {
            text += &format!("not compared: {what}\n");
        }
        text
    }
}
