// SPDX-License-Identifier: GPL-2.0

//! Questions to the device model, by a way that the drivers do not see: see
//! `tools/twin/model/src/control.rs`.

use crate::{host::Function, Result};
use std::{collections::BTreeMap, fs::OpenOptions, os::fd::AsRawFd, ptr};

const LEN: usize = 0x10000;
/// "TWIN"
const MAGIC: u32 = 0x4e49_5754;

/// The control device.
pub struct Twin {
    base: *mut u8,
}

/// Counts by function and key.
#[derive(Default)]
pub struct Counts(BTreeMap<(String, String), u64>);

impl Counts {
    pub fn get(&self, function: &str, key: &str) -> u64 {
        self.0
            .get(&(function.to_owned(), key.to_owned()))
            .copied()
            .unwrap_or(0)
    }

    /// All register accesses of a function.
    pub fn accesses(&self, function: &str) -> u64 {
        self.0
            .iter()
            .filter(|((f, key), _)| f == function && key.starts_with("reg_"))
            .map(|(_, n)| n)
            .sum()
    }
}

impl Twin {
    pub fn open() -> Result<Self> {
        let function = Function::all(0x1234, 0x11ac)?
            .into_iter()
            .next()
            .ok_or("no acc-twin-ctl device: this needs the device model")?;
        // Memory decoding is off while no driver has the device.
        std::fs::write(function.path().join("enable"), "1")?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(function.path().join("resource0"))?;
        // SAFETY: A new mapping of the BAR.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        let twin = Self { base: base.cast() };
        if twin.read32(0) != MAGIC {
            return Err("acc-twin-ctl does not answer".into());
        }
        Ok(twin)
    }

    fn read32(&self, at: usize) -> u32 {
        // SAFETY: Within the mapping.
        unsafe { self.base.add(at).cast::<u32>().read_volatile() }
    }

    fn ask(&self, request: &str) -> Result<String> {
        for (n, byte) in request.bytes().enumerate() {
            // SAFETY: Requests are short; within the mapping.
            unsafe { self.base.add(0x1000 + n).write_volatile(byte) };
        }
        // SAFETY: Within the mapping.
        unsafe {
            self.base
                .add(8)
                .cast::<u32>()
                .write_volatile(request.len() as u32)
        };
        let len = self.read32(12) as usize;
        let answer: Vec<u8> = (0..len)
            // SAFETY: Within the mapping.
            .map(|n| unsafe { self.base.add(0x2000 + n).read_volatile() })
            .collect();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.starts_with("error:") {
            return Err(format!("{request}: {answer}").into());
        }
        Ok(answer)
    }

    /// Counts begin anew.
    pub fn mark(&self) -> Result<()> {
        self.ask("ledger mark").map(|_| ())
    }

    /// Counts since the mark.
    pub fn counts(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        for line in self.ask("ledger")?.lines() {
            if let [function, key, value] = line.split(' ').collect::<Vec<_>>()[..] {
                counts
                    .0
                    .insert((function.to_owned(), key.to_owned()), value.parse()?);
            }
        }
        Ok(counts)
    }

    /// How long each job of a VF takes.
    pub fn job_delay(&self, vf: usize, ns: u64) -> Result<()> {
        self.ask(&format!("set vf{} job-delay-ns {ns}", vf + 1))
            .map(|_| ())
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // SAFETY: Mapped in `open`.
        unsafe { libc::munmap(self.base.cast(), LEN) };
    }
}
