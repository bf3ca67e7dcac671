/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits with a signal mask, or for signals; what is pending where, and who gets it. The program prints what it observes;
 * same.sh compares that with what it prints without softsgx.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGFPE, SIGSYS, SIGUSR1, 40 };
#define SIGNALS	(sizeof(signals) / sizeof(signals[0]))

static volatile int handled, thread_number, raise_inside;
static __thread int me;
static int pipes[2], ep;

static const char *mask_text(const sigset_t *set)
{
	static char text[4][65];
	static int which;
	char *t = text[which++ % 4];
	int sig;

	for (sig = 1; sig < 65; sig++)
		t[sig - 1] = sigismember(set, sig) == 1 ? '1' : '.';
	t[64] = 0;
	return t;
}

static void show_mask(const char *what)
{
	sigset_t now, pending;

	sigprocmask(SIG_SETMASK, NULL, &now);
	sigpending(&pending);
	printf("  %s: mask %s pending %s\n", what, mask_text(&now), mask_text(&pending));
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	printf(" handler %d thread %d code %d value %d from self %d; interrupted mask %s, result %lld\n", sig, me,
	       info->si_code, info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, info->si_pid == getpid(),
	       mask_text(&uc->uc_sigmask), uc->uc_mcontext.gregs[REG_RAX] < 0 ? uc->uc_mcontext.gregs[REG_RAX] : 0LL);
	show_mask("in handler");
	handled++;
	if (raise_inside) {
		int inner = raise_inside;

		raise_inside = 0;
		raise(inner);
		show_mask("in handler, after another");
	}
}

static void set(int sig, int flags, int also)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&act.sa_mask);
	if (also)
		sigaddset(&act.sa_mask, also);
	sigaction(sig, &act, NULL);
}

static sigset_t only(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t))
		;
}

enum { PPOLL, PSELECT, EPOLL, EPOLL2, SUSPEND, TIMED, WAITS };
static const char *const name[] = { "ppoll", "pselect", "epoll_pwait", "epoll_pwait2", "sigsuspend", "sigtimedwait" };

