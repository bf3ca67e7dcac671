/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread's handlers (C5-6): what is in force when, through interruption, resumption and abandonment. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/own.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

#define PAIRS_MAX	32

OWN_FAULT(snip_ud, "ud2");

/* A handler that calls C, and either goes back to the ENCLU or stops as own_fixed does. */
extern const char calling[];
__asm__(".text\ncalling: push %rbx\n push %rcx\n mov %rsp, %rbp\n and $-16, %rsp\n mov %rbx, %rdi\n call on_exception\n"
	"mov %rbp, %rsp\n pop %rcx\n pop %rbx\n cmp $3, %eax\n je 1f\n jmp own_fixed\n1: jmp *%rcx\n");

static struct te te;
static int device = -1;
static uint64_t code;
static unsigned called, (*hook)(unsigned tcs);

static uint64_t at(enum own_site site)
{
	return (uintptr_t)own_enclu[site];
}

static long thread_pair(uint64_t enclu, const char *handler)
{
	struct sgx_enclu_register p = { enclu, (uintptr_t)handler };

	return ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &p) ? -errno : 0;
}

static unsigned pops(void)
{
	unsigned n = 0;

	while (!thread_pair(0, NULL))
		n++;
	return n;
}

__attribute__((used)) static unsigned on_exception(uint64_t tcs)
{
	unsigned i = 0;

	called++;
	while (te.tcs[i] != tcs)
		i++;
	return hook(i);
}

static bool begin(void)
{
	const struct te_options o = { .tcs = 16, .nssa = 4, .abi = TE_2018_BASE };

	if (device < 0)
		device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	if (te_build(&te, &o)) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	code = OWN_LOAD(&te, 0, snip_ud);
	called = 0;
	return true;
}

static struct own fault(unsigned tcs)
{
	struct own o = own_fault(&te, tcs, OWN_PLAIN, at(OWN_PLAIN), code);

	own_call(&o);
	return o;
}

static bool enters(unsigned tcs)
{
	struct own o = own_eenter(&te, tcs, OWN_PLAIN, at(OWN_PLAIN));

	own_call(&o);
	return o.out == OWN_PLAIN && o.r[RAX] == EEXIT;
}

/* Proves: C5-6, C0-2 */
TEST(thread, numbers_and_errors_of_the_registration)
{
	struct sgx_enclu_register p = { 1, 2 };
	unsigned i;

	if (!begin())
		return;
	EXPECT_EQ(ioctl(device, 0x4010A410, (void *)8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(thread_pair(0, NULL), -EINVAL);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_enclu[OWN_PLAIN]), -EINVAL);
	EXPECT_EQ(ioctl(device, SGX_RFC_ENCLU_REGISTER, &p), -1);	/* that is of another patch */
	EXPECT_EQ(errno, ENOTTY);
	for (i = 0; i < PAIRS_MAX; i++)
		EXPECT_EQ(thread_pair(i + 1, NULL), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), -ENOMEM);
	EXPECT_EQ(pops(), PAIRS_MAX);
	EXPECT_EQ(thread_pair(1, NULL), 0);
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

/* Proves: C5-6 */
TEST(thread, last_pair_of_an_address_is_in_force)
{
	if (!begin())
		return;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), own_out), 0);	/* a runtime that forgets its own hides nobody's */
	EXPECT_EQ(fault(0).out, OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(fault(1).out, OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(fault(2).out, OWN_FIXED);
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

/* Proves: C5-5 */
TEST(thread, two_addresses_before_and_none_after_are_the_whole_interface)
{
	const struct sgx_enclu_register mine = { at(OWN_PLAIN), (uintptr_t)own_fixed }, none = { 0, 0 };
	int any = open("/dev/sgx", O_RDWR | O_CLOEXEC);

	EXPECT_EQ(ioctl(any, SGX_IOC_ENCLU_REGISTER_THREAD, &mine), 0);	/* there is no enclave yet to speak of */
	close(any);
	if (!begin())
		return;
	EXPECT_EQ(fault(0).out, OWN_FIXED);
	EXPECT_EQ(ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &none), 0);
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	EXPECT_EQ(fault(1).out, OWN_SIGNAL);
	catch_end();
	EXPECT_EQ(pops(), 0);
	te_destroy(&te);
}

static void *of_another_thread(void *arg)
{
	bool *wrong = arg;
	struct own o;

	*wrong = thread_pair(0, NULL) != -EINVAL;
	o = fault(2);
	*wrong |= o.out != OWN_SIGNAL || caught.sig != SIGILL || caught.gregs[REG_RIP] != at(OWN_PLAIN);
	*wrong |= thread_pair(at(OWN_PLAIN), own_abandon) != 0;	/* its own, until it ends */
	*wrong |= fault(3).out != OWN_ABANDON;
	return NULL;
}

/* Proves: C5-6 */
TEST(thread, neither_threads_nor_children_inherit)
{
	bool wrong = true;
	pthread_t thread;
	int status, i;
	pid_t pid;

	if (!begin())
		return;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	for (i = 0; i < 3; i++) {	/* the slot of the first is the second's */
		pthread_create(&thread, NULL, of_another_thread, &wrong);
		pthread_join(thread, NULL);
		EXPECT_TRUE(!wrong);
	}
	pid = fork();
	if (!pid)
		_exit(thread_pair(0, NULL) != -EINVAL);
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	catch_end();
	EXPECT_EQ(fault(0).out, OWN_FIXED);
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

/* What an inner runtime does wrong: leaves its pair behind, or takes away more than its own. */
static unsigned careless_pushes(unsigned tcs)
{
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	EXPECT_EQ(fault(tcs + 1).out, OWN_ABANDON);
	return own_repair(&te, tcs, 0) ? ERESUME : 0;
}

static unsigned careless_pops(unsigned tcs)
{
	pops();
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_out), 0);
	return own_repair(&te, tcs, 0) ? ERESUME : 0;
}

