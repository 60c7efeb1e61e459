/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plugs the device model into a stock qemu-system-aarch64, as an object loaded with LD_PRELOAD.
 * All that knows QEMU's types is here.
 *
 * Devices:
 *   hisi-zip-pf, hisi-sec-pf, hisi-hpre-pf
 *                  PFs with SR-IOV; properties: vfs=N (8), hw=N (3), the generation, guess=NAMES,
 *                  what the device does instead of what the model guesses. Below a port their
 *                  functions are endpoints, on the root bus integrated endpoints
 *   acc-twin-ctl   how tests in the guest talk to the model: text in and out of BAR0. The first
 *                  word is the id of a PF (-device hisi-zip-pf,id=zip), the rest is for its model.
 *                  Properties: httu=on (off), the machine's SMMUv3 has dirty bits (httu.c);
 *                  httu-cache=on (off), it caches them.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"

#include "httu.h"
#include "twin.h"

#define TYPE_CTL "acc-twin-ctl"

/* PCI class of the accelerators: a processing accelerator. A guess, no driver looks at it. */
#define ACC_CLASS 0x1200
/* The generation of hardware, if hw= names no other */
#define HW_DEFAULT 3

#define PF_BAR2 (4 * MiB)
#define VF_BAR2 (64 * KiB)
#define VF_BAR2_LARGE (128 * KiB)
#define BAR4 (64 * MiB)
/* 16 pages of doorbells */
#define BAR4_SMALL MiB
#define MAX_VFS 63
/* What the PF's MSI needs (qm_get_irq_num() rounds up) */
#define MSI_VECTORS 4

#define CAP_PM 0x48
#define CAP_MSI 0x50
#define CAP_EXP 0x80
#define CAP_ARI 0x100
#define CAP_AER 0x110
#define CAP_SRIOV 0x160

/* The accelerators: types of their PF and VF. */
static struct accelerator {
	char *pf, *vf;
	struct twin_engine engine;
} accelerators[16];

struct pf;

/* What a PF and a VF share. */
struct function {
	PCIDevice pdev;
	struct pf *pf;
	uint32_t number;
	MemoryRegion bar2;
	MemoryRegion bar4;
};

struct pf {
	struct function function;
	uint32_t vfs;
	uint32_t hw;
	char *guess;
	struct twin *twin;
	QTAILQ_ENTRY(pf) next;
	struct function *functions[MAX_VFS + 1];
	QEMUBH *bh;
	QEMUTimer *timer;
};

/* The devices that acc-twin-ctl speaks of. */
static QTAILQ_HEAD(, pf) pfs = QTAILQ_HEAD_INITIALIZER(pfs);

static bool is_awake(struct function *f)
{
	uint16_t ctrl = pci_get_word(f->pdev.config + CAP_PM + PCI_PM_CTRL);

	return !(ctrl & PCI_PM_CTRL_STATE_MASK);
}

/* A function, unless it sleeps: in D3hot it requests nothing. */
static struct function *awake(struct pf *pf, uint32_t function)
{
	struct function *f = function <= MAX_VFS ? pf->functions[function] : NULL;

	return f && is_awake(f) ? f : NULL;
}

static int bus_read(void *opaque, uint32_t function, uint64_t addr, uint8_t *to, size_t len)
{
	struct function *f = awake(opaque, function);

	if (!f)
		return -1;
	return pci_dma_read(&f->pdev, addr, to, len) == MEMTX_OK ? 0 : -1;
}

static int bus_write(void *opaque, uint32_t function, uint64_t addr, const uint8_t *from,
		     size_t len)
{
	struct function *f = awake(opaque, function);

	if (!f)
		return -1;
	return pci_dma_write(&f->pdev, addr, from, len) == MEMTX_OK ? 0 : -1;
}

static void bus_msi(void *opaque, uint32_t function, uint32_t vector)
{
	struct function *f = awake(opaque, function);

	if (f && msi_enabled(&f->pdev) && vector < msi_nr_vectors_allocated(&f->pdev))
		msi_notify(&f->pdev, vector);
}

