/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the vDSO function as it was proposed in March 2020 (version 28 of the patches). In no kernel.
 *
 * Not for C: the leaf is in EAX; TCS, a struct for the exception, and the handler are on the stack; RBX is lost.
 * Whoever calls it is written in assembly, like enter() here, and can as well save R12 to R15, which an exception
 * clears. Then everything may return: without a handler the function returns -EFAULT after an exception; with one,
 * what the handler says. The handler gets no pointer from its caller. But it gets the address of the exception's
 * struct, and so finds what lies beside that.
 *
 * Run it:  softsgx run --delivery=vdso-v28 -- vdso-v28
 */
#include <errno.h>
#include <stddef.h>
#include <uapi/sgx_vdso_versions.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	void *function, *tcs, *e;
	sgx_enclave_exit_handler_v28_t handler;
	struct sgx_enclave_exception exception;
	unsigned exceptions;
	long result;
};

/* What the function returns; for EENTER. */
long enter(struct call *call, long rdi, long rsi, const void *rdx);
__asm__(".text\n"
"enter:	push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rdi, %rax\n"
"	push 24(%rax)\n"			/* handler */
"	push 16(%rax)\n"			/* e */
"	push 8(%rax)\n"				/* tcs */
"	mov (%rax), %rbx\n"
"	mov %rsi, %rdi\n"
"	mov %rdx, %rsi\n"
"	mov %rcx, %rdx\n"
"	mov $2, %eax\n"
"	call *%rbx\n"
"	cld\n"
"	movslq %eax, %rax\n"
"	add $24, %rsp\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
"	ret\n");

static struct call prepare(void *tcs, sgx_enclave_exit_handler_v28_t handler)
{
	return (struct call){ .function = vdso_function(), .tcs = tcs, .handler = handler };
}

static int handler(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *tcs, int ret,
		   struct sgx_enclave_exception *e)
{
	struct call *call = (struct call *)((char *)e - offsetof(struct call, exception)), second;

	(void)rdi, (void)rdx, (void)ursp, (void)r8, (void)r9;
	if (ret == 0) {				/* EEXIT */
		call->result = rsi;
		return 0;
	}
	CHECK(ret == -EFAULT);
	call->exceptions++;
	if (e->leaf == EENTER)
		return ret;			/* there is no such enclave */
	second = prepare(tcs, handler);
	second.e = &second.exception;
	CHECK(enter(&second, ECALL, 0, NULL) == 0);
	return second.result == 0 ? ERESUME : ret;
}

int main(void)
{
	struct enclave enclave;
	struct call call;

	enclave_load(&enclave, "faulty.enclave");
	call = prepare((void *)enclave.tcs[0], handler);
	call.e = &call.exception;

	CHECK(enter(&call, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(enter(&call, ECALL, INVALID_OPCODE, NULL) == 0 && call.result == ANSWER && call.exceptions == 1);
	CHECK(call.exception.leaf == ERESUME && call.exception.trapnr == 6 && call.exception.error_code == 0);

	/* #PF, and nobody can help. The enclave is entered through another TCS. */
	CHECK(enter(&call, ECALL, HOPELESS, (void *)0x1000) == -EFAULT && call.exceptions == 2);
	CHECK(call.exception.trapnr == 14 && call.exception.error_code == 4 && call.exception.address == 0x1000);
	call.tcs = (void *)enclave.tcs[1];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER);

	/* No handler, and nobody wants to know what the exception was: the result tells that there was one. */
	call.handler = NULL;
	call.e = NULL;
	CHECK(enter(&call, ECALL, HOPELESS, (void *)0x1000) == -EFAULT);

	/* A TCS that does not exist: EENTER faults. */
	call.tcs = (void *)0x2000;
	call.e = &call.exception;
	CHECK(enter(&call, ECALL, NOTHING, NULL) == -EFAULT && call.exception.leaf == EENTER);

	puts("ok");
	return 0;
}
