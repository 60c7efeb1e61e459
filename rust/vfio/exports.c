// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of the vfio crate to the modules that link it, the way rust/exports.c of the
 * kernel exports those of the kernel crate. The list is made from the object file at build time.
 */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
