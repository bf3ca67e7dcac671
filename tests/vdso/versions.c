/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave of v28, v36 and v38 (C.3): entry, exits, and what the caller finds, on all three. */
#include "harness.h"
#include "versions.h"

static void pass_in(void)
{
	static const uint64_t leaves[] = { 2, 3, UINT64_C(0xdeadbeef00000003) };
	unsigned i;

	for (i = 0; i < 3; i++) {
		start(eexit);
		play_leaf(leaves[i]);
		play();
		EXPECT_EQ(play_engine_calls, 1);
		EXPECT_EQ(at_entry[0].r.rax, (uint32_t)leaves[i]);
		EXPECT_EQ(at_entry[0].r.rbx, PLAY_TCS);
		EXPECT_EQ(at_entry[0].r.rcx, play_address(play_current, vdso_info(play_current)->enclu));
		EXPECT_EQ(at_entry[0].r.rdi, play_in.r.rdi);
		EXPECT_EQ(at_entry[0].r.rsi, play_in.r.rsi);
		EXPECT_EQ(at_entry[0].r.rdx, play_in.r.rdx);
		EXPECT_MEMEQ(&at_entry[0].r.r8, &play_in.r.r8, 8 * 8);
		EXPECT_MEMEQ(at_entry[0].fx, play_in.fx, PLAY_FX_SIZE);
		EXPECT_EQ(at_entry[0].r.rsp, at_entry[0].r.rbp - (keeps_rbx() ? 8 : 0));
	}
	start(eexit);				/* v28's other register, and a TCS of 0, are nobody's business */
	if (play_version == VDSO_V28)
		play_in.r.rcx = 7;
	else
		play_in.r.rax = 7;
	if (has_run())
		play_run38.tcs = 0;
	else
		play_stack[0] = 0;
	play();
	EXPECT_EQ(play_engine_calls, 1);
	EXPECT_EQ(at_entry[0].r.rbx, 0);
}

/* Proves: C3-1, C3-10 */
TEST(vdso_versions, enclave_gets_the_callers_registers)
{
	ALL(pass_in);
}

static void pass_out(void)
{
	start(eexit);
	at_exit_hook = new_registers;
	play();
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_EQ(play_out.r.rdx, 0xd0d0);
	EXPECT_EQ(play_out.r.rsi, 0x5050);
	EXPECT_EQ(play_out.r.rdi, 0xd1d1);
	EXPECT_MEMEQ(&play_out.r.r8, &at_exit.r.r8, 8 * 8);
	EXPECT_MEMEQ(play_out.fx, at_exit.fx, PLAY_FX_SIZE);
	EXPECT_TRUE(play_out.r.rflags & X86_FLAGS_DF);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rbx, keeps_rbx() ? play_in.r.rbx : at_exit.r.rbx);
	EXPECT_EQ(play_out.r.rcx, play_address(play_current, vdso_info(play_current)->enclu));
}

/* Proves: C3-5, C3-10 */
TEST(vdso_versions, caller_gets_the_enclaves_registers)
{
	ALL(pass_out);
}

static void bad_leaf(void)
{
	static const uint64_t bad[] = { 0, 1, 4, 5, 0x102, 0x10003, 0x80000002, 0xffffffff };
	unsigned i;

	for (i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		start_with_handler(eexit);
		play_leaf(bad[i / 2]);
		if (i % 2 && has_run())
			play_stack[0] = 0;		/* the leaf is judged before run is touched */
		memset(&play_e, 0x5a, sizeof(play_e));
		play_run38.exit_reason = 0x5a;
		play();
		EXPECT_EQ(play_out.r.rax, EINVAL_RAX);
		EXPECT_EQ(play_engine_calls + play_handler_calls, 0);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
		EXPECT_EQ(play_e.leaf, 0x5a5a5a5a);
		EXPECT_EQ(play_run38.exit_reason, 0x5a);
	}
}

/* Proves: C3-1, C3-3 */
TEST(vdso_versions, leaf_that_is_not_2_or_3_is_einval)
{
	ALL(bad_leaf);
}

static void handler_sets_flags(struct play_regs *regs)
{
	handler(regs);
	play_run38.flags = 1;
}

