/* SPDX-License-Identifier: BSD-2-Clause */
/* Two small computations, in one section so that their code can be copied into an enclave. No calls, no constants in data. */
#include "bench.h"

/* Aligned, so that loops lie in cache lines as they do when the section is copied to the start of a page. */
#define WORK __attribute__((section("bench_work"), aligned(64), noinline, used, \
			    optimize("no-tree-vectorize", "no-tree-loop-distribute-patterns")))

/** work_hash() - FNV-like mixing of 256 words of @scratch, @rounds times. */
WORK __attribute__((aligned(4096))) uint64_t work_hash(uint64_t rounds, uint64_t unused, uint64_t *scratch)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325), r;
	unsigned i;

	(void)unused;				/* RSI: the enclave's dispatcher keeps it */
	for (r = 0; r < rounds; r++)
		for (i = 0; i < 256; i++) {
			h = (h ^ scratch[i]) * UINT64_C(0x100000001b3);
			scratch[i] = h ^ (h >> 29);
		}
	return h;
}

/** work_spin() - count until @stop; no PAUSE, at which a hypervisor may take the processor away. */
WORK uint64_t work_spin(uint64_t stop, uint64_t unused, uint64_t *count)
{
	(void)unused;
	while (!*(volatile uint64_t *)stop)
		++*(volatile uint64_t *)count;
	return 0;
}

/** work_matrix() - @rounds products of two 8x8 matrices of integers in @scratch. */
WORK uint64_t work_matrix(uint64_t rounds, uint64_t unused, uint64_t *scratch)
{
	uint64_t *a = scratch, *b = scratch + 64, *c = scratch + 128, r, sum;
	unsigned i, j, k;

	(void)unused;
	for (r = 0; r < rounds; r++)
		for (i = 0; i < 8; i++)
			for (j = 0; j < 8; j++) {
				sum = r;
				for (k = 0; k < 8; k++)
					sum += a[i * 8 + k] * b[k * 8 + j];
				c[i * 8 + j] = sum;
				a[((i + j) & 7) * 8 + j] ^= sum;
			}
	return c[0] ^ c[63];
}
