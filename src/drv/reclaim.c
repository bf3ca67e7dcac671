/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Eviction (A-EPC-6 to 8), by whoever needs a page. A clock hand goes round each enclave, and from enclave to enclave:
 *  a) a page that was installed since the hand last came by loses its PTE and gets a second chance; if a stretch holds
 *     none but such pages, the first of them go nevertheless
 *  b) up to 16 victims: PTEs removed, EBLOCK
 *  c) ETRACK; EWB of each; who is still inside from before is kicked out once, and EWB tried again
 *  d) memory given back; the SECS follows the last page of an initialised enclave (A-EPC-8)
 * Other processes' PTEs can't be removed from here, so enclaves that several live processes use are left alone.
 */
#include "drv/state.h"

#include <linux/errno.h>

#include "sys/mem.h"

#define STRETCH		128	/* resident pages looked at in one pass */

struct victims {
	uint64_t page[DRV_BATCH];
	uint32_t count;
};

static bool busy_tcs(const struct encl *e, uint64_t i)
{
	return atomic_load_explicit(&e->section.epcm[i].tcs_word, memory_order_relaxed) != 0;
}

/* Calls zap for maximal runs, so that neighbours cost one system call. */
static void for_runs(struct drv *d, struct encl *e, const struct victims *v,
		     void (*run)(struct drv *d, struct encl *e, uint64_t i, uint64_t count))
{
	for (uint32_t k = 0, n; k < v->count; k += n) {
		for (n = 1; k + n < v->count && v->page[k + n] == v->page[k] + n; n++)
			;
		run(d, e, v->page[k], n);
	}
}

static void punch(struct drv *d, struct encl *e, uint64_t i, uint64_t count)
{
	epc_punch(epc_addr(e, i), count * DRV_PAGE);
	if (!private_convert(d, e, i, count, PTE_GONE))
		for (uint64_t k = i; k < i + count; k++)	/* only a part may be mapped */
			private_convert(d, e, k, 1, PTE_GONE);
}

/* One look at resident page @i. Young pages go to @young in runs, and to @second. */
static void consider(struct drv *d, struct encl *e, uint64_t i, struct victims *v, struct victims *second,
		     struct victims *young)
{
	if (!(e->pte[i] & PTE_YOUNG) && !busy_tcs(e, i)) {
		v->page[v->count++] = i;
		return;
	}
	if (second->count < DRV_BATCH && !busy_tcs(e, i))
		second->page[second->count++] = i;
	if (!(e->pte[i] & PTE_YOUNG))
		return;
	if (young->count == DRV_BATCH) {
		for_runs(d, e, young, pte_zap);
		young->count = 0;
	}
	young->page[young->count++] = i;
}

static void choose(struct drv *d, struct encl *e, uint64_t keep, struct victims *v)
{
	struct encl_header *h = e->header;
	struct victims second = { .count = 0 }, young = { .count = 0 };
	uint64_t seen = 0, i = h->hand < e->npages ? h->hand : 0;
	bool wrapped = false;
	const uint64_t origin = i;

	while (v->count < DRV_BATCH && seen < STRETCH) {
		i = encl_next_page(e, i, e->npages);
		if (i >= e->npages) {
			if (wrapped)
				break;
			wrapped = true;
			i = 0;
			continue;
		}
		if (wrapped && i >= origin)
			break;
		if (page_state(e, i) == PAGE_RESIDENT && i != keep) {
			consider(d, e, i, v, &second, &young);
			seen++;
		}
		i++;
	}
	for_runs(d, e, &young, pte_zap);
	h->hand = i;
	if (!v->count)
		*v = second;
}

/* EWB of EPC page @index to backing @index. 0, SGX_NOT_TRACKED, or anything else: not evicted. */
static long write_back(struct drv *d, struct encl *e, uint64_t index, uint32_t *slot)
{
	struct sgx_pageinfo *info = &d->scratch->pageinfo;
	long ret;

	*slot = va_slot_take(e);
	if (*slot == UINT32_MAX)
		return ENCLS_FAULT;
	*info = (struct sgx_pageinfo){
		.srcpge = (uint64_t)(e->backing + index * DRV_PAGE), .secinfo = (uint64_t)&e->pcmd[index],
	};
	ret = encls(d, e, EWB, (uint64_t)info, epc_addr(e, index), va_slot_addr(e, *slot));
	if (ret)
		va_slot_give(e, *slot);
	else if (d->counters)
		d->counters->evictions++;
	return ret;
}

