// SPDX-License-Identifier: GPL-2.0

//! The C structures of a driver's attributes in sysfs.

use crate::{
    pci::{
        device::Device,
        driver::Driver, //
    },
    sysfs::{
        Attribute,
        Text,
        MAX, //
    },
};
use core::fmt::Write;
use core::marker::PhantomData;
use kernel::{
    bindings as kbindings,
    error::from_result,
    prelude::*, //
};

/// The C structures of one driver's attributes.
pub(in crate::pci) struct Table<D: Driver>(PhantomData<D>);

/// How many attributes a device has at most: those of its driver, and one of the layer.
const ALL: usize = MAX + 1;

impl<D: Driver> Table<D> {
    /// The layer's own.
    const BLOCKER: &'static Attribute<D> = &Attribute {
        name: c"migration_blocker",
        show: Self::show_blocker,
        store: None,
    };

    const ATTRIBUTES: &'static [kbindings::device_attribute; ALL] = &Self::attributes();
    const POINTERS: &'static [*mut kbindings::attribute; ALL + 1] = &Self::pointers();
    const GROUP: &'static kbindings::attribute_group = &Self::group();

    /// The groups for `device_driver.dev_groups`.
    pub(in crate::pci) const GROUPS: &'static [*const kbindings::attribute_group; 2] =
        &[core::ptr::from_ref(Self::GROUP), core::ptr::null()];

    /// Returns an attribute: the layer's is the first.
    const fn attribute(i: usize) -> &'static Attribute<D> {
        match i {
            0 => Self::BLOCKER,
            i => &D::ATTRIBUTES[i - 1],
        }
    }

    const fn attributes() -> [kbindings::device_attribute; ALL] {
        const NONE: kbindings::device_attribute = pin_init::zeroed();

        assert!(D::ATTRIBUTES.len() <= MAX);
        let mut all = [NONE; ALL];
        let mut i = 0;
        while i <= D::ATTRIBUTES.len() {
            let attribute = Self::attribute(i);
            all[i].attr.name = kernel::str::as_char_ptr_in_const_context(attribute.name);
            all[i].attr.mode = match attribute.store {
                Some(_) => 0o644,
                None => 0o444,
            };
            all[i].__bindgen_anon_1.show = Some(Self::show);
            all[i].__bindgen_anon_2.store = Some(Self::store);
            i += 1;
        }
        all
    }

    const fn pointers() -> [*mut kbindings::attribute; ALL + 1] {
        let mut all = [core::ptr::null_mut(); ALL + 1];
        let mut i = 0;
        while i <= D::ATTRIBUTES.len() {
            all[i] = (&raw const Self::ATTRIBUTES[i].attr).cast_mut();
            i += 1;
        }
        all
    }

    const fn group() -> kbindings::attribute_group {
        let mut group: kbindings::attribute_group = pin_init::zeroed();
        group.__bindgen_anon_2.attrs = Self::POINTERS.as_ptr().cast_mut();
        group
    }

    /// Returns the driver's attribute for a C structure.
    ///
    /// # Safety
    ///
    /// `attr` must be one of [`Self::ATTRIBUTES`].
    unsafe fn find(attr: *const kbindings::device_attribute) -> Result<&'static Attribute<D>> {
        // SAFETY: By the safety requirement.
        let name = unsafe { (*attr).attr.name };
        (0..=D::ATTRIBUTES.len())
            .map(Self::attribute)
            .find(|attribute| attribute.name.as_char_ptr() == name)
            .ok_or(EIO)
    }

    /// Shows why the device does not migrate: a line, which is empty if it does.
    fn show_blocker(dev: &Device<D>, text: &mut Text<'_>) -> Result {
        D::migration_blocker(dev, text)?;
        text.write_str("\n").map_err(|_| EIO)
    }

    /// # Safety
    ///
    /// `dev` must be that of a PCI device bound to this driver.
    unsafe fn device<'a>(dev: *mut kbindings::device) -> &'a Device<D> {
        // SAFETY: By the safety requirement.
        unsafe {
            let pdev = kernel::container_of!(dev, kbindings::pci_dev, dev);
            Device::from_pci(pdev)
        }
    }

    /// # Safety
    ///
    /// To be called by sysfs for an attribute of a device bound to this driver, `buf` being a page.
    unsafe extern "C" fn show(
        dev: *mut kbindings::device,
        attr: *mut kbindings::device_attribute,
        buf: *mut c_char,
    ) -> isize {
        // SAFETY: By the safety requirement; sysfs has cleared the page.
        let (dev, attribute, page) = unsafe {
            (
                Self::device(dev),
                Self::find(attr),
                core::slice::from_raw_parts_mut(buf.cast::<u8>(), kernel::page::PAGE_SIZE),
            )
        };
        from_result(|| {
            let mut text = Text::new(page);
            (attribute?.show)(dev, &mut text)?;
            Ok(isize::try_from(text.len())?)
        })
    }

    /// # Safety
    ///
    /// To be called by sysfs for an attribute of a device bound to this driver, `buf` having
    /// `count` bytes.
    unsafe extern "C" fn store(
        dev: *mut kbindings::device,
        attr: *mut kbindings::device_attribute,
        buf: *const c_char,
        count: usize,
    ) -> isize {
        // SAFETY: By the safety requirement.
        let (dev, attribute, bytes) = unsafe {
            (
                Self::device(dev),
                Self::find(attr),
                core::slice::from_raw_parts(buf.cast::<u8>(), count),
            )
        };
        from_result(|| {
            let store = attribute?.store.ok_or(EACCES)?;
            store(dev, bytes)?;
            Ok(isize::try_from(count)?)
        })
    }
}
