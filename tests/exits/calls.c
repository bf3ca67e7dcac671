/* SPDX-License-Identifier: BSD-2-Clause */
/* See calls.h. */
#include "exits/calls.h"

#include <stdlib.h>
#include <string.h>

int exits_vdso;

void exits_init(void)
{
	const char *version = getenv("EXITS_VDSO");

	exits_vdso = version ? atoi(version) : 0;
}

uint64_t exits_level(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 0xe7) == 0xe7 ? 0xe7 : (low & 7) == 7 ? 7 : 3;
}

void exits_prepare(struct exact *x, union exits_run *run, const struct te *te, uint64_t tcs, uint64_t leaf,
		   bool handler)
{
	const uint64_t user_handler = handler ? (uintptr_t)exact_handler : 0;

	memset(run, 0, sizeof(*run));
	x->fn = (uintptr_t)te->vdso;
	x->rax = x->rcx = leaf;
	if (exits_vdso == 28 || exits_vdso == 36) {
		x->stack[0] = tcs;
		x->stack[1] = (uintptr_t)&run->e;
		x->stack[2] = user_handler;
		return;
	}
	x->stack[0] = (uintptr_t)run;
	x->stack[1] = x->stack[2] = 0;
	if (exits_vdso == 38) {
		run->v38.tcs = tcs;
		run->v38.user_handler = user_handler;
	} else {
		run->upstream.tcs = tcs;
		run->upstream.user_handler = user_handler;
	}
}

int exits_vector(const struct exact *x, const union exits_run *run)
{
	switch (exits_vdso) {
	case 28: case 36:
		return (int32_t)x->rax ? run->e.trapnr : -1;
	case 38:
		return run->v38.exit_reason == SGX_V38_EXIT_EXCEPTION ? run->v38.exception.trapnr : -1;
	default:
		return run->upstream.function == EEXIT ? -1 : run->upstream.exception_vector;
	}
}

static void raw(struct exact *x, uint64_t tcs, uint64_t op, const void *args)
{
	memset(x, 0, sizeof(*x));
	x->level = 3;
	x->mxcsr = 0x1f80;
	x->rflags = 0x202;
	x->rax = EENTER;
	x->rbx = tcs;
	x->rcx = (uintptr_t)exact_raw_aep;
	x->rdi = op;
	x->rsi = (uintptr_t)args;
	exact_raw(x);
}

void exits_copy(const struct te *te, uint64_t tcs, uint64_t to, const void *from, uint64_t size)
{
	const uint64_t args[16] = { to, (uintptr_t)from, size };
	struct exact x;

	(void)te;
	raw(&x, tcs, TE_COPY, args);
}

bool exits_sum(const struct te *te, uint64_t tcs, uint64_t seed, uint64_t rounds)
{
	uint64_t args[16] = { seed, rounds };
	struct exact x;

	(void)te;
	raw(&x, tcs, TE_SUM, args);
	while (rounds--)
		seed = seed * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return x.rax == EEXIT && args[0] == seed;
}
