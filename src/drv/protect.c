/* SPDX-License-Identifier: BSD-2-Clause */
/* mprotect, mremap and madvise over ranges that may hold enclave mappings (A.8). The rest of a range is the kernel's. */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#define PROT_RIGHTS	(PROT_READ | PROT_WRITE | PROT_EXEC)
#define TASK_LIMIT	UINT64_C(0x7ffffffff000)

static uint64_t page_up(uint64_t length)
{
	return (length + DRV_PAGE - 1) & SGX_PAGE_MASK;
}

static long protect_mapping(struct drv *d, struct vma *v, uint64_t start, uint64_t end, uint32_t prot)
{
	struct encl *e = v->encl;
	long ret = -EACCES;

	encl_lock(d, e);
	if (((prot & PROT_WRITE) && !(v->flags & VMA_MAYWRITE)) ||		/* A-MPR-1 */
	    (prot && !map_allowed(e, start, end, prot)))			/* A-MPR-2, 4 */
		goto unlock;
	ret = -ENOMEM;
	if (!vma_room(d))
		goto unlock;
	ret = 0;
	vma_update(d, start, end, prot, v->flags);
	if (e->npages && end > e->base && start < e->base + e->size) {		/* A-MPR-3: what is there is narrowed */
		const uint64_t from = start < e->base ? e->base : start;
		const uint64_t to = end > e->base + e->size ? e->base + e->size : end;

		pte_refit(d, e, (from - e->base) / DRV_PAGE, (to - from) / DRV_PAGE, prot);
	}
unlock:
	encl_unlock(d, e);
	return ret;
}

long drv_mprotect(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, int pkey)
{
	const uint64_t end = addr + page_up(length);
	uint64_t next;
	long ret = 0;

	if (addr % DRV_PAGE || !length || end <= addr)
		return pkey < 0 ? sys_call3(__NR_mprotect, addr, length, prot) :
		       sys_call4(__NR_pkey_mprotect, addr, length, prot, pkey);
	drv_lock(d, tid);
	for (; addr < end && !ret; addr = next) {
		struct vma *v = vma_from(d, addr);

		if (v && v->start <= addr) {
			next = v->end < end ? v->end : end;
			ret = prot & ~(uint64_t)(PROT_RIGHTS | PROT_SEM) ? -EINVAL :
			      protect_mapping(d, v, addr, next, (uint32_t)prot & PROT_RIGHTS);
			continue;
		}
		next = v && v->start < end ? v->start : end;
		ret = pkey < 0 ? sys_call3(__NR_mprotect, addr, next - addr, prot) :
		      sys_call4(__NR_pkey_mprotect, addr, next - addr, prot, pkey);
	}
	drv_unlock(d);
	return ret;
}

