// SPDX-License-Identifier: GPL-2.0

//! The device model behind a C interface: see `tools/twin/qemu/twin.h`.
//!
//! All calls come under one lock of the machine's (QEMU's BQL).

use acc_twin::{Bus, Engine, Fault, Generation, Kind, Twin};
use std::{
    cell::RefCell,
    ffi::{c_char, c_int, c_void, CStr},
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
    /// The answer to the last request
    answer: RefCell<Vec<u8>>,
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

/// What the machine has to know of an engine: `struct twin_engine`.
#[repr(C)]
pub struct TwinEngine {
    name: [u8; 16],
    pf: u16,
    vf: u16,
}

/// Describes engine `n`; returns false if there are fewer.
///
/// # Safety
///
/// `to` must be valid for writing.
#[no_mangle]
pub unsafe extern "C" fn twin_engine(n: usize, to: *mut TwinEngine) -> bool {
    let Some(engine) = Engine::ALL.get(n) else {
        return false;
    };
    let row = engine.descriptor();
    let mut name = [0; 16];
    // A zero ends it.
    let bytes = row.name.bytes().take(name.len() - 1);
    name.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    let (pf, vf) = (row.pf, row.vf);
    // SAFETY: By the safety requirement.
    unsafe { to.write(TwinEngine { name, pf, vf }) };
    true
}

/// Returns the PCI revision of a hardware generation by its number (`hw=3`); 0 if there is none.
#[no_mangle]
pub extern "C" fn twin_revision(number: u32) -> u8 {
    Generation::of_number(number).map_or(0, |row| row.layout().revision)
}

/// A new device with `vfs` virtual functions, by the PF's device ID and its PCI revision; null
/// where there is no such device. Lives until the end.
///
/// # Safety
///
/// The callbacks of `bus` must stay callable.
#[no_mangle]
pub unsafe extern "C" fn twin_new(
    device: u16,
    revision: u8,
    vfs: u32,
    bus: TwinBus,
) -> *mut Handle {
    match Kind::from_ids(device, revision) {
        Some(kind) => Box::into_raw(Box::new(Handle {
            twin: RefCell::new(Twin::new(kind, vfs as usize)),
            bus,
            answer: RefCell::new(Vec::new()),
        })),
        None => std::ptr::null_mut(),
    }
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
    with(handle, |twin, machine| {
        let value = twin.read(function as usize, bar, offset, size);
        twin.polled(machine, function as usize, bar, offset);
        value
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

/// The configuration space of a function is read.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_config_read(handle: *mut Handle, function: u32) -> bool {
    with(handle, |twin, _| twin.config_read(function as usize))
}

/// Whether the device does this instead of what the model guesses.
///
/// # Safety
///
/// `handle` must come from [`twin_new`]; `name` must be a string.
#[no_mangle]
pub unsafe extern "C" fn twin_does(handle: *mut Handle, name: *const c_char) -> bool {
    // SAFETY: By the safety requirement.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default();
    with(handle, |twin, _| twin.does_named(name))
}

/// A request of a test; returns the length of the answer.
///
/// # Safety
///
/// `handle` must come from [`twin_new`]; `request` must be valid for its length.
#[no_mangle]
pub unsafe extern "C" fn twin_control(
    handle: *mut Handle,
    request: *const u8,
    len: usize,
) -> usize {
    // SAFETY: By the safety requirement.
    let request = unsafe { std::slice::from_raw_parts(request, len) };
    let request = String::from_utf8_lossy(request).into_owned();
    let answer = with(handle, |twin, _| twin.control(&request)).into_bytes();
    let len = answer.len();
    // SAFETY: C passes what `twin_new` gave it.
    *unsafe { &*handle }.answer.borrow_mut() = answer;
    len
}

/// Eight bytes of the last answer, zeroes behind its end.
///
/// # Safety
///
/// `handle` must come from [`twin_new`].
#[no_mangle]
pub unsafe extern "C" fn twin_answer(handle: *mut Handle, offset: u64) -> u64 {
    // SAFETY: C passes what `twin_new` gave it.
    let answer = unsafe { &*handle }.answer.borrow();
    let mut raw = [0; 8];
    let from = usize::try_from(offset)
        .ok()
        .and_then(|at| answer.get(at..))
        .unwrap_or_default();
    raw.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(raw)
}
