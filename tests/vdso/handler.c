/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave: the user handler. */
#include "harness.h"
#include "play.h"

#include <setjmp.h>

static struct play_regs at_exit;		/* registers when the enclave was left */
static struct play_regs at_entry[4];		/* registers at each ENCLU */
static struct play_regs at_handler;
static uint64_t exit_rsp_offset;

static void record_entry(const struct play_regs *regs)
{
	if (play_engine_calls <= 4)
		at_entry[play_engine_calls - 1] = *regs;
}

static void leave(struct play_regs *regs)
{
	play_eexit(regs);
	at_exit = *regs;
}

static void eexit(struct play_regs *regs)
{
	record_entry(regs);
	leave(regs);
}

static void exception(struct play_regs *regs)
{
	record_entry(regs);
	play_exception(regs);
	at_exit = *regs;
}

static uint64_t handler_result[4];

/* Returns the results in handler_result, one a call. */
static void handler(struct play_regs *regs)
{
	at_handler = *regs;
	regs->r.rax = handler_result[play_handler_calls - 1];
}

static void start(play_script engine)
{
	play_start();
	memset(handler_result, 0, sizeof(handler_result));
	exit_rsp_offset = 0;
	play_run.user_handler = (uint64_t)play_handler;
	play_engine_script = engine;
	play_handler_script = handler;
}

/* Proves: B-9, B-15 */
TEST(vdso_handler, result_not_positive_is_returned)
{
	static const struct { uint64_t rax, returned; } cases[] = {
		{ 0, 0 }, { 0xffffffff, 0xffffffff }, { (uint64_t)-5, 0xfffffffb }, { 0x80000000, 0x80000000 },
		{ 0x0000000180000001, 0x80000001 }, { 0x1200000000, 0 },
	};
	unsigned i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(i % 2 ? eexit : exception);
		handler_result[0] = cases[i].rax;
		play();
		EXPECT_EQ(play_out.r.rax, cases[i].returned);
		EXPECT_EQ(play_handler_calls, 1);
		EXPECT_EQ(play_engine_calls, 1);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	}
}

/* Proves: B-9 */
TEST(vdso_handler, positive_result_is_the_next_leaf)
{
	start(eexit);
	handler_result[0] = 3;
	handler_result[1] = 0xffffffff00000002;
	handler_result[2] = 0;
	play();
	EXPECT_EQ(play_engine_calls, 3);
	EXPECT_EQ(at_entry[0].r.rax, 2);
	EXPECT_EQ(at_entry[1].r.rax, 3);
	EXPECT_EQ(at_entry[2].r.rax, 2);
	EXPECT_EQ(at_entry[2].r.rcx, play_address(play_current, vdso_info(play_current)->enclu));
	EXPECT_EQ(play_out.r.rax, 0);
}

/* Proves: B-2, B-9 */
TEST(vdso_handler, positive_result_that_is_no_leaf_is_einval)
{
	static const uint64_t bad[] = { 1, 4, 5, 0x7fffffff, 0x102 };
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(eexit);
		handler_result[0] = bad[i];
		play();
		EXPECT_EQ(play_out.r.rax, 0xffffffea);
		EXPECT_EQ(play_engine_calls, 1);
		EXPECT_EQ(play_handler_calls, 1);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	}
}

static void handler_sets_reserved(struct play_regs *regs)
{
	handler(regs);
	play_run.reserved[100] = 1;
}

/* Proves: B-3 */
TEST(vdso_handler, reserved_is_checked_on_every_pass)
{
	start(eexit);
	play_handler_script = handler_sets_reserved;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(play_out.r.rax, 0xffffffea);
	EXPECT_EQ(play_engine_calls, 1);

	start(eexit);
	play_handler_script = handler_sets_reserved;
	handler_result[0] = 0;
	play();
	EXPECT_EQ(play_out.r.rax, 0);
}

static void eexit_with_flags_and_stack(struct play_regs *regs)
{
	record_entry(regs);
	regs->r.rflags |= X86_FLAGS_DF;
	regs->r.rsp -= exit_rsp_offset;
	leave(regs);
}

