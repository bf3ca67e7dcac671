/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers that can't be, and handlers that return garbage. Each case runs twice, with an exception of ordinary
 * code and with one of an enclave: the end must be the same, and it must be the program's, not the platform's.
 */
#define _GNU_SOURCE
#include "designs/own.h"
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

OWN_FAULT(snip_ud, "ud2");
OWN_FAULT(snip_pf, "mov (%rcx), %al");
#define NONCANONICAL	(UINT64_C(1) << 47)
#define KERNEL		UINT64_C(0xffffffff81000000)

extern const char host_ud2[], host_pf[];
__asm__(".text\nhost_ud2: ud2\nhost_pf: mov 0x1000, %al\n");

static struct te te;
static uint64_t code_ud, code_pf, unmapped, aep;

static bool begin(void)
{
	/* A child shares the enclave, and leaves an interrupted frame behind. */
	const struct te_options options = { .nssa = 100 };
	struct own o;

	if (te_build(&te, &options)) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	aep = (uintptr_t)own_enclu[OWN_PLAIN_2];
	code_ud = OWN_LOAD(&te, 0, snip_ud);
	code_pf = OWN_LOAD(&te, 512, snip_pf);
	o = own_eenter(&te, 0, OWN_PLAIN, aep);
	own_call(&o);
	unmapped = own_unmapped();
	return true;
}

/* An exception of the host's or of the enclave's. */
static struct own raise_it(bool inside, bool page_fault)
{
	struct own o = own_fault(&te, 0, OWN_PLAIN, aep, page_fault ? code_pf : code_ud);

	if (!inside)
		o.jump = (uintptr_t)(page_fault ? host_pf : host_ud2);
	own_call(&o);
	return o;
}

/* The child does @run; how it ended, and whether it, or the platform, said something. */
static int in_child(void (*run)(bool inside), bool inside, char *said, size_t size)
{
	int pipes[2], status = -1;
	ssize_t n;
	pid_t pid;

	if (pipe(pipes))
		return -1;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(pipes[1], 2);
		alarm(20);
		run(inside);
		_exit(0);
	}
	close(pipes[1]);
	n = read(pipes[0], said, size - 1);
	said[n > 0 ? n : 0] = 0;
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return status;
}

static void same_end(const char *what, void (*run)(bool inside), int sig)
{
	char said[2][256];
	int host = in_child(run, false, said[0], sizeof(said[0]));
	int enclave = in_child(run, true, said[1], sizeof(said[1]));

	if (host != enclave || !WIFSIGNALED(enclave) || WTERMSIG(enclave) != sig || said[0][0] || said[1][0])
		test_fail(__FILE__, __LINE__, "%s: status %x outside, %x inside; said '%s', '%s'", what, host,
			  enclave, said[0], said[1]);
}

static uint64_t bad;			/* the address that this case is about */
static int bad_flags;
static bool bad_stack, bad_page_fault;

static void with_bad_handler(bool inside)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | bad_flags };
	stack_t stack = { .ss_sp = (void *)unmapped, .ss_size = 65536 };
	int sig = bad_page_fault ? SIGSEGV : SIGILL;

	if (bad_stack) {
		sigaltstack(&stack, NULL);
		sa.sa_flags |= SA_ONSTACK;
	}
	sa.sa_sigaction = (void (*)(int, siginfo_t *, void *))bad;
	sigaction(sig, &sa, NULL);
	raise_it(inside, bad_page_fault);
}

/* Proves: C4-2, C4-4 */
TEST(hostile, handlers_that_cannot_be_end_the_program)
{
	const char *names[] = { "unmapped", "not canonical", "the kernel's", "in the enclave", "the enclave's TCS",
				"a stack" };
	uint64_t addresses[6], on_stack = 0;
	unsigned i, k;

	if (!begin())
		return;
	addresses[0] = unmapped;
	addresses[1] = NONCANONICAL;
	addresses[2] = KERNEL;
	addresses[3] = te.data;
	addresses[4] = te.tcs[0];
	addresses[5] = (uintptr_t)&on_stack;
	for (i = 0; i < 6; i++) {
		for (k = 0; k < 4; k++) {
			bad = addresses[i];
			bad_page_fault = k & 1;
			bad_flags = k & 2 ? SA_RESETHAND : 0;
			same_end(names[i], with_bad_handler, SIGSEGV);
		}
	}
	te_destroy(&te);
}

static void unreachable(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	_exit(7);
}

/* Proves: C4-2, C4-4 */
TEST(hostile, stack_that_cannot_be_ends_the_program)
{
	if (!begin())
		return;
	bad = (uintptr_t)unreachable;
	bad_flags = 0;
	bad_stack = true;
	for (bad_page_fault = false;; bad_page_fault = true) {
		same_end("stack", with_bad_handler, SIGSEGV);
		if (bad_page_fault)
			break;
	}
	bad_stack = false;
	te_destroy(&te);
}

