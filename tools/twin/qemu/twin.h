/* SPDX-License-Identifier: GPL-2.0 */
/* The device model (tools/twin/model) as C sees it; implemented in tools/twin/ffi. */
#ifndef ACC_TWIN_H
#define ACC_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct twin;

/* What the machine does for the device. @function: 0 is the PF, n its n-th VF. */
struct twin_bus {
	void *opaque;
	/* 0, or else nothing was read or written: not mapped, or no bus master */
	int (*read)(void *opaque, uint32_t function, uint64_t addr, uint8_t *to, size_t len);
	int (*write)(void *opaque, uint32_t function, uint64_t addr, const uint8_t *from,
		     size_t len);
	void (*msi)(void *opaque, uint32_t function, uint32_t vector);
};

struct twin_engine {
	char name[16];
	uint16_t pf_id, vf_id;
};

/* Describes engine @n; false if there are fewer. */
bool twin_engine(size_t n, struct twin_engine *engine);
/* The PCI revision of a hardware generation by its number (hw=3); 0 if there is none. */
uint8_t twin_revision(uint32_t number);
/* @device: the PF's; @revision: PCI's, which is the QM's version. NULL: no such device. */
struct twin *twin_new(uint16_t device, uint8_t revision, uint32_t vfs, struct twin_bus bus);
uint64_t twin_read(struct twin *twin, uint32_t function, uint8_t bar, uint64_t offset,
		   uint32_t size);
void twin_write(struct twin *twin, uint32_t function, uint8_t bar, uint64_t offset,
		uint64_t value, uint32_t size);
/* Carries out what is due at @now (ns); returns when to come again, UINT64_MAX for never. */
uint64_t twin_run(struct twin *twin, uint64_t now);
void twin_reset(struct twin *twin, uint32_t function);
/* The configuration space of @function is read; returns whether it answers. */
bool twin_config_read(struct twin *twin, uint32_t function);
/* Whether the device does this instead of what the model guesses; @name: "GUESS:WORD". */
bool twin_does(struct twin *twin, const char *name);
/* A request of a test; returns the length of the answer, which twin_answer() shows. */
size_t twin_control(struct twin *twin, const uint8_t *request, size_t len);
uint64_t twin_answer(struct twin *twin, uint64_t offset);

#endif
