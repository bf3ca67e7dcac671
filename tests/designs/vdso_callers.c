/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may call the vDSO function, and what its handlers may do (C3-10 to C3-14), in the version at hand. */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#include <unwind.h>

#define CANARIES	"mov $0x2222, %ebx; mov $0x3333, %r12d; mov %r12, %r13; mov %r12, %r14; mov %r12, %r15;"

/* An enclave that keeps to the ABI: what it needs of the callee-saved registers it puts back. */
SNIPPET(snip_polite, "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15;" CANARIES "mov $0x4444, %ebp;"
	"incq (%rsi); pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx;" DV_LEAVE);
/* One that does not: only RBP and RSP come back. */
SNIPPET(snip_rude, CANARIES "incq (%rsi);" DV_LEAVE);
SNIPPET(snip_ud2, "incq (%rsi);" CANARIES "ud2");
SNIPPET(snip_values, "incq (%rsi); mov $1, %edi; mov $2, %esi; mov $3, %edx; mov $5, %r8d; mov $6, %r10d;"
	"xchg %r10, %r9; mov $4, %eax; mov %rcx, %rbx; jmp *%r10");

static uint64_t counter[8];
static struct dv_any call;
static uint64_t result;

#define START(name) do { DV_START(name, counter); call = dv_any(); } while (0)

static void set_handler(void *handler)
{
	play_set_handler((uint64_t)handler);
	call = dv_any();
}

static void in_c(void)
{
	result = dv_call(&call);
}

static void with_wrapper(void)
{
	result = dv_saving_call(&call);
}

/* play_call() of a function in C: are its caller's registers intact? */
static void expect_callee_saved(void)
{
	EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rsp, play_call_stack);
	EXPECT_MEMEQ(&play_out.r.r12, &play_in.r.r12, 4 * 8);
}

/* Proves: C3-11, C3-1 */
TEST(vdso_callers, c_calls_an_enclave_that_keeps_the_abi)
{
	unsigned i;

	if (!dv_ready())
		return;
	memset(counter, 0, sizeof(counter));
	for (i = 1; i <= 200; i++) {
		START(snip_polite);
		play_call(in_c);			/* v28's words in between: dv_call28 */
		expect_callee_saved();
		EXPECT_EQ(result, 0);
		EXPECT_EQ(counter[0], i);
		EXPECT_TRUE(!dv_exit().exception);
	}
}

/* A handler in assembly that knows what C's registers were, and puts them there. */
void repairing_handler(void);
__asm__(".text; repairing_handler: mov play_in+96(%rip), %r12; mov play_in+104(%rip), %r13;"
	"mov play_in+112(%rip), %r14; mov play_in+120(%rip), %r15; xor %eax, %eax; ret");

/* Proves: C3-11 */
TEST(vdso_callers, handler_repairs_what_the_enclave_or_the_exception_broke)
{
	if (!dv_ready())
		return;
	START(snip_rude);
	play_set_handler((uint64_t)repairing_handler);
	play();
	EXPECT_EEXIT();
	EXPECT_MEMEQ(&play_out.r.r12, &play_in.r.r12, 4 * 8);
	START(snip_ud2);
	play_set_handler((uint64_t)repairing_handler);
	play();
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_TRUE(dv_exit().exception);
	EXPECT_MEMEQ(&play_out.r.r12, &play_in.r.r12, 4 * 8);
	dv_leave();
	START(snip_rude);				/* nobody does */
	play();
	EXPECT_EQ(play_out.r.r12, 0x3333);
	EXPECT_EQ(play_out.r.r15, 0x3333);
}

/* Proves: C3-12 */
TEST(vdso_callers, wrapper_that_saves_survives_exceptions_and_any_enclave)
{
	if (!dv_ready())
		return;
	START(snip_rude);
	play_call(with_wrapper);
	expect_callee_saved();
	EXPECT_EQ(result, 0);
	START(snip_ud2);
	play_call(with_wrapper);
	expect_callee_saved();
	EXPECT_EQ(result, dv_result());
	EXPECT_EQ(dv_exit().vector, UD);
	EXPECT_EQ(*(uint32_t *)(play_out.fx + X86_XSAVE_MXCSR), *(uint32_t *)(play_in.fx + X86_XSAVE_MXCSR));
	dv_leave();
}

