// SPDX-License-Identifier: GPL-2.0
/*
 * A look at a PF from time to time: hisi_qm tells nobody that it resets a PF.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "helpers.h"

/*
 * hisi_qm has a PF stopped for longer than pcie_flr() waits, which is 100 ms, when its function is
 * reset, and for as long as ACPI takes to reset its controller, of which nothing is known. What is
 * missed is for the guest to find out, as it is without us: the PF tells its driver.
 */
#define ACC_LINK_POLL_MS 50

struct acc_link_poll {
	struct delayed_work work;
	const void *owner;
	bool (*look)(const void *owner);
};

static void acc_link_poll_work(struct work_struct *work)
{
	struct acc_link_poll *poll = container_of(to_delayed_work(work), struct acc_link_poll, work);

	if (poll->look(poll->owner))
		acc_link_poll_start(poll);
}

struct acc_link_poll *acc_link_poll_new(const void *owner, bool (*look)(const void *owner))
{
	struct acc_link_poll *poll = kzalloc_obj(*poll);

	if (!poll)
		return NULL;
	INIT_DELAYED_WORK(&poll->work, acc_link_poll_work);
	poll->owner = owner;
	poll->look = look;
	return poll;
}

/* Does nothing if it is started already. The work goes on until @look returns false. */
void acc_link_poll_start(struct acc_link_poll *poll)
{
	schedule_delayed_work(&poll->work, msecs_to_jiffies(ACC_LINK_POLL_MS));
}

/* Waits for a call that is in progress. */
void acc_link_poll_free(struct acc_link_poll *poll)
{
	cancel_delayed_work_sync(&poll->work);
	kfree(poll);
}
