/* SPDX-License-Identifier: BSD-2-Clause */
/* The seccomp programs, run by an interpreter over many calls, and once for real by the kernel. */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/filter_run.h"
#include "front/layout.h"

#define TRAP	(SECCOMP_RET_TRAP | RT_TRAP_DATA)
#define ALLOW	SECCOMP_RET_ALLOW
#define PROGRAM	0x401000		/* an instruction of the program */

static struct filter_program program;

static uint32_t call_at(uint64_t ip, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	const struct seccomp_data data = {
		.nr = (int)nr, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = ip, .args = { a0, a1, a2, a3, a4 },
	};

	return filter_run(&program, &data);
}

static uint32_t call(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	return call_at(PROGRAM, nr, a0, a1, a2, a3, a4);
}

TEST(filter, base_traps_exactly_the_listed_calls)
{
	static const uint16_t trapped[] = {
		SYS_openat, SYS_open, SYS_openat2, SYS_creat, SYS_newfstatat, SYS_stat, SYS_lstat, SYS_statx, SYS_access,
		SYS_faccessat, SYS_faccessat2, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sigaltstack, SYS_rt_sigreturn,
		SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend,
		SYS_execve, SYS_execveat, SYS_fork, SYS_exit, SYS_clone,
	};
	uint32_t nr, i;

	filter_build_base(&program, false);
	for (nr = 0; nr < 600; nr++) {
		uint32_t expected = ALLOW;

		for (i = 0; i < sizeof(trapped) / sizeof(trapped[0]); i++)
			if (trapped[i] == nr)
				expected = TRAP;
		if (nr == SYS_clone3)
			expected = SECCOMP_RET_ERRNO | ENOSYS;
		if (call(nr, 0, 0, 0, 0, 0) != expected)
			test_fail(__FILE__, __LINE__, "call %u is 0x%x", nr, call(nr, 0, 0, 0, 0, 0));
		EXPECT_EQ(call(nr | 0x40000000, 0, 0, 0, 0, 0), ALLOW);
	}
}

TEST(filter, base_looks_at_arguments)
{
	filter_build_base(&program, false);
	EXPECT_EQ(call(SYS_ioctl, 3, 0x4008a400, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_ioctl, 3, 0xc030a401, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_ioctl, 3, 0xa4, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_ioctl, 3, TCGETS, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_vfork, 0, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_tgkill, 1, 2, SIGUSR1, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_tgkill, 1, 2, SIGTRAP, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_tgkill, 1, 2, SIGSYS, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_tkill, 1, SIGILL, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_rt_tgsigqueueinfo, 1, 2, SIGFPE, 4, 0), TRAP);
	EXPECT_EQ(call(SYS_rt_sigqueueinfo, 1, SIGBUS, 3, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_rt_sigqueueinfo, 1, SIGALRM, 3, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_kill, 1, SIGSEGV, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_ppoll, 1, 2, 3, 0, 8), ALLOW);
	EXPECT_EQ(call(SYS_ppoll, 1, 2, 3, 4, 8), TRAP);
	EXPECT_EQ(call(SYS_ppoll, 1, 2, 3, UINT64_C(1) << 32, 8), TRAP);
	EXPECT_EQ(call(SYS_epoll_pwait, 1, 2, 3, 4, 0), ALLOW);
	EXPECT_EQ(call(SYS_epoll_pwait, 1, 2, 3, 4, 5), TRAP);
	EXPECT_EQ(call(SYS_arch_prctl, 0x1011, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_arch_prctl, 0x1012, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_arch_prctl, 0x1002, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_exit_group, 0, 0, 0, 0, 0), ALLOW);
}

TEST(filter, base_traps_mappings_that_may_be_the_device)
{
	filter_build_base(&program, false);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, 3), TRAP);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED_VALIDATE, 3), TRAP);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 3), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, UINT64_MAX), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, UINT32_MAX), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, 3), ALLOW);
	filter_build_base(&program, true);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 3), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3), TRAP);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, 3), TRAP);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_EXEC, MAP_SHARED, UINT32_MAX), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, UINT32_MAX), ALLOW);
}

