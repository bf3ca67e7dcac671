/* SPDX-License-Identifier: BSD-2-Clause */
/* Unwinders step through __vdso_sgx_enter_enclave and through the signal restorer (B-40). */
#define _GNU_SOURCE
#include "harness.h"
#include "play.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>
#include <unwind.h>

enum { DWARF_RBX = 3, DWARF_RBP = 6 };

/** struct walk - what a backtrace found. */
struct walk {
	uint64_t vdso_ip;		/* first frame in the image */
	uint64_t caller_ip, caller_rbx, caller_rbp, caller_cfa; /* the frame above it */
	bool next_is_caller, reached_caller;
	unsigned frames;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
	struct walk *walk = argument;
	uint64_t ip = _Unwind_GetIP(context);

	walk->frames++;
	if (walk->next_is_caller) {
		walk->caller_ip = ip;
		walk->caller_rbx = _Unwind_GetGR(context, DWARF_RBX);
		walk->caller_rbp = _Unwind_GetGR(context, DWARF_RBP);
		walk->caller_cfa = _Unwind_GetCFA(context);
		walk->next_is_caller = false;
		walk->reached_caller = true;
	} else if (!walk->vdso_ip && ip - (uint64_t)play_current < 4096) {
		walk->vdso_ip = ip;
		walk->next_is_caller = true;
	}
	return _URC_NO_REASON;
}

static void expect_caller(const struct walk *walk)
{
	EXPECT_TRUE(walk->reached_caller);
	EXPECT_EQ(walk->caller_ip, (uint64_t)play_return_address);
	if (play_version != VDSO_V28)		/* C3-5 */
		EXPECT_EQ(walk->caller_rbx, play_in.r.rbx);
	EXPECT_EQ(walk->caller_rbp, play_in.r.rbp);
	EXPECT_TRUE(walk->frames > 4);	/* it went on, up to main() */
}

static struct walk handler_walk;

static int walking_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)run;
	_Unwind_Backtrace(visit, &handler_walk);
	return 0;
}

static void eexit_with_lower_stack(struct play_regs *regs)
{
	regs->r.rsp -= 4096 + 24;
	play_eexit(regs);
}

static void start(void)
{
	play_start();
	play_current = play_dlopen();
	memset(&handler_walk, 0, sizeof(handler_walk));
}

static void from_the_handler(void)
{
	start();
	play_set_handler((uint64_t)walking_handler);
	play_engine_script = play_eexit;
	play();
	expect_caller(&handler_walk);
}

/* Proves: B-40 */
TEST(vdso_unwind, from_the_handler)
{
	play_each(VDSO_UPSTREAM, from_the_handler);
}

static void from_the_handler_with_lower_stack(void)
{
	start();
	play_set_handler((uint64_t)walking_handler);
	play_engine_script = eexit_with_lower_stack;
	play();
	expect_caller(&handler_walk);
}

/* Proves: B-40, C3-14 */
TEST(vdso_unwind, from_the_handler_whatever_rsp_the_enclave_left)
{
	play_each(VDSO_UPSTREAM, from_the_handler_with_lower_stack);
}

/* Single-step the function; at each of its instructions the unwinder must find the caller. */
static uint8_t stepped[4096];
static unsigned step_failures;

static void on_step(int signal, siginfo_t *info, void *context)
{
	uint64_t ip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	const struct vdso_info *image = vdso_info(play_current);
	struct walk walk = { 0 };

	(void)signal, (void)info;
	if (ip - (uint64_t)play_current < image->enter || ip - (uint64_t)play_current >= image->enter_end)
		return;
	stepped[ip - (uint64_t)play_current] = 1;
	_Unwind_Backtrace(visit, &walk);
	if (walk.vdso_ip != ip || walk.caller_ip != (uint64_t)play_return_address ||
	    (play_version != VDSO_V28 && walk.caller_rbx != play_in.r.rbx) ||
	    walk.caller_rbp != play_in.r.rbp || walk.frames < 5) {
		step_failures++;
		printf("at +0x%llx: caller 0x%llx rbx 0x%llx rbp 0x%llx\n",
		       (unsigned long long)(ip - (uint64_t)play_current - image->enter),
		       (unsigned long long)walk.caller_ip, (unsigned long long)walk.caller_rbx,
		       (unsigned long long)walk.caller_rbp);
	}
}

static int returns_zero(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)run;
	return 0;
}

/* All but the ENCLU, and in the older versions PAUSE, LFENCE and JMP behind a retpoline's CALL. */
static const unsigned instructions[] = { [VDSO_UPSTREAM] = 70, [VDSO_V28] = 43, [VDSO_V36] = 46, [VDSO_V38] = 46 };

static void at_every_instruction(void)
{
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO }, old;
	const struct vdso_info *info;
	unsigned variant, i, count = 0;
	struct walk warm = { 0 };

	start();
	info = vdso_info(play_current);
	memset(stepped, 0, sizeof(stepped));
	step_failures = 0;
	_Unwind_Backtrace(visit, &warm);
	sigaction(SIGTRAP, &action, &old);
	for (variant = 0; variant < 4; variant++) {
		start();
		play_in.r.rflags |= X86_FLAGS_TF;
		play_leaf(variant == 3 ? 7 : 2);
		play_engine_script = variant == 1 ? play_exception : play_eexit;
		play_set_handler(variant == 2 ? (uint64_t)returns_zero : 0);
		play();
	}
	sigaction(SIGTRAP, &old, NULL);
	EXPECT_EQ(step_failures, 0);
	for (i = info->enter; i < info->enter_end; i++)
		count += stepped[i];
	EXPECT_EQ(count, instructions[play_version]);
	EXPECT_TRUE(stepped[info->enter] && stepped[info->gate] && stepped[info->eexit_pad]);
	EXPECT_TRUE(stepped[info->exception_pad]);
}

