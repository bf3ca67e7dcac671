/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave: entry, exits, and what the caller finds. The handler's rules are in handler.c. */
#define _GNU_SOURCE
#include "harness.h"
#include "play.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#define EINVAL_RAX	UINT64_C(0xFFFFFFEA)

static struct play_regs at_enclu;	/* what the last engine script was given */

static uint64_t address_of(uint32_t offset)
{
	return play_address(play_current, offset);
}

static uint64_t frame_at_enclu[4];	/* from RBP - 8 */

static void record_and_eexit(struct play_regs *regs)
{
	memcpy(frame_at_enclu, (void *)(regs->r.rbp - 8), sizeof(frame_at_enclu));
	at_enclu = *regs;
	play_eexit(regs);
}

static void record_and_fault(struct play_regs *regs)
{
	at_enclu = *regs;
	play_exception(regs);
}

/* Proves: B-1 */
TEST(vdso_enter, frame_has_callers_rbp_and_rbx)
{
	play_start();
	play_engine_script = record_and_eexit;
	play();
	EXPECT_EQ(at_enclu.r.rsp, at_enclu.r.rbp - 8);
	EXPECT_EQ(frame_at_enclu[0], play_in.r.rbx);
	EXPECT_EQ(frame_at_enclu[1], play_in.r.rbp);
	EXPECT_EQ(frame_at_enclu[2], (uint64_t)play_return_address);
	EXPECT_EQ(frame_at_enclu[3], (uint64_t)&play_run);
	EXPECT_EQ(at_enclu.r.rax, 2);
}

/* Proves: B-1 */
TEST(vdso_enter, upper_half_of_rcx_is_ignored)
{
	play_start();
	play_in.r.rcx = 0xdeadbeef00000003;
	play_engine_script = record_and_eexit;
	play();
	EXPECT_EQ(play_engine_calls, 1);
	EXPECT_EQ(at_enclu.r.rax, 3);
}

/* Proves: B-2, B-15, B-17 */
TEST(vdso_enter, function_other_than_two_and_three_is_einval)
{
	static const uint64_t bad[] = { 0, 1, 4, 5, 0x102, 0x10003, 0x80000002, 0xffffffff, 0xfffffffe };
	struct sgx_enclave_run before;
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		play_start();
		memset(&play_run, 0x5a, offsetof(struct sgx_enclave_run, reserved));
		play_run.user_handler = (uint64_t)play_handler;
		before = play_run;
		play_in.r.rcx = bad[i];
		play();
		EXPECT_EQ(play_out.r.rax, EINVAL_RAX);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
		EXPECT_EQ(play_engine_calls + play_handler_calls, 0);
		EXPECT_MEMEQ(&play_run, &before, sizeof(before));
	}
}

static sigjmp_buf escape;
static siginfo_t fault;
static uint64_t fault_rip;
static mcontext_t fault_context;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	fault = *info;
	fault_context = ((ucontext_t *)context)->uc_mcontext;
	fault_rip = (uint64_t)fault_context.gregs[REG_RIP];
	siglongjmp(escape, 1);
}

static const int fault_signals[] = { SIGSEGV, SIGILL, SIGBUS };

/* Calls @function and returns the signal that it died of, or 0. */
static int signal_of(void (*function)(void))
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old[3];
	volatile int result = 0;
	int i;

	memset(&fault, 0, sizeof(fault));
	for (i = 0; i < 3; i++)
		sigaction(fault_signals[i], &action, &old[i]);
	if (sigsetjmp(escape, 1))
		result = fault.si_signo;
	else
		function();
	for (i = 0; i < 3; i++)
		sigaction(fault_signals[i], &old[i], NULL);
	return result;
}

static int null_run_function;
static long null_run_result;

static void enter_without_run(void)
{
	vdso_sgx_enter_enclave_t enter =
		(vdso_sgx_enter_enclave_t)vdso_symbol(play_current, "__vdso_sgx_enter_enclave");

	null_run_result = enter(0, 0, 0, null_run_function, 0, 0, NULL);
}

/* Proves: B-2 */
TEST(vdso_enter, bad_function_is_seen_before_run_is_read)
{
	play_start();
	null_run_function = 4;
	EXPECT_EQ(signal_of(enter_without_run), 0);
	EXPECT_EQ(null_run_result, -22);
}

