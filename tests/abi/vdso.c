/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave with a real enclave behind it, rule by rule (B). */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { UD = 6, GP = 13, PF = 14 };
#define SYSTEM_FLAGS	0x202		/* IF and bit 1: always set */
#define DF		0x400
#define ARITHMETIC	0x8d5

/* RAX..R15 of the entry into the data page (RSI), then out through the ENCLU of the code page (R9). */
SNIPPET(snip_registers,
	"mov %rax, (%rsi); mov %rbx, 8(%rsi); mov %rcx, 16(%rsi); mov %rdx, 24(%rsi); mov %rsi, 32(%rsi);"
	"mov %rdi, 40(%rsi); mov %rbp, 48(%rsi); mov %rsp, 56(%rsi); mov %r8, 64(%rsi); mov %r9, 72(%rsi);"
	"mov %r10, 80(%rsi); mov %r11, 88(%rsi); mov %r12, 96(%rsi); mov %r13, 104(%rsi); mov %r14, 112(%rsi);"
	"mov %r15, 120(%rsi); movdqu %xmm5, 128(%rsi);"
	"mov $0x1010, %edx; mov $0x2020, %esi; mov $0x3030, %edi; mov $0x8080, %r8d; mov $0xa0a0, %r10d;"
	"mov $0xb0b0, %r11d; mov $0xc0c0, %r12d; mov $0xd0d0, %r13d; mov $0xe0e0, %r14d; mov $0xf0f0, %r15d;"
	"mov $4, %eax; mov %rcx, %rbx; std; jmp *%r9");
