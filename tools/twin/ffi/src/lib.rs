// SPDX-License-Identifier: GPL-2.0

//! The device model behind a C interface: see `tools/twin/qemu/twin.h`.
//!
//! All calls come under one lock of the machine's (QEMU's BQL).

use acc_twin::{Bus, Fault, Twin};
use std::{
    cell::RefCell,
    ffi::{c_int, c_void},
    panic::{catch_unwind, AssertUnwindSafe},
};

/// What the machine does for the device: `struct twin_bus`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TwinBus {
    opaque: *mut c_void,
    read: unsafe extern "C" fn(*mut c_void, u32, u64, *mut u8, usize) -> c_int,
    write: unsafe extern "C" fn(*mut c_void, u32, u64, *const u8, usize) -> c_int,
    msi: unsafe extern "C" fn(*mut c_void, u32, u32),
}

struct Machine(TwinBus);

impl Bus for Machine {
    fn read(&mut self, function: usize, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        // SAFETY: `to` is valid for writing; the callback is C's promise.
        match unsafe {
            (self.0.read)(
                self.0.opaque,
                function as u32,
                address,
                to.as_mut_ptr(),
                to.len(),
            )
        } {
            0 => Ok(()),
            _ => Err(Fault),
        }
    }

    fn write(&mut self, function: usize, address: u64, from: &[u8]) -> Result<(), Fault> {
        // SAFETY: `from` is valid for reading; the callback is C's promise.
        match unsafe {
            (self.0.write)(
                self.0.opaque,
                function as u32,
                address,
                from.as_ptr(),
                from.len(),
            )
        } {
            0 => Ok(()),
            _ => Err(Fault),
        }
    }

    fn msi(&mut self, function: usize, vector: u32) {
        // SAFETY: The callback is C's promise.
        unsafe { (self.0.msi)(self.0.opaque, function as u32, vector) }
    }
}

/// A device with its machine: `struct twin`.
pub struct Handle {
    twin: RefCell<Twin>,
    bus: TwinBus,
}

/// Runs `f` on the device. A DMA access of the device to its own registers comes back in here while
/// it is at work, and is not carried out; a defect of the model ends the machine, not in a state
/// that nobody knows.
fn with<R: Default>(handle: *mut Handle, f: impl FnOnce(&mut Twin, &mut Machine) -> R) -> R {
    // SAFETY: C passes what `twin_new` gave it.
    let handle = unsafe { &*handle };
    let Ok(mut twin) = handle.twin.try_borrow_mut() else {
        return R::default();
    };
    let mut machine = Machine(handle.bus);
    match catch_unwind(AssertUnwindSafe(|| f(&mut twin, &mut machine))) {
        Ok(result) => result,
        Err(_) => {
            eprintln!("acc-twin: the device model panicked; ending");
            std::process::abort()
        }
    }
}

/// A new device with `vfs` virtual functions. Lives till the end.
///
/// # Safety
///
/// The callbacks of `bus` must stay callable.
#[no_mangle]
pub unsafe extern "C" fn twin_new(vfs: u32, bus: TwinBus) -> *mut Handle {
    Box::into_raw(Box::new(Handle {
        twin: RefCell::new(Twin::new(vfs as usize)),
        bus,
    }))
}

/// A read of a BAR.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_read(
    handle: *mut Handle,
    function: u32,
    bar: u8,
    offset: u64,
    size: u32,
) -> u64 {
    with(handle, |twin, _| {
        twin.read(function as usize, bar, offset, size)
    })
}

/// A write of a BAR.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_write(
    handle: *mut Handle,
    function: u32,
    bar: u8,
    offset: u64,
    value: u64,
    size: u32,
) {
    with(handle, |twin, machine| {
        twin.write(machine, function as usize, bar, offset, value, size);
    });
}

/// Work that is due at `now`; returns when to come again, or `UINT64_MAX`.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_run(handle: *mut Handle, now: u64) -> u64 {
    with(handle, |twin, machine| twin.run(machine, now)).unwrap_or(u64::MAX)
}

/// A function-level reset.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_reset(handle: *mut Handle, function: u32) {
    with(handle, |twin, _| twin.reset(function as usize));
}

/// A request of a test; the answer is put into `to`, as much of it as fits; returns its length.
///
/// # Safety
///
/// `handle` must come from [`twin_new`]; `request` and `to` must be valid for their lengths.
#[no_mangle]
pub unsafe extern "C" fn twin_control(
    handle: *mut Handle,
    request: *const u8,
    len: usize,
    to: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: By the safety requirement.
    let request = unsafe { std::slice::from_raw_parts(request, len) };
    let request = String::from_utf8_lossy(request).into_owned();
    let answer = with(handle, |twin, _| twin.control(&request)).into_bytes();
    let n = answer.len().min(room);
    // SAFETY: By the safety requirement; `n` fits in both.
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), to, n) };
    n
}
