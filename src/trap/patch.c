/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hot ENCLU sites: EEXIT in enclaves, EENTER in programs that execute their own instead of calling the vDSO. A site is
 * replaced only after it has trapped with that leaf, so that the instruction's boundary and leaf are known; in an
 * enclave only on a page that the EPCM lets execute and not write. Forms: INT3 over the first byte (always fits), or a
 * jump to a trampoline that checks the leaf and goes to exit_checked or enter_raw. The jump's last two bytes lie over the
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
 *	EEXIT:	16  mov %ds, %eax			RAX, RCX are free
 *		18  movabs $thread_table - 7, %rcx
 *		28  mov (%rcx,%rax), %rax		the thread
 *		32  mov T_EXIT_NEG(%rax), %rcx
 *		36  lea (%rcx,%rbx), %rcx
 *		40  jrcxz 44				is RBX the target that the model accepted last?
 *		42  int3; int3				no: the model decides, and knows whose ENCLU it was
 *		44  jmp *exit_checked
 *	EENTER:	16  movabs $return, %rcx		RAX is the AEP
 *		26  jmp *enter_raw
 *
 * The table of sites is read without a lock, by traps. Under patch_lock a slot is claimed for an address or, while its
 * site is not patched, for another one; a slot keeps address and trampoline when its site is restored, since a thread may
 * be in the trampoline still. The form of an enclave's site changes only under the driver's lock as well, which is held
 * when the driver calls engine_invalidate(). What a program does to its own code is not noticed: whoever looks for a site
 * compares the bytes.
 */
#include "sys/sys.h"
#include "trap/engine.h"
#include "trap/entry_offsets.h"
#include "trap/rtcopy.h"

#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/membarrier.h>

enum { NR_OPEN = 2, NR_CLOSE = 3, NR_MMAP = 9, NR_PWRITE64 = 18, NR_GETPID = 39, NR_PROCESS_VM_WRITEV = 311, NR_MEMBARRIER = 324 };
enum {
	TRAMPOLINE_SIZE = 64, TRAMPOLINE_NOT = 14, TRAMPOLINE_TAKEN = 16, TRAMPOLINE_RAW_JUMP = 26,
	TRAMPOLINE_CLOBBERED = 18, TRAMPOLINE_REFUSED = 42, TRAMPOLINE_JUMP = 44, TRAMPOLINE_TARGET = 56,
};

extern struct thread *thread_table[];		/* entry.S: by selector - 7 */

static struct patch_site *slot_of(struct engine *e, uint64_t addr)
{
	const unsigned count = __atomic_load_n(&e->site_count, __ATOMIC_ACQUIRE);
	unsigned i;

	for (i = 0; i < count; i++)
		if (__atomic_load_n(&e->site[i].addr, __ATOMIC_ACQUIRE) == addr)
			return &e->site[i];
	return NULL;
}

static enum patch_form form_of(const struct patch_site *s)
{
	return __atomic_load_n(&s->form, __ATOMIC_ACQUIRE);
}

static void form_set(struct patch_site *s, enum patch_form form)
{
	__atomic_store_n(&s->form, (uint8_t)form, __ATOMIC_RELEASE);
}

/* A slot for a new address; patch_lock held. One that was given up is taken again when there are no others. */
static struct patch_site *slot_claim(struct engine *e, uint64_t addr, bool host)
{
	struct patch_site *s = NULL;
	unsigned i;

	if (e->site_count < PATCH_SITES_MAX) {
		s = &e->site[e->site_count];
	} else {
		for (i = 0; i < PATCH_SITES_MAX && !s; i++)
			if (e->site[i].form == PATCH_FORM_NONE && !e->site[i].trampoline)
				s = &e->site[i];
		for (i = 0; i < PATCH_SITES_MAX && !s; i++)
			if (e->site[i].form == PATCH_FORM_NONE)
				s = &e->site[i];
		if (!s)
			return NULL;
	}
	__atomic_store_n(&s->addr, 0, __ATOMIC_RELEASE);
	s->trampoline = 0;
	s->hits = 0;
	s->refused = false;
	s->host = host;
	__atomic_store_n(&s->addr, addr, __ATOMIC_RELEASE);
	if (s == &e->site[e->site_count])
		__atomic_store_n(&e->site_count, e->site_count + 1, __ATOMIC_RELEASE);
	return s;
}

static int32_t displacement_of(const struct patch_site *s)
{
	return (int32_t)(s->trampoline - (s->addr + 5));
}