/* The checks of mremap(2) that come before anything is looked at. */
static bool remap_valid(uint64_t addr, uint64_t old_size, uint64_t new_size, uint64_t flags, uint64_t new_addr)
{
	if (addr % DRV_PAGE || !new_size || (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return false;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return false;
	if ((flags & MREMAP_DONTUNMAP) && old_size != new_size)
		return false;
	return !(flags & MREMAP_FIXED) ||
	       (new_addr % DRV_PAGE == 0 && new_addr <= TASK_LIMIT && new_size <= TASK_LIMIT - new_addr &&
		(new_addr >= addr + old_size || addr >= new_addr + new_size));
}

static long remap_ours(struct drv *d, struct vma *v, uint64_t addr, uint64_t old_length, uint64_t new_length,
		       uint64_t flags, uint64_t new_addr)
{
	const uint64_t old_size = page_up(old_length), new_size = page_up(new_length);
	struct vma moved = *v;
	long ret;

	if (!remap_valid(addr, old_size, new_size, flags, new_addr) || (flags & MREMAP_DONTUNMAP))
		return -EINVAL;
	if (!old_size || new_size > old_size || old_size > v->end - addr)
		return -EFAULT;		/* VM_PFNMAP and VM_DONTEXPAND: never grows, never duplicates */
	if (!vma_room(d))
		return -ENOMEM;
	if (flags & MREMAP_FIXED) {
		/* Contents follow the address, not the mapping: a new placeholder there, nothing here. */
		ret = sys_call5(__NR_mremap, v->encl->npages ? v->encl->donor : addr, 0, new_size,
				MREMAP_MAYMOVE | MREMAP_FIXED, new_addr);
		if (sys_is_error(ret))
			return ret;
		sys_call3(__NR_mprotect, new_addr, new_size, PROT_NONE);
		vma_remove(d, new_addr, new_addr + new_size);
		sys_call2(__NR_munmap, addr, old_size);
		vma_remove(d, addr, addr + old_size);
		moved.start = new_addr;
		moved.end = new_addr + new_size;
		moved.flags |= VMA_PLACEHOLDER;
		vma_insert(d, &moved);
		return (long)new_addr;
	}
	if (new_size < old_size) {
		sys_call2(__NR_munmap, addr + new_size, old_size - new_size);
		vma_remove(d, addr + new_size, addr + old_size);
	}
	return (long)addr;
}

static bool unmap_ours(struct drv *d, uint64_t start, uint64_t end)
{
	struct vma *v;

	while ((v = vma_from(d, start)) && v->start < end) {
		const uint64_t from = v->start < start ? start : v->start, to = v->end > end ? end : v->end;

		if (sys_call2(__NR_munmap, from, to - from))
			return false;
		vma_remove(d, from, to);
	}
	return true;
}

/* @addr is of something else, but what follows it, and what is at @new_addr, may be ours. */
static long remap_other(struct drv *d, uint64_t addr, uint64_t old_length, uint64_t new_length, uint64_t flags,
			uint64_t new_addr)
{
	const uint64_t old_size = page_up(old_length), new_size = page_up(new_length);
	long ret;

	if (!vma_room(d))
		return -ENOMEM;
	/* Kernels from 6.17 on move several mappings at once; ours stay where they are. */
	if ((flags & MREMAP_FIXED) && old_size == new_size && addr % DRV_PAGE == 0 && vma_hit(d, addr, addr + old_size))
		return -EFAULT;
	/* The new place is cleared first, whatever comes of the rest. Those kernels leave gaps in it where the old has some. */
	if ((flags & MREMAP_FIXED) && remap_valid(addr, old_size, new_size, flags, new_addr) &&
	    !unmap_ours(d, new_addr, new_addr + new_size))
		return -ENOMEM;
	ret = sys_call5(__NR_mremap, addr, old_length, new_length, flags, new_addr);
	/* What is cut off goes first, whatever it is, and even if the call fails later. */
	if (old_size > new_size && addr + old_size > addr)
		map_drop_lost(d, addr + new_size, addr + old_size);
	return ret;
}

long drv_mremap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t old_length, uint64_t new_length, uint64_t flags,
		uint64_t new_addr)
{
	struct vma *v;
	long ret;

	drv_lock(d, tid);
	v = vma_at(d, addr);
	ret = v ? remap_ours(d, v, addr, old_length, new_length, flags, new_addr) :
	      remap_other(d, addr, old_length, new_length, flags, new_addr);
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used)
			encl_put(d, &d->encls[i]);
	drv_unlock(d);
	return ret;
}

/* What Linux says for a mapping with VM_IO, VM_PFNMAP and VM_DONTEXPAND (A-MAP-8). */
static long advise_mapping(struct drv *d, struct vma *v, uint64_t start, uint64_t end, uint64_t advice)
{
	switch (advice) {
	case MADV_NORMAL: case MADV_RANDOM: case MADV_SEQUENTIAL: case MADV_WILLNEED: case MADV_DONTDUMP:
	case MADV_MERGEABLE: case MADV_UNMERGEABLE: case MADV_HUGEPAGE: case MADV_NOHUGEPAGE: case MADV_KEEPONFORK:
		return 0;
	case MADV_DONTFORK:
		if (!vma_room(d))
			return -ENOMEM;
		vma_update(d, start, end, v->prot, v->flags | VMA_DONTFORK);
		return sys_call3(__NR_madvise, start, end - start, MADV_DONTFORK);
	case MADV_REMOVE:
		return v->prot & PROT_WRITE ? -ENODEV : -EACCES;
	case MADV_HWPOISON: case MADV_SOFT_OFFLINE:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

long drv_madvise(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t advice)
{
	const uint64_t end = addr + page_up(length);
	bool hole = false;
	uint64_t next;
	long ret = 0;

	if (addr % DRV_PAGE || end <= addr)
		return sys_call3(__NR_madvise, addr, length, advice);
	drv_lock(d, tid);
	for (; addr < end && !ret; addr = next) {
		struct vma *v = vma_from(d, addr);

		if (v && v->start <= addr) {
			next = v->end < end ? v->end : end;
			ret = advise_mapping(d, v, addr, next, advice);
			continue;
		}
		next = v && v->start < end ? v->start : end;
		ret = sys_call3(__NR_madvise, addr, next - addr, advice);
		if (ret == -ENOMEM) {	/* the kernel goes on after a hole, and says so at the end */
			hole = true;
			ret = 0;
		}
	}
	drv_unlock(d);
	return ret ? ret : hole ? -ENOMEM : 0;
}
