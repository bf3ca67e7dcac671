/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens around a vDSO call and is not its doing: traps, signals, death, filters; and what its code shows. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DB = 1, BP = 3 };
#define TF	0x100
#define PLAIN	0x202
#define STEPS	1024

SNIPPET(snip_leave_at_once, "nop; nop; nop; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

static struct te te;
static struct sgx_enclave_run run __attribute__((aligned(64)));
static uint64_t vdso_enclu;		/* what RCX carries in as AEP and a return leaves there */

static struct te_vcall entry(const uint8_t *code, const uint8_t *end)
{
	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	return (struct te_vcall){
		.fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP,
		.rdx = code ? te_load(&te, 0, code, (uint64_t)(end - code)) : te.scratch, .r9 = te.eexit, .rflags = PLAIN,
	};
}

static bool ready(void)
{
	struct te_vcall v;

	if (te.size)
		return true;
	if (te_build(&te, &(struct te_options){ .tcs = 3, .nssa = 4, .heap_pages = 64 })) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	v = entry(snip_leave_at_once, snip_leave_at_once_end);
	te_vcall(&v);
	vdso_enclu = v.rcx;
	return true;
}

static uint64_t steps[STEPS];
static unsigned step_count, bad_steps;

static int step_hook(int sig, siginfo_t *info, ucontext_t *uc)
{
	if (sig != SIGTRAP)
		return 0;
	if (info->si_code != TRAP_TRACE || uc->uc_mcontext.gregs[REG_TRAPNO] != DB)
		bad_steps++;
	if (step_count < STEPS)
		steps[step_count++] = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	return 1;
}

/* Proves: B-41, B-34, DBG-01 */
TEST(contract, enclave_is_one_instruction_to_a_single_step)
{
	unsigned i, round, at_enclu = 0, at_pad = 0;
	struct te_vcall v;

	if (!ready())
		return;
	for (round = 0; round < 50; round++) {
		v = entry(snip_leave_at_once, snip_leave_at_once_end);
		v.rflags = PLAIN | TF;
		step_count = bad_steps = at_enclu = at_pad = 0;
		catch_begin(0);
		caught_hook = step_hook;
		te_vcall(&v);
		catch_end();
		EXPECT_EQ(v.rax, 0);
		EXPECT_EQ(run.function, EEXIT);		/* no trap was made an exception of the call's */
		EXPECT_EQ(run.exception_vector, 0);
		EXPECT_TRUE(v.rflags & TF);
		EXPECT_EQ(bad_steps, 0);
		ASSERT_TRUE(step_count < STEPS);
		for (i = 0; i < step_count; i++) {
			if (steps[i] - te.base < te.size)
				test_fail(__FILE__, __LINE__, "a step inside, at %llx", (unsigned long long)(steps[i] - te.base));
			if (steps[i] != vdso_enclu)
				continue;
			at_enclu++;
			if (i + 1 < step_count && steps[i + 1] == vdso_enclu + 3)
				at_pad++;
		}
		EXPECT_EQ(at_enclu, 1);
		EXPECT_EQ(at_pad, 1);
	}
}

static bool plant(bool on)
{
	const uint64_t page = vdso_enclu & ~UINT64_C(0xfff);

	if (mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	*(volatile uint8_t *)vdso_enclu = on ? 0xcc : 0x0f;
	return !mprotect((void *)page, 4096, PROT_READ | PROT_EXEC);
}

static _Atomic uint64_t spin_word;
static volatile uint64_t asynchronous, at_aep, breakpoints, bad_breakpoints;

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((const ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	asynchronous++;
	if ((uint64_t)g[REG_RIP] == vdso_enclu && g[REG_RAX] == ERESUME && (uint64_t)g[REG_RBX] == te.tcs[0] &&
	    (uint64_t)g[REG_RCX] == vdso_enclu)
		at_aep++;
}

/* One signal in a while, on this thread only. */
static timer_t timer_start(void)
{
	struct sigaction act = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { 0, 5000000 }, { 0, 5000000 } };
	timer_t timer;

	sigaction(SIGUSR1, &act, NULL);
	event._sigev_un._tid = (int)syscall(SYS_gettid);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &every, NULL);
	return timer;
}

/* The debugger: takes its INT3 away, and the thread goes on at the ENCLU. */
static int breakpoint_hook(int sig, siginfo_t *info, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	breakpoints++;
	if (sig != SIGTRAP || info->si_code != SI_KERNEL || g[REG_TRAPNO] != BP || (uint64_t)g[REG_RIP] != vdso_enclu + 1 ||
	    g[REG_RAX] != ERESUME || (uint64_t)g[REG_RBX] != te.tcs[0] || run.function)
		bad_breakpoints++;
	plant(false);
	g[REG_RIP]--;
	spin_word = 1;
	return 1;
}

/* Proves: B-41, B-34 */
TEST(contract, breakpoint_on_the_aep_is_a_signal_and_never_fixed_up)
{
	uint64_t args[16] = { (uintptr_t)&spin_word };
	timer_t timer;

	if (!ready())
		return;
	spin_word = breakpoints = bad_breakpoints = asynchronous = at_aep = 0;
	catch_begin(0);
	caught_hook = breakpoint_hook;
	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	te_enter(te.vdso, TE_NOP, args, EENTER, &run);
	run.function = 0;
	ASSERT_TRUE(plant(true));
	timer = timer_start();
	EXPECT_EQ(te_enter(te.vdso, TE_SPIN, args, EENTER, &run), 0);
	timer_delete(timer);
	EXPECT_TRUE(plant(false));
	catch_end();
	EXPECT_EQ(breakpoints, 1);
	EXPECT_EQ(bad_breakpoints, 0);
	EXPECT_TRUE(at_aep >= 1);
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_EQ(run.exception_vector, 0);
	EXPECT_EQ(run.exception_addr, 0);
}

/* The enclave waits until three signals have come; the handler of the call must not hear of them. */
static void *stop_spinning(void *unused)
{
	(void)unused;
	while (at_aep < 3)
		usleep(1000);
	spin_word = 1;
	return NULL;
}

/* Proves: B-34, A-FLT-16 */
TEST(contract, asynchronous_signals_are_handled_and_the_call_goes_on)
{
	uint64_t args[16] = { (uintptr_t)&spin_word };
	sigset_t block, old;
	pthread_t thread;
	timer_t timer;

	if (!ready())
		return;
	spin_word = asynchronous = at_aep = 0;
	memset(&te_seen, 0, sizeof(te_seen));
	te_handler_result = 0;
	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	run.user_handler = (uintptr_t)te_handler;
	sigfillset(&block);
	sigprocmask(SIG_SETMASK, &block, &old);
	pthread_create(&thread, NULL, stop_spinning, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	timer = timer_start();
	EXPECT_EQ(te_enter(te.vdso, TE_SPIN, args, EENTER, &run), 0);
	timer_delete(timer);
	pthread_join(thread, NULL);
	EXPECT_TRUE(at_aep >= 3);
	EXPECT_EQ(te_seen.count, 1);		/* the EEXIT */
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_EQ(run.exception_vector, 0);
}

/* Waits until the child's enclave counts, then until it goes on counting. */
static bool counts(volatile uint64_t *count)
{
	const uint64_t before = *count;
	unsigned i;

	for (i = 0; i < 5000 && *count == before; i++)
		usleep(1000);
	return *count != before;
}

/* A child that spins inside, for good. @args is shared. */
static pid_t spinning_child(uint64_t *args)
{
	const struct rlimit no_core = { 0, 0 };
	pid_t pid;

	memset(args, 0, 16 * sizeof(*args));
	args[0] = (uintptr_t)&args[2];
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGQUIT, SIG_DFL);	/* shells start background jobs with it ignored */
		memset(&run, 0, sizeof(run));
		run.tcs = te.tcs[1];
		run.user_handler = (uintptr_t)te_handler;	/* is never asked */
		te_enter(te.vdso, TE_SPIN, args, EENTER, &run);
		_exit(99);
	}
	return pid;
}

