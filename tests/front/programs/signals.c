/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program can see of signals, printed: the same with and without the runtime. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static char stack[65536];
static sigjmp_buf environment;
static volatile int count, nested;
static int *volatile nowhere;

static void on_count(int sig)
{
	(void)sig;
	count++;
}

static void on_print(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	count++;
	printf("  %d: code %d value %d, stack %x of %zu\n", sig, info->si_code,
	       info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, (unsigned int)uc->uc_stack.ss_flags,
	       uc->uc_stack.ss_size);
}

static void on_jump(int sig)
{
	siglongjmp(environment, sig);
}

static void on_edit(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGSEGV);
	sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

static void on_skip(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	count++;
}

static void on_stack(int sig, siginfo_t *info, void *context)
{
	stack_t old, new = { .ss_sp = stack, .ss_size = 8192 };
	char here;
	int ret;

	(void)info;
	(void)context;
	sigaltstack(NULL, &old);
	ret = sigaltstack(&new, NULL) ? errno : 0;
	printf("  %d: on it %d, flags %x, change %d\n", sig, &here > stack && &here < stack + sizeof(stack),
	       (unsigned int)old.ss_flags, ret);
	if (!nested++)
		raise(SIGUSR2);
}

static void on_set_stack(int sig)
{
	stack_t new = { .ss_sp = stack, .ss_size = sizeof(stack) };

	(void)sig;
	sigaltstack(&new, NULL);
}

static void on_fork(int sig)
{
	pid_t pid = fork();
	int status;

	(void)sig;
	if (!pid)
		_exit(7);
	waitpid(pid, &status, 0);
	count += WEXITSTATUS(status);
}

static void handle(int sig, void (*function)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = function, .sa_flags = flags };

	sigaction(sig, &action, NULL);
}

static void set_mask(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sig)
		sigaddset(&set, sig);
	sigprocmask(how, &set, NULL);
}

static void show(const char *what)
{
	sigset_t mask, pending;
	stack_t altstack;
	int sig;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	sigaltstack(NULL, &altstack);
	printf("%s: count %d, stack %x %zu, blocked", what, count, (unsigned int)altstack.ss_flags, altstack.ss_size);
	for (sig = 1; sig <= 64; sig++)
		if (sigismember(&mask, sig) == 1)
			printf(" %d%s", sig, sigismember(&pending, sig) == 1 ? " (pending)" : "");
	printf("\n");
	count = 0;
}

static void show_action(int sig)
{
	struct sigaction action;

	sigaction(sig, NULL, &action);
	printf("action of %d: %s, flags %x\n", sig, action.sa_handler == SIG_DFL ? "default" : "handler",
	       (unsigned int)action.sa_flags & ~0x04000000u);
}

static void actions(void)
{
	static const int signals[] = { SIGSEGV, SIGUSR1, SIGSYS };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		handle(signals[i], on_print, SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
		show_action(signals[i]);
		raise(signals[i]);
		show_action(signals[i]);
		handle(signals[i], on_print, SA_SIGINFO);
		set_mask(SIG_BLOCK, signals[i]);
		raise(signals[i]);
		raise(signals[i]);
		show("raised twice");
		set_mask(SIG_SETMASK, 0);
		show("unblocked");
	}
}

static void queues(void)
{
	const struct timespec now = { 0 };
	sigset_t set;
	int i;

	handle(SIGRTMIN + 1, on_print, SA_SIGINFO);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < 4; i++)
		sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i });
	raise(SIGSEGV);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	printf("waited for %d", sigtimedwait(&set, NULL, &now));
	printf(", %d\n", sigtimedwait(&set, NULL, &now));
	set_mask(SIG_SETMASK, 0);
	show("queue");
}

static void contexts(void)
{
	volatile int i;

	signal(SIGSEGV, on_jump);
	for (i = 0; i < 5; i++)
		if (!sigsetjmp(environment, 1))
			*nowhere = 1;
		else
			count++;
	show("jumped out");
	handle(SIGUSR1, on_edit, SA_SIGINFO);
	raise(SIGUSR1);
	show("mask edited");
	set_mask(SIG_SETMASK, 0);
	handle(SIGILL, on_skip, SA_SIGINFO);
	__asm__ volatile("ud2; ud2");
	show("skipped");
	signal(SIGUSR1, on_fork);
	raise(SIGUSR1);
	show("forked");
}

