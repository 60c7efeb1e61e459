// SPDX-License-Identifier: GPL-2.0

//! Error codes.

use crate::alloc::AllocError;

/// An error code of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(i32);

/// A result whose error is an error code.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl Error {
    /// Returns the error code, which is negative.
    pub fn to_errno(self) -> i32 {
        self.0
    }
}

/// The error codes, with the numbers of `errno-base.h`.
pub mod code {
    use super::Error;

    macro_rules! codes {
        ($($name:ident = $number:literal,)*) => {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                pub const $name: Error = Error(-$number);
            )*

            /// Returns the name of a code.
            pub(super) fn name(error: Error) -> Option<&'static str> {
                match error {
                    $($name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        };
    }

    codes! {
        EPERM = 1,
        EIO = 5,
        EAGAIN = 11,
        ENOMEM = 12,
        EFAULT = 14,
        EBUSY = 16,
        ENODEV = 19,
        EINVAL = 22,
        ENOTTY = 25,
    }
}

impl core::fmt::Debug for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match code::name(*self) {
            Some(name) => f.write_str(name),
            None => f.debug_tuple("Error").field(&self.0).finish(),
        }
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl From<core::num::TryFromIntError> for Error {
    fn from(_: core::num::TryFromIntError) -> Self {
        code::EINVAL
    }
}
