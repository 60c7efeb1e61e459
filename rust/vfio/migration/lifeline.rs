// SPDX-License-Identifier: GPL-2.0

//! What can end a transfer from outside.

/// Something other than the device that the state of the device depends on: its PF, for example,
/// whose reset is not reported for the VF. Once the lifeline is cut, the files return `ENODEV`. A
/// device that was quiesced or stopped is in `ERROR`: its state is lost, and only a reset leads
/// out. A device in `PRE_COPY` works: it stays there, and only the transfer has failed. So does a
/// device whose registers show that it was not reset.
pub trait Lifeline: Send + Sync {
    /// Returns whether the lifeline is cut. Once it is, it stays so. The layer calls this with
    /// locks held, see [`migration`](crate::migration): the method may sleep, but must not wait for
    /// any of them.
    fn is_cut(&self) -> bool;

    /// Waits a moment for the end of what has cut the lifeline. Returns whether it is over: then
    /// [`Driver::shows_reset`](crate::pci::Driver::shows_reset) says whether the device was
    /// reset. If this returns `false`, the state of the device is lost. Called as
    /// [`Self::is_cut`], once it is cut.
    fn is_over(&self) -> bool {
        false
    }
}
