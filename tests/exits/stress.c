/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that call enclaves, which call each other by way of the host, under timers and storms of signals:
 * nothing that asynchronous exits may not change changes. Canaries in all registers of host and enclave, results
 * of computations over all of them, and handlers that look at what they interrupted. Closes with "exits: N
 * asynchronous exits, D differences".
 *
 * stress [--seconds=N] [--seed=N] [--json=FILE]
 */
#define _GNU_SOURCE
#include "abi/burn.h"
#include "exits/calls.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PLAIN		UINT64_C(0x202)
#define STATUS_FLAGS	UINT64_C(0xcd5)
#define HELD_FLAGS	UINT64_C(0xc95)		/* of 7FFFFFFFH + 1, and CF, DF by STC and STD */
#define RT_BASE		UINT64_C(0x6f5000000000)
#define RT_VDSO		UINT64_C(0x6f5000800000)
#define RT_VDSO_END	UINT64_C(0x6f5000810000)
#define SENTINEL	UINT32_C(0x5a5a5a5a)
enum { THREADS = 8, ENCLAVES = 3, HANG_SECONDS = 60, PROBLEMS = 64, QUEUED_MAX = 24 };

/* Registers are held while the enclave counts; MXCSR, FS, GS and flags are its own for that time. */
SNIPPET(snip_hold, "mov %rcx, %rbx; stmxcsr 56(%rsi); ldmxcsr 24(%rsi); mov 8(%rsi), %rax; wrfsbase %rax;"
		   "mov 16(%rsi), %rax; wrgsbase %rax; mov (%rsi), %rax; 1: dec %rax; jnz 1b; rdfsbase %rax; mov "
		   "%rax, 32(%rsi);"
		   "rdgsbase %rax; mov %rax, 40(%rsi); stmxcsr 28(%rsi); ldmxcsr 56(%rsi); mov $0x7fffffff, %eax; "
		   "add $1, %eax; stc;"
		   "std; mov (%rsi), %rcx; 2: lea -1(%rcx), %rcx; jrcxz 3f; jmp 2b; 3: pushfq; pop 64(%rsi); mov "
		   "$4, %eax; jmp *%r9");
struct hold {
	uint64_t rounds, fs, gs;
	uint32_t mxcsr, mxcsr_out;
	uint64_t fs_out, gs_out, unused;
	uint32_t host_mxcsr, pad;
	uint64_t flags;
};
enum { AT_HOLD = 0, AT_BURN = 512 };

/* Computed before there are signals: outside, its stack has no room for a handler's frame. */
static struct problem {
	struct burn start, want;
} problem[ENCLAVES][PROBLEMS];

static struct te te[ENCLAVES];
static struct { const uint8_t *code, *end; uint64_t xfrm; } burner[ENCLAVES];
static _Atomic bool stop;
static _Atomic uint64_t differences, reported;

struct worker {
	pthread_t thread;
	pid_t tid;
	unsigned index;
	uint64_t seed;			/* the thread's own numbers; handlers have theirs */
	uint64_t handler_seed;
	_Atomic uint64_t visits;
	_Atomic uint64_t frames;	/* SSA frames that were written by asynchronous exits */
	_Atomic uint64_t signals, nested, entered;
	uint64_t sent;			/* of the queued kind, with .. */
	_Atomic uint64_t received;	/* .. a limit to what waits */
	_Atomic unsigned depth, doing;	/* for the watchdog */
	volatile int handler_inside;
	bool ready;
	uint64_t gs;
	char altstack[65536] __attribute__((aligned(64)));
};
static struct worker worker[THREADS];
static __thread struct worker *me;

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void __attribute__((format(printf, 1, 2))) differ(const char *format, ...)
{
	va_list ap;

	atomic_fetch_add(&differences, 1);
	if (atomic_fetch_add(&reported, 1) >= 20)
		return;
	va_start(ap, format);
	fprintf(stderr, "difference: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
}

#define SAME(a, b) do {										\
	const uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);					\
	if (a_ != b_)										\
		differ("thread %u: %s is %llx, not %s = %llx (line %d)", me ? me->index : 99, #a,	\
		       (unsigned long long)a_, #b, (unsigned long long)b_, __LINE__);		\
} while (0)

