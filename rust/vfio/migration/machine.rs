// SPDX-License-Identifier: GPL-2.0

//! The state machine of a device: carries out state changes, owns the migration files.

use super::{
    file::{
        new_stream,
        MigrationFile, //
    },
    Arc,
    Lifeline,
    Operations,
    State,
    Stream, //
};
use crate::{
    bindings,
    debug::View,
    pci::{
        Device,
        Driver,
        OpenDevice, //
    },
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings as kbindings,
    error::{
        from_result,
        to_result, //
    },
    new_mutex, new_spinlock,
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

/// What changes together, under one lock.
struct Inner {
    state: State,
    saving: Option<MigrationFile>,
    resuming: Option<MigrationFile>,
    /// What ends all that from outside. None in `RUNNING`, and where the device has no such thing.
    lifeline: Option<sync::Arc<dyn Lifeline>>,
    /// Whether a user has the device open.
    open: bool,
    /// The last whole stream, for debugfs.
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

    /// A stream has gone through whole.
    fn keep<D: Driver>(&mut self, dev: &Device<D>, what: &CStr, stream: &Stream) {
        dev.trace_stream(what, stream.len());
        if cfg!(CONFIG_VFIO_DEBUGFS) {
            // Where there is no memory for it, it is not shown.
            self.last = stream.try_clone().ok();
        }
    }
}

/// The machine. The lock order is in [`super`].
///
/// # Invariants
///
/// `reset_pending` is set only while somebody holds `inner`, who works it off before he lets go, or
/// by somebody who then takes `inner`.
#[pin_data]
pub(crate) struct Machine {
    #[pin]
    inner: Mutex<Inner>,
    #[pin]
    reset_pending: SpinLock<bool>,
}

type Locked<'a> = Guard<'a, Inner, MutexBackend>;

impl Machine {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
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
        })
    }

    /// Where the device's lifeline is cut, that was a reset; says whether it is.
    fn after_cut<D: Driver>(dev: &Device<D>, inner: &mut Inner) -> bool {
        let cut = inner.is_cut();
        if cut {
            Self::after_reset(dev, inner);
            dev.tracker().reset_done(dev);
        }
        cut
    }

    /// Works off a reset that came meanwhile, then unlocks.
    ///
    /// The mutex is let go under the spinlock: a reset that comes later finds it free.
    fn unlock<D: Driver>(&self, dev: &Device<D>, mut inner: Locked<'_>) {
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

    fn after_reset<D: Driver>(dev: &Device<D>, inner: &mut Inner) {
        inner.end_files();
        inner.state = State::Running;
        dev.tracker().runs();
        D::Migration::reset(dev.data());
    }

    /// The device has been reset: it is `RUNNING` and its files are ended.
    ///
    /// The core may hold its `memory_lock` here, which a state change may wait for below the state
    /// lock (by a fault, say). So this does not wait: whoever holds the lock does the work.
    pub(crate) fn reset_done<D: Driver>(&self, dev: &Device<D>) {
        *self.reset_pending.lock() = true;
        if let Some(inner) = self.inner.try_lock() {
            self.unlock(dev, inner);
        }
    }

    /// A user opens the device.
    pub(crate) fn open<D: Driver>(&self, dev: &Device<D>) {
        let mut inner = self.inner.lock();
        inner.state = State::Running;
        dev.tracker().runs();
        inner.open = true;
        self.unlock(dev, inner);
    }

    /// The user closes the device: the files end, and with them what they own of the driver.
    pub(crate) fn close<D: Driver>(&self, dev: &Device<D>) {
        let mut inner = self.inner.lock();
        inner.end_files();
        inner.state = State::Running;
        inner.open = false;
        self.unlock(dev, inner);
    }

    /// Shows the device to `f`, under the state lock.
    pub(crate) fn view<D: Driver>(
        &self,
        dev: &Device<D>,
        f: impl FnOnce(&View<'_, D>) -> Result,
    ) -> Result {
        let mut inner = self.inner.lock();
        Self::after_cut(dev, &mut inner);
        let last = inner.last.as_ref().map(Stream::as_bytes);
        // SAFETY: `close` takes the lock before the device is closed.
        let result = f(&unsafe { View::new(dev, inner.state, inner.open, last) });
        self.unlock(dev, inner);
        result
    }

    fn get<D: Driver>(&self, dev: &Device<D>) -> State {
        let mut inner = self.inner.lock();
        Self::after_cut(dev, &mut inner);
        let state = inner.state;
        self.unlock(dev, inner);
        state
    }

    /// Goes to `target`, by way of the states that the protocol puts between. The file is the
    /// user's, with a reference of its own.
    fn set<D: Driver>(
        &self,
        dev: &OpenDevice<'_, D>,
        target: State,
    ) -> Result<Option<NonNull<kbindings::file>>> {
        let mut inner = self.inner.lock();
        let result = if Self::after_cut(dev, &mut inner) {
            // Whoever wants it to go on from where it was is to know that it does not.
            Err(EIO)
        } else {
            Self::walk(dev, &mut inner, target)
        };
        if inner.state == State::Running {
            inner.lifeline = None;
        }
        self.unlock(dev, inner);
        result
    }

    fn walk<D: Driver>(
        dev: &OpenDevice<'_, D>,
        inner: &mut Inner,
        target: State,
    ) -> Result<Option<NonNull<kbindings::file>>> {
        let origin = inner.state;
        let mut opened = false;
        if inner.lifeline.is_none() && origin == State::Running && target != State::Running {
            inner.lifeline = D::Migration::lifeline(dev)?;
        }
        while inner.state != target {
            let next = next_state(dev, inner.state, target)?;
            let arc = Arc::between(inner.state, next).ok_or(EINVAL)?;
            let taken = Self::take(dev, inner, arc);
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
        // Only the last arc of a way opens a file, and it opened it in `inner`.
        let file = inner.saving.as_ref().or(inner.resuming.as_ref());
        Ok(file.map(MigrationFile::get))
    }

    /// A way has failed after some of its arcs: where the device worked before, and was only quiesced
    /// or stopped on the way, it works again. Elsewhere it stays in the state that was reached, as
    /// the uAPI allows it.
    fn undo<D: Driver>(dev: &OpenDevice<'_, D>, inner: &mut Inner, origin: State) {
        if inner.state == State::Stop
            && matches!(origin, State::Running | State::RunningP2P)
            && D::Migration::start(dev).is_ok()
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

    /// Carries out one arc; says whether it opened a file. On error the device is in the state in
    /// which it was.
    fn take<D: Driver>(dev: &OpenDevice<'_, D>, inner: &mut Inner, arc: Arc) -> Result<bool> {
        let max = <D::Migration as Operations<D>>::STREAM_MAX;
        match arc {
            Arc::Quiesce => quiesce(dev)?,
            Arc::Unquiesce => unquiesce(dev)?,
            Arc::Stop => D::Migration::stop(dev)?,
            Arc::Start => D::Migration::start(dev)?,
            Arc::QuiesceAndStop => quiesced(dev, || D::Migration::stop(dev))?,
            Arc::StartAndUnquiesce => {
                D::Migration::start(dev)?;
                unquiesce(dev)?;
            }
            Arc::PreCopy => {
                let mut stream = new_stream(max);
                D::Migration::pre_copy(dev, &mut stream)?;
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
                let mut stream = new_stream(max);
                D::Migration::save(dev, &mut stream)?;
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
                let check = D::Migration::resume(dev)?;
                inner.resuming = Some(MigrationFile::resuming(max, check, inner.lifeline.clone())?);
                return Ok(true);
            }
            Arc::Load => {
                let stream = inner.resuming.as_ref().ok_or(EINVAL)?.snapshot()?;
                D::Migration::load(dev, stream.as_bytes())?;
                inner.keep(dev, c"loaded", &stream);
                inner.resuming = None;
            }
            Arc::EndSave | Arc::CancelPreCopy => inner.saving = None,
        }
        Ok(false)
    }

    fn stop_and_save<D: Driver>(dev: &OpenDevice<'_, D>, file: &MigrationFile) -> Result<Stream> {
        D::Migration::stop(dev)?;
        let saved = Self::save_rest(dev, file);
        if saved.is_err() {
            // Half an arc is none.
            D::Migration::start(dev)?;
        }
        saved
    }

    /// Saves what PRE_COPY has not; a copy of the whole.
    fn save_rest<D: Driver>(dev: &OpenDevice<'_, D>, file: &MigrationFile) -> Result<Stream> {
        let mut stream = file.snapshot()?;
        D::Migration::save(dev, &mut stream)?;
        file.complete(stream)?;
        file.snapshot()
    }
}

/// The device writes nothing from here on.
fn quiesce<D: Driver>(dev: &OpenDevice<'_, D>) -> Result {
    D::Migration::quiesce(dev)?;
    dev.tracker().rests();
    Ok(())
}

/// It may write.
fn unquiesce<D: Driver>(dev: &OpenDevice<'_, D>) -> Result {
    dev.tracker().runs();
    D::Migration::unquiesce(dev)
}

/// Does `then` with the device quiesced; where it fails, the device works again.
fn quiesced<D: Driver, T>(dev: &OpenDevice<'_, D>, then: impl FnOnce() -> Result<T>) -> Result<T> {
    quiesce(dev)?;
    let done = then();
    if done.is_err() {
        unquiesce(dev)?;
    }
    done
}

/// The next state on the way to `target`.
fn next_state<D: Driver>(dev: &OpenDevice<'_, D>, current: State, target: State) -> Result<State> {
    let mut next = 0;
    // SAFETY: The device is valid; `next` is valid for writing.
    to_result(unsafe {
        bindings::vfio_mig_get_next_state(
            dev.as_vfio(),
            current.as_raw(),
            target.as_raw(),
            &mut next,
        )
    })?;
    State::from_raw(next)
}

/// `struct vfio_migration_ops` of a driver, with states that are integers.
pub(crate) mod vtable {
    use super::*;

    /// The callbacks of [`OPS`](Table::OPS), for one driver type.
    pub(crate) struct Table<D: Driver>(PhantomData<D>);

    impl<D: Driver> Table<D> {
        /// The table.
        pub(crate) const OPS: bindings::vfio_rs_migration = bindings::vfio_rs_migration {
            set_state: Some(Self::set_state),
            get_state: Some(Self::get_state),
            get_data_size: Some(Self::get_data_size),
        };

        /// # Safety
        ///
        /// To be called by the VFIO core for an open device of this driver.
        unsafe extern "C" fn set_state(
            vdev: *mut bindings::vfio_device,
            target: u32,
        ) -> *mut kbindings::file {
            // SAFETY: By the safety requirement; the core calls this by ioctl, so it is open.
            let dev = unsafe { OpenDevice::<D>::from_vfio(vdev) };
            let result = State::from_raw(target).and_then(|target| dev.machine().set(&dev, target));
            match result {
                Ok(Some(file)) => file.as_ptr(),
                Ok(None) => core::ptr::null_mut(),
                Err(e) => e.to_ptr(),
            }
        }

        /// # Safety
        ///
        /// To be called by the VFIO core for a registered device of this driver, open or not (its
        /// debugfs asks, too); `state` must be valid for writing.
        unsafe extern "C" fn get_state(vdev: *mut bindings::vfio_device, state: *mut u32) -> c_int {
            // SAFETY: By the safety requirement.
            let dev = unsafe { Device::<D>::from_vfio(vdev) };
            let current = dev.machine().get(dev);
            // SAFETY: By the safety requirement.
            unsafe { *state = current.as_raw() };
            0
        }

        /// # Safety
        ///
        /// As [`Self::set_state`]; `length` must be valid for writing.
        unsafe extern "C" fn get_data_size(
            _vdev: *mut bindings::vfio_device,
            length: *mut c_ulong,
        ) -> c_int {
            from_result(|| {
                let max = <D::Migration as Operations<D>>::STREAM_MAX;
                // SAFETY: By the safety requirement.
                unsafe { *length = max };
                Ok(0)
            })
        }
    }
}
