// SPDX-License-Identifier: GPL-2.0

//! The HPRE engine: really does the arithmetic of RSA, DH and elliptic curves.
//!
//! Sources: `hpre/hpre_crypto.c` and `hpre/hpre.h`, for which number is where (see
//! [`hisi_acc_hw::hpre`]); RFC 8017 (RSA, 5.1.2), RFC 2631 (DH, 2.1.1), SEC 1 (curves, 2.2.1) and
//! RFC 7748 (X25519, section 5) for what is to come out.
//!
//! Guess: whatever is refused. The in-tree driver shows neither what the hardware checks nor what
//! it says then. As the software that the driver falls back to does (`rsa.c`, `dh.c`, `ecc.c` in
//! `crypto/`), an input that is not less than the modulus and a point that is not on the curve are
//! refused, and nothing is written into the output then. (Of X25519 it is known that the input must
//! be less: the driver reduced it for that reason.) That moduli are odd: likewise a guess, from
//! what hardware that multiplies as Montgomery does needs.
//!
//! Nothing here takes longer than a few hundred multiplications for each bit of the longest number
//! that [`Algorithm::takes`], or more memory than a few kilobytes.

#[cfg(test)]
mod tests;

use super::row::Model;
use crate::bus::Bus;
use hisi_acc_hw::hpre::{Algorithm, Error, Sqe, SQE_SIZE};
use num_bigint::BigUint;

/// The capability registers: error types and what resets of the QM, the same of the engine, then
/// cores and algorithms (`hpre_cap_query_info` of hpre/hpre_main.c).
const CAPABILITIES: [u32; 20] = [
    0x7c37, 0x6c77, 0x8, 0x1ff_fc3e, 0xbf_fc3e, 0x1,
    // HPRE_CORE_INFO, HPRE_CORE_EN
    0x12_0a0a, 0x3ff, // HPRE_DRV_ALG_BITMAP: RSA, DH, ECDH, X25519
    0x27,  // HPRE_ALG_BITMAP, HPRE_CORE1..10_BITMAP_CAP
    0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x10, 0x10,
];

/// The row of HPRE.
pub(super) const MODEL: Model = Model {
    capabilities: &CAPABILITIES,
    ready: |offset| match offset {
        // HPRE_RDCHN_INI_ST
        0x30_1a00 => Some(1),
        // HPRE_CORE_INI_STATUS of clusters: all cores are up
        0x30_2080 | 0x30_3080 | 0x30_4080 | 0x30_5080 => Some(0x3ff),
        _ => None,
    },
    run: |bus, function, _, raw| {
        if let Ok(raw) = raw.try_into() {
            run(bus, function, raw);
        }
    },
};

/// Carries out one request: reads its key and input, writes its output, and completes the SQE.
///
/// Which queue it came by is not looked at: whether that one is of [`Algorithm::queue_type`] is for
/// who knows the SQC to say.
pub fn run(bus: &mut dyn Bus, function: usize, raw: &mut [u8; SQE_SIZE]) {
    let mut sqe = Sqe::from_bytes(raw);
    let result = carry_out(bus, function, &sqe);
    sqe.complete(result);
    *raw = sqe.to_bytes();
}

fn carry_out(bus: &mut dyn Bus, function: usize, sqe: &Sqe) -> Result<(), Error> {
    let algorithm = sqe.algorithm().ok_or(Error::Algorithm)?;
    let len = sqe.number_len();
    if !algorithm.takes(len) {
        return Err(Error::Length);
    }

    let mut key = vec![0; algorithm.key_len(len)];
    bus.read(function, sqe.key(), &mut key)
        .map_err(|_| Error::ReadKey)?;
    let mut input = vec![0; algorithm.input_len(len)];
    if !input.is_empty() {
        bus.read(function, sqe.input(), &mut input)
            .map_err(|_| Error::ReadInput)?;
    }

    let output = match algorithm {
        Algorithm::Rsa | Algorithm::Dh => {
            let [exponent, modulus] = numbers(&key, len)?;
            let [base] = numbers(&input, len)?;
            slots(&[power(&base, &exponent, &modulus)?], len)?
        }
        Algorithm::DhG2 => {
            let [exponent, modulus] = numbers(&key, len)?;
            slots(&[power(&BigUint::from(2u8), &exponent, &modulus)?], len)?
        }
        Algorithm::RsaCrt => {
            let key = numbers(&key, len / 2)?;
            let [base] = numbers(&input, len)?;
            slots(&[power_crt(&base, &key)?], len)?
        }
        Algorithm::EccMul => {
            let [p, a, k, b] = numbers(&key, len)?;
            let [x, y] = numbers(&input, len)?;
            slots(&Curve::new(p, a, b)?.multiply(&k, x, y)?, len)?
        }
        Algorithm::XMul => {
            let [p, a, k] = numbers(&key, len)?;
            let [x] = numbers(&input, len)?;
            slots(&[ladder(&p, &a, &k, &x)?], len)?
        }
    };
    bus.write(function, sqe.output(), &output)
        .map_err(|_| Error::Write)
}

