/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HISI_ACC_VFIO_RS_PARAM_H
#define HISI_ACC_VFIO_RS_PARAM_H

/* The module's parameter dirty_tracking. */
unsigned int hisi_acc_vfio_rs_dirty_tracking(void);

#endif
