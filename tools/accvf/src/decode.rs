// SPDX-License-Identifier: GPL-2.0

//! A migration stream, field by field.

use crate::{
    error::{Error, Result},
    output::or_dash,
    qemu_file::{self, Device},
};
use hisi_acc_hw::{
    regs,
    stream::{self, Match, State, Stream, MATCH_SIZE},
    Engine,
};
use indicatif::{ProgressBar, ProgressStyle};
use memmap2::Mmap;
use serde::Serialize;
use std::{fs::File, path::Path};

/// A field of a stream.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name, as `struct acc_vf_data` has it.
    pub name: &'static str,
    /// Its place, in bytes.
    pub offset: usize,
    /// Its bytes as a number, or as words.
    pub value: String,
    /// What it means.
    pub meaning: String,
}

/// A stream.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// The device in a migration file of QEMU.
    pub device: Option<String>,
    pub bytes: usize,
    /// `zip`, `sec` or `hpre`.
    pub kind: Option<&'static str>,
    pub fields: Vec<Field>,
    /// Why a VF of this kind, with as many queues, would refuse it; `None` if it would not.
    pub error: Option<String>,
}

/// A file with streams.
pub struct Source {
    /// The device in a migration file of QEMU.
    pub device: Option<String>,
    pub bytes: Vec<u8>,
}

/// Shows how far a search is.
fn progress_bar(len: usize) -> ProgressBar {
    let bar = ProgressBar::new(len as u64);
    let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Returns whether a file is a stream alone, by its first bytes.
fn is_stream(file: &[u8]) -> bool {
    let magic = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    matches!(magic, Some(stream::MAGIC_V1 | stream::MAGIC_V2))
}

/// Reads the streams of a file: one, or those of all VFIO devices of a migration by QEMU.
pub fn read(path: &Path) -> Result<Vec<Source>> {
    let failed = |e| Error::of_file(path, e);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() == 0 {
        return Err(malformed(path, "is empty"));
    }
    // SAFETY: The mapping is read only. If another process truncates the file meanwhile, this one
    // ends with SIGBUS.
    let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let bar = progress_bar(map.len());
    let sources = sources(&map, |at| bar.set_position(at as u64));
    bar.finish_and_clear();
    match sources.is_empty() {
        true => Err(malformed(path, "has no stream of a VF")),
        false => Ok(sources),
    }
}

fn malformed(path: &Path, why: &str) -> Error {
    Error::malformed(
        format!("{} {why}", path.display()),
        "give a stream that was saved from a VF, or a file of QEMU's 'migrate file:PATH'",
    )
}

/// Returns the streams in the bytes of a file.
pub fn sources(file: &[u8], progress: impl FnMut(usize)) -> Vec<Source> {
    if is_stream(file) {
        return vec![Source {
            device: None,
            bytes: file.to_vec(),
        }];
    }
    let devices = qemu_file::devices(file, progress).into_iter();
    devices
        .map(|Device { name, stream, .. }| Source {
            device: Some(name),
            bytes: stream,
        })
        .collect()
}

/// Reads the one stream of a file, or that of the device named.
pub fn read_one(path: &Path, device: Option<&str>) -> Result<Source> {
    let mut sources = read(path)?;
    if let Some(device) = device {
        sources.retain(|source| source.device.as_deref() == Some(device));
    }
    if sources.len() > 1 {
        let names: Vec<_> = sources
            .iter()
            .filter_map(|one| one.device.clone())
            .collect();
        return Err(Error::malformed(
            format!("{} has streams of {} devices", path.display(), names.len()),
            format!("name one by --device: {}", names.join(" ")),
        ));
    }
    sources.pop().ok_or_else(|| {
        Error::not_found(
            format!(
                "{} has no device {}",
                path.display(),
                device.unwrap_or_default()
            ),
            "'accvf decode FILE' names the devices",
        )
    })
}

/// Collects fields in the order in which they stand.
struct Fields {
    all: Vec<Field>,
    at: usize,
}

impl Fields {
    fn add(&mut self, name: &'static str, size: usize, value: String, meaning: impl Into<String>) {
        self.all.push(Field {
            name,
            offset: self.at,
            value,
            meaning: meaning.into(),
        });
        self.at += size;
    }

    fn word(&mut self, name: &'static str, value: u32, meaning: impl Into<String>) {
        self.add(name, 4, format!("{value:#x}"), meaning);
    }

    fn long(&mut self, name: &'static str, value: u64, meaning: impl Into<String>) {
        self.add(name, 8, format!("{value:#x}"), meaning);
    }

    fn words(&mut self, name: &'static str, words: &[u32], meaning: impl Into<String>) {
        let text: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
        self.add(name, 4 * words.len(), text.join(" "), meaning);
    }

    /// Adds words that both drivers leave 0.
    fn reserved(&mut self, name: &'static str, stream: &[u8], len: usize) {
        let raw = stream.get(self.at..).unwrap_or_default();
        let words: Vec<u32> = raw
            .chunks_exact(4)
            .take(len)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let meaning = match words.iter().all(|word| *word == 0) {
            true => "",
            false => "not 0: another driver wrote it",
        };
        self.words(name, &words, meaning);
    }

    fn head(&mut self, stream: &[u8], head: &Match, kind: Option<&str>) {
        let magic = match head.magic {
            stream::MAGIC_V1 => "V1: no version, queue addresses are in the contexts",
            stream::MAGIC_V2 => "V2",
            _ => "unknown",
        };
        self.long("acc_magic", head.magic, magic);
        self.word("qp_num", head.qp_num, format!("{} queues", head.qp_num));
        let device = kind.map_or("no accelerator".to_owned(), |kind| format!("VF of {kind}"));
        self.word("dev_id", head.dev_id, device);
        self.word("que_iso_cfg", head.que_iso_cfg, "queue isolation of the PF");
        let base = format!("queue {} of the device; not compared", head.qp_base);
        self.word("qp_base", head.qp_base, base);
        let state = match head.vf_qm_state {
            regs::QM_READY => "the guest driver has set the VF up",
            regs::QM_NOT_READY => "no guest driver has set the VF up",
            _ => "unknown",
        };
        self.word("vf_qm_state", head.vf_qm_state, state);
        self.add("major_ver", 2, head.major.to_string(), "");
        self.add("minor_ver", 2, head.minor.to_string(), "");
        self.reserved("qm_rsv_state", stream, 2);
    }

    fn state(&mut self, stream: &[u8], state: &State) {
        self.word("aeq_int_mask", state.aeq_int_mask, "");
        self.word("eq_int_mask", state.eq_int_mask, "");
        self.word("ifc_int_source", state.ifc_int_source, "messages of the PF");
        self.word("ifc_int_mask", state.ifc_int_mask, "");
        self.word("ifc_int_set", state.ifc_int_set, "messages to the PF");
        let page = match state.page_size {
            0 => "4 KiB",
            1 => "16 KiB",
            2 => "64 KiB",
            _ => "unknown",
        };
        self.word("page_size", state.page_size, page);
        let address = |words| format!("address {:#x}", stream::context_address(words));
        self.words("qm_eqc_dw", &state.eqc, address(&state.eqc));
        self.words("qm_aeqc_dw", &state.aeqc, address(&state.aeqc));
        self.reserved("qm_rsv_regs", stream, 5);
        self.reserved("padding", stream, 1);
        self.long("eqe_dma", state.eqe_dma, "event queue");
        self.long("aeqe_dma", state.aeqe_dma, "asynchronous event queue");
        self.long("sqc_dma", state.sqc_dma, "table of SQ contexts");
        self.long("cqc_dma", state.cqc_dma, "table of CQ contexts");
    }
}

/// Returns the engine of a VF's device ID.
fn kind_of(dev_id: u32) -> Option<&'static str> {
    let all = Engine::ALL.into_iter().map(Engine::descriptor);
    let mut found = all.filter(|row| u32::from(row.vf) == dev_id);
    found.next().map(|row| row.name)
}

