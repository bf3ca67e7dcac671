/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hot ENCLU sites: EEXIT in enclaves, EENTER in programs that execute their own instead of calling the vDSO. A site is
 * replaced only after it has trapped with that leaf, so that the instruction's boundary and leaf are known; in an
 * enclave only on a page that the EPCM lets execute and not write. Forms: INT3 over the first byte (always fits), or a
 * jump to a trampoline that checks the leaf and goes to exit_fast or enter_raw. The jump's last two bytes lie over the
 * two that follow the ENCLU: they are kept as they are and choose where the trampoline lies ("punning"), so code behind
 * the ENCLU stays intact whatever it is. No byte C3 is ever inserted (enclaves look for one to call).
 *
 * Trampolines; flags, and RAX and RCX where the leaf turns out to be another, survive:
 *		 0  xchg %rax, %rcx
 *		 2  lea -LEAF(%rcx), %rcx
 *		 6  jrcxz 16
 *		 8  lea LEAF(%rcx), %rcx
 *		12  xchg %rax, %rcx
 *		14  int3; int3
 *	EEXIT:	16  jmp *exit_fast			RAX, RCX are free
 *	EENTER:	16  movabs $return, %rcx		RAX is the AEP
 *		26  jmp *enter_raw
 */
#include "sys/sys.h"
#include "trap/engine.h"
#include "trap/rtcopy.h"

#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/membarrier.h>

enum { NR_OPEN = 2, NR_CLOSE = 3, NR_MMAP = 9, NR_PWRITE64 = 18, NR_GETPID = 39, NR_PROCESS_VM_WRITEV = 311, NR_MEMBARRIER = 324 };
enum { TRAMPOLINE_SIZE = 64, TRAMPOLINE_NOT = 14, TRAMPOLINE_TAKEN = 16, TRAMPOLINE_RAW_JUMP = 26, TRAMPOLINE_TARGET = 48 };

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

static void write_trampoline(uint8_t *at, const struct patch_site *s)
{
	const uint8_t leaf = s->host ? EENTER : EEXIT;
	const uint8_t test[TRAMPOLINE_TAKEN] = {
		0x48, 0x91, 0x48, 0x8d, 0x49, (uint8_t)-leaf, 0xe3, 0x08, 0x48, 0x8d, 0x49, leaf, 0x48, 0x91, 0xcc, 0xcc,
	};
	const uint64_t target = s->host ? (uintptr_t)enter_raw : (uintptr_t)exit_fast, behind = s->addr + s->size;
	uint8_t jump = s->host ? TRAMPOLINE_RAW_JUMP : TRAMPOLINE_TAKEN;

	__builtin_memset(at, 0xcc, TRAMPOLINE_SIZE);
	__builtin_memcpy(at, test, sizeof(test));
	if (s->host) {
		at[TRAMPOLINE_TAKEN] = 0x48;
		at[TRAMPOLINE_TAKEN + 1] = 0xb9;
		__builtin_memcpy(at + TRAMPOLINE_TAKEN + 2, &behind, 8);
	}
	at[jump] = 0xff;				/* jmp *disp32(%rip) */
	at[jump + 1] = 0x25;
	__builtin_memcpy(at + jump + 2, &(uint32_t){ TRAMPOLINE_TARGET - jump - 6u }, 4);
	__builtin_memcpy(at + TRAMPOLINE_TARGET, &target, 8);
}

/* Map a page for a trampoline at exactly @addr; the page may be ours already. */
static bool trampoline_place(struct engine *e, const struct patch_site *s, uint64_t addr)
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
	write_trampoline((uint8_t *)addr, s);
	return true;
}

/*
 * Where can the trampoline of @s lie, if the bytes behind its ENCLU are @next? In no hole of the enclave's own range. The displacement is
 * {a, b, next[0], next[1]}: b and a are free, 64 KiB of places, tried from both ends in steps of a trampoline.
 */
