/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EDECCSSA: the frame below the current one becomes the one that the next AEX writes. Its registers, URSP and URBP
 * among them, stay as they are: those of the entry that was interrupted. EDECCSSA-25 is 32-bit only; EDECCSSA-26..36
 * cannot occur while CET is not enumerated. EDECCSSA-03..24 are in ssa.c.
 */
#include "isa/enclu/entry.h"

static enum leaf_status edeccssa_check(struct machine *m, struct cpu *c, const struct sgx_tcs *tcs,
				       struct ssa_frame *frame)
{
	const struct secs *secs = secs_of(&c->secs);
	const uint64_t size = SGX_PAGE_SIZE * secs->ssaframesize;

	if (tcs->cssa == 0)				return leaf_gp(c);	/* EDECCSSA-02 */
	return ssa_frame_find(m, c, &c->secs, secs->baseaddr + tcs->ossa + size * (tcs->cssa - 1), frame);
}

enum leaf_status enclu_edeccssa(struct machine *m, struct cpu *c)
{
	struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)c->tcs.mem;
	struct ssa_frame frame;
	enum leaf_status status;

	if (!epcm_lock_shared(c->tcs.epcm))
		return leaf_gp(c);						/* EDECCSSA-01 */
	status = edeccssa_check(m, c, tcs, &frame);
	if (status == LEAF_DONE) {
		tcs->cssa--;
		c->gpr = frame.gpr;
		c->misc = frame.misc;
		__builtin_memcpy(c->xsave, frame.xsave, sizeof(c->xsave));
		leaf_done(c);
	}
	epcm_unlock_shared(c->tcs.epcm);
	return status;
}