/* Leaves with 8 bytes more on the stack: 0x5a5a. */
SNIPPET(snip_push, "push $0x5a5a; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
/* Counts its entries at (RSI); R8 = -1 faults. */
SNIPPET(snip_count, "incq (%rsi); mov %rdi, 8(%rsi); mov %r8, 16(%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_ud2, "ud2");
SNIPPET(snip_ud2_dirty, "mov $0x1111, %r12; mov %r12, %r13; mov %r12, %r14; mov %r12, %r15; mov %r12, %r8;"
	"mov %r12, %r10; cmp $1, %r12; std; ud2; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_int3, "int3");
SNIPPET(snip_int1, ".byte 0xf1");
SNIPPET(snip_div, "xor %ecx, %ecx; xor %edx, %edx; div %ecx");
SNIPPET(snip_hlt, "hlt");
SNIPPET(snip_load, "mov (%rsi), %rax");
SNIPPET(snip_store, "mov %rax, (%rsi)");
SNIPPET(snip_mf, "fninit; push $0x37b; fldcw (%rsp); pop %rax; fld1; fldz; fdivrp; fwait");
SNIPPET(snip_xm, "push $0x1d80; ldmxcsr (%rsp); pop %rax; mov $1, %eax; cvtsi2ss %eax, %xmm0; xorps %xmm1, %xmm1;"
	"divss %xmm1, %xmm0");
SNIPPET(snip_ac, "pushfq; orl $0x40000, (%rsp); popfq; mov 1(%rsi), %rax");
/* At CSSA 0: a fault at (RSI). At CSSA > 0: EEXIT. */
SNIPPET(snip_fault_once, "test %eax, %eax; jnz 1f; ud2; incq 24(%rsi); 1: incq (%rsi); mov $4, %eax; mov %rcx, %rbx;"
	"jmp *%r9");
/* A handler for ud2: moves the saved RIP (at R8) over it. */
SNIPPET(snip_skip, "test %eax, %eax; jnz 1f; ud2; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"
	"1: addq $2, (%r8); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

static struct te te;
static struct sgx_enclave_run run __attribute__((aligned(64)));
static uint64_t vdso_enclu;

static bool ready(void)
{
	if (!te.size && !te_build(&te, &(struct te_options){ .tcs = 4, .nssa = 4 })) {
		struct te_vcall v = { .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER };

		run.tcs = te.tcs[0];
		te_vcall(&v);
		vdso_enclu = v.rcx;
	}
	if (!te.vdso)
		test_fail(__FILE__, __LINE__, "no enclave, or no vDSO function");
	return te.vdso != NULL;
}

/* A call that enters @code of the scratch page with RSI. The caller may change @v before vcall(). */
static struct te_vcall prepare(const uint8_t *code, const uint8_t *end, uint64_t rsi)
{
	struct te_vcall v = {
		.fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP, .rsi = rsi,
		.rdx = te_load(&te, 0, code, (uint64_t)(end - code)), .rbx = 0xbbbb, .rbp = 0xbeef, .r9 = te.eexit,
		.rflags = SYSTEM_FLAGS,
	};

	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	memset(&te_seen, 0, sizeof(te_seen));
	return v;
}
#define PREPARE(name, rsi)	prepare(name, name##_end, rsi)

static void abandon(unsigned tcs)
{
	EXPECT_EQ(te_leave(&te, tcs), 0);
}

/* Proves: B-2, B-15, B-17 */
TEST(vdso, refuses_functions_other_than_2_and_3_before_it_looks_at_run)
{
	static const uint64_t bad[] = { 0, 1, 4, 5, 0x80000002, 0xffffffff };
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	for (i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		struct sgx_enclave_run before;

		v = PREPARE(snip_count, te.data);
		run.user_handler = (uintptr_t)te_handler;
		before = run;
		v.rcx = bad[i / 2];
		v.run = i % 2 ? NULL : &run;
		te_vcall(&v);
		EXPECT_EQ(v.rax, 0xffffffea);
		EXPECT_EQ(v.rbx, 0xbbbb);
		EXPECT_EQ(v.rbp, 0xbeef);
		EXPECT_EQ(v.rsp, 0);
		EXPECT_MEMEQ(&run, &before, sizeof(run));
		EXPECT_EQ(te_seen.count, 0);
	}
}

/* Proves: B-2 */
TEST(vdso, good_function_without_run_is_a_signal)
{
	struct te_vcall v;

	if (!ready())
		return;
	v = PREPARE(snip_count, te.data);
	v.run = NULL;
	catch_begin(0);
	EXPECT_TRUE(CAUGHT(te_vcall(&v)));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SEGV_MAPERR);
	EXPECT_TRUE(caught.addr < 256);
	catch_end();
}

/* Proves: B-3, B-17 */
TEST(vdso, every_reserved_byte_must_be_zero)
{
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	for (i = 40; i < 256; i++) {
		v = PREPARE(snip_count, te.data);
		run.user_handler = (uintptr_t)te_handler;
		((uint8_t *)&run)[i] = 0x80;
		te_vcall(&v);
		EXPECT_EQ(v.rax, 0xffffffea);
		EXPECT_EQ(run.function, 0);
		EXPECT_EQ(te_seen.count, 0);
	}
}

/* Proves: B-4, B-5, B-6, B-8, B-16, B-13, B-14 */
TEST(vdso, entry_gets_the_callers_registers_and_the_caller_the_enclaves)
{
	const uint64_t *in = (const uint64_t *)te.data;
	struct te_vcall v;
	uint8_t xmm[16];

	if (!ready())
		return;
	v = PREPARE(snip_registers, te.data);
	in = (const uint64_t *)te.data;
	run.exception_vector = 0x77;
	run.exception_error_code = 0x66;
	run.exception_addr = 0x55;
	run.user_data = 0x44;
	v.rcx |= UINT64_C(0xabcd) << 32;
	v.r8 = 0x8, v.r10 = 0x10, v.r11 = 0x11, v.r12 = 0x12, v.r13 = 0x13, v.r14 = 0x14, v.r15 = 0x15;
	memset(xmm, 0x3c, sizeof(xmm));
	__asm__ volatile("movdqu %0, %%xmm5" : : "m"(xmm) : "xmm5");
	te_vcall(&v);
	EXPECT_EQ(in[0], 0);				/* RAX: CSSA */
	EXPECT_EQ(in[1], te.tcs[0]);
	EXPECT_EQ(in[2], vdso_enclu + 3);
	EXPECT_EQ(in[3], te.scratch);
	EXPECT_EQ(in[4], te.data);
	EXPECT_EQ(in[5], TE_JUMP);
	EXPECT_EQ(in[8], 0x8);
	EXPECT_EQ(in[9], te.eexit);
	EXPECT_EQ(in[10], 0x10);
	EXPECT_EQ(in[11], 0x11);
	EXPECT_EQ(in[12], 0x12);
	EXPECT_EQ(in[13], 0x13);
	EXPECT_EQ(in[14], 0x14);
	EXPECT_EQ(in[15], 0x15);
	EXPECT_MEMEQ(&in[16], xmm, 16);
	EXPECT_MEMEQ((const void *)vdso_enclu, "\x0f\x01\xd7", 3);

	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(v.rbx, 0xbbbb);
	EXPECT_EQ(v.rcx, vdso_enclu);
	EXPECT_EQ(v.rdx, 0x1010);
	EXPECT_EQ(v.rsi, 0x2020);
	EXPECT_EQ(v.rdi, 0x3030);
	EXPECT_EQ(v.rbp, 0xbeef);
	EXPECT_EQ(v.rsp, 0);
	EXPECT_EQ(v.r8, 0x8080);
	EXPECT_EQ(v.r9, te.eexit);
	EXPECT_EQ(v.r10, 0xa0a0);
	EXPECT_EQ(v.r11, 0xb0b0);
	EXPECT_EQ(v.r12, 0xc0c0);
	EXPECT_EQ(v.r13, 0xd0d0);
	EXPECT_EQ(v.r14, 0xe0e0);
	EXPECT_EQ(v.r15, 0xf0f0);
	EXPECT_EQ(v.rflags & DF, DF);
	EXPECT_EQ(run.tcs, te.tcs[0]);
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_EQ(run.exception_vector, 0x77);
	EXPECT_EQ(run.exception_error_code, 0x66);
	EXPECT_EQ(run.exception_addr, 0x55);
	EXPECT_EQ(run.user_data, 0x44);
}

/* Proves: B-7, B-8, B-13, B-14, B-16, B-31, A-FLT-15 */
TEST(vdso, exception_returns_0_with_the_synthetic_state)
{
	struct te_vcall v;

	if (!ready())
		return;
	v = PREPARE(snip_ud2_dirty, te.data);
	v.r12 = v.r13 = v.r14 = v.r15 = 0x9999;
	run.exception_addr = 0x55;
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, UD);
	EXPECT_EQ(run.exception_error_code, 0);
	EXPECT_EQ(run.exception_addr, 0);
	EXPECT_EQ(v.rbx, 0xbbbb);
	EXPECT_EQ(v.rbp, 0xbeef);
	EXPECT_EQ(v.rsp, 0);
	EXPECT_EQ(v.rcx, vdso_enclu);
	EXPECT_EQ(v.rdi, UD);
	EXPECT_EQ(v.rsi, 0);
	EXPECT_EQ(v.rdx, 0);
	EXPECT_EQ(v.r8 | v.r9 | v.r10 | v.r11 | v.r12 | v.r13 | v.r14 | v.r15, 0);
	EXPECT_EQ(v.mxcsr, 0x1fb0);
	EXPECT_EQ(v.fcw, 0x37f);
	EXPECT_EQ(v.rflags & DF, DF);		/* AEX-11 */
	abandon(0);
}

/* Proves: B-9, B-17, B-3 */
TEST(vdso, handler_decides_the_result)
{
	static const struct { int result; uint64_t rax, entries; } t[] = {
		{ 0, 0, 1 }, { -1, 0xffffffff, 1 }, { -22, 0xffffffea, 1 }, { INT32_MIN, 0x80000000, 1 },
		{ 1, 0xffffffea, 1 }, { 4, 0xffffffea, 1 }, { INT32_MAX, 0xffffffea, 1 },
	};
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t counter[4] = { 0 };

		v = PREPARE(snip_count, (uintptr_t)counter);
		run.user_handler = (uintptr_t)te_handler;
		te_handler_result = (uint32_t)t[i].result;
		te_vcall(&v);
		EXPECT_EQ(v.rax, t[i].rax);
		EXPECT_EQ(counter[0], t[i].entries);
		EXPECT_EQ(te_seen.count, 1);
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(v.rbx, 0xbbbb);
	}
}

/* Proves: B-20, B-21 */
TEST(vdso, handler_gets_the_exits_registers)
{
	struct te_vcall v;

	if (!ready())
		return;
	v = PREPARE(snip_registers, te.data);
	run.user_handler = (uintptr_t)te_handler;
	te_handler_result = 0;
	te_vcall(&v);
	EXPECT_EQ(te_seen.count, 1);
	EXPECT_EQ(te_seen.rdi, 0x3030);
	EXPECT_EQ(te_seen.rsi, 0x2020);
	EXPECT_EQ(te_seen.rdx, 0x1010);
	EXPECT_EQ(te_seen.rcx, ((const uint64_t *)te.data)[7]);	/* RSP inside was the RSP at the exit */
	EXPECT_EQ(te_seen.r8, 0x8080);
	EXPECT_EQ(te_seen.r9, te.eexit);
	EXPECT_EQ(te_seen.r10, 0xa0a0);
	EXPECT_EQ(te_seen.r11, 0xb0b0);
	EXPECT_EQ(te_seen.r12, 0xc0c0);
	EXPECT_EQ(te_seen.r13, 0xd0d0);
	EXPECT_EQ(te_seen.r14, 0xe0e0);
	EXPECT_EQ(te_seen.r15, 0xf0f0);
	EXPECT_EQ(te_seen.run, (uintptr_t)&run);
	EXPECT_EQ(te_seen.rflags & DF, 0);
	EXPECT_EQ(te_seen.rsp % 16, 8);
	v = PREPARE(snip_load, 0x1008);
	run.user_handler = (uintptr_t)te_handler;
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(te_seen.rdi, PF);
	EXPECT_EQ(te_seen.rsi, 4);
	EXPECT_EQ(te_seen.rdx, 0x1000);
	EXPECT_EQ(te_seen.r8 | te_seen.r9 | te_seen.r10 | te_seen.r15, 0);
	EXPECT_EQ(te_seen.run, (uintptr_t)&run);
	EXPECT_EQ(run.function, ERESUME);
	abandon(0);
}

static unsigned loops;
static uint64_t loop_tcs[4], loop_saw[4];

static int loop_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	loop_saw[loops] = r->tcs;
	r->tcs = loop_tcs[loops];
	return loops++ < 3 ? EENTER : 0;
}

