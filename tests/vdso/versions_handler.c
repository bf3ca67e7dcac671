/* SPDX-License-Identifier: BSD-2-Clause */
/* __vdso_sgx_enter_enclave of v28, v36 and v38 (C.3): the handler, on all three. */
#define _GNU_SOURCE
#include "harness.h"
#include "versions.h"

#include <setjmp.h>
#include <sys/mman.h>

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
	uint8_t *code = mmap((void *)0x200000000000, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	const uint64_t target = (uint64_t)play_handler;

	ASSERT_EQ(code, 0x200000000000);
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
