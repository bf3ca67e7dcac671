/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host that never calls the vDSO: its own ENCLUs, its own AEPs, and signal handlers that enter the same TCS again to
 * let the enclave repair what happened (C.4). Linked dynamically, statically, and as a static PIE.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define KEPT	UINT64_C(0x0123456789abcdef)
enum { LOST = 0x1001, ROUNDS = 300, OCALLS = 3000 };

struct raw {
	uint64_t tcs, aep, rdi, rsi, rdx, r8, r9, r10;
	uint64_t status, out_rdi, out_rsi;
};
void raw_ecall(struct raw *r);
extern const char raw_eenter[], raw_failed[], raw_aep[], raw_aep_counting[];
extern _Atomic uint64_t raw_aep_count;

__asm__(".text\n"
"raw_ecall: push %rbp; mov %rsp, %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
"	mov %rdi, %r11; mov (%r11), %rbx; mov 8(%r11), %rcx; mov 16(%r11), %rdi; mov 24(%r11), %rsi\n"
"	mov 32(%r11), %rdx; mov 40(%r11), %r8; mov 48(%r11), %r9; mov 56(%r11), %r10; mov $2, %eax\n"
"raw_eenter: " ENCLU
"	mov -48(%rbp), %r11; movq $0, 64(%r11); mov %rdi, 72(%r11); mov %rsi, 80(%r11); jmp 1f\n"
"raw_failed: mov -48(%rbp), %r11; mov %rsi, 64(%r11)\n"
"1:	lea -40(%rbp), %rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; cld; ret\n"
"raw_aep: " ENCLU "ud2\n"
"raw_aep_counting: lock incq raw_aep_count(%rip)\n" ENCLU "ud2\n"
".local raw_aep_count\n.comm raw_aep_count, 8, 8\n");

#define LEAVE "mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"

/* R8: what to do; (RSI): times that it ended well; R10: an address. R15: RCX, which a SYSCALL has had by then. */
SNIPPET(snip_fault, "movabs $0x0123456789abcdef, %r12; movaps one(%rip), %xmm5; mov %rcx, %r15; lea 9f(%rip), %r11;"
	"movslq (%r11,%r8,4), %r13; add %r13, %r11; jmp *%r11; .balign 16;"
	"one: .long 0x3f800000, 1, 2, 3;"
	"9: .long 1f-9b, 2f-9b, 3f-9b, 4f-9b, 5f-9b, 6f-9b, 7f-9b, 8f-9b;"
	"1: ud2; jmp 10f; 2: int3; jmp 10f; 3: xor %r13d, %r13d; div %r13; jmp 10f;"
	"4: mov $1, %r13d; shl $63, %r13; mov (%r13), %r14; jmp 10f; 5: mov (%r10), %r14; jmp 10f;"
	"6: int $0x21; jmp 10f; 7: syscall; jmp 10f;"
	"8: ldmxcsr 12f(%rip); xorps %xmm1, %xmm1; divss %xmm1, %xmm5; ldmxcsr 11f(%rip);"
	"10: movabs $0x0123456789abcdef, %r13; cmp %r12, %r13; jne 13f; ucomiss one(%rip), %xmm5; jne 13f;"
	"incq (%rsi); 13: mov %r15, %rcx;" LEAVE ".balign 4; 11: .long 0x1f80; 12: .long 0x1d80");
/* The enclave's handler. RSI: words: GPRSGX of the frame below, bytes to skip; EXITINFO out, entries out. R8: fault. */
SNIPPET(snip_repair, "mov %rax, %r15; test %r8, %r8; jz 1f; ud2; 1: mov (%rsi), %r10; mov 160(%r10), %eax; mov %rax, 16(%rsi);"
	"mov 8(%rsi), %rax; add %rax, 136(%r10); add %r15, 24(%rsi);" LEAVE);
/*
 * The chain x = host(x * 3 + 1), R8 times; x and the number live in the enclave between the calls. R10 != 0: a return,
 * RSI is its result.
 */
SNIPPET(snip_ocall, "test %r10, %r10; jnz 1f; mov %rsi, %gs:64; mov %r8, %gs:72; jmp 2f; 1: mov %rsi, %gs:64;"
	"2: mov %gs:64, %rsi; decq %gs:72; js 3f; lea 1(%rsi,%rsi,2), %rsi; mov $1, %edi;" LEAVE
	"3: xor %edi, %edi;" LEAVE);

