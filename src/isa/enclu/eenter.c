/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EENTER: synchronous entry. Cannot occur here: 32-bit mode (EENTER-01..07, 51, 53..57), CR4.OSFXSR = 0
 * (EENTER-24), and, while CET is not enumerated, its state (EENTER-61..73). EENTER-08..27 are in entry.c,
 * 29..50 in ssa.c.
 */
#include "isa/enclu/entry.h"

static enum leaf_status eenter_check(struct machine *m, struct cpu *c, const struct entry *en,
				     struct ssa_frame *frame)
{
	if (en->cssa >= en->nssa)			return leaf_gp(c);	/* EENTER-28 */
	if (ssa_frame_find(m, c, &en->secs, entry_frame(en, en->cssa), frame))
		return LEAF_FAULT;						/* EENTER-29..50 */
	if (!entry_oentry_valid(en))			return leaf_gp(c);	/* EENTER-52, 58, 59 */
	if (!en->word)					return leaf_gp(c);	/* EENTER-60 */
	return LEAF_DONE;
}

enum leaf_status enclu_eenter(struct machine *m, struct cpu *c)
{
	struct ssa_frame frame;
	struct entry en;

	if (entry_begin(m, c, &en))
		return LEAF_FAULT;
	if (eenter_check(m, c, &en, &frame))
		return entry_cancel(&en);
	entry_commit(c, &en, &frame);
	entry_at_oentry(c, &en);
	return LEAF_DONE;
}
