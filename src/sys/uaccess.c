/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's memory, of which nothing may be assumed. The kernel does the access with process_vm_readv and _writev
 * on the process itself, which it always permits, so that an unmapped or forbidden page is an error and not a fault in
 * the runtime.
 */
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/uio.h>

#define PAGE	UINT64_C(4096)
#define CHUNK	((size_t)1 << 30)	/* the kernel moves no more than 0x7ffff000 bytes in one call */

static long transfer(long nr, void *local, uint64_t remote, size_t size)
{
	const long pid = sys_call0(__NR_getpid);

	while (size) {
		const size_t part = size < CHUNK ? size : CHUNK;
		struct iovec l = { .iov_base = local, .iov_len = part };
		struct iovec r = { .iov_base = (void *)(uintptr_t)remote, .iov_len = part };
		long moved = sys_call6(nr, pid, (long)&l, 1, (long)&r, 1, 0);

		if (moved <= 0)
			return -EFAULT;
		local = (char *)local + moved;
		remote += (uint64_t)moved;
		size -= (size_t)moved;
	}
	return 0;
}

long sys_copy_from_user(void *dst, uint64_t src, size_t size)
{
	return transfer(__NR_process_vm_readv, dst, src, size);
}

long sys_copy_to_user(uint64_t dst, const void *src, size_t size)
{
	return transfer(__NR_process_vm_writev, (void *)(uintptr_t)src, dst, size);
}

long sys_copy_string_from_user(char *dst, uint64_t src, size_t size)
{
	size_t length = 0;

	/* Page by page: what follows the page in which the string ends may be unmapped. */
	while (length < size) {
		const size_t in_page = (size_t)(PAGE - ((src + length) & (PAGE - 1)));
		const size_t part = size - length < in_page ? size - length : in_page;
		const size_t end = length + part;

		if (sys_copy_from_user(dst + length, src + length, part))
			return -EFAULT;
		for (; length < end; length++)
			if (!dst[length])
				return (long)length;
	}
	return -ENAMETOOLONG;
}
