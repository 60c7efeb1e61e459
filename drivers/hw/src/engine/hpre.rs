// SPDX-License-Identifier: GPL-2.0

//! Descriptors of the HPRE engine (RSA, DH, elliptic curves): the submission queue entry, and what
//! the buffers that it names hold.
//!
//! Sources: `struct hpre_sqe`, `enum hpre_alg_type`, `HPRE_*_ALG_TYPE` of `hpre/hpre.h`;
//! `hpre_msg_request_set()`, `hpre_ecdh_msg_request_set()`, `hpre_alg_res_post_hf()` and those that
//! fill the key buffers, in `hpre/hpre_crypto.c`. What X25519 needs was there until Linux 6.17
//! (`hpre_curve25519_*()`).
//!
//! Every number is big-endian, and right-aligned in a slot of [`Sqe::number_len`] bytes (RSA-CRT's
//! key: of half as many); slots follow each other without a gap. With `n` for that length:
//!
//! | algorithm | key | in | out |
//! |-----------|-----|----|-----|
//! | [`Algorithm::Rsa`] | exponent, modulus | base | power |
//! | [`Algorithm::RsaCrt`] | dq, dp, q, p, qinv: `n / 2` each | base | power |
//! | [`Algorithm::DhG2`] | exponent, modulus | not read | power |
//! | [`Algorithm::Dh`] | exponent, modulus | base | power |
//! | [`Algorithm::EccMul`] | p, a, k, b | x, y | x, y |
//! | [`Algorithm::XMul`] | p, a, k | x | x |
//!
//! The order of the curve is in none of them.

pub(crate) mod dma;

pub(crate) use dma::DECODER;

use crate::words;

/// The size of an SQE (`HPRE_SQE_SIZE`), in bytes.
pub const SQE_SIZE: usize = 64;
/// Words in it.
pub const SQE_WORDS: usize = SQE_SIZE / 4;

/// The SQC's algorithm type of a queue for RSA and DH (`HPRE_V2_ALG_TYPE`).
pub const ALG_TYPE_V2: u8 = 0;
/// The same of one for elliptic curves (`HPRE_V3_ECC_ALG_TYPE`).
pub const ALG_TYPE_ECC: u8 = 1;

/// `HPRE_DRV_RSA_MASK_CAP`: the driver registers `hpre-rsa`; a bit of `HPRE_DRV_ALG_BITMAP_CAP`
pub const DRV_ALG_RSA: u32 = 1 << 0;
/// `HPRE_DRV_DH_MASK_CAP`: it registers `hpre-dh`
pub const DRV_ALG_DH: u32 = 1 << 1;
/// `HPRE_DRV_ECDH_MASK_CAP`: it registers `hpre-ecdh-nist-p192`, `-p256` and `-p384`
pub const DRV_ALG_ECDH: u32 = 1 << 2;
/// `HPRE_DRV_X25519_MASK_CAP`: it registered `hpre-curve25519`, until Linux 6.17
pub const DRV_ALG_X25519: u32 = 1 << 5;

/// What `task_len1` counts: so many bytes (`HPRE_BITS_2_BYTES_SHIFT`), less one unit.
pub const LEN_UNIT: usize = 8;

/// The done bits as the driver submits them: `0x1 << HPRE_SQE_DONE_SHIFT`.
pub const DONE_INIT: u8 = 1;
/// `HPRE_HW_TASK_DONE`: the driver takes nothing else for done.
pub const DONE: u8 = 3;

/// `HPRE_SQE_ALG_BITS`: where the error type begins
const ERROR_SHIFT: u32 = 5;
/// `HREE_HW_ERR_MASK`
const ERROR_MASK: u32 = 0x7ff;
/// `HPRE_SQE_DONE_SHIFT`
const DONE_SHIFT: u32 = 30;
/// `HREE_ALG_TYPE_MASK`
const ALG_MASK: u32 = 0x1f;

/// The error type of an SQE: `HREE_HW_ERR_MASK` bits from `HPRE_SQE_ALG_BITS` on. The in-tree
/// driver prints it, and treats all but 0 (`HPRE_NO_HW_ERR`) alike.
///
/// Guess: every number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Error {
    /// No such algorithm
    Algorithm = 0x001,
    /// The algorithm does not take this length
    Length = 0x002,
    /// The key could not be read
    ReadKey = 0x004,
    /// The input could not be read
    ReadInput = 0x008,
    /// The output could not be written
    Write = 0x010,
    /// A modulus is even, or less than 3; the curve is none
    Modulus = 0x020,
    /// The input is not less than the modulus
    Range = 0x040,
    /// The point is not on the curve
    Point = 0x080,
    /// The result is the point at infinity
    Infinity = 0x100,
}

