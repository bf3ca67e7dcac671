/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's handlers are called as the kernel would call them: with a frame on the program's stack or alternate
 * stack. Also what the kernel does by default, and what of a thread's signal state a child of vfork borrows.
 */
#include "front/held.h"
#include "front/rt.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#include <asm/unistd.h>

#define RED_ZONE	128

/* The kernel is to do with @sig what it does by default, once @uc is loaded: its registers are a core file's. */
static void take_default(int sig, const struct ksiginfo *info)
{
	const struct ksigaction dfl = { .handler = KSIG_DFL };
	const uint64_t mask = KSIG_BIT(sig);

	sys_call4(__NR_rt_sigprocmask, KSIG_BLOCK, &mask, NULL, 8);
	sys_call4(__NR_rt_sigaction, sig, &dfl, NULL, 8);
	if (sys_call4(__NR_rt_tgsigqueueinfo, sys_call0(__NR_getpid), sys_call0(__NR_gettid), sig, info))
		sys_panic("signal %d did not end the process", sig);
}

static void die(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	gate_stub_fixup(t, uc);
	take_default(sig, info);
	uc->sigmask = ~KSIG_BIT(sig);
	t->vmask = PLATFORM_SIGNALS;
}

static bool within(const struct kstack *s, uint64_t sp)
{
	return sp - s->sp - 1 < s->size;
}

/** signals_on_altstack() - does the program run on its alternate stack? Never, if that is disarmed by its use. */
bool signals_on_altstack(const struct thread *t, uint64_t sp)
{
	const struct kstack *s = &t->altstack;

	return s->size && !((uint32_t)s->flags & KSS_AUTODISARM) && within(s, sp);
}

/** signals_lend() - the thread's virtual signal state is going to change: by a child of vfork? */
void signals_lend(struct thread *t)
{
	if (t->lent.valid || (uint64_t)sys_call0(__NR_gettid) == t->tid)
		return;
	t->lent.vmask = t->vmask;
	t->lent.pending = t->held.pending;
	t->held.pending = 0;
	t->lent.altstack = t->altstack;
	t->lent.valid = true;
}

/** signals_take_back() - the parent goes on only when its child is gone. */
void signals_take_back(struct thread *t)
{
	if (!t->lent.valid || (uint64_t)sys_call0(__NR_gettid) != t->tid)
		return;
	signals_set_vmask(t, t->lent.vmask);
	t->held.pending = t->held.claimed = t->lent.pending;
	t->altstack = t->lent.altstack;
	t->lent.valid = t->lent.acted = false;
}

/** signals_set_vmask() - the program blocks @mask of the platform's signals from now on. */
void signals_set_vmask(struct thread *t, uint64_t mask)
{
	if (t->vmask == mask)
		return;
	signals_lend(t);
	__atomic_store_n(&t->vmask, mask, __ATOMIC_SEQ_CST);	/* who shares a signal looks at it afterwards */
}

/* Bytes of the extended state in a signal frame, the trailing magic included. */
static uint32_t fpstate_size(uint64_t fpstate)
{
	const struct kfpx_sw *sw = (const void *)(fpstate + X86_XSAVE_SW_RESERVED);

	return frame_xstate_size(sw);
}

