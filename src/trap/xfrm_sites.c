/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that XCR0 governs, and CPUID, in code: replaced, and recognised again. See xfrm.h. */
#include "trap/insn_scan.h"
#include "trap/xfrm.h"

enum { PREFIXES_MAX = 4 };

static bool governed(enum insn_kind kind)
{
	switch (kind) {
	case INSN_XSAVE: case INSN_XSAVEC: case INSN_XSAVEOPT: case INSN_XRSTOR: case INSN_XGETBV:
		return true;
	default:
		return false;
	}
}

static bool is_cpuid(enum insn_kind kind)
{
	return kind == INSN_CPUID;
}

static bool is_site(enum insn_kind kind)
{
	return governed(kind) || is_cpuid(kind);
}

#define CPUID_SECOND	0xa2
static const struct insn_wanted wanted[] = {
	[DRV_CODE_XCR0] = { .second = { 0xae, 0xc7, 0x01 }, .count = 3, .far = true, .is = governed },
	[DRV_CODE_CPUID] = { .second = { CPUID_SECOND }, .count = 1, .far = true, .is = is_cpuid },
	[DRV_CODE_XCR0 | DRV_CODE_CPUID] = {
		.second = { 0xae, 0xc7, 0x01, CPUID_SECOND }, .count = 4, .far = true, .is = is_site,
	},
};

/* Prefixes that leave these instructions what they are. */
bool xfrm_is_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x67:
		return true;
	default:
		return (byte & 0xf0) == 0x40;
	}
}

static bool is_second(uint8_t byte)
{
	return byte == 0xae || byte == 0xc7 || byte == 0x01 || byte == CPUID_SECOND;
}

/* CPUID stays what it is with prefixes that are others with the rest: of these no site can be made. */
static bool movable(const uint8_t *prefix, unsigned int count)
{
	if (count > PREFIXES_MAX)
		return false;
	while (count--)
		if (!xfrm_is_prefix(prefix[count]))
			return false;
	return true;
}

bool xfrm_patch(unsigned int what, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint8_t *page)
{
	unsigned int prefixes = 0, i;
	bool any = false;
	uint64_t at;

	for (at = from; (at = insn_scan(&wanted[what], code, size, at, end, &prefixes)) < end; at++) {
		if (!movable(code + at - prefixes, prefixes))
			continue;
		if (at - from < prefixes) {
			if (at != from)
				continue;	/* prefixes on both sides of the border: no compiler's */
			page[0] = 0xcc;
			page[1] = code[at + 1] ^ 1;
		} else {
			uint8_t *site = page + (at - from) - prefixes;

			site[0] = 0xcc;
			for (i = 0; i < prefixes; i++)
				site[1 + i] = code[at - prefixes + i];
		}
		any = true;
	}
	return any;
}

unsigned int xfrm_original(unsigned int what, const uint8_t *patched, unsigned int available, uint64_t addr,
			   uint8_t *original, bool *rest)
{
	unsigned int prefixes = 0, i;
	struct insn insn;

	*rest = false;
	if (available > INSN_LENGTH_MAX)
		available = INSN_LENGTH_MAX;
	if (!available || patched[0] != 0xcc)
		return 0;
	while (prefixes < PREFIXES_MAX && 1 + prefixes < available && xfrm_is_prefix(patched[1 + prefixes]))
		prefixes++;
	if (1 + prefixes >= available)
		return 0;
	for (i = 0; i < available; i++)
		original[i] = i < prefixes ? patched[i + 1] : i == prefixes ? 0x0f : patched[i];
	if (!prefixes && !(addr & (SGX_PAGE_SIZE - 1)) && is_second(patched[1] ^ 1)) {
		original[1] ^= 1;
		*rest = true;
	}
	if (!insn_decode(original, available, &insn) || insn.opcode_at != prefixes || !wanted[what].is(insn.kind))
		return 0;
	return insn.length;
}

void xfrm_unpatch(unsigned int what, uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint64_t addr)
{
	uint8_t original[INSN_LENGTH_MAX];
	unsigned int length;
	uint64_t at;
	bool rest;

	for (at = from; at < end; at++) {
		const uint64_t left = size - at;

		if (code[at] != 0xcc)
			continue;
		length = xfrm_original(what, code + at, left < INSN_LENGTH_MAX ? (unsigned int)left : INSN_LENGTH_MAX,
				       addr + at, original, &rest);
		__builtin_memcpy(code + at, original, length);
	}
}
