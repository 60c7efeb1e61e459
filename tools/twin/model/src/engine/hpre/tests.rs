// SPDX-License-Identifier: GPL-2.0

//! Tests of HPRE: vectors of others, and what must hold of any numbers.

use super::*;
use crate::testing::{Machine, MEMORY, MEMORY_SIZE};
use hisi_acc_hw::hpre::{DONE, DONE_INIT};

const KEY: u64 = MEMORY;
const INPUT: u64 = MEMORY + 0x1000;
const OUTPUT: u64 = MEMORY + 0x2000;
const END: u64 = MEMORY + MEMORY_SIZE as u64;
const TAG: u64 = 0x0123_4567_89ab_cdef;
const FUNCTION: usize = 3;

/// Memory of function 3.
fn machine() -> Machine {
    let mut machine = Machine::new();
    machine.memory.fill(0xa5);
    machine.only = Some(FUNCTION);
    machine
}

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

/// Of a short list, in slots.
fn slots_of(numbers: &[&BigUint], len: usize) -> Vec<u8> {
    let numbers: Vec<_> = numbers.iter().map(|&number| number.clone()).collect();
    slots(&numbers, len).unwrap()
}

fn submit(sqe: Sqe, machine: &mut Machine) -> Sqe {
    let mut raw = sqe.to_bytes();
    run(machine, FUNCTION, &mut raw);
    assert_eq!(machine.interrupts, [], "that is for the queue");
    let after = Sqe::from_bytes(&raw);
    assert_eq!(after.0[1..], sqe.0[1..], "only dw0 changes");
    assert_eq!(after.raw_algorithm(), sqe.raw_algorithm());
    assert_eq!((sqe.done(), after.done()), (DONE_INIT, DONE));
    after
}

/// What comes out, or the error type; nothing else of the memory may change.
fn ask(algorithm: Algorithm, len: usize, key: &[u8], input: &[u8]) -> Result<Vec<u8>, u16> {
    let mut machine = machine();
    machine.put(KEY, key);
    machine.put(INPUT, input);
    let before = machine.memory.clone();
    let input_address = match algorithm {
        Algorithm::DhG2 => 0,
        _ => INPUT,
    };
    let sqe = submit(
        Sqe::request(algorithm, len, KEY, input_address, OUTPUT, TAG),
        &mut machine,
    );
    let out = 0x2000..0x2000 + algorithm.output_len(len);
    assert_eq!(machine.memory[..out.start], before[..out.start]);
    assert_eq!(machine.memory[out.end..], before[out.end..]);
    if sqe.succeeded() {
        Ok(machine.memory[out].to_vec())
    } else {
        assert_eq!(machine.memory, before);
        Err(sqe.error())
    }
}

fn refused(error: Error) -> Result<Vec<u8>, u16> {
    Err(error as u16)
}

// An RSA key of 1024 bits, and what Python's pow() says of it.
const RSA_P: &str = concat!(
    "df27b474402615f619baa4a49f0ac0170928ca2ceca468e9ce6ba18b8ad12fc9",
    "a0d4f2e345ffb65d9f9bc6d3adae2c57eafd6a994409a2329ef50006a43e3769",
);
const RSA_Q: &str = concat!(
    "c32432886bb4127246699464dbe63772bad97069fd356ef093eecdd538cc3f84",
    "e44f625809d585da734ef52360ef18d51da125316aac9f018e6343b605eceb4f",
);
const RSA_D: &str = concat!(
    "6368339a856214d4f2540b06dee3d9e3061629b06e554fd191e3cb2fa117b55c",
    "e631431a1344fbe23db413f9a9c47aae0b5bc36cd6e31022031431b3c9e22663",
    "bbac6657eb5bb196d325c7c1a9c85d6f869934e4a6559f115edbf17fa8ad592e",
    "457e23395cb04b68cc0eb6780789ff9d03823d2f223513d1cf187d947803bd91",
);
const RSA_MESSAGE: &str = "776861742048505245207369676e73";
const RSA_SIGNED: &str = concat!(
    "943eb4266ee28e5fe90da8bae079250422e2ddb76b058f1d5c1add533f1b002a",
    "0b780886b56d56662a3bff1add6989704d0aeb68aeec4594d78bd3e8edeeb287",
    "2014a1fab939d5bd08e14376228baa51386447cd3f2ba1c88df3440eeb07f812",
    "554be0c062a1a5c51d87520231e9692dd01b502156742fbc64d9570b32b328a6",
);

