/* SPDX-License-Identifier: BSD-2-Clause */
/* Page faults and refused leaves as programs see them: A.9, C.4 and the table F-1, through the vDSO and as signals. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { UD = 6, GP = 13, PF = 14 };
enum access { READ, WRITE, FETCH };

SNIPPET(snip_read, "mov %rsp, %r12; mov %r12, %r13; mov %r12, %r14; mov %r12, %r15; mov (%rsi), %rax");
SNIPPET(snip_write, "movb $1, (%rsi)");
SNIPPET(snip_fetch, "jmp *%rsi");

static bool sgx1(void)
{
	return getenv("ABI_SGX1") != NULL;
}

struct expected {
	int sig, code;
	unsigned error_code;
};

/* Enters @tcs, which accesses @addr; through the vDSO. */
static void access_by_vdso(struct te *te, enum access access, uint64_t addr, struct sgx_enclave_run *run)
{
	static struct { const uint8_t *code, *end; } const snip[] = {
		{ snip_read, snip_read_end }, { snip_write, snip_write_end }, { snip_fetch, snip_fetch_end },
	};
	struct te_vcall v = { .fn = (uintptr_t)te->vdso, .run = run, .rcx = EENTER, .rdi = TE_JUMP, .rsi = addr,
			      .rdx = te->scratch };

	memcpy((void *)te->scratch, snip[access].code, (size_t)(snip[access].end - snip[access].code));
	memset(run, 0, sizeof(*run));
	run->tcs = te->tcs[0];
	te_vcall(&v);
}

/* The same by an ENCLU of our own; its AEP is te_raw_aep. */
static bool access_by_signal(struct te *te, enum access access, uint64_t addr)
{
	struct te_regs r = { .rax = EENTER, .rbx = te->tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP, .rsi = addr,
			     .rdx = te->scratch };

	(void)access;			/* the code is there from access_by_vdso() */
	return CAUGHT(te_raw(&r));
}

static void check(struct te *te, const char *what, enum access access, uint64_t addr, struct expected x)
{
	struct sgx_enclave_run run;
	static const int zero[] = { REG_RDX, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
				    REG_R14, REG_R15 };
	unsigned i;

	catch_begin(0);
	access_by_vdso(te, access, addr, &run);
	if (run.function != ERESUME || run.exception_vector != PF || run.exception_error_code != x.error_code ||
	    run.exception_addr != (addr & ~UINT64_C(0xfff)) || caught.count)
		test_fail(__FILE__, __LINE__, "%s: function %u, vector %u, error %x, address %llx", what, run.function,
			  run.exception_vector, run.exception_error_code, (unsigned long long)run.exception_addr);
	if (run.function == ERESUME)
		EXPECT_EQ(te_leave(te, 0), 0);

	if (!access_by_signal(te, access, addr)) {
		test_fail(__FILE__, __LINE__, "%s: no signal", what);
		catch_end();
		return;
	}
	if (caught.sig != x.sig || caught.code != x.code || caught.addr != (addr & ~UINT64_C(0xfff)) ||
	    (uint64_t)caught.gregs[REG_ERR] != x.error_code)
		test_fail(__FILE__, __LINE__, "%s: signal %d, code %d, address %llx, error %llx", what, caught.sig,
			  caught.code, (unsigned long long)caught.addr, (unsigned long long)caught.gregs[REG_ERR]);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], PF);
	EXPECT_EQ(caught.gregs[REG_CR2], addr & ~UINT64_C(0xfff));
	EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)te_raw_aep);
	EXPECT_EQ(caught.gregs[REG_RAX], ERESUME);
	EXPECT_EQ(caught.gregs[REG_RBX], te->tcs[0]);
	EXPECT_EQ(caught.gregs[REG_RCX], (uintptr_t)te_raw_aep);
	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		EXPECT_EQ(caught.gregs[zero[i]], 0);
	EXPECT_EQ(caught.mxcsr, 0x1fb0);
	EXPECT_EQ(caught.fcw, 0x37f);
	EXPECT_EQ(caught.gregs[REG_EFL] & 0x8d5, 0);
	EXPECT_EQ(te_leave(te, 0), 0);
	catch_end();
}

