/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for instructions in any bytes: CPUID, and those that touch extended state. Where it starts changes nothing
 * about what it finds from there on, and what it finds is one of the wanted instructions.
 */
#include "front/cpuid.h"
#include "fuzz.h"
#include "guarded.h"
#include "trap/insn_scan.h"

#define HITS_MAX	64

static bool is_xsave(enum insn_kind kind)
{
	return kind >= INSN_XSAVE && kind <= INSN_XGETBV;
}

static const struct insn_wanted xsave = { .second = { 0xae, 0xc7, 0x01 }, .count = 3, .far = true, .is = is_xsave };

static uint64_t scan_cpuid(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, unsigned int *prefixes)
{
	*prefixes = 0;
	return cpuid_scan(code, size, from, end);
}

static uint64_t scan_xsave(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, unsigned int *prefixes)
{
	return insn_scan(&xsave, code, size, from, end, prefixes);
}

static void check_hit(const uint8_t *code, uint64_t size, uint64_t at, unsigned int prefixes, bool cpuid)
{
	const uint64_t left = size - at;
	struct insn insn;

	FUZZ_CHECK(prefixes <= at && prefixes < INSN_LENGTH_MAX && code[at] == 0x0f);
	FUZZ_CHECK(insn_decode(code + at - prefixes, left + prefixes > 15 ? 15 : (unsigned int)(left + prefixes), &insn));
	FUZZ_CHECK(insn.opcode_at == prefixes);
	FUZZ_CHECK(cpuid ? insn.kind == INSN_CPUID && code[at + 1] == 0xa2 : is_xsave(insn.kind));
}

static void check_scan(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, bool cpuid)
{
	uint64_t (*scan)(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, unsigned int *prefixes) =
		cpuid ? scan_cpuid : scan_xsave;
	uint64_t hits[HITS_MAX], at = from;
	unsigned int count = 0, prefixes = 0, k = 0;

	while (count < HITS_MAX && (at = scan(code, size, at, end, &prefixes)) < end) {
		FUZZ_CHECK(at >= from && (!count || at > hits[count - 1]));
		check_hit(code, size, at, prefixes, cpuid);
		hits[count++] = at++;
	}
	if (count == HITS_MAX)
		return;
	FUZZ_CHECK(at == end || at > end);
	for (uint64_t start = from; start < end; start += 1 + size / 16) {
		while (k < count && hits[k] < start)
			k++;
		FUZZ_CHECK(scan(code, size, start, end, &prefixes) == (k < count ? hits[k] : end));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t from, end;
	const uint8_t *code;

	if (size < 2)
		return 0;
	from = data[0];
	end = data[1];
	data += 2;
	size -= 2;
	if (size > 1024)
		size = 1024;
	code = guarded_copy(data, size);
	end = end < size ? size - end : size;
	from = from < end ? from : 0;
	if (from > end)
		return 0;
	check_scan(code, size, from, end, true);
	check_scan(code, size, from, end, false);
	return 0;
}