/* Proves: B-40 */
TEST(vdso_unwind, at_every_instruction)
{
	play_each(VDSO_UPSTREAM, at_every_instruction);
}

static void frame_description_covers_the_aep(void)
{
	struct dwarf_eh_bases { void *tbase, *dbase, *func; } bases = { 0 };
	const void *(*find)(void *, void *) = (const void *(*)(void *, void *))dlsym(RTLD_DEFAULT, "_Unwind_Find_FDE");
	const struct vdso_info *info;

	start();
	if (!find) {
		test_skip("the unwinder does not export _Unwind_Find_FDE");
		return;
	}
	info = vdso_info(play_current);
	EXPECT_TRUE(find((void *)play_address(play_current, info->enclu), &bases));
	EXPECT_EQ((uint64_t)bases.func, play_address(play_current, info->enter));
	EXPECT_TRUE(find((void *)play_address(play_current, info->enter_end - 1), &bases));
	EXPECT_TRUE(find((void *)play_address(play_current, info->sigreturn - 1), &bases));
}

/* Proves: B-40 */
TEST(vdso_unwind, frame_description_covers_the_aep)
{
	play_each(VDSO_UPSTREAM, frame_description_covers_the_aep);
}

/* An exception thrown by the handler: cleanups of the caller's frames run, callee-saved registers are theirs. */
static unsigned cleanups;
static jmp_buf landing;
static struct _Unwind_Exception thrown;

static void count_cleanup(int *unused)
{
	(void)unused;
	cleanups++;
}

static _Unwind_Reason_Code stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
				struct _Unwind_Exception *exception, struct _Unwind_Context *context, void *argument)
{
	(void)version, (void)actions, (void)class, (void)exception;
	if (_Unwind_GetCFA(context) > (uint64_t)argument)
		longjmp(landing, 1);
	return _URC_NO_REASON;
}

static void *unwind_until;

static int throwing_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	(void)rdi, (void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9, (void)run;
	_Unwind_ForcedUnwind(&thrown, stop, unwind_until);
	return 0;
}

__attribute__((noinline)) static void call_with_cleanup(void)
{
	__attribute__((cleanup(count_cleanup))) int guard = 0;

	play();
	(void)guard;
}

static void exception_passes_through(void)
{
	start();
	cleanups = 0;
	unwind_until = __builtin_frame_address(0);
	play_set_handler((uint64_t)throwing_handler);
	play_engine_script = play_eexit;
	if (!setjmp(landing)) {
		call_with_cleanup();
		test_fail(__FILE__, __LINE__, "the exception came back as a return");
	}
	EXPECT_EQ(cleanups, 1);
}

/* Proves: B-24, B-40 */
TEST(vdso_unwind, exception_passes_through)
{
	play_each(VDSO_UPSTREAM, exception_passes_through);
}

/* The restorer. */
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	uint64_t restorer;
	uint64_t mask;
};

static uint64_t interrupted_rip, interrupted_rbx;
static bool signal_walk_found, signal_walk_registers;

static _Unwind_Reason_Code visit_signal(struct _Unwind_Context *context, void *argument)
{
	int before;
	uint64_t ip = _Unwind_GetIPInfo(context, &before);

	(void)argument;
	if (ip == interrupted_rip) {
		signal_walk_found = before;	/* the IP of an interrupted frame is exact, not a return address */
		signal_walk_registers = _Unwind_GetGR(context, DWARF_RBX) == interrupted_rbx;
	}
	return _URC_NO_REASON;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signal, (void)info;
	interrupted_rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	interrupted_rbx = (uint64_t)uc->uc_mcontext.gregs[REG_RBX];
	_Unwind_Backtrace(visit_signal, NULL);
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

void sigreturn_elsewhere(void);
extern int sigreturns_elsewhere;
__asm__(".bss\n"
	"sigreturns_elsewhere: .skip 4\n"
	".text\n"
	"sigreturn_elsewhere:\n"
	"	incl	sigreturns_elsewhere(%rip)\n"
	"	mov	$15, %eax\n"
	"	syscall\n");

static long raise_with_restorer(uint64_t restorer)
{
	struct kernel_sigaction action = {
		.handler = on_signal, .flags = SA_SIGINFO | 0x04000000, .restorer = restorer,
	}, old;
	long result;

	signal_walk_found = signal_walk_registers = false;
	syscall(SYS_rt_sigaction, SIGUSR1, &action, &old, 8);
	result = syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	syscall(SYS_rt_sigaction, SIGUSR1, &old, NULL, 8);
	return result;
}

TEST(vdso_unwind, through_the_signal_restorer)
{
	start();
	/* 4711: the context that the handler changed was loaded. */
	EXPECT_EQ(raise_with_restorer(play_address(play_current, vdso_info(play_current)->sigreturn)), 4711);
	EXPECT_TRUE(signal_walk_found);
	EXPECT_TRUE(signal_walk_registers);
}

TEST(vdso_unwind, restorer_goes_where_it_is_bound)
{
	static uint8_t image[4096] __attribute__((aligned(4096)));

	play_bytes(image, sizeof(image));
	ASSERT_TRUE(vdso_bind(image, (uint64_t)image, NULL, 0, (uint64_t)sigreturn_elsewhere));
	ASSERT_EQ(mprotect(image, sizeof(image), PROT_READ | PROT_EXEC), 0);
	sigreturns_elsewhere = 0;
	EXPECT_EQ(raise_with_restorer(play_address(image, vdso_info(image)->sigreturn)), 4711);
	EXPECT_EQ(sigreturns_elsewhere, 1);
}