/* Proves: B-9, B-23, B-25 */
TEST(vdso, handler_re_enters_with_what_it_left_in_run)
{
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	v = PREPARE(snip_registers, te.data);
	run.user_handler = (uintptr_t)loop_handler;
	loops = 0;
	for (i = 0; i < 4; i++)
		loop_tcs[i] = te.tcs[i];
	te_vcall(&v);
	/* Re-entered with the handler's left-over RDI, the enclave leaves at once: operations other than ours are no-ops. */
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(loops, 4);
	EXPECT_EQ(loop_saw[0], te.tcs[0]);
	EXPECT_EQ(loop_saw[1], te.tcs[0]);
	EXPECT_EQ(loop_saw[2], te.tcs[1]);
	EXPECT_EQ(loop_saw[3], te.tcs[2]);
	EXPECT_EQ(v.r12, 0xc0c0);		/* what the enclave left went through handler and re-entry */
}

/* Proves: B-3, B-9 */
TEST(vdso, reserved_area_is_checked_on_every_pass)
{
	static struct sgx_enclave_run *dirty;
	struct te_vcall v;
	uint64_t counter[4] = { 0 };
	int spoil(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r)
	{
		(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
		dirty = r;
		((uint8_t *)r)[255] = 1;
		return EENTER;
	}

	if (!ready())
		return;
	v = PREPARE(snip_count, (uintptr_t)counter);
	run.user_handler = (uintptr_t)spoil;
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0xffffffea);
	EXPECT_EQ(counter[0], 1);
	EXPECT_TRUE(dirty == &run);
}

