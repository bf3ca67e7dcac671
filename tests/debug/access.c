/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a debugger can do to enclaves from outside: /proc/PID/mem and ptrace. Reading and writing is done through the
 * process's own /proc/self/mem, which forces its way as a debugger does.
 */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096ull
#define DBGOPTIN	1ull
#define BP_INSIDE	0x80000603u
#define DB_INSIDE	0x80000301u
#define UD_INSIDE	0x80000306u
enum { UD = 6, PF = 14 };

static struct te te;
static struct sgx_enclave_run run;
static int mem = -1;

static bool build(struct te_options o)
{
	if (mem < 0)
		mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (te.size)
		te_destroy(&te);
	te.size = 0;
	return te_build(&te, &o) == 0;
}

static bool ready(void)
{
	return build((struct te_options){ .nssa = 3, .attributes = SGX_ATTR_DEBUG, .heap_pages = 4, .hole_pages = 2 });
}

/* Bytes moved, or -errno. */
static long peek(uint64_t addr, void *dst, size_t size)
{
	const ssize_t n = pread(mem, dst, size, (off_t)addr);

	return n < 0 ? -errno : n;
}

static long poke(uint64_t addr, const void *src, size_t size)
{
	const ssize_t n = pwrite(mem, src, size, (off_t)addr);

	return n < 0 ? -errno : n;
}

static uint64_t args[16];

static int call(uint64_t op)
{
	return te_call(&te, 0, op, args, &run);
}

static volatile struct sgx_gprsgx *gpr(void)
{
	return (void *)te_gpr(&te, 0, 0);
}

static uint64_t flags_of_tcs(void)
{
	uint64_t flags = ~0ull;

	EXPECT_EQ(peek(te.tcs[0] + offsetof(struct sgx_tcs, flags), &flags, 8), 8);
	return flags;
}

static void opt_in(uint64_t flags)
{
	EXPECT_EQ(poke(te.tcs[0] + offsetof(struct sgx_tcs, flags), &flags, 8), 8);
}

/* Proves: A-DBG-1, DBG-12 */
TEST(debug, debug_enclave_is_read_and_written_from_outside)
{
	uint8_t was[8], is[8];
	uint64_t word = 0x1122334455667788;

	ASSERT_TRUE(ready());
	/* Code, before it was ever executed; then while it is mapped. */
	for (int touched = 0; touched < 2; touched++) {
		EXPECT_EQ(peek(te.code, was, 8), 8);
		EXPECT_MEMEQ(was, te_code_start, 8);
		EXPECT_EQ(poke(te.code + 0x800, "\x90\x90", 2), 2);
		EXPECT_EQ(peek(te.code + 0x800, is, 2), 2);
		EXPECT_MEMEQ(is, "\x90\x90", 2);
		EXPECT_EQ(poke(te.code + 0x800, te_code_start + 0x800, 2), 2);
		EXPECT_EQ(call(TE_NOP), 0);
		EXPECT_EQ(run.function, EEXIT);
	}
	/* Data: what is written outside is read inside. */
	EXPECT_EQ(poke(te.heap, &word, 8), 8);
	args[0] = te.heap;
	EXPECT_EQ(call(TE_READ), 0);
	EXPECT_EQ(args[1], word);
	args[1] = ~word;
	EXPECT_EQ(call(TE_WRITE), 0);
	EXPECT_EQ(peek(te.heap, &word, 8), 8);
	EXPECT_EQ(word, args[1]);
	word = 77;
	EXPECT_EQ(poke(te.heap, &word, 8), 8);		/* now that it is mapped */
	EXPECT_EQ(call(TE_READ), 0);
	EXPECT_EQ(args[1], 77);
}

/* What the kernel makes impossible: it knows no attributes of enclaves. But code is not written. */
/* Proves: A-DBG-4 */
TEST(debug, production_enclave_is_read_but_its_code_is_not_written)
{
	uint8_t bytes[8];

	ASSERT_TRUE(build((struct te_options){ .nssa = 3 }));
	EXPECT_EQ(call(TE_NOP), 0);
	EXPECT_EQ(peek(te.code, bytes, 8), 8);
	EXPECT_MEMEQ(bytes, te_code_start, 8);
	EXPECT_EQ(poke(te.code, bytes, 8), -EIO);
	EXPECT_EQ(poke(te.tcs[0] + 8, bytes, 8), -EIO);
}

