/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal at every instruction boundary of an entry, the enclave and the exit: a tracer steps the program to the n-th
 * boundary, injects SIGUSR1 there and lets it run; for all n. The call's result and registers must be right each time.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PLAIN	0x202
#define TF	0x100
enum { IDLE, ARMED, INSIDE_CALL, DONE };
enum { DENSE = 220 };			/* boundaries that are all tried; behind them, in the runtime's C code, some are */

SNIPPET(snip_count, "incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_skip, "test %eax, %eax; jnz 1f; ud2; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"
	"1: addq $2, (%r8); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

static struct te te;
static struct shared {
	volatile int phase;
	volatile unsigned handled, wrong;
	volatile int wrong_line;
} *shared;
static uint64_t counter[4], expected;

static void on_signal(int sig)
{
	(void)sig;
	shared->handled++;
}

#define RIGHT(x) do {									\
	if (!(x)) { shared->wrong++; if (!shared->wrong_line) shared->wrong_line = __LINE__; }	\
} while (0)

static struct te_vcall entry(struct sgx_enclave_run *run)
{
	memset(run, 0, sizeof(*run));
	run->tcs = te.tcs[0];
	return (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = run, .rcx = EENTER, .rdi = TE_JUMP, .rdx = te.scratch,
				  .rsi = (uintptr_t)counter, .r9 = te.eexit, .rflags = PLAIN, .rbx = 0xb0b0, .rbp = 0xb1b1,
				  .r10 = 0x1010, .r11 = 0x1111, .r12 = 0x1212, .r13 = 0x1313, .r14 = 0x1414, .r15 = 0x1515 };
}

static void check_exit(const struct te_vcall *v, const struct sgx_enclave_run *run)
{
	RIGHT(!v->rax);
	RIGHT(run->function == EEXIT);
	RIGHT(v->rbx == 0xb0b0);
	RIGHT(v->rbp == 0xb1b1);
	RIGHT(v->rdx == te.scratch);
	RIGHT(v->rsi == (uintptr_t)counter);
	RIGHT(v->rdi == TE_JUMP);
	RIGHT(v->r9 == te.eexit);
	RIGHT(v->r10 == 0x1010);
	RIGHT(v->r11 == 0x1111);
	RIGHT(v->r12 == 0x1212);
	RIGHT(v->r13 == 0x1313);
	RIGHT(v->r14 == 0x1414);
	RIGHT(v->r15 == 0x1515);
	RIGHT(!v->rsp);
}

static void start(void)
{
	kill(getpid(), SIGSTOP);
	shared->phase = INSIDE_CALL;
}

static void call_once(bool traced)
{
	struct sgx_enclave_run run;
	struct te_vcall v = entry(&run);

	if (traced)
		start();
	te_vcall(&v);
	if (traced)
		shared->phase = DONE;
	check_exit(&v, &run);
	RIGHT(counter[0] == ++expected);
}

static struct te_regs raw_regs(void)
{
	return (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
				 .rdx = te.scratch, .rsi = (uintptr_t)counter, .r8 = 0x88, .r9 = te.eexit };
}

static void raw_once(bool traced)
{
	struct te_regs r = raw_regs();

	if (traced)
		start();
	te_raw(&r);
	if (traced)
		shared->phase = DONE;
	RIGHT(r.rax == EEXIT);
	RIGHT(r.rcx == (uintptr_t)te_raw_aep);
	RIGHT(r.rdx == te.scratch);
	RIGHT(r.rsi == (uintptr_t)counter);
	RIGHT(r.rdi == TE_JUMP);
	RIGHT(r.r8 == 0x88);
	RIGHT(r.r9 == te.eexit);
	RIGHT(counter[0] == ++expected);
}

