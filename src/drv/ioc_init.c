/* SPDX-License-Identifier: BSD-2-Clause */
/* SGX_IOC_ENCLAVE_INIT (A.6). */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>

#include "crypto/crypto.h"
#include "sys/mem.h"
#include "uapi/sgx.h"

#define TRIES		20
#define ROUNDS		50
#define PAUSE_NS	(20 * 1000 * 1000)

#define ATTR_RESERVED	UINT64_C(0xFFFFFFFFFFFFFF48)	/* of the kernel: bits 3, 6, 8 and up */
#define VENDOR_INTEL	0x8086

static long check(const struct drv *d, const struct encl *e, const struct sgx_sigstruct *s)
{
	const struct isa_profile *p = d->machine.profile;
	const uint64_t attr_reserved = ~p->attributes |
				       (d->config.aexnotify ? ATTR_RESERVED & ~SGX_ATTR_AEXNOTIFY : ATTR_RESERVED);

	if (s->vendor && s->vendor != VENDOR_INTEL)
		return -EINVAL;						/* A-INI-3 */
	if (e->header->attributes & ~e->header->allowed)
		return -EACCES;						/* A-INI-4 */
	if (s->attributes.flags & s->attributemask.flags & attr_reserved)
		return -EINVAL;						/* A-INI-5 */
	if (s->miscselect & s->miscmask & ~(p->miscselect & SGX_MISC_EXINFO))
		return -EINVAL;						/* A-INI-5 */
	if (s->attributes.xfrm & s->attributemask.xfrm & ~p->xfrm)
		return -EINVAL;						/* A-INI-5 */
	return 0;
}

/* Up to 20 EINITs in a row (A-INI-7). */
long encl_einit(struct drv *d, struct encl *e)
{
	const struct sgx_sigstruct *s = (const struct sgx_sigstruct *)d->scratch->page;
	long ret = 0;

	sha256(d->machine.sglepubkeyhash, s->modulus, sizeof(s->modulus));	/* A-INI-6 */
	memset(&d->scratch->token, 0, sizeof(d->scratch->token));
	for (int i = 0; i < TRIES; i++) {
		ret = encls(d, e, EINIT, (uint64_t)s, epc_addr(e, e->npages), (uint64_t)&d->scratch->token);
		if (ret != SGX_UNMASKED_EVENT)
			break;
	}
	if (!ret) {
		atomic_store_explicit(&e->header->state, ENCL_INITIALISED, memory_order_release);
		if (d->counters)
			d->counters->enclaves_initialised++;
	}
	return ret;
}

static long attempt(struct drv *d, struct encl *e, uint64_t user)
{
	const struct sgx_sigstruct *s = (const struct sgx_sigstruct *)d->scratch->page;
	long ret;

	if (sys_copy_from_user(d->scratch->page, user, sizeof(*s)))
		return -EFAULT;						/* A-INI-2 */
	ret = check(d, e, s);
	if (ret)
		return ret;
	ret = encl_einit(d, e);
	if (ret == ENCLS_FAULT)
		return -EIO;						/* A-INI-8 */
	if (ret)
		return ret == SGX_UNMASKED_EVENT ? -EAGAIN : -EPERM;	/* A-INI-8 */
	return 0;
}

long ioc_init(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	const struct { int64_t sec, nsec; } pause = { 0, PAUSE_NS };
	struct sgx_enclave_init p;
	long ret = -EAGAIN;

	if (encl_state(e) != ENCL_CREATED)
		return -EINVAL;						/* A-INI-1 */
	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* A-INI-2 */
	for (int round = 0; round < ROUNDS; round++) {
		drv_lock(d, tid);
		encl_lock(d, e);
		ret = attempt(d, e, p.sigstruct);
		encl_unlock(d, e);
		drv_unlock(d);
		if (ret != -EAGAIN)
			break;
		sys_call2(__NR_nanosleep, &pause, 0);
		if (drv_signal_pending(d))
			return -DRV_ERESTARTSYS;			/* A-INI-7 */
	}
	if (!ret && d->ops && d->ops->initialised)
		d->ops->initialised(d, e);
	return ret == -EAGAIN ? -EPERM : ret;				/* A-INI-7 */
}
