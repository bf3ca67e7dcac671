/* SPDX-License-Identifier: BSD-2-Clause */
/* See call.h. */
#include "call.h"

static void enter(struct call *call, long rdi, long rsi, void *rdx)
{
	static vdso_sgx_enter_enclave_t function;
	struct sgx_enclave_run run = { .tcs = call->tcs, .user_data = (uintptr_t)call,
				       .user_handler = (uintptr_t)(call->handler ? call->handler : call_handler) };

	if (!function)
		function = (vdso_sgx_enter_enclave_t)vdso_function();
	CHECK(function((unsigned long)rdi, (unsigned long)rsi, (unsigned long)rdx, EENTER, 0, 0, &run) == 0);
	CHECK(run.function == EEXIT);
}

int call_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run)
{
	struct call *call = (struct call *)run->user_data, second = { .tcs = run->tcs };

	(void)rsp, (void)r8, (void)r9;
	if (run->function == EEXIT) {
		call->rdi = rdi;
		call->rsi = rsi;
		call->rdx = (void *)rdx;
		return 0;
	}
	CHECK(run->function == ERESUME);		/* not EENTER: the enclave is there */
	call->exceptions++;
	call->vector = run->exception_vector;
	enter(&second, ECALL, 0, NULL);
	CHECK(second.rdi == DONE && second.rsi == 0);	/* else the enclave could not help itself */
	return ERESUME;
}

long ecall(struct call *call, long what, void *argument)
{
	enter(call, ECALL, what, argument);
	while (call->rdi == OCALL)
		enter(call, ORET, call->ocall(call, call->rsi, call->rdx), NULL);
	CHECK(call->rdi == DONE);
	return call->rsi;
}
