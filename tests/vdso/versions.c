/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave of v28, v36 and v38 (C.3): each test is run on all three. */
#define _GNU_SOURCE
#include "harness.h"
#include "play.h"

#include <setjmp.h>
#include <sys/mman.h>

#define EINVAL_RAX	UINT64_C(0xFFFFFFEA)
#define EFAULT_RAX	UINT64_C(0xFFFFFFF2)
#define ALL(body)	play_each(VDSO_V28, body)

static struct play_regs at_entry[4], at_exit, at_handler;
static uint64_t handler_result[4], handler_stack[4], exit_rsp_offset;
static void (*at_exit_hook)(struct play_regs *regs);

static void record_entry(const struct play_regs *regs)
{
	if (play_engine_calls <= 4)
		at_entry[play_engine_calls - 1] = *regs;
}

static void leave(struct play_regs *regs)
{
	regs->r.rsp -= exit_rsp_offset;
	if (at_exit_hook)
		at_exit_hook(regs);
	at_exit = *regs;
}

static void eexit(struct play_regs *regs)
{
	record_entry(regs);
	play_eexit(regs);
	leave(regs);
}

static void exception(struct play_regs *regs)
{
	record_entry(regs);
	play_exception(regs);
	leave(regs);
}

/* Returns the results in handler_result, one a call. */
static void handler(struct play_regs *regs)
{
	at_handler = *regs;
	memcpy(handler_stack, (const void *)regs->r.rsp, sizeof(handler_stack));
	regs->r.rax = handler_result[play_handler_calls - 1];
}

static void start(play_script engine)
{
	play_start();
	memset(handler_result, 0, sizeof(handler_result));
	exit_rsp_offset = 0;
	at_exit_hook = NULL;
	play_engine_script = engine;
	play_handler_script = handler;
}

static void start_with_handler(play_script engine)
{
	start(engine);
	play_set_handler((uint64_t)play_handler);
}

static bool keeps_rbx(void)
{
	return play_version != VDSO_V28;
}

static bool has_run(void)
{
	return play_version == VDSO_V38;
}

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

static void new_registers(struct play_regs *regs)
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

static void handler_arguments(void)
{
	unsigned i;

	for (i = 0; i < 2 * 48; i++) {
		bool excepted = i & 1;

		start_with_handler(excepted ? exception : eexit);
		if (!excepted)
			at_exit_hook = new_registers;
		exit_rsp_offset = i / 2;
		play();
		EXPECT_EQ(play_handler_calls, 1);
		EXPECT_EQ(at_handler.r.rdi, at_exit.r.rdi);
		EXPECT_EQ(at_handler.r.rsi, at_exit.r.rsi);
		EXPECT_EQ(at_handler.r.rdx, at_exit.r.rdx);
		EXPECT_EQ(at_handler.r.rcx, at_exit.r.rsp);
		EXPECT_MEMEQ(&at_handler.r.r8, &at_exit.r.r8, 8 * 8);
		EXPECT_MEMEQ(at_handler.fx, at_exit.fx, PLAY_FX_SIZE);
		EXPECT_EQ(at_handler.r.rbp, at_exit.r.rbp);
		EXPECT_EQ(at_handler.r.rbx, keeps_rbx() ? at_exit.r.rsp & 15 : at_exit.r.rsp);
		EXPECT_EQ((at_handler.r.rsp + 8) % 16, 0);
		EXPECT_EQ(at_handler.r.rflags & X86_FLAGS_DF, 0);
		EXPECT_TRUE(handler_stack[0] - play_address(play_current, vdso_info(play_current)->enter) < 256);
		if (has_run()) {
			EXPECT_EQ(handler_stack[1], (uint64_t)&play_run38);
			EXPECT_EQ(play_run38.exit_reason, excepted);
		} else {
			EXPECT_EQ(handler_stack[1], PLAY_TCS);
			EXPECT_EQ((uint32_t)handler_stack[2], (uint32_t)(excepted ? -14 : 0));
			EXPECT_EQ(handler_stack[3], (uint64_t)&play_e);
			EXPECT_EQ(play_e.leaf, excepted ? 2 : 0);
		}
		EXPECT_EQ(play_out.r.rax, 0);		/* the handler's result, also in place of -14 */
	}
}

/* Proves: C3-3, C3-4, C3-5, C3-7, C3-10, C3-13 */
TEST(vdso_versions, handler_gets_registers_arguments_and_an_aligned_stack)
{
	ALL(handler_arguments);
}

