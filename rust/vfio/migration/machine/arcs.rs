// SPDX-License-Identifier: GPL-2.0

//! The arcs: what the device does on each, and what is undone if one fails.

use super::{
    super::{
        callbacks::Open,
        file::MigrationFile,
        Arc,
        State,
        Stream, //
    },
    Inner,
    Machine, //
};
use core::ptr::NonNull;
use kernel::{
    bindings as kbindings,
    prelude::*, //
};

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

impl Machine {
    /// Loads what was written, unless the device has it.
    pub(super) fn load(dev: &impl Open, inner: &mut Inner) -> Result {
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
    pub(super) fn walk(
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
            _ => inner.severed,
        };
        if inner.lifeline.is_none() && starts && target != State::Running {
            inner.lifeline = dev.lifeline()?;
            inner.severed = false;
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
