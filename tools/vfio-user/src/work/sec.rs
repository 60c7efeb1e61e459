// SPDX-License-Identifier: GPL-2.0

//! Data to encrypt and decrypt by AES.

use crate::{
    memory::Memory,
    work::desk::{Desk, Engine, Job},
    Result,
};
use aes::Aes256;
use cipher::{block_padding::NoPadding, BlockDecryptMut, BlockEncryptMut, KeyIvInit, StreamCipher};
use hisi_acc_hw::sec::{
    AddrType, Auth, Cipher, CipherAlg, CipherMode, Request, Sqe, FLAG_CIPHER, SQE_SIZE,
};

/// The type of all queues is 0 (`sec_create_qps()`).
const QUEUES: [u8; 2] = [0; 2];

pub struct Sec;

struct SecJob {
    expected: Vec<u8>,
    dest: Vec<(u64, usize)>,
}

fn sqe(raw: &[u8]) -> Result<Sqe> {
    Ok(Sqe(raw.try_into().map_err(|_| "no SQE of SEC2")?))
}

/// What AES-256 by the kept crates makes of it.
fn expected(
    mode: CipherMode,
    decrypt: bool,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Vec<u8>> {
    const WRONG: &str = "wrong lengths";
    let mut data = data.to_vec();
    let len = data.len();
    match (mode, decrypt) {
        (CipherMode::Cbc, false) => {
            cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
                .map_err(|_| WRONG)?
                .encrypt_padded_mut::<NoPadding>(&mut data, len)
                .map_err(|_| WRONG)?;
        }
        (CipherMode::Cbc, true) => {
            cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
                .map_err(|_| WRONG)?
                .decrypt_padded_mut::<NoPadding>(&mut data)
                .map_err(|_| WRONG)?;
        }
        _ => ctr::Ctr128BE::<Aes256>::new_from_slices(key, iv)
            .map_err(|_| WRONG)?
            .apply_keystream(&mut data),
    }
    Ok(data)
}

impl Engine for Sec {
    fn queues(&self) -> &'static [u8] {
        &QUEUES
    }

    fn entry_size(&self) -> usize {
        SQE_SIZE
    }

    fn make(&self, desk: &mut Desk<'_>) -> Result<(u16, Vec<u8>, Box<dyn Job>)> {
        let queue = desk.random.next(QUEUES.len()) as u16;
        let mode = [CipherMode::Cbc, CipherMode::Ctr][desk.random.next(2)];
        let decrypt = desk.random.next(2) == 1;
        let len = 16 * (1 + desk.random.next(1024));
        let data = desk.random.bytes(len);
        let key = desk.random.bytes(32);
        let iv = desk.random.bytes(16);
        let kinds = [AddrType::Flat, AddrType::Sgl];
        let source_type = kinds[desk.random.next(2)];
        let dest_type = kinds[desk.random.next(2)];
        let (source, _) = desk.source(&data, source_type == AddrType::Sgl);
        let (dest, pieces) = desk.dest(len, dest_type == AddrType::Sgl);
        let request = Request {
            cipher: if decrypt {
                Cipher::Decrypt
            } else {
                Cipher::Encrypt
            },
            alg: Some(CipherAlg::Aes),
            mode: Some(mode),
            // SEC_CKEY_256BIT
            key_type: 2,
            auth: Auth::None,
            hash: None,
            auth_key_len: 0,
            mac_len: 0,
            cipher_len: len as u32,
            auth_len: 0,
            cipher_offset: 0,
            auth_offset: 0,
            source_type,
            dest_type,
            source,
            dest,
            key: desk.put(&key),
            iv: desk.put(&iv),
            auth_key: 0,
            auth_iv: 0,
            mac: 0,
        };
        let mut sqe = Sqe::cipher(&request);
        sqe.set_tag(desk.tag);
        let job = SecJob {
            expected: expected(mode, decrypt, &key, &iv, &data)?,
            dest: pieces,
        };
        Ok((queue, sqe.0.to_vec(), Box::new(job)))
    }

    fn tag(&self, entry: &[u8]) -> Result<u64> {
        Ok(sqe(entry)?.tag())
    }
}

impl Job for SecJob {
    fn check(&self, memory: &Memory, entry: &[u8]) -> Result<u64> {
        let sqe = sqe(entry)?;
        if !sqe.is_done() || sqe.error() != 0 || sqe.flag() != FLAG_CIPHER {
            return Err(format!("error {:#x}, flag {}", sqe.error(), sqe.flag()).into());
        }
        let mut output = Vec::new();
        for (at, len) in &self.dest {
            output.extend(memory.read_vec(*at, *len));
        }
        if output != self.expected {
            return Err("the output is not that of the input".into());
        }
        Ok(output.len() as u64)
    }
}
