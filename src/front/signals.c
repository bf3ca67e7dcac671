/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals. Every handler that the kernel knows is rt_signal, on the thread's alternate stack with all asynchronous
 * signals blocked. The program's own handlers are called as the kernel would call them: with a frame on the program's
 * stack or alternate stack, seeing host state only; its masks, dispositions and alternate stacks are kept here where
 * they concern the platform's six signals or its stacks, and are the kernel's otherwise.
 */
#include "front/rt.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"
#include "trap/xfrm.h"

enum { NR_RT_SIGACTION = 13, NR_RT_SIGPROCMASK = 14, NR_TGKILL = 234, NR_GETPID = 39, NR_GETTID = 186 };

#define KICK_CODE	(-0x5347)	/* siginfo.code of a SIGSYS that only wants the thread to leave its enclave */
#define RED_ZONE	128

void rt_signal_entry(void);
void rt_restorer(void);

static void kernel_sigaction(int sig, const struct ksigaction *act)
{
	sys_call4(NR_RT_SIGACTION, sig, act, NULL, 8);
}

/* What the kernel is told for a signal that has a handler of the program's, or is the platform's. */
static void install(int sig, uint64_t program_flags)
{
	struct ksigaction act = {
		.handler = (uintptr_t)rt_signal_entry,
		.flags = KSA_SIGINFO | KSA_ONSTACK | KSA_RESTORER |
			 (program_flags & (KSA_RESTART | KSA_NOCLDSTOP | KSA_NOCLDWAIT)),
		.restorer = (uintptr_t)rt_restorer,
		.mask = ~PLATFORM_SIGNALS,
	};

	if (KSIG_BIT(sig) & PLATFORM_SIGNALS)
		act.flags |= KSA_NODEFER;
	kernel_sigaction(sig, &act);
}

void signals_init(void)
{
	int sig;

	for (sig = 1; sig <= KSIG_MAX; sig++) {
		struct ksigaction old = { 0 };

		sys_call4(NR_RT_SIGACTION, sig, NULL, &old, 8);
		if (KSIG_BIT(sig) & PLATFORM_SIGNALS) {
			old.handler = rt_start.inherit.ignored & KSIG_BIT(sig) ? KSIG_IGN : KSIG_DFL;
			install(sig, KSA_RESTART);
		}
		rt.action[sig] = (struct ksigaction){ .handler = old.handler };
	}
	thread_current()->vmask = rt_start.inherit.sigmask & PLATFORM_SIGNALS;
}

/** signals_set_action() - the program sets @act for @sig; rt.lock held. */
void signals_set_action(int sig, const struct ksigaction *act)
{
	rt.action[sig] = *act;
	if (KSIG_BIT(sig) & PLATFORM_SIGNALS)
		return;
	if (act->handler == KSIG_DFL || act->handler == KSIG_IGN)
		kernel_sigaction(sig, act);
	else
		install(sig, act->flags);
}

/** signals_ignored() - the platform signals that the program ignores: a new image inherits them through the launcher. */
uint64_t signals_ignored(void)
{
	uint64_t ignored = 0;
	int sig;

	for (sig = 1; sig <= KSIG_SYS; sig++)
		if ((KSIG_BIT(sig) & PLATFORM_SIGNALS) && rt.action[sig].handler == KSIG_IGN)
			ignored |= KSIG_BIT(sig);
	return ignored;
}

/** signals_discarded() - the signals that the kernel throws away on arrival: ignored, or ignored by default. */
uint64_t signals_discarded(void)
{
	static const uint64_t ignored_by_default = KSIG_BIT(17) | KSIG_BIT(18) | KSIG_BIT(23) | KSIG_BIT(28);
	uint64_t discarded = 0;
	int sig;

	for (sig = 1; sig <= KSIG_MAX; sig++)
		if (rt.action[sig].handler == KSIG_IGN ||
		    (rt.action[sig].handler == KSIG_DFL && (KSIG_BIT(sig) & ignored_by_default)))
			discarded |= KSIG_BIT(sig);
	return discarded;
}

