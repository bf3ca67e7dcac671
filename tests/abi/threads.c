/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads: many of them, short-lived ones, raw ones, and forks among them. */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GP = 13, MANY = 8 };

static struct te te;
static _Atomic unsigned wrong;

static bool ready(void)
{
	if (!te.size)
		te_build(&te, &(struct te_options){ .tcs = MANY + 1, .nssa = 3 });
	wrong = 0;
	return te.vdso != NULL;
}

static uint64_t sum_of(uint64_t a, uint64_t n)
{
	while (n--)
		a = a * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return a;
}

static void use(unsigned tcs, uint64_t seed)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { seed, 500 };

	te_call(&te, tcs, TE_SUM, args, &run);
	if (run.function != EEXIT || args[0] != sum_of(seed, 500))
		wrong++;
}

static void *user(void *tcs)
{
	unsigned i;

	for (i = 0; i < 1000; i++)
		use((unsigned)(uintptr_t)tcs, i);
	return NULL;
}

/* Proves: B-5 */
TEST(threads, each_has_a_tcs)
{
	pthread_t thread[MANY];
	uintptr_t i;

	ASSERT_TRUE(ready());
	for (i = 0; i < MANY; i++)
		pthread_create(&thread[i], NULL, user, (void *)i);
	for (i = 0; i < MANY; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(wrong, 0);
}

static volatile uint64_t spin_words[4];

static void *spinner(void *arg)
{
	struct sgx_enclave_run run;
	uint64_t *args = (uint64_t *)&spin_words[2];

	(void)arg;
	args[0] = (uintptr_t)&spin_words[0];
	te_call(&te, 0, TE_SPIN, args, &run);
	wrong += run.function != EEXIT;
	return NULL;
}

/* Proves: EENTER-60, B-36 */
TEST(threads, busy_tcs_is_gp)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };
	pthread_t thread;
	unsigned i;

	ASSERT_TRUE(ready());
	memset((void *)spin_words, 0, sizeof(spin_words));
	pthread_create(&thread, NULL, spinner, NULL);
	while (!spin_words[3])
		sched_yield();
	for (i = 0; i < 100; i++) {
		te_call(&te, 0, TE_NOP, args, &run);
		EXPECT_EQ(run.function, EENTER);
		EXPECT_EQ(run.exception_vector, GP);
		use(1, i);
	}
	spin_words[0] = 1;
	pthread_join(thread, NULL);
	use(0, 5);
	EXPECT_EQ(wrong, 0);
}

/* Any of eight threads may find the TCS taken; when it is not, the entry is right. */
static void *contender(void *arg)
{
	struct sgx_enclave_run run;
	uint64_t args[16];
	unsigned i;

	(void)arg;
	for (i = 0; i < 500; i++) {
		memset(args, 0, sizeof(args));
		args[0] = i;
		args[1] = 200;
		te_call(&te, 0, TE_SUM, args, &run);
		if (run.function == EEXIT ? args[0] != sum_of(i, 200) :
		    run.function != EENTER || run.exception_vector != GP)
			wrong++;
	}
	return NULL;
}

/* Proves: EENTER-60 */
TEST(threads, contention_for_one_tcs)
{
	pthread_t thread[4];
	unsigned i;

	ASSERT_TRUE(ready());
	for (i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, contender, NULL);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(wrong, 0);
}

static void *once(void *tcs)
{
	use((unsigned)(uintptr_t)tcs, 3);
	return NULL;
}

/* Proves: B-5 */
TEST(threads, three_hundred_come_and_go)
{
	pthread_t thread[10];
	uintptr_t round, i;

	ASSERT_TRUE(ready());
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 10; i++)
			ASSERT_EQ(pthread_create(&thread[i], NULL, i < MANY ? once : user, (void *)(i % MANY * (i < MANY))), 0);
		for (i = 0; i < 10; i++)
			pthread_join(thread[i], NULL);
		wrong = 0;		/* two of them fought for TCS 0 */
	}
	use(0, 1);
	EXPECT_EQ(wrong, 0);
}

static _Atomic int raw_tid;
static struct { unsigned tcs; } raw_arg;

static int raw_thread(void *arg)
{
	(void)arg;			/* no TLS of its own: FS is the parent's */
	use(raw_arg.tcs, 77);
	use(raw_arg.tcs, 78);
	return 0;
}

/* clone without CLONE_SETTLS, by hand; the child leaves by exit alone. */
static long raw_clone(void *stack_top)
{
	long ret;
	register void *tid __asm__("r10") = (void *)&raw_tid;

	__asm__ volatile(
		"syscall; test %%eax, %%eax; jnz 1f; xor %%edi, %%edi; call *%%r12; mov %%eax, %%edi; mov $60, %%eax; syscall;"
		"1:"
		: "=a"(ret)
		: "a"(SYS_clone), "D"(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
				      CLONE_CHILD_CLEARTID), "S"(stack_top), "d"(0), "r"(tid)
		: "rcx", "r11", "memory");
	return ret;
}

/* Proves: B-5 */
TEST(threads, raw_clone_without_tls)
{
	uint8_t *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned i;

	ASSERT_TRUE(ready());
	for (i = 0; i < 20; i++) {
		register int (*entry)(void *) __asm__("r12") = raw_thread;
		long ret;

		raw_tid = 1;
		raw_arg.tcs = i % MANY;
		__asm__ volatile("" : "+r"(entry));
		ret = raw_clone(stack + 65536);
		__asm__ volatile("" : : "r"(entry));
		ASSERT_TRUE(ret > 0);
		while (raw_tid)
			syscall(SYS_futex, &raw_tid, FUTEX_WAIT, 1, NULL);
	}
	EXPECT_EQ(wrong, 0);
	munmap(stack, 65536);
}

static void *forker(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < 15; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			wrong = 0;
			use(MANY, 9);
			_exit(wrong ? 1 : 0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			wrong++;
	}
	return NULL;
}

/* Proves: A-LIF-2 */
TEST(threads, fork_while_others_are_inside)
{
	pthread_t thread[4];
	uintptr_t i;

	ASSERT_TRUE(ready());
	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, user, (void *)i);
	pthread_create(&thread[3], NULL, forker, NULL);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(wrong, 0);
}

static struct te doomed;
static _Atomic bool going, gone;
static _Atomic unsigned entered;

static void *enters_until_it_goes(void *tcs)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };

	while (!gone) {
		te_call(&doomed, (unsigned)(uintptr_t)tcs, TE_NOP, args, &run);
		if (run.function == EEXIT)
			entered++;
		else if (!going)
			wrong++;
		else
			break;
	}
	return NULL;
}

/* Proves: A-LIF-1 */
TEST(threads, enclave_is_destroyed_while_others_enter)
{
	pthread_t thread[3];
	unsigned round;
	uintptr_t i;

	wrong = 0;
	for (round = 0; round < 40; round++) {
		ASSERT_EQ(te_build(&doomed, &(struct te_options){ .tcs = 4 }), 0);
		going = gone = false;
		entered = 0;
		for (i = 0; i < 3; i++)
			pthread_create(&thread[i], NULL, enters_until_it_goes, (void *)i);
		while (entered < 100 + 37 * round)
			sched_yield();
		going = true;
		te_destroy(&doomed);
		gone = true;
		for (i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
	}
	EXPECT_EQ(wrong, 0);
}
