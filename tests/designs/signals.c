/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain signals (C.4): a runtime with an EENTER of its own, an AEP that is only ENCLU, and handlers for five
 * signals, as SDKs install them. What the handlers see and change, register by register. More of it:
 * tests/interop/raw.c.
 */
#define _GNU_SOURCE
#include "designs/own.h"
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>
#include <unistd.h>

OWN_FAULT(snip_ud, "ud2");
OWN_FAULT(snip_de, "div %cl");
OWN_FAULT(snip_pf, "mov (%rcx), %al");
OWN_FAULT(snip_gp, "hlt; nop");

enum { UD, DE, PF, GP, KINDS };
static const struct {
	unsigned vector, error;
	int sig, code;
} kinds[KINDS] = {
	[UD] = { 6, 0, SIGILL, ILL_ILLOPN }, [DE] = { 0, 0, SIGFPE, FPE_INTDIV },
	[PF] = { 14, 4, SIGSEGV, SEGV_MAPERR }, [GP] = { 13, 0, SIGSEGV, SI_KERNEL },
};
static const int five[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP };
enum { FIVE = sizeof(five) / sizeof(five[0]) };

static struct te te;
static uint64_t code[KINDS], aep;

/* What the handler saw at each depth, and what it does. */
static struct seen {
	int sig, code;
	uint64_t addr, gregs[NGREG], sp, count;
	uint32_t mxcsr;
	uint16_t fcw;
	sigset_t mask;
} seen[8];
static unsigned depth, handled;
static void (*act)(ucontext_t *uc);
static struct sigaction before[NSIG];

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct seen *s = &seen[depth < 8 ? depth : 7];

	s->sig = sig;
	s->code = info->si_code;
	s->addr = (uintptr_t)info->si_addr;
	s->sp = (uintptr_t)&uc;
	s->count = own_count;
	s->mxcsr = uc->uc_mcontext.fpregs->mxcsr;
	s->fcw = uc->uc_mcontext.fpregs->cwd;
	memcpy(s->gregs, uc->uc_mcontext.gregs, sizeof(s->gregs));
	sigprocmask(SIG_SETMASK, NULL, &s->mask);
	handled++;
	depth++;
	act(uc);
	depth--;
}

static void install(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	unsigned i;

	sigprocmask(SIG_SETMASK, NULL, &sa.sa_mask);	/* C4-2 */
	for (i = 0; i < FIVE; i++)
		sigdelset(&sa.sa_mask, five[i]);
	for (i = 0; i < FIVE; i++)
		sigaction(five[i], &sa, &before[five[i]]);
}

static bool begin(unsigned nssa)
{
	const struct te_options o = { .tcs = 3, .nssa = nssa };

	install();
	if (te_build(&te, &o)) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	aep = (uintptr_t)own_enclu[OWN_PLAIN_2];
	code[UD] = OWN_LOAD(&te, 0, snip_ud);
	code[DE] = OWN_LOAD(&te, 512, snip_de);
	code[PF] = OWN_LOAD(&te, 1024, snip_pf);
	code[GP] = OWN_LOAD(&te, 1536, snip_gp);
	depth = handled = 0;
	return true;
}

static void end(void)
{
	unsigned i;

	for (i = 0; i < FIVE; i++)
		sigaction(five[i], &before[five[i]], NULL);
	te_destroy(&te);
}

static void stop(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)own_out;
}

static void repair(ucontext_t *uc)
{
	(void)uc;
	EXPECT_TRUE(own_repair(&te, 0, 0));
}

/* C4-4: what the kernel shows of an exception @kind inside, for the entry @in. */
static void expect_context(const struct seen *s, const struct own *in, unsigned kind, uint64_t at)
{
	static const int zero[] = { REG_RDX, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
				    REG_R14, REG_R15 };
	unsigned i;

	EXPECT_EQ(s->sig, kinds[kind].sig);
	EXPECT_EQ(s->code, kinds[kind].code);
	EXPECT_EQ(s->addr, kind == PF ? 0x1000 : kind == GP ? 0 : at);
	EXPECT_EQ(s->gregs[REG_RIP], at);
	EXPECT_EQ(s->gregs[REG_RAX], ERESUME);
	EXPECT_EQ(s->gregs[REG_RBX], in->r[RBX]);
	EXPECT_EQ(s->gregs[REG_RCX], at);
	EXPECT_EQ(s->gregs[REG_RBP], in->r[RBP]);
	EXPECT_EQ(s->gregs[REG_RSP], in->base);
	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		EXPECT_EQ(s->gregs[zero[i]], 0);
	EXPECT_EQ(s->gregs[REG_EFL], 0x202);
	EXPECT_EQ(s->gregs[REG_TRAPNO], kinds[kind].vector);
	EXPECT_EQ(s->gregs[REG_ERR], kinds[kind].error);
	if (kind == PF)
		EXPECT_EQ(s->gregs[REG_CR2], 0x1000);
	EXPECT_EQ(s->mxcsr, 0x1fb0);
	EXPECT_EQ(s->fcw, 0x37f);
	EXPECT_TRUE(s->sp < in->base - 128);
}

