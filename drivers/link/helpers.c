// SPDX-License-Identifier: GPL-2.0
/*
 * C parts of hisi_acc_link: which PCI devices are PFs of the accelerators, bound to the in-tree
 * drivers, and the fields of their struct hisi_qm.
 */
#include <linux/device/bus.h>
#include <linux/hisi_acc_qm.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "helpers.h"

/*
 * The queue manager of a PF that one of the in-tree drivers has bound, else NULL. To be called with
 * the device lock held.
 *
 * The drivers put their private structure, which begins with struct hisi_qm, in the driver data of
 * a PF and of a VF alike (hisi_zip_probe() and its likes).
 */
static struct hisi_qm *acc_link_pf_qm(struct pci_dev *pdev)
{
	struct pci_driver *driver = pci_dev_driver(pdev);

	if (!driver || pdev->is_virtfn)
		return NULL;
	if (driver != hisi_zip_get_pf_driver() && driver != hisi_sec_get_pf_driver() &&
	    driver != hisi_hpre_get_pf_driver())
		return NULL;

	return pci_get_drvdata(pdev);
}

static int acc_link_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;
	struct pci_dev *pdev = to_pci_dev(dev);
	struct hisi_qm *qm;

	switch (action) {
	case BUS_NOTIFY_BOUND_DRIVER:
		qm = acc_link_pf_qm(pdev);
		if (qm)
			acc_link_pf_bound(pdev, qm);
		break;
	case BUS_NOTIFY_UNBIND_DRIVER:
		if (acc_link_pf_qm(pdev))
			acc_link_pf_unbind(pdev);
		break;
	}

	return NOTIFY_DONE;
}

static struct notifier_block acc_link_nb = {
	.notifier_call = acc_link_notify,
};

/* PFs that are bound already, then those that come. One that comes in between is reported twice. */
int acc_link_start(void)
{
	struct pci_dev *pdev = NULL;
	struct hisi_qm *qm;
	int ret;

	ret = bus_register_notifier(&pci_bus_type, &acc_link_nb);
	if (ret)
		return ret;

	for_each_pci_dev(pdev) {
		device_lock(&pdev->dev);
		if (device_is_bound(&pdev->dev)) {
			qm = acc_link_pf_qm(pdev);
			if (qm)
				acc_link_pf_bound(pdev, qm);
		}
		device_unlock(&pdev->dev);
	}

	return 0;
}

/* Every PF is taken away, with its device lock held as for an unbinding; then nobody is told more. */
void acc_link_stop(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		device_lock(&pdev->dev);
		acc_link_pf_unbind(pdev);
		device_unlock(&pdev->dev);
	}

	bus_unregister_notifier(&pci_bus_type, &acc_link_nb);
}

u32 acc_link_qm_version(const struct hisi_qm *qm)
{
	return qm->ver;
}

u32 acc_link_qm_readl(const struct hisi_qm *qm, u32 offset)
{
	return readl(qm->io_base + offset);
}

void acc_link_qm_writel(const struct hisi_qm *qm, u32 offset, u32 value)
{
	writel(value, qm->io_base + offset);
}

/* QM_RESETTING is what the in-tree drivers queue their resets by (qm_reset_prepare_ready()). */
bool acc_link_qm_reset_trylock(struct hisi_qm *qm)
{
	return !test_and_set_bit(QM_RESETTING, &qm->misc_ctl);
}

void acc_link_qm_reset_unlock(struct hisi_qm *qm)
{
	clear_bit(QM_RESETTING, &qm->misc_ctl);
}

bool acc_link_qm_is_resetting(const struct hisi_qm *qm)
{
	return test_bit(QM_RESETTING, &qm->misc_ctl);
}

/* Not while it is being reset: hisi_qm_reset_prepare() and qm_soft_reset_prepare() stop it. */
bool acc_link_qm_works(const struct hisi_qm *qm)
{
	return atomic_read(&qm->status.flags) == QM_WORK;
}

u32 acc_link_domain(struct pci_dev *pdev)
{
	return pci_domain_nr(pdev->bus);
}