/* Proves: A-FLT-1, A-FLT-2, A-FLT-13, A-FLT-14, A-FLT-15, ACC-02, ACC-08, ACC-17, ACC-20, C4-4 */
TEST(faults, accesses_from_inside)
{
	struct te te;
	uint8_t *host = mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t touch;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .heap_pages = 8, .nssa = 3 }), 0);
	touch = host[0];
	(void)touch;
	munmap(host + 3 * 4096, 4096);
	mprotect(host + 2 * 4096, 4096, PROT_NONE);

	/* Host memory. */
	check(&te, "read of an unmapped host page", READ, (uintptr_t)host + 3 * 4096 + 5,
	      (struct expected){ SIGSEGV, SEGV_MAPERR, 4 });
	check(&te, "write to an unmapped host page", WRITE, (uintptr_t)host + 3 * 4096 + 4095,
	      (struct expected){ SIGSEGV, SEGV_MAPERR, 6 });
	check(&te, "read of a PROT_NONE host page", READ, (uintptr_t)host + 2 * 4096,
	      (struct expected){ SIGSEGV, SEGV_ACCERR, 4 });
	check(&te, "write to a read-only host page", WRITE, (uintptr_t)host + 1,
	      (struct expected){ SIGSEGV, SEGV_ACCERR, 7 });

	/* The VMA forbids. */
	check(&te, "write to the code page", WRITE, te.code + 0x123, (struct expected){ SIGSEGV, SEGV_ACCERR, 7 });
	check(&te, "fetch from the data page", FETCH, te.data + 8, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x15 });
	check(&te, "fetch from an SSA page", FETCH, te.ssa[0] + 8, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x15 });
	ASSERT_EQ(mprotect((void *)te.data, 4096, PROT_READ), 0);
	check(&te, "write to a page made read-only", WRITE, te.data + 0x10,
	      (struct expected){ SIGSEGV, SEGV_ACCERR, 7 });
	ASSERT_EQ(mprotect((void *)te.data, 4096, PROT_NONE), 0);
	check(&te, "read of a page made PROT_NONE", READ, te.data + 0x10,
	      (struct expected){ SIGSEGV, SEGV_ACCERR, 4 });
	check(&te, "write to a page made PROT_NONE", WRITE, te.data + 0x10,
	      (struct expected){ SIGSEGV, SEGV_ACCERR, 6 });
	munmap((void *)te.data, 4096);
	check(&te, "read of an unmapped enclave page", READ, te.data + 0xfff,
	      (struct expected){ SIGSEGV, SEGV_MAPERR, 4 });

	/* The EPCM forbids. */
	check(&te, "read of a TCS", READ, te.tcs[0] + 0x20, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x8005 });
	check(&te, "write to a TCS", WRITE, te.tcs[0] + 0x20, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x8007 });
	munmap(host, 3 * 4096);
	te_destroy(&te);
}

/* Proves: A-FLT-3, A-FLT-9, ACC-10, ACC-14 */
TEST(faults, new_page_is_pending_until_it_is_accepted)
{
	struct te te;

	if (sgx1())
		SKIP("the processor has no EAUG");
	ASSERT_EQ(te_build(&te, &(struct te_options){ .hole_pages = 8, .nssa = 3 }), 0);
	check(&te, "read of a new page", READ, te.hole + 0x11, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x8005 });
	check(&te, "write to a new page", WRITE, te.hole + 0x1011, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x8007 });
	check(&te, "fetch from a new page", FETCH, te.hole + 0x2011, (struct expected){ SIGSEGV, SEGV_ACCERR, 0x8015 });
	te_destroy(&te);
}

