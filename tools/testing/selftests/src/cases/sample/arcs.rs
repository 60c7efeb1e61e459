// SPDX-License-Identifier: GPL-2.0

//! `sample.edu_without_p2p`: the arcs of a device that cannot do without DMA of its own.

use crate::support::{
    edu::{self, HUGE, IRQ_FACTORIAL, MODULE, WHOLE},
    trace::Trace,
};
use acc_vfio_user::{
    ensure, errno, host,
    migrate::read_all,
    vfio::{precopy_info, state, Iommufd},
    Result,
};
use std::{io::Write, process::Command};

/// The part of a stream that PRE_COPY has.
const HEADER: usize = 12;

/// Loads the sample driver anew, with parameters.
fn reload(parameters: &[&str]) -> Result<()> {
    if host::is_loaded(MODULE) {
        for function in host::Function::all(0x1234, 0x11e8)? {
            function.unbind()?;
        }
        host::rmmod(MODULE)?;
    }
    let loaded = Command::new("modprobe")
        .arg(MODULE)
        .args(parameters)
        .status()?;
    ensure!(loaded.success(), "modprobe {MODULE} {parameters:?}");
    Ok(())
}

case!(edu_without_p2p, slow: true);
/// Each arc that such a device has and others have not; the same parameters are not for the cases
/// that come after.
fn edu_without_p2p() -> Result<()> {
    reload(&["p2p=0", "precopy=1"])?;
    let checked = arcs();
    reload(&[])?;
    checked
}

/// What the trace has of an edu: that it was told to quiesce or to go on, and its arcs.
fn steps(trace: &Trace, address: &str) -> Result<Vec<String>> {
    let text = trace.text()?;
    let told = |line: &str, kind: &str| {
        let rest = line.split_once(&format!("{kind}: {address} "))?.1;
        Some(rest.trim().to_owned())
    };
    Ok(text
        .lines()
        .filter_map(|line| told(line, "vfio_rs_state").or_else(|| told(line, "vfio_rs_command")))
        .collect())
}

fn arcs() -> Result<()> {
    use state::*;

    const QUIESCE: &str = "command=0x1 argument=0x0 error=0";
    const GO_ON: &str = "command=0x2 argument=0x0 error=0";

    let iommufd = Iommufd::new()?;
    let (source, target) = edu::pair(&iommufd)?;
    let (root, _) = edu::functions()?;
    let device = &source.device;
    // VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY
    let flags = device.migration_flags()?;
    ensure!(flags == 0b101, "migration flags {flags:#x}");
    let seen = source.set_up(9)?;
    let trace = Trace::new("vfio_rs")?;
    // Does something, and sees what came of it.
    let takes = |what: &str, wanted: &[&str], f: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        trace.clear()?;
        f().map_err(|e| format!("{what}: {e}"))?;
        let steps = steps(&trace, &root.address)?;
        ensure!(steps == wanted, "{what}: {steps:?}, not {wanted:?}");
        Ok(())
    };
    let goes = |to: u32| source.set_state(to);

    takes("stop", &[QUIESCE, "RUNNING -> STOP error=0"], &mut || {
        goes(STOP)
    })?;
    takes("start", &[GO_ON, "STOP -> RUNNING error=0"], &mut || {
        goes(RUNNING)
    })?;
    let way = [
        QUIESCE,
        "RUNNING -> STOP error=0",
        "STOP -> STOP_COPY error=0",
    ];
    let mut direct = Vec::new();
    takes("by way of STOP", &way, &mut || {
        let mut file = device.set_state(STOP_COPY)?.ok_or("no file")?;
        read_all(&mut file, &mut direct)?;
        Ok(())
    })?;
    ensure!(direct.len() == WHOLE, "{} bytes", direct.len());
    goes(RUNNING)?;

    // PRE_COPY, and nothing but that it is left again.
    let way = ["RUNNING -> PRE_COPY error=0", "PRE_COPY -> RUNNING error=0"];
    takes("cancelled", &way, &mut || {
        let mut file = device.set_state(PRE_COPY)?.ok_or("no file")?;
        goes(RUNNING)?;
        let mut none = Vec::new();
        ensure!(
            read_all(&mut file, &mut none).is_err(),
            "the file has not ended"
        );
        Ok(())
    })?;

    // PRE_COPY to its end: the same stream.
    let mut file = device.set_state(PRE_COPY)?.ok_or("no file")?;
    let info = precopy_info(&file)?;
    ensure!(info == (HEADER as u64, 0), "precopy info {info:?}");
    let mut stream = Vec::new();
    read_all(&mut file, &mut stream)?;
    ensure!(stream == direct[..HEADER], "in PRE_COPY: {stream:x?}");
    let way = [QUIESCE, "PRE_COPY -> STOP_COPY error=0"];
    takes("PRE_COPY to its end", &way, &mut || goes(STOP_COPY))?;
    read_all(&mut file, &mut stream)?;
    ensure!(stream == direct, "{stream:x?}, not {direct:x?}");
    goes(STOP)?;
    let mut file = target.device.set_state(RESUMING)?.ok_or("no file")?;
    file.write_all(&stream)?;
    target.set_state(RUNNING)?;
    target.expect("migrated", seen, RUNNING)?;
    goes(RUNNING)?;
    source.expect("goes on", seen, RUNNING)?;

    // States that it has not.
    for from in [RUNNING, STOP, PRE_COPY, STOP_COPY] {
        goes(from)?;
        for to in [RUNNING_P2P, PRE_COPY_P2P] {
            let error = errno(device.set_state(to));
            ensure!(
                error == libc::EINVAL,
                "{} to {}: errno {error}",
                name(from),
                name(to)
            );
            source.expect_state("refused", from)?;
        }
        goes(RUNNING)?;
    }

    // It cannot be stopped while it computes: it was told to quiesce, and is told to go on.
    for (from, failed) in [
        (RUNNING, "RUNNING -> STOP error=-110"),
        (PRE_COPY, "PRE_COPY -> STOP_COPY error=-110"),
    ] {
        let file = device.set_state(from)?;
        source.begin(HUGE)?;
        takes(name(from), &[QUIESCE, GO_ON, failed], &mut || {
            let error = errno(device.set_state(STOP_COPY));
            ensure!(error == libc::ETIMEDOUT, "errno {error}");
            source.expect_state("not stopped", from)?;
            ensure!(source.computing()?, "the factorial was too quick");
            Ok(())
        })?;
        drop(file);
        goes(RUNNING)?;
        source.wait_for_interrupt(IRQ_FACTORIAL)?;
    }
    goes(STOP)?;
    source.expect_state("stopped", STOP)
}
