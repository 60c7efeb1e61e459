/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What hisi_acc_link needs from C: the fields of struct hisi_qm, whose layout is the kernel's
 * business, and the bus notifier.
 */
#ifndef ACC_LINK_HELPERS_H
#define ACC_LINK_HELPERS_H

#include <linux/pci.h>

struct hisi_qm;
struct acc_link_poll;

/* Implemented in Rust (notify.rs). Called with the device lock of @pdev held. */
void acc_link_pf_bound(struct pci_dev *pdev, struct hisi_qm *qm);
void acc_link_pf_unbind(struct pci_dev *pdev);

int acc_link_start(void);
void acc_link_stop(void);

u32 acc_link_domain(struct pci_dev *pdev);

u32 acc_link_qm_version(const struct hisi_qm *qm);
u32 acc_link_qm_readl(const struct hisi_qm *qm, u32 offset);
void acc_link_qm_writel(const struct hisi_qm *qm, u32 offset, u32 value);
bool acc_link_qm_reset_trylock(struct hisi_qm *qm);
void acc_link_qm_reset_unlock(struct hisi_qm *qm);
bool acc_link_qm_is_resetting(const struct hisi_qm *qm);
bool acc_link_qm_works(const struct hisi_qm *qm);

/* @look is called with @owner, and returns whether to call it again. */
struct acc_link_poll *acc_link_poll_new(const void *owner, bool (*look)(const void *owner));
void acc_link_poll_start(struct acc_link_poll *poll);
void acc_link_poll_free(struct acc_link_poll *poll);

#endif
