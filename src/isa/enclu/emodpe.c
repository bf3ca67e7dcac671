/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODPE: the enclave widens the access rights of one of its pages. */
#include "isa/enclu/operand.h"

enum { SECINFO_ALIGN = 64 };

/* EMODPE-16..21, again under the lock as 23..27. */
static bool target_extendable(const struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && !e->pending && !e->modified && !e->blocked && e->pt == SGX_PT_REG &&
	       enclu_operand_owned(c, page);
}

static enum leaf_status extend(struct cpu *c, const struct epc_page *page, uint64_t flags)
{
	struct epcm_entry *e = page->epcm;

	if (!target_extendable(c, page))
		return leaf_pf(c, c->regs.rcx, 0);				/* EMODPE-23..27 */
	if (e->enclaveaddress != c->regs.rcx)
		return leaf_pf(c, c->regs.rcx, 0);				/* EMODPE-28 */
	if (!e->r && !(flags & SGX_SECINFO_R) && (flags & SGX_SECINFO_W))
		return leaf_gp(c);	/* EMODPE-29: the manual prints the condition without a consequence */

	e->r |= !!(flags & SGX_SECINFO_R);
	e->w |= !!(flags & SGX_SECINFO_W);
	e->x |= !!(flags & SGX_SECINFO_X);
	return leaf_done(c);
}

enum leaf_status enclu_emodpe(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct epc_page in, page;
	struct sgx_secinfo si;
	enum leaf_status status;

	if (rbx % SECINFO_ALIGN)				return leaf_gp(c);	/* EMODPE-01 */
	if (rcx % SGX_PAGE_SIZE)				return leaf_gp(c);	/* EMODPE-02 */
	if (!enclu_operand_in_elrange(c, rbx, sizeof(si)))	return leaf_gp(c);	/* EMODPE-03 */
	if (!enclu_operand_in_elrange(c, rcx, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EMODPE-04 */
	if (enclu_operand_page(m, c, rbx, 0, &in))		return LEAF_FAULT;	/* EMODPE-05 */
	if (enclu_operand_page(m, c, rcx, 0, &page))		return LEAF_FAULT;	/* EMODPE-06 */
	if (!enclu_operand_readable(c, &in, rbx))		return leaf_pf(c, rbx, 0); /* EMODPE-07..14 */
	if (!enclu_secinfo_load(&in, rbx, &si))			return leaf_gp(c);	/* EMODPE-15 */
	if (!target_extendable(c, &page))			return leaf_pf(c, rcx, 0); /* EMODPE-16..21 */
	if (!enclu_operand_claim(&page))			return leaf_gp(c);	/* EMODPE-22 */
	status = extend(c, &page, si.flags);
	enclu_operand_unclaim(&page);
	return status;
}
