/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets that entry.S uses. engine.c asserts every one of them against the C structures. */
#ifndef SOFTSGX_TRAP_ENTRY_OFFSETS_H
#define SOFTSGX_TRAP_ENTRY_OFFSETS_H

/* Scratch words of an entry, from RSP: below the red zone of whoever executes the ENCLU. */
#define W_RETURN		(-136)
#define W_AEP			(-144)
#define W_ENTRY			(-152)

#define T_IN_ENCLAVE		0
#define T_HOST_FSBASE		8
#define T_HOST_GSBASE		16
#define T_SPILL_RDX		24
#define T_SPILL_RDI		32
#define T_AEP			40
#define T_EXIT_NEG		48
#define T_TCS			56
#define T_TCS_WORD		64
#define T_TID			72
#define T_STATS			80
#define T_SUD			88
#define T_CACHE_DEBUG		89
#define T_CACHE_TCS_LA		96
#define T_CACHE_GENERATION	104
#define T_CACHE_SEEN		112
#define T_CACHE_GPR		120
#define T_CACHE_EPOCH		128
#define T_CACHE_ENTRY		136
#define T_CACHE_FSBASE		144
#define T_CACHE_GSBASE		152

#define T_CALL_RAX		160
#define T_CALL_RDX		168
#define T_CALL_RSI		176
#define T_CALL_RDI		184
#define T_CALL_R8		192
#define T_CALL_R10		200
#define T_CALL_R11		208
#define T_CALL_RSP		216
#define T_CALL_RFLAGS		224
#define T_CALL_MASK		232
#define T_AGAIN			240
#define T_FP_SW			248	/* struct kfpx_sw of a signal frame of this thread; magic1 0: none seen yet */

#define T_STUB_RIP		296
#define T_STUB_R11		304
#define T_WAIT_RDI		312
#define T_WAIT_RSI		320
#define T_WAIT_RDX		328
#define T_WAIT_R10		336
#define T_WAIT_R8		344
#define T_WAIT_R9		352
#define T_WAIT_RAX		360
#define T_WAIT_RESTORE		368
#define T_WAIT_OUTER		376
#define T_WAIT_OPEN		384
#define T_WAIT_TRAP		392
#define T_WAIT_NR		400

#define CALL_FRAME		(0x20000 - 0x4000)	/* offset in the slot of the frame that enter_call builds */
#define CALL_FPSTATE		(CALL_FRAME + 512)
#define UC_FLAGS		8	/* offsets in struct ksigframe: pretcode, then struct kucontext */
#define UC_LINK			16
#define UC_STACK		24
#define UC_MC			48
#define UC_SIGMASK		304
#define FP_SW			464
#define FP_HEADER		512

#define TCS_STATE		0
#define TCS_FLAGS		8
#define TCS_CSSA		24
#define TCS_AEP			40
#define GPR_URSP		144
#define GPR_URBP		152

#define SLOT_SHIFT		17
#define SLOT_STACK_OFFSET	0x4000

#endif