static void v38_flags(void)
{
	unsigned i;

	for (i = 0; i < 32; i++) {
		start_with_handler(eexit);
		play_run38.flags = 1u << i;
		play();
		EXPECT_EQ(play_out.r.rax, EINVAL_RAX);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_engine_calls + play_handler_calls, 0);
	}
	start_with_handler(eexit);
	play_handler_script = handler_sets_flags;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(play_out.r.rax, EINVAL_RAX);
	EXPECT_EQ(play_engine_calls, 1);
	start(eexit);				/* nothing else of it is checked */
	memset(&play_run38.pad, 0xff, sizeof(play_run38.pad));
	play();
	EXPECT_EQ(play_out.r.rax, 0);
}

/* C.3, v38. */
TEST(vdso_versions, v38_flags_must_be_zero_on_every_pass)
{
	play_each(VDSO_V38, v38_flags);
}

static void eexit_result(void)
{
	struct sgx_enclave_exception before;

	start(eexit);
	memset(&play_e, 0x5a, sizeof(play_e));
	before = play_e;
	play_run38.exit_reason = 0x77;
	memset(play_run38.pad, 0x5a, sizeof(play_run38.pad));
	play();
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_MEMEQ(&play_e, &before, sizeof(before));
	if (has_run()) {
		EXPECT_EQ(play_run38.exit_reason, SGX_V38_EXIT_EEXIT);
		EXPECT_EQ(play_run38.exception.leaf, 0x5a5a5a5a);
		EXPECT_EQ(play_run38.exception.address, 0x5a5a5a5a5a5a5a5a);
	}
}

/* Proves: C3-2, C3-3 */
TEST(vdso_versions, eexit_is_0_and_keeps_the_exceptions_fields)
{
	ALL(eexit_result);
}

static void all_bits(struct play_regs *regs)
{
	regs->r.rax = 0xaaaaaaaabbbbbbbb;
	regs->r.rdi = 0x1111111111112222;
	regs->r.rsi = 0x3333333333334444;
	regs->r.rdx = 0x5555555566666666;
}

static void exception_result(void)
{
	start(exception);
	at_exit_hook = all_bits;
	play_e.reserved[0] = play_e.reserved[1] = 0x77;
	play_run38.user_data = 0x99;
	play_run38.pad[16] = 0x88;
	play();
	EXPECT_EQ(play_out.r.rax, has_run() ? 0 : EFAULT_RAX);
	EXPECT_EQ(play_out.r.rbx, keeps_rbx() ? play_in.r.rbx : PLAY_TCS);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_MEMEQ(&play_out.r.r8, &at_exit.r.r8, 8 * 8);
	if (has_run()) {
		EXPECT_EQ(play_run38.exit_reason, SGX_V38_EXIT_EXCEPTION);
		EXPECT_EQ(play_run38.exception.leaf, 0xbbbbbbbb);
		EXPECT_EQ(play_run38.exception.trapnr, 0x2222);
		EXPECT_EQ(play_run38.exception.error_code, 0x4444);
		EXPECT_EQ(play_run38.exception.address, 0x5555555566666666);
		EXPECT_EQ(play_run38.pad[16], 0x88);
		EXPECT_EQ(play_run38.user_data, 0x99);
		EXPECT_EQ(play_run38.user_handler, 0);
		EXPECT_EQ(play_run38.flags, 0);
		EXPECT_EQ(play_run38.tcs, PLAY_TCS);
		return;
	}
	EXPECT_EQ(play_e.leaf, 0xbbbbbbbb);
	EXPECT_EQ(play_e.trapnr, 0x2222);
	EXPECT_EQ(play_e.error_code, 0x4444);
	EXPECT_EQ(play_e.address, 0x5555555566666666);
	EXPECT_EQ(play_e.reserved[0] & play_e.reserved[1], 0x77);
	start(exception);
	play_stack[1] = 0;
	play();
	EXPECT_EQ(play_out.r.rax, EFAULT_RAX);
}

/* Proves: C3-2, C3-3 */
TEST(vdso_versions, exception_fills_in_what_there_is)
{
	ALL(exception_result);
}
