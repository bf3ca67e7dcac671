/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with handlers of its own for the signals that the platform lives on. It prints what it observes; same.sh
 * compares that, line by line, with what it prints without softsgx.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf out;
static char alt[65536];
static volatile int nested, in_handler, nest_left, action;
static void *page;
enum { JUMP, RETURN_TO_NEXT, NEST, LOOK };

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
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	printf("  %s mask %s\n", what, mask_text(&now));
}

static void show_stack(const char *what)
{
	stack_t s;

	sigaltstack(NULL, &s);
	printf("  %s stack %s size %zu flags %d\n", what, s.ss_sp == alt ? "alt" : s.ss_sp ? "other" : "none", s.ss_size,
	       s.ss_flags);
}

static int skip;

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char here;
	const bool on_alt = &here >= alt && &here < alt + sizeof(alt);

	printf(" handler %d: code %d, addr %s, trap %lld, err %llx, on alt %d, depth %d, uc stack %d, altered mask %s\n", sig,
	       info->si_code, info->si_code <= 0 ? "-" : info->si_addr == page ? "page" :
	       (uint64_t)info->si_addr == (uint64_t)uc->uc_mcontext.gregs[REG_RIP] ? "rip" : info->si_addr ? "some" : "0",
	       info->si_code > 0 ? uc->uc_mcontext.gregs[REG_TRAPNO] : 0LL,
	       info->si_code > 0 ? uc->uc_mcontext.gregs[REG_ERR] : 0LL, on_alt, in_handler, uc->uc_stack.ss_flags,
	       mask_text(&uc->uc_sigmask));
	show_mask("in handler");
	show_stack("in handler");
	if (info->si_code <= 0)
		printf("  from self %d\n", info->si_pid == getpid() && info->si_uid == getuid());
	if (action == NEST && nest_left) {
		nest_left--;
		in_handler++;
		raise(sig);
		in_handler--;
	}
	if (on_alt) {
		stack_t s = { .ss_sp = alt, .ss_size = sizeof(alt) };

		printf("  change of the stack in use: %d\n", sigaltstack(&s, NULL) ? errno : 0);
	}
	nested++;
	if (action == JUMP && info->si_code > 0)
		siglongjmp(out, 1);
	if (info->si_code > 0)
		uc->uc_mcontext.gregs[REG_RIP] += skip;
}

static void set(int sig, int flags, const char *mask)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags }, old;
	int i;

	sigemptyset(&act.sa_mask);
	for (i = 0; mask[i]; i++)
		sigaddset(&act.sa_mask, mask[i]);
	sigaction(sig, &act, NULL);
	sigaction(sig, NULL, &old);
	printf("set %d: same handler %d, flags %x, mask %s\n", sig, old.sa_sigaction == handler, old.sa_flags,
	       mask_text(&old.sa_mask));
}

static void fault(int sig)
{
	switch (sig) {
	case SIGSEGV:
		skip = 2;
		__asm__ volatile("mov (%0), %%al" : : "r"(page) : "rax");
		break;
	case SIGILL:
		skip = 2;
		__asm__ volatile("ud2");
		break;
	case SIGFPE:
		skip = 2;
		__asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" : : : "rax", "rcx", "rdx");
		break;
	case SIGTRAP:
		skip = 0;
		__asm__ volatile("int3");
		break;
	case SIGBUS:
		skip = 0;
		raise(SIGBUS);
		break;
	case SIGSYS:
		skip = 0;
		raise(SIGSYS);
		break;
	}
}

static void synchronous(void)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGSYS };
	static const int flags[] = { 0, SA_ONSTACK, SA_NODEFER, SA_ONSTACK | SA_NODEFER, SA_RESETHAND, SA_RESTART };
	volatile unsigned i, f, k;

	for (i = 0; i < 6; i++)
		for (f = 0; f < 6; f++) {
			struct sigaction now;

			set(signals[i], flags[f], "\x0c\x0b\x04");
			for (action = JUMP; action <= LOOK; action++) {
				if (flags[f] & SA_RESETHAND)
					set(signals[i], flags[f], "\x0a");
				printf("fault %d flags %x action %d\n", signals[i], flags[f], action);
				if (action == NEST && flags[f] & SA_RESETHAND)
					continue;
				nest_left = 1;
				if (!sigsetjmp(out, 1))
					fault(signals[i]);
				sigaction(signals[i], NULL, &now);
				printf(" afterwards handler %d\n", now.sa_sigaction == handler);
				show_mask("after");
			}
		}
	set(SIGSEGV, SA_ONSTACK, "");
	action = JUMP;
	nested = 0;
	fclose(stdout);
	stdout = fopen("/dev/null", "w");
	for (k = 0; k < 3000; k++)
		if (!sigsetjmp(out, 1))
			fault(SIGSEGV);
	fclose(stdout);
	stdout = fdopen(dup(3), "w");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%d jumps out of the handler\n", nested);
}

static void sent(void)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGSYS, SIGUSR1, 36 };
	struct timespec none = { 0, 0 };
	sigset_t block, pending, old;
	siginfo_t info;
	unsigned i;
	int sig;

	action = LOOK;
	for (i = 0; i < 8; i++) {
		sig = signals[i];
		set(sig, SA_ONSTACK, "");
		printf("raise %d: %d\n", sig, raise(sig));
		printf("kill %d: %d\n", sig, kill(getpid(), sig));
		sigemptyset(&block);
		sigaddset(&block, sig);
		sigprocmask(SIG_BLOCK, &block, &old);
		raise(sig);
		raise(sig);
		sigpending(&pending);
		printf("pending %s\n", mask_text(&pending));
		sigprocmask(SIG_SETMASK, &old, NULL);
		printf("unblocked %d\n", sig);
		sigprocmask(SIG_BLOCK, &block, &old);
		raise(sig);
		memset(&info, 0, sizeof(info));
		printf("waited for %d: ", sig);
		printf("%d, code %d\n", sigtimedwait(&block, &info, &none), info.si_code);
		sigpending(&pending);
		printf("still pending %s\n", mask_text(&pending));
		sigprocmask(SIG_SETMASK, &old, NULL);
		sigqueue(getpid(), sig, (union sigval){ .sival_int = 7 });
	}
}

