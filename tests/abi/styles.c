/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals as language runtimes use them, while their threads are in enclaves: preemption of tight loops by SIGURG (Go),
 * faults that a handler turns into a jump (V8), null checks, safepoints and suspension (a JVM). What the loops and the
 * enclaves compute is right, and every handler sees the host only.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { THREADS = 3, SPINS = 3000, STACK = 65536 };

static struct te te;
static _Atomic bool stop;
static _Atomic unsigned wrong, preempted, trapped, parked, suspended;
static uint64_t sum_right, loop_right;
static struct mutator {
	pthread_t thread;
	unsigned tcs;
	char *stack;
	_Atomic uint64_t turns;
	uint64_t traps;
	_Atomic bool ready, hold;
	sem_t ack;
} mutators[THREADS];
static __thread struct mutator *self;

extern const char loop[], loop_end[], load_begin[], load_end[], load_trapped[], preempt[];
uint64_t run_loop(uint64_t rounds);
uint64_t load_or_trap(const void *p);	/* ~0 if it traps */
uint64_t preempt_count;

/* A loop without a call or stack; a load with a landing pad; and what a preempted loop is made to call. */
__asm__(".text\n"
	".globl run_loop, loop, loop_end, load_or_trap, load_begin, load_end, load_trapped, preempt\n"
	"run_loop: xor %eax, %eax\n"
	"loop: add %rdi, %rax\n"
	"	rol $3, %rax\n"
	"	xor %rdi, %rax\n"
	"	dec %rdi\n"
	"	jnz loop\n"
	"loop_end: ret\n"
	"load_or_trap:\n"
	"load_begin: mov (%rdi), %rax\n"
	"load_end: ret\n"
	"load_trapped: mov $-1, %rax\n"
	"	ret\n"
	"preempt: pushfq\n"
	"	lock incq preempt_count(%rip)\n"
	"	popfq\n"
	"	ret\n");

static bool in_enclave(const ucontext_t *uc)
{
	return (uint64_t)uc->uc_mcontext.gregs[REG_RIP] - te.base < te.size;
}

/* The handler's own view: its thread's stack, its thread's TLS, nothing of an enclave. */
static void look(const ucontext_t *uc)
{
	char here;

	if (in_enclave(uc) || !self || !pthread_equal(self->thread, pthread_self()) || &here < self->stack ||
	    &here >= self->stack + STACK)
		wrong++;
	if (uc->uc_mcontext.gregs[REG_RAX] == ERESUME && uc->uc_mcontext.gregs[REG_RBX] == (greg_t)te.tcs[self->tcs] &&
	    (uc->uc_mcontext.gregs[REG_RCX] != uc->uc_mcontext.gregs[REG_RIP] || uc->uc_mcontext.gregs[REG_R8] ||
	     uc->uc_mcontext.gregs[REG_R15]))
		wrong++;			/* A-FLT-15 */
}

static void on_urg(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	look(uc);
	if (sig != SIGURG || info->si_code != SI_TKILL || info->si_pid != getpid())
		wrong++;
	if ((const char *)g[REG_RIP] < loop || (const char *)g[REG_RIP] >= loop_end)
		return;
	g[REG_RSP] -= 8;
	*(uint64_t *)g[REG_RSP] = (uint64_t)g[REG_RIP];
	g[REG_RIP] = (greg_t)(uintptr_t)preempt;
	preempted++;
}

static _Atomic(char *) poll_page;
static _Atomic bool released;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	look(uc);
	if (sig != SIGSEGV || info->si_code <= 0 || g[REG_TRAPNO] != 14 || (uint64_t)info->si_addr != (uint64_t)g[REG_CR2])
		wrong++;
	if ((char *)info->si_addr == poll_page) {	/* a safepoint: the load is executed again */
		parked++;
		while (!released && !stop)
			sched_yield();
		parked--;
		return;
	}
	if ((const char *)g[REG_RIP] != load_begin) {
		wrong++;
		_exit(3);
	}
	self->traps++;
	g[REG_RIP] = (greg_t)(uintptr_t)load_trapped;
}

/* The thread waits in its handler until it is told to go on, by the same signal. */
static void on_usr2(int sig, siginfo_t *info, void *context)
{
	sigset_t others;
	int saved = errno;

	(void)info;
	look(context);
	if (sig != SIGUSR2)
		wrong++;
	if (!self->hold)
		return;
	sigfillset(&others);
	sigdelset(&others, SIGUSR2);
	suspended++;
	sem_post(&self->ack);
	while (self->hold)
		sigsuspend(&others);
	suspended--;
	sem_post(&self->ack);
	errno = saved;
}

static void enclave_turn(void)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 1, SPINS };

	te_call(&te, self->tcs, TE_SUM, args, &run);
	if (run.function != EEXIT || args[0] != sum_right)
		wrong++;
}

