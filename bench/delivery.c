/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the designs of doc/exceptions.md cost: run under `softsgx run --delivery=...`. Each row is one cycle: an #UD
 * inside, whatever tells the host of it, and the ERESUME; or an EEXIT, the host's answer, and the next EENTER.
 */
#define _GNU_SOURCE
#include "arch/x86.h"
#include "bench.h"
#include "support/encl.h"
#include "uapi/sgx_2018.h"
#include "uapi/sgx_vdso_versions.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { EXCEPTIONS = 5000, OCALLS = 20000, ROUNDS = 5 };

/* delivery.S */
extern uint64_t bench_left, bench_leaf, bench_tcs;
void bench_vdso(const void *fn, uint64_t op, uint64_t *args, unsigned leaf, const uint64_t stack[3]);
void bench_handler(void);
void bench_enclu(uint64_t tcs, uint64_t op, uint64_t *args);
void bench_prefix(uint64_t tcs, uint64_t op, uint64_t *args);
void bench_step(uint64_t count);
extern const uint8_t bench_step_end[];
extern const char bench_enclu_insn[], bench_fault[], bench_enclu_out[];

static struct te te;
static uint64_t args[16];
static struct sgx_enclave_run upstream_run;
static struct sgx_enclave_run_v38 v38_run;
static struct sgx_enclave_exception exception;

static void by_upstream(uint64_t op)
{
	upstream_run = (struct sgx_enclave_run){ .tcs = bench_tcs, .user_handler = (uintptr_t)bench_handler };
	bench_vdso(te.vdso, op, args, EENTER, (uint64_t[3]){ (uintptr_t)&upstream_run });
}

static void by_v38(uint64_t op)
{
	v38_run = (struct sgx_enclave_run_v38){ .tcs = bench_tcs, .user_handler = (uintptr_t)bench_handler };
	bench_vdso(te.vdso, op, args, EENTER, (uint64_t[3]){ (uintptr_t)&v38_run });
}

static void by_v36(uint64_t op)			/* and v28: leaf and stack arguments fit both */
{
	bench_vdso(te.vdso, op, args, EENTER,
		   (uint64_t[3]){ bench_tcs, (uintptr_t)&exception, (uintptr_t)bench_handler });
}

static void by_enclu(uint64_t op)
{
	bench_enclu(bench_tcs, op, args);
}

static void by_prefix(uint64_t op)
{
	bench_prefix(bench_tcs, op, args);
}

static int prepare_pair(unsigned long command)
{
	const struct sgx_enclu_register pair = { (uintptr_t)bench_enclu_insn, (uintptr_t)bench_fault };
	int fd = open("/dev/sgx", O_RDWR), ret = fd < 0 ? -1 : ioctl(fd, command, &pair);

	if (ret)
		perror("/dev/sgx");
	return ret;
}

static int prepare_process(void)
{
	return prepare_pair(SGX_RFC_ENCLU_REGISTER);
}

static int prepare_thread(void)
{
	return prepare_pair(SGX_IOC_ENCLU_REGISTER_THREAD);
}

static void on_ill(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (!--bench_left)
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)bench_enclu_out;
}

static int prepare_signals(void)
{
	const struct sigaction action = { .sa_sigaction = on_ill, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };

	return sigaction(SIGILL, &action, NULL);
}

static const struct design {
	const char *option, *name;
	int (*prepare)(void);
	void (*run)(uint64_t op);
} designs[] = {
	{ "upstream", "upstream", NULL, by_upstream },
	{ "vdso-v28", "v28", NULL, by_v36 },
	{ "vdso-v36", "v36", NULL, by_v36 },
	{ "vdso-v38", "v38", NULL, by_v38 },
	{ "enclu-handler", "enclu_handler", prepare_process, by_enclu },
	{ "thread-handler", "thread_handler", prepare_thread, by_enclu },
	{ "prefix", "prefix", NULL, by_prefix },
	{ "signals", "signals", prepare_signals, by_enclu },
};

static double cycles(const struct design *d, uint64_t op, unsigned leaf, uint64_t count)
{
	double value[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		bench_left = count;
		bench_leaf = leaf;
		value[r] = cpu_ns();
		d->run(op);
		value[r] = (cpu_ns() - value[r]) / (double)count;
		bench_tcs = te.tcs[r + 1];	/* what the exceptions interrupted stays as it is */
		if (bench_left)
			return -1;
	}
	return median(value, ROUNDS);
}

