// SPDX-License-Identifier: GPL-2.0

//! The tracking of VFs: the parameter of the module, and one VF that is switched for a while.

use acc_vfio_user::{host::Function, Result};

/// The parameter of the module: the mode of VFs that are bound from then on.
pub const PARAMETER: &str = "/sys/module/hisi_acc_vfio_rs/parameters/dirty_tracking";

/// A VF with a word in its `dirty_tracking`. The default comes back when this is dropped, after the
/// VF was closed.
pub struct Mode<'a>(&'a Function);

impl<'a> Mode<'a> {
    pub fn new(vf: &'a Function, word: &str) -> Result<Self> {
        vf.set_attribute("dirty_tracking", word)?;
        Ok(Self(vf))
    }
}

impl Drop for Mode<'_> {
    fn drop(&mut self) {
        let _ = self.0.set_attribute("dirty_tracking", "auto");
    }
}
