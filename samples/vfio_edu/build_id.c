// SPDX-License-Identifier: GPL-2.0
/* Binds this module to the build of the layer that it uses. */
#include "build_id.h"
#include "vfio_rs_build.h"

BUILT_WITH(VFIO_RS_BUILD);
