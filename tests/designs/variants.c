/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the designs leave to the program: an AEP that does not resume, handlers that are jumped to, several designs
 * that look at one instruction, and all of them in one process.
 */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/own.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

OWN_FAULT(snip_ud, "ud2");
OWN_FAULT(snip_pf, "mov (%rcx), %al");

static struct te te;
static uint64_t code_ud, code_pf;
static int device = -1;

static uint64_t at(enum own_site site)
{
	return (uintptr_t)own_enclu[site];
}

static bool begin(void)
{
	const struct te_options options = { .tcs = 4, .nssa = 4 };
	struct own o;

	device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	if (device < 0 || te_build(&te, &options)) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	code_ud = OWN_LOAD(&te, 0, snip_ud);
	code_pf = OWN_LOAD(&te, 512, snip_pf);
	/* Touched once: a page fault that the kernel repairs leads to the AEP as well, whatever is there. */
	o = own_fault(&te, 0, OWN_PREFIXED, at(OWN_PREFIXED), code_ud);
	own_call(&o);
	EXPECT_TRUE(own_repair(&te, 0, 0));
	EXPECT_TRUE(own_finish(&te, 0));
	return true;
}


/* The pair of the process can't be taken away, so one that is nowhere takes its place. */
static void set_pair(uint64_t enclu, const char *handler)
{
	struct sgx_enclu_register pair = { .enclu = enclu, .handler = (uintptr_t)handler };

	EXPECT_EQ(ioctl(device, SGX_RFC_ENCLU_REGISTER, &pair), 0);
}

static void end(void)
{
	set_pair(1, NULL);
	close(device);
	te_destroy(&te);
}

static int thread_pair(uint64_t enclu, const char *handler)
{
	struct sgx_enclu_register pair = { .enclu = enclu, .handler = (uintptr_t)handler };

	return ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &pair);
}

static int return_from_it(int sig, siginfo_t *info, ucontext_t *uc)
{
	(void)sig, (void)info, (void)uc;
	return 1;
}

/* Proves: C4-5, C4-1 */
TEST(variants, aep_that_abandons_the_enclave_ends_the_call)
{
	struct own in, o;
	unsigned i, k;

	if (!begin())
		return;
	catch_begin(0);
	caught_hook = return_from_it;			/* the handler does nothing: the AEP is next */
	for (i = 0; i < 3; i++) {
		in = own_fault(&te, 0, OWN_PLAIN, (uintptr_t)own_abandon, code_ud);
		caught.count = 0;
		o = in;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_ABANDON);
		EXPECT_EQ(caught.count, 1);
		EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)own_abandon);
		EXPECT_EQ(o.r[RAX], ERESUME);
		EXPECT_EQ(o.r[RDI], 0);
		EXPECT_EQ(o.r[RSI], 0);
		EXPECT_EQ(o.r[RDX], 0);
		own_expect_aex(&o, &te, 0, (uintptr_t)own_abandon, in.r[RBP]);
		for (k = 1; k < 4; k++) {		/* other TCSs know nothing of it */
			o = own_eenter(&te, k, OWN_PLAIN, at(OWN_PLAIN_2));
			own_call(&o);
			EXPECT_EQ(o.out, OWN_PLAIN);
		}
	}
	/* What was abandoned can be resumed much later, the last one first. */
	for (i = 3; i-- > 0;) {
		EXPECT_TRUE(own_repair(&te, 0, i));
		EXPECT_TRUE(own_finish(&te, 0));
	}
	catch_end();
	end();
}

static _Atomic uint64_t released, running;
static _Atomic unsigned interrupts;
static struct own spun;

static void *spin(void *unused)
{
	static uint64_t args[2];

	(void)unused;
	args[0] = (uintptr_t)&released;
	args[1] = 0;
	spun = own_eenter(&te, 0, OWN_PLAIN, (uintptr_t)own_abandon);
	spun.r[RDI] = TE_SPIN;
	spun.r[RSI] = (uintptr_t)args;
	running = (uintptr_t)&args[1];
	own_call(&spun);
	running = 0;
	return NULL;
}