/* Proves: B-10, B-11, B-12 */
TEST(vdso, rbx_comes_from_the_enclaves_stack_and_the_return_address_does_not)
{
	struct te_vcall v;

	if (!ready())
		return;
	v = PREPARE(snip_push, te.data);
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(v.rbx, 0x5a5a);
	EXPECT_EQ(v.rbp, 0xbeef);
	EXPECT_EQ(v.rsp, 0);
}

/* A handler that takes the enclave's 8 bytes off the stack: the exit RSP is 8 modulo 16, so return with RSP + 16 - 8. */
int pop_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r);
__asm__(".text; pop_handler: pop %rax; add $8, %rsp; sub $8, %rsp; push %rax; xor %eax, %eax; ret");

/* Proves: B-20, B-22 */
TEST(vdso, stack_after_the_handler_is_relative)
{
	struct te_vcall v;

	if (!ready())
		return;
	v = PREPARE(snip_push, te.data);
	run.user_handler = (uintptr_t)te_handler;
	te_handler_result = 0;
	te_vcall(&v);
	EXPECT_EQ(v.rbx, 0x5a5a);		/* RSP is the exit's again, not the original one */
	EXPECT_EQ(te_seen.rcx & 15, (te_seen.rsp + 24 + (te_seen.rbx & 15)) & 15);
	EXPECT_EQ(te_seen.rcx, te_seen.rsp + 8 + 16 + te_seen.rbx);
	v = PREPARE(snip_push, te.data);
	run.user_handler = (uintptr_t)pop_handler;
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(v.rsp, 0);
}

