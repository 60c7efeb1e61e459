// SPDX-License-Identifier: GPL-2.0

//! Attributes that a driver adds to its devices in sysfs, beside those of PCI.
//!
//! The driver core makes them when the device is bound and takes them away before it is unbound
//! (`device_driver.dev_groups`): while one is read or written, the device is there.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

use crate::handle::Handles;
use kernel::{
    fmt,
    prelude::*, //
};

/// How many attributes a driver can have.
pub const MAX: usize = 8;

/// Takes all that was written to an attribute.
pub type Store<D> = fn(&<D as Handles>::Device, &[u8]) -> Result;

/// An attribute.
pub struct Attribute<D: Handles> {
    /// Its name.
    pub name: &'static CStr,
    /// Shows it: at most a page, with a newline at the end.
    pub show: fn(&D::Device, &mut Text<'_>) -> Result,
    /// Stores what was written; `None` if the attribute is read-only.
    pub store: Option<Store<D>>,
}

/// The text that an attribute shows.
pub struct Text<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl<'a> Text<'a> {
    /// Returns an empty text in `page`.
    pub(crate) fn new(page: &'a mut [u8]) -> Self {
        Self { page, len: 0 }
    }

    /// Returns the number of bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len.checked_add(s.len()).ok_or(fmt::Error)?;
        let to = self.page.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}
