/* SPDX-License-Identifier: BSD-2-Clause */
/* Processor facts that SGX builds on: vectors, flags, page-fault error codes, the XSAVE area. */
#ifndef SOFTSGX_ARCH_X86_H
#define SOFTSGX_ARCH_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** enum x86_vector - exception vectors. SDM 3A, "Protected-Mode Exceptions and Interrupts". */
enum x86_vector {
	X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OF = 4, X86_BR = 5, X86_UD = 6, X86_NM = 7,
	X86_DF = 8, X86_TS = 10, X86_NP = 11, X86_SS = 12, X86_GP = 13, X86_PF = 14, X86_MF = 16,
	X86_AC = 17, X86_MC = 18, X86_XM = 19, X86_VE = 20, X86_CP = 21,
	X86_INTR = 256,			/* not a vector: an external interrupt, i.e. an asynchronous signal */
};

/* RFLAGS */
#define X86_FLAGS_CF		(UINT64_C(1) << 0)
#define X86_FLAGS_PF		(UINT64_C(1) << 2)
#define X86_FLAGS_AF		(UINT64_C(1) << 4)
#define X86_FLAGS_ZF		(UINT64_C(1) << 6)
#define X86_FLAGS_SF		(UINT64_C(1) << 7)
#define X86_FLAGS_TF		(UINT64_C(1) << 8)
#define X86_FLAGS_IF		(UINT64_C(1) << 9)
#define X86_FLAGS_DF		(UINT64_C(1) << 10)
#define X86_FLAGS_OF		(UINT64_C(1) << 11)
#define X86_FLAGS_IOPL		(UINT64_C(3) << 12)
#define X86_FLAGS_NT		(UINT64_C(1) << 14)
#define X86_FLAGS_RF		(UINT64_C(1) << 16)
#define X86_FLAGS_VM		(UINT64_C(1) << 17)
#define X86_FLAGS_AC		(UINT64_C(1) << 18)
#define X86_FLAGS_ID		(UINT64_C(1) << 21)
#define X86_FLAGS_ARITH		(X86_FLAGS_CF | X86_FLAGS_PF | X86_FLAGS_AF | X86_FLAGS_ZF | X86_FLAGS_SF | X86_FLAGS_OF)

/* Page-fault error code. SDM 3A, "Interrupt 14 -- Page-Fault Exception (#PF)". */
#define X86_PFEC_P		(UINT32_C(1) << 0)
#define X86_PFEC_W		(UINT32_C(1) << 1)
#define X86_PFEC_U		(UINT32_C(1) << 2)
#define X86_PFEC_RSVD		(UINT32_C(1) << 3)
#define X86_PFEC_I		(UINT32_C(1) << 4)
#define X86_PFEC_PK		(UINT32_C(1) << 5)
#define X86_PFEC_SGX		(UINT32_C(1) << 15)

/* XCR0 and XFRM bits, and the XSAVE area in its standard (non-compacted) format. SDM 1, "XSAVE Area". */
#define X86_XFEATURE_X87	(UINT64_C(1) << 0)
#define X86_XFEATURE_SSE	(UINT64_C(1) << 1)
#define X86_XFEATURE_AVX	(UINT64_C(1) << 2)
#define X86_XFEATURE_BNDREGS	(UINT64_C(1) << 3)
#define X86_XFEATURE_BNDCSR	(UINT64_C(1) << 4)
#define X86_XFEATURE_OPMASK	(UINT64_C(1) << 5)
#define X86_XFEATURE_ZMM_HI256	(UINT64_C(1) << 6)
#define X86_XFEATURE_HI16_ZMM	(UINT64_C(1) << 7)
#define X86_XFEATURE_PKRU	(UINT64_C(1) << 9)
#define X86_XFEATURE_TILECFG	(UINT64_C(1) << 17)
#define X86_XFEATURE_TILEDATA	(UINT64_C(1) << 18)

enum {
	X86_XSAVE_FCW		= 0,	/* u16 */
	X86_XSAVE_FSW		= 2,	/* u16 */
	X86_XSAVE_MXCSR		= 24,	/* u32 */
	X86_XSAVE_MXCSR_MASK	= 28,	/* u32 */
	X86_XSAVE_ST0		= 32,
	X86_XSAVE_XMM0		= 160,
	X86_XSAVE_SW_RESERVED	= 464,	/* 48 bytes that a signal frame uses and the architecture leaves alone */
	X86_XSAVE_XSTATE_BV	= 512,	/* u64 */
	X86_XSAVE_XCOMP_BV	= 520,	/* u64 */
	X86_XSAVE_LEGACY_SIZE	= 512,
	X86_XSAVE_MIN_SIZE	= 576,	/* legacy region and header */
	X86_XFEATURE_MAX	= 63,
};

/** x86_is_canonical() - is @addr canonical with 48-bit linear addresses? */
static inline bool x86_is_canonical(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

#endif
