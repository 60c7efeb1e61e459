// SPDX-License-Identifier: GPL-2.0

//! Descriptors of the SEC2 engine: buffer descriptors (BD) of type 2 and 3.
//!
//! Source: `struct sec_sqe`, `struct sec_sqe_type2`, `struct sec_sqe3` and the enums of
//! `sec2/sec_crypto.h`; the shifts at the head of `sec2/sec_crypto.c`. The driver makes BDs of type
//! 3 from V3 on, of type 2 before (`sec_skcipher_ctx_init()`).

pub(crate) mod dma;

pub(crate) use dma::DECODER;

/// The size of an SQE (`SEC_SQE_SIZE`), in bytes.
pub const SQE_SIZE: usize = 128;

/// `MAX_INPUT_DATA_LEN`: the most bytes of one request
pub const MAX_LEN: u32 = 0xff_fe00;
/// `SEC_IV_SIZE`: room for an initial value, in bytes
pub const IV_SIZE: usize = 24;
/// `SEC_MAX_MAC_LEN`
pub const MAC_SIZE: usize = 64;

/// What the BD is laid out like (`enum sec_bd_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BdType {
    /// `SEC_BD_TYPE2`
    Type2,
    /// `SEC_BD_TYPE3`
    Type3,
}

/// `enum sec_cipher_dir`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cipher {
    /// No ciphering
    None,
    /// `SEC_CIPHER_ENC`
    Encrypt,
    /// `SEC_CIPHER_DEC`
    Decrypt,
}

/// `enum sec_calg`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherAlg {
    /// `SEC_CALG_3DES`
    TripleDes,
    /// `SEC_CALG_AES`
    Aes,
    /// `SEC_CALG_SM4`
    Sm4,
}

/// `enum sec_cmode`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherMode {
    /// `SEC_CMODE_ECB`
    Ecb,
    /// `SEC_CMODE_CBC`
    Cbc,
    /// `SEC_CMODE_CTR`
    Ctr,
    /// `SEC_CMODE_CCM`
    Ccm,
    /// `SEC_CMODE_GCM`
    Gcm,
    /// `SEC_CMODE_XTS`
    Xts,
}

/// `enum sec_hash_alg`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HashAlg {
    /// `SEC_A_HMAC_SHA1`
    HmacSha1,
    /// `SEC_A_HMAC_SHA256`
    HmacSha256,
    /// `SEC_A_HMAC_SHA512`
    HmacSha512,
}

/// `enum sec_auth`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// `SEC_NO_AUTH`
    None,
    /// `SEC_AUTH_TYPE1`: a MAC is made
    Make,
    /// `SEC_AUTH_TYPE2`: a MAC is checked
    Check,
}

/// `enum sec_addr_type`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddrType {
    /// `SEC_PBUF`: one flat buffer
    Flat,
    /// `SEC_SGL`: a hardware SGL
    Sgl,
    /// `SEC_PRP`, which no driver uses, and what has no name
    Other,
}

/// What `icv` of the status says: `SEC_ICV_ERR`
pub const ICV_ERR: u16 = 2;
/// The MAC is right. Guess: the driver looks for [`ICV_ERR`] only.
pub const ICV_OK: u16 = 1;
/// `flag` of the status of a cipher request (`SEC_SQE_CFLAG`)
pub const FLAG_CIPHER: u16 = 2;
/// `flag` of the status of a request with a MAC (`SEC_SQE_AEAD_FLAG`)
pub const FLAG_AEAD: u16 = 3;

/// `error_type` other than 0: the driver tells none from another. Guess: all numbers.
pub const ERROR_UNSUPPORTED: u8 = 0x01;
/// A buffer, key or initial value could not be read or written.
pub const ERROR_BUFFER: u8 = 0x02;
/// A length that does not go with the mode.
pub const ERROR_LENGTH: u8 = 0x03;

/// What a BD asks for, whatever its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Direction
    pub cipher: Cipher,
    /// Algorithm, `None` where it has no name
    pub alg: Option<CipherAlg>,
    /// Mode
    pub mode: Option<CipherMode>,
    /// `enum sec_ckey_type`
    pub key_type: u8,
    /// MAC of its own, not that of CCM and GCM
    pub auth: Auth,
    /// Its algorithm
    pub hash: Option<HashAlg>,
    /// Its key's length, in bytes
    pub auth_key_len: u32,
    /// Length of the MAC, in bytes: that of CCM and GCM, or of the hash
    pub mac_len: u32,
    /// Bytes ciphered
    pub cipher_len: u32,
    /// Bytes authenticated: what is only authenticated for CCM and GCM, all for a hash
    pub auth_len: u32,
    /// Where the ciphered part begins, in bytes from the buffer's start
    pub cipher_offset: u16,
    /// Where the authenticated part begins
    pub auth_offset: u16,
    /// How the addresses are meant
    pub source_type: AddrType,
    /// As above
    pub dest_type: AddrType,
    /// `data_src_addr`
    pub source: u64,
    /// `data_dst_addr`
    pub dest: u64,
    /// `c_key_addr`
    pub key: u64,
    /// `c_ivin_addr`
    pub iv: u64,
    /// `a_key_addr`
    pub auth_key: u64,
    /// `a_ivin_addr`: for CCM the first block of its MAC, for GCM the initial value once more
    pub auth_iv: u64,
    /// `mac_addr`
    pub mac: u64,
}

