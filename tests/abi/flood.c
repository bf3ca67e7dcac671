/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries, exits and asynchronous exits while another thread sends signals of the runtime's own kind as fast as it can:
 * what the enclave computes is right, and the handler runs on the program's stack with the host's registers.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static struct te te;
static _Atomic bool stop;
static _Atomic unsigned handled, wrong;
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

/* Every change of protection makes the threads inside leave for a moment. */
static void *kicker(void *argument)
{
	while (!stop) {
		mprotect((void *)te.heap, 4096, PROT_READ);
		mprotect((void *)te.heap, 4096, PROT_READ | PROT_WRITE);
	}
	return argument;
}

static void flood(int number)
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
	handled = wrong = 0;
	sigaction(sig, &action, NULL);
	pthread_create(&thread[0], NULL, sender, NULL);
	pthread_create(&thread[1], NULL, kicker, NULL);
	for (end = time(NULL) + 2; time(NULL) < end && !wrong; calls++) {
		uint64_t args[16] = { 1, 10 }, clean[16] = { 1, 10 };

		EXPECT_EQ(te_call(&te, 0, TE_SUM, args, &run), 0);
		if (run.function != EEXIT || args[0] == clean[0])
			wrong++;
	}
	stop = true;
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	signal(sig, SIG_DFL);
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(handled && calls);
	te_destroy(&te);
}

/* SIGTRAP is left out: while one is pending the kernel drops that of an INT3 in the place of an ENCLU. */
TEST(flood, signals_of_the_runtime_at_any_moment)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGSYS, SIGUSR1 };
	unsigned i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		flood(signals[i]);
}
