// SPDX-License-Identifier: GPL-2.0

//! What the HPRE engine writes: one flat buffer, `out`, whose length goes with the algorithm.
//!
//! Sources: `struct hpre_sqe`, `enum hpre_alg_type` of `hpre/hpre.h`, `hpre/hpre_crypto.c`; of UADK
//! `drv/hisi_hpre.c` for all numbers that are not in-tree, and `include/drv/wd_ecc_drv.h` for how
//! much comes out. With `n` for the bytes of a number, which `task_len1` gives:
//!
//! | algorithm | number | `out` |
//! |-----------|--------|-------|
//! | `HPRE_ALG_NC_NCRT`, `_NC_CRT`: RSA | 0x0, 0x1 | `n` |
//! | `HPRE_ALG_KG_STD`: an RSA key | 0x2 | `2 n`: d, n (`GEN_PARAMS_SZ`) |
//! | `HPRE_ALG_KG_CRT`: the same for CRT | 0x3 | `7 n / 2` (`CRT_GEN_PARAMS_SZ`) |
//! | `HPRE_ALG_DH_G2`, `_DH` | 0x4, 0x5 | `n` |
//! | `HPRE_ALG_ECC_MUL` | 0xd | `2 n`: x, y |
//! | `HPRE_ALG_ECDSA_SIGN` | 0xe | `2 n`: r, s |
//! | `HPRE_ALG_ECDSA_VERF` | 0xf | none: the answer is in the entry |
//! | `HPRE_ALG_CURVE25519_MUL` | 0x10 | `n` |
//! | `HPRE_ALG_SM2_KEY_GEN` | 0x11 | `3 n`: x, y, d |
//! | `HPRE_ALG_SM2_SIGN` | 0x12 | `2 n`: r, s |
//! | `HPRE_ALG_SM2_VERF` | 0x13 | none: the answer is in the entry |
//! | `HPRE_ALG_SM2_ENC` | 0x14 | `3 n` and the text: c1, c3, c2 |
//! | `HPRE_ALG_SM2_DEC` | 0x15 | the text |
//!
//! Not here are 0x6 to 0xc (primes, remainders, sums of points ...), which UADK names and never
//! sends. Keys and inputs are read only.

use super::{
    Sqe,
    SQE_WORDS, //
};
use crate::dma::{
    types::{
        address,
        flat,
        sqe_words,
        Decoder,
        Each,
        Output, //
    },
    why::Why, //
};

/// The functions of this file. What the engine writes is as long as a number: an SQE that it wrote
/// back says nothing more.
pub(crate) const DECODER: Decoder = Decoder {
    outputs: |sqe, _, each| outputs(&sqe_words(sqe)?, each),
    produced: |_| None,
    identity: |_, _| None,
};

/// The most bytes of a text of SM2: `sm2_mlen` is nine bits and one less (`HW_PLAINTEXT_BYTES_MAX`)
const TEXT_MAX: u64 = 512;

/// `task_len2` and `mrttest_num`, which are of algorithms that are not known; `uwkey_enb`: the key
/// is wrapped; `sva_bypass`: addresses are others. `sm2_ksel` (25), `sva_status` (30..27) and
/// `HPRE_ENABLE_HPCORE_SHIFT` (31) change nothing here.
const UNKNOWN: u32 = 0x00ff_ff00 | (1 << 24) | (1 << 26);

/// Bytes of the output, with numbers of `n` bytes.
fn output_len(algorithm: u8, n: u64) -> Result<u64, Why> {
    // Lengths: those that drivers check for (`hpre_rsa_key_size_is_support()`,
    // `hpre_is_dh_params_length_valid()`) or round up to (`get_hw_keysz()`). What the engine does
    // with others is not known.
    let (taken, len) = match algorithm {
        0x0 | 0x1 => (matches!(n, 128 | 256 | 384 | 512), n),
        0x2 => (matches!(n, 128 | 256 | 384 | 512), 2 * n),
        0x3 => (matches!(n, 128 | 256 | 384 | 512), 7 * n / 2),
        0x4 | 0x5 => (matches!(n, 96 | 128 | 192 | 256 | 384 | 512), n),
        // A driver gives no output to those that verify; but an address is one.
        0xd..=0xf => (matches!(n, 32 | 48 | 72), 2 * n),
        0x10 => (matches!(n, 32 | 72), n),
        0x11 => (n == 32, 3 * n),
        0x12 | 0x13 => (n == 32, 2 * n),
        0x14 => (n == 32, 3 * n + TEXT_MAX),
        0x15 => (n == 32, TEXT_MAX),
        _ => return Err(Why::Request),
    };
    if taken {
        Ok(len)
    } else {
        Err(Why::Length)
    }
}

