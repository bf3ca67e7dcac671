/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that use an enclave and do ordinary things on the same threads; and what hosts in the wild do. */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;
static struct te te;
static __thread uint64_t tls;

static uint64_t sum(uint64_t x, uint64_t rounds)
{
	while (rounds--)
		x = x * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return x;
}

/* Whether the enclave works on @tcs: through the vDSO and by an ENCLU of our own. */
static bool works(unsigned tcs)
{
	uint64_t args[16] = { 7, 100 };
	struct sgx_enclave_run run;
	struct te_regs r;

	te_call(&te, tcs, TE_SUM, args, &run);
	if (run.function != EEXIT || args[0] != sum(7, 100))
		return false;
	args[0] = 9;
	args[1] = 50;
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[tcs], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_SUM,
			      .rsi = (uintptr_t)args };
	te_raw(&r);
	return r.rax == EEXIT && args[0] == sum(9, 50);
}

static bool begin(void)
{
	tls = 0x7157;
	if (te_build(&te, &(struct te_options){ .tcs = 4, .nssa = 3, .heap_pages = 4 }) || !works(0) || !works(1)) {
		test_fail(__FILE__, __LINE__, "no enclave, or it does not work");
		return false;
	}
	return true;
}

static void end(void)
{
	EXPECT_TRUE(works(0));
	EXPECT_EQ(tls, 0x7157);
	te_destroy(&te);
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/* Proves: A-LIF-2 */
TEST(entered, fork_system_popen_and_spawn)
{
	char line[64] = "";
	char *argv[] = { "sh", "-c", "exit 6", NULL };
	sigset_t all, none;
	FILE *pipe;
	pid_t pid;
	int i;

	if (!begin())
		return;
	for (i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			pid = works(0) && tls == 0x7157 ? fork() : -1;
			if (!pid)
				_exit(works(1) ? 4 : 5);
			_exit(WEXITSTATUS(status_of(pid)));
		}
		EXPECT_EQ(status_of(pid), 4 << 8);
		EXPECT_TRUE(works(1));
		EXPECT_EQ(system("exit 3"), 3 << 8);
		EXPECT_TRUE(works(0));
		pipe = popen("echo said | tr a-z A-Z", "r");
		EXPECT_TRUE(fgets(line, sizeof(line), pipe) && !strcmp(line, "SAID\n"));
		EXPECT_EQ(pclose(pipe), 0);
		EXPECT_TRUE(works(2));
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &none);
		EXPECT_EQ(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
		EXPECT_EQ(status_of(pid), 6 << 8);
		EXPECT_TRUE(works(3));
		pid = vfork();
		if (!pid) {
			execve("/bin/true", (char *[]){ "true", NULL }, environ);
			_exit(1);
		}
		EXPECT_EQ(status_of(pid), 0);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	end();
}

static void *thread(void *arg)
{
	unsigned i, tcs = (unsigned)(uintptr_t)arg, good = 0;

	tls = tcs;
	for (i = 0; i < 20; i++)
		good += works(tcs) && (i % 10 || system("exit 2") == 2 << 8) && tls == tcs;
	return (void *)(uintptr_t)good;
}

/* Proves: B-5 */
TEST(entered, threads_that_start_processes)
{
	pthread_t threads[3];
	uintptr_t i;
	void *good;

	if (!begin())
		return;
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(i + 1));
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], &good);
		EXPECT_EQ((uintptr_t)good, 20);
	}
	end();
}

static char stack_memory[1 << 16];
static volatile unsigned handled, handled_there, handled_well;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	char here;
	stack_t now;

	(void)sig, (void)info, (void)context;
	handled++;
	handled_there += &here >= stack_memory && &here < stack_memory + sizeof(stack_memory);
	sigaltstack(NULL, &now);
	handled_well += works(2) && tls == 0x7157 && now.ss_sp == stack_memory && now.ss_flags == SS_ONSTACK;
}