static void stacks(void)
{
	stack_t altstack = { .ss_sp = stack, .ss_size = 100 };

	signal(SIGUSR1, on_set_stack);
	raise(SIGUSR1);
	show("set by a handler");
	printf("small: %d\n", sigaltstack(&altstack, NULL) ? errno : 0);
	altstack.ss_flags = 77;
	printf("flags: %d\n", sigaltstack(&altstack, NULL) ? errno : 0);
	handle(SIGUSR1, on_stack, SA_SIGINFO | SA_ONSTACK);
	handle(SIGUSR2, on_stack, SA_SIGINFO | SA_ONSTACK);
	raise(SIGUSR1);
	altstack = (stack_t){ .ss_sp = stack, .ss_size = sizeof(stack), .ss_flags = (int)(1u << 31) };
	sigaltstack(&altstack, NULL);
	nested = 0;
	raise(SIGUSR1);
	show("disarmed by use");
	altstack = (stack_t){ .ss_flags = SS_DISABLE };
	sigaltstack(&altstack, NULL);
	show("disabled");
}

static void blocking(void)
{
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	int status, fd;
	pid_t pid;

	unlink("fifo");
	mkfifo("fifo", 0600);
	handle(SIGALRM, (void (*)(int, siginfo_t *, void *))(void (*)(void))on_count, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	fd = open("fifo", O_RDONLY);
	printf("interrupted: %d\n", fd < 0 ? errno : 0);
	handle(SIGALRM, (void (*)(int, siginfo_t *, void *))(void (*)(void))on_count, SA_RESTART);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		usleep(200000);
		_exit(open("fifo", O_WRONLY) < 0);
	}
	setitimer(ITIMER_REAL, &timer, NULL);
	fd = open("fifo", O_RDONLY);
	waitpid(pid, &status, 0);
	printf("restarted: %d, %d\n", fd >= 0, status);
	unlink("fifo");
	show("blocking");
}

static void die_blocked(void) { set_mask(SIG_BLOCK, SIGSEGV); *nowhere = 0; }
static void die_ignored(void) { signal(SIGSEGV, SIG_IGN); raise(SIGSEGV); *nowhere = 0; }
static void die_reset(void) { handle(SIGSEGV, on_print, SA_SIGINFO | SA_RESETHAND); *nowhere = 0; *nowhere = 0; }
static void die_sent(void) { signal(SIGSYS, SIG_DFL); raise(SIGSYS); }
static void die_trap(void) { __asm__ volatile("int3"); }
static void die_illegal(void) { signal(SIGILL, SIG_DFL); __asm__ volatile("ud2"); }
static void die_small(void)
{
	stack_t altstack = { .ss_sp = stack, .ss_size = 2048 };

	signal(SIGSEGV, SIG_DFL);
	sigaltstack(&altstack, NULL);
	handle(SIGUSR1, on_print, SA_SIGINFO | SA_ONSTACK);
	raise(SIGUSR1);
}

static void deaths(void)
{
	static void (*const death[])(void) = {
		die_blocked, die_ignored, die_reset, die_sent, die_trap, die_illegal, die_small,
	};
	unsigned int i;

	for (i = 0; i < sizeof(death) / sizeof(death[0]); i++) {
		siginfo_t info = { 0 };
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid) {
			death[i]();
			_exit(0);
		}
		waitid(P_PID, (id_t)pid, &info, WEXITED);
		printf("death %u: code %d, status %d\n", i, info.si_code, info.si_status);
	}
}

static void *idle(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void threads(void)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, idle, NULL);
	usleep(10000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
	pthread_create(&thread, NULL, idle, NULL);
	printf("all threads' ids: %d\n", setresuid(getuid(), getuid(), getuid()));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	actions();
	queues();
	contexts();
	stacks();
	blocking();
	deaths();
	threads();
	return 0;
}