enum { K_UD, K_BP, K_DE, K_GP, K_PF, K_INTN, K_SYSCALL, K_XM, KINDS };
static const struct kind {
	int sig, code, trapno;
	unsigned skip, exitinfo;
} kinds[KINDS] = {
	[K_UD]	    = { SIGILL, ILL_ILLOPN, 6, 2, 0x80000306 },
	[K_BP]	    = { SIGILL, ILL_ILLOPN, 6, 1, 0x80000306 },	/* opted out of debugging: INS-31 */
	[K_DE]	    = { SIGFPE, FPE_INTDIV, 0, 3, 0x80000300 },
	[K_GP]	    = { SIGSEGV, SI_KERNEL, 13, 4, 0 },
	[K_PF]	    = { SIGSEGV, SEGV_MAPERR, 14, 3, 0 },
	[K_INTN]   = { SIGILL, ILL_ILLOPN, 6, 2, 0x80000306 },
	[K_SYSCALL] = { SIGILL, ILL_ILLOPN, 6, 2, 0x80000306 },
	[K_XM]	    = { SIGFPE, -1, 19, 4, 0x80000313 },
};

static struct te te;
static uint64_t fault_code, repair_code, ocall_code;
static _Atomic uint64_t async_seen, async_aep;
static struct host {
	unsigned tcs, depth, skip, nested;		/* in: bytes to skip; whether the repair itself faults */
	void (*by_host)(siginfo_t *info);
	unsigned signals, entries_at;			/* out: handled; sum of CSSA over the repairs */
	int sig, code, trapno;
	uint64_t exitinfo, addr;
	bool ours;					/* the context was that of C4-4 */
} hosts[4];
static __thread struct host *me;

static struct raw plain(uint64_t op, const void *args)
{
	return (struct raw){ .tcs = te.tcs[me->tcs], .aep = (uintptr_t)raw_aep, .rdi = op, .rsi = (uintptr_t)args };
}

static struct raw jump(uint64_t code, const void *args)
{
	struct raw r = plain(TE_JUMP, args);

	r.rdx = code;
	r.r9 = te.eexit;
	return r;
}

static bool at_aep(const greg_t *g)
{
	return ((uint64_t)g[REG_RIP] == (uintptr_t)raw_aep || (uint64_t)g[REG_RIP] == (uintptr_t)raw_aep_counting) &&
	       g[REG_RAX] == ERESUME;
}

static void repair(greg_t *g)
{
	unsigned depth = me->depth;
	uint64_t words[4] = { te_gpr(&te, me->tcs, depth), depth ? 2 : me->skip };
	struct raw r = jump(repair_code, words);

	r.tcs = (uint64_t)g[REG_RBX];
	r.r8 = !depth && me->nested;
	me->depth++;
	raw_ecall(&r);
	me->depth--;
	me->entries_at += (unsigned)words[3];
	me->exitinfo = words[2];
	if (r.status) {
		g[REG_RIP] = (greg_t)(uintptr_t)raw_failed;
		g[REG_RSI] = (greg_t)r.status;
	}
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	if (at_aep(g)) {
		me->signals++;
		me->sig = sig;
		me->code = info->si_code;
		me->trapno = (int)g[REG_TRAPNO];
		me->addr = (uintptr_t)info->si_addr;
		me->ours = (uint64_t)g[REG_RBX] == te.tcs[me->tcs] && g[REG_RCX] == g[REG_RIP];
		if (me->by_host)
			me->by_host(info);
		else
			repair(g);
	} else if ((uint64_t)g[REG_RIP] == (uintptr_t)raw_eenter && g[REG_RAX] == EENTER) {
		g[REG_RIP] = (greg_t)(uintptr_t)raw_failed;
		g[REG_RSI] = LOST;
	} else {
		_exit(99);
	}
}

static void on_async(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	async_seen++;
	if (at_aep(((ucontext_t *)context)->uc_mcontext.gregs))
		async_aep++;
}

static void thread_begin(unsigned i)
{
	stack_t stack = { .ss_sp = malloc(1 << 17), .ss_size = 1 << 17 };

	sigaltstack(&stack, NULL);
	me = &hosts[i];
	*me = (struct host){ .tcs = i };
}

static uint64_t load(unsigned offset, const uint8_t *code, const uint8_t *end)
{
	uint64_t args[3] = { te.scratch + offset, (uintptr_t)code, (uint64_t)(end - code) };
	struct raw r = plain(TE_COPY, args);

	raw_ecall(&r);
	return r.status ? 0 : args[0];
}

