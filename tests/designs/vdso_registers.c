/* SPDX-License-Identifier: BSD-2-Clause */
/* The vDSO function, in the version at hand: what passes through it, and what it returns (C.3, B). */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/vdso_call.h"
#include "harness.h"

#include <stdlib.h>

#define DF	0x400
static const uint64_t zero[16];

/* RSI: two struct play_regs, what the enclave got and what it is to leave. All but RAX, RBX, RCX, RSP and RBP. */
SNIPPET(snip_registers,
	"mov %rax, (%rsi); mov %rcx, 8(%rsi); mov %rdx, 16(%rsi); mov %rbx, 24(%rsi); mov %rsp, 32(%rsi);"
	"mov %rbp, 40(%rsi); mov %rsi, 48(%rsi); mov %rdi, 56(%rsi); mov %r8, 64(%rsi); mov %r9, 72(%rsi);"
	"mov %r10, 80(%rsi); mov %r11, 88(%rsi); mov %r12, 96(%rsi); mov %r13, 104(%rsi); mov %r14, 112(%rsi);"
	"mov %r15, 120(%rsi); fxsave64 144(%rsi); push %r9; push %rcx; add $656, %rsi; fxrstor64 144(%rsi);"
	"mov 16(%rsi), %rdx; mov 56(%rsi), %rdi; mov 64(%rsi), %r8; mov 72(%rsi), %r9; mov 80(%rsi), %r10;"
	"mov 88(%rsi), %r11; mov 96(%rsi), %r12; mov 104(%rsi), %r13; mov 112(%rsi), %r14; mov 120(%rsi), %r15;"
	"mov 48(%rsi), %rsi; std; pop %rbx; mov $4, %eax; ret");
static struct play_regs area[2];
_Static_assert(sizeof(area[0]) == 656, "snip_registers");

/* The same registers, not zero, and then an exception; resumed behind it, it counts and leaves. */
SNIPPET(snip_dirty, "mov $0x1111, %r12; mov %r12, %r13; mov %r12, %r14; mov %r12, %r15; mov %r12, %r8; mov %r12, %r9;"
	"mov %r12, %r10; mov %r12, %r11; movq %r12, %xmm7; movq %r12, %xmm15; ud2");
SNIPPET(snip_count, "incq (%rsi);" DV_LEAVE);
SNIPPET(snip_resumed, "ud2; incq (%rsi); mov %r12, 8(%rsi); mov %r15, 16(%rsi);" DV_LEAVE);

static void randomise(struct play_regs *regs, unsigned seed)
{
	uint64_t *r = (uint64_t *)&regs->r;
	unsigned i;

	for (i = 0; i < 16; i++)
		r[i] = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (i + 3) * UINT64_C(0xc2b2ae3d27d4eb4f);
	__asm__ volatile("fxsave64 %0" : "=m"(regs->fx));
	for (i = 0; i < 256; i++)
		regs->fx[X86_XSAVE_XMM0 + i] = (uint8_t)(i * 7 + seed);
}