static void run(void *opaque)
{
	struct pf *pf = opaque;
	uint64_t next = twin_run(pf->twin, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));

	if (next == UINT64_MAX)
		timer_del(pf->timer);
	else
		timer_mod_ns(pf->timer, next);
}

/* Carries out all that is due, which may take more steps than one call takes. */
static void catch_up(struct pf *pf)
{
	uint64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

	for (int i = 0; i < 1000 && twin_run(pf->twin, now) <= now; i++)
		;
	run(pf);
}

static uint64_t bar_read(struct function *f, uint8_t bar, hwaddr addr, unsigned int size)
{
	return f->pf ? twin_read(f->pf->twin, f->number, bar, addr, size) : ~0ULL;
}

static void bar_write(struct function *f, uint8_t bar, hwaddr addr, uint64_t value,
		      unsigned int size)
{
	if (!f->pf)
		return;
	twin_write(f->pf->twin, f->number, bar, addr, value, size);
	qemu_bh_schedule(f->pf->bh);
}

static uint64_t bar2_read(void *opaque, hwaddr addr, unsigned int size)
{
	return bar_read(opaque, 2, addr, size);
}

static void bar2_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	bar_write(opaque, 2, addr, value, size);
}

static uint64_t bar4_read(void *opaque, hwaddr addr, unsigned int size)
{
	return bar_read(opaque, 4, addr, size);
}

static void bar4_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	bar_write(opaque, 4, addr, value, size);
}

static const MemoryRegionOps bar2_ops = {
	.read = bar2_read,
	.write = bar2_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8 },
	.impl = { .min_access_size = 1, .max_access_size = 8 },
};

static const MemoryRegionOps bar4_ops = {
	.read = bar4_read,
	.write = bar4_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8 },
	.impl = { .min_access_size = 1, .max_access_size = 8 },
};

static const struct accelerator *accelerator(uint16_t pf_id)
{
	for (size_t i = 0; i < ARRAY_SIZE(accelerators); i++)
		if (accelerators[i].engine.pf_id == pf_id)
			return &accelerators[i];
	g_assert_not_reached();
}

static uint64_t vf_bar2(struct pf *pf)
{
	return twin_does(pf->twin, "G23:large-bar2") ? VF_BAR2_LARGE : VF_BAR2;
}

static uint64_t vf_bar4(struct pf *pf)
{
	return twin_does(pf->twin, "G23:small-bar4") ? BAR4_SMALL : BAR4;
}

/* A guess: D3hot to D0 forgets nothing. The model may be told otherwise. */
static void no_soft_reset(struct function *f)
{
	uint8_t *ctrl = f->pdev.config + CAP_PM + PCI_PM_CTRL;

	if (twin_does(f->pf->twin, "G22:soft-reset"))
		pci_word_test_and_clear_mask(ctrl, PCI_PM_CTRL_NO_SOFT_RESET);
	else
		pci_word_test_and_set_mask(ctrl, PCI_PM_CTRL_NO_SOFT_RESET);
}

