/* SPDX-License-Identifier: BSD-2-Clause */
/* Asynchronous exits: what the enclave was doing goes on bit for bit, and the handler sees nothing of it. */
#define _GNU_SOURCE
#include "abi/burn.h"
#include "harness.h"
#include "support/encl.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { THREADS = 4, WANTED = 7000 };
#define PLAIN	0x202
#define GS_HOST	UINT64_C(0x123456789000)

SNIPPET(snip_count, "incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_skip, "test %eax, %eax; jnz 1f; ud2; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"
	"1: addq $2, (%r8); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

static struct te te, other;
static uint64_t vdso_enclu, xfrm = 3;	/* of the enclave in which signals hit */
static _Atomic unsigned handled, seen_aex, seen_wrong;
static _Atomic bool stop;
static __thread uint64_t canary;
static _Atomic int what;		/* what the handler does: */
enum { COUNT, ENTER_OTHER_TCS, ENTER_OTHER_ENCLAVE, JUMP };
static sigjmp_buf out;

static uint64_t gs_read(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static void gs_write(uint64_t base)
{
	__asm__ volatile("wrgsbase %0" : : "r"(base));
}

static bool is_aep(uint64_t rip)
{
	return rip == vdso_enclu || rip == (uintptr_t)te_raw_aep;
}

/* The state of A-FLT-15, and nothing of the enclave's in the registers behind it. */
static bool synthetic(const ucontext_t *uc)
{
	static const int zero[] = { REG_RDX, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
				    REG_R14, REG_R15 };
	const greg_t *g = uc->uc_mcontext.gregs;
	const struct _libc_fpstate *f = uc->uc_mcontext.fpregs;
	uint64_t any = 0, bv;
	unsigned i;

	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		any |= (uint64_t)g[zero[i]];
	for (i = 0; i < sizeof(f->_xmm); i++)
		any |= ((const uint8_t *)f->_xmm)[i];
	memcpy(&bv, (const uint8_t *)f + 512, sizeof(bv));
	return !any && g[REG_RAX] == ERESUME && g[REG_RCX] == g[REG_RIP] && (uint64_t)g[REG_RBX] - te.base < te.size &&
	       !(g[REG_EFL] & 0x8d5) && f->mxcsr == 0x1fb0 && f->cwd == 0x37f && !(bv & xfrm & ~UINT64_C(3));	/* AEX-16: others stay */
}

static void enter_sum(struct te *t, unsigned tcs)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 1, 10 };

	te_call(t, tcs, TE_SUM, args, &run);
	if (run.function != EEXIT || args[0] == 1)
		seen_wrong++;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	bool aex = is_aep((uint64_t)uc->uc_mcontext.gregs[REG_RIP]) && uc->uc_mcontext.gregs[REG_RAX] == ERESUME;

	(void)sig, (void)info;
	handled++;
	if (canary != (uint64_t)pthread_self() || gs_read() != GS_HOST)
		seen_wrong++;
	if (!aex || uc->uc_mcontext.gregs[REG_RDI] == TE_JUMP)	/* that is an ERESUME which is still to come */
		return;
	seen_aex++;
	if (!synthetic(uc))
		seen_wrong++;
	switch (what) {
	case ENTER_OTHER_TCS:
		enter_sum(&te, 5);
		break;
	case ENTER_OTHER_ENCLAVE:
		enter_sum(&other, 0);
		break;
	case JUMP:
		siglongjmp(out, 1);
	default:
		break;
	}
}

static void thread_ready(void)
{
	canary = (uint64_t)pthread_self();
	gs_write(GS_HOST);
}

static void begin(int flags)
{
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | flags };
	struct sgx_enclave_run run;
	struct te_vcall v;

	if (!te.size) {
		te_build(&te, &(struct te_options){ .tcs = 6, .nssa = 4, .heap_pages = 1 });
		te_build(&other, NULL);
		memset(&run, 0, sizeof(run));
		run.tcs = te.tcs[0];
		v = (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER };
		te_vcall(&v);
		vdso_enclu = v.rcx;
	}
	thread_ready();
	handled = seen_aex = seen_wrong = 0;
	what = COUNT;
	stop = false;
	sigaction(SIGUSR1, &act, NULL);
}

