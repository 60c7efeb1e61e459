// SPDX-License-Identifier: GPL-2.0

//! `cli.decode`, `cli.diff`, `cli.check`: streams that VFs saved.

use crate::support::{
    accvf::{accvf, exit, is, json, Scratch},
    pair::Pair,
};
use acc_vfio_user::{
    ensure, errno,
    host::{self, HPRE},
    migrate::{self, Quiet, MATCH, WHOLE},
    qm::Qm,
    vfio::Device,
    work, Driver, Result,
};
use hisi_acc_hw::stream::Match;
use serde_json::Value;

/// Returns the value of a field of the first stream.
fn field<'a>(decoded: &'a Value, name: &str) -> Result<&'a str> {
    let fields = decoded["streams"][0]["fields"].as_array();
    let mut fields = fields.ok_or("no fields")?.iter();
    let found = fields.find(|field| field["name"] == name);
    let value = found.and_then(|field| field["value"].as_str());
    value.ok_or_else(|| format!("no field {name} in {decoded}").into())
}

case!(decode, with: [Rust, C], generations: Each);
/// A stream of either driver is shown as it is.
fn decode(driver: Driver) -> Result<()> {
    let pair = Pair::new(driver, driver)?;
    let stream = migrate::save(&pair.source, true, &mut Quiet)?;
    let head = Match::parse(&stream).map_err(|e| e.to_string())?;
    let file = Scratch::new("stream", &stream)?;
    let decoded = json(exit::OK, &["decode", file.path()])?;
    is(&decoded, "streams/0/kind", "zip")?;
    is(&decoded, "streams/0/bytes", WHOLE)?;
    is(&decoded, "streams/0/error", Value::Null)?;
    for (name, value) in [
        ("dev_id", head.dev_id),
        ("qp_num", head.qp_num),
        ("qp_base", head.qp_base),
        ("vf_qm_state", 0),
    ] {
        let found = field(&decoded, name)?;
        ensure!(
            found == format!("{value:#x}"),
            "{name} is {found}, not {value:#x}"
        );
    }
    let eqe = u64::from_le_bytes(stream[144..152].try_into()?);
    let found = field(&decoded, "eqe_dma")?;
    ensure!(
        found == format!("{eqe:#x}"),
        "eqe_dma is {found}, not {eqe:#x}"
    );
    accvf(&["decode", file.path()])?
        .exits(exit::OK)?
        .says("complete")?;
    let head = Scratch::new("head", &stream[..MATCH])?;
    accvf(&["decode", head.path()])?
        .exits(exit::OK)?
        .says("match data only")?;
    let cut = Scratch::new("cut", &stream[..100])?;
    accvf(&["decode", cut.path()])?
        .exits(exit::MALFORMED)?
        .says("100 bytes")?;
    accvf(&["decode", "/init"])?
        .exits(exit::MALFORMED)?
        .says("has no stream of a VF")?;
    accvf(&["decode", "/nothing"])?.exits(exit::NOT_FOUND)?;
    Ok(())
}

case!(diff);
/// Two streams of a VF differ in what changed between them.
fn diff() -> Result<()> {
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let saved = migrate::save(&pair.source, false, &mut Quiet)?;
    let a = Scratch::new("a", &saved)?;
    accvf(&["diff", a.path(), a.path()])?
        .exits(exit::OK)?
        .says("no difference")?;
    // The target's queues begin elsewhere.
    migrate::load(&pair.target, &saved, &mut Quiet)?;
    let b = Scratch::new("b", &migrate::save(&pair.target, false, &mut Quiet)?)?;
    let diff = json(exit::NO, &["diff", a.path(), b.path()])?;
    is(&diff, "differences/0/name", "qp_base")?;
    let differences = diff["differences"].as_array().ok_or("no differences")?;
    for one in differences {
        let name = one["name"].as_str().unwrap_or_default();
        ensure!(
            ["qp_base", "ifc_int_source", "ifc_int_mask"].contains(&name),
            "{name} differs: {diff}"
        );
    }
    accvf(&["diff", a.path(), "/init"])?.exits(exit::MALFORMED)?;
    Ok(())
}

case!(check, with: [Rust, C], generations: Each);
/// A VF that nobody has open takes a stream, refuses others, and has nothing of them afterwards.
fn check(driver: Driver) -> Result<()> {
    let pair = Pair::new(driver, driver)?;
    let saved = migrate::save(&pair.source, true, &mut Quiet)?;
    let good = Scratch::new("good", &saved)?;
    let target = pair.bench.vfs[1].address.clone();
    // Both are open.
    accvf(&["check", &target, good.path()])?
        .exits(exit::BUSY)?
        .says("acc-selftest(")?;
    let Pair {
        mut bench,
        source,
        target: open,
        qm,
        ..
    } = pair;
    drop((qm, source, open));
    let answer = json(exit::OK, &["check", &target, good.path()])?;
    is(&answer, "accepted", true)?;
    is(&answer, "driver", driver.pci_name())?;
    accvf(&["check", &target, good.path()])?
        .exits(exit::OK)?
        .says("takes the stream")?;
    // Another number of queues.
    let mut bad = saved.clone();
    bad[8] ^= 1;
    let bad = Scratch::new("bad", &bad)?;
    let answer = json(exit::NO, &["check", &target, bad.path()])?;
    is(&answer, "accepted", false)?;
    ensure!(
        answer["failed"].is_string() && answer["error"].is_string(),
        "{answer}"
    );
    let queues = Match::parse(&saved).map_err(|e| e.to_string())?.qp_num ^ 1;
    is(&answer, "reason", format!("the source has {queues} queues"))?;
    accvf(&["check", &target, bad.path()])?
        .exits(exit::NO)?
        .says("refuses the stream")?;
    // A new driver sets the VF up: it was reset.
    let device: Device = bench.open(1)?;
    let qm = Qm::new(&device, &mut bench.memory, &work::Zip);
    ensure!(qm.is_ok(), "the VF does not work after it: {:?}", qm.err());
    Ok(())
}

case!(check_refused);
/// VFs that cannot be asked: of another engine, without a driver, and what is no VF.
fn check_refused() -> Result<()> {
    let pair = Pair::new(Driver::Rust, Driver::Rust)?;
    let good = Scratch::new("good", &migrate::save(&pair.source, true, &mut Quiet)?)?;
    drop(pair);
    let hpre = HPRE.vfs(1)?;
    host::bind(&hpre[0], Driver::Rust)?;
    let ran = accvf(&["check", &hpre[0].address, good.path()])?.exits(exit::NO)?;
    ran.says("saved from device 0xa251")?
        .says("it was saved from a VF of zip")?;
    hpre[0].unbind()?;
    let ran = accvf(&["check", &hpre[0].address, good.path()])?.exits(exit::FAILED)?;
    ran.says(&format!("-> accvf bind {}", hpre[0].address))?;
    host::modprobe("vfio-pci")?;
    hpre[0].bind("vfio-pci")?;
    let ran = accvf(&["check", &hpre[0].address, good.path()])?.exits(exit::FAILED)?;
    ran.says("does not migrate")?;
    hpre[0].unbind()?;
    let pf = host::pf()?;
    accvf(&["check", &pf.address, good.path()])?.exits(exit::NOT_FOUND)?;
    let missing = errno(std::fs::metadata("/nothing"));
    ensure!(missing == libc::ENOENT, "there is /nothing");
    accvf(&["check", &hpre[0].address, "/nothing"])?.exits(exit::NOT_FOUND)?;
    Ok(())
}