/* The wait, with @mask or for @mask; ends after @ms, or never. */
static int wait_with(int how, const sigset_t *mask, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct pollfd p = { .fd = pipes[0], .events = POLLIN };
	struct epoll_event event;
	siginfo_t info = { 0 };
	fd_set set_;
	int ret;

	switch (how) {
	case PPOLL:
		return ppoll(&p, 1, &t, mask);
	case PSELECT:
		FD_ZERO(&set_);
		FD_SET(pipes[0], &set_);
		return pselect(pipes[0] + 1, &set_, NULL, NULL, &t, mask);
	case EPOLL:
		return epoll_pwait(ep, &event, 1, ms, mask);
	case EPOLL2:
		return (int)syscall(SYS_epoll_pwait2, ep, &event, 1, &t, mask, 8);
	case SUSPEND:
		return sigsuspend(mask);
	default:
		ret = sigtimedwait(mask, &info, &t);
		if (ret > 0)
			printf(" took %d: signo %d code %d value %d\n", ret, info.si_signo, info.si_code,
			       info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
		return ret;
	}
}

static pthread_t sender;
static bool sending;

static void show_wait(int how, const sigset_t *mask, int ms)
{
	int before = handled, ret;

	errno = 0;
	ret = wait_with(how, mask, ms);
	printf("%s: %d, errno %d, handled %d\n", name[how], ret, ret < 0 ? errno : 0, handled - before);
	if (sending)
		pthread_join(sender, NULL);
	sending = false;
	show_mask("after");
}

struct later {
	pthread_t to;
	int sig, ms, process;
};

static void *send_later(void *argument)
{
	struct later *l = argument;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	me = 9;
	sleep_ms(l->ms);
	if (l->process)
		kill(getpid(), l->sig);
	else
		pthread_kill(l->to, l->sig);
	return NULL;
}

static void after(struct later *l, int sig, int process)
{
	*l = (struct later){ pthread_self(), sig, 15, process };
	pthread_create(&sender, NULL, send_later, l);
	sending = true;
}

static void waits(void)
{
	const sigset_t none = only(0, 0);
	sigset_t old, blocked, most;
	struct later l;
	unsigned i;
	int how, process;

	for (i = 0; i < SIGNALS; i++) {
		const int sig = signals[i], other = signals[(i + 1) % SIGNALS];

		set(sig, 0, SIGWINCH);
		set(other, 0, 0);
		blocked = only(sig, SIGHUP);
		most = only(other, SIGHUP);
		sigprocmask(SIG_BLOCK, &blocked, &old);
		for (how = PPOLL; how <= SUSPEND; how++) {
			printf("pending %d, let in by %s\n", sig, name[how]);
			raise(sig);
			show_mask("before");
			show_wait(how, &most, 2000);
			printf("the same, another one in its handler\n");
			raise(sig);
			raise_inside = other;
			show_wait(how, &none, 2000);
			for (process = 0; process < 2; process++) {
				printf("%d sent to the %s in %s\n", sig, process ? "process" : "thread", name[how]);
				after(&l, sig, process);
				show_wait(how, &most, 2000);
			}
			if (how == SUSPEND)
				continue;
			printf("%d blocked in %s, too\n", sig, name[how]);
			after(&l, sig, 0);
			show_wait(how, &blocked, 40);
			printf("pending %d, no time\n", sig);
			show_wait(how, &blocked, 0);
			printf("something to read\n");
			write(pipes[1], "x", 1);
			show_wait(how, &most, 2000);
			read(pipes[0], &l, 1);
			show_wait(how, &most, 2000);
		}
		sigprocmask(SIG_SETMASK, &old, NULL);
		show_mask("unblocked");
		signal(sig, SIG_DFL);
		signal(other, SIG_DFL);
	}
}

/* Signals of the kernel's own have positive codes, as faults do. */
static void from_the_kernel(void)
{
	const sigset_t blocked = only(SIGCHLD, SIGHUP), mask = only(SIGSEGV, SIGUSR2);
	sigset_t old;
	int how;

	set(SIGCHLD, 0, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	for (how = PPOLL; how <= SUSPEND; how++) {
		printf("a child ends during %s\n", name[how]);
		if (!fork()) {
			sleep_ms(20);
			_exit(0);
		}
		show_wait(how, &mask, 2000);
		wait(NULL);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGCHLD, SIG_DFL);
}

static void timed(void)
{
	sigset_t old, both, one;
	struct later l;
	unsigned i;
	int process;

	for (i = 0; i < SIGNALS; i++) {
		const int sig = signals[i], other = signals[(i + 1) % SIGNALS];

		printf("sigtimedwait %d\n", sig);
		set(sig, 0, 0);
		set(other, 0, 0);
		both = only(sig, other);
		one = only(sig, 0);
		sigprocmask(SIG_BLOCK, &both, &old);
		sigqueue(getpid(), sig, (union sigval){ .sival_int = 77 });
		if (sig == SIGSYS)	/* the order of what is the thread's and what the process's: quirks.md */
			kill(getpid(), other);
		else
			raise(other);
		show_wait(TIMED, &both, 0);
		show_wait(TIMED, &both, 0);
		show_wait(TIMED, &both, 0);
		for (process = 0; process < 2; process++) {
			printf("waited for, sent to the %s\n", process ? "process" : "thread");
			after(&l, sig, process);
			show_wait(TIMED, &one, 2000);
			printf("blocked, not waited for\n");
			after(&l, other, process);
			show_wait(TIMED, &one, 40);
			show_wait(TIMED, &both, 0);
		}
		one = only(other, 0);
		sigprocmask(SIG_UNBLOCK, &one, NULL);
		printf("open, not waited for\n");
		one = only(sig, 0);
		after(&l, other, 0);
		show_wait(TIMED, &one, 2000);
		sigprocmask(SIG_SETMASK, &old, NULL);
		signal(sig, SIG_DFL);
		signal(other, SIG_DFL);
	}
}

static volatile int stage;

static void stage_wait(int n)
{
	while (stage < n)
		sleep_ms(1);
}

static void *waiter(void *argument)
{
	const sigset_t set_ = only(*(int *)argument, 0);
	int sig = 0, ret;

	me = 1;
	stage = 1;
	ret = sigwait(&set_, &sig);
	printf(" thread 1 has waited: %d, signal %d\n", ret, sig);
	return NULL;
}

static void *opener(void *argument)
{
	const sigset_t set_ = only(*(int *)argument, 0);

	me = 2;
	stage_wait(2);
	printf(" thread 2 opens it\n");
	pthread_sigmask(SIG_UNBLOCK, &set_, NULL);
	printf(" thread 2 has opened it\n");
	return NULL;
}

/* What is sent to the process and all threads have blocked, is for the first that wants it. */
static void process_directed(void)
{
	sigset_t old, blocked;
	pthread_t thread;
	unsigned i;

	for (i = 0; i < SIGNALS; i++) {
		int sig = signals[i];

		set(sig, 0, 0);
		blocked = only(sig, 0);
		sigprocmask(SIG_BLOCK, &blocked, &old);
		stage = 0;
		printf("sigwait %d in another thread\n", sig);
		pthread_create(&thread, NULL, waiter, &sig);
		stage_wait(1);
		sleep_ms(20);
		kill(getpid(), sig);
		pthread_join(thread, NULL);
		show_mask("after");
		stage = 0;
		printf("pending %d for whom it may concern\n", sig);
		pthread_create(&thread, NULL, opener, &sig);
		kill(getpid(), sig);
		show_mask("pending");
		stage = 2;
		pthread_join(thread, NULL);
		show_mask("after");
		printf("ignored while pending\n");
		kill(getpid(), sig);
		raise(sig);
		signal(sig, SIG_IGN);
		show_mask("ignored");
		set(sig, 0, 0);
		sigprocmask(SIG_SETMASK, &old, NULL);
		show_mask("unblocked");
		signal(sig, SIG_DFL);
	}
}

static void interrupted_calls(void)
{
	unsigned i, flags;
	struct later l;
	char byte;

	for (i = 0; i < SIGNALS; i++)
		for (flags = 0; flags < 2; flags++) {
			pthread_t writer;
			ssize_t n;

			set(signals[i], flags ? SA_RESTART : 0, 0);
			after(&l, signals[i], 0);
			if (flags) {
				struct later alarm_ = { pthread_self(), SIGHUP, 90, 0 };

				set(SIGHUP, 0, 0);
				pthread_create(&writer, NULL, send_later, &alarm_);
				n = read(pipes[0], &byte, 1);
				pthread_join(writer, NULL);
			} else {
				n = read(pipes[0], &byte, 1);
			}
			printf("read, signal %d, restart %u: %zd, errno %d\n", signals[i], flags, n, n < 0 ? errno : 0);
			pthread_join(sender, NULL);
			sending = false;
			signal(signals[i], SIG_DFL);
		}
}

static void show_dispositions(const char *who)
{
	unsigned i;

	printf("%s:", who);
	for (i = 0; i < SIGNALS; i++) {
		struct sigaction now;

		sigaction(signals[i], NULL, &now);
		printf(" %d=%s", signals[i], now.sa_handler == SIG_DFL ? "default" : now.sa_handler == SIG_IGN ? "ignored" :
		       now.sa_sigaction == handler ? "handler" : "other");
	}
	printf("\n");
}

/* A child of vfork has dispositions of its own, and a program that it executes inherits what it ignores. */
static void executed(char *self)
{
	const sigset_t blocked = only(SIGSEGV, SIGFPE);
	volatile unsigned which;
	pid_t pid;

	set(SIGSEGV, 0, 0);
	set(SIGUSR1, 0, 0);
	signal(SIGBUS, SIG_IGN);
	signal(40, SIG_IGN);
	for (which = 0; which < 2; which++) {
		char *argv[] = { self, "executed", NULL };

		fflush(stdout);
		pid = which ? fork() : vfork();
		if (!pid) {
			signal(SIGILL, SIG_IGN);
			signal(SIGSYS, SIG_IGN);
			signal(SIGBUS, SIG_DFL);
			signal(SIGUSR1, SIG_IGN);
			sigprocmask(SIG_BLOCK, &blocked, NULL);
			raise(SIGFPE);
			raise(SIGSEGV);
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
		show_dispositions("the parent");
		show_mask("the parent");
	}
	fflush(stdout);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGFPE);
	kill(getpid(), SIGSEGV);
	sigqueue(getpid(), SIGFPE, (union sigval){ .sival_int = 5 });
	execl("/proc/self/exe", self, "executed", NULL);
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		show_dispositions("the executed");
		show_mask("the executed");
		return 0;
	}
	pipe(pipes);
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &event);
	waits();
	from_the_kernel();
	timed();
	process_directed();
	interrupted_calls();
	executed(argv[0]);
	return 1;
}
