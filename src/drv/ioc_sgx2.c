/* SPDX-License-Identifier: BSD-2-Clause */
/* SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, _MODIFY_TYPES, _REMOVE_PAGES (A.11). */
#include "drv/state.h"

#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"
#include "uapi/sgx.h"

/* What the operation on one page gets and gives. */
struct request {
	uint64_t secinfo;	/* SECINFO.FLAGS for the leaf */
	uint64_t result;	/* its code */
};

typedef long (*page_operation)(struct drv *d, struct encl *e, uint64_t i, struct request *r);

long sgx2_ready(const struct drv *d, const struct encl *e)
{
	if (!d->machine.profile->sgx2)
		return -ENODEV;
	return encl_state(e) == ENCL_INITIALISED ? 0 : -EINVAL;
}

/* What the three begin with: the structure at @arg to @p. Each of them begins with offset and length. */
static long begin(const struct drv *d, const struct encl *e, uint64_t arg, void *p, uint64_t size)
{
	const uint64_t *range = p;
	long ret = sgx2_ready(d, e);

	if (ret)
		return ret;
	if (sys_copy_from_user(p, arg, size))
		return -EFAULT;
	return ioc_range_valid(e, range[0], range[1]) ? 0 : -EINVAL;
}

/* In the EPC, where the operation needs it. */
static long bring(struct drv *d, struct encl *e, uint64_t i)
{
	long ret;

	if (epc_free(d) < DRV_LOW_WATER)
		reclaim_pass(d, e, i);
	ret = epc_load(d, e, i);
	if (!ret && e->section.epcm[i].blocked && !reclaim_unblock(d, e, i))
		return -EAGAIN;
	return ret == -ENOMEM ? -EAGAIN : ret;
}

static long for_pages(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length,
		      page_operation operation, struct request *r, uint64_t *count)
{
	long ret = 0;
	uint64_t c;

	for (c = 0; c < length && !ret; c += ret ? 0 : DRV_PAGE) {
		const uint64_t i = (offset + c) / DRV_PAGE;

		drv_lock(d, tid);
		encl_lock(d, e);
		ret = bring(d, e, i);
		if (!ret)
			ret = operation(d, e, i, r);
		encl_unlock(d, e);
		drv_unlock(d);
	}
	*count = c;
	return ret;
}

static long leaf_on_page(struct drv *d, struct encl *e, enum sgx_encls leaf, uint64_t i, uint64_t flags)
{
	d->scratch->secinfo = (struct sgx_secinfo){ .flags = flags };
	return encls(d, e, leaf, (uint64_t)&d->scratch->secinfo, epc_addr(e, i), 0);
}

static uint32_t mapped_prot(struct drv *d, const struct encl *e, uint64_t i)
{
	const struct vma *v = vma_at(d, encl_addr(e, i));

	return v && v->encl == e ? v->prot : 0;
}

static long restrict_page(struct drv *d, struct encl *e, uint64_t i, struct request *r)
{
	long ret;

	if (e->recs[i].type != SGX_PT_REG)
		return -EINVAL;						/* A-RST-2 */
	ret = leaf_on_page(d, e, EMODPR, i, r->secinfo);
	if (ret == ENCLS_FAULT)
		return -EFAULT;						/* A-RST-4 */
	if (ret) {
		r->result = (uint64_t)ret;
		return -EFAULT;						/* A-RST-4 */
	}
	pte_refit(d, e, i, 1, mapped_prot(d, e, i));			/* our mapping; the PTE stays (A-RST-3) */
	return epc_track(d, e);
}

long ioc_restrict_permissions(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	struct sgx_enclave_restrict_permissions p;
	struct request r = { 0 };
	long ret = begin(d, e, arg, &p, sizeof(p));

	if (ret)
		return ret;
	if (p.permissions & ~SGX_SECINFO_RWX)
		return -EINVAL;						/* A-RST-1 */
	if ((p.permissions & SGX_SECINFO_W) && !(p.permissions & SGX_SECINFO_R))
		return -EINVAL;						/* A-RST-1 */
	if (p.result || p.count)
		return -EINVAL;
	r.secinfo = p.permissions;
	ret = for_pages(d, tid, e, p.offset, p.length, restrict_page, &r, &p.count);
	p.result = r.result;
	return sys_copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : ret;
}

