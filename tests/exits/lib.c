/* SPDX-License-Identifier: BSD-2-Clause */
/* See lib.h. */
#define _GNU_SOURCE
#include "exits/lib.h"

#include "exits/calls.h"
#include "uapi/sgx_2018.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <ucontext.h>
#include <unistd.h>

enum { SLOTS_MAX = 32, UD = 6 };
enum design { BY_VDSO, BY_PREFIX, BY_PROCESS, BY_THREAD, BY_SIGNALS };

/* At CSSA 0 an exception, then a count; at CSSA 1 the frame's RIP goes behind it. */
SNIPPET(snip_skip, "test %eax, %eax; jnz 1f; ud2; incq (%rsi); mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"
	"1: addq $2, (%r8); mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

static struct te te;
static enum design design;
static int device = -1;
static uint64_t counter[SLOTS_MAX][8];
static struct sigaction chained;

static struct sgx_enclu_register pair(void)
{
	return (struct sgx_enclu_register){ (uintptr_t)exact_raw_aep, (uintptr_t)exact_raw_out };
}

/*
 * C.4, as far as a program with another runtime in it can go: on whatever stack that runtime has for signals, and
 * what is not ours is its own.
 */
static void on_ill(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned slot;

	if ((uintptr_t)g[REG_RIP] == (uintptr_t)exact_raw_aep && g[REG_RAX] == ERESUME)
		for (slot = 0; slot < te.tcs_count; slot++)
			if ((uint64_t)g[REG_RBX] == te.tcs[slot]) {
				((struct sgx_gprsgx *)te_gpr(&te, slot, 0))->rip += 2;
				return;
			}
	if (chained.sa_flags & SA_SIGINFO)
		chained.sa_sigaction(sig, info, context);
	else
		signal(sig, SIG_DFL);
}

int lib_start(const char *name, unsigned slots)
{
	const struct sigaction act = {.sa_sigaction = on_ill,
				      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
	const struct sgx_enclu_register both = pair();

	if (!strncmp(name, "vdso-v", 6))
		exits_vdso = atoi(name + 6);
	design = !strcmp(name, "prefix") ? BY_PREFIX : !strcmp(name, "enclu-handler") ? BY_PROCESS :
		 !strcmp(name, "thread-handler") ? BY_THREAD : !strcmp(name, "signals") ? BY_SIGNALS : BY_VDSO;
	if (slots > SLOTS_MAX || te_build(&te, &(struct te_options){ .tcs = slots, .nssa = 3 }))
		return -1;
	if (design == BY_VDSO && !te.vdso)
		return -1;
	if (design == BY_PROCESS || design == BY_THREAD)
		device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	if (design == BY_PROCESS && ioctl(device, SGX_RFC_ENCLU_REGISTER, &both))
		return -1;
	if (design == BY_THREAD && device < 0)
		return -1;
	if (design == BY_SIGNALS)
		sigaction(SIGILL, &act, &chained);
	exits_copy(&te, te.tcs[0], te.scratch, snip_skip, (uint64_t)(snip_skip_end - snip_skip));
	return 0;
}

/* One way into the enclave and out again: EEXIT is -1, else the vector. */
static int enter(struct exact *x, unsigned slot, uint64_t leaf)
{
	union exits_run run;

	if (design == BY_VDSO) {
		exits_prepare(x, &run, &te, te.tcs[slot], leaf, false);
		exact_vdso(x);
		return exits_vector(x, &run);
	}
	x->rax = leaf;
	x->rbx = te.tcs[slot];
	x->rcx = (uintptr_t)(design == BY_PREFIX ? exact_prefixed_aep : exact_raw_aep);
	if (design == BY_PREFIX)
		exact_prefixed(x);
	else
		exact_raw(x);
	return (uint32_t)x->rax == EEXIT ? -1 : (int)x->rdi;
}

static void fill(struct exact *x, uint64_t op, const void *argument)
{
	memset(x, 0, sizeof(*x));
	x->level = 3;
	x->mxcsr = 0x1f80;
	x->rflags = 0x202;
	x->rdi = op;
	x->rsi = (uintptr_t)argument;
	x->rdx = te.scratch;
	x->r9 = te.eexit;
	x->r12 = 0x1212;
	x->r15 = (uintptr_t)argument;
}

/* C5-6: an entry of this thread, whichever that is this time. */
static void push_pair(void)
{
	const struct sgx_enclu_register both = pair();

	if (design == BY_THREAD && ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &both))
		abort();
}

static void pop_pair(void)
{
	const struct sgx_enclu_register none = { 0, 0 };

	if (design == BY_THREAD && ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &none))
		abort();
}

