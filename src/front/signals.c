/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals. Every handler that the kernel knows is rt_signal, on the thread's alternate stack with all asynchronous
 * signals blocked. The program's masks, dispositions and alternate stacks are kept here where they concern the
 * platform's six signals or its stacks, and are the kernel's otherwise. Its handlers: deliver.c; signals that wait:
 * held.c; waits: gate_wait.c.
 */
#include "front/held.h"
#include "front/launch.h"
#include "front/rt.h"
#include "sys/sys.h"
#include "trap/entry_offsets.h"
#include "trap/rtcopy.h"
#include "trap/xfrm.h"

enum { NR_RT_SIGACTION = 13, NR_RT_SIGPROCMASK = 14, NR_GETTID = 186, NR_RT_TGSIGQUEUEINFO = 297 };

/*
 * A signal that only wants the thread to leave its enclave. While a signal is pending the kernel drops the next of that
 * number, also one that it forces itself: for SIGFPE the instruction faults again, a trapped system call would be lost.
 */
#define KICK_SIGNAL	KSIG_FPE

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

/** signals_action() - the program's disposition of @sig; rt.lock held. A child of vfork has its own. */
const struct ksigaction *signals_action(const struct thread *t, int sig)
{
	return t->lent.acted ? &t->lent.action[sig] : &rt.action[sig];
}

/** signals_set_action() - the program sets @act for @sig; rt.lock held. */
void signals_set_action(struct thread *t, int sig, const struct ksigaction *act)
{
	const bool handled = act->handler != KSIG_DFL && act->handler != KSIG_IGN;

	signals_lend(t);
	if (t->lent.valid && !t->lent.acted) {
		__builtin_memcpy(t->lent.action, rt.action, sizeof(rt.action));
		t->lent.acted = true;
	}
	if (t->lent.acted)
		t->lent.action[sig] = *act;
	else
		rt.action[sig] = *act;
	if (KSIG_BIT(sig) & PLATFORM_SIGNALS) {
		if (act->handler == KSIG_IGN && !t->lent.acted)
			held_discard(sig);
		install(sig, handled ? act->flags : KSA_RESTART);
	} else if (handled) {
		install(sig, act->flags);
	} else {
		kernel_sigaction(sig, act);
	}
}

