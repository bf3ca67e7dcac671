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

#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2	441
#endif

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

/* Does the filter trap this call? Only calls that can't be taken for something else by their arguments. */
static bool is_trapped(const struct kmcontext *m, uint32_t nr)
{
	const uint64_t pointer = 0x10000;

	switch (nr) {
	case __NR_open:
	case __NR_creat:
	case __NR_stat:
	case __NR_lstat:
	case __NR_access:
	case __NR_execve:
		return m->rdi >= pointer;
	case __NR_openat:
	case __NR_openat2:
	case __NR_newfstatat:
	case __NR_statx:
	case __NR_faccessat:
	case __NR_faccessat2:
	case __NR_execveat:
		return m->rsi >= pointer;
	case __NR_rt_sigaction:
	case __NR_rt_sigprocmask:
		return m->rdi <= KSIG_MAX && m->r10 == 8;
	case __NR_sigaltstack:
		return m->rdi >= pointer || m->rsi >= pointer;
	case __NR_rt_sigpending:
		return m->rdi >= pointer && m->rsi == 8;
	case __NR_rt_sigsuspend:
		return m->rdi >= pointer && m->rsi == 8;
	case __NR_rt_sigtimedwait:
		return m->rdi >= pointer && m->r10 == 8;
	case __NR_ppoll:
		return m->r10 >= pointer && m->r8 == 8;
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
		return m->r8 >= pointer && m->r9 == 8;
	case __NR_pselect6:
	case __NR_io_pgetevents:
		return m->r9 >= pointer;
	case __NR_ioctl:
		return (m->rsi & 0xff00) == 0xa400;
	case __NR_clone:
	case __NR_fork:
	case __NR_exit:
		return true;
	case __NR_mprotect:
	case __NR_munmap:
	case __NR_madvise:
	case __NR_pkey_mprotect:
	case __NR_mremap:
		return drv_range_hit(rt.drv, m->rdi, m->rsi);
	default:
		return false;
	}
}

bool gate_lost(struct thread *t, const struct kucontext *uc)
{
	const struct kmcontext *m = &uc->mc;
	uint8_t code[7];			/* mov $number, %eax; syscall */
	uint32_t nr;

	if (m->rcx != m->rip || rt_copy(code + 5, (const void *)(m->rip - 2), 2) || code[5] != 0x0f || code[6] != 0x05)
		return false;
	if (t->in_enclave)
		return true;			/* there none is ever executed */
	if (m->rax > __NR_epoll_pwait2 || !is_trapped(m, (uint32_t)m->rax))
		return false;
	if (rt_copy(code, (const void *)(m->rip - 7), 5) || code[0] != 0xb8)
		return true;			/* it may have returned that number, but not with these arguments */
	__builtin_memcpy(&nr, code + 1, sizeof(nr));
	return nr == m->rax;
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
		gate_signals(t, uc, nr);
		break;
	case __NR_tgkill:
	case __NR_tkill:
	case __NR_rt_tgsigqueueinfo:
	case __NR_rt_sigqueueinfo:
		gate_send(t, uc, nr);
		break;
	case __NR_rt_sigsuspend:
	case __NR_rt_sigtimedwait:
	case __NR_ppoll:
	case __NR_pselect6:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
	case __NR_io_pgetevents:
		gate_wait(t, uc, nr);
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