/// What a request asks for (`enum hpre_alg_type`).
///
/// Not here are `HPRE_ALG_KG_STD` (2) and `HPRE_ALG_KG_CRT` (3), which generate keys: the in-tree
/// driver names but never submits them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Algorithm {
    /// `HPRE_ALG_NC_NCRT`: RSA, public and private alike
    Rsa = 0x0,
    /// `HPRE_ALG_NC_CRT`: RSA with a private key of the Chinese remainder theorem
    RsaCrt = 0x1,
    /// `HPRE_ALG_DH_G2`: DH where the generator is 2
    DhG2 = 0x4,
    /// `HPRE_ALG_DH`: DH with the base from the input
    Dh = 0x5,
    /// `HPRE_ALG_ECC_MUL`: a point times a number, short Weierstrass curve
    EccMul = 0xd,
    /// `HPRE_ALG_CURVE25519_MUL`: the same of a Montgomery curve, by the x coordinate
    XMul = 0x10,
}

impl Algorithm {
    /// From the number in the SQE, `None` for what is unknown.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        match raw {
            0x0 => Some(Self::Rsa),
            0x1 => Some(Self::RsaCrt),
            0x4 => Some(Self::DhG2),
            0x5 => Some(Self::Dh),
            0xd => Some(Self::EccMul),
            0x10 => Some(Self::XMul),
            _ => None,
        }
    }

    /// The SQC's algorithm type of the queue that takes it (what `hpre_ctx_init()` is called with).
    pub const fn queue_type(self) -> u8 {
        match self {
            Self::Rsa | Self::RsaCrt | Self::DhG2 | Self::Dh => ALG_TYPE_V2,
            Self::EccMul | Self::XMul => ALG_TYPE_ECC,
        }
    }

    /// Whether it takes numbers of `len` bytes.
    ///
    /// RSA: `hpre_rsa_key_size_is_support()`; DH: `hpre_is_dh_params_length_valid()`; curves: the
    /// comment at `hpre_ecdh_supported_curve()`: 256, 384 and 576 bits. Guess: that the engine
    /// takes no more than these; and 576 bits (X448) where only X25519 was ever sent.
    pub const fn takes(self, len: usize) -> bool {
        match self {
            Self::Rsa | Self::RsaCrt => matches!(len, 128 | 256 | 384 | 512),
            Self::DhG2 | Self::Dh => matches!(len, 96 | 128 | 192 | 256 | 384 | 512),
            Self::EccMul => matches!(len, 32 | 48 | 72),
            Self::XMul => matches!(len, 32 | 72),
        }
    }

    /// Bytes of the key that are read, with numbers of `len` bytes: `hpre_rsa_set_n()` (the low
    /// half of what it allocates is the exponent), `HPRE_CRT_PRMS` halves, `hpre_dh_set_params()`,
    /// `struct hpre_ecdh_ctx`; for [`Algorithm::XMul`] `hpre_curve25519_fill_curve()`.
    pub const fn key_len(self, len: usize) -> usize {
        match self {
            Self::Rsa | Self::DhG2 | Self::Dh => len.saturating_mul(2),
            Self::RsaCrt => (len / 2).saturating_mul(5),
            Self::EccMul => len.saturating_mul(4),
            Self::XMul => len.saturating_mul(3),
        }
    }

    /// Bytes of the input that are read. None with [`Algorithm::DhG2`]: `hpre_dh_compute_value()`
    /// gives it no address then (`dma_g` is not set by `hpre_dh_set_params()`).
    pub const fn input_len(self, len: usize) -> usize {
        match self {
            Self::DhG2 => 0,
            Self::Rsa | Self::RsaCrt | Self::Dh | Self::XMul => len,
            Self::EccMul => len.saturating_mul(2),
        }
    }

    /// Bytes of the output that are written: all of them, leading zeros too.
    pub const fn output_len(self, len: usize) -> usize {
        match self {
            Self::Rsa | Self::RsaCrt | Self::DhG2 | Self::Dh | Self::XMul => len,
            Self::EccMul => len.saturating_mul(2),
        }
    }
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

    /// A request with numbers of `len` bytes, which must be one of those that [`Algorithm::takes`];
    /// DMA addresses of its buffers, and a tag that comes back.
    pub const fn request(
        algorithm: Algorithm,
        len: usize,
        key: u64,
        input: u64,
        output: u64,
        tag: u64,
    ) -> Self {
        let mut w = [0; SQE_WORDS];
        // CAST: an enum of 5 bits, two bits.
        w[0] = algorithm as u32 | ((DONE_INIT as u32) << DONE_SHIFT);
        // CAST: masked to the eight bits of `task_len1`.
        w[1] = (len / LEN_UNIT).wrapping_sub(1) as u32 & 0xff;
        // CAST: halves of addresses and of the tag.
        w[2] = key as u32;
        w[3] = (key >> 32) as u32;
        w[4] = input as u32;
        w[5] = (input >> 32) as u32;
        w[6] = output as u32;
        w[7] = (output >> 32) as u32;
        w[8] = tag as u32;
        w[9] = (tag >> 32) as u32;
        Self(w)
    }

    /// The algorithm's number (`HREE_ALG_TYPE_MASK` of dw0).
    pub const fn raw_algorithm(&self) -> u8 {
        // CAST: masked to 5 bits.
        (self.0[0] & ALG_MASK) as u8
    }

    /// What is asked for, `None` for what is unknown.
    pub const fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_raw(self.raw_algorithm())
    }

    /// The error type, 0 for none (`HREE_HW_ERR_MASK`).
    pub const fn error(&self) -> u16 {
        // CAST: masked to 11 bits.
        ((self.0[0] >> ERROR_SHIFT) & ERROR_MASK) as u16
    }

    /// The done bits (`HREE_SQE_DONE_MASK`): [`DONE_INIT`] or [`DONE`].
    pub const fn done(&self) -> u8 {
        // CAST: two bits are left.
        (self.0[0] >> DONE_SHIFT) as u8
    }

    /// Whether the driver takes it for a success (`hpre_alg_res_post_hf()`).
    pub const fn succeeded(&self) -> bool {
        self.error() == 0 && self.done() == DONE
    }

    /// What the engine writes when it is done. Bits 29..16 of dw0, of which the in-tree driver
    /// knows nothing, become 0. Guess: a request that failed is [`DONE`], too.
    pub fn complete(&mut self, result: Result<(), Error>) {
        let error = match result {
            Ok(()) => 0,
            // CAST: an enum of 11 bits.
            Err(error) => error as u32,
        };
        self.0[0] =
            (self.0[0] & ALG_MASK) | (error << ERROR_SHIFT) | (u32::from(DONE) << DONE_SHIFT);
    }

    /// Bytes of each number: `task_len1`, counted in [`LEN_UNIT`]s, is one less than it is. 8 to
    /// 2048.
    pub const fn number_len(&self) -> usize {
        // CAST: masked to the low byte.
        ((self.0[1] & 0xff) as usize + 1) * LEN_UNIT
    }

    /// `task_len2`: the in-tree driver never sets it
    pub const fn task_len2(&self) -> u8 {
        // CAST: the second byte.
        (self.0[1] >> 8) as u8
    }

    /// `mrttest_num`: the in-tree driver never sets it
    pub const fn mrttest_num(&self) -> u8 {
        // CAST: the third byte.
        (self.0[1] >> 16) as u8
    }

    /// `HPRE_ENABLE_HPCORE_SHIFT` of `resv1`: asks for the core of high performance; set for P-256
    pub const fn high_performance(&self) -> bool {
        self.0[1] >> 31 != 0
    }

    /// `key`: a DMA address
    pub const fn key(&self) -> u64 {
        words::address(self.0[2], self.0[3])
    }

    /// `in`: a DMA address
    pub const fn input(&self) -> u64 {
        words::address(self.0[4], self.0[5])
    }

    /// `out`: a DMA address
    pub const fn output(&self) -> u64 {
        words::address(self.0[6], self.0[7])
    }

    /// `tag`: the driver's own
    pub const fn tag(&self) -> u64 {
        words::address(self.0[8], self.0[9])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqe_round_trip() {
        let sqe = Sqe::request(
            Algorithm::EccMul,
            48,
            (1 << 40) | 4,
            (2 << 40) | 8,
            (3 << 40) | 12,
            u64::MAX,
        );
        let bytes = sqe.to_bytes();
        assert_eq!(Sqe::from_bytes(&bytes), sqe);
        // struct hpre_sqe: dw0, task_len1, key at 8, in at 16, out at 24, tag at 32
        assert_eq!(bytes[..8], [0xd, 0, 0, 0x40, 5, 0, 0, 0]);
        assert_eq!((bytes[8], bytes[13]), (4, 1));
        assert_eq!((bytes[16], bytes[21]), (8, 2));
        assert_eq!((bytes[24], bytes[29]), (12, 3));
        assert_eq!(bytes[32..40], [0xff; 8]);
        assert_eq!(bytes[40..], [0; 24]);
        assert_eq!((sqe.key(), sqe.input()), ((1 << 40) | 4, (2 << 40) | 8));
        assert_eq!((sqe.output(), sqe.tag()), ((3 << 40) | 12, u64::MAX));
        assert_eq!(
            (sqe.algorithm(), sqe.number_len()),
            (Some(Algorithm::EccMul), 48)
        );
        assert_eq!((sqe.error(), sqe.done()), (0, DONE_INIT));
        assert!(!sqe.succeeded() && !sqe.high_performance());
        assert_eq!((sqe.task_len2(), sqe.mrttest_num()), (0, 0));
    }

    #[test]
    fn completion_is_what_the_driver_looks_at() {
        let mut sqe = Sqe::request(Algorithm::Dh, 512, 1, 2, 3, 4);
        assert_eq!(sqe.number_len(), 512);
        sqe.complete(Ok(()));
        assert!(sqe.succeeded());
        assert_eq!(sqe.0[0], 0xc000_0005);
        sqe.complete(Err(Error::Infinity));
        assert!(!sqe.succeeded());
        assert_eq!(sqe.0[0], 0xc000_2005);
        assert_eq!((sqe.error(), sqe.done()), (0x100, DONE));
        assert_eq!(sqe.algorithm(), Some(Algorithm::Dh));
    }

    #[test]
    fn algorithms_by_number() {
        for raw in 0..=0x1f {
            if let Some(algorithm) = Algorithm::from_raw(raw) {
                assert_eq!(algorithm as u8, raw);
            }
        }
        assert_eq!(Algorithm::from_raw(0x2), None);
    }

    /// The numbers are those of `enum hpre_alg_type`, `HPRE_V2_ALG_TYPE` and
    /// `HPRE_V3_ECC_ALG_TYPE`; the lengths are those of the structures that the in-tree driver
    /// fills.
    #[test]
    fn algorithms_as_the_kernel_has_them() {
        const RSA: &[usize] = &[128, 256, 384, 512];
        const DH: &[usize] = &[96, 128, 192, 256, 384, 512];
        // Number, what it is, queue; which lengths it takes; bytes of key, input and output for the
        // first of them.
        for (raw, algorithm, queue, lengths, bytes) in [
            (0x0, Algorithm::Rsa, 0, RSA, [256, 128, 128]),
            (0x1, Algorithm::RsaCrt, 0, RSA, [320, 128, 128]),
            (0x4, Algorithm::DhG2, 0, DH, [192, 0, 96]),
            (0x5, Algorithm::Dh, 0, DH, [192, 96, 96]),
            (0xd, Algorithm::EccMul, 1, &[32, 48, 72], [128, 64, 64]),
            (0x10, Algorithm::XMul, 1, &[32, 72], [96, 32, 32]),
        ] {
            assert_eq!(Algorithm::from_raw(raw), Some(algorithm));
            assert_eq!(algorithm.queue_type(), queue);
            for len in 0..=600 {
                assert_eq!(algorithm.takes(len), lengths.contains(&len), "{len}");
            }
            let len = lengths[0];
            let lens = [
                algorithm.key_len(len),
                algorithm.input_len(len),
                algorithm.output_len(len),
            ];
            assert_eq!(lens, bytes, "{algorithm:?}");
        }
    }

    /// Bits of `HPRE_DRV_ALG_BITMAP_CAP`: `HPRE_DRV_*_MASK_CAP` of `hpre/hpre_crypto.c`.
    #[test]
    fn registered_algorithms() {
        assert_eq!((DRV_ALG_RSA, DRV_ALG_DH), (0x1, 0x2));
        assert_eq!((DRV_ALG_ECDH, DRV_ALG_X25519), (0x4, 0x20));
    }

    #[test]
    fn fields_of_the_second_word() {
        let mut sqe = Sqe([0; SQE_WORDS]);
        sqe.0[1] = 0x805a_2107;
        assert_eq!((sqe.task_len2(), sqe.mrttest_num()), (0x21, 0x5a));
        assert_eq!(sqe.number_len(), 64);
        assert!(sqe.high_performance());
    }

    #[test]
    fn every_length_is_bounded() {
        for len in (0..=256).map(|units| units * LEN_UNIT) {
            for algorithm in (0..=0x1f).filter_map(Algorithm::from_raw) {
                if algorithm.takes(len) {
                    assert!(algorithm.key_len(len) <= 1280);
                    assert!(algorithm.output_len(len) <= 512);
                }
            }
        }
    }
}
