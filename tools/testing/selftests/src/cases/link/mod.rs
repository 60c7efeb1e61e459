// SPDX-License-Identifier: GPL-2.0

pub mod in_load;
pub mod notify;
pub mod unbind;
