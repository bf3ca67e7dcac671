/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that XCR0 governs, in code: replaced, and recognised again. See xfrm.h. */
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

static const struct insn_wanted wanted = {
	.second = { 0xae, 0xc7, 0x01 }, .count = 3, .far = true, .is = governed,
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
	return byte == wanted.second[0] || byte == wanted.second[1] || byte == wanted.second[2];
}

bool xfrm_patch(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint8_t *page)
{
	unsigned int prefixes = 0, i;
	bool any = false;
	uint64_t at;

	for (at = from; (at = insn_scan(&wanted, code, size, at, end, &prefixes)) < end; at++) {
		if (prefixes > PREFIXES_MAX)
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

unsigned int xfrm_original(const uint8_t *patched, unsigned int available, uint64_t addr, uint8_t *original,
			   bool *rest)
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
	if (!insn_decode(original, available, &insn) || insn.opcode_at != prefixes || !governed(insn.kind))
		return 0;
	return insn.length;
}

void xfrm_unpatch(uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint64_t addr)
{
	uint8_t original[INSN_LENGTH_MAX];
	unsigned int length;
	uint64_t at;
	bool rest;

	for (at = from; at < end; at++) {
		const uint64_t left = size - at;

		if (code[at] != 0xcc)
			continue;
		length = xfrm_original(code + at, left < INSN_LENGTH_MAX ? (unsigned int)left : INSN_LENGTH_MAX,
				       addr + at, original, &rest);
		__builtin_memcpy(code + at, original, length);
	}
}
