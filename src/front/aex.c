/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AEX at will: what --aex, --step and --trace ask for. Steps are the engine's (trap/step.h). --aex=us needs none: a
 * helper sends each thread that is inside a signal that only makes it leave for an instant, as threads_kick() does; fast
 * paths and patches stay.
 */
#include "front/rt.h"
#include "front/symbols.h"
#include "sys/sys.h"
#include "sys/task.h"

#include <asm/unistd.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/time_types.h>

enum { TICKER_OFF, TICKER_ON, TICKER_BLOCKED };

#define SLICE_US	10000	/* the helper looks for its process at least so often */

static void pause_us(uint64_t us)
{
	const struct __kernel_timespec time = { (long)(us / 1000000), (long)(us % 1000000 * 1000) };

	sys_call2(__NR_nanosleep, &time, 0);
}

static void tick_all(void)
{
	struct thread *t;

	for_each_thread(t)
		if (*(const volatile uint64_t *)&t->in_enclave)
			signals_tick(t);
}

/* The thread that made the helper may end before the process does: it goes by its parent's pid, not by that thread. */
static void ticker_run(void *arg)
{
	uint64_t left = rt.config.aex_n;

	(void)arg;
	sys_call2(__NR_prctl, PR_SET_PDEATHSIG, 0);
	sys_call2(__NR_prctl, PR_SET_TIMERSLACK, 1);
	while (sys_call0(__NR_getppid) == rt.ticker.program) {
		const uint64_t slice = left < SLICE_US ? left : SLICE_US;

		pause_us(slice);
		left -= slice;
		if (left)
			continue;
		tick_all();
		left = rt.config.aex_n;
	}
}

static void ticker_start(void)
{
	struct ticker *k = &rt.ticker;
	uint32_t off = TICKER_OFF;

	if (!atomic_compare_exchange_strong(&k->state, &off, TICKER_ON))
		return;
	k->program = sys_call0(__NR_getpid);
	k->pid = sys_task(k->stack + sizeof(k->stack), ticker_run, NULL);
	if (k->pid < 0)
		sys_print(2, "softsgx: --aex=us: no helper can be started (error %d)\n", (int)-k->pid);
}

void aex_leaving(struct thread *t)
{
	if (t->trace.used && !t->in_enclave)
		trace_flush(&rt.engine, t);
	if (rt.config.aex == RT_AEX_US && t->in_enclave &&
	    atomic_load_explicit(&rt.ticker.state, memory_order_relaxed) == TICKER_OFF)
		ticker_start();
}

/* The helper would keep the old image's memory alive. If there is no new one, entries have to find that it is gone. */
void aex_exec(const struct thread *t, bool begin)
{
	struct ticker *k = &rt.ticker;

	if (rt.config.aex != RT_AEX_US || (uint64_t)sys_call0(__NR_gettid) != t->tid)
		return;			/* a child of vfork: the helper is its parent's */
	if (!begin) {
		threads_forget(0, UINT64_MAX);
		atomic_store(&k->state, TICKER_OFF);
	} else if (atomic_exchange(&k->state, TICKER_BLOCKED) == TICKER_ON && k->pid > 0) {
		sys_call2(__NR_kill, k->pid, SIGKILL);
		sys_task_join(k->pid);
	}
}

void aex_forked(struct thread *t)
{
	t->trace.used = 0;
	t->cache.tcs_la = 0;		/* the next entry starts a helper */
	atomic_store(&rt.ticker.state, TICKER_OFF);
}

static uint64_t resolve(uint64_t base)
{
	const uint64_t rip = symbols_resolve(base, rt.config.aex_at);

	if (!rip)
		sys_print(2, "softsgx: --aex=at:%s: nothing is known by this name in the enclave at %lx\n",
			  rt.config.aex_at, base);
	return rip;
}

static void trace_init(struct trace *trace)
{
	const uint64_t size = (uint64_t)THREAD_SLOTS_MAX * TRACE_BUFFER;
	long ret;

	if (!rt.config.trace_path[0])
		return;
	ret = sys_call6(__NR_mmap, RT_TRACE_BASE, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (ret != (long)RT_TRACE_BASE)
		rt_fail("no address space for the trace", "is memory limited (ulimit -v)?", ret);
	trace->buffers = (uint8_t *)ret;
	trace->json = rt.config.flags & RT_FLAG_TRACE_JSON;
	trace->path = rt.config.trace_path;
}

void aex_init(void)
{
	static const enum step_when when[] = {
		[RT_AEX_OFF] = STEP_NEVER, [RT_AEX_EVERY] = STEP_EVERY, [RT_AEX_RANDOM] = STEP_RANDOM,
		[RT_AEX_AT] = STEP_AT, [RT_AEX_US] = STEP_NEVER,
	};
	struct step *step = &rt.engine.step;

	step->when = when[rt.config.aex];
	step->n = rt.config.aex_n;
	step->seed = rt.config.aex_seed;
	step->resolve = resolve;
	step->on = step->when != STEP_NEVER || rt.config.flags & RT_FLAG_STEP;
	if (step->on)
		rt.engine.patch_mode = PATCH_OFF;
	trace_init(&rt.engine.trace);
}
