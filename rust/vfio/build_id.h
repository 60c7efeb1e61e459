/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module that others use exports a symbol whose name differs in each build (Kbuild makes the names). A
 * module that was built with it refers to that symbol, so that the kernel refuses to load it with another
 * build: "Unknown symbol vfio_rs_build_...".
 */
#ifndef VFIO_RS_BUILD_ID_H
#define VFIO_RS_BUILD_ID_H

#include <linux/compiler.h>
#include <linux/export.h>

/* Exports the symbol of this module. */
#define BUILD_ID(name) \
	extern const char name; \
	const char name = 1; \
	EXPORT_SYMBOL_GPL(name)

/* Refers to the symbol of a module that this one was built with. */
#define BUILT_WITH(name) \
	extern const char name; \
	static const char * const __UNIQUE_ID(built_with) __used = &name

#endif
