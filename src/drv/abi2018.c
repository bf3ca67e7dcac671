/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver ABI of late 2018 on /dev/sgx (C.0): which call is which, finding enclaves by address, INIT, and the ends
 * that an enclave can take there. Nothing of it is shared with other processes: an enclave's mapping is not inherited
 * by fork, and when it goes, so does the enclave.
 */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>

#include "sys/mem.h"
#include "uapi/sgx_2018.h"

#define TRIES		50
#define PAUSE_NS	(20 * 1000 * 1000)

struct encl *abi2018_find(struct drv *d, uint64_t addr, long *error)
{
	const struct vma *v = vma_at(d, addr);

	*error = -EINVAL;						/* C0-4 */
	if (!v || !(v->encl->abi.device || v->encl->abi.enclave))
		return NULL;
	*error = -ENOENT;						/* C0-4 */
	if (!v->encl->abi.enclave)
		return NULL;
	*error = SGX_POWER_LOST_ENCLAVE;				/* C0-9 */
	if (v->encl->abi.suspended)
		return NULL;
	*error = 0;
	return v->encl;
}

#define KEPT	0xff		/* in page_rec.max_prot, for a moment */

/*
 * A thread that has passed the last check of an entry when the enclave dies is inside a moment later, and out again at its
 * first instruction; that AEX needs SECS, TCS and SSA. What is in the EPC else goes.
 */
static void punch_contents(struct encl *e)
{
	uint64_t i, k;

	for (i = encl_next_page(e, 0, e->npages); i < e->npages; i = encl_next_page(e, i + 1, e->npages)) {
		const struct sgx_tcs *tcs = (const struct sgx_tcs *)(const void *)epc_addr(e, i);
		const struct sgx_secs *secs = (const struct sgx_secs *)(const void *)epc_addr(e, e->npages);

		if (page_state(e, i) != PAGE_RESIDENT || e->section.epcm[i].pt != SGX_PT_TCS)
			continue;
		e->recs[i].max_prot = KEPT;
		for (k = 0; k < (uint64_t)tcs->nssa * secs->ssaframesize && tcs->ossa / DRV_PAGE + k < e->npages; k++)
			e->recs[tcs->ossa / DRV_PAGE + k].max_prot = KEPT;
	}
	for (i = encl_next_page(e, 0, e->npages); i < e->npages; i = encl_next_page(e, k, e->npages)) {
		for (k = i; k < e->npages && page_state(e, k) != PAGE_ABSENT && e->recs[k].max_prot != KEPT; k++)
			;
		if (k > i)
			epc_punch(epc_addr(e, i), (k - i) * DRV_PAGE);
		else
			k++;
	}
}

/* What belongs to the enclave goes at once; its struct when its last mapping does. */
static void release(struct drv *d, struct encl *e)
{
	struct encl_header *h = e->header;
	struct encl_layout l;

	encl_layout(&l, e->size);
	drv_invalidate(d, e, e->base, e->base + e->size);
	if (d->ops && d->ops->kick)
		d->ops->kick(d, e);
	punch_contents(e);
	h->children = h->resident = h->page_cnt = h->va_count = h->va_hint = 0;
	h->secs_state = PAGE_ABSENT;
	epc_punch(e->area + l.recs, l.epc - l.recs);
	epc_punch(e->area + l.epc + (l.npages + 1) * DRV_PAGE, l.total - l.epc - (l.npages + 1) * DRV_PAGE);
	e->abi.head = e->abi.tail = e->abi.working = ENCL_NO_PAGE;
}

void abi2018_kill_locked(struct drv *d, struct encl *e)
{
	e->abi.doomed = false;
	if (e->abi.dead)
		return;
	atomic_store(&e->abi.dead, true);	/* from here on no leaf finds a page of it */
	for (struct vma *v = vma_from(d, e->base); v && v->start < e->base + e->size; v = vma_next(d, v))
		if (v->encl == e)
			pte_zap(d, e, (v->start - e->base) / DRV_PAGE, (v->end - v->start) / DRV_PAGE);
	release(d, e);
}

void abi2018_kill(struct drv *d, struct encl *e)
{
	encl_lock(d, e);
	abi2018_kill_locked(d, e);
	encl_unlock(d, e);
}

void drv_power_lost(struct drv *d, uint32_t tid)
{
	drv_lock(d, tid);
	for (uint32_t i = 0; i < d->encl_count; i++) {
		if (!d->encls[i].used || !d->encls[i].abi.enclave)
			continue;
		abi2018_kill(d, &d->encls[i]);
		d->encls[i].abi.suspended = true;
	}
	drv_unlock(d);
}

static struct encl *pin(struct drv *d, uint32_t tid, uint64_t addr, long *error)
{
	struct encl *e;

	drv_lock(d, tid);
	e = abi2018_find(d, addr, error);
	if (e)
		e->pins++;
	drv_unlock(d);
	return e;
}

static void unpin(struct drv *d, uint32_t tid, struct encl *e)
{
	drv_lock(d, tid);
	e->pins--;
	encl_put(d, e);
	drv_unlock(d);
}

static long init_locked(struct drv *d, struct encl *e, const struct sgx_sigstruct *s)
{
	long ret;

	if (encl_state(e) == ENCL_INITIALISED)
		return 0;						/* C0-6 */
	if (e->abi.suspended)
		return SGX_POWER_LOST_ENCLAVE;				/* C0-9 */
	if (e->abi.dead)
		return -EFAULT;						/* C0-6 */
	memcpy(d->scratch->page, s, sizeof(*s));
	ret = encl_einit(d, e);
	return ret == ENCLS_FAULT ? -EFAULT : ret;			/* C0-6: codes of EINIT are results */
}