static sigjmp_buf out;
static int jumping_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)r;
	siglongjmp(out, 1);
}

/* Proves: B-24 */
TEST(vdso, handler_may_leave_by_longjmp)
{
	volatile unsigned jumps = 0;
	volatile unsigned i;

	if (!ready())
		return;
	for (i = 0; i < 300; i++) {
		uint64_t counter[4] = { 0 };
		struct te_vcall v = PREPARE(snip_count, (uintptr_t)counter);

		run.user_handler = (uintptr_t)jumping_handler;
		if (sigsetjmp(out, 0))
			jumps++;
		else
			te_vcall(&v);
	}
	EXPECT_EQ(jumps, 300);
	EXPECT_EQ(run.function, EEXIT);
}

static uint64_t nested_counter[4], fixed_up;
static int nested_result;
static struct sgx_enclave_run inner;

/* On the exception: enter the same TCS again (CSSA 1), which moves the saved RIP on; another TCS too; then resume. */
static int nesting_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r)
{
	struct te_vcall v;
	uint64_t other[4] = { 0 };

	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	if (r->function != ERESUME)
		return 0;
	fixed_up++;
	memset(&inner, 0, sizeof(inner));
	inner.tcs = r->tcs;
	v = (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = &inner, .rcx = EENTER, .rdi = TE_JUMP, .rdx = te.scratch,
			       .rsi = (uintptr_t)other, .r9 = te.eexit, .rflags = SYSTEM_FLAGS,
			       .r8 = te_gpr(&te, 0, 0) + offsetof(struct sgx_gprsgx, rip) };
	te_vcall(&v);
	nested_result = (int)v.rax | (int)(inner.function ^ EEXIT);
	memset(&inner, 0, sizeof(inner));
	inner.tcs = te.tcs[1];
	v = (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = &inner, .rcx = EENTER, .rdi = TE_NOP };
	te_vcall(&v);
	nested_result |= (int)v.rax | (int)(inner.function ^ EEXIT);
	return ERESUME;
}

/* Proves: B-26, SSA-05, B-36 */
TEST(vdso, handler_may_call_again_and_resume)
{
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	fixed_up = 0;
	for (i = 1; i <= 200; i++) {
		v = PREPARE(snip_skip, (uintptr_t)nested_counter);
		run.user_handler = (uintptr_t)nesting_handler;
		te_vcall(&v);
		EXPECT_EQ(v.rax, 0);
		EXPECT_EQ(nested_result, 0);
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(run.exception_vector, UD);
		EXPECT_EQ(nested_counter[0], i);
		EXPECT_EQ(fixed_up, i);
	}
}