/// See [`outputs()`](crate::dma::outputs()).
fn outputs(words: &[u32; SQE_WORDS], each: &mut Each<'_>) -> Result<(), Why> {
    let sqe = Sqe(*words);
    let algorithm = sqe.raw_algorithm();
    let len = output_len(algorithm, sqe.number_len() as u64)?;
    if words[1] & UNKNOWN != 0 {
        return Err(Why::Field);
    }
    let out = address(words[6], words[7]);
    if matches!(algorithm, 0xf | 0x13) && out == 0 {
        return Ok(());
    }
    flat(each, Output::Other, out, len)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        super::Algorithm,
        *, //
    };
    use crate::dma::ram::{
        bytes,
        put_address,
        told,
        Ram,
        Told, //
    };

    const OUT: u64 = 0x12_3456_7890;

    fn ask(words: &[u32; SQE_WORDS]) -> Result<Told, Why> {
        told(&DECODER, &bytes(words), &Ram::new(Vec::new()))
    }

    /// As `hpre_msg_request_set()` begins.
    pub(crate) fn request(algorithm: u32, len: u32) -> [u32; SQE_WORDS] {
        let mut words = [0; SQE_WORDS];
        words[0] = algorithm | (1 << 30);
        words[1] = len / 8 - 1;
        put_address(&mut words, 2, 0x1000);
        put_address(&mut words, 4, 0x2000);
        put_address(&mut words, 6, OUT);
        put_address(&mut words, 8, u64::MAX);
        words
    }

    #[test]
    fn by_algorithm_and_length() {
        let rsa = [128, 256, 384, 512];
        let dh = [96, 128, 192, 256, 384, 512];
        let curves = [32, 48, 72];
        for (algorithm, lens, of_len) in [
            (0x0, &rsa[..], [1, 1]),
            (0x1, &rsa, [1, 1]),
            (0x2, &rsa, [2, 1]),
            (0x3, &rsa, [7, 2]),
            (0x4, &dh, [1, 1]),
            (0x5, &dh, [1, 1]),
            (0xd, &curves, [2, 1]),
            (0xe, &curves, [2, 1]),
            (0xf, &curves, [2, 1]),
            (0x10, &[32, 72], [1, 1]),
            (0x11, &[32], [3, 1]),
            (0x12, &[32], [2, 1]),
            (0x13, &[32], [2, 1]),
            // 96 and 512, 512
            (0x14, &[32], [19, 1]),
            (0x15, &[32], [16, 1]),
        ] {
            for len in (1..=256).map(|unit| 8 * unit) {
                let expected = if lens.contains(&len) {
                    let len = u64::from(len * of_len[0] / of_len[1]);
                    Ok(vec![(Output::Other, OUT, len)])
                } else {
                    Err(Why::Length)
                };
                assert_eq!(
                    ask(&request(algorithm, len)),
                    expected,
                    "{algorithm:#x} {len}"
                );
            }
        }
        for algorithm in (0x6..=0xc).chain(0x16..=0x1f) {
            assert_eq!(ask(&request(algorithm, 128)), Err(Why::Request));
        }
    }

    /// What else the crate knows of the engine says the same.
    #[test]
    fn as_the_descriptor_has_it() {
        for raw in 0..0x20 {
            let Some(algorithm) = Algorithm::from_raw(raw) else {
                continue;
            };
            for len in (1..=256).map(|unit| 8 * unit) {
                let sqe = Sqe::request(algorithm, len, 1, 2, OUT, 3);
                let expected = if algorithm.takes(len) {
                    Ok(vec![(Output::Other, OUT, algorithm.output_len(len) as u64)])
                } else {
                    Err(Why::Length)
                };
                assert_eq!(ask(&sqe.0), expected, "{algorithm:?} {len}");
            }
        }
    }

    #[test]
    fn what_verifies_has_no_output() {
        for algorithm in [0xf, 0x13] {
            let mut words = request(algorithm, 32);
            put_address(&mut words, 6, 0);
            assert_eq!(ask(&words), Ok(vec![]));
        }
        // Null is an address like any other elsewhere.
        let mut words = request(0xe, 32);
        put_address(&mut words, 6, 0);
        assert_eq!(ask(&words), Ok(vec![(Output::Other, 0, 64)]));
    }

    #[test]
    fn what_is_refused() {
        for bit in 0..32 {
            let mut words = request(0xd, 32);
            words[1] ^= 1 << bit;
            let expected = match bit {
                0..=7 => continue,
                // sm2_ksel, sva_status, high performance
                25 | 27..=31 => Ok(vec![(Output::Other, OUT, 64)]),
                _ => Err(Why::Field),
            };
            assert_eq!(ask(&words), expected, "bit {bit}");
        }
        let mut words = request(0x5, 512);
        put_address(&mut words, 6, u64::MAX - 511);
        assert_eq!(ask(&words), Err(Why::Wraps));
        put_address(&mut words, 6, u64::MAX - 512);
        assert_eq!(ask(&words), Ok(vec![(Output::Other, u64::MAX - 512, 512)]));
    }
}
