/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions in the vDSO function of version 38 of the patches, September 2020. In no kernel.
 *
 * One struct carries everything: TCS, handler, a pointer for the handler, and how the enclave was left, by EEXIT
 * or by an exception, in exit_reason. The function returns 0 in both cases. What came into Linux three versions
 * later is nearly that. A handler that gives up may return if the caller expects R12 to R15 to be lost: here the
 * compiler is told so.
 *
 * Run it:  softsgx run --delivery=vdso-v38 -- vdso-v38
 */
#include <uapi/sgx_vdso_versions.h>

#include "../common/faulty.h"
#include "../common/host.h"

struct call {
	unsigned exceptions, leaf, vector, error;
	uint64_t address;
	long result;
};

#define GAVE_UP		(-1)

/* What the function returns. */
static int enter(struct sgx_enclave_run_v38 *run, long rdi, long rsi, const void *rdx)
{
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;
	long leaf = EENTER;
	int ret;

	/* The 128 bytes below RSP are the compiler's. RSP then is a multiple of 16, as calls from C have it. */
	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "lea -128(%%rsp), %%rsp\n\t"
			 "and $-16, %%rsp\n\t"
			 "push %%rbx\n\t"
			 "push %[run]\n\t"
			 "call *%%rax\n\t"
			 "mov 8(%%rsp), %%rsp\n\t"
			 "cld"
			 : "=a"(ret), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+c"(leaf), "+r"(r8), "+r"(r9)
			 : "0"(vdso_function()), [run] "r"(run)
			 : "rbx", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return ret;
}

static int handler(long rdi, long rsi, long rdx, long ursp, long r8, long r9, struct sgx_enclave_run_v38 *run)
{
	struct call *call = (struct call *)run->user_data, inner = { .exceptions = 0 };
	struct sgx_enclave_run_v38 second = { .tcs = run->tcs };

	(void)rdi, (void)rdx, (void)ursp, (void)r8, (void)r9;
	if (run->exit_reason == SGX_V38_EXIT_EEXIT) {
		call->result = rsi;
		return 0;
	}
	CHECK(run->exit_reason == SGX_V38_EXIT_EXCEPTION);
	call->exceptions++;
	call->leaf = run->exception.leaf;
	call->vector = run->exception.trapnr;
	call->error = run->exception.error_code;
	call->address = run->exception.address;
	if (call->leaf == EENTER)
		return GAVE_UP;
	second.user_handler = (uintptr_t)handler;
	second.user_data = (uintptr_t)&inner;
	CHECK(enter(&second, ECALL, 0, NULL) == 0);
	return inner.result == 0 ? ERESUME : GAVE_UP;
}

int main(void)
{
	struct call call = { .exceptions = 0 };
	struct sgx_enclave_run_v38 run = { .user_handler = (uintptr_t)handler, .user_data = (uintptr_t)&call };
	struct enclave e;

	enclave_load(&e, "faulty.enclave");
	run.tcs = e.tcs[0];
	CHECK(enter(&run, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER && call.exceptions == 0);

	/* #UD. The enclave finds all its registers after it was resumed. */
	CHECK(enter(&run, ECALL, INVALID_OPCODE, NULL) == 0 && call.result == ANSWER && call.exceptions == 1);
	CHECK(call.leaf == ERESUME && call.vector == 6 && call.error == 0);
	CHECK(run.exit_reason == SGX_V38_EXIT_EEXIT);

	/* #PF, and nobody can help. The enclave is entered through another TCS. */
	CHECK(enter(&run, ECALL, HOPELESS, (void *)0x1000) == GAVE_UP && call.exceptions == 2);
	CHECK(call.vector == 14 && call.error == 4 && call.address == 0x1000);
	run.tcs = e.tcs[1];
	CHECK(enter(&run, ECALL, NOTHING, NULL) == 0 && call.result == ANSWER);

	/* A TCS that does not exist: EENTER faults. No handler: 0, and exit_reason tells. */
	run.tcs = 0x2000;
	CHECK(enter(&run, ECALL, NOTHING, NULL) == GAVE_UP && call.leaf == EENTER);
	run.user_handler = 0;
	CHECK(enter(&run, ECALL, NOTHING, NULL) == 0 && run.exit_reason == SGX_V38_EXIT_EXCEPTION);

	puts("ok");
	return 0;
}
