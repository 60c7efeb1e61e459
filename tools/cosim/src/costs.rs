// SPDX-License-Identifier: GPL-2.0

//! What a report costs, beside the walk of a bitmap that userspace makes of each.

use dma_log::{Log, Span, Statistics};
use kernel::{prelude::*, sync::Arc};
use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

/// What is logged: 1 TiB, in pages of 4 KiB.
const LOGGED: u64 = 1 << 40;
const SHIFT: u32 = 12;
const PAGES: u64 = LOGGED >> SHIFT;
/// Each page comes once, far from the one before: the number is odd.
const STRIDE: u64 = 0x9e37_79b1;
/// How often each is measured.
const RUNS: usize = 5;
/// The most ranges that a log has in flight, by entries of so many each.
const RANGES: u32 = 1 << 20;
const RANGES_OF_ENTRY: u32 = 4;

/// One line of the table.
pub struct Cost {
    pub what: String,
    /// How many pages the report has.
    pub pages: u64,
    /// Median time of a report into an empty bitmap.
    pub report: Duration,
    /// Median time in which userspace finds the bits of that bitmap.
    pub walk: Duration,
}

impl Cost {
    /// How many times as long as the walk the report takes.
    pub fn ratio(&self) -> f64 {
        self.report.as_secs_f64() / self.walk.as_secs_f64()
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            pages,
            report,
            walk,
        } = self;
        let ratio = self.ratio();
        write!(
            f,
            "{what:<34} {pages:>9} {report:>10.1?} {walk:>10.1?} {ratio:>8.3}"
        )
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Sets the bits of whole pages, as `iova_bitmap_set()` does.
fn set(bitmap: &mut [u64], span: Span) {
    for page in span.start() >> SHIFT..span.end() >> SHIFT {
        bitmap[(page / 64) as usize] |= 1 << (page % 64);
    }
}

/// Finds the bits of a bitmap one after another.
fn walk(bitmap: &[u64]) -> u64 {
    let mut sum = 0;
    for (at, word) in (0u64..).zip(bitmap) {
        let mut word = *word;
        while word != 0 {
            sum ^= at * 64 + u64::from(word.trailing_zeros());
            word &= word - 1;
        }
    }
    sum
}

/// Measures reports of a log that `fill` fills.
fn measure(what: &str, mut fill: impl FnMut(&mut Log<()>)) -> Result<Cost> {
    let statistics = Arc::new(Statistics::new(), GFP_KERNEL)?;
    let all = Span::new(0, LOGGED).ok_or(EINVAL)?;
    let mut log = Log::new(Some(all).into_iter(), 1, SHIFT, statistics.clone(), ())?;
    let (mut reports, mut walks, mut pages) = (vec![], vec![], 0);
    let mut bitmap = vec![0u64; (PAGES / 64) as usize];
    for _ in 0..RUNS {
        fill(&mut log);
        bitmap.fill(0);
        let begin = Instant::now();
        log.report(all, None, |span| set(&mut bitmap, span));
        reports.push(begin.elapsed());
        let begin = Instant::now();
        black_box(walk(black_box(&bitmap)));
        walks.push(begin.elapsed());
        pages = bitmap.iter().map(|word| u64::from(word.count_ones())).sum();
    }
    // Without room, all is dirty: that is another thing.
    if statistics.full() != 0 {
        return Err(ENOMEM);
    }
    Ok(Cost {
        what: what.to_owned(),
        pages,
        report: median(reports),
        walk: median(walks),
    })
}

/// Measures all.
pub fn all() -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for pages in [0u64, 1_000, 100_000, 10_000_000] {
        costs.push(measure(&format!("{pages} pages, each by itself"), |log| {
            for n in 0..pages {
                log.mark((n.wrapping_mul(STRIDE) % PAGES) << SHIFT, 1);
            }
        })?);
    }
    costs.push(measure("10000000 pages, in ranges of 1 MiB", |log| {
        for n in 0..10_000_000 / 256 {
            let at = (n * STRIDE) % (PAGES / 256);
            log.mark((at * 256) << SHIFT, 256 << SHIFT);
        }
    })?);
    let mut is_submitted = false;
    costs.push(measure("1048576 ranges in flight", |log| {
        if core::mem::replace(&mut is_submitted, true) {
            return;
        }
        for index in 0..RANGES / RANGES_OF_ENTRY {
            let mut entry = log.submit(0, index);
            for n in 0..RANGES_OF_ENTRY {
                let page = u64::from(index * RANGES_OF_ENTRY + n).wrapping_mul(STRIDE) % PAGES;
                entry.range(false, page << SHIFT, 1 << SHIFT);
            }
        }
    })?);
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_was_marked() {
        let cost = measure("a few", |log| {
            for n in 0..100 {
                log.mark((n * STRIDE % PAGES) << SHIFT, 1);
            }
        });
        assert_eq!(cost.unwrap().pages, 100);
    }

    #[test]
    fn a_walk_finds_each_bit() {
        let mut bitmap = vec![0; 4];
        for page in [0, 63, 64, 255] {
            set(
                &mut bitmap,
                Span::of_len(page << SHIFT, 1 << SHIFT).unwrap(),
            );
        }
        assert_eq!(walk(&bitmap), 63 ^ 64 ^ 255);
    }
}
