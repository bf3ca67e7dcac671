/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that enclave mode refuses, exceptions inside, and what the SSA frame says of them (7.1, 7.3, 7.4). */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { DE = 0, UD = 6, SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, XM = 19 };
enum { LEGAL = 100, AT = 64 };		/* the instruction's offset in the scratch page */
#define PLAIN	0x202
#define RF	0x10000
#define VALID(vector)	(0x80000300u | (vector))

/* Before the instruction: a null far pointer at RAX and zeroes on the stack; RDX, RCX are 0. */
SNIPPET(snip_before, "mov %rsp, %r12; mov %rcx, %r13; push $0; push $0; push $0; push $0; push $0; lea 64(%rsi), %rax;"
	"xor %ecx, %ecx; xor %edx, %edx; xor %edi, %edi; mov %rsi, %rdi; jmp .+2");
SNIPPET(snip_after, "mov %r12, %rsp; mov %r13, %rbx; mov $4, %eax; jmp *%r9");

static struct te te;
static struct sgx_enclave_run run;

static bool ready(uint32_t miscselect)
{
	if (te.size)
		te_destroy(&te);
	te.size = 0;
	return te_build(&te, &(struct te_options){ .nssa = 3, .miscselect = miscselect }) == 0;
}

static volatile struct sgx_gprsgx *gpr(void)
{
	return (void *)te_gpr(&te, 0, 0);
}

static volatile struct sgx_exinfo *exinfo(void)
{
	return (void *)(te_gpr(&te, 0, 0) - sizeof(struct sgx_exinfo));
}

static uint64_t prepare(const char *bytes, size_t size)
{
	uint8_t *page = (uint8_t *)te.scratch;

	memset(page, 0x90, 256);
	memcpy(page, snip_before, (size_t)(snip_before_end - snip_before));
	memcpy(page + AT, bytes, size);
	memcpy(page + AT + size, snip_after, (size_t)(snip_after_end - snip_after));
	return te.scratch;
}

static struct te_vcall enter(uint64_t code)
{
	struct te_vcall v = { .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP, .rsi = te.data,
			      .rdx = code, .r9 = te.eexit, .rflags = PLAIN };

	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	te_vcall(&v);
	return v;
}

struct row {
	const char *name, *bytes;
	size_t size;
	unsigned vector;
	bool native;		/* not every machine traps it outside, so not every machine can inside */
};
#define R(name, bytes, vector)	{ name, bytes, sizeof(bytes) - 1, vector, false }
#define Q(name, bytes, vector)	{ name, bytes, sizeof(bytes) - 1, vector, true }

static void check(const struct row *r)
{
	const uint64_t code = prepare(r->bytes, r->size);

	enter(code);
	if (r->vector == LEGAL || (r->native && run.function == EEXIT)) {
		if (run.function != EEXIT)
			test_fail(__FILE__, __LINE__, "%s: vector %u", r->name, run.exception_vector);
		else if (r->vector != LEGAL)
			printf("insn: %s is not trapped by this machine (doc/quirks.md)\n", r->name);
		if (run.function == ERESUME)
			te_leave(&te, 0);
		return;
	}
	if (run.function != ERESUME || run.exception_vector != r->vector || run.exception_error_code ||
	    run.exception_addr) {
		test_fail(__FILE__, __LINE__, "%s: function %u, vector %u, error %x, address %llx", r->name, run.function,
			  run.exception_vector, run.exception_error_code, (unsigned long long)run.exception_addr);
		if (run.function != ERESUME)
			return;
	}
	if (gpr()->rip != code + AT)
		test_fail(__FILE__, __LINE__, "%s: SSA.RIP %llx, expected %llx", r->name, (unsigned long long)gpr()->rip,
			  (unsigned long long)(code + AT));
	if (gpr()->exitinfo != (r->vector == UD ? VALID(UD) : 0))
		test_fail(__FILE__, __LINE__, "%s: EXITINFO %x", r->name, gpr()->exitinfo);
	if (!(gpr()->rflags & RF))
		test_fail(__FILE__, __LINE__, "%s: SSA.RFLAGS %llx", r->name, (unsigned long long)gpr()->rflags);
	EXPECT_EQ(te_leave(&te, 0), 0);
}

