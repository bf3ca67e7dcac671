/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that --aex asks for, and steps: the enclave sees nothing of them but what an AEX shows, they come where they
 * should, and AEX-Notify makes the most of them. Runs with each option (SOFTSGX_OPTIONS), and without one.
 */
#define _GNU_SOURCE
#include "abi/burn.h"
#include "harness.h"
#include "support/encl.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#define PLAIN		0x202
#define TF		0x100
#define ENTRY_AT	3072		/* where notify_entry lies in the scratch page */
#define LOOP_AT		0x100		/* snip_loop: --aex=at:0x5100 means its first instruction */

enum mode { OFF, STEP, EVERY, RANDOM, AT, US };
static enum mode mode;
static uint64_t n;			/* of EVERY, offset of AT */
static bool slow;			/* --step besides */

/* An AEP that counts, so that every AEX is seen. */
uint64_t inject_count;
extern const char inject_aep[];
__asm__(".text\n inject_aep: incq inject_count(%rip); .byte 0x0f, 0x01, 0xd7; ud2");

#define LEAVE	"mov $4, %eax; mov %rcx, %rbx; jmp *%r9"
SNIPPET(snip_loop, "1: dec %r8; jnz 1b;" LEAVE);
SNIPPET(snip_flags, "pushfq; pop %rdi; pushfw; movzwl (%rsp), %esi; add $2, %rsp;"
	"push $0xf13; popfq; pushfq; pop %r8; push $0x202; popfq;" LEAVE);
SNIPPET(snip_copy, "mov %rcx, %r8; mov 8(%rsi), %rdi; mov 16(%rsi), %rcx; mov (%rsi), %rsi; rep movsb; mov %r8, %rcx;"
	LEAVE);

/*
 * OENTRY of a TCS that is notified. GS: 0 notifications, 8 GPRSGX of frame 0, 16 its XSAVE area, 24 XFRM. The handler
 * puts the interrupted registers onto the interrupted stack: an AEX behind EDECCSSA overwrites the frame (NTF-09).
 */
SNIPPET(notify_entry,
	"test %rax, %rax; jnz 1f; mov %gs:8, %rax; movb $1, 167(%rax); jmp *%rdx;"
	"1: incq %gs:0; mov %gs:8, %rbx; mov %gs:16, %rdi; mov %gs:24, %eax; mov %gs:28, %edx; xrstor64 (%rdi);"
	"mov 32(%rbx), %rsp; push 136(%rbx); push 128(%rbx); push (%rbx); push 8(%rbx); push 16(%rbx); push 24(%rbx);"
	"push 40(%rbx); push 48(%rbx); push 56(%rbx); push 64(%rbx); push 72(%rbx); push 80(%rbx); push 88(%rbx);"
	"push 96(%rbx); push 104(%rbx); push 112(%rbx); push 120(%rbx); mov $9, %eax; .byte 0x0f, 0x01, 0xd7;"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rbp;"
	"pop %rbx; pop %rdx; pop %rcx; pop %rax; popfq; ret");

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

static void mode_read(void)
{
	const char *options = getenv("SOFTSGX_OPTIONS"), *at;

	if (!options)
		return;
	mode = strstr(options, "--aex=every:") ? EVERY : strstr(options, "--aex=random:") ? RANDOM :
	       strstr(options, "--aex=at:") ? AT : strstr(options, "--aex=us:") ? US : strstr(options, "--step") ? STEP : OFF;
	slow = strstr(options, "--step");
	at = mode == EVERY ? strstr(options, "every:") + 6 : mode == AT ? strstr(options, "at:") + 3 : "0";
	n = strtoull(at, NULL, 0);
}

static bool stepping(void)
{
	mode_read();
	return mode != OFF && mode != US;
}

static bool notified(void)
{
	const char *options = getenv("SOFTSGX_OPTIONS");

	return !options || !(strstr(options, "--no-aexnotify") || strstr(options, "--sgx1"));
}

