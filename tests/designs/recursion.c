/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enclaves within calls of enclaves (C.5): three of them, on one thread, each call with a handler of its own,
 * while other threads do the same through other TCSs. Every level takes an exception before and after the next
 * level's turn; that comes in an OCALL, or in the very handler of the exception. In each design, and with all of
 * them mixed.
 */
#define _GNU_SOURCE
#include "designs/own.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

enum { LEVELS = 3, THREADS = 4, ROUNDS = 20 };
enum design { VDSO, PREFIX, SIGNALS, THREAD_HANDLER, DESIGNS };

/*
 * R8: memory of this thread in the enclave. Counts the entry there, fills all registers with values that no other
 * thread and no other level has, raises an exception, and leaves with RDI = 0 if all of them are the same
 * afterwards.
 */
#define EACH(do) do(rax, 1) do(rbx, 2) do(rcx, 3) do(rdx, 4) do(rsi, 5) do(rdi, 6) do(r8, 8) do(r9, 9)	\
	do(r10, 10) do(r11, 11) do(r12, 12) do(r13, 13) do(r14, 14) do(r15, 15)
#define FILL(reg, n)	"lea " #n "(%rbp), %" #reg ";"
#define COMPARE(reg, n)	"lea -" #n "(%" #reg "), %" #reg "; cmp %rbp, %" #reg "; jne 1f;"
SNIPPET(snip_level, "mov %rcx, (%r8); mov %r9, 8(%r8); mov %rbp, 16(%r8); incq 24(%r8); mov %r8, %rbp;"
	"movq %rbp, %xmm7;" EACH(FILL) "ud2;" EACH(COMPARE) "movq %xmm7, %rdi; sub %rbp, %rdi; jmp 2f;"
	"1: mov $1, %edi;"
	"2: mov (%rbp), %rbx; mov 8(%rbp), %r9; mov 24(%rbp), %rsi; mov 16(%rbp), %rbp; mov $4, %eax; jmp *%r9");

static struct te te[LEVELS];
static uint64_t code[LEVELS];
static int device = -1;

/* A call under way: one level of one thread. */
struct frame {
	unsigned thread, level;
	bool in_handler;		/* the next level's turn is in the handler, not in an OCALL */
	enum design design;
	const struct plan *plan;
	unsigned exceptions;
	uint64_t entries, wrong;
	struct frame *outer;		/* SIGNALS: of this thread */
};
static __thread struct frame *innermost;

/* Who uses which design where. */
struct plan {
	enum design (*design)(unsigned thread, unsigned level);
	bool in_handler;
};

static void expect(struct frame *f, bool condition)
{
	f->wrong += !condition;
}

static void run_level(struct frame *f);

static void next_level(struct frame *f)
{
	struct frame next = { .thread = f->thread, .level = f->level + 1, .plan = f->plan };

	if (next.level == LEVELS)
		return;
	run_level(&next);
	f->wrong += next.wrong;
}

/* The handler of @f's call, in whatever design. */
static void on_exception(struct frame *f, uint64_t tcs, uint64_t vector, uint64_t error)
{
	expect(f, tcs == te[f->level].tcs[f->thread] && vector == 6 && error == 0);
	f->exceptions++;
	if (f->plan->in_handler && f->exceptions == 1)
		next_level(f);
	expect(f, own_repair(&te[f->level], f->thread, 0));
}

static int vdso_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	struct frame *f = (struct frame *)run->user_data;

	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	if (run->function == EEXIT)
		return 0;
	on_exception(f, run->tcs, run->exception_vector, run->exception_error_code);
	return ERESUME;
}

static uint64_t area(const struct frame *f)
{
	return te[f->level].heap + 4096 * f->thread;
}

static void enter_vdso(struct frame *f)
{
	struct te *t = &te[f->level];
	struct sgx_enclave_run run = { .tcs = t->tcs[f->thread], .user_handler = (uintptr_t)vdso_handler,
				       .user_data = (uintptr_t)f };
	struct te_vcall v = { .fn = (uintptr_t)t->vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP,
			      .rdx = code[f->level], .r8 = area(f), .r9 = t->eexit, .rflags = 0x202 };

	te_vcall(&v);
	expect(f, v.rax == 0 && run.function == EEXIT && v.rdi == 0 && v.rsi == f->entries);
}

