/* SPDX-License-Identifier: BSD-2-Clause */
/* Page faults on enclave mappings (A.9). */
#include "drv/state.h"

#include <linux/errno.h>
#include <linux/mman.h>

static enum drv_fault_result segv(struct exception *exc, uint64_t addr, uint32_t error_code)
{
	*exc = (struct exception){ X86_PF, error_code | X86_PFEC_U, addr };
	return DRV_FAULT_SEGV;
}

/* A new page on first touch (A-FLT-9, 10); whoever touches (A-FLT-12). */
static bool augment(struct drv *d, struct encl *e, uint64_t i)
{
	struct sgx_pageinfo *info = &d->scratch->pageinfo;

	if (epc_load_secs(d, e, ENCL_NO_PAGE) || va_grow(d, e, false) || epc_take(d, e, ENCL_NO_PAGE, false))
		return false;
	*info = (struct sgx_pageinfo){ .linaddr = encl_addr(e, i), .secs = epc_addr(e, e->npages) };
	private_fresh(d, e, i);
	if (encls(d, e, EAUG, (uint64_t)info, epc_addr(e, i), 0)) {
		epc_give(d, e, i);
		return false;
	}
	encl_rec_add(e, i, SGX_PT_REG, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (d->counters)
		d->counters->pages_augmented++;
	return true;
}

/* What Linux's fault handler does for a PTE that is not there. False: SIGBUS. */
static bool make_present(struct drv *d, struct encl *e, uint64_t addr, uint32_t prot)
{
	const uint64_t i = (addr - e->base) / DRV_PAGE;

	if (!encl_covers(e, addr))
		return false;						/* A-FLT-7, 8, 10 */
	if (e->abi.enclave && (e->abi.dead || encl_state(e) != ENCL_INITIALISED || page_state(e, i) == PAGE_ABSENT))
		return false;						/* C0-10: and no EAUG yet */
	if (page_state(e, i) == PAGE_ABSENT) {
		if (!d->machine.profile->sgx2)
			return false;					/* A-FLT-7 */
		if (encl_state(e) != ENCL_INITIALISED)
			return false;					/* A-FLT-8 */
		if (!augment(d, e, i))
			return false;
	} else if (prot & ~e->recs[i].max_prot) {
		return false;						/* A-FLT-6 */
	} else if (epc_load(d, e, i)) {
		return false;						/* A-FLT-5 */
	}
	return pte_install(d, e, i);
}

static enum drv_fault_result fault_in_mapping(struct drv *d, struct encl *e, uint64_t addr, uint32_t prot,
					      uint32_t pfec, struct exception *exc)
{
	const uint32_t access = pfec & (X86_PFEC_W | X86_PFEC_I);
	const uint32_t need = access & X86_PFEC_W ? PROT_WRITE : access & X86_PFEC_I ? PROT_EXEC : PROT_READ;
	const uint64_t i = (addr - e->base) / DRV_PAGE;
	bool present = false;

	if (encl_covers(e, addr) && (e->pte[i] & PTE_PRESENT)) {
		present = page_state(e, i) == PAGE_RESIDENT;
		if (!present)
			pte_zap(d, e, i, 1);	/* another process took the page away */
	}
	if (!prot || (need == PROT_WRITE && !(prot & PROT_WRITE)))	/* A-FLT-2; PROT_NONE is "not present" */
		return segv(exc, addr, access | (present && prot ? X86_PFEC_P : 0));
	*exc = (struct exception){ X86_PF, access | X86_PFEC_U, addr };
	if (!present)
		return make_present(d, e, addr, prot) ? DRV_FAULT_RETRY : DRV_FAULT_BUS;
	if (need == PROT_EXEC && !(prot & PROT_EXEC))
		return segv(exc, addr, access | X86_PFEC_P);
	if (pfec & DRV_FAULT_WALK)
		return DRV_FAULT_RETRY;		/* another thread made it present meanwhile */
	if (e->section.epcm[i].blocked) {
		reclaim_unblock(d, e, i);
		return DRV_FAULT_RETRY;
	}
	if (pte_native(e, i, prot | PROT_READ) & need)	/* rights grew, or somebody else was quicker */
		return pte_install(d, e, i) ? DRV_FAULT_RETRY : DRV_FAULT_BUS;
	if (e->abi.enclave && !d->machine.profile->sgx2) {		/* C0-10 */
		*exc = (struct exception){ X86_GP, 0, 0 };
		return DRV_FAULT_SEGV;
	}
	/* A-FLT-3; of a host access, the abort page */
	return segv(exc, addr, access | X86_PFEC_P | X86_PFEC_SGX);
}

enum drv_fault_result drv_fault(struct drv *d, uint32_t tid, uint64_t addr, uint32_t pfec, bool inside,
				struct exception *exc)
{
	enum drv_fault_result result = DRV_FAULT_NOT_OURS;
	struct encl *e;
	struct vma *v;

	(void)inside;	/* the caller makes the difference: see drv.h */
	drv_lock(d, tid);
	v = vma_at(d, addr);
	if (v) {
		e = v->encl;
		if (d->counters)
			d->counters->page_faults++;
		encl_lock(d, e);
		if (!e->npages && encl_state(e) != ENCL_NEW)	/* CREATE was done by another process */
			encl_see(d, e, e->header->size);
		result = fault_in_mapping(d, e, addr, v->prot, pfec, exc);
		encl_unlock(d, e);
	}
	drv_unlock(d);
	return result;
}

bool drv_raced(struct drv *d, uint32_t tid, uint64_t addr, uint64_t generation)
{
	bool raced = false;
	struct vma *v;

	drv_lock(d, tid);
	v = vma_at(d, addr);
	if (v && encl_covers(v->encl, addr)) {
		struct encl *e = v->encl;
		const uint64_t i = (addr - e->base) / DRV_PAGE;

		encl_lock(d, e);
		raced = atomic_load_explicit(e->section.generation, memory_order_acquire) != generation;
		if (page_state(e, i) == PAGE_RESIDENT && e->section.epcm[i].blocked) {
			reclaim_unblock(d, e, i);
			raced = true;
		}
		encl_unlock(d, e);
	}
	drv_unlock(d);
	return raced;
}
