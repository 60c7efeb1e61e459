// SPDX-License-Identifier: GPL-2.0

//! Streams of VFs in a migration file of QEMU (`migrate file:PATH`).
//!
//! QEMU writes sections. Sections of a VFIO device begin with a name that ends in `/vfio`, and have
//! items that begin with a marker of 8 bytes (`VFIO_MIG_FLAG_*` of QEMU's hw/vfio/migration.c). The
//! sections of other devices have no length, so this looks for markers, and takes a section only
//! if all of it is as QEMU writes it: head, items, end, footer. RAM of the guest that contains such
//! a section is taken for one, unless it comes after the real one of the same number.

use memchr::memmem::Finder;

/// What all markers begin with, big endian.
const MARKER: [u8; 6] = [0xff, 0xff, 0xff, 0xff, 0xef, 0x10];
/// The markers: what follows [`MARKER`].
const END: u16 = 1;
const SETUP: u16 = 3;
const DATA: u16 = 4;
const INIT_DATA_SENT: u16 = 5;
/// Kinds of sections (`QEMU_VM_SECTION_*`, `QEMU_VM_SECTION_FOOTER`).
const SECTION_START: u8 = 1;
const SECTION_PART: u8 = 2;
const SECTION_END: u8 = 3;
const FOOTER: u8 = 0x7e;
/// How the names of the sections end.
const SUFFIX: &[u8] = b"vfio";
/// The most that a VF sends. The streams of the accelerators are much smaller.
const STREAM_MAX: usize = 1 << 20;
/// The most VFIO devices and sections that are taken: a file that has more is no migration.
const DEVICES_MAX: usize = 256;
/// How much is searched between two calls of the progress function.
const STEP: usize = 16 << 20;

/// What a VFIO device sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its name in the migration: its place in the guest, and `/vfio`.
    pub name: String,
    /// The number of its sections.
    pub id: u32,
    /// The data of all its sections.
    pub stream: Vec<u8>,
}

/// Reads a file at a position.
#[derive(Clone, Copy)]
struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.file.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// Reads a marker: what follows [`MARKER`].
    fn marker(&mut self) -> Option<u16> {
        match self.bytes(MARKER.len())? == MARKER {
            true => self.u16(),
            false => None,
        }
    }

    /// Reads the items of section `id` and its footer. Returns the data, and the end is where this
    /// stands then. `None` if QEMU does not write such a section.
    fn items(&mut self, id: u32) -> Option<Vec<&'a [u8]>> {
        let mut data = Vec::new();
        loop {
            match self.marker()? {
                SETUP | INIT_DATA_SENT => {}
                DATA => {
                    let len = usize::try_from(self.u64()?).ok()?;
                    if len > STREAM_MAX {
                        return None;
                    }
                    data.push(self.bytes(len)?);
                }
                END => break,
                _ => return None,
            }
        }
        (self.u8()? == FOOTER && self.u32()? == id).then_some(data)
    }
}

/// The head of a section.
struct Head {
    id: u32,
    /// Its name, if it is the first section of a device.
    name: Option<String>,
}

/// Returns the head of a section whose first item is at `at`.
fn head(file: &[u8], at: usize) -> Option<Head> {
    let before = file.get(..at)?;
    // Kind and number. A later section has no more.
    let short = before.get(at.checked_sub(5)?..)?;
    if matches!(short[0], SECTION_PART | SECTION_END) {
        let id = u32::from_be_bytes(short[1..].try_into().ok()?);
        return Some(Head { id, name: None });
    }
    // The first one has a name with its length before it, an instance and a version.
    let name_end = at.checked_sub(8)?;
    (SUFFIX.len()..=255).find_map(|len| {
        let name_at = name_end.checked_sub(len)?;
        let mut reader = Reader {
            file: before,
            at: name_at.checked_sub(6)?,
        };
        let (kind, id) = (reader.u8()?, reader.u32()?);
        let long = reader.u8()?;
        let name = reader.bytes(len)?;
        let is_name = name.ends_with(SUFFIX) && name.iter().all(u8::is_ascii_graphic);
        let fits = kind == SECTION_START && usize::from(long) == len && is_name;
        fits.then(|| Head {
            id,
            name: Some(String::from_utf8_lossy(name).into_owned()),
        })
    })
}

/// Returns the VFIO devices in a migration file, in the order of their first sections. `progress`
/// gets the number of bytes that were searched.
pub fn devices(file: &[u8], mut progress: impl FnMut(usize)) -> Vec<Device> {
    let finder = Finder::new(&MARKER);
    let mut devices: Vec<Device> = Vec::new();
    let mut at = 0;
    while at < file.len() {
        progress(at);
        // A marker may lie across the end of a step.
        let end = file.len().min(at + STEP + MARKER.len() - 1);
        let Some(found) = finder.find(&file[at..end]) else {
            at += STEP;
            continue;
        };
        let found = at + found;
        at = match section(file, found, &mut devices) {
            Some(end) => end,
            None => found + 1,
        };
    }
    progress(file.len());
    devices
}

/// Takes a section whose first item is at `at`, and returns its end. `None` if there is none.
fn section(file: &[u8], at: usize, devices: &mut Vec<Device>) -> Option<usize> {
    let head = head(file, at)?;
    let mut reader = Reader { file, at };
    let data = reader.items(head.id)?;
    let known = devices.iter().position(|device| device.id == head.id);
    let device = match (known, head.name) {
        (Some(known), None) => devices.get_mut(known)?,
        (None, Some(name)) if devices.len() < DEVICES_MAX => {
            devices.push(Device {
                name,
                id: head.id,
                stream: Vec::new(),
            });
            devices.last_mut()?
        }
        // A second beginning, or a section of a device that has not begun.
        _ => return None,
    };
    for piece in data {
        if device.stream.len() + piece.len() <= STREAM_MAX {
            device.stream.extend_from_slice(piece);
        }
    }
    Some(reader.at)
}

#[cfg(test)]
#[path = "qemu_file_tests.rs"]
mod tests;