static void escaping(void)
{
	result = dv_escaping_call(&call);
}

/* Proves: C3-12 */
TEST(vdso_callers, handler_in_assembly_never_returns)
{
	unsigned i;

	if (!dv_ready())
		return;
	for (i = 0; i < 100; i++) {
		START(snip_rude);
		set_handler(dv_escape);
		play_call(escaping);
		expect_callee_saved();
		EXPECT_EQ(result, 1);
		EXPECT_EQ(dv_escaped[1], (uint64_t)counter);	/* RSI as the enclave left it */
	}
	START(snip_ud2);
	set_handler(dv_escape);
	play_call(escaping);
	expect_callee_saved();
	EXPECT_EQ(result, 1);
	EXPECT_EQ(dv_escaped[0], UD);
	EXPECT_EQ(dv_escaped[1] | dv_escaped[2], 0);
	dv_leave();
	START(snip_polite);
	play_call(escaping);				/* no handler: it returns */
	expect_callee_saved();
	EXPECT_EQ(result, 0);
}

static jmp_buf landing;

static int jumping_handler(void)
{
	longjmp(landing, 1);
}

static void with_longjmp(void)
{
	result = setjmp(landing);
	if (!result)
		dv_call(&call);
}

/* Proves: C3-12 */
TEST(vdso_callers, handler_leaves_by_longjmp)
{
	unsigned i;

	if (!dv_ready())
		return;
	for (i = 0; i < 100; i++) {
		START(snip_rude);
		set_handler(jumping_handler);
		play_call(with_longjmp);
		expect_callee_saved();
		EXPECT_EQ(result, 1);
	}
	START(snip_ud2);
	set_handler(jumping_handler);
	play_call(with_longjmp);
	expect_callee_saved();
	EXPECT_EQ(result, 1);
	EXPECT_EQ(dv_exit().vector, UD);
	dv_leave();
}

/* What handlers in C see. */
static struct {
	uint64_t rdi, rsi, rdx, ursp, r8, r9;
	void *tcs, *e, *run;
	int ret;
	unsigned count;
} seen;

static int handler28(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *tcs, int ret,
		     struct sgx_enclave_exception *e)
{
	__typeof__(seen) now = { rdi, rsi, rdx, ursp, r8, r9, tcs, e, NULL, ret, seen.count + 1 };

	seen = now;
	return -33;
}

static int handler38(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *run)
{
	__typeof__(seen) now = { rdi, rsi, rdx, ursp, r8, r9, NULL, NULL, run, 0, seen.count + 1 };

	seen = now;
	return -33;
}

/* Proves: C3-4, C3-13 */
TEST(vdso_callers, registers_go_to_the_handler_and_a_number_to_the_caller)
{
	if (!dv_ready())
		return;
	memset(&seen, 0, sizeof(seen));
	START(snip_values);
	play_run.user_data = play_run38.user_data = (uint64_t)&seen;
	set_handler(dv_has_run() ? (void *)handler38 : (void *)handler28);
	play_call(in_c);
	expect_callee_saved();
	EXPECT_EQ(result, (uint32_t)-33);
	EXPECT_EQ(seen.count, 1);
	EXPECT_EQ(seen.rdi, 1);
	EXPECT_EQ(seen.rsi, 2);
	EXPECT_EQ(seen.rdx, 3);
	EXPECT_EQ(seen.r8, 5);
	EXPECT_EQ(seen.r9, 6);
	EXPECT_TRUE(seen.ursp > (uint64_t)play_call_stack - 65536 && seen.ursp < play_call_stack);
	if (dv_has_run()) {			/* the context pointer comes back untouched */
		EXPECT_EQ(seen.run, play_stack[0]);
		EXPECT_EQ(play_version == VDSO_V38 ? ((struct sgx_enclave_run_v38 *)seen.run)->user_data :
			  ((struct sgx_enclave_run *)seen.run)->user_data, (uint64_t)&seen);
	} else {
		EXPECT_EQ(seen.tcs, dv_te.tcs[0]);
		EXPECT_EQ(seen.e, (uint64_t)&play_e);
		EXPECT_EQ(seen.ret, 0);
	}
	START(snip_ud2);
	set_handler(dv_has_run() ? (void *)handler38 : (void *)handler28);
	result = dv_saving_call(&call);
	EXPECT_EQ(result, (uint32_t)-33);
	EXPECT_EQ(seen.rdi, UD);
	EXPECT_EQ(seen.ret, dv_has_run() ? 0 : -14);
	dv_leave();
}

