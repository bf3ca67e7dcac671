/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the design of December 2018: an ENCLU handler for the process. In no kernel.
 *
 * The process tells the kernel two addresses, that of its ENCLU and that of its handler; before that, the driver
 * makes no enclaves. An exception at this ENCLU is no signal: the kernel puts vector, error code and address into
 * RDI, RSI, RDX, and jumps to the handler. It is a jump, no call: no return address, the stack is what the ENCLU
 * had, and RAX, RBX, RCX still are what ERESUME wants. So one ENCLU serves as EENTER, ERESUME and AEP. There is
 * one pair for the process: two libraries that both bring an ENCLU can't both have it.
 *
 * Run it:  softsgx run --delivery=enclu-handler -- enclu-handler
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <uapi/sgx_2018.h>

#include "../common/faulty.h"
#include "../common/load_2018.h"

struct call {
	uint64_t tcs;
	long result;
	unsigned exceptions;
	uint64_t vector, error, address, leaf;
};

/* EEXIT, or what on_exception() said. */
long enter(struct call *call, long rdi, long rsi, const void *rdx);
extern const char enclu[], enclu_handler[];

__asm__(".text\n"
"enter:	push %rbp\n"
"	mov %rsp, %rbp\n"			/* the enclave gives RBP back, and an exception does */
"	push %rbx; push %r12; push %r13; push %r14; push %r15\n"
"	push %rdi\n"
"	mov (%rdi), %rbx\n"			/* TCS */
"	mov %rsi, %rdi\n"
"	mov %rdx, %rsi\n"
"	mov %rcx, %rdx\n"
"	lea enclu(%rip), %rcx\n"
"	mov $2, %eax\n"
"enclu:	.byte 0x0f, 0x01, 0xd7\n"
"	mov -48(%rbp), %r8\n"			/* EEXIT */
"	mov %rsi, 8(%r8)\n"
"1:	cld\n"
"	lea -40(%rbp), %rsp\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
"	ret\n"
"enclu_handler:\n"
"	mov -48(%rbp), %rcx\n"
"	mov %rax, %r8\n"
"	lea -48(%rbp), %rsp\n"
"	call on_exception\n"
"	cmp $3, %eax\n"
"	jne 1b\n"
"	lea enclu(%rip), %rcx\n"
"	jmp enclu\n");

__attribute__((used)) static long on_exception(uint64_t vector, uint64_t error, uint64_t address,
					       struct call *call, uint64_t leaf)
{
	struct call second = { .tcs = call->tcs };

	call->exceptions++;
	call->vector = vector;
	call->error = error;
	call->address = address;
	call->leaf = leaf;
	if (leaf == EENTER)
		return -EFAULT;
	/* The same TCS again: the enclave has a look at what happened. */
	CHECK(enter(&second, ECALL, 0, NULL) == EEXIT);
	return second.result == 0 ? ERESUME : -EFAULT;
}

int main(void)
{
	struct sgx_enclu_register pair = { .enclu = (uintptr_t)enclu, .handler = (uintptr_t)enclu_handler };
	struct call call = { .exceptions = 0 };
	int device = device_2018();
	struct enclave e;

	/* No enclaves without a handler. */
	CHECK(enclave_load_2018(&e, "faulty.enclave", device) == -EFAULT);
	CHECK(ioctl(device, SGX_RFC_ENCLU_REGISTER, &pair) == 0);
	CHECK(enclave_load_2018(&e, "faulty.enclave", device) == 0);

	call.tcs = e.tcs[0];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == EEXIT && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(enter(&call, ECALL, INVALID_OPCODE, NULL) == EEXIT && call.result == ANSWER);
	CHECK(call.exceptions == 1 && call.leaf == ERESUME);
	CHECK(call.vector == 6 && call.error == 0 && call.address == 0);

	/* #PF, and nobody can help: the call is abandoned. The enclave is entered through another TCS. */
	CHECK(enter(&call, ECALL, HOPELESS, (void *)0x1000) == -EFAULT);
	CHECK(call.exceptions == 2 && call.vector == 14 && call.error == 4 && call.address == 0x1000);
	call.tcs = e.tcs[1];
	CHECK(enter(&call, ECALL, NOTHING, NULL) == EEXIT && call.result == ANSWER);

	/* A TCS that does not exist: EENTER faults, and the handler sees 2 in RAX. */
	call.tcs = 0x2000;
	CHECK(enter(&call, ECALL, NOTHING, NULL) == -EFAULT && call.vector == 14 && call.leaf == EENTER);

	puts("ok");
	return 0;
}