/* The state in which a handler starts has all extended components in their initial configuration. */
static void fpstate_reset(uint64_t fpstate)
{
	uint8_t *x = (uint8_t *)fpstate;
	const struct kfpx_sw *sw = (const void *)(x + X86_XSAVE_SW_RESERVED);
	uint16_t fcw = 0x37f;
	uint32_t mxcsr = 0x1f80;
	uint64_t keep;

	__builtin_memcpy(x + X86_XSAVE_FCW, &fcw, sizeof(fcw));
	__builtin_memcpy(x + X86_XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	if (sw->magic1 != KFP_XSTATE_MAGIC1) {
		__builtin_memset(x + X86_XSAVE_ST0, 0, X86_XSAVE_SW_RESERVED - X86_XSAVE_ST0);
		return;
	}
	__builtin_memcpy(&keep, x + X86_XSAVE_XSTATE_BV, sizeof(keep));
	keep &= X86_XFEATURE_PKRU;	/* the kernel gives handlers its own PKRU; @uc has it already */
	__builtin_memcpy(x + X86_XSAVE_XSTATE_BV, &keep, sizeof(keep));
}

/* Builds the frame, where get_sigframe() of the kernel would; false if the program's stack does not take it. */
static bool push_frame(struct thread *t, int sig, const struct ksigaction *act, const struct ksiginfo *info,
		       struct kucontext *uc, uint64_t mask)
{
	uint32_t fp_size = uc->mc.fpstate ? fpstate_size(uc->mc.fpstate) : 0;
	uint64_t sp = uc->mc.rsp - RED_ZONE, fp;
	bool on = signals_on_altstack(t, uc->mc.rsp);
	struct ksigframe frame;

	if (!(act->flags & KSA_RESTORER))
		return false;			/* x86-64 demands one, whoever's it is */
	if ((act->flags & KSA_ONSTACK) && t->altstack.size && !signals_on_altstack(t, sp)) {
		sp = t->altstack.sp + t->altstack.size;
		on = true;
	}
	fp = (sp - fp_size) & ~UINT64_C(63);
	sp = ((fp - sizeof(frame)) & ~UINT64_C(15)) - 8;
	if (on && !within(&t->altstack, sp))
		return false;			/* it would leave the alternate stack */
	frame.pretcode = rt.vdso_restorer;
	frame.uc = *uc;
	frame.uc.link = 0;
	frame.uc.stack = t->altstack;
	frame.uc.mc.fpstate = fp_size ? fp : 0;
	frame.uc.sigmask = mask;
	frame.info = *info;
	if ((fp_size && rt_copy((void *)fp, (const void *)uc->mc.fpstate, fp_size)) ||
	    rt_copy((void *)sp, &frame, sizeof(frame)))
		return false;
	if ((uint32_t)t->altstack.flags & KSS_AUTODISARM) {
		signals_lend(t);
		t->altstack = (struct kstack){ .flags = KSS_DISABLE };
	}
	uc->mc.rsp = sp;
	uc->mc.rip = act->handler;
	uc->mc.rdi = (uint64_t)sig;
	uc->mc.rsi = sp + offsetof(struct ksigframe, info);
	uc->mc.rdx = sp + offsetof(struct ksigframe, uc);
	uc->mc.rax = 0;
	uc->mc.rflags &= ~(X86_FLAGS_DF | X86_FLAGS_RF | X86_FLAGS_TF);
	if (fp_size)
		fpstate_reset(uc->mc.fpstate);
	return true;
}

/* What the program wants for @sig, as the kernel takes it at delivery: a handler for one signal only is used up. */
static struct ksigaction use_action(struct thread *t, int sig, bool forced_blocked)
{
	struct ksigaction act, dfl;

	lock_acquire(&rt.lock, (uint32_t)t->tid);
	act = *signals_action(t, sig);
	if (act.handler != KSIG_DFL && act.handler != KSIG_IGN && (act.flags & KSA_RESETHAND) && !forced_blocked) {
		dfl = act;
		dfl.handler = KSIG_DFL;
		signals_set_action(t, sig, &dfl);
	}
	lock_release(&rt.lock);
	return act;
}

/**
 * signals_deliver() - as the kernel does it. @forced: a fault, which a thread can neither block nor ignore. @uc is the
 * interrupted host state and becomes the handler's start.
 */
void signals_deliver(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc, bool forced)
{
	uint64_t mask = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask, blocked = t->wait_cut ? t->wait_mask : mask;
	struct ksigaction act = use_action(t, sig, forced && (mask & KSIG_BIT(sig)));

	if (forced && (act.handler == KSIG_IGN || (mask & KSIG_BIT(sig)))) {
		die(t, sig, info, uc);
		return;
	}
	if (act.handler == KSIG_IGN)
		return;
	if (act.handler == KSIG_DFL) {
		if (KSIG_BIT(sig) & PLATFORM_SIGNALS)
			die(t, sig, info, uc);
		else
			take_default(sig, info);	/* became default while this one was on its way */
		return;
	}
	t->stats->signals++;
	gate_stub_fixup(t, uc);
	if (!push_frame(t, sig, &act, info, uc, mask)) {
		const struct ksiginfo segv = { .signo = KSIG_SEGV, .code = KSI_KERNEL };

		if (sig == KSIG_SEGV)
			die(t, sig, &segv, uc);
		else
			signals_deliver(t, KSIG_SEGV, &segv, uc, true);
		return;
	}
	t->wait_cut = false;
	blocked |= act.mask;
	if (!(act.flags & KSA_NODEFER))
		blocked |= KSIG_BIT(sig);
	blocked &= ~(KSIG_BIT(KSIG_KILL) | KSIG_BIT(KSIG_STOP));
	signals_set_vmask(t, blocked & PLATFORM_SIGNALS);
	uc->sigmask = blocked & ~PLATFORM_SIGNALS;
}