static void end(void)
{
	signal(SIGUSR1, SIG_IGN);
	gs_write(0);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static timer_t timer_start(long nanoseconds)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, nanoseconds }, { 0, nanoseconds } };
	timer_t timer;

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &every, NULL);
	return timer;
}

static void *flood(void *tid)
{
	unsigned i;

	while (!stop) {
		syscall(SYS_tgkill, getpid(), (int)(intptr_t)tid, SIGUSR1);
		for (i = 0; i < 300; i++)
			__asm__ volatile("pause");
	}
	return NULL;
}

static pthread_t flood_start(void)
{
	sigset_t all, old;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&thread, NULL, flood, (void *)(intptr_t)syscall(SYS_gettid));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return thread;
}

static void flood_stop(pthread_t thread)
{
	stop = true;
	pthread_join(thread, NULL);
}

static const struct level {
	uint64_t xfrm;
	const uint8_t *code, *end;
} levels[] = { { 3, burn_3, burn_3_end }, { 7, burn_7, burn_7_end }, { 0xe7, burn_e7, burn_e7_end } };

static bool machine_has(uint64_t xfrm)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & xfrm) == xfrm;
}

static struct te_vcall entry(struct te *t, unsigned tcs, const void *rsi, struct sgx_enclave_run *run)
{
	memset(run, 0, sizeof(*run));
	run->tcs = t->tcs[tcs];
	return (struct te_vcall){ .fn = (uintptr_t)t->vdso, .run = run, .rcx = EENTER, .rdi = TE_JUMP, .rdx = t->scratch,
				  .rsi = (uintptr_t)rsi, .r9 = t->eexit, .rflags = PLAIN };
}

static bool burn_differs(const struct burn *a, const struct burn *b)
{
	return memcmp(a->gpr, b->gpr, sizeof(a->gpr)) || a->flags != b->flags || memcmp(a->x87, b->x87, sizeof(a->x87)) ||
	       memcmp(a->k, b->k, sizeof(a->k)) || memcmp(a->vector, b->vector, sizeof(a->vector));
}

/* Computes in an enclave of its own with @xfrm until enough signals have hit it; raw: by an ENCLU and AEP of our own. */
static void burn_under_signals(const struct level *level, bool raw, long timer_ns)
{
	static struct burn in, want, got;
	struct te_options o = { .xfrm = level->xfrm, .ssaframesize = 2, .nssa = 3 };
	struct sgx_enclave_run run;
	struct te t, keep = te;
	unsigned wrong = 0, calls = 0;
	pthread_t flooder = 0;
	timer_t timer = NULL;
	double deadline;

	ASSERT_EQ(te_build(&t, &o), 0);
	te_load(&t, 0, level->code, (uint64_t)(level->end - level->code));
	xfrm = level->xfrm;
	te = t;				/* what synthetic() looks at */
	burn_seed(&in, level->xfrm, 20000);
	want = in;
	burn_outside(level->code, &want);
	deadline = now() + 4;
	if (timer_ns)
		timer = timer_start(timer_ns);
	else
		flooder = flood_start();
	while (now() < deadline && seen_aex < WANTED) {
		got = in;
		got.exit = t.eexit;
		if (raw) {
			struct te_regs r = { .rax = EENTER, .rbx = t.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
					     .rdx = t.scratch, .rsi = (uintptr_t)&got };

			te_raw(&r);
			wrong += r.rax != EEXIT || r.rcx != (uintptr_t)te_raw_aep;
		} else {
			struct te_vcall v = entry(&t, 0, &got, &run);

			te_vcall(&v);
			wrong += run.function != EEXIT || v.rax;
		}
		wrong += burn_differs(&got, &want);
		calls++;
	}
	if (timer_ns)
		timer_delete(timer);
	else
		flood_stop(flooder);
	te = keep;
	xfrm = 3;
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(seen_wrong, 0);
	EXPECT_TRUE(seen_aex >= 100);		/* usually WANTED; a busy machine gives fewer */
	EXPECT_TRUE(calls > 0);
	te_destroy(&t);
}

