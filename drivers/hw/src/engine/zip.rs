// SPDX-License-Identifier: GPL-2.0

//! Descriptors of the ZIP engine: the submission queue entry.
//!
//! Source: `struct hisi_zip_sqe` of `zip/zip.h` and the masks at the head of `zip/zip_crypto.c`.

pub(crate) mod dma;

pub(crate) use dma::DECODER;

use crate::words;

/// The size of an SQE (`HZIP_SQE_SIZE`), in bytes.
pub const SQE_SIZE: usize = 128;
/// Words in it.
pub const SQE_WORDS: usize = SQE_SIZE / 4;

/// The SQC's algorithm type of a queue that compresses (`HZIP_ALG_TYPE_COMP`).
pub const ALG_TYPE_COMP: u8 = 0;
/// The same of one that decompresses (`HZIP_ALG_TYPE_DECOMP`).
pub const ALG_TYPE_DECOMP: u8 = 1;

/// `HZIP_NC_ERR`: the output is larger than the input
pub const STATUS_NEGATIVE_COMPRESSION: u8 = 0x0d;
/// The output does not fit; the in-tree driver treats all but 0 and `HZIP_NC_ERR` alike
pub const STATUS_NO_SPACE: u8 = 0x01;
/// The input is no such stream; as above
pub const STATUS_BAD_DATA: u8 = 0x03;
/// A buffer could not be read or written; as above
pub const STATUS_BUFFER: u8 = 0x02;
/// The request asks for what the engine does not do; as above
pub const STATUS_UNSUPPORTED: u8 = 0x30;

/// What a request asks for (`HZIP_REQ_TYPE_M`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Format {
    /// `HZIP_ALG_TYPE_DEFLATE`
    Deflate = 1,
    /// zlib: the number that the driver's `HZIP_ALG_TYPE_ZLIB` had before Linux 6.15
    Zlib = 2,
    /// gzip: likewise `HZIP_ALG_TYPE_GZIP`
    Gzip = 3,
}

/// A submission queue entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sqe(pub [u32; SQE_WORDS]);

impl Sqe {
    /// From its bytes.
    pub fn from_bytes(bytes: &[u8; SQE_SIZE]) -> Self {
        Self(words::from_bytes(bytes))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; SQE_SIZE] {
        words::to_bytes(&self.0)
    }

    /// A request: `format`, buffers as flat DMA addresses or hardware SGLs, lengths in bytes, and a
    /// tag that comes back (dw26 and dw27 of SQE type 3).
    #[allow(clippy::too_many_arguments)]
    pub const fn request(
        format: Format,
        sgl: bool,
        source: u64,
        source_len: u32,
        dest: u64,
        dest_len: u32,
        tag: u64,
    ) -> Self {
        let mut w = [0; SQE_WORDS];
        // CAST: halves of addresses, a bit, an enum.
        w[4] = source_len;
        // SQE type 3; `HZIP_SQE_TYPE_M` is bits 31..28
        w[7] = 3 << 28;
        // window: 16 KiB (`HZIP_16K_WINSZ`)
        w[9] = format as u32 | ((sgl as u32) << 8) | (2 << 12);
        w[14] = dest_len;
        w[18] = source as u32;
        w[19] = (source >> 32) as u32;
        w[20] = dest as u32;
        w[21] = (dest >> 32) as u32;
        w[26] = tag as u32;
        w[27] = (tag >> 32) as u32;
        Self(w)
    }

    /// `consumed`
    pub const fn consumed(&self) -> u32 {
        self.0[0]
    }

    /// `produced`
    pub const fn produced(&self) -> u32 {
        self.0[1]
    }

    /// `HZIP_BD_STATUS_M` of dw3
    pub const fn status(&self) -> u8 {
        // CAST: the low byte.
        self.0[3] as u8
    }

    /// What the engine writes when it is done.
    pub fn complete(&mut self, status: u8, consumed: u32, produced: u32) {
        self.0[0] = consumed;
        self.0[1] = produced;
        self.0[3] = (self.0[3] & !0xff) | u32::from(status);
    }

    /// `input_data_length`
    pub const fn source_len(&self) -> u32 {
        self.0[4]
    }

    /// `dest_avail_out`
    pub const fn dest_len(&self) -> u32 {
        self.0[14]
    }

    /// `source_addr`
    pub const fn source(&self) -> u64 {
        words::address(self.0[18], self.0[19])
    }

    /// `dest_addr`
    pub const fn dest(&self) -> u64 {
        words::address(self.0[20], self.0[21])
    }