static long wait_and_init(struct drv *d, uint32_t tid, struct encl *e, const struct sgx_sigstruct *s)
{
	const struct { int64_t sec, nsec; } pause = { 0, PAUSE_NS };
	long ret = SGX_UNMASKED_EVENT;

	build_drain(d, tid, e);						/* C0-6 */
	for (int i = 0; i < TRIES && ret == SGX_UNMASKED_EVENT; i++) {
		if (i) {
			sys_call2(__NR_nanosleep, &pause, 0);
			if (drv_signal_pending(d))
				return -DRV_ERESTARTSYS;
		}
		drv_lock(d, tid);
		encl_lock(d, e);
		ret = init_locked(d, e, s);
		encl_unlock(d, e);
		drv_unlock(d);
	}
	if (!ret && d->ops && d->ops->initialised)
		d->ops->initialised(d, e);
	return ret;
}

static long init(struct drv *d, uint32_t tid, uint64_t arg)
{
	struct sgx_2018_init p;
	struct sgx_sigstruct s;
	struct encl *e;
	long ret;

	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* C0-2 */
	if (sys_copy_from_user(&s, p.sigstruct, sizeof(s)))
		return -EFAULT;						/* C0-6 */
	if (s.attributes.flags & SGX_ATTR_EINITTOKEN_KEY)
		return -EINVAL;						/* C0-6 */
	e = pin(d, tid, p.addr, &ret);
	if (!e)
		return ret;
	ret = wait_and_init(d, tid, e, &s);
	unpin(d, tid, e);
	return ret;
}

/* A range of the enclave, by address; errors of a call that never existed, as the later ones on SGX2 have them. */
static struct encl *pin_range(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, long *error)
{
	struct encl *e = pin(d, tid, addr, error);

	if (!e)
		return NULL;
	*error = sgx2_ready(d, e);
	if (!*error && (e->abi.dead || !ioc_range_valid(e, addr - e->base, length)))
		*error = -EINVAL;
	if (!*error)
		return e;
	unpin(d, tid, e);
	return NULL;
}

static long remove_pages(struct drv *d, uint32_t tid, uint64_t arg)
{
	struct sgx_2018_remove_pages p;
	struct encl *e;
	long ret;

	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;
	e = pin_range(d, tid, p.addr, p.length, &ret);
	if (!e)
		return ret;
	ret = sgx2_remove(d, tid, e, p.addr - e->base, p.length);
	unpin(d, tid, e);
	return ret;
}

static long check_modify(const struct sgx_2018_modify_pages *p, const struct sgx_secinfo *s)
{
	const uint64_t type = SGX_SECINFO_PT(s->flags);

	if (!bytes_zero(s->reserved, sizeof(s->reserved)))
		return -EINVAL;
	switch (p->op) {
	case SGX_2018_MODIFY_PERMISSIONS:
		if (s->flags & ~SGX_SECINFO_RWX)
			return -EINVAL;					/* A-RST-1 */
		return (s->flags & SGX_SECINFO_W) && !(s->flags & SGX_SECINFO_R) ? -EINVAL : 0;
	case SGX_2018_MODIFY_TYPES:
		if (s->flags != SGX_SECINFO_OF_PT(type))
			return -EINVAL;					/* A-MOD-1 */
		return type == SGX_PT_TCS || type == SGX_PT_TRIM ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static long modify_pages(struct drv *d, uint32_t tid, uint64_t arg)
{
	struct sgx_2018_modify_pages p;
	struct sgx_secinfo secinfo;
	struct encl *e;
	long ret;

	if (sys_copy_from_user(&p, arg, sizeof(p)) || sys_copy_from_user(&secinfo, p.secinfo, sizeof(secinfo)))
		return -EFAULT;
	e = pin_range(d, tid, p.addr, p.length, &ret);
	if (!e)
		return ret;
	ret = check_modify(&p, &secinfo);
	if (!ret && p.op == SGX_2018_MODIFY_PERMISSIONS)
		ret = sgx2_restrict(d, tid, e, p.addr - e->base, p.length, secinfo.flags);
	else if (!ret)
		ret = sgx2_modify(d, tid, e, p.addr - e->base, p.length, SGX_SECINFO_PT(secinfo.flags));
	unpin(d, tid, e);
	return ret;
}

long abi2018_ioctl(struct drv *d, uint32_t tid, uint32_t cmd, uint64_t arg)
{
	/* The number within the series, if the RFC's call has moved the others up by one. */
	if (d->config.rfc_2018)
		cmd = cmd == SGX_RFC_ENCLU_REGISTER ? 0 : cmd - 1;
	if (!d->config.full_2018 && (cmd == SGX_2018_REMOVE_PAGES || cmd == SGX_2018_MODIFY_PAGES))
		return -ENOTTY;							/* C0-7 */
	switch (cmd) {
	case SGX_2018_CREATE:		return abi2018_create(d, tid, arg);
	case SGX_2018_ADD_PAGE:		return abi2018_add_page(d, tid, arg);
	case SGX_2018_INIT:		return init(d, tid, arg);
	case SGX_2018_REMOVE_PAGES:	return remove_pages(d, tid, arg);
	case SGX_2018_MODIFY_PAGES:	return modify_pages(d, tid, arg);
	default:			return -ENOTTY;				/* C0-2 */
	}
}
