/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EADD: a measured page for an enclave that is not yet initialised. The page types of CET do not exist here:
 * EADD-10 refuses them, so that EADD-11, 20 and 22..29 cannot occur; PREVSSP and OCETSSA are reserved (EADD-17).
 */
#include "isa/encls/operand.h"
#include "isa/measure.h"

static bool tcs_legal(const struct sgx_tcs *tcs, bool mode64)
{
	if (!is_zero((const uint8_t *)tcs + SGX_TCS_LIMIT, sizeof(*tcs) - SGX_TCS_LIMIT))
		return false;							/* EADD-17 */
	if (!mode64 && (tcs->fslimit & 0xfff) != 0xfff)		return false;	/* EADD-18 */
	return mode64 || (tcs->gslimit & 0xfff) == 0xfff;			/* EADD-19 */
}

/* Context: measurement lock held. */
static enum leaf_status add(struct cpu *c, const struct epc_page *page, const struct epc_page *secs_page,
			    uint64_t linaddr, struct sgx_secinfo *secinfo)
{
	struct secs *secs = secs_of(secs_page);
	bool is_tcs = SGX_SECINFO_PT(secinfo->flags) == SGX_PT_TCS;

	if (secs->attributes.flags & SGX_ATTR_INIT)		return leaf_gp(c);	/* EADD-33 */

	if (is_tcs) {
		struct sgx_tcs *tcs = (struct sgx_tcs *)(void *)page->mem;

		secinfo->flags &= ~SGX_SECINFO_RWX;
		tcs->flags &= ~SGX_TCS_DBGOPTIN;
		tcs->state = tcs->aep = tcs->cssa = 0;
	}
	measure_eadd(secs, linaddr - secs->baseaddr, secinfo);
	epcm_set(page->epcm, secinfo->flags, linaddr, secs_page->index);
	atomic_fetch_add(&secs->children, 1);
	if (is_tcs)
		track_tcs_link(secs_page, page);
	return leaf_done(c);
}

/* Context: both pages locked. */
static enum leaf_status check_and_add(struct machine *m, struct cpu *c, const struct epc_page *page,
				      const struct epc_page *secs_page, const struct sgx_pageinfo *pageinfo,
				      struct sgx_secinfo *secinfo)
{
	struct secs *secs = secs_of(secs_page);
	enum leaf_status status;

	if (!secs_page->epcm->valid)				return leaf_pf(c, pageinfo->secs, 0); /* EADD-15 */
	if (secs_page->epcm->pt != SGX_PT_SECS)			return leaf_pf(c, pageinfo->secs, 0); /* EADD-16 */
	if (!operand_read(m, c, page->mem, pageinfo->srcpge, SGX_PAGE_SIZE))
		return LEAF_FAULT;
	if (SGX_SECINFO_PT(secinfo->flags) == SGX_PT_TCS) {
		if (!tcs_legal((const struct sgx_tcs *)(const void *)page->mem,
			       secs->attributes.flags & SGX_ATTR_MODE64BIT))
			return leaf_gp(c);					/* EADD-17..19 */
	} else if ((secinfo->flags & (SGX_SECINFO_R | SGX_SECINFO_W)) == SGX_SECINFO_W) {
		return leaf_gp(c);						/* EADD-21 */
	}
	if (pageinfo->linaddr < secs->baseaddr)			return leaf_gp(c);	/* EADD-30 */
	if (pageinfo->linaddr - secs->baseaddr >= secs->size)	return leaf_gp(c);	/* EADD-31 */
	if (!measure_trylock(secs))				return leaf_gp(c);	/* EADD-32, CONC-02 */
	status = add(c, page, secs_page, pageinfo->linaddr, secinfo);
	measure_unlock(secs);
	return status;
}

enum leaf_status encls_eadd(struct machine *m, struct cpu *c)
{
	struct sgx_pageinfo pageinfo;
	struct sgx_secinfo secinfo;
	struct epc_page page, secs_page;
	enum leaf_status status;
	enum sgx_pt pt;

	if (!is_aligned(c->regs.rbx, 32))			return leaf_gp(c);	/* EADD-01 */
	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EADD-02 */
	if (!epc_at(m, c->regs.rcx, &page))			return leaf_not_epc(c, c->regs.rcx); /* EADD-03 */
	if (!operand_read(m, c, &pageinfo, c->regs.rbx, sizeof(pageinfo)))
		return LEAF_FAULT;
	if (!is_aligned(pageinfo.srcpge, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EADD-04 */
	if (!is_aligned(pageinfo.secs, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EADD-05 */
	if (!is_aligned(pageinfo.secinfo, 64))			return leaf_gp(c);	/* EADD-06 */
	if (!is_aligned(pageinfo.linaddr, SGX_PAGE_SIZE))	return leaf_gp(c);	/* EADD-07 */
	if (!epc_at(m, pageinfo.secs, &secs_page))
		return leaf_not_epc(c, pageinfo.secs);					/* EADD-08 */
	if (!operand_read(m, c, &secinfo, pageinfo.secinfo, sizeof(secinfo)))
		return LEAF_FAULT;
	if (!secinfo_rsvd_zero(&secinfo))			return leaf_gp(c);	/* EADD-09 */
	pt = SGX_SECINFO_PT(secinfo.flags);
	if (pt != SGX_PT_REG && pt != SGX_PT_TCS)		return leaf_gp(c);	/* EADD-10 */
	/* An enclave lies in one section: a SECS of another one can never own this page. */
	if (secs_page.section != page.section)			return leaf_gp(c);
	if (!epcm_lock_exclusive(page.epcm))			return leaf_gp(c);	/* EADD-12, CONC-01 */
	if (page.epcm->valid)
		status = leaf_pf(c, c->regs.rcx, 0);					/* EADD-13 */
	else if (!epcm_lock_shared(secs_page.epcm))
		status = leaf_gp(c);							/* EADD-14 */
	else {
		status = check_and_add(m, c, &page, &secs_page, &pageinfo, &secinfo);
		epcm_unlock_shared(secs_page.epcm);
	}
	epcm_unlock_exclusive(page.epcm);
	return status;
}