/** signals_ignored() - the platform signals that the program ignores: a new image inherits them through the launcher. */
uint64_t signals_ignored(const struct thread *t)
{
	uint64_t ignored = 0;
	int sig;

	for (sig = 1; sig <= KSIG_SYS; sig++)
		if ((KSIG_BIT(sig) & PLATFORM_SIGNALS) && signals_action(t, sig)->handler == KSIG_IGN)
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

/* What an interrupt that nobody sees does to a thread inside: out and in again. */
static void bounce(struct thread *t, struct kucontext *uc)
{
	if (!t->in_enclave)
		return;
	engine_async(&rt.engine, t, uc);
	engine_resume(&rt.engine, t, uc);
}

/* What keeps a platform signal from the program at this moment. */
static uint64_t blocked_now(const struct thread *t)
{
	return t->wait_cut ? t->wait_mask : t->vmask;
}

/** signals_pending() - deliver what was held back and may come now; @uc is host or enclave state. */
void signals_pending(struct thread *t, struct kucontext *uc)
{
	struct ksiginfo info;
	uint64_t ready;

	if (t->kicked) {
		t->kicked = false;
		bounce(t, uc);
	}
	held_share(t);				/* may find that there is nobody else */
	while ((ready = held_ready(t, blocked_now(t)))) {
		int sig = __builtin_ctzll(ready) + 1;

		if (!held_take(t, sig, &info))
			continue;
		if (t->in_enclave)
			engine_async(&rt.engine, t, uc);
		signals_deliver(t, sig, &info, uc, false);
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

static struct kucontext *pending(struct thread *t, struct kucontext *uc)
{
	struct kucontext *copy = uc;
	uint64_t ready;

	__atomic_store_n(&t->again, 0, __ATOMIC_SEQ_CST);
	ready = held_ready(t, blocked_now(t) & ~t->wait_open);
	if (!t->kicked && !t->stray && !ready)
		return uc;
	if (thread_of_stack(uc) != t)
		copy = into_slot(t, uc);
	if (!copy)
		return uc;
	if (ready && gate_in_wait(copy))	/* it has not begun: the program makes it anew, with what has come */
		gate_wait_end(t, copy);
	signals_pending(t, copy);
	return copy;
}

/** rt_pending() - on the way back to the program (rt_finish): deliver what may come now. Returns what to load. */
struct kucontext *rt_pending(struct thread *t, struct kucontext *uc)
{
	struct kucontext *copy;
	struct ksiginfo info;
	int sig;

	step_disarm(t, uc);
	uc = pending(t, uc);
	if (rt.engine.step.on && t->in_enclave) {
		copy = thread_of_stack(uc) == t ? uc : into_slot(t, uc);
		uc = copy ? copy : uc;
		if (step_arm(&rt.engine, t, &sig, &info, uc))
			signals_deliver(t, sig, &info, uc, true);
	}
	aex_leaving(t);
	return uc;
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
	       !gate_in_stub(uc) && !gate_in_wait(uc) && rip != (uintptr_t)rt_finish_end &&
	       rip - (uintptr_t)rt_sigreturn_entry >= (uintptr_t)(rt_sigreturn_masked - rt_sigreturn_entry);
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
	const bool platform = KSIG_BIT(sig) & PLATFORM_SIGNALS;

	if (platform && info->code == HELD_CODE) {
		t->kicked = true;
		look_again(t, uc);
	} else if (info->code <= 0) {
		held_add(t, sig, info);
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
		sys_panic("signal %d, code %d, address %lx, at %lx in its own code", sig, info->code,
			  info->fault.addr, uc->mc.rip);
	}
}

/*
 * While a signal that was sent is pending the kernel drops what it would force on the thread. A fault happens again; an
 * INT3 and a system call that were to trap are behind already. Then they are still to come: the signal was before them.
 */
static void trap_lost(struct thread *t, int sig, struct kucontext *uc)
{
	if (sig == KSIG_TRAP && !engine_trap_lost(&rt.engine, t, uc) && !t->in_enclave &&
	    cpuid_is_patched(uc->mc.rip - 1))
		uc->mc.rip--;
	if (sig == KSIG_SYS && gate_lost(t, uc))
		uc->mc.rip -= 2;
}

static void dispatch(struct thread *t, int sig, struct ksiginfo *info, struct kucontext *uc)
{
	bool platform = KSIG_BIT(sig) & PLATFORM_SIGNALS;

	if (info->code <= 0 && (KSIG_BIT(sig) & (KSIG_BIT(KSIG_TRAP) | KSIG_BIT(KSIG_SYS))))
		trap_lost(t, sig, uc);
	if (engine_window(&rt.engine, t, uc) && sig == KSIG_SEGV && info->code > 0)
		return;				/* the fast exit did not find its thread: the enclave has loaded DS */
	if (platform && info->code > 0) {
		struct ksiginfo seen = *info;
		enum engine_result result;

		if (sig == KSIG_SYS && info->code == KSYS_SECCOMP && !t->in_enclave) {
			if (info->errno_ != RT_TRAP_DATA) {	/* a filter of the program's own */
				gate_stub_fixup(t, uc);
				seen.sys.call_addr = uc->mc.rip;
				signals_deliver(t, sig, &seen, uc, true);
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
			signals_deliver(t, sig, &seen, uc, true);
		return;
	}
	if (platform && info->code == HELD_CODE) {
		bounce(t, uc);
		return;
	}
	if (platform && (blocked_now(t) & KSIG_BIT(sig))) {
		held_add(t, sig, info);
		bounce(t, uc);			/* it may have swallowed a kick, which does not queue */
		return;
	}
	if (t->in_enclave)
		engine_async(&rt.engine, t, uc);
	signals_deliver(t, sig, info, uc, false);
}

/* It may have displaced a kick, which does not queue. */
static bool is_tick(const struct ksiginfo *info)
{
	return info->signo == KICK_SIGNAL && info->code == TICK_CODE;
}

static void tick(struct thread *t, struct kucontext *uc)
{
	step_disarm(t, uc);
	engine_window(&rt.engine, t, uc);
	if (t->in_enclave)
		engine_inject(&rt.engine, t, uc);
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
		if (is_tick(info)) {
			t->kicked = true;
			look_again(t, uc);
		} else {
			nested(t, sig, info, uc);
		}
		return true;
	}
	t->faults_blocked = KSIG_BIT(sig) & FAULT_SIGNALS;
	signals_take_back(t);
	if (gate_in_wait(uc) && gate_wait_cut(t, sig, info, uc))
		return false;
	if (uc->mc.rip - (uintptr_t)rt_sigreturn_entry < (uintptr_t)(rt_sigreturn_masked - rt_sigreturn_entry))
		uc->mc.rip = rt.vdso_restorer;
	if (is_tick(info))
		tick(t, uc);
	else if (!t->step.armed || !step_stopped(&rt.engine, t, sig, info, uc))
		dispatch(t, sig, info, uc);
	rt_pending(t, uc);			/* @uc is in the slot and stays where it is */
	if (t->wait_cut)
		gate_wait_again(t, uc);		/* nothing has come of it for the program */
	return false;
}

/** rt_call() - enter_call has built @frame; all signals but SEGV and BUS are blocked. It loads the frame afterwards. */
void rt_call(struct thread *t, struct ksigframe *frame)
{
	int sig = 0;

	t->faults_blocked = false;
	signals_take_back(t);
	frame->info = (struct ksiginfo){ 0 };
	if (engine_call(&rt.engine, t, &sig, &frame->info, &frame->uc) == ENGINE_DELIVER)
		signals_deliver(t, sig, &frame->info, &frame->uc, true);
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
	signals_take_back(t);
	if (rt_copy(&readable, uc, sizeof(readable)))
		return uc;			/* the kernel finds the frame as bad as this */
	signals_set_vmask(t, uc->sigmask & PLATFORM_SIGNALS);
	uc->sigmask &= ~PLATFORM_SIGNALS;
	signals_altstack_set(t, &uc->stack, uc->mc.rsp);	/* as in the kernel, a bad one changes nothing */
	uc->stack = (struct kstack){ .sp = (uintptr_t)t + THREAD_STACK_OFFSET,
				     .size = THREAD_SLOT_SIZE - THREAD_STACK_OFFSET };
	if ((uint32_t)uc->mc.rax == ERESUME) {	/* the frame is going to be used, and may be anything */
		struct kucontext *copy = thread_of_stack(uc) == t ? uc : into_slot(t, uc);

		if (!copy)
			return rt_pending(t, uc);
		uc = copy;
		engine_resume(&rt.engine, t, uc);
	}
	return rt_pending(t, uc);
}

/** signals_kick() - make @t leave its enclave for an instant; false if it does not live. */
bool signals_kick(const struct thread *t)
{
	struct ksiginfo info = { .signo = KICK_SIGNAL, .code = HELD_CODE };

	return !sys_call4(NR_RT_TGSIGQUEUEINFO, t->pid, t->tid, KICK_SIGNAL, &info);
}

/** signals_tick() - the same for --aex=us, from its helper. */
bool signals_tick(const struct thread *t)
{
	struct ksiginfo info = { .signo = KICK_SIGNAL, .code = TICK_CODE };

	return !sys_call4(NR_RT_TGSIGQUEUEINFO, t->pid, t->tid, KICK_SIGNAL, &info);
}
