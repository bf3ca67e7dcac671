/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EREMOVE: free an EPC page. EREMOVE-06 counts children in virtual machines and cannot occur. The manual's flow of
 * an accepted PT_TRIM page contradicts itself; here it is freed, threads inside or not, as Linux relies on.
 */
#include "isa/encls/operand.h"
#include "isa/secs.h"

static bool is_child(const struct epcm_entry *e)
{
	return e->pt != SGX_PT_SECS && e->pt != SGX_PT_VA;
}

/* EACCEPT checked that nobody from before EMODT is left inside. */
static bool is_trimmed(const struct epcm_entry *e)
{
	return e->pt == SGX_PT_TRIM && !e->modified;
}

/* Context: page locked exclusively. */
static enum leaf_status release(struct machine *m, struct cpu *c, const struct epc_page *page)
{
	struct epcm_entry *e = page->epcm;
	struct epc_page secs_page;

	if (!e->valid)						return leaf_ok(c);	/* EREMOVE-04 */
	if (e->pt == SGX_PT_SECS && atomic_load(&secs_of(page)->children))
		return leaf_err(c, SGX_CHILD_PRESENT);					/* EREMOVE-05 */
	if (is_child(e)) {
		secs_page = epc_secs_of(page);
		if (!is_trimmed(e) && track_any_inside(m, &secs_page, UINT32_MAX))
			return leaf_err(c, SGX_ENCLAVE_ACT);				/* EREMOVE-07 */
		if (e->pt == SGX_PT_TCS || e->pt == SGX_PT_TRIM)	/* a trimmed page may have been a TCS */
			track_tcs_unlink(&secs_page, page);
	}

	__atomic_store_n(&e->valid, false, __ATOMIC_RELEASE);
	section_touch(page->section);
	if (is_child(e))
		atomic_fetch_sub(&secs_of(&secs_page)->children, 1);
	return leaf_ok(c);
}

enum leaf_status encls_eremove(struct machine *m, struct cpu *c)
{
	struct epc_page page;
	enum leaf_status status;

	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EREMOVE-01 */
	if (!epc_at(m, c->regs.rcx, &page))
		return leaf_not_epc(c, c->regs.rcx);					/* EREMOVE-02 */
	if (!epcm_lock_exclusive(page.epcm))			return leaf_gp(c);	/* EREMOVE-03, CONC-01 */
	status = release(m, c, &page);
	epcm_unlock_exclusive(page.epcm);
	return status;
}
