/* SPDX-License-Identifier: BSD-2-Clause */
/* mmap of an enclave, and of other things over one (A.8). */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"

#define PERSONALITY_ASK		0xffffffff
#define READ_IMPLIES_EXEC	0x0400000
#define PROT_RIGHTS		(PROT_READ | PROT_WRITE | PROT_EXEC)

static uint64_t file_offset(const struct encl *e, uint64_t addr)
{
	return (uint64_t)e->section.mem - e->area + (addr - e->base);
}

static bool inside(const struct encl *e, uint64_t start, uint64_t end)
{
	return e->npages && start >= e->base && end <= e->base + e->size;
}

bool map_allowed(struct encl *e, uint64_t start, uint64_t end, uint32_t prot)
{
	long personality;
	uint64_t i, last;

	if (e->abi.device || e->abi.enclave)
		return true;		/* 2018: nobody looked */
	if (encl_state(e) == ENCL_INITIALISED && !inside(e, start, end))
		return false;						/* A-MAP-4 */
	personality = sys_call1(__NR_personality, PERSONALITY_ASK);
	if (!sys_is_error(personality) && (personality & READ_IMPLIES_EXEC))
		return false;						/* A-MAP-5 */
	if (!e->npages || !prot)
		return true;
	start = start < e->base ? e->base : start;
	end = end > e->base + e->size ? e->base + e->size : end;
	if (start >= end)
		return true;
	last = (end - e->base) / DRV_PAGE;
	for (i = encl_next_page(e, (start - e->base) / DRV_PAGE, last); i < last; i = encl_next_page(e, i + 1, last))
		if (prot & ~e->recs[i].max_prot)
			return false;					/* A-MAP-6 */
	return true;
}

long map_realise(struct drv *d, struct vma *v)
{
	struct encl *e = v->encl;
	const uint64_t start = v->start < e->base ? e->base : v->start;
	const uint64_t end = v->end > e->base + e->size ? e->base + e->size : v->end;
	long ret;

	if (!e->npages || start >= end)
		return -EFAULT;
	ret = e->private_donor ? private_clone(e, start, end) :
	      sys_call5(__NR_mremap, e->donor + (start - e->base), 0, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, start);
	if (sys_is_error(ret))
		return ret;
	if (v->flags & VMA_DONTFORK)
		sys_call3(__NR_madvise, start, end - start, MADV_DONTFORK);
	pte_forget(e, start, end);
	vma_update(d, v->start, v->end, v->prot, v->flags & ~VMA_PLACEHOLDER);
	return 0;
}

/* Checks 1 to 5 of A.8 as far as the kernel, which does them again on the real call, would judge differently. */
static long check_call(int fd, uint64_t length, uint64_t flags, uint64_t offset, long *mode)
{
	const uint64_t size = (length + DRV_PAGE - 1) & SGX_PAGE_MASK;

	if (offset % DRV_PAGE)
		return -EINVAL;
	*mode = sys_call3(__NR_fcntl, fd, F_GETFL, 0);
	if (*mode < 0 || (*mode & O_PATH))
		return -EBADF;
	if (!length)
		return -EINVAL;
	if (!size)
		return -ENOMEM;
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;						/* A-MAP-1 */
	if (offset > UINT64_MAX - size)
		return -EOVERFLOW;
	return 0;
}

static void put_all(struct drv *d)
{
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used)
			encl_put(d, &d->encls[i]);
}

