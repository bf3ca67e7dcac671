/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper of launch.c: waits until the thread that it traces has executed a new image, and puts the runtime in.
 *
 * It lives in the memory of the old program, with a copy of its descriptors that it closes at once, in a session of its
 * own so that signals for the program's process group pass it by. It makes system calls from the runtime's text only,
 * and so passes the filters that it inherited.
 */
#include "front/launch.h"
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/close_range.h>
#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/ptrace.h>
#include <linux/uio.h>
#include <linux/wait.h>

/* mov $__NR_mmap, %eax; syscall; int3 -- RAX is set here because the kernel sets it when it leaves the stop at exec. */
#define REMOTE_CODE	UINT64_C(0xcc050f00000009b8)
#define REMOTE_SIZE	8
_Static_assert(__NR_mmap == 9, "in REMOTE_CODE");

#define CS_64		0x33

enum { STOP_SIGNAL_STOP = 19, STOP_SIGNAL_TSTP = 20, STOP_SIGNAL_TTIN = 21, STOP_SIGNAL_TTOU = 22 };

/* struct user_regs_struct: NT_PRSTATUS of a 64-bit thread. */
struct user_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags,
		 rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct user_regs) == 216, "struct user_regs_struct");

enum stop { STOP_GONE, STOP_EXEC, STOP_TRAP };

static long trace(long request, long pid, uint64_t addr, uint64_t data)
{
	return sys_call4(__NR_ptrace, request, pid, addr, data);
}

static bool is_stop_signal(int sig)
{
	return sig == STOP_SIGNAL_STOP || sig == STOP_SIGNAL_TSTP || sig == STOP_SIGNAL_TTIN || sig == STOP_SIGNAL_TTOU;
}

/*
 * The next stop that matters: the exec, or when that has happened the trap behind the remote call. Job control goes on
 * meanwhile as if nobody traced. The number of the thread may change at exec (it becomes the leader): *pid is set.
 */
static enum stop wait_stop(enum stop wanted, long *pid)
{
	for (;;) {
		int status, sig, event;
		long who = sys_call4(__NR_wait4, -1, &status, __WALL, 0);

		if (who == -EINTR)
			continue;
		if (who < 0 || (status & 0xff) != 0x7f)
			return STOP_GONE;
		sig = status >> 8 & 0xff;
		event = status >> 16;
		*pid = who;
		if (event == PTRACE_EVENT_EXEC)
			return STOP_EXEC;
		if (event == PTRACE_EVENT_STOP)
			trace(is_stop_signal(sig) ? PTRACE_LISTEN : PTRACE_CONT, who, 0, 0);
		else if (sig == KSIG_TRAP && wanted == STOP_TRAP)
			return STOP_TRAP;
		else
			trace(PTRACE_CONT, who, 0, event ? 0 : (uint64_t)sig);
	}
}

static long registers(long request, long pid, struct user_regs *regs)
{
	struct iovec io = { .iov_base = regs, .iov_len = sizeof(*regs) };
	long ret = trace(request, pid, NT_PRSTATUS, (uint64_t)(uintptr_t)&io);

	return ret ? ret : (long)io.iov_len;
}

/* mmap of the runtime's place by the new image itself. Its address, -errno, or 0 if the program is gone. */
static long remote_map(long pid, const struct user_regs *entry)
{
	/* Eight bytes that can't cross a page; the program stands at its first instruction, so the page is executable. */
	const uint64_t code = entry->rip & ~(uint64_t)(REMOTE_SIZE - 1);
	struct user_regs regs = *entry;
	uint64_t saved;
	long ret;

	ret = trace(PTRACE_PEEKDATA, pid, code, (uint64_t)(uintptr_t)&saved);
	if (!ret)
		ret = trace(PTRACE_POKEDATA, pid, code, REMOTE_CODE);
	if (ret)
		return ret;
	regs.rip = code;
	regs.orig_rax = ~UINT64_C(0);
	regs.rdi = RT_BASE;
	regs.rsi = RT_SIZE;
	regs.rdx = PROT_READ | PROT_WRITE | PROT_EXEC;	/* rt_init() narrows it */
	regs.r10 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	regs.r8 = ~UINT64_C(0);
	regs.r9 = 0;
	ret = registers(PTRACE_SETREGSET, pid, &regs);
	if (ret < 0)
		return ret;
	trace(PTRACE_CONT, pid, 0, 0);
	if (wait_stop(STOP_TRAP, &pid) != STOP_TRAP || registers(PTRACE_GETREGSET, pid, &regs) < 0)
		return 0;
	ret = trace(PTRACE_POKEDATA, pid, code, saved);
	if (ret)
		return ret;
	return regs.rip == code + REMOTE_SIZE ? (long)regs.rax : -EFAULT;
}

