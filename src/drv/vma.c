/* SPDX-License-Identifier: BSD-2-Clause */
/* See vma.h. */
#include "drv/vma.h"

#include <asm/unistd.h>

#include "drv/state.h"
#include "sys/mem.h"

static void write_begin(struct drv *d)
{
	atomic_fetch_add_explicit(&d->vma_seq, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static void write_end(struct drv *d)
{
	atomic_fetch_add_explicit(&d->vma_seq, 1, memory_order_release);
}

static uint32_t count(const struct drv *d)
{
	return atomic_load_explicit(&d->vma_count, memory_order_relaxed);
}

/* Index of the first record that ends above @addr. */
static uint32_t find(const struct drv *d, uint64_t addr)
{
	uint32_t low = 0, high = count(d);

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;

		if (__atomic_load_n(&d->vmas[mid].end, __ATOMIC_RELAXED) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct vma *vma_from(struct drv *d, uint64_t addr)
{
	const uint32_t i = find(d, addr);

	return i < count(d) ? &d->vmas[i] : NULL;
}

struct vma *vma_at(struct drv *d, uint64_t addr)
{
	struct vma *v = vma_from(d, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_next(struct drv *d, struct vma *v)
{
	return ++v < d->vmas + count(d) ? v : NULL;
}

bool vma_room(struct drv *d)
{
	return count(d) + 2 <= VMA_MAX;
}

static void open_gap(struct drv *d, uint32_t i)
{
	memmove(&d->vmas[i + 1], &d->vmas[i], (count(d) - i) * sizeof(struct vma));
	atomic_store_explicit(&d->vma_count, count(d) + 1, memory_order_relaxed);
}

static void close_gap(struct drv *d, uint32_t i)
{
	memmove(&d->vmas[i], &d->vmas[i + 1], (count(d) - i - 1) * sizeof(struct vma));
	atomic_store_explicit(&d->vma_count, count(d) - 1, memory_order_relaxed);
}

/* Make @addr a boundary between records if it is inside one. */
static void split(struct drv *d, uint64_t addr)
{
	const uint32_t i = find(d, addr);

	if (i == count(d) || d->vmas[i].start >= addr)
		return;
	open_gap(d, i);
	d->vmas[i].end = d->vmas[i + 1].start = addr;
	if (d->vmas[i].flags & VMA_UNBOUND)
		d->vmas[i + 1].flags |= VMA_OFFSET;
	d->vmas[i].encl->vmas++;
}

/* Join record @i with the one before it if they say the same. */
static void join(struct drv *d, uint32_t i)
{
	struct vma *a, *b;

	if (i == 0 || i >= count(d))
		return;
	a = &d->vmas[i - 1];
	b = &d->vmas[i];
	if (a->end != b->start || a->encl != b->encl || a->prot != b->prot || a->flags != b->flags)
		return;
	if (a->flags & VMA_UNBOUND)	/* Linux never joins such mappings, and CREATE looks at their ends (C0-3) */
		return;
	a->end = b->end;
	a->encl->vmas--;
	close_gap(d, i);
}

void vma_insert(struct drv *d, const struct vma *v)
{
	const uint32_t i = find(d, v->start);

	write_begin(d);
	open_gap(d, i);
	d->vmas[i] = *v;
	v->encl->vmas++;
	join(d, i + 1);
	join(d, i);
	write_end(d);
}

void vma_cut(struct drv *d, uint64_t start, uint64_t end)
{
	struct vma *v;
	uint32_t i;

	if (!vma_hit(d, start, end))
		return;
	for (v = vma_from(d, start); v && v->start < end; v = vma_next(d, v))
		drv_invalidate(d, v->encl, v->start < start ? start : v->start, v->end > end ? end : v->end);
	write_begin(d);
	split(d, start);
	split(d, end);
	i = find(d, start);
	while (i < count(d) && d->vmas[i].start < end) {
		pte_forget(d->vmas[i].encl, d->vmas[i].start, d->vmas[i].end);
		d->vmas[i].encl->vmas--;
		close_gap(d, i);
	}
	write_end(d);
}

void vma_remove(struct drv *d, uint64_t start, uint64_t end)
{
	bool kill = false;

	for (struct vma *v = vma_from(d, start); v && v->start < end; v = vma_next(d, v))
		if (v->encl->abi.enclave)
			kill = v->encl->abi.doomed = true;
	vma_cut(d, start, end);
	for (uint32_t i = 0; kill && i < d->encl_count; i++)
		if (d->encls[i].used && d->encls[i].abi.doomed)
			abi2018_kill(d, &d->encls[i]);			/* C0-8 */
}

void vma_bind(struct drv *d, struct vma *v, struct encl *encl)
{
	write_begin(d);
	v->encl->vmas--;
	v->encl = encl;
	v->flags = (v->flags & ~(VMA_UNBOUND | VMA_OFFSET)) | VMA_PLACEHOLDER;
	encl->vmas++;
	write_end(d);
}

void vma_update(struct drv *d, uint64_t start, uint64_t end, uint32_t prot, uint32_t flags)
{
	struct encl *encl;
	uint32_t i;

	write_begin(d);
	split(d, start);
	split(d, end);
	i = find(d, start);
	d->vmas[i].prot = prot;
	d->vmas[i].flags = flags;
	encl = d->vmas[i].encl;
	join(d, i + 1);
	join(d, i);
	write_end(d);
	drv_invalidate(d, encl, start, end);
}

/* Readers without the lock. Odd: a writer is at work on another thread. */
static uint32_t read_begin(struct drv *d)
{
	unsigned spins = 0;
	uint32_t seq;

	while ((seq = atomic_load_explicit(&d->vma_seq, memory_order_acquire)) & 1)
		if (++spins % 256 == 0)
			sys_call0(__NR_sched_yield);
	return seq;
}

static bool read_again(struct drv *d, uint32_t seq)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&d->vma_seq, memory_order_relaxed) != seq;
}

bool vma_lookup(struct drv *d, uint64_t addr, struct vma *copy)
{
	uint32_t seq, i;
	bool found;

	do {
		seq = read_begin(d);
		i = find(d, addr);
		found = i < count(d);
		if (found) {
			const struct vma *v = &d->vmas[i];

			copy->start = __atomic_load_n(&v->start, __ATOMIC_RELAXED);
			copy->end = __atomic_load_n(&v->end, __ATOMIC_RELAXED);
			copy->encl = __atomic_load_n(&v->encl, __ATOMIC_RELAXED);
			copy->prot = __atomic_load_n(&v->prot, __ATOMIC_RELAXED);
			copy->flags = __atomic_load_n(&v->flags, __ATOMIC_RELAXED);
			found = copy->start <= addr;
		}
	} while (read_again(d, seq));
	return found;
}

bool vma_hit(struct drv *d, uint64_t start, uint64_t end)
{
	uint32_t seq, i;
	bool hit;

	do {
		seq = read_begin(d);
		i = find(d, start);
		hit = i < count(d) && __atomic_load_n(&d->vmas[i].start, __ATOMIC_RELAXED) < end;
	} while (read_again(d, seq));
	return hit && start < end;
}
