/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures that need no enclave: floors on the bare machine, and system calls with and without the gate. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIGNALS = 20000, ASYNC = 5000 };

static volatile uint64_t left;
static volatile int skip;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (!--left)
		uc->uc_mcontext.gregs[REG_RIP] += skip;
}

static double trap_cost(int sig, int size, void (*body)(void))
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO }, old;
	double start;

	sigaction(sig, &action, &old);
	skip = size;
	left = SIGNALS;
	start = cpu_ns();
	body();
	start = (cpu_ns() - start) / SIGNALS;
	sigaction(sig, &old, NULL);
	return start;
}

static void do_ud2(void)
{
	__asm__ volatile("ud2");
}

static void do_enclu(void)		/* EEXIT outside an enclave: #UD or #GP, by machine */
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xd7" : : "a"(4), "b"(0), "c"(0) : "memory");
}

static volatile uint64_t spins, handled;
static volatile uint64_t stop;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

/*
 * From the moment before it is sent until the thread, its handler done, counts again: the median of many, so that the
 * moments in which one of the two threads does not run do not count.
 */
double bench_signal_price(const struct bench_spinner *s)
{
	static double price[ASYNC];

	signal(SIGUSR1, on_usr1);
	for (int i = 0; i < ASYNC; i++) {
		const uint64_t before = handled;
		const double start = now_ns();
		uint64_t at;

		syscall(SYS_tgkill, getpid(), s->tid, SIGUSR1);
		while (handled == before)
			;
		at = *s->count;
		while (*s->count == at)
			;
		price[i] = now_ns() - start;
	}
	return median(price, ASYNC);
}

static void *spin(void *arg)
{
	((struct bench_spinner *)arg)->tid = (int)syscall(SYS_gettid);
	work_spin((uintptr_t)&stop, 0, (uint64_t *)&spins);
	return NULL;
}

/** bench_floor_signals() - a signal and its return, by #UD, by ENCLU, and sent from another thread. */
void bench_floor_signals(void)
{
	struct bench_spinner spinner = { .count = &spins };

	figure("floor_ud2", trap_cost(SIGILL, 2, do_ud2));
	left = 1;
	skip = 3;
	{
		struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

		sigaction(SIGSEGV, &action, NULL);	/* whichever the machine makes of it */
		figure("floor_enclu", trap_cost(SIGILL, 3, do_enclu));
	}
	pthread_create(&spinner.thread, NULL, spin, &spinner);
	while (!spins)
		;
	figure("floor_async", bench_signal_price(&spinner));
	stop = 1;
	pthread_join(spinner.thread, NULL);
}

/** bench_floor_loading() - SHA-256 of the measurement stream, and memcpy, MB/s of enclave memory. */
void bench_floor_loading(void)
{
	enum { MIB = 32 };
	uint8_t *src = mmap(NULL, MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *dst = mmap(NULL, MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t block[64] = { 1 }, digest[32];
	struct sha256_ctx hash;
	double start;

	memset(src, 1, MIB << 20);
	sha256_init(&hash);
	start = now_ns();
	for (uint64_t page = 0; page < (MIB << 20); page += 4096) {
		sha256_update(&hash, 64, block);
		for (uint64_t chunk = 0; chunk < 4096; chunk += 256) {
			sha256_update(&hash, 64, block);
			sha256_update(&hash, 256, src + page + chunk);
		}
	}
	sha256_digest(&hash, 32, digest);
	figure("floor_measured", MIB * 1048576.0 / ((now_ns() - start) / 1e3));
	start = now_ns();
	memcpy(dst, src, MIB << 20);		/* first touch included, as for new enclave pages */
	figure("floor_unmeasured", MIB * 1048576.0 / ((now_ns() - start) / 1e3));
	munmap(src, MIB << 20);
	munmap(dst, MIB << 20);
}

/** bench_syscalls() - one that nothing looks at, a read, and an open and close that the gate looks at. */
void bench_syscalls(const char *prefix)
{
	int zero = open("/dev/zero", O_RDONLY);
	char name[64], byte;

	snprintf(name, sizeof(name), "%s_getppid", prefix);
	figure(name, TIME(500000, syscall(SYS_getppid)));
	snprintf(name, sizeof(name), "%s_read", prefix);
	figure(name, TIME(200000, (void)!read(zero, &byte, 1)));
	snprintf(name, sizeof(name), "%s_open", prefix);
	figure(name, TIME(20000, close(open("/dev/null", O_RDONLY))));
	close(zero);
}

/** bench_dispatch_floor() - with an allow-all filter, then with syscall user dispatch (selector: allow) too, bare. */
void bench_dispatch_floor(void)
{
	static char selector;
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	bench_syscalls("floor_filter");
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0UL, 0UL, &selector);
	bench_syscalls("floor_dispatch");
}

/** bench_start() - microseconds to run a program to its end. */
void bench_start(const char *prefix, char *const argv[])
{
	enum { RUNS = 50 };
	char name[64];
	double start = now_ns();

	for (int i = 0; i < RUNS; i++) {
		extern char **environ;
		pid_t pid;
		int status;

		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ)) {
			perror(argv[0]);
			exit(1);
		}
		waitpid(pid, &status, 0);
	}
	snprintf(name, sizeof(name), "%s_start", prefix);
	figure(name, (now_ns() - start) / RUNS / 1e3);
}