/* Proves: B-2 */
TEST(vdso_enter, good_function_without_run_is_sigsegv)
{
	play_start();
	null_run_function = 2;
	EXPECT_EQ(signal_of(enter_without_run), SIGSEGV);
	EXPECT_TRUE((uint64_t)fault.si_addr < sizeof(struct sgx_enclave_run));
	EXPECT_TRUE(fault_rip - (uint64_t)play_current < 4096);
}

/* Proves: B-3, B-15, B-17 */
TEST(vdso_enter, any_reserved_bit_is_einval)
{
	struct sgx_enclave_run before;
	unsigned i;

	for (i = 0; i < 27 * 64; i++) {
		play_start();
		play_run.user_handler = (uint64_t)play_handler;
		play_run.reserved[i / 8] = (uint8_t)(1 << i % 8);
		before = play_run;
		play();
		if (play_out.r.rax != EINVAL_RAX)
			test_fail(__FILE__, __LINE__, "bit %u of reserved is not seen", i);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_engine_calls + play_handler_calls, 0);
		EXPECT_MEMEQ(&play_run, &before, sizeof(before));
	}
}

/* Proves: B-3 */
TEST(vdso_enter, fields_before_reserved_are_not_checked)
{
	play_start();
	memset(&play_run, 0xff, offsetof(struct sgx_enclave_run, reserved));
	play_run.user_handler = 0;
	play_engine_script = play_eexit;
	play();
	EXPECT_EQ(play_engine_calls, 1);
	EXPECT_EQ(play_out.r.rax, 0);
}

/* Proves: B-4 */
TEST(vdso_enter, rbx_is_tcs_and_rcx_is_the_enclu)
{
	play_start();
	play_engine_script = record_and_eexit;
	play();
	EXPECT_EQ(at_enclu.r.rbx, 0x7001000);
	EXPECT_EQ(at_enclu.r.rcx, address_of(vdso_info(play_current)->enclu));

	play_start();
	play_run.tcs = 0;
	play_engine_script = record_and_eexit;
	play();
	EXPECT_EQ(play_engine_calls, 1);
	EXPECT_EQ(at_enclu.r.rbx, 0);
}

/* Proves: B-4 */
TEST(vdso_enter, other_registers_pass_through_to_the_enclave)
{
	play_start();
	play_engine_script = record_and_eexit;
	play();
	EXPECT_EQ(at_enclu.r.rdi, play_in.r.rdi);
	EXPECT_EQ(at_enclu.r.rsi, play_in.r.rsi);
	EXPECT_EQ(at_enclu.r.rdx, play_in.r.rdx);
	EXPECT_MEMEQ(&at_enclu.r.r8, &play_in.r.r8, 8 * 8);
	EXPECT_MEMEQ(at_enclu.fx, play_in.fx, PLAY_FX_SIZE);
}

/* Proves: B-5 */
TEST(vdso_enter, one_enclu_is_entry_resumption_and_aep)
{
	const struct vdso_info *info;
	unsigned i, count = 0;

	play_start();
	info = vdso_info(play_current);
	for (i = info->enter; i + 3 <= info->enter_end; i++)
		count += !memcmp(play_current + i, "\x0f\x01\xd7", 3);
	EXPECT_EQ(count, 1);
	EXPECT_MEMEQ(play_current + info->enclu, "\x0f\x01\xd7", 3);
	EXPECT_EQ(info->eexit_pad, info->enclu + 3);
	EXPECT_TRUE(info->gate < info->enclu);
	EXPECT_TRUE(info->exception_pad > info->eexit_pad && info->exception_pad < info->enter_end);
}

static const uint8_t *unbound_image;

static void play_unbound(void)
{
	play_current = unbound_image;
	play();
}

