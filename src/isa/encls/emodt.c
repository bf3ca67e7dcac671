/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODT: changes the type of a page to PT_TCS or PT_TRIM; the enclave has to accept that. */
#include "isa/encls/operand.h"
#include "isa/secs.h"

/* Context: page locked exclusively. */
static enum leaf_status modify(struct cpu *c, enum sgx_pt pt, const struct epc_page *page)
{
	struct epcm_entry *e = page->epcm;
	struct epc_page secs;

	if (!e->valid)					return leaf_pf(c, c->regs.rcx, 0);	/* EMODT-07 */
	if (e->pt != SGX_PT_REG && e->pt != SGX_PT_TCS)	return leaf_pf(c, c->regs.rcx, 0);	/* EMODT-09 */
	if (e->pt == SGX_PT_TCS && pt != SGX_PT_TRIM)	return leaf_pf(c, c->regs.rcx, 0);	/* EMODT-10 */
	if (e->pending)					return leaf_err(c, SGX_PAGE_NOT_MODIFIABLE); /* EMODT-11 */
	if (e->modified)				return leaf_err(c, SGX_PAGE_NOT_MODIFIABLE); /* EMODT-12 */
	secs = epc_secs_of(page);
	if (!(secs_of(&secs)->attributes.flags & SGX_ATTR_INIT))
		return leaf_gp(c);								/* EMODT-13 */

	e->pr = false;
	e->modified = true;
	e->r = e->w = e->x = false;
	e->pt = pt;
	track_stamp(e, secs_of(&secs));
	if (pt == SGX_PT_TCS)
		track_tcs_link(&secs, page);	/* a trimmed TCS stays listed: who entered by it is inside */
	section_touch(page->section);
	return leaf_ok(c);
}

enum leaf_status encls_emodt(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct sgx_secinfo si;
	enum leaf_status status;
	struct epc_page page;
	enum sgx_pt pt;

	if (!is_aligned(rbx, sizeof(si)))		return leaf_gp(c);			/* EMODT-01 */
	if (!is_aligned(rcx, SGX_PAGE_SIZE))		return leaf_gp(c);			/* EMODT-02 */
	if (!epc_at(m, rcx, &page))			return leaf_not_epc(c, rcx);		/* EMODT-03 */
	if (!operand_read(m, c, &si, rbx, sizeof(si)))	return LEAF_FAULT;
	if (!secinfo_rsvd_zero(&si))			return leaf_gp(c);			/* EMODT-04 */
	pt = SGX_SECINFO_PT(si.flags);
	if (pt != SGX_PT_TCS && pt != SGX_PT_TRIM)	return leaf_gp(c);			/* EMODT-05 */
	if (!epcm_lock_exclusive(page.epcm))
		return leaf_err(c, SGX_EPC_PAGE_CONFLICT);					/* EMODT-06, 08 */
	status = modify(c, pt, &page);
	epcm_unlock_exclusive(page.epcm);
	return status;
}
