/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that every_instruction.c traces: see rounds.h. */
#define _GNU_SOURCE
#include "exits/calls.h"
#include "exits/rounds.h"
#include "exits/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define PLAIN		UINT64_C(0x202)
#define STATUS_FLAGS	UINT64_C(0xcd5)		/* OF DF SF ZF AF PF CF */
#define GS_HOST		UINT64_C(0x123456789000)
#define SECRET		UINT64_C(0x5ec2e75ec2e75ec2)
#define RT_BASE		UINT64_C(0x6f5000000000)	/* doc/architecture.md, section 2 */
#define RT_VDSO		UINT64_C(0x6f5000800000)
#define RT_VDSO_END	UINT64_C(0x6f5000810000)
enum { UD = 6, GP = 13, PF = 14 };
enum { TCS_MAIN, TCS_HANDLER, TCS_CONTENDED, TCS_THREAD, TCS_COUNT };

struct shared *shared;
static struct te te, other;

SNIPPET(snip_touch, "mov %r10, 24(%rsi); movabs $0x5ec2e75ec2e75ec2, %r10; incq (%rsi);"
	"rdfsbase %rax; mov %rax, 8(%rsi); rdgsbase %rax; mov %rax, 16(%rsi); mov 24(%rsi), %r10;"
	"mov $0x7fffffff, %eax; add $1, %eax; stc; std; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_skip, "test %eax, %eax; jnz 1f; ud2; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"
	"1: addq $2, (%r8); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_target, "incq (%rsi); mov $4, %eax; mov %rcx, 24(%rsi); mov %r8, %rbx; jmp *%r9");
SNIPPET(snip_leaf, "incq (%rsi); mov %rcx, 24(%rsi); mov %rcx, %rbx; mov $0x77, %eax; mov $0x78, %ecx; jmp *%r9");
SNIPPET(snip_spin, "movl $1, 8(%rsi); 1: pause; cmpl $0, (%rsi); je 1b; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_leave, "mov 88(%r8), %rsp; mov $4, %eax; jmp *%r9");
enum { AT_TOUCH = 0, AT_SKIP = 256, AT_TARGET = 512, AT_SPIN = 768, AT_LEAVE = 1024, AT_LEAF = 1280 };

/* ---- the program ---- */

static __thread uint64_t canary;
static __thread uintptr_t stack_low, stack_high;
static char altstack[65536] __attribute__((aligned(4096)));
static sigjmp_buf out;
static pid_t main_tid;
static struct exact *leaving;
static volatile int resume_refused;
static uint64_t counter[8], expected, reference[8], raw_flags;
static volatile uint32_t spin[4];

#define RIGHT(x) do {									\
	if (!(x)) { shared->wrong++; if (!shared->wrong_line) shared->wrong_line = __LINE__; }	\
} while (0)

static uint64_t gs_read(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static void thread_ready(uintptr_t size)
{
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	canary = (uint64_t)pthread_self();
	stack_low = here - size;
	stack_high = here + size;
	__asm__ volatile("wrgsbase %0" : : "r"(GS_HOST));
}

static bool is_aep(uint64_t rip)
{
	const uint8_t *vdso = (const uint8_t *)te.vdso;

	return rip == (uintptr_t)exact_raw_aep ||
	       (vdso && rip - (uintptr_t)vdso < 4096 && !memcmp((const void *)rip, "\x0f\x01\xd7", 3));
}

/* A-FLT-15: nothing of the enclave's. */
static bool synthetic(const greg_t *g)
{
	return !(g[REG_RDX] | g[REG_RSI] | g[REG_RDI] | g[REG_R8] | g[REG_R9] | g[REG_R10] | g[REG_R11] |
		 g[REG_R12] | g[REG_R13] | g[REG_R14] | g[REG_R15]) &&
	       g[REG_RCX] == g[REG_RIP] && (uint64_t)g[REG_RBX] - te.base < te.size && !(g[REG_EFL] & 0x8d5);
}

static bool on_own_stack(uintptr_t sp)
{
	return (sp > stack_low && sp < stack_high) || sp - (uintptr_t)altstack < sizeof(altstack);
}

static void check_host_state(const ucontext_t *uc)
{
	const greg_t *g = uc->uc_mcontext.gregs;
	const uint64_t rip = (uint64_t)g[REG_RIP];
	unsigned i;

	if (!canary)
		return;				/* a thread's first instructions */
	RIGHT(canary == (uint64_t)pthread_self());
	RIGHT(gs_read() == GS_HOST);
	RIGHT(on_own_stack((uintptr_t)__builtin_frame_address(0)));
	RIGHT(on_own_stack((uintptr_t)g[REG_RSP]));
	RIGHT(rip - te.base >= te.size);
	RIGHT(rip < RT_BASE || rip >= RT_BASE + (UINT64_C(1) << 32) || (rip >= RT_VDSO && rip < RT_VDSO_END));
	for (i = 0; i < ROUNDS_SITES; i++)
		RIGHT(!shared->site[i] || rip - (shared->site[i] & ~UINT64_C(4095)) >= 4096);
	for (i = REG_R8; i <= REG_RCX; i++)
		RIGHT((uint64_t)g[i] != SECRET);
	if (is_aep(rip) && (uint32_t)g[REG_RAX] == ERESUME && !g[REG_RDI]) {
		RIGHT(synthetic(g));
		shared->at_aep++;
	}
	shared->rip = rip;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	if (info->si_code > 0 && info->si_code != SI_KERNEL) {
		shared->rip = (uint64_t)g[REG_RIP];
		_exit(99);
	} else if (info->si_code > 0) {			/* an ERESUME behind the last frame */
		if ((uintptr_t)g[REG_RIP] != (uintptr_t)exact_raw_enclu || g[REG_RAX] != ERESUME)
			_exit(98);
		g[REG_RIP] = (uintptr_t)exact_raw_out;
		resume_refused = 1;
		return;
	}
	check_host_state(uc);
	shared->handled++;
	if (sig == SIGSEGV)
		return;
	switch (shared->shot) {
	case ENTER:
		RIGHT(exits_sum(&te, te.tcs[TCS_HANDLER], 7, 20));
		RIGHT(exits_sum(&other, other.tcs[0], 8, 20));
		break;
	case JUMP:
		if (syscall(SYS_gettid) == main_tid && shared->kind != THREAD && shared->kind != BUSY) {
			shared->jumped++;
			siglongjmp(out, 1);
		}
		break;
	default:
		break;
	}
}

static void on_nested(int sig, siginfo_t *info, void *context)
{
	(void)info;
	check_host_state(context);
	RIGHT(sig == SIGUSR2);
	if (shared->nested++ & 1) {
		RIGHT(exits_sum(&other, other.tcs[0], 9, 20));
		return;
	}
	shared->handled++;
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
}

static const struct itimerval soon = { .it_value = { 0, 200 } };

/* Only when it has hit the enclave. */
static void on_alarm(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	if (is_aep((uint64_t)g[REG_RIP]) && g[REG_RAX] == ERESUME)
		spin[0] = 1;
	else
		setitimer(ITIMER_REAL, &soon, NULL);
}

/* Registers with a pattern each; then what an undisturbed call leaves is what every call has to leave. */
static void fill(struct exact *x, unsigned at)
{
	static uint64_t seed = 88172645463325252;
	uint64_t *gpr = &x->rax;
	unsigned i;

	memset(x, 0, sizeof(*x));
	for (i = 0; i < 16; i++)
		gpr[i] = (uint64_t)(0x1010 + i) << 32 |
			 (seed = seed * 6364136223846793005 + 1442695040888963407) >> 40;
	for (i = 0; i < sizeof(x->vector); i++)
		((uint8_t *)x->vector)[i] = (uint8_t)((seed = seed * 6364136223846793005 + 99) >> 33);
	for (i = 0; i < 8; i++)
		x->k[i] = (seed >> i) & 0xffff;
	x->level = exits_level();
	x->mxcsr = 0x1f80 | 0x6000;
	x->rflags = PLAIN;
	x->rdi = TE_JUMP;
	x->rdx = te.scratch + at;
	x->rsi = (uintptr_t)counter;
	x->r9 = te.eexit;
}

static bool same_vectors(const struct exact *a, const struct exact *b)
{
	const unsigned bytes = a->level == 3 ? 16 : a->level == 7 ? 32 : 64, count = a->level == 0xe7 ? 32 : 16;
	unsigned i;

	for (i = 0; i < count; i++)
		if (memcmp(a->vector[i], b->vector[i], bytes))
			return false;
	return a->level != 0xe7 || !memcmp(a->k, b->k, sizeof(a->k));
}

static void check_same(const struct exact *x, const struct exact *in, bool raw)
{
	RIGHT(x->rbx == in->rbx || raw || exits_vdso == 28);
	RIGHT(x->rdx == in->rdx);
	RIGHT(x->rsi == in->rsi);
	RIGHT(x->rdi == in->rdi);
	RIGHT(x->rbp == in->rbp);
	RIGHT(!x->rsp);
	RIGHT(x->r8 == in->r8);
	RIGHT(x->r9 == in->r9);
	RIGHT(x->r10 == in->r10);
	RIGHT(x->r11 == in->r11);
	RIGHT(x->r12 == in->r12);
	RIGHT(x->r13 == in->r13);
	RIGHT(x->r14 == in->r14);
	RIGHT(x->r15 == in->r15);
	RIGHT(x->mxcsr_out == in->mxcsr);
	RIGHT(same_vectors(x, in));
}

static void vdso_call(struct exact *x, union exits_run *run, unsigned tcs, uint64_t leaf, bool handler)
{
	exits_prepare(x, run, &te, te.tcs[tcs], leaf, handler);
	exact_vdso(x);
}

static void touch(unsigned tcs, bool handler)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TOUCH);
	x = in;
	vdso_call(&x, &run, tcs, EENTER, handler);
	RIGHT(!x.rax);
	RIGHT(exits_vector(&x, &run) == -1);
	check_same(&x, &in, false);
	RIGHT(handler || (x.rflags & 0x400));		/* B-14: DF is the enclave's */
	RIGHT(counter[1] == reference[1] || tcs);
	RIGHT(counter[2] == reference[2] || tcs);
}

