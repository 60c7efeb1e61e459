// SPDX-License-Identifier: GPL-2.0
/* Binds this module to the builds of the modules that it uses. */
#include "build_id.h"
#include "hisi_acc_link_build.h"
#include "vfio_rs_build.h"

BUILT_WITH(VFIO_RS_BUILD);
BUILT_WITH(HISI_ACC_LINK_BUILD);
