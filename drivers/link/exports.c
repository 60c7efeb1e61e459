// SPDX-License-Identifier: GPL-2.0
/* Exports the symbols of the hisi_acc_link crate to the variant driver. Kbuild makes the list. */
#include <linux/export.h>

#include "exports_generated.h"
