// SPDX-License-Identifier: GPL-2.0

//! Errors: a text for people, and error numbers.

/// Any failure, as a text.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Fails with a message if a condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}

/// Returns the error number of a failure, and 0 for success.
pub fn errno<T>(result: std::io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(e) => e.raw_os_error().unwrap_or(-1),
    }
}
