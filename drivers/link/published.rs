// SPDX-License-Identifier: GPL-2.0

//! What other drivers find at an auxiliary device.

use crate::{
    compat::CovariantForLt,
    pf::PfQm, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The name of the auxiliary devices, after the module's.
pub const AUXILIARY_NAME: &CStr = c"qm";

/// The name of this module, which the auxiliary bus puts before the name of its devices.
pub const MODULE_NAME: &CStr = c"hisi_acc_link";

/// The type which the registration data is to be asked for, as
/// [`ForLt`](trait@kernel::types::ForLt) encoding.
pub type RegistrationData = CovariantForLt!(Published);

/// What the auxiliary device carries for the driver that binds it.
pub struct Published(pub(crate) Arc<PfQm>);

impl Published {
    /// Returns the handle, to keep.
    pub fn handle(&self) -> Arc<PfQm> {
        self.0.clone()
    }
}
