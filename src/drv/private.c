/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of debug enclaves. The kernel lets a debugger write to memory that the program may not write only if the
 * mapping is private: the page is then copied, and the copy is what executes. So each page of a debug enclave is mapped
 * in one of three ways:
 *   private	what has not been touched, what is not writable, and TCSs, which can be read for the sake of FLAGS
 *   shared	what the enclave can write (PTE_SHARED)
 *   gone	what was evicted: beyond the end of the file, so that a debugger gets an error and not zeros (PTE_GONE)
 * A private page that nobody has written to follows the file. A copy does not, and would stay for ever: before anything
 * happens to the page it is put back into the file, as EDBGWR would have done at once, and dropped.
 */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "sys/mem.h"

#define PAGEMAP_BATCH	64
#define PAGEMAP_HERE	(UINT64_C(3) << 62)	/* present, or swapped out */
#define PAGEMAP_FILE	(UINT64_C(1) << 61)

static long map_donor(const struct encl *e, uint64_t at, int fd, uint64_t flags, uint64_t offset)
{
	const uint64_t size = e->npages * DRV_PAGE;
	long ret = sys_call6(__NR_mmap, (long)at, (long)size, PROT_NONE,
			     (long)(flags | MAP_NORESERVE | MAP_FIXED_NOREPLACE), fd, (long)offset);

	if (sys_is_error(ret))
		return ret;
	sys_call2(__NR_munlock, at, size);
	return sys_call3(__NR_madvise, at, size, MADV_DONTDUMP);
}

/* A private mapping can't be cloned as a shared one can, but moved so that one stays behind (Linux 5.13). */
static long clone_private(const struct encl *e, uint64_t i, uint64_t count, uint64_t to)
{
	const long ret = sys_call5(__NR_mremap, e->private_donor + i * DRV_PAGE, count * DRV_PAGE, count * DRV_PAGE,
				   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);

	return sys_is_error(ret) ? ret : 0;
}

void private_prepare(struct drv *d, struct encl *e, int fd)
{
	const uint64_t size = e->npages * DRV_PAGE;
	uint64_t area;

	if (!e->npages || e->private_donor || !(e->header->attributes & SGX_ATTR_DEBUG))
		return;
	area = arena_take(d, 2 * size + DRV_PAGE);
	if (!area)
		return;
	e->private_donor = area;
	if (map_donor(e, area, fd, MAP_PRIVATE, (uint64_t)e->section.mem - e->area) ||
	    map_donor(e, area + size, fd, MAP_SHARED, e->file_size) ||
	    clone_private(e, 0, 1, area + 2 * size))
		private_give(d, e);
	else
		sys_call2(__NR_munmap, area + 2 * size, DRV_PAGE);
}

void private_give(struct drv *d, struct encl *e)
{
	if (e->private_donor)
		arena_give(d, e->private_donor);
	e->private_donor = 0;
}

long private_clone(const struct encl *e, uint64_t start, uint64_t end)
{
	return clone_private(e, (start - e->base) / DRV_PAGE, (end - start) / DRV_PAGE, start);
}

uint8_t private_kind(const struct encl *e, uint32_t rights)
{
	return e->private_donor && (rights & PROT_WRITE) ? PTE_SHARED : 0;
}

/* Bytes of the copy of page @i that differ go to the file's page: what debuggers write are single instructions. */
static void put_back(struct drv *d, struct encl *e, uint64_t i)
{
	uint8_t *page = (uint8_t *)epc_addr(e, i), *copy = d->scratch->page;
	const uint64_t addr = encl_addr(e, i);
	const struct epcm_entry *p = &e->section.epcm[i];

	if (page_state(e, i) == PAGE_RESIDENT && p->valid && !sys_call3(__NR_mprotect, addr, DRV_PAGE, PROT_READ) &&
	    !sys_copy_from_user(copy, addr, DRV_PAGE)) {
		if (p->pt == SGX_PT_TCS) {				/* A-DBG-6: only FLAGS */
			const uint64_t flags = ((struct sgx_tcs *)(void *)copy)->flags;

			if (flags != ((struct sgx_tcs *)(void *)page)->flags)
				encls(d, e, EDBGWR, flags, epc_addr(e, i) + offsetof(struct sgx_tcs, flags), 0);
		} else if (p->pt == SGX_PT_REG && !p->pending && !p->modified) {
			for (uint64_t k = 0; k < DRV_PAGE; k++)
				if (page[k] != copy[k])
					__atomic_store_n(&page[k], copy[k], __ATOMIC_RELAXED);
		}
	}
	sys_call3(__NR_madvise, addr, DRV_PAGE, MADV_DONTNEED);
	sys_call3(__NR_mprotect, addr, DRV_PAGE, e->pte[i] & PTE_PROT);
}