static void call_once(void)
{
	touch(TCS_MAIN, false);
	RIGHT(counter[0] == ++expected);
}

static void handler_once(void)
{
	exact_handler_count = 2;
	touch(TCS_MAIN, true);
	RIGHT(exact_handler_count == 0);
	RIGHT(counter[0] == (expected += 3));
}

static void raw_once(void)
{
	struct exact in, x;

	fill(&in, AT_TOUCH);
	in.rax = EENTER;
	in.rbx = te.tcs[TCS_MAIN];
	in.rcx = (uintptr_t)exact_raw_aep;
	x = in;
	exact_raw(&x);
	RIGHT(x.rax == EEXIT);
	RIGHT(x.rbx == (uintptr_t)exact_raw_out);
	RIGHT(x.rcx == (uintptr_t)exact_raw_aep);
	RIGHT((x.rflags & STATUS_FLAGS) == raw_flags);
	RIGHT(counter[1] == reference[1]);
	RIGHT(counter[2] == reference[2]);
	check_same(&x, &in, true);
	RIGHT(counter[0] == ++expected);
}

/* An exception; the handler's entry at CSSA 1 that repairs it, and the ERESUME: neither has a short way. */
static void resume_once(void)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_SKIP);
	x = in;
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(exits_vector(&x, &run) == UD);
	RIGHT(x.mxcsr_out == 0x1fb0);
	x = in;
	x.r8 = te_gpr(&te, TCS_MAIN, 0) + offsetof(struct sgx_gprsgx, rip);
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(exits_vector(&x, &run) == -1);
	fill(&x, AT_SKIP);
	x.rbp = in.rbp;
	vdso_call(&x, &run, TCS_MAIN, ERESUME, false);
	RIGHT(exits_vector(&x, &run) == -1);
	check_same(&x, &in, true);
	RIGHT(counter[0] == ++expected);
}

