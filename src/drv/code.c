/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code of enclaves whose XFRM is not the machine's XCR0, or that may hold CPUID where the machine cannot make that fault.
 * Every executable page that the enclave cannot write is shown to drv_ops.patch_code once, before any process gets the
 * right to execute it; page_rec.code says that this has happened.
 * What it changes is part of the page from then on, wherever the page goes. The page was measured before: EEXTEND is
 * done in the ioctl that adds it.
 */
#include "drv/state.h"

#include <linux/mman.h>

#include "sys/mem.h"

#define MARGIN		1024	/* bytes of the pages on both sides that are shown too */

/* The page with its surroundings as the enclave's author wrote them, as far as they are code. */
struct view {
	uint8_t bytes[MARGIN + 4096 + MARGIN];
	uint64_t from, end;
};

/* DRV_CODE_*: what is replaced in this enclave. */
static unsigned int wanted(const struct drv *d, const struct encl *e)
{
	if (!d->ops || !d->ops->patch_code)
		return 0;
	return (e->header->xfrm != d->machine.profile->xcr0 ? DRV_CODE_XCR0 : 0) |
	       (d->config.patch_cpuid ? DRV_CODE_CPUID : 0);
}

static bool is_code(const struct encl *e, uint64_t i)
{
	const struct epcm_entry *p = &e->section.epcm[i];

	return p->valid && p->x && !p->w && !p->pending && !p->modified && p->pt == SGX_PT_REG;
}

bool code_ready(const struct drv *d, const struct encl *e, uint64_t i, uint32_t rights)
{
	if (!wanted(d, e) || !(rights & (PROT_WRITE | PROT_EXEC)))
		return true;
	return e->section.epcm[i].w ? !e->recs[i].code : e->recs[i].code & CODE_SEEN;
}

/* @size bytes at @offset of page @i, a neighbour, to @dst; false if there is no code of it. Never fails for good. */
static bool neighbour(struct drv *d, struct encl *e, uint64_t i, uint64_t offset, uint8_t *dst)
{
	if (i >= e->npages || page_state(e, i) == PAGE_ABSENT || epc_load(d, e, i) || !is_code(e, i))
		return false;
	memcpy(dst, (const void *)(epc_addr(e, i) + offset), MARGIN);
	return true;
}

static bool evicted(const struct encl *e, uint64_t i)
{
	return i < e->npages && page_state(e, i) == PAGE_SWAPPED;
}

/* The neighbours first: to bring one back may evict the page. */
static bool view_make(struct drv *d, struct encl *e, uint64_t i, struct view *v)
{
	const uint64_t addr = encl_addr(e, i) - MARGIN;
	uint8_t *page = v->bytes + MARGIN;
	const uint64_t size = sizeof(v->bytes);
	const bool before = neighbour(d, e, i - 1, DRV_PAGE - MARGIN, v->bytes);
	const bool after = neighbour(d, e, i + 1, 0, page + DRV_PAGE);

	if (epc_load(d, e, i))
		return false;
	memcpy(page, (const void *)epc_addr(e, i), DRV_PAGE);
	v->from = before ? 0 : MARGIN;
	v->end = after ? size : MARGIN + DRV_PAGE;
	if (before && e->recs[i - 1].code & CODE_PATCHED)
		d->ops->unpatch_code(wanted(d, e), v->bytes, v->end, 0, MARGIN, addr);
	if (after && e->recs[i + 1].code & CODE_PATCHED)
		d->ops->unpatch_code(wanted(d, e), v->bytes, v->end, MARGIN + DRV_PAGE, size, addr);
	return true;
}

static void patch(struct drv *d, struct encl *e, uint64_t i, const struct view *v)
{
	uint8_t *page = (uint8_t *)epc_addr(e, i);
	const uint64_t from = MARGIN - v->from;

	e->recs[i].code = CODE_SEEN;
	if (d->ops->patch_code(wanted(d, e), v->bytes + v->from, v->end - v->from, from, from + DRV_PAGE, page))
		e->recs[i].code = CODE_SEEN | CODE_PATCHED;
}

/* Other threads may be executing the page: only the bytes that change are written. */
static void unpatch(struct drv *d, struct encl *e, uint64_t i, struct view *v)
{
	uint8_t *page = (uint8_t *)epc_addr(e, i);

	if (e->recs[i].code & CODE_PATCHED) {
		d->ops->unpatch_code(wanted(d, e), v->bytes, v->end, MARGIN, MARGIN + DRV_PAGE, encl_addr(e, i) - MARGIN);
		for (uint64_t k = DRV_PAGE; k-- > 0;)	/* the INT3 is the first byte of a site: it goes last */
			if (page[k] != v->bytes[MARGIN + k])
				__atomic_store_n(&page[k], v->bytes[MARGIN + k], __ATOMIC_SEQ_CST);
	}
	e->recs[i].code = 0;
}

bool code_prepare(struct drv *d, struct encl *e, uint64_t i, bool load)
{
	const struct epcm_entry *p = &e->section.epcm[i];
	struct view v;

	if (!wanted(d, e) || (!is_code(e, i) && !(p->valid && p->w)))
		return true;
	if (p->w ? !e->recs[i].code : e->recs[i].code & CODE_SEEN)
		return true;
	if (!load && (evicted(e, i - 1) || evicted(e, i + 1)))
		return true;
	if (!view_make(d, e, i, &v))
		return false;
	if (p->w)
		unpatch(d, e, i, &v);
	else
		patch(d, e, i, &v);
	return true;
}
