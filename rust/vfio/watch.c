// SPDX-License-Identifier: GPL-2.0
/*
 * Watched parts of BARs: the driver learns whether userspace has reached them. A mapping of such a
 * part has the vm_operations of this file in front of the core's. Before a page of the part is put
 * into a page table, the part is marked as touched. An exclusion removes the pages from all page
 * tables, and makes faults wait.
 *
 * Why no access is missed:
 *
 * - A page of the part gets into a page table by a fault, under @sem; or by fork() or mremap(), from
 *   a page table that has it. These two serialize with unmap_mapping_range(), on which truncation
 *   of files relies too.
 * - The part is mapped page by page: a larger mapping could reach beyond it.
 * - A mapping cannot grow (VM_DONTEXPAND): one that has nothing of the part never will.
 * - vm_private_data is the core's device; the mapping holds the file, and the file the device.
 *
 * Lock order: mmap_lock or the VMA's, then @sem, then the core's memory_lock.
 */
#include <linux/mm.h>

#include "helpers.h"

static struct vfio_rs_watch *watch_of(struct vfio_pci_core_device *core)
{
	return &container_of(core, struct vfio_rs_device, core)->watch;
}

static struct vfio_rs_watched *watched_at(struct vfio_rs_watch *watch, u64 first, u64 last)
{
	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		struct vfio_rs_watched *part = &watch->bar[bar];

		if (first < part->end && last >= part->first)
			return part;
	}
	return NULL;
}

#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
static vm_fault_t watched_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vfio_rs_watch *watch = watch_of(vmf->vma->vm_private_data);
	const struct vm_operations_struct *core_ops = READ_ONCE(watch->core_ops);
	u64 below = (vmf->address >> PAGE_SHIFT) & ((1UL << order) - 1);
	u64 first = vmf->pgoff - below;

	/* The core maps no page that begins before the file. */
	if (vmf->pgoff < below || watched_at(watch, first, first + (1UL << order) - 1))
		return VM_FAULT_FALLBACK;
	return core_ops->huge_fault(vmf, order);
}
#endif

static vm_fault_t watched_fault(struct vm_fault *vmf)
{
	struct vfio_rs_watch *watch = watch_of(vmf->vma->vm_private_data);
	const struct vm_operations_struct *core_ops = READ_ONCE(watch->core_ops);
	struct vfio_rs_watched *part = watched_at(watch, vmf->pgoff, vmf->pgoff);
	vm_fault_t ret;

	if (!part)
		return core_ops->fault(vmf);

	down_read(&watch->sem);
	WRITE_ONCE(part->touched, true);
	ret = core_ops->fault(vmf);
	up_read(&watch->sem);
	return ret;
}

static const struct vm_operations_struct watched_ops = {
	.fault = watched_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = watched_huge_fault,
#endif
};

/* To be called before the device can be opened. */
void vfio_rs_watch_init(struct vfio_pci_core_device *core)
{
	init_rwsem(&watch_of(core)->sem);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_init);

/*
 * Watches @len bytes at @offset of the device file, which lie in @bar; whole pages. To be called
 * before the device can be mapped.
 */
void vfio_rs_watch_bar(struct vfio_pci_core_device *core, u32 bar, u64 offset, u64 len)
{
	watch_of(core)->bar[bar] = (struct vfio_rs_watched) {
		.first = offset >> PAGE_SHIFT,
		.end = (offset + len) >> PAGE_SHIFT,
		.touched = true,
	};
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_bar);

/* The core has just set up @vma. */
int vfio_rs_watch_vma(struct vfio_pci_core_device *core, struct vm_area_struct *vma)
{
	struct vfio_rs_watch *watch = watch_of(core);
	const struct vm_operations_struct *ops = vma->vm_ops;
	const struct vm_operations_struct known = {
		.fault = ops->fault,
		.huge_fault = ops->huge_fault,
	};

	if (!watched_at(watch, vma->vm_pgoff, vma->vm_pgoff + vma_pages(vma) - 1))
		return 0;
	/* Other operations of a later core would be lost. */
	if (WARN_ON_ONCE(memcmp(ops, &known, sizeof(known))))
		return -EINVAL;
	/* They are the same for all mappings. */
	WRITE_ONCE(watch->core_ops, ops);
	vma->vm_ops = &watched_ops;
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_vma);

/* Begins an access by the kernel on behalf of userspace. */
void vfio_rs_watch_touch(struct vfio_pci_core_device *core, u32 bar)
{
	struct vfio_rs_watch *watch = watch_of(core);

	down_read(&watch->sem);
	WRITE_ONCE(watch->bar[bar].touched, true);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_touch);

void vfio_rs_watch_touch_end(struct vfio_pci_core_device *core)
{
	up_read(&watch_of(core)->sem);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_touch_end);

bool vfio_rs_watch_touched(struct vfio_pci_core_device *core, u32 bar)
{
	return READ_ONCE(watch_of(core)->bar[bar].touched);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_touched);

/* Userspace cannot reach the watched part of @bar until vfio_rs_watch_release(). */
void vfio_rs_watch_exclude(struct vfio_pci_core_device *core, u32 bar)
{
	struct vfio_rs_watch *watch = watch_of(core);
	struct vfio_rs_watched *part = &watch->bar[bar];

	down_write(&watch->sem);
	unmap_mapping_range(core->vdev.inode->i_mapping, (loff_t)part->first << PAGE_SHIFT,
			    (loff_t)(part->end - part->first) << PAGE_SHIFT, true);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_exclude);

/* The part counts as not touched from now on. */
void vfio_rs_watch_release(struct vfio_pci_core_device *core, u32 bar)
{
	struct vfio_rs_watch *watch = watch_of(core);

	WRITE_ONCE(watch->bar[bar].touched, false);
	up_write(&watch->sem);
}
EXPORT_SYMBOL_GPL(vfio_rs_watch_release);
