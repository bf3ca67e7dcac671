/* SPDX-License-Identifier: BSD-2-Clause */
/* SGX_IOC_ENCLAVE_PROVISION (A.7). */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/errno.h>

#include "uapi/sgx.h"

long ioc_provision(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg)
{
	struct sgx_enclave_provision p;
	int fd;

	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* A-PRV-1 */
	fd = (int)(uint32_t)p.fd;
	if (drv_fd_kind(d, fd) != KIND_PROVISION || sys_call3(__NR_fcntl, fd, F_GETFL, 0) & O_PATH)
		return -EINVAL;						/* A-PRV-1 */
	drv_lock(d, tid);
	encl_lock(d, e);
	e->header->allowed |= SGX_ATTR_PROVISIONKEY;			/* A-PRV-3: CREATE overwrites it */
	encl_unlock(d, e);
	drv_unlock(d);
	return 0;
}
