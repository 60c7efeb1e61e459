// SPDX-License-Identifier: GPL-2.0

//! The migration stream: what the in-tree driver calls `struct acc_vf_data`.
//!
//! One fixed structure, little endian, in two parts: the match data, from which a target tells
//! whether it can take the device, and the state. A function that no driver has set up has only the
//! first part. Source: hisi_acc_vfio_pci.h; what the fields mean: `vf_qm_get_match_data()`,
//! `vf_qm_read_data()`, `vf_qm_load_data()` of hisi_acc_vfio_pci.c.

use crate::regs::{
    QM_NOT_READY,
    QM_READY,
    QM_XQC_DWORDS, //
};

/// `ACC_DEV_MAGIC_V1`: streams whose EQE and AEQE addresses were composed from the wrong words, and
/// which have no version.
pub const MAGIC_V1: u64 = 0xcdcd_cdcd_feed_aacc;
/// `ACC_DEV_MAGIC_V2`: the current format.
pub const MAGIC_V2: u64 = 0xaacc_feed_deca_dede;
/// `ACC_DRV_MAJOR_VER`: another one cannot be loaded.
pub const MAJOR: u16 = 1;
/// `ACC_DRV_MINOR_VER`: a newer one can.
pub const MINOR: u16 = 0;

/// `QM_MATCH_SIZE`: the length of the match data, in bytes.
pub const MATCH_SIZE: usize = 40;
/// The length of a whole stream, in bytes: `sizeof(struct acc_vf_data)`.
pub const STREAM_SIZE: usize = 176;

/// The page sizes that `QM_PAGE_SIZE` is known to take: 4, 16 and 64 KiB (what `qm.c` writes
/// there). Hardware without SVA prefetch shows what it had after its reset, which nobody knows.
pub const PAGE_SIZE_MAX: u32 = 2;

/// Why a stream cannot be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Neither the match data alone nor a whole stream
    Length(usize),
    /// Not a stream of these devices
    Magic(u64),
    /// Of a driver with another major version
    Version(u16, u16),
    /// Of another kind of device
    Device(u32),
    /// The source has another number of queues
    QueueNumber(u32),
    /// The source isolates its queues in another way
    QueueIsolation(u32),
    /// The state of the source's driver is neither ready nor not
    VfState(u32),
    /// An address of a ready device is null or not aligned
    Address(&'static str, u64),
    /// An address in a context differs from the same address elsewhere in the stream
    Contradiction(&'static str),
    /// A register holds what the hardware cannot show
    Register(&'static str, u32),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length(n) => write!(f, "{n} bytes, not {MATCH_SIZE} or {STREAM_SIZE}"),
            Self::Magic(m) => write!(f, "magic {m:#018x} is unknown"),
            Self::Version(major, minor) => {
                write!(f, "version {major}.{minor}, this is {MAJOR}.{MINOR}")
            }
            Self::Device(id) => write!(f, "saved from device {id:#x}"),
            Self::QueueNumber(n) => write!(f, "the source has {n} queues"),
            Self::QueueIsolation(v) => write!(f, "the source's queue isolation is {v:#x}"),
            Self::VfState(v) => write!(f, "VF state {v:#x} is unknown"),
            Self::Address(name, v) => write!(f, "{name} address {v:#x} is null or not aligned"),
            Self::Contradiction(name) => write!(f, "{name} address contradicts the context"),
            Self::Register(name, v) => write!(f, "{name} is {v:#x}"),
        }
    }
}

/// What a target must have in common with the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    /// `acc_magic`
    pub magic: u64,
    /// `qp_num`: how many queues the VF has
    pub qp_num: u32,
    /// `dev_id`: the VF's PCI device ID
    pub dev_id: u32,
    /// `que_iso_cfg`: the PF's queue isolation
    pub que_iso_cfg: u32,
    /// `qp_base`: the VF's first queue on its device; not compared
    pub qp_base: u32,
    /// `vf_qm_state`: whether the VF's driver had it set up ([`QM_READY`])
    pub vf_qm_state: u32,
    /// `major_ver`
    pub major: u16,
    /// `minor_ver`
    pub minor: u16,
}