#[test]
fn rsa() {
    let n = number(RSA_P) * number(RSA_Q);
    let e = BigUint::from(65537u32);
    let private = slots_of(&[&number(RSA_D), &n], 128);
    let public = slots_of(&[&e, &n], 128);
    let message = slots_of(&[&number(RSA_MESSAGE)], 128);
    let signed = slots_of(&[&number(RSA_SIGNED)], 128);
    assert_eq!(
        ask(Algorithm::Rsa, 128, &private, &message).as_ref(),
        Ok(&signed)
    );
    assert_eq!(ask(Algorithm::Rsa, 128, &public, &signed), Ok(message));
    // Leading zeros are written, too.
    let one = slots_of(&[&BigUint::from(1u8)], 128);
    assert_eq!(ask(Algorithm::Rsa, 128, &public, &one).as_ref(), Ok(&one));
}

/// `hpre_rsa_setkey_crt()`: dq, dp, q, p, qinv
fn crt_key(p: &BigUint, q: &BigUint) -> Vec<u8> {
    let d = number(RSA_D);
    let dp = &d % (p - 1u8);
    let dq = &d % (q - 1u8);
    let q_inverse = q.modinv(p).unwrap();
    slots_of(&[&dq, &dp, q, p, &q_inverse], 64)
}

#[test]
fn rsa_crt_with_either_prime_the_larger() {
    let (p, q) = (number(RSA_P), number(RSA_Q));
    let message = slots_of(&[&number(RSA_MESSAGE)], 128);
    let signed = slots_of(&[&number(RSA_SIGNED)], 128);
    for key in [crt_key(&p, &q), crt_key(&q, &p)] {
        assert_eq!(key.len(), 320);
        assert_eq!(
            ask(Algorithm::RsaCrt, 128, &key, &message).as_ref(),
            Ok(&signed)
        );
    }
}

#[test]
fn rsa_of_4096_bits() {
    // No key, but the sizes are right: odd modulus, exponent as long as it.
    let modulus = (BigUint::from(1u8) << 4096u32) - 1u8;
    let exponent = (BigUint::from(1u8) << 4095u32) + 1u8;
    let key = slots_of(&[&exponent, &modulus], 512);
    let two = slots_of(&[&BigUint::from(2u8)], 512);
    // 2 has the order 4096 then, and 2^4095 + 1 is 1 modulo that.
    assert_eq!(ask(Algorithm::Rsa, 512, &key, &two).as_ref(), Ok(&two));
}

// RFC 2409, 6.1 (group 1); an exponent of 760 bits, and what Python's pow() says.
const DH_P: &str = concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff",
);
const DH_X: &str = concat!(
    "cf2abc88bf3bf1d0be827ba8c51a575e18b1930d71868e7ee5fa2eed9dcb4003",
    "6178cc25bd3eeb76a50129eb1e522f6c172719283535cfc664f6a6d9a29dc421",
    "0ef5ba2af84c767a89552a0dc41eb9261671854b2e41108d071a2fb04e0bc6",
);
const DH_2_X: &str = concat!(
    "e6defa5ff43d1bd58d0d72a689fad3ae0b5525f2c8eedfd078fb6c024d42a99f",
    "ecab4dcacf56a5b2863e6f7060ec67d03c1eff59973052855ef03b788ae53ac3",
    "bd6ae1c7a3246510bf1ac4af56519babff3ef3e4f2ec192be8f173afd181d98c",
);
const DH_7_X: &str = concat!(
    "6eaa677379192e568a164e220cf2721cd0f5119f481f1cb4c96afb2a40b862a3",
    "a726fb36a317d187b02ddc3182a48f2a44b42181de29675fe7f7e022a59cc778",
    "1e1aa466348b7a27a317c7f25279df914e93a091603be63378588672f9768986",
);

#[test]
fn dh() {
    let key = slots_of(&[&number(DH_X), &number(DH_P)], 96);
    let seven = slots_of(&[&BigUint::from(7u8)], 96);
    let two = slots_of(&[&BigUint::from(2u8)], 96);
    let answer = ask(Algorithm::Dh, 96, &key, &seven);
    assert_eq!(answer, Ok(slots_of(&[&number(DH_7_X)], 96)));
    let answer = ask(Algorithm::Dh, 96, &key, &two);
    assert_eq!(answer, Ok(slots_of(&[&number(DH_2_X)], 96)));
}

