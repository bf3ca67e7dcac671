/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The opt-in prefix (C.2), register by register. Suite "prefix" runs with --delivery=prefix, suite "without"
 * without.
 */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/own.h"
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define KERNEL		UINT64_C(0xffff800000001000)
#define NONCANONICAL	UINT64_C(0x0000800000000000)

OWN_FAULT(snip_ud, "ud2");
OWN_FAULT(snip_de, "div %cl");
OWN_FAULT(snip_pf, "mov (%rcx), %al");
OWN_FAULT(snip_gp, "hlt; nop");
SNIPPET(snip_kernel, "mov $0xffff800000001000, %rcx; mov (%rcx), %rax");
SNIPPET(snip_int3, "int3; nop");

static struct te te;
enum { UD, DE, PF, GP, KINDS };
static const struct {
	unsigned vector, error;
	uint64_t addr;
	int sig, code;
} kinds[KINDS] = {
	[UD] = { 6, 0, 0, SIGILL, ILL_ILLOPN }, [DE] = { 0, 0, 0, SIGFPE, FPE_INTDIV },
	[PF] = { 14, 4, 0x1000, SIGSEGV, SEGV_MAPERR }, [GP] = { 13, 0, 0, SIGSEGV, SI_KERNEL },
};
static uint64_t code[KINDS], kernel_code, int3_code;

static bool begin(void)
{
	const struct te_options o = { .tcs = 3, .nssa = 3 };

	if (te_build(&te, &o)) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	code[UD] = OWN_LOAD(&te, 0, snip_ud);
	code[DE] = OWN_LOAD(&te, 512, snip_de);
	code[PF] = OWN_LOAD(&te, 1024, snip_pf);
	code[GP] = OWN_LOAD(&te, 1536, snip_gp);
	kernel_code = OWN_LOAD(&te, 2048, snip_kernel);
	int3_code = OWN_LOAD(&te, 2112, snip_int3);
	return true;
}

static uint64_t aep_of(enum own_site site)
{
	return (uintptr_t)own_enclu[site];
}

static void expect_fixup(const struct own *o, enum own_site landed, uint64_t vector, uint64_t error, uint64_t addr)
{
	EXPECT_EQ(o->out, landed);
	EXPECT_EQ(o->r[RAX], EFAULT);
	EXPECT_EQ(o->r[RDI], vector);
	EXPECT_EQ(o->r[RSI], error);
	EXPECT_EQ(o->r[RDX], addr);
}

/* All registers but those of C2-2 are what went in: an entry that failed. */
#define ARITHMETIC	0x8d5
static void expect_untouched(const struct own *o, const struct own *in)
{
	const uint64_t known = own_patched() ? ~(uint64_t)ARITHMETIC : UINT64_MAX;
	unsigned i;

	for (i = RAX; i <= R15; i++)
		if (i != RAX && i != RDI && i != RSI && i != RDX && i != RSP)
			EXPECT_EQ(o->r[i], in->r[i]);
	EXPECT_EQ(o->r[RSP], o->base);
	EXPECT_EQ(o->rflags & known, in->rflags & known);
}

static void fails(struct own in, uint64_t vector, uint64_t error, uint64_t addr)
{
	struct own o = in;
	unsigned site;

	for (site = 0; site < OWN_SITES && (uintptr_t)own_enclu[site] != in.jump; site++)
		;
	own_call(&o);
	expect_fixup(&o, site, vector, error, addr);
	expect_untouched(&o, &in);
}

/* Proves: C2-2, C2-3, C2-5, C2-7 */
TEST(prefix, exit_lands_behind_eenter_with_4)
{
	struct own in, o;
	unsigned i;

	if (!begin())
		return;
	for (i = 0; i < 3; i++) {
		in = own_eenter(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2));
		o = in;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PREFIXED);
		EXPECT_EQ(o.r[RAX], EEXIT);
		EXPECT_EQ(o.r[RCX], aep_of(OWN_PREFIXED_2));
		EXPECT_EQ(o.r[RBX], (uintptr_t)own_next[OWN_PREFIXED]);	/* RCX of EENTER: behind prefix and all */
		EXPECT_EQ(o.r[RSI], in.r[RSI]);
		EXPECT_EQ(o.r[R15], in.r[R15]);
	}
	te_destroy(&te);
}

