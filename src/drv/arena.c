/* SPDX-License-Identifier: BSD-2-Clause */
/* Address space for tables and for our views of enclaves: all of it inside the arena that the engine gave us. */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"

#define REGIONS_MAX	(2 * DRV_ENCLS_MAX + 1)

static uint64_t page_up(uint64_t size)
{
	return (size + DRV_PAGE - 1) & SGX_PAGE_MASK;
}

/* Tables are as large as they can become; memory follows use. */
long arena_init(struct drv *d)
{
	const uint64_t scratch = page_up(sizeof(struct scratch));
	const uint64_t encls = page_up(DRV_ENCLS_MAX * sizeof(struct encl));
	const uint64_t regions = page_up(REGIONS_MAX * sizeof(struct region));
	const uint64_t vmas = page_up(VMA_MAX * sizeof(struct vma));
	const uint64_t total = scratch + encls + regions + vmas, base = d->config.arena_base;
	long ret;

	if (base % DRV_PAGE || total > d->config.arena_size)
		return -EINVAL;
	ret = sys_call6(__NR_mmap, (long)base, (long)total, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (sys_is_error(ret))
		return ret;
	if ((uint64_t)ret != base)	/* a kernel before 4.17, which takes the flag for a hint */
		return -EEXIST;
	sys_call3(__NR_madvise, base, total, MADV_DONTDUMP);
	d->scratch = (struct scratch *)base;
	d->encls = (struct encl *)(base + scratch);
	d->regions = (struct region *)(base + scratch + encls);
	d->vmas = (struct vma *)(base + scratch + encls + regions);
	d->regions[d->region_count++] = (struct region){ base, total };
	return 0;
}

/* First fit. A page stays free between regions, so that an overrun faults. */
static uint64_t take(struct drv *d, uint64_t size)
{
	const uint64_t end = d->config.arena_base + d->config.arena_size;
	uint64_t start = 0;
	uint32_t i;

	size = page_up(size);
	if (d->region_count == REGIONS_MAX)
		return 0;
	for (i = 1; i <= d->region_count; i++) {
		const struct region *before = &d->regions[i - 1];
		const uint64_t limit = i < d->region_count ? d->regions[i].start - DRV_PAGE : end;

		start = before->start + before->size + DRV_PAGE;
		if (start < limit && size <= limit - start)
			break;
	}
	if (i > d->region_count)
		return 0;
	memmove(&d->regions[i + 1], &d->regions[i], (d->region_count - i) * sizeof(struct region));
	d->regions[i] = (struct region){ start, size };
	d->region_count++;
	return start;
}

uint64_t arena_take(struct drv *d, uint64_t size)
{
	uint64_t start = take(d, size);

	while (!start && encl_forget_oldest(d))
		start = take(d, size);
	return start;
}

void arena_give(struct drv *d, uint64_t start)
{
	for (uint32_t i = 1; i < d->region_count; i++) {
		if (d->regions[i].start != start)
			continue;
		sys_call2(__NR_munmap, start, d->regions[i].size);
		d->region_count--;
		memmove(&d->regions[i], &d->regions[i + 1], (d->region_count - i) * sizeof(struct region));
		return;
	}
}

long arena_map(uint64_t start, uint64_t size)
{
	long ret = sys_call6(__NR_mmap, (long)start, (long)size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return sys_is_error(ret) ? ret : 0;
}
