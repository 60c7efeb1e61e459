// SPDX-License-Identifier: GPL-2.0
/*
 * C parts of the vfio crate. No policy lives here: each function is one inline function, macro,
 * instruction or function type that Rust cannot name.
 */
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/interval_tree.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/poll.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/unaligned.h>

#if IS_BUILTIN(CONFIG_KUNIT)
#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#endif

#include "helpers.h"

/* __poll_t is a type of its own to sparse, and an integer in Rust. */
static __poll_t vfio_rs_poll(struct file *file, struct poll_table_struct *table)
{
	return (__force __poll_t)vfio_rs_saving_poll(file, table);
}

/* The files' code is in this module, so this module is what an open file holds. */
const struct file_operations vfio_rs_saving_fops = {
	.owner = THIS_MODULE,
	.read = vfio_rs_saving_read,
	.poll = vfio_rs_poll,
	.unlocked_ioctl = vfio_rs_saving_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vfio_rs_release,
};

const struct file_operations vfio_rs_resuming_fops = {
	.owner = THIS_MODULE,
	.write = vfio_rs_resuming_write,
	.release = vfio_rs_release,
};

static const struct vfio_rs_migration *vfio_rs_migration(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_rs_device, core.vdev)->migration;
}

static struct file *vfio_rs_set_state(struct vfio_device *vdev,
				      enum vfio_device_mig_state state)
{
	return vfio_rs_migration(vdev)->set_state(vdev, state);
}

static int vfio_rs_get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	u32 raw;
	int ret = vfio_rs_migration(vdev)->get_state(vdev, &raw);

	if (!ret)
		*state = raw;
	return ret;
}

static int vfio_rs_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	return vfio_rs_migration(vdev)->get_data_size(vdev, length);
}

const struct vfio_migration_ops vfio_rs_mig_ops = {
	.migration_set_state = vfio_rs_set_state,
	.migration_get_state = vfio_rs_get_state,
	.migration_get_data_size = vfio_rs_get_data_size,
};
EXPORT_SYMBOL_GPL(vfio_rs_mig_ops);

void vfio_rs_wait_init(struct wait_queue_head *queue)
{
	init_waitqueue_head(queue);
}
EXPORT_SYMBOL_GPL(vfio_rs_wait_init);

void vfio_rs_wait_wake(struct wait_queue_head *queue)
{
	wake_up_poll(queue, EPOLLIN | EPOLLRDNORM);
}
EXPORT_SYMBOL_GPL(vfio_rs_wait_wake);

void vfio_rs_wait_poll(struct file *file, struct wait_queue_head *queue,
		       struct poll_table_struct *table)
{
	poll_wait(file, queue, table);
}
EXPORT_SYMBOL_GPL(vfio_rs_wait_poll);

void vfio_rs_put_device(struct vfio_device *vdev)
{
	vfio_put_device(vdev);
}
EXPORT_SYMBOL_GPL(vfio_rs_put_device);

void vfio_rs_fput(struct file *file)
{
	fput(file);
}
EXPORT_SYMBOL_GPL(vfio_rs_fput);

void vfio_rs_get_file(struct file *file)
{
	get_file(file);
}
EXPORT_SYMBOL_GPL(vfio_rs_get_file);