/* An exception; traced are the handler's entry (CSSA 1) and the ERESUME: neither has a short way. */
static void resume_once(bool traced)
{
	struct sgx_enclave_run run;
	struct te_vcall v = entry(&run);

	te_vcall(&v);
	RIGHT(run.function == ERESUME && run.exception_vector == 6);
	v = entry(&run);
	v.r8 = te_gpr(&te, 0, 0) + offsetof(struct sgx_gprsgx, rip);
	if (traced)
		start();
	te_vcall(&v);
	RIGHT(run.function == EEXIT);
	v = entry(&run);
	v.rcx = ERESUME;
	te_vcall(&v);
	if (traced)
		shared->phase = DONE;
	check_exit(&v, &run);
	RIGHT(counter[0] == ++expected);
}

static _Noreturn void tracee(void (*once)(bool traced), const uint8_t *code, size_t size)
{
	unsigned i;

	signal(SIGUSR1, on_signal);
	if (te_build(&te, &(struct te_options){ .nssa = 3 }))
		_exit(1);
	te_load(&te, 0, code, size);
	for (i = 0; i < 200; i++)
		once(false);
	shared->phase = ARMED;
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	for (;;)
		once(true);
}

/* Lets @pid run to its next SIGSTOP; signals on the way are its own. False: it ended. */
static bool run_to_stop(pid_t pid, int sig)
{
	int status;

	for (;;) {
		if (ptrace(PTRACE_CONT, pid, 0, (void *)(intptr_t)sig) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return false;
		sig = WSTOPSIG(status);
		if (sig == SIGSTOP)
			return true;
	}
}

/* One instruction. PUSHF and POPF show that TF is how this is done: taken back. */
static bool step(pid_t pid, int *status)
{
	struct user_regs_struct r;
	uint8_t opcode;
	long word;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r))
		return false;
	opcode = (uint8_t)ptrace(PTRACE_PEEKTEXT, pid, (void *)r.rip, 0);
	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, status, 0) != pid || !WIFSTOPPED(*status))
		return false;
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	if (r.eflags & TF) {		/* the kernel takes it for the program's own, after a POPF */
		r.eflags &= ~(unsigned long)TF;
		ptrace(PTRACE_SETREGS, pid, 0, &r);
	}
	if (opcode == 0x9c) {
		word = ptrace(PTRACE_PEEKDATA, pid, (void *)r.rsp, 0);
		ptrace(PTRACE_POKEDATA, pid, (void *)r.rsp, (void *)(word & ~(long)TF));
	}
	return true;
}

enum outcome { INJECTED, TRAPPED, RETURNED, LOST };

/*
 * Is a system call that blocks signals next? To step over it would make the kernel drop the handler of SIGTRAP, blocked by
 * then. All that can be injected is blocked too behind it, so what follows is one boundary.
 */
static bool blocks_signals(pid_t pid)
{
	struct user_regs_struct r;

	ptrace(PTRACE_GETREGS, pid, 0, &r);
	return r.rax == SYS_rt_sigprocmask && (ptrace(PTRACE_PEEKTEXT, pid, (void *)r.rip, 0) & 0xffff) == 0x050f;
}

/* From its SIGSTOP on: inject at boundary @n of the call, then run to the next SIGSTOP. */
static enum outcome inject_at(pid_t pid, unsigned n)
{
	siginfo_t info;
	unsigned at = 0;
	int status;

	for (;;) {
		if (shared->phase == DONE)
			return run_to_stop(pid, 0) ? RETURNED : LOST;
		if (shared->phase == INSIDE_CALL && at++ == n)
			return run_to_stop(pid, SIGUSR1) ? INJECTED : LOST;
		if (shared->phase == INSIDE_CALL && blocks_signals(pid))
			return run_to_stop(pid, 0) ? TRAPPED : LOST;
		if (!step(pid, &status))
			return LOST;
		if (ptrace(PTRACE_GETSIGINFO, pid, 0, &info))
			return LOST;
		if (WSTOPSIG(status) != SIGTRAP || (info.si_code != TRAP_TRACE && info.si_code != TRAP_BRKPT)) {
			if (shared->phase != INSIDE_CALL && WSTOPSIG(status) == SIGSYS) {	/* the gate, on the way back */
				if (ptrace(PTRACE_SINGLESTEP, pid, 0, (void *)SIGSYS) || waitpid(pid, &status, 0) != pid)
					return LOST;
				continue;
			}
			return run_to_stop(pid, WSTOPSIG(status)) ? TRAPPED : LOST;
		}
	}
}