static bool begin(unsigned nssa)
{
	static const int five[] = { SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP };
	struct sigaction act = { .sa_sigaction = handler,
				 .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER };
	unsigned i;

	for (i = 0; i < sizeof(five) / sizeof(five[0]); i++)
		sigaction(five[i], &act, NULL);
	act.sa_sigaction = on_async;
	act.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigaction(SIGUSR1, &act, NULL);
	thread_begin(0);
	if (te_build(&te, &(struct te_options){ .tcs = 3, .nssa = nssa })) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	fault_code = load(0, snip_fault, snip_fault_end);
	repair_code = load(1024, snip_repair, snip_repair_end);
	ocall_code = load(2048, snip_ocall, snip_ocall_end);
	async_seen = async_aep = raw_aep_count = 0;
	return true;
}

static uint64_t sum(uint64_t x, uint64_t rounds)
{
	while (rounds--)
		x = x * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return x;
}

/* Each kind of fault, ROUNDS times; returns how many went wrong. */
static unsigned faults(unsigned rounds, uint64_t aep, uint64_t unmapped)
{
	unsigned i, k, wrong = 0;

	for (k = 0; k < KINDS; k++) {
		uint64_t good = 0;

		me->signals = me->entries_at = 0;
		me->skip = kinds[k].skip;
		for (i = 0; i < rounds; i++) {
			struct raw r = jump(fault_code, &good);

			r.aep = aep;
			r.r8 = k;
			r.r10 = unmapped;
			raw_ecall(&r);
			wrong += r.status != 0 || !me->ours;
		}
		if (good != rounds || me->signals != rounds || me->entries_at != rounds || me->sig != kinds[k].sig ||
		    (kinds[k].code != -1 && me->code != kinds[k].code) || me->trapno != kinds[k].trapno ||
		    (kinds[k].exitinfo && me->exitinfo != kinds[k].exitinfo)) {
			wrong++;
			test_fail(__FILE__, __LINE__, "kind %u: %u good, %u signals, entries %u, signal %d, code %d, "
				  "vector %d, EXITINFO %x", k, (unsigned)good, me->signals, me->entries_at, me->sig,
				  me->code, me->trapno, (unsigned)me->exitinfo);
		}
	}
	return wrong;
}

static uint64_t unmapped_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page, 4096);
	return (uintptr_t)page;
}

/* Proves: C4-1, C4-2, C4-3, C4-4, C4-5, SSA-05 */
TEST(raw, every_exception_is_repaired_by_the_enclave)
{
	if (!begin(3))
		return;
	EXPECT_EQ(faults(ROUNDS, (uintptr_t)raw_aep, unmapped_page()), 0);
	te_destroy(&te);
}

/* Proves: C4-1, C4-5 */
TEST(raw, aep_with_code_of_its_own_is_executed)
{
	if (!begin(3))
		return;
	EXPECT_EQ(faults(ROUNDS, (uintptr_t)raw_aep_counting, unmapped_page()), 0);
	EXPECT_TRUE(raw_aep_count >= ROUNDS * KINDS);
	te_destroy(&te);
}

