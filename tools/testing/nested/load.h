/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ACC_LOAD_H
#define ACC_LOAD_H

#include <linux/types.h>

#define ENGINES_MAX 3

/* Of each text, and of the places in memory where they go to. */
#define TEXT_LEN (16 * 1024)

void make_text(u8 *text, u32 seed);

int memory_fill(unsigned int owners);
void memory_free(void);

/*
 * A place for the text of an engine's job, which the engine alone is to write to, and no longer than
 * TEXT_LEN; NULL if there is none. It is the job's until memory_put().
 */
u8 *memory_get(unsigned int owner);
/* The text of that seed is there now, or nothing new if it is 0. */
void memory_put(unsigned int owner, u32 seed);

#endif
