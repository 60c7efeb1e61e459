// SPDX-License-Identifier: GPL-2.0

//! The state machine of a device: carries out state changes and owns the migration files. It
//! reaches the device through callbacks only ([`super::callbacks`]).

mod arcs;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use super::{
    callbacks::{
        Open,
        Registered, //
    },
    file::MigrationFile,
    gate::{
        FileId,
        Gate,
        Receiver, //
    },
    Lifeline,
    State,
    Stream, //
};
use core::ptr::NonNull;
use kernel::{
    bindings as kbindings, new_mutex, new_spinlock,
    prelude::*,
    sync::{
        self,
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Mutex,
        SpinLock, //
    },
};

/// The fields that change together, under one lock.
struct Inner {
    state: State,
    saving: Option<MigrationFile>,
    resuming: Option<MigrationFile>,
    /// What ends the transfer from outside. `None` in `RUNNING`, and if the device has no lifeline.
    lifeline: Option<sync::Arc<dyn Lifeline>>,
    /// The last lifeline was cut, and the device was not reset: it needs another one.
    severed: bool,
    /// Whether userspace has the device open.
    open: bool,
    /// The last complete stream since userspace opened the device, for debugfs.
    last: Option<Stream>,
}

impl Inner {
    fn end_files(&mut self) {
        self.saving = None;
        self.resuming = None;
        self.lifeline = None;
        self.severed = false;
    }

    /// Fails a transfer whose lifeline is gone. The device keeps its state.
    fn fail_saving(&mut self) {
        if let Some(file) = &self.saving {
            file.fail(ENODEV);
        }
        self.lifeline = None;
    }

    fn is_cut(&self) -> bool {
        self.lifeline.as_ref().is_some_and(|l| l.is_cut())
    }

    /// Traces a stream that was transferred completely, and keeps it.
    fn keep(&mut self, dev: &impl Open, what: &CStr, stream: &Stream) {
        dev.trace_stream(what, stream.len());
        if cfg!(CONFIG_VFIO_DEBUGFS) {
            // Without memory for a copy, debugfs shows no stream.
            self.last = stream.try_clone().ok();
        }
    }
}

/// A device as [`Machine::view`] shows it.
pub(crate) struct View<'a> {
    pub(crate) state: State,
    /// Whether userspace has the device open.
    pub(crate) open: bool,
    /// The last stream that was saved or loaded completely since userspace opened the device.
    pub(crate) last: Option<&'a [u8]>,
}

/// What happened to the device.
#[derive(Clone, Copy)]
enum Pending {
    /// It was reset, at the request of its user or of an administrator.
    Made,
    /// It is in no known state.
    Lost,
    /// It was reset for a reason of the bus.
    ByBus,
}

/// What a reset left to do, and whether it can be judged.
struct Reset {
    /// Whether registers can be reached: userspace has the device open.
    open: bool,
    /// A reset is to be handled.
    pending: Option<Pending>,
    /// A reset has begun, and is not over.
    begun: bool,
    /// The registers did not show the last reset.
    doubted: bool,
    /// An error has frozen the bus: it is going to be reset.
    frozen: bool,
}

/// The state machine of a device. The lock order is in [`super`].
///
/// # Invariants
///
/// - Whoever sets `reset.pending` either takes `inner` or knows that it is held. The holder handles
///   a pending reset before it unlocks.
/// - If `reset.open`, the device is open.
#[pin_data]
pub(crate) struct Machine {
    #[pin]
    inner: Mutex<Inner>,
    #[pin]
    reset: SpinLock<Reset>,
    gate: sync::Arc<Gate>,
}

type Locked<'a> = Guard<'a, Inner, MutexBackend>;