static void on_usr1(int sig)
{
	(void)sig;
	interrupts++;
}

/* Proves: C4-7, C4-5 */
TEST(variants, aep_that_abandons_the_enclave_does_so_at_an_interrupt)
{
	uint64_t rbp;
	pthread_t thread;
	struct own o;

	if (!begin())
		return;
	signal(SIGUSR1, on_usr1);
	released = running = interrupts = 0;
	o = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN_2));
	own_call(&o);				/* what the kernel repairs on the way would lead to the AEP, too */
	rbp = o.r[RBP];
	pthread_create(&thread, NULL, spin, NULL);
	while (!running || !*(volatile uint64_t *)running)
		;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	EXPECT_EQ(interrupts, 1);
	EXPECT_EQ(spun.out, OWN_ABANDON);
	EXPECT_EQ(spun.r[RAX], ERESUME);
	own_expect_aex(&spun, &te, 0, (uintptr_t)own_abandon, rbp);
	released = 1;
	o = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN_2));
	o.r[RAX] = ERESUME;			/* here, on another thread */
	own_call(&o);
	EXPECT_EQ(o.out, OWN_PLAIN);
	EXPECT_EQ(o.r[RAX], EEXIT);
	signal(SIGUSR1, SIG_DFL);
	end();
}

/* Proves: C1-4, C1-5, C5-6 */
TEST(variants, handler_is_jumped_to_with_the_state_of_the_enclu)
{
	struct own in, o;
	unsigned i, scope;

	if (!begin())
		return;
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	for (scope = 0; scope < 2; scope++) {
		if (scope)
			EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
		else
			set_pair(at(OWN_PLAIN), own_fixed);
		for (i = 0; i < 40; i++) {
			in = own_fault(&te, 0, OWN_PLAIN, at(OWN_PLAIN), i % 2 ? code_ud : code_pf);
			o = in;
			own_call(&o);
			EXPECT_EQ(o.out, OWN_FIXED);
			EXPECT_EQ(o.r[RAX], ERESUME);
			EXPECT_EQ(o.r[RDI], i % 2 ? 6 : 14);
			EXPECT_EQ(o.r[RSI], i % 2 ? 0 : 4);
			EXPECT_EQ(o.r[RDX], i % 2 ? 0 : 0x1000);
			own_expect_aex(&o, &te, 0, at(OWN_PLAIN), in.r[RBP]);
			/* own_repair() enters at the same ENCLU; back with RAX, RBX and RCX as they are. */
			EXPECT_TRUE(own_repair(&te, 0, 0));
			o.jump = at(OWN_PLAIN);
			own_call(&o);
			EXPECT_EQ(o.out, OWN_PLAIN);
			EXPECT_EQ(o.r[RAX], EEXIT);
			EXPECT_EQ(o.r[RDI], 0);
		}
		in = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN));
		in.r[RBX] = te.tcs[0] + 8;
		o = in;
		own_call(&o);
		EXPECT_EQ(o.out, OWN_FIXED);
		EXPECT_EQ(o.r[RAX], EENTER);
		EXPECT_EQ(o.r[RDI], 13);
		EXPECT_EQ(o.r[RSI], 0);
		EXPECT_EQ(o.r[RDX], 0);
		for (i = RAX; i <= R15; i++)
			if (i != RDI && i != RSI && i != RDX && i != RSP)
				EXPECT_EQ(o.r[i], in.r[i]);
		EXPECT_EQ(o.r[RSP], o.base);
		EXPECT_EQ(caught.count, 0);
		if (scope)
			EXPECT_EQ(thread_pair(0, NULL), 0);
		set_pair(1, NULL);
	}
	/* And another ENCLU is none of it. */
	set_pair(at(OWN_PLAIN), own_fixed);
	o = own_fault(&te, 0, OWN_PLAIN, at(OWN_PLAIN_2), code_ud);
	own_call(&o);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(caught.count, 1);
	EXPECT_EQ(caught.sig, SIGILL);
	catch_end();
	end();
}