/*
 * An enclave that passes what a call out needs on the untrusted stack, which it thereby allocates: three words at its
 * first entry. Each entry notes its RSP.
 */
SNIPPET(snip_pushes, "mov (%rsi), %rax; mov %rsp, 8(%rsi,%rax,8); incq (%rsi); test %rax, %rax; jnz 1f;"
	"push $0x33; push $0x22; push $0x11; 1:" DV_LEAVE);
/* The same, but it frees them itself when it comes back. */
SNIPPET(snip_pushes_and_pops, "mov (%rsi), %rax; mov %rsp, 8(%rsi,%rax,8); incq (%rsi); test %rax, %rax; jnz 1f;"
	"push $0x33; push $0x22; push $0x11; jmp 2f; 1: add $24, %rsp; mov %rsp, 24(%rsi); 2:" DV_LEAVE);

uint64_t popped[3];
/* Once; then 0. RCX: the enclave's RSP. v28 alone takes RSP from RBX (C3-5), the others from where RSP is (B-22). */
void popping_handler(void);
void popping_handler28(void);
__asm__(".text; popping_handler: cmpq $1, (%rsi); jne 1f; pop %rax; mov (%rcx), %r8; mov %r8, popped(%rip);"
	"mov 8(%rcx), %r8; mov %r8, 8+popped(%rip); mov 16(%rcx), %r8; mov %r8, 16+popped(%rip); add $24, %rsp;"
	"mov $2, %ecx; xchg %rax, %rcx; mov $8, %edi; push %rcx; ret; 1: xor %eax, %eax; ret;"
	"popping_handler28: cmpq $1, (%rsi); jne 1f; mov (%rcx), %r8; mov %r8, popped(%rip);"
	"mov 8(%rcx), %r8; mov %r8, 8+popped(%rip); mov 16(%rcx), %r8; mov %r8, 16+popped(%rip); add $24, %rbx;"
	"mov $2, %eax; ret; 1: xor %eax, %eax; ret");

/* Proves: C3-5, C3-14 */
TEST(vdso_callers, handler_pops_what_the_enclave_pushed_and_enters_again)
{
	if (!dv_ready())
		return;
	memset(counter, 0, sizeof(counter));
	memset(popped, 0, sizeof(popped));
	START(snip_pushes);
	play_set_handler((uint64_t)(play_version == VDSO_V28 ? popping_handler28 : popping_handler));
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(counter[0], 2);
	EXPECT_EQ(counter[2], counter[1]);		/* the second entry has the first one's RSP again */
	EXPECT_EQ(popped[0], 0x11);
	EXPECT_EQ(popped[1], 0x22);
	EXPECT_EQ(popped[2], 0x33);
	if (play_version != VDSO_V28)
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
	EXPECT_EQ(play_out.r.rsp, play_call_stack);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
}

static void enter_once_more(struct play_regs *regs)
{
	const uint64_t *pushed = (const uint64_t *)regs->r.rcx;

	if (play_handler_calls == 1)
		memcpy(popped, pushed, sizeof(popped));
	regs->r.rax = play_handler_calls == 1 ? EENTER : 0;
}

/* Proves: C3-14 */
TEST(vdso_callers, enclave_finds_what_it_pushed_when_it_is_entered_again)
{
	if (!dv_ready())
		return;
	memset(counter, 0, sizeof(counter));
	memset(popped, 0, sizeof(popped));
	START(snip_pushes_and_pops);
	play_set_handler((uint64_t)play_handler);
	play_handler_script = enter_once_more;
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(counter[0], 2);
	EXPECT_EQ(counter[2], counter[1] - 24);
	EXPECT_EQ(counter[3], counter[1]);
	EXPECT_EQ(popped[0], 0x11);
	EXPECT_EQ(popped[2], 0x33);
	if (play_version != VDSO_V28)
		EXPECT_EQ(play_out.r.rbx, play_in.r.rbx);
}

