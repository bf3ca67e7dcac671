/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals. Every handler that the kernel knows is rt_signal, on the thread's alternate stack with all asynchronous
 * signals blocked. The program's own handlers are called as the kernel would call them: with a frame on the program's
 * stack or alternate stack, seeing host state only; its masks, dispositions and alternate stacks are kept here where
 * they concern the platform's six signals or its stacks, and are the kernel's otherwise.
 */
#include "front/launch.h"
#include "front/rt.h"
#include "sys/sys.h"
#include "trap/entry_offsets.h"
#include "trap/rtcopy.h"
#include "trap/xfrm.h"

enum {
	NR_RT_SIGACTION = 13, NR_RT_SIGPROCMASK = 14, NR_GETPID = 39, NR_GETTID = 186, NR_RT_TGSIGQUEUEINFO = 297,
};

/*
 * A signal that only wants the thread to leave its enclave. While a signal is pending the kernel drops the next of that
 * number, also one that it forces itself: for SIGFPE the instruction faults again, a trapped system call would be lost.
 */
#define KICK_SIGNAL	KSIG_FPE
#define KICK_CODE	(-0x5347)	/* its siginfo.code */
#define RED_ZONE	128

void rt_signal_entry(void);
void rt_restorer(void);
extern const char rt_finish[], rt_finish_end[], rt_sigreturn_entry[], rt_sigreturn_masked[];	/* entry.S */

/* What rt_copy() needs open while the runtime works; all else waits, so that a flood of signals can't pile up frames. */
#define FAULT_SIGNALS	(KSIG_BIT(KSIG_SEGV) | KSIG_BIT(KSIG_BUS))

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
		.mask = KSIG_BIT(sig) & FAULT_SIGNALS ? ~UINT64_C(0) : ~FAULT_SIGNALS,
	};

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

/* The kernel is to do with @sig what it does by default, once @uc is loaded: its registers are a core file's. */
static void take_default(int sig, const struct ksiginfo *info)
{
	const struct ksigaction dfl = { .handler = KSIG_DFL };
	const uint64_t mask = KSIG_BIT(sig);

	sys_call4(NR_RT_SIGPROCMASK, KSIG_BLOCK, &mask, NULL, 8);
	kernel_sigaction(sig, &dfl);
	if (sys_call4(NR_RT_TGSIGQUEUEINFO, sys_call0(NR_GETPID), sys_call0(NR_GETTID), sig, info))
		sys_panic("signal %d did not end the process", sig);
}

static void die(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	gate_stub_fixup(t, uc);
	take_default(sig, info);
	uc->sigmask = ~KSIG_BIT(sig);
	t->vmask = PLATFORM_SIGNALS;
}

/** signals_on_altstack() - does the program run on its alternate stack? Never, if that is disarmed by its use. */
bool signals_on_altstack(const struct thread *t, uint64_t sp)
{
	const struct kstack *s = &t->altstack;

	return s->size && !((uint32_t)s->flags & KSS_AUTODISARM) && sp - s->sp - 1 < s->size;
}

/** signals_lend() - the thread's virtual signal state is going to change: by a child of vfork? */
void signals_lend(struct thread *t)
{
	if (t->lent.valid || (uint64_t)sys_call0(NR_GETTID) == t->tid)
		return;
	t->lent.vmask = t->vmask;
	t->lent.pending = t->pending;
	t->lent.altstack = t->altstack;
	t->lent.valid = true;
}