/* With an ENCLU of our own; an exception comes out at @landing, and the way back is @back. */
static void enter_own(struct frame *f, enum own_site site, enum own_site aep, unsigned landing)
{
	struct own o = own_fault(&te[f->level], f->thread, site, (uintptr_t)own_enclu[aep], code[f->level]);
	const uint64_t rbp = o.r[RBP];

	o.r[R8] = area(f);
	own_call(&o);
	while (o.out == landing) {
		on_exception(f, o.r[RBX], o.r[RDI], o.r[RSI]);
		expect(f, o.r[RBP] == rbp && o.r[RCX] == (uintptr_t)own_enclu[aep]);
		o.jump = (uintptr_t)own_enclu[aep];
		o.r[RAX] = ERESUME;
		own_call(&o);
	}
	expect(f, o.out == site && o.r[RAX] == EEXIT && o.r[RDI] == 0);
	expect(f, o.r[RSI] == f->entries && o.r[RBP] == rbp);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)info;
	if (sig != SIGILL || g[REG_RIP] != (greg_t)(uintptr_t)own_enclu[OWN_PLAIN_2] || g[REG_RAX] != ERESUME ||
	    !innermost)
		abort();
	on_exception(innermost, (uint64_t)g[REG_RBX], (uint64_t)g[REG_TRAPNO], (uint64_t)g[REG_ERR]);
}

/* Handlers of the levels, so that the same ENCLU has another one at each. */
static const unsigned landings[LEVELS] = { OWN_FIXED, OWN_SIGNAL, OWN_ABANDON };
static const char *const handlers[LEVELS] = { own_fixed, own_out, own_abandon };

static int push(unsigned level)
{
	struct sgx_enclu_register pair = { .enclu = (uintptr_t)own_enclu[OWN_3E],
					   .handler = (uintptr_t)handlers[level] };

	return ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &pair);
}

static void pop(struct frame *f)
{
	struct sgx_enclu_register none = { .enclu = 0 };

	expect(f, ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &none) == 0);
}

static void enter(struct frame *f)
{
	f->entries++;
	f->exceptions = 0;
	switch (f->design) {
	case VDSO:
		enter_vdso(f);
		break;
	case PREFIX:
		enter_own(f, OWN_PREFIXED, OWN_PREFIXED_2, OWN_PREFIXED_2);
		break;
	case SIGNALS:
		f->outer = innermost;
		innermost = f;
		enter_own(f, OWN_PLAIN, OWN_PLAIN_2, OWN_SITES + 100);
		innermost = f->outer;
		break;
	case THREAD_HANDLER:
		enter_own(f, OWN_3E, OWN_3E, landings[f->level]);
		break;
	default:
		abort();
	}
	expect(f, f->exceptions == 1);
}

static void run_level(struct frame *f)
{
	f->design = f->plan->design(f->thread, f->level);
	f->entries = *(uint64_t *)(area(f) + 24);	/* debugging aid of the platform: the host can read it */
	if (f->design == THREAD_HANDLER)
		expect(f, push(f->level) == 0);
	enter(f);
	if (!f->plan->in_handler)
		next_level(f);			/* an OCALL: the enclave has left and waits to be entered again */
	enter(f);
	if (f->design == THREAD_HANDLER)
		pop(f);
}

struct job {
	unsigned thread;
	const struct plan *plan;
	uint64_t wrong;
};

static void *worker(void *arg)
{
	struct job *job = arg;
	struct frame f;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		f = (struct frame){ .thread = job->thread, .plan = job->plan };
		run_level(&f);
		job->wrong += f.wrong;
	}
	return NULL;
}