static uint64_t trampoline_find(struct engine *e, const struct encl *encl, const struct patch_site *s,
				const uint8_t next[2])
{
	uint32_t high = (uint32_t)next[0] << 16 | (uint32_t)next[1] << 24;
	uint32_t low;

	for (low = 0; low < 0x10000; low += TRAMPOLINE_SIZE) {
		uint64_t at = s->addr + 5 + (uint64_t)(int64_t)(int32_t)(high | low);
		unsigned a = low & 0xff, b = low >> 8;

		if (a == 0xc3 || b == 0xc3 || at < 0x10000 || at >= UINT64_C(0x7ffffffff000) ||
		    (encl && at - encl_base(encl) < encl_size(encl)))
			continue;
		if (trampoline_place(e, s, at))
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

/*
 * Bytes of code are changed one at a time. Those of an enclave through the model's alias; those of the program through
 * /proc/self/mem, which leaves the mapping's protection alone and copies a private file page as a debugger's write would.
 */
struct code {
	uint8_t *alias;
	long mem;
	uint64_t addr;
};

static bool code_open(struct code *c, struct encl *encl, uint64_t addr)
{
	*c = (struct code){ .mem = -1, .addr = addr };
	if (encl)
		c->alias = alias_of(encl, addr);
	else
		c->mem = sys_call3(NR_OPEN, "/proc/self/mem", 02000002 /* O_RDWR | O_CLOEXEC */, 0);
	return encl || !sys_is_error(c->mem);
}

static bool code_write(const struct code *c, unsigned offset, uint8_t byte)
{
	bool ok = true;

	if (c->alias)
		__atomic_store_n(&c->alias[offset], byte, __ATOMIC_SEQ_CST);
	else
		ok = sys_call4(NR_PWRITE64, c->mem, &byte, 1, c->addr + offset) == 1;
	return ok;
}

static void code_close(const struct code *c)
{
	if (!c->alias)
		sys_call1(NR_CLOSE, c->mem);
}

/*
 * A page that the program can write it may write without telling us. Only the kernel knows; where it does not answer, the
 * page counts as writable. The byte is written as it is.
 */
static bool host_writable(uint64_t addr)
{
	uint8_t byte;
	struct { void *base; uint64_t size; } local = { &byte, 1 }, remote = { (void *)addr, 1 };

	return rt_copy(&byte, remote.base, 1) ||
	       sys_call6(NR_PROCESS_VM_WRITEV, sys_call0(NR_GETPID), (uintptr_t)&local, 1, (uintptr_t)&remote, 1,
			 0) != -EFAULT;
}

static void site_write(struct patch_site *s, const struct code *code, uint64_t trampoline)
{
	const int32_t displacement = (int32_t)(trampoline - (s->addr + 5));

	if (!code_write(code, 0, 0xcc))
		return;
	s->trampoline = trampoline;
	s->patched = trampoline ? 3 : 1;		/* a thread that arrives now traps and is served */
	sync_cores();
	if (!trampoline)
		return;
	code_write(code, 1, (uint8_t)displacement);
	code_write(code, 2, (uint8_t)(displacement >> 8));
	sync_cores();
	code_write(code, 0, 0xe9);
	sync_cores();
}

static void site_patch(struct engine *e, uint32_t tid, struct encl *encl, struct patch_site *s)
{
	uint64_t offset = s->addr & 0xfff, trampoline = 0;
	enum encl_patch allowed = ENCL_PATCH_JUMP;
	struct code code;

	if (s->size != 3 || offset > SGX_PAGE_SIZE - 5)
		return;			/* prefixed, or across pages: leave it alone */
	if (s->host && host_writable(s->addr))
		return;
	if (rt_copy(s->original, (const void *)s->addr, sizeof(s->original)) || !code_open(&code, encl, s->addr))
		return;
	if (encl)
		s->original[0] = 0x0f;		/* it may be another process's INT3 already */
	sys_call3(NR_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	if (e->patch_mode != PATCH_INT3)
		trampoline = trampoline_find(e, encl, s, s->original + 3);
	if (encl)
		allowed = encl_patch_begin(e->drv, tid, encl, s->addr, trampoline);
	if (allowed != ENCL_PATCH_JUMP)
		trampoline = 0;
	if (allowed != ENCL_PATCH_NO && (trampoline || e->patch_mode != PATCH_JUMP))
		site_write(s, &code, trampoline);
	if (encl)
		encl_patch_end(e->drv, encl, s->addr);
	code_close(&code);
}

void patch_trapped(struct engine *e, struct thread *t, uint64_t addr, unsigned size, bool inside)
{
	struct patch_site *s;
	struct encl *encl;

	if (e->patch_mode == PATCH_OFF)
		return;
	encl = drv_encl_at(e->drv, addr);
	if (inside ? !encl || !encl_page_is_code(encl, addr) : encl != NULL)
		return;
	lock_acquire(&e->patch_lock, (uint32_t)t->tid);
	s = site_of(e, addr);
	if (s && !s->patched) {
		s->size = (uint8_t)size;
		s->host = !inside;
		if (++s->hits >= (e->patch_mode == PATCH_FORCE ? 1 : PATCH_HOT))
			site_patch(e, (uint32_t)t->tid, encl, s);
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
		struct patch_site *s = &e->site[i];

		offset = m->rip - s->trampoline;
		if (!s->addr || !s->trampoline || offset >= TRAMPOLINE_SIZE)
			continue;
		if (s->host && offset == TRAMPOLINE_RAW_JUMP) {
			m->rcx = m->rax;		/* the AEP */
			m->rax = EENTER;
		} else {
			if (offset == 6 || offset == 8 || offset == TRAMPOLINE_TAKEN)
				m->rcx += s->host ? EENTER : EEXIT;
			if (offset >= 2 && (offset <= 12 || offset == TRAMPOLINE_TAKEN)) {
				swap = m->rax;
				m->rax = m->rcx;
				m->rcx = swap;
			}
		}
		if (offset == TRAMPOLINE_NOT + 1)
			m->trapno = X86_UD;	/* it found another leaf than it serves: as if the ENCLU had trapped */
		m->rip = s->addr;
		return true;
	}
	return false;
}

static void site_restore(struct encl *encl, struct patch_site *s)
{
	struct code code;

	code_open(&code, encl, s->addr);
	code_write(&code, 0, 0xcc);
	sync_cores();
	code_write(&code, 1, s->original[1]);
	code_write(&code, 2, s->original[2]);
	sync_cores();
	code_write(&code, 0, s->original[0]);
	sync_cores();
}

void engine_invalidate(struct engine *e, struct encl *encl, uint64_t start, uint64_t end)
{
	unsigned i;

	for (i = 0; i < e->site_count; i++) {
		struct patch_site *s = &e->site[i];

		if (!s->addr || s->addr - start >= end - start)
			continue;
		if (s->patched) {
			site_restore(encl, s);
			encl_patch_remove(encl, s->addr);
		}
		s->addr = 0;
	}
}
