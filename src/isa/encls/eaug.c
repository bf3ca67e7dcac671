/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EAUG: adds a zero page, PENDING, to an initialised enclave. A SECINFO is for shadow-stack pages; this machine
 * has no CET, so that a given one is #GP(0) whatever it says (EAUG-11..17), and EAUG-24, 25 cannot be reached.
 */
#include "isa/encls/operand.h"
#include "isa/secs.h"

/* Context: page locked exclusively and not valid, SECS page locked shared. */
static enum leaf_status augment(struct cpu *c, const struct sgx_pageinfo *pi, const struct epc_page *page,
				const struct epc_page *secs_page)
{
	struct secs *secs = secs_of(secs_page);
	struct epcm_entry *e = page->epcm;

	if (!secs_page->epcm->valid)			return leaf_pf(c, pi->secs, 0);		/* EAUG-19 */
	if (secs_page->epcm->pt != SGX_PT_SECS)		return leaf_pf(c, pi->secs, 0);		/* EAUG-20 */
	if (!(secs->attributes.flags & SGX_ATTR_INIT))	return leaf_gp(c);			/* EAUG-21 */
	if (pi->linaddr < secs->baseaddr)		return leaf_gp(c);			/* EAUG-22 */
	if (pi->linaddr - secs->baseaddr >= secs->size)	return leaf_gp(c);			/* EAUG-23 */

	__builtin_memset(page->mem, 0, SGX_PAGE_SIZE);
	atomic_fetch_add(&secs->children, 1);
	e->r = e->w = true;
	e->x = e->blocked = e->modified = e->pr = false;
	e->pending = true;
	e->pt = SGX_PT_REG;
	e->enclaveaddress = pi->linaddr;
	e->secs = secs_page->index;
	e->epoch = 0;		/* never accessible before: nothing to track */
	atomic_store_explicit(&e->tcs_word, 0, memory_order_relaxed);
	__atomic_store_n(&e->valid, true, __ATOMIC_RELEASE);	/* last: lockless readers look at it first */
	return leaf_done(c);
}

/* Context: page locked exclusively. */
static enum leaf_status augment_locked(struct machine *m, struct cpu *c, const struct sgx_pageinfo *pi,
				       const struct epc_page *page, const struct epc_page *secs)
{
	struct sgx_secinfo si;
	enum leaf_status status;

	if (page->epcm->valid)				return leaf_pf(c, c->regs.rcx, 0);	/* EAUG-10 */
	if (pi->secinfo) {
		if (!operand_read(m, c, &si, pi->secinfo, sizeof(si)))
			return LEAF_FAULT;
		return leaf_gp(c);								/* EAUG-11..17 */
	}
	if (!epcm_lock_shared(secs->epcm))		return leaf_gp(c);			/* EAUG-18 */
	status = augment(c, pi, page, secs);
	epcm_unlock_shared(secs->epcm);
	return status;
}

enum leaf_status encls_eaug(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct epc_page page, secs;
	struct sgx_pageinfo pi;
	enum leaf_status status;

	if (!is_aligned(rbx, sizeof(pi)))		return leaf_gp(c);			/* EAUG-01 */
	if (!is_aligned(rcx, SGX_PAGE_SIZE))		return leaf_gp(c);			/* EAUG-02 */
	if (!epc_at(m, rcx, &page))			return leaf_not_epc(c, rcx);		/* EAUG-03 */
	if (!operand_read(m, c, &pi, rbx, sizeof(pi)))	return LEAF_FAULT;
	if (!is_aligned(pi.secinfo, sizeof(struct sgx_secinfo)))
		return leaf_gp(c);								/* EAUG-04 */
	if (!is_aligned(pi.secs, SGX_PAGE_SIZE))	return leaf_gp(c);			/* EAUG-05 */
	if (!is_aligned(pi.linaddr, SGX_PAGE_SIZE))	return leaf_gp(c);			/* EAUG-06 */
	if (pi.srcpge)					return leaf_gp(c);			/* EAUG-07 */
	if (!epc_at(m, pi.secs, &secs))			return leaf_not_epc(c, pi.secs);	/* EAUG-08 */
	/* An enclave lies in one section: a SECS of another one can never own this page. */
	if (secs.section != page.section)		return leaf_gp(c);

	if (!epcm_lock_exclusive(page.epcm))		return leaf_gp(c);			/* EAUG-09 */
	status = augment_locked(m, c, &pi, &page, &secs);
	epcm_unlock_exclusive(page.epcm);
	return status;
}
