/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal exactly at every instruction of entry.S, of the trampolines of patched sites, and of the vDSO image. A
 * tracer plants an INT3 at the instruction, lets the program (rounds.c) go a way that comes by there, and when the
 * INT3 is hit takes it away and injects the signal. Then both outcomes are checked: what the program's handler
 * saw, and what the round computed. Every instruction that no round reaches has to be in a list that says why.
 */
#define _GNU_SOURCE
#include "exits/calls.h"
#include "exits/rounds.h"
#include "exits/symbols.h"
#include "harness.h"
#include "trap/insn.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KICK_CODE	(-0x5347)	/* src/front/signals.c */
#define SIGNAL_BIT(sig)	(UINT64_C(1) << ((sig) - 1))
#define TRAMPOLINE_SIZE	64
enum { POINTS_MAX = 2048 };
enum { KIND_PRE_SLOT = KINDS, KIND_PRE_STACK, ALL_KINDS };	/* with an injection before */

static const char *const kind_name[ALL_KINDS] = {
	"call",
	"exception and resume",
	"raw call",
	"raw exception and resume",
	"exit to another target",
	"refused exit",
	"asynchronous exit",
	"user handler",
	"bad leaf",
	"DS lost",
	"another TCS",
	"TCS taken by another thread",
	"system call",
	"unmapped TCS",
	"new thread",
	"other vDSO functions",
	"waits",
	"raw entry by the model",
	"bad leaf inside",
	"call after a signal on the way back",
	"asynchronous exit, a signal while the handler returns",
};
static const char *const shot_name[SHOTS] = {
	"SIGUSR1", "SIGUSR1 whose handler enters", "SIGUSR1 whose handler jumps out", "a sent SIGSEGV", "a kick",
	"SIGUSR2 on the alternate stack, and one inside it",
};
static const int shot_signal[SHOTS] = { SIGUSR1, SIGUSR1, SIGUSR1, SIGSEGV, SIGFPE, SIGUSR2 };

/* One instruction. */
struct point {
	uint64_t address;
	const char *unreachable;	/* why, or NULL */
	bool reached[ALL_KINDS];
	bool any;
	uint8_t byte;
	bool planted;
};
static struct point point[POINTS_MAX];
static unsigned points, injections, lost_disposition;
static pid_t program;
static struct {
	uint64_t handler, flags, restorer, mask;
} trap_action;				/* the program's copy is at the same address */
static uint64_t a_syscall;		/* an instruction from which the filter lets calls pass */

/* ---- one stopped thread ---- */

static bool poke_byte(pid_t pid, uint64_t address, uint8_t byte, uint8_t *old)
{
	const uint64_t aligned = address & ~UINT64_C(7);
	uint64_t word = (uint64_t)ptrace(PTRACE_PEEKTEXT, pid, (void *)aligned, 0);
	uint8_t *at = (uint8_t *)&word + (address - aligned);

	if (old)
		*old = *at;
	*at = byte;
	return !ptrace(PTRACE_POKETEXT, pid, (void *)aligned, (void *)word);
}

static void plant(pid_t pid, struct point *p)
{
	p->planted = poke_byte(pid, p->address, 0xcc, &p->byte);
}

static void lift(pid_t pid, struct point *p)
{
	if (p->planted)
		poke_byte(pid, p->address, p->byte, NULL);
	p->planted = false;
}

static bool is_int3(pid_t pid, uint64_t address)
{
	const uint64_t aligned = address & ~UINT64_C(7);
	const uint64_t word = (uint64_t)ptrace(PTRACE_PEEKTEXT, pid, (void *)aligned, 0);

	return (uint8_t)(word >> 8 * (address - aligned)) == 0xcc;
}

