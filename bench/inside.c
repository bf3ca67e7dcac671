/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures that need an enclave: run under `softsgx run`. Floors that can be taken in the same process are. */
#define _GNU_SOURCE
#include "arch/x86.h"
#include "bench.h"
#include "support/encl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ROUNDS = 21, TRIPS = 100000 };

extern const char __start_bench_work[], __stop_bench_work[];

static void floor_init(struct floor_state *s)
{
	uint64_t fs, gs;

	__asm__("rdfsbase %0" : "=r"(fs));
	__asm__("rdgsbase %0" : "=r"(gs));
	*s = (struct floor_state){ .tid = 1, .fs = fs, .gs = gs, .entry = (uintptr_t)floor_enclave };
}

/** bench_roundtrip() - EENTER and EEXIT through the vDSO; floor: the same work without a check. */
int bench_roundtrip(const char *name)
{
	double value[ROUNDS], floor[ROUNDS];
	struct sgx_enclave_run run;
	struct floor_state state;
	uint64_t args[16] = { 0 };
	uint64_t trips = strcmp(name, "roundtrip_hot") ? TRIPS / 20 : TRIPS;
	struct te te;

	if (te_build(&te, NULL))
		return 1;
	floor_init(&state);
	for (int i = 0; i < 1000; i++)
		te_call(&te, 0, TE_NOP, args, &run);
	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	for (int r = 0; r < ROUNDS; r++) {
		floor[r] = TIME(TRIPS, floor_roundtrip(&state));
		value[r] = TIME(trips, te_enter(te.vdso, TE_NOP, args, EENTER, &run));
	}
	figure(name, median(value, ROUNDS));
	if (!strcmp(name, "roundtrip_hot"))
		figure("floor_roundtrip", median(floor, ROUNDS));
	return run.function != EEXIT;
}

static void raw_once(const struct te *te, struct te_regs *regs, uint64_t *args)
{
	*regs = (struct te_regs){ .rax = EENTER, .rbx = te->tcs[0], .rcx = (uintptr_t)te_raw_aep, .rdi = TE_NOP,
				  .rsi = (uintptr_t)args };
	te_raw(regs);
}

/** bench_raw() - the same with an ENCLU of the host's own. */
int bench_raw(void)
{
	double value[ROUNDS], floor[ROUNDS];
	struct floor_state state;
	uint64_t args[16] = { 0 };
	struct te_regs regs;
	struct te te;

	if (te_build(&te, NULL))
		return 1;
	floor_init(&state);
	for (int r = -1; r < ROUNDS; r++) {
		uint64_t trips = r < 0 ? 1000 : TRIPS / 10;
		double t = TIME(trips, raw_once(&te, &regs, args));

		if (r < 0)
			continue;
		value[r] = t;
		floor[r] = TIME(TRIPS, floor_roundtrip(&state));
	}
	figure("roundtrip_raw", median(value, ROUNDS));
	figure("floor_roundtrip_raw", median(floor, ROUNDS));
	return regs.rax != EEXIT;
}

struct spinner {
	struct bench_spinner bench;
	struct te *te;
	uint64_t args[16];
};

static void *spin_inside(void *arg)
{
	struct spinner *s = arg;
	struct sgx_enclave_run run;

	s->bench.tid = (int)syscall(SYS_gettid);
	te_call(s->te, 1, TE_RUN, s->args, &run);
	return NULL;
}

/** bench_exceptions() - #UD, AEX, back to the caller, ERESUME, #UD...; and AEX with resume for a signal from outside. */
int bench_exceptions(void)
{
	enum { COUNT = 5000 };
	static const uint8_t ud2[] = { 0x0f, 0x0b };
	struct te_options options = { .tcs = 2 };
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };
	volatile uint64_t flag = 0, count = 0;
	struct spinner spinner;
	struct te te;

	if (te_build(&te, &options))
		return 1;
	te_load(&te, 0, __start_bench_work, (uint64_t)(__stop_bench_work - __start_bench_work));
	args[0] = te_load(&te, 2048, ud2, sizeof(ud2));
	te_call(&te, 0, TE_RUN, args, &run);
	if (run.function != ERESUME || run.exception_vector != X86_UD)
		return 1;
	figure("exception_resume", TIME(COUNT, te_resume(&te, &run)));

	spinner = (struct spinner){
		.te = &te, .bench = { .count = &count },
		.args = { te.scratch + (uint64_t)((uintptr_t)work_spin - (uintptr_t)__start_bench_work), 0, 0, 0,
			  (uintptr_t)&count, (uintptr_t)&flag },
	};
	pthread_create(&spinner.bench.thread, NULL, spin_inside, &spinner);
	while (!*spinner.bench.count)
		;
	figure("async_resume", bench_signal_price(&spinner.bench));
	flag = 1;
	pthread_join(spinner.bench.thread, NULL);
	return 0;
}

