// SPDX-License-Identifier: GPL-2.0

//! The attributes of the kernel's Rust API, on the host.

use proc_macro::TokenStream;

/// Compiles a module of KUnit tests as unit tests. The kernel's attribute makes a suite of it.
#[proc_macro_attribute]
pub fn kunit_tests(_suite: TokenStream, module: TokenStream) -> TokenStream {
    let mut gated: TokenStream = "#[cfg(test)]".parse().expect("an attribute");
    gated.extend(module);
    gated
}
