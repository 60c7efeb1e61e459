// SPDX-License-Identifier: GPL-2.0

//! The states and arcs of the protocol (`enum vfio_device_mig_state`).

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A state of the device. An arc that fails does not change the state, unless the device is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// The device is in no other state, and only a reset leads out: a reset or the undoing of an
    /// arc failed, or what the device depends on was reset while the device was quiesced or
    /// stopped.
    Error = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_ERROR,
    /// Stopped: the state of the device does not change.
    Stop = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP,
    /// The device works.
    Running = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING,
    /// Stopped, and userspace reads the state.
    StopCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY,
    /// Stopped, and userspace writes the state.
    Resuming = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING,
    /// Quiesced: no new DMA, accesses are still answered.
    RunningP2P = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P,
    /// The device works, and userspace reads a part of the state.
    PreCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY,
    /// Quiesced, and userspace reads a part of the state.
    PreCopyP2P = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P,
}

impl State {
    /// Returns the state with a number of the uAPI. [`EINVAL`] if this crate does not know it, and
    /// for `ERROR`, to which no arc leads.
    pub(crate) fn from_raw(state: u32) -> Result<Self> {
        [
            Self::Stop,
            Self::Running,
            Self::StopCopy,
            Self::Resuming,
            Self::RunningP2P,
            Self::PreCopy,
            Self::PreCopyP2P,
        ]
        .into_iter()
        .find(|s| s.as_raw() == state)
        .ok_or(EINVAL)
    }

    /// Returns the next state on the way from `current` to `target`, as the VFIO core has it.
    ///
    /// # Safety
    ///
    /// `vdev` must be valid. The core reads its `migration_flags`.
    pub(crate) unsafe fn next(
        vdev: *mut bindings::vfio_device,
        current: Self,
        target: Self,
    ) -> Result<Self> {
        let mut next = 0;
        // SAFETY: By the safety requirement; `next` is valid for writing.
        to_result(unsafe {
            bindings::vfio_mig_get_next_state(vdev, current.as_raw(), target.as_raw(), &mut next)
        })?;
        Self::from_raw(next)
    }

    /// Returns the number of the uAPI.
    pub(crate) const fn as_raw(self) -> u32 {
        self as u32
    }

    /// Returns the name of the uAPI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Stop => "STOP",
            Self::Running => "RUNNING",
            Self::StopCopy => "STOP_COPY",
            Self::Resuming => "RESUMING",
            Self::RunningP2P => "RUNNING_P2P",
            Self::PreCopy => "PRE_COPY",
            Self::PreCopyP2P => "PRE_COPY_P2P",
        }
    }
}

/// An arc of the state machine: one step of what `vfio_mig_get_next_state()` composes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arc {
    /// `RUNNING -> RUNNING_P2P`, `PRE_COPY -> PRE_COPY_P2P`.
    Quiesce,
    /// `RUNNING_P2P -> RUNNING`, `PRE_COPY_P2P -> PRE_COPY`.
    Unquiesce,
    /// `RUNNING_P2P -> STOP`.
    Stop,
    /// `STOP -> RUNNING_P2P`.
    Start,
    /// `RUNNING -> STOP`, of a device without P2P.
    QuiesceAndStop,
    /// `STOP -> RUNNING`, of a device without P2P.
    StartAndUnquiesce,
    /// `STOP -> STOP_COPY`.
    Save,
    /// `STOP_COPY -> STOP`.
    EndSave,
    /// `STOP -> RESUMING`.
    Resume,
    /// `RESUMING -> STOP`.
    Load,
    /// `RUNNING -> PRE_COPY`, `RUNNING_P2P -> PRE_COPY_P2P`.
    PreCopy,
    /// `PRE_COPY -> RUNNING`, `PRE_COPY_P2P -> RUNNING_P2P`.
    CancelPreCopy,
    /// `PRE_COPY_P2P -> STOP_COPY`.
    StopAndSave,
    /// `PRE_COPY -> STOP_COPY`, of a device without P2P.
    QuiesceStopAndSave,
}

impl Arc {
    /// Returns the arc between two states, `None` if there is no single one.
    pub fn between(from: State, to: State) -> Option<Self> {
        Some(match (from, to) {
            (State::Running, State::RunningP2P) | (State::PreCopy, State::PreCopyP2P) => {
                Self::Quiesce
            }
            (State::RunningP2P, State::Running) | (State::PreCopyP2P, State::PreCopy) => {
                Self::Unquiesce
            }
            (State::RunningP2P, State::Stop) => Self::Stop,
            (State::Stop, State::RunningP2P) => Self::Start,
            (State::Running, State::Stop) => Self::QuiesceAndStop,
            (State::Stop, State::Running) => Self::StartAndUnquiesce,
            (State::Stop, State::StopCopy) => Self::Save,
            (State::StopCopy, State::Stop) => Self::EndSave,
            (State::Stop, State::Resuming) => Self::Resume,
            (State::Resuming, State::Stop) => Self::Load,
            (State::Running, State::PreCopy) | (State::RunningP2P, State::PreCopyP2P) => {
                Self::PreCopy
            }
            (State::PreCopy, State::Running) | (State::PreCopyP2P, State::RunningP2P) => {
                Self::CancelPreCopy
            }
            (State::PreCopyP2P, State::StopCopy) => Self::StopAndSave,
            (State::PreCopy, State::StopCopy) => Self::QuiesceStopAndSave,
            _ => return None,
        })
    }
}

/// What the device offers (`VFIO_DEVICE_FEATURE_MIGRATION`), at least `STOP_COPY`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The device can be stopped, saved and resumed.
    pub const STOP_COPY: Self = Self(bindings::VFIO_MIGRATION_STOP_COPY);

    /// A part of the state can be saved while the device works.
    pub const PRE_COPY: Self =
        Self(bindings::VFIO_MIGRATION_STOP_COPY | bindings::VFIO_MIGRATION_PRE_COPY);

    /// The device can be quiesced while other devices do DMA to it. Userspace that migrates several
    /// devices needs this of all of them.
    pub const P2P: Self = Self(bindings::VFIO_MIGRATION_STOP_COPY | bindings::VFIO_MIGRATION_P2P);

    /// Returns the union.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the value of the uAPI.
    pub(crate) const fn as_raw(self) -> u32 {
        self.0
    }
}

#[kunit_tests(vfio_rs_migration_state)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_numbers_of_the_uapi() {
        for raw in 1..=7 {
            assert_eq!(State::from_raw(raw).map(State::as_raw).ok(), Some(raw));
        }
        assert_eq!(State::Error.as_raw(), 0);
        assert!(State::from_raw(0).is_err());
        assert!(State::from_raw(u32::MAX).is_err());
    }

    #[test]
    fn an_arc_leads_to_another_state() {
        for state in [State::Stop, State::Running, State::StopCopy] {
            assert!(Arc::between(state, state).is_none());
        }
        assert!(Arc::between(State::Resuming, State::Running).is_none());
        assert!(Arc::between(State::Running, State::PreCopyP2P).is_none());
        assert_eq!(Arc::between(State::Resuming, State::Stop), Some(Arc::Load));
    }
}