/*
 * A handler that is nowhere: the exception is delivered there, and what happens then is an exception of its own.
 */
/* Proves: C1-2, C1-4, C5-6 */
TEST(variants, handler_that_cannot_be_faults_where_it_is)
{
	const char *handlers[5];
	struct own o;
	unsigned i, scope;

	if (!begin())
		return;
	handlers[0] = (const char *)own_unmapped();
	handlers[1] = (const char *)(UINT64_C(1) << 47);
	handlers[2] = (const char *)UINT64_C(0xffffffff81000000);
	handlers[3] = (const char *)te.data;
	handlers[4] = NULL;
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	for (scope = 0; scope < 2; scope++) {
		for (i = 0; i < 5; i++) {
			if (scope)
				EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), handlers[i]), 0);
			else
				set_pair(at(OWN_PLAIN_2), handlers[i]);
			caught.count = 0;
			o = own_fault(&te, 0, OWN_PLAIN, at(OWN_PLAIN_2), code_ud);
			own_call(&o);
			EXPECT_EQ(o.out, OWN_SIGNAL);
			EXPECT_EQ(caught.count, 1);
			EXPECT_EQ(caught.sig, SIGSEGV);
			EXPECT_EQ(caught.gregs[REG_RIP], (uintptr_t)handlers[i]);
			EXPECT_EQ(caught.gregs[REG_TRAPNO], i == 1 ? 13 : 14);
			EXPECT_EQ(o.r[RAX], ERESUME);
			EXPECT_EQ(o.r[RBX], te.tcs[0]);
			EXPECT_EQ(o.r[RCX], at(OWN_PLAIN_2));
			EXPECT_EQ(o.r[RDI], 6);
			EXPECT_TRUE(own_repair(&te, 0, 0));
			EXPECT_TRUE(own_finish(&te, 0));
			if (scope)
				EXPECT_EQ(thread_pair(0, NULL), 0);
		}
		set_pair(1, NULL);
	}
	catch_end();
	end();
}

static uint64_t vdso_enclu(void)
{
	uint64_t size;
	const uint8_t *p = te_vdso_code(&size);

	while (memcmp(p, "\x0f\x01\xd7", 3))
		p++;
	return (uintptr_t)p;
}

/* Where the exception of a call comes out whose AEP is @site: a prefixed one, or the vDSO's (OWN_SITES). */
static unsigned lands(enum own_site site)
{
	const uint64_t aep = site == OWN_SITES ? vdso_enclu() : at(site);
	struct own o = own_fault(&te, 0, OWN_PLAIN, aep, code_ud);

	own_call(&o);
	EXPECT_TRUE(own_repair(&te, 0, 0));
	EXPECT_TRUE(own_finish(&te, 0));
	return (unsigned)o.out;
}

/* Designs that look at one instruction: the thread's pair, then the process's, then what the instruction is. */
/* Proves: C5-6, C1-4, C2-1 */
TEST(variants, the_nearest_registration_wins)
{
	if (!begin())
		return;
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_PREFIXED_2);
	set_pair(at(OWN_PREFIXED_2), own_fixed);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_FIXED);
	EXPECT_EQ(lands(OWN_PREFIXED), OWN_PREFIXED);
	EXPECT_EQ(thread_pair(at(OWN_PREFIXED_2), own_abandon), 0);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_ABANDON);
	EXPECT_EQ(thread_pair(at(OWN_PREFIXED_2), own_out), 0);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_SIGNAL);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_FIXED);
	set_pair(1, NULL);
	EXPECT_EQ(lands(OWN_PREFIXED_2), OWN_PREFIXED_2);
	/* Somebody registers the ENCLU of the vDSO, which is how a program could take it over. */
	set_pair(vdso_enclu(), own_fixed);
	EXPECT_EQ(lands(OWN_SITES), OWN_FIXED);
	set_pair(1, NULL);
	EXPECT_EQ(thread_pair(0, NULL), -1);
	EXPECT_EQ(errno, EINVAL);
	end();
}

