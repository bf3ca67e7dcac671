/* SPDX-License-Identifier: BSD-2-Clause */
/* See task.h. */
#include "sys/task.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "sys/sys.h"

enum { KILL = 9 };

/* First code of the helper. Between its birth and the prctl the parent may have died already: then it is an orphan. */
__attribute__((used, noinline)) static void begin(void (*run)(void *), void *arg, long parent)
{
	sys_call5(__NR_prctl, PR_SET_PDEATHSIG, KILL, 0, 0, 0);
	if (sys_call0(__NR_getppid) == parent)
		run(arg);
	for (;;)
		sys_call1(__NR_exit, 0);
}

long sys_task(void *stack_top, void (*run)(void *), void *arg)
{
	register long flags __asm__("rdi") = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED;
	register void *stack __asm__("rsi") = stack_top;
	register long none __asm__("rdx") = 0;
	register long none2 __asm__("r10") = 0;
	register long none3 __asm__("r8") = 0;
	register void (*function)(void *) __asm__("r12") = run;
	register void *argument __asm__("r13") = arg;
	register long parent __asm__("r14") = sys_call0(__NR_getpid);
	register long ret __asm__("rax") = __NR_clone;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %[function], %%rdi\n\t"
			 "mov %[argument], %%rsi\n\t"
			 "mov %[parent], %%rdx\n\t"
			 "call %P[begin]\n\t"
			 "ud2\n"
			 "1:"
			 : "+r"(ret)
			 : "r"(flags), "r"(stack), "r"(none), "r"(none2), "r"(none3), [function] "r"(function),
			   [argument] "r"(argument), [parent] "r"(parent), [begin] "i"(begin)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

void sys_task_join(long pid)
{
	while (sys_call4(__NR_wait4, pid, 0, __WALL, 0) == -EINTR)
		;
}
