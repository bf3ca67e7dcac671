/* SPDX-License-Identifier: BSD-2-Clause */
/* See own.h. */
#define _GNU_SOURCE
#include "designs/own.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"

_Static_assert(offsetof(struct own, r) == 16 && offsetof(struct own, rflags) == 144 &&
	       offsetof(struct own, out) == 152 && offsetof(struct own, stack) == 160 &&
	       offsetof(struct own, mxcsr) == 168 && offsetof(struct own, fcw) == 172, "own_code.S");

struct own own_eenter(const struct te *te, unsigned tcs, enum own_site site, uint64_t aep)
{
	struct own o = { .jump = (uintptr_t)own_enclu[site], .rflags = 0x202 };
	unsigned i;

	for (i = 0; i < 16; i++)
		o.r[i] = UINT64_C(0x1111111111111111) * (i + 1) + 0xabc;
	o.r[RAX] = EENTER;
	o.r[RBX] = te->tcs[tcs];
	o.r[RCX] = aep;
	o.r[RDI] = TE_NOP;
	return o;
}

struct own own_fault(const struct te *te, unsigned tcs, enum own_site site, uint64_t aep, uint64_t code)
{
	struct own o = own_eenter(te, tcs, site, aep);

	o.r[RDI] = TE_JUMP;
	o.r[RDX] = code;
	o.r[R9] = te->eexit;
	return o;
}

uint64_t own_load(const struct te *te, unsigned offset, const void *code, uint64_t size)
{
	uint64_t args[3] = { te->scratch + offset, (uintptr_t)code, size };
	struct own o = own_eenter(te, 0, OWN_PLAIN, (uintptr_t)own_enclu[OWN_PLAIN_2]);

	o.r[RDI] = TE_COPY;
	o.r[RSI] = (uintptr_t)args;
	own_call(&o);
	EXPECT_EQ(o.out, OWN_PLAIN);
	return args[0];
}

bool own_repair(const struct te *te, unsigned tcs, unsigned frame)
{
	struct sgx_gprsgx *g = (void *)te_gpr(te, tcs, frame);
	uint64_t args[2] = { (uintptr_t)&g->rip, 2 };
	struct own o = own_eenter(te, tcs, OWN_PLAIN, (uintptr_t)own_enclu[OWN_PLAIN_2]);

	o.r[RDI] = TE_WRITE;		/* an entry for the handler does not look at it */
	o.r[RSI] = (uintptr_t)args;
	own_call(&o);
	return o.out == OWN_PLAIN && o.r[RAX] == EEXIT;
}

bool own_finish(const struct te *te, unsigned tcs)
{
	struct own o = own_eenter(te, tcs, OWN_PLAIN, (uintptr_t)own_enclu[OWN_PLAIN_2]);

	o.r[RAX] = ERESUME;
	own_call(&o);
	return o.r[RAX] == EEXIT && o.r[RDI] == 0;
}

void own_expect_aex(const struct own *o, const struct te *te, unsigned tcs, uint64_t aep, uint64_t rbp)
{
	unsigned i;

	EXPECT_EQ(o->r[RBX], te->tcs[tcs]);
	EXPECT_EQ(o->r[RCX], aep);
	EXPECT_EQ(o->r[RSP], o->base);
	EXPECT_EQ(o->r[RBP], rbp);
	for (i = R8; i <= R15; i++)
		EXPECT_EQ(o->r[i], 0);
	EXPECT_EQ(o->rflags, 0x202);
	EXPECT_EQ(o->mxcsr, 0x1fb0);
	EXPECT_EQ(o->fcw, 0x37f);
}

uint64_t own_unmapped(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page, 4096);
	return (uintptr_t)page;
}

bool own_delivery(const char *word)
{
	const char *list = getenv("DESIGNS_DELIVERY");
	size_t n = strlen(word);

	for (; list && *list; list += strcspn(list, ","), list += *list == ',')
		if (!strncmp(list, word, n) && (!list[n] || list[n] == ','))
			return true;
	return false;
}

bool own_patched(void)
{
	const char *mode = getenv("ABI_PATCH");

	return mode && strcmp(mode, "off");
}
