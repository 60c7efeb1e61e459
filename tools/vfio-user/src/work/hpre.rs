// SPDX-License-Identifier: GPL-2.0

//! Numbers to raise to a power: RSA with a public exponent.

use crate::{
    memory::Memory,
    work::desk::{Desk, Engine, Job},
    Result,
};
use hisi_acc_hw::hpre::{Algorithm, Sqe, ALG_TYPE_V2, SQE_SIZE};
use num_bigint::BigUint;

const QUEUES: [u8; 2] = [ALG_TYPE_V2; 2];
/// The length of the numbers, in bytes: RSA-1024
const LEN: usize = 128;

pub struct Hpre;

struct HpreJob {
    expected: Vec<u8>,
    dest: u64,
}

fn sqe(raw: &[u8]) -> Result<Sqe> {
    let raw: &[u8; SQE_SIZE] = raw.try_into().map_err(|_| "no SQE of HPRE")?;
    Ok(Sqe::from_bytes(raw))
}

/// A number as the engine has it: big-endian, in the last bytes of its slot.
fn slot(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut slot = vec![0; LEN - bytes.len()];
    slot.extend(bytes);
    slot
}

impl Engine for Hpre {
    fn queues(&self) -> &'static [u8] {
        &QUEUES
    }

    fn entry_size(&self) -> usize {
        SQE_SIZE
    }

    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)> {
        let queue = desk.random.next(QUEUES.len()) as u16;
        // Odd and as long as can be, as the product of two primes is.
        let mut modulus = desk.random.bytes(LEN);
        modulus[0] |= 0x80;
        modulus[LEN - 1] |= 1;
        let modulus = BigUint::from_bytes_be(&modulus);
        let message = BigUint::from_bytes_be(&desk.random.bytes(LEN)) % &modulus;
        let exponent = BigUint::from(65537u32);
        let key = [slot(&exponent), slot(&modulus)].concat();
        let (input, _) = desk.source(&slot(&message), false);
        let (dest, _) = desk.dest(LEN, false);
        let key = desk.put(&key);
        let sqe = Sqe::request(Algorithm::Rsa, LEN, key, input, dest, desk.tag);
        let job = HpreJob {
            expected: slot(&message.modpow(&exponent, &modulus)),
            dest,
        };
        Ok((queue, sqe.to_bytes().to_vec(), Box::new(job)))
    }

    fn tag(&self, entry: &[u8]) -> Result<u64> {
        Ok(sqe(entry)?.tag())
    }
}

impl Job for HpreJob {
    fn check(&self, memory: &Memory, entry: &[u8]) -> Result<u64> {
        let sqe = sqe(entry)?;
        if !sqe.succeeded() {
            return Err(format!("error {:#x}, done {}", sqe.error(), sqe.done()).into());
        }
        if memory.read_vec(self.dest, LEN) != self.expected {
            return Err("the output is not that of the input".into());
        }
        Ok(LEN as u64)
    }
}