/* Proves: A-DBG-2 */
TEST(debug, unaligned_and_short_accesses_change_nothing_around_them)
{
	uint8_t page[64], is[64];

	ASSERT_TRUE(ready());
	EXPECT_EQ(call(TE_NOP), 0);
	for (unsigned at = 1; at < 16; at++)
		for (unsigned size = 1; size < 20; size += 3) {
			const uint64_t base[2] = { te.code + 0xf00, te.heap };

			for (int k = 0; k < 2; k++) {
				EXPECT_EQ(peek(base[k], page, sizeof(page)), sizeof(page));
				memset(page + at, (int)(at * 16 + size), size);
				EXPECT_EQ(poke(base[k] + at, page + at, size), size);
				EXPECT_EQ(peek(base[k], is, sizeof(is)), sizeof(is));
				EXPECT_MEMEQ(is, page, sizeof(is));
			}
		}
}

/* Proves: A-DBG-3 */
TEST(debug, protection_is_not_asked)
{
	uint64_t word = 5, is = 0;

	ASSERT_TRUE(ready());
	args[0] = te.heap;
	args[1] = 4;
	EXPECT_EQ(call(TE_WRITE), 0);
	EXPECT_EQ(mprotect((void *)te.heap, PAGE, PROT_NONE), 0);
	EXPECT_EQ(mprotect((void *)te.code, PAGE, PROT_NONE), 0);
	EXPECT_EQ(peek(te.heap, &is, 8), 8);
	EXPECT_EQ(is, 4);
	EXPECT_EQ(poke(te.heap, &word, 8), 8);
	EXPECT_EQ(peek(te.heap, &is, 8), 8);
	EXPECT_EQ(is, 5);
	EXPECT_EQ(poke(te.code + 0xf00, &word, 8), 8);
	EXPECT_EQ(mprotect((void *)te.heap, PAGE, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(mprotect((void *)te.code, PAGE, PROT_READ | PROT_EXEC), 0);
	EXPECT_EQ(call(TE_READ), 0);
	EXPECT_EQ(args[1], 5);
}

/* Proves: A-DBG-3 */
TEST(debug, absent_page_is_not_augmented)
{
	uint64_t word = 99;

	ASSERT_TRUE(ready());
	peek(te.hole, &word, 8);
	word = 99;
	poke(te.hole, &word, 8);		/* what is written is gone as soon as there is a page */
	args[0] = te.hole;
	EXPECT_EQ(call(TE_READ), 0);		/* a page is made, and pends: EACCEPT is the enclave's */
	EXPECT_EQ(run.exception_vector, PF);
	EXPECT_EQ(te_leave(&te, 0), 0);
	EXPECT_EQ(peek(te.hole, &word, 8), 8);
	EXPECT_EQ(word, 0);
}

/* Proves: A-DBG-4 */
TEST(debug, failure_is_eio_or_a_short_count)
{
	static uint8_t bytes[2 * PAGE];
	const uint64_t last = te.hole + PAGE;

	ASSERT_TRUE(ready());
	munmap((void *)last, PAGE);
	munmap((void *)te.data, PAGE);
	EXPECT_EQ(peek(te.data, bytes, 8), -EIO);
	EXPECT_EQ(poke(te.data, bytes, 8), -EIO);
	EXPECT_EQ(peek(te.data - 16, bytes, 64), 16);
	EXPECT_EQ(poke(te.data - 16, bytes, 64), 16);
	EXPECT_EQ(call(TE_NOP), 0);
}

/* On Linux it never works. Here it does what the mapping allows to the program itself. */
/* Proves: A-DBG-5 */
TEST(debug, process_vm_calls_fail_where_the_program_could_not)
{
	uint64_t word = 0;
	struct iovec l = { &word, 8 }, r = { (void *)te.heap, 8 };

	ASSERT_TRUE(ready());
	r.iov_base = (void *)te.heap;
	EXPECT_EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), -1);	/* not touched yet */
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(process_vm_writev(getpid(), &l, 1, &r, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(call(TE_NOP), 0);
	r.iov_base = (void *)te.code;
	EXPECT_EQ(process_vm_writev(getpid(), &l, 1, &r, 1, 0), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* Proves: A-DBG-6, DBG-13 */
TEST(debug, of_a_tcs_only_flags_changes)
{
	struct sgx_tcs tcs, now;

	ASSERT_TRUE(ready());
	for (int entered = 0; entered < 2; entered++) {
		EXPECT_EQ(peek(te.tcs[0], &tcs, sizeof(tcs)), sizeof(tcs));
		EXPECT_EQ(tcs.flags, 0);
		tcs.flags = DBGOPTIN;
		tcs.oentry ^= 0x1000;
		tcs.nssa = 1;
		EXPECT_EQ(poke(te.tcs[0], &tcs, sizeof(tcs)), sizeof(tcs));
		EXPECT_EQ(call(TE_NOP), 0);				/* at the old entry */
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(peek(te.tcs[0], &now, sizeof(now)), sizeof(now));
		EXPECT_EQ(now.oentry, tcs.oentry ^ 0x1000);
		EXPECT_EQ(now.nssa, 3);
		EXPECT_EQ(now.flags, DBGOPTIN);
		opt_in(0);
		EXPECT_EQ(call(TE_NOP), 0);
		EXPECT_EQ(flags_of_tcs(), 0);
	}
	opt_in(4);					/* reserved: the next entry is a #GP */
	EXPECT_EQ(call(TE_NOP), 0);
	EXPECT_EQ(run.function, EENTER);
	EXPECT_EQ(run.exception_vector, 13);
	opt_in(0);
	EXPECT_EQ(call(TE_NOP), 0);
	EXPECT_EQ(run.function, EEXIT);
}

/* Proves: A-DBG-7 */
TEST(debug, enclave_that_is_not_initialised_is_read_and_written)
{
	static uint8_t source[2 * PAGE] __attribute__((aligned(4096))), page[PAGE];
	struct sgx_secs *secs = aligned_alloc(PAGE, PAGE);
	const int fd = open("/dev/sgx_enclave", O_RDWR);
	uint8_t *area = mmap(NULL, 0x20000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t base = ((uintptr_t)area + 0xffff) & ~0xffffull;
	struct sgx_enclave_create create = { .src = (uintptr_t)secs };
	struct sgx_secinfo secinfo __attribute__((aligned(64))) = { .flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | 5 };
	struct sgx_enclave_add_pages add = {
		.src = (uintptr_t)source, .length = 2 * PAGE, .secinfo = (uintptr_t)&secinfo, .flags = SGX_PAGE_MEASURE,
	};

	memset(source, 0xab, sizeof(source));
	memset(secs, 0, PAGE);
	secs->size = 0x10000;
	secs->baseaddr = base;
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG;
	secs->attributes.xfrm = 3;
	ASSERT_EQ(ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &create), 0);
	ASSERT_TRUE(mmap((void *)base, 0x10000, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	ASSERT_EQ(ioctl(fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add), 0);
	EXPECT_EQ(peek(base + PAGE, page, PAGE), PAGE);
	EXPECT_MEMEQ(page, source, PAGE);
	EXPECT_EQ(poke(base + PAGE + 1, "xyz", 3), 3);
	EXPECT_EQ(peek(base + PAGE, page, PAGE), PAGE);
	EXPECT_MEMEQ(page, "\xabxyz\xab", 5);
	munmap(area, 0x20000);
	close(fd);
	free(secs);
}

/* The debugger is another process, and uses ptrace: attach, PEEK, POKE, a breakpoint in code that runs later. */
static void debugger(uint64_t addr, uint64_t value)
{
	const pid_t parent = getppid();
	int status;
	long word;

	if (ptrace(PTRACE_ATTACH, parent, 0, 0) || waitpid(parent, &status, __WALL) != parent)
		_exit(1);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, parent, (void *)addr, 0);
	if (errno || ptrace(PTRACE_POKEDATA, parent, (void *)addr, (void *)value))
		_exit(2);
	if (ptrace(PTRACE_PEEKDATA, parent, (void *)addr, 0) != (long)value)
		_exit(3);
	errno = 0;
	if (ptrace(PTRACE_PEEKDATA, parent, (void *)te.data, 0) != -1 || errno != EIO)
		_exit(4);
	if (ptrace(PTRACE_POKEDATA, parent, (void *)te.data, 0) != -1 || errno != EIO)
		_exit(5);
	if (ptrace(PTRACE_DETACH, parent, 0, 0))
		_exit(6);
	_exit(word == (long)0xf0 ? 0 : 7);
}

/* Proves: A-DBG-1, A-DBG-4 */
TEST(debug, ptrace_of_another_process)
{
	int status = -1;
	pid_t pid;

	ASSERT_TRUE(ready());
	munmap((void *)te.data, PAGE);
	args[0] = te.heap;
	args[1] = 0xf0;
	EXPECT_EQ(call(TE_WRITE), 0);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pid = fork();
	if (!pid)
		debugger(te.heap, 0x1234567890);
	while (waitpid(pid, &status, 0) != pid)
		;
	EXPECT_EQ(status, 0);
	EXPECT_EQ(call(TE_READ), 0);
	EXPECT_EQ(args[1], 0x1234567890);
}

static uint64_t load(const char *code, size_t size)
{
	memset((void *)te.scratch, 0x90, 64);
	memcpy((void *)(te.scratch + 16), code, size);
	return te.scratch;
}

static void enter(uint64_t code, uint64_t flags)
{
	struct te_vcall v = { .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP, .rsi = te.data,
			      .rdx = code, .r9 = te.eexit, .rflags = 0x202 | flags };

	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	te_vcall(&v);
}

/* #DB and #BP are never fixed up (B-34): SIGTRAP at the AEP. */
static void traps(uint64_t code, uint32_t exitinfo, uint64_t rip)
{
	catch_begin(0);
	EXPECT_TRUE(CAUGHT(enter(code, 0)));
	catch_end();
	EXPECT_EQ(caught.sig, SIGTRAP);
	EXPECT_EQ(caught.gregs[REG_RAX], ERESUME);
	EXPECT_EQ(caught.gregs[REG_RBX], te.tcs[0]);
	EXPECT_EQ(caught.gregs[REG_RIP], caught.gregs[REG_RCX]);
	EXPECT_EQ(gpr()->exitinfo, exitinfo);
	EXPECT_EQ(gpr()->rip, rip);
	EXPECT_EQ(te_leave(&te, 0), 0);
}

static void is_illegal(uint64_t code)
{
	enter(code, 0);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, UD);
	EXPECT_EQ(gpr()->exitinfo, UD_INSIDE);
	EXPECT_EQ(gpr()->rip, te.scratch + 16);
	EXPECT_EQ(te_leave(&te, 0), 0);
}

/* Proves: INS-32, INS-31, EVT-03, B-34 */
TEST(debug, int3_is_a_breakpoint_inside_only_after_opt_in)
{
	ASSERT_TRUE(ready());
	is_illegal(load("\xcc", 1));
	EXPECT_EQ(call(TE_NOP), 0);
	EXPECT_EQ(call(TE_NOP), 0);			/* the fast way in */
	opt_in(DBGOPTIN);
	for (int i = 0; i < 3; i++)
		traps(te.scratch, BP_INSIDE, te.scratch + 16);		/* a fault */
	opt_in(0);
	is_illegal(te.scratch);
}

/* Proves: INS-34, INS-33, EVT-02, B-34 */
TEST(debug, int1_is_a_debug_exception_inside_only_after_opt_in)
{
	ASSERT_TRUE(ready());
	is_illegal(load("\xf1", 1));
	opt_in(DBGOPTIN);
	traps(te.scratch, DB_INSIDE, te.scratch + 16);			/* a fault */
	opt_in(0);
	is_illegal(te.scratch);
}

/* The enclave sets TF: a trap behind the instruction that follows. */
/* Proves: EVT-02, B-34 */
TEST(debug, tf_inside_is_a_debug_exception_after_opt_in)
{
	static const char code[] =	/* pushf; orl $TF, (%rsp); popf; nop; nop */
		"\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x90\x90";

	ASSERT_TRUE(ready());
	opt_in(DBGOPTIN);
	traps(load(code, sizeof(code) - 1), DB_INSIDE, te.scratch + 16 + sizeof(code) - 1 - 1);
	opt_in(0);
}
