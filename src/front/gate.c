/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system call gate: calls that the filter traps arrive here, in SIGSYS, with the program's registers in @uc. A call
 * is answered in the handler, or, when the driver has nothing to do with it, handed back: the program then makes it
 * itself from rt_stub, in its own context, so that blocking, restarting and interruption are the kernel's.
 */
#include "front/rt.h"
#include "sys/sys.h"
#include "trap/insn.h"
#include "trap/rtcopy.h"

#include <asm/unistd.h>

extern const char rt_stub[], rt_stub_ret[];

#define RED_ZONE	128

static bool stub_frame(struct kucontext *uc, uint64_t *sp)
{
	*sp = uc->mc.rsp - RED_ZONE - 8;
	return !rt_copy((void *)*sp, &uc->mc.rip, 8);
}

void gate_continue(struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	uint64_t sp;

	(void)t;
	if (!stub_frame(uc, &sp)) {		/* no stack to speak of: the call cannot be one that blocks for long */
		m->rax = (uint64_t)sys_call6((long)m->rax, (long)m->rdi, (long)m->rsi, (long)m->rdx, (long)m->r10,
					     (long)m->r8, (long)m->r9);
		return;
	}
	m->rsp = sp;
	m->rip = (uintptr_t)rt_stub;
}

bool gate_stub_fixup(struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	uint64_t target;

	if (m->rip != (uintptr_t)rt_stub && m->rip != (uintptr_t)rt_stub_ret)
		return false;
	if (rt_copy(&target, (const void *)m->rsp, 8))
		return false;
	m->rsp += RED_ZONE + 8;
	m->rip = m->rip == (uintptr_t)rt_stub ? target - 2 : target;	/* at the program's SYSCALL, or behind it */
	return true;
}

void gate_cpuid(struct kucontext *uc, unsigned behind)
{
	struct cpuid_result r = cpuid_emulate((uint32_t)uc->mc.rax, (uint32_t)uc->mc.rcx);

	uc->mc.rax = r.eax;
	uc->mc.rbx = r.ebx;
	uc->mc.rcx = r.ecx;
	uc->mc.rdx = r.edx;
	uc->mc.rip += 2 - behind;
}

bool gate_cpuid_faulted(struct kucontext *uc)
{
	uint8_t bytes[16];
	unsigned length, available = 15;

	available -= (unsigned)rt_copy(bytes, (const void *)uc->mc.rip, available);
	if (insn_classify(bytes, available, &length) != INSN_CPUID)
		return false;
	uc->mc.rip += length - 2;
	gate_cpuid(uc, 0);
	return true;
}

void gate_syscall(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	t->blocked = uc->sigmask;
	switch (nr) {
	case __NR_rt_sigaction:
	case __NR_rt_sigprocmask:
	case __NR_sigaltstack:
	case __NR_rt_sigreturn:
		gate_signals(t, uc, nr);
		break;
	case __NR_clone:
	case __NR_fork:
	case __NR_execve:
	case __NR_execveat:
	case __NR_exit:
	case __NR_arch_prctl:
		gate_process(t, uc, nr);
		break;
	case __NR_mmap:
	case __NR_munmap:
	case __NR_mprotect:
	case __NR_pkey_mprotect:
	case __NR_mremap:
	case __NR_madvise:
		gate_memory(t, uc, nr);
		break;
	default:
		gate_files(t, uc, nr);
		break;
	}
}
