// SPDX-License-Identifier: GPL-2.0

//! `accvf check`: whether a VF takes a stream. It is loaded, and then thrown away.

use crate::{
    commands::bind::ensure_unused,
    decode::{Decoded, Source},
    error::{Error, Exit, Result},
    host::{Accelerator, Host},
    klog::Log,
    why::is_vfio,
};
use acc_vfio_user::{
    migrate::read_all,
    vfio::{state, Device, Iommufd},
};
use hisi_acc_hw::stream::{Match, Stream};
use serde::Serialize;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How a VF received a stream.
#[derive(Serialize)]
pub struct Check {
    pub address: String,
    pub driver: Option<String>,
    pub bytes: usize,
    pub accepted: bool,
    /// What failed: `write` of the stream, or `load`, when the VF left RESUMING.
    pub failed: Option<&'static str>,
    /// The error of the kernel.
    pub error: Option<String>,
    /// What the VF has otherwise than the stream, or what is wrong with the stream.
    pub reason: Option<String>,
    /// What the driver said about it in the kernel's log.
    pub log: Vec<String>,
}

/// Returns the file by which userspace opens the VF.
fn device_file(vf: &Accelerator) -> Result<PathBuf> {
    let driver = vf.driver();
    if !driver.as_deref().is_some_and(is_vfio) {
        return Err(Error::refused(
            format!("{} is bound to no VFIO driver", vf.address()),
            format!("accvf bind {}", vf.address()),
        ));
    }
    let name = vf.vfio_name().ok_or_else(|| {
        Error::not_found(
            format!("{} has no VFIO character device", vf.address()),
            "use a kernel with CONFIG_VFIO_DEVICE_CDEV and CONFIG_IOMMUFD",
        )
    })?;
    Ok(Path::new("/dev/vfio/devices").join(name))
}

/// Opens the VF. The kernel resets it.
fn open(vf: &Accelerator) -> Result<Device> {
    let path = device_file(vf)?;
    let iommufd = Iommufd::new().map_err(|e| Error::io("/dev/iommu", e))?;
    let device = Device::open(&path, &iommufd).map_err(|e| Error::of_file(&path, e))?;
    device.migration_flags().map_err(|_| {
        Error::refused(
            format!("{} does not migrate", vf.address()),
            format!("accvf why {} says what to do", vf.address()),
        )
    })?;
    Ok(device)
}

/// Returns the match data of the VF, with which a target compares a stream; `None` if the VF does
/// not show them.
fn own_match(device: &Device) -> Option<Match> {
    let mut head = Vec::new();
    let mut file = device.set_state(state::PRE_COPY).ok()??;
    let read = read_all(&mut file, &mut head);
    drop(file);
    device.set_state(state::RUNNING).ok()?;
    read.ok()?;
    Match::parse(&head).ok()
}

/// Returns why the VF refuses a stream, as far as its match data show it.
fn reason(own: Option<Match>, stream: &[u8]) -> Option<String> {
    Some(Stream::parse(stream, &own?).err()?.to_string())
}

/// Loads the stream: what failed, and how.
fn load(device: &Device, stream: &[u8]) -> Result<Option<(&'static str, io::Error)>> {
    let resuming = device.set_state(state::RESUMING);
    let file = resuming.map_err(|e| Error::io("VF -> RESUMING", e))?;
    let mut file = file.ok_or_else(|| Error::refused("RESUMING gave no file", ""))?;
    if let Err(e) = file.write_all(stream) {
        return Ok(Some(("write", e)));
    }
    Ok(match device.set_state(state::STOP) {
        Ok(_) => None,
        Err(e) => Some(("load", e)),
    })
}

/// Offers a stream to a VF that nobody has open.
pub fn check(host: &Host, address: &str, source: &Source) -> Result<(Check, Exit)> {
    let vf = host.vf(address)?;
    ensure_unused(host, &vf)?;
    let device = open(&vf)?;
    let own = own_match(&device);
    let log = Log::begin();
    let failed = load(&device, &source.bytes)?;
    // The kernel resets the VF when it is closed: nothing of the stream stays.
    drop(device);
    let check = Check {
        address: vf.address().to_owned(),
        driver: vf.driver(),
        bytes: source.bytes.len(),
        accepted: failed.is_none(),
        failed: failed.as_ref().map(|(what, _)| *what),
        reason: failed.as_ref().and_then(|_| reason(own, &source.bytes)),
        error: failed.map(|(_, e)| e.to_string()),
        log: log.about(vf.address()),
    };
    let exit = match check.accepted {
        true => Exit::Ok,
        false => Exit::No,
    };
    Ok((check, exit))
}

impl Check {
    /// Returns it as a text.
    pub fn text(&self, source: &Source) -> String {
        let address = &self.address;
        if self.accepted {
            return format!("{address} takes the stream ({} bytes)\n", self.bytes);
        }
        let error = self.error.as_deref().unwrap_or_default();
        let what = self.failed.unwrap_or_default();
        let mut text = format!("{address} refuses the stream: {what}: {error}\n");
        if let Some(reason) = &self.reason {
            text += &format!("  {reason}\n");
        }
        for line in &self.log {
            text += &format!("  kernel: {line}\n");
        }
        if let Some(kind) = Decoded::of(source).kind {
            text += &format!("  it was saved from a VF of {kind}\n");
        }
        text
    }
}
