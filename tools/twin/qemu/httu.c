/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gives QEMU's SMMUv3 what it lacks: hardware translation table update (HTTU) of stage 1, by which
 * an IOMMU notes in the page tables which pages devices wrote (IHI 0070, 3.13).
 *
 * - SMMU_IDR0.HTTU says that the access flag and the dirty state are updated.
 * - QEMU refuses a context descriptor with HA or HD. Its cache of decoded configurations gets such
 *   a descriptor from here, so that QEMU never decodes it. The guest's descriptor stays as it is.
 * - Each translation goes through here before it goes to QEMU. Where QEMU has no cached translation
 *   that suffices, the table is walked, and the leaf is updated as the hardware does: AF is set,
 *   and for a write to a page that is writable-clean (DBM and AP[2] set) AP[2] is cleared. QEMU then
 *   walks the same table and finds a page that is accessed.
 * - A CPU may clean a page between that update and QEMU's own walk. To the hardware they are one, so
 *   a page that was found writable goes to QEMU's TLB, where QEMU looks first. Both happen under the
 *   BQL, as each invalidation does.
 *
 * The architecture lets an SMMU cache the dirty state with a translation. Without @caches each write
 * walks the table. With it a cached translation that is writable suffices: software that cleans a
 * page, and does not invalidate its translation, loses what is written to it from then on.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/smmuv3-internal.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "system/dma.h"

#include "httu.h"

/* Updates the access flag and the dirty state */
#define HTTU_ACCESS_DIRTY 2

#define DESC_VALID BIT_ULL(0)
/* A table above the last level, a page on it */
#define DESC_TABLE BIT_ULL(1)
/* AP[1]: devices are not privileged */
#define DESC_USER BIT_ULL(6)
#define DESC_RDONLY BIT_ULL(7)
#define DESC_AF BIT_ULL(10)
#define DESC_DBM BIT_ULL(51)
/* APTable[1]: nothing below is writable */
#define DESC_TABLE_RDONLY BIT_ULL(62)
#define LAST_LEVEL 3

/* What QEMU does to translate */
static IOMMUTLBEntry (*stock_translate)(IOMMUMemoryRegion *mr, hwaddr iova, IOMMUAccessFlags flag,
					int index);

/* A cached translation has the dirty state. */
static bool caches;

/* A context with HA, and its flags. */
struct context {
	bool dirty;
};

/* The contexts by the SMMUDevice whose configuration came from here. Below the SMMU's mutex. */
static GHashTable *contexts;

