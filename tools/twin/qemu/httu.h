/* SPDX-License-Identifier: GPL-2.0 */
/* The dirty bits of the machine's SMMU. */
#ifndef ACC_HTTU_H
#define ACC_HTTU_H

#include <stdbool.h>

#include "qapi/error.h"

/*
 * From now on the machine's SMMUv3 has HTTU. Before the guest runs. @with_cache: it caches the dirty
 * state of pages with their translations.
 */
void httu_enable(bool with_cache, Error **errp);

#endif
