/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ENCLUs of an enclave the engines of its processes have replaced. The bytes are shared by all of them, so the list
 * is in the enclave's file: a process that meets an INT3 it has not set itself learns here what stood there.
 */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/membarrier.h>

#define PATCHED_JUMP	(UINT64_C(1) << 63)
#define ENCLU_FIRST	0x0f

static _Atomic uint64_t *find(struct encl *e, uint64_t addr)
{
	for (uint32_t k = 0; k < ENCL_PATCHED_MAX; k++)
		if ((atomic_load_explicit(&e->header->patched[k], memory_order_acquire) & ~PATCHED_JUMP) == addr)
			return &e->header->patched[k];
	return NULL;
}

enum encl_patch encl_patch_begin(struct drv *d, uint32_t tid, struct encl *e, uint64_t addr, bool jump)
{
	enum encl_patch form = ENCL_PATCH_NO;
	_Atomic uint64_t *slot;

	drv_lock(d, tid);
	encl_lock(d, e);
	slot = find(e, addr);
	if (slot)
		return ENCL_PATCH_INT3;		/* as another process has it */
	slot = find(e, 0);
	if (slot && encl_page_is_code(e, addr)) {
		jump = jump && encl_exclusive(d, e);
		form = jump ? ENCL_PATCH_JUMP : ENCL_PATCH_INT3;
		atomic_store_explicit(slot, addr | (jump ? PATCHED_JUMP : 0), memory_order_release);
	}
	return form;
}

void encl_patch_end(struct drv *d, struct encl *e, uint64_t addr)
{
	_Atomic uint64_t *slot = find(e, addr);

	if (slot && e->section.mem[addr - e->base] == ENCLU_FIRST)	/* it was not replaced after all */
		atomic_store_explicit(slot, 0, memory_order_release);
	encl_unlock(d, e);
	drv_unlock(d);
}

void encl_patch_remove(struct encl *e, uint64_t addr)
{
	_Atomic uint64_t *slot = find(e, addr);

	if (slot)
		atomic_store_explicit(slot, 0, memory_order_release);
}

bool encl_patched(const struct encl *e, uint64_t addr)
{
	return addr && find((struct encl *)e, addr);
}

/*
 * The INT3 is there for everyone before the bytes behind it change; threads that are in a trampoline stay right, since
 * nobody else's memory is touched. Those processes' tables still have the sites, and serve their INT3s.
 */
void encl_patches_degrade(struct encl *e)
{
	for (uint32_t k = 0; k < ENCL_PATCHED_MAX; k++) {
		const uint64_t value = atomic_load(&e->header->patched[k]), addr = value & ~PATCHED_JUMP;
		uint8_t *code;

		if (!(value & PATCHED_JUMP) || !encl_covers(e, addr) ||
		    page_state(e, (addr - e->base) / DRV_PAGE) != PAGE_RESIDENT)
			continue;
		code = e->section.mem + (addr - e->base);
		__atomic_store_n(&code[0], 0xcc, __ATOMIC_SEQ_CST);
		sys_call3(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		__atomic_store_n(&code[1], 0x01, __ATOMIC_SEQ_CST);
		__atomic_store_n(&code[2], 0xd7, __ATOMIC_SEQ_CST);
		atomic_store(&e->header->patched[k], addr);
	}
}