static void settle_batch(struct drv *d, struct encl *e, long pagemap, uint64_t i, uint64_t count)
{
	uint64_t entry[PAGEMAP_BATCH];

	if (sys_call4(__NR_pread64, pagemap, entry, count * 8, encl_addr(e, i) / DRV_PAGE * 8) != (long)(count * 8))
		return;
	for (uint64_t k = 0; k < count; k++) {
		const struct vma *v;

		if (!(entry[k] & PAGEMAP_HERE) || entry[k] & PAGEMAP_FILE || e->pte[i + k] & PTE_KIND)
			continue;
		v = vma_at(d, encl_addr(e, i + k));
		if (v && v->encl == e && !(v->flags & VMA_PLACEHOLDER))
			put_back(d, e, i + k);
	}
}

void private_settle(struct drv *d, struct encl *e, uint64_t i, uint64_t count)
{
	const uint64_t end = i + count;
	long pagemap = -1;

	if (!e->private_donor)
		return;
	while (i < end) {
		uint64_t n = end - i < PAGEMAP_BATCH ? end - i : PAGEMAP_BATCH;

		if (e->pte[i] & PTE_KIND) {
			i++;
			continue;
		}
		if (pagemap == -1)
			pagemap = sys_call3(__NR_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
		if (sys_is_error(pagemap))
			return;
		settle_batch(d, e, pagemap, i, n);
		i += n;
	}
	if (pagemap != -1)
		sys_call1(__NR_close, pagemap);
}

void private_fresh(struct drv *d, struct encl *e, uint64_t i)
{
	const struct vma *v = e->private_donor && !(e->pte[i] & PTE_KIND) ? vma_at(d, encl_addr(e, i)) : NULL;

	if (v && v->encl == e && !(v->flags & VMA_PLACEHOLDER))
		sys_call3(__NR_madvise, encl_addr(e, i), DRV_PAGE, MADV_DONTNEED);
}

static bool convert_run(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint8_t kind)
{
	const uint64_t addr = encl_addr(e, i), size = count * DRV_PAGE;
	const struct vma *v = vma_at(d, addr);
	long ret;

	if (!v || v->encl != e || v->end < addr + size)
		return false;
	private_settle(d, e, i, count);
	ret = kind == 0 ? clone_private(e, i, count, addr) :
	      sys_call5(__NR_mremap, kind == PTE_SHARED ? e->donor + i * DRV_PAGE :
			e->private_donor + (e->npages + i) * DRV_PAGE, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, addr);
	if (sys_is_error(ret))
		return false;
	if (v->flags & VMA_DONTFORK)
		sys_call3(__NR_madvise, addr, size, MADV_DONTFORK);
	for (uint64_t k = i; k < i + count; k++)
		__atomic_store_n(&e->pte[k], (uint8_t)((e->pte[k] & ~(PTE_KIND | PTE_PROT)) | kind), __ATOMIC_RELEASE);
	return true;
}

bool private_convert(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint8_t kind)
{
	const uint64_t end = i + count;

	while (e->private_donor && i < end) {
		uint64_t next = i;

		if ((e->pte[i] & PTE_KIND) == kind) {
			i++;
			continue;
		}
		while (next < end && (e->pte[next] & PTE_KIND) != kind)
			next++;
		if (!convert_run(d, e, i, next - i, kind))
			return false;
		i = next;
	}
	return true;
}
