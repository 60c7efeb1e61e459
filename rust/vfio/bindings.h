/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for the vfio crate. Types that the kernel crate's own bindings have already
 * (struct device, struct pci_dev, struct file ...) are taken from there: see the allowlist in
 * bindgen_parameters.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "helpers.h"
