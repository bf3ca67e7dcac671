/* SPDX-License-Identifier: BSD-2-Clause */
/* The process's handler (C.1), with enclaves made on /dev/sgx. The thread's: thread_handler.c. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/own.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

#define KERNEL		UINT64_C(0xffff800000001000)
#define NONCANONICAL	UINT64_C(0x0000800000000000)
#define CHILD		"ENCLU_HANDLER_CHILD"

OWN_FAULT(snip_ud, "ud2");
OWN_FAULT(snip_de, "div %cl");
OWN_FAULT(snip_pf, "mov (%rcx), %al");
OWN_FAULT(snip_gp, "hlt; nop");
SNIPPET(snip_int3, "int3; nop");

/* A handler that looks at what lies below the stack pointer, which is what the caller left there, and stops. */
extern const char peeking[];
__asm__(".text\npeeking: mov -8(%rsp), %r8\n jmp own_fixed\n");

/* One that has C see to the enclave, and goes back to the ENCLU. */
extern const char repairing[];
static uint64_t repairs;
__asm__(".text\nrepairing: push %rbx\n push %rcx\n mov %rsp, %rbp\n and $-16, %rsp\n mov %rbx, %rdi\n call repair\n"
	"mov %rbp, %rsp\n pop %rcx\n pop %rbx\n mov $3, %eax\n jmp *%rcx\n");

static struct te te, other;
static int device = -1;
enum { UD, DE, PF, GP, KINDS };
static const struct { unsigned vector, error; uint64_t addr; } kinds[KINDS] = {
	[UD] = { 6, 0, 0 }, [DE] = { 0, 0, 0 }, [PF] = { 14, 4, 0x1000 }, [GP] = { 13, 0, 0 },
};
static uint64_t code[KINDS], int3_code;

__attribute__((used)) static void repair(uint64_t tcs)
{
	const struct te *of = tcs - te.base < te.size ? &te : &other;
	unsigned i = 0;

	while (of->tcs[i] != tcs)
		i++;
	repairs += own_repair(of, i, 0);
}

static uint64_t at(enum own_site site)
{
	return (uintptr_t)own_enclu[site];
}

static long pair(unsigned long cmd, uint64_t enclu, uint64_t handler)
{
	struct sgx_enclu_register p = { enclu, handler };

	return ioctl(device, cmd, &p) ? -errno : 0;
}

static long process_pair(uint64_t enclu, const char *handler)
{
	return pair(SGX_RFC_ENCLU_REGISTER, enclu, (uintptr_t)handler);
}

static long thread_pair(uint64_t enclu, const char *handler)
{
	return pair(SGX_IOC_ENCLU_REGISTER_THREAD, enclu, (uintptr_t)handler);
}

static bool build(struct te *t)
{
	const struct te_options o = { .tcs = 4, .nssa = 3, .abi = TE_2018_RFC };

	if (!te_build(t, &o))
		return true;
	test_fail(__FILE__, __LINE__, "no enclave");
	return false;
}

static bool begin(void)
{
	if (device < 0)
		device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	if (process_pair(at(OWN_PLAIN), own_fixed)) {
		test_fail(__FILE__, __LINE__, "no registration");
		return false;
	}
	if (!build(&te))
		return false;
	code[UD] = OWN_LOAD(&te, 0, snip_ud);
	code[DE] = OWN_LOAD(&te, 512, snip_de);
	code[PF] = OWN_LOAD(&te, 1024, snip_pf);
	code[GP] = OWN_LOAD(&te, 1536, snip_gp);
	int3_code = OWN_LOAD(&te, 2112, snip_int3);
	return true;
}

static struct own fault(const struct te *t, unsigned tcs, enum own_site site, unsigned kind)
{
	struct own o = own_fault(t, tcs, site, at(site), code[kind] - te.base + t->base);

	own_call(&o);
	return o;
}

static void expect_handled(const struct own *o, uint64_t out, uint64_t rax, uint64_t vector, uint64_t error,
			   uint64_t addr)
{
	EXPECT_EQ(o->out, out);
	EXPECT_EQ(o->r[RAX], rax);
	EXPECT_EQ(o->r[RDI], vector);
	EXPECT_EQ(o->r[RSI], error);
	EXPECT_EQ(o->r[RDX], addr);
	EXPECT_EQ(o->r[RSP], o->base);
}

/* A case for a process that has never registered anything: this program again, which reports failures as its status. */
static int (*const cases[])(void);

__attribute__((constructor)) static void run_case(void)
{
	const char *number = getenv(CHILD);

	if (!number)
		return;
	device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	_exit(cases[atoi(number)]());
}