/*
 * Proves: INS-01, INS-02, INS-03, INS-04, INS-05, INS-06, INS-07, INS-08, INS-09, INS-10, INS-11, INS-12, INS-13, INS-14
 * Proves: INS-15, INS-16, INS-17, INS-18, INS-19, INS-20, INS-21, INS-22, INS-23, INS-25, INS-30, INS-31, INS-33, INS-40
 * Proves: EVT-05, AEX-08
 */
TEST(insn, refused_with_ud)
{
	static const struct row t[] = {
		Q("CPUID", "\x0f\xa2", UD), R("GETSEC", "\x0f\x37", UD), Q("RDPMC", "\x0f\x33", UD),
		Q("SGDT", "\x0f\x01\x07", UD), Q("SIDT", "\x0f\x01\x0f", UD),
		Q("SLDT", "\x0f\x00\x07", UD), Q("STR", "\x0f\x00\x0f", UD),
		Q("SMSW", "\x0f\x01\xe0", UD), Q("VMCALL", "\x0f\x01\xc1", UD),
		R("VMFUNC", "\x0f\x01\xd4", UD), R("IN", "\xec", UD), R("IN imm", "\xe4\x80", UD), R("INS", "\x6c", UD),
		Q("REP INS", "\xf3\x6d", UD), R("OUT", "\xee", UD), R("OUT imm", "\xe6\x80", UD),
		R("OUTS", "\x6e", UD), R("far CALL", "\xff\x18", UD), R("far JMP", "\xff\x28", UD), R("far RET", "\xcb", UD),
		R("far RET 64", "\x48\xcb", UD), R("IRET", "\x48\xcf", UD), R("INT 21", "\xcd\x21", UD),
		R("INT 80", "\xcd\x80", UD), R("INT 3 in two bytes", "\xcd\x03", UD), R("INT 4", "\xcd\x04", UD),
		R("INT 1", "\xcd\x01", UD), R("INTO", "\xce", UD), R("LSS", "\x0f\xb2\x00", UD),
		R("MOV SS", "\x8e\xd1", UD), R("SYSCALL", "\x0f\x05", UD), R("ENCLS", "\x0f\x01\xcf", UD),
		Q("ENCLV", "\x0f\x01\xc0", UD), R("INT3", "\xcc", UD), R("INT1", "\xf1", UD), R("UD2", "\x0f\x0b", UD),
		R("UD0", "\x0f\xff\xc0", UD), R("no instruction", "\x06", UD), Q("LFS", "\x0f\xb4\x00", UD),
		Q("LGS", "\x0f\xb5\x00", UD), Q("POP FS", "\x0f\xa1", UD), Q("POP GS", "\x0f\xa9", UD),
		Q("MOV ES", "\x8e\xc1", UD), Q("MOV FS", "\x8e\xe1", UD), Q("MOV GS", "\x8e\xe9", UD),
		Q("MOV DS", "\x8e\xd9", UD),
	};
	unsigned i;

	ASSERT_TRUE(ready(0));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		check(&t[i]);
	for (i = 0; i < 10; i++)
		check(&(struct row)R("NOP afterwards", "\x90", LEGAL));
}

/* Proves: INS-01, EVT-05 */
TEST(insn, cpuid_in_code_is_ud)
{
	uint64_t args[16] = { 0 };

	ASSERT_TRUE(ready(0));
	for (unsigned i = 0; i < 3; i++) {
		args[0] = 0x11111111 * i;
		args[1] = i;
		te_call(&te, 0, TE_CPUID, args, &run);
		if (run.function == EEXIT && !strcmp(getenv("ABI_PATCH"), "off"))
			SKIP("no CPUID faulting, and --patch=off changes no code (doc/quirks.md)");
		EXPECT_EQ(run.function, ERESUME);
		EXPECT_EQ(run.exception_vector, UD);
		EXPECT_EQ(run.exception_error_code, 0);
		EXPECT_EQ(run.exception_addr, 0);
		EXPECT_EQ(gpr()->rip, te.code + (uint64_t)(te_code_cpuid - te_code_start));
		EXPECT_EQ(gpr()->exitinfo, VALID(UD));
		EXPECT_EQ(gpr()->rax, args[0]);
		EXPECT_EQ(gpr()->rcx, i);
		EXPECT_TRUE(gpr()->rflags & RF);
		EXPECT_EQ(te_leave(&te, 0), 0);
	}
}