static bool function_init(struct function *f, struct pf *pf, uint64_t bar2, uint64_t bar4,
			  Error **errp)
{
	PCIDevice *pdev = &f->pdev;
	bool integrated = pci_bus_is_root(pci_get_bus(pdev));
	uint8_t type = integrated ? PCI_EXP_TYPE_RC_END : PCI_EXP_TYPE_ENDPOINT;

	pci_set_byte(pdev->config + PCI_REVISION_ID, twin_revision(pf->hw));
	memory_region_init_io(&f->bar2, OBJECT(f), &bar2_ops, f, "acc-bar2", bar2);
	memory_region_init_io(&f->bar4, OBJECT(f), &bar4_ops, f, "acc-bar4", bar4);
	if (pcie_cap_init(pdev, CAP_EXP, type, 0, errp) < 0)
		return false;
	if (pci_pm_init(pdev, CAP_PM, errp) < 0)
		return false;
	/* A guess: D0 and D3hot. */
	pci_set_word(pdev->config + CAP_PM + PCI_PM_PMC, 3);
	no_soft_reset(f);
	pci_set_word(pdev->wmask + CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	pcie_cap_deverr_init(pdev);
	pcie_cap_flr_init(pdev);
	/* Of a VF's Device Control, SR-IOV has only the bit that resets it. */
	if (pci_is_vf(pdev))
		pci_set_word(pdev->wmask + CAP_EXP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
	if (msi_init(pdev, CAP_MSI, MSI_VECTORS, true, true, errp))
		return false;
	pcie_ari_init(pdev, CAP_ARI);
	pdev->exp.aer_log.log_max = PCIE_AER_LOG_MAX_DEFAULT;
	return pcie_aer_init(pdev, PCI_ERR_VER, CAP_AER, PCI_ERR_SIZEOF, errp) >= 0;
}

static void pf_free(struct pf *pf)
{
	timer_free(pf->timer);
	qemu_bh_delete(pf->bh);
	pf->timer = NULL;
	pf->bh = NULL;
}

static void pf_realize(PCIDevice *pdev, Error **errp)
{
	const struct accelerator *acc = accelerator(PCI_DEVICE_GET_CLASS(pdev)->device_id);
	struct pf *pf = (struct pf *)pdev;
	struct function *f = &pf->function;
	const uint8_t type = PCI_BASE_ADDRESS_MEM_TYPE_64;

	if (!pf->vfs || pf->vfs > MAX_VFS) {
		error_setg(errp, "vfs is 1 to %d", MAX_VFS);
		return;
	}
	if (!twin_revision(pf->hw)) {
		error_setg(errp, "the model knows no hw=%u", pf->hw);
		return;
	}
	f->pf = pf;
	pf->functions[0] = f;
	pf->twin = twin_new(acc->engine.pf_id, twin_revision(pf->hw), pf->vfs, (struct twin_bus) {
		.opaque = pf, .read = bus_read, .write = bus_write, .msi = bus_msi,
	});
	if (pf->guess) {
		g_autofree char *order = g_strdup_printf("guess %s", pf->guess);

		/* There is an answer only to what is not understood. */
		if (twin_control(pf->twin, (uint8_t *)order, strlen(order))) {
			error_setg(errp, "the model knows no guess=%s", pf->guess);
			return;
		}
	}
	pf->bh = qemu_bh_new(run, pf);
	pf->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, run, pf);
	if (!function_init(f, pf, PF_BAR2, BAR4, errp)) {
		pf_free(pf);
		return;
	}
	pci_register_bar(pdev, 2, type, &f->bar2);
	pci_register_bar(pdev, 4, type | PCI_BASE_ADDRESS_MEM_PREFETCH, &f->bar4);
	if (!pcie_sriov_pf_init(pdev, CAP_SRIOV, acc->vf, acc->engine.vf_id, pf->vfs, pf->vfs,
				1, 1, errp)) {
		pf_free(pf);
		return;
	}
	pcie_sriov_pf_init_vf_bar(pdev, 2, type, vf_bar2(pf));
	pcie_sriov_pf_init_vf_bar(pdev, 4, type | PCI_BASE_ADDRESS_MEM_PREFETCH, vf_bar4(pf));
	QTAILQ_INSERT_TAIL(&pfs, pf, next);
}

static void pf_exit(PCIDevice *pdev)
{
	struct pf *pf = (struct pf *)pdev;

	QTAILQ_REMOVE(&pfs, pf, next);
	pcie_sriov_pf_exit(pdev);
	pcie_aer_exit(pdev);
	pf_free(pf);
}

static void vf_realize(PCIDevice *pdev, Error **errp)
{
	struct function *f = (struct function *)pdev;
	struct pf *pf = (struct pf *)pcie_sriov_get_pf(pdev);

	f->pf = pf;
	if (!function_init(f, pf, vf_bar2(pf), vf_bar4(pf), errp))
		return;
	pci_register_bar(pdev, 2, PCI_BASE_ADDRESS_MEM_TYPE_64, &f->bar2);
	pci_register_bar(pdev, 4, PCI_BASE_ADDRESS_MEM_TYPE_64 |
			 PCI_BASE_ADDRESS_MEM_PREFETCH, &f->bar4);
	f->number = pcie_sriov_vf_number(pdev) + 1;
	if (f->number <= MAX_VFS)
		pf->functions[f->number] = f;
}

static void vf_exit(PCIDevice *pdev)
{
	struct function *f = (struct function *)pdev;

	if (f->pf && f->pf->functions[f->number] == f)
		f->pf->functions[f->number] = NULL;
	pcie_aer_exit(pdev);
}

/*
 * Whether a VF decodes memory is up to the PF alone (VF MSE), and the VF's own bit for it reads 0: a
 * driver of a VF reads registers after a reset of the PF before it has restored the VF's
 * configuration (qm_wait_pf_reset_finish()). To QEMU it is the VF's own bit that matters.
 */
static void vf_memory_enable(struct function *vf)
{
	PCIDevice *pf = &vf->pf->function.pdev;
	const uint16_t both = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
	uint16_t ctrl = pci_get_word(pf->config + CAP_SRIOV + PCI_SRIOV_CTRL);
	uint16_t command = pci_get_word(vf->pdev.config + PCI_COMMAND);
	bool is = command & PCI_COMMAND_MEMORY;

	if (is != ((ctrl & both) == both))
		pci_default_write_config(&vf->pdev, PCI_COMMAND, command ^ PCI_COMMAND_MEMORY, 2);
}

static void config_write(PCIDevice *pdev, uint32_t addr, uint32_t value, int len)
{
	struct function *f = (struct function *)pdev;
	bool slept = !is_awake(f);

	pci_default_write_config(pdev, addr, value, len);
	if (slept && is_awake(f) && twin_does(f->pf->twin, "G22:soft-reset"))
		twin_reset(f->pf->twin, f->number);
	pcie_cap_flr_write_config(pdev, addr, value, len);
	pcie_aer_write_config(pdev, addr, value, len);
	if (pci_is_vf(pdev)) {
		vf_memory_enable(f);
		return;
	}
	for (size_t n = 1; n <= MAX_VFS; n++)
		if (f->pf->functions[n])
			vf_memory_enable(f->pf->functions[n]);
}

static uint32_t vf_config_read(PCIDevice *pdev, uint32_t addr, int len)
{
	uint32_t value = pci_default_read_config(pdev, addr, len);
	struct function *f = (struct function *)pdev;

	/* What a root port makes of Request Retry Status, with and without software visibility. */
	if (f->pf && f->pf->twin && !twin_config_read(f->pf->twin, f->number))
		return addr == PCI_VENDOR_ID ? 0xffff0001 : ~0U >> (32 - 8 * len);
	return addr == PCI_COMMAND ? value & ~PCI_COMMAND_MEMORY : value;
}

static void function_reset(DeviceState *dev)
{
	struct function *f = (struct function *)PCI_DEVICE(dev);

	pcie_cap_deverr_reset(&f->pdev);
	/* With a PF, QEMU resets its SR-IOV capability: its VFs go, until they are enabled anew. */
	if (f->pf && f->pf->twin)
		twin_reset(f->pf->twin, f->number);
}

static const Property pf_properties[] = {
	DEFINE_PROP_UINT32("vfs", struct pf, vfs, 8),
	DEFINE_PROP_UINT32("hw", struct pf, hw, HW_DEFAULT),
	DEFINE_PROP_STRING("guess", struct pf, guess),
};

static void function_class(ObjectClass *klass, uint16_t device)
{
	PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);

	pci->vendor_id = 0x19e5;
	pci->device_id = device;
	pci->revision = twin_revision(HW_DEFAULT);
	pci->class_id = ACC_CLASS;
	pci->config_write = config_write;
	device_class_set_legacy_reset(DEVICE_CLASS(klass), function_reset);
}