/* A system call made by stopped thread @pid; its registers are as before afterwards. */
static long remote_call(pid_t pid, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct user_regs_struct old, r;
	int status;

	ptrace(PTRACE_GETREGS, pid, 0, &old);
	r = old;
	r.rip = a_syscall;
	r.rax = (uint64_t)nr;
	r.orig_rax = ~UINT64_C(0);
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	ptrace(PTRACE_SETREGS, pid, 0, &r);
	if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGTRAP)
		return -1;
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	ptrace(PTRACE_SETREGS, pid, 0, &old);
	return (long)r.rax;
}

/*
 * Where signals are blocked, an INT3 costs the disposition of SIGTRAP and unblocks it: the kernel does not let a
 * thread block its own fault. Both are put back, and the program never had that INT3.
 */
static void trap_unhappened(pid_t pid)
{
	uint64_t mask, all_but_trap = ~SIGNAL_BIT(SIGTRAP);

	ptrace(PTRACE_GETSIGMASK, pid, 8, &mask);
	if (!(mask & SIGNAL_BIT(SIGILL)))
		return;
	ptrace(PTRACE_SETSIGMASK, pid, 8, &all_but_trap);
	if (remote_call(pid, SYS_rt_sigaction, SIGTRAP, (uintptr_t)&trap_action, 0, 8))
		lost_disposition++;
	mask |= SIGNAL_BIT(SIGTRAP);
	ptrace(PTRACE_SETSIGMASK, pid, 8, &mask);
}

static bool has_threads(int kind)
{
	return kind == THREAD || kind == BUSY;
}

static void inject(pid_t pid, int shot)
{
	const int sig = shot_signal[shot];
	siginfo_t info = { .si_signo = sig };

	info.si_code = shot == KICK ? KICK_CODE : SI_USER;
	ptrace(PTRACE_SETSIGINFO, pid, 0, &info);
	ptrace(PTRACE_CONT, pid, 0, (void *)(intptr_t)sig);
	injections++;
}

static struct point *point_at(uint64_t address)
{
	unsigned i;

	for (i = 0; i < points; i++)
		if (point[i].address == address)
			return &point[i];
	return NULL;
}

enum outcome { MISSED, HIT, LOST };
static uint64_t pre_address[2];
static int lost_status;

/*
 * From the program's stop to the next: planted INT3s are lifted as they are hit; @target gets @shot, @pre gets
 * SIGSEGV first and arms the target. Without a target only what is hit is noted, for @kind.
 */
static enum outcome run(int kind, struct point *target, int shot, struct point *pre)
{
	enum outcome outcome = MISSED;
	struct user_regs_struct r;
	struct point *p, *passed[2] = { target, pre };
	int status, sig, patience = 0;
	pid_t pid, deferred = 0;

	shared->kind = kind == KIND_PRE_SLOT ? FAST : kind == KIND_PRE_STACK ? ASYNC : kind;
	if (kind == KIND_PRE_SLOT)
		shared->kind = RESUME;
	shared->shot = shot;
	if (pre)
		plant(program, pre);
	else if (target)
		plant(program, target);
	ptrace(PTRACE_CONT, program, 0, 0);
	for (;;) {
		pid = waitpid(-1, &status, __WALL | (deferred ? WNOHANG : 0));
		if (pid < 0)
			return LOST;
		if (!pid && patience-- > 0) {
			usleep(20);
			continue;
		}
		if (!pid) {
			ptrace(PTRACE_CONT, deferred, 0, SIGTRAP);
			deferred = 0;
			continue;
		}
		if (!WIFSTOPPED(status)) {
			if (pid == program) {
				lost_status = status;
				return LOST;
			}
			continue;
		}
		sig = WSTOPSIG(status);
		if (status >> 16) {			/* of ptrace itself: a thread is made, or begins */
			ptrace(PTRACE_CONT, pid, 0, 0);
			continue;
		}
		if (sig == SIGSTOP && pid == program)
			break;
		if (sig == SIGTRAP) {
			ptrace(PTRACE_GETREGS, pid, 0, &r);
			p = point_at(r.rip - 1);
			if (p && (p->planted || !is_int3(pid, p->address))) { /* another thread was there before */
				const bool first = p->planted;

				r.rip--;
				ptrace(PTRACE_SETREGS, pid, 0, &r);
				lift(pid, p);
				trap_unhappened(pid);
				if (first && p == pre) {
					if (target && target != pre)
						plant(pid, target);
					pre = NULL;
					inject(pid, SENT_SEGV);
					continue;
				}
				if (first && p == target) {
					outcome = HIT;
					inject(pid, shot);
					continue;
				}
				if (first && !target)
					p->reached[kind] = p->any = true;
				ptrace(PTRACE_CONT, pid, 0, 0);
				continue;
			}
			if (has_threads(kind)) {	/* another thread may be at an INT3 where it is blocked */
				if (deferred)
					ptrace(PTRACE_CONT, deferred, 0, SIGTRAP);
				deferred = pid;
				patience = 5;
				continue;
			}
		}
		ptrace(PTRACE_CONT, pid, 0, (void *)(intptr_t)sig);
	}
	for (sig = 0; sig < 2; sig++)
		if (passed[sig])
			lift(program, passed[sig]);
	return outcome;
}

