/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx-rt as a program: takes the configuration from its first argument and becomes the program of the others. */
#include "front/launch.h"
#include "sys/mem.h"
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>

enum { EXIT_SOFTSGX = 125, EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

static _Noreturn void quit(int status)
{
	for (;;)
		sys_call1(__NR_exit_group, status);
}

static const char *reason(long error)
{
	switch (-error) {
	case ENOENT:
		return "not found";
	case EACCES:
		return "permission denied";
	case ENOEXEC:
		return "not an executable of this machine";
	case ELIBBAD:
	case EINVAL:
		return "not a valid executable";
	case ENOTDIR:
		return "a part of its path is not a directory";
	case EISDIR:
		return "is a directory";
	case ELOOP:
		return "too many symbolic links";
	case ETXTBSY:
		return "is open for writing";
	case E2BIG:
		return "arguments and environment are too long";
	case ENOMEM:
		return "out of memory";
	case EAGAIN:
		return "too many processes (ulimit -u)";
	}
	return "can't be executed";
}

/* The dispositions and the mask that the program would have inherited, where the runtime replaces them. */
static struct rt_inherit inherit_native(void)
{
	struct rt_inherit inherit = { 0 };
	struct ksigaction action;
	int sig;

	sys_call4(__NR_rt_sigprocmask, KSIG_BLOCK, 0, &inherit.sigmask, sizeof(inherit.sigmask));
	for (sig = 1; sig < 32; sig++)
		if (PLATFORM_SIGNALS & KSIG_BIT(sig) &&
		    !sys_call4(__NR_rt_sigaction, sig, 0, &action, sizeof(uint64_t)) && action.handler == KSIG_IGN)
			inherit.ignored |= KSIG_BIT(sig);
	return inherit;
}

_Noreturn void rt_main(uint64_t *stack)
{
	const uint64_t argc = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
	struct rt_start start = { 0 };
	bool refused;
	long error;

	/* Before anyone writes to it: what programs get. */
	memcpy(rt_pristine, rt_data_start, (size_t)(rt_data_end - rt_data_start));

	if (argc < 4 || !rt_config_decode(&start.config, argv[1])) {
		sys_print(2, "softsgx-rt: not for use by hand: start programs with `softsgx run'\n");
		quit(EXIT_SOFTSGX);
	}
	memset(argv[1], 0, strlen(argv[1]));
	start.inherit = inherit_native();

	error = launch_execve(AT_FDCWD, argv[2], argv + 3, envp, 0, &start, &refused);
	if (refused) {
		sys_print(2, "softsgx: ptrace is refused here (error %d); softsgx needs it for a moment when a program "
			     "starts.\n", (int)-error);
		sys_print(2, "In a container, allow it: docker run --cap-add SYS_PTRACE, or a seccomp profile that permits "
			     "it.\nUnder strace or a debugger, attach to the program when it runs.\n"
			     "kernel.yama.ptrace_scope must be below 2.\n");
		quit(EXIT_SOFTSGX);
	}
	sys_print(2, "softsgx: %s: %s (error %d)\n", argv[2], reason(error), (int)-error);
	quit(error == -ENOENT || error == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE);
}
