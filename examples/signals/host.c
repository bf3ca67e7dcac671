/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions as signals: what a program does that brings its own ENCLU, as SDKs did before Linux had a function
 * for it.
 *
 * The runtime handles five signals. Its handler sees where the exception happened: at the AEP with RAX = 3 means
 * in the enclave, which it then enters again, through the same TCS and inside the signal handler; if the enclave
 * repaired the matter, returning from the signal executes the ENCLU at the AEP, which resumes. At the EENTER with
 * RAX = 2 means that EENTER failed: the enclave is gone. Everything else belongs to whoever handled these signals
 * before. That is the trouble with it: the handlers are the process's, and each library has to pass on what is not
 * its own.
 *
 * Run it:  softsgx run --delivery=signals -- signals
 */
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>

#include "../common/faulty.h"
#include "../common/host.h"

#define LOST		1
#define GAVE_UP		2

struct call {
	uint64_t tcs;
	long result;
};

static int last_signal, last_trap, exceptions;
static uint64_t last_address;
static struct sigaction before[NSIG];
static const int five[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP };

long enter(struct call *call, long rdi, long rsi, const void *rdx);	/* 0, LOST, GAVE_UP */
extern const char eenter[], aep[], ended[];

__asm__(".text\n"
"enter:	push %rbp\n"
"	mov %rsp, %rbp\n"
"	push %rbx; push %r12; push %r13; push %r14; push %r15\n"
"	push %rdi\n"
"	mov (%rdi), %rbx\n"
"	mov %rsi, %rdi\n"
"	mov %rdx, %rsi\n"
"	mov %rcx, %rdx\n"
"	lea aep(%rip), %rcx\n"
"	mov $2, %eax\n"
"eenter: .byte 0x0f, 0x01, 0xd7\n"
"	mov -48(%rbp), %r8\n"			/* EEXIT */
"	mov %rsi, 8(%r8)\n"
"	xor %esi, %esi\n"
"ended:	mov %rsi, %rax\n"			/* here with RSI from the signal handler, too */
"	cld\n"
"	lea -40(%rbp), %rsp\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
"	ret\n"
"aep:	.byte 0x0f, 0x01, 0xd7\n"		/* the processor left ERESUME in RAX, TCS in RBX, AEP in RCX */
"	ud2\n");

static void handler(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct call second = { .tcs = (uint64_t)r[REG_RBX] };

	if (r[REG_RIP] == (greg_t)aep && r[REG_RAX] == ERESUME) {
		exceptions++;
		last_signal = sig;
		last_trap = (int)r[REG_TRAPNO];
		last_address = (uint64_t)info->si_addr;
		if (enter(&second, ECALL, 0, NULL) == 0 && second.result == 0)
			return;
		r[REG_RIP] = (greg_t)ended;
		r[REG_RSI] = GAVE_UP;
	} else if (r[REG_RIP] == (greg_t)eenter && r[REG_RAX] == EENTER) {
		r[REG_RIP] = (greg_t)ended;
		r[REG_RSI] = LOST;
	} else if (before[sig].sa_flags & SA_SIGINFO) {
		before[sig].sa_sigaction(sig, info, context);
	} else if (before[sig].sa_handler != SIG_DFL && before[sig].sa_handler != SIG_IGN) {
		before[sig].sa_handler(sig);
	} else {
		sigaction(sig, &before[sig], NULL);	/* and what faulted faults again */
	}
}

static void set_up(void)
{
	/* NODEFER: the second phase may fault too. */
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	unsigned i;

	sigprocmask(SIG_SETMASK, NULL, &act.sa_mask);
	for (i = 0; i < sizeof(five) / sizeof(five[0]); i++)
		sigdelset(&act.sa_mask, five[i]);
	for (i = 0; i < sizeof(five) / sizeof(five[0]); i++)
		sigaction(five[i], &act, &before[five[i]]);
}

int main(void)
{
	struct enclave e;
	struct call call;

	set_up();
	enclave_load(&e, "faulty.enclave");

	call.tcs = e.tcs[0];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER && exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(enter(&call, ECALL, INVALID_OPCODE, NULL) == 0 && call.result == ANSWER);
	CHECK(exceptions == 1 && last_signal == SIGILL && last_trap == 6 && last_address == (uint64_t)aep);

	/* #PF, and nobody can help: the handler makes the call end. The enclave is entered through another TCS. */
	CHECK(enter(&call, ECALL, HOPELESS, (void *)0x1000) == GAVE_UP);
	CHECK(exceptions == 2 && last_signal == SIGSEGV && last_trap == 14 && last_address == 0x1000);
	call.tcs = e.tcs[1];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER);

	/* A TCS that does not exist: EENTER faults. */
	call.tcs = 0x2000;
	CHECK(enter(&call, ECALL, NOTHING, NULL) == LOST && exceptions == 2);

	puts("ok");
	return 0;
}
