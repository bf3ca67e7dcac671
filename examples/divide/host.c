/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A division by zero, fixed up inside the enclave.
 *
 * Two phases. First phase, outside: the call of the vDSO function ends with exception vector 0, the host's handler
 * enters the same TCS once more. Second phase, inside: the enclave reads in its SSA frame what happened, changes
 * the registers that lie there, and leaves. The host executes ERESUME, which loads the registers as they now are.
 *
 * Run it:  softsgx run -- divide
 */
#include "../common/call.h"
#include "divide.h"

static uint64_t divide(struct call *call, uint64_t dividend, uint64_t divisor)
{
	struct division d = { dividend, divisor, 0 };

	CHECK(ecall(call, 0, &d) == 0);
	return d.quotient;
}

int main(void)
{
	struct enclave e;
	struct call call = { 0 };

	enclave_load(&e, "divide.enclave");
	call.tcs = e.tcs[0];

	CHECK(divide(&call, 1000, 7) == 142 && call.exceptions == 0);
	CHECK(divide(&call, 1000, 0) == UINT64_MAX && call.exceptions == 1 && call.vector == 0);
	CHECK(divide(&call, 1000, 10) == 100 && call.exceptions == 1);

	puts("ok");
	return 0;
}
