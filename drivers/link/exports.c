// SPDX-License-Identifier: GPL-2.0
/* Exports the symbols of the hisi_acc_link crate to the variant driver. Kbuild makes the list. */
#include <linux/export.h>

#include "build_id.h"
#include "exports_generated.h"
#include "hisi_acc_link_build.h"

BUILD_ID(HISI_ACC_LINK_BUILD);
