/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl(2) on our descriptors: one at a time per enclave (A-ST-1), then one line a command. */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/errno.h>

#include "uapi/sgx.h"

bool ioc_range_valid(const struct encl *e, uint64_t offset, uint64_t length)
{
	uint64_t end;

	if (offset % DRV_PAGE || !length || length % DRV_PAGE)
		return false;
	if (__builtin_add_overflow(offset, length, &end))
		return false;
	return end - DRV_PAGE < e->size;
}

/* A thread that died inside an ioctl does not block the enclave for ever. */
static bool busy_take(struct encl *e, uint32_t tid)
{
	uint32_t owner = 0;

	while (!atomic_compare_exchange_strong(&e->header->busy, &owner, tid)) {
		if (owner && owner != tid && sys_call2(__NR_tkill, owner, 0) != -ESRCH)
			return false;
		if (owner && atomic_compare_exchange_strong(&e->header->busy, &owner, tid))
			return true;
		owner = 0;
	}
	return true;
}

static long dispatch(struct drv *d, uint32_t tid, struct encl *e, int fd, uint32_t cmd, uint64_t arg)
{
	switch (cmd) {
	case SGX_IOC_ENCLAVE_CREATE:			return ioc_create(d, tid, e, arg);
	case SGX_IOC_ENCLAVE_ADD_PAGES:			return ioc_add_pages(d, tid, e, fd, arg);
	case SGX_IOC_ENCLAVE_INIT:			return ioc_init(d, tid, e, arg);
	case SGX_IOC_ENCLAVE_PROVISION:			return ioc_provision(d, tid, e, arg);
	case SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS:	return ioc_restrict_permissions(d, tid, e, arg);
	case SGX_IOC_ENCLAVE_MODIFY_TYPES:		return ioc_modify_types(d, tid, e, arg);
	case SGX_IOC_ENCLAVE_REMOVE_PAGES:		return ioc_remove_pages(d, tid, e, arg);
	default:					return -ENOTTY;
	}
}

long drv_ioctl(struct drv *d, uint32_t tid, int fd, uint32_t cmd, uint64_t arg)
{
	const int kind = drv_fd_kind(d, fd);
	struct encl *e;
	long ret;

	if (!kind || sys_call3(__NR_fcntl, fd, F_GETFL, 0) & O_PATH)
		return -EBADF;
	if (kind == KIND_PROVISION)
		return -ENOTTY;						/* A-DEV-4 */
	if (kind == KIND_2018)
		return abi2018_ioctl(d, tid, cmd, arg);
	drv_lock(d, tid);
	e = encl_attach(d, fd, &ret);
	if (e)
		e->pins++;
	drv_unlock(d);
	if (!e)
		return ret;
	if (busy_take(e, tid)) {
		ret = dispatch(d, tid, e, fd, cmd, arg);
		atomic_store(&e->header->busy, 0);
	} else {
		ret = -EBUSY;						/* A-ST-1 */
	}
	drv_lock(d, tid);
	e->pins--;
	encl_put(d, e);
	drv_unlock(d);
	return ret;
}