impl Machine {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            gate: sync::Arc::pin_init(Gate::new(), GFP_KERNEL_ACCOUNT)?,
            inner <- new_mutex!(
                Inner {
                    state: State::Running,
                    saving: None,
                    resuming: None,
                    lifeline: None,
                    severed: false,
                    open: false,
                    last: None,
                },
                "vfio_migration::state"
            ),
            reset <- new_spinlock!(
                Reset {
                    open: false,
                    pending: None,
                    begun: false,
                    doubted: false,
                    frozen: false,
                },
                "vfio_migration::reset"
            ),
        }? Error)
    }

    /// Returns whether the device has its state although its lifeline was cut.
    fn survives(dev: &impl Registered, inner: &Inner) -> bool {
        let over = inner.lifeline.as_ref().is_some_and(|l| l.is_over());
        // SAFETY: It is open as long as the state lock is held, which `close` takes.
        inner.open && over && !unsafe { dev.shows_reset() }
    }

    /// Handles a cut lifeline. Returns whether the device is lost.
    fn after_cut(dev: &impl Registered, inner: &mut Inner) -> bool {
        if !inner.is_cut() {
            return false;
        }
        if inner.state != State::PreCopy && Self::survives(dev, inner) {
            // A file to write to has the lifeline, and fails by itself.
            inner.fail_saving();
            inner.severed = true;
            return false;
        }
        Self::cut(dev, inner)
    }

    /// Handles the loss of what the device was in, by no doing of its user. Returns whether the
    /// device is lost.
    fn cut(dev: &impl Registered, inner: &mut Inner) -> bool {
        let lost = !matches!(inner.state, State::Running | State::PreCopy);
        if lost {
            inner.end_files();
            inner.state = State::Error;
            dev.dma_possible();
        } else {
            // The device works, or its user makes it work again. Only the transfer has failed.
            inner.fail_saving();
        }
        dev.reset();
        dev.dma_reset();
        lost
    }

    /// Handles a pending reset, then unlocks.
    ///
    /// Releases the mutex while it holds the spinlock: a reset that comes now either finds the
    /// mutex free or is handled here.
    fn unlock(&self, dev: &impl Registered, mut inner: Locked<'_>) {
        loop {
            let mut reset = self.reset.lock();
            let Some(pending) = reset.pending.take() else {
                drop(inner);
                return;
            };
            drop(reset);
            Self::after_reset(dev, &mut inner, pending);
        }
    }

    /// Handles a pending reset. If the state lock is held, its holder does.
    fn handle_pending(&self, dev: &impl Registered) {
        if let Some(inner) = self.inner.try_lock() {
            self.unlock(dev, inner);
        }
    }

    fn after_reset(dev: &impl Registered, inner: &mut Inner, pending: Pending) {
        let state = match pending {
            Pending::Made => State::Running,
            Pending::Lost => State::Error,
            Pending::ByBus => {
                Self::cut(dev, inner);
                return;
            }
        };
        inner.end_files();
        inner.state = state;
        dev.dma_possible();
        if state == State::Running {
            dev.reset();
        }
    }

    /// A reset of the device begins (`pci_error_handlers.reset_prepare`). What is loaded from now
    /// on would be lost, or be taken for a sign that the device was not reset.
    pub(crate) fn reset_begins(&self) {
        self.reset.lock().begun = true;
    }

    /// Handles the end of a reset of the device. Its files are ended. If the registers show that it
    /// was reset, it is `RUNNING` and nothing is in flight. Otherwise it is in `ERROR`, and what is
    /// in flight stays so.
    ///
    /// The core may hold its `memory_lock` here. A state change may wait for that lock while it
    /// holds the state lock, for example in a fault. So this does not wait: if the state lock is
    /// held, its holder handles the reset.
    pub(crate) fn reset_done(&self, dev: &impl Registered) {
        let made = {
            let mut reset = self.reset.lock();
            // SAFETY: By the type invariant it is open, and it stays so while the lock is held.
            let made = !reset.open || unsafe { dev.shows_reset() };
            reset.pending = Some(if made { Pending::Made } else { Pending::Lost });
            reset.begun = false;
            reset.doubted = !made;
            made
        };
        if made {
            dev.dma_reset();
        }
        self.handle_pending(dev);
    }

    /// Handles a reset of which the PCI core says that it was made, after [`Machine::reset_done`].
    /// If the registers did not show it, the device is `RUNNING` now, but what was in flight stays
    /// so: userspace may have accessed the device since.
    pub(crate) fn reset_succeeded(&self, dev: &impl Registered) {
        {
            let mut reset = self.reset.lock();
            if !core::mem::take(&mut reset.doubted) {
                return;
            }
            reset.pending = Some(Pending::Made);
        }
        self.handle_pending(dev);
    }

    /// Handles an error of the bus (`pci_error_handlers.error_detected`).
    pub(crate) fn bus_error(&self, frozen: bool) {
        self.reset.lock().frozen = frozen;
    }

    /// Handles the end of a reset of the bus (`pci_error_handlers.slot_reset`). A device that is
    /// quiesced or stopped is in `ERROR`. One that works goes on to, from the state after a reset,
    /// and its transfer has failed.
    ///
    /// PCI calls this without a reset, too, if another driver wants one and the bus is not frozen.
    pub(crate) fn slot_reset(&self, dev: &impl Registered) {
        {
            let mut reset = self.reset.lock();
            if !core::mem::take(&mut reset.frozen) {
                return;
            }
            reset.pending.get_or_insert(Pending::ByBus);
        }
        self.handle_pending(dev);
    }

    /// Handles a device of which the driver says that it is in no known state: `ERROR`.
    pub(crate) fn lose(&self, dev: &impl Registered) {
        // A reset that was made meanwhile, by someone else, counts.
        self.reset.lock().pending.get_or_insert(Pending::Lost);
        self.handle_pending(dev);
    }

    /// Userspace opens the device.
    ///
    /// # Safety
    ///
    /// The device must be open until [`Machine::close`] has returned.
    pub(crate) unsafe fn open(&self, dev: &(impl Registered + Receiver + 'static)) {
        // SAFETY: By the safety requirement.
        unsafe { self.gate.open(dev) };
        // INVARIANT: By the safety requirement.
        self.reset.lock().open = true;
        let mut inner = self.inner.lock();
        inner.state = State::Running;
        dev.dma_possible();
        inner.open = true;
        self.unlock(dev, inner);
    }

    /// Userspace closes the device: ends the files, and drops what they own of the driver. Keeps no
    /// stream, which has the state of a guest.
    pub(crate) fn close(&self, dev: &impl Registered) {
        // Without the state lock, which whoever passes the gate takes.
        self.gate.close();
        self.reset.lock().open = false;
        let mut inner = self.inner.lock();
        inner.end_files();
        inner.last = None;
        inner.state = State::Running;
        inner.open = false;
        self.unlock(dev, inner);
    }

    /// Shows the device to `f`, under the state lock. The device is neither opened nor closed
    /// meanwhile.
    pub(crate) fn view(&self, dev: &impl Registered, f: impl FnOnce(View<'_>) -> Result) -> Result {
        let mut inner = self.inner.lock();
        Self::after_cut(dev, &mut inner);
        let last = inner.last.as_ref().map(Stream::as_bytes);
        let result = f(View {
            state: inner.state,
            open: inner.open,
            last,
        });
        self.unlock(dev, inner);
        result
    }

    /// Returns the state.
    pub(crate) fn get(&self, dev: &impl Registered) -> State {
        let mut inner = self.inner.lock();
        Self::after_cut(dev, &mut inner);
        let state = inner.state;
        self.unlock(dev, inner);
        state
    }

    /// Goes to `target`, through the states that the protocol puts between. Returns the file that
    /// the last arc opened, with a reference for userspace.
    pub(crate) fn set(
        &self,
        dev: &impl Open,
        target: State,
    ) -> Result<Option<NonNull<kbindings::file>>> {
        let mut inner = self.inner.lock();
        let result = if Self::after_cut(dev, &mut inner) {
            // The transfer is lost. Userspace must learn that, whatever state it asks for.
            Err(EIO)
        } else {
            self.walk(dev, &mut inner, target)
        };
        if inner.state == State::Running {
            inner.lifeline = None;
            inner.severed = false;
        }
        self.unlock(dev, inner);
        result
    }

    /// Loads what was written to a file. Called by the file's `write()`, through the gate:
    /// [`ENODEV`] if the file is ended, or about to be by a reset that has begun.
    pub(crate) fn receive(&self, dev: &impl Open, file: FileId) -> Result {
        let mut inner = self.inner.lock();
        let ours = inner.resuming.as_ref().is_some_and(|own| own.is(file));
        let resets = self.reset.lock().begun;
        let result = if Self::after_cut(dev, &mut inner) || !ours || resets {
            Err(ENODEV)
        } else {
            Self::load(dev, &mut inner)
        };
        self.unlock(dev, inner);
        result
    }
}