/// A submission queue entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sqe(pub [u8; SQE_SIZE]);

/// Where the status is: `done_flag`, in both types
const DONE_FLAG: usize = 112;
/// `error_type`, in both types
const ERROR_TYPE: usize = 114;

impl Sqe {
    fn get8(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn get16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.get8(at), self.get8(at.saturating_add(1))])
    }

    fn get32(&self, at: usize) -> u32 {
        u32::from(self.get16(at)) | (u32::from(self.get16(at.saturating_add(2))) << 16)
    }

    fn get64(&self, at: usize) -> u64 {
        u64::from(self.get32(at)) | (u64::from(self.get32(at.saturating_add(4))) << 32)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (to, from) in self.0.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }

    /// How it is laid out, `None` for what no driver makes.
    pub fn bd_type(&self) -> Option<BdType> {
        match self.get8(0) & 0xf {
            2 => Some(BdType::Type2),
            3 => Some(BdType::Type3),
            _ => None,
        }
    }

    /// What it asks for, `None` where its type is unknown.
    pub fn request(&self) -> Option<Request> {
        Some(match self.bd_type()? {
            BdType::Type2 => self.type2(),
            BdType::Type3 => self.type3(),
        })
    }

    fn type2(&self) -> Request {
        let types = self.get8(0);
        // src_addr_type is bit 7 of byte 1, its upper bits are bits 0 and 1 of byte 2
        // (sds_sa_type, sdm_addr_type).
        let addr = self.get8(2);
        let source_type = (self.get8(1) >> 7) | ((addr & 0x3) << 1);
        let mac_key_alg = self.get32(8);
        let icvw_kmode = self.get16(12);
        let mode = mode_of(icvw_kmode >> 12);
        let auth = auth_of(types >> 6);
        Request {
            cipher: cipher_of(types >> 4),
            alg: alg_of(self.get8(14)),
            mode,
            key_type: ((icvw_kmode >> 9) & 0x7) as u8,
            auth,
            hash: hash_of(mac_key_alg >> 11),
            auth_key_len: ((mac_key_alg >> 5) & 0x3f) * 4,
            mac_len: mac_len(auth, mac_key_alg, icvw_kmode & 0x3f),
            cipher_len: self.get32(20) & 0xff_ffff,
            auth_len: self.get32(16) & 0xff_ffff,
            cipher_offset: self.get16(26),
            auth_offset: self.get16(24),
            source_type: addr_type_of(source_type),
            dest_type: addr_type_of(addr >> 2),
            source: self.get64(96),
            dest: self.get64(104),
            key: self.get64(88),
            iv: self.get64(80),
            auth_key: self.get64(64),
            auth_iv: self.get64(56),
            mac: self.get64(72),
        }
    }

    fn type3(&self) -> Request {
        let param = self.get32(0);
        let c_icv_key = self.get16(4);
        let mode_alg = self.get8(6);
        let auth_mac_key = self.get32(56);
        // CAST: fields of a word.
        let auth = auth_of(auth_mac_key as u8);
        Request {
            cipher: cipher_of(c_icv_key as u8),
            alg: alg_of(mode_alg >> 4),
            mode: mode_of(u16::from(mode_alg & 0xf)),
            key_type: (c_icv_key >> 13) as u8,
            auth,
            hash: hash_of(auth_mac_key >> 15),
            auth_key_len: ((auth_mac_key >> 9) & 0x3f) * 4,
            mac_len: mac_len(auth, auth_mac_key >> 4, (c_icv_key >> 4) & 0x3f),
            cipher_len: self.get32(72) & 0xff_ffff,
            auth_len: self.get32(68) & 0xff_ffff,
            cipher_offset: self.get16(66),
            auth_offset: self.get16(64),
            source_type: addr_type_of((param >> 11) as u8),
            dest_type: addr_type_of((param >> 14) as u8),
            source: self.get64(16),
            dest: self.get64(76),
            key: self.get64(48),
            iv: self.get64(92),
            auth_key: self.get64(24),
            auth_iv: self.get64(32),
            mac: self.get64(84),
        }
    }

    /// What comes back with the completion: `tag`.
    pub fn tag(&self) -> u64 {
        match self.bd_type() {
            Some(BdType::Type2) => u64::from(self.get16(40)),
            _ => self.get64(8),
        }
    }

    /// Sets the tag of a BD of type 3.
    pub fn set_tag(&mut self, tag: u64) {
        self.put(8, &tag.to_le_bytes());
    }

    /// `done`
    pub fn is_done(&self) -> bool {
        self.get16(DONE_FLAG) & 1 != 0
    }

    /// `icv`
    pub fn icv(&self) -> u16 {
        (self.get16(DONE_FLAG) >> 1) & 0x7
    }

    /// `flag`
    pub fn flag(&self) -> u16 {
        (self.get16(DONE_FLAG) >> 7) & 0xf
    }

    /// `error_type`
    pub fn error(&self) -> u8 {
        self.get8(ERROR_TYPE)
    }

    /// What the engine writes when it is done.
    pub fn complete(&mut self, flag: u16, icv: u16, error: u8) {
        let done = 1 | ((icv & 0x7) << 1) | ((flag & 0xf) << 7);
        self.put(DONE_FLAG, &done.to_le_bytes());
        self.put(ERROR_TYPE, &[error]);
    }

    /// A cipher request as a BD of type 3, as `sec_skcipher_bd_fill_v3()` makes it.
    pub fn cipher(request: &Request) -> Self {
        let mut sqe = Self([0; SQE_SIZE]);
        let addr_type = |t: AddrType| match t {
            AddrType::Flat => 0u32,
            AddrType::Sgl => 1,
            AddrType::Other => 2,
        };
        // SEC_DE_OFFSET_V3: source and destination differ
        let de = u32::from(request.source != request.dest) << 9;
        let param =
            3 | de | (addr_type(request.source_type) << 11) | (addr_type(request.dest_type) << 14);
        let cipher: u16 = match request.cipher {
            Cipher::None => 0,
            Cipher::Encrypt => 1,
            Cipher::Decrypt => 2,
        };
        let alg = match request.alg {
            Some(CipherAlg::TripleDes) => 1,
            Some(CipherAlg::Aes) => 2,
            Some(CipherAlg::Sm4) => 3,
            None => 0,
        };
        let mode = match request.mode {
            Some(CipherMode::Ecb) => 0,
            Some(CipherMode::Cbc) => 1,
            Some(CipherMode::Ctr) => 4,
            Some(CipherMode::Ccm) => 5,
            Some(CipherMode::Gcm) => 6,
            Some(CipherMode::Xts) => 7,
            None => 0xf,
        };
        sqe.put(0, &param.to_le_bytes());
        let c_icv_key = cipher | (u16::from(request.key_type) << 13);
        sqe.put(4, &c_icv_key.to_le_bytes());
        sqe.put(6, &[(alg << 4) | mode]);
        sqe.put(16, &request.source.to_le_bytes());
        sqe.put(48, &request.key.to_le_bytes());
        // SEC_CTR_CNT_ROLLOVER: the counter is one of 128 bits
        sqe.put(56, &(2u32 << 25).to_le_bytes());
        sqe.put(66, &request.cipher_offset.to_le_bytes());
        sqe.put(72, &(request.cipher_len & 0xff_ffff).to_le_bytes());
        sqe.put(76, &request.dest.to_le_bytes());
        sqe.put(92, &request.iv.to_le_bytes());
        sqe
    }
}

