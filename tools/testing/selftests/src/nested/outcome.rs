// SPDX-License-Identifier: GPL-2.0

//! What a migration came to, as QEMU has it: by `query-migrate`, and by its trace.

use serde_json::{json, Value};
use std::time::SystemTime;

/// Bytes of a migration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes {
    pub all: u64,
    /// Of these, those that were sent while the guest stood
    pub stop: u64,
}

/// A round: QEMU asks which pages are dirty, and sends them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Round {
    /// When it began, by the host's clock
    at: f64,
    /// How many pages became dirty since the last round. None in the first round, which sends all
    /// of RAM
    dirty: u64,
    by_vfs: u64,
}

/// What was sent and was left at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sent {
    /// When QEMU was asked, by the host's clock
    at: f64,
    round: u64,
    sent: u64,
    left: u64,
}

/// What a migration came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub status: String,
    pub error: String,
    /// From the stop of the vCPUs until the target has loaded all
    pub downtime_ms: u64,
    pub total_ms: u64,
    /// The whole stream
    pub stream_bytes: u64,
    /// Pages, with their headers (`precopy-bytes` and `downtime-bytes`)
    pub ram: Bytes,
    /// What was read from the VFs' migration files
    pub vfio: Bytes,
    /// How often it was asked which pages are dirty
    pub iterations: u64,
    /// Pages of 4 KiB that became dirty in a second, as it was last told; QEMU tells it of
    /// iterations that take longer than a second
    pub dirty_rate: Option<u64>,
    /// How many pages were dirty by what VFs had written, each time it was asked
    pub vf_dirty: Vec<u64>,
    /// Each time it was asked, with all pages that were dirty
    rounds: Vec<Round>,
    /// What was sent and was left, each time that `query-migrate` answered
    progress: Vec<Sent>,
    /// How many writes of the guest to its VFs passed QEMU, if the trace has them
    pub exits: Option<u64>,
    /// When it entered which state: VF, state, milliseconds since the first
    pub states: Vec<(String, String, f64)>,
    /// When the vCPUs were stopped, by the host's clock
    stopped_at: Option<f64>,
    /// When they went on, on the target
    started_at: Option<f64>,
    /// What came next while no vCPU ran, as QEMU names it, and when, by the host's clock
    checkpoints: Vec<(String, f64)>,
    /// How long no vCPU ran, on the source or on the target
    pub stood_ms: Option<f64>,
}

/// What QEMU traces of a guest's write to a region of a VF that is not mapped into the guest.
pub const EXIT: &str = "vfio_region_write";

/// What QEMU traces of the time in which no vCPU runs: its begin, what is done, its end.
const CHECKPOINT: &str = "vmstate_downtime_checkpoint";
const STOPS: &str = "src-downtime-start";
const GOES_ON: &str = "dst-precopy-bh-vm-started";

/// A line of a trace: when, of what, and what it says.
pub fn event(line: &str) -> Option<(f64, &str, &str)> {
    let (_, rest) = line.split_once('@')?;
    let (seconds, rest) = rest.split_once(':')?;
    let (name, text) = rest.split_once(' ')?;
    Some((seconds.parse().ok()?, name, text.trim()))
}

impl Outcome {
    /// Of a migration that begins. `exits`: the trace has them.
    pub fn new(exits: bool) -> Self {
        Self {
            exits: exits.then_some(0),
            ..Self::default()
        }
    }