/* Proves: C4-1, C4-2, C4-3, C4-4 */
TEST(signals, handler_sees_host_state_and_the_enclave_repairs)
{
	sigset_t more, old;
	struct own o;
	unsigned i, kind, k;

	sigemptyset(&more);
	sigaddset(&more, SIGUSR2);
	sigprocmask(SIG_BLOCK, &more, &old);
	if (!begin(3))
		return;
	act = repair;
	for (i = 0; i < 200; i++) {
		kind = i % KINDS;
		handled = 0;
		o = own_fault(&te, 0, OWN_PLAIN, aep, code[kind]);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RAX], EEXIT);
		EXPECT_EQ(o.r[RCX], aep);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(o.r[RSP], o.base);
		EXPECT_EQ(handled, 1);
		{
			struct own in = own_fault(&te, 0, OWN_PLAIN, aep, code[kind]);

			in.base = o.base;
			expect_context(&seen[0], &in, kind, aep);
		}
		for (k = 0; k < FIVE; k++)
			EXPECT_EQ(sigismember(&seen[0].mask, five[k]), 0);
		EXPECT_EQ(sigismember(&seen[0].mask, SIGUSR2), 1);
	}
	end();
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Proves: C4-5 */
TEST(signals, aep_runs_after_the_handler_and_only_then)
{
	const uint64_t at = (uintptr_t)own_counting;
	struct own o;
	unsigned i;

	if (!begin(3))
		return;
	act = repair;
	/* Touched once: page faults that the kernel repairs lead to the AEP, too. */
	o = own_fault(&te, 0, OWN_PLAIN, at, code[UD]);
	own_call(&o);
	for (i = 0; i < 100; i++) {
		const uint64_t count = own_count;

		o = own_fault(&te, 0, OWN_PLAIN, at, code[i % KINDS]);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(seen[0].gregs[REG_RIP], at);
		EXPECT_EQ(seen[0].count, count);
		EXPECT_EQ(own_count, count + 1);
	}
	end();
}

#define NEW(n)	(UINT64_C(0xabcd000000000000) + (n))