/* ---- the instructions ---- */

static void add_point(uint64_t address, const char *unreachable)
{
	if (points < POINTS_MAX && !point_at(address))
		point[points++] = (struct point){ .address = address, .unreachable = unreachable };
}

/* Ranges that nothing executes, and why. */
static const char *never(uint64_t address, const struct insn *insn)
{
	const struct { const char *from, *to, *why;
	} list[] = {
		{"enter_stale", "enter_taken", "by chance: the driver takes something away during an entry"},
		{"rt_restorer", "rt_sigreturn_entry",
		 "named to the kernel, handlers of the runtime do not return"},
		{"rt_debug_event", "rt_wait_stub", "where a debugger has the end of a system call shown"},
		{"rt_wait_again", "rt_wait_done", "by chance: another thread takes a signal from under a wait"},
		{"rt_finish_end", "", "behind rt_sigreturn, which does not return"},
	};
	unsigned i;

	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].to[0] ? address >= symbols_find(list[i].from) && address < symbols_find(list[i].to) :
		    address == symbols_find(list[i].from))
			return list[i].why;
	if (insn->opcode == 0x90 || (insn->map == 1 && insn->opcode == 0x1f))
		return "alignment";
	if (insn->kind == INSN_UD2)
		return "UD2 behind what does not return";
	return NULL;
}

static void add_range(uint64_t from, uint64_t to, bool vdso)
{
	unsigned speculated = 0;	/* a PAUSE, LFENCE, JMP: where the speculation of a retpoline is caught */
	uint64_t address = from;
	struct insn insn;

	while (address < to) {
		const char *why = NULL;

		if (!insn_decode((const uint8_t *)address, 15, &insn)) {
			test_fail(__FILE__, __LINE__, "no instruction at %llx", (unsigned long long)address);
			return;
		}
		why = never(address, &insn);
		if (vdso && address != from && from != symbols_vdso("__vdso_sgx_enter_enclave", &(uint64_t){ 0 }))
			why = "stands in for a vDSO function that the kernel does not have";
		if (insn.opcode == 0x90 && insn.prefixes == INSN_PREFIX_F3)
			speculated = 3;
		if (speculated) {
			why = "only ever speculated";
			speculated--;
		}
		add_point(address, why);
		address += insn.length;
	}
}

