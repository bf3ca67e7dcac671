/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the design of November 2018: opt-in by a prefix. In no kernel.
 *
 * A program that wants to hear of exceptions without signals puts a prefix, which means nothing to the processor,
 * before its ENCLU instructions. If one of them faults (or the enclave behind it, which comes to the same, since
 * the exception seems to happen at the AEP), and RAX is 2 or 3, the kernel puts EFAULT into RAX, vector, error
 * code and address into RDI, RSI, RDX, and goes on behind the instruction. Nothing is registered and nothing is
 * global, no library needs to know of another. So there are two places to land: behind EENTER, where RAX is 4
 * after EEXIT and 14 after a fault of EENTER, and behind the AEP's ENCLU, where an exception of the enclave
 * arrives.
 *
 * Run it:  softsgx run --delivery=prefix -- prefix
 */
#include <errno.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	uint64_t tcs;
	long result;
	unsigned exceptions;
	uint64_t vector, error, address;
};

/* What RAX was at the end: EEXIT, EFAULT if EENTER faulted, or what on_exception() said. */
long enter(struct call *call, long rdi, long rsi, const void *rdx);

#define PREFIXED_ENCLU ".byte 0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7\n"
__asm__(".text\n"
"enter:	push %rbp\n"
"	mov %rsp, %rbp\n"			/* the enclave gives RBP back, and an exception does */
"	push %rbx; push %r12; push %r13; push %r14; push %r15\n"
"	push %rdi\n"
"	mov (%rdi), %rbx\n"			/* TCS */
"	mov %rsi, %rdi\n"
"	mov %rdx, %rsi\n"
"	mov %rcx, %rdx\n"
"	lea aep(%rip), %rcx\n"
"	mov $2, %eax\n"
"	" PREFIXED_ENCLU
/* The first landing pad. */
"	mov -48(%rbp), %r8\n"
"	cmp $4, %eax\n"
"	jne 1f\n"
"	mov %rsi, 8(%r8)\n"
"	jmp 2f\n"
"1:	mov %rdi, 24(%r8); mov %rsi, 32(%r8); mov %rdx, 40(%r8)\n"
"2:	cld\n"
"	lea -40(%rbp), %rsp\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
"	ret\n"
"aep:	" PREFIXED_ENCLU
/* The second: RSP and RBP are as they were at EENTER, RBX is the TCS still, R8 to R15 are zero. */
"	mov -48(%rbp), %rcx\n"
"	lea -48(%rbp), %rsp\n"
"	call on_exception\n"
"	cmp $3, %eax\n"
"	jne 2b\n"
"	lea aep(%rip), %rcx\n"
"	jmp aep\n");

__attribute__((used)) static long on_exception(uint64_t vector, uint64_t error, uint64_t address,
					       struct call *call)
{
	struct call second = { .tcs = call->tcs };

	call->exceptions++;
	call->vector = vector;
	call->error = error;
	call->address = address;
	/* The same TCS again: the enclave has a look at what happened. */
	CHECK(enter(&second, ECALL, 0, NULL) == EEXIT);
	return second.result == 0 ? ERESUME : -EFAULT;
}

int main(void)
{
	struct enclave e;
	struct call call = { 0 };

	enclave_load(&e, "faulty.enclave");

	call.tcs = e.tcs[0];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == EEXIT && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(enter(&call, ECALL, INVALID_OPCODE, NULL) == EEXIT && call.result == ANSWER);
	CHECK(call.exceptions == 1 && call.vector == 6 && call.error == 0 && call.address == 0);

	/* #PF, and nobody can help: the call is abandoned. The enclave is entered through another TCS. */
	CHECK(enter(&call, ECALL, HOPELESS, (void *)0x1000) == -EFAULT);
	CHECK(call.exceptions == 2 && call.vector == 14 && call.error == 4 && call.address == 0x1000);
	call.tcs = e.tcs[1];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == EEXIT && call.result == ANSWER);

	/* A TCS that does not exist: EENTER faults. */
	call.tcs = 0x2000;
	CHECK(enter(&call, ECALL, NOTHING, NULL) == EFAULT && call.vector == 14 && call.exceptions == 2);

	puts("ok");
	return 0;
}
