// SPDX-License-Identifier: GPL-2.0

//! The data of a migration.

use kernel::{
    error::Error,
    prelude::*, //
};

/// Migration data of one transfer, with a limit.
pub struct Stream {
    bytes: KVVec<u8>,
    max: usize,
}

impl Stream {
    /// Returns an empty stream of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            bytes: KVVec::new(),
            max,
        }
    }

    /// Appends `data`. [`ENOSPC`] if the stream would be longer than the device's longest stream,
    /// [`ENOMEM`] without memory. On error the stream does not change.
    pub fn append(&mut self, data: &[u8]) -> Result {
        let len = self.bytes.len().checked_add(data.len()).ok_or(ENOSPC)?;
        if len > self.max {
            return Err(ENOSPC);
        }
        self.bytes
            .extend_from_slice(data, GFP_KERNEL_ACCOUNT)
            .map_err(Error::from)
    }

    /// Returns the bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether there are no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how many bytes can still be appended.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.len())
    }

    /// Returns a copy. [`ENOMEM`] without memory.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let mut copy = Self::new(self.max);
        copy.append(self.as_bytes())?;
        Ok(copy)
    }

    /// Drops all after the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }
}

/// How much of a stream has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More may follow.
    Part,
    /// All of it. The layer loads it now.
    Whole,
}

/// Checks incoming data while they arrive, so that a target that does not fit is found before the
/// source stops. A check is pure: the driver validates the whole again before it loads it.
pub trait Check: Send {
    /// Checks all bytes received so far; too few to decide are no error. Refused bytes are not
    /// taken: `write()` fails with this error.
    ///
    /// With [`Progress::Whole`], `write()` loads the stream
    /// ([`Operations::load`](super::Operations::load)), fails if that fails, and takes no byte
    /// after it. A stream of which this never says that it is whole is loaded by `RESUMING ->
    /// STOP`, too late for userspace to keep the source.
    fn check(&self, received: &[u8]) -> Result<Progress>;
}
