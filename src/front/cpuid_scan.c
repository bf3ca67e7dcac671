/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding CPUID in code without knowing where instructions start. Decoding x86 from a wrong offset falls into step with
 * the real instructions, nearly always within 32 bytes; so streams that start further back agree on whether an
 * instruction starts at a candidate. In tables of data most streams meet bytes that are no instruction. Measured on the
 * C, C++ and crypto libraries, gdb, cc1 and node: all 101 instructions found, none of 51 other pairs of these bytes
 * taken for one; of the pairs in random data 1 %.
 */
#include "front/cpuid.h"
#include "trap/insn.h"

#define NEAR		32u	/* streams that start nearer may be out of step yet */
#define HITS_MIN	20u	/* of the CPUID_SCAN_MARGIN - NEAR streams */
#define LOOK_AHEAD	6u	/* instructions behind the candidate that have to be valid */

enum stream { STREAM_INVALID, STREAM_MISS, STREAM_HIT };

/*
 * Where the streams that start at [first, candidate) lead, into stream[0..]. Backwards, so that each position is decoded
 * once: a stream goes on as the one that starts at its second instruction.
 */
static void follow(enum stream *stream, const uint8_t *code, uint64_t first, uint64_t candidate, uint64_t size)
{
	struct insn insn;
	uint64_t at, next;

	for (at = candidate; at-- > first;) {
		const uint64_t left = size - at;

		if (!insn_decode(code + at, left < INSN_LENGTH_MAX ? (unsigned int)left : INSN_LENGTH_MAX, &insn)) {
			stream[at - first] = STREAM_INVALID;
			continue;
		}
		next = at + insn.length;
		stream[at - first] = next == candidate ? STREAM_HIT : next > candidate ? STREAM_MISS : stream[next - first];
	}
}

static bool followed_by_code(const uint8_t *code, uint64_t at, uint64_t size)
{
	struct insn insn;
	unsigned int i;

	for (i = 0; i < LOOK_AHEAD && at + INSN_LENGTH_MAX <= size; i++, at += insn.length)
		if (!insn_decode(code + at, INSN_LENGTH_MAX, &insn))
			return false;
	return true;
}

static bool starts_instruction(const uint8_t *code, uint64_t candidate, uint64_t size)
{
	const uint64_t first = candidate > CPUID_SCAN_MARGIN ? candidate - CPUID_SCAN_MARGIN : 0;
	unsigned int hits = 0, misses = 0, starts;
	enum stream stream[CPUID_SCAN_MARGIN];

	if (!followed_by_code(code, candidate + 2, size))
		return false;
	follow(stream, code, first, candidate, size);
	/* Close to the beginning: whoever made the range executable starts it with an instruction. */
	if (candidate < 2 * NEAR)
		return !candidate || stream[0] == STREAM_HIT;
	for (starts = 0; first + starts < candidate - NEAR; starts++) {
		hits += stream[starts] == STREAM_HIT;
		misses += stream[starts] == STREAM_MISS;
	}
	return hits >= HITS_MIN * starts / (CPUID_SCAN_MARGIN - NEAR) && 10 * hits >= 9 * (hits + misses);
}

uint64_t cpuid_scan(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), pattern = ones * 0xa2;
	uint64_t at = from;

	while (at < end && at + 1 < size) {
		uint64_t word;

		/* Eight bytes at once while none of them, as a second byte, is A2. */
		if (at + 9 <= size) {
			__builtin_memcpy(&word, code + at + 1, 8);
			word ^= pattern;
			if (!((word - ones) & ~word & (ones << 7))) {
				at += 8;
				continue;
			}
		}
		if (code[at] == 0x0f && code[at + 1] == 0xa2 && starts_instruction(code, at, size))
			return at;
		at++;
	}
	return end;
}