TEST(filter, runtime_is_let_through_by_its_address)
{
	filter_build_base(&program, false);
	EXPECT_EQ(call_at(RT_BASE, SYS_openat, 0, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call_at(RT_BASE + RT_TEXT_MAX - 1, SYS_openat, 0, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call_at(RT_BASE + RT_TEXT_MAX, SYS_openat, 0, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call_at(RT_BASE - 1, SYS_openat, 0, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call_at(RT_BASE + (UINT64_C(1) << 32), SYS_openat, 0, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call_at(RT_BASE + 16, SYS_clone3, 0, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call_at(RT_BASE + 16, SYS_ioctl, 3, 0xa400, 0, 0, 0), ALLOW);
	filter_build_fd(&program, 5, 5);
	EXPECT_EQ(call_at(RT_BASE + 16, SYS_close, 5, 0, 0, 0, 0), ALLOW);
	filter_build_range(&program, 0x10000, 0x20000);
	EXPECT_EQ(call_at(RT_BASE + 16, SYS_munmap, 0x10000, 0x10000, 0, 0, 0), ALLOW);
	EXPECT_EQ(call_at(RT_BASE + 16, SYS_mremap, 0, 0, 0x1000, 2, 0x10000), ALLOW);
}

TEST(filter, other_architectures_are_left_alone)
{
	struct seccomp_data data = { .arch = AUDIT_ARCH_I386, .instruction_pointer = PROGRAM };
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 0)
			filter_build_base(&program, true);
		else if (i == 1)
			filter_build_fd(&program, 0, INT32_MAX);
		else
			filter_build_range(&program, 0, UINT64_C(1) << 47);
		for (data.nr = 0; data.nr < 600; data.nr++)
			EXPECT_EQ(filter_run(&program, &data), ALLOW);
	}
}

TEST(filter, descriptor_is_trapped_in_every_call_that_reads_or_writes_it)
{
	static const uint16_t trapped[] = {
		SYS_read, SYS_pread64, SYS_readv, SYS_preadv, SYS_preadv2, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev,
		SYS_pwritev2, SYS_lseek, SYS_close, SYS_fstat, SYS_ftruncate, SYS_fallocate,
	};
	uint32_t nr, i;

	filter_build_fd(&program, 7, 7);
	for (nr = 0; nr < 600; nr++) {
		uint32_t expected = ALLOW;

		for (i = 0; i < sizeof(trapped) / sizeof(trapped[0]); i++)
			if (trapped[i] == nr)
				expected = TRAP;
		EXPECT_EQ(call(nr, 7, 0, 0, 0, 0), expected);
		EXPECT_EQ(call(nr, UINT64_C(0xffffffff00000007), 0, 0, 0, 0), expected);
		EXPECT_EQ(call(nr, 6, 7, 7, 7, 0), ALLOW);
		EXPECT_EQ(call(nr, 8, 7, 7, 7, 0), ALLOW);
		EXPECT_EQ(call(nr, 0, 0, 0, 0, 7), nr == SYS_mmap ? TRAP : ALLOW);
	}
	EXPECT_EQ(call(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 7), TRAP);
	filter_build_fd(&program, 1023, INT32_MAX);
	EXPECT_EQ(call(SYS_close, 1022, 0, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_close, 1023, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_close, INT32_MAX, 0, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_close, UINT32_MAX, 0, 0, 0, 0), ALLOW);
}

static bool overlaps(uint64_t address, uint64_t length, uint64_t start, uint64_t end, bool or_touch)
{
	return address < end && ((unsigned __int128)address + length > start ||
				 (or_touch && (unsigned __int128)address + length == start));
}

static void check_ranges(uint64_t start, uint64_t end)
{
	const uint64_t edges[] = {
		0, 4096, 0x10000, start - 4096, start, start + 4096, end - 4096, end, end + 4096, (start + end) / 2,
		0xfffff000, 0x100000000, 0x100001000, UINT64_C(0x7ffffffff000), UINT64_C(0x800000000000),
		UINT64_C(0x7ffffffffffff000), UINT64_C(0x8000000000000000), UINT64_C(0xfffffffffffff000), UINT64_MAX,
	};
	const size_t count = sizeof(edges) / sizeof(edges[0]);
	size_t i, j, e;

	filter_build_range(&program, start, end);
	for (i = 0; i < count; i++) {
		for (j = 0; j < 2 * count; j++) {
			const uint64_t address = edges[i], length = j < count ? edges[j] : edges[j - count] - edges[i];
			const uint32_t expected = overlaps(address, length, start, end, false) ? TRAP : ALLOW;
			const uint32_t touched = overlaps(address, length, start, end, true) ? TRAP : ALLOW;

			EXPECT_EQ(call(SYS_munmap, address, length, 0, 0, 0), expected);
			EXPECT_EQ(call(SYS_mprotect, address, length, 0, 0, 0), expected);
			EXPECT_EQ(call(SYS_pkey_mprotect, address, length, 0, 0, 0), expected);
			EXPECT_EQ(call(SYS_madvise, address, length, 0, 0, 0), expected);
			EXPECT_EQ(call(SYS_mmap, address, length, 0, MAP_FIXED | MAP_PRIVATE, 0), expected);
			EXPECT_EQ(call(SYS_mmap, address, length, 0, MAP_FIXED_NOREPLACE | MAP_SHARED, 0), expected);
			EXPECT_EQ(call(SYS_mmap, address, length, 0, MAP_PRIVATE, 0), ALLOW);
			EXPECT_EQ(call(SYS_mremap, address, length, 4096, 0, 0), touched);
			EXPECT_EQ(call(SYS_mremap, address, length, 4096, MREMAP_MAYMOVE, start), touched);
			for (e = 0; e < count; e++) {
				uint32_t moved = overlaps(edges[e], length, start, end, false) ? TRAP : touched;

				EXPECT_EQ(call(SYS_mremap, address, length, length, MREMAP_FIXED | MREMAP_MAYMOVE,
					       edges[e]), moved);
			}
			EXPECT_EQ(call(SYS_msync, address, length, 0, 0, 0), ALLOW);
		}
	}
}

TEST(filter, range_is_compared_in_64_bits)
{
	check_ranges(0x10000, 0x20000);
	check_ranges(UINT64_C(0xfffff000), UINT64_C(0x100001000));
	check_ranges(UINT64_C(0x100000000), UINT64_C(0x200000000));
	check_ranges(UINT64_C(0x7f1234000000), UINT64_C(0x7f1234400000));
	check_ranges(UINT64_C(0x10000000000), UINT64_C(0x20000000000));
}

TEST(filter, whole_address_space_is_a_range)
{
	filter_build_range(&program, 0, UINT64_C(1) << 47);
	EXPECT_EQ(call(SYS_munmap, 0, 4096, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_munmap, UINT64_C(0x7ffffffff000), 4096, 0, 0, 0), TRAP);
	EXPECT_EQ(call(SYS_munmap, UINT64_C(0x800000000000), 4096, 0, 0, 0), ALLOW);
	EXPECT_EQ(call(SYS_mmap, 0x10000, 4096, 0, MAP_FIXED, 0), TRAP);
	EXPECT_EQ(call(SYS_mmap, 0, 4096, 0, MAP_PRIVATE, 0), ALLOW);
	EXPECT_EQ(call(SYS_mremap, 0x10000, 0, 4096, MREMAP_MAYMOVE, 0), TRAP);
}

/* In a child, because a filter stays. */
static volatile int trapped_call;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	trapped_call = info->si_syscall;
}

static long load_program(void)
{
	struct sock_fprog fprog = { program.count, program.insn };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &fprog);
}

static int in_kernel(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER };
	char *p = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	filter_build_range(&program, (uintptr_t)p + 4096, (uintptr_t)p + 2 * 4096);
	if (load_program())
		return 2;
	filter_build_fd(&program, 9, 9);
	if (load_program())
		return 3;
	if (munmap(p, 4096) || trapped_call)
		return 4;
	munmap(p + 4096, 4096);
	if (trapped_call != SYS_munmap)
		return 5;
	lseek(9, 0, SEEK_CUR);
	if (trapped_call != SYS_lseek)
		return 6;
	trapped_call = 0;
	if (lseek(8, 0, SEEK_CUR) != -1 || trapped_call)
		return 7;
	/* Its own sigreturn is trapped next: no handler may return after this one. */
	filter_build_base(&program, true);
	if (load_program())
		return 8;
	if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS || trapped_call)
		return 9;
	return trapped_call ? 10 : 0;
}

TEST(filter, kernel_takes_the_programs)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		syscall(SYS_exit_group, in_kernel());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 2))
		SKIP("seccomp filters are refused here");
	EXPECT_EQ(status, 0);
}