void vfio_rs_ratelimit_init(struct ratelimit_state *rs)
{
	ratelimit_state_init(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	ratelimit_set_flags(rs, RATELIMIT_MSG_ON_RELEASE);
}
EXPORT_SYMBOL_GPL(vfio_rs_ratelimit_init);

/* Reports how many lines were suppressed. */
void vfio_rs_ratelimit_exit(struct ratelimit_state *rs)
{
	ratelimit_state_exit(rs);
}
EXPORT_SYMBOL_GPL(vfio_rs_ratelimit_exit);

bool vfio_rs_ratelimit(struct ratelimit_state *rs)
{
	return __ratelimit(rs);
}
EXPORT_SYMBOL_GPL(vfio_rs_ratelimit);

/*
 * One 16-byte access where the CPU has it (a device may take the two halves as one message), two
 * 8-byte ones, low half first, elsewhere.
 */
void vfio_rs_write128(void __iomem *addr, u64 lo, u64 hi)
{
#ifdef CONFIG_ARM64
	/* What the device is to find in memory is there before it is told. */
	wmb();
	asm volatile("stp %x1, %x2, %0"
		     : "=Q" (*(volatile __uint128_t __force *)addr)
		     : "rZ" (lo), "rZ" (hi)
		     : "memory");
#else
	writeq(lo, addr);
	writeq(hi, addr + 8);
#endif
}
EXPORT_SYMBOL_GPL(vfio_rs_write128);

void vfio_rs_read128(const void __iomem *addr, u64 *lo, u64 *hi)
{
#ifdef CONFIG_ARM64
	asm volatile("ldp %0, %1, %2"
		     : "=r" (*lo), "=r" (*hi)
		     : "Q" (*(const volatile __uint128_t __force *)addr)
		     : "memory");
	/* What the device wrote before this is read after it. */
	rmb();
#else
	*lo = readq(addr);
	*hi = readq(addr + 8);
#endif
}
EXPORT_SYMBOL_GPL(vfio_rs_read128);

/*
 * Begins accesses to the mapped BARs of an open device: -EIO if it takes none, because userspace has
 * switched its memory off or put it into D3. The core does the same for the accesses of userspace.
 */
int vfio_rs_access_begin(struct vfio_pci_core_device *core)
{
	struct pci_dev *pdev = core->pdev;
	u16 command;

	down_read(&core->memory_lock);
	command = get_unaligned_le16(&core->vconfig[PCI_COMMAND]);
	/* The command register of a VF has no such bit. */
	if (pdev->current_state < PCI_D3hot &&
	    (pdev->no_command_memory || command & PCI_COMMAND_MEMORY))
		return 0;
	up_read(&core->memory_lock);
	return -EIO;
}
EXPORT_SYMBOL_GPL(vfio_rs_access_begin);

void vfio_rs_access_end(struct vfio_pci_core_device *core)
{
	up_read(&core->memory_lock);
}
EXPORT_SYMBOL_GPL(vfio_rs_access_end);

/* False for an I/O-port BAR: its mapping is a cookie, which readl() must not see. */
bool vfio_rs_is_memory(struct pci_dev *pdev, unsigned int bar)
{
	return pci_resource_flags(pdev, bar) & IORESOURCE_MEM;
}
EXPORT_SYMBOL_GPL(vfio_rs_is_memory);

/* The PF of a VF, NULL where @pdev is no VF. */
struct pci_dev *vfio_rs_physfn(struct pci_dev *pdev)
{
	return pdev->is_virtfn ? pci_physfn(pdev) : NULL;
}
EXPORT_SYMBOL_GPL(vfio_rs_physfn);

int vfio_rs_vf_index(struct pci_dev *pdev)
{
	return pci_iov_vf_id(pdev);
}
EXPORT_SYMBOL_GPL(vfio_rs_vf_index);

struct vfio_rs_others {
	struct device *self;
	struct device **devices;
	unsigned int max;
	unsigned int count;
};

static int vfio_rs_add_other(struct device *dev, void *data)
{
	struct vfio_rs_others *others = data;

	if (dev == others->self)
		return 0;
	if (others->count < others->max)
		others->devices[others->count] = get_device(dev);
	others->count++;
	return 0;
}

/*
 * Stores references of up to @max other devices of the IOMMU group of @pdev, which is bound, in
 * @devices. Returns how many other devices there are in all, -ENODEV if @pdev has no group.
 */
int vfio_rs_group_others(struct pci_dev *pdev, struct device **devices, unsigned int max)
{
	struct vfio_rs_others others = {
		.self = &pdev->dev, .devices = devices, .max = max,
	};
	struct iommu_group *group = iommu_group_get(&pdev->dev);

	if (!group)
		return -ENODEV;
	iommu_group_for_each_dev(group, &others, vfio_rs_add_other);
	iommu_group_put(group);
	return others.count;
}
EXPORT_SYMBOL_GPL(vfio_rs_group_others);

int vfio_rs_pm_get(struct pci_dev *pdev)
{
	return pm_runtime_resume_and_get(&pdev->dev);
}
EXPORT_SYMBOL_GPL(vfio_rs_pm_get);

void vfio_rs_pm_put(struct pci_dev *pdev)
{
	pm_runtime_put(&pdev->dev);
}
EXPORT_SYMBOL_GPL(vfio_rs_pm_put);

bool vfio_rs_iommu_tracks(struct pci_dev *pdev)
{
	return device_iommu_capable(&pdev->dev, IOMMU_CAP_DIRTY_TRACKING);
}
EXPORT_SYMBOL_GPL(vfio_rs_iommu_tracks);

/* Whether @vdev, which is open, is bound to an iommufd. Else a container has it. */
bool vfio_rs_uses_iommufd(struct vfio_device *vdev)
{
	return vfio_iommufd_device_ictx(vdev);
}
EXPORT_SYMBOL_GPL(vfio_rs_uses_iommufd);

/*
 * By its register: a guest writes that, and pdev->is_busmaster knows nothing of it. In D3hot it
 * means nothing.
 */
bool vfio_rs_masters_bus(struct pci_dev *pdev)
{
	u16 command;

	if (READ_ONCE(pdev->current_state) == PCI_D3hot)
		return false;
	return pci_read_config_word(pdev, PCI_COMMAND, &command) || command & PCI_COMMAND_MASTER;
}
EXPORT_SYMBOL_GPL(vfio_rs_masters_bus);

#if IS_ENABLED(CONFIG_IOMMUFD)
/* The namespace is this module's: drivers, into which generic code goes, do not import it. */

/* Nothing is pinned, so there is nothing to let go of; but iommufd calls it. */
static void vfio_rs_access_unmap(void *data, unsigned long iova, unsigned long length)
{
}

static const struct iommufd_access_ops vfio_rs_access_ops = {
	.unmap = vfio_rs_access_unmap,
};

struct iommufd_access *vfio_rs_access_create(struct iommufd_ctx *ictx)
{
	u32 id;

	return iommufd_access_create(ictx, &vfio_rs_access_ops, NULL, &id);
}
EXPORT_SYMBOL_GPL(vfio_rs_access_create);

/*
 * Says whether the device is attached to one page table that iommufd fills, and to that alone. The
 * domain stays, because the caller keeps the device attached, and a device that shares its group,
 * which other devices could move, has none here.
 */
bool vfio_rs_has_paging_domain(struct pci_dev *pdev)
{
	struct iommu_domain *domain;

	if (vfio_rs_group_others(pdev, NULL, 0))
		return false;
	domain = iommu_get_domain_for_dev(&pdev->dev);
	return domain && domain->type == IOMMU_DOMAIN_UNMANAGED;
}
EXPORT_SYMBOL_GPL(vfio_rs_has_paging_domain);

int vfio_rs_access_attach(struct iommufd_access *access, u32 ioas_id)
{
	return iommufd_access_attach(access, ioas_id);
}
EXPORT_SYMBOL_GPL(vfio_rs_access_attach);

void vfio_rs_access_detach(struct iommufd_access *access)
{
	iommufd_access_detach(access);
}
EXPORT_SYMBOL_GPL(vfio_rs_access_detach);

void vfio_rs_access_destroy(struct iommufd_access *access)
{
	iommufd_access_destroy(access);
}
EXPORT_SYMBOL_GPL(vfio_rs_access_destroy);
#endif

/* By @access, or by the container where there is none. */
int vfio_rs_dma_read(struct vfio_device *vdev, struct iommufd_access *access, u64 iova,
		     void *data, size_t len)
{
	/*
	 * Both ways take a task without memory for a thread of the kernel, and borrow the user's. A
	 * task that is exiting has none either, and must not.
	 */
	if (!current->mm && !(current->flags & PF_KTHREAD))
		return -ESRCH;
	if (!access)
		return vfio_dma_rw(vdev, iova, data, len, false);
	if (iova > ULONG_MAX)
		return -EINVAL;
	return iommufd_access_rw(access, iova, data, len,
				 current->mm ? IOMMUFD_ACCESS_RW_READ : IOMMUFD_ACCESS_RW_KTHREAD);
}
EXPORT_SYMBOL_GPL(vfio_rs_dma_read);

bool vfio_rs_is_dying(void)
{
	return fatal_signal_pending(current);
}
EXPORT_SYMBOL_GPL(vfio_rs_is_dying);

/* The range after @at, which becomes @at; the first where that is NULL. False behind the last one. */
bool vfio_rs_next_range(struct rb_root_cached *root, void **at, u64 *start, u64 *last)
{
	struct interval_tree_node *node;

	if (*at)
		node = interval_tree_iter_next(*at, 0, ULONG_MAX);
	else
		node = interval_tree_iter_first(root, 0, ULONG_MAX);
	if (!node)
		return false;
	*at = node;
	*start = node->start;
	*last = node->last;
	return true;
}
EXPORT_SYMBOL_GPL(vfio_rs_next_range);

void vfio_rs_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova, size_t len)
{
	iova_bitmap_set(bitmap, iova, len);
}
EXPORT_SYMBOL_GPL(vfio_rs_bitmap_set);

