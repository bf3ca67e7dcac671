/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ERESUME: back to where an AEX left, or, if the enclave asked to be notified, an entry at OENTRY. Cannot
 * occur here: 32-bit mode (ERESUME-01..07, 51, 74, 76..80), CR4.OSFXSR = 0 (ERESUME-24), and, while CET is
 * not enumerated, its state (ERESUME-84..101). ERESUME-08..27 are in entry.c; 29..50 and 53..73 in ssa.c;
 * 102..105 in xstate_copy.c.
 */
#include "isa/enclu/entry.h"
#include "isa/xstate_copy.h"

/* What ERESUME takes from the frame; the rest of RFLAGS stays as it was outside. IF would need IOPL = 3. */
static const uint64_t rflags_restored = X86_FLAGS_ARITH | X86_FLAGS_DF | X86_FLAGS_NT | X86_FLAGS_AC |
					X86_FLAGS_ID | X86_FLAGS_RF;

/* struct resume - read from the frame once: other threads of the enclave may be writing to it. */
struct resume {
	struct ssa_frame frame;		/* that the next AEX writes */
	struct cpu_regs regs;
	uint64_t fsbase, gsbase;
	struct xstate_image image;
	bool notify;
};

static_assert(offsetof(struct cpu_regs, rip) == offsetof(struct sgx_gprsgx, rip), "copied as one block");

static enum leaf_status eresume_check(struct machine *m, struct cpu *c, const struct entry *en, struct resume *r)
{
	const uint64_t xfrm = secs_of(&en->secs)->attributes.xfrm;

	if (en->cssa == 0)
		return leaf_gp(c);							/* ERESUME-28 */
	if (ssa_frame_find(m, c, &en->secs, entry_frame(en, en->cssa - 1), &r->frame))
		return LEAF_FAULT;							/* ERESUME-29..50 */
	r->notify = (en->flags & SGX_TCS_AEXNOTIFY) && (r->frame.gpr->aexnotify & 1);
	if (r->notify) {
		if (en->cssa >= en->nssa)
			return leaf_gp(c);						/* ERESUME-52 */
		if (ssa_frame_find(m, c, &en->secs, entry_frame(en, en->cssa), &r->frame))
			return LEAF_FAULT;						/* ERESUME-53..73 */
		if (!entry_oentry_valid(en))
			return leaf_gp(c);						/* ERESUME-75, 81, 82 */
		return en->word ? LEAF_DONE : leaf_gp(c);				/* ERESUME-83 */
	}
	__builtin_memcpy(&r->regs, r->frame.gpr, sizeof(r->regs));
	r->fsbase = r->frame.gpr->fsbase;
	r->gsbase = r->frame.gpr->gsbase;
	if (!x86_is_canonical(r->regs.rip))		return leaf_gp(c);		/* ERESUME-75 */
	if (!x86_is_canonical(r->fsbase))		return leaf_gp(c);		/* ERESUME-81 */
	if (!x86_is_canonical(r->gsbase))		return leaf_gp(c);		/* ERESUME-82 */
	if (!en->word)					return leaf_gp(c);		/* ERESUME-83 */
	if (!xstate_image_read(m->profile, xfrm, r->frame.xsave[0], c->xstate_size, &r->image))
		return leaf_gp(c);							/* ERESUME-102..105 */
	return LEAF_DONE;
}

/* The AEX undone. */
static void restore(struct machine *m, struct cpu *c, const struct entry *en, const struct resume *r)
{
	const uint64_t outside = c->regs.rflags & ~rflags_restored;
	struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)en->tcs.mem;

	xstate_load(m->profile, secs_of(&en->secs)->attributes.xfrm, r->frame.xsave, &r->image, c->xstate);
	c->regs = r->regs;
	c->regs.rflags = outside | (r->regs.rflags & rflags_restored);
	c->fsbase = r->fsbase;
	c->gsbase = r->gsbase;
	tcs->cssa = en->cssa - 1;
}

enum leaf_status enclu_eresume(struct machine *m, struct cpu *c)
{
	struct resume r;
	struct entry en;

	if (entry_begin(m, c, &en))
		return LEAF_FAULT;
	if (eresume_check(m, c, &en, &r))
		return entry_cancel(&en);
	entry_commit(c, &en, &r.frame);
	if (r.notify)
		entry_at_oentry(c, &en);
	else
		restore(m, c, &en, &r);
	return LEAF_DONE;
}