/* Proves: A-FLT-7 */
TEST(faults, unknown_page_without_sgx2)
{
	struct te te;

	if (!sgx1())
		SKIP("only with --sgx1");
	ASSERT_EQ(te_build(&te, &(struct te_options){ .hole_pages = 8, .nssa = 3 }), 0);
	check(&te, "read of no page", READ, te.hole + 0x11, (struct expected){ SIGBUS, BUS_ADRERR, 4 });
	check(&te, "write to no page", WRITE, te.hole + 0x1011, (struct expected){ SIGBUS, BUS_ADRERR, 6 });
	te_destroy(&te);
}

/* Proves: A-FLT-6, B-33 */
TEST(faults, mapping_wider_than_the_page_is_sigbus)
{
	struct te te;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .heap_pages = 2, .premap_heap = true, .nssa = 3 }), 0);
	check(&te, "read", READ, te.heap + 0x11, (struct expected){ SIGBUS, BUS_ADRERR, 4 });
	check(&te, "write", WRITE, te.heap + 0x1011, (struct expected){ SIGBUS, BUS_ADRERR, 6 });
	te_destroy(&te);
}

/* Proves: A-FLT-8 */
TEST(faults, touch_before_init_is_sigbus)
{
	struct sgx_secs *secs = aligned_alloc(4096, 4096);
	struct sgx_enclave_create create = { .src = (uintptr_t)secs };
	uint8_t *area = mmap(NULL, 0x20000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t *base = (uint8_t *)(((uintptr_t)area + 0xffff) & ~UINT64_C(0xffff));
	int fd = open("/dev/sgx_enclave", O_RDWR);

	memset(secs, 0, 4096);
	secs->size = 0x10000;
	secs->baseaddr = (uintptr_t)base;
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_MODE64BIT;
	secs->attributes.xfrm = 3;
	ASSERT_EQ(ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &create), 0);
	ASSERT_TRUE(mmap((void *)base, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == base);
	catch_begin(0);
	EXPECT_TRUE(CAUGHT((void)base[0x1234]));
	EXPECT_EQ(caught.sig, SIGBUS);
	EXPECT_EQ(caught.code, BUS_ADRERR);
	EXPECT_EQ(caught.addr, (uintptr_t)base + 0x1234);
	EXPECT_EQ(caught.gregs[REG_ERR], 4);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], PF);
	EXPECT_EQ(caught.gregs[REG_CR2], (uintptr_t)base + 0x1234);
	EXPECT_TRUE(CAUGHT(base[0x5678] = 1));
	EXPECT_EQ(caught.sig, SIGBUS);
	EXPECT_EQ(caught.gregs[REG_ERR], 6);
	catch_end();
	munmap(area, 0x20000);
	close(fd);
	free(secs);
}

/* Proves: A-FLT-4, A-FLT-16, B-32 */
TEST(faults, repaired_faults_are_invisible)
{
	struct te te;
	struct sgx_enclave_run run;
	uint64_t i, args[16];

	ASSERT_EQ(te_build(&te, &(struct te_options){ .heap_pages = 256 }), 0);
	catch_begin(0);
	for (i = 0; i < 256; i++) {
		memset(args, 0, sizeof(args));
		args[0] = te.heap + i * 4096 + 8;
		args[1] = i * i + 1;
		te_call(&te, 0, TE_WRITE, args, &run);
		EXPECT_EQ(run.function, EEXIT);
	}
	for (i = 0; i < 256; i++) {
		args[0] = te.heap + i * 4096 + 8;
		te_call(&te, 0, TE_READ, args, &run);
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(args[1], i * i + 1);
	}
	EXPECT_EQ(caught.count, 0);
	catch_end();
	te_destroy(&te);
}