/* Proves: B-5, C4-7 */
TEST(entered, alternate_stack_of_its_own_and_entries_from_its_handler)
{
	stack_t mine = { .ss_sp = stack_memory, .ss_size = sizeof(stack_memory) }, seen, before;
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK }, old;
	struct itimerspec soon = { { 0, 1000000 }, { 0, 1000000 } }, never = { 0 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	unsigned i;

	if (!begin())
		return;
	handled = handled_there = handled_well = 0;
	EXPECT_EQ(sigaltstack(&mine, &before), 0);
	EXPECT_EQ(before.ss_flags, SS_DISABLE);
	EXPECT_TRUE(works(0));
	EXPECT_EQ(sigaltstack(NULL, &seen), 0);
	EXPECT_TRUE(seen.ss_sp == mine.ss_sp && seen.ss_size == mine.ss_size && !seen.ss_flags);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR1, NULL, &old);
	EXPECT_TRUE(old.sa_sigaction == on_signal && (old.sa_flags & ~0x04000000) == act.sa_flags);
	raise(SIGUSR1);
	EXPECT_EQ(handled, 1);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &soon, NULL);
	for (i = 0; i < 2000000 && handled < 30; i++)
		EXPECT_TRUE(works(i % 2));
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
	EXPECT_TRUE(handled >= 30);
	EXPECT_EQ(handled_there, handled);
	EXPECT_EQ(handled_well, handled);
	signal(SIGUSR1, SIG_IGN);
	mine.ss_flags = SS_DISABLE;
	EXPECT_EQ(sigaltstack(&mine, NULL), 0);
	end();
}

TEST(entered, dlopen)
{
	double (*cosine)(double);
	void *library;

	if (!begin())
		return;
	library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
	ASSERT_TRUE(library);
	*(void **)&cosine = dlsym(library, "cos");
	EXPECT_TRUE(cosine && cosine(0) == 1);
	EXPECT_TRUE(works(1));
	EXPECT_EQ(dlclose(library), 0);
	end();
}

static void neighbour(uint64_t at)
{
	uint8_t *page = mmap((void *)at, 8192, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	unsigned i;

	if (page == MAP_FAILED) {	/* somebody lives there */
		EXPECT_EQ(errno, EEXIST);
		return;
	}
	for (i = 0; i < 20; i++) {
		memset(page, (int)i, 8192);
		EXPECT_TRUE(works(0));
		EXPECT_EQ(mprotect(page, 4096, PROT_READ), 0);
		EXPECT_TRUE(page[0] == i && page[8191] == i && works(1));
		EXPECT_EQ(mprotect(page, 8192, PROT_READ | PROT_WRITE), 0);
		EXPECT_EQ(madvise(page, 8192, MADV_DONTNEED), 0);
		EXPECT_EQ(page[0], 0);
	}
	EXPECT_EQ(munmap(page, 8192), 0);
}

TEST(entered, memory_next_to_the_enclave)
{
	if (!begin())
		return;
	neighbour(te.base - 8192);
	neighbour(te.base + te.size);
	end();
}

TEST(entered, proc_self_mem_and_maps)
{
	static volatile uint64_t variable = 1;
	uint64_t value = 2, start, finish, previous = 0, covered = 0;
	int mem, lines = 0;
	char line[512], rights[5];
	FILE *maps;

	if (!begin())
		return;
	mem = open("/proc/self/mem", O_RDWR);
	EXPECT_EQ(pwrite(mem, &value, 8, (off_t)(uintptr_t)&variable), 8);
	EXPECT_EQ(variable, 2);
	EXPECT_TRUE(works(0));
	variable = 3;
	EXPECT_EQ(pread(mem, &value, 8, (off_t)(uintptr_t)&variable), 8);
	EXPECT_EQ(value, 3);
	close(mem);
	maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), maps)) {
		EXPECT_EQ(sscanf(line, "%lx-%lx %4s", &start, &finish, rights), 3);
		EXPECT_TRUE(start >= previous && finish > start);
		previous = finish;
		lines++;
		if (start >= te.base && finish <= te.hole)
			covered += finish - start;
	}
	fclose(maps);
	EXPECT_TRUE(lines > 5);
	EXPECT_EQ(covered, te.hole - te.base);
	end();
}

/* Proves: A-DEV-5 */
TEST(entered, limits_of_its_own)
{
	struct rlimit before, small;
	int fd;

	if (!begin())
		return;
	getrlimit(RLIMIT_NOFILE, &before);
	small = (struct rlimit){ 16, before.rlim_max };
	EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
	fd = open("/dev/sgx_enclave", O_RDWR);
	EXPECT_TRUE(fd >= 3 && fd < 16);
	EXPECT_TRUE(works(0));
	close(fd);
	te_destroy(&te);
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 4 }), 0);
	EXPECT_TRUE(te.fd < 16 && works(0));
	small.rlim_cur = 3;
	EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
	EXPECT_EQ(open("/dev/sgx_enclave", O_RDWR), -1);
	EXPECT_EQ(errno, EMFILE);
	EXPECT_TRUE(works(1));
	EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	getrlimit(RLIMIT_STACK, &before);
	small = (struct rlimit){ before.rlim_cur, before.rlim_max };
	small.rlim_cur = 256 << 10;
	EXPECT_EQ(setrlimit(RLIMIT_STACK, &small), 0);
	EXPECT_TRUE(works(0));
	EXPECT_EQ(setrlimit(RLIMIT_STACK, &before), 0);
	end();
}

