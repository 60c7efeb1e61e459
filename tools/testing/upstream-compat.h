/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For a tree whose VFIO selftests call calloc_assert() and do not define it (a backport without its
 * other half). Included before all else: what it needs is there where it is used.
 */
#ifndef UPSTREAM_COMPAT_H
#define UPSTREAM_COMPAT_H

#define calloc_assert(_n, _size) ({			\
	void *__zeroed = calloc((_n), (_size));		\
							\
	VFIO_ASSERT_NOT_NULL(__zeroed);			\
	__zeroed;					\
})

#endif /* UPSTREAM_COMPAT_H */
