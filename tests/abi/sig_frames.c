/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of handlers and what comes back from them: stacks, flags of sigaction, queues, edits of the context, jumps. The
 * program prints what it observes; same.sh compares that with what it prints without softsgx.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static const int signals[] = { SIGSEGV, SIGTRAP, SIGSYS, SIGUSR1, 41 };
#define SIGNALS	(sizeof(signals) / sizeof(signals[0]))
#define STACK	65536

static char *alt;
static volatile int depth, deepest, calls, mode;
static sigjmp_buf out;
static jmp_buf plain_out;
enum { SHOW, DEEPER, DISARM, CHANGE, LEAVE, LEAVE_PLAIN, SWITCH, EDIT };

static const char *where(const void *p)
{
	const char *c = p;

	return c >= alt && c < alt + STACK ? "alt" : "own";
}

static void show_stack(const char *what)
{
	stack_t s;

	sigaltstack(NULL, &s);
	printf("  %s: stack %s size %zu flags %x\n", what, s.ss_sp == alt ? "alt" : s.ss_sp ? "other" : "none", s.ss_size,
	       (unsigned)s.ss_flags);
}

static int change(char *sp, size_t size, int flags)
{
	stack_t s = { .ss_sp = sp, .ss_size = size, .ss_flags = flags };

	return sigaltstack(&s, NULL) ? errno : 0;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	const uint64_t frame = (uint64_t)__builtin_frame_address(0) + 8, fp = (uint64_t)uc->uc_mcontext.fpregs;
	char here;

	calls++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	printf(" handler %d depth %d on %s; uc stack %s size %zu flags %x; frame mod 16 %d, fp mod 64 %d, context %d, info %d\n",
	       sig, depth, where(&here), uc->uc_stack.ss_sp == alt ? "alt" : uc->uc_stack.ss_sp ? "other" : "none",
	       uc->uc_stack.ss_size, (unsigned)uc->uc_stack.ss_flags, (int)((frame - 8) % 16), (int)(fp % 64),
	       (int)((uint64_t)uc - frame), (int)((uint64_t)info - (uint64_t)uc));
	show_stack("in handler");
	if (mode == DEEPER && calls < 4) {
		raise(sig);
	} else if (mode == CHANGE) {
		printf("  change: %d\n", change(alt, STACK / 2, 0));
		printf("  disable: %d\n", change(NULL, 0, SS_DISABLE));
		show_stack("after the change");
	} else if (mode == DISARM && calls == 1) {
		printf("  again: %d\n", change(alt, STACK / 2, (int)SS_AUTODISARM));
		raise(sig);
	} else if (mode == LEAVE) {
		depth--;
		siglongjmp(out, 1);
	} else if (mode == LEAVE_PLAIN) {
		depth--;
		longjmp(plain_out, 1);
	} else if (mode == SWITCH) {
		sigaddset(&uc->uc_sigmask, SIGWINCH);
		sigaddset(&uc->uc_sigmask, SIGBUS);
		uc->uc_stack.ss_sp = alt;
		uc->uc_stack.ss_size = STACK / 4;
		uc->uc_stack.ss_flags = 0;
	}
	depth--;
}

static void set(int sig, int flags)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&act.sa_mask);
	sigaction(sig, &act, NULL);
}

static void show_mask(const char *what)
{
	sigset_t now;
	int sig;

	sigprocmask(SIG_SETMASK, NULL, &now);
	printf("  %s: mask", what);
	for (sig = 1; sig < 65; sig++)
		if (sigismember(&now, sig) == 1)
			printf(" %d", sig);
	printf("\n");
}