/* Proves: C2-1, C2-2, C2-3, C2-6, C2-7 */
TEST(prefix, exception_inside_lands_behind_the_aep_and_is_resumed)
{
	struct own in, o;
	unsigned kind, i;

	if (!begin())
		return;
	for (i = 0; i < 200; i++) {
		kind = i % KINDS;
		in = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), code[kind]);
		o = in;
		own_call(&o);
		expect_fixup(&o, OWN_PREFIXED_2, kinds[kind].vector, kinds[kind].error, kinds[kind].addr);
		own_expect_aex(&o, &te, 0, aep_of(OWN_PREFIXED_2), in.r[RBP]);
		EXPECT_TRUE(own_repair(&te, 0, 0));
		/* RBX and RCX are those of the exception: to go back takes RAX = 3 only. */
		o.jump = aep_of(OWN_PREFIXED_2);
		o.r[RAX] = ERESUME;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PREFIXED);
		EXPECT_EQ(o.r[RAX], EEXIT);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(o.r[RBP], in.r[RBP]);
	}
	te_destroy(&te);
}

/* Proves: C2-1, C2-3, C2-7, C2-5 */
TEST(prefix, entry_that_faults_lands_behind_eenter)
{
	struct own in;
	uint64_t none;

	if (!begin())
		return;
	none = own_unmapped();
	in = own_eenter(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2));
	in.r[RBX] = none;				/* EENTER-09; the last byte is written to (F-1) */
	fails(in, 14, 6, none + 0xfff);
	in.r[RBX] = te.tcs[0] + 8;			/* EENTER-08 */
	fails(in, 13, 0, 0);
	in.r[RBX] = te.data;				/* EENTER-15: not a TCS, says the EPCM */
	fails(in, 14, 0x8007, te.data + 0xfff);
	in.r[RBX] = te.tcs[0];
	in.r[RCX] = NONCANONICAL;			/* EENTER-10: an AEP that can't be */
	fails(in, 13, 0, 0);
	in.r[RCX] = aep_of(OWN_PREFIXED_2);
	in.r[RAX] = ERESUME;				/* nothing to resume */
	fails(in, 13, 0, 0);
	in.jump = aep_of(OWN_PREFIXED_2);
	fails(in, 13, 0, 0);
	te_destroy(&te);
}

/* Proves: C2-6 */
TEST(prefix, error_code_of_kernel_addresses_says_present)
{
	struct own in, o;

	if (!begin())
		return;
	o = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), kernel_code);
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED_2, 14, 5, KERNEL);
	in = own_eenter(&te, 1, OWN_PREFIXED, aep_of(OWN_PREFIXED_2));
	in.r[RBX] = KERNEL;
	o = in;
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED, 14, 7, KERNEL + 0xfff);
	expect_untouched(&o, &in);
	te_destroy(&te);
}

/* Proves: C2-1 */
TEST(prefix, other_leaves_get_signals)
{
	static const uint64_t leaves[] = { 0, 1, 4, 5, 6, 7, 100, UINT64_MAX };
	struct own in, o;
	unsigned i;

	if (!begin())
		return;
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		in = own_eenter(&te, 0, OWN_PREFIXED, 0);
		in.r[RAX] = leaves[i];
		o = in;
		caught.count = 0;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_SIGNAL);
		EXPECT_EQ(caught.count, 1);
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.gregs[REG_RIP], aep_of(OWN_PREFIXED));
		EXPECT_EQ(caught.gregs[REG_TRAPNO], 13);
		EXPECT_EQ(o.r[RAX], leaves[i]);
		EXPECT_EQ(o.r[RDI], in.r[RDI]);
		EXPECT_EQ(o.r[RSI], in.r[RSI]);
		EXPECT_EQ(o.r[RDX], in.r[RDX]);
		expect_untouched(&o, &in);
	}
	catch_end();
	te_destroy(&te);
}

/* INT3 in an enclave without debug opt-in is #UD (B-34a); traps proper never are caught, B-34. */
/* Proves: C2-1, C2-6 */
TEST(prefix, breakpoint_in_a_production_entry_is_invalid_opcode)
{
	struct own o;

	if (!begin())
		return;
	o = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), int3_code);
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED_2, 6, 0, 0);
	te_destroy(&te);
}