static void on_ud(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (info->si_code <= 0) {
		on_signal(sig, info, context);
		return;
	}
	RIGHT((uintptr_t)g[REG_RIP] == (uintptr_t)exact_raw_aep && g[REG_RAX] == ERESUME);
	((struct sgx_gprsgx *)te_gpr(&te, TCS_MAIN, 0))->rip += 2;
}

/* The SDK's way: a signal at the AEP; its handler repairs the frame, and the AEP's own ENCLU resumes. */
static void raw_resume_once(void)
{
	struct exact in, x;

	fill(&in, AT_SKIP);
	in.rax = EENTER;
	in.rbx = te.tcs[TCS_MAIN];
	in.rcx = (uintptr_t)exact_raw_aep;
	x = in;
	exact_raw(&x);
	RIGHT(x.rax == EEXIT && x.rcx == (uintptr_t)exact_raw_aep);
	check_same(&x, &in, true);
	RIGHT(counter[0] == ++expected);
}

static void target_once(void)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TARGET);
	in.r8 = (uintptr_t)exact_other_pad;
	x = in;
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(!x.rax && exits_vector(&x, &run) == -1);
	check_same(&x, &in, false);
	RIGHT(counter[0] == ++expected);
	call_once();
}

/* An entry that the model has to make, and a leaf at the same ENCLU that is no EENTER. */
static void raw_slow_once(void)
{
	struct exact x;

	RIGHT(exits_sum(&te, te.tcs[TCS_HANDLER], 5, 20));
	raw_once();
	fill(&x, AT_TOUCH);
	x.rax = ERESUME;
	x.rbx = te.tcs[TCS_MAIN];
	x.rcx = (uintptr_t)exact_raw_aep;
	resume_refused = 0;
	exact_raw(&x);			/* ERESUME-15: there is no frame */
	RIGHT(resume_refused);
}

