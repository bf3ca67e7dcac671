/* SPDX-License-Identifier: BSD-2-Clause */
/* CREATE of the ABI of 2018 (C0-3): the SECS is judged before the processor sees it, and the mapping after. */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/errno.h>

#include "sys/mem.h"
#include "uapi/sgx_2018.h"

#define ATTR_RESERVED	UINT64_C(0xFFFFFFFFFFFFFFC9)	/* of that time: INIT, and bits 3 and 6 to 63 */
#define XFRM_LEGACY	UINT64_C(3)
#define XFRM_BNDREGS	3
#define XFRM_BNDCSR	4

/* Between the fields as they were then: CONFIGID and CONFIGSVN did not exist. */
static const struct { uint16_t from, end; } reserved[] = { { 24, 48 }, { 96, 128 }, { 160, 256 }, { 260, 4096 } };

static uint64_t ssa_pages(const struct isa_profile *p, const struct sgx_secs *s)
{
	const uint64_t size = isa_xsave_size(p, s->attributes.xfrm) + isa_ssa_tail_size(s->miscselect);

	return (size + DRV_PAGE - 1) / DRV_PAGE;
}

static long check_secs(const struct drv *d, const struct sgx_secs *s)
{
	const struct isa_profile *p = d->machine.profile;
	const uint64_t attributes = s->attributes.flags, xfrm = s->attributes.xfrm;

	if (s->size < 2 * DRV_PAGE || (s->size & (s->size - 1)))
		return -EINVAL;
	if (s->baseaddr & (s->size - 1))
		return -EINVAL;
	if (attributes & (ATTR_RESERVED | ~p->attributes) || s->miscselect & ~(p->miscselect & SGX_MISC_EXINFO))
		return -EINVAL;
	if (!(attributes & SGX_ATTR_MODE64BIT))
		return -EINVAL;		/* only for 32-bit tasks, of which there are none here */
	if (s->size > UINT64_C(1) << p->log2_size_64)
		return -EINVAL;
	if ((xfrm & XFRM_LEGACY) != XFRM_LEGACY || (xfrm >> XFRM_BNDREGS & 1) != (xfrm >> XFRM_BNDCSR & 1))
		return -EINVAL;
	if (xfrm & ~p->xfrm)
		return -EINVAL;
	if (!s->ssaframesize || s->ssaframesize < ssa_pages(p, s))
		return -EINVAL;
	for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!bytes_zero((const uint8_t *)s + reserved[i].from, reserved[i].end - reserved[i].from))
			return -EINVAL;
	return 0;
}

/* An enclave that nothing refers to yet: encl_put() would take it away. */
static struct encl *hidden_enclave(struct drv *d, long *error)
{
	const long fd = drv_open(d, O_RDWR | O_CLOEXEC);
	struct encl *e;

	*error = -ENOMEM;
	if (sys_is_error(fd))
		return NULL;
	e = encl_attach(d, (int)fd, error);
	sys_call1(__NR_close, fd);
	if (!e)
		return NULL;
	e->fds[0] = -1;
	e->abi.enclave = true;
	return e;
}

/* The mapping that the enclave is to be, made before it. */
static struct vma *mapping_for(struct drv *d, uint64_t base, uint64_t size)
{
	struct vma *v = vma_at(d, base);

	if (!v || !(v->flags & VMA_UNBOUND) || v->flags & VMA_OFFSET)
		return NULL;
	return v->start == base && v->end == base + size ? v : NULL;
}

static long create_and_bind(struct drv *d, struct encl *e)
{
	struct vma *v;
	long ret;

	encl_lock(d, e);
	ret = encl_create(d, e);
	encl_unlock(d, e);
	if (ret)
		return ret == -EIO ? -EFAULT : ret;			/* C0-2: a fault of the leaf */
	if (d->ops && d->ops->registered && !d->ops->registered(d))
		return -EFAULT;						/* C1-3 */
	v = mapping_for(d, e->base, e->size);
	if (!v)
		return -EINVAL;						/* C0-3 */
	vma_bind(d, v, e);
	if (d->counters)
		d->counters->enclaves_created++;
	return 0;
}

static long create_locked(struct drv *d, uint64_t src)
{
	struct encl *e;
	long ret;

	if (sys_copy_from_user(d->scratch->page, src, DRV_PAGE))
		return -EFAULT;
	ret = check_secs(d, (const struct sgx_secs *)d->scratch->page);
	if (ret)
		return ret;
	e = hidden_enclave(d, &ret);
	if (!e)
		return ret;
	ret = create_and_bind(d, e);
	if (ret)
		encl_put(d, e);
	return ret;
}

long abi2018_create(struct drv *d, uint32_t tid, uint64_t arg)
{
	struct sgx_2018_create p;
	long ret;

	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* C0-2 */
	drv_lock(d, tid);
	ret = create_locked(d, p.src);
	drv_unlock(d);
	return ret;
}
