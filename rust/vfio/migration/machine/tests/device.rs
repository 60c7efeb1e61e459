// SPDX-License-Identifier: GPL-2.0

//! The device of the tests.

use super::super::{
    super::{
        callbacks::{
            Open,
            Registered, //
        },
        gate::{
            FileId,
            Receiver, //
        },
        stream::{
            Check,
            Progress, //
        },
        testing::{
            File,
            Thread, //
        },
        Flags,
        Lifeline,
        State,
        Stream, //
    },
    Machine,
};
use crate::bindings;
use core::{
    cell::{
        Cell,
        RefCell, //
    },
    mem::MaybeUninit, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What the machine does to the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Quiesce,
    Stop,
    Start,
    Unquiesce,
    PreCopy,
    Save,
    Resume,
    Load,
    Lifeline,
    /// [`Open::dma_quiesced`]
    DmaOff,
    /// [`Registered::dma_possible`]
    DmaOn,
    /// [`Registered::dma_reset`]
    DmaReset,
    /// [`Registered::reset`]
    Reset,
}

/// What the stream of the device begins with, of PRE_COPY, and what [`Open::save`] appends.
pub(super) const BEGIN: &[u8] = b"begin ";
pub(super) const REST: &[u8] = b"rest";

/// Takes any stream. One that ends with a point is whole.
struct Any;

impl Check for Any {
    fn check(&self, received: &[u8]) -> Result<Progress> {
        Ok(match received {
            [.., b'.'] => Progress::Whole,
            _ => Progress::Part,
        })
    }
}

/// A device and its machine.
pub(super) struct Device {
    machine: Pin<KBox<Machine>>,
    /// The core reads nothing but its `migration_flags`.
    vdev: KBox<MaybeUninit<bindings::vfio_device>>,
    calls: RefCell<KVec<Call>>,
    fails: RefCell<KVec<Call>>,
    pub(super) loaded: RefCell<KVec<u8>>,
    pub(super) lifeline: RefCell<Option<Arc<Thread>>>,
    /// The device is reset during this call.
    pub(super) reset_in: Cell<Option<Call>>,
    /// [`Open::pre_copy`] appends nothing.
    pub(super) silent: Cell<bool>,
    /// A reset does nothing.
    pub(super) reset_fails: Cell<bool>,
}

impl Device {
    /// Returns a device in `RUNNING` that offers `flags`.
    pub(super) fn new(flags: Flags) -> Result<Self> {
        let mut vdev: KBox<MaybeUninit<bindings::vfio_device>> = KBox::new_uninit(GFP_KERNEL)?;
        let raw = vdev.as_mut_ptr();
        // SAFETY: The allocation is new; the structure may be all zeros.
        unsafe {
            raw.write_bytes(0, 1);
            (&raw mut (*raw).migration_flags).write(flags.as_raw());
        }
        Ok(Self {
            machine: KBox::pin_init(Machine::new(), GFP_KERNEL)?,
            vdev,
            calls: RefCell::new(KVec::new()),
            fails: RefCell::new(KVec::new()),
            loaded: RefCell::new(KVec::new()),
            lifeline: RefCell::new(None),
            reset_in: Cell::new(None),
            silent: Cell::new(false),
            reset_fails: Cell::new(false),
        })
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Opens it, as userspace does.
    pub(super) fn open(&self) {
        // SAFETY: As in `set`.
        unsafe { self.machine().open(self) };
    }

    /// The error with which a call fails.
    pub(super) fn error(call: Call) -> Error {
        match call {
            Call::Quiesce => EIO,
            Call::Stop => EBUSY,
            Call::Start => ENXIO,
            Call::Unquiesce => EPIPE,
            Call::PreCopy => ERANGE,
            Call::Save => EDOM,
            Call::Resume => EPERM,
            Call::Load => EACCES,
            _ => EAGAIN,
        }
    }

    /// Makes `calls` fail from now on.
    pub(super) fn fail(&self, calls: &[Call]) -> Result {
        let mut fails = self.fails.borrow_mut();
        fails.clear();
        Ok(fails.extend_from_slice(calls, GFP_KERNEL)?)
    }

    /// Asks for a state. Returns the file that was opened.
    pub(super) fn set(&self, target: State) -> Result<Option<File>> {
        // SAFETY: `drop` closes the gate. No test moves a device that it has used.
        unsafe { self.machine().gate.open(self) };
        let file = self.machine().set(self, target)?;
        // SAFETY: The reference is userspace's.
        Ok(file.map(|file| unsafe { File::new(file) }))
    }

    /// Goes to `state` by way of others if need be, with nothing that fails.
    pub(super) fn go(&self, state: State) -> Result<Option<File>> {
        self.fail(&[])?;
        let file = self.set(state)?;
        self.calls.borrow_mut().clear();
        Ok(file)
    }

    pub(super) fn state(&self) -> State {
        self.machine().get(self)
    }

    /// Returns whether the machine made these calls since it was last asked.
    pub(super) fn called(&self, expected: &[Call]) -> bool {
        let mut calls = self.calls.borrow_mut();
        let equal = calls.as_slice() == expected;
        if !equal {
            pr_err!("called: {:?}, expected: {:?}\n", calls.as_slice(), expected);
        }
        calls.clear();
        equal
    }

    fn call(&self, call: Call) -> Result {
        self.calls.borrow_mut().push(call, GFP_KERNEL)?;
        if self.reset_in.get() == Some(call) {
            self.machine().reset_done(self);
        }
        let fails = self.fails.borrow().contains(&call);
        (!fails).then_some(()).ok_or(Self::error(call))
    }

    /// Records a call that cannot fail.
    fn note(&self, call: Call) {
        // Without memory the test fails: the call is missing.
        let _ = self.call(call);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.machine().gate.close();
    }
}

impl Receiver for Device {
    fn precopy_info_v2(&self) -> bool {
        true
    }