/* A leaf that does not exist, where EEXIT usually is; repaired, it is EEXIT again. */
static void leaf_once(void)
{
	struct sgx_gprsgx *g = (void *)te_gpr(&te, TCS_MAIN, 0);
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_LEAF);
	x = in;
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(exits_vector(&x, &run) == GP);
	RIGHT(g->rip == te.eexit);
	RIGHT((uint32_t)g->rax == 0x77);
	RIGHT(g->rcx == 0x78);
	RIGHT(g->rbx == counter[3]);
	g->rax = EEXIT;
	fill(&x, AT_LEAF);
	x.rbp = in.rbp;
	vdso_call(&x, &run, TCS_MAIN, ERESUME, false);
	RIGHT(exits_vector(&x, &run) == -1);
	check_same(&x, &in, true);
	RIGHT(counter[0] == ++expected);
}

/* EEXIT-01, and the frame shows the ENCLU at which it happened; repaired, the same ENCLU leaves. */
static void refused_once(void)
{
	struct sgx_gprsgx *g = (void *)te_gpr(&te, TCS_MAIN, 0);
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TARGET);
	in.r8 = UINT64_C(0x8000000000000000);
	x = in;
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(exits_vector(&x, &run) == GP);
	RIGHT(g->rip == te.eexit);
	RIGHT((uint32_t)g->rax == EEXIT);
	RIGHT(g->rbx == in.r8);
	g->rbx = counter[3];
	fill(&x, AT_TARGET);
	x.rbp = in.rbp;
	vdso_call(&x, &run, TCS_MAIN, ERESUME, false);
	RIGHT(exits_vector(&x, &run) == -1);
	check_same(&x, &in, true);
	RIGHT(counter[0] == ++expected);
}