/* The parent goes on only when its child is gone. */
static void take_back(struct thread *t)
{
	if (!t->lent.valid || (uint64_t)sys_call0(NR_GETTID) != t->tid)
		return;
	t->vmask = t->lent.vmask;
	t->pending = t->lent.pending;
	t->altstack = t->lent.altstack;
	t->lent.valid = false;
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

/* Builds the frame; false if the program's stack does not take it. */
static bool push_frame(struct thread *t, int sig, const struct ksigaction *act, const struct ksiginfo *info,
		       struct kucontext *uc, uint64_t mask)
{
	uint32_t fp_size = uc->mc.fpstate ? fpstate_size(uc->mc.fpstate) : 0;
	uint64_t sp = uc->mc.rsp - RED_ZONE, fp;
	bool on = signals_on_altstack(t, sp);
	struct ksigframe frame;

	if ((act->flags & KSA_ONSTACK) && t->altstack.size && !on) {
		sp = t->altstack.sp + t->altstack.size;
		on = true;
	}
	fp = (sp - fp_size) & ~UINT64_C(63);
	sp = ((fp - sizeof(frame)) & ~UINT64_C(15)) - 8;
	if (on && sp - t->altstack.sp - 1 >= t->altstack.size)
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

void signals_deliver(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	bool synchronous = info->code > 0 && (KSIG_BIT(sig) & PLATFORM_SIGNALS);
	uint64_t mask = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask;
	struct ksigaction act, dfl;

	lock_acquire(&rt.lock, (uint32_t)t->tid);
	act = rt.action[sig];
	if (act.handler != KSIG_DFL && act.handler != KSIG_IGN && (act.flags & KSA_RESETHAND) &&
	    !(synchronous && (mask & KSIG_BIT(sig)))) {
		dfl = act;
		dfl.handler = KSIG_DFL;
		signals_set_action(sig, &dfl);
	}
	lock_release(&rt.lock);

	if (synchronous && (act.handler == KSIG_IGN || (mask & KSIG_BIT(sig)))) {
		die(t, sig, info, uc);		/* the kernel does not let a thread ignore its own fault */
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
			signals_deliver(t, KSIG_SEGV, &segv, uc);
		return;
	}
	mask |= act.mask;
	if (!(act.flags & KSA_NODEFER))
		mask |= KSIG_BIT(sig);
	mask &= ~(KSIG_BIT(KSIG_KILL) | KSIG_BIT(KSIG_STOP));
	if (t->vmask != (mask & PLATFORM_SIGNALS)) {
		signals_lend(t);
		t->vmask = mask & PLATFORM_SIGNALS;
	}
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
	while ((ready = __atomic_load_n(&t->pending, __ATOMIC_RELAXED) & ~t->vmask)) {
		int sig = __builtin_ctzll(ready) + 1;
		const struct ksiginfo info = t->pending_info[sig - 1];

		__atomic_fetch_and(&t->pending, ~KSIG_BIT(sig), __ATOMIC_ACQ_REL); /* until here it is not overwritten */
		if (t->in_enclave)
			engine_async(&rt.engine, t, uc);
		signals_deliver(t, sig, &info, uc);
	}
}

/*
 * A frame on the program's stack lies where the next one is going to be built. Its copy in the slot; NULL if the frame
 * is none that the kernel would take.
 */
static struct kucontext *into_slot(struct thread *t, const struct kucontext *uc)
{
	struct ksigframe *frame = (struct ksigframe *)((uintptr_t)t + CALL_FRAME);
	struct kfpx_sw sw;
	uint32_t size;

	if (rt_copy(&frame->uc, uc, sizeof(*uc)))
		return NULL;
	if (!frame->uc.mc.fpstate)
		return &frame->uc;
	if (rt_copy(&sw, (const void *)(frame->uc.mc.fpstate + X86_XSAVE_SW_RESERVED), sizeof(sw)))
		return NULL;
	size = frame_xstate_size(&sw);
	if (size < X86_XSAVE_LEGACY_SIZE || size > THREAD_SLOT_SIZE - CALL_FPSTATE ||
	    rt_copy((uint8_t *)t + CALL_FPSTATE, (const void *)frame->uc.mc.fpstate, size))
		return NULL;
	frame->uc.mc.fpstate = (uintptr_t)t + CALL_FPSTATE;
	return &frame->uc;
}

/** rt_pending() - on the way back to the program (rt_finish): deliver what may come now. Returns what to load. */
struct kucontext *rt_pending(struct thread *t, struct kucontext *uc)
{
	struct kucontext *copy = uc;

	__atomic_store_n(&t->again, 0, __ATOMIC_SEQ_CST);
	if (!t->kicked && !(__atomic_load_n(&t->pending, __ATOMIC_RELAXED) & ~t->vmask))
		return uc;
	if (thread_of_stack(uc) != t)
		copy = into_slot(t, uc);
	if (!copy)
		return uc;
	signals_pending(t, copy);
	return copy;
}

static void hold(struct thread *t, int sig, const struct ksiginfo *info)
{
	if (__atomic_load_n(&t->pending, __ATOMIC_RELAXED) & KSIG_BIT(sig))
		return;				/* standard signals do not queue */
	t->pending_info[sig - 1] = *info;
	__atomic_fetch_or(&t->pending, KSIG_BIT(sig), __ATOMIC_ACQ_REL);
}

/* From here on a copy may fault, also in the handler of a fault. */
static void open_faults(void)
{
	const uint64_t mask = FAULT_SIGNALS;
	struct thread *t = thread_current();

	if (!t || !t->faults_blocked)
		return;
	sys_call4(NR_RT_SIGPROCMASK, KSIG_UNBLOCK, &mask, NULL, 8);
	t->faults_blocked = false;
}

uint64_t rt_copy(void *dst, const void *src, size_t size)
{
	open_faults();
	return rt_copy_try(dst, src, size);
}

long rt_probe(uint64_t addr)
{
	open_faults();
	return rt_probe_try(addr);
}

/*
 * Has the signal interrupted the runtime at work? In the stub, in an entry or exit that is under way, before
 * rt_sigreturn() has done anything, and where the kernel has refused a frame, the thread is the program's.
 */
static bool in_runtime(const struct kucontext *uc)
{
	const uint64_t rip = uc->mc.rip;

	return rip - (uintptr_t)rt_image_start < (uintptr_t)(rt_text_end - rt_image_start) && !engine_in_window(uc) &&
	       !gate_in_stub(uc) && rip != (uintptr_t)rt_finish_end && rip - (uintptr_t)rt_sigreturn_entry >=
	       (uintptr_t)(rt_sigreturn_masked - rt_sigreturn_entry);
}

static void look_again(struct thread *t, struct kucontext *uc)
{
	__atomic_store_n(&t->again, 1, __ATOMIC_SEQ_CST);
	if (uc->mc.rip - (uintptr_t)rt_finish < (uintptr_t)(rt_finish_end - rt_finish))
		uc->mc.rip = (uintptr_t)rt_finish;
}

/* A signal while the runtime's own code was running on this thread: a copy that met bad memory, or one to hold back. */
static void nested(struct thread *t, int sig, struct ksiginfo *info, struct kucontext *uc)
{
	if (sig == KICK_SIGNAL && info->code == KICK_CODE) {
		t->kicked = true;
		look_again(t, uc);
	} else if (info->code <= 0) {
		hold(t, sig, info);
		look_again(t, uc);
	} else if (uc->mc.rip == (uintptr_t)rt_copy_insn && (sig == KSIG_SEGV || sig == KSIG_BUS)) {
		uc->mc.rip = (uintptr_t)rt_copy_done;
		t->copy_fault = (struct copy_fault){ (uint32_t)uc->mc.trapno, (uint32_t)uc->mc.err, *info };
	} else if (uc->mc.rip - (uintptr_t)xfrm_guard < (uintptr_t)(xfrm_guard_end - xfrm_guard)) {
		uc->mc.rip = (uintptr_t)xfrm_guard_fault;
		uc->mc.rax = uc->mc.trapno;
	} else if (uc->mc.rip == (uintptr_t)rt_probe_try && (sig == KSIG_SEGV || sig == KSIG_BUS)) {
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
	bool leaving = t->in_enclave && engine_in_window(uc);

	engine_window(&rt.engine, t, uc);
	if (leaving && sig == KSIG_SEGV && info->code > 0)
		return;				/* the fast exit did not find its thread: the enclave has loaded DS */
	if (platform && info->code > 0) {
		struct ksiginfo seen = *info;
		enum engine_result result;

		if (sig == KSIG_SYS && info->code == KSYS_SECCOMP && !t->in_enclave) {
			if (info->errno_ != RT_TRAP_DATA) {	/* a filter of the program's own */
				gate_stub_fixup(t, uc);
				seen.sys.call_addr = uc->mc.rip;
				signals_deliver(t, sig, &seen, uc);
				return;
			}
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
	if (sig == KICK_SIGNAL && info->code == KICK_CODE) {
		bounce(t, uc);
		return;
	}
	if (platform && (t->vmask & KSIG_BIT(sig))) {
		hold(t, sig, info);
		bounce(t, uc);			/* it may have swallowed a kick, which does not queue */
		return;
	}
	if (t->in_enclave)
		engine_async(&rt.engine, t, uc);
	signals_deliver(t, sig, info, uc);
}

/**
 * rt_signal() - every signal of the process arrives here, from rt_signal_entry. True: it interrupted the runtime, @uc
 * goes on there; false: @uc is the program's or the enclave's next state.
 */
bool rt_signal(int sig, struct ksiginfo *info, struct kucontext *uc)
{
	struct thread *t = thread_of_stack(info);

	thread_mark(t);
	if (in_runtime(uc)) {
		nested(t, sig, info, uc);
		return true;
	}
	t->faults_blocked = KSIG_BIT(sig) & FAULT_SIGNALS;
	take_back(t);
	if (uc->mc.rip - (uintptr_t)rt_sigreturn_entry < (uintptr_t)(rt_sigreturn_masked - rt_sigreturn_entry))
		uc->mc.rip = rt.vdso_restorer;
	dispatch(t, sig, info, uc);
	rt_pending(t, uc);			/* @uc is in the slot and stays where it is */
	return false;
}

/** rt_call() - enter_call has built @frame; all signals but SEGV and BUS are blocked. It loads the frame afterwards. */
void rt_call(struct thread *t, struct ksigframe *frame)
{
	int sig = 0;

	t->faults_blocked = false;
	take_back(t);
	frame->info = (struct ksiginfo){ 0 };
	if (engine_call(&rt.engine, t, &sig, &frame->info, &frame->uc) == ENGINE_DELIVER)
		signals_deliver(t, sig, &frame->info, &frame->uc);
	rt_pending(t, &frame->uc);
}

/**
 * rt_sigreturn() - the program's handler has returned (rt_sigreturn_entry), or called rt_sigreturn itself. Makes @uc, on
 * the program's stack, fit for the kernel: mask and alternate stack are the real ones, and if the program is about to
 * resume an enclave by a bare ENCLU, that has happened. Context: stack of the slot, as in rt_call().
 */
struct kucontext *rt_sigreturn(struct thread *t, struct kucontext *uc)
{
	struct kucontext readable;

	t->faults_blocked = false;
	take_back(t);
	if (rt_copy(&readable, uc, sizeof(readable)))
		return uc;			/* the kernel finds the frame as bad as this */
	if (t->vmask != (uc->sigmask & PLATFORM_SIGNALS)) {
		signals_lend(t);
		t->vmask = uc->sigmask & PLATFORM_SIGNALS;
	}
	uc->sigmask &= ~PLATFORM_SIGNALS;
	signals_altstack_set(t, &uc->stack, uc->mc.rsp);	/* as in the kernel, a bad one changes nothing */
	uc->stack = (struct kstack){ .sp = (uintptr_t)t + THREAD_STACK_OFFSET,
				     .size = THREAD_SLOT_SIZE - THREAD_STACK_OFFSET };
	engine_resume(&rt.engine, t, uc);
	return rt_pending(t, uc);
}

/** signals_kick() - make thread @tid of this process leave its enclave for an instant; false if it does not live. */
bool signals_kick(uint32_t tid)
{
	struct ksiginfo info = { .signo = KICK_SIGNAL, .code = KICK_CODE };

	return !sys_call4(297 /* rt_tgsigqueueinfo */, sys_call0(NR_GETPID), tid, KICK_SIGNAL, &info);
}