void vfio_rs_vma_range(const struct vm_area_struct *vma, u64 *pgoff, u64 *len)
{
	*pgoff = vma->vm_pgoff;
	*len = vma->vm_end - vma->vm_start;
}
EXPORT_SYMBOL_GPL(vfio_rs_vma_range);

MODULE_DESCRIPTION("Rust abstractions for VFIO PCI variant drivers");
MODULE_AUTHOR("The hisi-acc-vfio-rs authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("IOMMUFD");

static int vfio_rs_debug_file_show(struct seq_file *seq, void *unused)
{
	return vfio_rs_debug_show(seq, seq->private);
}
DEFINE_SHOW_ATTRIBUTE(vfio_rs_debug_file);

/* A folder below the one that the core has for the device's migration; NULL where there is none. */
struct dentry *vfio_rs_debugfs_dir(struct vfio_device *vdev, const char *name)
{
#ifdef CONFIG_VFIO_DEBUGFS
	struct dentry *migration, *dir;

	migration = debugfs_lookup("migration", vdev->debug_root);
	if (!migration)
		return NULL;
	dir = debugfs_create_dir(name, migration);
	dput(migration);
	return dir;
#else
	return NULL;
#endif
}
EXPORT_SYMBOL_GPL(vfio_rs_debugfs_dir);

void vfio_rs_debugfs_file(struct dentry *dir, const char *name, void *private)
{
	debugfs_create_file(name, 0444, dir, private, &vfio_rs_debug_file_fops);
}
EXPORT_SYMBOL_GPL(vfio_rs_debugfs_file);

void vfio_rs_seq_hex_dump(struct seq_file *seq, const char *prefix, const void *bytes, size_t len)
{
	seq_hex_dump(seq, prefix, DUMP_PREFIX_OFFSET, 16, 1, bytes, len, false);
}
EXPORT_SYMBOL_GPL(vfio_rs_seq_hex_dump);

#if IS_BUILTIN(CONFIG_KUNIT)
/*
 * The address space of a test goes with its last mapping. kunit_vm_mmap() leaves it to the end of
 * the thread, where the reference that kthread_use_mm() took is lost.
 */
static void test_mm_put(struct mm_struct *mm)
{
	if (atomic_read(&mm->mm_users) != 1)
		return;
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Maps user memory for the thread of a test: its address, 0 on error. */
unsigned long vfio_rs_test_memory(unsigned long len)
{
	unsigned long address;

	if (kunit_attach_mm())
		return 0;
	address = vm_mmap(NULL, 0, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(address)) {
		test_mm_put(current->mm);
		return 0;
	}
	mmget(current->mm);
	return address;
}

/* Unmaps what vfio_rs_test_memory() has mapped for this thread. */
void vfio_rs_test_memory_end(unsigned long address, unsigned long len)
{
	struct mm_struct *mm = current->mm;

	vm_munmap(address, len);
	mmput(mm);
	test_mm_put(mm);
}
#endif
