/* SPDX-License-Identifier: BSD-2-Clause */
/* See lock.h. Waiting is on the owner word itself, by FUTEX_WAIT without the private flag: it may be shared memory. */
#include "sys/lock.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/futex.h>

#include "sys/sys.h"

#define SPINS		200
#define PATIENCE_NS	(20 * 1000 * 1000)	/* after this, ask whether the owner still lives */

static bool try_take(struct lock *l, uint32_t from, uint32_t tid)
{
	return atomic_compare_exchange_strong_explicit(&l->owner, &from, tid, memory_order_acquire,
						       memory_order_relaxed);
}

/* A tid that was given to another thread since looks alive; then one waits until that one ends, too. */
static bool is_dead(uint32_t tid)
{
	return sys_call2(__NR_tkill, tid, 0) == -ESRCH;
}

_Bool lock_try(struct lock *l, uint32_t tid)
{
	return try_take(l, 0, tid);
}

_Bool lock_acquire(struct lock *l, uint32_t tid)
{
	const struct { int64_t sec, nsec; } patience = { 0, PATIENCE_NS };
	bool dead = false, taken = false;
	unsigned spin;

	for (spin = 0; spin < SPINS; spin++) {
		if (!atomic_load_explicit(&l->owner, memory_order_relaxed) && try_take(l, 0, tid))
			return false;
		__builtin_ia32_pause();
	}
	atomic_fetch_add(&l->waiters, 1);
	while (!taken) {
		uint32_t owner = atomic_load(&l->owner);

		if (!owner) {
			taken = try_take(l, 0, tid);
		} else if (owner == tid || is_dead(owner)) {	/* own tid: an earlier thread of that number died */
			dead = taken = try_take(l, owner, tid);
		} else {
			sys_call4(__NR_futex, &l->owner, FUTEX_WAIT, owner, &patience);
		}
	}
	atomic_fetch_sub(&l->waiters, 1);
	return dead;
}

void lock_release(struct lock *l)
{
	atomic_store(&l->owner, 0);
	if (atomic_load(&l->waiters))
		sys_call3(__NR_futex, &l->owner, FUTEX_WAKE, 1);
}
