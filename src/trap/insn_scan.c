/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding x86 from a wrong offset falls into step with the real instructions, nearly always within 32 bytes; so streams
 * that start further back agree on whether an instruction starts at a candidate, and with which prefixes. In tables of
 * data most streams meet bytes that are no instruction. Measured with CPUID on the C, C++ and crypto libraries, gdb, cc1
 * and node: all 101 instructions found, none of 51 other pairs of these bytes taken for one; of the pairs in random data
 * 1 %.
 *
 * Equal instructions in a row can keep a stream out of step as long as they go on: the stores of zeroes before an XSAVE
 * do. Streams from further away, in step before they get there, then outvote the near ones. Measured with XSAVE and its
 * relatives on 88 programs and libraries of a distribution: all 90 instructions found, none of 366 other places taken
 * for one.
 */
#include "trap/insn_scan.h"

#define NEAR		32u	/* streams that start nearer may be out of step yet */
#define HITS_MIN	20u	/* of the INSN_SCAN_MARGIN - NEAR streams */
#define LOOK_AHEAD	6u	/* instructions behind the candidate that have to be valid */

/* Where a stream leads: STREAM_HIT + n is a wanted instruction with n bytes of prefixes before the candidate. */
enum { STREAM_INVALID, STREAM_MISS, STREAM_HIT, STREAM_ENDS = STREAM_HIT + INSN_LENGTH_MAX };

static bool decode(const uint8_t *code, uint64_t at, uint64_t size, struct insn *insn)
{
	const uint64_t left = size - at;

	return insn_decode(code + at, left < INSN_LENGTH_MAX ? (unsigned int)left : INSN_LENGTH_MAX, insn);
}

/*
 * Where the streams that start at [first, candidate] lead, into stream[0..]. Backwards, so that each position is decoded
 * once: a stream goes on as the one that starts at its second instruction.
 */
static void follow(const struct insn_wanted *w, uint8_t *stream, const uint8_t *code, uint64_t first,
		   uint64_t candidate, uint64_t size)
{
	struct insn insn;
	uint64_t at, next;

	for (at = candidate + 1; at-- > first;) {
		uint8_t *s = &stream[at - first];

		*s = STREAM_INVALID;
		if (!decode(code, at, size, &insn))
			continue;
		next = at + insn.length;
		if (next <= candidate)
			*s = stream[next - first];
		else if (at + insn.opcode_at == candidate && w->is(insn.kind))
			*s = (uint8_t)(STREAM_HIT + insn.opcode_at);
		else
			*s = STREAM_MISS;
	}
}

/* JMP, RET, UD2: data may follow. */
static bool ends_code(const struct insn *insn)
{
	if (insn->encoding != INSN_LEGACY)
		return false;
	if (insn->map)
		return insn->kind == INSN_UD2;
	switch (insn->opcode) {
	case 0xc2: case 0xc3: case 0xe9: case 0xeb:
		return true;
	case 0xff:
		return (insn->modrm >> 3 & 7) == 4;
	default:
		return false;
	}
}

/* 00 00 is an instruction that nobody writes, and the most frequent one in data: relocations, tables of small numbers. */
static bool followed_by_code(const uint8_t *code, uint64_t at, uint64_t size)
{
	struct insn insn;
	unsigned int i;

	for (i = 0; i < LOOK_AHEAD && at + INSN_LENGTH_MAX <= size; i++, at += insn.length) {
		if (!insn_decode(code + at, INSN_LENGTH_MAX, &insn) || !(code[at] | code[at + 1]))
			return false;
		if (ends_code(&insn))
			return true;
	}
	return true;
}

enum verdict { NO, YES, UNDECIDED };

static enum verdict vote(const uint8_t *stream, unsigned int count, unsigned int *prefixes)
{
	unsigned int votes[STREAM_ENDS] = { 0 }, hits = 0, i, best = STREAM_HIT;

	for (i = 0; i < count; i++)
		votes[stream[i]]++;
	for (i = STREAM_HIT; i < STREAM_ENDS; i++) {
		hits += votes[i];
		if (votes[i] > votes[best])
			best = i;
	}
	*prefixes = best - STREAM_HIT;
	if (hits + votes[STREAM_MISS] < HITS_MIN * count / (INSN_SCAN_MARGIN - NEAR))
		return UNDECIDED;
	if (10 * votes[STREAM_MISS] >= 9 * (hits + votes[STREAM_MISS]))
		return NO;
	return 10 * hits >= 9 * (hits + votes[STREAM_MISS]) ? YES : UNDECIDED;
}

static bool is_instruction(const struct insn_wanted *w, const uint8_t *code, uint64_t candidate, uint64_t size,
			   unsigned int *prefixes)
{
	const unsigned int wanted = w->far ? INSN_SCAN_FAR : INSN_SCAN_MARGIN;
	const unsigned int reach = candidate > wanted ? wanted : (unsigned int)candidate;
	const unsigned int near = reach > INSN_SCAN_MARGIN ? reach - INSN_SCAN_MARGIN : 0;
	const uint64_t first = candidate - reach;
	uint8_t stream[INSN_SCAN_FAR + 1];
	enum verdict far = UNDECIDED;
	struct insn insn;

	if (!decode(code, candidate, size, &insn) || !w->is(insn.kind) ||
	    !followed_by_code(code, candidate + insn.length, size))
		return false;
	follow(w, stream, code, first, candidate, size);
	/* Close to the beginning: whoever made the range executable starts it with an instruction. */
	if (candidate < 2 * NEAR) {
		*prefixes = stream[0] - STREAM_HIT;
		return stream[0] >= STREAM_HIT;
	}
	if (near >= INSN_SCAN_MARGIN)
		far = vote(stream, reach / 2, prefixes);
	if (far == UNDECIDED)
		far = vote(stream + near, reach - near - NEAR, prefixes);
	return far == YES;
}

static bool is_second(const struct insn_wanted *w, uint8_t byte)
{
	unsigned int i;

	for (i = 0; i < w->count; i++)
		if (w->second[i] == byte)
			return true;
	return false;
}

/* Is any of the eight bytes one of the wanted second bytes? May say yes when none is, never no when one is. */
static bool any_second(const struct insn_wanted *w, uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t found = 0, x;
	unsigned int i;

	for (i = 0; i < w->count; i++) {
		x = eight ^ ones * w->second[i];
		found |= (x - ones) & ~x;
	}
	return found & (ones << 7);
}

uint64_t insn_scan(const struct insn_wanted *w, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
		   unsigned int *prefixes)
{
	uint64_t at = from, eight;

	while (at < end && at + 1 < size) {
		if (at + 9 <= size) {
			__builtin_memcpy(&eight, code + at + 1, 8);
			if (!any_second(w, eight)) {
				at += 8;
				continue;
			}
		}
		if (code[at] == 0x0f && is_second(w, code[at + 1]) && is_instruction(w, code, at, size, prefixes))
			return at;
		at++;
	}
	return end;
}