static _Noreturn void die(int sig)
{
	struct ksigaction dfl = { .handler = KSIG_DFL };
	uint64_t mask = KSIG_BIT(sig);

	kernel_sigaction(sig, &dfl);
	sys_call4(NR_RT_SIGPROCMASK, KSIG_UNBLOCK, &mask, NULL, 8);
	sys_call3(NR_TGKILL, sys_call0(NR_GETPID), sys_call0(NR_GETTID), sig);
	sys_panic("signal %d did not end the process", sig);
}

static bool on_altstack(const struct kstack *s, uint64_t sp)
{
	return s->size && sp - s->sp - 1 < s->size;
}

/* Bytes of the extended state in a signal frame, the trailing magic included. */
static uint32_t fpstate_size(uint64_t fpstate)
{
	const struct kfpx_sw *sw = (const void *)(fpstate + X86_XSAVE_SW_RESERVED);

	return sw->magic1 == KFP_XSTATE_MAGIC1 ? sw->extended_size : X86_XSAVE_LEGACY_SIZE;
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

/* Builds the frame; false if the program's stack does not take it. */
static bool push_frame(struct thread *t, int sig, const struct ksigaction *act, const struct ksiginfo *info,
		       struct kucontext *uc, uint64_t mask)
{
	uint32_t fp_size = fpstate_size(uc->mc.fpstate);
	uint64_t sp = uc->mc.rsp - RED_ZONE, fp;
	struct ksigframe frame;

	if ((act->flags & KSA_ONSTACK) && t->altstack.size && !on_altstack(&t->altstack, uc->mc.rsp))
		sp = t->altstack.sp + t->altstack.size;
	fp = (sp - fp_size) & ~UINT64_C(63);
	sp = ((fp - sizeof(frame)) & ~UINT64_C(15)) - 8;
	frame.pretcode = rt.vdso_restorer;
	frame.uc = *uc;
	frame.uc.link = 0;
	frame.uc.stack = t->altstack;
	frame.uc.stack.flags = !t->altstack.size ? KSS_DISABLE :
			       on_altstack(&t->altstack, uc->mc.rsp) ? KSS_ONSTACK : 0;
	frame.uc.mc.fpstate = fp;
	frame.uc.sigmask = mask;
	frame.info = *info;
	if (rt_copy((void *)fp, (const void *)uc->mc.fpstate, fp_size) ||
	    rt_copy((void *)sp, &frame, sizeof(frame)))
		return false;
	uc->mc.rsp = sp;
	uc->mc.rip = act->handler;
	uc->mc.rdi = (uint64_t)sig;
	uc->mc.rsi = sp + offsetof(struct ksigframe, info);
	uc->mc.rdx = sp + offsetof(struct ksigframe, uc);
	uc->mc.rax = 0;
	uc->mc.rflags &= ~(X86_FLAGS_DF | X86_FLAGS_RF | X86_FLAGS_TF);
	fpstate_reset(uc->mc.fpstate);
	return true;
}

void signals_deliver(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	bool synchronous = info->code > 0 && (KSIG_BIT(sig) & PLATFORM_SIGNALS);
	uint64_t mask = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask;
	struct ksigaction act;

	lock_acquire(&rt.lock, (uint32_t)t->tid);
	act = rt.action[sig];
	if (act.handler != KSIG_DFL && act.handler != KSIG_IGN && (act.flags & KSA_RESETHAND) &&
	    !(synchronous && (mask & KSIG_BIT(sig))))
		signals_set_action(sig, &(struct ksigaction){ .handler = KSIG_DFL });
	lock_release(&rt.lock);

	if (synchronous && (act.handler == KSIG_IGN || (mask & KSIG_BIT(sig))))
		die(sig);			/* the kernel does not let a thread ignore its own fault */
	if (act.handler == KSIG_IGN)
		return;
	if (act.handler == KSIG_DFL) {
		if (KSIG_BIT(sig) & PLATFORM_SIGNALS)
			die(sig);
		return;				/* became default while this one was on its way */
	}
	t->stats->signals++;
	gate_stub_fixup(uc);
	if (!push_frame(t, sig, &act, info, uc, mask))
		die(KSIG_SEGV);
	mask |= act.mask;
	if (!(act.flags & KSA_NODEFER))
		mask |= KSIG_BIT(sig);
	mask &= ~(KSIG_BIT(KSIG_KILL) | KSIG_BIT(KSIG_STOP));
	t->vmask = mask & PLATFORM_SIGNALS;
	uc->sigmask = mask & ~PLATFORM_SIGNALS;
}

/* What an interrupt that nobody sees does to a thread inside: out and in again. */
static void bounce(struct thread *t, struct kucontext *uc)
{
	if (!t->in_enclave)
		return;
	engine_async(&rt.engine, t, uc);
	engine_resume(&rt.engine, t, uc);
}

/** signals_pending() - deliver what was held back and may come now; @uc is host or enclave state. */
void signals_pending(struct thread *t, struct kucontext *uc)
{
	uint64_t ready;

	if (t->kicked) {
		t->kicked = false;
		bounce(t, uc);
	}
	while ((ready = t->pending & ~t->vmask)) {
		int sig = __builtin_ctzll(ready) + 1;

		t->pending &= ~KSIG_BIT(sig);
		if (t->in_enclave)
			engine_async(&rt.engine, t, uc);
		signals_deliver(t, sig, &t->pending_info[sig - 1], uc);
	}
}

static void hold(struct thread *t, int sig, const struct ksiginfo *info)
{
	if (t->pending & KSIG_BIT(sig))
		return;				/* standard signals do not queue */
	t->pending |= KSIG_BIT(sig);
	t->pending_info[sig - 1] = *info;
}

/* A signal while the runtime's own code was running on this thread: a copy that met bad memory, or one to hold back. */
static void nested(struct thread *t, int sig, struct ksiginfo *info, struct kucontext *uc)
{
	if (sig == KSIG_SYS && info->code == KICK_CODE) {
		t->kicked = true;
	} else if (info->code <= 0) {
		hold(t, sig, info);
	} else if (uc->mc.rip == (uintptr_t)rt_copy_insn && (sig == KSIG_SEGV || sig == KSIG_BUS)) {
		uc->mc.rip = (uintptr_t)rt_copy_done;
		t->copy_fault = (struct copy_fault){ (uint32_t)uc->mc.trapno, (uint32_t)uc->mc.err, *info };
	} else if (uc->mc.rip - (uintptr_t)xfrm_guard < (uintptr_t)(xfrm_guard_end - xfrm_guard)) {
		uc->mc.rip = (uintptr_t)xfrm_guard_fault;
		uc->mc.rax = uc->mc.trapno;
	} else if (uc->mc.rip == (uintptr_t)rt_probe && (sig == KSIG_SEGV || sig == KSIG_BUS)) {
		uc->mc.rip = (uintptr_t)rt_probe_faulted;
		t->copy_fault = (struct copy_fault){ (uint32_t)uc->mc.trapno, (uint32_t)uc->mc.err, *info };
	} else {
		sys_panic("signal %d, code %d, address %lx at %lx in the runtime", sig, info->code,
			  info->fault.addr, uc->mc.rip);
	}
}

static void dispatch(struct thread *t, int sig, struct ksiginfo *info, struct kucontext *uc)
{
	bool platform = KSIG_BIT(sig) & PLATFORM_SIGNALS;

	engine_window(&rt.engine, t, uc);
	if (platform && info->code > 0) {
		struct ksiginfo seen = *info;
		enum engine_result result;

		if (sig == KSIG_SYS && info->code == KSYS_SECCOMP) {
			t->stats->gate++;
			gate_syscall(t, uc, (uint32_t)info->sys.syscall);
			return;
		}
		if (sig == KSIG_TRAP && uc->mc.trapno == X86_BP && !t->in_enclave &&
		    cpuid_is_patched(uc->mc.rip - 1)) {
			gate_cpuid(uc, 1);
			return;
		}
		if (sig == KSIG_SYS && t->in_enclave)
			result = engine_syscall_inside(&rt.engine, t, &sig, &seen, uc);
		else
			result = engine_signal(&rt.engine, t, &sig, &seen, uc);
		if (result == ENGINE_NOT_MINE && sig == KSIG_SEGV && uc->mc.trapno == X86_GP && rt.cpuid_faulting &&
		    gate_cpuid_faulted(uc))
			return;
		if (result != ENGINE_RETURN)
			signals_deliver(t, sig, &seen, uc);
		return;
	}
	if (sig == KSIG_SYS && info->code == KICK_CODE) {
		bounce(t, uc);
		return;
	}
	if (platform && (t->vmask & KSIG_BIT(sig))) {
		hold(t, sig, info);
		return;
	}
	if (t->in_enclave)
		engine_async(&rt.engine, t, uc);
	signals_deliver(t, sig, info, uc);
}

/** rt_signal() - every signal of the process arrives here, from rt_signal_entry. */
void rt_signal(int sig, struct ksiginfo *info, struct kucontext *uc)
{
	struct thread *t = thread_of_stack(info);

	if (t->depth) {
		nested(t, sig, info, uc);
		return;
	}
	t->depth++;
	dispatch(t, sig, info, uc);
	signals_pending(t, uc);
	t->depth--;
}

/** rt_call() - enter_call has built @frame; all signals are blocked and depth counts us. It loads the frame afterwards. */
void rt_call(struct thread *t, struct ksigframe *frame)
{
	int sig = 0;

	frame->info = (struct ksiginfo){ 0 };
	if (engine_call(&rt.engine, t, &sig, &frame->info, &frame->uc) == ENGINE_DELIVER)
		signals_deliver(t, sig, &frame->info, &frame->uc);
	signals_pending(t, &frame->uc);
	t->depth--;
}

/**
 * rt_sigreturn() - the program's handler has returned (rt_sigreturn_entry), or called rt_sigreturn itself. Makes @uc, on
 * the program's stack, fit for the kernel: mask and alternate stack are the real ones, and if the program is about to
 * resume an enclave by a bare ENCLU, that has happened. Context: program stack, program's mask until the first line.
 */
void rt_sigreturn(struct kucontext *uc)
{
	struct thread *t = thread_current();
	uint64_t all = ~PLATFORM_SIGNALS;

	sys_call4(NR_RT_SIGPROCMASK, KSIG_SETMASK, &all, NULL, 8);
	t->depth++;
	t->vmask = uc->sigmask & PLATFORM_SIGNALS;
	uc->sigmask &= ~PLATFORM_SIGNALS;
	if (uc->stack.flags & KSS_DISABLE)
		t->altstack = (struct kstack){ 0 };
	else
		t->altstack = (struct kstack){ .sp = uc->stack.sp, .size = uc->stack.size };
	uc->stack = (struct kstack){ .sp = (uintptr_t)t + THREAD_STACK_OFFSET,
				     .size = THREAD_SLOT_SIZE - THREAD_STACK_OFFSET };
	engine_resume(&rt.engine, t, uc);
	signals_pending(t, uc);
	t->depth--;
}

/** signals_kick() - make thread @tid of this process leave its enclave for an instant; false if it does not live. */
bool signals_kick(uint32_t tid)
{
	struct ksiginfo info = { .signo = KSIG_SYS, .code = KICK_CODE };

	return !sys_call4(297 /* rt_tgsigqueueinfo */, sys_call0(NR_GETPID), tid, KSIG_SYS, &info);
}