    /// Reads what `query-migrate` has answered.
    pub fn read(&mut self, info: &Value) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.read_at(info, now.map_or(0.0, |now| now.as_secs_f64()));
    }

    fn read_at(&mut self, info: &Value, at: f64) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let ram = &info["ram"];
        self.status = info["status"].as_str().unwrap_or("none").to_owned();
        self.error = info["error-desc"].as_str().unwrap_or_default().to_owned();
        self.downtime_ms = number(&info["downtime"]);
        self.total_ms = number(&info["total-time"]);
        self.stream_bytes = number(&ram["transferred"]);
        self.ram = Bytes {
            all: number(&ram["precopy-bytes"]) + number(&ram["downtime-bytes"]),
            stop: number(&ram["downtime-bytes"]),
        };
        self.vfio.all = number(&info["vfio"]["transferred"]);
        self.iterations = number(&ram["dirty-sync-count"]);
        let sent = Sent {
            at,
            round: self.iterations,
            sent: self.stream_bytes,
            left: number(&ram["remaining"]),
        };
        // QEMU updates its counters a few times a second.
        let changed = |last: &Sent| Sent { at, ..*last } != sent;
        if self.progress.last().is_none_or(changed) {
            self.progress.push(sent);
        }
        match ram["dirty-pages-rate"].as_u64() {
            None | Some(0) => {}
            rate => self.dirty_rate = rate,
        }
    }

    pub fn is_over(&self) -> bool {
        ["completed", "failed", "cancelled"].contains(&self.status.as_str())
    }

    /// Reads what the source has traced since it was told to migrate.
    pub fn read_trace(&mut self, trace: &str) {
        let mut stops = false;
        let mut first = None;
        // QEMU sums the pages of all rounds in a period, which ends with the first round that is
        // more than a second after its begin.
        let mut period = (None, 0);
        for (at, name, text) in trace.lines().filter_map(event) {
            let mut words = text.split(' ');
            match name {
                "vfio_migration_set_device_state" => {
                    // (ADDRESS) state STATE
                    if let (Some(vf), Some(state)) = (words.next(), words.nth(1)) {
                        let ms = (at - *first.get_or_insert(at)) * 1e3;
                        let vf = vf.trim_matches(['(', ')']).to_owned();
                        self.states.push((vf, state.to_owned(), ms));
                    }
                }
                "vfio_save_complete_precopy_start" => stops = true,
                "vfio_save_block" if stops => {
                    // (ADDRESS) data_size BYTES
                    self.vfio.stop += words.nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
                }
                "migration_bitmap_sync_start" => {
                    self.vf_dirty.push(0);
                    period.0 = period.0.or(Some(at));
                    self.rounds.push(Round {
                        at,
                        ..Round::default()
                    });
                }
                "migration_bitmap_sync_end" => {
                    // dirty_pages PAGES
                    let pages = words.nth(1).and_then(|n| n.parse().ok());
                    let pages: u64 = pages.unwrap_or(0);
                    if let Some(round) = self.rounds.last_mut() {
                        round.dirty = pages.checked_sub(period.1).unwrap_or(pages);
                    }
                    period = match period.0 {
                        Some(begin) if at - begin > 1.0 => (Some(at), 0),
                        begin => (begin, pages),
                    };
                }
                "vfio_get_dirty_bitmap" => {
                    let pages = text.split("dirty_pages=").nth(1);
                    let pages: u64 = pages.and_then(|n| n.parse().ok()).unwrap_or(0);
                    if let Some(last) = self.vf_dirty.last_mut() {
                        *last += pages;
                    }
                    if let Some(round) = self.rounds.last_mut() {
                        round.by_vfs += pages;
                    }
                }
                EXIT => self.exits = self.exits.map(|n| n + 1),
                CHECKPOINT => {
                    if text == STOPS {
                        self.stopped_at = Some(at);
                        self.checkpoints.clear();
                    }
                    self.checkpoints.push((text.to_owned(), at));
                }
                _ => {}
            }
        }
    }

    /// Reads when the guest went on, from what the target has traced.
    pub fn read_target(&mut self, trace: &str) {
        let events = trace.lines().filter_map(event);
        let checkpoints = events.filter(|(_, name, _)| *name == CHECKPOINT);
        for (at, _, text) in checkpoints {
            self.checkpoints.push((text.to_owned(), at));
            if let (Some(stopped), GOES_ON) = (self.stopped_at, text) {
                self.stood_ms = Some((at - stopped) * 1e3);
                self.started_at = Some(at);
                break;
            }
        }
        self.checkpoints.sort_by(|a, b| a.1.total_cmp(&b.1));
    }

    /// Returns what QEMU did while no vCPU ran, each with its end, as QEMU names it, and its
    /// milliseconds.
    pub fn phases(&self) -> impl Iterator<Item = (&str, f64)> {
        let ends = self.checkpoints.iter().skip(1);
        let pairs = self.checkpoints.iter().zip(ends);
        pairs.map(|((_, begin), (name, end))| (name.as_str(), (end - begin) * 1e3))
    }

    pub fn to_json(&self) -> Value {
        let bytes = |bytes: Bytes| json!({ "all": bytes.all, "stop": bytes.stop });
        // Times of the host's clock are shown since the first round.
        let begin = self.rounds.first().map_or(0.0, |round| round.at);
        let since = |at: f64| round((at - begin) * 1e3);
        let rounds = self
            .rounds
            .iter()
            .map(|one| json!({ "ms": since(one.at), "dirty": one.dirty, "by_vfs": one.by_vfs }));
        let progress = self.progress.iter().map(
            |one| json!({ "ms": since(one.at), "round": one.round, "sent": one.sent, "left": one.left }),
        );
        let states: Vec<Value> = self
            .states
            .iter()
            .map(|(vf, state, ms)| json!({ "vf": vf, "state": state, "ms": round(*ms) }))
            .collect();
        json!({
            "downtime_ms": self.downtime_ms,
            "stood_ms": self.stood_ms.map(round),
            "total_ms": self.total_ms,
            "iterations": self.iterations,
            "dirty_pages_per_second": self.dirty_rate,
            "dirty_by_vfs": self.vf_dirty,
            "exits": self.exits,
            "stream_bytes": self.stream_bytes,
            "ram_bytes": bytes(self.ram),
            "vfio_bytes": bytes(self.vfio),
            "states": states,
            "rounds": rounds.collect::<Vec<Value>>(),
            "stopped_ms": self.stopped_at.map(since),
            "started_ms": self.started_at.map(since),
            "phases": self.phases().map(|(name, ms)| json!({ "end": name, "ms": round(ms) }))
                .collect::<Vec<Value>>(),
            "progress": progress.collect::<Vec<Value>>(),
        })
    }
}