/* Proves: INS-24 */
TEST(insn, sysenter)
{
	unsigned a = 0, b, c, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (b != 0x68747541)		/* "Auth"enticAMD */
		SKIP("this machine executes SYSENTER in 64-bit mode: it can't be refused (doc/quirks.md)");
	ASSERT_TRUE(ready(0));
	check(&(struct row)R("SYSENTER", "\x0f\x34", UD));
}

/* Proves: INS-28, INS-29, INS-36, INS-37, EVT-07 */
TEST(insn, refused_with_gp)
{
	static const struct row t[] = {
		R("HLT", "\xf4", GP), R("MOV from CR0", "\x0f\x20\xc0", GP), R("WRMSR", "\x0f\x30", GP),
		R("RDMSR", "\x0f\x32", GP), R("XSETBV", "\x0f\x01\xd1", GP), R("CLI", "\xfa", GP), R("STI", "\xfb", GP),
		R("INVD", "\x0f\x08", GP), R("LGDT", "\x0f\x01\x10", GP),
	};
	static const uint8_t leaves[] = { EENTER, ERESUME, 99 };
	char bytes[] = "\xb8\x02\x00\x00\x00\x0f\x01\xd7";
	unsigned i;

	ASSERT_TRUE(ready(0));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		check(&t[i]);
	for (i = 0; i < sizeof(leaves); i++) {
		uint64_t code;

		bytes[1] = (char)leaves[i];
		code = prepare(bytes, 8);
		enter(code);
		EXPECT_EQ(run.function, ERESUME);
		EXPECT_EQ(run.exception_vector, GP);
		EXPECT_EQ(gpr()->rip, code + AT + 5);
		EXPECT_EQ(gpr()->rax, leaves[i]);
		EXPECT_EQ(te_leave(&te, 0), 0);
	}
}

/* Proves: INS-27, INS-35 */
TEST(insn, legal_ones)
{
	static const struct row t[] = {
		R("RDTSC", "\x0f\x31", LEGAL), R("RDTSCP", "\x0f\x01\xf9", LEGAL), R("PAUSE", "\xf3\x90", LEGAL),
		R("RDRAND", "\x0f\xc7\xf0", LEGAL), R("RDSEED", "\x0f\xc7\xf8", LEGAL), R("XGETBV", "\x0f\x01\xd0", LEGAL),
		R("RDFSBASE", "\xf3\x48\x0f\xae\xc0", LEGAL), R("RDGSBASE", "\xf3\x48\x0f\xae\xc8", LEGAL),
		R("WRFSBASE", "\xf3\x48\x0f\xae\xd2", LEGAL), R("WRGSBASE", "\xf3\x48\x0f\xae\xda", LEGAL),
	};
	unsigned i;

	ASSERT_TRUE(ready(0));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		check(&t[i]);
}

/* One site for several leaves: the EEXIT that made it hot and a leaf that is none. */
TEST(insn, leaf_at_a_site_that_has_been_an_eexit)
{
	static const uint8_t leaves[] = { EENTER, 99 };
	struct te_vcall v;
	uint64_t args[16] = { 0 }, i, enclu = te_code_end - te_code_start;

	ASSERT_TRUE(ready(0));
	v = enter(prepare("\x90", 1));
	enclu = v.rcx;			/* the AEP */
	for (i = 0; i < 300; i++) {
		const bool refused = i % 10 == 9;

		memset(&run, 0, sizeof(run));
		run.tcs = te.tcs[0];
		args[0] = refused ? leaves[i / 10 % 2] : EEXIT;
		args[1] = refused ? te.tcs[0] : enclu + 3;
		v = (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_LEAF,
				       .rsi = (uintptr_t)args, .rflags = PLAIN };
		te_vcall(&v);
		EXPECT_EQ(v.rax, 0);
		EXPECT_EQ(run.function, refused ? ERESUME : EEXIT);
		if (refused) {
			EXPECT_EQ(run.exception_vector, GP);
			EXPECT_EQ(gpr()->rax, args[0]);
			EXPECT_EQ(gpr()->rbx, te.tcs[0]);
			EXPECT_TRUE(gpr()->rip - te.code < 4096);
			EXPECT_EQ(te_leave(&te, 0), 0);
		}
	}
}

