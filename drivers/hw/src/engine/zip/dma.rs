// SPDX-License-Identifier: GPL-2.0

//! What the ZIP engine writes.
//!
//! Sources: `struct hisi_zip_sqe` of `zip/zip.h`, `zip/zip_crypto.c`; of UADK `drv/hisi_comp.c`
//! (SQE types 0 and 3, stream contexts, literals and sequences) and `v1/drv/hisi_zip_udrv.c` (DIF,
//! head of the output, ciphers).
//!
//! | words | what | written |
//! |-------|------|---------|
//! | 20, 21 | `dest_addr`: output; with LZ77 sequences, and the frequencies behind them | `dest_avail_out` (14) bytes |
//! | 24, 25 | `literals_addr`, with LZ77 and SQE type 3 | as many bytes as `dw13` says |
//! | 22, 23 | `stream_ctx_addr`: the state between the requests of a stream | [`CONTEXT_SIZE`] |
//!
//! Not understood: what stands in 5, 6, 10 to 12 (DIF), in 16, 17 (`comp_head_addr`), in bits
//! 31..16 of 9 (padding of the output), and the keys of SQE type 0: it changes how much is written,
//! or names another buffer. No driver sets it but UADK's v1, on behalf of a program that asks for
//! it.

use super::SQE_WORDS;
use crate::dma::{
    sgl,
    types::{
        address,
        flat,
        sqe_words,
        Decoder,
        Each,
        Memory,
        Output, //
    },
    why::Why, //
};

/// The functions of this file.
pub(crate) const DECODER: Decoder = Decoder {
    outputs: |sqe, memory, each| outputs(&sqe_words(sqe)?, memory, each),
    produced: |sqe| produced(&sqe_words(sqe).ok()?),
    identity: |sqe, fresh| identity(&sqe_words(sqe).ok()?, fresh),
};

/// The size of a stream context, in bytes: `HW_CTX_SIZE` of UADK's first `drv/hisi_comp.h`, of
/// which it keeps 64 bytes to itself.
const CONTEXT_SIZE: u64 = 64 << 10;

/// Guess: the engine could write whole lines of so many bytes, and so beyond what it produced.
const LINE: u64 = 128;

/// `sqe_type`, bits 31..28 of dw7: UADK's `HZ_SQE_TYPE_V1`
const SQE_TYPE_0: u32 = 0;
/// `HZ_SQE_TYPE_V3`, and what `zip_crypto.c` makes
const SQE_TYPE_3: u32 = 3;

/// `HZ_STATEFUL`: bit 26 of dw7
const STATEFUL: u32 = 1 << 26;

/// What a request's output is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A stream of bytes
    Stream,
    /// Literals and sequences
    Lz77,
}

/// Of a request type: `HZIP_REQ_TYPE_M` of dw9.
fn kind(words: &[u32; SQE_WORDS]) -> Option<Kind> {
    match words[9] & 0xff {
        // deflate, zlib, gzip; `HZIP_ALG_TYPE_LZ4`
        1..=4 => Some(Kind::Stream),
        // `HW_LZ77_ONLY_PRICE`, `HW_LZ77_ONLY`, `HW_LZ77_ZSTD_PRICE`, `HW_LZ77_ZSTD`: UADK fills
        // all of them alike (`fill_buf_lz77_zstd()`). Not here: ciphers (0x10, 0x20, 0x30).
        0x40..=0x43 => Some(Kind::Lz77),
        _ => None,
    }
}

