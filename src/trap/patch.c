/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hot EEXIT sites. A site is replaced only after it has trapped with EAX = EEXIT, so that the instruction's boundary and
 * leaf are known, and only on a page that the EPCM lets execute and not write. Forms: INT3 over the first byte (always
 * fits), or a jump to a trampoline that checks the leaf and goes to exit_fast. The jump's last two bytes lie over the
 * two that follow the ENCLU: they are kept as they are and choose where the trampoline lies ("punning"), so code behind
 * the ENCLU stays intact whatever it is. No byte 0xC3 is ever inserted (enclaves look for one to call).
 *
 * Trampoline (flags and RAX, RCX survive where the site turns out not to be a plain EEXIT):
 *	 0  xchg %rax, %rcx
 *	 2  lea -4(%rcx), %rcx
 *	 6  jrcxz 16
 *	 8  lea 4(%rcx), %rcx
 *	12  xchg %rax, %rcx
 *	14  int3
 *	15  int3
 *	16  jmp *2(%rip)
 *	22  padding
 *	24  address of exit_fast
 */
#include "sys/sys.h"
#include "trap/engine.h"
#include "trap/rtcopy.h"

#include <linux/mman.h>
#include <linux/membarrier.h>

enum { NR_MMAP = 9, NR_MEMBARRIER = 324 };
enum { TRAMPOLINE_SIZE = 32, TRAMPOLINE_JUMP = 16 };

struct patch_site *patch_find(struct engine *e, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < e->site_count; i++)
		if (e->site[i].addr == addr && addr)
			return e->site[i].patched ? &e->site[i] : NULL;
	return NULL;
}

static struct patch_site *site_of(struct engine *e, uint64_t addr)
{
	unsigned i;

	for (i = 0; i < e->site_count; i++)
		if (e->site[i].addr == addr)
			return &e->site[i];
	for (i = 0; i < e->site_count; i++)
		if (!e->site[i].addr)
			break;
	if (i == PATCH_SITES_MAX)
		return NULL;
	e->site[i] = (struct patch_site){ .addr = addr };
	if (i == e->site_count)
		e->site_count++;
	return &e->site[i];
}

/* The bytes of the enclave page behind @addr as the model's alias sees them. */
static uint8_t *alias_of(struct encl *encl, uint64_t addr)
{
	return encl_section(encl)->mem + (addr - encl_base(encl));
}

static void write_trampoline(uint8_t *at)
{
	static const uint8_t code[24] = {
		0x48, 0x91, 0x48, 0x8d, 0x49, 0xfc, 0xe3, 0x08, 0x48, 0x8d, 0x49, 0x04, 0x48, 0x91, 0xcc, 0xcc,
		0xff, 0x25, 0x02, 0x00, 0x00, 0x00, 0xcc, 0xcc,
	};
	uint64_t target = (uintptr_t)exit_fast;

	__builtin_memcpy(at, code, sizeof(code));
	__builtin_memcpy(at + 24, &target, 8);
}

/* Map a page for a trampoline at exactly @addr; the page may be ours already. */
static bool trampoline_place(struct engine *e, uint64_t addr)
{
	uint64_t page = addr & SGX_PAGE_MASK;
	unsigned i;

	if ((addr & 0xfff) > SGX_PAGE_SIZE - TRAMPOLINE_SIZE)
		return false;
	for (i = 0; i < e->page_count; i++)
		if (e->page[i] == page)
			break;
	if (i == e->page_count) {
		if (e->page_count == PATCH_PAGES_MAX || sys_is_error(
		    sys_call6(NR_MMAP, (long)page, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)))
			return false;
		e->page[e->page_count++] = page;
	} else {
		for (i = 0; i < e->site_count; i++)	/* taken by another site, wholly or in part? */
			if (e->site[i].addr && e->site[i].trampoline &&
			    e->site[i].trampoline - addr + TRAMPOLINE_SIZE < 2 * TRAMPOLINE_SIZE)
				return false;
	}
	write_trampoline((uint8_t *)addr);
	return true;
}

/*
 * Where can the trampoline of a jump at @site lie, if bytes 3 and 4 behind its first are @next? The displacement is
 * {a, b, next[0], next[1]}: b and a are free, 64 KiB of places, tried from both ends in steps of a trampoline.
 */
