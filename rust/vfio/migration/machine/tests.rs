// SPDX-License-Identifier: GPL-2.0

//! Tests of the state machine, on a device that records what it is told to do and fails as the test
//! wants. The VFIO core has the table of states (`vfio_mig_get_next_state()`), the files are real.

mod arcs;
mod device;
mod failures;
mod resets;