/* ---- handlers ---- */

static uint64_t gs_read(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static unsigned enclave_of(uint64_t address)
{
	unsigned i;

	for (i = 0; i < ENCLAVES && address - te[i].base >= te[i].size; i++)
		;
	return i;
}

/* At an AEP with ERESUME in RAX: is it the state that AEX makes (A-FLT-15)? Then the frame was written. */
static void look_at_aex(const ucontext_t *uc)
{
	const greg_t *g = uc->uc_mcontext.gregs;
	const struct _libc_fpstate *f = uc->uc_mcontext.fpregs;
	const unsigned e = enclave_of((uint64_t)g[REG_RBX]);
	struct sgx_gprsgx *frame;
	unsigned i, tcs;

	if (e == ENCLAVES) {
		differ("no TCS in RBX: %llx", g[REG_RBX]);
		return;
	}
	for (tcs = 0; tcs < 2 * THREADS && te[e].tcs[tcs] != (uint64_t)g[REG_RBX]; tcs++)
		;
	if (tcs == 2 * THREADS) {
		differ("RBX is no TCS: %llx", g[REG_RBX]);
		return;
	}
	SAME(g[REG_RCX], g[REG_RIP]);
	for (i = REG_R8; i <= REG_R15; i++)
		SAME(g[i], 0);
	SAME(g[REG_RDX] | g[REG_RSI] | g[REG_RDI], 0);
	SAME(g[REG_EFL] & 0x8d5, 0);
	SAME(f->mxcsr, 0x1fb0);
	SAME(f->cwd, 0x37f);
	for (i = 0; i < 16; i++)
		SAME(f->_xmm[i].element[0] | f->_xmm[i].element[1] | f->_xmm[i].element[2] | f->_xmm[i].element[3],
		     0);
	frame = (struct sgx_gprsgx *)te_gpr(&te[e], tcs, 0);
	if (frame->exitinfo == SENTINEL)
		return;				/* seen by an earlier handler, and not resumed since */
	SAME(frame->exitinfo, 0);
	SAME(enclave_of(frame->rip), e);
	frame->exitinfo = SENTINEL;
	me->frames++;
}

static void look(const ucontext_t *uc)
{
	const greg_t *g = uc->uc_mcontext.gregs;
	const uint64_t rip = (uint64_t)g[REG_RIP];

	SAME(gs_read(), me->gs);
	SAME(me->thread, pthread_self());
	SAME(enclave_of(rip), ENCLAVES);
	if (rip >= RT_BASE && rip < RT_BASE + (UINT64_C(1) << 32) && (rip < RT_VDSO || rip >= RT_VDSO_END))
		differ("a handler saw RIP %llx", (unsigned long long)rip);
	if (g[REG_RAX] == ERESUME && g[REG_RCX] == g[REG_RIP] && g[REG_RDI] != TE_JUMP)
		look_at_aex(uc);
	me->signals++;
}

/* A handler's own visit: a TCS that only handlers of this thread use, one at a time. */
static void enter_from_handler(void)
{
	struct worker *w = me;
	const unsigned e = (unsigned)(next(&w->handler_seed) % ENCLAVES);

	if (w->handler_inside++ == 0) {
		if (!exits_sum(&te[e], te[e].tcs[THREADS + w->index], next(&w->handler_seed), 50))
			differ("a handler's call went wrong");
		w->entered++;
	}
	w->handler_inside--;
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)info;
	if (me && me->ready)
		look(context);
	if (me && sig == SIGRTMIN + 1)
		me->received++;
}

