/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An enclave compiled for the Microsoft calling convention (C3-10, C3-11): its code keeps RDI, RSI and XMM6 to XMM15
 * besides what System V keeps, and takes arguments in RCX, RDX, R8 and R9. The vDSO function, in the version at hand,
 * must neither know nor care; so the same function compiled for System V stands beside it.
 */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#define XMM(i)	(X86_XSAVE_XMM0 + 16 * (i))
#define USES	"rbx", "rdi", "rsi", "r12", "r13", "r14", "r15", "xmm0", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",	\
		"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory"

/*
 * Enclave code in C: counts at a[0], returns a sum of a[1] .. a[7]. In between it uses every register that one of the
 * conventions asks it to keep, so the compiler has to. a[8] != 0: an exception there.
 */
#define ENCLAVE_FUNCTION(convention, name)								\
	__attribute__((convention, noinline, used, section("encl_ms"), no_sanitize("address", "undefined")))	\
	static uint64_t name(uint64_t *a)								\
	{												\
		uint64_t sum = 0;									\
		unsigned i;										\
													\
		a[0]++;											\
		for (i = 1; i < 8; i++)									\
			sum = sum * 31 + a[i];								\
		__asm__ volatile("mov $-1, %%rbx; mov %%rbx, %%rdi; mov %%rbx, %%rsi; mov %%rbx, %%r12;"	\
				 "mov %%rbx, %%r13; mov %%rbx, %%r14; mov %%rbx, %%r15;"		\
				 "pcmpeqd %%xmm6, %%xmm6; movdqa %%xmm6, %%xmm0; movdqa %%xmm6, %%xmm5;"	\
				 "movdqa %%xmm6, %%xmm7; movdqa %%xmm6, %%xmm8; movdqa %%xmm6, %%xmm9;"	\
				 "movdqa %%xmm6, %%xmm10; movdqa %%xmm6, %%xmm11; movdqa %%xmm6, %%xmm12;"	\
				 "movdqa %%xmm6, %%xmm13; movdqa %%xmm6, %%xmm14; movdqa %%xmm6, %%xmm15"	\
				 : : : USES);								\
		if (a[8])										\
			__asm__ volatile("ud2");							\
		return sum;										\
	}
ENCLAVE_FUNCTION(ms_abi, work_ms)
ENCLAVE_FUNCTION(sysv_abi, work_sysv)

/*
 * The enclave's entries, each in its convention: R8 is the argument, because RCX is where to leave to; the result is in
 * RDX, because RAX and RCX are EEXIT's. They keep what their convention asks for.
 */
extern const uint8_t __start_encl_ms[], __stop_encl_ms[], enter_ms[], enter_sysv[];
__asm__(".pushsection encl_ms, \"ax\", @progbits\n"
	"enter_ms: push %rbp; push %rcx; push %r9; mov %r8, %rcx; mov %rsp, %rbp; and $-16, %rsp; sub $32, %rsp\n"
	"	call work_ms; jmp 1f\n"
	"enter_sysv: push %rbp; push %rcx; push %r9; mov %r8, %rdi; mov %rsp, %rbp; and $-16, %rsp\n"
	"	call work_sysv\n"
	"1:	mov %rbp, %rsp; pop %r9; pop %rcx; pop %rbp\n"
	"	mov %rax, %rdx; mov $4, %eax; mov %rcx, %rbx; jmp *%r9\n"
	".popsection");

static uint64_t arguments[9] = { 0, 1, 2, 3, 4, 5, 6, 7 };
static struct dv_any call;
static uint64_t result;

static uint64_t expected_sum(void)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 1; i < 8; i++)
		sum = sum * 31 + arguments[i];
	return sum;
}

static void start(const uint8_t *entry, bool fault)
{
	dv_start(__start_encl_ms, __stop_encl_ms, 0x5151515151515151);
	play_in.r.rdx += (uint64_t)(entry - __start_encl_ms);
	play_in.r.r8 = (uint64_t)arguments;
	arguments[0] = 0;
	arguments[8] = fault;
	call = dv_any();
}

static void expect_ms_registers_kept(void)
{
	EXPECT_EQ(play_out.r.rdi, play_in.r.rdi);
	EXPECT_EQ(play_out.r.rsi, play_in.r.rsi);
	EXPECT_MEMEQ(play_out.fx + XMM(6), play_in.fx + XMM(6), 10 * 16);
}

static void expect_sysv_registers_kept(void)
{
	EXPECT_MEMEQ(&play_out.r.r12, &play_in.r.r12, 4 * 8);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rsp, play_call_stack);
}

