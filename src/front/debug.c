/* SPDX-License-Identifier: BSD-2-Clause */
/* See debug.h. The table is rt.symbols.lock's. */
#include "front/debug.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "drv/peek.h"
#include "front/rt.h"
#include "sys/mem.h"
#include "sys/sys.h"

static uint32_t self(void)
{
	return (uint32_t)sys_call0(__NR_gettid);
}

static struct debug_table *table(void)
{
	return (struct debug_table *)RT_DEBUG_BASE;
}

void debug_init(void)
{
	const uint64_t size = (sizeof(struct debug_table) + SGX_PAGE_SIZE - 1) & SGX_PAGE_MASK;
	const long ret = sys_call6(__NR_mmap, RT_DEBUG_BASE, (long)size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (ret != RT_DEBUG_BASE)
		return;
	*table() = (struct debug_table){
		.magic = DEBUG_MAGIC, .version = DEBUG_VERSION, .event = (uintptr_t)rt_debug_event,
		.threads = RT_THREADS_BASE, .vdso_enclu = rt.engine.vdso_enclu,
	};
	static_assert(sizeof(table()->rt_path) == sizeof(rt.config.rt_path), "the same path");
	memcpy(table()->rt_path, rt.config.rt_path, sizeof(rt.config.rt_path));
	rt.debug = table();
}

/* Entries of enclaves that are no more, and of one that was where this one is. */
static bool stale(const struct debug_enclave *e, const struct drv_enclave *now, uint32_t tid)
{
	struct drv_enclave there;

	if (!e->size)
		return true;
	return !drv_describe(rt.drv, tid, e->base, &there) || there.id != e->id || e->base == now->base;
}

static struct debug_enclave *add(const struct drv_enclave *now, uint32_t tid)
{
	struct debug_table *t = rt.debug;
	struct debug_enclave *e;
	uint32_t i;

	for (i = 0; i < t->count && !stale(&t->enclave[i], now, tid); i++)
		;
	if (i == DEBUG_ENCLAVES)
		return NULL;
	e = &t->enclave[i];
	e->size = 0;
	t->count = i < t->count ? t->count : i + 1;
	*e = (struct debug_enclave){
		.base = now->base, .attributes = now->attributes, .xfrm = now->xfrm, .id = now->id,
		.ssaframesize = now->ssaframesize,
	};
	e->size = now->size;
	return e;
}

struct debug_enclave *debug_enclave(uint64_t base)
{
	const uint32_t tid = self();
	struct debug_table *t = rt.debug;
	struct drv_enclave now;

	if (!t || !drv_describe(rt.drv, tid, base, &now))
		return NULL;
	for (uint32_t i = 0; i < t->count; i++)
		if (t->enclave[i].size && t->enclave[i].base == base && t->enclave[i].id == now.id)
			return &t->enclave[i];
	return add(&now, tid);
}

void debug_initialised(uint64_t base)
{
	if (rt.debug)
		symbols_search(base);
}

/* Programs map enclaves before or after EINIT, in pieces. */
static bool completed(struct debug_table *t, uint32_t tid)
{
	bool any = false;

	for (uint32_t i = 0; i < t->count; i++) {
		struct debug_enclave *e = &t->enclave[i];

		if (!e->size || e->mapped || !drv_code_mapped(rt.drv, tid, e->base))
			continue;
		e->mapped = 1;
		any = true;
	}
	return any;
}

/* A breakpoint in a handler of the runtime, where SIGTRAP is blocked, would end the process: not there, but outside. */
void debug_pass(struct thread *t, struct kucontext *uc)
{
	struct debug_table *table = rt.debug;
	bool pass;

	if (!table)
		return;
	lock_acquire(&rt.symbols.lock, self());
	pass = completed(table, self());
	table->changes += pass;
	pass = pass && table->attached;
	lock_release(&rt.symbols.lock);
	if (!pass)
		return;
	t->stub_rip = uc->mc.rip;
	t->stub_r11 = uc->mc.r11;
	uc->mc.rip = (uintptr_t)rt_debug_event;
}
