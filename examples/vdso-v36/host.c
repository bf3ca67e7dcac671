/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the vDSO function of version 36 of the patches, August 2020. In no kernel.
 *
 * It can be called from C. The exception's struct and the handler are arguments on the stack; -EFAULT is what it
 * returns after an exception, and the handler gets that value too, to replace it if it likes. Since R12 to R15 are
 * zero after an exception, which C does not expect, a handler that gives up does not return: longjmp, or assembly.
 * There still is no pointer for the handler, but for the address of the struct.
 *
 * Run it:  softsgx run --delivery=vdso-v36 -- vdso-v36
 */
#include <errno.h>
#include <setjmp.h>
#include <stddef.h>
#include <uapi/sgx_vdso_versions.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	struct sgx_enclave_exception exception;		/* first: the handler finds the rest by it */
	unsigned exceptions;
	long result;
	jmp_buf give_up;
};

static vdso_sgx_enter_enclave_v36_t enter;

static int handler(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *tcs, int ret,
		   struct sgx_enclave_exception *e)
{
	struct call *call = (struct call *)e, second = { .exceptions = 0 };

	(void)rdi, (void)rdx, (void)ursp, (void)r8, (void)r9;
	if (ret == 0) {				/* EEXIT */
		call->result = rsi;
		return 0;
	}
	CHECK(ret == -EFAULT);
	call->exceptions++;
	if (e->leaf == EENTER)
		return ret;			/* nothing was cleared, since no enclave was left */
	CHECK(enter(ECALL, 0, 0, EENTER, 0, 0, tcs, &second.exception, handler) == 0);
	if (second.result == 0)
		return ERESUME;
	longjmp(call->give_up, 1);
}

static int ecall(struct call *call, uint64_t tcs, long what, const void *argument)
{
	if (setjmp(call->give_up))
		return -1;
	return enter(ECALL, (unsigned long)what, (unsigned long)argument, EENTER, 0, 0, (void *)tcs,
		     &call->exception, handler);
}

int main(void)
{
	struct call call = { .exceptions = 0 };
	struct enclave e;

	enclave_load(&e, "faulty.enclave");
	enter = (vdso_sgx_enter_enclave_v36_t)vdso_function();

	CHECK(ecall(&call, e.tcs[0], NOTHING, NULL) == 0 && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(ecall(&call, e.tcs[0], INVALID_OPCODE, NULL) == 0 && call.result == ANSWER && call.exceptions == 1);
	CHECK(call.exception.leaf == ERESUME && call.exception.trapnr == 6 && call.exception.error_code == 0);

	/* #PF, and nobody can help. The enclave is entered through another TCS. */
	CHECK(ecall(&call, e.tcs[0], HOPELESS, (void *)0x1000) == -1 && call.exceptions == 2);
	CHECK(call.exception.trapnr == 14 && call.exception.error_code == 4 && call.exception.address == 0x1000);
	CHECK(ecall(&call, e.tcs[1], NOTHING, NULL) == 0 && call.result == ANSWER);

	/* A TCS that does not exist: EENTER faults. Neither struct nor handler are necessary. */
	CHECK(ecall(&call, 0x2000, NOTHING, NULL) == -EFAULT && call.exception.leaf == EENTER);
	CHECK(enter(0, 0, 0, EENTER, 0, 0, (void *)0x2000, NULL, NULL) == -EFAULT);

	puts("ok");
	return 0;
}
