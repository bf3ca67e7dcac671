// SPDX-License-Identifier: BSD-2-Clause
/*
 * Executes argv[2...] with a mask, ignored signals and pending signals that reach into the signals that softsgx uses
 * itself; from a vfork child if argv[1] is "vfork", whose exit status then becomes its own.
 */
#define _GNU_SOURCE
#include "exec.h"
#include <signal.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
	const int blocked[] = { SIGUSR1, SIGCHLD, SIGTRAP, SIGSEGV, SIGRTMIN };
	sigset_t mask;
	int status;

	if (argc < 3)
		return 1;
	sigemptyset(&mask);
	for (unsigned i = 0; i < sizeof(blocked) / sizeof(*blocked); i++)
		sigaddset(&mask, blocked[i]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signal(SIGFPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGILL, SIG_IGN);
	if (strcmp(argv[1], "vfork")) {
		raise(SIGUSR1);
		raise(SIGRTMIN);
		do_execve(argv[2], argv + 2, environ);
		return 1;
	}
	if (!vfork()) {
		do_execve(argv[2], argv + 2, environ);
		_exit(1);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
