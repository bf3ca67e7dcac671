/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ECREATE: a SECS from PAGEINFO.SRCPGE. No machine here has CET, so that ECREATE-16..20, 23 and 24 are one rule,
 * all CET fields zero, and ECREATE-21 and 22 (the sum with a zero offset) are ECREATE-27 and 28. VIRTCHILDCNT and
 * ENCLAVECONTEXT belong to VMX and are not kept.
 */
#include "isa/encls/operand.h"
#include "isa/measure.h"

#define XFEATURE_AVX512		(X86_XFEATURE_OPMASK | X86_XFEATURE_ZMM_HI256 | X86_XFEATURE_HI16_ZMM)
#define XFEATURE_MPX		(X86_XFEATURE_BNDREGS | X86_XFEATURE_BNDCSR)
#define XFEATURE_AMX		(X86_XFEATURE_TILECFG | X86_XFEATURE_TILEDATA)
#define XFEATURE_BASE		(X86_XFEATURE_X87 | X86_XFEATURE_SSE)
#define XFEATURE_KNOWN		(XFEATURE_BASE | X86_XFEATURE_AVX | XFEATURE_MPX | XFEATURE_AVX512 |	\
				 X86_XFEATURE_PKRU | XFEATURE_AMX)

static bool all_or_none(uint64_t xfrm, uint64_t features)
{
	return (xfrm & features) == 0 || (xfrm & features) == features;
}

/* Would XSETBV take it on a processor that has every component? */
static bool xfrm_legal(uint64_t xfrm)
{
	if ((xfrm & XFEATURE_BASE) != XFEATURE_BASE)		return false;	/* ECREATE-12 */
	if (xfrm & ~XFEATURE_KNOWN)				return false;	/* ECREATE-13, 14 (bit 63) */
	if (!all_or_none(xfrm, XFEATURE_MPX))			return false;	/* ECREATE-13 */
	if (!all_or_none(xfrm, XFEATURE_AVX512))		return false;	/* ECREATE-13 */
	if ((xfrm & XFEATURE_AVX512) && !(xfrm & X86_XFEATURE_AVX))
		return false;							/* ECREATE-13 */
	return all_or_none(xfrm, XFEATURE_AMX);					/* ECREATE-13 */
}

static bool frame_fits(const struct isa_profile *p, const struct secs *s)
{
	return s->ssaframesize * SGX_PAGE_SIZE >=
	       (uint64_t)isa_xsave_size(p, s->attributes.xfrm) + isa_ssa_tail_size(s->miscselect);
}

static bool size_within(uint64_t size, uint8_t log2_limit)
{
	return log2_limit > 63 || size <= UINT64_C(1) << log2_limit;
}

static bool reserved_zero(const struct secs *s)
{
	return is_zero(s->reserved1, sizeof(s->reserved1)) && is_zero(s->reserved2, sizeof(s->reserved2)) &&
	       is_zero(s->reserved3, sizeof(s->reserved3)) &&
	       is_zero(s->reserved4, sizeof(*s) - offsetof(struct secs, reserved4));
}