/* A signal at @site, of an exception inside with the AEP @site, or of an EENTER there that fails. */
static void expect_signals(enum own_site site)
{
	struct own in, o;
	unsigned kind;

	caught_continue = (uintptr_t)own_out;
	for (kind = 0; kind < KINDS; kind++) {
		in = own_fault(&te, 0, OWN_PREFIXED, aep_of(site), code[kind]);
		caught.count = 0;
		o = in;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_SIGNAL);
		EXPECT_EQ(caught.count, 1);
		EXPECT_EQ(caught.sig, kinds[kind].sig);
		EXPECT_EQ(caught.code, kinds[kind].code);
		EXPECT_EQ(caught.gregs[REG_RIP], aep_of(site));
		EXPECT_EQ(caught.gregs[REG_TRAPNO], kinds[kind].vector);
		EXPECT_EQ(o.r[RAX], ERESUME);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(o.r[RSI], 0);
		EXPECT_EQ(o.r[RDX], 0);
		own_expect_aex(&o, &te, 0, aep_of(site), in.r[RBP]);
		EXPECT_TRUE(own_repair(&te, 0, 0));
		o.jump = aep_of(site);			/* but it is an ENCLU and resumes */
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PREFIXED);
		EXPECT_EQ(o.r[RDI], 0);
	}
	in = own_eenter(&te, 0, site, aep_of(OWN_PREFIXED));
	o = in;
	own_call(&o);					/* enters, too */
	EXPECT_EQ(o.out, site);
	EXPECT_EQ(o.r[RAX], EEXIT);
	in.r[RBX] = te.tcs[0] + 8;
	caught.count = 0;
	o = in;
	own_call(&o);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(caught.count, 1);
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.gregs[REG_RIP], aep_of(site));
	EXPECT_EQ(caught.gregs[REG_TRAPNO], 13);
	EXPECT_EQ(o.r[RAX], EENTER);
	EXPECT_EQ(o.r[RDI], in.r[RDI]);
	expect_untouched(&o, &in);
}

/* Proves: C2-4 */
TEST(prefix, plain_enclu_gets_plain_signals)
{
	if (!begin())
		return;
	catch_begin(0);
	expect_signals(OWN_PLAIN);
	catch_end();
	te_destroy(&te);
}

/* Proves: C2-4, C2-5 */
TEST(prefix, other_prefixes_get_signals)
{
	unsigned site;

	if (!begin())
		return;
	catch_begin(0);
	for (site = OWN_3E; site <= OWN_3E_2_2E; site++)
		expect_signals(site);
	catch_end();
	te_destroy(&te);
}

/* Proves: C2-3, C2-4 */
TEST(prefix, each_enclu_is_for_itself)
{
	struct own in, o;

	if (!begin())
		return;
	catch_begin(0);
	/* A plain EENTER, and an AEP with the prefix: the exception is caught, a failing EENTER is not. */
	in = own_fault(&te, 0, OWN_PLAIN, aep_of(OWN_PREFIXED), code[UD]);
	o = in;
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED, 6, 0, 0);
	own_expect_aex(&o, &te, 0, aep_of(OWN_PREFIXED), in.r[RBP]);
	EXPECT_EQ(caught.count, 0);
	in.r[RBX] = te.code + 8;
	caught_continue = (uintptr_t)own_out;
	o = in;
	own_call(&o);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(caught.count, 1);
	catch_end();
	te_destroy(&te);
}

/* Proves: C2-1, C2-2 */
TEST(prefix, handlers_of_signals_are_not_called)
{
	struct own o;

	if (!begin())
		return;
	catch_begin(0);
	o = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), code[PF]);
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED_2, 14, 4, 0x1000);
	EXPECT_EQ(caught.count, 0);
	catch_end();
	/* Nor does it matter that the signal is blocked, which would be the end of the program. */
	{
		sigset_t set, old;

		sigfillset(&set);
		sigprocmask(SIG_SETMASK, &set, &old);
		o = own_fault(&te, 1, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), code[PF]);
		own_call(&o);
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	expect_fixup(&o, OWN_PREFIXED_2, 14, 4, 0x1000);
	te_destroy(&te);
}

/* Proves: C2-3, EENTER-28 */
TEST(prefix, no_frame_left_is_a_fault_of_eenter)
{
	struct own in, o;
	unsigned i;

	if (!begin())
		return;
	in = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), code[UD]);
	for (i = 0; i < 3; i++) {
		o = in;
		own_call(&o);
		expect_fixup(&o, OWN_PREFIXED_2, 6, 0, 0);
	}
	fails(in, 13, 0, 0);
	te_destroy(&te);
}

static _Atomic uint64_t released;

static void *spin(void *unused)
{
	uint64_t args[2] = { (uintptr_t)&released, 0 };
	struct own o = own_eenter(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2));

	o.r[RDI] = TE_SPIN;
	o.r[RSI] = (uintptr_t)args;
	atomic_store((_Atomic uint64_t *)unused, (uintptr_t)&args[1]);
	own_call(&o);
	return (void *)(uintptr_t)o.out;
}