long drv_mmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags, int fd,
	      uint64_t offset)
{
	const uint64_t size = (length + DRV_PAGE - 1) & SGX_PAGE_MASK;
	const int kind = drv_fd_kind(d, fd);
	uint64_t at = 0, kernel_prot = PROT_NONE;
	struct encl *e;
	long ret, mode;

	if (kind == KIND_2018)
		return abi2018_mmap(d, tid, addr, length, prot, flags, fd, offset);
	ret = kind == KIND_PROVISION && length ? -ENODEV : kind ? 0 : -EBADF;	/* A-DEV-4 */
	if (!ret)
		ret = check_call(fd, length, flags, offset, &mode);
	if (ret)
		return ret;
	flags &= ~(uint64_t)(MAP_POPULATE | MAP_LOCKED);	/* A-MAP-8: no effect */
	prot &= PROT_RIGHTS;
	drv_lock(d, tid);
	e = encl_attach(d, fd, &ret);
	if (!e)
		goto out;
	if (!vma_room(d)) {
		ret = -ENOMEM;
		goto put;
	}
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) && addr + size > addr && inside(e, addr, addr + size))
		at = file_offset(e, addr);
	/* Let the kernel say no to a write right that the descriptor lacks, in its place among the other errors. */
	if ((prot & PROT_WRITE) && (mode & O_ACCMODE) == O_RDONLY)
		kernel_prot = PROT_WRITE;				/* A-MAP-2 */
	ret = sys_call6(__NR_mmap, (long)addr, (long)length, (long)kernel_prot, (long)flags, fd, (long)at);
	if (sys_is_error(ret))
		goto put;
	addr = (uint64_t)ret;
	vma_remove(d, addr, addr + size);				/* A-MAP-3 */
	encl_lock(d, e);
	if (map_allowed(e, addr, addr + size, (uint32_t)prot)) {
		struct vma v = {
			.start = addr, .end = addr + size, .encl = e, .prot = (uint32_t)prot,
			.flags = ((mode & O_ACCMODE) == O_RDWR ? VMA_MAYWRITE : 0) | (at ? 0 : VMA_PLACEHOLDER),
		};

		private_prepare(d, e, fd);
		if (!at || !e->private_donor || private_clone(e, addr, addr + size))
			sys_call3(__NR_madvise, addr, size, MADV_DONTDUMP);
		vma_insert(d, &v);
	} else {
		sys_call2(__NR_munmap, addr, size);
		ret = -EACCES;
	}
	encl_unlock(d, e);
put:
	put_all(d);	/* what was replaced may have been another enclave's last mapping (A-LIF-1) */
out:
	drv_unlock(d);
	return ret;
}

void map_drop_lost(struct drv *d, uint64_t start, uint64_t end)
{
	uint64_t at = start;
	uint8_t resident;
	struct vma *v;

	while (at < end && (v = vma_from(d, at)) && v->start < end) {
		const uint64_t from = v->start < start ? start : v->start, to = v->end > end ? end : v->end;

		if (sys_call3(__NR_mincore, from, DRV_PAGE, &resident) == -ENOMEM)
			vma_remove(d, from, to);
		at = to;
	}
}

long drv_mmap_other(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags,
		    int fd, uint64_t offset)
{
	const uint64_t size = (length + DRV_PAGE - 1) & SGX_PAGE_MASK;
	long ret;

	drv_lock(d, tid);
	if (!vma_room(d)) {
		ret = -ENOMEM;
	} else {
		ret = sys_call6(__NR_mmap, (long)addr, (long)length, (long)prot, (long)flags, fd, (long)offset);
		if (!sys_is_error(ret))
			vma_remove(d, (uint64_t)ret, (uint64_t)ret + size);
		else if ((flags & MAP_FIXED) && addr + size > addr)
			map_drop_lost(d, addr, addr + size);
		put_all(d);
	}
	drv_unlock(d);
	return ret;
}

long drv_munmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length)
{
	const uint64_t size = (length + DRV_PAGE - 1) & SGX_PAGE_MASK;
	long ret;

	drv_lock(d, tid);
	ret = vma_room(d) ? sys_call2(__NR_munmap, addr, length) : -ENOMEM;
	if (!ret) {
		vma_remove(d, addr, addr + size);			/* A-MUN-1 */
		put_all(d);
	}
	drv_unlock(d);
	return ret;
}