/* Proves: C3-1, C3-3, C3-10 */
TEST(vdso_registers, all_pass_both_ways)
{
	unsigned round;

	if (!dv_ready())
		return;
	for (round = 0; round < 150; round++) {		/* beyond the point where hot sites are patched */
		memset(area, 0, sizeof(area));
		DV_START(snip_registers, area);
		randomise(&area[1], round);
		play_in.r.r10 ^= round, play_in.r.r8 ^= round, play_in.r.r15 ^= round;
		play_in.fx[X86_XSAVE_XMM0] = (uint8_t)round;
		play();
		EXPECT_EEXIT();
		EXPECT_EQ(area[0].r.rax, 0);		/* CSSA */
		EXPECT_EQ(area[0].r.rbx, dv_te.tcs[0]);
		EXPECT_EQ(area[0].r.rcx, dv_address(dv_info->eexit_pad));
		EXPECT_EQ(area[0].r.rsp, play_call_stack - (play_version == VDSO_V28 ? 16 : 24));
		EXPECT_EQ(area[0].r.rbp, play_call_stack - 16);
		EXPECT_EQ(area[0].r.rdx, play_in.r.rdx);
		EXPECT_EQ(area[0].r.rsi, play_in.r.rsi);
		EXPECT_EQ(area[0].r.rdi, play_in.r.rdi);
		EXPECT_MEMEQ(&area[0].r.r8, &play_in.r.r8, 8 * 8);
		EXPECT_MEMEQ(area[0].fx, play_in.fx, PLAY_FX_SIZE);

		EXPECT_EQ(play_out.r.rdx, area[1].r.rdx);
		EXPECT_EQ(play_out.r.rsi, area[1].r.rsi);
		EXPECT_EQ(play_out.r.rdi, area[1].r.rdi);
		EXPECT_MEMEQ(&play_out.r.r8, &area[1].r.r8, 8 * 8);
		EXPECT_MEMEQ(play_out.fx, area[1].fx, PLAY_FX_SIZE);
		EXPECT_EQ(play_out.r.rcx, dv_address(dv_info->enclu));
		EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
		EXPECT_EQ(play_out.r.rsp, play_call_stack);
		EXPECT_EQ(play_out.r.rflags & DF, DF);
		EXPECT_EQ(play_out.r.rbx, play_version == VDSO_V28 ? dv_address(dv_info->eexit_pad) : play_in.r.rbx);
	}
}

/* Proves: C3-1, C3-3 */
TEST(vdso_registers, leaves_0_1_4_are_refused_and_nothing_is_entered)
{
	static const uint64_t bad[] = { 0, 1, 4, 5, 0x80000002, 0xffffffff };
	uint64_t counter[4] = { 0 };
	unsigned i;

	if (!dv_ready())
		return;
	for (i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		DV_START(snip_count, counter);
		play_set_handler((uint64_t)play_handler);
		play_leaf(bad[i / 2]);
		if (i % 2)
			memset(play_stack, 0, sizeof(play_stack));	/* before anything else is looked at */
		play();
		EXPECT_EQ(play_out.r.rax, 0xffffffea);
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
		EXPECT_EQ(play_handler_calls, 0);
		EXPECT_EQ(counter[0], 0);
	}
	DV_START(snip_count, counter);
	if (play_version == VDSO_V28)
		play_in.r.rcx = 4;			/* the other register in which the leaf could be */
	else
		play_in.r.rax = 4;
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(counter[0], 1);
}

/* Proves: C3-2, C3-3, C3-5, C3-12 */
TEST(vdso_registers, exception_leaves_the_synthetic_state)
{
	if (!dv_ready())
		return;
	DV_START(snip_dirty, 0);
	play();
	EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	EXPECT_MEMEQ(&play_out.r.r8, zero, 8 * 8);	/* R12 to R15 too: a caller in C has lost them */
	EXPECT_EQ(play_out.r.rdi, UD);
	EXPECT_EQ(play_out.r.rsi, 0);
	EXPECT_EQ(play_out.r.rdx, 0);
	EXPECT_EQ(*(uint32_t *)(play_out.fx + X86_XSAVE_MXCSR), 0x1fb0);
	EXPECT_MEMEQ(play_out.fx + X86_XSAVE_XMM0 + 7 * 16, zero, 16);
	EXPECT_MEMEQ(play_out.fx + X86_XSAVE_XMM0 + 15 * 16, zero, 16);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rsp, play_call_stack);
	EXPECT_EQ(play_out.r.rbx, play_version == VDSO_V28 ? dv_te.tcs[0] : play_in.r.rbx);
	dv_leave();
}