/* Proves: B-5 */
TEST(vdso_enter, without_engine_the_enclu_is_executed)
{
	static uint8_t image[4096] __attribute__((aligned(4096)));
	uint32_t page = sizeof(image);

	play_start();
	play_bytes(image, page);
	ASSERT_TRUE(vdso_bind(image, (uint64_t)image, NULL, 0, 0));
	ASSERT_EQ(mprotect(image, page, PROT_READ | PROT_EXEC), 0);
	unbound_image = image;
	EXPECT_TRUE(signal_of(play_unbound));
	EXPECT_EQ(fault_rip, address_of(vdso_info(image)->enclu));
	EXPECT_EQ(fault_context.gregs[REG_RAX], 2);
	EXPECT_EQ(fault_context.gregs[REG_RBX], 0x7001000);
	EXPECT_EQ(fault_context.gregs[REG_RCX], fault_rip);
}

/* Proves: B-6, B-8, B-10 */
TEST(vdso_enter, eexit_sets_function_and_keeps_exception_fields)
{
	play_start();
	play_run.function = 0x12345678;
	play_run.exception_vector = 0x1234;
	play_run.exception_error_code = 0x5678;
	play_run.exception_addr = 0x123456789abcdef0;
	play_run.user_data = 0x5555;
	play_engine_script = play_eexit;
	play();
	EXPECT_EQ(play_run.function, 4);
	EXPECT_EQ(play_run.exception_vector, 0x1234);
	EXPECT_EQ(play_run.exception_error_code, 0x5678);
	EXPECT_EQ(play_run.exception_addr, 0x123456789abcdef0);
	EXPECT_EQ(play_run.user_data, 0x5555);
	EXPECT_EQ(play_run.tcs, 0x7001000);
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
}

static void all_bits_fault(struct play_regs *regs)
{
	play_exception(regs);
	regs->r.rax = 0xaaaaaaaabbbbbbbb;
	regs->r.rdi = 0x1111111111112222;
	regs->r.rsi = 0x3333333333334444;
	regs->r.rdx = 0x5555555566666666;
}

/* Proves: B-7 */
TEST(vdso_enter, exception_fields_have_their_widths)
{
	play_start();
	play_run.user_data = 0x7777777777777777;
	play_engine_script = all_bits_fault;
	play();
	EXPECT_EQ(play_run.function, 0xbbbbbbbb);
	EXPECT_EQ(play_run.exception_vector, 0x2222);
	EXPECT_EQ(play_run.exception_error_code, 0x4444);
	EXPECT_EQ(play_run.exception_addr, 0x5555555566666666);
	EXPECT_EQ(play_run.user_handler, 0);
	EXPECT_EQ(play_run.user_data, 0x7777777777777777);
	EXPECT_EQ(play_run.tcs, 0x7001000);
}

/* Proves: B-7, B-8, B-36 */
TEST(vdso_enter, exception_returns_zero_and_function_is_the_leaf)
{
	unsigned leaf;

	for (leaf = 2; leaf <= 3; leaf++) {
		play_start();
		play_in.r.rcx = leaf;
		play_engine_script = play_exception;
		play();
		EXPECT_EQ(play_out.r.rax, 0);
		EXPECT_EQ(play_run.function, leaf);
		EXPECT_EQ(play_run.exception_vector, 14);
		EXPECT_EQ(play_run.exception_error_code, 0x8007);
		EXPECT_EQ(play_run.exception_addr, 0x7123000);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	}
}

static uint64_t other_frame[3];

static void eexit_with_other_rbp(struct play_regs *regs)
{
	memcpy(other_frame, (void *)regs->r.rbp, sizeof(other_frame));
	other_frame[0] = 0x1234567;
	regs->r.rbp = (uint64_t)other_frame;
	play_eexit(regs);
}

/* Proves: B-11 */
TEST(vdso_enter, frame_hangs_on_rbp)
{
	play_start();
	play_engine_script = eexit_with_other_rbp;
	play();
	EXPECT_EQ(play_run.function, 4);
	EXPECT_EQ(play_out.r.rbp, 0x1234567);
	EXPECT_EQ(play_out.r.rsp, (uint64_t)(other_frame + 2));
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
}

static void eexit_with_pushed_word(struct play_regs *regs)
{
	regs->r.rsp -= 0x48;
	*(uint64_t *)regs->r.rsp = 0xbadbadbadbadbad;
	play_eexit(regs);
}