static void on_usr1(int sig, siginfo_t *info, void *context)
{
	const int keep = errno;

	(void)sig, (void)info;
	if (me && me->ready) {
		look(context);
		if (next(&me->handler_seed) % 16 == 0)
			enter_from_handler();
	}
	errno = keep;
}

/* On the alternate stack; sometimes another inside it. */
static void on_usr2(int sig, siginfo_t *info, void *context)
{
	(void)info;
	if (!me || !me->ready)
		return;
	look(context);
	if (next(&me->handler_seed) % 32 == 0) {
		me->nested++;
		pthread_kill(me->thread, sig == SIGUSR2 ? SIGUSR1 : SIGUSR2);
	}
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (info->si_code > 0) {
		fprintf(stderr, "signal %d, code %d, address %p, at %llx\n", sig, info->si_code, info->si_addr,
			g[REG_RIP]);
		abort();
	}
	if (me && me->ready)
		look(context);
}

/* ---- visits ---- */

static void fill(struct exact *x, struct worker *w, unsigned e, unsigned at, const void *argument)
{
	uint64_t *gpr = &x->rax;
	unsigned i;

	for (i = 0; i < 16; i++)
		gpr[i] = next(&w->seed);
	for (i = 0; i < sizeof(x->vector) / 8; i++)
		((uint64_t *)(void *)x->vector)[i] = next(&w->seed);
	for (i = 0; i < 8; i++)
		x->k[i] = next(&w->seed) & 0xffff;
	x->level = exits_level();
	x->mxcsr = 0x1f80 | (uint32_t)(next(&w->seed) & 3) << 13;
	x->rflags = PLAIN;
	x->rdi = TE_JUMP;
	x->rdx = te[e].scratch + at;
	x->rsi = (uintptr_t)argument;
	x->r9 = te[e].eexit;
}

static void check_same(const struct exact *x, const struct exact *in)
{
	const unsigned bytes = in->level == 3 ? 16 : in->level == 7 ? 32 : 64, count = in->level == 0xe7 ? 32 : 16;
	unsigned i;

	SAME(x->rdx, in->rdx);
	SAME(x->rsi, in->rsi);
	SAME(x->rdi, in->rdi);
	SAME(x->rbp, in->rbp);
	SAME(x->rsp, 0);
	SAME(x->r8, in->r8);
	SAME(x->r9, in->r9);
	SAME(x->r10, in->r10);
	SAME(x->r11, in->r11);
	SAME(x->r12, in->r12);
	SAME(x->r13, in->r13);
	SAME(x->r14, in->r14);
	SAME(x->r15, in->r15);
	SAME(x->mxcsr_out, in->mxcsr);
	for (i = 0; i < count; i++)
		SAME(!!memcmp(x->vector[i], in->vector[i], bytes), 0);
	if (in->level == 0xe7)
		SAME(!!memcmp(x->k, in->k, sizeof(x->k)), 0);
}

/* What the enclave does in a visit, twice, with an OCALL in between. */
struct visit {
	struct exact_ocall ocall;
	struct exact in, x;
	struct worker *w;
	unsigned depth, e;
	bool burns, second;
	const unsigned *order;
	struct hold hold;
	const struct problem *problem;
	struct burn burn;
};

static void visit(struct worker *w, const unsigned *order, unsigned depth);

static void begin(struct visit *v)
{
	if (v->burns) {
		v->burn = v->problem->start;
		v->burn.exit = te[v->e].eexit;
	} else {
		v->hold.fs_out = v->hold.gs_out = v->hold.flags = v->hold.mxcsr_out = 0;
	}
}

