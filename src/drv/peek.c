/* SPDX-License-Identifier: BSD-2-Clause */
/* What debuggers and the search for symbols ask about enclaves. */
#include "drv/peek.h"

#include "drv/state.h"
#include "sys/mem.h"

static struct encl *find(struct drv *d, uint64_t addr)
{
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used && encl_covers(&d->encls[i], addr))
			return &d->encls[i];
	return NULL;
}

bool drv_describe(struct drv *d, uint32_t tid, uint64_t base, struct drv_enclave *info)
{
	struct encl *e;

	drv_lock(d, tid);
	e = find(d, base);
	if (e && e->base == base)
		*info = (struct drv_enclave){
			.base = base, .size = e->size, .attributes = e->header->attributes, .xfrm = e->header->xfrm,
			.id = e->header->id, .ssaframesize = e->header->secs_state != PAGE_RESIDENT ? 0 :
				((const struct sgx_secs *)(void *)epc_addr(e, e->npages))->ssaframesize,
		};
	drv_unlock(d);
	return e && e->base == base;
}

static bool peek(struct drv *d, struct encl *e, uint64_t addr, uint8_t *dst, uint64_t size)
{
	while (size) {
		const uint64_t i = (addr - e->base) / DRV_PAGE, in_page = addr % DRV_PAGE;
		const uint64_t part = size < DRV_PAGE - in_page ? size : DRV_PAGE - in_page;

		if (i >= e->npages || epc_load(d, e, i) || e->section.epcm[i].pt != SGX_PT_REG)
			return false;
		memcpy(dst, (const uint8_t *)epc_addr(e, i) + in_page, part);
		dst += part;
		addr += part;
		size -= part;
	}
	return true;
}

bool drv_peek(struct drv *d, uint32_t tid, uint64_t addr, void *dst, uint64_t size)
{
	bool done = false;
	struct encl *e;

	drv_lock(d, tid);
	e = find(d, addr);
	if (e) {
		encl_lock(d, e);
		done = peek(d, e, addr, dst, size);
		encl_unlock(d, e);
	}
	drv_unlock(d);
	return done;
}

static bool is_code(const struct encl *e, uint64_t i)
{
	return page_state(e, i) == PAGE_RESIDENT && e->section.epcm[i].x && e->section.epcm[i].pt == SGX_PT_REG;
}

uint64_t drv_next_code(struct drv *d, uint32_t tid, uint64_t base, uint64_t addr)
{
	uint64_t found = 0;
	struct encl *e;

	drv_lock(d, tid);
	e = find(d, base);
	if (e && e->base == base && addr >= base) {
		encl_lock(d, e);
		for (uint64_t i = encl_next_page(e, (addr - base) / DRV_PAGE, e->npages); i < e->npages && !found;
		     i = encl_next_page(e, i + 1, e->npages))
			if (is_code(e, i))
				found = encl_addr(e, i);
		encl_unlock(d, e);
	}
	drv_unlock(d);
	return found;
}

bool drv_code_mapped(struct drv *d, uint32_t tid, uint64_t base)
{
	bool any = false, all = true;
	struct encl *e;

	drv_lock(d, tid);
	e = find(d, base);
	if (e && e->base == base) {
		encl_lock(d, e);
		for (uint64_t i = encl_next_page(e, 0, e->npages); i < e->npages && all;
		     i = encl_next_page(e, i + 1, e->npages)) {
			const struct vma *v = is_code(e, i) ? vma_at(d, encl_addr(e, i)) : NULL;

			any |= is_code(e, i);
			all = !is_code(e, i) || (v && v->encl == e);
		}
		encl_unlock(d, e);
	}
	drv_unlock(d);
	return any && all;
}

bool encl_debugged(const struct encl *e)
{
	return e->private_donor;
}

void drv_settle(struct drv *d, uint32_t tid, uint64_t addr)
{
	const struct vma *v;
	struct encl *e;
	uint64_t i;

	drv_lock(d, tid);
	v = vma_at(d, addr);
	if (v && encl_covers(v->encl, addr)) {
		e = v->encl;
		i = (addr - e->base) / DRV_PAGE;
		encl_lock(d, e);
		private_settle(d, e, i, 1);
		if (page_state(e, i) == PAGE_RESIDENT && !(e->pte[i] & PTE_PROT) && !(v->prot & ~e->recs[i].max_prot))
			pte_install(d, e, i);
		encl_unlock(d, e);
	}
	drv_unlock(d);
}