/* Proves: C2-3, EENTER-60 */
TEST(prefix, tcs_in_use_is_a_fault_of_eenter)
{
	_Atomic uint64_t where = 0;
	pthread_t thread;
	void *out;

	if (!begin())
		return;
	released = 0;
	pthread_create(&thread, NULL, spin, (void *)&where);
	while (!where || !*(volatile uint64_t *)where)
		;
	fails(own_eenter(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2)), 13, 0, 0);
	released = 1;
	pthread_join(thread, &out);
	EXPECT_EQ((uintptr_t)out, OWN_PREFIXED);
	te_destroy(&te);
}

/* Proves: C2-3, EENTER-29 */
TEST(prefix, save_area_that_is_gone_is_a_fault_of_eenter)
{
	struct own in, o;

	if (!begin())
		return;
	munmap((void *)te.ssa[0], te.ssaframe);
	in = own_eenter(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2));
	o = in;
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED, 14, 6, te.ssa[0]);
	expect_untouched(&o, &in);
	te_destroy(&te);
	fails(in, 14, 6, in.r[RBX] + 0xfff);			/* and an enclave that is gone */
}

/* What a handler jumps back with is the program's affair: each of these is an ENCLU that fails where it stands. */
/* Proves: C2-1, C2-2, C2-7 */
TEST(prefix, garbage_for_eresume_is_its_fault)
{
	struct own in, o, again;

	if (!begin())
		return;
	in = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED_2), code[UD]);
	o = in;
	own_call(&o);
	expect_fixup(&o, OWN_PREFIXED_2, 6, 0, 0);
	again = o;
	again.jump = aep_of(OWN_PREFIXED_2);
	again.r[RAX] = ERESUME;
	again.r[RBX] = UINT64_C(0xdead000);
	fails(again, 14, 6, UINT64_C(0xdeadfff));
	again.r[RBX] = UINT64_C(0xdead000deadbeef);
	fails(again, 13, 0, 0);
	again.r[RBX] = te.tcs[1];			/* nothing is interrupted there */
	fails(again, 13, 0, 0);
	again.r[RBX] = te.tcs[0];
	again.r[RCX] = NONCANONICAL;
	fails(again, 13, 0, 0);
	again.r[RCX] = aep_of(OWN_PREFIXED_2);
	EXPECT_TRUE(own_repair(&te, 0, 0));
	own_call(&again);				/* and nothing is broken by it */
	EXPECT_EQ(again.out, OWN_PREFIXED);
	EXPECT_EQ(again.r[RDI], 0);
	te_destroy(&te);
}

/* The AEP in memory that can't be executed: the exception finds no prefix there, and the signal shows it. */
/* Proves: C2-1 */
TEST(prefix, aep_without_code_gets_a_signal)
{
	uint64_t aeps[3];
	struct own in, o;
	unsigned i;

	if (!begin())
		return;
	aeps[0] = own_unmapped();
	aeps[1] = te.data;				/* in the enclave, and not executable */
	aeps[2] = te.tcs[2];
	/* Everything is touched once: a page fault that the kernel repairs leads to the AEP, too. */
	o = own_fault(&te, 0, OWN_PREFIXED, aep_of(OWN_PREFIXED), code[UD]);
	own_call(&o);
	EXPECT_TRUE(own_repair(&te, 0, 0));
	o.jump = aep_of(OWN_PREFIXED);
	o.r[RAX] = ERESUME;
	own_call(&o);
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	for (i = 0; i < 3; i++) {
		in = own_fault(&te, 0, OWN_PREFIXED, aeps[i], code[UD]);
		caught.count = 0;
		o = in;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_SIGNAL);
		EXPECT_EQ(caught.count, 1);
		EXPECT_EQ(caught.sig, SIGILL);
		EXPECT_EQ(caught.gregs[REG_RIP], aeps[i]);
		EXPECT_EQ(caught.gregs[REG_TRAPNO], 6);
		own_expect_aex(&o, &te, 0, aeps[i], in.r[RBP]);
		EXPECT_TRUE(own_repair(&te, 0, 0));
		o.jump = aep_of(OWN_PREFIXED_2);
		o.r[RCX] = aep_of(OWN_PREFIXED_2);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PREFIXED);
		EXPECT_EQ(o.r[RDI], 0);
	}
	catch_end();
	te_destroy(&te);
}

/* Proves: C2-1 */
TEST(without, the_prefix_means_nothing)
{
	if (!begin())
		return;
	catch_begin(0);
	expect_signals(OWN_PREFIXED_2);
	catch_end();
	te_destroy(&te);
}