static void handler_results(void)
{
	static const struct { uint64_t rax, returned; } end[] = {
		{ 0, 0 }, { 0xffffffff, 0xffffffff }, { (uint64_t)-5, 0xfffffffb }, { 0x80000000, 0x80000000 },
		{ 0x0000000180000001, 0x80000001 }, { 0x1200000000, 0 },
	};
	static const uint64_t bad[] = { 1, 4, 5, 0x7fffffff, 0x102 };
	unsigned i;

	for (i = 0; i < sizeof(end) / sizeof(end[0]); i++) {
		start_with_handler(i % 2 ? eexit : exception);
		handler_result[0] = end[i].rax;
		play();
		EXPECT_EQ(play_out.r.rax, end[i].returned);
		EXPECT_EQ(play_handler_calls, 1);
		EXPECT_EQ(play_engine_calls, 1);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start_with_handler(i % 2 ? eexit : exception);
		handler_result[0] = bad[i];
		play();
		EXPECT_EQ(play_out.r.rax, EINVAL_RAX);
		EXPECT_EQ(play_engine_calls, 1);
	}
	start_with_handler(eexit);
	handler_result[0] = 3;
	handler_result[1] = 0xffffffff00000002;
	play();
	EXPECT_EQ(play_engine_calls, 3);
	EXPECT_EQ(at_entry[0].r.rax, 2);
	EXPECT_EQ(at_entry[1].r.rax, 3);
	EXPECT_EQ(at_entry[2].r.rax, 2);
	EXPECT_EQ(at_entry[2].r.rbx, PLAY_TCS);
	EXPECT_EQ(at_entry[2].r.rcx, at_entry[0].r.rcx);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
}

/* Proves: C3-4 */
TEST(vdso_versions, handlers_result_is_the_next_leaf_or_returned)
{
	ALL(handler_results);
}

static void stack_put_back(void)
{
	for (unsigned offset = 0; offset < 48; offset++) {
		start_with_handler(eexit);
		exit_rsp_offset = offset;
		handler_result[0] = 2;
		play();
		EXPECT_EQ(at_entry[1].r.rsp, at_entry[0].r.rsp - offset);
		EXPECT_EQ(at_exit.r.rsp, at_entry[0].r.rsp - 2 * offset);
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	}
}

/* Proves: C3-14 */
TEST(vdso_versions, next_entry_has_the_stack_of_the_exit)
{
	ALL(stack_put_back);
}

static void handler_pops(struct play_regs *regs)
{
	handler(regs);
	if (play_handler_calls > 1)
		return;
	if (play_version == VDSO_V28) {
		regs->r.rbx += 32;
	} else {
		memmove((void *)(regs->r.rsp + 32), (void *)regs->r.rsp, 8);
		regs->r.rsp += 32;
	}
}

static void leave_once_lower(struct play_regs *regs)
{
	if (play_engine_calls == 1) {
		regs->r.rsp -= 32;
		memset((void *)regs->r.rsp, 0xab, 32);
	}
}

static void popping(void)
{
	start_with_handler(eexit);
	at_exit_hook = leave_once_lower;
	play_handler_script = handler_pops;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(at_entry[1].r.rsp, at_entry[0].r.rsp);
	EXPECT_EQ(play_out.r.rax, 0);
	if (keeps_rbx())
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
}

/* Proves: C3-5, C3-14 */
TEST(vdso_versions, handler_may_pop_what_the_enclave_pushed)
{
	ALL(popping);
}

/* The RET, and RSP in another place: v28 alone does not follow. */
static void handler_moves_rsp(struct play_regs *regs)
{
	handler(regs);
	memmove((void *)(regs->r.rsp - 64), (void *)regs->r.rsp, 8);
	regs->r.rsp -= 64;
}

static void moved_rsp(void)
{
	start_with_handler(eexit);
	play_handler_script = handler_moves_rsp;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(at_entry[1].r.rsp, at_entry[0].r.rsp - (play_version == VDSO_V28 ? 0 : 64));
}

/* Proves: C3-5 */
TEST(vdso_versions, only_v28_takes_the_stack_from_rbx)
{
	ALL(moved_rsp);
}

static void handler_changes_registers(struct play_regs *regs)
{
	handler(regs);
	new_registers(regs);
	regs->r.rflags &= ~(uint64_t)X86_FLAGS_DF;
	at_handler = *regs;
}

static void handler_to_enclave(void)
{
	start_with_handler(exception);
	play_handler_script = handler_changes_registers;
	handler_result[0] = 2;
	play();
	EXPECT_EQ(at_entry[1].r.rdi, 0xd1d1);
	EXPECT_EQ(at_entry[1].r.rsi, 0x5050);
	EXPECT_EQ(at_entry[1].r.rdx, 0xd0d0);
	EXPECT_MEMEQ(&at_entry[1].r.r8, &at_handler.r.r8, 8 * 8);
	EXPECT_MEMEQ(at_entry[1].fx, at_handler.fx, PLAY_FX_SIZE);
	EXPECT_EQ(at_entry[1].r.rbp, at_entry[0].r.rbp);
}