/* Proves: AEX-01, AEX-02, AEX-03, AEX-04, AEX-05, AEX-06, AEX-12, AEX-15, AEX-22, AEX-30, EVT-15, A-FLT-15, C4-7 */
TEST(aex, flood_of_signals_leaves_results_exact)
{
	unsigned i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (machine_has(levels[i].xfrm)) {
			begin(0);
			burn_under_signals(&levels[i], i == 1, 0);
			end();
		}
}

/* Proves: AEX-15, A-FLT-16, C4-7 */
TEST(aex, timer_leaves_results_exact)
{
	begin(0);
	burn_under_signals(&levels[0], false, 60000);
	end();
}

/* One entry after the other; what comes back is compared. */
static unsigned tight(unsigned tcs, double seconds)
{
	struct sgx_enclave_run run;
	uint64_t counter[4] = { 0 }, expected = 0;
	double deadline = now() + seconds;
	unsigned wrong = 0, i;

	while (now() < deadline) {
		for (i = 0; i < 500; i++) {
			struct te_vcall v = entry(&te, tcs, counter, &run);

			v.rbx = 0xb0b0 + i;
			v.rbp = 0xb1b1;
			v.r8 = 0x88, v.r10 = 0x1010 + i, v.r11 = 0x1111, v.r12 = 0x1212, v.r13 = 0x1313;
			v.r14 = 0x1414 + i, v.r15 = 0x1515;
			te_vcall(&v);
			expected++;
			wrong += v.rax || run.function != EEXIT || counter[0] != expected || v.rbx != 0xb0b0 + i ||
				 v.rbp != 0xb1b1 || v.rcx != vdso_enclu || v.rdx != te.scratch || v.rsi != (uintptr_t)counter ||
				 v.rdi != TE_JUMP || v.r8 != 0x88 || v.r9 != te.eexit || v.r10 != 0x1010 + i ||
				 v.r11 != 0x1111 || v.r12 != 0x1212 || v.r13 != 0x1313 || v.r14 != 0x1414 + i ||
				 v.r15 != 0x1515 || v.rsp;
		}
	}
	return wrong + !expected;
}

/* Proves: B-5, B-16, A-FLT-16 */
TEST(aex, signals_during_tight_entries_and_exits)
{
	static const int flags[] = { 0, SA_ONSTACK };
	static uint8_t stack[65536];
	pthread_t flooder;
	timer_t timer;
	unsigned i;

	for (i = 0; i < 2; i++) {
		begin(flags[i]);
		sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
		TE_LOAD(&te, 0, snip_count);
		timer = timer_start(20000 + i * 30000);
		EXPECT_EQ(tight(0, 0.8), 0);
		timer_delete(timer);
		flooder = flood_start();
		EXPECT_EQ(tight(0, 0.8), 0);
		flood_stop(flooder);
		sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
		EXPECT_EQ(seen_wrong, 0);
		EXPECT_TRUE(handled > 200);
		end();
	}
}

/* Exception, entry of the same TCS that repairs it, ERESUME; by hand. */
static unsigned resume_loop(unsigned tcs, double seconds)
{
	struct sgx_enclave_run run;
	uint64_t counter[4] = { 0 }, expected = 0;
	double deadline = now() + seconds;
	unsigned wrong = 0;

	while (now() < deadline) {
		struct te_vcall v = entry(&te, tcs, counter, &run);

		te_vcall(&v);
		wrong += run.function != ERESUME || run.exception_vector != 6 || v.rax;
		v = entry(&te, tcs, counter, &run);
		v.r8 = te_gpr(&te, tcs, 0) + offsetof(struct sgx_gprsgx, rip);
		te_vcall(&v);
		wrong += run.function != EEXIT || v.rax;
		v = entry(&te, tcs, counter, &run);
		v.rcx = ERESUME;
		te_vcall(&v);
		expected++;
		wrong += run.function != EEXIT || v.rax || counter[0] != expected;
	}
	return wrong + !expected;
}

