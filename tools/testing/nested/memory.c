// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the guest whose every byte is known, to be looked at before and after a migration.
 *
 * It is cut into places. Some, spread evenly, get texts that an engine writes there; the processor
 * never writes to these once the work has begun, so that it is the device alone which makes them
 * dirty. All others keep a pattern. Writing to the parameter "walk" compares all of it.
 */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/semaphore.h>
#include <linux/slab.h>

#include "load.h"

static unsigned int memory;
module_param(memory, uint, 0444);
MODULE_PARM_DESC(memory, "MiB of memory whose every byte is known");

static unsigned int written = 10;
module_param(written, uint, 0444);
MODULE_PARM_DESC(written, "per cent of it that results of jobs are written to");

#define CHUNK_ORDER 9
#define CHUNK_LEN (PAGE_SIZE << CHUNK_ORDER)
#define PLACES_OF_CHUNK (CHUNK_LEN / TEXT_LEN)
/* How many that are wrong are named. */
#define NAMED 10
/* A job that takes longer was lost. */
#define JOB_MS 30000

static struct page **chunks;
static unsigned long places;
/* Of the text in each place; 0: the pattern. */
static u32 *seeds;
/* What a place should be like, for who compares. */
static u8 *expected;

/* The jobs that write to the places that are for texts. */
static unsigned int owners_count;
static struct owner {
	/* Held while a job is at work on one of its places, and while all are compared. */
	struct semaphore lock;
	/* The number of that, or of the next one, among all that are for texts. */
	unsigned long next;
	/* How many texts were written. */
	unsigned long texts;
} owners[ENGINES_MAX];

/* Something that compresses by half or so. */
void make_text(u8 *text, u32 seed)
{
	static const char words[][8] = { "queue ", "state ", "guest ", "host ", "engine " };
	struct rnd_state rnd;
	size_t n = 0;

	prandom_seed_state(&rnd, seed);
	while (n < TEXT_LEN) {
		u32 r = prandom_u32_state(&rnd);
		const char *word = words[r % ARRAY_SIZE(words)];

		for (; *word && n < TEXT_LEN; word++)
			text[n++] = *word;
		if (r & 0x100 && n < TEXT_LEN)
			text[n++] = r >> 16;
	}
}

/* No two places have the same, and no page is all zeroes. */
static void make_pattern(u64 *to, unsigned long place)
{
	const u64 step = 0x9e3779b97f4a7c15;
	u64 word = (place * (TEXT_LEN / sizeof(u64)) + 1) * step;

	for (size_t n = 0; n < TEXT_LEN / sizeof(u64); n++, word += step)
		to[n] = word;
}

static void *place_address(unsigned long place)
{
	return page_address(chunks[place / PLACES_OF_CHUNK]) + place % PLACES_OF_CHUNK * TEXT_LEN;
}

/* How many places are for texts, and the n-th of them. */
static unsigned long text_places(void)
{
	return places * written / 100;
}

static unsigned long text_place(unsigned long n)
{
	return DIV_ROUND_UP((n + 1) * 100, written) - 1;
}

u8 *memory_get(unsigned int owner)
{
	struct owner *of = &owners[owner];

	if (owner >= text_places())
		return NULL;
	down(&of->lock);
	return place_address(text_place(of->next));
}

void memory_put(unsigned int owner, u32 seed)
{
	struct owner *of = &owners[owner];

	if (seed) {
		seeds[text_place(of->next)] = seed;
		of->texts++;
		of->next += owners_count;
		if (of->next >= text_places())
			of->next = owner;
	}
	up(&of->lock);
}

/* Whether a place is as it should be; the first that are not are named. */
static bool is_right(unsigned long place, bool name)
{
	const u8 *is = place_address(place);
	u32 seed = seeds[place];

	if (seed)
		make_text(expected, seed);
	else
		make_pattern((u64 *)expected, place);
	if (!memcmp(is, expected, TEXT_LEN))
		return true;
	for (size_t n = 0; name && n < TEXT_LEN; n++) {
		if (is[n] == expected[n])
			continue;
		pr_err("acc_load at %#llx, place %lu, byte %zu: %#x, not %#x of %s %u\n",
		       (u64)virt_to_phys(is), place, n, is[n], expected[n],
		       seed ? "text" : "pattern", seed);
		break;
	}
	return false;
}

static int memory_walk(const char *value, const struct kernel_param *param)
{
	unsigned long wrong = 0, lost = 0, texts = 0;
	bool held[ENGINES_MAX];

	for (unsigned int n = 0; n < owners_count; n++) {
		/* What is lost keeps its place for ever. */
		held[n] = !down_timeout(&owners[n].lock, msecs_to_jiffies(JOB_MS));
		lost += !held[n];
		texts += owners[n].texts;
	}
	for (unsigned long place = 0; place < places; place++) {
		wrong += !is_right(place, wrong < NAMED);
		cond_resched();
	}
	for (unsigned int n = 0; n < owners_count; n++)
		if (held[n])
			up(&owners[n].lock);
	if (wrong || lost) {
		pr_err("acc_load memory: ERROR %lu of %lu places are wrong%s\n", wrong, places,
		       lost ? ", and jobs are lost" : "");
		return -EBADMSG;
	}
	pr_notice("acc_load memory: %u MiB are right, %lu texts were written to %lu of %lu places\n",
		  memory, texts, text_places(), places);
	return 0;
}

static const struct kernel_param_ops walk_ops = { .set = memory_walk };
module_param_cb(walk, &walk_ops, NULL, 0200);
MODULE_PARM_DESC(walk, "write to it to have all of the memory compared");

int memory_fill(unsigned int count)
{
	unsigned long chunks_count = (unsigned long)memory * SZ_1M / CHUNK_LEN;

	owners_count = count;
	for (unsigned int n = 0; n < count; n++) {
		sema_init(&owners[n].lock, 1);
		owners[n].next = n;
	}
	if (!chunks_count)
		return 0;
	if (written > 100)
		return -EINVAL;
	expected = kmalloc(TEXT_LEN, GFP_KERNEL);
	chunks = kvcalloc(chunks_count, sizeof(*chunks), GFP_KERNEL);
	seeds = kvcalloc(chunks_count * PLACES_OF_CHUNK, sizeof(*seeds), GFP_KERNEL);
	if (!expected || !chunks || !seeds)
		return -ENOMEM;
	for (unsigned long n = 0; n < chunks_count; n++) {
		chunks[n] = alloc_pages(GFP_KERNEL, CHUNK_ORDER);
		if (!chunks[n])
			return -ENOMEM;
		places += PLACES_OF_CHUNK;
		for (unsigned long m = places - PLACES_OF_CHUNK; m < places; m++)
			make_pattern(place_address(m), m);
		cond_resched();
	}
	return 0;
}

void memory_free(void)
{
	for (unsigned long n = 0; n < places / PLACES_OF_CHUNK; n++)
		__free_pages(chunks[n], CHUNK_ORDER);
	places = 0;
	kvfree(seeds);
	kvfree(chunks);
	kfree(expected);
}