/* Proves: B-37, A-LIF-7 */
TEST(contract, fatal_signals_end_a_thread_inside)
{
	const int signals[] = { SIGTERM, SIGKILL, SIGQUIT, SIGALRM, SIGABRT, SIGSEGV, SIGTRAP, SIGILL, SIGBUS, SIGFPE,
				       SIGSYS, SIGRTMIN };
	uint64_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct te own = te;
		int status = 0;
		pid_t pid;

		ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2 }), 0);	/* the TCS of a dead thread stays in use */
		pid = spinning_child(args);
		EXPECT_TRUE(counts(&args[1]));
		kill(pid, signals[i]);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(WTERMSIG(status), signals[i]);
		te_destroy(&te);
		te = own;
	}
	munmap(args, 4096);
}

/* Proves: B-37 */
TEST(contract, stop_continue_and_exit_group_work_inside)
{
	uint64_t *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), stopped;
	struct te own = te;
	int status = 0;
	pid_t pid;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2 }), 0);
	pid = spinning_child(args);
	EXPECT_TRUE(counts(&args[1]));
	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	stopped = args[1];
	usleep(20000);
	EXPECT_EQ(args[1], stopped);
	kill(pid, SIGCONT);
	EXPECT_TRUE(counts(&args[1]));
	args[2] = 1;
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 99);
	te_destroy(&te);
	te = own;
	munmap(args, 4096);
}