static void default_action(bool inside)
{
	raise_it(inside, bad_page_fault);
}

static void ignored_or_blocked(bool inside)
{
	sigset_t set;

	sigfillset(&set);
	signal(SIGILL, SIG_IGN);
	signal(SIGSEGV, SIG_IGN);
	if (bad)
		sigprocmask(SIG_SETMASK, &set, NULL);
	raise_it(inside, bad_page_fault);
}

/* Proves: C4-4 */
TEST(hostile, no_handler_is_the_default_action)
{
	unsigned k;

	if (!begin())
		return;
	for (k = 0; k < 4; k++) {
		bad_page_fault = k & 1;
		bad = k & 2;
		same_end("default", default_action, bad_page_fault ? SIGSEGV : SIGILL);
		same_end("ignored", ignored_or_blocked, bad_page_fault ? SIGSEGV : SIGILL);
	}
	te_destroy(&te);
}

static struct ending {
	int count, sig, code;
	uint64_t addr, rip, trapno, err;
} ending;
static enum { BAD_RIP, BAD_FPREGS, BAD_CS } bad_part;

/* The first time: garbage. Then: what became of it. */
static void corrupt(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	if (ending.count++) {
		ending.sig = sig;
		ending.code = info->si_code;
		ending.addr = (uintptr_t)info->si_addr;
		ending.rip = (uint64_t)g[REG_RIP];
		ending.trapno = (uint64_t)g[REG_TRAPNO];
		ending.err = (uint64_t)g[REG_ERR];
		g[REG_RIP] = (greg_t)(uintptr_t)own_out;
		return;
	}
	switch (bad_part) {
	case BAD_RIP:
		g[REG_RIP] = (greg_t)bad;
		break;
	case BAD_FPREGS:
		uc->uc_mcontext.fpregs = (void *)bad;
		break;
	case BAD_CS:
		((uint16_t *)&g[REG_CSGSFS])[0] = (uint16_t)bad;
		break;
	}
}

static struct ending run_corrupt(bool inside)
{
	struct own o;

	memset(&ending, 0, sizeof(ending));
	o = raise_it(inside, false);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	return ending;
}

static void catch_all(bool on)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	sa.sa_sigaction = corrupt;
	if (!on)
		sa = (struct sigaction){ .sa_handler = SIG_DFL };
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Proves: C4-5 */
TEST(hostile, garbage_for_rip_faults_there)
{
	uint64_t addresses[5], on_stack = 0;
	struct ending host, enclave;
	unsigned i;

	if (!begin())
		return;
	addresses[0] = unmapped;
	addresses[1] = NONCANONICAL;
	addresses[2] = KERNEL;
	addresses[3] = te.data;
	addresses[4] = (uintptr_t)&on_stack & ~UINT64_C(15);
	catch_all(true);
	bad_part = BAD_RIP;
	for (i = 0; i < 5; i++) {
		bad = addresses[i];
		host = run_corrupt(false);
		enclave = run_corrupt(true);
		EXPECT_TRUE(own_repair(&te, 0, 0));
		EXPECT_TRUE(own_finish(&te, 0));
		EXPECT_EQ(enclave.count, 2);
		EXPECT_EQ(enclave.sig, SIGSEGV);
		EXPECT_EQ(enclave.rip, bad);
		EXPECT_EQ(host.count, enclave.count);
		EXPECT_EQ(host.sig, enclave.sig);
		EXPECT_EQ(host.code, enclave.code);
		EXPECT_EQ(host.addr, enclave.addr);
		EXPECT_EQ(host.rip, enclave.rip);
		EXPECT_EQ(host.trapno, enclave.trapno);
		EXPECT_EQ(host.err, enclave.err);
	}
	catch_all(false);
	te_destroy(&te);
}

static void corrupt_once(bool inside)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	sa.sa_sigaction = corrupt;
	sigaction(SIGILL, &sa, NULL);		/* and SIGSEGV by default */
	memset(&ending, 0, sizeof(ending));
	raise_it(inside, false);
}

/* Proves: C4-5 */
TEST(hostile, context_that_cannot_be_ends_the_program)
{
	if (!begin())
		return;
	bad_part = BAD_FPREGS;
	bad = unmapped;
	same_end("fpregs unmapped", corrupt_once, SIGSEGV);
	bad = NONCANONICAL;
	same_end("fpregs not canonical", corrupt_once, SIGSEGV);
	bad_part = BAD_CS;
	bad = 0x08;
	same_end("CS", corrupt_once, SIGSEGV);
	bad_part = BAD_RIP;
	bad = KERNEL;
	same_end("RIP", corrupt_once, SIGSEGV);
	te_destroy(&te);
}