/* Proves: C3-10, C3-11 */
TEST(vdso_versions, handlers_registers_go_to_the_enclave)
{
	ALL(handler_to_enclave);
}

/* A handler at an address whose low half is zero: jmp *0(%rip). */
static void round_address(void)
{
	uint8_t *code = mmap((void *)0x2500000000, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	const uint64_t target = (uint64_t)play_handler;

	ASSERT_EQ(code, 0x2500000000);
	memcpy(code, "\xff\x25\0\0\0\0", 6);
	memcpy(code + 6, &target, 8);
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	start(eexit);
	play_set_handler((uint64_t)code);
	play();
	EXPECT_EQ(play_handler_calls, 1);
	munmap(code, 4096);
}

/* Proves: C3-6 */
TEST(vdso_versions, handler_with_a_low_half_of_zero_is_called)
{
	ALL(round_address);
}

static void no_indirect_call(void)
{
	const struct vdso_info *info;
	unsigned i, calls = 0, retpolines = 0;

	start(eexit);
	info = vdso_info(play_current);
	for (i = info->enter; i + 12 <= info->enter_end; i++) {
		calls += play_current[i] == 0xff && (play_current[i + 1] & 0xf8) == 0xd0;
		retpolines += !memcmp(play_current + i, "\xf3\x90\x0f\xae\xe8\xeb\xf9\x48\x89\x04\x24\xc3", 12);
	}
	EXPECT_EQ(calls, 0);
	EXPECT_EQ(retpolines, 1);
}

/* Proves: C3-7 */
TEST(vdso_versions, handler_is_called_through_a_retpoline)
{
	ALL(no_indirect_call);
}

static jmp_buf left;

static int handler_that_leaves(void)
{
	longjmp(left, 7);
}

static void leaving(void)
{
	volatile int result, round;

	for (round = 0; round < 3; round++) {
		start(round % 2 ? eexit : exception);
		play_set_handler((uint64_t)handler_that_leaves);
		result = setjmp(left);
		if (!result)
			play();
		EXPECT_EQ(result, 7);
		EXPECT_EQ(play_engine_calls, 1);
	}
}

/* Proves: C3-12 */
TEST(vdso_versions, handler_may_leave_by_longjmp)
{
	ALL(leaving);
}

/* In C, with every argument in its place; user_data counts down the depth of v38's recursion. */
static unsigned depth_reached;

static int handler36(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *tcs, int ret,
		     struct sgx_enclave_exception *e)
{
	depth_reached++;
	if (rdi != 1 || rsi != 2 || rdx != 3 || r8 != 5 || r9 != 6 || ret || tcs != (void *)0x7002000)
		return -1;
	return ursp && e == &play_e ? -77 : -2;
}

static int handler38(long rdi, long rsi, long rdx, long ursp, long r8, long r9, struct sgx_enclave_run_v38 *run)
{
	vdso_sgx_enter_enclave_v38_t enter =
		(vdso_sgx_enter_enclave_v38_t)vdso_symbol(play_current, "__vdso_sgx_enter_enclave");
	struct sgx_enclave_run_v38 inner = {
		.tcs = run->tcs, .user_handler = (uint64_t)handler38, .user_data = run->user_data - 1,
	};

	depth_reached++;
	if (rdi != 1 || rsi != 2 || rdx != 3 || r8 != 5 || r9 != 6 || !ursp)
		return -1;
	if (run->user_data && enter(1, 2, 3, 2, 5, 6, &inner) != -1000 - (int)inner.user_data)
		return -2;
	return -1000 - (int)run->user_data;
}

static void called_from_c(void)
{
	const void *function;

	start(eexit);
	depth_reached = 0;
	function = (const void *)vdso_symbol(play_current, "__vdso_sgx_enter_enclave");
	if (has_run()) {
		play_run38.user_handler = (uint64_t)handler38;
		play_run38.user_data = 20;
		EXPECT_EQ(((vdso_sgx_enter_enclave_v38_t)function)(1, 2, 3, 2, 5, 6, &play_run38), -1020);
		EXPECT_EQ(depth_reached, 21);
		EXPECT_EQ(play_run38.user_data, 20);
	} else {
		EXPECT_EQ(((vdso_sgx_enter_enclave_v36_t)function)(1, 2, 3, 2, 5, 6, (void *)0x7002000, &play_e,
								  handler36), -77);
		EXPECT_EQ(depth_reached, 1);
		EXPECT_EQ(at_entry[0].r.rbx, 0x7002000);
	}
}

/* Proves: C3-11, C3-13 */
TEST(vdso_versions, v36_and_v38_are_called_from_c)
{
	play_each(VDSO_V36, called_from_c);
}
