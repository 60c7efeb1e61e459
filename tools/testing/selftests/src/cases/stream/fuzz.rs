// SPDX-License-Identifier: GPL-2.0

//! `stream.fuzz`: streams with flipped bits are refused, and nothing is written, or loaded whole.

use crate::support::{
    pair::Pair,
    streams::{loaded, resuming},
};
use acc_vfio_user::{
    ensure, errno,
    migrate::{self, Quiet, WHOLE},
    vfio::{state, Device},
    work::Random,
    Driver, Result,
};
use std::io::Write;

/// Of each word so many streams with a bit flipped.
const EACH: usize = 3;
/// So many with several bits flipped.
const MORE: usize = 100;

/// Bits of a word
const WORD: usize = 32;

/// Bytes of the stream that a device gives back as they were loaded: not what is the target's own
/// (`qp_base`, `minor_ver`), reserved, or a register of which hardware does not keep all bits.
fn kept(at: usize) -> bool {
    !matches!(at, 20..=23 | 30..=63 | 120..=143) || matches!(at, 60..=63)
}

fn same(given: &[u8], back: &[u8]) -> bool {
    given.len() == back.len()
        && given
            .iter()
            .zip(back)
            .enumerate()
            .all(|(at, (a, b))| a == b || !kept(at))
}

/// What came of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// `write()` has refused it
    Refused,
    Loaded,
}

/// How often a register of the target was written, the mailbox among them, by the ledger.
fn touched(pair: &Pair) -> Result<u64> {
    let counts = pair.bench.twin.counts()?;
    Ok(counts.get("vf2", "reg_write") + counts.get("vf2", "reg_write_migration"))
}

/// Offers a stream.
fn offer(pair: &Pair, good: &[u8], stream: &[u8]) -> Result<Fate> {
    let target = &pair.target;
    let mut file = resuming(target)?;
    pair.bench.twin.mark()?;
    let error = errno(file.write(stream));
    let refused = error == libc::EINVAL;
    ensure!(refused || error == 0, "write: errno {error}");
    if refused {
        // It was not taken: another one can be.
        ensure!(touched(pair)? == 0, "write: registers were written");
        file.write_all(good)?;
        ensure!(same(good, &loaded(target)?), "then the good one is not");
        return Ok(Fate::Refused);
    }
    target.set_state(state::STOP)?;
    let touched = touched(pair)?;
    let back = loaded(target)?;
    let addresses = stream[144..].chunks(8).all(|a| a != [0; 8]);
    if stream[24] == 0 && addresses {
        ensure!(same(stream, &back), "loaded in part: {back:x?}");
    } else {
        // The source had no driver: there is nothing to load.
        ensure!(touched == 0, "{touched} registers were written");
    }
    runs(target)?;
    Ok(Fate::Loaded)
}

/// Whatever it does with such a state, it can be stopped again.
fn runs(target: &Device) -> Result<()> {
    target.set_state(state::RUNNING)?;
    target.set_state(state::STOP)?;
    Ok(())
}

case!(fuzz);
/// D9. Not with the C driver, which writes to the hardware whatever there is, and takes the number
/// of queues, as the stream has it, for how many doorbells to ring.
fn fuzz() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let good = migrate::save(&pair.source, false, &mut Quiet)?;
    // Where a wrong address leads is nobody's memory.
    let nowhere = pair.bench.iommufd.empty_ioas()?;
    pair.target.attach(nowhere)?;
    let mut random = Random::default();
    let mut flips: Vec<Vec<usize>> = (0..WHOLE / 4)
        .flat_map(|word| (0..EACH).map(move |_| word))
        .map(|word| vec![word * WORD + random.next(WORD)])
        .collect();
    for _ in 0..MORE {
        let n = 2 + random.next(4);
        flips.push((0..n).map(|_| random.next(WHOLE * 8)).collect());
    }
    let mut fates = Vec::new();
    for bits in flips {
        let mut stream = good.clone();
        for bit in &bits {
            stream[bit / 8] ^= 1 << (bit % 8);
        }
        let fate =
            offer(&pair, &good, &stream).map_err(|e| format!("bits {bits:?} flipped: {e}"))?;
        fates.push(fate);
    }
    for (what, fate) in [
        ("refused by write()", Fate::Refused),
        ("loaded", Fate::Loaded),
    ] {
        let n = fates.iter().filter(|f| **f == fate).count();
        ensure!(n >= 10, "{n} streams of {} were {what}", fates.len());
    }
    // The VF is as good as ever.
    pair.target.attach(pair.bench.iommufd.ioas())?;
    pair.target.reset()?;
    // What nobody looks at is not looked at: with all of it wrong the work goes on.
    let mut stream = good;
    for at in (20..24).chain(30..40).chain(120..144) {
        stream[at] ^= 0xff;
    }
    pair.arrive(&stream)?;
    pair.round()
}
