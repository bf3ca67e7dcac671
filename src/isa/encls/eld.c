/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELDB and ELDU: reload an evicted page; ELDB leaves it BLOCKED. ELDBC and ELDUC are not offered, and with them
 * ELD-09, ELD-11 and ELD-18, their form of the conflicts ELD-08, ELD-10 and ELD-17.
 */
#include "isa/encls/operand.h"
#include "isa/pagecrypto.h"
#include "isa/secs.h"

struct reload {
	struct sgx_pageinfo pageinfo;
	struct sgx_pcmd pcmd;
	struct epc_page page, va;
	uint64_t *slot;
	bool     blocked;
};

/* VALID last: leaves that take no lock look at it first. */
static void epcm_load(const struct reload *ld, const struct epc_page *secs)
{
	const uint64_t flags = ld->pcmd.secinfo.flags;
	struct epcm_entry *e = ld->page.epcm;

	e->r = flags & SGX_SECINFO_R;
	e->w = flags & SGX_SECINFO_W;
	e->x = flags & SGX_SECINFO_X;
	e->pending = flags & SGX_SECINFO_PENDING;
	e->modified = flags & SGX_SECINFO_MODIFIED;
	e->pr = flags & SGX_SECINFO_PR;
	e->pt = SGX_SECINFO_PT(flags);
	e->enclaveaddress = ld->pageinfo.linaddr;
	e->blocked = secs && ld->blocked;
	e->secs = secs ? secs->index : 0;
	e->epoch = 0;		/* EWB waited for every translation, and no new one exists */
	atomic_store_explicit(&e->tcs_word, 0, memory_order_relaxed);
	__atomic_store_n(&e->valid, true, __ATOMIC_RELEASE);
}

/* Context: page locked exclusively, VA page and SECS (NULL for PT_SECS and PT_VA) shared. */
static enum leaf_status open_page(struct machine *m, struct cpu *c, const struct reload *ld,
				  const struct epc_page *secs)
{
	uint64_t version = __atomic_load_n(ld->slot, __ATOMIC_ACQUIRE);
	struct mac_header header = {
		.secinfo = ld->pcmd.secinfo, .eid = secs ? secs_of(secs)->eid : 0, .linaddr = ld->pageinfo.linaddr,
	};
	uint8_t cipher[SGX_PAGE_SIZE];

	__builtin_memcpy(header.rsvd, ld->pcmd.reserved, sizeof(header.rsvd));
	if (!operand_read(m, c, cipher, ld->pageinfo.srcpge, sizeof(cipher)))
		return LEAF_FAULT;
	if (!version || !pagecrypto_open(m->keys, version, &header, cipher, ld->page.mem, ld->pcmd.mac))
		return leaf_err(c, SGX_MAC_COMPARE_FAIL);					/* ELD-21 */
	/* Of two reloads that race for one version, one brings the page back. */
	if (!__atomic_compare_exchange_n(ld->slot, &version, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		__builtin_memset(ld->page.mem, 0, SGX_PAGE_SIZE);
		return leaf_gp(c);								/* ELD-10 */
	}
	if (secs) {
		atomic_fetch_add(&secs_of(secs)->children, 1);
		if (SGX_SECINFO_PT(ld->pcmd.secinfo.flags) == SGX_PT_TCS)
			track_tcs_link(secs, &ld->page);
	}
	epcm_load(ld, secs);
	return leaf_ok(c);
}

static enum leaf_status reload_child(struct machine *m, struct cpu *c, const struct reload *ld)
{
	const uint64_t addr = ld->pageinfo.secs;
	enum leaf_status status;
	struct epc_page secs;

	if (!is_aligned(addr, SGX_PAGE_SIZE))		return leaf_gp(c);			/* ELD-15 */
	if (!epc_at(m, addr, &secs))			return leaf_not_epc(c, addr);		/* ELD-16 */
	/* An enclave lies in one section: a SECS of another one can never own this page. */
	if (secs.section != ld->page.section)		return leaf_gp(c);
	if (!epcm_lock_shared(secs.epcm))		return leaf_gp(c);			/* ELD-17 */
	if (secs.epcm->valid && secs.epcm->pt == SGX_PT_SECS)
		status = open_page(m, c, ld, &secs);
	else
		status = leaf_pf(c, addr, 0);							/* ELD-19 */
	epcm_unlock_shared(secs.epcm);
	return status;
}

/* Context: page locked exclusively, VA page shared. */
static enum leaf_status reload(struct machine *m, struct cpu *c, struct reload *ld)
{
	if (ld->page.epcm->valid)			return leaf_pf(c, c->regs.rcx, 0);	/* ELD-12 */
	if (!ld->va.epcm->valid)			return leaf_pf(c, c->regs.rdx, 0);	/* ELD-13 */
	if (ld->va.epcm->pt != SGX_PT_VA)		return leaf_pf(c, c->regs.rdx, 0);	/* ELD-14 */
	if (!operand_read(m, c, &ld->pcmd, ld->pageinfo.secinfo, sizeof(ld->pcmd)))
		return LEAF_FAULT;
	if (pt_is_child(SGX_SECINFO_PT(ld->pcmd.secinfo.flags)))
		return reload_child(m, c, ld);
	if (ld->pageinfo.secs)				return leaf_gp(c);			/* ELD-20 */
	return open_page(m, c, ld, NULL);
}

static enum leaf_status eld(struct machine *m, struct cpu *c, bool blocked)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx, rdx = c->regs.rdx;
	struct reload ld = { .blocked = blocked };
	enum leaf_status status;

	if (!is_aligned(rbx, sizeof(ld.pageinfo)))	return leaf_gp(c);			/* ELD-01 */
	if (!is_aligned(rcx, SGX_PAGE_SIZE))		return leaf_gp(c);			/* ELD-02 */
	if (!epc_at(m, rcx, &ld.page))			return leaf_not_epc(c, rcx);		/* ELD-03 */
	if (!is_aligned(rdx, sizeof(*ld.slot)))		return leaf_gp(c);			/* ELD-04 */
	if (!epc_at(m, rdx, &ld.va))			return leaf_not_epc(c, rdx);		/* ELD-05 */
	if (!operand_read(m, c, &ld.pageinfo, rbx, sizeof(ld.pageinfo)))
		return LEAF_FAULT;
	if (!is_aligned(ld.pageinfo.secinfo, sizeof(ld.pcmd)))
		return leaf_gp(c);								/* ELD-06 */
	if (!is_aligned(ld.pageinfo.srcpge, SGX_PAGE_SIZE))
		return leaf_gp(c);								/* ELD-07 */
	ld.slot = (uint64_t *)(void *)(ld.va.mem + rdx % SGX_PAGE_SIZE);

	if (!epcm_lock_exclusive(ld.page.epcm))		return leaf_gp(c);			/* ELD-08 */
	if (epcm_lock_shared(ld.va.epcm)) {
		status = reload(m, c, &ld);
		epcm_unlock_shared(ld.va.epcm);
	} else {
		status = leaf_gp(c);								/* ELD-10 */
	}
	epcm_unlock_exclusive(ld.page.epcm);
	return status;
}

enum leaf_status encls_eldb(struct machine *m, struct cpu *c)
{
	return eld(m, c, true);
}

enum leaf_status encls_eldu(struct machine *m, struct cpu *c)
{
	return eld(m, c, false);
}