static uint64_t stack_argument;

static void handler_reads_argument(struct play_regs *regs)
{
	handler(regs);
	stack_argument = *(uint64_t *)(regs->r.rsp + 8);
}

/* Proves: B-20, B-21 */
TEST(vdso_handler, gets_the_registers_of_the_exit)
{
	start(eexit_with_flags_and_stack);
	play_handler_script = handler_reads_argument;
	play();
	EXPECT_EQ(at_handler.r.rdi, at_exit.r.rdi);
	EXPECT_EQ(at_handler.r.rsi, at_exit.r.rsi);
	EXPECT_EQ(at_handler.r.rdx, at_exit.r.rdx);
	EXPECT_EQ(at_handler.r.rcx, at_exit.r.rsp);
	EXPECT_MEMEQ(&at_handler.r.r8, &at_exit.r.r8, 8 * 8);
	EXPECT_MEMEQ(at_handler.fx, at_exit.fx, PLAY_FX_SIZE);
	EXPECT_EQ(at_handler.r.rbp, at_exit.r.rbp);
	EXPECT_EQ(stack_argument, (uint64_t)&play_run);
	EXPECT_EQ(at_handler.r.rflags & X86_FLAGS_DF, 0);
	EXPECT_EQ(play_run.function, 4);
}

/* Proves: B-20, B-21 */
TEST(vdso_handler, is_called_for_exceptions_too)
{
	start(exception);
	play_handler_script = handler_reads_argument;
	play();
	EXPECT_EQ(play_handler_calls, 1);
	EXPECT_EQ(at_handler.r.rdi, 14);
	EXPECT_EQ(at_handler.r.rsi, 0x8007);
	EXPECT_EQ(at_handler.r.rdx, 0x7123000);
	EXPECT_EQ(at_handler.r.rcx, at_exit.r.rsp);
	EXPECT_MEMEQ(&at_handler.r.r8, &at_exit.r.r8, 8 * 8);
	EXPECT_EQ(stack_argument, (uint64_t)&play_run);
	EXPECT_EQ(play_run.function, 2);
	EXPECT_EQ(play_run.exception_vector, 14);
}

/* Proves: B-20, B-21, B-22, B-23 */
TEST(vdso_handler, stack_is_aligned_and_put_back)
{
	for (unsigned offset = 0; offset < 48; offset++) {
		start(eexit_with_flags_and_stack);
		exit_rsp_offset = offset;
		handler_result[0] = 2;
		play();
		EXPECT_EQ(play_handler_calls, 2);
		EXPECT_EQ((at_handler.r.rsp + 8) % 16, 0);
		EXPECT_EQ(at_handler.r.rcx, at_exit.r.rsp);
		/* The second pass began with the RSP of the first exit, so it left at twice the offset. */
		EXPECT_EQ(at_entry[1].r.rsp, at_entry[0].r.rsp - offset);
		EXPECT_EQ(at_exit.r.rsp, at_entry[0].r.rsp - 2 * offset);
	}
}

/* Proves: B-21 */
TEST(vdso_handler, lfence_precedes_the_indirect_call)
{
	const struct vdso_info *info;
	unsigned i, calls = 0;

	start(eexit);
	info = vdso_info(play_current);
	for (i = info->enter; i + 5 <= info->enter_end; i++)
		calls += !memcmp(play_current + i, "\x0f\xae\xe8\xff\xd0", 5);	/* lfence; call *%rax */
	EXPECT_EQ(calls, 1);
}

static void eexit_after_pushing(struct play_regs *regs)
{
	record_entry(regs);
	if (play_engine_calls == 1) {
		regs->r.rsp -= 32;
		memset((void *)regs->r.rsp, 0xab, 32);
	}
	leave(regs);
}

static void handler_pops(struct play_regs *regs)
{
	handler(regs);
	if (play_handler_calls == 1) {
		memmove((void *)(regs->r.rsp + 32), (void *)regs->r.rsp, 8);
		regs->r.rsp += 32;
	}
}

