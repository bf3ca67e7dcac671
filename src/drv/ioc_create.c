/* SPDX-License-Identifier: BSD-2-Clause */
/* SGX_IOC_ENCLAVE_CREATE (A.4). */
#include "drv/state.h"

#include <linux/errno.h>

#include "sys/mem.h"
#include "uapi/sgx.h"

#define UNPRIVILEGED	(SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_KSS)
#define BACKING_MAX	INT64_MAX

/* SECS page and ECREATE; the VA page is there. */
static long create_secs(struct drv *d, struct encl *e)
{
	struct scratch *s = d->scratch;
	long ret = epc_take(d, e, ENCL_NO_PAGE, true);			/* A-CRE-8 */

	if (ret)
		return ret;
	s->secinfo = (struct sgx_secinfo){ .flags = SGX_SECINFO_OF_PT(SGX_PT_SECS) };
	s->pageinfo = (struct sgx_pageinfo){ .srcpge = (uint64_t)s->page, .secinfo = (uint64_t)&s->secinfo };
	if (encls(d, e, ECREATE, (uint64_t)&s->pageinfo, epc_addr(e, e->npages), 0)) {
		epc_give(d, e, e->npages);
		return -EIO;						/* A-CRE-9 */
	}
	e->header->secs_state = PAGE_RESIDENT;
	e->header->page_cnt = 1;
	return 0;
}

/* Nothing of the attempt stays (A-ST-2). */
static void undo(struct drv *d, struct encl *e)
{
	struct encl_header *h = e->header;

	while (h->va_count) {
		h->va_count--;
		encls(d, e, EREMOVE, 0, epc_addr(e, e->npages + 1 + h->va_count), 0);
		epc_give(d, e, e->npages + 1 + h->va_count);
	}
	h->page_cnt = 0;
	encl_unsee(d, e);
	h->size = h->base = 0;
}

long encl_create(struct drv *d, struct encl *e)
{
	const struct sgx_secs *secs = (const struct sgx_secs *)d->scratch->page;
	const uint64_t size = secs->size;
	struct encl_header *h = e->header;
	long ret;

	if (!size || (size & (size - 1)))
		return -EINVAL;						/* A-CRE-5 */
	if (!epc_free(d) && !reclaim_possible(d))
		return -ENOMEM;						/* A-CRE-6 */
	if (size > BACKING_MAX - DRV_PAGE || size + DRV_PAGE > BACKING_MAX - (size + DRV_PAGE) / 32)
		return -EINVAL;						/* A-CRE-7 */
	if (size < 2 * DRV_PAGE || size >= UINT64_C(1) << d->machine.profile->log2_size_64)
		return -EIO;	/* ECREATE-30, -31 fault for any SECS; the file has no layout for such sizes */
	h->base = secs->baseaddr;
	ret = encl_see(d, e, size);
	if (ret)
		return ret;
	h->size = size;
	ret = va_grow(d, e, true);					/* A-CRE-6 */
	if (!ret)
		ret = create_secs(d, e);
	if (ret) {
		undo(d, e);
		return ret;
	}
	h->attributes = secs->attributes.flags;
	h->xfrm = secs->attributes.xfrm;
	h->allowed = UNPRIVILEGED | (d->config.aexnotify ? SGX_ATTR_AEXNOTIFY : 0);	/* A-CRE 10 */
	atomic_store(&h->generation, h->id);	/* random: what an engine remembers of a former enclave here is stale */
	atomic_store_explicit(&h->state, ENCL_CREATED, memory_order_release);
	return 0;
}

long ioc_create(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	struct sgx_enclave_create p;
	long ret;

	if (encl_state(e) != ENCL_NEW)
		return -EINVAL;						/* A-CRE-1 */
	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* A-CRE-2 */
	drv_lock(d, tid);
	encl_lock(d, e);
	ret = sys_copy_from_user(d->scratch->page, p.src, DRV_PAGE);	/* A-CRE-4 */
	if (!ret)
		ret = encl_create(d, e);
	if (!ret && d->counters)
		d->counters->enclaves_created++;
	encl_unlock(d, e);
	drv_unlock(d);
	return ret;
}