static void stacks(void)
{
	static const int flags[] = { 0, SA_ONSTACK, SA_ONSTACK | SA_NODEFER, SA_ONSTACK | SA_RESETHAND, SA_NODEFER };
	static const unsigned of_stack[] = { 0, SS_AUTODISARM };
	unsigned i, f, s;

	printf("a bad mode: %d\n", change(alt, STACK, 5));
	printf("too small: %d\n", change(alt, 2047, 0));
	printf("just enough: %d\n", change(alt, 2048, 0));
	printf("SS_ONSTACK: %d\n", change(alt, STACK, SS_ONSTACK));
	printf("disable: %d\n", change(alt, STACK, SS_DISABLE));
	show_stack("disabled");
	for (s = 0; s < 2; s++)
		for (i = 0; i < SIGNALS; i++)
			for (f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
				for (mode = SHOW; mode <= LEAVE_PLAIN; mode++) {
					struct sigaction now;
					sigset_t none;

					if (mode == DISARM && (!s || !(flags[f] & SA_NODEFER) || !(flags[f] & SA_ONSTACK)))
						continue;
					if (mode == DEEPER && (flags[f] & SA_RESETHAND))
						continue;
					printf("signal %d flags %x mode %d stack flags %x: %d\n", signals[i], flags[f], mode,
					       of_stack[s], change(alt, STACK, (int)of_stack[s]));
					set(signals[i], flags[f]);
					depth = deepest = calls = 0;
					if (!sigsetjmp(out, 1) && !setjmp(plain_out))
						raise(signals[i]);
					sigaction(signals[i], NULL, &now);
					printf(" depth %d, handler %d\n", deepest, now.sa_sigaction == handler);
					show_stack("afterwards");
					show_mask("afterwards");
					sigemptyset(&none);
					sigprocmask(SIG_SETMASK, &none, NULL);
					change(NULL, 0, SS_DISABLE);
					signal(signals[i], SIG_DFL);
				}
}

/* What the handler writes into the context is what the thread goes on with. */
static void edited(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	int i;

	(void)sig;
	(void)info;
	for (i = 0; i < 4; i++)
		uc->uc_mcontext.fpregs->_xmm[i].element[0] += 0x100;
	uc->uc_mcontext.fpregs->mxcsr ^= 0x8000;
	g[REG_R12] ^= 0xff;
	g[REG_RBX] += 5;
	g[REG_RSI] = 77;
	g[REG_EFL] |= 1;
	g[REG_RIP] += 2;
	sigaddset(&uc->uc_sigmask, SIGWINCH);
}

static void edits(void)
{
	static const int faults[] = { SIGILL, SIGFPE };
	uint64_t rbx, r12, rsi, flags, xmm;
	uint32_t mxcsr;
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct sigaction act = { .sa_sigaction = edited, .sa_flags = SA_SIGINFO | SA_ONSTACK };

		sigaction(faults[i], &act, NULL);
		change(alt, STACK, 0);
		if (i == 0)
			__asm__ volatile("mov $1, %%ebx; mov $2, %%r12d; mov $3, %%esi; movq %%rbx, %%xmm0; clc; ud2; pushfq;"
					 "pop %3; mov %%rbx, %0; mov %%r12, %1; mov %%rsi, %2; movq %%xmm0, %4; stmxcsr %5"
					 : "=&r"(rbx), "=&r"(r12), "=&r"(rsi), "=&r"(flags), "=&r"(xmm), "=m"(mxcsr)
					 : : "rbx", "r12", "rsi", "xmm0", "xmm1", "xmm2", "xmm3", "cc", "memory");
		else
			__asm__ volatile("mov $1, %%ebx; mov $2, %%r12d; mov $3, %%esi; movq %%rbx, %%xmm0; xor %%edx, %%edx;"
					 "xor %%ecx, %%ecx; clc; div %%ecx; pushfq; pop %3; mov %%rbx, %0; mov %%r12, %1;"
					 "mov %%rsi, %2; movq %%xmm0, %4; stmxcsr %5"
					 : "=&r"(rbx), "=&r"(r12), "=&r"(rsi), "=&r"(flags), "=&r"(xmm), "=m"(mxcsr)
					 : : "rbx", "r12", "rsi", "rcx", "rdx", "rax", "xmm0", "xmm1", "xmm2", "xmm3", "cc",
					     "memory");
		printf("edited: rbx %lu r12 %lx rsi %lu carry %lu xmm0 %lx mxcsr %x\n", rbx, r12, rsi, flags & 1, xmm, mxcsr);
		show_mask("edited");
		signal(faults[i], SIG_DFL);
	}
	mode = SWITCH;
	for (i = 0; i < SIGNALS; i++) {
		sigset_t none;

		change(NULL, 0, SS_DISABLE);
		set(signals[i], 0);
		raise(signals[i]);
		show_mask("another mask");
		show_stack("another stack");
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(signals[i], SIG_DFL);
	}
	mode = SHOW;
}

static volatile int order[64], count;

static void queued(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (count < 62) {
		order[count++] = sig;
		order[count++] = info->si_code == SI_QUEUE ? info->si_value.sival_int : -info->si_code;
	}
}

