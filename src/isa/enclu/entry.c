/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking a TCS and giving it back: what EENTER, ERESUME, EEXIT and AEX share. */
#include "isa/enclu/entry.h"

enum { XFRM_LEGACY = 3 };

static struct sgx_tcs *tcs_of(const struct epc_page *page)
{
	return (struct sgx_tcs *)(void *)page->mem;
}

/* Rows 12..17, whose consequence is #PF(RBX) each. */
static bool tcs_page_enterable(const struct epcm_entry *e, uint64_t addr)
{
	return e->valid && !e->blocked && e->enclaveaddress == addr && e->pt == SGX_PT_TCS && !e->pending &&
	       !e->modified;
}

/* Rows 25, 26. A profile without XCR0 is a machine whose CR4.OSXSAVE is 0. */
static bool xfrm_enterable(const struct isa_profile *p, uint64_t xfrm)
{
	return p->xcr0 ? !(xfrm & ~p->xcr0) : xfrm == XFRM_LEGACY;
}

/* Rows 18..27: fields of TCS and SECS. */
static bool entry_allowed(const struct machine *m, const struct entry *en)
{
	const uint64_t supported = m->profile->attributes & SGX_ATTR_AEXNOTIFY;
	const struct sgx_attributes attributes = secs_of(&en->secs)->attributes;

	if (en->ossa % SGX_PAGE_SIZE)					return false;	/* 18 */
	if (en->ofsbasgx % SGX_PAGE_SIZE || en->ogsbasgx % SGX_PAGE_SIZE) return false;	/* 19, 20 */
	if (en->flags & SGX_TCS_FLAGS_RSVD)				return false;	/* 21 */
	if ((en->flags & SGX_TCS_AEXNOTIFY) && !supported)		return false;	/* 21 */
	if (!(attributes.flags & SGX_ATTR_INIT))			return false;	/* 22 */
	if (!(attributes.flags & SGX_ATTR_MODE64BIT))			return false;	/* 23 */
	if (!xfrm_enterable(m->profile, attributes.xfrm))		return false;	/* 25, 26 */
	if (!(en->flags & SGX_TCS_DBGOPTIN) &&
	    !(en->flags & SGX_TCS_AEXNOTIFY) != !(attributes.flags & SGX_ATTR_AEXNOTIFY))
		return false;								/* 27 */
	return true;
}

static void tcs_read(struct entry *en)
{
	const struct sgx_tcs *tcs = tcs_of(&en->tcs);

	en->flags = tcs->flags;
	en->ossa = tcs->ossa;
	en->oentry = tcs->oentry;
	en->ofsbasgx = tcs->ofsbasgx;
	en->ogsbasgx = tcs->ogsbasgx;
	en->cssa = tcs->cssa;
	en->nssa = tcs->nssa;
}

/*
 * The word that makes this thread the owner, or 0 if a thread that lives is. The epoch may be old by now:
 * never young.
 */
static uint64_t tcs_take(struct machine *m, const struct cpu *c, const struct entry *en)
{
	const uint64_t word = (uint64_t)atomic_load(&secs_of(&en->secs)->epoch) << 32 | c->tid;
	uint64_t old = atomic_load(&en->tcs.epcm->tcs_word);

	if (old && m->ops->owner_alive(m, (uint32_t)old))
		return 0;
	return atomic_compare_exchange_strong(&en->tcs.epcm->tcs_word, &old, word) ? word : 0;
}

enum leaf_status entry_begin(struct machine *m, struct cpu *c, struct entry *en)
{
	const uint64_t rbx = c->regs.rbx;

	if (rbx % SGX_PAGE_SIZE)			return leaf_gp(c);	/* 08 */
	if (!x86_is_canonical(rbx))			return leaf_gp(c);	/* GEN-02 */
	switch (m->ops->translate(m, rbx, X86_PFEC_W, &en->tcs, &c->exc)) {
	case TRANSLATION_FAULT:
		return LEAF_FAULT;						/* GEN-04 */
	case TRANSLATION_HOST:
		return leaf_pf(c, rbx, X86_PFEC_W);				/* 09 */
	case TRANSLATION_EPC:
		break;
	}
	if (!x86_is_canonical(c->regs.rcx))		return leaf_gp(c);	/* 10 */
	if (!epcm_lock_shared(en->tcs.epcm))		return leaf_gp(c);	/* 11 */

