// SPDX-License-Identifier: GPL-2.0

//! How much the decoders do for one entry, at most.

/// Lists in a chain, at most (`HISI_ACC_SGL_NR_MAX`).
pub const LISTS_MAX: usize = 256;
/// Entries of one chain that are looked at, at most. The hardware takes more, but with so many that
/// are a page each there are 16 MiB, which is as much as any engine takes at once.
pub const SGES_MAX: usize = 4096;

/// Entries that are read at once: a kilobyte of stack.
pub(crate) const CHUNK: usize = 32;

/// Calls of [`Memory::read`](super::Memory::read) for a chain, at most: for each list its head, and
/// a chunk that is not full; and full chunks.
pub const SGL_READS_MAX: usize = 2 * LISTS_MAX + SGES_MAX / CHUNK;

/// Calls of [`Memory::read`](super::Memory::read) for one entry, at most: three buffers of SEC2 can
/// be lists.
pub const READS_MAX: usize = 3 * SGL_READS_MAX;
/// Ranges of one entry, at most: each list entry can be two, and there are few that are of no list.
pub const RANGES_MAX: usize = 3 * (SGES_MAX + 1) + 8;
