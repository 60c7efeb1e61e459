// SPDX-License-Identifier: GPL-2.0
#include <linux/export.h>
#include <linux/init.h>
#include <linux/types.h>

int acc_modules_test_late(void);

#ifdef UNUSED_FUNCTION
static int nobody_calls(void)
{
	return 0;
}
#endif

int __init acc_modules_test_late(void)
{
	return 1;
}
#ifdef EXPORT_OF_INIT
EXPORT_SYMBOL_GPL(acc_modules_test_late);
#endif
