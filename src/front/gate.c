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

extern const char rt_stub[], rt_stub_end[];

void gate_continue(struct thread *t, struct kucontext *uc)
{
	t->stub_rip = uc->mc.rip;
	t->stub_r11 = uc->mc.r11;
	uc->mc.rip = (uintptr_t)rt_stub;
}

bool gate_in_stub(const struct kucontext *uc)
{
	return uc->mc.rip - (uintptr_t)rt_stub < (uintptr_t)(rt_stub_end - rt_stub);
}

void gate_stub_fixup(const struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;

	if (!gate_in_stub(uc))
		return;
	m->rip = m->rip == (uintptr_t)rt_stub ? t->stub_rip - 2 : t->stub_rip;	/* the program's SYSCALL, or behind it */
	m->rcx = t->stub_rip;
	m->r11 = t->stub_r11;
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
	case __NR_rt_sigpending:
	case __NR_rt_sigtimedwait:
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