/* Proves: C4-5 */
TEST(faults, what_the_handler_changes_takes_effect)
{
	struct te te;
	struct te_regs r;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .nssa = 3 }), 0);
	catch_begin(0);
	caught_continue = (uintptr_t)te_raw_out;
	memcpy((void *)te.scratch, "\x0f\x0b", 2);
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
			      .rdx = te.scratch };
	te_raw(&r);
	EXPECT_EQ(caught.count, 1);
	EXPECT_EQ(caught.sig, SIGILL);
	EXPECT_EQ(caught.code, ILL_ILLOPN);
	EXPECT_EQ(caught.addr, (uintptr_t)te_raw_aep);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], UD);
	EXPECT_EQ(caught.gregs[REG_ERR], 0);
	EXPECT_EQ(r.rax, ERESUME);
	EXPECT_EQ(r.rbx, te.tcs[0]);
	catch_end();
	EXPECT_EQ(te_leave(&te, 0), 0);
	te_destroy(&te);
}

static struct te *nested_te;
static unsigned nested_entries;

/* As SDKs do: the handler enters the TCS again, which moves the saved RIP on, and returns: the AEP's ENCLU resumes. */
static int nested_hook(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct te_regs r = { .rax = EENTER, .rbx = (uint64_t)uc->uc_mcontext.gregs[REG_RBX], .rcx = (uintptr_t)te_raw_aep,
			     .rdi = 0 };
	uint64_t args[2] = { te_gpr(nested_te, 0, 0) + offsetof(struct sgx_gprsgx, rip), 2 };

	(void)sig, (void)info;
	if ((uint64_t)uc->uc_mcontext.gregs[REG_RIP] != (uintptr_t)te_raw_aep ||
	    uc->uc_mcontext.gregs[REG_RAX] != ERESUME)
		return 0;
	r.rsi = (uintptr_t)args;
	te_raw(&r);
	nested_entries++;
	return 1;
}

SNIPPET(snip_two_faults, "ud2; hlt; nop; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

/* Proves: C4-1, C4-3, C4-5, C4-6, SSA-05 */
TEST(faults, handler_enters_the_same_tcs_and_the_aep_resumes)
{
	struct te te;
	uint64_t count = 0;
	unsigned i;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .nssa = 3 }), 0);
	memcpy((void *)te.scratch, snip_two_faults, (size_t)(snip_two_faults_end - snip_two_faults));
	nested_te = &te;
	nested_entries = 0;
	catch_begin(SA_NODEFER | SA_RESTART);
	caught_hook = nested_hook;
	for (i = 1; i <= 200; i++) {
		struct te_regs r = { .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
				     .rdx = te.scratch, .rsi = (uintptr_t)&count, .r9 = te.eexit };

		te_raw(&r);
		EXPECT_EQ(r.rax, EEXIT);
		EXPECT_EQ(r.rcx, (uintptr_t)te_raw_aep);
		EXPECT_EQ(count, i);
		EXPECT_EQ(nested_entries, 2 * i);
	}
	catch_end();
	te_destroy(&te);
}

/* A function of an ENCLU with prefixes: (rax, rbx, rcx = AEP, rdi, rsi, *out). The ENCLU starts at byte PREFIXED_AT. */
enum { PREFIXED_AT = 64 };
typedef void (*prefixed_t)(uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdi, uint64_t rsi, uint64_t out[4]);

static prefixed_t prefixed(uint8_t *page, const char *prefix, unsigned size)
{
	static const uint8_t head[] = {
		0x53, 0x55, 0x41, 0x54, 0x41, 0x51,			/* push rbx, rbp, r12, r9 */
		0x48, 0x89, 0xf8, 0x48, 0x89, 0xf3,			/* mov rdi, rax; mov rsi, rbx */
		0x48, 0x89, 0xcf, 0x48, 0x89, 0xd1, 0x4c, 0x89, 0xc6,	/* mov rcx, rdi; mov rdx, rcx; mov r8, rsi */
	};
	static const uint8_t tail[] = {
		0x41, 0x59, 0x49, 0x89, 0x01, 0x49, 0x89, 0x59, 0x08, 0x49, 0x89, 0x49, 0x10,	/* pop r9; store */
		0x41, 0x5c, 0x5d, 0x5b, 0xc3,
	};

	memset(page, 0x90, 4096);
	memcpy(page, head, sizeof(head));
	memcpy(page + PREFIXED_AT, prefix, size);
	memcpy(page + PREFIXED_AT + size, "\x0f\x01\xd7", 3);
	memcpy(page + PREFIXED_AT + size + 3, tail, sizeof(tail));
	return (prefixed_t)(uintptr_t)page;
}