/* Proves: C5-6 */
TEST(thread, resumption_brings_back_what_was_in_force)
{
	unsigned (*const careless[])(unsigned) = { careless_pushes, careless_pops };

	for (unsigned k = 0; k < 2; k++) {
		if (!begin())
			return;
		hook = careless[k];
		EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), own_out), 0);
		EXPECT_EQ(thread_pair(at(OWN_PLAIN), calling), 0);
		for (unsigned i = 0; i < 5; i++) {
			struct own o = fault(2 * i);

			EXPECT_EQ(o.out, OWN_PLAIN);		/* resumed, and left */
			EXPECT_EQ(o.r[RDI], 0);
			EXPECT_EQ(called, i + 1);
		}
		EXPECT_EQ(pops(), 2);
		te_destroy(&te);
	}
}

static unsigned abandons(unsigned tcs)
{
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	EXPECT_TRUE(enters(tcs + 1));
	EXPECT_EQ(fault(tcs + 1).out, OWN_ABANDON);
	return 0;
}

/* Proves: C5-6 */
TEST(thread, abandonment_brings_back_what_was_in_force)
{
	if (!begin())
		return;
	hook = abandons;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), calling), 0);
	for (unsigned i = 0; i < 6; i++) {
		EXPECT_EQ(fault(2 * i).out, OWN_FIXED);
		EXPECT_EQ(called, i + 1);		/* never the one that the handler has left */
	}
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

/* Proves: C5-6 */
TEST(thread, what_is_registered_after_an_abandonment_stays)
{
	if (!begin())
		return;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
	EXPECT_EQ(fault(0).out, OWN_FIXED);			/* nobody resumes it */
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	for (unsigned i = 0; i < 100; i++)
		EXPECT_TRUE(enters(1));
	EXPECT_EQ(fault(1).out, OWN_ABANDON);
	EXPECT_EQ(fault(2).out, OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);			/* ... and what is taken away is away */
	EXPECT_TRUE(enters(3));
	EXPECT_EQ(fault(3).out, OWN_FIXED);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_out), 0);
	EXPECT_TRUE(enters(4));
	EXPECT_EQ(fault(4).out, OWN_SIGNAL);
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

static unsigned deeper(unsigned tcs)
{
	if (tcs == 9)
		return 0;					/* and all of them are abandoned at once */
	EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), own_out), 0);
	EXPECT_EQ(fault(tcs + 1).out, OWN_FIXED);
	return 0;
}

/* Proves: C5-6 */
TEST(thread, nested_abandonment)
{
	if (!begin())
		return;
	hook = deeper;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), calling), 0);
	EXPECT_EQ(fault(0).out, OWN_FIXED);
	EXPECT_EQ(called, 10);
	EXPECT_TRUE(enters(10));
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}

static volatile sig_atomic_t interrupted;

static void on_alarm(int sig)
{
	(void)sig;
	interrupted++;
	if (thread_pair(at(OWN_PLAIN), own_abandon))
		interrupted = -1000000;
}

/* A handler of a signal that interrupts an enclave is inside of the entry, too. */
/* Proves: C5-6 */
TEST(thread, signal_handler_that_registers_does_not_disturb)
{
	uint64_t args[2];

	if (!begin())
		return;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
	signal(SIGALRM, on_alarm);
	interrupted = 0;
	for (unsigned i = 0; i < 20; i++) {
		struct own o = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN));

		args[0] = 1;
		args[1] = 20000000;
		o.r[RDI] = TE_SUM;
		o.r[RSI] = (uintptr_t)args;
		ualarm(2000, 0);
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PLAIN);
		if (interrupted)
			break;
	}
	signal(SIGALRM, SIG_DFL);
	EXPECT_TRUE(interrupted > 0);
	EXPECT_EQ(fault(1).out, OWN_FIXED);
	EXPECT_EQ(pops(), 1);
	te_destroy(&te);
}
