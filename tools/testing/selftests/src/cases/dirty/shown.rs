// SPDX-License-Identifier: GPL-2.0

//! What an administrator sees of DMA logging, and says of it: debugfs, tracepoints, the parameter.

use crate::support::{
    bench::Bench,
    logged::{bench, Logged, Pages, ARENA, PAGE},
    mode::PARAMETER,
    trace::Trace,
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, write, Function},
    memory::IOVA,
    qm::Qm,
    work::{self, Workload},
    Driver, Result,
};
use hisi_acc_hw::{
    dma::Why,
    doorbell::{Doorbell, Kind},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// The file `dirty_tracking` of debugfs.
fn shows(vf: &Function, wanted: &str, when: &str) -> Result<()> {
    let folder = format!("/sys/kernel/debug/vfio/{}/migration/hisi_acc", vf.address);
    let text = fs::read_to_string(Path::new(&folder).join("dirty_tracking"))?;
    ensure!(
        text == wanted,
        "{when}, dirty_tracking shows:\n{text}and not:\n{wanted}"
    );
    Ok(())
}

/// A queue that a VF has not, though BAR4 has a page for it.
const NOBODYS: u16 = 1000;

case!(shown);
/// The file of debugfs counts reports, what they named and what is in flight, and says why all
/// memory counted as written. The tracepoint tells of each, where the ledger and the reports have
/// it.
fn shown() -> Result<()> {
    let mut bench = bench(host::ZIP, 1)?;
    let vf = bench.vfs[0].clone();
    // It counts from the binding on.
    vf.unbind()?;
    host::bind(&vf, Driver::Rust)?;
    let text = |reports: u64, pages: u64, entries: u64, ranges: u64, full: &str| {
        format!(
            "reports: {reports}\npages: {pages}\nentries in flight: {entries}\n\
             ranges in flight: {ranges}\nall memory, no room to note less: 0\n{full}"
        )
    };
    shows(&vf, &text(0, 0, 0, 0, ""), "not open")?;
    let device = bench.open(0)?;
    let mut qm = Qm::new(&device, &mut bench.memory, &work::Zip)?;
    let mut work = Workload::new(&work::Zip, &mut bench.memory, 8);
    let trace = Trace::new("vfio_rs/vfio_rs_dirty")?;
    let log = Logged::start(&device)?;
    bench.twin.mark()?;
    work.round(&mut qm, &bench.memory, 8)?;
    let written = Pages::written(&bench.twin, "vf1")?;
    let first = log.report()?.len();
    ensure!(
        first >= written.len() && first < ARENA as u64 / PAGE / 4,
        "{first} pages, {} were written",
        written.len()
    );
    shows(&vf, &text(1, first, 0, 0, ""), "after a report")?;
    let pages = first + log.report()?.len();
    shows(&vf, &text(2, pages, 0, 0, ""), "after two")?;
    // One that is not done, and so not over.
    bench.twin.fault("vf1", "hold-jobs 0")?;
    work.submit(&mut qm, &bench.memory)?;
    let flying = || -> Result<(u64, u64)> {
        let address = &vf.address;
        let path = format!("/sys/kernel/debug/vfio/{address}/migration/hisi_acc/dirty_tracking");
        let text = fs::read_to_string(path)?;
        let number = |what: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(what));
            Ok(line.ok_or("no such line")?.trim().parse()?)
        };
        Ok((number("entries in flight:")?, number("ranges in flight:")?))
    };
    let (entries, ranges) = flying()?;
    // The entry itself, its completion, the output at least
    ensure!(
        entries == 1 && ranges >= 3,
        "{entries} entries and {ranges} ranges are in flight"
    );
    shows(&vf, &text(2, pages, 1, ranges, ""), "with one in flight")?;
    bench.twin.fault("vf1", "hold-jobs off")?;
    work.finish(&mut qm, &bench.memory)?;
    shows(&vf, &text(2, pages, 0, 0, ""), "when it is done")?;
    // A doorbell for what is none of its queues: nobody knows what it does.
    let nobody = Doorbell {
        queue: NOBODYS,
        kind: Kind::Sq,
        index: 1,
        priority: 0,
    };
    qm.ring_raw(NOBODYS, nobody);
    let all = log.report()?.len();
    ensure!(all == ARENA as u64 / PAGE, "{all} pages, and not all");
    let why = "all memory, a doorbell of a queue that is none of the VF's: 1\n";
    shows(&vf, &text(3, pages + all, 0, 0, why), "at last")?;
    drop(log);
    let address = &vf.address;
    // The number of the reason: those of the decoders come first.
    let number = Why::COUNT + 7;
    trace.has(&[
        format!("vfio_rs_dirty: {address} start why=0 {IOVA:#x}+{ARENA:#x}"),
        format!("vfio_rs_dirty: {address} in flight why=0 0x"),
        format!("vfio_rs_dirty: {address} dirty why=0 0x"),
        format!(
            "vfio_rs_dirty: {address} report why=0 {IOVA:#x}+{:#x}",
            first * PAGE
        ),
        format!("vfio_rs_dirty: {address} in flight why=0 0x"),
        format!("vfio_rs_dirty: {address} lost why={number} 0x0+0x0"),
        format!("vfio_rs_dirty: {address} report why=0 {IOVA:#x}+{ARENA:#x}"),
        format!("vfio_rs_dirty: {address} stop why=0 0x0+0x0"),
    ])
}

