/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Version arrays (A-EPC-9). Each page of the enclave, SECS included, is owed a slot: VA pages times 512 never falls
 * below the page count, so that an eviction always finds one.
 */
#include "drv/state.h"

#include <linux/errno.h>

#define WORDS	(ENCL_CHUNK / 64)	/* of uint64_t, one bit a slot */

static uint64_t va_index(const struct encl *e, uint64_t va)
{
	return e->npages + 1 + va;
}

long va_grow(struct drv *d, struct encl *e, bool interruptible)
{
	struct encl_header *h = e->header;
	long ret;

	if (h->page_cnt < h->va_count * ENCL_CHUNK)
		return 0;
	ret = epc_take(d, e, ENCL_NO_PAGE, interruptible);
	if (ret)
		return ret;
	if (encls(d, e, EPA, SGX_PT_VA, epc_addr(e, va_index(e, h->va_count)), 0)) {
		epc_give(d, e, va_index(e, h->va_count));
		return -EFAULT;
	}
	h->va_count++;
	return 0;
}

uint32_t va_slot_take(struct encl *e)
{
	struct encl_header *h = e->header;

	for (uint64_t va = h->va_hint; va < h->va_count; va++) {
		uint64_t *map = e->slots + va * WORDS;

		for (uint32_t w = 0; w < WORDS; w++) {
			uint32_t bit;

			if (!~map[w])
				continue;
			bit = (uint32_t)__builtin_ctzll(~map[w]);
			map[w] |= UINT64_C(1) << bit;
			h->va_hint = va;
			return (uint32_t)va * ENCL_CHUNK + w * 64 + bit;
		}
	}
	return UINT32_MAX;
}

void va_slot_give(struct encl *e, uint32_t slot)
{
	const uint64_t va = slot / ENCL_CHUNK;

	e->slots[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	if (va < e->header->va_hint)
		e->header->va_hint = va;
}

uint64_t va_slot_addr(const struct encl *e, uint32_t slot)
{
	return epc_addr(e, va_index(e, slot / ENCL_CHUNK)) + slot % ENCL_CHUNK * 8;
}
