// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `bindings.h` and `helpers.h`. Not for drivers.

#![doc(hidden)]
#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

use kernel::{
    bindings::*,
    ffi, //
};

include!(concat!(env!("VFIO_RS_OBJ"), "/bindings_generated.rs"));
