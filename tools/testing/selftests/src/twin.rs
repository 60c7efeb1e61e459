// SPDX-License-Identifier: GPL-2.0

//! Questions to the device model, by a way that the drivers do not see: see
//! `tools/twin/model/src/control.rs`.

use acc_vfio_user::{
    host::{self, Function},
    Result,
};
use hisi_acc_hw::regs;
use std::{cell::OnceCell, collections::BTreeMap, fs::OpenOptions, os::fd::AsRawFd, ptr};

const LEN: usize = 0x10000;
/// Room for a request
const REQUEST: usize = 0x1000;
/// The window to the answer
const WINDOW: usize = 0x2000;
/// "TWIN"
const MAGIC: u32 = 0x4e49_5754;

/// The control device, and of which accelerator it is asked.
pub struct Twin {
    /// Where it is mapped, once it is asked.
    base: OnceCell<*mut u8>,
    device: &'static str,
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

    /// The sum of all whose keys begin so.
    pub fn with_prefix(&self, function: &str, prefix: &str) -> u64 {
        self.0
            .iter()
            .filter(|((f, key), _)| f == function && key.starts_with(prefix))
            .map(|(_, n)| n)
            .sum()
    }

    /// The mailbox commands of a function, and how many of each.
    pub fn mailbox(&self, function: &str) -> Vec<(&str, u64)> {
        let of = self.0.iter().filter(|((f, _), _)| f == function);
        of.filter_map(|((_, key), n)| Some((key.strip_prefix("mailbox.")?, *n)))
            .collect()
    }

    /// All register accesses of a function.
    pub fn accesses(&self, function: &str) -> u64 {
        self.with_prefix(function, "reg_")
    }
}

/// How often a register was read or written.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    pub write: bool,
    pub bar: u8,
    pub offset: u64,
    pub count: u64,
}

impl Register {
    /// Whether it is a doorbell: a VF's BAR4 has nothing else.
    pub fn is_doorbell(&self) -> bool {
        let doorbells = [
            regs::QM_DOORBELL_SQ_CQ_BASE_V2,
            regs::QM_DOORBELL_EQ_AEQ_BASE_V2,
        ];
        self.bar == 4 || (self.bar == 2 && doorbells.map(u64::from).contains(&self.offset))
    }
}

/// An access of a register, as a driver made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// The PF is 0.
    pub function: u32,
    pub write: bool,
    pub bar: u8,
    pub offset: u64,
    /// In bytes
    pub width: u32,
    /// What was read or written
    pub value: u64,
}

impl Access {
    /// Reads a line of the log.
    fn read(line: &str) -> Option<Self> {
        let [function, what, bar, offset, width, value] = line.split(' ').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        Some(Self {
            function: match function {
                "pf" => 0,
                vf => vf.strip_prefix("vf")?.parse().ok()?,
            },
            write: what == "write",
            bar: bar.parse().ok()?,
            offset: hex(offset)?,
            width: width.parse().ok()?,
            value: hex(value)?,
        })
    }
}

impl Twin {
    /// To ask of `zip`, `sec` or `hpre`: the `id=` of its PF in QEMU.
    pub fn open_device(device: &'static str) -> Result<Self> {
        let twin = Self::of(device);
        twin.base()?;
        Ok(twin)
    }

    /// The same, on a machine that may have real accelerators. There each question fails.
    pub fn of(device: &'static str) -> Self {
        Self {
            base: OnceCell::new(),
            device,
        }
    }

    /// Returns where the control device is mapped.
    fn base(&self) -> Result<*mut u8> {
        if let Some(base) = self.base.get() {
            return Ok(*base);
        }
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
        let base = *self.base.get_or_init(|| base.cast());
        if self.read32(base, 0) != MAGIC {
            return Err("acc-twin-ctl does not answer".into());
        }
        Ok(base)
    }

    fn read32(&self, base: *mut u8, at: usize) -> u32 {
        // SAFETY: Within the mapping.
        unsafe { base.add(at).cast::<u32>().read_volatile() }
    }

    fn write32(&self, base: *mut u8, at: usize, value: u32) {
        // SAFETY: Within the mapping.
        unsafe { base.add(at).cast::<u32>().write_volatile(value) };
    }

