/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding instructions in code without knowing where instructions start. Pure. */
#ifndef SOFTSGX_TRAP_INSN_SCAN_H
#define SOFTSGX_TRAP_INSN_SCAN_H

#include "trap/insn.h"

/** struct insn_wanted - instructions 0F @second[0 .. count) whose kind @is accepts. */
struct insn_wanted {
	uint8_t second[4];
	uint8_t count;
	bool far;		/* look at INSN_SCAN_FAR bytes before an instruction, not only INSN_SCAN_MARGIN */
	bool (*is)(enum insn_kind kind);
};

/**
 * insn_scan() - the first offset >= @from and < @end of @code that holds the 0F of a wanted instruction, or @end;
 * *prefixes is how many bytes before it belong to the instruction. @size bytes may be read: what can be reached before,
 * and INSN_SCAN_MARGIN behind, where they exist, make the answer good. If the range begins with @code, it begins with an
 * instruction.
 */
#define INSN_SCAN_MARGIN	96u
#define INSN_SCAN_FAR		1024u
uint64_t insn_scan(const struct insn_wanted *w, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
		   unsigned int *prefixes);

#endif
