/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of EENTER, ERESUME and AEX: SSA frames of one and of two pages, and a processor with a
 * recognisable state.
 */
#ifndef SOFTSGX_TESTS_ISA_ENTRY_H
#define SOFTSGX_TESTS_ISA_ENTRY_H

#include "isa/user.h"

#define ENTRY_GPR(frame_end)	((frame_end) - sizeof(struct sgx_gprsgx))
#define ENTRY_BEYOND	UINT64_C(0x700000000000)	/* BASEADDR + this is not canonical */
#define ENTRY_OWNER	99				/* tid of another thread */

/* Two-page frames: XSAVE and GPRSGX pages of frames 0 and 1, EPC indices and linear addresses. */
enum { ENTRY_XSAVE0 = FIXTURE_SSA0, ENTRY_GPR0, ENTRY_XSAVE1, ENTRY_GPR1 };
#define ENTRY_XSAVE0_LA	(FIXTURE_BASE + 0x2000)
#define ENTRY_GPR0_LA	ENTRY_GPR(FIXTURE_BASE + 0x4000)
#define ENTRY_XSAVE1_LA	(FIXTURE_BASE + 0x4000)
#define ENTRY_GPR1_LA	ENTRY_GPR(FIXTURE_BASE + 0x6000)

static inline struct sgx_gprsgx *entry_gpr(struct fixture *f, uint64_t index)
{
	return (struct sgx_gprsgx *)(void *)(f->mem[index] + 4096 - sizeof(struct sgx_gprsgx));
}

static inline struct sgx_exinfo *entry_exinfo(struct fixture *f, uint64_t index)
{
	return (struct sgx_exinfo *)(void *)(f->mem[index] + 4096 - sizeof(struct sgx_gprsgx) - 16);
}

/* Registers that tell each other apart, and extended state with everything of XFRM in use. */
static inline void entry_cpu(struct fixture *f)
{
	struct cpu_regs *r = &f->c.regs;
	uint64_t flags = r->rflags, rip = r->rip;

	for (unsigned i = 0; i < sizeof(*r) / 8; i++)
		((uint64_t *)(void *)r)[i] = 0x1111000000000000 + 0x101 * (i + 1);
	r->rflags = flags;
	r->rip = rip;
	f->c.fsbase = 0x7f5500001000;
	f->c.gsbase = 0x7f6600002000;
	f->c.xstate = f->xstate;
	f->c.xstate_size = sizeof(f->xstate);
	for (unsigned i = 0; i < sizeof(f->xstate); i++)
		f->xstate[i] = (uint8_t)(i * 7 + i / 256 + 1);
	memset(f->xstate + 512, 0, 64);
	f->xstate[X86_XSAVE_XSTATE_BV] = 7;
	memcpy(f->xstate + X86_XSAVE_MXCSR, &(uint32_t){ 0x1f80 }, 4);
}

static inline struct fixture *entry_ready(void)
{
	struct fixture *f = user_outside();

	entry_cpu(f);
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0x1234);
	return f;
}

static inline struct fixture *entry_ready_two_pages(void)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();

	spec.ssaframesize = 2;
	fixture_build(f, &spec);
	f->epcm[ENTRY_GPR1].w = true;
	entry_cpu(f);
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0x1234);
	return f;
}

/* After an AEX that is not reported: ERESUME of frame 0 is legal, and so is EENTER. */
static inline void entry_interrupted(struct fixture *f)
{
	user_enter(f);
	user_aex(f, X86_INTR, 0, 0);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0x1234);
}

/* Let the enclave, its TCS and frame @gpr ask for notification. */
static inline void entry_notify(struct fixture *f, uint64_t gpr)
{
	f->profile.attributes |= SGX_ATTR_AEXNOTIFY;
	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_AEXNOTIFY;
	user_tcs(f)->flags |= SGX_TCS_AEXNOTIFY;
	entry_gpr(f, gpr)->aexnotify = 1;
}


#endif