/// The state of a VF whose driver has set it up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// `aeq_int_mask`
    pub aeq_int_mask: u32,
    /// `eq_int_mask`
    pub eq_int_mask: u32,
    /// `ifc_int_source`
    pub ifc_int_source: u32,
    /// `ifc_int_mask`
    pub ifc_int_mask: u32,
    /// `ifc_int_set`
    pub ifc_int_set: u32,
    /// `page_size`
    pub page_size: u32,
    /// `qm_eqc_dw`
    pub eqc: [u32; QM_XQC_DWORDS],
    /// `qm_aeqc_dw`
    pub aeqc: [u32; QM_XQC_DWORDS],
    /// `eqe_dma`
    pub eqe_dma: u64,
    /// `aeqe_dma`
    pub aeqe_dma: u64,
    /// `sqc_dma`: the table of SQ contexts
    pub sqc_dma: u64,
    /// `cqc_dma`: the table of CQ contexts
    pub cqc_dma: u64,
}

/// The DMA address in words 1 and 2 of an EQ or AEQ context (`QM_XQC_ADDR_LOW`, `_HIGH`).
pub const fn context_address(dw: &[u32; QM_XQC_DWORDS]) -> u64 {
    // CAST: widen.
    dw[1] as u64 | ((dw[2] as u64) << 32)
}

/// Reads fields in order from a stream whose length has been checked.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn u16(&mut self) -> u16 {
        match self.0.split_first_chunk::<2>() {
            Some((bytes, rest)) => {
                self.0 = rest;
                u16::from_le_bytes(*bytes)
            }
            None => 0,
        }
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | (u32::from(self.u16()) << 16)
    }

    fn u64(&mut self) -> u64 {
        u64::from(self.u32()) | (u64::from(self.u32()) << 32)
    }

    fn words<const N: usize>(&mut self) -> [u32; N] {
        let mut words = [0; N];
        for word in &mut words {
            *word = self.u32();
        }
        words
    }
}

/// Writes fields in order.
struct Writer<'a> {
    to: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        for (to, from) in self.to.iter_mut().skip(self.at).zip(bytes) {
            *to = *from;
        }
        self.at = self.at.saturating_add(bytes.len());
    }

    fn u16(&mut self, v: u16) {
        self.bytes(&v.to_le_bytes());
    }

    fn u32(&mut self, v: u32) {
        self.bytes(&v.to_le_bytes());
    }

    fn u64(&mut self, v: u64) {
        self.bytes(&v.to_le_bytes());
    }
}

impl Match {
    /// Reads the match data at the beginning of a stream; the rest is not looked at.
    pub fn parse(stream: &[u8]) -> Result<Self, Error> {
        if stream.len() < MATCH_SIZE {
            return Err(Error::Length(stream.len()));
        }
        let mut r = Reader(stream);
        Ok(Self {
            magic: r.u64(),
            qp_num: r.u32(),
            dev_id: r.u32(),
            que_iso_cfg: r.u32(),
            qp_base: r.u32(),
            vf_qm_state: r.u32(),
            major: r.u16(),
            minor: r.u16(),
        })
    }

    /// As bytes. The reserved words after it are 0.
    pub fn to_bytes(&self) -> [u8; MATCH_SIZE] {
        let mut bytes = [0; MATCH_SIZE];
        let mut w = Writer {
            to: &mut bytes,
            at: 0,
        };
        w.u64(self.magic);
        w.u32(self.qp_num);
        w.u32(self.dev_id);
        w.u32(self.que_iso_cfg);
        w.u32(self.qp_base);
        w.u32(self.vf_qm_state);
        w.u16(self.major);
        w.u16(self.minor);
        bytes
    }

    /// Whether what was saved by `self` can be loaded where `own` would be saved.
    pub fn check(&self, own: &Self) -> Result<(), Error> {
        match self.magic {
            MAGIC_V2 if self.major != MAJOR => return Err(Error::Version(self.major, self.minor)),
            // V1 has no version: the words were reserved.
            MAGIC_V2 | MAGIC_V1 => {}
            _ => return Err(Error::Magic(self.magic)),
        }
        if self.dev_id != own.dev_id {
            return Err(Error::Device(self.dev_id));
        }
        if self.qp_num != own.qp_num {
            return Err(Error::QueueNumber(self.qp_num));
        }
        if self.que_iso_cfg != own.que_iso_cfg {
            return Err(Error::QueueIsolation(self.que_iso_cfg));
        }
        if self.vf_qm_state != QM_READY && self.vf_qm_state != QM_NOT_READY {
            return Err(Error::VfState(self.vf_qm_state));
        }
        Ok(())
    }

    /// The match data of a VF here and now.
    pub const fn current(dev_id: u16, qp_num: u32, qp_base: u32, que_iso_cfg: u32) -> Self {
        Self {
            magic: MAGIC_V2,
            qp_num,
            // CAST: widen.
            dev_id: dev_id as u32,
            que_iso_cfg,
            qp_base,
            vf_qm_state: QM_READY,
            major: MAJOR,
            minor: MINOR,
        }
    }
}

