/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs under softsgx, as cpuid_seen LIBRARY: what CPUID says, asked from several places. */
#define _GNU_SOURCE
#include "harness.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint32_t ask(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

static uint32_t own_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
	return out[0];
}

static void expect_sgx(ask *cpuid)
{
	uint32_t r[4];

	EXPECT_TRUE(cpuid(0, 0, r) >= 0x12);
	cpuid(7, 0, r);
	EXPECT_TRUE(r[1] & 1u << 2);
	EXPECT_TRUE(r[2] & 1u << 30);
	EXPECT_EQ(cpuid(0x12, 0, r) & 1, 1);
	EXPECT_EQ(r[1] & 1, 1);
	EXPECT_TRUE((r[3] >> 8 & 0xff) >= 40);
	EXPECT_EQ(cpuid(0x12, 1, r) & 0x36, 0x36);
	EXPECT_EQ(r[2] & 3, 3);
	EXPECT_EQ(cpuid(0x12, 2, r) & 0xfff, 1);
	EXPECT_TRUE(r[2] >= 4096 || r[3]);
	cpuid(0x12, 3, r);
	EXPECT_EQ(r[0] | r[1] | r[2] | r[3], 0);
	EXPECT_EQ(cpuid(0x40005300, 0, r), 0x40005300);
	EXPECT_MEMEQ(r + 1, "softsgx\0\0\0\0\0", 12);
}

TEST(cpuid_seen, by_the_program)
{
	expect_sgx(own_cpuid);
}

TEST(cpuid_seen, by_a_library_loaded_later)
{
	void *library = dlopen(getenv("CPUID_LIB"), RTLD_NOW);
	ask *library_cpuid = library ? (ask *)(uintptr_t)dlsym(library, "library_cpuid") : NULL;
	int again;

	ASSERT_TRUE(library_cpuid);
	expect_sgx(library_cpuid);
	for (again = 0; again < 3; again++) {
		dlclose(library);
		library = dlopen(getenv("CPUID_LIB"), RTLD_NOW);
		ASSERT_TRUE(library);
		library_cpuid = (ask *)(uintptr_t)dlsym(library, "library_cpuid");
		expect_sgx(library_cpuid);
	}
	dlclose(library);
}

static void *in_thread(void *unused)
{
	(void)unused;
	expect_sgx(own_cpuid);
	return NULL;
}

TEST(cpuid_seen, by_a_thread)
{
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, in_thread, NULL), 0);
	pthread_join(thread, NULL);
}

TEST(cpuid_seen, by_a_child)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		uint32_t r[4];

		_exit(own_cpuid(0x40005300, 0, r) != 0x40005300);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

static void on_signal(int sig)
{
	(void)sig;
	expect_sgx(own_cpuid);
}

TEST(cpuid_seen, by_a_signal_handler_with_everything_blocked)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigfillset(&action.sa_mask);
	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	EXPECT_EQ(raise(SIGUSR1), 0);
}

/* Upper halves are cleared, and nothing else changes. */
TEST(cpuid_seen, registers_are_as_the_instruction_leaves_them)
{
	uint64_t a = UINT64_C(0xdeadbeef00000012), b = ~UINT64_C(0), c = UINT64_C(0xffffffff00000002), d = ~UINT64_C(0);
	uint64_t flags_before, flags_after;

	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushf\n\tpop %4\n\tcpuid\n\tpushf\n\tpop %5\n\tlea 128(%%rsp), %%rsp"
			 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "=&r"(flags_before), "=&r"(flags_after) : : "memory");
	EXPECT_EQ(a, 1);
	EXPECT_EQ(b >> 32 | c >> 32 | d >> 32, 0);
	EXPECT_EQ(flags_after, flags_before);
}

/* The initial APIC ID must be that of the processor that runs the instruction. */
TEST(cpuid_seen, apic_id_follows_the_processor)
{
	cpu_set_t all, one;
	uint8_t seen[CPU_SETSIZE];
	int cpu, other, count = 0;
	uint32_t r[4];

	ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
		own_cpuid(1, 0, r);
		own_cpuid(1, 0, r);
		for (other = 0; other < count; other++)
			EXPECT_TRUE(seen[other] != r[1] >> 24);
		seen[count++] = (uint8_t)(r[1] >> 24);
		own_cpuid(0xb, 0, r);
		EXPECT_EQ(r[3] & 0xff, seen[count - 1]);
	}
	EXPECT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* The program's own use of CPUID faulting: there as the machine has it, and never in our way. */
TEST(cpuid_seen, faulting_stays_ours)
{
	uint32_t r[4];

	errno = 0;
	EXPECT_TRUE(syscall(SYS_arch_prctl, 0x1011, 0) == 1 || errno == ENODEV);
	syscall(SYS_arch_prctl, 0x1012, 1);
	EXPECT_EQ(own_cpuid(0x40005300, 0, r), 0x40005300);
}