static void add_trampoline(uint64_t address, bool host)
{
	static const struct { uint8_t offset; bool host; const char *why; } list[] = {
		{ 15, true, "behind an INT3" }, { 15, false, "behind an INT3" }, { 43, false, "behind an INT3" },
	};
	uint8_t code[TRAMPOLINE_SIZE];
	struct insn insn;
	unsigned at, i;

	for (at = 0; at < TRAMPOLINE_SIZE; at += 8)
		*(uint64_t *)(void *)(code + at) =
			(uint64_t)ptrace(PTRACE_PEEKTEXT, program, (void *)(address + at), 0);
	for (at = 0; at < TRAMPOLINE_SIZE; at += insn.length) {
		const char *why = NULL;

		if (!insn_decode(code + at, TRAMPOLINE_SIZE - at, &insn))
			return;
		for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
			if (list[i].offset == at && list[i].host == host)
				why = list[i].why;
		add_point(address + at, why);
		if (insn.opcode == 0xff && at > 14)	/* the jump: data behind it */
			return;
	}
}

static bool start(void)
{
	int status;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	program = fork();
	if (!program)
		rounds_program();
	if (waitpid(program, &status, WUNTRACED) != program || !WIFSTOPPED(status)) {
		test_fail(__FILE__, __LINE__, "the program ended by itself, status %x, RIP %llx, kind %d", status,
			  (unsigned long long)shared->rip, shared->kind);
		return false;
	}
	if (ptrace(PTRACE_SEIZE, program, 0, (void *)(intptr_t)(PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)))
		return false;
	/* Seized in its stop; the next SIGSTOP is one that is seen by the tracer. */
	kill(program, SIGCONT);
	for (;;) {
		if (waitpid(program, &status, __WALL) != program || !WIFSTOPPED(status))
			return false;
		if (!(status >> 16) && WSTOPSIG(status) == SIGSTOP)
			break;
		ptrace(PTRACE_CONT, program, 0, status >> 16 || WSTOPSIG(status) == SIGCONT ? 0 :
		       (void *)(intptr_t)WSTOPSIG(status));
	}
	a_syscall = symbols_find("rt_image_start");	/* one where nothing is planted: before entry.S */
	while (memcmp((const void *)a_syscall, "\x0f\x05", 2))
		a_syscall++;
	return !remote_call(program, SYS_rt_sigaction, SIGTRAP, 0, (uintptr_t)&trap_action, 8) &&
	       (trap_action.handler = (uint64_t)ptrace(PTRACE_PEEKDATA, program, &trap_action, 0)) != 0;
}

static const char *where(uint64_t address)
{
	static char text[128];
	uint64_t offset;
	const char *name = symbols_name(address, &offset);

	snprintf(text, sizeof(text), "%s+0x%llx", name, (unsigned long long)offset);
	return text;
}

static bool judge(struct point *p, int kind, int shot, enum outcome outcome, unsigned handled)
{
	if (shared->wrong) {
		test_fail(__FILE__, __LINE__,
			  "%s, %s, %s: %u wrong values, first at rounds.c:%d; the handler saw RIP %llx",
			  where(p->address), kind_name[kind], shot_name[shot], shared->wrong, shared->wrong_line,
			  (unsigned long long)shared->rip);
		shared->wrong = shared->wrong_line = 0;
	}
	/* A signal that is sent to a thread while it ends goes with it, as in Linux. */
	if (outcome == HIT && shared->handled != handled &&
	    !(!strncmp(where(p->address), "rt_thread_exit", 14) && shared->handled == handled - 1) &&
	    !(kind >= KINDS && shot == SENT_SEGV && shared->handled == handled + 1))
		test_fail(__FILE__, __LINE__, "%s, %s, %s: the handler ran %d times more than it should",
			  where(p->address), kind_name[kind], shot_name[shot], (int)(shared->handled - handled));
	if (outcome == LOST)
		test_fail(__FILE__, __LINE__, "%s, %s, %s: the program ended", where(p->address), kind_name[kind],
			  shot_name[shot]);
	return outcome != LOST;
}

static bool ended(int kind)
{
	test_fail(__FILE__, __LINE__, "%s: the program ended, status %x", kind_name[kind], lost_status);
	return false;
}

/* Which instructions does each kind of round come by? Of threads, one INT3 at a time: they share SIGTRAP's
 * disposition. */
