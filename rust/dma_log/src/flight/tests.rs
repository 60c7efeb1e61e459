// SPDX-License-Identifier: GPL-2.0

//! Tests of what is in flight.

use kernel::prelude::*;

#[kunit_tests(vfio_rs_dirty_flight)]
mod cases {
    use super::super::{
        super::testing::Random,
        *, //
    };

    fn span(start: u64, len: u64) -> Result<Span> {
        Span::of_len(start, len).ok_or(EINVAL)
    }

    /// Submits an entry with one range, not clippable.
    fn submit(flight: &mut Flight, queue: u32, index: u32, range: Span) {
        assert!(flight.submit(queue, index).is_ok());
        assert!(flight.range(queue, false, range).is_ok());
    }

    /// Completes an entry, and returns how many bytes were written.
    fn complete(flight: &mut Flight, queue: u32, index: u32) -> Option<(u64, bool)> {
        let mut bytes = 0;
        let Unknown(unknown) =
            flight.complete(queue, index, |_| None, |span| bytes += span.len())?;
        Some((bytes, unknown))
    }

    fn in_flight(flight: &Flight) -> u64 {
        let mut bytes = 0;
        flight.for_each(|span| bytes += span.len());
        bytes
    }

    #[test]
    fn all_before_are_complete() -> Result {
        let mut flight = Flight::new();
        for index in 0..10 {
            submit(
                &mut flight,
                3,
                index,
                span(u64::from(index) << 20, 1 << index)?,
            );
        }
        submit(&mut flight, 4, 2, span(0, 0x1000)?);
        assert_eq!(complete(&mut flight, 3, 2), Some((7, false)));
        assert_eq!(complete(&mut flight, 3, 2), None);
        assert_eq!(complete(&mut flight, 5, 2), None);
        assert_eq!(in_flight(&flight), 0x3f8 + 0x1000);
        assert_eq!((flight.entries(), flight.ranges()), (8, 8));
        assert_eq!((flight.in_queue(3), flight.in_queue(4)), (7, 1));
        assert_eq!(complete(&mut flight, 3, 9), Some((0x3f8, false)));
        assert_eq!(complete(&mut flight, 4, 2), Some((0x1000, false)));
        assert_eq!((flight.entries(), flight.ranges()), (0, 0));
        Ok(())
    }

    #[test]
    fn of_two_of_one_number_the_older_is_complete() -> Result {
        let mut flight = Flight::new();
        submit(&mut flight, 0, 7, span(0, 1)?);
        submit(&mut flight, 0, 7, span(10, 2)?);
        assert_eq!(complete(&mut flight, 0, 7), Some((1, false)));
        assert_eq!(complete(&mut flight, 0, 7), Some((2, false)));
        Ok(())
    }

    #[test]
    fn outputs_are_clipped_in_order() -> Result {
        let mut flight = Flight::new();
        for index in 0..2 {
            assert!(flight.submit(0, index).is_ok());
            for (clippable, start, len) in [
                (true, 0x1000, 0x100),
                (false, 0x2000, 0x10),
                (true, 0x3000, 0x100),
                (true, 0x5000, 0x100),
            ] {
                assert!(flight.range(0, clippable, span(start, len)?).is_ok());
            }
        }
        let mut written = KVec::new();
        let clip = |index| (index == 1).then_some(0x180);
        let all = flight.complete(0, 1, clip, |span| {
            let _ = written.push((span.start(), span.len()), GFP_KERNEL);
        });
        assert_eq!(all, Some(Unknown(false)));
        assert_eq!(
            written.as_slice(),
            [
                (0x1000, 0x100),
                (0x2000, 0x10),
                (0x3000, 0x100),
                (0x5000, 0x100),
                (0x1000, 0x100),
                (0x2000, 0x10),
                (0x3000, 0x80),
            ]
        );
        Ok(())
    }

    #[test]
    fn ranges_that_touch_are_one() -> Result {
        let mut flight = Flight::new();
        assert!(flight.submit(0, 0).is_ok());
        for page in 0..100 {
            assert!(flight.range(0, true, span(page << 12, 0x1000)?).is_ok());
        }
        assert_eq!(flight.ranges(), 1);
        // Ranges of another kind or of another entry stay separate.
        assert!(flight.range(0, false, span(100 << 12, 0x1000)?).is_ok());
        submit(&mut flight, 0, 1, span(101 << 12, 0x1000)?);
        assert_eq!(flight.ranges(), 3);
        Ok(())
    }

    #[test]
    fn the_unknown_is_unknown_until_it_is_complete() -> Result {
        let mut flight = Flight::new();
        submit(&mut flight, 0, 0, span(0, 8)?);
        submit(&mut flight, 0, 1, span(0x100, 8)?);
        flight.unknown(0);
        flight.unknown(0);
        assert!(flight.range(0, false, span(0x200, 8)?).is_ok());
        submit(&mut flight, 0, 2, span(0x300, 8)?);
        assert_eq!(in_flight(&flight), 16);
        assert!(flight.is_unknown() && flight.is_queue_unknown(0));
        assert!(!flight.is_queue_unknown(1));
        assert_eq!(complete(&mut flight, 0, 0), Some((8, false)));
        assert!(flight.is_unknown());
        assert_eq!(complete(&mut flight, 0, 1), Some((0, true)));
        assert!(!flight.is_unknown());
        assert_eq!(complete(&mut flight, 0, 2), Some((8, false)));
        Ok(())
    }

