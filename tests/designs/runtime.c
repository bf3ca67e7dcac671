/* SPDX-License-Identifier: BSD-2-Clause */
/* See runtime.h. RUN: its name. By the vDSO function, or with BY_SIGNALS or BY_PREFIX by an ENCLU of its own. */
#define _GNU_SOURCE
#include "designs/runtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "support/encl.h"

enum { TCS = 8, ENTRY_WORDS = 6 };

SNIPPET(snip, "mov %rcx, %r15; mov %r9, %r14; mov $1234, %r13d; mov $5678, %edx; ud2; xor %edi, %edi;"
	"cmp $1234, %r13; jne 1f; cmp $5678, %rdx; jne 1f; mov $77, %edi;"
	"1: mov %r15, %rbx; mov %r14, %r9; mov $4, %eax; jmp *%r9");

static struct te te;
static uint64_t code;
static uint64_t busy;		/* TCSs, a bit each */
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct call {
	uint64_t words[ENTRY_WORDS];	/* TCS, RDI, RSI, RDX, R9; RDI at the exit */
	unsigned exceptions, wrong;
	unsigned (*between)(void *arg);
	void *arg;
	struct call *outer;
};

static struct call prepare(uint64_t tcs, uint64_t op, uint64_t rsi)
{
	return (struct call){ .words = { tcs, op, rsi, code, te.eexit } };
}

static void enter(struct call *call);

/* In whatever way the exception has come. */
static void on_exception(struct call *call, uint64_t tcs, uint64_t vector)
{
	const unsigned index = (unsigned)((tcs - te.tcs[0]) / (te.tcs[1] - te.tcs[0]));
	uint64_t args[2] = { te_gpr(&te, index, 0) + offsetof(struct sgx_gprsgx, rip), 2 };
	struct call second = prepare(tcs, TE_NOP, (uintptr_t)args);

	call->exceptions++;
	call->wrong += tcs != call->words[0] || vector != 6;
	if (call->between)
		call->wrong += call->between(call->arg);
	enter(&second);
	call->wrong += second.wrong;
}

#if defined(BY_SIGNALS) || defined(BY_PREFIX)
static __thread struct call *innermost;

#ifdef BY_PREFIX
#define INSN ".byte 0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7;"
#else
#define INSN ".byte 0x0f, 0x01, 0xd7;"
#endif
__attribute__((visibility("hidden"))) void runtime_enter(struct call *call);
extern const char runtime_aep[] __attribute__((visibility("hidden")));
__asm__(".text\n"
".hidden runtime_enter, runtime_aep\n.globl runtime_enter, runtime_aep\n"
"runtime_enter: push %rbp; mov %rsp, %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
"	mov %rdi, %rax; mov (%rax), %rbx; mov 8(%rax), %rdi; mov 16(%rax), %rsi; mov 24(%rax), %rdx\n"
"	mov 32(%rax), %r9; lea runtime_aep(%rip), %rcx; mov $2, %eax\n"
"	" INSN "\n"
"	mov -48(%rbp), %r8; mov %rdi, 40(%r8); cmp $4, %eax; je 1f; movq $0, 40(%r8)\n"
"1:	cld; lea -40(%rbp), %rsp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret\n"
"runtime_aep: " INSN "\n"
#ifdef BY_PREFIX
"	mov %rdi, %rdx; mov %rbx, %rsi; mov -48(%rbp), %rdi; lea -48(%rbp), %rsp; call runtime_exception\n"
"	mov $3, %eax; lea runtime_aep(%rip), %rcx; jmp runtime_aep\n"
#else
"	ud2\n"
#endif
);

#ifdef BY_PREFIX
__attribute__((used, visibility("hidden")))
void runtime_exception(struct call *call, uint64_t tcs, uint64_t vector);
void runtime_exception(struct call *call, uint64_t tcs, uint64_t vector)
{
	on_exception(call, tcs, vector);
}
#else
static struct sigaction before[NSIG];
static const int five[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP };

/* What is not ours belongs to whoever was there before: that is all that keeps two such libraries apart. */
static void handler(int sig, siginfo_t *info, void *context)
{
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (g[REG_RIP] == (greg_t)(uintptr_t)runtime_aep && g[REG_RAX] == ERESUME)
		on_exception(innermost, (uint64_t)g[REG_RBX], (uint64_t)g[REG_TRAPNO]);
	else if (before[sig].sa_flags & SA_SIGINFO)
		before[sig].sa_sigaction(sig, info, context);
	else
		abort();
}
#endif

static void enter(struct call *call)
{
	call->outer = innermost;
	innermost = call;
	runtime_enter(call);
	innermost = call->outer;
}
#else
static int vdso_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	struct call *call = (struct call *)run->user_data;

	(void)rsi, (void)rdx, (void)rsp, (void)r8, (void)r9;
	if (run->function == EEXIT) {
		call->words[5] = (uint64_t)rdi;
		return 0;
	}
	on_exception(call, run->tcs, run->exception_vector);
	return ERESUME;
}

static void enter(struct call *call)
{
	struct sgx_enclave_run run = { .tcs = call->words[0], .user_handler = (uintptr_t)vdso_handler,
				       .user_data = (uintptr_t)call };
	struct te_vcall v = { .fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = call->words[1],
			      .rsi = call->words[2], .rdx = call->words[3], .r9 = call->words[4],
			      .rflags = 0x202 };

	te_vcall(&v);
	call->wrong += v.rax != 0;
}
#endif

static void begin(void)
{
	uint64_t args[3];
	struct call call;

#ifdef BY_SIGNALS
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	unsigned i;

	for (i = 0; i < sizeof(five) / sizeof(five[0]); i++)
		sigaction(five[i], &sa, &before[five[i]]);
#endif
	if (te_build(&te, &(struct te_options){ .tcs = TCS, .nssa = 3 }))
		abort();
	args[0] = te.scratch;
	args[1] = (uintptr_t)snip;
	args[2] = (uint64_t)(snip_end - snip);
	call = prepare(te.tcs[0], TE_COPY, (uintptr_t)args);
	enter(&call);
	code = te.scratch;
}

__attribute__((visibility("default")))
unsigned RUN(unsigned rounds, unsigned (*between)(void *arg), void *arg)
{
	unsigned wrong = 0, tcs;

	pthread_once(&once, begin);
	for (tcs = 0; __atomic_fetch_or(&busy, UINT64_C(1) << tcs, __ATOMIC_ACQ_REL) >> tcs & 1; tcs++)
		if (tcs == TCS - 1)
			return 1;		/* more calls at a time than there are TCSs */
	for (; rounds; rounds--) {
		struct call call = prepare(te.tcs[tcs], TE_JUMP, 0);

		call.between = between;
		call.arg = arg;
		enter(&call);
		wrong += call.wrong + (call.exceptions != 1) + (call.words[5] != 77);
	}
	__atomic_fetch_and(&busy, ~(UINT64_C(1) << tcs), __ATOMIC_ACQ_REL);
	return wrong;
}
