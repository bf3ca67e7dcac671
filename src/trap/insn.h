/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instruction boundaries and the few instructions that SGX treats specially. 64-bit mode only. Any context; reads
 * nothing but the bytes given.
 */
#ifndef SOFTSGX_TRAP_INSN_H
#define SOFTSGX_TRAP_INSN_H

#include <stdbool.h>
#include <stdint.h>

#define INSN_LENGTH_MAX		15u

/** enum insn_kind - INSN_INVALID is 0. Kinds that exist only without 66, F2, F3 are INSN_OTHER with one; LOCK too. */
enum insn_kind {
	INSN_INVALID,		/* no such instruction in 64-bit mode (INTO, LDS, PUSH ES ...), or bytes are missing */
	INSN_OTHER,
	INSN_ENCLU, INSN_ENCLS, INSN_ENCLV,
	INSN_CPUID, INSN_GETSEC, INSN_RDPMC, INSN_RDTSC, INSN_RDTSCP, INSN_HLT, INSN_UD2,
	INSN_SGDT, INSN_SIDT, INSN_SLDT, INSN_STR, INSN_SMSW,
	INSN_VMCALL, INSN_VMMCALL, INSN_VMFUNC,
	INSN_IN, INSN_INS, INSN_OUT, INSN_OUTS,
	INSN_FAR_CALL, INSN_FAR_JMP, INSN_FAR_RET, INSN_IRET,
	INSN_INT, INSN_INT1, INSN_INT3, INSN_SYSCALL, INSN_SYSENTER,
	INSN_MOV_SEGMENT, INSN_POP_SEGMENT, INSN_LOAD_FAR_POINTER,	/* MOV to, POP, LFS LGS LSS */
	INSN_XSAVE, INSN_XSAVEC, INSN_XSAVEOPT, INSN_XRSTOR,		/* with REX.W too: insn.rex */
	INSN_XGETBV,
};

enum insn_prefix {
	INSN_PREFIX_66 = 1, INSN_PREFIX_67 = 2, INSN_PREFIX_F2 = 4, INSN_PREFIX_F3 = 8, INSN_PREFIX_F0 = 16,
};

enum insn_encoding { INSN_LEGACY, INSN_VEX, INSN_EVEX, INSN_XOP };

/** struct insn - one instruction taken apart. */
struct insn {
	enum insn_kind kind;
	uint8_t length;
	uint8_t prefixes;	/* enum insn_prefix; of F2 and F3 the last one counts */
	uint8_t rex;		/* 40h..4Fh, or 0 */
	uint8_t encoding;	/* enum insn_encoding */
	uint8_t opcode_at;	/* offset of the byte behind prefixes and REX: opcode, escape, or VEX and the like */
	uint8_t map;		/* 0 one byte, 1 0F, 2 0F38, 3 0F3A; as encoded for VEX, EVEX, XOP */
	uint8_t opcode;
	uint8_t modrm_at;	/* offset of the ModRM byte, or 0 */
	uint8_t modrm;
};

/**
 * insn_decode() - take apart the instruction at @bytes, of which @available may be read. False for bytes that cannot
 * start an instruction and for one that is cut off. Opcodes are checked in the one-byte and 0F maps; which opcodes,
 * prefixes and operand forms exist in the others is not: length is right for all that exist. Near branches with 66 have
 * the 32-bit displacement of Intel's processors.
 */
bool insn_decode(const uint8_t *bytes, unsigned int available, struct insn *insn);

/** insn_classify() - kind and, through @length, size; INSN_INVALID and 0 where insn_decode() fails. */
enum insn_kind insn_classify(const uint8_t *bytes, unsigned int available, unsigned int *length);

#define INSN_MEMORY_MAX	2

/** struct insn_regs - general registers by their numbers in instructions; rip is that of the instruction. */
struct insn_regs {
	uint64_t gpr[16], rip, fsbase, gsbase;
};

/**
 * insn_memory() - the addresses that the decoded instruction at @bytes is going to access: the ModRM operand, then
 * implicit ones, in @out. Returns how many. Of gathers, scatters and tiles it is the base, of ENTER the word that it
 * pushes first; prefetches and hints access nothing.
 */
unsigned int insn_memory(const uint8_t *bytes, const struct insn *insn, const struct insn_regs *regs,
			 uint64_t out[INSN_MEMORY_MAX]);

/** insn_is_illegal_inside() - does enclave mode answer #UD to every instruction of @kind (INS-01..INS-25, INS-30)? */
bool insn_is_illegal_inside(enum insn_kind kind);

#endif