    unsafe fn receive(&self, file: FileId) -> Result {
        self.machine().receive(self, file)
    }
}

impl Registered for Device {
    fn dma_possible(&self) {
        self.note(Call::DmaOn);
    }

    fn dma_reset(&self) {
        self.note(Call::DmaReset);
    }

    fn reset(&self) {
        self.note(Call::Reset);
    }

    unsafe fn shows_reset(&self) -> bool {
        !self.reset_fails.get()
    }
}

impl Open for Device {
    fn stream_max(&self) -> usize {
        BEGIN.len() + REST.len()
    }

    fn quiesce(&self) -> Result {
        self.call(Call::Quiesce)
    }

    fn stop(&self) -> Result {
        self.call(Call::Stop)
    }

    fn start(&self) -> Result {
        self.call(Call::Start)
    }

    fn unquiesce(&self) -> Result {
        self.call(Call::Unquiesce)
    }

    fn pre_copy(&self, stream: &mut Stream) -> Result {
        if !self.silent.get() {
            stream.append(BEGIN)?;
        }
        self.call(Call::PreCopy)
    }

    fn save(&self, stream: &mut Stream) -> Result {
        if stream.is_empty() {
            stream.append(BEGIN)?;
        }
        stream.append(REST)?;
        self.call(Call::Save)
    }

    fn resume(&self) -> Result<KBox<dyn Check>> {
        self.call(Call::Resume)?;
        Ok(KBox::new(Any, GFP_KERNEL)?)
    }

    fn load(&self, stream: &[u8]) -> Result {
        let mut loaded = self.loaded.borrow_mut();
        loaded.clear();
        loaded.extend_from_slice(stream, GFP_KERNEL)?;
        self.call(Call::Load)
    }

    fn lifeline(&self) -> Result<Option<Arc<dyn Lifeline>>> {
        self.call(Call::Lifeline)?;
        let lifeline = self.lifeline.borrow().clone();
        Ok(lifeline.map(|thread| -> Arc<dyn Lifeline> { thread }))
    }

    fn next_state(&self, current: State, target: State) -> Result<State> {
        // SAFETY: The core reads the flags, which are set.
        unsafe { State::next(self.vdev.as_ptr().cast_mut(), current, target) }
    }

    fn dma_quiesced(&self) {
        self.note(Call::DmaOff);
    }

    fn trace_state(&self, _from: State, _to: State, _error: c_int) {}

    fn trace_stream(&self, _what: &CStr, _bytes: usize) {}
}
