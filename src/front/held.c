/* SPDX-License-Identifier: BSD-2-Clause */
#include "front/held.h"

#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/errno.h>

static bool put(struct held_signals *h, int sig, const struct ksiginfo *info)
{
	if (__atomic_fetch_or(&h->claimed, KSIG_BIT(sig), __ATOMIC_SEQ_CST) & KSIG_BIT(sig))
		return false;
	h->info[sig - 1] = *info;
	__atomic_fetch_or(&h->pending, KSIG_BIT(sig), __ATOMIC_SEQ_CST);
	return true;
}

static bool take(struct held_signals *h, int sig, struct ksiginfo *info)
{
	if (!(__atomic_fetch_and(&h->pending, ~KSIG_BIT(sig), __ATOMIC_SEQ_CST) & KSIG_BIT(sig)))
		return false;
	*info = h->info[sig - 1];
	__atomic_fetch_and(&h->claimed, ~KSIG_BIT(sig), __ATOMIC_SEQ_CST);
	return true;
}

static uint64_t pending(const struct held_signals *h)
{
	return __atomic_load_n(&h->pending, __ATOMIC_SEQ_CST);
}

/* Does @t share the process's signals? Not a child of vfork, nor a process that only shares the memory. */
static bool of_process(const struct thread *t)
{
	return t->pid == rt.pid && (uint64_t)sys_call0(__NR_gettid) == t->tid;
}

/* What sigqueue() and pthread_sigqueue() send looks the same: the kernel prefers the first thread for the former. */
static bool sent_to_process(const struct thread *t, const struct ksiginfo *info)
{
	return info->code != KSI_TKILL && (info->code != KSI_QUEUE || t->tid == t->pid);
}

void held_add(struct thread *t, int sig, const struct ksiginfo *info)
{
	signals_lend(t);
	if (put(&t->held, sig, info) && sent_to_process(t, info))
		__atomic_fetch_or(&t->stray, KSIG_BIT(sig), __ATOMIC_SEQ_CST);
}

uint64_t held_ready(const struct thread *t, uint64_t mask)
{
	uint64_t ready = pending(&t->held) & ~mask, shared = pending(&rt.held) & ~mask;

	return shared && of_process(t) ? ready | shared : ready;
}

bool held_take(struct thread *t, int sig, struct ksiginfo *info)
{
	__atomic_fetch_and(&t->stray, ~KSIG_BIT(sig), __ATOMIC_SEQ_CST);
	return take(&t->held, sig, info) || take(&rt.held, sig, info);
}

/* Makes @t look, by a signal that ends what @sig would end. */
static bool wake(const struct thread *t, int sig)
{
	const struct ksiginfo info = { .signo = sig, .code = HELD_CODE };

	return !sys_call4(__NR_rt_tgsigqueueinfo, t->pid, t->tid, sig, &info);
}

long held_send(struct thread *to, int sig, const struct ksiginfo *info)
{
	const uint64_t tid = to->tid;
	struct ksiginfo undone;
	uint64_t open;

	put(&to->held, sig, info);
	open = ~__atomic_load_n(&to->vmask, __ATOMIC_SEQ_CST) | __atomic_load_n(&to->wait_open, __ATOMIC_SEQ_CST);
	if (to == thread_current() || !(open & KSIG_BIT(sig)) || wake(to, sig))
		return 0;
	if (to->tid == tid)
		take(&to->held, sig, &undone);
	return -ESRCH;
}

/* The process's signal @sig is for a thread that does not block it, or waits for it. */
static void offer(const struct thread *self, int sig)
{
	struct thread *t;

	for_each_thread(t) {
		uint64_t open = ~__atomic_load_n(&t->vmask, __ATOMIC_SEQ_CST) |
				__atomic_load_n(&t->wait_open, __ATOMIC_SEQ_CST);

		if (t == self || t->pid != rt.pid || !t->tid || !(open & KSIG_BIT(sig)))
			continue;
		if (wake(t, sig))		/* else it has just ended */
			return;
	}
}

bool held_send_process(struct thread *t, int sig, const struct ksiginfo *info)
{
	if (!of_process(t))
		return false;
	if (put(&rt.held, sig, info) && (t->vmask & KSIG_BIT(sig)))
		offer(t, sig);
	return true;
}

void held_share(struct thread *t)
{
	uint64_t set = __atomic_load_n(&t->stray, __ATOMIC_SEQ_CST) & t->vmask;
	struct ksiginfo info;

	if (!set || !of_process(t))
		return;
	for (; set; set &= set - 1) {
		int sig = __builtin_ctzll(set) + 1;

		__atomic_fetch_and(&t->stray, ~KSIG_BIT(sig), __ATOMIC_SEQ_CST);
		if (take(&t->held, sig, &info) && put(&rt.held, sig, &info))
			offer(t, sig);
	}
}

bool held_give(struct thread *t, uint64_t set)
{
	const uint64_t now[2] = { 0 };
	uint64_t ready = held_ready(t, ~set), own = ready & pending(&t->held), one;
	struct ksiginfo info;
	bool given = false;

	if (own)
		ready = own;			/* a thread's own go first */
	for (; ready; ready &= ready - 1) {
		int sig = __builtin_ctzll(ready) + 1;

		/* What only wanted this thread to look would be in the way. */
		one = KSIG_BIT(sig);
		while (sys_call4(__NR_rt_sigtimedwait, &one, &info, now, sizeof(one)) == sig)
			if (info.code != HELD_CODE && info.code != TICK_CODE)
				held_add(t, sig, &info);
		if (held_take(t, sig, &info))
			given |= !sys_call4(__NR_rt_tgsigqueueinfo, sys_call0(__NR_getpid),
					    sys_call0(__NR_gettid), sig, &info);
	}
	return given;
}

void held_discard(int sig)
{
	struct ksiginfo info;
	struct thread *t;

	take(&rt.held, sig, &info);
	for_each_thread(t)
		if (t->pid == rt.pid)
			take(&t->held, sig, &info);
}

void held_forked(struct thread *t)
{
	rt.held.claimed = rt.held.pending = 0;
	t->held.claimed = t->held.pending = t->stray = 0;
	t->wait_open = 0;
	t->wait_cut = false;
}