static const char *end_of(pid_t pid)
{
	static char text[32];
	int status;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "status %d", WEXITSTATUS(status));
	return text;
}

static void deaths(void)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP };
	unsigned i, how;

	for (i = 0; i < 4; i++)
		for (how = 0; how < 5; how++) {
			pid_t pid;

			fflush(stdout);
			pid = fork();
			if (!pid) {
				sigset_t block;

				signal(signals[i], how == 0 ? SIG_DFL : how == 1 ? SIG_IGN : SIG_DFL);
				if (how == 2) {
					set(signals[i], 0, "");
					sigfillset(&block);
					sigprocmask(SIG_SETMASK, &block, NULL);
				}
				if (how == 3)
					kill(getpid(), signals[i]);
				if (how == 4) {
					signal(signals[i], SIG_IGN);
					kill(getpid(), signals[i]);
					_exit(5);
				}
				fault(signals[i]);
				_exit(6);
			}
			printf("death %d way %u: %s\n", signals[i], how, end_of(pid));
		}
}

static void nothing(int sig)
{
	(void)sig;
	nested++;
}

static void alarm_ms(long ms)
{
	struct itimerval once = { { 0, 0 }, { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &once, NULL);
}

static void blocking(void)
{
	static const int flags[] = { 0, SA_RESTART };
	struct timespec second = { 0, 400000000 };
	char path[] = "/tmp/softsgx-fifo-XXXXXX", byte;
	sigset_t empty, alrm, pending;
	unsigned f, i;
	int fds[2];
	fd_set set_;

	sigemptyset(&empty);
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	close(mkstemp(path));
	for (f = 0; f < 2; f++) {
		struct sigaction act = { .sa_handler = nothing, .sa_flags = flags[f] };
		struct pollfd p;
		pid_t pid;
		ssize_t n;

		sigaction(SIGALRM, &act, NULL);
		for (i = 0; i < 3; i++) {
			pipe(fds);
			nested = 0;
			fflush(stdout);
			pid = fork();
			if (!pid) {
				usleep(60000);
				write(fds[1], "x", 1);
				_exit(0);
			}
			alarm_ms(15);
			n = read(fds[0], &byte, 1);
			printf("read flags %x: %zd %d, signals %d\n", flags[f], n, n < 0 ? errno : 0, nested);
			waitpid(pid, NULL, 0);
			close(fds[0]);
			close(fds[1]);
		}
		sigprocmask(SIG_BLOCK, &alrm, NULL);
		pipe(fds);
		p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
		nested = 0;
		alarm_ms(10);
		n = ppoll(&p, 1, &second, &empty);
		printf("ppoll: %zd %d, signals %d\n", n, n < 0 ? errno : 0, nested);
		alarm_ms(10);
		n = sigsuspend(&empty);
		printf("sigsuspend: %zd %d, signals %d\n", n, errno, nested);
		alarm_ms(10);
		FD_ZERO(&set_);
		FD_SET(fds[0], &set_);
		n = pselect(fds[0] + 1, &set_, NULL, NULL, &second, &empty);
		printf("pselect: %zd %d, signals %d\n", n, n < 0 ? errno : 0, nested);
		alarm_ms(5);
		usleep(20000);
		sigpending(&pending);
		printf("pending %s, signals %d\n", mask_text(&pending), nested);
		sigprocmask(SIG_UNBLOCK, &alrm, NULL);
		printf("unblocked, signals %d\n", nested);
		close(fds[0]);
		close(fds[1]);

		unlink(path);
		mkfifo(path, 0600);
		nested = 0;
		fflush(stdout);
		pid = fork();
		if (!pid) {
			usleep(60000);
			close(open(path, O_WRONLY | O_NONBLOCK));
			_exit(0);
		}
		alarm_ms(15);
		n = open(path, O_RDONLY);
		printf("open of a FIFO flags %x: %d %d, signals %d\n", flags[f], n < 0, n < 0 ? errno : 0, nested);
		if (n >= 0)
			close((int)n);
		waitpid(pid, NULL, 0);
	}
	unlink(path);
}

static void *thread_masks(void *arg)
{
	sigset_t block;

	(void)arg;
	show_mask("in a new thread");
	show_stack("in a new thread");
	sigemptyset(&block);
	sigaddset(&block, SIGSEGV);
	sigaddset(&block, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &block, NULL);
	show_mask("of the thread");
	action = JUMP;
	return NULL;
}

static void threads(void)
{
	sigset_t block, old;
	pthread_t thread;

	sigemptyset(&block);
	sigaddset(&block, SIGILL);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &old);
	pthread_create(&thread, NULL, thread_masks, NULL);
	pthread_join(thread, NULL);
	show_mask("of the creator");
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	stack_t s = { .ss_sp = alt, .ss_size = sizeof(alt) }, small = { .ss_sp = alt, .ss_size = 100 };

	dup2(1, 3);
	setvbuf(stdout, NULL, _IOLBF, 0);
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("small stack: %d\n", sigaltstack(&small, NULL) ? errno : 0);
	show_stack("at first");
	sigaltstack(&s, NULL);
	show_stack("then");
	synchronous();
	sent();
	deaths();
	blocking();
	threads();
	return 0;
}