static void pf_class(ObjectClass *klass, void *data)
{
	const struct accelerator *acc = data;

	function_class(klass, acc->engine.pf_id);
	PCI_DEVICE_CLASS(klass)->realize = pf_realize;
	PCI_DEVICE_CLASS(klass)->exit = pf_exit;
	device_class_set_props(DEVICE_CLASS(klass), pf_properties);
}

static void vf_class(ObjectClass *klass, void *data)
{
	const struct accelerator *acc = data;

	function_class(klass, acc->engine.vf_id);
	PCI_DEVICE_CLASS(klass)->realize = vf_realize;
	PCI_DEVICE_CLASS(klass)->exit = vf_exit;
	PCI_DEVICE_CLASS(klass)->config_read = vf_config_read;
	DEVICE_CLASS(klass)->user_creatable = false;
}

/* --- acc-twin-ctl --- */

#define CTL_SIZE (64 * KiB)
/* "TWIN" */
#define CTL_MAGIC 0x4e495754
#define CTL_VERSION 2

/* Registers; 32 bits each */
#define CTL_REG_MAGIC 0x0
#define CTL_REG_VERSION 0x4
/* Write the length of a request to have it carried out */
#define CTL_REG_ASK 0x8
/* Length of the answer */
#define CTL_REG_ANSWERED 0xc
/* Where in the answer the window begins */
#define CTL_REG_OFFSET 0x10
/* Room for the request, and the window to the answer */
#define CTL_REQUEST 0x1000
#define CTL_WINDOW 0x2000

