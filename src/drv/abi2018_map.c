/* SPDX-License-Identifier: BSD-2-Clause */
/* mmap of /dev/sgx (C0-1): address space for an enclave that CREATE makes afterwards. */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#define PROT_RIGHTS	(PROT_READ | PROT_WRITE | PROT_EXEC)
#define TASK_LIMIT	UINT64_C(0x7ffffffff000)

/* Where, if the caller does not insist: twice the length is looked for, so that an aligned piece is in it. */
static long map_anywhere(uint64_t addr, uint64_t size, uint64_t prot, uint64_t flags, int fd)
{
	const long found = sys_call6(__NR_mmap, (long)addr, (long)(2 * size), (long)prot, (long)flags, fd, 0);
	uint64_t start, base, end;

	if (sys_is_error(found))
		return found;
	start = (uint64_t)found;
	end = start + 2 * size;
	base = (start + size - 1) & ~(size - 1);
	if (base > start)
		sys_call2(__NR_munmap, start, base - start);
	if (end > base + size)
		sys_call2(__NR_munmap, base + size, end - base - size);
	return (long)base;
}

/* MAP_FIXED is no exception: the address is moved up to a multiple of the length. */
static long map_fixed(uint64_t addr, uint64_t size, uint64_t prot, uint64_t flags, int fd)
{
	const uint64_t base = (addr + size - 1) & ~(size - 1);

	if (addr > TASK_LIMIT || 2 * size > TASK_LIMIT - addr)
		return -ENOMEM;
	if (addr % DRV_PAGE)
		return -EINVAL;
	return sys_call6(__NR_mmap, (long)base, (long)size, (long)prot, (long)flags, fd, 0);
}

static long map(struct drv *d, uint64_t addr, uint64_t size, uint64_t prot, uint64_t flags, int fd, uint64_t offset,
		long mode)
{
	const bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE), writable = (mode & O_ACCMODE) == O_RDWR;
	const bool private = (flags & MAP_TYPE) == MAP_PRIVATE;
	/* Let the kernel say no to a write right that the descriptor lacks, in its place among the other errors. */
	const uint64_t kernel_prot = !private && !writable && prot & PROT_WRITE ? PROT_WRITE : PROT_NONE;
	struct vma v = {
		.prot = (uint32_t)prot & PROT_RIGHTS,
		.flags = VMA_DONTFORK | VMA_UNBOUND | (writable || private ? VMA_MAYWRITE : 0) |
			 (offset ? VMA_OFFSET : 0),
	};
	long ret;

	v.encl = encl_attach(d, fd, &ret);
	if (!v.encl)
		return ret;
	flags &= ~(uint64_t)(MAP_POPULATE | MAP_LOCKED);
	ret = fixed ? map_fixed(addr, size, kernel_prot, flags, fd) :
	      map_anywhere(addr, size, kernel_prot, flags, fd);
	if (sys_is_error(ret))
		return ret;
	v.start = (uint64_t)ret;
	v.end = v.start + size;
	vma_remove(d, v.start, v.end);
	sys_call3(__NR_madvise, v.start, size, MADV_DONTDUMP);
	sys_call3(__NR_madvise, v.start, size, MADV_DONTFORK);
	vma_insert(d, &v);
	return ret;
}

long abi2018_mmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags, int fd,
		  uint64_t offset)
{
	const uint64_t size = (length + DRV_PAGE - 1) & SGX_PAGE_MASK;
	const long mode = sys_call3(__NR_fcntl, fd, F_GETFL, 0);
	long ret;

	if (offset % DRV_PAGE)
		return -EINVAL;
	if (mode < 0 || (mode & O_PATH))
		return -EBADF;
	if (!length)
		return -EINVAL;
	if (!size)
		return -ENOMEM;
	if (offset > UINT64_MAX - size)
		return -EOVERFLOW;
	if (size < 2 * DRV_PAGE || (size & (size - 1)) || size > UINT64_C(1) << d->machine.profile->log2_size_64)
		return -EINVAL;						/* C0-1 */
	drv_lock(d, tid);
	ret = vma_room(d) ? map(d, addr, size, prot, flags, fd, offset, mode) : -ENOMEM;
	for (uint32_t i = 0; i < d->encl_count; i++)	/* what was replaced may have been an enclave's last mapping */
		if (d->encls[i].used)
			encl_put(d, &d->encls[i]);
	drv_unlock(d);
	return ret;
}