/* Proves: C3-2 */
TEST(vdso_registers, exception_struct_is_optional)
{
	if (!dv_ready())
		return;
	if (dv_has_run())
		return;					/* it is part of run */
	DV_START(snip_dirty, 0);
	play_stack[1] = 0;
	play();
	EXPECT_EQ(play_out.r.rax, 0xfffffff2);
	EXPECT_EQ(play_out.r.rdi, UD);
	EXPECT_EQ(play_e.leaf, 0);
	dv_leave();
}

/* Proves: C3-2, C3-15 */
TEST(vdso_registers, nothing_but_the_exits_fields_is_written)
{
	const bool run38 = play_version == VDSO_V38;
	uint8_t before[256];
	unsigned pass;

	if (!dv_ready())
		return;
	for (pass = 0; pass < 2; pass++) {		/* registers come in registers: there is no block of them */
		uint64_t counter[4] = { 0 };
		uint8_t *bytes = run38 ? (uint8_t *)&play_run38 : play_version == VDSO_UPSTREAM ?
				 (uint8_t *)&play_run : (uint8_t *)&play_e;
		size_t size = bytes == (uint8_t *)&play_e ? sizeof(play_e) : sizeof(play_run);
		size_t i, changed = 0;

		if (pass)
			DV_START(snip_dirty, 0);
		else
			DV_START(snip_count, counter);
		memset(play_run38.pad, 0xa5, sizeof(play_run38.pad));
		play_run38.exit_reason = 0xa5a5a5a5;
		play_run.function = 0xa5a5a5a5;
		play_run.exception_vector = play_run.exception_error_code = 0xa5a5;
		play_run.exception_addr = 0xa5a5a5a5a5a5a5a5;
		memset(&play_e, 0xa5, sizeof(play_e));
		memcpy(before, bytes, size);
		play();
		for (i = 0; i < size; i++)
			changed += bytes[i] != before[i];
		/* leaf 4, vector 2, error code 2, address 8; v38: its reason besides. */
		EXPECT_EQ(changed, pass ? 16 + 4 * run38 : play_version == VDSO_UPSTREAM || run38 ? 4 : 0);
		if (pass)
			dv_leave();
	}
}

static struct play_regs at_handler;
static uint64_t handler_stack[4];

static void record(struct play_regs *regs)
{
	at_handler = *regs;
	memcpy(handler_stack, (const void *)regs->r.rsp, sizeof(handler_stack));
	regs->r.rax = 77 | 0x80000000;			/* negative: returned */
}

static void expect_handler(bool excepted)
{
	EXPECT_EQ(play_handler_calls, 1);
	EXPECT_EQ((at_handler.r.rsp + 8) % 16, 0);
	EXPECT_EQ(at_handler.r.rbp, play_call_stack - 16);
	EXPECT_EQ(at_handler.r.rflags & DF, 0);
	EXPECT_EQ(at_handler.r.rcx, play_call_stack - (play_version == VDSO_V28 ? 16 : 24));
	EXPECT_EQ(at_handler.r.rbx, play_version == VDSO_V28 ? at_handler.r.rcx : at_handler.r.rcx & 15);
	EXPECT_TRUE(handler_stack[0] - dv_address(dv_info->exception_pad) < 256);
	if (play_version == VDSO_V38) {
		EXPECT_EQ(handler_stack[1], (uint64_t)&play_run38);
	} else if (play_version == VDSO_UPSTREAM) {
		EXPECT_EQ(handler_stack[1], (uint64_t)&play_run);
	} else {
		EXPECT_EQ(handler_stack[1], dv_te.tcs[0]);
		EXPECT_EQ((uint32_t)handler_stack[2], excepted ? 0xfffffff2 : 0);
		EXPECT_EQ(handler_stack[3], (uint64_t)&play_e);
	}
	EXPECT_EQ(play_out.r.rax, 77 | 0x80000000);	/* not 0, and not -14 */
	EXPECT_EQ(dv_exit().exception, excepted);
}