static bool fetch(hwaddr at, uint32_t *words, size_t n)
{
	if (dma_memory_read(&address_space_memory, at, words, n * sizeof(*words),
			    MEMTXATTRS_UNSPECIFIED) != MEMTX_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		words[i] = le32_to_cpu(words[i]);
	return true;
}

/* Reads the stream table entry of a function. */
static bool fetch_ste(SMMUv3State *s, uint32_t sid, STE *ste)
{
	uint32_t log2size = FIELD_EX32(s->strtab_base_cfg, STRTAB_BASE_CFG, LOG2SIZE);
	hwaddr base = s->strtab_base & SMMU_BASE_ADDR_MASK;
	uint32_t split = s->sid_split;
	STEDesc desc;

	if (sid >= 1U << MIN(log2size, SMMU_IDR1_SIDSIZE))
		return false;
	if (!(s->features & SMMU_FEATURE_2LVL_STE)) {
		base &= ~MAKE_64BIT_MASK(0, log2size + 5);
		return fetch(base + sid * sizeof(*ste), ste->word, ARRAY_SIZE(ste->word));
	}
	base &= ~MAKE_64BIT_MASK(0, MAX(5, (int)(log2size - split) + 2));
	if (!fetch(base + (sid >> split) * sizeof(desc), desc.word, ARRAY_SIZE(desc.word)))
		return false;
	sid &= (1U << split) - 1;
	if (!L1STD_SPAN(&desc) || sid >= 1U << (L1STD_SPAN(&desc) - 1))
		return false;
	return fetch(l1std_l2ptr(&desc) + sid * sizeof(*ste), ste->word, ARRAY_SIZE(ste->word));
}

/* log2 of an address size by its code */
static unsigned int address_bits(unsigned int code)
{
	static const unsigned char bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return bits[code & 7];
}

/* log2 of a granule by TG0 or TG1; 0 if it is reserved */
static unsigned int granule(unsigned int code, int table)
{
	static const unsigned char shift[2][4] = { { 12, 16, 14, 0 }, { 0, 14, 12, 16 } };

	return shift[table][code & 3];
}

/* Decodes a context descriptor of stage 1 that QEMU takes but for HA and HD. */
static bool decode_cd(SMMUv3State *s, CD *cd, SMMUTransCfg *cfg)
{
	/* No stall model; faults are terminated with an abort. */
	if (!CD_VALID(cd) || !CD_AARCH64(cd) || !CD_A(cd) || CD_S(cd) || CD_ENDI(cd))
		return false;
	cfg->aa64 = true;
	cfg->stage = SMMU_STAGE_1;
	cfg->oas = address_bits(MIN(CD_IPS(cd), FIELD_EX32(s->idr[5], IDR5, OAS)));
	cfg->oas = MIN(cfg->oas, 48);
	cfg->tbi = CD_TBI(cd);
	cfg->asid = CD_ASID(cd);
	cfg->affd = CD_AFFD(cd);
	cfg->record_faults = CD_R(cd);
	for (int i = 0; i < 2; i++) {
		SMMUTransTableInfo *tt = &cfg->tt[i];

		tt->disabled = CD_EPD(cd, i);
		if (tt->disabled)
			continue;
		tt->tsz = CD_TSZ(cd, i);
		tt->granule_sz = granule(CD_TG(cd, i), i);
		tt->ttb = CD_TTB(cd, i);
		tt->had = CD_HAD(cd, i);
		if (tt->tsz < 16 || tt->tsz > 39 || !tt->granule_sz || tt->ttb >> cfg->oas)
			return false;
	}
	return true;
}

/*
 * Decodes the configuration of a function if its context has HA; NULL if not: QEMU decodes it, or
 * has the fault to report.
 */
static SMMUTransCfg *decode(SMMUv3State *s, SMMUDevice *sdev, struct context *context)
{
	SMMUTransCfg *cfg;
	STE ste;
	CD cd;

	if (!fetch_ste(s, smmu_get_sid(sdev), &ste) || !STE_VALID(&ste))
		return NULL;
	/* Stage 1 alone, and one context descriptor: all that QEMU supports there. */
	if (STE_CFG_ABORT(STE_CONFIG(&ste)) || !STE_CFG_S1_ENABLED(STE_CONFIG(&ste)) ||
	    STE_CFG_S2_ENABLED(STE_CONFIG(&ste)) || STE_S1CDMAX(&ste) || STE_S1STALLD(&ste))
		return NULL;
	if (!fetch(STE_CTXPTR(&ste), cd.word, ARRAY_SIZE(cd.word)))
		return NULL;
	/* HD without HA is illegal. */
	if (!CD_HA(&cd))
		return NULL;
	cfg = g_new0(SMMUTransCfg, 1);
	cfg->s2cfg.vmid = STAGE2_SUPPORTED(s) ? STE_S2VMID(&ste) : -1;
	if (!decode_cd(s, &cd, cfg)) {
		g_free(cfg);
		return NULL;
	}
	context->dirty = CD_HD(&cd);
	return cfg;
}

/*
 * The configuration of a function if its context has HA, else NULL. QEMU decodes a configuration
 * that is not in its cache in its translation alone, which comes after this, so that @contexts has
 * what is in the cache.
 */
static SMMUTransCfg *config(SMMUv3State *s, SMMUDevice *sdev, struct context **context)
{
	GHashTable *configs = s->smmu_state.configs;
	SMMUTransCfg *cfg = g_hash_table_lookup(configs, sdev);
	struct context found;

	if (!cfg) {
		cfg = decode(s, sdev, &found);
		if (!cfg) {
			g_hash_table_remove(contexts, sdev);
			return NULL;
		}
		g_hash_table_insert(configs, sdev, cfg);
		g_hash_table_insert(contexts, sdev, g_memdup2(&found, sizeof(found)));
	}
	*context = g_hash_table_lookup(contexts, sdev);
	return *context ? cfg : NULL;
}

/* Walks to the leaf of an address and its level; the leaf's own address, 0 if there is none. */
static hwaddr walk(const SMMUTransCfg *cfg, const SMMUTransTableInfo *tt, hwaddr iova, bool write,
		   int *leaf_level)
{
	unsigned int stride = tt->granule_sz - 3;
	unsigned int top = 64 - tt->tsz;
	int level = LAST_LEVEL + 1 - DIV_ROUND_UP(top - tt->granule_sz, stride);
	hwaddr table = extract64(tt->ttb, 0, cfg->oas);

	for (;; level++) {
		unsigned int shift = tt->granule_sz + (LAST_LEVEL - level) * stride;
		hwaddr at = table + extract64(iova, shift, top - shift) * sizeof(uint64_t);
		uint32_t words[2];
		uint64_t desc;

		if (!fetch(at, words, 2))
			return 0;
		desc = words[0] | (uint64_t)words[1] << 32;
		*leaf_level = level;
		if (!(desc & DESC_VALID))
			return 0;
		if (level == LAST_LEVEL)
			return desc & DESC_TABLE ? at : 0;
		if (!(desc & DESC_TABLE))
			return at;
		if (write && (desc & DESC_TABLE_RDONLY) && !tt->had)
			return 0;
		table = desc & MAKE_64BIT_MASK(tt->granule_sz, 48 - tt->granule_sz);
		top = shift;
	}
}

/* Updates a leaf, atomically, as a CPU may change it. Returns it as it was then; 0 if invalid. */
static uint64_t update(hwaddr at, const struct context *context, bool write)
{
	hwaddr len = sizeof(uint64_t);
	uint64_t *leaf = address_space_map(&address_space_memory, at, &len, true,
					   MEMTXATTRS_UNSPECIFIED);
	uint64_t old, new, seen;
	bool changed = false;

	if (!leaf)
		return 0;
	old = len == sizeof(*leaf) ? le64_to_cpu(qatomic_read(leaf)) : 0;
	while (old & DESC_VALID) {
		new = old | DESC_AF;
		if (write && context->dirty && (old & DESC_DBM))
			new &= ~DESC_RDONLY;
		if (new == old)
			break;
		seen = le64_to_cpu(qatomic_cmpxchg(leaf, cpu_to_le64(old), cpu_to_le64(new)));
		changed = seen == old;
		old = changed ? new : seen;
		if (changed)
			break;
	}
	address_space_unmap(&address_space_memory, leaf, len, true, changed ? len : 0);
	return old & DESC_VALID ? old : 0;
}

/* Puts a page that devices may read and write into QEMU's TLB. */
static void cache(SMMUState *bs, SMMUTransCfg *cfg, const SMMUTransTableInfo *tt, hwaddr iova,
		  uint64_t desc, int level)
{
	unsigned int shift = tt->granule_sz + (LAST_LEVEL - level) * (tt->granule_sz - 3);
	hwaddr mask = MAKE_64BIT_MASK(0, shift);
	SMMUTLBEntry *entry = g_new0(SMMUTLBEntry, 1);

	entry->entry.target_as = &address_space_memory;
	entry->entry.iova = iova & ~mask;
	entry->entry.translated_addr = desc & MAKE_64BIT_MASK(shift, 48 - shift);
	entry->entry.addr_mask = mask;
	entry->entry.perm = IOMMU_RW;
	entry->parent_perm = IOMMU_RW;
	entry->level = level;
	entry->granule = tt->granule_sz;
	smmu_iotlb_insert(bs, cfg, entry);
}

/* Notes an access in the page table of a function. */
static void note(SMMUv3State *s, SMMUDevice *sdev, hwaddr iova, bool write)
{
	SMMUState *bs = &s->smmu_state;
	struct context *context;
	SMMUTransCfg *cfg = config(s, sdev, &context);
	SMMUTransTableInfo *tt = cfg ? select_tt(cfg, iova) : NULL;
	SMMUTLBEntry *cached;
	bool writable;
	uint64_t desc;
	hwaddr leaf;
	int level;

	if (!tt || tt->disabled)
		return;
	cached = smmu_iotlb_lookup(bs, cfg, tt, iova);
	writable = cached && (cached->entry.perm & IOMMU_WO);
	if (cached && (!write || (writable && caches)))
		return;
	leaf = walk(cfg, tt, iova, write, &level);
	if (!leaf)
		return;
	desc = update(leaf, context, write);
	if (writable)
		return;
	if (cached)
		smmu_iotlb_inv_iova(bs, cfg->asid, cfg->s2cfg.vmid, iova, 0, 1, 0);
	if (write && (desc & DESC_USER) && (desc & DESC_DBM) && !(desc & DESC_RDONLY))
		cache(bs, cfg, tt, iova, desc, level);
}

static IOMMUTLBEntry translate(IOMMUMemoryRegion *mr, hwaddr iova, IOMMUAccessFlags flag, int index)
{
	SMMUDevice *sdev = container_of(mr, SMMUDevice, iommu);
	SMMUv3State *s = sdev->smmu;

	if (flag != IOMMU_NONE) {
		qemu_mutex_lock(&s->mutex);
		if (smmu_enabled(s))
			note(s, sdev, iova, flag & IOMMU_WO);
		qemu_mutex_unlock(&s->mutex);
	}
	return stock_translate(mr, iova, flag, index);
}

void httu_enable(bool with_cache, Error **errp)
{
	Object *found = object_resolve_path_type("", TYPE_ARM_SMMUV3, NULL);
	ObjectClass *klass = object_class_by_name(TYPE_SMMUV3_IOMMU_MEMORY_REGION);
	IOMMUMemoryRegionClass *region;
	SMMUv3State *s;

	if (!found || !klass) {
		error_setg(errp, "httu: the machine has no SMMUv3 (-M iommu=smmuv3), or more than one");
		return;
	}
	caches = with_cache;
	s = ARM_SMMUV3(found);
	/* A reset of the SMMU sets other fields, and keeps this one. */
	s->idr[0] = FIELD_DP32(s->idr[0], IDR0, HTTU, HTTU_ACCESS_DIRTY);
	if (contexts)
		return;
	contexts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	region = IOMMU_MEMORY_REGION_CLASS(klass);
	stock_translate = region->translate;
	region->translate = translate;
}
