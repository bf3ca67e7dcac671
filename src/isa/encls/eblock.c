/* SPDX-License-Identifier: BSD-2-Clause */
/* EBLOCK: no new translations of a page; the tracking of those that exist begins here. */
#include "isa/encls/operand.h"
#include "isa/pagecrypto.h"
#include "isa/secs.h"

/* Context: page locked shared, so that two EBLOCKs may race for the BLOCKED bit: one of them finds it set. */
static enum leaf_status block(struct cpu *c, struct epc_page *page)
{
	struct epcm_entry *e = page->epcm;
	struct epc_page secs;

	if (!e->valid)					return leaf_err(c, SGX_PG_INVLD);	/* EBLOCK-04 */
	if (e->pt == SGX_PT_SECS)			return leaf_info(c, SGX_PG_IS_SECS);	/* EBLOCK-05 */
	if (!pt_is_child(e->pt))			return leaf_info(c, SGX_NOTBLOCKABLE);	/* EBLOCK-06 */
	if (__atomic_load_n(&e->blocked, __ATOMIC_RELAXED))
		return leaf_info(c, SGX_BLKSTATE);						/* EBLOCK-07 */
	secs = epc_secs_of(page);
	if (atomic_load(&secs_of(&secs)->track_lock))	return leaf_err(c, SGX_ENTRYEPOCH_LOCKED); /* EBLOCK-08 */

	if (__atomic_exchange_n(&e->blocked, true, __ATOMIC_SEQ_CST))
		return leaf_info(c, SGX_BLKSTATE);						/* EBLOCK-07 */
	/* After the bit: who enters in a later epoch than the stamp has seen it. */
	track_stamp(e, secs_of(&secs));
	section_touch(page->section);
	return leaf_ok(c);
}

enum leaf_status encls_eblock(struct machine *m, struct cpu *c)
{
	enum leaf_status status;
	struct epc_page page;

	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))	return leaf_gp(c);			/* EBLOCK-01 */
	if (!epc_at(m, c->regs.rcx, &page))		return leaf_not_epc(c, c->regs.rcx);	/* EBLOCK-02 */
	if (!epcm_lock_shared(page.epcm))		return leaf_err(c, SGX_EPC_PAGE_CONFLICT); /* EBLOCK-03 */
	status = block(c, &page);
	epcm_unlock_shared(page.epcm);
	return status;
}
