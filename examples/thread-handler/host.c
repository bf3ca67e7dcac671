/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions by a handler for each thread, a variant of the ENCLU handler of 2018 that does without its fault. In
 * no kernel.
 *
 * A thread registers an ENCLU and a handler; exceptions at this ENCLU continue there (see enclu-handler).
 * Registering again puts the new pair on top of the old one. An entry that an exception has interrupted remembers
 * which pair was on top, and resuming it brings that back. So a library that is called meanwhile may register what
 * it likes, and even forget to take it away.
 *
 * Run it:  softsgx run --delivery=thread-handler -- thread-handler
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <uapi/sgx_2018.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	uint64_t tcs;
	long result;
};

long enter(struct call *call, long rdi, long rsi, const void *rdx);
extern const char enclu[], outer_handler[], inner_handler[];

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
"outer_handler:\n"
"	lea on_outer_exception(%rip), %r8\n"
"	jmp 2f\n"
"inner_handler:\n"
"	lea on_inner_exception(%rip), %r8\n"
"2:	mov -48(%rbp), %rcx\n"
"	lea -48(%rbp), %rsp\n"
"	call *%r8\n"
"	cmp $3, %eax\n"
"	jne 1b\n"
"	lea enclu(%rip), %rcx\n"
"	jmp enclu\n");

static int device;
static unsigned outer, inner;
static uint64_t other_tcs;

static int handle(const char *handler)
{
	struct sgx_enclu_register pair = { .enclu = handler ? (uintptr_t)enclu : 0,
					   .handler = (uintptr_t)handler };

	return ioctl(device, SGX_IOC_ENCLU_REGISTER_THREAD, &pair);
}

/* What any handler does: the second phase, then ERESUME. */
static long repair(const struct call *call)
{
	struct call second = { .tcs = call->tcs };

	CHECK(enter(&second, ECALL, 0, NULL) == EEXIT);
	return second.result == 0 ? ERESUME : -EFAULT;
}

__attribute__((used)) static long on_inner_exception(uint64_t vector, uint64_t error, uint64_t address,
						     struct call *call)
{
	CHECK(vector == 6 && error == 0 && address == 0 && call->tcs == other_tcs);
	inner++;
	return repair(call);
}

/* Another library works on this thread while the outer call waits, and leaves its handler behind. */
__attribute__((used)) static long on_outer_exception(uint64_t vector, uint64_t error, uint64_t address,
						     struct call *call)
{
	struct call another = { .tcs = other_tcs };

	CHECK(vector == 6 && error == 0 && address == 0 && call->tcs != other_tcs);
	outer++;
	CHECK(handle(inner_handler) == 0);
	CHECK(enter(&another, ECALL, INVALID_OPCODE, NULL) == EEXIT && another.result == ANSWER);
	return repair(call);
}

int main(void)
{
	struct enclave e;
	struct call call;
	unsigned i;

	device = open("/dev/sgx", O_RDWR | O_CLOEXEC);
	CHECK(device >= 0);
	enclave_load(&e, "faulty.enclave");
	call.tcs = e.tcs[0];
	other_tcs = e.tcs[1];

	CHECK(handle(NULL) == -1 && errno == EINVAL);		/* (0, 0) takes away; there is nothing yet */
	CHECK(handle(outer_handler) == 0);
	for (i = 1; i <= 3; i++) {
		CHECK(enter(&call, ECALL, INVALID_OPCODE, NULL) == EEXIT && call.result == ANSWER);
		CHECK(outer == i && inner == i);
	}
	CHECK(handle(NULL) == 0);
	CHECK(handle(NULL) == -1 && errno == EINVAL);		/* nothing is left of the inner ones */

	puts("ok");
	return 0;
}
