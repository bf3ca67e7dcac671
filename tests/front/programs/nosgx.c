/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs under softsgx run --nosgx, with what `nosgx native` printed outside it in $NATIVE_CPUID: nothing of SGX is there.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPECT_ABSENT(call) do {							\
	errno = 0;									\
	EXPECT_EQ((long)(call), -1);							\
	EXPECT_EQ(errno, ENOENT);							\
} while (0)

/* The leaves that SGX has a part in; none of these answers depends on the processor that gives it. */
static void cpuid_text(char text[2048])
{
	static const uint32_t asked[][2] = {
		{ 0, 0 }, { 7, 0 }, { 7, 1 }, { 0x12, 0 }, { 0x12, 1 }, { 0x12, 2 }, { 0x40000000, 0 }, { 0x40005300, 0 },
	};
	uint32_t a, b, c, d;
	unsigned i, at = 0;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		__cpuid_count(asked[i][0], asked[i][1], a, b, c, d);
		at += (unsigned)snprintf(text + at, 2048 - at, "%x.%x:%x,%x,%x,%x;", asked[i][0], asked[i][1], a, b, c, d);
	}
}

__attribute__((constructor)) static void native(void)
{
	char text[2048];

	if (getenv("NATIVE_CPUID"))
		return;
	cpuid_text(text);
	puts(text);
	exit(0);
}

/* Proves: A-DEV-7 */
TEST(nosgx, devices_do_not_exist)
{
	static const char *const paths[] = {
		"/dev/sgx_enclave", "/dev/sgx_provision", "/dev/sgx/enclave", "/dev/sgx/provision", "//dev/./sgx_enclave",
	};
	struct open_how how = { .flags = O_RDWR };
	struct statx x;
	struct stat st;
	unsigned i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		EXPECT_ABSENT(open(paths[i], O_RDWR));
		EXPECT_ABSENT(syscall(SYS_open, paths[i], O_RDONLY));
		EXPECT_ABSENT(syscall(SYS_openat2, AT_FDCWD, paths[i], &how, sizeof(how)));
		EXPECT_ABSENT(syscall(SYS_stat, paths[i], &st));
		EXPECT_ABSENT(syscall(SYS_lstat, paths[i], &st));
		EXPECT_ABSENT(fstatat(AT_FDCWD, paths[i], &st, 0));
		EXPECT_ABSENT(statx(AT_FDCWD, paths[i], 0, STATX_BASIC_STATS, &x));
		EXPECT_ABSENT(access(paths[i], F_OK));
		EXPECT_ABSENT(faccessat(AT_FDCWD, paths[i], R_OK | W_OK, 0));
	}
}

/* Proves: A-DEV-7 */
TEST(nosgx, cpuid_is_the_machines)
{
	char text[2048];

	cpuid_text(text);
	if (strcmp(text, getenv("NATIVE_CPUID")))
		test_fail(__FILE__, __LINE__, "CPUID says %s, outside %s", text, getenv("NATIVE_CPUID"));
}

static sigjmp_buf jump;
static siginfo_t seen;
static uint64_t seen_rip, seen_vector;

static void handler(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	(void)sig;
	seen = *info;
	seen_rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	seen_vector = (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(jump, 1);
}

/* Proves: A-DEV-7 */
TEST(nosgx, enclu_is_an_invalid_instruction)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, before;
	static const uint32_t leaves[] = { EENTER, ERESUME, EEXIT, 0, 99 };
	void *tcs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile unsigned i;

	sigaction(SIGILL, &act, &before);
	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		struct te_regs r = { .rax = leaves[i], .rbx = (uintptr_t)tcs, .rcx = (uintptr_t)te_raw_aep };

		memset(&seen, 0, sizeof(seen));
		if (!sigsetjmp(jump, 1))
			te_raw(&r);
		EXPECT_EQ(seen.si_signo, SIGILL);
		EXPECT_EQ(seen.si_code, ILL_ILLOPN);
		EXPECT_EQ((uintptr_t)seen.si_addr, (uintptr_t)te_raw_enclu);
		EXPECT_EQ(seen_rip, (uintptr_t)te_raw_enclu);
		EXPECT_EQ(seen_vector, 6);
	}
	sigaction(SIGILL, &before, NULL);
	munmap(tcs, 4096);
}

/* Proves: A-DEV-7, B-36 */
TEST(nosgx, vdso_function_reports_the_invalid_instruction)
{
	static struct sgx_enclave_run run;
	vdso_sgx_enter_enclave_t fn = te_vdso();
	uint64_t args[16] = { 0 };

	ASSERT_TRUE(fn);
	run.tcs = 0x1000;
	run.function = 77;
	EXPECT_EQ(te_enter(fn, TE_NOP, args, EENTER, &run), 0);
	EXPECT_EQ(run.function, EENTER);
	EXPECT_EQ(run.exception_vector, 6);
	EXPECT_EQ(run.exception_error_code, 0);
	EXPECT_EQ(run.exception_addr, 0);
	EXPECT_EQ((uint32_t)te_enter(fn, TE_NOP, args, 0, &run), 0xffffffea);
}
