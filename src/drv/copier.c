/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking memory for new pages and copying into it costs half as much as measuring them, and the kernel does it all in
 * one system call. So a large measured ADD_PAGES has a helper that writes the source ahead of the hash, group by group,
 * on another processor if there is one that is idle. What it can't do, or does not get to, is done as ever.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "drv/copier.h"
#include "sys/task.h"

enum { STACK = 16384, AHEAD = 16 };		/* AHEAD: groups that may be written and not yet added */

static void copy(void *arg)
{
	struct copier *c = arg;

	for (uint64_t at = 0; at < c->size; at += COPIER_GROUP) {
		const uint64_t size = c->size - at < COPIER_GROUP ? c->size - at : COPIER_GROUP;

		while (at > atomic_load(&c->used) + AHEAD * COPIER_GROUP && !atomic_load(&c->stop))
			sys_call0(__NR_sched_yield);
		if (atomic_load(&c->stop) ||
		    sys_call4(__NR_pwrite64, c->fd, c->src + at, size, c->offset + at) != (long)size)
			return;
		sys_call3(__NR_madvise, c->view + at, size, MADV_POPULATE_READ);	/* or the hash takes the faults */
		atomic_store(&c->ready, at + size);
	}
}

struct copier *copier_start(struct drv *d, int fd, uint64_t src, uint64_t size, uint64_t offset, uint64_t view)
{
	const uint64_t area = arena_take(d, STACK);
	struct copier *c;

	if (!area)
		return NULL;
	if (sys_is_error(arena_map(area, STACK))) {
		arena_give(d, area);
		return NULL;
	}
	c = (struct copier *)area;
	*c = (struct copier){ .src = src, .size = size, .offset = offset, .view = view, .fd = fd };
	c->pid = sys_task((void *)(area + STACK), copy, c);
	if (c->pid > 0)
		return c;
	arena_give(d, area);
	return NULL;
}

/* The helper may have ended early (an unreadable source, a signal to the whole process group): ask now and then. */
bool copier_wait(struct copier *c, uint64_t end)
{
	uint32_t spins = 0;

	atomic_store(&c->used, end < COPIER_GROUP ? 0 : end - COPIER_GROUP);
	while (atomic_load(&c->ready) < end) {
		if (!c->pid)
			return false;
		if (++spins < 1000) {
			__builtin_ia32_pause();
		} else if (sys_call4(__NR_wait4, c->pid, 0, 0x40000001 /* __WALL | WNOHANG */, 0)) {
			c->pid = 0;
		} else {
			sys_call0(__NR_sched_yield);
		}
	}
	return true;
}

uint64_t copier_stop(struct drv *d, struct copier *c)
{
	uint64_t ready;

	atomic_store(&c->stop, true);
	if (c->pid)
		sys_task_join(c->pid);
	ready = atomic_load(&c->ready);
	arena_give(d, (uint64_t)c);
	return ready;
}