SNIPPET(snip_de, "div %ecx");
SNIPPET(snip_gp, "hlt");
SNIPPET(snip_noncanonical, "movabs $0x8000000000000000, %rdx; mov (%rdx), %rdx");
SNIPPET(snip_ss, "movabs $0x8000000000000000, %rbp; mov 8(%rbp), %rdx");
SNIPPET(snip_pf, "movabs $0x12345, %rdx; mov %rax, (%rdx)");
SNIPPET(snip_mf, "fninit; push $0x37b; fldcw (%rsp); fld1; fldz; fdivrp; fwait");
SNIPPET(snip_xm, "push $0x1d80; ldmxcsr (%rsp); mov $1, %eax; cvtsi2ss %eax, %xmm0; xorps %xmm1, %xmm1;"
	"divss %xmm1, %xmm0");
SNIPPET(snip_ac, "pushfq; orl $0x40000, (%rsp); popfq; mov 1(%rsi), %rax");
SNIPPET(snip_ud, "ud2");

static const struct event {
	const char *name;
	const uint8_t *code, *end;
	unsigned vector, exitinfo, exitinfo_misc;
	uint64_t maddr;
	unsigned errcd;
	uint32_t mxcsr;
	uint16_t fcw, fsw;
	int sig, code_;
	bool addr_is_aep;
} events[] = {
#define E(name, ...)	{ #name, snip_##name, snip_##name##_end, __VA_ARGS__ }
	E(de, DE, VALID(DE), VALID(DE), 0, 0, 0x1fb0, 0x37f, 0, SIGFPE, FPE_INTDIV, true),
	E(ud, UD, VALID(UD), VALID(UD), 0, 0, 0x1fb0, 0x37f, 0, SIGILL, ILL_ILLOPN, true),
	E(gp, GP, 0, VALID(GP), 0, 0, 0x1fb0, 0x37f, 0, SIGSEGV, SI_KERNEL, false),
	E(noncanonical, GP, 0, VALID(GP), 0, 0, 0x1fb0, 0x37f, 0, SIGSEGV, SI_KERNEL, false),
	E(ss, SS, 0, 0, 0, 0, 0x1fb0, 0x37f, 0, SIGBUS, SI_KERNEL, false),
	E(pf, PF, 0, VALID(PF), 0x12345, 6, 0x1fb0, 0x37f, 0, SIGSEGV, SEGV_MAPERR, false),
	E(mf, MF, VALID(MF), VALID(MF), 0, 0, 0x1fb0, 0x37e, 0x8081, SIGFPE, FPE_FLTINV, true),
	E(ac, AC, VALID(AC), VALID(AC), 0, 0, 0x1fb0, 0x37f, 0, SIGBUS, BUS_ADRALN, false),
	E(xm, XM, VALID(XM), VALID(XM), 0, 0, 0x1f01, 0x37f, 0, SIGFPE, FPE_FLTINV, true),
};

/*
 * Proves: EVT-01, EVT-05, EVT-06, EVT-07, EVT-08, EVT-09, EVT-10, EVT-11, EVT-12, EVT-16, AEX-07, AEX-08, AEX-11, AEX-12
 * Proves: AEX-13, AEX-14, AEX-23, AEX-24, B-33, C4-4
 */
