/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EWB: evicts a page, encrypted, to ordinary memory, and its version into a slot of a VA page. EWB-20 (virtual
 * children) needs VMX and cannot occur.
 */
#include "isa/encls/operand.h"
#include "isa/pagecrypto.h"
#include "isa/secs.h"

struct eviction {
	struct sgx_pageinfo pageinfo;
	struct epc_page page, va;
	uint64_t *slot;
};

/* The low three bits of a slot are reserved (EDBGRD masks them), and 0 means empty. */
static uint64_t version_next(struct machine *m)
{
	uint64_t version;

	do {
		version = atomic_fetch_add(&m->shared->paging_version, 1) << 3;
	} while (!version);
	return version;
}

static uint64_t epcm_secinfo_flags(const struct epcm_entry *e)
{
	return (e->r ? SGX_SECINFO_R : 0) | (e->w ? SGX_SECINFO_W : 0) | (e->x ? SGX_SECINFO_X : 0) |
	       (e->pending ? SGX_SECINFO_PENDING : 0) | (e->modified ? SGX_SECINFO_MODIFIED : 0) |
	       (e->pr ? SGX_SECINFO_PR : 0) | SGX_SECINFO_OF_PT(e->pt);
}

/*
 * The three outputs. PAGEINFO and PCMD are first written with what they hold, so that one that cannot be written
 * faults before anything has changed.
 */
static bool write_out(struct machine *m, struct cpu *c, const struct eviction *ev, const struct sgx_pcmd *pcmd,
		      const uint8_t *cipher)
{
	const uint64_t linaddr = ev->page.epcm->enclaveaddress;
	struct sgx_pcmd old;

	return operand_read(m, c, &old, ev->pageinfo.secinfo, sizeof(old)) &&
	       operand_write(m, c, ev->pageinfo.secinfo, &old, sizeof(old)) &&
	       operand_write(m, c, c->regs.rbx, &ev->pageinfo.linaddr, sizeof(linaddr)) &&
	       operand_write(m, c, ev->pageinfo.srcpge, cipher, SGX_PAGE_SIZE) &&
	       operand_write(m, c, ev->pageinfo.secinfo, pcmd, sizeof(*pcmd)) &&
	       operand_write(m, c, c->regs.rbx, &linaddr, sizeof(linaddr));
}

static enum leaf_status write_back(struct machine *m, struct cpu *c, const struct eviction *ev,
				   const struct epc_page *secs)
{
	const uint64_t version = version_next(m);
	struct epcm_entry *e = ev->page.epcm;
	struct mac_header header = {
		.secinfo.flags = epcm_secinfo_flags(e), .linaddr = e->enclaveaddress,
	};
	struct sgx_pcmd pcmd = { .secinfo = header.secinfo };
	uint8_t cipher[SGX_PAGE_SIZE];

	if (secs)
		pcmd.enclaveid = header.eid = secs_of(secs)->eid;
	else if (e->pt == SGX_PT_SECS)
		pcmd.enclaveid = secs_of(&ev->page)->eid;	/* a hint: it is not in the header */
	pagecrypto_seal(m->keys, version, &header, ev->page.mem, cipher, pcmd.mac);
	if (!write_out(m, c, ev, &pcmd, cipher))
		return LEAF_FAULT;

	__atomic_store_n(&e->valid, false, __ATOMIC_RELEASE);
	section_touch(ev->page.section);
	__builtin_memset(ev->page.mem, 0, SGX_PAGE_SIZE);	/* no plain text stays in a free page */
	if (secs) {
		if (e->pt == SGX_PT_TCS || e->pt == SGX_PT_TRIM)
			track_tcs_unlink(secs, &ev->page);	/* PT_TRIM may have been a TCS */
		atomic_fetch_sub(&secs_of(secs)->children, 1);
	}
	if (__atomic_exchange_n(ev->slot, version, __ATOMIC_ACQ_REL))
		return leaf_info(c, SGX_VA_SLOT_OCCUPIED);					/* EWB-21 */
	return leaf_ok(c);
}

/* Context: page locked exclusively, VA page shared. */
static enum leaf_status evict(struct machine *m, struct cpu *c, const struct eviction *ev)
{
	const struct epcm_entry *e = ev->page.epcm;
	struct epc_page secs;

	if (!e->valid)					return leaf_pf(c, c->regs.rcx, 0);	/* EWB-13 */
	if (!ev->va.epcm->valid)			return leaf_pf(c, c->regs.rdx, 0);	/* EWB-14 */
	if (ev->va.epcm->pt != SGX_PT_VA)		return leaf_pf(c, c->regs.rdx, 0);	/* EWB-15 */

	if (pt_is_child(e->pt)) {
		secs = epc_secs_of(&ev->page);
		if (atomic_load(&secs_of(&secs)->track_lock))
			return leaf_gp(c);							/* EWB-16 */
		if (!e->blocked)
			return leaf_err(c, SGX_PAGE_NOT_BLOCKED);				/* EWB-17 */
		if (!track_done(m, &secs, e->epoch))
			return leaf_err(c, SGX_NOT_TRACKED);					/* EWB-18 */
		return write_back(m, c, ev, &secs);
	}
	if (e->pt == SGX_PT_SECS && atomic_load(&secs_of(&ev->page)->children))
		return leaf_err(c, SGX_CHILD_PRESENT);						/* EWB-19 */
	return write_back(m, c, ev, NULL);
}

enum leaf_status encls_ewb(struct machine *m, struct cpu *c)
{
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx, rdx = c->regs.rdx;
	enum leaf_status status;
	struct eviction ev;

	if (!is_aligned(rbx, sizeof(ev.pageinfo)))	return leaf_gp(c);			/* EWB-01 */
	if (!is_aligned(rcx, SGX_PAGE_SIZE))		return leaf_gp(c);			/* EWB-02 */
	if (!epc_at(m, rcx, &ev.page))			return leaf_not_epc(c, rcx);		/* EWB-03 */
	if (!is_aligned(rdx, sizeof(*ev.slot)))		return leaf_gp(c);			/* EWB-04 */
	if (!epc_at(m, rdx, &ev.va))			return leaf_not_epc(c, rdx);		/* EWB-05 */
	if (ev.page.epcm == ev.va.epcm)			return leaf_gp(c);			/* EWB-06 */
	if (!operand_read(m, c, &ev.pageinfo, rbx, sizeof(ev.pageinfo)))
		return LEAF_FAULT;
	if (ev.pageinfo.linaddr)			return leaf_gp(c);			/* EWB-07 */
	if (ev.pageinfo.secs)				return leaf_gp(c);			/* EWB-08 */
	if (!is_aligned(ev.pageinfo.secinfo, sizeof(struct sgx_pcmd)))
		return leaf_gp(c);								/* EWB-09 */
	if (!is_aligned(ev.pageinfo.srcpge, SGX_PAGE_SIZE))
		return leaf_gp(c);								/* EWB-10 */
	ev.slot = (uint64_t *)(void *)(ev.va.mem + rdx % SGX_PAGE_SIZE);

	if (!epcm_lock_exclusive(ev.page.epcm))		return leaf_gp(c);			/* EWB-11 */
	if (epcm_lock_shared(ev.va.epcm)) {
		status = evict(m, c, &ev);
		epcm_unlock_shared(ev.va.epcm);
	} else {
		status = leaf_gp(c);								/* EWB-12 */
	}
	epcm_unlock_exclusive(ev.page.epcm);
	return status;
}
