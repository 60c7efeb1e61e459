// SPDX-License-Identifier: GPL-2.0

//! The state machine of a device: carries out state changes and owns the migration files. It
//! reaches the device through callbacks only ([`super::callbacks`]).

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use super::{
    callbacks::{
        Open,
        Registered, //
    },
    file::{
        MigrationFile,
        Shared, //
    },
    gate::{
        Gate,
        Receiver, //
    },
    Arc,
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
    /// Whether userspace has the device open.
    open: bool,
    /// The last complete stream, for debugfs.
    last: Option<Stream>,
}

impl Inner {
    fn end_files(&mut self) {
        self.saving = None;
        self.resuming = None;
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
    /// The last stream that was saved or loaded completely.
    pub(crate) last: Option<&'a [u8]>,
}

/// What a reset left to do, and whether it can be judged.
struct Reset {
    /// Whether registers can be reached: userspace has the device open.
    open: bool,
    /// A reset is to be handled: whether it was made.
    pending: Option<bool>,
    /// The registers did not show the last reset.
    doubted: bool,
}

/// An arc that was not taken. The device is in the state of before, unless it is lost.
struct Failure {
    error: Error,
    lost: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, lost: false }
    }
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
                    open: false,
                    last: None,
                },
                "vfio_migration::state"
            ),
            reset <- new_spinlock!(
                Reset {
                    open: false,
                    pending: None,
                    doubted: false,
                },
                "vfio_migration::reset"
            ),
        }? Error)
    }

    /// Handles a cut lifeline. Returns whether the device is lost.
    fn after_cut(dev: &impl Registered, inner: &mut Inner) -> bool {
        if !inner.is_cut() {
            return false;
        }
        let lost = inner.state != State::PreCopy;
        if lost {
            inner.end_files();
            inner.state = State::Error;
            dev.dma_possible();
        } else {
            // The device works, or its user makes it work again. Only the transfer has failed.
            if let Some(file) = &inner.saving {
                file.fail(ENODEV);
            }
            inner.lifeline = None;
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
            let Some(made) = reset.pending.take() else {
                drop(inner);
                return;
            };
            drop(reset);
            Self::after_reset(dev, &mut inner, made);
        }
    }

    fn after_reset(dev: &impl Registered, inner: &mut Inner, made: bool) {
        inner.end_files();
        inner.state = if made { State::Running } else { State::Error };
        dev.dma_possible();
        if made {
            dev.reset();
        }
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
            reset.pending = Some(made);
            reset.doubted = !made;
            made
        };
        if made {
            dev.dma_reset();
        }
        if let Some(inner) = self.inner.try_lock() {
            self.unlock(dev, inner);
        }
    }

    /// Handles a reset of which the PCI core says that it was made, after [`Machine::reset_done`]. If
    /// the registers did not show it, the device is `RUNNING` now, but what was in flight stays so:
    /// userspace may have accessed the device since.
    pub(crate) fn reset_succeeded(&self, dev: &impl Registered) {
        {
            let mut reset = self.reset.lock();
            if !core::mem::take(&mut reset.doubted) {
                return;
            }
            reset.pending = Some(true);
        }
        if let Some(inner) = self.inner.try_lock() {
            self.unlock(dev, inner);
        }
    }

    /// Handles a device of which the driver says that it is in no known state: `ERROR`.
    pub(crate) fn lose(&self, dev: &impl Registered) {
        // A reset that was made meanwhile, by someone else, counts.
        self.reset.lock().pending.get_or_insert(false);
        if let Some(inner) = self.inner.try_lock() {
            self.unlock(dev, inner);
        }
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

    /// Userspace closes the device: ends the files, and drops what they own of the driver.
    pub(crate) fn close(&self, dev: &impl Registered) {
        // Without the state lock, which whoever passes the gate takes.
        self.gate.close();
        self.reset.lock().open = false;
        let mut inner = self.inner.lock();
        inner.end_files();
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
        }
        self.unlock(dev, inner);
        result
    }

    /// Loads what was written to a file. Called by the file's `write()`, through the gate:
    /// [`ENODEV`] if the file is ended.
    pub(crate) fn receive(&self, dev: &impl Open, file: &Shared) -> Result {
        let mut inner = self.inner.lock();
        let ours = inner.resuming.as_ref().is_some_and(|own| own.is(file));
        let result = if Self::after_cut(dev, &mut inner) || !ours {
            Err(ENODEV)
        } else {
            Self::load(dev, &mut inner)
        };
        self.unlock(dev, inner);
        result
    }

    /// Loads what was written, unless the device has it.
    fn load(dev: &impl Open, inner: &mut Inner) -> Result {
        let file = inner.resuming.as_ref().ok_or(EINVAL)?;
        if file.is_loaded() {
            return Ok(());
        }
        let stream = file.snapshot()?;
        dev.load(stream.as_bytes())?;
        file.set_loaded();
        inner.keep(dev, c"loaded", &stream);
        Ok(())
    }

    /// Takes the arcs from the current state to `target`. If an arc fails, undoes what it can.
    fn walk(
        &self,
        dev: &impl Open,
        inner: &mut Inner,
        target: State,
    ) -> Result<Option<NonNull<kbindings::file>>> {
        let origin = inner.state;
        if origin == State::Error {
            // Only a reset leads out. The core warns if it is asked for an arc from here.
            return Err(EINVAL);
        }
        let mut opened = false;
        let starts = match origin {
            State::Running => true,
            // The first lifeline was cut.
            State::PreCopy => inner.saving.as_ref().is_some_and(MigrationFile::has_failed),
            _ => false,
        };
        if inner.lifeline.is_none() && starts && target != State::Running {
            inner.lifeline = dev.lifeline()?;
        }
        while inner.state != target {
            let next = dev.next_state(inner.state, target)?;
            let arc = Arc::between(inner.state, next).ok_or(EINVAL)?;
            let taken = self.take(dev, inner, arc);
            let error = taken.as_ref().map_or_else(|e| e.error.to_errno(), |_| 0);
            dev.trace_state(inner.state, next, error);
            opened = match taken {
                Ok(opened) => opened,
                Err(failure) => {
                    if failure.lost || !Self::undo(dev, inner, origin) {
                        inner.end_files();
                        inner.state = State::Error;
                    }
                    return Err(failure.error);
                }
            };
            inner.state = next;
        }
        if !opened {
            return Ok(None);
        }
        // Only the last arc of a walk opens a file, and stores it in `inner`.
        let file = inner.saving.as_ref().or(inner.resuming.as_ref());
        Ok(file.map(MigrationFile::get))
    }

    /// Undoes a walk that failed after some of its arcs: a device that worked in `origin`, and was
    /// only quiesced or stopped since, works again. Otherwise the device stays in the state that it
    /// has reached, which the uAPI allows. Returns whether the device is in the state that `inner`
    /// has.
    fn undo(dev: &impl Open, inner: &mut Inner, origin: State) -> bool {
        let worked = matches!(origin, State::Running | State::PreCopy);
        let was_quiesced = matches!(origin, State::RunningP2P | State::PreCopyP2P);
        if inner.state == State::Stop && (worked || was_quiesced) {
            if dev.start().is_err() {
                return false;
            }
            inner.state = State::RunningP2P;
        }
        if worked {
            let works = match inner.state {
                State::RunningP2P => State::Running,
                State::PreCopyP2P => State::PreCopy,
                _ => return true,
            };
            if unquiesce(dev).is_err() {
                return false;
            }
            inner.state = works;
        }
        true
    }

    /// Takes one arc. Returns whether it opened a file. On error the state does not change.
    fn take(&self, dev: &impl Open, inner: &mut Inner, arc: Arc) -> Result<bool, Failure> {
        let max = dev.stream_max();
        match arc {
            Arc::Quiesce => quiesce(dev)?,
            Arc::Unquiesce => unquiesce(dev)?,
            Arc::Stop => dev.stop()?,
            Arc::Start => dev.start()?,
            Arc::QuiesceAndStop => quiesce_and_stop(dev)?,
            Arc::StartAndUnquiesce => {
                dev.start()?;
                unquiesce(dev).map_err(|error| Failure {
                    error,
                    lost: dev.stop().is_err(),
                })?;
            }
            Arc::PreCopy => {
                let mut stream = Stream::new(max);
                dev.pre_copy(&mut stream)?;
                if stream.is_empty() {
                    return Err(EINVAL.into());
                }
                dev.trace_stream(c"begun", stream.len());
                inner.saving = Some(MigrationFile::saving(
                    stream,
                    true,
                    self.gate.clone(),
                    inner.lifeline.clone(),
                )?);
                return Ok(true);
            }
            Arc::Save => {
                // Before the device is asked: nothing is to be undone if there is no memory.
                inner.saving = Some(MigrationFile::saving(
                    Stream::new(max),
                    false,
                    self.gate.clone(),
                    inner.lifeline.clone(),
                )?);
                Self::save(dev, inner);
                return Ok(true);
            }
            Arc::StopAndSave => {
                dev.stop()?;
                Self::save(dev, inner);
            }
            Arc::QuiesceStopAndSave => {
                quiesce_and_stop(dev)?;
                Self::save(dev, inner);
            }
            Arc::Resume => {
                let check = dev.resume()?;
                inner.resuming = Some(MigrationFile::resuming(
                    max,
                    check,
                    self.gate.clone(),
                    inner.lifeline.clone(),
                )?);
                return Ok(true);
            }
            Arc::Load => {
                if inner
                    .resuming
                    .as_ref()
                    .is_some_and(MigrationFile::is_refused)
                {
                    return Err(EINVAL.into());
                }
                Self::load(dev, inner)?;
                inner.resuming = None;
            }
            Arc::EndSave | Arc::CancelPreCopy => inner.saving = None,
        }
        Ok(false)
    }

    /// Saves the state of a stopped device, as far as PRE_COPY has not saved it. If that fails, it
    /// fails the file only: the device can be started again, and userspace can act on a failed
    /// `read()`.
    fn save(dev: &impl Open, inner: &mut Inner) {
        let Some(file) = inner.saving.as_ref().filter(|file| !file.has_failed()) else {
            return;
        };
        let saved = file.snapshot().and_then(|mut stream| {
            dev.save(&mut stream)?;
            // Without memory for a copy, debugfs shows no stream.
            let copy = match cfg!(CONFIG_VFIO_DEBUGFS) {
                true => stream.try_clone().ok(),
                false => None,
            };
            let len = stream.len();
            file.complete(stream)?;
            Ok((len, copy))
        });
        match saved {
            Ok((len, copy)) => {
                dev.trace_stream(c"saved", len);
                inner.last = copy;
            }
            Err(_) => {
                dev.trace_stream(c"failed", 0);
                file.fail(EIO);
            }
        }
    }
}

/// Quiesces the device. It does not write from here on.
fn quiesce(dev: &impl Open) -> Result {
    dev.quiesce()?;
    dev.dma_quiesced();
    Ok(())
}

/// Lets the device work again. It may write from here on.
fn unquiesce(dev: &impl Open) -> Result {
    dev.dma_possible();
    dev.unquiesce()
}

/// Quiesces and stops the device. If it cannot be stopped, lets it work again.
fn quiesce_and_stop(dev: &impl Open) -> Result<(), Failure> {
    quiesce(dev)?;
    dev.stop().map_err(|error| Failure {
        error,
        lost: unquiesce(dev).is_err(),
    })
}
