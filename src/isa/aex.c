/* SPDX-License-Identifier: BSD-2-Clause */
/* AEX: asynchronous exit (sgx-isa 7.3, 7.4). */
#include "isa/enclu/entry.h"
#include "isa/xstate_copy.h"

static_assert(sizeof(struct cpu_regs) == offsetof(struct sgx_gprsgx, ursp), "saved as one block");

/* What EXITINFO says of @event; 0 for what is not reported to the enclave (sgx-isa 1.8). */
static uint32_t exitinfo(const struct exception *event, uint32_t miscselect)
{
	uint32_t type = SGX_EXITINFO_HW;

	switch (event->vector) {
	case X86_DE:
	case X86_DB:
	case X86_BR:
	case X86_UD:
	case X86_MF:
	case X86_AC:
	case X86_XM:
		break;
	case X86_BP:
		type = SGX_EXITINFO_SW;
		break;
	case X86_PF:
		if (!(event->error_code & X86_PFEC_U))
			return 0;				/* AEX-25 */
		/* fall through */
	case X86_GP:
		if (!(miscselect & SGX_MISC_EXINFO))
			return 0;
		break;
	case X86_CP:
		if (!(miscselect & SGX_MISC_CPINFO))
			return 0;
		break;
	default:
		return 0;
	}
	return SGX_EXITINFO_VALID | type | event->vector;
}

/* EXITINFO is written at every AEX, EXINFO only by the vectors that it is for (EVT-16, 17). */
static void event_save(struct cpu *c, const struct exception *event, uint32_t miscselect)
{
	c->gpr->exitinfo = exitinfo(event, miscselect);
	if (!c->gpr->exitinfo)
		return;
	if (event->vector == X86_PF || event->vector == X86_GP || event->vector == X86_CP) {
		const struct sgx_exinfo exinfo = {
			.maddr = event->vector == X86_PF ? event->addr : 0,
			.errcd = event->error_code,
		};

		__builtin_memcpy(c->misc, &exinfo, sizeof(exinfo));
	}
}

/* URSP and URBP come from the frame in memory: the enclave may have rewritten them (AEX-05). */
static void regs_synthetic(struct cpu *c, uint64_t aep)
{
	c->regs = (struct cpu_regs){
		.rax = ERESUME, .rbx = c->tcs_la, .rcx = aep, .rip = aep,
		.rsp = c->gpr->ursp, .rbp = c->gpr->urbp,
		.rflags = c->regs.rflags & ~(X86_FLAGS_ARITH | X86_FLAGS_RF),
	};
}

/*
 *  a) general registers, RFLAGS without TF, RIP, FS and GS bases into the frame that the entry found
 *  b) extended state of XFRM behind them, and the synthetic state in its place
 *  c) EXITINFO, EXINFO
 *  d) synthetic registers
 *  e) CSSA + 1; outside FS, GS and TF; the TCS is idle -- enclave memory is off limits from here
 *  f) CR2 for the world outside
 */
void isa_aex(struct machine *m, struct cpu *c, struct exception *event)
{
	const struct secs *secs = secs_of(&c->secs);
	struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)c->tcs.mem;
	const uint64_t xfrm = secs->attributes.xfrm;

	__builtin_memcpy(c->gpr, &c->regs, sizeof(c->regs));			/* a */
	c->gpr->rflags &= ~X86_FLAGS_TF;					/* AEX-07 */
	c->gpr->fsbase = c->fsbase;
	c->gpr->gsbase = c->gsbase;
	xstate_save(m->profile, xfrm, c->xstate, c->xstate_size, c->xsave);	/* b */
	xstate_synthetic(m->profile, xfrm, event->vector, c->xstate);
	event_save(c, event, secs->miscselect);					/* c */
	regs_synthetic(c, tcs->aep);						/* d */
	tcs->cssa++;								/* e */
	entry_leave(c);
	if (event->vector == X86_PF)
		event->addr &= SGX_PAGE_MASK;					/* f: AEX-23 */
}