/// To a tenth.
fn round(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "downtime {} ms, {} KiB of RAM ({} while it stood) and {} bytes of VFIO ({}) in {} \
             iterations, {} ms in all",
            self.downtime_ms,
            self.ram.all >> 10,
            self.ram.stop >> 10,
            self.vfio.all,
            self.vfio.stop,
            self.iterations,
            self.total_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds() {
        let mut outcome = Outcome::default();
        for (at, round, sent, left) in [
            (99.99, 1, 0, 900),
            (100.04, 1, 0, 900),
            (100.6, 2, 800, 100),
        ] {
            let ram = json!({ "dirty-sync-count": round, "transferred": sent, "remaining": left });
            outcome.read_at(&json!({ "status": "active", "ram": ram }), at);
        }
        outcome.read_trace(
            "1@100.000000:migration_bitmap_sync_start \n\
             1@100.001000:migration_bitmap_sync_end dirty_pages 0\n\
             1@100.500000:migration_bitmap_sync_start \n\
             1@100.501000:migration_bitmap_sync_end dirty_pages 10\n\
             1@101.000000:migration_bitmap_sync_start \n\
             1@101.000100:vfio_get_dirty_bitmap iova=0x0 dirty_pages=7\n\
             1@101.000200:vfio_get_dirty_bitmap iova=0x9 dirty_pages=2\n\
             1@101.001000:migration_bitmap_sync_end dirty_pages 30\n\
             1@101.500000:vmstate_downtime_checkpoint src-downtime-start\n\
             1@101.500100:migration_bitmap_sync_start \n\
             1@101.500200:migration_bitmap_sync_end dirty_pages 40\n",
        );
        outcome.read_target(
            "2@101.700000:vmstate_downtime_checkpoint dst-precopy-loadvm-completed\n\
             2@101.750000:vmstate_downtime_checkpoint dst-precopy-bh-vm-started\n",
        );
        let phases: Vec<_> = outcome
            .phases()
            .map(|(name, ms)| (name, ms.round()))
            .collect();
        assert_eq!(
            phases,
            [
                ("dst-precopy-loadvm-completed", 200.0),
                ("dst-precopy-bh-vm-started", 50.0)
            ]
        );
        let json = outcome.to_json();
        assert_eq!(
            json["rounds"],
            json!([
                { "ms": 0.0, "dirty": 0, "by_vfs": 0 },
                { "ms": 500.0, "dirty": 10, "by_vfs": 0 },
                { "ms": 1000.0, "dirty": 20, "by_vfs": 9 },
                { "ms": 1500.1, "dirty": 40, "by_vfs": 0 },
            ])
        );
        assert_eq!(json["dirty_by_vfs"], json!([0, 0, 9, 0]));
        assert_eq!(json["stopped_ms"], json!(1500.0));
        assert_eq!(json["started_ms"], json!(1750.0));
        assert_eq!(json["stood_ms"], json!(250.0));
        // What does not change is not repeated.
        assert_eq!(
            json["progress"],
            json!([
                { "ms": -10.0, "round": 1, "sent": 0, "left": 900 },
                { "ms": 600.0, "round": 2, "sent": 800, "left": 100 },
            ])
        );
    }
}
