/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Distributions compile nettle with a stack protector, which reads its canary at FS:28H. In the runtime FS is the
 * program's and may be zero or anything, so it points to a constant while nettle's C code runs. Signals are blocked
 * then; nobody sees it.
 */
#ifndef SOFTSGX_CRYPTO_CANARY_H
#define SOFTSGX_CRYPTO_CANARY_H

#include <stdint.h>

/** canary_enter()/_leave() - around every use of nettle but SHA-256. leave takes what enter returned. */
#if __STDC_HOSTED__
static inline uint64_t canary_enter(void)
{
	return 0;
}

static inline void canary_leave(uint64_t fsbase)
{
	(void)fsbase;
}
#else
static inline uint64_t canary_enter(void)
{
	static const uint64_t block[6];		/* the canary is the last */
	uint64_t fsbase;

	__asm__ volatile("rdfsbase %0; wrfsbase %1" : "=&r"(fsbase) : "r"(block) : "memory");
	return fsbase;
}

static inline void canary_leave(uint64_t fsbase)
{
	__asm__ volatile("wrfsbase %0" : : "r"(fsbase) : "memory");
}
#endif

#endif