enum { ROUNDS = 200 };

/* A design for each thread; all in the same enclave at the same time. */
struct job {
	unsigned thread;
	uint64_t wrong;
};

static void *by_enclu(void *arg)
{
	static const struct { enum own_site site, aep; unsigned landing; } how[3] = {
		{ OWN_PREFIXED, OWN_PREFIXED_2, OWN_PREFIXED_2 },	/* the prefix */
		{ OWN_67, OWN_67, OWN_FIXED },				/* the process's handler */
		{ OWN_48, OWN_48, OWN_ABANDON },			/* the thread's */
	};
	struct job *job = arg;
	struct own o;
	unsigned i, k = job->thread;

	if (k == 2)
		job->wrong += thread_pair(at(OWN_48), own_abandon) != 0;
	for (i = 0; i < ROUNDS; i++) {
		o = own_eenter(&te, k, how[k].site, at(how[k].aep));
		o.r[RDI] = TE_JUMP;
		o.r[RDX] = te.scratch + 1024;
		o.r[R9] = te.eexit;
		own_call(&o);
		job->wrong += o.out != how[k].landing || o.r[RDI] != 6 || o.r[RBX] != te.tcs[k];
		job->wrong += !own_repair(&te, k, 0);
		o.jump = at(how[k].aep);
		o.r[RAX] = ERESUME;
		own_call(&o);
		job->wrong += o.out != how[k].site || o.r[RDI] != 77 + k;
	}
	return NULL;
}

static void *by_vdso(void *arg)
{
	struct job *job = arg;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		struct sgx_enclave_run run = { .tcs = te.tcs[3] };
		struct te_vcall v = { .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP,
				      .rdx = te.scratch + 1024, .r9 = te.eexit, .rflags = 0x202 };
		struct te_vcall again = v;

		te_vcall(&v);
		job->wrong += v.rax != 0 || run.function != ERESUME || run.exception_vector != 6;
		job->wrong += !own_repair(&te, 3, 0);
		again.rcx = ERESUME;
		te_vcall(&again);
		job->wrong += again.rax != 0 || run.function != EEXIT || again.rdi != 80;
	}
	return NULL;
}

/* #UD, and then RDI = 77 + the number of the TCS, by its address in RBX, which is kept in R14. */
SNIPPET(snip_light, "mov %rbx, %r14; mov %rcx, %r15; ud2; mov %r14, %rdi; lea te_light_base(%rip), %r14;"
	"sub (%r14), %rdi; shr $12, %rdi; imul $0xcccd, %rdi, %rdi; shr $18, %rdi; add $77, %rdi;"
	"mov %r15, %rbx; mov $4, %eax; jmp *%r9;"
	".balign 8; te_light_base: .quad 0");

/* Proves: C5-4, C1-8, C2-4, C5-6 */
TEST(variants, all_designs_at_the_same_time)
{
	uint64_t args[2], size = (uint64_t)(snip_light_end - snip_light), i;
	struct job jobs[4];
	pthread_t threads[4];
	struct own o;

	if (!begin())
		return;
	EXPECT_EQ(te.tcs[1] - te.tcs[0], 5 * 4096);
	OWN_LOAD(&te, 1024, snip_light);
	o = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN_2));
	args[0] = te.scratch + 1024 + size - 8;
	args[1] = te.tcs[0];
	o.r[RDI] = TE_WRITE;
	o.r[RSI] = (uintptr_t)args;
	own_call(&o);
	set_pair(at(OWN_67), own_fixed);
	for (i = 0; i < 4; i++) {
		jobs[i] = (struct job){ .thread = (unsigned)i };
		pthread_create(&threads[i], NULL, i < 3 ? by_enclu : by_vdso, &jobs[i]);
	}
	catch_begin(0);
	caught_hook = NULL;
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(jobs[i].wrong, 0);
	}
	EXPECT_EQ(caught.count, 0);			/* and no signal came of it */
	catch_end();
	end();
}