/// Takes a buffer apart: `N` big-endian numbers of `len` bytes each.
fn numbers<const N: usize>(buffer: &[u8], len: usize) -> Result<[BigUint; N], Error> {
    let all: Vec<BigUint> = buffer
        .chunks_exact(len.max(1))
        .map(BigUint::from_bytes_be)
        .collect();
    all.try_into().map_err(|_| Error::Length)
}

/// Puts numbers together: each big-endian, right-aligned in `len` bytes.
fn slots(numbers: &[BigUint], len: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = Vec::with_capacity(numbers.len() * len);
    for number in numbers {
        let bytes = number.to_bytes_be();
        let zeros = len.checked_sub(bytes.len()).ok_or(Error::Range)?;
        buffer.resize(buffer.len() + zeros, 0);
        buffer.extend_from_slice(&bytes);
    }
    Ok(buffer)
}

fn is_zero(number: &BigUint) -> bool {
    number.bits() == 0
}

/// Whether the engine takes it as a modulus: odd, and at least 3.
fn check_modulus(modulus: &BigUint) -> Result<(), Error> {
    if modulus.bit(0) && modulus.bits() > 1 {
        Ok(())
    } else {
        Err(Error::Modulus)
    }
}

fn power(base: &BigUint, exponent: &BigUint, modulus: &BigUint) -> Result<BigUint, Error> {
    check_modulus(modulus)?;
    if base >= modulus {
        return Err(Error::Range);
    }
    Ok(base.modpow(exponent, modulus))
}

/// RFC 8017, 5.1.2, 2b; the key as `hpre_rsa_setkey_crt()` has it.
fn power_crt(base: &BigUint, key: &[BigUint; 5]) -> Result<BigUint, Error> {
    let [dq, dp, q, p, q_inverse] = key;
    check_modulus(p)?;
    check_modulus(q)?;
    if *base >= p * q {
        return Err(Error::Range);
    }
    let of_p = base.modpow(dp, p);
    let of_q = base.modpow(dq, q);
    let difference = of_p + p - &of_q % p;
    Ok((difference * q_inverse) % p * q + of_q)
}

/// A short Weierstrass curve: y² = x³ + ax + b (mod p).
struct Curve {
    p: BigUint,
    a: BigUint,
    b: BigUint,
}

/// A point in Jacobian coordinates: x/z², y/z³; at infinity where z is 0.
#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

impl Curve {
    fn new(p: BigUint, a: BigUint, b: BigUint) -> Result<Self, Error> {
        check_modulus(&p)?;
        if a >= p || b >= p {
            return Err(Error::Modulus);
        }
        // 4a³ + 27b²: singular where that is 0
        let discriminant = (&a * &a * &a * 4u8 + &b * &b * 27u8) % &p;
        if is_zero(&discriminant) {
            return Err(Error::Modulus);
        }
        Ok(Self { p, a, b })
    }

    /// `left * right`
    fn mul(&self, left: &BigUint, right: &BigUint) -> BigUint {
        left * right % &self.p
    }

    /// `left - right`; both are less than p.
    fn sub(&self, left: &BigUint, right: &BigUint) -> BigUint {
        (left + &self.p - right) % &self.p
    }

    fn infinity() -> Point {
        Point {
            x: BigUint::from(1u8),
            y: BigUint::from(1u8),
            z: BigUint::ZERO,
        }
    }

    fn double(&self, point: &Point) -> Point {
        if is_zero(&point.z) || is_zero(&point.y) {
            return Self::infinity();
        }
        let y_squared = self.mul(&point.y, &point.y);
        let z_squared = self.mul(&point.z, &point.z);
        let s = self.mul(&point.x, &y_squared) * 4u8 % &self.p;
        let m = (&point.x * &point.x * 3u8 + &self.a * self.mul(&z_squared, &z_squared)) % &self.p;
        let x = self.sub(&self.mul(&m, &m), &(&s * 2u8 % &self.p));
        let y = self.sub(
            &self.mul(&m, &self.sub(&s, &x)),
            &(&y_squared * &y_squared * 8u8 % &self.p),
        );
        let z = self.mul(&point.y, &point.z) * 2u8 % &self.p;
        Point { x, y, z }
    }

