/* SPDX-License-Identifier: BSD-2-Clause */
/* ETRACK: opens a new tracking epoch, unless the threads of the one before last are still inside (sgx-isa 6.7). */
#include "isa/encls/operand.h"
#include "isa/secs.h"

/* Context: SECS.track_lock held. Nobody else writes the epoch. */
static enum leaf_status next_epoch(struct machine *m, struct cpu *c, const struct epc_page *page)
{
	struct secs *secs = secs_of(page);
	uint32_t epoch = atomic_load(&secs->epoch);

	if (track_any_inside(m, page, epoch - 1))	return leaf_err(c, SGX_PREV_TRK_INCMPL); /* ETRACK-06 */

	atomic_store(&secs->epoch, epoch + 1);
	return leaf_ok(c);
}

/* Context: page locked shared. */
static enum leaf_status track(struct machine *m, struct cpu *c, const struct epc_page *page)
{
	struct secs *secs = secs_of(page);
	enum leaf_status status;

	/* The tracking lock lives in a valid SECS only: ETRACK-03, its other half, comes after these two. */
	if (!page->epcm->valid)				return leaf_pf(c, c->regs.rcx, 0);	/* ETRACK-04 */
	if (page->epcm->pt != SGX_PT_SECS)		return leaf_pf(c, c->regs.rcx, 0);	/* ETRACK-05 */
	if (atomic_exchange(&secs->track_lock, 1))	return leaf_gp(c);			/* ETRACK-03 */
	status = next_epoch(m, c, page);
	atomic_store(&secs->track_lock, 0);
	return status;
}

enum leaf_status encls_etrack(struct machine *m, struct cpu *c)
{
	enum leaf_status status;
	struct epc_page page;

	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))	return leaf_gp(c);			/* ETRACK-01 */
	if (!epc_at(m, c->regs.rcx, &page))		return leaf_not_epc(c, c->regs.rcx);	/* ETRACK-02 */
	if (!epcm_lock_shared(page.epcm))		return leaf_gp(c);			/* ETRACK-03 */
	status = track(m, c, &page);
	epcm_unlock_shared(page.epcm);
	return status;
}
