// SPDX-License-Identifier: GPL-2.0

//! Migration files and what is in them.

use acc_vfio_user::{
    ensure,
    migrate::read_all,
    vfio::{state, Device},
    Result,
};
use std::fs::File;

/// A new transfer of a device that is stopped.
pub fn saving(device: &Device) -> Result<File> {
    device.set_state(state::STOP)?;
    Ok(device.set_state(state::STOP_COPY)?.ok_or("no file")?)
}

pub fn resuming(device: &Device) -> Result<File> {
    device.set_state(state::STOP)?;
    Ok(device.set_state(state::RESUMING)?.ok_or("no file")?)
}

/// Loads what was written; what the device gives when it is saved then.
pub fn loaded(device: &Device) -> Result<Vec<u8>> {
    device.set_state(state::STOP)?;
    let mut stream = Vec::new();
    read_all(&mut saving(device)?, &mut stream)?;
    device.set_state(state::STOP)?;
    Ok(stream)
}

/// A stream but for what a target has of its own: where its queues begin (`qp_base`), and the
/// message interrupt, which both drivers open when they have loaded a state (`ifc_int_source`,
/// `_mask`).
pub fn comparable(stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    for own in [20..24, 48..56] {
        if let Some(bytes) = stream.get_mut(own) {
            bytes.fill(0);
        }
    }
    stream
}

pub fn is_in(device: &Device, what: &str, wanted: u32) -> Result<()> {
    let now = device.state()?;
    ensure!(
        now == wanted,
        "{what}: the state is {}, not {}",
        state::name(now),
        state::name(wanted)
    );
    Ok(())
}