static void check_work(const struct visit *v)
{
	if (v->burns) {
		const struct burn *want = &v->problem->want;

		SAME(!!memcmp(v->burn.gpr, want->gpr, sizeof(v->burn.gpr)), 0);
		SAME(v->burn.flags, want->flags);
		SAME(!!memcmp(v->burn.x87, want->x87, sizeof(v->burn.x87)), 0);
		SAME(!!memcmp(v->burn.k, want->k, sizeof(v->burn.k)), 0);
		SAME(!!memcmp(v->burn.vector, want->vector, sizeof(v->burn.vector)), 0);
		return;
	}
	SAME(v->hold.fs_out, v->hold.fs);
	SAME(v->hold.gs_out, v->hold.gs);
	SAME(v->hold.mxcsr_out, v->hold.mxcsr);
	SAME(v->hold.host_mxcsr, v->in.mxcsr);
	SAME(v->hold.flags & STATUS_FLAGS, HELD_FLAGS);
}

static int ocall(struct exact_ocall *o)
{
	struct visit *v = (struct visit *)o;

	check_work(v);
	SAME(gs_read(), v->w->gs);
	if (v->second)
		return 0;
	v->second = true;
	visit(v->w, v->order, v->depth + 1);
	v->w->depth = v->depth;
	begin(v);
	return EENTER;
}

static void visit(struct worker *w, const unsigned *order, unsigned depth)
{
	struct visit *v;
	union exits_run run;
	unsigned pass;

	if (depth == ENCLAVES || next(&w->seed) % 8 == 0)
		return;
	v = aligned_alloc(64, sizeof(*v));
	memset(v, 0, sizeof(*v));
	*v = (struct visit){.ocall = {ocall, &v->in}, .w = w, .depth = depth, .e = order[depth], .order = order};
	w->depth = depth;
	v->burns = next(&w->seed) & 1;
	if (v->burns) {
		v->problem = &problem[v->e][next(&w->seed) % PROBLEMS];
		fill(&v->in, w, v->e, AT_BURN, &v->burn);
	} else {
		v->hold = (struct hold){ .rounds = 20000 + next(&w->seed) % 600000, .fs = next(&w->seed) >> 18,
					 .gs = next(&w->seed) >> 18, .mxcsr = 0x1f80 | 0x6000 };
		fill(&v->in, w, v->e, AT_HOLD, &v->hold);
	}
	w->doing = (unsigned)(1 + v->burns);
	if (next(&w->seed) & 1) {		/* through the vDSO, the OCALL in its handler */
		begin(v);
		v->x = v->in;
		exits_prepare(&v->x, &run, &te[v->e], te[v->e].tcs[w->index], EENTER, false);
		run.upstream.user_handler = (uintptr_t)exact_ocall_handler;
		run.upstream.user_data = (uintptr_t)&v->ocall;
		exact_vdso(&v->x);
		SAME(v->x.rax, 0);
		SAME(run.upstream.function, EEXIT);
		SAME(v->second, 1);
	} else {				/* an EENTER and an AEP of our own */
		for (pass = 0; pass < 2; pass++) {
			begin(v);
			v->x = v->in;
			v->x.rax = EENTER;
			v->x.rbx = te[v->e].tcs[w->index];
			v->x.rcx = (uintptr_t)exact_raw_aep;
			exact_raw(&v->x);
			SAME(v->x.rax, EEXIT);
			SAME(v->x.rcx, (uintptr_t)exact_raw_aep);
			check_work(v);
			if (!v->burns) {
				check_same(&v->x, &v->in);
				SAME(v->x.rflags & STATUS_FLAGS, HELD_FLAGS);
			}
			if (!pass)
				visit(w, order, depth + 1);
		}
	}
	SAME(gs_read(), w->gs);
	free(v);
	w->visits++;
	w->doing = 0;
}

static void *work(void *argument)
{
	static const unsigned orders[6][ENCLAVES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
						     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	const struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	struct worker *w = argument;
	timer_t timer;

	me = w;
	w->thread = pthread_self();
	w->tid = (pid_t)syscall(SYS_gettid);
	__asm__ volatile("wrgsbase %0" : : "r"(w->gs));
	sigaltstack(&(stack_t){ .ss_sp = w->altstack, .ss_size = sizeof(w->altstack) }, NULL);
	w->ready = true;
	event._sigev_un._tid = w->tid;
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &every, NULL);
	while (!stop)
		visit(w, orders[next(&w->seed) % 6], 0);
	timer_delete(timer);
	return NULL;
}

