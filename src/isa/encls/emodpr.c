/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODPR: restricts the permissions of a regular page; the enclave has to accept that. */
#include "isa/encls/operand.h"
#include "isa/secs.h"

/* Context: page locked shared, and for SGX2. */
static enum leaf_status restrict_page(struct cpu *c, const struct sgx_secinfo *si, const struct epc_page *page)
{
	struct epcm_entry *e = page->epcm;
	struct epc_page secs;

	if (e->pending)				return leaf_err(c, SGX_PAGE_NOT_MODIFIABLE);	/* EMODPR-09 */
	if (e->modified)			return leaf_err(c, SGX_PAGE_NOT_MODIFIABLE);	/* EMODPR-10 */
	if (e->pt != SGX_PT_REG)			return leaf_pf(c, c->regs.rcx, 0);	/* EMODPR-11 */
	secs = epc_secs_of(page);
	if (!(secs_of(&secs)->attributes.flags & SGX_ATTR_INIT))
		return leaf_gp(c);								/* EMODPR-12 */

	e->pr = true;
	e->r &= !!(si->flags & SGX_SECINFO_R);
	e->w &= !!(si->flags & SGX_SECINFO_W);
	e->x &= !!(si->flags & SGX_SECINFO_X);
	track_stamp(e, secs_of(&secs));
	section_touch(page->section);
	return leaf_ok(c);
}

/* Context: page locked shared. */
static enum leaf_status restrict_shared(struct cpu *c, const struct sgx_secinfo *si, const struct epc_page *page)
{
	enum leaf_status status;

	if (!page->epcm->valid)				return leaf_pf(c, c->regs.rcx, 0);	/* EMODPR-07 */
	if (!epcm_lock_sgx2(page->epcm))		return leaf_err(c, SGX_EPC_PAGE_CONFLICT); /* EMODPR-08 */
	status = restrict_page(c, si, page);
	epcm_unlock_sgx2(page->epcm);
	return status;
}

enum leaf_status encls_emodpr(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct sgx_secinfo si;
	enum leaf_status status;
	struct epc_page page;

	if (!is_aligned(rbx, sizeof(si)))		return leaf_gp(c);			/* EMODPR-01 */
	if (!is_aligned(rcx, SGX_PAGE_SIZE))		return leaf_gp(c);			/* EMODPR-02 */
	if (!epc_at(m, rcx, &page))			return leaf_not_epc(c, rcx);		/* EMODPR-03 */
	if (!operand_read(m, c, &si, rbx, sizeof(si)))	return LEAF_FAULT;
	if (!secinfo_rsvd_zero(&si))			return leaf_gp(c);			/* EMODPR-04 */
	if ((si.flags & (SGX_SECINFO_R | SGX_SECINFO_W)) == SGX_SECINFO_W)
		return leaf_gp(c);								/* EMODPR-05 */
	if (!epcm_lock_shared(page.epcm))		return leaf_gp(c);			/* EMODPR-06 */
	status = restrict_shared(c, &si, &page);
	epcm_unlock_shared(page.epcm);
	return status;
}