/// See [`outputs()`](crate::dma::outputs()).
fn outputs(words: &[u32; SQE_WORDS], memory: &dyn Memory, each: &mut Each<'_>) -> Result<(), Why> {
    let sqe_type = words[7] >> 28;
    let kind = match (sqe_type, kind(words).ok_or(Why::Request)?) {
        (SQE_TYPE_0, Kind::Lz77) => return Err(Why::Request),
        (SQE_TYPE_0 | SQE_TYPE_3, kind) => kind,
        _ => return Err(Why::SqeType),
    };
    let mut unknown = words[5] | words[6] | words[10] | words[11] | words[12];
    unknown |= words[16] | words[17];
    // The bit between the offset and `flush_type`; those above the other offset
    unknown |= (words[7] & (1 << 24)) | (words[8] >> 24);
    unknown |= words[9] >> 16;
    if kind != Kind::Lz77 {
        unknown |= words[24] | words[25];
    }
    if sqe_type == SQE_TYPE_0 {
        unknown |= words[26] | words[27];
    }
    if unknown != 0 {
        return Err(Why::Field);
    }

    let context = address(words[22], words[23]);
    // One that is not asked for should not be written, but UADK's v1 passes a number that is no
    // address then. One that is asked for and null is what UADK passes with lists.
    if context != 0 || words[7] & STATEFUL != 0 {
        flat(each, Output::Other, context, CONTEXT_SIZE)?;
    }

    let mut buffer = |at: u64, len: u32| {
        let skip = words[8] & 0xff_ffff;
        match (words[9] >> 8) & 0xf {
            // It is an offset into a list, and nobody says what it does here.
            0 if skip != 0 => {
                let len = u64::from(skip) + u64::from(len);
                flat(each, Output::Other, at, len)
            }
            0 if kind == Kind::Stream => flat(each, Output::Data, at, len.into()),
            0 => flat(each, Output::Other, at, len.into()),
            1 => sgl::chain(memory, at, skip, len, kind == Kind::Stream, each),
            _ => Err(Why::AddressType),
        }
    };
    if kind == Kind::Lz77 {
        buffer(address(words[24], words[25]), words[13])?;
    }
    buffer(address(words[20], words[21]), words[14])
}

/// See [`produced()`](crate::dma::produced()).
///
/// Guess: nothing is written behind what was produced, where that is counted in bytes and there was
/// no error; so that an output that did not get smaller, which the engine tells by a status of its
/// own (`HZIP_NC_ERR`), is all dirty.
fn produced(words: &[u32; SQE_WORDS]) -> Option<u64> {
    let status = words[3] & 0xff;
    match kind(words)? {
        Kind::Stream if status == 0 && words[1] == 0 => Some(0),
        Kind::Stream if status == 0 => Some(u64::from(words[1]) + (LINE - 1)),
        // `produced` is the number of sequences.
        _ => None,
    }
}

/// What an engine reads of an entry, and does not write, as far as drivers show: lengths, what is
/// asked for, addresses, tag.
const READ: [core::ops::RangeInclusive<usize>; 4] = [4..=4, 7..=9, 13..=14, 16..=27];
/// What it writes: `consumed`, `produced`, the status in dw3
const WRITTEN: core::ops::RangeInclusive<usize> = 0..=3;

