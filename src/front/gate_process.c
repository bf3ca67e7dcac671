/* SPDX-License-Identifier: BSD-2-Clause */
/* clone, fork, execve, exit: every thread gets a slot, every new image gets the runtime. vfork is never trapped. */
#include "front/held.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#include <asm/prctl.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/sched.h>

long rt_clone_thread(uint64_t flags, struct ksigframe *frame, uint64_t ptid, uint64_t ctid, uint64_t tls,
		     struct thread *t);
_Noreturn void rt_thread_exit(uint64_t *slots, uint64_t keep, int status);

/* The child starts by loading a copy of its parent's signal frame, with 0 in RAX and its own stacks. */
static struct ksigframe *child_frame(struct thread *child, const struct kucontext *uc, uint64_t sp)
{
	const struct kfpx_sw *sw = (const void *)(uc->mc.fpstate + X86_XSAVE_SW_RESERVED);
	uint32_t fp_size = frame_xstate_size(sw);
	uint64_t fp = ((uintptr_t)child + THREAD_SLOT_SIZE - fp_size) & ~UINT64_C(63);
	struct ksigframe *frame = (struct ksigframe *)((fp - sizeof(*frame)) & ~UINT64_C(63));

	__builtin_memcpy((void *)fp, (const void *)uc->mc.fpstate, fp_size);
	frame->uc = *uc;
	frame->uc.mc.fpstate = fp;
	frame->uc.mc.rax = 0;
	if (sp)
		frame->uc.mc.rsp = sp;
	frame->uc.stack = (struct kstack){ .sp = (uintptr_t)child + THREAD_STACK_OFFSET,
					   .size = THREAD_SLOT_SIZE - THREAD_STACK_OFFSET };
	return frame;
}

static long gate_thread(struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	struct thread *child = thread_alloc();
	long ret;

	if (!child)
		return -EAGAIN;
	child->vmask = t->vmask;
	child->altstack.flags = KSS_DISABLE;	/* as the kernel marks it; a process begins with 0 */
	ret = rt_clone_thread(m->rdi, child_frame(child, uc, m->rsi), m->rdx, m->r10, m->r8, child);
	if (ret < 0)
		thread_free(child);
	return ret;
}

static long gate_fork(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	long ret;

	lock_acquire(&rt.lock, (uint32_t)t->tid);
	lock_acquire(&rt.engine.patch_lock, (uint32_t)t->tid);
	drv_fork_prepare(rt.drv, (uint32_t)t->tid);
	if (nr == __NR_fork)
		ret = sys_call0(__NR_fork);
	else
		ret = sys_call5(__NR_clone, m->rdi, 0, m->rdx, m->r10, m->r8);
	drv_fork_done(rt.drv, ret == 0);
	lock_release(&rt.engine.patch_lock);
	lock_release(&rt.lock);
	if (ret == 0) {
		stats_fork_child();
		threads_forked(t);
		symbols_forked();
		aex_forked(t);
		if (nr == __NR_clone && m->rsi)
			m->rsp = m->rsi;
	}
	return ret;
}

/* What the program has pending it has pending still when it is another. */
static void give_pending(struct thread *t)
{
	const uint64_t all = ~UINT64_C(0);

	if (!held_ready(t, 0) || (!t->lent.valid && (uint64_t)sys_call0(__NR_gettid) != t->tid))
		return;				/* its parent's, if it is a child of vfork */
	sys_call4(__NR_rt_sigprocmask, KSIG_BLOCK, &all, NULL, 8);
	t->faults_blocked = true;
	while (held_give(t, all))
		;
}

static long gate_exec(struct thread *t, const struct kucontext *uc, uint32_t nr)
{
	const struct kmcontext *m = &uc->mc;
	uint64_t mask = (uc->sigmask & ~PLATFORM_SIGNALS) | t->vmask, ignored = signals_ignored(t);
	long ret;

	give_pending(t);
	aex_exec(t, true);
	drv_exec_prepare(rt.drv, (uint32_t)t->tid);
	if (nr == __NR_execveat)
		ret = rt_execve((int)m->rdi, (const char *)m->rsi, (char *const *)m->rdx, (char *const *)m->r10,
				(int)m->r8, mask, ignored);
	else
		ret = rt_execve(AT_FDCWD, (const char *)m->rdi, (char *const *)m->rsi, (char *const *)m->rdx, 0,
				mask, ignored);
	drv_exec_failed(rt.drv, (uint32_t)t->tid);
	aex_exec(t, false);
	return ret;
}

static void gate_exit(struct thread *t, const struct kmcontext *m)
{
	const uint64_t all = ~UINT64_C(0);

	if ((uint64_t)sys_call0(__NR_gettid) != t->tid)
		sys_call1(__NR_exit, m->rdi);	/* a child of vfork: the slot is its parent's */
	/* Once the slot is another thread's, no signal may need it. */
	sys_call4(__NR_rt_sigprocmask, KSIG_SETMASK, &all, 0, sizeof(all));
	rt_thread_exit(thread_slot_word(t), ~(UINT64_C(1) << (t->index % 64)), (int)m->rdi);
}

/* CPUID faulting as the program would control it: it sees the machine's default, on. */
static long gate_arch_prctl(struct thread *t, struct kucontext *uc)
{
	if (!rt.cpuid_faulting) {
		gate_continue(t, uc);
		return (long)uc->mc.rax;
	}
	return uc->mc.rdi == ARCH_GET_CPUID ? 1 : uc->mc.rsi ? 0 : -ENODEV;
}

void gate_process(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;

	switch (nr) {
	case __NR_clone:
		m->rax = (uint64_t)(m->rdi & CLONE_VM ? gate_thread(t, uc) : gate_fork(t, uc, nr));
		break;
	case __NR_fork:
		m->rax = (uint64_t)gate_fork(t, uc, nr);
		break;
	case __NR_execve:
	case __NR_execveat:
		m->rax = (uint64_t)gate_exec(t, uc, nr);
		break;
	case __NR_exit:
		gate_exit(t, m);
		break;
	default:
		m->rax = (uint64_t)gate_arch_prctl(t, uc);
		break;
	}
}
