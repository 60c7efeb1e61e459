// SPDX-License-Identifier: GPL-2.0

//! The module's parameter, which C implements (`param.c`).

use core::ffi::c_uint;

unsafe extern "C" {
    safe fn hisi_acc_vfio_rs_dirty_tracking() -> c_uint;
}

/// Returns the number of the parameter's word, in the order of `param.c`.
pub(crate) fn dirty_tracking() -> c_uint {
    hisi_acc_vfio_rs_dirty_tracking()
}
