/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with a system call filter of its own, like a browser's sandbox: its SIGSYS handler answers what the filter
 * traps, also calls that the runtime looks at; refusals reach it as errors, and all registers survive a call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static int hits, failed;

static void expect(const char *what, long got, long wanted)
{
	if (got == wanted)
		return;
	printf("%s: %ld, should be %ld\n", what, got, wanted);
	failed = 1;
}

static void on_sys(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	hits++;
	expect("call_addr", (long)info->si_call_addr, regs[REG_RIP]);
	expect("number", info->si_syscall, regs[REG_RAX]);
	regs[REG_RAX] = -info->si_errno;
}

static long call(long nr, long a, long b, long c)
{
	long ret;

	errno = 0;
	ret = syscall(nr, a, b, c, 0);
	return ret == -1 ? -errno : ret;
}

/* RCX and R11 are what SYSCALL makes them: the address behind it and the flags. Nothing on the stack is written. */
static void registers(void)
{
	register long r10 __asm__("r10") = 0;
	long ret = SYS_newfstatat, rcx, flags, behind, below = 0x5a5a;

	__asm__ volatile("mov %[below], -136(%%rsp)\n\t"
			 "std; stc\n\t"
			 "syscall\n"
			 "1:	cld\n\t"
			 "lea 1b(%%rip), %[behind]\n\t"
			 "mov %%r11, %[flags]\n\t"
			 "mov -136(%%rsp), %[below]"
			 : "+a"(ret), "=&c"(rcx), [flags] "=&r"(flags), [behind] "=&r"(behind), [below] "+r"(below),
			   "+r"(r10)
			 : "D"(-1L), "S"("x"), "d"(0L)
			 : "r11", "memory", "cc");
	expect("newfstatat", ret, -33);
	expect("RCX", rcx, behind);
	expect("R11", flags & 0x401, 0x401);
	expect("below the red zone", below, 0x5a5a);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 71),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 72),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 33),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(rules) / sizeof(rules[0]), rules };

	sigaction(SIGSYS, &action, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	expect("filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	expect("trapped by the program alone", call(SYS_getppid, 0, 0, 0), -71);
	expect("trapped by both", call(SYS_openat, AT_FDCWD, (long)"/dev/null", 0), -72);
	expect("refused", call(SYS_newfstatat, AT_FDCWD, (long)"/", 0), -33);
	expect("handler calls", hits, 2);
	registers();
	return failed;
}
