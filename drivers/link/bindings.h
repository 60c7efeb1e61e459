/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for hisi_acc_link. */
#include <linux/hisi_acc_qm.h>

#include "helpers.h"
