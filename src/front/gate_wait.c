/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that wait with a signal mask of their own, or for signals. The program makes them itself, from rt_wait_stub,
 * and while the kernel waits its mask is the one that the program means, the platform's six signals included: nothing of
 * the program runs then that could fault. So it is the kernel that decides what ends a wait, and what its result is.
 * Signals that are held go back to it first. What is left to do here is the mask with which a handler starts that a wait
 * lets in.
 */
#include "front/held.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#include <asm/unistd.h>
#include <linux/errno.h>

#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2	441
#endif
#define UNMASKABLE	(KSIG_BIT(KSIG_KILL) | KSIG_BIT(KSIG_STOP))

extern const char rt_wait_stub[], rt_wait_ret[], rt_wait_done[], rt_wait_saved[], rt_wait_loaded[], rt_wait_trap[],
		  rt_wait_end[];

bool gate_in_wait(const struct kucontext *uc)
{
	return uc->mc.rip - (uintptr_t)rt_wait_stub < (uintptr_t)(rt_wait_end - rt_wait_stub);
}

/* Where the address of the set is, and how large the program says it is. NULL: there is no set. */
static uint64_t *set_argument(struct kmcontext *m, uint32_t nr, uint64_t *size, uint64_t indirect[2])
{
	switch (nr) {
	case __NR_rt_sigsuspend:
		*size = m->rsi;
		return &m->rdi;
	case __NR_rt_sigtimedwait:
		*size = m->r10;
		return &m->rdi;
	case __NR_ppoll:
		*size = m->r8;
		return &m->r10;
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
		*size = m->r9;
		return &m->r8;
	default:			/* pselect6, io_pgetevents: a pair of both in memory */
		if (rt_copy(indirect, (const void *)m->r9, 2 * sizeof(indirect[0])))
			return NULL;
		*size = indirect[1];
		return &indirect[0];
	}
}

/* The program's registers, which the stub puts back. */
static void save_registers(struct thread *t, const struct kmcontext *m)
{
	t->stub_rip = m->rip;
	t->stub_r11 = m->r11;
	t->wait_rdi = m->rdi;
	t->wait_rsi = m->rsi;
	t->wait_rdx = m->rdx;
	t->wait_r10 = m->r10;
	t->wait_r8 = m->r8;
	t->wait_r9 = m->r9;
}

void gate_wait(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	const uint64_t all = ~UINT64_C(0), mask = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask;
	const bool for_signals = nr == __NR_rt_sigtimedwait;
	struct kmcontext *m = &uc->mc;
	uint64_t indirect[2], size, set, open, *address = set_argument(m, nr, &size, indirect);

	/* What the kernel is going to refuse it refuses; a wait in which none of the six matters is no business of ours. */
	if (!address || !*address || size != sizeof(set) || rt_copy(&set, (const void *)*address, sizeof(set)) ||
	    (for_signals && !t->vmask && !(set & PLATFORM_SIGNALS))) {
		gate_continue(t, uc);
		return;
	}
	set &= ~UNMASKABLE;
	open = (for_signals ? set : ~set) & PLATFORM_SIGNALS;
	__atomic_store_n(&t->wait_open, open, __ATOMIC_SEQ_CST);	/* others send here what they hold from now on */
	t->wait_nr = nr;
	t->wait_mask = for_signals ? mask : set;
	t->wait_outer = uc->sigmask;
	t->wait_restore = for_signals && (t->vmask & ~set);	/* these must not end it */
	t->wait_trap = for_signals && (set & PLATFORM_SIGNALS);
	save_registers(t, m);
	if (held_ready(t, ~open)) {
		sys_call4(__NR_rt_sigprocmask, KSIG_BLOCK, &all, NULL, 8);
		t->faults_blocked = true;
		if (held_give(t, open)) {
			t->wait_restore = 1;
			t->wait_open = 0;		/* it is not going to wait */
		}
	}
	if (t->wait_restore)
		uc->sigmask |= t->vmask;
	if (t->wait_trap) {
		m->rsi = (uintptr_t)&t->wait_info;
	} else if (!for_signals) {
		t->wait_argument[0] = set;
		*address = (uintptr_t)&t->wait_argument[0];
		if (address == &indirect[0]) {
			t->wait_argument[1] = (uintptr_t)&t->wait_argument[0];
			t->wait_argument[2] = sizeof(set);
			m->r9 = (uintptr_t)&t->wait_argument[1];
		}
	}
	m->rip = (uintptr_t)rt_wait_stub;
}

/* rt_sigtimedwait() has returned what it says; held.c may know better who has sent the signal. False: it waits on. */
static bool signal_taken(struct thread *t, struct kmcontext *m)
{
	struct ksiginfo info = t->wait_info;

	if ((int64_t)m->rax <= 0)
		return true;
	if ((info.code == HELD_CODE || info.code == TICK_CODE) && !held_take(t, (int)m->rax, &info))
		return false;
	if (t->wait_rsi && rt_copy((void *)t->wait_rsi, &info, sizeof(info)))
		m->rax = (uint64_t)-EFAULT;
	return true;
}

void gate_wait_end(struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	const char *rip = (const char *)m->rip;
	bool again = rip == rt_wait_stub || (rip > rt_wait_ret && rip < rt_wait_done &&
					     ((int64_t)m->rax == -EINTR || m->rax == t->wait_nr));

	if (rip >= rt_wait_saved && rip < rt_wait_loaded)
		m->rax = t->wait_rax;
	again = again || (t->wait_trap && !signal_taken(t, m));
	if (again)
		m->rax = t->wait_nr;
	m->rdi = t->wait_rdi;
	m->rsi = t->wait_rsi;
	m->rdx = t->wait_rdx;
	m->r10 = t->wait_r10;
	m->r8 = t->wait_r8;
	m->r9 = t->wait_r9;
	m->r11 = t->stub_r11;
	m->rcx = t->stub_rip;
	m->rip = again ? t->stub_rip - 2 : t->stub_rip;	/* the program's SYSCALL, or behind it */
	uc->sigmask = t->wait_outer;
	t->wait_open = 0;
}

bool gate_wait_cut(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	const bool fault = (KSIG_BIT(sig) & PLATFORM_SIGNALS) && info->code > 0;	/* SIGCHLD, SIGIO: > 0, too */
	const bool trap = fault && sig == KSIG_TRAP && (const char *)uc->mc.rip == rt_wait_trap + 1;

	/* These calls return -EINTR to run a handler, which starts with their own mask still in force. */
	t->wait_cut = (const char *)uc->mc.rip == rt_wait_ret && (int64_t)uc->mc.rax == -EINTR && !fault &&
		      !(t->wait_mask & KSIG_BIT(sig));
	t->faults_blocked = true;		/* as that mask may have it */
	gate_wait_end(t, uc);
	return trap;
}

void gate_wait_again(struct thread *t, struct kucontext *uc)
{
	t->wait_cut = false;
	uc->mc.rip -= 2;
	uc->mc.rax = t->wait_nr;
}
