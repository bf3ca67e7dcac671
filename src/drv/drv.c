/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's own life: start, fork, its lock, and the small questions that the engine asks. */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/time.h>

#include "sys/mem.h"

uint64_t drv_size(void)
{
	return sizeof(struct drv);
}

uint32_t drv_self(void)
{
	return (uint32_t)sys_call0(__NR_gettid);
}

uint64_t drv_now(void)
{
	struct { int64_t sec, nsec; } t = { 0 };

	sys_call2(__NR_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.sec * 1000000000 + (uint64_t)t.nsec;
}

/* EIDs and versions must differ between the processes of a platform: 40 random bits, then a count. */
static void seed_counters(struct drv *d)
{
	uint64_t random[2] = { 0 };

	if (sys_call3(__NR_getrandom, random, sizeof(random), 0) != sizeof(random))
		random[0] = random[1] = drv_now() ^ (uint64_t)sys_call0(__NR_getpid) << 40;
	atomic_store(&d->shared.next_eid, (random[0] << 24) + 1);
	atomic_store(&d->shared.paging_version, ((random[1] << 24) >> 3) + 1);	/* room for << 3 */
}

long drv_init(struct drv *d, const struct drv_config *config, const struct drv_ops *ops,
	      const struct isa_profile *profile, const struct platform_keys *keys, struct drv_counters *counters)
{
	d->config = *config;
	d->ops = ops;
	d->counters = counters;
	d->pid = (uint32_t)sys_call0(__NR_getpid);
	seed_counters(d);
	machine_setup(d, profile, keys);
	return arena_init(d);
}

void drv_lock(struct drv *d, uint32_t tid)
{
	lock_acquire(&d->lock, tid);
	d->tid = tid;
}

void drv_unlock(struct drv *d)
{
	lock_release(&d->lock);
}

void drv_fork_prepare(struct drv *d, uint32_t tid)
{
	drv_lock(d, tid);
	d->fork_until = drv_now() + 2000000000;
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used)
			d->encls[i].header->fork_until = d->fork_until;
}

void drv_fork_done(struct drv *d, bool child)
{
	if (!child) {
		drv_unlock(d);
		return;
	}
	/* The parent's other threads are not here: no pins, nobody waits. */
	d->forking = true;
	d->tid = drv_self();
	d->pid = (uint32_t)sys_call0(__NR_getpid);
	atomic_store(&d->lock.waiters, 0);
	atomic_store(&d->lock.owner, d->tid);
	d->worker = (struct build_worker){ .stack = d->worker.stack };	/* the helper is the parent's */
	seed_counters(d);
	for (struct vma *v = vma_from(d, 0); v;) {
		const uint64_t end = v->end;

		if (v->flags & VMA_DONTFORK)
			vma_cut(d, v->start, end);
		v = vma_from(d, end);
	}
	for (uint32_t i = 0; i < d->encl_count; i++) {
		struct encl *e = &d->encls[i];

		if (!e->used)
			continue;
		e->pins = 0;
		encl_lock(d, e);
		encl_register_user(d, e);
		if (e->header->fork_until == d->fork_until)	/* not that of another fork since */
			e->header->fork_until = 0;
		encl_unlock(d, e);
		encl_put(d, e);
	}
	d->forking = false;
	drv_unlock(d);
}

bool drv_signal_pending(struct drv *d)
{
	return d->ops && d->ops->signal_pending && d->ops->signal_pending(d);
}

void drv_invalidate(struct drv *d, struct encl *e, uint64_t start, uint64_t end)
{
	if (e->npages)
		section_touch(&e->section);	/* entries that an engine has cached may rest on these pages */
	if (d->ops && d->ops->invalidate)
		d->ops->invalidate(d, e, start, end);
}

struct machine *drv_machine(struct drv *d)
{
	return &d->machine;
}

bool drv_range_hit(struct drv *d, uint64_t addr, uint64_t length)
{
	uint64_t end;

	if (__builtin_add_overflow(addr, length, &end))
		end = UINT64_MAX;
	return vma_hit(d, addr, end);
}

struct encl *drv_encl_at(struct drv *d, uint64_t addr)
{
	struct vma v;

	return vma_lookup(d, addr, &v) ? v.encl : NULL;
}

bool drv_fetchable(struct drv *d, uint64_t addr)
{
	struct vma v;

	return vma_lookup(d, addr, &v) && encl_covers(v.encl, addr) &&
	       __atomic_load_n(&v.encl->pte[(addr - v.encl->base) / DRV_PAGE], __ATOMIC_ACQUIRE) & PROT_EXEC;
}

uint64_t encl_id(const struct encl *e)
{
	return e->header->id;
}

uint64_t encl_base(const struct encl *e)
{
	return e->base;
}

uint64_t encl_size(const struct encl *e)
{
	return e->size;
}

struct epc_section *encl_section(struct encl *e)
{
	return &e->section;
}

struct encl *encl_of_section(struct epc_section *section)
{
	_Static_assert(!offsetof(struct encl, section), "the same address");
	return (struct encl *)section;
}

uint64_t encl_xfrm(const struct encl *e)
{
	return e->header->xfrm;
}

bool encl_page_patched(const struct encl *e, uint64_t addr)
{
	return encl_covers(e, addr) && (e->recs[(addr - e->base) / DRV_PAGE].code & CODE_PATCHED);
}

bool encl_page_is_code(struct encl *e, uint64_t addr)
{
	const struct epcm_entry *p;

	if (!encl_covers(e, addr))
		return false;
	if (page_state(e, (addr - e->base) / DRV_PAGE) != PAGE_RESIDENT)
		return false;	/* and don't read a hole of the file into being */
	p = &e->section.epcm[(addr - e->base) / DRV_PAGE];
	return p->valid && p->x && !p->w && !p->pending && !p->modified && !p->blocked && p->pt == SGX_PT_REG;
}
