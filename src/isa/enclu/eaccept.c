/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EACCEPT: the enclave confirms what EAUG, EMODT or EMODPR did to one of its pages. CET is not enumerated:
 * there are no shadow stack pages (EACCEPT-21..24 are the default of a page type that does not exist,
 * EACCEPT-46 is part of the reserved bytes), and no 32-bit enclave (EACCEPT-47, 48).
 */
#include "isa/enclu/operand.h"
#include "isa/secs.h"

enum { SECINFO_ALIGN = 64 };

/* EACCEPT-16..25: is this a state that EAUG, EMODT or EMODPR leaves behind? */
static bool secinfo_acceptable(uint64_t flags)
{
	switch (SGX_SECINFO_PT(flags)) {
	case SGX_PT_REG:
		return !(flags & SGX_SECINFO_MODIFIED) && (flags & (SGX_SECINFO_PENDING | SGX_SECINFO_PR));
	case SGX_PT_TCS:
	case SGX_PT_TRIM:
		return (flags & SGX_SECINFO_MODIFIED) && !(flags & (SGX_SECINFO_PENDING | SGX_SECINFO_PR));
	default:
		return false;
	}
}

/* EACCEPT-26..29; without the lock these may change, so that 31 and 32 repeat them. */
static bool target_acceptable(const struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && !e->blocked && (e->pt == SGX_PT_REG || e->pt == SGX_PT_TCS || e->pt == SGX_PT_TRIM) &&
	       enclu_operand_owned(c, page);
}

/* EACCEPT-33..39. PR is not compared. */
static bool target_matches(const struct epcm_entry *e, uint64_t addr, uint64_t flags)
{
	return e->enclaveaddress == addr && e->pending == !!(flags & SGX_SECINFO_PENDING) &&
	       e->modified == !!(flags & SGX_SECINFO_MODIFIED) && e->r == !!(flags & SGX_SECINFO_R) &&
	       e->w == !!(flags & SGX_SECINFO_W) && e->x == !!(flags & SGX_SECINFO_X) &&
	       e->pt == SGX_SECINFO_PT(flags);
}

/* EACCEPT-41..45: a page that becomes a TCS is held to what EADD would have made of it. */
static bool tcs_acceptable(const struct sgx_tcs *tcs)
{
	return enclu_operand_zero((const uint8_t *)tcs + SGX_TCS_LIMIT, sizeof(*tcs) - SGX_TCS_LIMIT) &&
	       !(tcs->flags & SGX_TCS_DBGOPTIN) && tcs->cssa < tcs->nssa && !tcs->aep && !tcs->state;
}

static enum leaf_status accept(struct machine *m, struct cpu *c, const struct epc_page *page, uint64_t flags)
{
	struct epcm_entry *e = page->epcm;

	if (!e->valid || !enclu_operand_owned(c, page))
		return leaf_pf(c, c->regs.rcx, 0);				/* EACCEPT-31, 32 */
	if (!target_matches(e, c->regs.rcx, flags))
		return leaf_err(c, SGX_PAGE_ATTRIBUTES_MISMATCH);		/* EACCEPT-33..39 */
	if ((e->modified || e->pr) && !track_done(m, &c->secs, e->epoch))
		return leaf_err(c, SGX_NOT_TRACKED);				/* EACCEPT-40 */
	if (e->pt == SGX_PT_TCS && !tcs_acceptable((const void *)page->mem))
		return leaf_gp(c);						/* EACCEPT-41..45 */

	e->pending = false;
	e->modified = false;
	e->pr = false;
	return leaf_ok(c);
}

enum leaf_status enclu_eaccept(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct epc_page in, page;
	struct sgx_secinfo si;
	enum leaf_status status;

	if (rbx % SECINFO_ALIGN)				return leaf_gp(c);	/* EACCEPT-01 */
	if (!enclu_operand_in_elrange(c, rbx, sizeof(si)))	return leaf_gp(c);	/* EACCEPT-02 */
	if (enclu_operand_page(m, c, rbx, 0, &in))		return LEAF_FAULT;	/* EACCEPT-03 */
	if (!enclu_operand_readable(c, &in, rbx))		return leaf_pf(c, rbx, 0); /* EACCEPT-04..11 */
	if (!enclu_secinfo_load(&in, rbx, &si))			return leaf_gp(c);	/* EACCEPT-12 */
	if (rcx % SGX_PAGE_SIZE)				return leaf_gp(c);	/* EACCEPT-13 */
	if (!enclu_operand_in_elrange(c, rcx, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EACCEPT-14 */
	if (enclu_operand_page(m, c, rcx, 0, &page))		return LEAF_FAULT;	/* EACCEPT-15 */
	if (!secinfo_acceptable(si.flags))			return leaf_gp(c);	/* EACCEPT-16..25 */
	if (!target_acceptable(c, &page))			return leaf_pf(c, rcx, 0); /* EACCEPT-26..29 */
	if (!enclu_operand_claim(&page))			return leaf_gp(c);	/* EACCEPT-30 */
	status = accept(m, c, &page, si.flags);
	enclu_operand_unclaim(&page);
	return status;
}