static void probe(int fd)
{
	struct sgx_enclave_restrict_permissions restrict_permissions = { 0 };
	struct sgx_enclave_modify_types modify = { 0 };

	EXPECT_TRUE(fd >= 0);
	EXPECT_EQ(ioctl(fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &restrict_permissions), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &modify), -1);
	EXPECT_EQ(errno, EINVAL);
	close(fd);
}

/* Proves: A-DEV-1 */
TEST(entered, device_by_every_name_has_dynamic_memory)
{
	int dev, here = open(".", O_DIRECTORY | O_PATH);

	if (!begin())
		return;
	probe(open("/dev/sgx_enclave", O_RDWR));
	probe(open("/dev/sgx/enclave", O_RDWR));
	EXPECT_EQ(chdir("/dev"), 0);
	probe(open("sgx_enclave", O_RDWR));
	probe(open("./sgx/../sgx/enclave", O_RDWR | O_CLOEXEC));
	EXPECT_EQ(fchdir(here), 0);
	close(here);
	dev = open("/dev", O_DIRECTORY | O_RDONLY);
	probe(openat(dev, "sgx_enclave", O_RDWR));
	close(dev);
	probe(dup(te.fd));		/* one that is initialised */
	end();
}

TEST(entered, cpuid_says_so)
{
	unsigned a, b, c, d;

	ASSERT_TRUE(__get_cpuid_max(0, NULL) >= 0x12);
	__cpuid_count(7, 0, a, b, c, d);
	EXPECT_TRUE(b & 1 << 2);
	__cpuid_count(0x12, 0, a, b, c, d);
	EXPECT_EQ(a & 3, 3);
	EXPECT_TRUE((d & 0xff) >= 31 && (d >> 8 & 0xff) >= 36);
	__cpuid_count(0x12, 1, a, b, c, d);
	EXPECT_EQ(a & 6, 6);
	EXPECT_EQ(c & 3, 3);
	__cpuid_count(0x12, 2, a, b, c, d);
	EXPECT_EQ(a & 0xf, 1);
	EXPECT_TRUE((c & 0xfffff000) || d);
	__cpuid_count(0xd, 0, a, b, c, d);
	EXPECT_EQ(a & 3, 3);
}

TEST(entered, init_command_of_minus_one)
{
	struct te_regs r;

	if (!begin())
		return;
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = UINT64_MAX };
	te_raw(&r);
	EXPECT_EQ(r.rax, EEXIT);
	EXPECT_EQ(r.rdi, UINT64_MAX);
	end();
}

static struct { uint64_t self, magic; } block;
static volatile unsigned gs_good, gs_seen;

static void on_gs(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t self, base = 0;

	(void)info;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(self));
	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	gs_seen++;
	gs_good += self == (uintptr_t)&block && base == self && tls == 0x7157;
	if (sig == SIGILL)		/* leave the enclave where it is */
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)te_raw_out;
}

SNIPPET(snip_ud2, "ud2");

TEST(entered, thread_pointer_in_gs)
{
	struct sigaction act = { .sa_sigaction = on_gs, .sa_flags = SA_SIGINFO };
	struct itimerspec soon = { { 0, 1000000 }, { 0, 1000000 } }, never = { 0 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	uint64_t base = 0, magic, code, entries;
	struct te_regs r;
	timer_t timer;

	if (!begin())
		return;
	code = TE_LOAD(&te, 0, snip_ud2);
	block.self = (uintptr_t)&block;
	block.magic = 0x6750;
	gs_good = gs_seen = 0;
	EXPECT_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &block), 0);
	sigaction(SIGUSR2, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &soon, NULL);
	for (entries = 0; entries < 1000000 && gs_seen < 50; entries++) {
		EXPECT_TRUE(works(0));
		__asm__ volatile("mov %%gs:8, %0" : "=r"(magic));
		EXPECT_EQ(magic, 0x6750);
	}
	timer_settime(timer, 0, &never, NULL);
	timer_delete(timer);
	EXPECT_TRUE(gs_seen >= 50);
	r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[1], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP, .rdx = code };
	te_raw(&r);
	EXPECT_EQ(r.rax, ERESUME);
	__asm__ volatile("mov %%gs:8, %0" : "=r"(magic));
	EXPECT_EQ(magic, 0x6750);
	EXPECT_EQ(gs_good, gs_seen);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	EXPECT_EQ(base, (uintptr_t)&block);
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
	signal(SIGILL, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	end();
}

