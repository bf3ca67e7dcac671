/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark program: one figure per line on stdout, "name value". See scripts/bench. */
#ifndef SOFTSGX_BENCH_H
#define SOFTSGX_BENCH_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline double clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Elapsed time: for what keeps other threads or processes busy too. */
static inline double now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Processor time of this thread, for what does not sleep: other processes must not count. */
static inline double cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Nanoseconds of one of @count runs of @body. */
#define TIME(count, body) ({						\
	double start_ = cpu_ns();					\
	for (uint64_t i_ = 0; i_ < (uint64_t)(count); i_++)		\
		body;							\
	(cpu_ns() - start_) / (double)(count);				\
})

static inline void figure(const char *name, double value)
{
	printf("%s %.4f\n", name, value);
}

double median(double *v, unsigned n);	/* sorts @v; main.c */

/* A thread that counts, outside (floor) or inside an enclave. */
struct bench_spinner {
	pthread_t thread;
	volatile int tid;
	volatile uint64_t *count;
};

/** bench_signal_price() - nanoseconds from sending SIGUSR1 until the spinning thread counts again. */
double bench_signal_price(const struct bench_spinner *s);

/* The floors and the calls that are measured with and without softsgx (host.c); the enclave's side (inside.c). */
void bench_floor_signals(void);
void bench_floor_loading(void);
void bench_syscalls(const char *prefix);
void bench_dispatch_floor(void);
void bench_start(const char *prefix, char *const argv[]);
int bench_roundtrip(const char *name);
int bench_raw(void);
int bench_exceptions(void);
int bench_compute(void);
int bench_loading(void);
int bench_syscalls_entered(void);

/* delivery.c: the designs, single-stepping, and a thread that gets 1,000 signals a second. */
int bench_delivery(const char *option);
void bench_step_floor(void);
int bench_step_inside(void);
void bench_ticks_floor(void);
int bench_ticks_inside(void);

/* floor.S */
struct floor_state {
	uint64_t owner, tid, aep, ursp, urbp, host_fs, host_gs, fs, gs, inside, selector, entry;
};
void floor_roundtrip(struct floor_state *s);
extern const char floor_enclave[];

/* workload.c: position-independent, self-contained code that runs outside and inside. */
uint64_t work_hash(uint64_t rounds, uint64_t unused, uint64_t *scratch);
uint64_t work_spin(uint64_t stop, uint64_t unused, uint64_t *count);
uint64_t work_matrix(uint64_t rounds, uint64_t unused, uint64_t *scratch);

#endif