    #[test]
    fn what_is_lost_is_lost_until_the_queue_is_abandoned() -> Result {
        let mut flight = Flight::new();
        flight.lose(0);
        flight.lose(0);
        submit(&mut flight, 0, 0, span(0, 8)?);
        submit(&mut flight, 1, 0, span(0, 8)?);
        assert_eq!(complete(&mut flight, 0, 0), Some((8, false)));
        assert!(flight.is_unknown());
        assert_eq!(flight.abandon(1, |_| {}), Unknown(false));
        assert_eq!(flight.abandon(0, |_| {}), Unknown(true));
        assert!(!flight.is_unknown());
        assert_eq!(flight.abandon(0, |_| {}), Unknown(false));
        flight.lose(9);
        assert_eq!(flight.abandon_all(|_| {}), Unknown(true));
        assert!(!flight.is_unknown());
        Ok(())
    }

    #[test]
    fn without_room_it_is_unknown() -> Result {
        let mut flight = Flight::with_room(2, 3);
        submit(&mut flight, 0, 0, span(0, 8)?);
        submit(&mut flight, 0, 1, span(0x10, 8)?);
        assert!(flight.range(0, false, span(0x20, 8)?).is_ok());
        assert!(flight.range(0, false, span(0x30, 8)?).is_err());
        assert_eq!((flight.entries(), flight.ranges()), (2, 1));
        assert!(flight.is_queue_unknown(0));
        assert!(flight.submit(1, 5).is_err());
        assert!(flight.is_queue_unknown(1));
        assert_eq!(flight.in_queue(1), 0);
        assert_eq!(complete(&mut flight, 0, 1), Some((8, true)));
        assert!(!flight.is_queue_unknown(0) && flight.is_unknown());
        Ok(())
    }

    /// One entry of the model: its number, how many bytes it writes, and whether it is unknown.
    type Modelled = (u32, u64, bool);

    /// Compares with lists of entries: four queues with consecutive numbers.
    #[test]
    fn random_flights() -> Result {
        let mut random = Random::new(5);
        let mut flight = Flight::with_room(60, 100);
        let mut model: [KVec<Modelled>; 4] = [const { KVec::new() }; 4];
        let mut lost = [false; 4];
        let mut next = 0;
        for _ in 0..20_000 {
            // CAST: Small, all that are in here.
            let queue = random.below(4) as u32;
            let entries = model.get_mut(queue as usize).ok_or(EINVAL)?;
            let lost_here = lost.get_mut(queue as usize).ok_or(EINVAL)?;
            match random.below(8) {
                0..4 => {
                    next += 1;
                    if flight.submit(queue, next).is_err() {
                        assert_eq!(flight.entries(), 60);
                        *lost_here = true;
                        continue;
                    }
                    let (mut bytes, mut unknown) = (0, false);
                    for range in 0..random.below(4) {
                        // A gap after each, so that no two touch.
                        let range = span(range << 20, 1 + random.below(0x1000))?;
                        unknown |= flight.range(queue, random.below(2) == 0, range).is_err();
                        bytes += range.len();
                    }
                    if random.below(50) == 0 {
                        flight.unknown(queue);
                        unknown = true;
                    }
                    entries.push((next, if unknown { 0 } else { bytes }, unknown), GFP_KERNEL)?;
                }
                4..7 => {
                    let at = random.below(entries.len() as u64 + 1) as usize;
                    let index = entries.get(at).map_or(0, |entry| entry.0);
                    let done = complete(&mut flight, queue, index);
                    if at == entries.len() {
                        assert_eq!(done, None);
                        continue;
                    }
                    let gone = entries.get(..at + 1).unwrap_or_default();
                    let bytes = gone.iter().map(|entry| entry.1).sum();
                    let unknown = gone.iter().any(|entry| entry.2);
                    assert_eq!(done, Some((bytes, unknown)));
                    let mut left = at + 1;
                    entries.retain(|_| {
                        let gone = left > 0;
                        left = left.saturating_sub(1);
                        !gone
                    });
                }
                _ if random.below(10) == 0 => {
                    let mut bytes = 0;
                    let Unknown(unknown) = flight.abandon(queue, |span| bytes += span.len());
                    assert_eq!(bytes, entries.iter().map(|entry| entry.1).sum::<u64>());
                    assert_eq!(unknown, *lost_here || entries.iter().any(|entry| entry.2));
                    entries.clear();
                    *lost_here = false;
                }
                _ => {}
            }
            let all = || model.iter().flat_map(|entries| entries.iter());
            assert_eq!(flight.entries(), all().count());
            assert_eq!(in_flight(&flight), all().map(|entry| entry.1).sum::<u64>());
            assert!(flight.ranges() <= 100);
            for queue in 0..4 {
                let entries = model.get(queue).ok_or(EINVAL)?;
                let unknown = lost.get(queue) == Some(&true) || entries.iter().any(|e| e.2);
                assert_eq!(flight.is_queue_unknown(queue as u32), unknown);
            }
            assert_eq!(
                flight.is_unknown(),
                lost.contains(&true) || all().any(|entry| entry.2)
            );
        }
        Ok(())
    }
}