/* Real-time signals queue, the lowest number first; standard ones do not. */
static void queues(void)
{
	static const int sent[] = { 45, 41, SIGUSR2, 41, SIGSEGV, 45, SIGTRAP, SIGSEGV, 41, SIGUSR2, 64 };
	struct sigaction act = { .sa_sigaction = queued, .sa_flags = SA_SIGINFO };
	sigset_t all, old;
	unsigned i;

	sigfillset(&act.sa_mask);
	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		sigaction(sent[i], &act, NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		sigqueue(getpid(), sent[i], (union sigval){ .sival_int = (int)i });
	raise(SIGUSR2);
	sigprocmask(SIG_SETMASK, &old, NULL);
	for (i = 0; i < (unsigned)count; i += 2)
		if (order[i] > 31)		/* the kernel has the runtime's six for others to see only one by one */
			printf(" %d:%d", order[i], order[i + 1]);
	for (i = 0, all = old; i < (unsigned)count; i += 2)
		if (order[i] <= 31)
			sigaddset(&all, order[i]);
	printf("; standard ones: %d %d %d\n", sigismember(&all, SIGUSR2), sigismember(&all, SIGSEGV), sigismember(&all, SIGTRAP));
	printf("%d arrived\n", count / 2);
	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		signal(sent[i], SIG_DFL);
}

/* A siginfo that looks like a fault's, sent to oneself, is a signal that was sent. */
static void forged(void)
{
	unsigned i, blocked;

	for (i = 0; i < SIGNALS; i++)
		for (blocked = 0; blocked < 2; blocked++) {
			siginfo_t info = { .si_signo = signals[i], .si_code = 2 };
			sigset_t set_, old;

			info.si_addr = (void *)0x1234;
			set(signals[i], 0);
			sigemptyset(&set_);
			sigaddset(&set_, signals[i]);
			if (blocked)
				sigprocmask(SIG_BLOCK, &set_, &old);
			printf("forged %d blocked %u: %ld\n", signals[i], blocked,
			       syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signals[i], &info));
			printf("forged for the process: %ld\n", syscall(SYS_rt_sigqueueinfo, getpid(), signals[i], &info));
			if (blocked)
				sigprocmask(SIG_SETMASK, &old, NULL);
			signal(signals[i], SIG_DFL);
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

struct raw {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

/* A stack that does not take the frame, and a handler without a restorer. */
static void deaths(void)
{
	unsigned i, how;

	for (i = 0; i < SIGNALS; i++)
		for (how = 0; how < 5; how++) {
			pid_t pid;

			fflush(stdout);
			pid = fork();
			if (!pid) {
				struct raw raw = { (void *)handler, SA_SIGINFO, NULL, 0 };

				mode = SHOW;
				set(signals[i], SA_ONSTACK);
				if (how == 0) {
					change(alt, STACK, 0);
					mprotect(alt, STACK, PROT_NONE);
				} else if (how == 1) {
					change(alt, 2048, 0);	/* the frame is larger with AVX */
				} else if (how == 2) {
					syscall(SYS_rt_sigaction, signals[i], &raw, NULL, 8);
				} else if (how == 3) {
					signal(SIGSEGV, SIG_IGN);
					change(alt, STACK, 0);
					mprotect(alt, STACK, PROT_NONE);
				} else {
					mode = DEEPER;	/* the fourth on its 8192 bytes does not fit */
					set(signals[i], SA_ONSTACK | SA_NODEFER);
					change(alt, 8192, 0);
				}
				fclose(stdout);
				stdout = fopen("/dev/null", "w");
				raise(signals[i]);
				_exit(3);
			}
			printf("death %d way %u: %s\n", signals[i], how, end_of(pid));
		}
}

static void children(void)
{
	static const int flags[] = { 0, SA_NOCLDWAIT, SA_NOCLDSTOP };
	unsigned f;

	for (f = 0; f < 3; f++) {
		struct sigaction act = { .sa_sigaction = queued, .sa_flags = SA_SIGINFO | SA_RESTART | flags[f] };
		int status, before = count = 0;
		pid_t pid;

		sigaction(SIGCHLD, &act, NULL);
		fflush(stdout);
		pid = fork();
		if (!pid) {
			raise(SIGSTOP);
			_exit(4);
		}
		if (!(flags[f] & SA_NOCLDWAIT))
			waitpid(pid, &status, WUNTRACED);
		else
			usleep(50000);
		kill(pid, SIGCONT);
		status = waitpid(pid, &status, 0) == pid ? status : -errno;
		usleep(20000);
		printf("children, flags %x: %d, more than one signal %d\n", flags[f], status, count - before > 2);
	}
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	setvbuf(stdout, NULL, _IOLBF, 0);
	alt = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stacks();
	edits();
	queues();
	forged();
	deaths();
	children();
	return 0;
}
