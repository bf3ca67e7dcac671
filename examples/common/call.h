/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls through the vDSO function of today, with both phases of exceptions; upstream/host.c explains how it is
 * done.
 */
#ifndef EXAMPLES_CALL_H
#define EXAMPLES_CALL_H

#include "host.h"

struct call {
	uint64_t tcs;
	sgx_enclave_user_handler_t handler;			/* NULL: call_handler() */
	long (*ocall)(struct call *call, long what, void *argument);
	unsigned exceptions, vector;				/* how many, and the last one */
	long rdi, rsi;						/* of the last EEXIT */
	void *rdx;
};

/** ecall() - enclave_main(@what, @argument), serving its OCALLs. */
long ecall(struct call *call, long what, void *argument);
/** call_handler() - enters again for the second phase of an exception, and resumes. @run->user_data: the call. */
int call_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run);

#endif