/** bench_delivery() - the design that softsgx calls @option. */
int bench_delivery(const char *option)
{
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	struct te_options options = { .tcs = ROUNDS + 1 };
	const struct design *d = designs;
	char name[64];
	double value;

	while (strcmp(d->option, option))
		if (++d == designs + sizeof(designs) / sizeof(designs[0]))
			return 2;
	if (te_build(&te, &options))
		return 1;
	bench_tcs = te.tcs[0];
	args[0] = te.scratch + 2048;
	memcpy((void *)args[0], ud2, sizeof(ud2));
	if (d->prepare && d->prepare())
		return 1;
	bench_left = 1000;
	bench_leaf = EENTER;
	d->run(TE_NOP);				/* the EEXIT shall not trap any more */
	value = cycles(d, TE_NOP, EENTER, OCALLS);
	snprintf(name, sizeof(name), "ocall_%s", d->name);
	figure(name, value);
	bench_tcs = te.tcs[0];
	value = cycles(d, TE_RUN, ERESUME, EXCEPTIONS);
	snprintf(name, sizeof(name), "delivery_%s", d->name);
	figure(name, value);
	return value < 0;
}

static volatile sig_atomic_t steps;

static void on_step(int sig)
{
	(void)sig;
	steps++;
}

/** bench_step_floor() - steps per second that a handler of SIGTRAP sees of a loop with RFLAGS.TF set; thousands. */
void bench_step_floor(void)
{
	enum { LOOPS = 10000 };
	double start;

	signal(SIGTRAP, on_step);
	start = cpu_ns();
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; mov %1, %%rdi; call *%0;"
			 "pushfq; andl $~0x100, (%%rsp); popfq"
			 : : "r"(bench_step), "r"((uint64_t)LOOPS) : "rdi", "cc", "memory");
	figure("floor_step", (double)steps * 1e6 / (cpu_ns() - start));
	signal(SIGTRAP, SIG_DFL);
}

/** bench_step_inside() - the same loop inside, under --step. */
int bench_step_inside(void)
{
	enum { LOOPS = 10000 };
	struct sgx_enclave_run run;
	double start;

	if (te_build(&te, NULL))
		return 1;
	args[0] = te_load(&te, 2048, (const void *)bench_step, (uint64_t)(bench_step_end - (const uint8_t *)bench_step));
	args[5] = 1;
	te_call(&te, 0, TE_RUN, args, &run);
	args[5] = LOOPS;			/* RDI */
	start = cpu_ns();
	te_call(&te, 0, TE_RUN, args, &run);
	figure("step_rate", 2.0 * LOOPS * 1e6 / (cpu_ns() - start));
	return run.function != EEXIT;
}

static volatile uint64_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void tick_every_ms(timer_t *timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	const struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	signal(SIGUSR1, on_tick);
	timer_create(CLOCK_MONOTONIC, &event, timer);
	timer_settime(*timer, 0, &every, NULL);
}

extern const char __start_bench_work[], __stop_bench_work[];

enum { HASHES = 300000 };			/* about a tenth of a second */

static double hash_outside(void)
{
	static uint64_t scratch[512];
	double start = cpu_ns();

	work_hash(HASHES, 0, scratch);
	return (cpu_ns() - start) / 1e3;
}

/** bench_ticks_floor() - the work outside, with 1,000 signals a second. */
void bench_ticks_floor(void)
{
	timer_t timer;

	tick_every_ms(&timer);
	figure("floor_ticks", hash_outside());
	timer_delete(timer);
}

static double hash_inside(uint64_t at)
{
	uint64_t hash_args[16] = { at, 0, 0, 0, te.heap, HASHES };
	struct sgx_enclave_run run;
	double start = cpu_ns();

	te_call(&te, 0, TE_RUN, hash_args, &run);
	return run.function == EEXIT ? (cpu_ns() - start) / 1e3 : -1;
}

/** bench_ticks_inside() - the work inside, without signals and with 1,000 a second. */
int bench_ticks_inside(void)
{
	struct te_options options = { .heap_pages = 1 };
	uint64_t at, before;
	timer_t timer;
	double quiet, busy;

	if (te_build(&te, &options))
		return 1;
	te_load(&te, 0, __start_bench_work, (uint64_t)(__stop_bench_work - __start_bench_work));
	at = te.scratch + (uint64_t)((uintptr_t)work_hash - (uintptr_t)__start_bench_work);
	hash_inside(at);
	quiet = hash_inside(at);
	tick_every_ms(&timer);
	before = ticks;
	busy = hash_inside(at);
	timer_delete(timer);
	figure("ticks_none", quiet);
	figure("ticks_inside", busy);
	return ticks == before || quiet < 0 || busy < 0;
}