static void async_once(void)
{
	union exits_run run;
	struct exact in, x;

	spin[0] = spin[2] = 0;
	fill(&in, AT_SPIN);
	in.rsi = (uintptr_t)spin;
	x = in;
	setitimer(ITIMER_REAL, &soon, NULL);
	vdso_call(&x, &run, TCS_MAIN, EENTER, false);
	RIGHT(!x.rax && exits_vector(&x, &run) == -1);
	RIGHT(spin[0] == 1);
	check_same(&x, &in, false);
}

static void invalid_once(void)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TOUCH);
	x = in;
	vdso_call(&x, &run, TCS_MAIN, 7, false);
	RIGHT((int32_t)x.rax == -EINVAL);
	check_same(&x, &in, false);
}

static void no_ds_once(void)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TOUCH);
	x = in;
	exits_prepare(&x, &run, &te, te.tcs[TCS_MAIN], EENTER, false);
	__asm__ volatile("mov %0, %%ds" : : "r"(0) : "memory");
	exact_vdso(&x);
	RIGHT(!x.rax && exits_vector(&x, &run) == -1);
	check_same(&x, &in, false);
	RIGHT(counter[0] == ++expected);
}

static void another_tcs_once(void)
{
	touch(TCS_HANDLER, false);
	RIGHT(counter[0] == ++expected);
	call_once();
}

static void *spinner(void *argument)
{
	union exits_run run;
	struct exact x;

	(void)argument;
	thread_ready(60000);
	fill(&x, AT_SPIN);
	x.rsi = (uintptr_t)spin;
	vdso_call(&x, &run, TCS_CONTENDED, EENTER, false);
	RIGHT(exits_vector(&x, &run) == -1);
	return NULL;
}

/* The last TCS that this thread entered is taken by another. */
static void busy_once(void)
{
	union exits_run run;
	pthread_t thread;
	struct exact x;

	spin[0] = spin[2] = 0;
	touch(TCS_CONTENDED, false);
	RIGHT(counter[0] == ++expected);
	if (pthread_create(&thread, NULL, spinner, NULL))
		_exit(97);
	while (!spin[2])
		sched_yield();
	fill(&x, AT_TOUCH);
	vdso_call(&x, &run, TCS_CONTENDED, EENTER, false);
	RIGHT(exits_vector(&x, &run) == GP);
	spin[0] = 1;
	pthread_join(thread, NULL);
}

static void gate_once(void)
{
	register long rbx __asm__("rbx") = 0xb0b0;
	register long r12 __asm__("r12") = 0x1212;
	long fd;

	__asm__ volatile("syscall" : "=a"(fd), "+r"(rbx), "+r"(r12)
			 : "a"(SYS_open), "D"("/dev/null"), "S"(O_RDWR), "d"(0) : "rcx", "r11", "memory");
	RIGHT(fd >= 0 && rbx == 0xb0b0 && r12 == 0x1212);
	RIGHT(write((int)fd, "x", 1) == 1);
	RIGHT(!close((int)fd));
}

static void bad_tcs_once(void)
{
	union exits_run run;
	struct exact in, x;

	fill(&in, AT_TOUCH);
	x = in;
	exits_prepare(&x, &run, &te, 0x10000, EENTER, false);
	exact_vdso(&x);
	RIGHT(exits_vector(&x, &run) == PF);
	RIGHT(x.rdx == 0x10fff && x.rdi == PF && (x.rsi & 7) == 6);
	RIGHT(same_vectors(&x, &in));
	x = in;				/* of no enclave's, but there */
	exits_prepare(&x, &run, &te, (uintptr_t)altstack & ~UINT64_C(4095), EENTER, false);
	exact_vdso(&x);
	RIGHT(exits_vector(&x, &run) == PF);
	RIGHT(same_vectors(&x, &in));
}

