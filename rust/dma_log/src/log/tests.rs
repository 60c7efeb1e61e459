// SPDX-License-Identifier: GPL-2.0

//! Tests of the log.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_dirty_log)]
mod cases {
    use super::super::{
        super::testing::Random,
        *, //
    };

    const WHOLE: u64 = 1 << 26;

    fn log() -> Result<Log<()>> {
        let logged = Span::new(0, WHOLE);
        let statistics = Arc::new(Statistics::new(), GFP_KERNEL)?;
        Log::new(logged.into_iter(), 1, 12, statistics, ())
    }

    /// Returns how many bytes between the two addresses are reported.
    fn reported(log: &mut Log<()>, start: u64, end: u64) -> u64 {
        let mut bytes = 0;
        if let Some(span) = Span::new(start, end) {
            log.report(span, None, |dirty| bytes += dirty.len());
        }
        bytes
    }

    #[test]
    fn in_flight_is_in_each_report_and_once_after() -> Result {
        let mut log = log()?;
        log.submit(0, 1).range(false, 0x5010, 0x10);
        log.mark(0x8000, 1);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x2000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x1000);
        assert!(log.complete(0, 1, |_| None));
        assert_eq!(reported(&mut log, 0, WHOLE), 0x1000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0);
        assert!(!log.complete(0, 1, |_| None));
        Ok(())
    }

    #[test]
    fn quiesced_what_is_in_flight_is_dirty_once() -> Result {
        fn at_rest(log: &mut Log<()>, rest: u32) -> u64 {
            let mut bytes = 0;
            // In two halves, as userspace may ask.
            for (start, end) in [(0, WHOLE / 2), (WHOLE / 2, WHOLE)] {
                if let Some(span) = Span::new(start, end) {
                    log.report(span, Some(rest), |dirty| bytes += dirty.len());
                }
            }
            bytes
        }
        let mut log = log()?;
        log.submit(0, 1).range(false, 0x5000, 0x1000);
        log.submit(0, 2).range(false, WHOLE - 0x1000, 0x1000);
        assert_eq!(at_rest(&mut log, 1), 0x2000);
        assert_eq!(at_rest(&mut log, 1), 0);
        // The device has run meanwhile, without a report.
        assert_eq!(at_rest(&mut log, 2), 0x2000);
        assert_eq!(at_rest(&mut log, 2), 0);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x2000);
        assert_eq!(at_rest(&mut log, 3), 0x2000);
        log.submit(1, 1).unknown(0);
        assert_eq!(at_rest(&mut log, 3), 0);
        assert_eq!(at_rest(&mut log, 4), WHOLE);
        assert_eq!(at_rest(&mut log, 4), 0);
        // What completes then is dirty once more.
        assert!(log.complete(0, 1, |_| None));
        assert_eq!(at_rest(&mut log, 4), 0x1000);
        assert!(log.complete(1, 1, |_| None));
        assert_eq!(at_rest(&mut log, 4), WHOLE);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x1000);
        Ok(())
    }

    #[test]
    fn what_is_lost_is_reported_of_a_quiesced_device() -> Result {
        let mut log = log()?;
        let all = Span::new(0, WHOLE).ok_or(EINVAL)?;
        log.lose(7, 1);
        for _ in 0..3 {
            let mut bytes = 0;
            log.report(all, Some(1), |dirty| bytes += dirty.len());
            assert_eq!(bytes, WHOLE);
        }
        Ok(())
    }

    #[test]
    fn a_pause_that_may_have_ended_is_none() -> Result {
        let mut log = log()?;
        let all = Span::new(0, WHOLE).ok_or(EINVAL)?;
        log.submit(0, 1).range(false, 0x5000, 0x1000);
        let mut at_rest = |rest, may_run| {
            if may_run {
                log.may_run();
            }
            let mut bytes = 0;
            log.report(all, Some(rest), |dirty| bytes += dirty.len());
            bytes
        };
        assert_eq!(at_rest(1, false), 0x1000);
        assert_eq!(at_rest(1, false), 0);
        for may_run in [true, false, false] {
            assert_eq!(at_rest(1, may_run), 0x1000);
        }
        // The next pause is one.
        assert_eq!(at_rest(2, false), 0x1000);
        assert_eq!(at_rest(2, false), 0);
        Ok(())
    }

    #[test]
    fn a_round_marks_each_range_once() -> Result {
        const PARTS: u64 = 16;
        const RANGES: usize = 100;

        let mut log = log()?;
        let submit = |log: &mut Log<()>, first: usize| {
            for n in first..first + RANGES {
                // CAST: Small.
                let address = (n as u64 * 0x7_0000) % WHOLE;
                log.submit(0, n as u32).range(false, address, 0x1000);
            }
        };
        submit(&mut log, 0);
        for round in 1..4 {
            let mut bytes = 0;
            for part in 0..PARTS {
                let size = WHOLE / PARTS;
                bytes += reported(&mut log, part * size, (part + 1) * size);
            }
            assert_eq!(bytes, RANGES as u64 * 0x1000);
            assert_eq!(log.statistics.marked(), round * RANGES);
        }
        // What comes during a round is marked by the reports that follow.
        assert_eq!(reported(&mut log, 0, WHOLE / 2), 74 * 0x1000);
        submit(&mut log, RANGES);
        let marked = log.statistics.marked();
        reported(&mut log, WHOLE / 2, WHOLE);
        assert_eq!(log.statistics.marked(), marked + RANGES);
        Ok(())
    }

    #[test]
    fn what_is_held_completes_with_a_later_entry() -> Result {
        let mut log = log()?;
        log.submit(0, 1).range(false, 0x5000, 0x1000);
        log.hold(0);
        assert!(!log.complete(0, 1, |_| None));
        assert!(log.held(0).eq([1]));
        // The same number again.
        log.submit(0, 1).range(false, 0x8000, 0x1000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x2000);
        assert!(log.complete(0, 1, |_| None));
        assert!(log.held(0).next().is_none());
        assert_eq!(reported(&mut log, 0, WHOLE), 0x2000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0);
        Ok(())
    }

    #[test]
    fn in_flight_elsewhere_is_not_reported_here() -> Result {
        let mut log = log()?;
        log.submit(0, 1).range(false, 0x5000, 0x4000);
        assert_eq!(reported(&mut log, 0, 0x6000), 0x1000);
        assert_eq!(reported(&mut log, 0x8000, WHOLE), 0x1000);
        assert_eq!(reported(&mut log, 0x9000, WHOLE), 0);
        Ok(())
    }

    #[test]
    fn the_unknown_is_all_in_each_report_and_once_after() -> Result {
        let mut log = log()?;
        log.submit(0, 1).unknown(3);
        log.mark(0x8000, 1);
        for _ in 0..3 {
            assert_eq!(reported(&mut log, 0, WHOLE / 2), WHOLE / 2);
        }
        assert!(log.is_unknown(0));
        assert!(log.complete(0, 1, |_| None));
        assert!(!log.is_unknown(0));
        assert_eq!(reported(&mut log, 0, WHOLE), WHOLE);
        assert_eq!(reported(&mut log, 0, WHOLE), 0);
        assert_eq!(log.statistics.whole(3), 1);
        assert_eq!(log.statistics.whole(0), 0);
        Ok(())
    }

    #[test]
    fn what_is_abandoned_is_dirty_once() -> Result {
        let mut log = log()?;
        log.submit(0, 1).range(true, 0x5000, 0x1000);
        log.submit(1, 1).range(true, 0x7000, 0x1000);
        log.abandon(0);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x2000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0x1000);
        log.abandon_all();
        assert_eq!(reported(&mut log, 0, WHOLE), 0x1000);
        assert_eq!(reported(&mut log, 0, WHOLE), 0);
        log.lose(2, 1);
        assert_eq!(reported(&mut log, 0, WHOLE), WHOLE);
        log.abandon_all();
        assert_eq!(reported(&mut log, 0, WHOLE), WHOLE);
        assert_eq!(reported(&mut log, 0, WHOLE), 0);
        Ok(())
    }

    #[test]
    fn statistics_count() -> Result {
        let mut log = log()?;
        {
            let mut entry = log.submit(0, 1);
            entry.range(false, 0x5000, 0x1000);
            entry.range(false, 0x7000, 0x1000);
        }
        let statistics = log.statistics.clone();
        assert_eq!((statistics.entries(), statistics.ranges()), (1, 2));
        log.mark_all(70);
        assert_eq!(reported(&mut log, 0, WHOLE), WHOLE);
        assert_eq!((statistics.reports(), statistics.pages()), (1, WHOLE >> 12));
        assert_eq!(statistics.whole(63), 1);
        drop(log);
        assert_eq!((statistics.entries(), statistics.ranges()), (0, 0));
        Ok(())
    }

    /// A device writes at random what it was told to write, some time between submission and
    /// completion: no page that it writes is missing in the later reports.
    #[test]
    fn nothing_written_is_lost() -> Result {
        const QUEUES: usize = 3;

        let mut random = Random::new(23);
        let mut log = log()?;
        // The number and the page of what is in flight, by queue.
        let mut jobs: [KVec<(u32, u64)>; QUEUES] = [const { KVec::new() }; QUEUES];
        // The pages that were written and not reported since.
        let mut written: KVec<u64> = KVec::new();
        let mut next = 0;
        for _ in 0..20_000 {
            // CAST: Small, all that are in here.
            let queue = random.below(QUEUES as u64) as usize;
            let in_queue = jobs.get_mut(queue).ok_or(EINVAL)?;
            match random.below(6) {
                0 | 1 => {
                    let page = random.below(WHOLE >> 12);
                    next += 1;
                    let mut entry = log.submit(queue as u32, next);
                    if random.below(200) == 0 {
                        entry.unknown(0);
                    } else {
                        entry.range(random.below(2) == 0, page << 12, 0x1000);
                    }
                    drop(entry);
                    in_queue.push((next, page), GFP_KERNEL)?;
                }
                2 | 3 => {
                    let at = random.below(in_queue.len() as u64 + 1) as usize;
                    if let Some((_, page)) = in_queue.get(at) {
                        written.push(*page, GFP_KERNEL)?;
                    }
                }
                4 => {
                    let at = random.below(in_queue.len() as u64 + 1) as usize;
                    if let Some(&(index, _)) = in_queue.get(at) {
                        assert!(log.complete(queue as u32, index, |_| None));
                        in_queue.retain(|job| job.0 > index);
                    }
                }
                _ => {
                    let start = random.below(WHOLE >> 13) << 12;
                    let span = Span::new(start, start + WHOLE / 2).ok_or(EINVAL)?;
                    log.report(span, None, |told| {
                        written.retain(|page| {
                            Span::of_len(*page << 12, 1)
                                .and_then(|p| p.and(told))
                                .is_none()
                        });
                    });
                    let missing = written
                        .iter()
                        .filter_map(|page| Span::of_len(*page << 12, 1)?.and(span))
                        .count();
                    assert_eq!(missing, 0);
                }
            }
        }
        Ok(())
    }
}