static void account(struct drv *d, struct encl *e)
{
	e->header->resident--;
	e->counted--;
	d->epc_used--;
}

static void evict_secs(struct drv *d, struct encl *e)
{
	struct encl_header *h = e->header;
	uint32_t slot;

	if (encl_state(e) != ENCL_INITIALISED || h->children || h->secs_state != PAGE_RESIDENT)
		return;
	if (write_back(d, e, e->npages, &slot))
		return;
	h->secs_slot = slot;
	h->secs_state = PAGE_SWAPPED;
	account(d, e);
	epc_punch(epc_addr(e, e->npages), DRV_PAGE);
}

/* Steps b to d for chosen pages, in ascending order of address per run. Returns how many were evicted. */
static uint32_t evict(struct drv *d, struct encl *e, struct victims *v)
{
	struct victims done = { .count = 0 };
	bool kicked = false;

	for_runs(d, e, v, pte_zap);
	for (uint32_t k = 0; k < v->count; k++)
		encls(d, e, EBLOCK, 0, epc_addr(e, v->page[k]), 0);	/* "already" is as good */
	if (encls(d, e, ETRACK, 0, epc_addr(e, e->npages), 0)) {
		epc_track(d, e);
		kicked = true;
	}
	for (uint32_t k = 0; k < v->count; k++) {
		const uint64_t i = v->page[k];
		uint32_t slot;
		long ret = write_back(d, e, i, &slot);

		if (ret == SGX_NOT_TRACKED && !kicked) {
			kicked = true;
			if (d->ops && d->ops->kick)
				d->ops->kick(d, e);
			ret = write_back(d, e, i, &slot);
		}
		if (ret)
			continue;	/* stays BLOCKED: reclaim_unblock() */
		e->recs[i].va_slot = slot;
		atomic_store_explicit(&e->recs[i].state, PAGE_SWAPPED, memory_order_release);
		e->header->children--;
		account(d, e);
		done.page[done.count++] = i;
	}
	for_runs(d, e, &done, punch);
	return done.count;
}

static uint32_t reclaim_enclave(struct drv *d, struct encl *e, bool locked, uint64_t keep)
{
	struct victims v = { .count = 0 };
	uint32_t freed;

	if (!e->header->children || !encl_exclusive(d, e))
		return 0;
	choose(d, e, keep, &v);
	freed = v.count ? evict(d, e, &v) : 0;
	if (!locked)		/* whoever works on the enclave needs its SECS */
		evict_secs(d, e);
	return freed;
}

bool reclaim_possible(struct drv *d)
{
	for (uint32_t k = 0; k < d->encl_count; k++) {
		const struct encl *e = &d->encls[k];

		if (e->used && e->npages && e->header->children)
			return true;
	}
	return false;
}

bool reclaim_pass(struct drv *d, struct encl *locked, uint64_t keep)
{
	const uint32_t first = d->reclaim_next < d->encl_count ? d->reclaim_next : 0;

	for (uint32_t k = 0; k < d->encl_count; k++) {
		const uint32_t slot = (first + k) % d->encl_count;
		struct encl *e = &d->encls[slot];
		uint32_t freed;

		if (!e->used || !e->npages || (e != locked && !encl_try_lock(d, e)))
			continue;
		freed = reclaim_enclave(d, e, e == locked, keep);
		if (e != locked)
			encl_unlock(d, e);
		if (freed) {
			d->reclaim_next = slot + 1;
			return true;
		}
	}
	return false;
}

bool reclaim_unblock(struct drv *d, struct encl *e, uint64_t i)
{
	struct victims v = { .page = { i }, .count = 1 };

	return evict(d, e, &v) && !epc_load(d, e, i);
}