static long modify_page(struct drv *d, struct encl *e, uint64_t i, struct request *r)
{
	const enum sgx_pt type = SGX_SECINFO_PT(r->secinfo);
	struct page_rec *rec = &e->recs[i];
	const uint8_t max_prot = rec->max_prot;
	long ret;

	if (rec->type != SGX_PT_REG && !(rec->type == SGX_PT_TCS && type == SGX_PT_TRIM))
		return -EINVAL;						/* A-MOD-2 */
	if (type == SGX_PT_TCS) {
		if (~max_prot & (PROT_READ | PROT_WRITE))
			return -EPERM;					/* A-MOD-3 */
		if (!e->abi.enclave)	/* whose mapping is one for all pages, and was never measured by them */
			rec->max_prot = PROT_READ | PROT_WRITE;
		pte_zap(d, e, i, 1);
	}
	ret = leaf_on_page(d, e, EMODT, i, r->secinfo);
	if (ret) {
		rec->max_prot = max_prot;				/* A-MOD-5 */
		r->result = ret == ENCLS_FAULT ? 0 : (uint64_t)ret;
		return -EFAULT;
	}
	pte_refit(d, e, i, 1, mapped_prot(d, e, i));
	ret = epc_track(d, e);
	if (ret)
		return ret;
	rec->type = (uint8_t)type;					/* A-MOD-6 */
	return 0;
}

long ioc_modify_types(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	struct sgx_enclave_modify_types p;
	struct request r = { 0 };
	long ret = begin(d, e, arg, &p, sizeof(p));

	if (ret)
		return ret;
	if (p.page_type & ~UINT64_C(0xff))
		return -EINVAL;						/* A-MOD-1 */
	if (p.result || p.count)
		return -EINVAL;
	r.secinfo = SGX_SECINFO_OF_PT(p.page_type);
	ret = -EINVAL;							/* A-MOD-1 */
	if (p.page_type == SGX_PT_TCS || p.page_type == SGX_PT_TRIM)
		ret = for_pages(d, tid, e, p.offset, p.length, modify_page, &r, &p.count);
	p.result = r.result;
	return sys_copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : ret;
}

/* A trimmed page that was accepted has no rights that EMODPR could cut: it must fault (A-REM-2). */
static bool accepted(struct drv *d, struct encl *e, uint64_t i)
{
	return leaf_on_page(d, e, EMODPR, i, SGX_SECINFO_RWX) == ENCLS_FAULT && d->cpu.exc.vector == X86_PF;
}

static long remove_page(struct drv *d, struct encl *e, uint64_t i, struct request *r)
{
	(void)r;
	if (e->recs[i].type != SGX_PT_TRIM)
		return -EPERM;						/* A-REM-1 */
	if (!accepted(d, e, i))
		return -EPERM;						/* A-REM-2 */
	pte_zap(d, e, i, 1);
	if (!epc_eremove(d, e, i))
		return -EBUSY;						/* A-REM-3: a leaf holds the page just now */
	if (d->counters)
		d->counters->pages_removed++;
	return 0;
}

long ioc_remove_pages(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	struct sgx_enclave_remove_pages p;
	struct request r = { 0 };
	long ret = begin(d, e, arg, &p, sizeof(p));

	if (ret)
		return ret;
	if (p.count)
		return -EINVAL;
	ret = for_pages(d, tid, e, p.offset, p.length, remove_page, &r, &p.count);
	return sys_copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : ret;
}

long sgx2_restrict(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length, uint64_t rights)
{
	struct request r = { .secinfo = rights };
	uint64_t count;

	return for_pages(d, tid, e, offset, length, restrict_page, &r, &count);
}

long sgx2_modify(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length, uint64_t type)
{
	struct request r = { .secinfo = SGX_SECINFO_OF_PT(type) };
	uint64_t count;

	return for_pages(d, tid, e, offset, length, modify_page, &r, &count);
}

long sgx2_remove(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length)
{
	struct request r = { 0 };
	uint64_t count;

	return for_pages(d, tid, e, offset, length, remove_page, &r, &count);
}