/* Proves: B-22 */
TEST(vdso_handler, may_pop_what_the_enclave_pushed)
{
	start(eexit_after_pushing);
	play_handler_script = handler_pops;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(at_entry[1].r.rsp, at_entry[0].r.rsp);
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	EXPECT_EQ(play_out.r.rax, 0);
}

static void handler_changes_registers(struct play_regs *regs)
{
	uint64_t *r = &regs->r.r8;
	unsigned i;

	handler(regs);
	regs->r.rdi = 0xd1;
	regs->r.rsi = 0x51;
	regs->r.rdx = 0xdd;
	for (i = 0; i < 8; i++)
		r[i] = 0x8080 + i;
	memset(regs->fx + X86_XSAVE_XMM0, 0x3c, 256);
	at_handler = *regs;
}

/* Proves: B-23 */
TEST(vdso_handler, its_registers_go_to_the_enclave)
{
	start(eexit);
	play_handler_script = handler_changes_registers;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(at_entry[1].r.rax, 2);
	EXPECT_EQ(at_entry[1].r.rbx, play_run.tcs);
	EXPECT_EQ(at_entry[1].r.rdi, 0xd1);
	EXPECT_EQ(at_entry[1].r.rsi, 0x51);
	EXPECT_EQ(at_entry[1].r.rdx, 0xdd);
	EXPECT_EQ(at_entry[1].r.rbp, at_entry[0].r.rbp);
	EXPECT_MEMEQ(&at_entry[1].r.r8, &at_handler.r.r8, 8 * 8);
	EXPECT_MEMEQ(at_entry[1].fx, at_handler.fx, PLAY_FX_SIZE);
}

static jmp_buf left;

static int handler_that_leaves(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)run;
	play_handler_calls++;
	longjmp(left, 7);
}

/* Proves: B-24 */
TEST(vdso_handler, may_leave_by_longjmp)
{
	volatile int result, round;

	for (round = 0; round < 3; round++) {
		start(eexit);
		play_run.user_handler = (uint64_t)handler_that_leaves;
		result = setjmp(left);
		if (!result)
			play();
		EXPECT_EQ(result, 7);
		EXPECT_EQ(play_handler_calls, 1);
	}
	start(eexit);
	play();
	EXPECT_EQ(play_out.r.rax, 0);
}

static void handler_changes_run(struct play_regs *regs)
{
	handler(regs);
	play_run.tcs = 0x7002000;
	play_run.user_handler = 0;
	play_run.user_data = 99;
}

/* Proves: B-25 */
TEST(vdso_handler, may_change_run)
{
	start(eexit);
	play_handler_script = handler_changes_run;
	handler_result[0] = 3;
	play();
	EXPECT_EQ(play_engine_calls, 2);
	EXPECT_EQ(play_handler_calls, 1);
	EXPECT_EQ(at_entry[0].r.rbx, 0x7001000);
	EXPECT_EQ(at_entry[1].r.rbx, 0x7002000);
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_EQ(play_run.user_data, 99);
}

static unsigned depth_reached;

/* user_data counts down the depth. Each level enters once more itself after its inner call. */
static int nesting_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	vdso_sgx_enter_enclave_t enter =
		(vdso_sgx_enter_enclave_t)vdso_symbol(play_current, "__vdso_sgx_enter_enclave");
	struct sgx_enclave_run inner = {
		.tcs = run->tcs, .user_handler = (uint64_t)nesting_handler, .user_data = run->user_data - 1,
	};

	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	depth_reached++;
	if (!run->user_data)
		return -1000;
	if (enter(1, 2, 3, 2, 5, 6, &inner) != -1000 - (int)inner.user_data || inner.function != 4)
		return -1;
	return -1000 - (int)run->user_data;
}

/* Proves: B-26 */
TEST(vdso_handler, may_call_the_vdso_again)
{
	start(eexit);
	play_run.user_handler = (uint64_t)nesting_handler;
	play_run.user_data = 20;
	depth_reached = 0;
	play();
	EXPECT_EQ(play_out.r.rax, (uint32_t)-1020);
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	EXPECT_EQ(depth_reached, 21);
	EXPECT_EQ(play_engine_calls, 21);
}