impl Decoded {
    /// Decodes a stream. What a VF would refuse is decoded too, as far as it goes.
    pub fn of(source: &Source) -> Self {
        let bytes = &source.bytes[..];
        let mut decoded = Self {
            device: source.device.clone(),
            bytes: bytes.len(),
            kind: None,
            fields: Vec::new(),
            error: None,
        };
        let head = match Match::parse(bytes) {
            Ok(head) => head,
            Err(e) => {
                decoded.error = Some(e.to_string());
                return decoded;
            }
        };
        decoded.kind = kind_of(head.dev_id);
        let mut fields = Fields {
            all: Vec::new(),
            at: 0,
        };
        fields.head(bytes, &head, decoded.kind);
        if let Ok(state) = State::parse(bytes) {
            fields.state(bytes, &state);
        }
        decoded.fields = fields.all;
        decoded.error = match (Stream::parse(bytes, &head), decoded.kind) {
            (Err(e), _) => Some(e.to_string()),
            (Ok(_), None) => Some(stream::Error::Device(head.dev_id).to_string()),
            (Ok(_), Some(_)) => None,
        };
        decoded
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(device) = &self.device {
            text += &format!("device {device}\n");
        }
        text += &format!("{} bytes, kind {}\n", self.bytes, or_dash(&self.kind));
        for field in &self.fields {
            let (name, value, meaning) = (field.name, &field.value, &field.meaning);
            let line = format!("{:>4}  {name:<15} {value:<20} {meaning}", field.offset);
            text += line.trim_end();
            text.push('\n');
        }
        text += &match &self.error {
            Some(error) => format!("not loadable: {error}\n"),
            None if self.bytes == MATCH_SIZE => {
                "match data only: no guest driver at the end, or the file is cut off\n".to_owned()
            }
            None => "complete\n".to_owned(),
        };
        text
    }
}

/// Decodes all streams in the bytes of a file, for the fuzzer.
pub fn bytes(file: &[u8]) -> Vec<Decoded> {
    let sources = sources(file, |_| {});
    sources.iter().map(Decoded::of).collect()
}