    /// Asks; see `tools/twin/model/src/control.rs` for what.
    pub fn ask(&self, request: &str) -> Result<String> {
        let base = self.base()?;
        let request = format!("{} {request}", self.device);
        if request.len() > WINDOW - REQUEST {
            return Err("a request as long as that".into());
        }
        for (n, byte) in request.bytes().enumerate() {
            // SAFETY: Within the mapping, by the check above.
            unsafe { base.add(REQUEST + n).write_volatile(byte) };
        }
        self.write32(base, 8, request.len() as u32);
        let len = self.read32(base, 12) as usize;
        let mut answer = Vec::with_capacity(len + 8);
        while answer.len() < len {
            let at = answer.len() % (LEN - WINDOW);
            if at == 0 {
                self.write32(base, 16, answer.len() as u32);
            }
            // SAFETY: Within the mapping, `at` being a multiple of 8.
            let eight = unsafe { base.add(WINDOW + at).cast::<u64>().read_volatile() };
            answer.extend(eight.to_le_bytes());
        }
        answer.truncate(len);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.starts_with("error:") {
            return Err(answer.into());
        }
        Ok(answer)
    }

    /// Orders a fault of a function.
    pub fn fault(&self, function: &str, order: &str) -> Result<()> {
        self.ask(&format!("fault {function} {order}")).map(|_| ())
    }

    /// The pages that a function wrote by DMA since the mark: addresses divided by 4096, as ranges
    /// of a first page and a number of them.
    pub fn pages(&self, function: &str) -> Result<Vec<(u64, u64)>> {
        self.ask(&format!("ledger pages {function}"))?
            .lines()
            .map(|line| {
                let (first, n) = line.split_once(' ').ok_or("no such line")?;
                let first = first.strip_prefix("0x").ok_or("no number")?;
                Ok((u64::from_str_radix(first, 16)?, n.parse()?))
            })
            .collect()
    }

    /// How often which of a function's registers were accessed since the mark.
    pub fn registers(&self, function: &str) -> Result<Vec<Register>> {
        let text = self.ask(&format!("ledger registers {function}"))?;
        let read = |line: &str| -> Option<Register> {
            let [what, bar, offset, count] = line.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(Register {
                write: what == "write",
                bar: bar.parse().ok()?,
                offset: u64::from_str_radix(offset.strip_prefix("0x")?, 16).ok()?,
                count: count.parse().ok()?,
            })
        };
        text.lines()
            .map(|line| read(line).ok_or_else(|| format!("no register: {line}").into()))
            .collect()
    }

    /// How often a function's register was read (`write`: written) since the mark.
    pub fn register(&self, function: &str, write: bool, bar: u8, offset: u64) -> Result<u64> {
        let registers = self.registers(function)?;
        let found = registers
            .iter()
            .find(|r| (r.write, r.bar, r.offset) == (write, bar, offset));
        Ok(found.map_or(0, |r| r.count))
    }

    /// Does something. Returns what comes of it, and the accesses of registers meanwhile, of all
    /// functions, in their order.
    pub fn logged<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<(R, Vec<Access>)> {
        self.ask("ledger log on")?;
        let result = f();
        let text = self.ask("ledger log")?;
        self.ask("ledger log off")?;
        let read = |line: &str| {
            // A line of another form says that the log was full.
            Access::read(line).ok_or_else(|| format!("no access: {line}").into())
        };
        let accesses = text.lines().map(read).collect::<Result<_>>()?;
        Ok((result?, accesses))
    }

    /// What a function's queues look like, for who looks for something that was lost.
    pub fn show(&self, function: &str) -> Result<String> {
        self.ask(&format!("show {function}"))
    }

    /// Adds what a function's queues look like to an error.
    pub fn explained<T>(&self, function: &str, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(e) => Err(format!("{e}\n{}", self.show(function)?).into()),
        }
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

    /// Has the engine do `n` more jobs of a VF and hold the next one until [`Twin::release_jobs`]
    /// is called or the VF is paused.
    pub fn hold_jobs(&self, vf: usize, n: usize) -> Result<()> {
        self.fault(&format!("vf{}", vf + 1), &format!("hold-jobs {n}"))
    }

    /// Ends what [`Twin::hold_jobs`] has begun. What the VF then does is done before the next
    /// answer.
    pub fn release_jobs(&self, vf: usize) -> Result<()> {
        self.fault(&format!("vf{}", vf + 1), "hold-jobs off")
    }

    /// Resets of all functions since the mark, and their ends, in order: of which function, and
    /// whether it ended. A reset has ended when the configuration space is first read after it.
    pub fn resets(&self) -> Result<Vec<(String, bool)>> {
        self.ask("ledger resets")?
            .lines()
            .map(|line| {
                let (function, what) = line.split_once(' ').ok_or("no such line")?;
                Ok((function.to_owned(), what == "ended"))
            })
            .collect()
    }

    /// How long each job of a VF takes; so much longer where the kernel is slow.
    pub fn job_delay(&self, vf: usize, ns: u64) -> Result<()> {
        let ns = ns * u64::from(host::slowness());
        self.fault(&format!("vf{}", vf + 1), &format!("job-delay {ns}"))
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if let Some(base) = self.base.get() {
            // SAFETY: Mapped in `base`.
            unsafe { libc::munmap(base.cast(), LEN) };
        }
    }
}