static void map_there(siginfo_t *info)
{
	uint64_t *page = mmap((void *)((uintptr_t)info->si_addr & ~UINT64_C(4095)), 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	page[0] = 1;
}

/* Proves: C4-2, C4-4, C4-5, A-FLT-14 */
TEST(raw, host_repairs_and_the_instruction_runs_again)
{
	unsigned i;
	FILE *empty = tmpfile();
	uint64_t good = 0, page;
	struct raw r;

	if (!begin(3))
		return;
	me->by_host = map_there;
	page = unmapped_page();
	for (i = 0; i < 100; i++) {
		int wanted = i % 2 ? SIGBUS : SIGSEGV;

		if (i % 2)		/* behind the end of a file */
			mmap((void *)page, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fileno(empty), 0);
		r = jump(fault_code, &good);
		r.r8 = K_PF;
		r.r10 = page;
		raw_ecall(&r);
		EXPECT_EQ(r.status, 0);
		EXPECT_EQ(me->sig, wanted);
		EXPECT_EQ(me->code, i % 2 ? BUS_ADRERR : SEGV_MAPERR);
		EXPECT_EQ(me->addr, page);
		EXPECT_EQ(me->trapno, 14);
		munmap((void *)page, 4096);
	}
	EXPECT_EQ(good, 100);
	EXPECT_EQ(me->signals, 100);
	fclose(empty);
	te_destroy(&te);
}

/* Proves: C4-6, SSA-05 */
TEST(raw, fault_in_the_enclaves_handler_is_delivered_and_repaired)
{
	unsigned i;
	uint64_t good = 0;

	if (!begin(4))
		return;
	me->nested = 1;
	me->skip = 2;
	for (i = 0; i < ROUNDS; i++) {
		struct raw r = jump(fault_code, &good);

		raw_ecall(&r);
		EXPECT_EQ(r.status, 0);
	}
	EXPECT_EQ(good, ROUNDS);
	EXPECT_EQ(me->signals, 2 * ROUNDS);
	EXPECT_EQ(me->entries_at, 3 * ROUNDS);	/* CSSA 1 and CSSA 2 */
	te_destroy(&te);
}

/* Proves: C4-3, C4-6, EENTER-28 */
TEST(raw, no_frame_left_is_a_fault_of_eenter)
{
	uint64_t good = 0;
	struct raw r;

	if (!begin(2))
		return;
	me->nested = 1;
	me->skip = 2;
	r = jump(fault_code, &good);
	raw_ecall(&r);
	EXPECT_EQ(r.status, LOST);
	EXPECT_EQ(me->signals, 2);
	EXPECT_EQ(me->depth, 0);
	EXPECT_EQ(good, 0);
	te_destroy(&te);
}

/* Proves: C4-3 */
TEST(raw, enclave_that_is_gone_is_lost)
{
	struct raw r;

	if (!begin(3))
		return;
	te_destroy(&te);
	r = plain(TE_NOP, NULL);
	raw_ecall(&r);
	EXPECT_EQ(r.status, LOST);
	EXPECT_EQ(me->signals, 0);
}

static uint64_t host_function(uint64_t x)
{
	return (x ^ KEPT) + 7;
}

/* The chain with @n OCALLs; what came out. */
static uint64_t ocalls(uint64_t x, uint64_t n, uint64_t aep)
{
	struct raw r = jump(ocall_code, NULL);

	r.aep = aep;
	r.rsi = x;
	r.r8 = n;
	for (raw_ecall(&r); !r.status && r.out_rdi == 1; raw_ecall(&r)) {
		r.rsi = host_function(r.out_rsi);
		r.r10 = 1;
	}
	return r.status || r.out_rdi ? 0 : r.out_rsi;
}

static uint64_t ocalls_model(uint64_t x, uint64_t n)
{
	while (n--)
		x = host_function(3 * x + 1);
	return x;
}

/* Proves: C4-1 */
TEST(raw, calls_out_and_back)
{
	if (!begin(3))
		return;
	EXPECT_EQ(ocalls(5, 0, (uintptr_t)raw_aep), 5);
	EXPECT_EQ(ocalls(5, 1, (uintptr_t)raw_aep), ocalls_model(5, 1));
	EXPECT_EQ(ocalls(KEPT, OCALLS, (uintptr_t)raw_aep), ocalls_model(KEPT, OCALLS));
	EXPECT_EQ(me->signals, 0);
	te_destroy(&te);
}

static pthread_t target;
static _Atomic bool stop;

static void *flood(void *unused)
{
	(void)unused;
	while (!stop) {
		pthread_kill(target, SIGUSR1);
		usleep(100);
	}
	return NULL;
}

static void interrupted(uint64_t aep)
{
	uint64_t args[2], i, wrong = 0;
	pthread_t thread;

	if (!begin(4))
		return;
	target = pthread_self();
	stop = false;
	pthread_create(&thread, NULL, flood, NULL);
	for (i = 0; i < 2000 && (i < 20 || async_aep < 50); i++) {
		struct raw r = plain(TE_SUM, args);

		args[0] = i;
		args[1] = 200000;
		r.aep = aep;
		raw_ecall(&r);
		wrong += r.status || args[0] != sum(i, 200000);
	}
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(async_aep >= 50);
	EXPECT_EQ(faults(20, aep, unmapped_page()), 0);
	EXPECT_EQ(ocalls(3, 1000, aep), ocalls_model(3, 1000));
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_TRUE(aep == (uintptr_t)raw_aep || raw_aep_count > 0);
	te_destroy(&te);
}

/* Proves: C4-7 */
TEST(raw, asynchronous_signals_bounce_through_the_aep)
{
	interrupted((uintptr_t)raw_aep);
}

/* Proves: C4-7, C4-5 */
TEST(raw, asynchronous_signals_execute_the_code_at_the_aep)
{
	interrupted((uintptr_t)raw_aep_counting);
}

static void *worker(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	uint64_t wrong;

	thread_begin(i);
	wrong = faults(100, (uintptr_t)(i % 2 ? raw_aep : raw_aep_counting), unmapped_page());
	return (void *)(uintptr_t)wrong;
}

/* Proves: C4-4, C4-6 */
TEST(raw, threads_repair_their_own)
{
	pthread_t thread[2];
	uintptr_t i;
	void *wrong;

	if (!begin(3))
		return;
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, worker, (void *)(i + 1));
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], &wrong);
		EXPECT_EQ((uintptr_t)wrong, 0);
	}
	te_destroy(&te);
}