bool patch_is_site(struct engine *e, uint64_t addr, bool inside)
{
	const struct patch_site *s = addr ? slot_of(e, addr) : NULL;
	int32_t displacement;
	uint8_t bytes[5], tail[2];

	if (!s || form_of(s) == PATCH_FORM_NONE || s->host == inside || rt_copy(bytes, (const void *)addr, sizeof(bytes)))
		return false;
	displacement = displacement_of(s);
	__builtin_memcpy(tail, &displacement, sizeof(tail));
	if (bytes[0] == 0xcc)			/* perhaps on the way from one form to the other */
		return (bytes[1] == 0x01 || (s->trampoline && bytes[1] == tail[0])) &&
		       (bytes[2] == 0xd7 || (s->trampoline && bytes[2] == tail[1]));
	return bytes[0] == 0xe9 && s->trampoline && !__builtin_memcmp(bytes + 1, &displacement, sizeof(displacement));
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
	static const uint8_t leave[TRAMPOLINE_JUMP - TRAMPOLINE_TAKEN] = {
		0x8c, 0xd8, 0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x8b, 0x04, 0x01, 0x48, 0x8b, 0x48, T_EXIT_NEG,
		0x48, 0x8d, 0x0c, 0x19, 0xe3, 0x02, 0xcc, 0xcc,
	};
	const uint64_t target = s->host ? (uintptr_t)enter_raw : (uintptr_t)exit_checked, behind = s->addr + 3;
	const uint64_t table = (uintptr_t)thread_table - 7;
	const uint8_t jump = s->host ? TRAMPOLINE_RAW_JUMP : TRAMPOLINE_JUMP;

	__builtin_memset(at, 0xcc, TRAMPOLINE_SIZE);
	__builtin_memcpy(at, test, sizeof(test));
	if (s->host) {
		at[TRAMPOLINE_TAKEN] = 0x48;
		at[TRAMPOLINE_TAKEN + 1] = 0xb9;
		__builtin_memcpy(at + TRAMPOLINE_TAKEN + 2, &behind, 8);
	} else {
		__builtin_memcpy(at + TRAMPOLINE_TAKEN, leave, sizeof(leave));
		__builtin_memcpy(at + TRAMPOLINE_TAKEN + 4, &table, 8);
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
		e->page[e->page_count] = page;
		__atomic_store_n(&e->page_count, e->page_count + 1, __ATOMIC_RELEASE);
	} else {
		for (i = 0; i < e->site_count; i++)	/* taken by another site, wholly or in part? */
			if (e->site[i].trampoline &&
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

/* A thread that arrives meanwhile traps and is served: the form is known before the first byte changes. */
static bool site_write(struct patch_site *s, const struct code *code, bool jump)
{
	const int32_t displacement = displacement_of(s);

	form_set(s, PATCH_FORM_INT3);
	if (!code_write(code, 0, 0xcc)) {
		form_set(s, PATCH_FORM_NONE);
		return false;
	}
	sync_cores();
	if (!jump)
		return true;
	code_write(code, 1, (uint8_t)displacement);
	code_write(code, 2, (uint8_t)(displacement >> 8));
	sync_cores();
	code_write(code, 0, 0xe9);
	sync_cores();
	form_set(s, PATCH_FORM_JUMP);
	return true;
}

/* The trampoline that the site had when it was patched before, if the code behind the ENCLU is the same, or a new one. */
static uint64_t trampoline_of(struct engine *e, const struct encl *encl, struct patch_site *s, const uint8_t next[2])
{
	const int32_t displacement = displacement_of(s);

	if (!s->trampoline || __builtin_memcmp((const uint8_t *)&displacement + 2, next, 2))
		s->trampoline = trampoline_find(e, encl, s, next);
	return s->trampoline;
}

static bool site_patch(struct engine *e, uint32_t tid, struct encl *encl, struct patch_site *s)
{
	static const uint8_t enclu[3] = { 0x0f, 0x01, 0xd7 };
	enum encl_patch allowed = ENCL_PATCH_JUMP;
	bool jump = e->patch_mode != PATCH_INT3, done = false;
	struct code code;
	uint8_t bytes[5];

	if ((s->addr & 0xfff) > SGX_PAGE_SIZE - 5)
		return false;			/* across pages: leave it alone */
	if (s->host && host_writable(s->addr))
		return false;
	if (rt_copy(bytes, (const void *)s->addr, sizeof(bytes)) || (s->host && __builtin_memcmp(bytes, enclu, 3)) ||
	    !code_open(&code, encl, s->addr))
		return false;
	sys_call3(NR_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
	jump = jump && trampoline_of(e, encl, s, bytes + 3);
	if (encl)
		allowed = encl_patch_begin(e->drv, tid, encl, s->addr, jump);
	if (allowed != ENCL_PATCH_JUMP)
		jump = false;
	if (allowed != ENCL_PATCH_NO && (jump || e->patch_mode != PATCH_JUMP))
		done = site_write(s, &code, jump);
	if (encl)
		encl_patch_end(e->drv, encl, s->addr);
	code_close(&code);
	return done;
}

/* Is the site in its table as it is in memory? The program may have mapped other code there, or the same again. */
static bool still_patched(const struct patch_site *s)
{
	uint8_t byte;

	return form_of(s) != PATCH_FORM_NONE && (!s->host || (!rt_copy(&byte, (const void *)s->addr, 1) && byte != 0x0f));
}

void patch_trapped(struct engine *e, struct thread *t, uint64_t addr, unsigned size, bool inside)
{
	struct patch_site *s = slot_of(e, addr);
	struct encl *encl;

	if (e->patch_mode == PATCH_OFF || size != 3 || (s && s->host != inside && still_patched(s)))
		return;
	encl = drv_encl_at(e->drv, addr);
	if (inside ? !encl || !encl_page_is_code(encl, addr) : encl != NULL)
		return;
	lock_acquire(&e->patch_lock, (uint32_t)t->tid);
	s = slot_of(e, addr);
	if (s && s->host == inside) {		/* an enclave where the program's code was, or the reverse */
		form_set(s, PATCH_FORM_NONE);
		s->trampoline = 0;
		s->host = !inside;
	}
	if (!s)
		s = slot_claim(e, addr, !inside);
	if (s && s->host && !still_patched(s))
		form_set(s, PATCH_FORM_NONE);
	if (s && form_of(s) == PATCH_FORM_NONE &&
	    ++s->hits >= (e->patch_mode == PATCH_FORCE && !s->refused ? 1 : PATCH_HOT)) {
		s->hits = 0;
		s->refused = !site_patch(e, (uint32_t)t->tid, encl, s);
	}
	lock_release(&e->patch_lock);
}

enum patch_unwound patch_unwind(struct engine *e, struct kucontext *uc)
{
	const unsigned pages = __atomic_load_n(&e->page_count, __ATOMIC_ACQUIRE);
	const unsigned sites = __atomic_load_n(&e->site_count, __ATOMIC_ACQUIRE);
	struct kmcontext *m = &uc->mc;
	uint64_t offset, swap;
	unsigned i;

	for (i = 0; i < pages; i++)
		if (m->rip - e->page[i] < SGX_PAGE_SIZE)
			break;
	if (i == pages)
		return PATCH_UNWOUND_NOTHING;
	for (i = 0; i < sites; i++) {
		const struct patch_site *s = &e->site[i];

		offset = m->rip - s->trampoline;
		if (!s->trampoline || offset >= TRAMPOLINE_SIZE)
			continue;
		m->rip = s->addr;
		if (!s->host && offset >= TRAMPOLINE_CLOBBERED) {
			m->rax = EEXIT;
			if (offset != TRAMPOLINE_REFUSED + 1)
				return PATCH_UNWOUND_EXIT;
			m->trapno = X86_UD;	/* as if the ENCLU had trapped */
			return PATCH_UNWOUND_SITE;
		}
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
			m->trapno = X86_UD;	/* it found another leaf than it serves */
		return PATCH_UNWOUND_SITE;
	}
	return PATCH_UNWOUND_NOTHING;
}

static void site_restore(struct encl *encl, struct patch_site *s)
{
	struct code code;

	code_open(&code, encl, s->addr);
	code_write(&code, 0, 0xcc);
	sync_cores();
	code_write(&code, 1, 0x01);
	code_write(&code, 2, 0xd7);
	sync_cores();
	code_write(&code, 0, 0x0f);
	sync_cores();
	form_set(s, PATCH_FORM_NONE);
}

void engine_invalidate(struct engine *e, struct encl *encl, uint64_t start, uint64_t end)
{
	const unsigned count = __atomic_load_n(&e->site_count, __ATOMIC_ACQUIRE);
	unsigned i;

	for (i = 0; i < count; i++) {
		struct patch_site *s = &e->site[i];

		if (s->addr - start >= end - start || s->host || form_of(s) == PATCH_FORM_NONE)
			continue;
		site_restore(encl, s);
		encl_patch_remove(encl, s->addr);
	}
}
