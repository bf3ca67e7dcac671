/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries, exits, asynchronous exits, trapped system calls and CPUID while another thread sends signals of the runtime's
 * own kind as fast as it can: what they give is right, and the handler runs on the program's stack with the host's
 * registers. Then one after the other: none is lost.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static struct te te;
static _Atomic bool stop;
static _Atomic unsigned handled, wrong, lost;
static pthread_t first;
static int sig;
static pid_t target;
static char *stack;

static void on_signal(int number, siginfo_t *info, void *context)
{
	const uint64_t rip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	char here;

	if (number != sig || info->si_code != SI_TKILL || llabs(&here - stack) > 1 << 20 || rip - te.base < te.size)
		wrong++;
	handled++;
}

static void *sender(void *argument)
{
	while (!stop)
		syscall(SYS_tgkill, getpid(), target, sig);
	return argument;
}

/* From another process, through the kernel. */
static void *process_sender(void *argument)
{
	const pid_t to = getpid(), pid = fork();

	if (!pid)
		for (;;)
			syscall(SYS_tgkill, to, target, sig);
	while (!stop)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return argument;
}

/* Each only when the one before has arrived. */
static void *orderly_sender(void *argument)
{
	struct timespec before, now;
	unsigned sent = 0;

	while (!stop) {
		sent++;
		pthread_kill(first, sig);
		clock_gettime(CLOCK_MONOTONIC, &before);
		do {
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (handled != sent && now.tv_sec - before.tv_sec < 3);
		if (handled != sent) {
			lost++;
			stop = true;
		}
	}
	return argument;
}

/* Every change of protection makes the threads inside leave for a moment. */
static void *kicker(void *argument)
{
	while (!stop) {
		mprotect((void *)te.heap, 4096, PROT_READ);
		mprotect((void *)te.heap, 4096, PROT_READ | PROT_WRITE);
	}
	return argument;
}

/* Calls that the gate answers, by which any that is not made is found out. */
static unsigned calls_wrong(void)
{
	struct stat st;
	sigset_t now;
	unsigned bad = 0;

	bad += stat("/dev/sgx_enclave", &st) != 0 || !S_ISCHR(st.st_mode);
	errno = 0;
	bad += syscall(SYS_openat, AT_FDCWD, "/dev/sgx_enclave/none", O_RDONLY) != -1 || errno == 0;
	sigemptyset(&now);
	sigaddset(&now, SIGWINCH);
	bad += syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8) != 0 || sigismember(&now, SIGWINCH);
	return bad;
}

static unsigned cpuid_wrong(void)
{
	uint32_t a, b, c, d;

	__cpuid_count(0x12, 0, a, b, c, d);
	return !(a & 1);
}

static void flood(int number, void *(*send)(void *), int seconds)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct te_options options = { .heap_pages = 4 };
	struct sgx_enclave_run run;
	pthread_t thread[2];
	unsigned calls = 0;
	time_t end;

	ASSERT_EQ(te_build(&te, &options), 0);
	sig = number;
	stack = (char *)&run;
	target = (pid_t)syscall(SYS_gettid);
	stop = false;
	handled = wrong = lost = 0;
	first = pthread_self();
	sigaction(sig, &action, NULL);
	pthread_create(&thread[0], NULL, send, NULL);
	pthread_create(&thread[1], NULL, kicker, NULL);
	for (end = time(NULL) + seconds; time(NULL) < end && !wrong && !lost; calls++) {
		uint64_t args[16] = { 1, 10 }, clean[16] = { 1, 10 };

		wrong += calls_wrong() + cpuid_wrong();
		EXPECT_EQ(te_call(&te, 0, TE_SUM, args, &run), 0);
		if (run.function != EEXIT || args[0] == clean[0])
			wrong++;
	}
	stop = true;
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	signal(sig, SIG_DFL);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(lost, 0);
	EXPECT_TRUE(handled && calls);
	te_destroy(&te);
}

static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGFPE, SIGSYS, SIGUSR1 };

TEST(flood, signals_of_the_runtime_at_any_moment)
{
	unsigned i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		flood(signals[i], sender, 1);
}

TEST(flood, no_signal_is_lost)
{
	unsigned i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		flood(signals[i], orderly_sender, 1);
}

TEST(flood, traps_are_not_lost_to_signals_of_another_process)
{
	flood(SIGTRAP, process_sender, 2);
	flood(SIGSYS, process_sender, 2);
}