static uint64_t trampoline_find(struct engine *e, const struct encl *encl, uint64_t site, const uint8_t next[2])
{
	uint32_t high = (uint32_t)next[0] << 16 | (uint32_t)next[1] << 24;
	uint32_t low;

	for (low = 0; low < 0x10000; low += TRAMPOLINE_SIZE) {
		uint64_t at = site + 5 + (uint64_t)(int64_t)(int32_t)(high | low);
		unsigned a = low & 0xff, b = low >> 8;

		if (a == 0xc3 || b == 0xc3 || at < 0x10000 || at >= UINT64_C(0x7ffffffff000) ||
		    at - encl_base(encl) < encl_size(encl))
			continue;
		if (trampoline_place(e, at))
			return at;
		if (e->page_count == PATCH_PAGES_MAX)
			return 0;
		if ((at & 0xfff) <= SGX_PAGE_SIZE - TRAMPOLINE_SIZE)
			low += SGX_PAGE_SIZE - TRAMPOLINE_SIZE;	/* this page is not to be had: the next one */
	}
	return 0;
}

static void sync_cores(void)
{
	sys_call3(NR_MEMBARRIER, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}

static void site_patch(struct engine *e, struct encl *encl, struct patch_site *s)
{
	uint8_t *code = alias_of(encl, s->addr);
	uint64_t offset = s->addr & 0xfff;
	uint64_t trampoline = 0;
	int32_t displacement;

	if (s->size != 3 || offset > SGX_PAGE_SIZE - 5)
		return;			/* prefixed, or across pages: leave it alone */
	sys_call3(NR_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	__builtin_memcpy(s->original, code, 5);
	if (e->patch_mode != PATCH_INT3)
		trampoline = trampoline_find(e, encl, s->addr, code + 3);
	if (!trampoline && e->patch_mode == PATCH_JUMP)
		return;
	s->trampoline = trampoline;
	s->patched = trampoline ? 3 : 1;
	__atomic_store_n(&code[0], 0xcc, __ATOMIC_SEQ_CST);	/* a thread that arrives now traps and is served */
	sync_cores();
	if (!trampoline)
		return;
	displacement = (int32_t)(trampoline - (s->addr + 5));
	code[1] = (uint8_t)displacement;
	code[2] = (uint8_t)(displacement >> 8);
	sync_cores();
	__atomic_store_n(&code[0], 0xe9, __ATOMIC_SEQ_CST);
	sync_cores();
}

void patch_trapped(struct engine *e, struct thread *t, uint64_t addr, unsigned size)
{
	struct patch_site *s;
	struct encl *encl;

	if (e->patch_mode == PATCH_OFF)
		return;
	encl = drv_encl_at(e->drv, addr);
	if (!encl || !encl_page_is_code(encl, addr))
		return;
	lock_acquire(&e->patch_lock, (uint32_t)t->tid);
	s = site_of(e, addr);
	if (s && !s->patched) {
		s->size = (uint8_t)size;
		if (++s->hits >= (e->patch_mode == PATCH_FORCE ? 1 : PATCH_HOT))
			site_patch(e, encl, s);
	}
	lock_release(&e->patch_lock);
}

bool patch_unwind(struct engine *e, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	uint64_t offset, swap;
	unsigned i;

	for (i = 0; i < e->page_count; i++)
		if (m->rip - e->page[i] < SGX_PAGE_SIZE)
			break;
	if (i == e->page_count)
		return false;
	for (i = 0; i < e->site_count; i++) {
		offset = m->rip - e->site[i].trampoline;
		if (!e->site[i].addr || !e->site[i].trampoline || offset >= TRAMPOLINE_SIZE)
			continue;
		if (offset == 6 || offset == 8 || offset == TRAMPOLINE_JUMP)
			m->rcx += 4;
		if (offset >= 2 && (offset <= 12 || offset == TRAMPOLINE_JUMP)) {
			swap = m->rax;
			m->rax = m->rcx;
			m->rcx = swap;
		}
		m->rip = e->site[i].addr;
		return true;
	}
	return false;
}

static void site_restore(struct encl *encl, struct patch_site *s)
{
	uint8_t *code = alias_of(encl, s->addr);

	__atomic_store_n(&code[0], 0xcc, __ATOMIC_SEQ_CST);
	sync_cores();
	__builtin_memcpy(code + 1, s->original + 1, 2);
	sync_cores();
	__atomic_store_n(&code[0], s->original[0], __ATOMIC_SEQ_CST);
	sync_cores();
}

void engine_invalidate(struct engine *e, struct encl *encl, uint64_t start, uint64_t end)
{
	unsigned i;

	for (i = 0; i < e->site_count; i++) {
		struct patch_site *s = &e->site[i];

		if (!s->addr || s->addr - start >= end - start)
			continue;
		if (s->patched)
			site_restore(encl, s);
		s->addr = 0;
	}
}
