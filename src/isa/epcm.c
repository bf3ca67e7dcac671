/* SPDX-License-Identifier: BSD-2-Clause */
/* EPC pages, their EPCM entries, and the try-only locks of section 3.3. */
#include "isa/machine.h"

static struct epc_page page_of(struct epc_section *s, uint64_t index)
{
	return (struct epc_page){
		.section = s, .index = index, .epcm = &s->epcm[index], .mem = s->mem + index * SGX_PAGE_SIZE,
	};
}

bool epc_at(struct machine *m, uint64_t addr, struct epc_page *page)
{
	struct epc_section *s = m->section_at(m, addr);
	uint64_t index;

	if (!s || addr < s->base)
		return false;
	index = (addr - s->base) / SGX_PAGE_SIZE;
	if (index >= s->npages)
		return false;
	*page = page_of(s, index);
	return true;
}

struct epc_page epc_secs_of(const struct epc_page *page)
{
	return page_of(page->section, page->epcm->secs);
}

bool epcm_lock_shared(struct epcm_entry *e)
{
	uint32_t holders = atomic_load_explicit(&e->lock, memory_order_relaxed);

	do {
		if (holders & EPCM_EXCLUSIVE)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&e->lock, &holders, holders + 1, memory_order_acquire,
							memory_order_relaxed));
	return true;
}

bool epcm_lock_exclusive(struct epcm_entry *e)
{
	uint32_t nobody = 0;

	return atomic_compare_exchange_strong_explicit(&e->lock, &nobody, EPCM_EXCLUSIVE, memory_order_acquire,
						       memory_order_relaxed);
}

void epcm_unlock_shared(struct epcm_entry *e)
{
	atomic_fetch_sub_explicit(&e->lock, 1, memory_order_release);
}

void epcm_unlock_exclusive(struct epcm_entry *e)
{
	atomic_store_explicit(&e->lock, 0, memory_order_release);
}

bool epcm_lock_sgx2(struct epcm_entry *e)
{
	return !(atomic_fetch_or_explicit(&e->lock, EPCM_SGX2, memory_order_acquire) & EPCM_SGX2);
}

void epcm_unlock_sgx2(struct epcm_entry *e)
{
	atomic_fetch_and_explicit(&e->lock, ~EPCM_SGX2, memory_order_release);
}

void section_touch(struct epc_section *s)
{
	atomic_fetch_add_explicit(s->generation, 1, memory_order_release);
}
