/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever a child of vfork does to its signals, and however it ends, its parent finds everything as it was. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536], other_stack[65536];
static volatile int handled;
static int *volatile nowhere;
static int failed;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void expect(const char *what, int round, long got, long wanted)
{
	if (got == wanted)
		return;
	printf("%s, round %d: %lx, should be %lx\n", what, round, got, wanted);
	failed = 1;
}

static _Noreturn void child(int round)
{
	stack_t altstack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	sigaltstack(&altstack, NULL);
	if (round == 0)
		syscall(SYS_exit, 3);
	if (round == 1)
		*nowhere = 0;
	if (round == 2)
		kill(getpid(), SIGKILL);
	execl("/bin/true", "true", (char *)NULL);
	_exit(9);
}

int main(void)
{
	static const int statuses[] = { 3 << 8, SIGSEGV, SIGKILL, 0 };
	stack_t altstack = { .ss_sp = stack, .ss_size = sizeof(stack) };
	int round, sig, fd, status;
	sigset_t mask;
	pid_t pid;

	signal(SIGUSR1, on_signal);
	sigaltstack(&altstack, NULL);
	for (round = 0; round < 4; round++) {
		pid = vfork();
		if (!pid)
			child(round);
		waitpid(pid, &status, 0);
		expect("status", round, status & ~0x80, statuses[round]);
		fd = open("/dev/null", O_RDONLY);
		expect("open", round, fd < 0, 0);
		close(fd);
		raise(SIGUSR1);
		expect("handled", round, handled, round + 1);
		sigprocmask(SIG_BLOCK, NULL, &mask);
		for (sig = 1; sig < 32; sig++)
			expect("blocked", round, sigismember(&mask, sig) ? sig : 0, 0);
		sigaltstack(NULL, &altstack);
		expect("alternate stack", round, (long)altstack.ss_sp, (long)stack);
	}
	return failed;
}
