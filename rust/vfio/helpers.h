/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the vfio crate needs from C: inline functions, macros, and tables that name THIS_MODULE.
 */
#ifndef VFIO_RS_HELPERS_H
#define VFIO_RS_HELPERS_H

#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/iova_bitmap.h>
#include <linux/pci.h>
#include <linux/ratelimit_types.h>
#include <linux/seq_file.h>
#include <linux/vfio_pci_core.h>

/* Part of a BAR, in pages of the device file. */
struct vfio_rs_watched {
	u64 first;
	u64 end;
	bool touched;
};

struct vfio_rs_watch {
	struct rw_semaphore sem;
	const struct vm_operations_struct *core_ops;
	struct vfio_rs_watched bar[PCI_STD_NUM_BARS];
};

/*
 * struct vfio_migration_ops in Rust. Bindings have an integer for each enum, and a function that takes
 * an integer has another type than one that takes an enum: with CONFIG_CFI its indirect call from C is
 * fatal. So states are u32 here, and vfio_rs_mig_ops has callbacks in C (helpers.c).
 */
struct vfio_rs_migration {
	struct file *(*set_state)(struct vfio_device *vdev, u32 state);
	int (*get_state)(struct vfio_device *vdev, u32 *state);
	int (*get_data_size)(struct vfio_device *vdev, unsigned long *length);
};

/* What a device of the crate begins with. */
struct vfio_rs_device {
	struct vfio_pci_core_device core;
	struct vfio_rs_watch watch;
	const struct vfio_rs_migration *migration;
};

extern const struct vfio_migration_ops vfio_rs_mig_ops;

extern const struct file_operations vfio_rs_saving_fops;
extern const struct file_operations vfio_rs_resuming_fops;

/* Implemented in Rust (migration/file.rs), reached by the two tables above. */
ssize_t vfio_rs_saving_read(struct file *file, char __user *buf, size_t len, loff_t *pos);
unsigned int vfio_rs_saving_poll(struct file *file, struct poll_table_struct *table);
long vfio_rs_saving_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
ssize_t vfio_rs_resuming_write(struct file *file, const char __user *buf, size_t len,
			       loff_t *pos);
int vfio_rs_release(struct inode *inode, struct file *file);

void vfio_rs_wait_init(struct wait_queue_head *queue);
void vfio_rs_wait_wake(struct wait_queue_head *queue);
void vfio_rs_wait_poll(struct file *file, struct wait_queue_head *queue,
		       struct poll_table_struct *table);
void vfio_rs_put_device(struct vfio_device *vdev);
void vfio_rs_fput(struct file *file);
void vfio_rs_get_file(struct file *file);
void vfio_rs_ratelimit_init(struct ratelimit_state *rs);
void vfio_rs_ratelimit_exit(struct ratelimit_state *rs);
bool vfio_rs_ratelimit(struct ratelimit_state *rs);
void vfio_rs_write128(void __iomem *addr, u64 lo, u64 hi);
void vfio_rs_read128(const void __iomem *addr, u64 *lo, u64 *hi);
int vfio_rs_access_begin(struct vfio_pci_core_device *core);
void vfio_rs_access_end(struct vfio_pci_core_device *core);
bool vfio_rs_is_memory(struct pci_dev *pdev, unsigned int bar);
struct pci_dev *vfio_rs_physfn(struct pci_dev *pdev);
int vfio_rs_vf_index(struct pci_dev *pdev);
int vfio_rs_group_others(struct pci_dev *pdev, struct device **devices, unsigned int max);
int vfio_rs_pm_get(struct pci_dev *pdev);
void vfio_rs_pm_put(struct pci_dev *pdev);
bool vfio_rs_iommu_tracks(struct pci_dev *pdev);
bool vfio_rs_uses_iommufd(struct vfio_device *vdev);
bool vfio_rs_masters_bus(struct pci_dev *pdev);
struct iommufd_access *vfio_rs_access_create(struct iommufd_ctx *ictx);
bool vfio_rs_has_paging_domain(struct pci_dev *pdev);
int vfio_rs_access_attach(struct iommufd_access *access, u32 ioas_id);
void vfio_rs_access_detach(struct iommufd_access *access);
void vfio_rs_access_destroy(struct iommufd_access *access);
int vfio_rs_dma_read(struct vfio_device *vdev, struct iommufd_access *access, u64 iova,
		     void *data, size_t len);
bool vfio_rs_is_dying(void);
bool vfio_rs_next_range(struct rb_root_cached *root, void **at, u64 *start, u64 *last);
void vfio_rs_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova, size_t len);
void vfio_rs_vma_range(const struct vm_area_struct *vma, u64 *pgoff, u64 *len);

#if IS_BUILTIN(CONFIG_KUNIT)
unsigned long vfio_rs_test_memory(unsigned long len);
void vfio_rs_test_memory_end(unsigned long address, unsigned long len);
#endif

/* watch.c */
void vfio_rs_watch_init(struct vfio_pci_core_device *core);
void vfio_rs_watch_bar(struct vfio_pci_core_device *core, u32 bar, u64 offset, u64 len);
int vfio_rs_watch_vma(struct vfio_pci_core_device *core, struct vm_area_struct *vma);
void vfio_rs_watch_touch(struct vfio_pci_core_device *core, u32 bar);
void vfio_rs_watch_touch_end(struct vfio_pci_core_device *core);
bool vfio_rs_watch_touched(struct vfio_pci_core_device *core, u32 bar);
void vfio_rs_watch_exclude(struct vfio_pci_core_device *core, u32 bar);
void vfio_rs_watch_release(struct vfio_pci_core_device *core, u32 bar);

/* Implemented in Rust (debug.rs): what a file in debugfs shows. */
int vfio_rs_debug_show(struct seq_file *seq, void *private);
struct dentry *vfio_rs_debugfs_dir(struct vfio_device *vdev, const char *name);
void vfio_rs_debugfs_file(struct dentry *dir, const char *name, void *private);
void vfio_rs_seq_hex_dump(struct seq_file *seq, const char *prefix, const void *bytes, size_t len);

void vfio_rs_trace_state(struct pci_dev *pdev, u32 from, u32 to, int error);
void vfio_rs_trace_stream(struct pci_dev *pdev, const char *what, u64 bytes);
void vfio_rs_trace_dirty(struct pci_dev *pdev, const char *what, u32 why, u64 address, u64 bytes);
void vfio_rs_trace_command(struct pci_dev *pdev, u32 command, u64 argument, int error);

#endif