static void *once_inside(void *argument)
{

	thread_ready(60000);
	touch(TCS_THREAD, false);
	RIGHT(exits_sum(&te, te.tcs[TCS_THREAD], 3, 30));
	return argument;
}

static void thread_once(void)
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, once_inside, counter))
		_exit(97);
	pthread_join(thread, &result);
	RIGHT(result == counter);
	RIGHT(counter[0] == ++expected);
}

static void vdso_once(void)
{
	struct timespec t;
	struct timeval tv;
	unsigned cpu;
	int (*fn)(uint64_t a, void *b, void *c, uint64_t d, uint64_t e);
	static const char *const names[] = { "__vdso_time", "__vdso_getrandom" };
	uint64_t address, size, i;

	RIGHT(!clock_gettime(CLOCK_MONOTONIC, &t) && !gettimeofday(&tv, NULL) &&
	      !clock_getres(CLOCK_REALTIME, &t) && !getcpu(&cpu, NULL));
	for (i = 0; i < 2; i++) {
		address = symbols_vdso(names[i], &size);
		if (!address)
			continue;
		memcpy(&fn, &address, sizeof(fn));
		if (i == 0)
			RIGHT(fn(0, NULL, NULL, 0, 0) > 0);
		else
			fn((uintptr_t)&tv, (void *)8, NULL, 0, 0);
	}
}

/* Waits with a mask of their own: a signal of the program's and one of the platform's are open only there. */
static void wait_once(void)
{
	const struct timespec moment = { 0, 1000 };
	sigset_t outside, inside, before, after;
	unsigned i;
	int ret;

	sigemptyset(&outside);
	sigaddset(&outside, SIGUSR2);
	sigaddset(&outside, SIGBUS);
	sigemptyset(&inside);
	sigaddset(&inside, SIGILL);
	for (i = 0; i < 2; i++) {
		sigprocmask(SIG_BLOCK, &outside, &before);
		ret = i ? sigtimedwait(&inside, NULL, &moment) : ppoll(NULL, 0, &moment, &inside);
		RIGHT(!ret || (ret == -1 && (errno == EINTR || (i && errno == EAGAIN))));
		sigprocmask(SIG_SETMASK, &before, &after);
		RIGHT(sigismember(&after, SIGUSR2) && sigismember(&after, SIGBUS) && !sigismember(&after, SIGILL));
	}
}

static void (*const once[KINDS])(void) = {
	call_once,    resume_once,  raw_once,	raw_resume_once,  target_once, refused_once, async_once,
	handler_once, invalid_once, no_ds_once, another_tcs_once, busy_once,   gate_once,    bad_tcs_once,
	thread_once,  vdso_once,    wait_once,	raw_slow_once,	  leaf_once,
};

/* Whatever a handler has left by a jump: frames below are resumed to code that leaves, until ERESUME finds none.
 */
static void abandon(void)
{
	struct exact x;
	unsigned tcs, frame, left;

	for (tcs = 0; tcs < TCS_COUNT; tcs++) {
		for (frame = 0; frame < 3; frame++) {
			struct sgx_gprsgx *g = (void *)te_gpr(&te, tcs, frame);

			g->rip = te.scratch + AT_LEAVE;
			g->rbx = (uintptr_t)exact_raw_out;
			g->r8 = (uintptr_t)&x;
			g->r9 = te.eexit;
			g->rflags = PLAIN;
		}
		resume_refused = 0;
		for (left = 0; !resume_refused && left < 5; left++) {
			fill(&x, AT_TOUCH);
			x.mxcsr = 0x1f80;
			x.rax = ERESUME;
			x.rbx = te.tcs[tcs];
			x.rcx = (uintptr_t)exact_raw_aep;
			leaving = &x;
			exact_raw(&x);
		}
		RIGHT(resume_refused);
	}
}