static void edit(ucontext_t *uc)
{
	static const int all[] = { REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9,
				   REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	unsigned i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		uc->uc_mcontext.gregs[all[i]] = (greg_t)NEW(all[i]);
	uc->uc_mcontext.gregs[REG_EFL] = 0x202 | 0x8d5;
	uc->uc_mcontext.fpregs->mxcsr = 0x9fc0;
	stop(uc);
}

/* Proves: C4-5, C4-3 */
TEST(signals, what_the_handler_changes_takes_effect)
{
	struct own o;

	if (!begin(3))
		return;
	act = edit;
	o = own_fault(&te, 0, OWN_PLAIN, aep, code[UD]);
	own_call(&o);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(o.r[RAX], NEW(REG_RAX));
	EXPECT_EQ(o.r[RBX], NEW(REG_RBX));
	EXPECT_EQ(o.r[RCX], NEW(REG_RCX));
	EXPECT_EQ(o.r[RDX], NEW(REG_RDX));
	EXPECT_EQ(o.r[RSI], NEW(REG_RSI));
	EXPECT_EQ(o.r[RDI], NEW(REG_RDI));
	EXPECT_EQ(o.r[RBP], NEW(REG_RBP));
	EXPECT_EQ(o.r[RSP], o.base);
	EXPECT_EQ(o.r[R8], NEW(REG_R8));
	EXPECT_EQ(o.r[R9], NEW(REG_R9));
	EXPECT_EQ(o.r[R10], NEW(REG_R10));
	EXPECT_EQ(o.r[R11], NEW(REG_R11));
	EXPECT_EQ(o.r[R12], NEW(REG_R12));
	EXPECT_EQ(o.r[R13], NEW(REG_R13));
	EXPECT_EQ(o.r[R14], NEW(REG_R14));
	EXPECT_EQ(o.r[R15], NEW(REG_R15));
	EXPECT_EQ(o.rflags, 0x202 | 0x8d5);
	EXPECT_EQ(o.mxcsr, 0x9fc0);
	end();
}

static void repair_after_garbage(ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;
	static const int any[] = { REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11,
				   REG_R12, REG_R13, REG_R14, REG_R15 };
	unsigned i;

	repair(uc);
	for (i = 0; i < sizeof(any) / sizeof(any[0]); i++)
		g[any[i]] = (greg_t)NEW(i);		/* ERESUME needs RAX, RBX, RCX */
	g[REG_EFL] |= 0x8d5;
}

/* Proves: C4-5 */
TEST(signals, eresume_does_not_look_at_other_registers)
{
	struct own o;
	unsigned i;

	if (!begin(3))
		return;
	act = repair_after_garbage;
	for (i = 0; i < 40; i++) {
		o = own_fault(&te, 0, OWN_PLAIN, i % 2 ? aep : (uintptr_t)own_counting, code[i % KINDS]);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(o.r[RSP], o.base);
	}
	end();
}

static struct own inner;

/* The enclave's handler faults itself; that one is repaired in a frame further up. */
static void repair_nested(ucontext_t *uc)
{
	(void)uc;
	if (depth == 1) {
		inner = own_fault(&te, 0, OWN_PLAIN, aep, code[PF]);
		own_call(&inner);
		EXPECT_TRUE(own_repair(&te, 0, 0));
	} else {
		EXPECT_TRUE(own_repair(&te, 0, 1));
	}
}

/* Proves: C4-6, C4-3, C4-4 */
TEST(signals, fault_in_the_second_phase_is_delivered)
{
	struct own o, in;
	unsigned i;

	if (!begin(4))
		return;
	act = repair_nested;
	for (i = 0; i < 50; i++) {
		handled = 0;
		in = own_fault(&te, 0, OWN_PLAIN, aep, code[DE]);
		o = in;
		own_call(&o);
		in.base = o.base;
		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(handled, 2);
		expect_context(&seen[0], &in, DE, aep);
		EXPECT_EQ(inner.out, OWN_PLAIN);
		EXPECT_EQ(inner.r[RDI], 0);
		in.base = inner.base;
		expect_context(&seen[1], &in, PF, aep);
		EXPECT_TRUE(seen[1].sp < seen[0].sp);
		EXPECT_EQ(sigismember(&seen[1].mask, SIGSEGV), 0);
	}
	end();
}

/* An EENTER that fails, with what @in says: signal, and the registers as they went in. */
static void expect_failed_entry(struct own in, int vector, uint64_t error, uint64_t addr)
{
	const uint64_t at = in.jump;
	struct own o = in;
	unsigned i;

	act = stop;
	handled = 0;
	own_call(&o);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(handled, 1);
	EXPECT_EQ(seen[0].sig, SIGSEGV);
	EXPECT_EQ(seen[0].gregs[REG_RIP], at);
	EXPECT_EQ(seen[0].gregs[REG_RSP], o.base);
	EXPECT_EQ(seen[0].gregs[REG_TRAPNO], vector);
	EXPECT_EQ(seen[0].gregs[REG_ERR], error);
	EXPECT_EQ(seen[0].addr, addr);
	for (i = RAX; i <= R15; i++)
		if (i != RSP)
			EXPECT_EQ(o.r[i], in.r[i]);
}

/* Proves: C4-6, C4-3, C4-4, EENTER-28 */
TEST(signals, overflow_of_the_save_area_is_a_fault_of_eenter)
{
	struct own o;
	unsigned i;

	if (!begin(2))
		return;
	act = stop;
	for (i = 0; i < 2; i++) {
		o = own_fault(&te, 0, OWN_PLAIN, aep, code[UD]);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_SIGNAL);
		EXPECT_EQ(seen[0].gregs[REG_RIP], aep);
	}
	expect_failed_entry(own_fault(&te, 0, OWN_PLAIN, aep, code[UD]), 13, 0, 0);
	o = own_fault(&te, 1, OWN_PLAIN, aep, code[UD]);
	o.r[RAX] = ERESUME;				/* of another TCS: nothing is interrupted */
	expect_failed_entry(o, 13, 0, 0);
	end();
}