/* Proves: B-33, B-34a, B-35, A-FLT-1, A-FLT-2, INS-31, INS-33 */
TEST(vdso, vectors_that_are_fixed_up)
{
	struct {
		const char *name;
		const uint8_t *code, *end;
		uint64_t rsi;
		unsigned vector, error_code;
		uint64_t addr;
		bool quirk;
	} t[] = {
#define T(name, ...)	{ #name, snip_##name, snip_##name##_end, __VA_ARGS__ }
		T(div, 0, 0, 0, 0, 0), T(int3, 0, UD, 0, 0, 0), T(int1, 0, UD, 0, 0, 0), T(ud2, 0, UD, 0, 0, 0),
		T(hlt, 0, GP, 0, 0, 0), T(load, 0x1234, PF, 4, 0x1000, 0), T(store, 0x1fff, PF, 6, 0x1000, 0),
		T(load, UINT64_C(0xffff800000001234), PF, 5, UINT64_C(0xffff800000001000), 0),
		T(load, UINT64_C(0x8000000000000000), GP, 0, 0, 0),
		T(mf, 0, 16, 0, 0, 0), T(ac, (uintptr_t)&run, 17, 0, 0, 0), T(xm, 0, 19, 0, 0, 0),
	};
	uint8_t *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct te_vcall v;
	unsigned i;

	if (!ready())
		return;
	(void)*(volatile uint8_t *)page;
	catch_begin(0);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(&run, 0, sizeof(run));
		v = prepare(t[i].code, t[i].end, t[i].rsi);
		te_vcall(&v);
		if (v.rax || run.function != ERESUME || run.exception_vector != t[i].vector ||
		    run.exception_error_code != t[i].error_code || run.exception_addr != t[i].addr)
			test_fail(__FILE__, __LINE__, "%s: result %llx, function %u, vector %u, error %x, address %llx",
				  t[i].name, (unsigned long long)v.rax, run.function, run.exception_vector,
				  run.exception_error_code, (unsigned long long)run.exception_addr);
		EXPECT_EQ(caught.count, 0);
		if (run.function == ERESUME)
			abandon(0);
	}
	v = PREPARE(snip_store, (uintptr_t)page + 0x10);
	te_vcall(&v);
	EXPECT_EQ(run.exception_vector, PF);
	EXPECT_EQ(run.exception_error_code, 7);
	EXPECT_EQ(run.exception_addr, (uintptr_t)page);
	abandon(0);
	EXPECT_EQ(caught.count, 0);
	catch_end();
	munmap(page, 8192);
}

/* Proves: B-36, B-31 */
TEST(vdso, faults_of_the_leaf_itself_tell_the_function)
{
	struct te_vcall v;
	uint64_t tcs;

	if (!ready())
		return;
	v = PREPARE(snip_count, te.data);
	run.tcs = te.tcs[0] + 8;			/* misaligned */
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(run.function, EENTER);
	EXPECT_EQ(run.exception_vector, GP);
	EXPECT_EQ(run.exception_error_code, 0);
	EXPECT_EQ(run.exception_addr, 0);
	EXPECT_EQ(v.r9, te.eexit);			/* no AEX: registers are the caller's */
	EXPECT_EQ(v.rdi, GP);

	v = PREPARE(snip_count, te.data);
	run.tcs = 0;					/* unmapped */
	te_vcall(&v);
	EXPECT_EQ(run.function, EENTER);
	EXPECT_EQ(run.exception_vector, PF);
	EXPECT_EQ(run.exception_error_code, 6);
	EXPECT_EQ(run.exception_addr, 0xfff);

	v = PREPARE(snip_count, te.data);
	v.rcx = ERESUME;				/* SSA-04: nothing to resume */
	te_vcall(&v);
	EXPECT_EQ(v.rax, 0);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, GP);
	tcs = run.tcs;
	EXPECT_EQ(tcs, te.tcs[0]);
}