/* The blob as the linker made it, and what it is to know. */
static long write_image(long pid, const struct rt_start *start)
{
	const size_t image = (size_t)(rt_image_end - rt_image_start), data = (size_t)(rt_data_end - rt_data_start);
	const struct iovec local[] = {
		{ .iov_base = rt_image_start, .iov_len = image },
		{ .iov_base = rt_pristine, .iov_len = data },
		{ .iov_base = rt_pristine, .iov_len = data },
		{ .iov_base = (void *)(uintptr_t)start, .iov_len = sizeof(*start) },
	};
	const struct iovec remote[] = {
		{ .iov_base = rt_image_start, .iov_len = image },
		{ .iov_base = rt_data_start, .iov_len = data },
		{ .iov_base = rt_pristine, .iov_len = data },
		{ .iov_base = &rt_start, .iov_len = sizeof(*start) },
	};
	long ret = sys_call6(__NR_process_vm_writev, pid, (long)local, 4, (long)remote, 4, 0);

	if (ret < 0)
		return ret;
	return (size_t)ret == image + 2 * data + sizeof(*start) ? 0 : -EFAULT;
}

/* What can't be served: the image can't run without the runtime if it inherited filters, and must not if it did not. */
static void give_up(long pid, const char *what, long error)
{
	sys_print(2, "softsgx: %s the runtime into the program failed (error %d); the program is ended\n", what,
		  (int)-error);
	sys_call2(__NR_kill, pid, KSIG_KILL);
}

static void inject(struct launch_job *job, long pid)
{
	const uint64_t all = ~UINT64_C(0);
	struct user_regs regs;
	long ret = registers(PTRACE_GETREGSET, pid, &regs);

	if (ret != sizeof(regs) || regs.cs != CS_64) {
		if (job->start.config.flags & RT_FLAG_VERBOSE)
			sys_print(2, "softsgx: process %d runs a 32-bit program, without softsgx\n", (int)pid);
		trace(PTRACE_SETSIGMASK, pid, sizeof(uint64_t), (uint64_t)(uintptr_t)&job->start.inherit.sigmask);
		trace(PTRACE_DETACH, pid, 0, 0);
		return;
	}
	job->start.entry_rip = regs.rip;
	job->start.entry_rsp = regs.rsp;
	job->start.helper = (int32_t)sys_call0(__NR_getpid);

	trace(PTRACE_SETSIGMASK, pid, sizeof(all), (uint64_t)(uintptr_t)&all);
	ret = remote_map(pid, &regs);
	if (!ret)
		return;
	if (ret != RT_BASE) {
		give_up(pid, "mapping", ret < 0 ? ret : -EEXIST);
		return;
	}
	ret = write_image(pid, &job->start);
	if (ret) {
		give_up(pid, "copying", ret);
		return;
	}
	regs.rip = (uint64_t)(uintptr_t)rt_entry;
	regs.orig_rax = ~UINT64_C(0);
	regs.rax = 0;
	registers(PTRACE_SETREGSET, pid, &regs);
	trace(PTRACE_DETACH, pid, 0, 0);
}

_Noreturn void launch_helper(void *argument)
{
	struct launch_job *job = argument;
	long pid = job->tracee;

	/* The copies of the program's descriptors: a pipe must not seem open because of them. 2 is for messages. */
	sys_call3(__NR_close_range, 0, 1, 0);
	sys_call3(__NR_close_range, 3, ~0u, 0);
	sys_call0(__NR_setsid);

	job->error = trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC);
	if (job->error)		/* else the end of this process would overwrite the state */
		sys_call1(__NR_set_tid_address, 0);
	atomic_store(&job->state, job->error ? LAUNCH_REFUSED : LAUNCH_READY);
	sys_call3(__NR_futex, &job->state, FUTEX_WAKE, 1);
	if (job->error)
		for (;;)	/* memory and process are given back by the one that waits */
			sys_call1(__NR_exit, 0);

	if (wait_stop(STOP_EXEC, &pid) == STOP_EXEC)
		inject(job, pid);

	/* The stack may lie in the memory of a vfork parent. The futex word goes with it: nobody waits for it any more. */
	sys_call1(__NR_set_tid_address, 0);
	launch_vanish(job, LAUNCH_STACK_SIZE);
}