/* ---- storms, watchdog, result ---- */

static void *storms(void *argument)
{
	static const int signals[] = { SIGUSR1, SIGUSR1, SIGUSR2, SIGSEGV };
	uint64_t seed = *(const uint64_t *)argument | 1;
	sigset_t all;
	unsigned burst;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (!stop) {
		const unsigned target = (unsigned)(next(&seed) % THREADS);

		for (burst = (unsigned)(next(&seed) % 8); burst > 0 && worker[target].ready; burst--)
			syscall(SYS_tgkill, getpid(), worker[target].tid, signals[next(&seed) % 4]);
		for (burst = (unsigned)(next(&seed) % 16); burst > 0 && worker[target].ready &&
		     worker[target].sent - worker[target].received < QUEUED_MAX; burst--) {
			syscall(SYS_tgkill, getpid(), worker[target].tid, SIGRTMIN + 1);
			worker[target].sent++;
		}
		usleep(50 + (useconds_t)(next(&seed) % 150));
	}
	return NULL;
}

static void dump(void)
{
	char path[64], line[512];
	unsigned i, k;
	FILE *f;

	for (i = 0; i < THREADS; i++) {
		fprintf(stderr, "thread %u, tid %d: %llu visits, depth %u, doing %u, %llu signals\n", i,
			worker[i].tid, (unsigned long long)worker[i].visits, worker[i].depth, worker[i].doing,
			(unsigned long long)worker[i].signals);
		for (k = 0; k < 3; k++) {
			snprintf(path, sizeof(path), "/proc/self/task/%d/%s", worker[i].tid,
				 (const char *const[]){ "syscall", "wchan", "stat" }[k]);
			f = fopen(path, "r");
			if (f && fgets(line, sizeof(line), f))
				fprintf(stderr, "  %s\n", line);
			if (f)
				fclose(f);
		}
	}
}

static uint64_t total(size_t offset)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < THREADS; i++)
		sum += *(_Atomic uint64_t *)(void *)((char *)&worker[i] + offset);
	return sum;
}

static void build(uint64_t seed)
{
	const uint64_t level = exits_level();
	unsigned e, i;

	for (e = 0; e < ENCLAVES; e++) {
		burner[e].xfrm = e == 2 && level == 0xe7 ? 0xe7 : e >= 1 && level >= 7 ? 7 : 3;
		burner[e].code = burner[e].xfrm == 0xe7 ? burn_e7 : burner[e].xfrm == 7 ? burn_7 : burn_3;
		burner[e].end = burner[e].xfrm == 0xe7 ? burn_e7_end
				: burner[e].xfrm == 7  ? burn_7_end
						       : burn_3_end;
		if (te_build(&te[e], &(struct te_options){ .tcs = 2 * THREADS, .nssa = 4, .ssaframesize = 2,
							   .xfrm = burner[e].xfrm }))
			exit(1);
		exits_copy(&te[e], te[e].tcs[0], te[e].scratch + AT_HOLD, snip_hold,
			   (uint64_t)(snip_hold_end - snip_hold));
		exits_copy(&te[e], te[e].tcs[0], te[e].scratch + AT_BURN, burner[e].code,
			   (uint64_t)(burner[e].end - burner[e].code));
		for (i = 0; i < PROBLEMS; i++) {
			burn_seed(&problem[e][i].start, seed * 1000 + e * 100 + i, 1000 + 200 * i);
			problem[e][i].want = problem[e][i].start;
			burn_outside(burner[e].code, &problem[e][i].want);
		}
	}
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | flags };

	if (sig != SIGUSR2)
		sigfillset(&act.sa_mask);	/* one after the other: each interrupts the enclave anew */
	sigaction(sig, &act, NULL);
}

