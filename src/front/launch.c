/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way in which a program gets the runtime, from `softsgx run` as from a program's own execve:
 *
 *  a) a helper process is made that shares the memory, and nothing else, of the one that executes (launch_helper);
 *  b) it seizes that thread with ptrace and says so;
 *  c) the thread executes natively, so that the kernel judges path, arguments and permissions;
 *  d) if that fails, the helper is killed, which also ends the tracing, and everything it had is given back;
 *  e) if it succeeds, the helper finds the new image at its first instruction, brings the runtime in, and ends;
 *     the runtime waits for it there (init.c).
 *
 * The program keeps its process, parent, and everything else execve keeps. The helper is its child for those moments,
 * one that only __WALL and __WCLONE wait for, and the runtime reaps it before the program's first instruction. A helper
 * further away (an orphan) would be worse: it would become an ordinary child of a program that is init or a subreaper.
 *
 * Nothing here writes to the runtime's data: in a child of vfork that is the parent's.
 */
#include "front/launch.h"
#include "sys/mem.h"
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>

/** struct permission - what is changed so that the helper may trace, and must be put back. */
struct permission {
	bool dumpable, ptracer;
};

/*
 * A process that changed its user (su) is not dumpable and can't be traced; one under Yama can be traced only by those
 * it names. Exec resets the first by itself, rt_init() the second.
 */
static struct permission permission_grant(void)
{
	struct permission old = { 0 };

	if (sys_call1(__NR_prctl, PR_GET_DUMPABLE) != 1)
		old.dumpable = sys_call2(__NR_prctl, PR_SET_DUMPABLE, 1) == 0;
	old.ptracer = sys_call2(__NR_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY) == 0;
	return old;
}

static void permission_revoke(struct permission old)
{
	if (old.dumpable)
		sys_call2(__NR_prctl, PR_SET_DUMPABLE, 0);
	if (old.ptracer)
		sys_call2(__NR_prctl, PR_SET_PTRACER, 0);
}

/* Ends the helper, and with it the tracing. */
static void helper_end(long pid)
{
	sys_call2(__NR_kill, pid, KSIG_KILL);
	while (sys_call4(__NR_wait4, pid, 0, __WALL, 0) == -EINTR)
		;
}

/* Returns the helper's pid once it traces this thread, or -errno. */
static long helper_start(struct launch_job *job, bool *refused)
{
	uint32_t state;
	long pid;

	/*
	 * Without CLONE_FILES and CLONE_FS: execve must not find these shared (record locks and set-user-ID depend on
	 * it). The futex word is cleared and woken when the helper ends, however it ends.
	 */
	pid = launch_clone(CLONE_VM | CLONE_CHILD_CLEARTID, (uint8_t *)job + LAUNCH_STACK_SIZE, &job->state,
			   launch_helper, job);
	if (pid < 0)
		return pid;
	while ((state = atomic_load(&job->state)) == LAUNCH_STARTING)
		sys_call4(__NR_futex, &job->state, FUTEX_WAIT, LAUNCH_STARTING, 0);
	if (state == LAUNCH_READY)
		return pid;
	helper_end(pid);
	*refused = state == LAUNCH_REFUSED;
	return *refused ? job->error : -EAGAIN;
}

long launch_execve(int dirfd, const char *path, char *const *argv, char *const *envp, int flags,
		   const struct rt_start *start, bool *refused)
{
	const uint64_t all = ~UINT64_C(0);
	struct permission permission;
	struct launch_job *job;
	uint64_t mask;
	long ret, pid;

	*refused = false;
	ret = sys_call6(__NR_mmap, RT_LAUNCH_BASE, LAUNCH_STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_error(ret))
		return ret;
	job = (struct launch_job *)ret;
	job->start = *start;
	job->tracee = (int32_t)sys_call0(__NR_gettid);
	atomic_store(&job->state, LAUNCH_STARTING);

	/* All signals wait, here and in the helper, until the new program has its runtime. */
	sys_call4(__NR_rt_sigprocmask, KSIG_SETMASK, &all, &mask, sizeof(mask));
	permission = permission_grant();

	pid = helper_start(job, refused);
	if (pid < 0) {
		ret = pid;
	} else {
		if (dirfd == AT_FDCWD && !flags)
			ret = sys_call3(__NR_execve, path, argv, envp);
		else
			ret = sys_call5(__NR_execveat, dirfd, path, argv, envp, flags);
		helper_end(pid);
	}
	sys_call2(__NR_munmap, job, LAUNCH_STACK_SIZE);
	permission_revoke(permission);
	sys_call4(__NR_rt_sigprocmask, KSIG_SETMASK, &mask, 0, sizeof(mask));
	return ret;
}

long rt_execve(int dirfd, const char *path, char *const *argv, char *const *envp, int flags, uint64_t sigmask,
	       uint64_t ignored)
{
	const struct rt_start start = {
		.config = rt.config,
		.inherit = { .sigmask = sigmask, .ignored = ignored, .filters = rt.filters },
		.stats_page = stats_page(),
		.nested = true,
	};
	bool refused;

	return launch_execve(dirfd, path, argv, envp, flags, &start, &refused);
}
