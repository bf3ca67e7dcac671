/* SPDX-License-Identifier: BSD-2-Clause */
/* rt_sigaction, rt_sigprocmask, sigaltstack and the like of the program: checks and results as the kernel's. */
#include "front/held.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#include <asm/unistd.h>
#include <linux/errno.h>

#define MIN_SIGSTACK	2048		/* MINSIGSTKSZ */
#define KSA_KNOWN	(KSA_NOCLDSTOP | KSA_NOCLDWAIT | KSA_SIGINFO | KSA_ONSTACK | KSA_RESTART | KSA_NODEFER | \
			 KSA_RESETHAND | KSA_EXPOSE_TAGBITS | KSA_RESTORER)
#define UNMASKABLE	(KSIG_BIT(KSIG_KILL) | KSIG_BIT(KSIG_STOP))

void rt_sigreturn_entry(void);

static long gate_sigaction(struct thread *t, const struct kmcontext *m)
{
	int sig = (int)m->rdi;
	struct ksigaction act, old;

	if (m->r10 != 8)
		return -EINVAL;
	if (m->rsi && rt_copy(&act, (const void *)m->rsi, sizeof(act)))
		return -EFAULT;
	if (sig < 1 || sig > KSIG_MAX || (m->rsi && (KSIG_BIT(sig) & UNMASKABLE)))
		return -EINVAL;
	lock_acquire(&rt.lock, (uint32_t)t->tid);
	old = *signals_action(t, sig);
	if (m->rsi) {
		act.flags &= KSA_KNOWN;
		act.mask &= ~UNMASKABLE;
		signals_set_action(t, sig, &act);
	}
	lock_release(&rt.lock);
	if (m->rdx && rt_copy((void *)m->rdx, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

static long gate_sigprocmask(struct thread *t, struct kucontext *uc)
{
	uint64_t old = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask, new = old, set;

	if (uc->mc.r10 != 8)
		return -EINVAL;
	if (uc->mc.rsi) {
		if (rt_copy(&set, (const void *)uc->mc.rsi, 8))
			return -EFAULT;
		set &= ~UNMASKABLE;
		switch ((int)uc->mc.rdi) {
		case KSIG_BLOCK:
			new |= set;
			break;
		case KSIG_UNBLOCK:
			new &= ~set;
			break;
		case KSIG_SETMASK:
			new = set;
			break;
		default:
			return -EINVAL;
		}
	}
	signals_set_vmask(t, new & PLATFORM_SIGNALS);
	uc->sigmask = new & ~PLATFORM_SIGNALS;
	if (uc->mc.rdx && rt_copy((void *)uc->mc.rdx, &old, 8))
		return -EFAULT;
	return 0;
}

/* signals_altstack_set() - as do_sigaltstack() of the kernel, with the program at @sp. */
long signals_altstack_set(struct thread *t, const struct kstack *new, uint64_t sp)
{
	const uint32_t mode = (uint32_t)new->flags & ~KSS_AUTODISARM;

	if (signals_on_altstack(t, sp))
		return -EPERM;
	if (mode != KSS_DISABLE && mode != KSS_ONSTACK && mode)
		return -EINVAL;
	if (mode != KSS_DISABLE && new->size < MIN_SIGSTACK)
		return -ENOMEM;
	signals_lend(t);
	t->altstack = (struct kstack){ .flags = new->flags };
	if (mode != KSS_DISABLE) {
		t->altstack.sp = new->sp;
		t->altstack.size = new->size;
	}
	return 0;
}

static long gate_sigaltstack(struct thread *t, const struct kmcontext *m)
{
	struct kstack new, old = t->altstack;
	long ret;

	old.flags = (int32_t)((uint32_t)old.flags & KSS_AUTODISARM) |
		    (!old.size ? KSS_DISABLE : signals_on_altstack(t, m->rsp) ? KSS_ONSTACK : 0);
	if (m->rdi) {
		if (rt_copy(&new, (const void *)m->rdi, sizeof(new)))
			return -EFAULT;
		ret = signals_altstack_set(t, &new, m->rsp);
		if (ret)
			return ret;
	}
	if (m->rsi && rt_copy((void *)m->rsi, &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

/* What the kernel has pending, and what we hold back for it. */
static long gate_sigpending(const struct thread *t, const struct kmcontext *m)
{
	uint64_t pending = 0;
	long ret;

	if (m->rsi > sizeof(pending))
		return -EINVAL;
	ret = sys_call2(__NR_rt_sigpending, &pending, sizeof(pending));
	if (ret)
		return ret;
	pending &= t->blocked;				/* underneath, all others wait now */
	pending |= held_ready(t, ~t->vmask);
	return rt_copy((void *)m->rdi, &pending, m->rsi) ? -EFAULT : 0;
}

void gate_signals(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;

	switch (nr) {
	case __NR_rt_sigaction:
		m->rax = (uint64_t)gate_sigaction(t, m);
		break;
	case __NR_rt_sigprocmask:
		m->rax = (uint64_t)gate_sigprocmask(t, uc);
		break;
	case __NR_sigaltstack:
		m->rax = (uint64_t)gate_sigaltstack(t, m);
		break;
	case __NR_rt_sigpending:
		m->rax = (uint64_t)gate_sigpending(t, m);
		break;
	default:				/* rt_sigreturn through a restorer of the program's own */
		m->rip = (uintptr_t)rt_sigreturn_entry;
		break;
	}
}
