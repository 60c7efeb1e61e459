// SPDX-License-Identifier: GPL-2.0
/* The module's parameter. It is a word, which module! does not support. See policy.rs. */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "param.h"

/* In the order of `Mode` of policy.rs. */
static const char * const modes[] = { "auto", "on", "off" };
static unsigned int mode;

static int mode_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(modes, val);

	if (i < 0)
		return i;
	WRITE_ONCE(mode, i);
	return 0;
}

static int mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", modes[READ_ONCE(mode)]);
}

static const struct kernel_param_ops mode_ops = {
	.set = mode_set,
	.get = mode_get,
};

module_param_cb(dirty_tracking, &mode_ops, NULL, 0644);
__MODULE_PARM_TYPE(dirty_tracking, "charp");
MODULE_PARM_DESC(dirty_tracking,
		 "See what VFs write, for live migration: auto (default: where the IOMMU cannot), on, off. For VFs bound later");

unsigned int hisi_acc_vfio_rs_dirty_tracking(void)
{
	return READ_ONCE(mode);
}