/// The MAC's length in bytes: of a hash in words (`SEC_MAC_OFFSET_V3`), of CCM and GCM in bytes
/// (`c_icv_len`).
fn mac_len(auth: Auth, hash_words: u32, icv: u16) -> u32 {
    match auth {
        Auth::None => u32::from(icv),
        Auth::Make | Auth::Check => (hash_words & 0x1f) * 4,
    }
}

fn cipher_of(raw: u8) -> Cipher {
    match raw & 0x3 {
        1 => Cipher::Encrypt,
        2 => Cipher::Decrypt,
        _ => Cipher::None,
    }
}

fn alg_of(raw: u8) -> Option<CipherAlg> {
    match raw & 0xf {
        1 => Some(CipherAlg::TripleDes),
        2 => Some(CipherAlg::Aes),
        3 => Some(CipherAlg::Sm4),
        _ => None,
    }
}

fn mode_of(raw: u16) -> Option<CipherMode> {
    match raw & 0xf {
        0 => Some(CipherMode::Ecb),
        1 => Some(CipherMode::Cbc),
        4 => Some(CipherMode::Ctr),
        5 => Some(CipherMode::Ccm),
        6 => Some(CipherMode::Gcm),
        7 => Some(CipherMode::Xts),
        _ => None,
    }
}

fn auth_of(raw: u8) -> Auth {
    match raw & 0x3 {
        1 => Auth::Make,
        2 => Auth::Check,
        _ => Auth::None,
    }
}

fn hash_of(raw: u32) -> Option<HashAlg> {
    match raw & 0x3f {
        0x10 => Some(HashAlg::HmacSha1),
        0x11 => Some(HashAlg::HmacSha256),
        0x15 => Some(HashAlg::HmacSha512),
        _ => None,
    }
}

fn addr_type_of(raw: u8) -> AddrType {
    match raw & 0x7 {
        0 => AddrType::Flat,
        1 => AddrType::Sgl,
        _ => AddrType::Other,
    }
}

#[cfg(test)]
mod tests;
