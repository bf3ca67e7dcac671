/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding CPUID in code. */
#include "front/cpuid.h"
#include "trap/insn_scan.h"

static_assert(CPUID_SCAN_MARGIN == INSN_SCAN_MARGIN, "one scanner");

static bool is_cpuid(enum insn_kind kind)
{
	return kind == INSN_CPUID;
}

uint64_t cpuid_scan(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end)
{
	static const struct insn_wanted wanted = { .second = { 0xa2 }, .count = 1, .is = is_cpuid };
	unsigned int prefixes = 0;

	while ((from = insn_scan(&wanted, code, size, from, end, &prefixes)) < end && prefixes)
		from++;		/* nobody writes one with prefixes */
	return from;
}
