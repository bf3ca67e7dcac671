/* SPDX-License-Identifier: BSD-2-Clause */
/* The account of EPC pages, and the leaves as the driver uses them. */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"

/* Leaves that report in RAX (sgx-isa section 3.2); the others leave it alone. */
#define REPORTING	(1u << EINIT | 1u << EREMOVE | 1u << ELDU | 1u << EBLOCK | 1u << EWB | 1u << ETRACK | \
			 1u << EMODPR | 1u << EMODT)

/* Result: ENCLS_FAULT, or the code in RAX, or 0. */
long encls(struct drv *d, struct encl *e, enum sgx_encls leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	struct cpu *c = &d->cpu;

	c->regs = (struct cpu_regs){ .rax = leaf, .rbx = rbx, .rcx = rcx, .rdx = rdx };
	c->tid = d->tid;
	d->leaf_encl = e;
	if (isa_encls(&d->machine, c) == LEAF_FAULT)
		return ENCLS_FAULT;
	return (REPORTING >> leaf) & 1 ? (long)c->regs.rax : 0;
}

uint64_t epc_addr(const struct encl *e, uint64_t index)
{
	return e->section.base + index * DRV_PAGE;
}

uint64_t epc_free(const struct drv *d)
{
	return d->epc_used < d->config.epc_pages ? d->config.epc_pages - d->epc_used : 0;
}

long epc_take(struct drv *d, struct encl *e, uint64_t keep, bool interruptible)
{
	while (!epc_free(d)) {
		if (!reclaim_possible(d))
			return -ENOMEM;				/* A-EPC-4 */
		if (interruptible && drv_signal_pending(d))
			return -DRV_ERESTARTSYS;
		/*
		 * Pages exist that Linux would evict, but can't be from here: other processes have them mapped, or a
		 * thread does not leave. Rather than fail where Linux does not, the account is exceeded.
		 */
		if (!reclaim_pass(d, e, keep))
			break;
	}
	e->header->resident++;
	e->counted++;
	d->epc_used++;
	if (d->counters && d->epc_used > d->counters->epc_peak)
		d->counters->epc_peak = d->epc_used;
	return 0;
}

void epc_punch(uint64_t start, uint64_t size)
{
	sys_call3(__NR_madvise, start, size, MADV_REMOVE);
}

void epc_give(struct drv *d, struct encl *e, uint64_t index)
{
	epc_punch(epc_addr(e, index), DRV_PAGE);
	e->header->resident--;
	e->counted--;
	d->epc_used--;
}

/* ELDU of backing index @index to EPC index @index. The PCMD is cleared and the contents dropped in any case. */
static bool reload(struct drv *d, struct encl *e, uint64_t index, uint64_t linaddr, uint64_t secs, uint32_t slot)
{
	struct sgx_pageinfo *info = &d->scratch->pageinfo;
	uint8_t *contents = e->backing + index * DRV_PAGE;
	long ret;

	*info = (struct sgx_pageinfo){
		.linaddr = linaddr, .srcpge = (uint64_t)contents, .secinfo = (uint64_t)&e->pcmd[index], .secs = secs,
	};
	ret = encls(d, e, ELDU, (uint64_t)info, epc_addr(e, index), va_slot_addr(e, slot));
	memset(&e->pcmd[index], 0, sizeof(struct sgx_pcmd));	/* A-EPC-11 */
	epc_punch((uint64_t)contents, DRV_PAGE);
	va_slot_give(e, slot);
	if (d->counters && !ret)
		d->counters->reloads++;
	return !ret;
}

long epc_load_secs(struct drv *d, struct encl *e, uint64_t keep)
{
	struct encl_header *h = e->header;
	long ret;

	if (h->secs_state == PAGE_RESIDENT)
		return 0;
	if (h->secs_state == PAGE_LOST)
		return -EFAULT;
	ret = epc_take(d, e, keep, false);
	if (ret)
		return ret;
	if (reload(d, e, e->npages, 0, 0, (uint32_t)h->secs_slot)) {
		h->secs_state = PAGE_RESIDENT;
		return 0;
	}
	h->secs_state = PAGE_LOST;
	epc_give(d, e, e->npages);
	return -EFAULT;
}

long epc_load(struct drv *d, struct encl *e, uint64_t i)
{
	struct page_rec *r = &e->recs[i];
	long ret;

	if (page_state(e, i) == PAGE_RESIDENT)
		return 0;
	if (page_state(e, i) != PAGE_SWAPPED)
		return -EFAULT;
	ret = epc_load_secs(d, e, i);
	if (!ret)
		ret = epc_take(d, e, i, false);
	if (ret)
		return ret;
	if (reload(d, e, i, encl_addr(e, i), epc_addr(e, e->npages), r->va_slot)) {
		e->header->children++;
		atomic_store_explicit(&r->state, PAGE_RESIDENT, memory_order_release);
		return 0;
	}
	atomic_store_explicit(&r->state, PAGE_LOST, memory_order_release);
	epc_give(d, e, i);
	return -EFAULT;
}

static void kick(struct drv *d, struct encl *e)
{
	if (d->ops && d->ops->kick)
		d->ops->kick(d, e);
}

long epc_track(struct drv *d, struct encl *e)
{
	const uint64_t secs = epc_addr(e, e->npages);
	long ret = encls(d, e, ETRACK, 0, secs, 0);

	if (ret) {
		kick(d, e);
		ret = encls(d, e, ETRACK, 0, secs, 0);
	}
	kick(d, e);
	return ret ? -EFAULT : 0;
}

bool epc_eremove(struct drv *d, struct encl *e, uint64_t i)
{
	if (encls(d, e, EREMOVE, 0, epc_addr(e, i), 0))
		return false;
	encl_rec_remove(e, i);
	epc_give(d, e, i);
	return true;
}