TEST(insn, events)
{
	volatile unsigned i, misc;

	for (misc = 0; misc < 2; misc++) {
		ASSERT_TRUE(ready(misc ? SGX_MISC_EXINFO : 0));
		enter(prepare("\x90", 1));	/* page faults that the driver repairs are in EXINFO too */
		for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
			const struct event *e = &events[i];
			const uint64_t code = prepare((const char *)e->code, (size_t)(e->end - e->code));
			const bool reported = e->vector == GP || e->vector == PF;
			struct te_regs r = { .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
					     .rsi = te.data, .rdx = code, .r9 = te.eexit };
			struct te_vcall v;

			memset((void *)exinfo(), 0xee, sizeof(struct sgx_exinfo));
			v = enter(code);
			if (run.function != ERESUME || run.exception_vector != e->vector ||
			    run.exception_error_code != e->errcd || run.exception_addr != (e->maddr & ~UINT64_C(0xfff)))
				test_fail(__FILE__, __LINE__, "%s: function %u, vector %u, error %x, address %llx", e->name,
					  run.function, run.exception_vector, run.exception_error_code,
					  (unsigned long long)run.exception_addr);
			if (v.mxcsr != e->mxcsr || v.fcw != e->fcw)
				test_fail(__FILE__, __LINE__, "%s: MXCSR %x, FCW %x", e->name, v.mxcsr, v.fcw);
			if (gpr()->exitinfo != (misc ? e->exitinfo_misc : e->exitinfo))
				test_fail(__FILE__, __LINE__, "%s: EXITINFO %x", e->name, gpr()->exitinfo);
			EXPECT_EQ(gpr()->rflags & 0x100, 0);
			EXPECT_TRUE(gpr()->rip - code < 128);
			if (misc && reported) {
				EXPECT_EQ(exinfo()->maddr, e->maddr);
				EXPECT_EQ(exinfo()->errcd, e->errcd);
				EXPECT_EQ(exinfo()->reserved, 0);
			} else {
				EXPECT_EQ(exinfo()->maddr, UINT64_C(0xeeeeeeeeeeeeeeee));
			}
			EXPECT_EQ(te_leave(&te, 0), 0);

			catch_begin(0);
			EXPECT_TRUE(CAUGHT(te_raw(&r)));
			if (caught.sig != e->sig || caught.code != e->code_ ||
			    caught.addr != (e->vector == PF ? e->maddr & ~UINT64_C(0xfff) :
					    e->addr_is_aep ? (uintptr_t)te_raw_aep : 0) ||
			    (uint64_t)caught.gregs[REG_TRAPNO] != e->vector || (uint64_t)caught.gregs[REG_ERR] != e->errcd)
				test_fail(__FILE__, __LINE__, "%s: signal %d, code %d, address %llx, vector %llu", e->name,
					  caught.sig, caught.code, (unsigned long long)caught.addr,
					  (unsigned long long)caught.gregs[REG_TRAPNO]);
			if (caught.mxcsr != e->mxcsr || caught.fcw != e->fcw || (caught.fsw & 0x80ff) != (e->fsw & 0x80ff))
				test_fail(__FILE__, __LINE__, "%s: MXCSR %x, FCW %x, FSW %x in the handler", e->name,
					  caught.mxcsr, caught.fcw, caught.fsw);
			catch_end();
			EXPECT_EQ(te_leave(&te, 0), 0);
		}
	}
}

static volatile uint32_t exitinfo_seen = 1;
static volatile uint64_t words[4];

static void on_alarm(int sig)
{
	(void)sig;
	if (words[3]) {
		exitinfo_seen = gpr()->exitinfo;
		words[0] = 1;
	}
}

/* Proves: EVT-15, EVT-17 */
TEST(insn, interrupt_clears_exitinfo)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };

	ASSERT_TRUE(ready(0));
	enter(prepare("\x0f\x0b", 2));
	EXPECT_EQ(gpr()->exitinfo, VALID(UD));
	EXPECT_EQ(te_leave(&te, 0), 0);
	words[2] = (uintptr_t)&words[0];
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	te_call(&te, 0, TE_SPIN, (uint64_t *)&words[2], &run);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_EQ(exitinfo_seen, 0);
}