/* RSI: words. R10: an address in the enclave. */
SNIPPET(snip_insns, "mov %rcx, %r15; mov %rsi, %r14; rdfsbase %r12; rdgsbase %r13; wrfsbase %r10; movq $77, %fs:8; rdfsbase %r11;"
	"mov %r11, (%r14); mov 8(%r10), %rax; mov %rax, 8(%r14); wrgsbase %r10; mov %gs:8, %rax; mov %rax, 16(%r14);"
	"wrfsbase %r12; wrgsbase %r13; 1: rdrand %rax; jnc 1b; mov %rax, 24(%r14);"
	"rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, 32(%r14); rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, 40(%r14);"
	"mov $6, %eax; vmovd %eax, %xmm0; vpbroadcastd %xmm0, %ymm0; vpaddd %ymm0, %ymm0, %ymm1; vextracti128 $1, %ymm1, %xmm1;"
	"vpextrd $3, %xmm1, %eax; mov %rax, 48(%r14); vzeroupper;"
	"mov %r15, %rbx; mov $4, %eax; jmp *%r9");

TEST(entered, fs_gs_random_time_and_vectors_inside)
{
	uint64_t words[7] = { 0 }, code, args[16];
	struct sgx_enclave_run run;
	struct te_regs r;
	unsigned i;

	if (!__builtin_cpu_supports("avx2"))
		SKIP("the processor has no AVX2");
	tls = 0x7157;
	ASSERT_EQ(te_build(&te, &(struct te_options){ .xfrm = 7, .heap_pages = 4 }), 0);
	code = TE_LOAD(&te, 0, snip_insns);
	for (i = 0; i < 100; i++) {
		memset(words, 0, sizeof(words));
		r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
				      .rsi = (uintptr_t)words, .rdx = code, .r9 = te.eexit };
		__asm__ volatile("mov %0, %%r10; call te_raw" : : "r"(te.heap), "D"(&r)
			: "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
		EXPECT_EQ(r.rax, EEXIT);
		EXPECT_EQ(words[0], te.heap);
		EXPECT_EQ(words[1], 77);
		EXPECT_EQ(words[2], 77);
		EXPECT_TRUE(words[3] != 0);
		EXPECT_TRUE(words[5] >= words[4] && words[4]);
		EXPECT_EQ(words[6], 12);
		memset(args, 0, sizeof(args));
		te_call(&te, 0, TE_XGETBV, args, &run);
		EXPECT_EQ(args[0], 7);
		memset(args, 0, sizeof(args));
		args[0] = te.heap + 1024;
		args[1] = UINT64_MAX;
		te_call(&te, 0, TE_XSAVE, args, &run);
		EXPECT_EQ(run.function, EEXIT);
		EXPECT_EQ(tls, 0x7157);
	}
	end();
}

/* RSI: words: from, bytes; out: bytes 0xC3, calls that came back. Calls the first of them. */
SNIPPET(snip_scan, "mov %rcx, %r15; mov (%rsi), %rdi; mov 8(%rsi), %rcx; xor %edx, %edx;"
	"1: cmpb $0xc3, (%rdi); jne 2f; inc %rdx; 2: inc %rdi; dec %rcx; jnz 1b; mov %rdx, 16(%rsi);"
	"mov %r15, %rbx; mov $4, %eax; jmp *%r9");

/* Code that runtimes look for gadgets in has no more of them when its exits are hot. */
TEST(entered, scan_of_its_own_code_finds_the_same)
{
	uint64_t words[3], code, first = 0;
	struct te_regs r;
	unsigned i;

	if (!begin())
		return;
	code = TE_LOAD(&te, 0, snip_scan);
	for (i = 0; i < 200; i++) {
		words[0] = te.code;
		words[1] = te.data - te.code;
		r = (struct te_regs){ .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_JUMP,
				      .rsi = (uintptr_t)words, .rdx = code, .r9 = te.eexit };
		te_raw(&r);
		if (!i)
			first = words[2];
		EXPECT_EQ(words[2], first);
		EXPECT_TRUE(works(i % 4));
	}
	end();
}
