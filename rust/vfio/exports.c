// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of the vfio crate to the modules that link it, as rust/exports.c of the kernel
 * does for the kernel crate. Kbuild makes the list from the object file.
 */
#include <linux/export.h>

#include "build_id.h"
#include "exports_generated.h"
#include "vfio_rs_build.h"

BUILD_ID(VFIO_RS_BUILD);