static void report(const char *path, uint64_t seed, uint64_t seconds)
{
	const char *commit = getenv("EXITS_COMMIT"), *machine = getenv("EXITS_MACHINE");
	struct utsname u;
	FILE *f = path ? fopen(path, "w") : NULL;

	if (!f)
		return;
	uname(&u);
	fprintf(f,
		"{\n  \"test\": \"exits\",\n  \"seed\": %llu,\n  \"seconds\": %llu,\n  \"threads\": %d,\n  "
		"\"enclaves\": %d,\n",
		(unsigned long long)seed, (unsigned long long)seconds, THREADS, ENCLAVES);
	fprintf(f, "  \"asynchronous_exits\": %llu,\n  \"differences\": %llu,\n  \"signals\": %llu,\n",
		(unsigned long long)total(offsetof(struct worker, frames)), (unsigned long long)differences,
		(unsigned long long)total(offsetof(struct worker, signals)));
	fprintf(f, "  \"visits\": %llu,\n  \"visits_of_handlers\": %llu,\n  \"nested_handlers\": %llu,\n",
		(unsigned long long)total(offsetof(struct worker, visits)),
		(unsigned long long)total(offsetof(struct worker, entered)),
		(unsigned long long)total(offsetof(struct worker, nested)));
	fprintf(f,
		"  \"vector_state\": \"%llx\",\n  \"commit\": \"%s\",\n  \"machine\": \"%s\",\n  \"kernel\": "
		"\"%s\"\n}\n",
		(unsigned long long)exits_level(), commit ? commit : "", machine ? machine : "", u.release);
	fclose(f);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 20, seed = 1, before = 0, storm_seed;
	const char *json = NULL;
	unsigned i, quiet = 0;
	pthread_t storm;
	time_t end;

	for (i = 1; i < (unsigned)argc; i++) {
		if (!strncmp(argv[i], "--seconds=", 10))
			seconds = strtoull(argv[i] + 10, NULL, 0);
		else if (!strncmp(argv[i], "--seed=", 7))
			seed = strtoull(argv[i] + 7, NULL, 0);
		else if (!strncmp(argv[i], "--json=", 7))
			json = argv[i] + 7;
		else
			return fprintf(stderr, "usage: %s [--seconds=N] [--seed=N] [--json=FILE]\n", argv[0]), 2;
	}
	exits_init();
	build(seed);
	handle(SIGRTMIN, on_timer, 0);
	handle(SIGRTMIN + 1, on_timer, 0);
	handle(SIGUSR1, on_usr1, 0);
	handle(SIGUSR2, on_usr2, SA_ONSTACK | SA_NODEFER);
	handle(SIGSEGV, on_segv, SA_ONSTACK);
	for (i = 0; i < THREADS; i++) {
		worker[i].index = i;
		worker[i].gs = UINT64_C(0x10000001000) * (i + 1);
		worker[i].seed = (seed + i + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
		worker[i].handler_seed = ~worker[i].seed | 1;
		pthread_create(&worker[i].thread, NULL, work, &worker[i]);
	}
	storm_seed = seed ^ UINT64_C(0xdeadbeefcafe);
	pthread_create(&storm, NULL, storms, &storm_seed);
	end = time(NULL) + (time_t)seconds;
	while (time(NULL) < end) {
		const uint64_t now = total(offsetof(struct worker, visits));

		sleep(1);
		quiet = now == before ? quiet + 1 : 0;
		before = now;
		if (quiet > HANG_SECONDS) {
			fprintf(stderr, "no call has ended for %u seconds\n", quiet);
			dump();
			_exit(3);
		}
	}
	stop = true;
	alarm(HANG_SECONDS);
	for (i = 0; i < THREADS; i++)
		pthread_join(worker[i].thread, NULL);
	pthread_join(storm, NULL);
	report(json, seed, seconds);
	printf("exits: %llu asynchronous exits, %llu differences\n",
	       (unsigned long long)total(offsetof(struct worker, frames)), (unsigned long long)differences);
	return differences ? 1 : 0;
}
