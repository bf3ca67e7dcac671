/* SPDX-License-Identifier: BSD-2-Clause */
/* EACCEPTCOPY: the enclave accepts a page that EAUG added, with the contents and the rights of its choice. */
#include "isa/enclu/operand.h"

enum { SECINFO_ALIGN = 64 };

/* EACCEPTCOPY-29..34 */
static bool destination_pending(const struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && e->pending && !e->modified && !e->blocked && e->pt == SGX_PT_REG &&
	       enclu_operand_owned(c, page);
}

/* EACCEPTCOPY-36..44, under the lock: as EAUG left it, and at the address that it was added for. */
static bool destination_fresh(const struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && e->pending && !e->modified && e->r && e->w && !e->x && e->pt == SGX_PT_REG &&
	       enclu_operand_owned(c, page) && e->enclaveaddress == c->regs.rcx;
}

static enum leaf_status accept_copy(struct cpu *c, const struct epc_page *to, const struct epc_page *from,
				    uint64_t flags)
{
	struct epcm_entry *e = to->epcm;

	if (!destination_fresh(c, to))
		return leaf_err(c, SGX_PAGE_ATTRIBUTES_MISMATCH);		/* EACCEPTCOPY-36..44 */

	__builtin_memcpy(to->mem, from->mem, SGX_PAGE_SIZE);
	e->r = flags & SGX_SECINFO_R;
	e->w = flags & SGX_SECINFO_W;
	e->x = flags & SGX_SECINFO_X;
	e->pending = false;
	return leaf_ok(c);
}

enum leaf_status enclu_eacceptcopy(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx, rdx = c->regs.rdx;
	struct epc_page in, to, from;
	struct sgx_secinfo si;
	enum leaf_status status;

	if (rbx % SECINFO_ALIGN)				return leaf_gp(c);	/* EACCEPTCOPY-01 */
	if (rcx % SGX_PAGE_SIZE)				return leaf_gp(c);	/* EACCEPTCOPY-02 */
	if (rdx % SGX_PAGE_SIZE)				return leaf_gp(c);	/* EACCEPTCOPY-03 */
	if (!enclu_operand_in_elrange(c, rbx, sizeof(si)))	return leaf_gp(c);	/* EACCEPTCOPY-04 */
	if (!enclu_operand_in_elrange(c, rcx, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EACCEPTCOPY-05 */
	if (!enclu_operand_in_elrange(c, rdx, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EACCEPTCOPY-06 */
	if (enclu_operand_page(m, c, rbx, 0, &in))		return LEAF_FAULT;	/* EACCEPTCOPY-07 */
	if (enclu_operand_page(m, c, rcx, X86_PFEC_W, &to))	return LEAF_FAULT;	/* EACCEPTCOPY-08 */
	if (enclu_operand_page(m, c, rdx, 0, &from))		return LEAF_FAULT;	/* EACCEPTCOPY-09 */
	if (!enclu_operand_readable(c, &in, rbx))		return leaf_pf(c, rbx, 0); /* EACCEPTCOPY-10..17 */
	if (!enclu_secinfo_load(&in, rbx, &si))			return leaf_gp(c);	/* EACCEPTCOPY-18 */
	if ((si.flags & (SGX_SECINFO_R | SGX_SECINFO_W)) == SGX_SECINFO_W)
		return leaf_gp(c);							/* EACCEPTCOPY-19 */
	if (SGX_SECINFO_PT(si.flags) != SGX_PT_REG)		return leaf_gp(c);	/* EACCEPTCOPY-20 */
	if (!enclu_operand_readable(c, &from, rdx))		return leaf_pf(c, rdx, 0); /* EACCEPTCOPY-21..28 */
	if (!destination_pending(c, &to))
		return leaf_err(c, SGX_PAGE_ATTRIBUTES_MISMATCH);			/* EACCEPTCOPY-29..34 */
	if (!enclu_operand_claim(&to))				return leaf_gp(c);	/* EACCEPTCOPY-35 */
	status = accept_copy(c, &to, &from, si.flags);
	enclu_operand_unclaim(&to);
	return status;
}
