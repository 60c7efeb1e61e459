// SPDX-License-Identifier: GPL-2.0

//! `accvf dirty`: what dirty page tracking reported, and why all memory was dirty.

use crate::{
    error::{Error, Result},
    host::{Accelerator, Host},
    sysfs,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// The counters of the driver, since it was bound.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq, Eq, Debug)]
pub struct Tracking {
    /// Reports that were answered.
    pub reports: u64,
    /// Pages in all reports.
    pub pages: u64,
    /// Requests in flight now.
    pub entries_in_flight: u64,
    /// Ranges that they may write.
    pub ranges_in_flight: u64,
    /// How often all memory became dirty, by reason.
    pub all_memory: BTreeMap<String, u64>,
}

/// What changed between two looks.
#[derive(Serialize, PartialEq, Debug)]
pub struct Sample {
    pub address: String,
    /// The time since the last look; `None` for the counters since the driver was bound.
    pub seconds: Option<f64>,
    pub pages_per_second: Option<f64>,
    #[serde(flatten)]
    pub change: Tracking,
}

impl Tracking {
    /// Parses the file `dirty_tracking` of debugfs. Lines that are not known are left out.
    fn parse(text: &str) -> Self {
        let mut tracking = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(": ") else {
                continue;
            };
            let Ok(value) = value.trim().parse() else {
                continue;
            };
            match name {
                "reports" => tracking.reports = value,
                "pages" => tracking.pages = value,
                "entries in flight" => tracking.entries_in_flight = value,
                "ranges in flight" => tracking.ranges_in_flight = value,
                _ => {
                    let reason = name.strip_prefix("all memory, ");
                    // The driver prints one of them always.
                    if let Some(reason) = reason.filter(|_| value != 0) {
                        tracking.all_memory.insert(reason.to_owned(), value);
                    }
                }
            }
        }
        tracking
    }

    /// Reads the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&sysfs::read_raw(path)?))
    }

    /// Returns what has been added since `before`. What is in flight is not a difference.
    fn since(&self, before: &Self) -> Self {
        let reasons = self.all_memory.iter();
        let added = |(reason, count): (&String, &u64)| {
            let before = before.all_memory.get(reason).unwrap_or(&0);
            let more = count.saturating_sub(*before);
            (more != 0).then(|| (reason.clone(), more))
        };
        Self {
            reports: self.reports.saturating_sub(before.reports),
            pages: self.pages.saturating_sub(before.pages),
            all_memory: reasons.filter_map(added).collect(),
            ..self.clone()
        }
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "  reports {}, pages {}, in flight: {} requests, {} ranges\n",
            self.reports, self.pages, self.entries_in_flight, self.ranges_in_flight
        );
        for (reason, count) in &self.all_memory {
            text += &format!("  all memory dirty, {reason}: {count}\n");
        }
        text
    }
}

/// Looks at the counters of a VF.
pub struct Looks<'a> {
    host: &'a Host,
    vf: Accelerator,
    last: Option<Tracking>,
}

impl<'a> Looks<'a> {
    /// Begins with a VF.
    pub fn at(host: &'a Host, address: &str) -> Result<Self> {
        Ok(Self {
            host,
            vf: host.vf(address)?,
            last: None,
        })
    }

    fn read(&self) -> Result<Tracking> {
        let path = self.vf.debugfs(self.host).join("hisi_acc/dirty_tracking");
        Tracking::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::not_found(
                format!("{} shows no counters of dirty tracking", self.vf.address()),
                "mount debugfs, and bind the VF to this driver: accvf why VF",
            ),
            _ => Error::of_file(&path, e),
        })
    }

    /// Looks again: the first time the counters since the driver was bound.
    pub fn next(&mut self, since: Duration) -> Result<Sample> {
        let now = self.read()?;
        let sample = self.sample(&now, since);
        self.last = Some(now);
        Ok(sample)
    }

    fn sample(&self, now: &Tracking, since: Duration) -> Sample {
        let address = self.vf.address().to_owned();
        let Some(last) = &self.last else {
            return Sample {
                address,
                seconds: None,
                pages_per_second: None,
                change: now.clone(),
            };
        };
        let change = now.since(last);
        let seconds = since.as_secs_f64().max(f64::MIN_POSITIVE);
        Sample {
            address,
            seconds: Some(seconds),
            pages_per_second: Some(change.pages as f64 / seconds),
            change,
        }
    }
}

impl Sample {
    /// Returns it as a text.
    pub fn text(&self) -> String {
        let when = match (self.seconds, self.pages_per_second) {
            (Some(seconds), Some(rate)) => format!("last {seconds:.1} s: {rate:.0} pages a second"),
            _ => "since the driver was bound".to_owned(),
        };
        format!("{} {when}\n{}", self.address, self.change.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "reports: 3\npages: 40\nentries in flight: 2\nranges in flight: 5\n\
        all memory, no room to note less: 0\nall memory, a write beside the doorbells: 1\n\
        something new: 7\nnonsense\nreports: many\n";

    #[test]
    fn counters() {
        let tracking = Tracking::parse(TEXT);
        assert_eq!((tracking.reports, tracking.pages), (3, 40));
        assert_eq!(
            (tracking.entries_in_flight, tracking.ranges_in_flight),
            (2, 5)
        );
        let reasons: Vec<_> = tracking.all_memory.into_iter().collect();
        assert_eq!(reasons, [("a write beside the doorbells".to_owned(), 1)]);
    }

    #[test]
    fn changes() {
        let before = Tracking::parse(TEXT);
        let mut now = before.clone();
        now.pages += 100;
        now.entries_in_flight = 1;
        now.all_memory.insert("memory cannot be read".to_owned(), 2);
        let change = now.since(&before);
        assert_eq!(
            (change.reports, change.pages, change.entries_in_flight),
            (0, 100, 1)
        );
        assert_eq!(change.all_memory.len(), 1);
        // The driver was bound anew meanwhile.
        assert_eq!(before.since(&now).pages, 0);
    }
}
