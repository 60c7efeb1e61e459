// SPDX-License-Identifier: GPL-2.0

//! What the state machine needs of a device. [`pci::ops`](crate::pci) implements it for the devices
//! of a driver, the machine's tests for a device of their own.

use super::{
    Check,
    Lifeline,
    State,
    Stream, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A device that is registered with VFIO, open or not.
pub(crate) trait Registered {
    /// Tells the tracker that the device may write from now on. Waits for nothing.
    fn dma_possible(&self);

    /// Tells the tracker of a reset: nothing is in flight any more. Waits for nothing.
    fn dma_reset(&self);

    /// Calls [`Operations::reset`](super::Operations::reset).
    fn reset(&self);

    /// Calls [`Driver::shows_reset`](crate::pci::Driver::shows_reset). Must not sleep.
    ///
    /// # Safety
    ///
    /// The device must be open until this returns.
    unsafe fn shows_reset(&self) -> bool;
}

/// A device that userspace has open. The methods without a comment are those of
/// [`Operations`](super::Operations).
pub(crate) trait Open: Registered {
    /// Returns [`Operations::STREAM_MAX`](super::Operations::STREAM_MAX).
    fn stream_max(&self) -> usize;

    fn quiesce(&self) -> Result;
    fn stop(&self) -> Result;
    fn start(&self) -> Result;
    fn unquiesce(&self) -> Result;
    fn pre_copy(&self, stream: &mut Stream) -> Result;
    fn save(&self, stream: &mut Stream) -> Result;
    fn resume(&self) -> Result<KBox<dyn Check>>;
    fn load(&self, stream: &[u8]) -> Result;
    fn lifeline(&self) -> Result<Option<Arc<dyn Lifeline>>>;

    /// Returns the next state on the way from `current` to `target`, as the VFIO core has it.
    fn next_state(&self, current: State, target: State) -> Result<State>;

    /// Tells the tracker that the device is quiesced: it does not write until
    /// [`Registered::dma_possible`].
    fn dma_quiesced(&self);

    /// Traces an arc, and its error or 0.
    fn trace_state(&self, from: State, to: State, error: c_int);

    /// Traces a stream of so many bytes.
    fn trace_stream(&self, what: &CStr, bytes: usize);
}