static bool secs_legal(const struct isa_profile *p, const struct secs *s)
{
	uint64_t flags = s->attributes.flags, xfrm = s->attributes.xfrm;

	if (!xfrm_legal(xfrm))					return false;
	if (!p->xcr0 && xfrm != XFEATURE_BASE)			return false;	/* ECREATE-15: no XSAVE, no XCR0 */
	if (s->cet_attributes)					return false;	/* ECREATE-16, 19, 20, 23 */
	if (s->cet_leg_bitmap_offset)				return false;	/* ECREATE-17, 18, 24 */
	if (s->miscselect & ~p->miscselect)			return false;	/* ECREATE-25 */
	if (!frame_fits(p, s))					return false;	/* ECREATE-26 */
	if (flags & SGX_ATTR_MODE64BIT) {
		if (!x86_is_canonical(s->baseaddr))		return false;	/* ECREATE-27 */
		/* The flow says "less than", CPUID "up to": the limit itself is let through. */
		if (!size_within(s->size, p->log2_size_64))	return false;	/* ECREATE-30 */
	} else {
		if (s->baseaddr >> 32)				return false;	/* ECREATE-28 */
		if (!size_within(s->size, p->log2_size_32))	return false;	/* ECREATE-29 */
	}
	if (s->size < 2 * SGX_PAGE_SIZE)			return false;	/* ECREATE-31 */
	if (s->size & (s->size - 1))				return false;	/* ECREATE-32 */
	if (s->baseaddr & (s->size - 1))			return false;	/* ECREATE-33 */
	if ((flags & ~p->attributes) || (xfrm & ~p->xfrm))	return false;	/* ECREATE-34 */
	if (!reserved_zero(s))					return false;	/* ECREATE-35 */
	if (!(flags & SGX_ATTR_KSS)) {
		if (!is_zero(s->configid, sizeof(s->configid)))	return false;	/* ECREATE-36 */
		if (s->configsvn)				return false;	/* ECREATE-37 */
	}
	return true;
}

/* Reserved bytes are zero already: they are where the implementation's own fields lie. */
static void secs_start(struct machine *m, struct secs *s)
{
	__builtin_memset(s->mrenclave, 0, sizeof(s->mrenclave));
	__builtin_memset(s->mrsigner, 0, sizeof(s->mrsigner));
	s->isvprodid = s->isvsvn = 0;
	s->eid = atomic_fetch_add(&m->shared->next_eid, 1) + 1;
	atomic_store(&s->epoch, 1);
	measure_ecreate(s);
}

static enum leaf_status create(struct machine *m, struct cpu *c, const struct epc_page *page, uint64_t srcpge)
{
	if (page->epcm->valid)					return leaf_pf(c, c->regs.rcx, 0); /* ECREATE-11 */
	if (!operand_read(m, c, page->mem, srcpge, SGX_PAGE_SIZE))
		return LEAF_FAULT;
	if (!secs_legal(m->profile, secs_of(page)))		return leaf_gp(c);	/* ECREATE-12..37 */

	secs_start(m, secs_of(page));
	epcm_set(page->epcm, SGX_SECINFO_OF_PT(SGX_PT_SECS), 0, 0);
	return leaf_done(c);
}

enum leaf_status encls_ecreate(struct machine *m, struct cpu *c)
{
	struct sgx_pageinfo pageinfo;
	struct sgx_secinfo secinfo;
	struct epc_page page;
	enum leaf_status status;

	if (!is_aligned(c->regs.rbx, 32))			return leaf_gp(c);	/* ECREATE-01 */
	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* ECREATE-02 */
	if (!epc_at(m, c->regs.rcx, &page))
		return leaf_not_epc(c, c->regs.rcx);					/* ECREATE-03 */
	if (!operand_read(m, c, &pageinfo, c->regs.rbx, sizeof(pageinfo)))
		return LEAF_FAULT;
	if (!is_aligned(pageinfo.srcpge, SGX_PAGE_SIZE))	return leaf_gp(c);	/* ECREATE-04 */
	if (!is_aligned(pageinfo.secinfo, 64))			return leaf_gp(c);	/* ECREATE-05 */
	if (pageinfo.linaddr)					return leaf_gp(c);	/* ECREATE-06 */
	if (pageinfo.secs)					return leaf_gp(c);	/* ECREATE-07 */
	if (!operand_read(m, c, &secinfo, pageinfo.secinfo, sizeof(secinfo)))
		return LEAF_FAULT;
	if (!secinfo_rsvd_zero(&secinfo))			return leaf_gp(c);	/* ECREATE-08 */
	if (SGX_SECINFO_PT(secinfo.flags) != SGX_PT_SECS)	return leaf_gp(c);	/* ECREATE-09 */
	if (!epcm_lock_exclusive(page.epcm))			return leaf_gp(c);	/* ECREATE-10, CONC-01 */
	status = create(m, c, &page, pageinfo.srcpge);
	epcm_unlock_exclusive(page.epcm);
	return status;
}