/* Proves: C3-4, C3-5, C3-7, C3-10, C3-13 */
TEST(vdso_registers, handler_gets_what_the_enclave_left)
{
	if (!dv_ready())
		return;
	DV_START(snip_registers, area);
	randomise(&area[1], 99);
	play_set_handler((uint64_t)play_handler);
	play_handler_script = record;
	play();
	expect_handler(false);
	EXPECT_EQ(at_handler.r.rdi, area[1].r.rdi);
	EXPECT_EQ(at_handler.r.rsi, area[1].r.rsi);
	EXPECT_EQ(at_handler.r.rdx, area[1].r.rdx);
	EXPECT_MEMEQ(&at_handler.r.r8, &area[1].r.r8, 8 * 8);
	EXPECT_MEMEQ(at_handler.fx, area[1].fx, PLAY_FX_SIZE);
}

/* Proves: C3-3, C3-4, C3-5, C3-7 */
TEST(vdso_registers, handler_gets_the_exception_and_decides_the_result)
{
	if (!dv_ready())
		return;
	DV_START(snip_dirty, 0);
	play_set_handler((uint64_t)play_handler);
	play_handler_script = record;
	play_in.r.rflags |= DF;
	play();
	expect_handler(true);
	EXPECT_EQ(at_handler.r.rdi, UD);
	EXPECT_EQ(at_handler.r.rsi, 0);
	EXPECT_EQ(at_handler.r.rdx, 0);
	EXPECT_MEMEQ(&at_handler.r.r8, zero, 8 * 8);
	dv_leave();
}

static uint64_t counter[4], args[2];

/*
 * Exception: enter the same TCS (CSSA 1), whose handler adds args[1] to the word at args[0], the saved RIP. That has
 * left: resume. What was interrupted has left: return.
 */
static void two_phases(struct play_regs *regs)
{
	static const uint64_t next[] = { EENTER, ERESUME, 0 };

	regs->r.rax = next[play_handler_calls - 1];
	if (play_handler_calls == 1) {
		EXPECT_EQ(regs->r.rdi, UD);
		EXPECT_TRUE(dv_exit().exception);
		regs->r.rdi = TE_NOP;
		regs->r.rsi = (uint64_t)args;
		regs->r.r12 = 0x1212;			/* nobody's: the resumed code has its own again */
	}
}

/* Proves: C3-4, C3-10 */
TEST(vdso_registers, handler_enters_again_and_resumes)
{
	unsigned i;

	if (!dv_ready())
		return;
	memset(counter, 0, sizeof(counter));
	args[0] = te_gpr(&dv_te, 0, 0) + offsetof(struct sgx_gprsgx, rip);
	args[1] = 2;					/* UD2 */
	for (i = 1; i <= 100; i++) {
		DV_START(snip_resumed, counter);
		play_set_handler((uint64_t)play_handler);
		play_handler_script = two_phases;
		play();
		EXPECT_EQ(play_out.r.rax, 0);
		EXPECT_EQ(play_handler_calls, 3);
		EXPECT_EQ(counter[0], i);
		EXPECT_EQ(counter[1], play_in.r.r12);
		EXPECT_EQ(counter[2], play_in.r.r15);
		if (!dv_has_run())
			EXPECT_EQ(play_e.leaf, ERESUME);	/* stale after the two EEXITs (C3-2) */
		else
			EXPECT_TRUE(!dv_exit().exception);
	}
}

/* Proves: C3-1 */
TEST(vdso_registers, image_is_the_version_that_was_asked_for)
{
	static const char *const names[] = { "upstream", "vdso-v28", "vdso-v36", "vdso-v38", "signals" };
	const char *asked = getenv("DESIGNS_DELIVERY");

	if (!dv_ready())
		return;
	ASSERT_TRUE(asked);
	EXPECT_EQ(strcmp(names[play_version], asked), 0);
	EXPECT_EQ(vdso_symbol(play_current, "__vdso_sgx_enter_enclave"), dv_address(dv_info->enter));
	EXPECT_MEMEQ((const void *)dv_address(dv_info->enclu), "\x0f\x01\xd7", 3);
}
