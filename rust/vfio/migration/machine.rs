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

/// The state machine of a device. The lock order is in [`super`].
///
/// # Invariants
///
/// Whoever sets `reset_pending` either takes `inner` or knows that it is held. The holder handles a
/// pending reset before it unlocks.
#[pin_data]
pub(crate) struct Machine {
    #[pin]
    inner: Mutex<Inner>,
    #[pin]
    reset_pending: SpinLock<bool>,
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
            reset_pending <- new_spinlock!(false, "vfio_migration::reset_pending"),
        }? Error)
    }

    /// Handles a cut lifeline as a reset. Returns whether it is cut.
    fn after_cut(dev: &impl Registered, inner: &mut Inner) -> bool {
        let cut = inner.is_cut();
        if cut {
            Self::after_reset(dev, inner);
            dev.dma_reset();
        }
        cut
    }

    /// Handles a pending reset, then unlocks.
    ///
    /// Releases the mutex while it holds the spinlock: a reset that comes now either finds the
    /// mutex free or is handled here.
    fn unlock(&self, dev: &impl Registered, mut inner: Locked<'_>) {
        loop {
            let mut pending = self.reset_pending.lock();
            if !*pending {
                drop(inner);
                return;
            }
            *pending = false;
            drop(pending);
            Self::after_reset(dev, &mut inner);
        }
    }

    fn after_reset(dev: &impl Registered, inner: &mut Inner) {
        inner.end_files();
        inner.state = State::Running;
        dev.dma_possible();
        dev.reset();
    }

    /// Handles a reset of the device: it is `RUNNING` and its files are ended.
    ///
    /// The core may hold its `memory_lock` here. A state change may wait for that lock while it
    /// holds the state lock, for example in a fault. So this does not wait: if the state lock is
    /// held, its holder handles the reset.
    pub(crate) fn reset_done(&self, dev: &impl Registered) {
        *self.reset_pending.lock() = true;
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
        let mut opened = false;
        if inner.lifeline.is_none() && origin == State::Running && target != State::Running {
            inner.lifeline = dev.lifeline()?;
        }
        while inner.state != target {
            let next = dev.next_state(inner.state, target)?;
            let arc = Arc::between(inner.state, next).ok_or(EINVAL)?;
            let taken = self.take(dev, inner, arc);
            let error = taken.as_ref().map_or_else(|e| e.to_errno(), |_| 0);
            dev.trace_state(inner.state, next, error);
            opened = match taken {
                Ok(opened) => opened,
                Err(e) => {
                    Self::undo(dev, inner, origin);
                    return Err(e);
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
    /// has reached, which the uAPI allows.
    fn undo(dev: &impl Open, inner: &mut Inner, origin: State) {
        if inner.state == State::Stop
            && matches!(origin, State::Running | State::RunningP2P)
            && dev.start().is_ok()
        {
            inner.state = State::RunningP2P;
        }
        if matches!(
            (origin, inner.state),
            (State::Running, State::RunningP2P) | (State::PreCopy, State::PreCopyP2P)
        ) && unquiesce(dev).is_ok()
        {
            inner.state = origin;
        }
    }

    /// Takes one arc. Returns whether it opened a file. On error the state does not change.
    fn take(&self, dev: &impl Open, inner: &mut Inner, arc: Arc) -> Result<bool> {
        let max = dev.stream_max();
        match arc {
            Arc::Quiesce => quiesce(dev)?,
            Arc::Unquiesce => unquiesce(dev)?,
            Arc::Stop => dev.stop()?,
            Arc::Start => dev.start()?,
            Arc::QuiesceAndStop => quiesced(dev, || dev.stop())?,
            Arc::StartAndUnquiesce => {
                dev.start()?;
                unquiesce(dev)?;
            }
            Arc::PreCopy => {
                let mut stream = Stream::new(max);
                dev.pre_copy(&mut stream)?;
                dev.trace_stream(c"begun", stream.len());
                inner.saving = Some(MigrationFile::saving(
                    stream,
                    true,
                    dev.precopy_info_v2(),
                    inner.lifeline.clone(),
                )?);
                return Ok(true);
            }
            Arc::Save => {
                let mut stream = Stream::new(max);
                dev.save(&mut stream)?;
                inner.keep(dev, c"saved", &stream);
                inner.saving = Some(MigrationFile::saving(
                    stream,
                    false,
                    false,
                    inner.lifeline.clone(),
                )?);
                return Ok(true);
            }
            Arc::StopAndSave => {
                let file = inner.saving.as_ref().ok_or(EINVAL)?;
                let stream = Self::stop_and_save(dev, file)?;
                inner.keep(dev, c"saved", &stream);
            }
            Arc::QuiesceStopAndSave => {
                let file = inner.saving.as_ref().ok_or(EINVAL)?;
                let stream = quiesced(dev, || Self::stop_and_save(dev, file))?;
                inner.keep(dev, c"saved", &stream);
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
                if inner.resuming.as_ref().is_some_and(MigrationFile::is_refused) {
                    return Err(EINVAL);
                }
                Self::load(dev, inner)?;
                inner.resuming = None;
            }
            Arc::EndSave | Arc::CancelPreCopy => inner.saving = None,
        }
        Ok(false)
    }

    /// Stops the device and saves its state. If the save fails, starts the device again.
    fn stop_and_save(dev: &impl Open, file: &MigrationFile) -> Result<Stream> {
        dev.stop()?;
        let saved = Self::save_rest(dev, file);
        if saved.is_err() {
            dev.start()?;
        }
        saved
    }

    /// Saves the part of the state that PRE_COPY has not saved. Returns a copy of the whole stream.
    fn save_rest(dev: &impl Open, file: &MigrationFile) -> Result<Stream> {
        let mut stream = file.snapshot()?;
        dev.save(&mut stream)?;
        file.complete(stream)?;
        file.snapshot()
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

/// Quiesces the device and calls `then`. If that fails, lets the device work again.
fn quiesced<T>(dev: &impl Open, then: impl FnOnce() -> Result<T>) -> Result<T> {
    quiesce(dev)?;
    let done = then();
    if done.is_err() {
        unquiesce(dev)?;
    }
    done
}
