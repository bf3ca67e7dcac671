/* SPDX-License-Identifier: BSD-2-Clause */
/* See burn.S. */
#ifndef SOFTSGX_TESTS_ABI_BURN_H
#define SOFTSGX_TESTS_ABI_BURN_H

#include <stdint.h>

struct burn {
	uint64_t gpr[15];		/* RAX RBX RCX RDX RSI RDI RBP R8..R15; R15 counts rounds */
	uint64_t pad0;
	uint64_t exit;			/* where to jump with EAX = 4 */
	uint64_t flags;			/* out */
	uint64_t save[3];		/* RSP, RBP, RCX of the entry */
	uint64_t pad1[11];
	double   x87[8];
	uint64_t pad2[8];
	uint64_t k[8];
	uint64_t pad3[8];
	uint8_t  vector[32][64];
	uint64_t stack[160];		/* too few for a signal frame */
} __attribute__((aligned(64)));
_Static_assert(__builtin_offsetof(struct burn, x87) == 256 && __builtin_offsetof(struct burn, k) == 384 &&
	       __builtin_offsetof(struct burn, vector) == 512, "burn.S");

extern const uint8_t burn_3[], burn_3_end[], burn_7[], burn_7_end[], burn_e7[], burn_e7_end[];
void burn_outside(const void *code, struct burn *b);

static inline void burn_seed(struct burn *b, uint64_t seed, uint64_t rounds)
{
	unsigned char *byte = (unsigned char *)b;
	unsigned i;

	for (i = 0; i < sizeof(*b); i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		byte[i] = (unsigned char)(seed >> 56);
	}
	for (i = 0; i < 8; i++)
		b->x87[i] = 1.0 + i / 7.0;
	b->gpr[14] = rounds;
}

#endif