uint64_t lib_sum(unsigned slot, uint64_t seed, uint64_t rounds)
{
	uint64_t args[16] = { seed, rounds };
	struct exact x;

	fill(&x, TE_SUM, args);
	return enter(&x, slot, EENTER) == -1 && !x.rsp ? args[0] : 0;
}

int lib_exception(unsigned slot)
{
	int right, leaf = EENTER;
	struct exact x;

	push_pair();
	fill(&x, TE_JUMP, counter[slot]);
	if (design == BY_SIGNALS) {
		right = enter(&x, slot, leaf) == -1;
	} else {
		right = enter(&x, slot, leaf) == UD;
		fill(&x, TE_JUMP, counter[slot]);
		x.r8 = te_gpr(&te, slot, 0) + offsetof(struct sgx_gprsgx, rip);
		right &= enter(&x, slot, EENTER) == -1;
		fill(&x, TE_JUMP, counter[slot]);
		right &= enter(&x, slot, ERESUME) == -1;
	}
	pop_pair();
	return right && x.rsi == (uintptr_t)counter[slot] && x.r12 == 0x1212 && x.r15 == (uintptr_t)counter[slot];
}

uint64_t lib_count(unsigned slot)
{
	return counter[slot][0];
}

/* ---- threads ---- */

static pthread_t thread[SLOTS_MAX];
static unsigned busy_first, busy_count;
static _Atomic bool stop;
static _Atomic uint64_t calls, wrong;

static void *busy(void *argument)
{
	const unsigned slot = (unsigned)(uintptr_t)argument;
	uint64_t i, k, want, exceptions = lib_count(slot);

	for (i = 0; !stop; i++) {
		want = i;
		for (k = 0; k < 20000; k++)
			want = want * UINT64_C(0x5851f42d4c957f2d) + 12345;
		wrong += lib_sum(slot, i, 20000) != want;
		wrong += !lib_exception(slot) || lib_count(slot) != ++exceptions;
		calls += 2;
	}
	return NULL;
}

void lib_busy_start(unsigned first, unsigned count)
{
	unsigned i;

	stop = false;
	busy_first = first;
	busy_count = count;
	for (i = 0; i < count; i++)
		pthread_create(&thread[first + i], NULL, busy, (void *)(uintptr_t)(first + i));
}

uint64_t lib_busy_stop(void)
{
	unsigned i;

	stop = true;
	for (i = 0; i < busy_count; i++)
		pthread_join(thread[busy_first + i], NULL);
	busy_count = 0;
	return wrong ? 0 : calls;
}

__attribute__((constructor)) static void loaded(void)
{
	const char *name = getenv("EXITS_PRELOAD");

	if (!name)
		return;
	name = strdup(name);
	unsetenv("EXITS_PRELOAD");	/* the program's own children */
	unsetenv("LD_PRELOAD");
	if (lib_start(name, 4)) {
		fprintf(stderr, "no enclave\n");
		_exit(1);
	}
	lib_busy_start(0, 3);
}

__attribute__((destructor)) static void unloaded(void)
{
	uint64_t result;

	if (!busy_count)
		return;
	result = lib_busy_stop();
	fprintf(stderr, "enclaves: %llu calls, %llu wrong\n", (unsigned long long)calls,
		(unsigned long long)wrong);
	if (!result)
		_exit(1);
}