/** bench_compute() - the same code outside and inside. */
int bench_compute(void)
{
	enum { WORK = 3000 };
	struct te_options options = { .heap_pages = 1 };
	static uint64_t outside[512] __attribute__((aligned(4096)));
	uint64_t (*const work[2])(uint64_t, uint64_t, uint64_t *) = { work_hash, work_matrix };
	const char *const names[2][2] = { { "compute_hash", "floor_hash" }, { "compute_matrix", "floor_matrix" } };
	uint64_t size = (uint64_t)(__stop_bench_work - __start_bench_work);
	double in[ROUNDS], out[ROUNDS];
	struct sgx_enclave_run run;
	struct te te;

	if (size > SGX_PAGE_SIZE || te_build(&te, &options))
		return 1;
	te_load(&te, 0, __start_bench_work, size);
	for (int i = 0; i < 1000; i++)		/* the EEXIT shall not trap any more */
		te_call(&te, 0, TE_NOP, (uint64_t[16]){ 0 }, &run);
	for (int w = 0; w < 2; w++) {
		uint64_t at = te.scratch + (uint64_t)((uintptr_t)work[w] - (uintptr_t)__start_bench_work);

		for (int r = 0; r < ROUNDS; r++) {
			uint64_t args[16] = { at, 0, 0, 0, 0, WORK };
			double start = cpu_ns();

			work[w](WORK, 0, outside);
			out[r] = cpu_ns() - start;
			args[4] = te.heap;
			start = cpu_ns();
			te_call(&te, 0, TE_RUN, args, &run);
			in[r] = cpu_ns() - start;
			if (run.function != EEXIT)
				return 1;
		}
		figure(names[w][0], median(in, ROUNDS) / 1e3);
		figure(names[w][1], median(out, ROUNDS) / 1e3);
	}
	return 0;
}

static double load(int measured)
{
	enum { MIB = 32 };
	const uint64_t size = UINT64_C(2) * MIB << 20;
	struct sgx_secinfo secinfo __attribute__((aligned(64))) = { .flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | 3 };
	struct sgx_secs *secs = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	struct sgx_enclave_create create = { (uintptr_t)secs };
	uint8_t *src = mmap(NULL, MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sgx_enclave_add_pages add = {
		.src = (uintptr_t)src, .length = MIB << 20, .secinfo = (uintptr_t)&secinfo,
		.flags = measured ? SGX_PAGE_MEASURE : 0,
	};
	int fd = open("/dev/sgx_enclave", O_RDWR);
	double start;

	memset(src, 1, MIB << 20);
	memset(secs, 0, sizeof(*secs));
	secs->size = size;
	secs->baseaddr = UINT64_C(0x200000000000);
	secs->ssaframesize = 1;
	secs->attributes.flags = SGX_ATTR_MODE64BIT;
	secs->attributes.xfrm = 3;
	if (ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &create))
		perror("CREATE");
	start = now_ns();
	while (add.length) {
		if (ioctl(fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add) && errno != EINTR) {
			perror("ADD_PAGES");
			break;
		}
		add.src += add.count;
		add.offset += add.count;
		add.length -= add.count;
	}
	start = MIB * 1048576.0 / ((now_ns() - start) / 1e3);
	close(fd);
	munmap(src, MIB << 20);
	free(secs);
	return start;
}

/** bench_loading() - ADD_PAGES of 32 MiB in one call, MB/s. */
int bench_loading(void)
{
	figure("load_measured", load(1));
	figure("load_unmeasured", load(0));
	return 0;
}

/** bench_syscalls_entered() - on a thread that has been inside. */
int bench_syscalls_entered(void)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };
	struct te te;

	if (te_build(&te, NULL))
		return 1;
	te_call(&te, 0, TE_NOP, args, &run);
	bench_syscalls("entered");
	return 0;
}