static void round_of(int kind)
{
	const struct itimerval never = { 0 };

	if (sigsetjmp(out, 1)) {
		setitimer(ITIMER_REAL, &never, NULL);
		__asm__ volatile("wrgsbase %0" : : "r"(GS_HOST));
		abandon();
		expected = counter[0];
		memset(counter, 0, sizeof(counter));
		expected = 0;
		return;
	}
	shared->kind = kind;
	call_once();			/* whatever came before: the short ways are open again .. */
	call_once();			/* .. and gone */
	once[kind]();
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &act, NULL);
}

static void build(void)
{
	struct exact x;

	if (te_build(&te, &(struct te_options){.tcs = TCS_COUNT,
					       .nssa = 4,
					       .ssaframesize = 2,
					       .xfrm = exits_level(),
					       .attributes = SGX_ATTR_DEBUG}) ||
	    te_build(&other, NULL))
		_exit(96);
	exits_copy(&te, te.tcs[0], te.scratch + AT_TOUCH, snip_touch, (uint64_t)(snip_touch_end - snip_touch));
	exits_copy(&te, te.tcs[0], te.scratch + AT_SKIP, snip_skip, (uint64_t)(snip_skip_end - snip_skip));
	exits_copy(&te, te.tcs[0], te.scratch + AT_TARGET, snip_target, (uint64_t)(snip_target_end - snip_target));
	exits_copy(&te, te.tcs[0], te.scratch + AT_SPIN, snip_spin, (uint64_t)(snip_spin_end - snip_spin));
	exits_copy(&te, te.tcs[0], te.scratch + AT_LEAVE, snip_leave, (uint64_t)(snip_leave_end - snip_leave));
	exits_copy(&te, te.tcs[0], te.scratch + AT_LEAF, snip_leaf, (uint64_t)(snip_leaf_end - snip_leaf));
	fill(&x, AT_TOUCH);
	x.rax = EENTER;
	x.rbx = te.tcs[0];
	x.rcx = (uintptr_t)exact_raw_aep;
	exact_raw(&x);
	raw_flags = x.rflags & STATUS_FLAGS;
	memcpy(reference, counter, sizeof(reference));
	memset(counter, 0, sizeof(counter));
	shared->te_base = te.base;
	shared->te_size = te.size;
}

/* Where a replaced site's jump leads, or 0. */
static uint64_t trampoline_of(uint64_t site)
{
	const uint8_t *code = (const uint8_t *)site;
	int32_t displacement;

	memcpy(&displacement, code + 1, sizeof(displacement));
	return code[0] == 0xe9 ? site + 5 + (uint64_t)(int64_t)displacement : 0;
}

_Noreturn void rounds_program(void)
{
	unsigned i, kind;

	exits_init();
	main_tid = (pid_t)syscall(SYS_gettid);
	build();
	thread_ready(4 << 20);
	sigaltstack(&(stack_t){ .ss_sp = altstack, .ss_size = sizeof(altstack) }, NULL);
	handle(SIGUSR1, on_signal, 0);
	handle(SIGSEGV, on_signal, SA_NODEFER);
	handle(SIGFPE, on_signal, 0);
	handle(SIGILL, on_ud, SA_NODEFER);
	handle(SIGUSR2, on_nested, SA_ONSTACK | SA_NODEFER);
	handle(SIGALRM, on_alarm, 0);
	for (i = 0; i < 70; i++)
		for (kind = 0; kind < KINDS; kind++)
			if (i < 2 || kind <= TARGET)
				round_of((int)kind);
	shared->site[0] = trampoline_of(te.eexit);
	shared->site[1] = trampoline_of((uintptr_t)exact_raw_enclu);
	for (;;) {
		syscall(SYS_tgkill, getpid(), main_tid, SIGSTOP);
		round_of(shared->kind);
	}
}