/* Proves: C3-14 */
TEST(vdso_callers, rbp_alone_finds_the_way_back)
{
	if (!dv_ready())
		return;
	memset(counter, 0, sizeof(counter));
	START(snip_pushes);				/* no handler: RSP stays wrong */
	play();
	EXPECT_EEXIT();
	EXPECT_EQ(play_out.r.rsp, play_call_stack);
	EXPECT_EQ(play_out.r.rbp, play_in.r.rbp);
	EXPECT_EQ(play_out.r.rbx, play_version == VDSO_V28 ? dv_address(dv_info->eexit_pad) : 0x11);
}

/* Recursion: each level's handler enters the next TCS, whose enclave takes an exception, and so on. */
static unsigned depth;
static uint64_t vectors[4];

static int enter_deeper(void)
{
	struct sgx_enclave_run_v38 inner38 = { .tcs = dv_te.tcs[depth + 1], .user_handler = (uint64_t)enter_deeper };
	struct sgx_enclave_run inner = { .tcs = dv_te.tcs[depth + 1], .user_handler = (uint64_t)enter_deeper };
	struct sgx_enclave_exception e = { 0 };
	struct dv_any a = call;
	unsigned level = depth++;
	uint64_t got;

	if (level == 3)
		return -100;
	a.stack[0] = play_version == VDSO_V38 ? (uint64_t)&inner38 : play_version == VDSO_UPSTREAM ?
		     (uint64_t)&inner : dv_te.tcs[level + 1];
	if (!dv_has_run()) {
		a.stack[1] = (uint64_t)&e;
		a.stack[2] = (uint64_t)enter_deeper;
	}
	got = dv_saving_call(&a);
	vectors[level] = play_version == VDSO_V38 ? inner38.exception.trapnr : play_version == VDSO_UPSTREAM ?
			 inner.exception_vector : e.trapnr;
	return (int)got - 1;
}

/* Proves: C3-10 */
TEST(vdso_callers, handlers_enter_further_enclaves_at_every_level)
{
	unsigned i;

	if (!dv_ready())
		return;
	START(snip_ud2);
	set_handler(enter_deeper);
	depth = 0;
	memset(vectors, 0, sizeof(vectors));
	result = dv_saving_call(&call);
	EXPECT_EQ(result, (uint32_t)-103);
	EXPECT_EQ(depth, 4);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(vectors[i], UD);
	EXPECT_EQ(dv_exit().vector, UD);		/* the outermost one's, intact */
	EXPECT_TRUE(dv_exit().exception);
	te_destroy(&dv_te);				/* four TCSs with a frame each */
	memset(&dv_te, 0, sizeof(dv_te));
}

/* Backtraces from a handler in C: over the image, as the dynamic linker knows it from AT_SYSINFO_EHDR, to main(). */
static struct {
	unsigned frames, image, caller;
} walk;

static void calls_from_here(void);

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
	uint64_t ip = _Unwind_GetIP(context);

	(void)argument;
	walk.frames++;
	if (ip - dv_address(0) < 4096)
		walk.image = walk.frames;
	if (ip - (uint64_t)calls_from_here < 64)
		walk.caller = walk.frames;
	return _URC_NO_REASON;
}

static int walking_handler(void)
{
	_Unwind_Backtrace(visit, NULL);
	return 0;
}

static __attribute__((noinline)) void calls_from_here(void)
{
	result = dv_saving_call(&call);
	__asm__ volatile("" : : : "memory");
}

/* Proves: B-40, C3-14 */
TEST(vdso_callers, backtrace_from_the_handler_reaches_main)
{
	if (!dv_ready())
		return;
	memset(&walk, 0, sizeof(walk));
	memset(counter, 0, sizeof(counter));
	START(snip_pushes);				/* with RSP where the enclave left it */
	set_handler(walking_handler);
	calls_from_here();
	EXPECT_TRUE(walk.image > 1);
	EXPECT_EQ(walk.caller, walk.image + 2);		/* the wrapper is between */
	EXPECT_TRUE(walk.frames > walk.caller + 2);
}