enum style { GO, V8, JVM };
static enum style style;
static void *guard;

static void *mutator(void *argument)
{
	stack_t s = { .ss_size = STACK };
	uint64_t expected = 0;

	self = argument;
	self->thread = pthread_self();
	s.ss_sp = self->stack = malloc(STACK);
	sigaltstack(&s, NULL);
	self->ready = true;
	while (!stop) {
		if (run_loop(20000) != loop_right)
			wrong++;
		enclave_turn();
		if (style != GO) {
			if (load_or_trap((char *)guard + 64) != UINT64_MAX || load_or_trap((void *)16) != UINT64_MAX ||
			    load_or_trap(&loop_right) != loop_right)
				wrong++;
			expected += 2;
		}
		if (style == JVM && load_or_trap(poll_page) != 0)
			wrong++;
		self->turns++;
	}
	if (self->traps != expected)
		wrong++;
	s.ss_flags = SS_DISABLE;
	sigaltstack(&s, NULL);
	free(self->stack);
	return NULL;
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sigemptyset(&act.sa_mask);
	sigaction(sig, &act, NULL);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(enum style s)
{
	uint64_t args[16] = { 1, SPINS };
	struct sgx_enclave_run run;
	unsigned i;

	style = s;
	stop = released = false;
	wrong = preempted = trapped = parked = suspended = 0;
	preempt_count = 0;
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = THREADS }), 0);
	te_call(&te, 0, TE_SUM, args, &run);
	sum_right = args[0];
	loop_right = run_loop(20000);
	guard = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	poll_page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGURG, on_urg);
	handle(SIGSEGV, on_segv);
	handle(SIGUSR2, on_usr2);
	for (i = 0; i < THREADS; i++) {
		struct mutator *m = &mutators[i];

		memset(m, 0, sizeof(*m));
		m->tcs = i;
		sem_init(&m->ack, 0, 0);
		pthread_create(&m->thread, NULL, mutator, m);
		while (!m->ready)
			sched_yield();
	}
}

static void end(void)
{
	unsigned i;

	stop = true;
	for (i = 0; i < THREADS; i++) {
		pthread_join(mutators[i].thread, NULL);
		EXPECT_TRUE(mutators[i].turns > 0);
	}
	signal(SIGURG, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	munmap(guard, 1 << 20);
	munmap(poll_page, 4096);
	te_destroy(&te);
	EXPECT_EQ(wrong, 0);
}

/* Proves: A-FLT-15 */
TEST(styles, loops_are_preempted_beside_enclaves_as_go_does_it)
{
	const double deadline = now() + 1.5;
	unsigned i;

	begin(GO);
	while (now() < (preempted > 10 ? deadline : deadline + 20))	/* on a busy machine, later */
		for (i = 0; i < THREADS; i++) {
			pthread_kill(mutators[i].thread, SIGURG);
		}
	end();
	EXPECT_TRUE(preempted > 10);
	EXPECT_EQ(preempt_count, preempted);
}

/* Proves: A-FLT-15 */
TEST(styles, faults_become_jumps_beside_enclaves_as_v8_does_it)
{
	const double deadline = now() + 1.5;

	begin(V8);
	while (now() < deadline)
		pthread_kill(mutators[0].thread, SIGURG), usleep(200);
	end();
}

/* Proves: A-FLT-15 */
TEST(styles, threads_are_suspended_and_polled_in_enclaves_as_a_jvm_does_it)
{
	const double deadline = now() + 2;
	unsigned i, rounds = 0;

	begin(JVM);
	for (; now() < deadline; rounds++) {
		uint64_t turns[THREADS];

		for (i = 0; i < THREADS; i++) {
			mutators[i].hold = true;
			pthread_kill(mutators[i].thread, SIGUSR2);
		}
		for (i = 0; i < THREADS; i++)
			sem_wait(&mutators[i].ack);
		for (i = 0; i < THREADS; i++)
			turns[i] = mutators[i].turns;
		EXPECT_EQ(suspended, THREADS);
		usleep(300);
		for (i = 0; i < THREADS; i++)
			EXPECT_EQ(mutators[i].turns, turns[i]);
		for (i = 0; i < THREADS; i++) {
			mutators[i].hold = false;
			pthread_kill(mutators[i].thread, SIGUSR2);
			sem_wait(&mutators[i].ack);
		}
		/* A safepoint: all threads come to the page by themselves. */
		released = false;
		mprotect(poll_page, 4096, PROT_NONE);
		while (parked < THREADS && now() < deadline + 20)
			sched_yield();
		EXPECT_EQ(parked, THREADS);
		mprotect(poll_page, 4096, PROT_READ);
		released = true;
		while (parked && now() < deadline + 20)
			sched_yield();
	}
	end();
	EXPECT_TRUE(rounds > 5);
}