static _Atomic uint64_t released, running;

static void *spin(void *unused)
{
	uint64_t args[2] = { (uintptr_t)&released, 0 };
	struct own o = own_eenter(&te, 0, OWN_PLAIN, aep);

	(void)unused;
	o.r[RDI] = TE_SPIN;
	o.r[RSI] = (uintptr_t)args;
	running = (uintptr_t)&args[1];
	own_call(&o);
	return (void *)(uintptr_t)o.out;
}

/* Proves: C4-3, C4-4, EENTER-08, EENTER-09, EENTER-10, EENTER-60 */
TEST(signals, entry_that_cannot_be_is_a_signal_at_eenter)
{
	struct own in;
	pthread_t thread;
	uint64_t none;
	void *out;

	if (!begin(2))
		return;
	none = own_unmapped();
	in = own_eenter(&te, 0, OWN_PLAIN, aep);
	in.r[RBX] = none;
	expect_failed_entry(in, 14, 6, none + 0xfff);
	in.r[RBX] = te.tcs[0] + 16;
	expect_failed_entry(in, 13, 0, 0);
	in.r[RBX] = te.data;
	expect_failed_entry(in, 14, 0x8007, te.data + 0xfff);
	in.r[RBX] = te.tcs[0];
	in.r[RCX] = UINT64_C(1) << 47;
	expect_failed_entry(in, 13, 0, 0);
	in.r[RCX] = aep;
	released = running = 0;
	pthread_create(&thread, NULL, spin, NULL);
	while (!running || !*(volatile uint64_t *)running)
		;
	expect_failed_entry(in, 13, 0, 0);		/* the TCS is in use */
	released = 1;
	pthread_join(thread, &out);
	EXPECT_EQ((uintptr_t)out, OWN_PLAIN);
	end();
}

static _Atomic unsigned async_count, async_wrong;
static _Atomic uint64_t async_aep, async_last;

/* C4-7: between two of these, the code at the AEP was executed. */
static void on_usr1(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t count = own_count;

	(void)sig, (void)info;
	if ((uint64_t)g[REG_RIP] != async_aep || g[REG_RAX] != ERESUME)
		return;
	if ((uint64_t)g[REG_RBX] != te.tcs[0] || g[REG_RCX] != g[REG_RIP] || g[REG_RDX] || g[REG_RSI] ||
	    g[REG_RDI] || g[REG_R8] || g[REG_R15] || g[REG_EFL] != 0x202 ||
	    (async_aep == (uintptr_t)own_counting && async_count && count <= async_last))
		async_wrong++;
	async_last = count;
	async_count++;
}

static void flood(uint64_t at)
{
	struct sigaction sa = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_t thread;
	unsigned i;
	void *out;

	if (!begin(2))
		return;
	sigaction(SIGUSR1, &sa, NULL);
	async_aep = aep = at;
	async_count = async_wrong = 0;
	released = running = 0;
	pthread_create(&thread, NULL, spin, NULL);
	while (!running || !*(volatile uint64_t *)running)
		;
	for (i = 0; i < 5000 && async_count < 300; i++) {
		const uint64_t count = own_count;
		unsigned patience = 5000;

		pthread_kill(thread, SIGUSR1);
		do				/* one that comes before the AEP is executed would see the same */
			usleep(100);
		while (at == (uintptr_t)own_counting && own_count == count && patience--);
	}
	released = 1;
	pthread_join(thread, &out);
	EXPECT_EQ((uintptr_t)out, OWN_PLAIN);
	EXPECT_TRUE(async_count >= 300);
	EXPECT_EQ(async_wrong, 0);
	end();
	signal(SIGUSR1, SIG_DFL);
}

/* Proves: C4-7 */
TEST(signals, interrupts_bounce_through_the_aep)
{
	flood((uintptr_t)own_enclu[OWN_PLAIN_2]);
}

/* Proves: C4-7, C4-5 */
TEST(signals, interrupts_execute_the_aep_each_time)
{
	flood((uintptr_t)own_counting);
}