static void every_boundary(void (*once)(bool traced), const uint8_t *code, size_t size, unsigned at_least)
{
	unsigned n, injected = 0, handled;
	enum outcome outcome = INJECTED;
	int status;
	pid_t pid;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expected = 0;
	memset(counter, 0, sizeof(counter));
	pid = fork();
	if (!pid)
		tracee(once, code, size);
	ASSERT_TRUE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	if (WSTOPSIG(status) != SIGSTOP)
		ASSERT_TRUE(run_to_stop(pid, WSTOPSIG(status)));
	for (n = 0; outcome == INJECTED; n += n < DENSE ? 1 : 401) {
		handled = shared->handled;
		shared->phase = ARMED;
		outcome = inject_at(pid, n);
		if (outcome == INJECTED) {
			injected++;
			if (shared->handled != handled + 1)
				test_fail(__FILE__, __LINE__, "boundary %u: %u signals", n, shared->handled - handled);
		}
		if (shared->wrong) {
			test_fail(__FILE__, __LINE__, "boundary %u: %u wrong values, first at line %d", n, shared->wrong,
				  shared->wrong_line);
			shared->wrong = shared->wrong_line = 0;
		}
		if (outcome == LOST)
			test_fail(__FILE__, __LINE__, "boundary %u: the program ended", n);
	}
	if (injected < at_least)
		test_fail(__FILE__, __LINE__, "only %u boundaries", injected);
	if (getenv("TEST_VERBOSE"))
		printf("%u boundaries, end by %s\n", injected, outcome == TRAPPED ? "a trap or blocked signals" : "the return");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(shared, 4096);
}

/* Proves: B-5, B-6, A-FLT-16 */
TEST(step, signal_at_every_boundary_of_a_call)
{
	every_boundary(call_once, snip_count, (size_t)(snip_count_end - snip_count), 40);
}

/* Proves: B-36, A-FLT-16 */
TEST(step, signal_at_every_boundary_of_a_resume)
{
	every_boundary(resume_once, snip_skip, (size_t)(snip_skip_end - snip_skip), 40);
}

/* Proves: C4-1, C4-7 */
TEST(step, signal_at_every_boundary_of_a_raw_call)
{
	every_boundary(raw_once, snip_count, (size_t)(snip_count_end - snip_count), 1);
}

static volatile unsigned traps, trapped_inside;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	(void)sig;
	traps++;
	if (info->si_code != TRAP_TRACE || (uint64_t)uc->uc_mcontext.gregs[REG_RIP] - te.base < te.size)
		trapped_inside++;
}

/* Proves: B-41, DBG-01 */
TEST(step, program_that_steps_itself_sees_one_step_for_the_enclave)
{
	struct sigaction act = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	static struct shared own;
	struct sgx_enclave_run run;
	struct te_vcall v;
	unsigned i;

	shared = &own;
	ASSERT_EQ(te_build(&te, NULL), 0);
	TE_LOAD(&te, 0, snip_count);
	sigaction(SIGTRAP, &act, NULL);
	alarm(20);
	memset(counter, 0, sizeof(counter));
	expected = 0;
	for (i = 0; i < 100; i++) {
		v = entry(&run);
		v.rflags |= TF;
		traps = 0;
		te_vcall(&v);
		__asm__ volatile("push $0x202; popfq" : : : "memory", "cc");
		check_exit(&v, &run);
		EXPECT_EQ(counter[0], ++expected);
		EXPECT_EQ(v.rflags & TF, TF);
		EXPECT_TRUE(traps > 30 && traps < 300);
		EXPECT_EQ(trapped_inside, 0);
		EXPECT_EQ(own.wrong, 0);
	}
	alarm(0);
	signal(SIGTRAP, SIG_DFL);
	te_destroy(&te);
}