struct ctl {
	PCIDevice pdev;
	MemoryRegion bar;
	struct pf *asked;
	uint32_t answered;
	uint32_t offset;
	bool httu, httu_cache;
	char request[CTL_WINDOW - CTL_REQUEST];
};

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned int size)
{
	struct ctl *ctl = opaque;

	switch (addr) {
	case CTL_REG_MAGIC:
		return CTL_MAGIC;
	case CTL_REG_VERSION:
		return CTL_VERSION;
	case CTL_REG_ANSWERED:
		return ctl->answered;
	}
	if (addr >= CTL_WINDOW && ctl->asked)
		return twin_answer(ctl->asked->twin, ctl->offset + addr - CTL_WINDOW);
	return 0;
}

/* The PF whose id is the first word of a request. */
static struct pf *ctl_find(const char *request, size_t len)
{
	const char *space = memchr(request, ' ', len);
	size_t n = space ? (size_t)(space - request) : len;
	struct pf *pf;

	QTAILQ_FOREACH(pf, &pfs, next) {
		const char *id = DEVICE(pf)->id;

		if (id && strlen(id) == n && !memcmp(id, request, n))
			return pf;
	}
	return NULL;
}

/*
 * "aer pf corrected|uncorrected BITS": the PF reports errors to its root port, as bits of its AER
 * status registers. PCI's business, which the model knows nothing of.
 */
static bool ctl_aer(struct pf *pf, const char *request, size_t len)
{
	g_autofree char *text = g_strndup(request, len);
	g_auto(GStrv) word = g_strsplit(text, " ", 5);
	PCIEAERErr err = {};
	PCIDevice *pdev = &pf->functions[0]->pdev;
	uint64_t bits;

	if (g_strv_length(word) != 4 || strcmp(word[0], "aer") || strcmp(word[1], "pf") ||
	    qemu_strtou64(word[3], NULL, 0, &bits))
		return false;
	if (!strcmp(word[2], "corrected"))
		err.flags = PCIE_AER_ERR_IS_CORRECTABLE;
	else if (strcmp(word[2], "uncorrected"))
		return false;
	err.status = bits;
	err.source_id = pci_requester_id(pdev);
	return !pcie_aer_inject_error(pdev, &err);
}

static void ctl_ask(struct ctl *ctl, size_t len)
{
	size_t n;

	ctl->answered = 0;
	ctl->asked = ctl_find(ctl->request, len);
	if (!ctl->asked)
		return;
	/* An answer has all that is due by now, whatever else the machine had to do. */
	catch_up(ctl->asked);
	n = MIN(strlen(DEVICE(ctl->asked)->id) + 1, len);
	if (ctl_aer(ctl->asked, ctl->request + n, len - n))
		return;
	ctl->answered = twin_control(ctl->asked->twin, (uint8_t *)ctl->request + n, len - n);
	/* It may have been told to be another device. */
	for (n = 0; n <= MAX_VFS; n++)
		if (ctl->asked->functions[n])
			no_soft_reset(ctl->asked->functions[n]);
	/* An order may have given the device something to do. */
	qemu_bh_schedule(ctl->asked->bh);
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	struct ctl *ctl = opaque;

	if (addr == CTL_REG_ASK)
		ctl_ask(ctl, MIN(value, sizeof(ctl->request)));
	else if (addr == CTL_REG_OFFSET)
		ctl->offset = value;
	else if (addr >= CTL_REQUEST && addr + size <= CTL_WINDOW)
		memcpy(ctl->request + addr - CTL_REQUEST, &value, size);
}

