// SPDX-License-Identifier: GPL-2.0

//! Buffers of a request: flat, or a chain of hardware scatter-gather lists (`sgl.c`).

use crate::{
    bus::{Bus, Fault},
    guess::Alternative,
};
use hisi_acc_hw::sgl::{Sge, SglHead, SGE_MAX, SGE_SIZE, SGL_HEAD};

/// SGLs in a chain (`HISI_ACC_SGL_NR_MAX`).
const MAX_SGLS: usize = 256;

/// The pieces of memory that a buffer consists of.
pub fn pieces(
    bus: &mut dyn Bus,
    function: usize,
    sgl: bool,
    address: u64,
    offset: u32,
    len: u32,
) -> Result<Vec<Sge>, Fault> {
    if !sgl {
        return Ok(vec![Sge { address, len }]);
    }
    let mut pieces = Vec::new();
    let mut skip = offset;
    let mut left = len;
    let mut at = address;
    let guesses = bus.guesses();
    let mut in_chain = None;
    for _ in 0..MAX_SGLS {
        let mut head = [0; SGL_HEAD];
        bus.read(function, at, &mut head)?;
        let head = SglHead::from_bytes(&head);
        let in_chain = in_chain.get_or_insert(head.in_chain);
        let entries = if guesses.has(Alternative::SglRoom) {
            head.room
        } else if guesses.has(Alternative::SglChain) {
            head.room.min(*in_chain)
        } else {
            head.in_sgl
        };
        *in_chain = in_chain.saturating_sub(entries);
        for n in 0..u64::from(entries.min(SGE_MAX)) {
            let mut raw = [0; SGE_SIZE];
            let entry = at
                .wrapping_add(SGL_HEAD as u64)
                .wrapping_add(n * SGE_SIZE as u64);
            bus.read(function, entry, &mut raw)?;
            let mut sge = Sge::from_bytes(&raw);
            let skipped = skip.min(sge.len);
            skip -= skipped;
            sge.address = sge.address.wrapping_add(skipped.into());
            sge.len = (sge.len - skipped).min(left);
            left -= sge.len;
            if sge.len != 0 {
                pieces.push(sge);
            }
            if left == 0 {
                return Ok(pieces);
            }
        }
        if head.next == 0 {
            break;
        }
        at = head.next;
    }
    Ok(pieces)
}

/// The bytes of the pieces, one after the other.
pub fn gather(bus: &mut dyn Bus, function: usize, pieces: &[Sge]) -> Result<Vec<u8>, Fault> {
    let mut data = Vec::new();
    for piece in pieces {
        let at = data.len();
        data.resize(at + piece.len as usize, 0);
        bus.read(function, piece.address, &mut data[at..])?;
    }
    Ok(data)
}

/// Puts bytes into the pieces, as far as they reach.
pub fn scatter(
    bus: &mut dyn Bus,
    function: usize,
    pieces: &[Sge],
    mut data: &[u8],
) -> Result<(), Fault> {
    for piece in pieces {
        let n = data.len().min(piece.len as usize);
        if n == 0 {
            break;
        }
        bus.write(function, piece.address, &data[..n])?;
        data = &data[n..];
    }
    Ok(())
}
