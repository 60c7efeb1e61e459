// SPDX-License-Identifier: GPL-2.0

//! `lifetime.*`: the same many times, and nothing is left behind.

use crate::support::{bench::Bench, pair::Pair};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    vfio::{state, Device},
    Driver, Result,
};
use std::{fs, io::Read, thread::sleep};

const TIMES: usize = 1000;
/// The first ones fill caches.
const WARM: usize = 50;

/// Open files of the system, and what the kernel's allocators hold, in KiB.
fn holdings() -> Result<(i64, i64)> {
    let files = fs::read_to_string("/proc/sys/fs/file-nr")?;
    let files = files.split_whitespace().next().ok_or("empty")?.parse()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = |key: &str| -> Result<i64> {
        let line = memory
            .lines()
            .find(|l| l.starts_with(key))
            .ok_or("no line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
    };
    Ok((files, kib("Slab:")? + kib("VmallocUsed:")?))
}

/// Waits until the holdings shrink no more, because freed memory waits for a grace period, and
/// returns them.
fn settled() -> Result<(i64, i64)> {
    let mut before = holdings()?;
    loop {
        sleep(host::seconds(1) / 5);
        let now = holdings()?;
        if now.0 >= before.0 && now.1 >= before.1 {
            return Ok(before);
        }
        before = (now.0.min(before.0), now.1.min(before.1));
    }
}

/// Does something so many times; then there are as many files as before, and as much memory.
fn flat(mut what: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..WARM {
        what()?;
    }
    let before = settled()?;
    // Where the kernel is slow, kmemleak finds what is lost after fewer of them.
    for _ in WARM..TIMES / host::slowness() as usize {
        what()?;
    }
    // With KASAN what is freed stays for a while, and kmemleak says what is lost.
    let limit = if host::slowness() == 1 { 200 } else { 4096 };
    let (mut files, mut kib) = (0, 0);
    let given_back = host::wait_for("what was used", || {
        let Ok(now) = holdings() else { return false };
        (files, kib) = (now.0 - before.0, now.1 - before.1);
        // A file alone is a quarter of a KiB.
        files < 20 && kib < limit
    });
    ensure!(files < 20, "{files} files are left open");
    ensure!(kib < limit, "{kib} KiB are left behind");
    given_back
}

/// A VF without a reset while this is there: 100 ms of each open and of each close.
struct NoReset(Function);

impl NoReset {
    fn new(vf: &Function) -> Result<Self> {
        fs::write(vf.path().join("reset_method"), "\n")?;
        Ok(Self(vf.clone()))
    }
}

impl Drop for NoReset {
    fn drop(&mut self) {
        let _ = fs::write(self.0.path().join("reset_method"), "default");
    }
}

// Files, module references and locks belong to the VFIO layer, which knows no generations. The case
// repeats the same many times.
case!(open_close, with: [Rust, C], generations: One(V3));
fn open_close(driver: Driver) -> Result<()> {
    let bench = Bench::new(&[driver])?;
    let _quick = NoReset::new(&bench.vfs[0])?;
    let path = bench.vfs[0].vfio_path()?;
    let ioas = bench.iommufd.empty_ioas()?;
    let mut n = 0;
    flat(|| {
        let device = Device::bind(&path, &bench.iommufd)?;
        device.attach(ioas)?;
        // Closed in PRE_COPY, STOP_COPY or RESUMING, or as it was.
        let file = match n % 4 {
            0 => device.set_state(state::PRE_COPY)?,
            1 => device.set_state(state::STOP_COPY)?,
            2 => device.set_state(state::RESUMING)?,
            _ => None,
        };
        // The file before the device, or after it.
        if n % 8 < 4 {
            drop(file);
            drop(device);
        } else {
            drop(device);
            drop(file);
        }
        n += 1;
        Ok(())
    })
}

// Files, module references and locks belong to the VFIO layer, which knows no generations. The case
// repeats the same many times.
case!(save_fails, with: [Rust], generations: One(V3));
// The case shows that the C driver leaves files behind (D6). They keep its module, which other
// cases unload, and at the end of the guest kmemleak would find them.
case!(save_fails, with: [C], generations: One(V3), flavour: Plain, fresh: true);
/// D6: the C driver loses a file each time.
fn save_fails(driver: Driver) -> Result<()> {
    let mut pair = Pair::new(driver, driver)?;
    pair.source.set_state(state::STOP)?;
    pair.bench.twin.fault("vf1", "mailbox-error SQC_BT")?;
    flat(|| {
        let changed = pair.source.set_state(state::STOP_COPY);
        let error = match (driver, changed) {
            // The file fails, and not the arc.
            (Driver::Rust, Ok(file)) => {
                let mut file = file.ok_or("no file")?;
                let error = errno(file.read(&mut [0]));
                pair.source.set_state(state::STOP)?;
                error
            }
            (_, changed) => errno(changed),
        };
        ensure!(error == libc::EIO, "errno {error}");
        Ok(())
    })?;
    let now = pair.source.state()?;
    ensure!(now == state::STOP, "the state is {}", state::name(now));
    pair.bench.twin.fault("vf1", "clear")?;
    pair.source.set_state(state::RUNNING)?;
    pair.round()?;
    pair.migrate(true)?;
    pair.round()
}
