/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that are replaced in pages of enclaves, in any bytes: what is written are sites and nothing else, each
 * site says what stood there, and undoing it gives back the page, whether instructions had been found or data.
 */
#include "drv/drv.h"
#include "fuzz.h"
#include "guarded.h"
#include "trap/xfrm.h"

#define ADDR	UINT64_C(0x7f0000000000)

static unsigned int original(unsigned int what, const uint8_t *code, uint64_t size, uint64_t at, uint64_t addr,
			     uint8_t *bytes, bool *rest)
{
	const uint64_t left = size - at;

	return xfrm_original(what, code + at, left < INSN_LENGTH_MAX ? (unsigned int)left : INSN_LENGTH_MAX, addr + at,
			     bytes, rest);
}

static bool looks_patched(unsigned int what, const uint8_t *code, uint64_t size, uint64_t addr)
{
	uint8_t bytes[INSN_LENGTH_MAX];
	bool rest;

	for (uint64_t at = 0; at < size; at++)
		if (original(what, code, size, at, addr, bytes, &rest))
			return true;
	return false;
}

static void check(unsigned int what, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint64_t addr)
{
	static uint8_t patched[GUARDED_MAX], page[GUARDED_MAX];
	uint8_t bytes[INSN_LENGTH_MAX];
	unsigned int sites = 0;
	bool any, rest;

	memcpy(page, code + from, end - from);
	any = xfrm_patch(what, code, size, from, end, page);
	FUZZ_CHECK(any == !!memcmp(page, code + from, end - from));
	if (looks_patched(what, code, size, addr))
		return;
	memcpy(patched, code, size);
	memcpy(patched + from, page, end - from);
	for (uint64_t at = from; at < end; at++) {
		const unsigned int length = original(what, patched, size, at, addr, bytes, &rest);

		if (!length)
			continue;
		sites++;
		FUZZ_CHECK(patched[at] == 0xcc && code[at] != 0xcc);
		FUZZ_CHECK(length <= size - at && !memcmp(bytes, code + at, length));
	}
	FUZZ_CHECK(!any || sites);
	xfrm_unpatch(what, patched, size, from, end, addr);
	FUZZ_CHECK(!memcmp(patched, code, size));
}

/* Byte 0: what, and where the page lies in its surroundings; bytes 1, 2: how much of them there is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t from, end;
	const uint8_t *code;
	unsigned int what;

	if (size < 4)
		return 0;
	what = 1 + data[0] % 3;
	from = data[0] & 0x80 ? data[1] : 0;
	end = data[2];
	data += 3;
	size -= 3;
	if (size > 2048)
		size = 2048;
	end = data[0] & 0x40 && end < size ? size - end : size;
	if (from >= end)
		return 0;
	code = guarded_copy(data, size);
	check(what, code, size, from, end, ADDR - from);
	return 0;
}
