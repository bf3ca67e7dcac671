/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks that are neither a thread nor a child of fork: one that shares the memory and is a process of its own, and a
 * child of vfork that shares nothing. And handlers that enter through the TCS which they have interrupted.
 */
#define _GNU_SOURCE
#include "abi/burn.h"
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static struct te te;
static volatile uint64_t leave;
static uint64_t args[16];
static volatile int caught, code, sender, nested_wrong;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int spin(void *run)
{
	args[0] = (uint64_t)&leave;
	te_call(&te, 0, TE_SPIN, args, run);
	return ((struct sgx_enclave_run *)run)->function == EEXIT ? 5 : 6;
}

TEST(tasks, process_that_shares_the_memory_leaves_its_enclave_when_it_must)
{
	struct sgx_enclave_restrict_permissions p = { .length = 4096, .permissions = SGX_SECINFO_R };
	static struct sgx_enclave_run run;
	char *stack = malloc(1 << 16);
	double before;
	int status;
	pid_t pid;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .heap_pages = 4 }), 0);
	leave = args[1] = 0;
	pid = clone(spin, stack + (1 << 16), CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, &run);
	ASSERT_TRUE(pid > 0);
	while (!((volatile uint64_t *)args)[1])
		sched_yield();
	p.offset = te.heap - te.base;
	before = now();
	EXPECT_EQ(ioctl(te.fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &p), 0);	/* EMODPR, ETRACK, and all are out once */
	EXPECT_TRUE(now() - before < 5);
	EXPECT_EQ(p.count, 4096);
	leave = 1;
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	free(stack);
	te_destroy(&te);
}

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	caught++;
	code = info->si_code;
	sender = info->si_pid;
}

/* In the child: is it itself? Signals to its own number reach it, and it can enter and be interrupted. */
static int identity(void)
{
	struct itimerval timer = { { 0, 1000 }, { 0, 1000 } };
	struct sigaction act = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	struct sgx_enclave_run run;
	sigset_t set;
	double end;

	sigaction(SIGTRAP, &act, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (syscall(SYS_tgkill, getpid(), gettid(), SIGTRAP) || caught)
		return 10;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (caught != 1 || code != SI_TKILL || sender != getpid())
		return 11;
	if (syscall(SYS_tgkill, getppid(), getppid(), 0))
		return 12;
	sigaction(SIGALRM, &act, NULL);
	caught = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	for (end = now() + 5; caught < 20 && now() < end;) {
		uint64_t a[16] = { 1, 20000 };

		te_call(&te, 0, TE_SUM, a, &run);
		if (run.function != EEXIT || a[0] != args[0])
			return 13;
	}
	return caught < 20 ? 14 : 0;
}

TEST(tasks, child_of_vfork_with_its_own_memory_is_itself)
{
	struct sgx_enclave_run run;
	int status;
	long pid;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 1 }), 0);
	args[0] = 1;
	args[1] = 20000;
	te_call(&te, 0, TE_SUM, args, &run);
	fflush(stdout);
	caught = 0;
	pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(identity());
	ASSERT_TRUE(pid > 0);
	EXPECT_EQ(caught, 0);
	EXPECT_EQ(waitpid((pid_t)pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	te_destroy(&te);
}

static void *page;
static struct burn in, want;

/* Reads at RSI, then leaves to where the entry's RCX says, by the ENCLU at R9. */
SNIPPET(snip_read, "mov %rcx, %rbx; mov (%rsi), %rax; mov $4, %eax; jmp *%r9");
enum { READ_AT = 2048, FLAGS = 0x202 };

static struct te_vcall jump_to(uint64_t code_at, const void *rsi, struct sgx_enclave_run *run)
{
	*run = (struct sgx_enclave_run){ .tcs = te.tcs[0] };
	return (struct te_vcall){ .fn = (uintptr_t)te.vdso, .run = run, .rcx = EENTER, .rdi = TE_JUMP, .rdx = code_at,
				  .rsi = (uintptr_t)rsi, .r9 = te.eexit, .rflags = FLAGS };
}

/* The interrupted TCS stands at CSSA 1: entered again it uses the next frame, and its EEXIT leads back here. */
static void enter_again(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	struct burn got = in;
	struct sgx_enclave_run run;
	struct te_vcall v;

	(void)sig;
	(void)info;
	if ((uint64_t)uc->uc_mcontext.gregs[REG_RIP] - te.base < te.size)
		nested_wrong++;
	if (uc->uc_mcontext.gregs[REG_RAX] != ERESUME || (uint64_t)uc->uc_mcontext.gregs[REG_RBX] != te.tcs[0])
		return;
	got.exit = te.eexit;
	v = jump_to(te.scratch, &got, &run);
	te_vcall(&v);
	nested_wrong += run.function != EEXIT || memcmp(got.gpr, want.gpr, sizeof(got.gpr)) ||
			memcmp(got.vector, want.vector, sizeof(got.vector));
	/* Its own exception, in that frame. */
	mprotect(page, 4096, PROT_NONE);
	v = jump_to(te.scratch + READ_AT, page, &run);
	te_vcall(&v);
	nested_wrong += run.function != ERESUME || run.exception_vector != 14 ||
			(run.exception_addr & ~UINT64_C(4095)) != (uint64_t)page;
	mprotect(page, 4096, PROT_READ);
	v.rcx = ERESUME;
	te_vcall(&v);
	nested_wrong += run.function != EEXIT;
	caught++;
}

/* Proves: B-26, A-FLT-15 */
TEST(tasks, handler_enters_the_tcs_that_it_has_interrupted)
{
	struct sigaction act = { .sa_sigaction = enter_again, .sa_flags = SA_SIGINFO };
	struct itimerval timer = { { 0, 3000 }, { 0, 3000 } }, none = { { 0, 0 }, { 0, 0 } };
	struct sgx_enclave_run run;
	uint64_t right, a[16] = { 1, 300000 };
	const double end = now() + 3;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .nssa = 3 }), 0);
	te_load(&te, 0, burn_3, (uint64_t)(burn_3_end - burn_3));
	te_load(&te, READ_AT, snip_read, (uint64_t)(snip_read_end - snip_read));
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	burn_seed(&in, 3, 50);
	want = in;
	burn_outside(burn_3, &want);
	te_call(&te, 0, TE_SUM, a, &run);
	right = a[0];
	caught = nested_wrong = 0;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (caught < 50 && now() < end) {
		uint64_t b[16] = { 1, 300000 };

		te_call(&te, 0, TE_SUM, b, &run);
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(b[0], right);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	EXPECT_EQ(nested_wrong, 0);
	EXPECT_TRUE(caught > 5);
	munmap(page, 4096);
	te_destroy(&te);
}