static bool survey(void)
{
	unsigned i;
	int kind;

	for (kind = 0; kind < ALL_KINDS; kind++) {
		struct point *pre = kind >= KINDS ? point_at(pre_address[kind - KINDS]) : NULL;

		for (i = 0; i < points; i++) {
			if (&point[i] == pre)
				continue;
			plant(program, &point[i]);
			if (!has_threads(kind))
				continue;
			if (run(kind, NULL, PLAIN_SIGNAL, NULL) == LOST)
				return ended(kind);
			lift(program, &point[i]);
		}
		if (!has_threads(kind) && run(kind, NULL, PLAIN_SIGNAL, pre) == LOST)
			return ended(kind);
		for (i = 0; i < points; i++)
			lift(program, &point[i]);
	}
	return true;
}

static bool everywhere(void)
{
	unsigned i, handled;
	int kind, shot;

	for (i = 0; i < points; i++) {
		bool first = true;

		for (kind = 0; kind < ALL_KINDS; kind++) {
			struct point *pre = kind >= KINDS ? point_at(pre_address[kind - KINDS]) : NULL;

			if (!point[i].reached[kind] || &point[i] == pre || (kind >= KINDS && !first))
				continue;
			for (shot = 0; shot < (first ? SHOTS : 1); shot++) {
				enum outcome outcome;

				if (pre && shot == JUMP)
					continue;
				/* One SIGSEGV may come while the other is pending: they do not queue. */
				handled = shared->handled + (shot != KICK) + (pre && shot != SENT_SEGV);
				outcome = run(kind, &point[i], shot, pre);
				if (!judge(&point[i], kind, shot, outcome, handled))
					return false;
				if (outcome == MISSED && !pre)
					test_fail(__FILE__, __LINE__, "%s, %s: reached once and not again",
						  where(point[i].address), kind_name[kind]);
			}
			first = false;
		}
	}
	return true;
}

/* Proves: A-FLT-15, A-FLT-16, B-5, B-6, C4-7 */
TEST(exits, signal_at_every_instruction_of_entry_trampolines_and_vdso)
{
	const char *patch = getenv("ABI_PATCH");
	const bool complete = patch && !strcmp(patch, "force");
	uint64_t function, size;
	unsigned i, unreached = 0, listed = 0;

	exits_init();
	ASSERT_TRUE(symbols_load());
	ASSERT_TRUE(start());
	pre_address[0] = symbols_find("rt_finish");
	pre_address[1] = symbols_find("rt_sigreturn_masked");
	add_range(symbols_find("window_begin"), symbols_find("rt_probe_faulted") + 6, false);
	for (function = 0; (function = symbols_vdso_next(function, &size)); function++)
		add_range(function, function + size, true);
	for (i = 0; i < ROUNDS_SITES; i++)
		if (shared->site[i])
			add_trampoline(shared->site[i], i == 1);
	if (!survey() || !everywhere())
		test_fail(__FILE__, __LINE__, "not all of it was tried");
	for (i = 0; i < points; i++) {
		if (point[i].any && point[i].unreachable && strncmp(point[i].unreachable, "by chance", 9))
			test_fail(__FILE__, __LINE__, "%s is reached, but listed: %s", where(point[i].address),
				  point[i].unreachable);
		unreached += !point[i].any && !point[i].unreachable;
		listed += point[i].unreachable != NULL;
		if (!point[i].any && !point[i].unreachable && (complete || getenv("TEST_VERBOSE")))
			printf("not reached: %s\n", where(point[i].address));
	}
	EXPECT_EQ(lost_disposition, 0);
	if (complete)
		EXPECT_EQ(unreached, 0);
	if (getenv("TEST_VERBOSE"))
		printf("%u instructions, %u injections, %u interruptions of an enclave, %u listed as "
		       "unreachable\n",
		       points, injections, shared->at_aep, listed);
	kill(program, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}
