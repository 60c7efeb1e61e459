// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `bindings.h`.

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

/// `struct hisi_qm` of the kernel, always behind a pointer.
#[repr(C)]
pub(crate) struct hisi_qm {
    _opaque: [u8; 0],
}

/// What `poll.c` keeps, always behind a pointer.
#[repr(C)]
pub(crate) struct acc_link_poll {
    _opaque: [u8; 0],
}

include!(concat!(env!("HISI_ACC_LINK_OBJ"), "/bindings_generated.rs"));