/* Proves: C3-10, C3-11 */
TEST(vdso_ms_abi, what_the_enclaves_convention_keeps_is_kept)
{
	unsigned i;

	if (!dv_ready())
		return;
	for (i = 0; i < 150; i++) {
		start(enter_ms, false);
		play();
		EXPECT_EEXIT();
		EXPECT_EQ(arguments[0], 1);
		EXPECT_EQ(play_out.r.rdx, expected_sum());
		expect_ms_registers_kept();
		expect_sysv_registers_kept();
		if (play_version != VDSO_V28)		/* C3-5 */
			EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	}
}

/* Proves: C3-10, C3-11 */
TEST(vdso_ms_abi, what_it_does_not_keep_comes_out_as_it_is)
{
	uint8_t ones[10 * 16];

	if (!dv_ready())
		return;
	memset(ones, 0xff, sizeof(ones));
	start(enter_sysv, false);
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(play_out.r.rdx, expected_sum());
	expect_sysv_registers_kept();
	EXPECT_EQ(play_out.r.rdi, ~UINT64_C(0));	/* the function put nothing back, and nothing in */
	EXPECT_EQ(play_out.r.rsi, ~UINT64_C(0));
	EXPECT_MEMEQ(play_out.fx + XMM(6), ones, sizeof(ones));
}

static void in_sysv_c(void)
{
	result = dv_call(&call);
}

/* What it calls is System V, so its compiler keeps what only its own convention asks for. */
static __attribute__((ms_abi)) void in_ms_c(void)
{
	result = dv_call(&call);
}

static __attribute__((ms_abi)) void in_ms_c_with_wrapper(void)
{
	result = dv_saving_call(&call);
}

/* Proves: C3-11 */
TEST(vdso_ms_abi, callers_of_either_convention_call_enclaves_of_either)
{
	static const uint8_t *const entries[] = { enter_ms, enter_sysv };
	unsigned i;

	if (!dv_ready())
		return;
	for (i = 0; i < 2; i++) {
		start(entries[i], false);
		play_call(in_sysv_c);
		expect_sysv_registers_kept();
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(result, 0);
		start(entries[i], false);
		play_call((void *)in_ms_c);
		expect_sysv_registers_kept();
		expect_ms_registers_kept();
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(result, 0);
		EXPECT_EQ(arguments[0], 1);
	}
}

/* Proves: C3-11, C3-12 */
TEST(vdso_ms_abi, exception_loses_them_and_a_wrapper_keeps_them)
{
	static const uint8_t zero[10 * 16];

	if (!dv_ready())
		return;
	start(enter_ms, true);
	play();
	EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	EXPECT_EQ(play_out.r.rdi, UD);
	EXPECT_EQ(play_out.r.rsi, 0);
	EXPECT_EQ(play_out.r.r12 | play_out.r.r15, 0);
	EXPECT_MEMEQ(play_out.fx + XMM(6), zero, sizeof(zero));
	dv_leave();
	start(enter_ms, true);
	play_call((void *)in_ms_c_with_wrapper);
	EXPECT_EQ(result, dv_result());
	EXPECT_EQ(dv_exit().vector, UD);
	expect_sysv_registers_kept();
	expect_ms_registers_kept();
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	dv_leave();
}

static struct play_regs at_handler;

/* Once more with the registers as they are, then out: the enclave's result has come in RDX. */
static void again(struct play_regs *regs)
{
	at_handler = *regs;
	EXPECT_EQ(regs->r.rdx, expected_sum());
	regs->r.rdx = play_in.r.rdx;
	regs->r.r8 = (uint64_t)arguments;
	regs->r.rax = play_handler_calls == 1 ? EENTER : 0;
}

/* Proves: C3-10, C3-13 */
TEST(vdso_ms_abi, handler_of_the_other_convention_is_in_between)
{
	if (!dv_ready())
		return;
	start(enter_ms, false);
	play_set_handler((uint64_t)play_handler);
	play_handler_script = again;
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(play_handler_calls, 2);
	EXPECT_EQ(arguments[0], 2);
	EXPECT_EQ(at_handler.r.rdi, play_in.r.rdi);
	EXPECT_EQ(at_handler.r.rsi, play_in.r.rsi);
	EXPECT_MEMEQ(at_handler.fx + XMM(6), play_in.fx + XMM(6), 10 * 16);
	expect_sysv_registers_kept();
	expect_ms_registers_kept();
}