    fn add(&self, left: &Point, right: &Point) -> Point {
        if is_zero(&left.z) {
            return right.clone();
        }
        if is_zero(&right.z) {
            return left.clone();
        }
        let left_z_squared = self.mul(&left.z, &left.z);
        let right_z_squared = self.mul(&right.z, &right.z);
        let u1 = self.mul(&left.x, &right_z_squared);
        let u2 = self.mul(&right.x, &left_z_squared);
        let s1 = self.mul(&left.y, &self.mul(&right_z_squared, &right.z));
        let s2 = self.mul(&right.y, &self.mul(&left_z_squared, &left.z));
        let h = self.sub(&u2, &u1);
        let r = self.sub(&s2, &s1);
        if is_zero(&h) {
            return if is_zero(&r) {
                self.double(left)
            } else {
                Self::infinity()
            };
        }
        let h_squared = self.mul(&h, &h);
        let h_cubed = self.mul(&h_squared, &h);
        let v = self.mul(&u1, &h_squared);
        let x = self.sub(
            &self.sub(&self.mul(&r, &r), &h_cubed),
            &(&v * 2u8 % &self.p),
        );
        let y = self.sub(&self.mul(&r, &self.sub(&v, &x)), &self.mul(&s1, &h_cubed));
        let z = self.mul(&h, &self.mul(&left.z, &right.z));
        Point { x, y, z }
    }

    /// `k` times the point (`x`, `y`).
    fn multiply(&self, k: &BigUint, x: BigUint, y: BigUint) -> Result<[BigUint; 2], Error> {
        if x >= self.p || y >= self.p {
            return Err(Error::Range);
        }
        let right = (&x * &x * &x + &self.a * &x + &self.b) % &self.p;
        if self.mul(&y, &y) != right {
            return Err(Error::Point);
        }
        let point = Point {
            x,
            y,
            z: BigUint::from(1u8),
        };
        let mut sum = Self::infinity();
        for bit in (0..k.bits()).rev() {
            sum = self.double(&sum);
            if k.bit(bit) {
                sum = self.add(&sum, &point);
            }
        }
        if is_zero(&sum.z) {
            return Err(Error::Infinity);
        }
        // None where p is not a prime.
        let inverse = sum.z.modinv(&self.p).ok_or(Error::Modulus)?;
        let squared = self.mul(&inverse, &inverse);
        Ok([
            self.mul(&sum.x, &squared),
            self.mul(&sum.y, &self.mul(&squared, &inverse)),
        ])
    }
}

/// The x coordinate of `k` times the point of a Montgomery curve that has the x coordinate `x`: the
/// ladder of RFC 7748, section 5. `a` is its a24, (A - 2) / 4: that is what `curve25519_a` of
/// `crypto/ecc_curve_defs.h` is. `k` and `x` are taken as they come: the driver has masked them.
fn ladder(p: &BigUint, a: &BigUint, k: &BigUint, x: &BigUint) -> Result<BigUint, Error> {
    check_modulus(p)?;
    if a >= p {
        return Err(Error::Modulus);
    }
    if x >= p {
        return Err(Error::Range);
    }
    let mul = |left: &BigUint, right: &BigUint| left * right % p;
    let add = |left: &BigUint, right: &BigUint| (left + right) % p;
    let sub = |left: &BigUint, right: &BigUint| (left + p - right) % p;

    let (mut x2, mut z2) = (BigUint::from(1u8), BigUint::ZERO);
    let (mut x3, mut z3) = (x.clone(), BigUint::from(1u8));
    for bit in (0..k.bits()).rev() {
        let swap = k.bit(bit);
        if swap {
            std::mem::swap(&mut x2, &mut x3);
            std::mem::swap(&mut z2, &mut z3);
        }
        let plus = add(&x2, &z2);
        let minus = sub(&x2, &z2);
        let plus_squared = mul(&plus, &plus);
        let minus_squared = mul(&minus, &minus);
        let e = sub(&plus_squared, &minus_squared);
        let da = mul(&sub(&x3, &z3), &plus);
        let cb = mul(&add(&x3, &z3), &minus);
        let sum = add(&da, &cb);
        let difference = sub(&da, &cb);
        x3 = mul(&sum, &sum);
        z3 = mul(x, &mul(&difference, &difference));
        x2 = mul(&plus_squared, &minus_squared);
        z2 = mul(&e, &add(&plus_squared, &mul(a, &e)));
        if swap {
            std::mem::swap(&mut x2, &mut x3);
            std::mem::swap(&mut z2, &mut z3);
        }
    }
    if is_zero(&z2) {
        return Err(Error::Infinity);
    }
    let inverse = z2.modinv(p).ok_or(Error::Modulus)?;
    let result = mul(&x2, &inverse);
    // A point of small order: RFC 7748, 6.1, lets it be refused; curve25519-generic.c did.
    if is_zero(&result) {
        return Err(Error::Infinity);
    }
    Ok(result)
}