static void eexit_with_stack_elsewhere(struct play_regs *regs)
{
	static uint64_t word = 0x77777777;

	regs->r.rsp = (uint64_t)&word;
	play_eexit(regs);
}

/* Proves: B-10, B-12 */
TEST(vdso_enter, changed_rsp_costs_rbx_but_not_the_return)
{
	uint64_t rsp;

	play_start();
	play_engine_script = record_and_eexit;
	play();
	rsp = play_out.r.rsp;

	play_engine_script = eexit_with_pushed_word;
	play();
	EXPECT_EQ(play_out.r.rbx, 0xbadbadbadbadbad);
	EXPECT_EQ(play_out.r.rsp, rsp);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rax, 0);

	play_engine_script = eexit_with_stack_elsewhere;
	play();
	EXPECT_EQ(play_out.r.rbx, 0x77777777);
	EXPECT_EQ(play_out.r.rsp, rsp);
}

static void eexit_with_new_registers(struct play_regs *regs)
{
	uint64_t *r = &regs->r.r8;
	unsigned i;

	for (i = 0; i < 8; i++)
		r[i] = 0x4040404040404040 + i;
	regs->r.rdx = 0xd0d0;
	regs->r.rsi = 0x5050;
	regs->r.rdi = 0xd1d1;
	regs->r.rflags |= X86_FLAGS_DF;
	for (i = 0; i < 256; i++)
		regs->fx[X86_XSAVE_XMM0 + i] = (uint8_t)~i;
	*(uint32_t *)(regs->fx + X86_XSAVE_MXCSR) = 0x1FB0;
	*(uint16_t *)(regs->fx + X86_XSAVE_FCW) = 0x0F7F;
	at_enclu = *regs;
	play_eexit(regs);
}

/* Proves: B-13, B-14, B-16 */
TEST(vdso_enter, caller_finds_what_the_enclave_left)
{
	play_start();
	play_engine_script = eexit_with_new_registers;
	play();
	EXPECT_EQ(play_out.r.rdx, 0xd0d0);
	EXPECT_EQ(play_out.r.rsi, 0x5050);
	EXPECT_EQ(play_out.r.rdi, 0xd1d1);
	EXPECT_MEMEQ(&play_out.r.r8, &at_enclu.r.r8, 8 * 8);
	EXPECT_EQ(play_out.r.rcx, address_of(vdso_info(play_current)->enclu));
	EXPECT_TRUE(play_out.r.rflags & X86_FLAGS_DF);
	EXPECT_MEMEQ(play_out.fx, at_enclu.fx, PLAY_FX_SIZE);
}

static void aex(struct play_regs *regs)
{
	/* The synthetic state: what AEX loads, then the fix-up's three registers. */
	memset(&regs->r.r8, 0, 8 * 8);
	*(uint32_t *)(regs->fx + X86_XSAVE_MXCSR) = 0x1FB0;
	*(uint16_t *)(regs->fx + X86_XSAVE_FCW) = 0x037F;
	memset(regs->fx + X86_XSAVE_XMM0, 0, 256);
	regs->r.rax = 3;
	record_and_fault(regs);
}

/* Proves: B-13, B-14, B-16 */
TEST(vdso_enter, caller_finds_the_aex_state_after_an_exception)
{
	uint64_t zero[8] = { 0 };
	uint8_t zero_xmm[256] = { 0 };

	play_start();
	play_engine_script = aex;
	play();
	EXPECT_EQ(play_out.r.rdi, 14);
	EXPECT_EQ(play_out.r.rsi, 0x8007);
	EXPECT_EQ(play_out.r.rdx, 0x7123000);
	EXPECT_MEMEQ(&play_out.r.r8, zero, sizeof(zero));
	EXPECT_EQ(play_out.r.rcx, address_of(vdso_info(play_current)->enclu));
	EXPECT_EQ(*(uint32_t *)(play_out.fx + X86_XSAVE_MXCSR), 0x1FB0);
	EXPECT_EQ(*(uint16_t *)(play_out.fx + X86_XSAVE_FCW), 0x037F);
	EXPECT_MEMEQ(play_out.fx + X86_XSAVE_XMM0, zero_xmm, sizeof(zero_xmm));
	EXPECT_EQ(play_run.function, 3);
}
