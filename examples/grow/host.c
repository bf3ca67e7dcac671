/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enclave memory that grows on demand (SGX2).
 *
 * The enclave has address space in which nothing was built. It writes there. The kernel sees the page fault, adds
 * an empty page (EAUG) and lets the enclave go on, which faults again, because the page is pending. That exception
 * reaches the host, and through it the enclave's own handler, which accepts the page (EACCEPT). After ERESUME the
 * write succeeds.
 *
 * Run it:  softsgx run -- grow
 */
#include "../common/call.h"

int main(void)
{
	struct enclave e;
	struct call call = { 0 };

	enclave_load(&e, "grow.enclave");
	call.tcs = e.tcs[0];

	CHECK(ecall(&call, 10, NULL) == 55);		/* 1 + 2 + ... + 10 */
	CHECK(call.exceptions == 10 && call.vector == 14);
	CHECK(ecall(&call, 10, NULL) == 55 && call.exceptions == 10);
	CHECK(ecall(&call, 20, NULL) == 210 && call.exceptions == 20);
	CHECK(ecall(&call, 21, NULL) == -1);		/* more than there is address space for */

	puts("ok");
	return 0;
}