/// Puts the default back when it is dropped.
struct Default;

impl Drop for Default {
    fn drop(&mut self) {
        let _ = fs::write(PARAMETER, "auto");
    }
}

/// The VF is bound now: the attribute begins with `word`, and what is offered fits.
fn begins(bench: &Bench, word: &str, tracks: bool) -> Result<()> {
    let vf = &bench.vfs[0];
    vf.unbind()?;
    host::bind(vf, Driver::Rust)?;
    let now = host::read(vf.path().join("dirty_tracking"))?;
    ensure!(now == word, "with {word}, a VF begins with {now}");
    let offered = bench.open(0)?.has_logging();
    ensure!(offered == tracks, "{word}: logging is offered: {offered}");
    Ok(())
}

case!(parameter);
/// The parameter `dirty_tracking`: each word, and some that are none; by sysfs, and when the module
/// is loaded. It is for VFs that are bound then; one that is bound keeps what it has.
fn parameter() -> Result<()> {
    const WORDS: [(&str, bool); 3] = [("off", false), ("on", true), ("auto", true)];
    let bench = bench(host::ZIP, 2)?;
    let _default = Default;
    let other = bench.vfs[1].path().join("dirty_tracking");
    for path in [Path::new(PARAMETER), &other] {
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        ensure!(mode == 0o644, "{} has mode {mode:o}", path.display());
    }
    for (word, tracks) in WORDS {
        write(&other, "on")?;
        write(PARAMETER, word)?;
        let now = host::read(PARAMETER)?;
        ensure!(now == word, "the parameter is {now}, {word} was written");
        begins(&bench, word, tracks)?;
        let now = host::read(&other)?;
        ensure!(now == "on", "{word}: one that was bound is {now} now");
        for path in [Path::new(PARAMETER), &other] {
            for none in ["perhaps", "ON", "on off", "o", " off", "1"] {
                let e = errno(fs::write(path, none));
                ensure!(e == libc::EINVAL, "'{none}': errno {e}");
            }
        }
        ensure!(
            host::read(PARAMETER)? == word && host::read(&other)? == "on",
            "a word that is none changes something"
        );
    }
    // As an argument of the module.
    let load = |words: &str| -> Result<bool> {
        for vf in &bench.vfs[..2] {
            vf.unbind()?;
        }
        if host::is_loaded("hisi_acc_vfio_rs") {
            host::rmmod("hisi_acc_vfio_rs")?;
        }
        let argument = format!("dirty_tracking={words}");
        let output = Command::new("modprobe")
            .args(["hisi_acc_vfio_rs", &argument])
            .output()?;
        Ok(output.status.success())
    };
    for (word, tracks) in WORDS {
        ensure!(load(word)?, "the module does not load with {word}");
        let now = host::read(PARAMETER)?;
        ensure!(now == word, "loaded with {word}, the parameter is {now}");
        begins(&bench, word, tracks)?;
    }
    ensure!(
        !load("perhaps")?,
        "the module loads with a word that is none"
    );
    ensure!(!host::is_loaded("hisi_acc_vfio_rs"), "it is there");
    host::modprobe("hisi_acc_vfio_rs")?;
    begins(&bench, "auto", true)
}
