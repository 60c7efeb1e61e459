// SPDX-License-Identifier: GPL-2.0

//! The states and arcs of the protocol (`enum vfio_device_mig_state`).

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A state of the device. `ERROR` is not among them: no arc leads there, a failed arc leaves the
/// device in the state that it was in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// The device does not work, its state does not change.
    Stop = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP,
    /// The device works.
    Running = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING,
    /// The device is stopped and its state is being read.
    StopCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY,
    /// The device is stopped and its state is being written.
    Resuming = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING,
    /// The device works but for DMA, which it does not start.
    RunningP2P = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P,
    /// The device works and some of its state is being read.
    PreCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY,
    /// Both.
    PreCopyP2P = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P,
}

impl State {
    /// From the number of the uAPI, [`EINVAL`] for one that this crate does not know.
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

    /// The name of the uAPI.
    pub const fn name(self) -> &'static str {
        match self {
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

/// A step of the state machine: the arcs which `vfio_mig_get_next_state()` composes all others of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arc {
    /// `RUNNING -> RUNNING_P2P`, `PRE_COPY -> PRE_COPY_P2P`
    Quiesce,
    /// `RUNNING_P2P -> RUNNING`, `PRE_COPY_P2P -> PRE_COPY`
    Unquiesce,
    /// `RUNNING_P2P -> STOP`
    Stop,
    /// `STOP -> RUNNING_P2P`
    Start,
    /// `RUNNING -> STOP`, of a device without P2P
    QuiesceAndStop,
    /// `STOP -> RUNNING`, of a device without P2P
    StartAndUnquiesce,
    /// `STOP -> STOP_COPY`
    Save,
    /// `STOP_COPY -> STOP`
    EndSave,
    /// `STOP -> RESUMING`
    Resume,
    /// `RESUMING -> STOP`
    Load,
    /// `RUNNING -> PRE_COPY`, `RUNNING_P2P -> PRE_COPY_P2P`
    PreCopy,
    /// `PRE_COPY -> RUNNING`, `PRE_COPY_P2P -> RUNNING_P2P`
    CancelPreCopy,
    /// `PRE_COPY_P2P -> STOP_COPY`
    StopAndSave,
    /// `PRE_COPY -> STOP_COPY`, of a device without P2P
    QuiesceStopAndSave,
}

impl Arc {
    /// The arc from one state to another, `None` where there is no single one.
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

/// What `VFIO_DEVICE_FEATURE_MIGRATION` says the device can do. `STOP_COPY` is always among it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The device can be stopped, saved and resumed.
    pub const STOP_COPY: Self = Self(bindings::VFIO_MIGRATION_STOP_COPY);

    /// The device can also say something of its state while it works.
    pub const PRE_COPY: Self =
        Self(bindings::VFIO_MIGRATION_STOP_COPY | bindings::VFIO_MIGRATION_PRE_COPY);

    /// The device can do without DMA of its own while it takes that of others. A user with several
    /// devices wants all of them to.
    pub const P2P: Self = Self(bindings::VFIO_MIGRATION_STOP_COPY | bindings::VFIO_MIGRATION_P2P);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The value of the uAPI.
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