/// A whole stream, as it is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// The first part
    pub head: Match,
    /// The second, where the VF's driver had it set up
    pub state: Option<State>,
}

impl State {
    /// Reads the fields after the match data of a whole stream. They are not judged.
    pub fn parse(stream: &[u8]) -> Result<Self, Error> {
        if stream.len() != STREAM_SIZE {
            return Err(Error::Length(stream.len()));
        }
        let mut r = Reader(stream.get(MATCH_SIZE..).unwrap_or_default());
        let state = Self {
            aeq_int_mask: r.u32(),
            eq_int_mask: r.u32(),
            ifc_int_source: r.u32(),
            ifc_int_mask: r.u32(),
            ifc_int_set: r.u32(),
            page_size: r.u32(),
            eqc: r.words(),
            aeqc: r.words(),
            eqe_dma: 0,
            aeqe_dma: 0,
            sqc_dma: 0,
            cqc_dma: 0,
        };
        // `qm_rsv_regs[5]`, `padding`
        let _: [u32; 6] = r.words();
        Ok(Self {
            eqe_dma: r.u64(),
            aeqe_dma: r.u64(),
            sqc_dma: r.u64(),
            cqc_dma: r.u64(),
            ..state
        })
    }

    /// Returns whether the function has an EQ, an AEQ, and tables of contexts.
    pub fn has_queues(&self) -> bool {
        ![self.eqe_dma, self.aeqe_dma, self.sqc_dma, self.cqc_dma].contains(&0)
    }

    /// Whether hardware can have been in this state: nothing of it is written before.
    fn check(&self) -> Result<(), Error> {
        // `QMC_ALIGN`: the queues of a function begin at multiples of 32 bytes. DMA addresses have
        // 64 bits (`hisi_qm_pci_init()`), so none is too wide.
        for (name, address) in [
            ("EQE", self.eqe_dma),
            ("AEQE", self.aeqe_dma),
            ("SQC", self.sqc_dma),
            ("CQC", self.cqc_dma),
        ] {
            if address == 0 || address % 32 != 0 {
                return Err(Error::Address(name, address));
            }
        }
        if context_address(&self.eqc) != self.eqe_dma {
            return Err(Error::Contradiction("EQE"));
        }
        if context_address(&self.aeqc) != self.aeqe_dma {
            return Err(Error::Contradiction("AEQE"));
        }
        // Both drivers save only once no message to the PF is pending
        // (`hisi_acc_check_int_state()`); loading one would send it.
        if self.ifc_int_set != 0 {
            return Err(Error::Register("ifc_int_set", self.ifc_int_set));
        }
        Ok(())
    }

    /// As bytes, what follows the match data.
    fn to_bytes(self) -> [u8; STREAM_SIZE - MATCH_SIZE] {
        let mut bytes = [0; STREAM_SIZE - MATCH_SIZE];
        let mut w = Writer {
            to: &mut bytes,
            at: 0,
        };
        for v in [
            self.aeq_int_mask,
            self.eq_int_mask,
            self.ifc_int_source,
            self.ifc_int_mask,
            self.ifc_int_set,
            self.page_size,
        ] {
            w.u32(v);
        }
        for v in self.eqc.into_iter().chain(self.aeqc) {
            w.u32(v);
        }
        w.bytes(&[0; 6 * 4]);
        for v in [self.eqe_dma, self.aeqe_dma, self.sqc_dma, self.cqc_dma] {
            w.u64(v);
        }
        bytes
    }
}

impl Stream {
    /// Reads a stream and judges all of it, for a device whose own match data is `own`.
    pub fn parse(bytes: &[u8], own: &Match) -> Result<Self, Error> {
        let head = Match::parse(bytes)?;
        head.check(own)?;
        if bytes.len() == MATCH_SIZE {
            return Ok(Self { head, state: None });
        }
        let mut state = State::parse(bytes)?;
        if head.magic == MAGIC_V1 {
            state.eqe_dma = context_address(&state.eqc);
            state.aeqe_dma = context_address(&state.aeqc);
        }
        // A guest whose driver was being unloaded: nothing there to go on with.
        if head.vf_qm_state == QM_NOT_READY || !state.has_queues() {
            return Ok(Self { head, state: None });
        }
        state.check()?;
        Ok(Self {
            head,
            state: Some(state),
        })
    }

    /// The second part, to be sent after [`Match::to_bytes`].
    pub fn state_bytes(state: &State) -> [u8; STREAM_SIZE - MATCH_SIZE] {
        state.to_bytes()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
