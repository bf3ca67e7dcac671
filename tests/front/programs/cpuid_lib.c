/* SPDX-License-Identifier: BSD-2-Clause */
/* A library with a CPUID of its own, for cpuid_seen.c to load at run time. */
#include <cpuid.h>
#include <stdint.h>

uint32_t library_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
uint32_t library_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
	return out[0];
}