/// See [`identity()`](crate::dma::identity()): FNV-1a of the words.
fn identity(words: &[u32; SQE_WORDS], fresh: bool) -> Option<u64> {
    if fresh && words.get(WRITTEN)?.iter().any(|word| *word != 0) {
        return None;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for range in READ {
        for word in words.get(range)? {
            for byte in word.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    Some(hash)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        super::{
            Format,
            Sqe, //
        },
        *,
    };
    use crate::dma::{
        ram::{
            bytes,
            put_address,
            told,
            Ram,
            Told,
            BASE, //
        },
        types::Output::{
            Data,
            Other, //
        },
    };

    const DEST: u64 = 0xab_1234_5678;

    fn ask(words: &[u32; 32], ram: &Ram) -> Result<Told, Why> {
        told(&DECODER, &bytes(words), ram)
    }

    fn nowhere() -> Ram {
        Ram::new(Vec::new())
    }

    /// A flat request of SQE type 3.
    pub(crate) fn flat_request(format: u32) -> [u32; 32] {
        let mut words = [0; 32];
        words[4] = 1000;
        words[7] = 3 << 28;
        words[9] = format | (2 << 12);
        words[14] = 0x2345;
        put_address(&mut words, 18, 0x1000);
        put_address(&mut words, 20, DEST);
        words[26] = 77;
        words
    }

    #[test]
    fn what_the_in_tree_driver_makes() {
        // hisi_zip_fill_sqe(): type 3, lists, a tag; hisi_acc_sg_buf_map_to_hw_sgl()
        let mut ram = Ram::new(vec![0; 0x1000]);
        ram.put_list(
            BASE + 0x40,
            &[(DEST, 0x1000), (0x5000, 0x20), (0x7000, 0x1000)],
            0,
        );
        for (format, number) in [(Format::Deflate, 1), (Format::Zlib, 2), (Format::Gzip, 3)] {
            let sqe = Sqe::request(format, true, 0x10, 1, BASE + 0x40, 0x1100, u64::MAX);
            assert_eq!(sqe.0[9] & 0xff, number);
            let answer = told(&DECODER, &sqe.to_bytes(), &ram);
            let pieces = vec![
                (Data, DEST, 0x1000),
                (Data, 0x5000, 0x20),
                (Data, 0x7000, 0xe0),
            ];
            assert_eq!(answer, Ok(pieces));
            assert_eq!(ram.reads(), 2, "the source's list is nobody's business");
        }
        // LZ4 looks the same.
        let mut sqe = Sqe::request(Format::Gzip, true, 0x10, 1, BASE + 0x40, 16, 0);
        sqe.0[9] ^= 3 ^ 4;
        assert_eq!(ask(&sqe.0, &ram), Ok(vec![(Data, DEST, 16)]));
    }

    #[test]
    fn what_stands_before_the_offset() {
        let mut ram = Ram::new(vec![0; 0x1000]);
        ram.put_list(BASE, &[(DEST, 8), (0x5000, 8), (0x7000, 0x100)], 0);
        // fill_buf_gzip_sgl() of UADK: the header's ten bytes are the driver's own.
        let mut words = flat_request(3);
        words[9] |= 1 << 8;
        words[8] = 10;
        words[14] = 0x20;
        put_address(&mut words, 20, BASE);
        let pieces = vec![
            (Other, DEST, 8),
            (Other, 0x5000, 2),
            (Data, 0x5002, 6),
            (Data, 0x7000, 0x1a),
        ];
        assert_eq!(ask(&words, &ram), Ok(pieces));
        // With a flat buffer it has no meaning, and so none is relied on.
        words[9] ^= 1 << 8;
        assert_eq!(ask(&words, &ram), Ok(vec![(Other, BASE, 0x2a)]));
    }

    #[test]
    fn flat_buffers_of_both_types() {
        for (sqe_type, tag) in [(0u32, 13), (3, 26)] {
            for format in 1..=4 {
                let mut words = flat_request(format);
                words[26] = 0;
                words[7] = sqe_type << 28;
                words[tag] = u32::MAX;
                assert_eq!(ask(&words, &nowhere()), Ok(vec![(Data, DEST, 0x2345)]));
            }
        }
        let mut words = flat_request(1);
        words[14] = 0;
        assert_eq!(ask(&words, &nowhere()), Ok(vec![]));
        words[14] = u32::MAX;
        put_address(&mut words, 20, u64::MAX - u64::from(u32::MAX));
        assert_eq!(
            ask(&words, &nowhere()),
            Ok(vec![(
                Data,
                u64::MAX - u64::from(u32::MAX),
                u64::from(u32::MAX)
            )])
        );
        put_address(&mut words, 20, u64::MAX - u64::from(u32::MAX) + 1);
        assert_eq!(ask(&words, &nowhere()), Err(Why::Wraps));
    }

    #[test]
    fn contexts_of_streams() {
        // fill_zip_comp_sqe() of UADK: flush, mode, position from bit 25 on
        let mut words = flat_request(2);
        words[7] |= 0b111 << 25;
        put_address(&mut words, 22, 0x9_8765_4040);
        words[15] = 1;
        words[28] = 2;
        words[29] = 3;
        words[30] = 4;
        words[31] = 5;
        let both = vec![(Other, 0x9_8765_4040, 0x1_0000), (Data, DEST, 0x2345)];
        assert_eq!(ask(&words, &nowhere()), Ok(both.clone()));
        // Not asked for, and there: v1 passes 64.
        words[7] &= !STATEFUL;
        assert_eq!(ask(&words, &nowhere()), Ok(both));
        // Asked for, and not there
        words[7] |= STATEFUL;
        put_address(&mut words, 22, 0);
        let low = vec![(Other, 0, 0x1_0000), (Data, DEST, 0x2345)];
        assert_eq!(ask(&words, &nowhere()), Ok(low));
        put_address(&mut words, 22, u64::MAX - 0xffff);
        assert_eq!(ask(&words, &nowhere()), Err(Why::Wraps));
    }

    #[test]
    fn literals_and_sequences() {
        for format in 0x40..=0x43 {
            // fill_buf_lz77_zstd() of UADK: literals first, sequences behind them
            let mut words = flat_request(format);
            words[13] = 1016;
            words[14] = 5000;
            put_address(&mut words, 24, DEST);
            put_address(&mut words, 20, DEST + 1016);
            let both = vec![(Other, DEST, 1016), (Other, DEST + 1016, 5000)];
            assert_eq!(ask(&words, &nowhere()), Ok(both));
            words[1] = 100;
            assert_eq!(
                (DECODER.produced)(&bytes(&words)),
                None,
                "a count of sequences"
            );
            // fill_buf_lz77_zstd_sgl(): each its own list
            let mut ram = Ram::new(vec![0; 0x1000]);
            ram.put_list(BASE, &[(0x1_0000, 0x4000)], 0);
            ram.put_list(BASE + 0x400, &[(0x2_0000, 0x1000), (0x3_0000, 0x1000)], 0);
            words[9] |= 1 << 8;
            put_address(&mut words, 24, BASE);
            put_address(&mut words, 20, BASE + 0x400);
            let pieces = vec![
                (Other, 0x1_0000, 1016),
                (Other, 0x2_0000, 0x1000),
                (Other, 0x3_0000, 5000 - 0x1000),
            ];
            assert_eq!(ask(&words, &ram), Ok(pieces));
            words[7] = 0;
            assert_eq!(
                ask(&words, &ram),
                Err(Why::Request),
                "type 0 has keys there"
            );
        }
    }

    #[test]
    fn what_is_refused() {
        let change = |at: usize, bits: u32| {
            let mut words = flat_request(1);
            words[at] ^= bits;
            ask(&words, &nowhere())
        };
        // DIF, head of the output, literals of what has none
        for at in [5, 6, 10, 11, 12, 16, 17, 24, 25] {
            assert_eq!(change(at, 1), Err(Why::Field), "dw{at}");
            assert_eq!(change(at, 1 << 31), Err(Why::Field), "dw{at}");
        }
        assert_eq!(change(7, 1 << 24), Err(Why::Field));
        assert_eq!(change(8, 1 << 24), Err(Why::Field));
        // Padding of the output
        assert_eq!(change(9, 1 << 16), Err(Why::Field));
        for buffer_type in 2..16 {
            assert_eq!(change(9, buffer_type << 8), Err(Why::AddressType));
        }
        for sqe_type in (0..16).filter(|t| ![0, 3].contains(t)) {
            let answer = change(7, (sqe_type ^ 3) << 28);
            assert_eq!(answer, Err(Why::SqeType), "{sqe_type}");
        }
        for format in (0..=0xff).filter(|f| !matches!(f, 1..=4 | 0x40..=0x43)) {
            assert_eq!(change(9, 1 ^ format), Err(Why::Request), "{format:#x}");
        }
        // Keys of type 0
        for at in [26, 27] {
            let mut words = flat_request(1);
            words[26] = 0;
            words[7] = 0;
            words[at] = 1;
            assert_eq!(ask(&words, &nowhere()), Err(Why::Field));
        }
    }

    #[test]
    fn as_much_as_was_produced() {
        let mut sqe = Sqe(flat_request(2));
        let ask = |sqe: &Sqe| (DECODER.produced)(&sqe.to_bytes());
        sqe.complete(0, 500, 1000);
        // hisi_zip_get_dstlen(); and a line of 128 bytes that is not full
        assert_eq!(ask(&sqe), Some(1127));
        sqe.0[3] |= 0x100;
        assert_eq!(ask(&sqe), Some(1127), "HZ_LSTBLK_MASK is no error");
        sqe.complete(0, 500, u32::MAX);
        assert_eq!(ask(&sqe), Some(u64::from(u32::MAX) + 127));
        sqe.complete(0, 0, 0);
        assert_eq!(ask(&sqe), Some(0));
        for status in 1..=0xff {
            sqe.complete(status, 500, 1000);
            assert_eq!(ask(&sqe), None, "{status:#x}");
        }
        sqe.complete(0, 500, 1000);
        sqe.0[9] = 0x10;
        assert_eq!(ask(&sqe), None);
    }

    #[test]
    fn a_request_is_known_again_when_it_was_written_back() {
        let sqe = super::super::Sqe::request(
            super::super::Format::Zlib,
            false,
            BASE,
            100,
            BASE + 4096,
            200,
            7,
        );
        let identity = |sqe: &super::super::Sqe, fresh| (DECODER.identity)(&sqe.to_bytes(), fresh);
        let submitted = identity(&sqe, true);
        assert!(submitted.is_some());
        let mut done = sqe;
        done.complete(0, 100, 50);
        assert_eq!(identity(&done, false), submitted);
        // One that is put there as it came back cannot be told from one that has come back.
        assert_eq!(identity(&done, true), None);
        for word in [4, 9, 14, 18, 20, 22, 26, 27] {
            let mut other = sqe;
            other.0[word] ^= 1;
            assert_ne!(identity(&other, true), submitted, "word {word}");
        }
    }
}
