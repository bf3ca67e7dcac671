/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of an enclave that show every register before and behind: through the vDSO function of whichever version
 * the run has, and by an ENCLU of our own. Used by every program of tests/exits.
 */
#ifndef SOFTSGX_TESTS_EXITS_CALLS_H
#define SOFTSGX_TESTS_EXITS_CALLS_H

#include "support/encl.h"
#include "uapi/sgx_vdso_versions.h"

struct exact {
	uint64_t fn;			/* of exact_vdso() */
	uint64_t stack[3];		/* the callee's arguments on the stack */
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
	uint64_t level;			/* vector state in use: an XFRM of 3, 7 or 0xe7 */
	uint32_t mxcsr, mxcsr_out;
	uint64_t fs;			/* unused */
	uint64_t k[8];
	uint8_t  vector[32][64];
};
_Static_assert(__builtin_offsetof(struct exact, rax) == 32 && __builtin_offsetof(struct exact, rflags) == 160 &&
	       __builtin_offsetof(struct exact, mxcsr) == 176 && __builtin_offsetof(struct exact, k) == 192 &&
	       __builtin_offsetof(struct exact, vector) == 256, "calls.S");

/* All registers in and out; RSP is out only, relative to what it was. */
void exact_vdso(struct exact *x);
void exact_raw(struct exact *x);
void exact_prefixed(struct exact *x);
extern const char exact_prefixed_aep[];
extern const char exact_raw_enclu[], exact_raw_aep[], exact_raw_out[], exact_vdso_out[], exact_other_pad[];
void exact_handler(void);
extern uint32_t exact_handler_count;

/* A user handler for user_data = struct exact_ocall: what fn returns is the leaf that is executed next, or <= 0.
 */
struct exact_ocall {
	int (*fn)(struct exact_ocall *o);
	const struct exact *x;		/* registers with which the enclave is entered again */
};
void exact_ocall_handler(void);

/* Which vDSO function the run has: environment variable EXITS_VDSO; 0 is upstream's, 28, 36, 38. */
extern int exits_vdso;
void exits_init(void);

union exits_run {
	struct sgx_enclave_run upstream;
	struct sgx_enclave_run_v38 v38;
	struct sgx_enclave_exception e;
};

/** exits_prepare() - the arguments of a vDSO call of @leaf on @tcs; @run is zeroed. */
void exits_prepare(struct exact *x, union exits_run *run, const struct te *te, uint64_t tcs, uint64_t leaf,
		   bool handler);
/** exits_vector() - the exception that ended the call, or -1 after EEXIT. */
int exits_vector(const struct exact *x, const union exits_run *run);
/** exits_copy() - @size bytes into the enclave, from inside; needs no vDSO function. */
void exits_copy(const struct te *te, uint64_t tcs, uint64_t to, const void *from, uint64_t size);
/** exits_sum() - TE_SUM by an ENCLU of our own; true if it is right. */
bool exits_sum(const struct te *te, uint64_t tcs, uint64_t seed, uint64_t rounds);
/** exits_level() - the vector state that the machine has: 3, 7 or 0xe7. */
uint64_t exits_level(void);

#endif