    /// Whether the addresses are of hardware SGLs (`HZIP_BUF_TYPE_M` is `HZIP_SGL`).
    pub const fn is_sgl(&self) -> bool {
        (self.0[9] >> 8) & 0xf == 1
    }

    /// `HZIP_IN_SGE_DATA_OFFSET_M`: bytes to pass over in the source SGL
    pub const fn source_offset(&self) -> u32 {
        self.0[7] & 0xff_ffff
    }

    /// `HZIP_OUT_SGE_DATA_OFFSET_M`
    pub const fn dest_offset(&self) -> u32 {
        self.0[8] & 0xff_ffff
    }

    /// What is asked for, `None` for what is unknown.
    pub const fn format(&self) -> Option<Format> {
        match self.0[9] & 0xff {
            1 => Some(Format::Deflate),
            2 => Some(Format::Zlib),
            3 => Some(Format::Gzip),
            _ => None,
        }
    }

    /// The tag of SQE type 3.
    pub const fn tag(&self) -> u64 {
        words::address(self.0[26], self.0[27])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqe_round_trip() {
        let sqe = Sqe::request(
            Format::Zlib,
            true,
            (1 << 40) | 4,
            100,
            (2 << 40) | 8,
            200,
            u64::MAX,
        );
        assert_eq!(Sqe::from_bytes(&sqe.to_bytes()), sqe);
        assert_eq!((sqe.source(), sqe.dest()), ((1 << 40) | 4, (2 << 40) | 8));
        assert_eq!((sqe.source_len(), sqe.dest_len()), (100, 200));
        assert_eq!((sqe.format(), sqe.is_sgl()), (Some(Format::Zlib), true));
        assert_eq!(sqe.tag(), u64::MAX);
    }

    /// The fields of `struct hisi_zip_sqe`, and `HZIP_SQE_TYPE_M`, `HZIP_REQ_TYPE_M`,
    /// `HZIP_BUF_TYPE_M`.
    #[test]
    fn request_as_the_driver_fills_it() {
        let sqe = Sqe::request(
            Format::Gzip,
            true,
            0x1122_3344_5566_7788,
            0x99,
            0xaabb_ccdd_eeff_0102,
            0x77,
            0x0304_0506_0708_090a,
        );
        let mut words = [0; SQE_WORDS];
        for (at, word) in [
            (4, 0x99),
            (7, 0x3000_0000),
            (9, 0x2103),
            (14, 0x77),
            (18, 0x5566_7788),
            (19, 0x1122_3344),
            (20, 0xeeff_0102),
            (21, 0xaabb_ccdd),
            (26, 0x0708_090a),
            (27, 0x0304_0506),
        ] {
            words[at] = word;
        }
        assert_eq!(sqe.0, words);
        assert_eq!(sqe.source(), 0x1122_3344_5566_7788);
        assert_eq!(sqe.dest(), 0xaabb_ccdd_eeff_0102);
        assert_eq!(sqe.tag(), 0x0304_0506_0708_090a);
    }

    #[test]
    fn what_the_engine_writes() {
        let mut sqe = Sqe([0; SQE_WORDS]);
        sqe.0[3] = 0xffff_ff77;
        sqe.complete(STATUS_NEGATIVE_COMPRESSION, 5, 6);
        assert_eq!((sqe.consumed(), sqe.produced()), (5, 6));
        assert_eq!((sqe.0[0], sqe.0[1], sqe.0[3]), (5, 6, 0xffff_ff0d));
        assert_eq!(sqe.status(), STATUS_NEGATIVE_COMPRESSION);
    }

    #[test]
    fn formats_buffers_and_offsets() {
        let mut sqe = Sqe([0; SQE_WORDS]);
        for (raw, format) in [
            (0, None),
            (1, Some(Format::Deflate)),
            (2, Some(Format::Zlib)),
            (3, Some(Format::Gzip)),
            (4, None),
            (0x101, Some(Format::Deflate)),
        ] {
            sqe.0[9] = raw;
            assert_eq!(sqe.format(), format);
        }
        for (raw, sgl) in [(0, false), (0x100, true), (0x200, false), (0x1103, true)] {
            sqe.0[9] = raw;
            assert_eq!(sqe.is_sgl(), sgl, "{raw:#x}");
        }
        sqe.0[7] = 0x3012_3456;
        sqe.0[8] = 0xff65_4321;
        assert_eq!(
            (sqe.source_offset(), sqe.dest_offset()),
            (0x12_3456, 0x65_4321)
        );
    }
}