static bool burn_differs(const struct burn *a, const struct burn *b)
{
	return memcmp(a->gpr, b->gpr, sizeof(a->gpr)) || a->flags != b->flags || memcmp(a->x87, b->x87, sizeof(a->x87)) ||
	       memcmp(a->k, b->k, sizeof(a->k)) || memcmp(a->vector, b->vector, sizeof(a->vector));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Without --aex, a timer interrupts. */
static void alarms(bool on)
{
	const struct itimerval every = { { 0, on ? 500 : 0 }, { 0, on ? 500 : 0 } };
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static struct te_regs call(const struct te *te, unsigned tcs, const char *aep, uint64_t rip)
{
	return (struct te_regs){ .rax = EENTER, .rbx = te->tcs[tcs], .rcx = (uintptr_t)aep, .rdi = TE_JUMP, .rdx = rip,
				 .r9 = te->eexit };
}

/* The same computation inside and outside: every bit of every register. Returns how often it was wrong. */
static unsigned burn_inside(const struct te *te, unsigned tcs, const struct level *level, const char *aep, uint64_t rounds,
			    unsigned calls)
{
	static struct burn in, want, got;
	unsigned wrong = 0, i;

	burn_seed(&in, level->xfrm, rounds);
	want = in;
	burn_outside(level->code, &want);	/* where a signal finds no stack */
	alarms(mode == OFF);
	for (i = 0; i < calls; i++) {
		struct te_regs r = call(te, tcs, aep, te->scratch);

		got = in;
		got.exit = te->eexit;
		r.rsi = (uintptr_t)&got;
		te_raw(&r);
		wrong += r.rax != EEXIT || r.rcx != (uintptr_t)aep || burn_differs(&got, &want);
	}
	alarms(false);
	return wrong;
}

static void poke(struct te *te, uint64_t addr, uint64_t value)
{
	uint64_t args[16] = { addr, value };
	struct sgx_enclave_run run;

	te_call(te, 0, TE_WRITE, args, &run);
}

static uint64_t peek(struct te *te, uint64_t addr)
{
	uint64_t args[16] = { addr };
	struct sgx_enclave_run run;

	te_call(te, 0, TE_READ, args, &run);
	return args[1];
}

/* Proves: AEX-07 */
TEST(inject, every_register_is_exact)
{
	struct te te;
	unsigned i;

	mode_read();
	for (i = 0; i < 3; i++) {
		struct te_options o = { .xfrm = levels[i].xfrm, .ssaframesize = 2, .nssa = 3 };

		if (!machine_has(levels[i].xfrm))
			continue;
		ASSERT_EQ(te_build(&te, &o), 0);
		te_load(&te, 0, levels[i].code, (uint64_t)(levels[i].end - levels[i].code));
		EXPECT_EQ(burn_inside(&te, 0, &levels[i], te_raw_aep, 40, 10), 0);
		EXPECT_EQ(burn_inside(&te, 0, &levels[i], inject_aep, 40, 10), 0);
		te_destroy(&te);
	}
}

struct counted {
	struct te *te;
	uint64_t turns, exits[2];
};

/* On a thread of its own, whose count begins at 0. */
static void *count_exits(void *arg)
{
	struct counted *c = arg;
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct te_regs r = call(c->te, 0, inject_aep, c->te->scratch + LOOP_AT);

		r.r8 = c->turns;
		inject_count = 0;
		te_raw(&r);
		c->exits[i] = r.rax == EEXIT ? inject_count : 99999;
	}
	return NULL;
}

static void counted_call(struct te *te, uint64_t turns, uint64_t exits[2])
{
	struct counted c = { .te = te, .turns = turns };
	pthread_t thread;

	count_exits(&c);			/* page faults come first */
	pthread_create(&thread, NULL, count_exits, &c);
	pthread_join(thread, NULL);
	exits[0] = c.exits[0];
	exits[1] = c.exits[1];
}

/* Three instructions of the entry code lead to the loop, three from there to the ENCLU that leaves. */
TEST(inject, exits_are_where_they_should_be)
{
	const uint64_t turns = 500, count = 3 + 2 * turns + 3;
	uint64_t exits[2];
	struct te te;

	mode_read();
	if (mode == US || mode == RANDOM)
		SKIP("not countable");
	ASSERT_EQ(te_build(&te, NULL), 0);
	TE_LOAD(&te, LOOP_AT, snip_loop);
	if (mode == AT && n != te.scratch + LOOP_AT - te.base)
		mode = STEP;			/* the option is for the other enclave */
	counted_call(&te, turns, exits);
	if (mode == EVERY) {
		EXPECT_EQ(exits[0], count / n);
		EXPECT_EQ(exits[1], 2 * count / n - count / n);
	} else {
		EXPECT_EQ(exits[0], mode == AT ? turns : 0);
		EXPECT_EQ(exits[1], mode == AT ? turns : 0);
	}
	te_destroy(&te);
}

/* Proves: INS-38 */
TEST(inject, flags_do_not_show_the_steps)
{
	struct te_regs r;
	struct te te;

	if (!stepping())
		SKIP("POPF has its way with TF where nothing steps");
	ASSERT_EQ(te_build(&te, NULL), 0);
	TE_LOAD(&te, 0, snip_flags);
	r = call(&te, 0, te_raw_aep, te.scratch);
	te_raw(&r);
	EXPECT_EQ(r.rax, EEXIT);
	EXPECT_EQ(r.rdi & TF, 0);
	EXPECT_EQ(r.rsi & TF, 0);
	EXPECT_EQ(r.r8, 0xf13 & ~TF);
	EXPECT_EQ(r.rflags & TF, 0);
	te_destroy(&te);
}

/* Proves: AEX-10 */
TEST(inject, string_instruction_is_interrupted_between_its_turns)
{
	static uint8_t from[300], to[300];
	uint64_t args[3] = { (uintptr_t)from, (uintptr_t)to, sizeof(to) };
	struct te_regs r;
	struct te te;
	unsigned i;

	mode_read();
	ASSERT_EQ(te_build(&te, NULL), 0);
	TE_LOAD(&te, 0, snip_copy);
	for (i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (i = 0; i < 3; i++) {
		memset(to, 0, sizeof(to));
		inject_count = 0;
		r = call(&te, 0, inject_aep, te.scratch);
		r.rsi = (uintptr_t)args;
		te_raw(&r);
		EXPECT_EQ(r.rax, EEXIT);
		EXPECT_MEMEQ(from, to, sizeof(to));
		EXPECT_EQ(r.rdi, (uintptr_t)to + sizeof(to));
		EXPECT_EQ(r.rsi, (uintptr_t)from + sizeof(from));
		if (mode == EVERY)
			EXPECT_TRUE(inject_count >= sizeof(to) / n);
	}
	te_destroy(&te);
}

/* An enclave whose second TCS has notify_entry, and frame 0's byte set when it is entered. */
static int build_notified(struct te *te, const struct level *level)
{
	const struct te_options o = {
		.tcs = 2, .xfrm = level->xfrm, .ssaframesize = 2, .nssa = 3, .attributes = SGX_ATTR_AEXNOTIFY,
		.tcs_flags = SGX_TCS_AEXNOTIFY, .last_entry = ENTRY_AT,
	};
	int ret = te_build(te, &o);

	if (ret)
		return ret;
	te_load(te, 0, level->code, (uint64_t)(level->end - level->code));
	TE_LOAD(te, ENTRY_AT, notify_entry);
	poke(te, te->data, 0);
	poke(te, te->data + 8, te_gpr(te, 1, 0));
	poke(te, te->data + 16, te->ssa[1]);
	poke(te, te->data + 24, level->xfrm);
	return 0;
}

/* Proves: NTF-01, NTF-08, NTF-09, EDECCSSA-02 */
TEST(inject, notified_enclave_goes_on_where_it_was)
{
	unsigned i, calls;
	uint64_t seen;
	struct te te;

	mode_read();
	if (!notified())
		SKIP("no AEX-Notify");
	if (slow || (mode == EVERY && n < 150))
		SKIP("an enclave that is notified at every other instruction gets nowhere, on hardware too");
	for (i = 0; i < 3; i++) {
		if (!machine_has(levels[i].xfrm))
			continue;
		ASSERT_TRUE(levels[i].end - levels[i].code <= ENTRY_AT);
		ASSERT_EQ(build_notified(&te, &levels[i]), 0);
		for (calls = seen = 0; calls < (mode == STEP || mode == AT ? 1 : 40) && seen < 200; calls++) {
			const uint64_t rounds = mode == OFF || mode == US ? 200000 : 100;

			EXPECT_EQ(burn_inside(&te, 1, &levels[i], te_raw_aep, rounds, 1), 0);
			EXPECT_EQ(burn_inside(&te, 1, &levels[i], inject_aep, rounds, 1), 0);
			seen = peek(&te, te.data);
		}
		if (mode != STEP && mode != AT)
			EXPECT_TRUE(seen >= 20);
		te_destroy(&te);
	}
}

/* Every notification of --aex=at is one exit; the return to that instruction is no second one. */
TEST(inject, exit_at_an_instruction_is_notified_once)
{
	struct te te;
	struct te_regs r;
	unsigned i;

	mode_read();
	if (mode != AT || !notified())
		SKIP("for --aex=at");
	/* The same distance from the base as in an enclave of one TCS: its scratch page is page 5. */
	ASSERT_EQ(build_notified(&te, &levels[0]), 0);
	if (te.scratch + LOOP_AT - te.base != n)
		SKIP("the loop lies elsewhere in this enclave");
	TE_LOAD(&te, LOOP_AT, snip_loop);
	for (i = 0; i < 10; i++) {
		poke(&te, te.data, 0);
		r = call(&te, 1, inject_aep, te.scratch + LOOP_AT);
		r.r8 = 50;
		inject_count = 0;
		te_raw(&r);
		EXPECT_EQ(r.rax, EEXIT);
		if (!i)
			continue;		/* with page faults */
		EXPECT_EQ(inject_count, 50);
		EXPECT_EQ(peek(&te, te.data), 50);
	}
	te_destroy(&te);
}

/* Proves: EDECCSSA-02, ENCLU-11 */
TEST(inject, edeccssa_without_a_frame_is_gp)
{
	uint64_t args[16] = { EDECCSSA };
	struct sgx_enclave_run run;
	struct te te;

	mode_read();
	ASSERT_EQ(te_build(&te, NULL), 0);
	te_call(&te, 0, TE_LEAF, args, &run);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, 13);
	EXPECT_EQ(te_leave(&te, 0), 0);
	te_destroy(&te);
}