/* Proves: F-1 */
TEST(faults, prefixes_that_enclu_ignores)
{
	static const struct { const char *bytes; unsigned size; bool accepted; } t[] = {
		{ "", 0, true }, { "\x2e", 1, true }, { "\x3e", 1, true }, { "\x67", 1, true }, { "\x48", 1, true },
		{ "\x2e\x67\x48", 3, true }, { "\x66", 1, false }, { "\xf2", 1, false }, { "\xf3", 1, false },
		{ "\xf0", 1, false },
	};
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct te te;
	uint64_t out[4];
	volatile unsigned i, round;

	ASSERT_EQ(te_build(&te, NULL), 0);
	catch_begin(0);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		prefixed_t f = prefixed(page, t[i].bytes, t[i].size);
		const uint64_t enclu = (uintptr_t)page + PREFIXED_AT;

		if (t[i].accepted) {
			for (round = 0; round < 100; round++) {
				memset(out, 0, sizeof(out));
				EXPECT_TRUE(!CAUGHT(f(EENTER, te.tcs[0], enclu, TE_NOP, 0, out)));
				EXPECT_EQ(out[0], EEXIT);
				EXPECT_EQ(out[2], enclu);
			}
			EXPECT_TRUE(CAUGHT(f(EENTER, te.tcs[0] + 16, enclu, 0, 0, out)));
			EXPECT_EQ(caught.sig, SIGSEGV);
			EXPECT_EQ(caught.code, SI_KERNEL);
		} else {
			EXPECT_TRUE(CAUGHT(f(EENTER, te.tcs[0], enclu, TE_NOP, 0, out)));
			EXPECT_EQ(caught.sig, SIGILL);
			EXPECT_EQ(caught.code, ILL_ILLOPN);
			EXPECT_EQ(caught.addr, enclu);
			EXPECT_EQ(caught.gregs[REG_TRAPNO], UD);
		}
		EXPECT_EQ(caught.gregs[REG_RIP], enclu);
	}
	catch_end();
	munmap(page, 4096);
	te_destroy(&te);
}

