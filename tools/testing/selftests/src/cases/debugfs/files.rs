// SPDX-License-Identifier: GPL-2.0

//! `debugfs.*`, `trace.*`: what an operator can see inside.

use crate::{
    differences::NOT_SET_UP,
    support::{
        bench::{Bench, VFS},
        pair::{Pair, JOBS},
    },
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, Function},
    migrate::{self, Quiet, MATCH},
    vfio::{power::Sleep, state},
    Driver, Result,
};
use hisi_acc_hw::{
    context::VftEntry, generation::Window, mailbox::Command, reg::Reg, regs, stream,
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

/// A file of a VF, as both drivers have it.
fn read(vf: &Function, name: &str) -> io::Result<String> {
    fs::read_to_string(folder(vf).join("hisi_acc").join(name))
}

/// Lines of 16 bytes, as `seq_hex_dump()` has them.
fn hex_dump(prefix: &str, bytes: &[u8]) -> String {
    let line = |(n, bytes): (usize, &[u8])| {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{prefix}{:08x}: {}\n", 16 * n, bytes.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

/// What the user, or an administrator past the driver, reads in the registers of a VF of ZIP that
/// is set up and idle: the match data, and the state (`struct acc_vf_data`).
fn registers(pair: &Pair) -> Result<[Vec<u8>; 2]> {
    let (qm, pf) = (&pair.qm, host::pf()?);
    let vft = VftEntry::from_sqc_vft(qm.query(Command::SqcVftV2)?);
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let head = [
        stream::MAGIC_V2.to_le_bytes().to_vec(),
        words(&[
            vft.num,
            host::ZIP.vf.into(),
            pf.register(2, regs::QM_QUE_ISO_CFG_V.into())?,
            vft.base,
            qm.read(regs::QM_VF_STATE),
            // The version, 1.0
            1,
            0,
            0,
        ]),
    ];
    let migration = host::migration()?;
    // Of the first VF, wherever the generation has it.
    let context = |in_vf: Reg<_>, in_window: fn(&Window) -> Reg<_>| -> Result<Vec<u32>> {
        (0..regs::QM_XQC_DWORDS as u32)
            .map(|n| match &migration.window {
                Some(window) => {
                    let at = window.at(1, in_window(window).word(n));
                    pf.register(2, at.ok_or("no room in the window")?.into())
                }
                None => pair.bench.vfs[0].register(2, in_vf.word(n).into()),
            })
            .collect()
    };
    let eqc = context(migration.eqc, |window| window.eqc)?;
    let aeqc = context(migration.aeqc, |window| window.aeqc)?;
    let [sqc, cqc] = [Command::SqcBt, Command::CqcBt].map(|command| qm.query(command));
    let state = [
        words(
            &[
                regs::QM_VF_AEQ_INT_MASK,
                regs::QM_VF_EQ_INT_MASK,
                regs::QM_IFC_INT_SOURCE_V,
                regs::QM_IFC_INT_MASK,
                regs::QM_IFC_INT_SET_V,
                regs::QM_PAGE_SIZE,
            ]
            .map(|register| qm.read(register)),
        ),
        words(&eqc),
        words(&aeqc),
        // Reserved, and padding
        words(&[0; 6]),
        words(&[eqc[1], eqc[2], aeqc[1], aeqc[2]]),
        sqc?.to_le_bytes().to_vec(),
        cqc?.to_le_bytes().to_vec(),
    ];
    Ok([head.concat(), state.concat()])
}

/// What `dev_data` shows (D23). The C driver ends before the addresses; of the match data it has
/// but whether the VF was set up when it was last saved.
fn dev_data(driver: Driver, head: &[u8], state: &[u8], works: bool) -> String {
    const SIZE: &str = "data size: 176\n";
    match driver {
        Driver::Rust => {
            let note = match works {
                true => "the VF works: SQC and CQC bases are not asked for\n",
                false => "",
            };
            let [head, state] = [head, state].map(|bytes| hex_dump("Dev Data:", bytes));
            format!("{head}{state}guest driver load: 0\n{SIZE}{note}")
        }
        Driver::C => {
            let mut all = [&[0; MATCH], &state[..SHOWN_BY_C - MATCH]].concat();
            all[24] = 1;
            format!(
                "{}guest driver load: 1\n{SIZE}",
                hex_dump("Dev Data:", &all)
            )
        }
    }
}

/// How much of a stream the C driver shows.
const SHOWN_BY_C: usize = 144;

case!(files, with: [Rust, C]);
/// The files of both drivers, in each state that a VF can be in, to the last byte.
fn files(driver: Driver) -> Result<()> {
    let refused = |vf: &Function, name: &str, wanted: i32| -> Result<()> {
        let error = errno(read(vf, name));
        ensure!(error == wanted, "{name}: errno {error}, not {wanted}");
        Ok(())
    };
    let shows = |vf: &Function, name: &str, wanted: &str| -> Result<()> {
        let text = read(vf, name)?;
        ensure!(text == wanted, "{name} shows:\n{text}and not:\n{wanted}");
        Ok(())
    };
    // What earlier users left is gone with the binding.
    for vf in &host::vfs(VFS)?[..2] {
        vf.unbind()?;
    }
    let bench = Bench::new(&[driver, driver])?;
    let vf = bench.vfs[0].clone();
    for name in ["dev_data", "cmd_state"] {
        refused(&vf, name, libc::EINVAL).map_err(|e| format!("closed: {e}"))?;
    }
    refused(&vf, "migf_data", libc::EAGAIN)?;
    {
        let _open = bench.open(0)?;
        for name in ["dev_data", "cmd_state"] {
            refused(&vf, name, NOT_SET_UP.of(driver)).map_err(|e| format!("not set up: {e}"))?;
        }
    }
    drop(bench);
    let mut pair = Pair::new(driver, driver)?;
    const READY: &str = "mailbox cmd channel ready!\n";
    shows(&vf, "cmd_state", READY)?;
    let [head, state] = registers(&pair)?;
    let mut known = state.clone();
    if driver == Driver::Rust {
        // The bases come by the mailbox, which is the guest's while the VF works.
        known[state.len() - 16..].fill(0);
    }
    shows(&vf, "dev_data", &dev_data(driver, &head, &known, true))?;
    pair.source.set_state(state::STOP)?;
    shows(&vf, "dev_data", &dev_data(driver, &head, &state, false))?;
    shows(&vf, "cmd_state", READY)?;
    // Asleep there is nothing to read.
    if driver == Driver::Rust {
        pair.source.sleep(Sleep::Config, true)?;
        for name in ["dev_data", "cmd_state"] {
            refused(&vf, name, libc::EINVAL).map_err(|e| format!("asleep: {e}"))?;
        }
        pair.source.sleep(Sleep::Config, false)?;
    }
    refused(&vf, "migf_data", libc::EAGAIN)?;
    pair.source.set_state(state::RUNNING)?;
    pair.set_up()?;
    pair.submit(JOBS)?;
    let stream = pair.migrate(true)?;
    pair.finish()?;
    let shown = match driver {
        Driver::Rust => &stream[..],
        Driver::C => &stream[..SHOWN_BY_C],
    };
    let wanted = format!("{}migrate data length: 176\n", hex_dump("Mig Data:", shown));
    for vf in &pair.bench.vfs[..2] {
        shows(vf, "migf_data", &wanted)?;
    }
    let shown = |name: &str| fs::read_to_string(folder(&vf).join(name));
    ensure!(shown("state")? == "STOP\n", "the core's state is wrong");
    drop(pair);
    // D28
    let closed = match driver {
        Driver::Rust => refused(&vf, "migf_data", libc::EAGAIN),
        Driver::C => shows(&vf, "migf_data", &wanted),
    };
    closed.map_err(|e| format!("closed again: {e}"))?;
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

// Files, module references and locks belong to the VFIO layer, which knows no generations. The case
// repeats the same many times.
case!(while_migrating, generations: One(V3));
/// D13: the stream of the last migration is shown while there is another one: it is one of the two,
/// never a mixture.
fn while_migrating() -> Result<()> {
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