static int fresh(unsigned number)
{
	char value[] = { (char)('0' + number), 0 };
	int status;
	pid_t pid = fork();

	if (!pid) {
		setenv(CHILD, value, 1);
		execl("/proc/self/exe", "case", (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* Proves: C1-1, C1-2, C0-2 */
TEST(enclu, numbers_and_errors_of_the_registration)
{
	struct sgx_enclu_register p = { 1, 2 };

	if (!begin())
		return;
	EXPECT_EQ(sizeof(p), 16);
	EXPECT_EQ(ioctl(device, 0x4010A400, (void *)8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(device, 0x4010A400, (uint8_t *)own_unmapped() - 8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(process_pair(0, NULL), -EINVAL);		/* no way back */
	EXPECT_EQ(process_pair(at(OWN_PLAIN), own_enclu[OWN_PLAIN]), -EINVAL);
	EXPECT_EQ(pair(0x4010A400, 1, 0), 0);
	EXPECT_EQ(pair(0x4010A400, 0, 1), 0);
	EXPECT_EQ(pair(0x4010A400, NONCANONICAL, KERNEL), 0);
	EXPECT_EQ(pair(0xC010A400, 1, 2), -ENOTTY);
	EXPECT_EQ(pair(0x4010A411 + 1, 1, 2), -ENOTTY);
	EXPECT_EQ(process_pair(at(OWN_PLAIN), own_fixed), 0);
	EXPECT_EQ(fault(&te, 0, OWN_PLAIN, UD).out, OWN_FIXED);
	EXPECT_EQ(process_pair(at(OWN_PLAIN), own_abandon), 0);	/* replaces */
	EXPECT_EQ(fault(&te, 1, OWN_PLAIN, UD).out, OWN_ABANDON);
	te_destroy(&te);
}

/* CREATE without a registration, and with half of one. */
static int case_unregistered(void)
{
	struct sgx_secs secs __attribute__((aligned(4096))) = {
		.size = 8192, .ssaframesize = 1, .attributes = { SGX_ATTR_MODE64BIT, 3 },
	};
	struct sgx_2018_create p = { .src = (uintptr_t)&secs };
	void *base = mmap(NULL, 8192, PROT_READ, MAP_SHARED, device, 0);
	int wrong = 0;

	secs.baseaddr = (uintptr_t)base + 1;
	wrong |= !(ioctl(device, SGX_RFC_CREATE, &p) == -1 && errno == EINVAL);
	secs.baseaddr = (uintptr_t)base;
	wrong |= !(ioctl(device, SGX_RFC_CREATE, &p) == -1 && errno == EFAULT) << 1;
	secs.baseaddr = 1 << 20;
	wrong |= !(ioctl(device, SGX_RFC_CREATE, &p) == -1 && errno == EFAULT) << 2;
	wrong |= (pair(SGX_RFC_ENCLU_REGISTER, 1, 0) != 0) << 3;
	wrong |= !(ioctl(device, SGX_RFC_CREATE, &p) == -1 && errno == EINVAL) << 4;
	secs.baseaddr = (uintptr_t)base;
	wrong |= (ioctl(device, SGX_RFC_CREATE, &p) != 0) << 5;
	return wrong;
}

/* In a process that has executed itself after registering. */
static int case_after_exec(void)
{
	struct sgx_secs secs __attribute__((aligned(4096))) = {
		.size = 8192, .ssaframesize = 1, .attributes = { SGX_ATTR_MODE64BIT, 3 },
	};
	struct sgx_2018_create p = { .src = (uintptr_t)&secs };

	return (ioctl(device, SGX_RFC_CREATE, &p) != -1 || errno != EFAULT) |
	       (thread_pair(0, NULL) != -EINVAL) << 1;
}

static int (*const cases[])(void) = { case_unregistered, case_after_exec };

/* Proves: C1-3 */
TEST(enclu, no_enclave_without_a_registration)
{
	EXPECT_EQ(fresh(0), 0);
}

/* Proves: C1-4, C1-5, C1-6 */
TEST(enclu, handler_is_jumped_to_with_the_exception)
{
	unsigned i;

	if (!begin())
		return;
	EXPECT_EQ(process_pair(at(OWN_PLAIN), peeking), 0);
	for (i = 0; i < 200; i++) {
		const unsigned kind = i % KINDS;
		struct own in = own_fault(&te, 0, OWN_PLAIN, at(OWN_PLAIN), code[kind]), o = in;

		own_call(&o);
		expect_handled(&o, OWN_FIXED, ERESUME, kinds[kind].vector, kinds[kind].error, kinds[kind].addr);
		EXPECT_EQ(o.r[R8], at(OWN_PLAIN));		/* nothing was pushed over what own_call() left there */
		o.r[R8] = 0;
		own_expect_aex(&o, &te, 0, at(OWN_PLAIN), in.r[RBP]);
		EXPECT_TRUE(own_repair(&te, 0, 0));
		o.jump = at(OWN_PLAIN);				/* RBX and RCX are right already */
		own_call(&o);
		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RAX], EEXIT);
		EXPECT_EQ(o.r[RDI], 0);
	}
	te_destroy(&te);
}

/* Proves: C1-5 */
TEST(enclu, one_enclu_is_entry_aep_and_resumption)
{
	unsigned i;

	if (!begin())
		return;
	EXPECT_EQ(process_pair(at(OWN_PLAIN), repairing), 0);
	repairs = 0;
	for (i = 0; i < 200; i++) {
		struct own o = fault(&te, i % 4, OWN_PLAIN, i % KINDS);

		EXPECT_EQ(o.out, OWN_PLAIN);
		EXPECT_EQ(o.r[RAX], EEXIT);
		EXPECT_EQ(o.r[RDI], 0);
	}
	EXPECT_EQ(repairs, 200);
	te_destroy(&te);
}

static void expect_entry_fails(struct own in, uint64_t vector, uint64_t error, uint64_t addr)
{
	struct own o = in;

	own_call(&o);
	expect_handled(&o, OWN_FIXED, in.r[RAX], vector, error, addr);
	for (unsigned i = RAX; i <= R15; i++)
		if (i != RDI && i != RSI && i != RDX && i != RSP)
			EXPECT_EQ(o.r[i], in.r[i]);
}

/* Proves: C1-4 */
TEST(enclu, entry_that_faults_reaches_the_handler_with_2)
{
	struct own in;
	uint64_t none;

	if (!begin())
		return;
	none = own_unmapped();
	in = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN));
	in.r[RBX] = none;
	expect_entry_fails(in, 14, 6, none + 0xfff);
	in.r[RBX] = te.tcs[0] + 8;
	expect_entry_fails(in, 13, 0, 0);
	in.r[RBX] = te.data;
	expect_entry_fails(in, 14, 0x8007, te.data + 0xfff);
	in.r[RBX] = te.tcs[0];
	in.r[RCX] = NONCANONICAL;
	expect_entry_fails(in, 13, 0, 0);
	in.r[RCX] = at(OWN_PLAIN);
	in.r[RAX] = ERESUME;
	expect_entry_fails(in, 13, 0, 0);
	in.r[RAX] = 7;							/* no such leaf */
	expect_entry_fails(in, 13, 0, 0);
	te_destroy(&te);
}

/* Proves: C1-6 */
TEST(enclu, int3_of_an_enclave_without_debug_opt_in_is_its_ud)
{
	struct own o;

	if (!begin())
		return;
	o = own_fault(&te, 0, OWN_PLAIN, at(OWN_PLAIN), int3_code);
	own_call(&o);
	expect_handled(&o, OWN_FIXED, ERESUME, 6, 0, 0);
	te_destroy(&te);
}

/* Proves: C1-8 */
TEST(enclu, enclaves_share_the_handler_and_other_enclus_get_signals)
{
	struct own o;

	if (!begin() || !build(&other))
		return;
	EXPECT_EQ(OWN_LOAD(&other, 0, snip_ud), code[UD] - te.base + other.base);
	o = fault(&te, 0, OWN_PLAIN, UD);
	expect_handled(&o, OWN_FIXED, ERESUME, 6, 0, 0);
	EXPECT_EQ(o.r[RBX], te.tcs[0]);
	o = fault(&other, 1, OWN_PLAIN, UD);
	expect_handled(&o, OWN_FIXED, ERESUME, 6, 0, 0);
	EXPECT_EQ(o.r[RBX], other.tcs[1]);
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	o = fault(&te, 1, OWN_PLAIN_2, UD);
	EXPECT_EQ(o.out, OWN_SIGNAL);
	EXPECT_EQ(caught.sig, SIGILL);
	EXPECT_EQ(caught.gregs[REG_RIP], at(OWN_PLAIN_2));
	EXPECT_EQ(o.r[RAX], ERESUME);
	caught_continue = 0;
	EXPECT_TRUE(CAUGHT(__asm__ volatile("ud2")));		/* and what is no ENCLU at all */
	catch_end();
	te_destroy(&other);
	te_destroy(&te);
}

/* Where a handler is that can't be: the fault is its own, with the enclave's state behind it. */
/* Proves: C1-2, C1-4 */
TEST(enclu, handlers_that_cannot_be_fault_by_themselves)
{
	const uint64_t bad[] = { own_unmapped(), 0, NONCANONICAL, KERNEL, 0 };
	struct own o;
	unsigned i;

	if (!begin())
		return;
	for (i = 0; i < 5; i++) {
		const uint64_t handler = i == 4 ? te.tcs[3] : bad[i];

		EXPECT_EQ(pair(SGX_RFC_ENCLU_REGISTER, at(OWN_PLAIN), handler), 0);
		catch_begin(0);
		caught_continue = (uintptr_t)own_out;
		for (unsigned k = 0; k < 2; k++) {
			o = fault(&te, 0, OWN_PLAIN, UD);
			EXPECT_EQ(o.out, OWN_SIGNAL);
			EXPECT_EQ(caught.count, 1);
			EXPECT_EQ(caught.sig, SIGSEGV);
			EXPECT_EQ(caught.gregs[REG_RIP], handler);
			EXPECT_EQ(caught.gregs[REG_RDI], 6);
			EXPECT_EQ(caught.gregs[REG_RAX], ERESUME);
			EXPECT_EQ(caught.gregs[REG_RBX], te.tcs[0]);
			if (i < 2)
				EXPECT_EQ(caught.addr, handler);
			caught = (struct caught){ 0 };
			EXPECT_TRUE(own_repair(&te, 0, 0));
			o = own_eenter(&te, 0, OWN_PLAIN, at(OWN_PLAIN));
			o.r[RAX] = ERESUME;
			own_call(&o);
			EXPECT_EQ(o.r[RAX], EEXIT);
		}
		catch_end();
	}
	te_destroy(&te);
}

static void *thread_faults(void *arg)
{
	struct own o = fault(&te, 2, OWN_PLAIN, UD);

	*(uint64_t *)arg = o.out;
	return NULL;
}

/* Proves: C1-2, C1-7 */
TEST(enclu, pair_is_of_all_threads_and_children_and_gone_after_execve)
{
	uint64_t out = 0;
	pthread_t thread;
	int status;
	pid_t pid;

	if (!begin())
		return;
	pthread_create(&thread, NULL, thread_faults, &out);
	pthread_join(thread, NULL);
	EXPECT_EQ(out, OWN_FIXED);
	pid = fork();
	if (!pid) {	/* its enclave is not inherited, the pair is: CREATE works, and an exception finds it */
		struct own o;

		if (!build(&te))
			_exit(1);
		code[UD] = OWN_LOAD(&te, 0, snip_ud);
		o = fault(&te, 0, OWN_PLAIN, UD);
		if (o.out != OWN_FIXED || process_pair(at(OWN_PLAIN), own_abandon))
			_exit(2);
		_exit(fault(&te, 1, OWN_PLAIN, UD).out == OWN_ABANDON ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(fault(&te, 0, OWN_PLAIN, UD).out, OWN_FIXED);		/* the child's is its own */
	EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), own_fixed), 0);
	EXPECT_EQ(fresh(1), 0);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	te_destroy(&te);
}

/* Two libraries, each with an ENCLU and a handler of its own. What goes wrong, and what does not with the thread's. */
/* Proves: C1-9, C5-6 */
TEST(enclu, libraries_overwrite_each_others_pair_but_not_the_threads)
{
	struct own o;

	if (!begin() || !build(&other))
		return;
	EXPECT_EQ(OWN_LOAD(&other, 0, snip_ud), code[UD] - te.base + other.base);
	EXPECT_EQ(process_pair(at(OWN_PLAIN), own_fixed), 0);
	EXPECT_EQ(process_pair(at(OWN_PLAIN_2), own_abandon), 0);
	EXPECT_EQ(fault(&other, 0, OWN_PLAIN_2, UD).out, OWN_ABANDON);
	catch_begin(0);
	caught_continue = (uintptr_t)own_out;
	o = fault(&te, 0, OWN_PLAIN, UD);
	EXPECT_EQ(o.out, OWN_SIGNAL);				/* the first library's handler is lost */
	EXPECT_EQ(caught.sig, SIGILL);
	catch_end();
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_fixed), 0);
	EXPECT_EQ(thread_pair(at(OWN_PLAIN_2), own_abandon), 0);
	EXPECT_EQ(fault(&te, 1, OWN_PLAIN, UD).out, OWN_FIXED);
	EXPECT_EQ(fault(&other, 1, OWN_PLAIN_2, UD).out, OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	te_destroy(&other);
	te_destroy(&te);
}

/* Proves: C5-6 */
TEST(enclu, threads_pair_goes_before_the_processs)
{
	if (!begin())
		return;
	EXPECT_EQ(thread_pair(at(OWN_PLAIN), own_abandon), 0);
	EXPECT_EQ(fault(&te, 0, OWN_PLAIN, UD).out, OWN_ABANDON);
	EXPECT_EQ(thread_pair(0, NULL), 0);
	EXPECT_EQ(fault(&te, 1, OWN_PLAIN, UD).out, OWN_FIXED);
	te_destroy(&te);
}