static void run_plan(enum design (*design)(unsigned thread, unsigned level))
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };
	pthread_t threads[THREADS];
	struct job jobs[THREADS];
	struct plan plan = { .design = design };
	unsigned i;

	sigaction(SIGILL, &sa, NULL);
	for (i = 0; i < LEVELS; i++) {
		const struct te_options o = { .tcs = THREADS, .nssa = 3, .heap_pages = THREADS };

		if (te_build(&te[i], &o)) {
			test_fail(__FILE__, __LINE__, "no enclave");
			return;
		}
		code[i] = OWN_LOAD(&te[i], 0, snip_level);
	}
	for (plan.in_handler = false;; plan.in_handler = true) {
		for (i = 0; i < THREADS; i++) {
			jobs[i] = (struct job){ .thread = i, .plan = &plan };
			pthread_create(&threads[i], NULL, worker, &jobs[i]);
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			EXPECT_EQ(jobs[i].wrong, 0);
		}
		if (plan.in_handler)
			break;
	}
	for (i = 0; i < LEVELS; i++)
		te_destroy(&te[i]);
	signal(SIGILL, SIG_DFL);
}

static enum design all_vdso(unsigned thread, unsigned level)
{
	(void)thread, (void)level;
	return VDSO;
}

static enum design all_prefix(unsigned thread, unsigned level)
{
	(void)thread, (void)level;
	return PREFIX;
}

static enum design all_signals(unsigned thread, unsigned level)
{
	(void)thread, (void)level;
	return SIGNALS;
}

static enum design all_thread(unsigned thread, unsigned level)
{
	(void)thread, (void)level;
	return THREAD_HANDLER;
}

static enum design mixed(unsigned thread, unsigned level)
{
	return (thread + level) % DESIGNS;
}

/* Proves: C5-1, C5-2, C5-3, B-26 */
TEST(recursion, vdso_handlers_belong_to_their_calls)
{
	run_plan(all_vdso);
}

/* Proves: C5-1, C5-2, C5-3, C2-3 */
TEST(recursion, landing_pads_belong_to_their_calls)
{
	run_plan(all_prefix);
}

/* Proves: C5-2, C5-3, C4-6 */
TEST(recursion, signals_nest_if_one_runtime_keeps_account)
{
	run_plan(all_signals);
}

/* Proves: C5-1, C5-2, C5-3, C5-6 */
TEST(recursion, handlers_of_a_thread_come_back)
{
	device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	ASSERT_TRUE(device >= 0);
	run_plan(all_thread);
	close(device);
}

/* Proves: C5-1, C5-2, C5-3, C5-4, C5-6 */
TEST(recursion, designs_do_not_disturb_each_other)
{
	device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	ASSERT_TRUE(device >= 0);
	run_plan(mixed);
	close(device);
}

enum { MANY = 24 };

/* Proves: C5-2 */
TEST(recursion, many_enclaves_each_with_its_own_handler)
{
	static struct te many[MANY];
	uint64_t many_code[MANY];
	unsigned i, round;

	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(te_build(&many[i], &(struct te_options){ .heap_pages = 1 }), 0);
		many_code[i] = OWN_LOAD(&many[i], 0, snip_level);
	}
	for (round = 0; round < 5; round++) {
		struct own o[MANY];

		for (i = 0; i < MANY; i++) {		/* all of them are interrupted at the same time */
			unsigned k = (i * 7 + round) % MANY;

			o[k] = own_fault(&many[k], 0, OWN_PREFIXED, (uintptr_t)own_enclu[OWN_PREFIXED_2],
					 many_code[k]);
			o[k].r[R8] = many[k].heap;
			own_call(&o[k]);
			EXPECT_EQ(o[k].out, OWN_PREFIXED_2);
			EXPECT_EQ(o[k].r[RBX], many[k].tcs[0]);
			EXPECT_EQ(o[k].r[RDI], 6);
		}
		for (i = 0; i < MANY; i++) {
			unsigned k = (i * 5 + round) % MANY;

			EXPECT_TRUE(own_repair(&many[k], 0, 0));
			o[k].jump = (uintptr_t)own_enclu[OWN_PREFIXED_2];
			o[k].r[RAX] = ERESUME;
			own_call(&o[k]);
			EXPECT_EQ(o[k].out, OWN_PREFIXED);
			EXPECT_EQ(o[k].r[RDI], 0);
			EXPECT_EQ(o[k].r[RSI], round + 1);
		}
	}
	for (i = 0; i < MANY; i++)
		te_destroy(&many[i]);
}
