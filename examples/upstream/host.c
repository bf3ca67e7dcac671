/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the design of Linux since 5.11: the vDSO function __vdso_sgx_enter_enclave.
 *
 * The function is entered like a C function, with a struct sgx_enclave_run. When the enclave leaves, by EEXIT or
 * by an exception, the function that run.user_handler names is called on the stack of the caller, and its result
 * decides: 2 or 3 enter again (EENTER, ERESUME), anything else is returned. No signal is sent, nothing is
 * registered anywhere: the handler belongs to this call. It may use the function itself, with another struct,
 * which is how the enclave gets a chance to handle its exception: the same TCS is entered again, then resumed.
 *
 * Run it:  softsgx run -- upstream
 */
#include <setjmp.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	long result;
	unsigned exceptions, vector, error;
	uint64_t address;
	jmp_buf give_up;
};

static vdso_sgx_enter_enclave_t enter;

static int handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	struct call *call = (struct call *)run->user_data;
	struct sgx_enclave_run second = { .tcs = run->tcs };

	(void)rdx, (void)rsp, (void)r8, (void)r9;
	if (run->function == EEXIT) {
		CHECK(rdi == DONE);
		call->result = rsi;
		return 0;
	}
	/* ERESUME is what the kernel saw in EAX: the exception is of the enclave, not of EENTER. */
	CHECK(run->function == ERESUME);
	call->exceptions++;
	call->vector = run->exception_vector;
	call->error = run->exception_error_code;
	call->address = run->exception_addr;

	/* The second phase. Its own handler is this one too, so that the result comes the same way. */
	struct call inner = { 0 };
	second.user_handler = (uintptr_t)handler;
	second.user_data = (uintptr_t)&inner;
	CHECK(enter(0, 0, 0, EENTER, 0, 0, &second) == 0 && second.function == EEXIT);
	if (inner.result == 0)
		return ERESUME;
	/*
	 * Returning now would return to C code with R12 to R15 as the exception left them, which is zero. Either
	 * the call is made by a function in assembly that saves them, or the handler does not return.
	 */
	longjmp(call->give_up, 1);
}

/* 0: the enclave returned, call->result is valid. -1: it was given up. */
static int ecall(struct call *call, uint64_t tcs, long what, const void *argument)
{
	struct sgx_enclave_run run = { .tcs = tcs, .user_handler = (uintptr_t)handler,
				       .user_data = (uintptr_t)call };

	if (setjmp(call->give_up))
		return -1;
	return enter(ECALL, (unsigned long)what, (unsigned long)argument, EENTER, 0, 0, &run);
}

int main(void)
{
	struct enclave e;
	struct call call = { 0 };

	enclave_load(&e, "faulty.enclave");
	enter = (vdso_sgx_enter_enclave_t)vdso_function();

	CHECK(ecall(&call, e.tcs[0], NOTHING, NULL) == 0 && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(ecall(&call, e.tcs[0], INVALID_OPCODE, NULL) == 0 && call.result == ANSWER);
	CHECK(call.exceptions == 1 && call.vector == 6 && call.error == 0 && call.address == 0);

	/* #PF, and nobody can help. The TCS keeps the interrupted call; the enclave is entered through another. */
	CHECK(ecall(&call, e.tcs[0], HOPELESS, (void *)0x1000) == -1);
	CHECK(call.exceptions == 2 && call.vector == 14 && call.error == 4 && call.address == 0x1000);
	CHECK(ecall(&call, e.tcs[1], NOTHING, NULL) == 0 && call.result == ANSWER);

	/* A TCS that does not exist: EENTER itself faults, which RAX tells from a fault inside. */
	struct sgx_enclave_run run = { .tcs = 0x2000 };
	CHECK(enter(0, 0, 0, EENTER, 0, 0, &run) == 0 && run.function == EENTER && run.exception_vector == 14);

	puts("ok");
	return 0;
}