#[test]
fn dh_with_generator_2_reads_no_input_and_both_sides_agree() {
    let p = number(DH_P);
    let mine = slots_of(&[&number(DH_X), &p], 96);
    let theirs = slots_of(&[&(number(DH_X) >> 9u32), &p], 96);
    let my_public = ask(Algorithm::DhG2, 96, &mine, &[]).unwrap();
    assert_eq!(my_public, slots_of(&[&number(DH_2_X)], 96));
    let their_public = ask(Algorithm::DhG2, 96, &theirs, &[]).unwrap();
    assert_eq!(
        ask(Algorithm::Dh, 96, &mine, &their_public).unwrap(),
        ask(Algorithm::Dh, 96, &theirs, &my_public).unwrap(),
    );
}

/// p, a, b, the generator, its order; the generator times a third of the order and 12345, by
/// other means.
struct Known {
    len: usize,
    p: &'static str,
    b: &'static str,
    g: [&'static str; 2],
    n: &'static str,
    third: [&'static str; 2],
}

// FIPS 186-4, D.1.2
const P192: Known = Known {
    len: 32,
    p: "fffffffffffffffffffffffffffffffeffffffffffffffff",
    b: "64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
    g: [
        "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
        "07192b95ffc8da78631011ed6b24cdd573f977a11e794811",
    ],
    n: "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
    third: [
        "613739ed05a8fe1a95dc5eb2ac80adc27ea6ad7df9efcea8",
        "08d9ef06a3ae4cb396efd5a047a2aa22ece1066a9edc7687",
    ],
};
const P256: Known = Known {
    len: 32,
    p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    g: [
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ],
    n: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    third: [
        "f22ddba52b9ae49b80f57b9c81772102a0925f9f0602c7084ef72ea6361d4be3",
        "b7f6b646e297263e55ce335002e37d3984c9e336c060a0f35eb4df0dc1a5d619",
    ],
};
const P384: Known = Known {
    len: 48,
    p: concat!(
        "ffffffffffffffffffffffffffffffffffffffffffffffff",
        "fffffffffffffffeffffffff0000000000000000ffffffff",
    ),
    b: concat!(
        "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe814112",
        "0314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    g: [
        concat!(
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98",
            "59f741e082542a385502f25dbf55296c3a545e3872760ab7",
        ),
        concat!(
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c",
            "e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
    ],
    n: concat!(
        "ffffffffffffffffffffffffffffffffffffffffffffffff",
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    third: [
        concat!(
            "39128ae1bffd97d6113962a9ae2fd493c73f06cf0c745c4b",
            "be64ec1e07edfefc56d06235b034f6711d756ba508fa1fca",
        ),
        concat!(
            "292f5ef0c310a70e20280929d65f244769bf4bce8afe142e",
            "917b52ac0872acc2893766b57de63768f11d7059ec4b95e9",
        ),
    ],
};

impl Known {
    /// As `hpre_ecdh_fill_curve()` and `hpre_ecdh_set_secret()` have it.
    fn key(&self, k: &BigUint) -> Vec<u8> {
        let p = number(self.p);
        let a = &p - 3u8;
        slots_of(&[&p, &a, k, &number(self.b)], self.len)
    }

    fn point(&self, [x, y]: [&str; 2]) -> Vec<u8> {
        slots_of(&[&number(x), &number(y)], self.len)
    }

    fn ask(&self, k: &BigUint, point: &[u8]) -> Result<Vec<u8>, u16> {
        ask(Algorithm::EccMul, self.len, &self.key(k), point)
    }
}

#[test]
fn every_curve() {
    for curve in [P192, P256, P384] {
        let n = number(curve.n);
        let g = curve.point(curve.g);
        let k = &n / 3u8 + 12345u32;
        assert_eq!(curve.ask(&k, &g), Ok(curve.point(curve.third)));
        assert_eq!(curve.ask(&BigUint::from(1u8), &g).as_ref(), Ok(&g));
        assert_eq!(curve.ask(&(&n + 1u8), &g).as_ref(), Ok(&g));
        // (n - 1)G is -G
        let opposite = [number(curve.g[0]), number(curve.p) - number(curve.g[1])];
        let opposite = slots(&opposite, curve.len).unwrap();
        assert_eq!(curve.ask(&(&n - 1u8), &g), Ok(opposite));
        // Both sides agree.
        let their_k = &n / 7u8;
        let mine = curve.ask(&k, &g).unwrap();
        let theirs = curve.ask(&their_k, &g).unwrap();
        assert_eq!(curve.ask(&k, &theirs), curve.ask(&their_k, &mine));

        assert_eq!(curve.ask(&n, &g), refused(Error::Infinity));
        assert_eq!(curve.ask(&BigUint::ZERO, &g), refused(Error::Infinity));
    }
}

#[test]
fn ecdh_p256_known_answer() {
    // NIST CAVS 14.1, ECC CDH Primitive, P-256, COUNT = 0
    let k = number("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
    let public = P256.point([
        "ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230",
        "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
    ]);
    assert_eq!(P256.ask(&k, &P256.point(P256.g)), Ok(public));
    let theirs = P256.point([
        "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
        "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
    ]);
    let shared = P256.ask(&k, &theirs).unwrap();
    let x = number("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
    assert_eq!(shared[..32], slots_of(&[&x], 32));
}

#[test]
fn x25519_known_answer() {
    // RFC 7748, 5.2, the first; reversed and masked as the driver did it.
    fn reversed(hex: &str) -> BigUint {
        BigUint::from_bytes_le(&slots_of(&[&number(hex)], 32))
    }
    let one = BigUint::from(1u8);
    let p = (&one << 255u32) - 19u8;
    let a = BigUint::from(121_665u32);
    let mut k = reversed("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    for (bit, value) in [
        (0, false),
        (1, false),
        (2, false),
        (255, false),
        (254, true),
    ] {
        k.set_bit(bit, value);
    }
    let mut x = reversed("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    x.set_bit(255, false);
    let answer = reversed("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    let key = slots_of(&[&p, &a, &k], 32);
    assert_eq!(
        ask(Algorithm::XMul, 32, &key, &slots_of(&[&x], 32)),
        Ok(slots_of(&[&answer], 32))
    );
    for (input, error) in [
        (&BigUint::ZERO, Error::Infinity),
        (&one, Error::Infinity),
        (&p, Error::Range),
    ] {
        assert_eq!(
            ask(Algorithm::XMul, 32, &key, &slots_of(&[input], 32)),
            refused(error)
        );
    }
}

#[test]
fn points_that_are_none() {
    let k = BigUint::from(5u8);
    let [x, y] = P256.g.map(number);
    let point = |x: &BigUint, y: &BigUint| P256.ask(&k, &slots_of(&[x, y], 32));
    assert_eq!(point(&x, &(&y + 1u8)), refused(Error::Point));
    assert_eq!(point(&BigUint::ZERO, &BigUint::ZERO), refused(Error::Point));
    assert_eq!(point(&number(P256.p), &y), refused(Error::Range));
    assert_eq!(point(&x, &number(P256.p)), refused(Error::Range));
}

#[test]
fn curves_that_are_none() {
    let p = number(P256.p);
    let zero = BigUint::ZERO;
    let one = BigUint::from(1u8);
    let two = BigUint::from(2u8);
    for (p, a, b) in [
        (&zero, &zero, &one),
        (&one, &zero, &zero),
        (&two, &one, &one),
        (&(&p + 1u8), &one, &one),
        // Coefficients that are not less than p
        (&p, &p, &one),
        (&p, &one, &p),
        // Singular
        (&p, &zero, &zero),
    ] {
        let key = slots_of(&[p, a, &two, b], 32);
        let point = slots_of(&[&zero, &one], 32);
        assert_eq!(
            ask(Algorithm::EccMul, 32, &key, &point),
            refused(Error::Modulus)
        );
    }
    // p is 9, no prime: there are numbers without an inverse.
    let nine = BigUint::from(9u8);
    for k in 0u32..64 {
        let key = slots_of(&[&nine, &one, &BigUint::from(k), &one], 32);
        // Whatever it says, it does say.
        let _ = ask(Algorithm::EccMul, 32, &key, &slots_of(&[&zero, &one], 32));
    }
}

#[test]
fn bad_moduli() {
    let e = BigUint::from(65537u32);
    let one = slots_of(&[&BigUint::from(1u8)], 128);
    let n = number(RSA_P) * number(RSA_Q);
    for modulus in [BigUint::ZERO, BigUint::from(1u8), &n + 1u8] {
        let key = slots_of(&[&e, &modulus], 128);
        for algorithm in [Algorithm::Rsa, Algorithm::Dh, Algorithm::DhG2] {
            let answer = ask(algorithm, 128, &key, &one);
            assert_eq!(answer, refused(Error::Modulus), "{algorithm:?}");
        }
    }
    let q = number(RSA_Q);
    for p in [BigUint::ZERO, BigUint::from(1u8), &q + 1u8] {
        for [p, q] in [[&p, &q], [&q, &p]] {
            let key = slots_of(&[&e, &e, q, p, &e], 64);
            let answer = ask(Algorithm::RsaCrt, 128, &key, &one);
            assert_eq!(answer, refused(Error::Modulus));
        }
    }
}

#[test]
fn input_not_less_than_the_modulus() {
    let (p, q) = (number(RSA_P), number(RSA_Q));
    let n = &p * &q;
    let input = slots_of(&[&n], 128);
    let key = slots_of(&[&number(RSA_D), &n], 128);
    assert_eq!(
        ask(Algorithm::Rsa, 128, &key, &input),
        refused(Error::Range)
    );
    assert_eq!(
        ask(Algorithm::RsaCrt, 128, &crt_key(&p, &q), &input),
        refused(Error::Range)
    );
    assert_eq!(ask(Algorithm::Dh, 128, &key, &input), refused(Error::Range));
}

#[test]
fn unmapped_buffers() {
    let n = number(RSA_P) * number(RSA_Q);
    let mut machine = machine();
    let key = slots_of(&[&BigUint::from(3u8), &n], 128);
    machine.put(KEY, &key);
    let input = slots_of(&[&BigUint::from(2u8)], 128);
    machine.put(INPUT, &input);
    // DMA_MAPPING_ERROR, and what begins in memory but ends outside of it
    for bad in [0, u64::MAX, u64::MAX - 64, END - 127] {
        for (addresses, error) in [
            ([bad, INPUT, OUTPUT], Error::ReadKey),
            ([KEY, bad, OUTPUT], Error::ReadInput),
            ([KEY, INPUT, bad], Error::Write),
        ] {
            let [key, input, output] = addresses;
            let before = machine.memory.clone();
            let sqe = Sqe::request(Algorithm::Rsa, 128, key, input, output, TAG);
            assert_eq!(submit(sqe, &mut machine).error(), error as u16);
            assert_eq!(machine.memory, before);
        }
    }
    // Another function's memory
    let mut raw = Sqe::request(Algorithm::Rsa, 128, KEY, INPUT, OUTPUT, TAG).to_bytes();
    run(&mut machine, 0, &mut raw);
    assert_eq!(Sqe::from_bytes(&raw).error(), Error::ReadKey as u16);
}

#[test]
fn unknown_algorithms_and_lengths() {
    let mut machine = machine();
    for raw in 0..32u32 {
        for units in 0..256u32 {
            let mut sqe = Sqe::request(Algorithm::Rsa, 128, 0, 0, 0, TAG);
            sqe.0[0] = (sqe.0[0] & !0x1f) | raw;
            sqe.0[1] = units;
            let error = match sqe.algorithm() {
                None => Error::Algorithm,
                Some(algorithm) if !algorithm.takes(sqe.number_len()) => Error::Length,
                Some(_) => Error::ReadKey,
            };
            assert_eq!(submit(sqe, &mut machine).error(), error as u16);
        }
    }
}

#[test]
fn random_bytes_do_no_harm() {
    // xorshift64
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for algorithm in (0..32).filter_map(Algorithm::from_raw) {
        for len in [32, 48, 72, 96, 128] {
            for _ in 0..if algorithm.takes(len) { 8 } else { 0 } {
                let mut machine = machine();
                for byte in &mut machine.memory {
                    // CAST: the low byte.
                    *byte = next() as u8;
                }
                // Half of the moduli odd: else most end there.
                machine.memory[len - 1] |= 1;
                machine.memory[2 * len - 1] |= 1;
                let sqe = Sqe::request(algorithm, len, KEY, INPUT, OUTPUT, TAG);
                submit(sqe, &mut machine);
            }
        }
    }
}