/* Proves: B-36, SSA-05, A-FLT-16 */
TEST(aex, signals_during_exceptions_and_resumes)
{
	pthread_t flooder;
	timer_t timer;

	begin(0);
	TE_LOAD(&te, 0, snip_skip);
	timer = timer_start(50000);
	EXPECT_EQ(resume_loop(0, 0.8), 0);
	timer_delete(timer);
	flooder = flood_start();
	EXPECT_EQ(resume_loop(0, 0.8), 0);
	flood_stop(flooder);
	EXPECT_EQ(seen_wrong, 0);
	EXPECT_TRUE(handled > 100);
	end();
}

static void *tight_thread(void *tcs)
{
	timer_t timer;
	unsigned wrong;

	thread_ready();
	timer = timer_start(50000 + 10000 * (long)(intptr_t)tcs);
	wrong = tight((unsigned)(intptr_t)tcs, 1.0);
	timer_delete(timer);
	return (void *)(intptr_t)wrong;
}

/* Proves: B-5, A-FLT-16 */
TEST(aex, threads_enter_and_leave_under_timers)
{
	pthread_t thread[THREADS];
	void *wrong;
	intptr_t i;

	begin(0);
	TE_LOAD(&te, 0, snip_count);
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, tight_thread, (void *)(i + 1));
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &wrong);
		EXPECT_EQ((uintptr_t)wrong, 0);
	}
	EXPECT_EQ(seen_wrong, 0);
	EXPECT_TRUE(handled > 200);
	end();
}

static void handler_enters(int action)
{
	static struct burn in, want, got;
	struct sgx_enclave_run run;
	pthread_t flooder;
	double deadline = now() + 1;
	unsigned wrong = 0;

	begin(0);
	TE_LOAD(&te, 0, burn_3);
	burn_seed(&in, 99, 20000);
	want = in;
	burn_outside(burn_3, &want);
	what = action;
	flooder = flood_start();
	while (now() < (seen_aex > 50 ? deadline : deadline + 20) && seen_aex < 3000) {	/* on a busy machine, later */
		struct te_vcall v = entry(&te, 0, &got, &run);

		got = in;
		got.exit = te.eexit;
		te_vcall(&v);
		wrong += run.function != EEXIT || burn_differs(&got, &want);
	}
	flood_stop(flooder);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(seen_wrong, 0);
	EXPECT_TRUE(seen_aex > 50);
	end();
}

/* Proves: B-26, C4-7 */
TEST(aex, handler_enters_another_tcs)
{
	handler_enters(ENTER_OTHER_TCS);
}

/* Proves: B-26, C4-7 */
TEST(aex, handler_enters_another_enclave)
{
	handler_enters(ENTER_OTHER_ENCLAVE);
}

/* Proves: B-24, A-LIF-7, SSA-05 */
TEST(aex, longjmp_out_of_an_interrupted_enclave_which_is_resumed_later)
{
	static struct burn in, want, got;
	static struct sgx_enclave_run run;
	static struct te_vcall v;
	volatile unsigned jumps = 0, wrong = 0;
	const double deadline = now() + 2;
	pthread_t flooder;

	begin(0);
	TE_LOAD(&te, 0, burn_3);
	burn_seed(&in, 7, 20000);
	want = in;
	burn_outside(burn_3, &want);
	flooder = flood_start();
	while (jumps < 200 && now() < deadline) {
		got = in;
		got.exit = te.eexit;
		v = entry(&te, 0, &got, &run);
		if (!sigsetjmp(out, 1)) {
			what = JUMP;
		} else {			/* TCS 0 stands at CSSA 1 */
			what = COUNT;
			jumps++;
			enter_sum(&te, 1);
			v = entry(&te, 0, &got, &run);
			v.rcx = ERESUME;
		}
		te_vcall(&v);
		what = COUNT;
		wrong += run.function != EEXIT || burn_differs(&got, &want);
	}
	flood_stop(flooder);
	EXPECT_EQ(wrong, 0);
	EXPECT_EQ(seen_wrong, 0);
	EXPECT_TRUE(jumps > 10);
	end();
}