	en->word = 0;
	if (!tcs_page_enterable(en->tcs.epcm, rbx)) {
		leaf_pf(c, rbx, X86_PFEC_W);					/* 12..17 */
		return entry_cancel(en);
	}
	en->secs = epc_secs_of(&en->tcs);
	tcs_read(en);
	if (!entry_allowed(m, en)) {
		leaf_gp(c);							/* 18..27 */
		return entry_cancel(en);
	}
	en->word = tcs_take(m, c, en);
	return LEAF_DONE;
}

uint64_t entry_frame(const struct entry *en, uint32_t cssa)
{
	const struct secs *secs = secs_of(&en->secs);

	return secs->baseaddr + en->ossa + SGX_PAGE_SIZE * secs->ssaframesize * cssa;
}

bool entry_oentry_valid(const struct entry *en)
{
	const uint64_t base = secs_of(&en->secs)->baseaddr;

	return x86_is_canonical(base + en->oentry) && x86_is_canonical(base + en->ofsbasgx) &&
	       x86_is_canonical(base + en->ogsbasgx);
}

enum leaf_status entry_cancel(const struct entry *en)
{
	if (en->word) {
		tcs_of(&en->tcs)->state = 0;	/* 1 if we took the TCS over from a thread that died inside */
		atomic_store_explicit(&en->tcs.epcm->tcs_word, 0, memory_order_release);
	}
	epcm_unlock_shared(en->tcs.epcm);
	return LEAF_FAULT;
}

void entry_commit(struct cpu *c, const struct entry *en, const struct ssa_frame *frame)
{
	const struct secs *secs = secs_of(&en->secs);
	struct sgx_tcs *tcs = tcs_of(&en->tcs);

	tcs->state = 1;
	tcs->aep = c->regs.rcx;
	c->tcs = en->tcs;
	c->secs = en->secs;
	c->tcs_la = c->regs.rbx;
	c->elrange_base = secs->baseaddr;
	c->elrange_size = secs->size;
	c->gpr = frame->gpr;
	c->misc = frame->misc;
	__builtin_memcpy(c->xsave, frame->xsave, sizeof(c->xsave));
	c->save_fsbase = c->fsbase;
	c->save_gsbase = c->gsbase;
	c->dbgoptin = en->flags & SGX_TCS_DBGOPTIN;
	c->save_tf = c->regs.rflags & X86_FLAGS_TF;
	if (!c->dbgoptin)
		c->regs.rflags &= ~X86_FLAGS_TF;
	c->enclave_mode = true;
	epcm_unlock_shared(en->tcs.epcm);
}

void entry_at_oentry(struct cpu *c, const struct entry *en)
{
	const uint64_t base = secs_of(&en->secs)->baseaddr;

	c->regs.rax = en->cssa;
	c->regs.rcx = c->regs.rip + c->insn_size;
	c->regs.rip = base + en->oentry;
	c->gpr->ursp = c->regs.rsp;
	c->gpr->urbp = c->regs.rbp;
	c->fsbase = base + en->ofsbasgx;
	c->gsbase = base + en->ogsbasgx;
}

void entry_leave(struct cpu *c)
{
	c->fsbase = c->save_fsbase;
	c->gsbase = c->save_gsbase;
	if (!c->dbgoptin) {
		c->regs.rflags &= ~X86_FLAGS_TF;
		if (c->save_tf)
			c->regs.rflags |= X86_FLAGS_TF;
	}
	c->enclave_mode = false;
	tcs_of(&c->tcs)->state = 0;
	atomic_store_explicit(&c->tcs.epcm->tcs_word, 0, memory_order_release);
}
