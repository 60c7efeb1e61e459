// SPDX-License-Identifier: GPL-2.0

//! `debugfs.*`, `trace.*`: what an operator can see inside.

use super::{
    ensure,
    pair::{Pair, JOBS},
    Bench, VFS,
};
use crate::{
    host::{self, Function},
    migrate::{self, Quiet},
    trace::Trace,
    vfio::state,
    Driver, Result,
};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

fn folder(vf: &Function) -> PathBuf {
    PathBuf::from(format!("/sys/kernel/debug/vfio/{}/migration", vf.address))
}

/// The files of both drivers, in each state that a VF can be in.
pub fn files(driver: Driver) -> Result<()> {
    let read =
        |vf: &Function, name: &str| fs::read_to_string(folder(vf).join("hisi_acc").join(name));
    let refused = |result: io::Result<String>, wanted: &[i32]| match result {
        Ok(text) => Err(format!("shows {text:?}")),
        Err(e) if wanted.contains(&e.raw_os_error().unwrap_or(0)) => Ok(()),
        Err(e) => Err(e.to_string()),
    };
    // What earlier users left is gone with the binding.
    for vf in &host::vfs(VFS)?[..2] {
        vf.unbind()?;
    }
    let bench = Bench::new(&[driver, driver])?;
    let vf = bench.vfs[0].clone();
    for name in ["dev_data", "cmd_state"] {
        refused(read(&vf, name), &[libc::EINVAL]).map_err(|e| format!("closed: {name} {e}"))?;
    }
    refused(read(&vf, "migf_data"), &[libc::EAGAIN]).map_err(|e| format!("migf_data {e}"))?;
    {
        let _open = bench.open(0)?;
        for name in ["dev_data", "cmd_state"] {
            // C: what its poll for the VF's state gives.
            refused(read(&vf, name), &[libc::EINVAL, libc::ETIMEDOUT])
                .map_err(|e| format!("not set up: {name} {e}"))?;
        }
    }
    drop(bench);
    let mut pair = Pair::new(driver, driver)?;
    let text = read(&vf, "dev_data")?;
    for wanted in [
        "Dev Data:00000000: ",
        "guest driver load: ",
        "data size: 176\n",
    ] {
        ensure!(text.contains(wanted), "dev_data has no {wanted:?}:\n{text}");
    }
    let text = read(&vf, "cmd_state")?;
    ensure!(text == "mailbox cmd channel ready!\n", "cmd_state: {text}");
    pair.submit(JOBS)?;
    pair.migrate(true)?;
    pair.finish()?;
    for vf in &pair.bench.vfs[..2] {
        let text = read(vf, "migf_data")?;
        for wanted in ["Mig Data:00000000: ", "migrate data length: 176\n"] {
            ensure!(
                text.contains(wanted),
                "migf_data has no {wanted:?}:\n{text}"
            );
        }
    }
    let shown = |name: &str| fs::read_to_string(folder(&vf).join(name));
    ensure!(shown("state")? == "STOP\n", "the core's state is wrong");
    drop(pair);
    vf.unbind()?;
    ensure!(!folder(&vf).exists(), "the folder outlives the binding");
    Ok(())
}

/// The bytes of a hex dump: lines of a prefix, an offset, bytes.
fn dumped(text: &str) -> Vec<u8> {
    text.lines()
        .filter_map(|line| line.strip_prefix("Mig Data:")?.split_once(": "))
        .flat_map(|(_, bytes)| bytes.split(' '))
        .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect()
}

/// D13: the stream of the last migration is shown while there is another one: it is one of the two,
/// never a mixture.
pub fn while_migrating() -> Result<()> {
    /// How many of each there have to be
    const SOME: u32 = 20;
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let one = migrate::save(&pair.source, false, &mut Quiet)?;
    // Wherever nobody looks at it, the other one differs.
    let mut other = one.clone();
    for at in (20..24).chain(32..40).chain(120..144) {
        other[at] ^= 0xff;
    }
    let path = folder(&pair.bench.vfs[1]).join("hisi_acc/migf_data");
    let load = |stream: &[u8]| -> Result<()> {
        pair.target.set_state(state::STOP)?;
        let mut file = pair.target.set_state(state::RESUMING)?.ok_or("no file")?;
        file.write_all(stream)?;
        pair.target.set_state(state::STOP)?;
        Ok(())
    };
    load(&one)?;
    let stop = AtomicBool::new(false);
    let shown = [const { AtomicU32::new(0) }; 2];
    let counts = || [0, 1].map(|which: usize| shown[which].load(Ordering::Relaxed));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&path).map_err(|e| e.to_string())?;
                match [&one, &other].iter().position(|s| **s == dumped(&text)) {
                    Some(which) => shown[which].fetch_add(1, Ordering::Relaxed),
                    None => return Err(format!("neither the one nor the other:\n{text}")),
                };
            }
            Ok(())
        });
        let mut loaded = Ok(());
        let seen = host::wait_long_for("both streams", Duration::from_secs(60), || {
            loaded = load(&other).and_then(|()| load(&one));
            loaded.is_err() || reader.is_finished() || counts().iter().all(|n| *n >= SOME)
        });
        stop.store(true, Ordering::Relaxed);
        reader.join().map_err(|_| "panicked".to_owned())??;
        loaded?;
        seen.map_err(|e| format!("{e}: shown: {:?}", counts()))?;
        Ok(())
    })
}

/// Tracepoints tell of a migration, step by step.
pub fn events() -> Result<()> {
    let mut pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let tracing = Trace::new()?;
    pair.migrate(true)?;
    pair.bench.twin.fault("vf2", "mailbox-error PAUSE_QM")?;
    let failed = pair.target.set_state(state::STOP).is_err();
    pair.bench.twin.fault("vf2", "clear")?;
    ensure!(failed, "the fault had no effect");
    let trace = tracing.text()?;
    let (source, target) = (&pair.bench.vfs[0].address, &pair.bench.vfs[1].address);
    let mut from = 0;
    for wanted in [
        format!("vfio_rs_stream: {source} begun 40 bytes"),
        format!("vfio_rs_state: {source} RUNNING -> PRE_COPY error=0"),
        // QM_MB_CMD_PAUSE_QM
        format!("vfio_rs_command: {source} command=0xe argument=0x0 error=0"),
        format!("vfio_rs_state: {source} PRE_COPY -> PRE_COPY_P2P error=0"),
        format!("vfio_rs_stream: {source} saved 176 bytes"),
        format!("vfio_rs_state: {source} PRE_COPY_P2P -> STOP_COPY error=0"),
        format!("vfio_rs_state: {target} STOP -> RESUMING error=0"),
        format!("vfio_rs_stream: {target} loaded 176 bytes"),
        format!("vfio_rs_state: {target} RUNNING_P2P -> RUNNING error=0"),
        format!("vfio_rs_command: {target} command=0xe argument=0x0 error=-5"),
        format!("vfio_rs_state: {target} RUNNING -> RUNNING_P2P error=-5"),
    ] {
        match trace[from..].find(&wanted) {
            Some(at) => from += at,
            None => return Err(format!("no {wanted:?} in order in:\n{trace}").into()),
        }
    }
    pair.round()
}
