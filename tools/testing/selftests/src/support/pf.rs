// SPDX-License-Identifier: GPL-2.0

//! VFs while their PF is reset.

use crate::support::crypto;
use acc_vfio_user::{ensure, host, vfio::Device, Result};
use hisi_acc_hw::regs::{self, MigRegionSel};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Answers a message of the PF as a guest's driver does: it takes it, and has the PF look for what
/// it says to that. Else the PF waits for it, four times 20 s (`qm_ping_all_vfs()`,
/// `qm_wait_vf_prepare_finish()`).
pub fn answer(device: &Device) -> Result<()> {
    match has_message(device)? {
        true => say_done(device),
        false => Ok(()),
    }
}

/// Answers, whether or not the message is still there.
pub fn say_done(device: &Device) -> Result<()> {
    let bar = device.region(2)?;
    let one = 1u32.to_ne_bytes();
    for register in [regs::QM_IFC_INT_SOURCE_V, regs::QM_IFC_INT_SET_V] {
        device.write_at(&bar, register.into(), &one)?;
    }
    Ok(())
}

/// Whether a message of the PF waits for an answer of a VF.
fn has_message(device: &Device) -> Result<bool> {
    let bar = device.region(2)?;
    let mut source = [0; 4];
    device.read_at(&bar, regs::QM_IFC_INT_SOURCE_V.into(), &mut source)?;
    // All ones, for as long as the VF is not there.
    Ok(u32::from_ne_bytes(source) == 1)
}

/// Resets the PF. Its VFs answer after `first` is done: until then the reset has begun, and the PF
/// works.
pub fn reset_answered_late(devices: &[Device], first: impl FnOnce() -> Result<()>) -> Result<()> {
    thread::scope(|scope| {
        let reset = scope.spawn(|| {
            let reset = || host::pf()?.set_attribute("reset", "1");
            reset().map_err(|e| e.to_string())
        });
        let device = devices.first().ok_or("no VF")?;
        let begun = host::wait_for("the PF's message", || {
            has_message(device).is_ok_and(|has| has)
        });
        let done = begun.and_then(|()| first());
        while !reset.is_finished() {
            for device in devices {
                answer(device)?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        reset.join().map_err(|_| "panicked")??;
        done
    })
}

/// Does something to the PF, of which it tells its VFs.
pub fn answered(devices: &[Device], f: impl FnOnce() -> Result<()>) -> Result<()> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for device in devices {
                    answer(device).map_err(|e| e.to_string())?;
                }
                thread::sleep(Duration::from_millis(10));
            }
            Ok::<_, String>(())
        });
        let done = f();
        over.store(true, Ordering::Relaxed);
        answering.join().map_err(|_| "panicked")??;
        done
    })
}

/// Whether the PF has the migration registers of its VFs in its window (V5).
pub fn window() -> Result<bool> {
    let selected = host::pf()?.register(2, regs::QM_MIG_REGION_SEL.into())?;
    Ok(host::has_window()? && MigRegionSel(selected).is_window())
}

/// After a reset of the PF: on V5 its driver does not select the window anew, which the model
/// forgets (G12), unless the PF is bound anew.
pub fn window_again() -> Result<()> {
    if host::has_window()? && !window()? {
        crypto::unbind(host::ZIP)?;
        host::ZIP.bound_pf()?;
        ensure!(window()?, "the PF is bound anew and has no window");
    }
    Ok(())
}