/* Proves: F-1, A-FLT-13, A-FLT-14 */
TEST(faults, eenter_on_what_is_no_tcs)
{
	uint8_t *m = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t at = (uintptr_t)m;
	struct { uint64_t rbx, rcx; int code; uint64_t addr, error_code; unsigned vector; } t[] = {
		{ at + 0x0000, 0x1000, SEGV_MAPERR, at + 0x0fff, 0x6, PF },
		{ at + 0x1000, 0x1000, SEGV_ACCERR, at + 0x1fff, 0x6, PF },
		{ at + 0x2000, 0x1000, SEGV_ACCERR, at + 0x2fff, 0x7, PF },
		{ at + 0x3000, 0x1000, SEGV_ACCERR, at + 0x3fff, 0x8007, PF },
		{ at + 0x3008, 0x1000, SI_KERNEL, 0, 0, GP },
		{ at + 0x3800, 0x1000, SI_KERNEL, 0, 0, GP },
		{ UINT64_C(0xffff800000000000), 0x1000, SEGV_MAPERR, UINT64_C(0xffff800000000fff), 0x7, PF },
	};
	volatile unsigned i, leaf;

	memset(m, 0, 4 * 4096);
	munmap(m, 4096);
	mprotect(m + 0x1000, 4096, PROT_NONE);
	mprotect(m + 0x2000, 4096, PROT_READ);
	catch_begin(0);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (leaf = EENTER; leaf <= ERESUME; leaf++) {
			struct te_regs r = { .rax = UINT64_C(0x1122334400000000) | leaf, .rbx = t[i].rbx, .rcx = t[i].rcx,
					     .rdx = 1, .rsi = 2, .rdi = 3, .r8 = 4, .r9 = 5 };

			EXPECT_TRUE(CAUGHT(te_raw(&r)));
			if (caught.sig != SIGSEGV || caught.code != t[i].code || caught.addr != t[i].addr ||
			    (uint64_t)caught.gregs[REG_ERR] != t[i].error_code ||
			    (uint64_t)caught.gregs[REG_TRAPNO] != t[i].vector)
				test_fail(__FILE__, __LINE__, "row %u, leaf %u: signal %d, code %d, address %llx, "
					  "error %llx, vector %llu", i, leaf, caught.sig, caught.code,
					  (unsigned long long)caught.addr, (unsigned long long)caught.gregs[REG_ERR],
					  (unsigned long long)caught.gregs[REG_TRAPNO]);
			EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)te_raw_enclu);
			EXPECT_EQ(caught.gregs[REG_RAX], UINT64_C(0x1122334400000000) | leaf);
			EXPECT_EQ(caught.gregs[REG_RBX], t[i].rbx);
			EXPECT_EQ(caught.gregs[REG_RCX], t[i].rcx);
			EXPECT_EQ(caught.gregs[REG_RDX], 1);
			EXPECT_EQ(caught.gregs[REG_RSI], 2);
			EXPECT_EQ(caught.gregs[REG_RDI], 3);
			EXPECT_EQ(caught.gregs[REG_R8], 4);
			EXPECT_EQ(caught.gregs[REG_R9], 5);
		}
	}
	catch_end();
	munmap(m, 4 * 4096);
}

/* Proves: F-1 */
TEST(faults, leaves_outside_an_enclave_and_bad_aep)
{
	static const uint32_t leaves[] = { 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99, 0xffffffff };
	struct te te;
	struct te_regs r;
	unsigned i;

	ASSERT_EQ(te_build(&te, NULL), 0);
	catch_begin(0);
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		r = (struct te_regs){ .rax = leaves[i], .rbx = te.tcs[0], .rcx = te.data, .rdx = 77 };
		EXPECT_TRUE(CAUGHT(te_raw(&r)));
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.code, SI_KERNEL);
		EXPECT_EQ(caught.addr, 0);
		EXPECT_EQ(caught.gregs[REG_ERR], 0);
		EXPECT_EQ(caught.gregs[REG_TRAPNO], GP);
		EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)te_raw_enclu);
		EXPECT_EQ(caught.gregs[REG_RAX], leaves[i]);
		EXPECT_EQ(caught.gregs[REG_RDX], 77);
	}
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = UINT64_C(0x800000000000) };
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SI_KERNEL);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], GP);
	catch_end();
	te_destroy(&te);
}

/* Proves: A-FLT-13 */
TEST(faults, eenter_through_a_tcs_mapped_read_only_or_not_at_all)
{
	struct te te;
	struct te_regs r;
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };

	ASSERT_EQ(te_build(&te, NULL), 0);
	te_call(&te, 0, TE_NOP, args, &run);		/* so that there is a page table entry */
	catch_begin(0);
	mprotect((void *)te.tcs[0], 4096, PROT_READ);
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep };
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SEGV_ACCERR);
	EXPECT_EQ(caught.addr, te.tcs[0] + 0xfff);
	EXPECT_EQ(caught.gregs[REG_ERR] & ~1, 6);	/* P depends on whether a page table entry was made */
	munmap((void *)te.tcs[0], 4096);
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.code, SEGV_MAPERR);
	EXPECT_EQ(caught.addr, te.tcs[0] + 0xfff);
	EXPECT_EQ(caught.gregs[REG_ERR], 6);
	catch_end();
	te_destroy(&te);
}
