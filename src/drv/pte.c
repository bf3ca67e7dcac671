/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page table entries. A page is given the rights that both the mapping and its EPCM entry allow; a page whose EPCM
 * entry refuses every access (TCS, pending, modified, trimmed, blocked) stays PROT_NONE, and its PTE_PRESENT bit says
 * that Linux's PTE would be there. Runs of equal rights are installed at once: the kernel's mappings stay few.
 */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"

#define RUN		512	/* pages around a fault that are installed with it */
#define RUN_SCARCE	16	/* while the EPC is short: what is not used must not look used */

/* x86 has no right to write or execute without reading; EPCM rights are exact. */
uint32_t pte_native(const struct encl *e, uint64_t i, uint32_t prot)
{
	const struct epcm_entry *p = &e->section.epcm[i];

	if (!p->valid || p->blocked || p->pending || p->modified)
		return 0;
	if (p->pt != SGX_PT_REG)
		return p->pt == SGX_PT_TCS && e->private_donor ? prot & PROT_READ : 0;	/* FLAGS: private.c */
	return (prot && p->r ? PROT_READ : 0) | (p->w ? prot & PROT_WRITE : 0) | (p->x ? prot & PROT_EXEC : 0);
}

uint32_t pte_ready(const struct drv *d, const struct encl *e, uint64_t i, uint32_t prot)
{
	const uint32_t native = pte_native(e, i, prot);

	return code_ready(d, e, i, native) ? native : native & (uint32_t)PROT_READ;
}

static long protect(const struct encl *e, uint64_t i, uint64_t count, uint32_t prot)
{
	return sys_call3(__NR_mprotect, encl_addr(e, i), count * DRV_PAGE, prot);
}

/* The limit on mappings was hit, or the program lost the mapping behind our back: start afresh, all PROT_NONE. */
static bool protect_afresh(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint32_t prot)
{
	struct vma *v = vma_at(d, encl_addr(e, i));

	if (!v || v->encl != e || map_realise(d, v))
		return false;
	return !prot || (private_convert(d, e, i, count, private_kind(e, prot)) && !protect(e, i, count, prot));
}

static bool fits(struct drv *d, struct encl *e, uint64_t i, const struct vma *v, uint32_t native)
{
	const uint64_t addr = encl_addr(e, i);

	return addr >= v->start && addr < v->end && page_state(e, i) == PAGE_RESIDENT &&
	       !(v->prot & ~e->recs[i].max_prot) && pte_native(e, i, v->prot) == native &&
	       (e->pte[i] & PTE_PROT) != native && code_prepare(d, e, i, false) && code_ready(d, e, i, native);
}

bool pte_install(struct drv *d, struct encl *e, uint64_t i)
{
	const uint64_t run = epc_free(d) < 2 * DRV_LOW_WATER ? RUN_SCARCE : RUN;
	const uint64_t low = i / run * run, high = low + run < e->npages ? low + run : e->npages;
	struct vma *v = vma_at(d, encl_addr(e, i));
	uint64_t first = i, end = i + 1;
	uint32_t native;

	if (!v || v->encl != e)
		return false;
	if (!code_prepare(d, e, i, true))
		return false;
	native = pte_ready(d, e, i, v->prot);
	if (!native) {
		e->pte[i] |= PTE_PRESENT | PTE_YOUNG;
		return true;
	}
	if ((v->flags & VMA_PLACEHOLDER) && map_realise(d, v))
		return false;
	v = vma_at(d, encl_addr(e, i));
	while (first > low && fits(d, e, first - 1, v, native))
		first--;
	while (end < high && fits(d, e, end, v, native))
		end++;
	if ((!private_convert(d, e, first, end - first, private_kind(e, native)) ||
	     protect(e, first, end - first, native)) && !protect_afresh(d, e, first, end - first, native))
		return false;
	memset(e->pte + first, (int)(native | PTE_PRESENT | PTE_YOUNG | private_kind(e, native)), end - first);
	return true;
}

/* Rights of [i, i + count) that exceed what the EPCM and @prot allow go. */
void pte_refit(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint32_t prot)
{
	const uint64_t end = i + count;
	bool any = false;

	while ((i = encl_next_page(e, i, end)) < end) {
		const uint32_t now = e->pte[i] & PTE_PROT, want = now ? now & pte_ready(d, e, i, prot) : 0;
		uint64_t next = i + 1;

		if (now == want) {
			i++;
			continue;
		}
		while (next < end && (e->pte[next] & PTE_PROT) == now && page_state(e, next) == PAGE_RESIDENT &&
		       (now & pte_ready(d, e, next, prot)) == want)
			next++;
		private_settle(d, e, i, next - i);
		if (((now & ~want & PROT_WRITE) && !private_convert(d, e, i, next - i, 0)) ||
		    protect(e, i, next - i, want))
			protect_afresh(d, e, i, next - i, want);
		for (; i < next; i++)
			e->pte[i] = (uint8_t)((e->pte[i] & ~PTE_PROT) | want);
		any = true;
	}
	if (any)
		drv_invalidate(d, e, encl_addr(e, end - count), encl_addr(e, end));
}

void pte_zap(struct drv *d, struct encl *e, uint64_t i, uint64_t count)
{
	const uint64_t end = i + count;
	bool any = false;

	private_settle(d, e, i, count);
	/* First said, then done: drv_fetchable(). */
	for (uint64_t k = i; k < end; k++)
		any |= __atomic_fetch_and(&e->pte[k], PTE_KIND, __ATOMIC_ACQ_REL) & PTE_PROT;
	if (any && protect(e, i, count, PROT_NONE)) {
		/* Only a part may be mapped: page by page. */
		for (uint64_t k = i; k < end; k++)
			if (protect(e, k, 1, PROT_NONE))
				protect_afresh(d, e, k, 1, PROT_NONE);
	}
	if (any)
		drv_invalidate(d, e, encl_addr(e, i), encl_addr(e, end));
}

/* The zeroes of a large range come from the kernel: its table of PTEs is sparse. */
void pte_forget(struct encl *e, uint64_t start, uint64_t end)
{
	uint64_t i, n, from, to;

	if (!e->npages)
		return;
	start = start < e->base ? e->base : start;
	end = end > e->base + e->size ? e->base + e->size : end;
	if (start >= end)
		return;
	i = (uint64_t)e->pte + (start - e->base) / DRV_PAGE;
	n = (end - start) / DRV_PAGE;
	from = (i + DRV_PAGE - 1) & SGX_PAGE_MASK;
	to = (i + n) & SGX_PAGE_MASK;
	if (from >= to || sys_call3(__NR_madvise, from, to - from, MADV_DONTNEED)) {
		memset((void *)i, 0, n);
		return;
	}
	memset((void *)i, 0, from - i);
	memset((void *)to, 0, i + n - to);
}