/* From here on any system call but exit_group ends the process. */
static bool only_exit(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(filter[0]), filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static bool patched(void)
{
	const char *mode = getenv("ABI_PATCH");		/* run.sh */

	return mode && (!strcmp(mode, "auto") || !strcmp(mode, "force"));
}

/* The inode behind @addr, and its line. */
static uint64_t inode_of(uint64_t addr, char line[512])
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long long start, end, inode = 1;
	bool found = false;

	while (!found && fgets(line, 512, f))
		found = sscanf(line, "%llx-%llx %*s %*s %*s %llu", &start, &end, &inode) == 3 && addr >= start && addr < end;
	fclose(f);
	return found ? inode : 1;
}

/* Proves: B-42 */
TEST(contract, no_probe_and_no_filter_sees_a_call)
{
	struct sgx_enclave_run own;
	char line[512] = "";
	unsigned i;
	int status = 0;
	pid_t pid;

	if (!ready())
		return;
	EXPECT_EQ(inode_of((uintptr_t)te.vdso, line), 0);	/* no inode, to which alone a uprobe could be attached */
	EXPECT_TRUE(!strchr(line, '/'));
	if (!patched())
		SKIP("where no jump takes the place of the ENCLU that leaves, it traps, and a handler's return is a call");
	pid = fork();
	if (!pid) {
		uint64_t args[16] = { 0 };

		if (te_build(&te, &(struct te_options){ .tcs = 3 }))	/* shared enclaves keep their code */
			syscall(SYS_exit_group, 3);
		for (i = 0; i < 1000; i++)		/* the exit is hot now */
			te_call(&te, 2, TE_NOP, args, &own);
		if (!only_exit())
			syscall(SYS_exit_group, 1);
		for (i = 0; i < 1000; i++)
			if (te_call(&te, 2, TE_NOP, args, &own) || own.function != EEXIT)
				syscall(SYS_exit_group, 2);
		syscall(SYS_exit_group, 77);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 77);
}

/* Proves: B-43, B-4, B-5 */
TEST(contract, code_of_the_function_shows_by_the_aep_alone)
{
	const uint8_t *code;
	uint64_t size = 0, i, enclus = 0, at = 0;

	if (!ready())
		return;
	code = te_vdso_code(&size);
	EXPECT_EQ((uintptr_t)code, (uintptr_t)te.vdso);
	ASSERT_TRUE(size > 0 && size < 4096);
	for (i = 0; i + 3 <= size; i++)
		if (!memcmp(code + i, "\x0f\x01\xd7", 3)) {
			enclus++;
			at = (uintptr_t)code + i;
		}
	EXPECT_EQ(enclus, 1);
	EXPECT_EQ(at, vdso_enclu);
}