static const MemoryRegionOps ctl_ops = {
	.read = ctl_read,
	.write = ctl_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8 },
	.impl = { .min_access_size = 1, .max_access_size = 8 },
};

static void ctl_realize(PCIDevice *pdev, Error **errp)
{
	struct ctl *ctl = (struct ctl *)pdev;

	memory_region_init_io(&ctl->bar, OBJECT(ctl), &ctl_ops, ctl, "acc-ctl", CTL_SIZE);
	pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_MEM_TYPE_32, &ctl->bar);
	if (ctl->httu)
		httu_enable(ctl->httu_cache, errp);
}

static const Property ctl_properties[] = {
	DEFINE_PROP_BOOL("httu", struct ctl, httu, false),
	DEFINE_PROP_BOOL("httu-cache", struct ctl, httu_cache, false),
};

static void ctl_class(ObjectClass *klass, void *data)
{
	PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);

	pci->realize = ctl_realize;
	pci->vendor_id = PCI_VENDOR_ID_QEMU;
	pci->device_id = 0x11ac;
	pci->class_id = PCI_CLASS_OTHERS;
	device_class_set_props(DEVICE_CLASS(klass), ctl_properties);
}

static InterfaceInfo pcie_interface[] = { { INTERFACE_PCIE_DEVICE }, {} };
static InterfaceInfo pci_interface[] = { { INTERFACE_CONVENTIONAL_PCI_DEVICE }, {} };

static const TypeInfo ctl_type = {
	.name = TYPE_CTL,
	.parent = TYPE_PCI_DEVICE,
	.instance_size = sizeof(struct ctl),
	.class_init = ctl_class,
	.interfaces = pci_interface,
};

static void register_types(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(accelerators); i++) {
		struct accelerator *acc = &accelerators[i];
		TypeInfo type = {
			.parent = TYPE_PCI_DEVICE,
			.instance_size = sizeof(struct pf),
			.class_init = pf_class,
			.class_data = acc,
			.interfaces = pcie_interface,
		};

		if (!twin_engine(i, &acc->engine))
			break;
		acc->pf = g_strdup_printf("hisi-%s-pf", acc->engine.name);
		acc->vf = g_strdup_printf("hisi-%s-vf", acc->engine.name);
		type.name = acc->pf;
		type_register_static(&type);
		type.name = acc->vf;
		type.instance_size = sizeof(struct function);
		type.class_init = vf_class;
		type_register_static(&type);
	}
	type_register_static(&ctl_type);
}

/*
 * Structures are laid out as the headers say that this was built with: with another version of QEMU
 * there is no telling what would be overwritten.
 */
static void check_version(void)
{
	VersionInfo *info = qmp_query_version(&error_abort);
	VersionTriple *is = info->qemu;

	if (is->major != QEMU_VERSION_MAJOR || is->minor != QEMU_VERSION_MINOR ||
	    is->micro != QEMU_VERSION_MICRO) {
		fprintf(stderr,
			"acc-twin: built for QEMU %d.%d.%d, this is %" PRId64 ".%" PRId64 ".%" PRId64
			": build it anew\n",
			QEMU_VERSION_MAJOR, QEMU_VERSION_MINOR, QEMU_VERSION_MICRO, is->major,
			is->minor, is->micro);
		exit(1);
	}
	qapi_free_VersionInfo(info);
}

static void __attribute__((constructor)) plug_in(void)
{
	check_version();
	register_module_init(register_types, MODULE_INIT_QOM);
}