/* Proves: B-31, B-32 */
TEST(vdso, signals_blocked_or_ignored_make_no_difference)
{
	static const int signals[] = { SIGILL, SIGSEGV, SIGFPE, SIGBUS, SIGTRAP };
	struct te_vcall v;
	sigset_t all, old;
	unsigned i, pass;

	if (!ready())
		return;
	sigfillset(&all);
	for (pass = 0; pass < 2; pass++) {
		if (pass)
			sigprocmask(SIG_SETMASK, &all, &old);
		else
			for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
				signal(signals[i], SIG_IGN);
		v = PREPARE(snip_ud2, 0);
		te_vcall(&v);
		EXPECT_EQ(v.rax, 0);
		EXPECT_EQ(run.function, ERESUME);
		EXPECT_EQ(run.exception_vector, UD);
		abandon(0);
		v = PREPARE(snip_load, 0x2000);
		te_vcall(&v);
		EXPECT_EQ(run.exception_vector, PF);
		abandon(0);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

/* Proves: B-30 */
TEST(vdso, enclu_anywhere_else_is_a_signal)
{
	struct te_regs r;

	if (!ready())
		return;
	catch_begin(0);
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0] + 8, .rcx = (uintptr_t)te_raw_aep };
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SI_KERNEL);
	EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)te_raw_enclu);

	/* An AEP that is not the vDSO's: the exception is a signal although the vDSO exists. */
	TE_LOAD(&te, 0, snip_ud2);
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
			      .rdx = te.scratch };
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.sig, SIGILL);
	EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)te_raw_aep);
	abandon(0);

	/* A raw ENCLU whose AEP is the vDSO's: fixed up there, on the frame that RBP points to (none of ours: not tried). */
	catch_end();
}

static int faulting_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *r)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)r;
	__asm__ volatile("ud2");
	return 0;
}

/* Proves: B-30 */
TEST(vdso, a_fault_in_the_handler_is_a_signal)
{
	struct te_vcall v;

	if (!ready())
		return;
	catch_begin(0);
	v = PREPARE(snip_count, te.data);
	run.user_handler = (uintptr_t)faulting_handler;
	EXPECT_TRUE(CAUGHT(te_vcall(&v)));
	EXPECT_EQ(caught.sig, SIGILL);
	EXPECT_EQ(caught.count, 1);
	EXPECT_TRUE(caught.gregs[REG_RIP] - (uintptr_t)faulting_handler < 64);
	EXPECT_EQ(run.function, EEXIT);
	catch_end();
}

/* Proves: SSA-01, SSA-02, SSA-03, SSA-05 */
TEST(vdso, frames_are_counted)
{
	static struct te two;
	static struct sgx_enclave_run r;
	uint64_t args[16] = { 0 }, word[4] = { 0 };

	ASSERT_EQ(te_build(&two, &(struct te_options){ .nssa = 2 }), 0);
	memcpy((void *)two.scratch, snip_ud2, 2);
	args[0] = (uintptr_t)word, args[1] = 1;
	te_call(&two, 0, TE_READ, (uint64_t[16]){ 0x3000 }, &r);
	EXPECT_EQ(r.exception_vector, PF);
	te_call(&two, 0, TE_NOP, args, &r);		/* CSSA 1: the handler */
	EXPECT_EQ(r.function, EEXIT);
	EXPECT_EQ(word[0], 1);
	te_call(&two, 0, TE_NOP, (uint64_t[16]){ 0x4008, 1 }, &r);	/* faults in the handler */
	EXPECT_EQ(r.function, ERESUME);
	EXPECT_EQ(r.exception_addr, 0x4000);
	te_call(&two, 0, TE_NOP, args, &r);		/* CSSA 2 of 2 */
	EXPECT_EQ(r.function, EENTER);
	EXPECT_EQ(r.exception_vector, GP);
	EXPECT_EQ(word[0], 1);
	te_resume(&two, &r);				/* the handler faults again */
	EXPECT_EQ(r.function, ERESUME);
	EXPECT_EQ(r.exception_vector, PF);
	EXPECT_EQ(r.exception_addr, 0x4000);
	((struct sgx_gprsgx *)te_gpr(&two, 0, 1))->rax = (uintptr_t)word;
	te_resume(&two, &r);
	EXPECT_EQ(r.function, EEXIT);
	EXPECT_EQ(word[0], 2);
	((struct sgx_gprsgx *)te_gpr(&two, 0, 0))->rax = (uintptr_t)&word[2];
	te_resume(&two, &r);
	EXPECT_EQ(r.function, EEXIT);
	te_destroy(&two);
}
