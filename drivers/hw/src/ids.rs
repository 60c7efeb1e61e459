// SPDX-License-Identifier: GPL-2.0

//! PCI identity of the functions. The device IDs are in [`Descriptor`](crate::Descriptor), the
//! revisions in [`Layout`](crate::generation::Layout).

/// `PCI_VENDOR_ID_HUAWEI`
pub const VENDOR_HUAWEI: u16 = 0x19e5;

/// Returns the number of the auxiliary device that publishes the PF at `devid`, bus and devfn, of a
/// PCI domain. No two PFs of a host have the same.
pub const fn auxiliary_number(domain: u16, devid: u16) -> u32 {
    // CAST: Widen; `From` is not const.
    ((domain as u32) << 16) | devid as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pfs_of_two_domains_have_two_numbers() {
        assert_eq!(auxiliary_number(0, 0x7500), 0x7500);
        assert_eq!(auxiliary_number(1, 0x7500), 0x1_7500);
        assert_eq!(auxiliary_number(0xffff, 0xffff), u32::MAX);
    }
}
