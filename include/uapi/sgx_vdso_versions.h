/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * __vdso_sgx_enter_enclave as it was in versions 28, 36 and 38 of the patch series (section C.3 of the contract); in no
 * kernel. Upstream's is in uapi/sgx.h.
 *
 *			v28			v36			v38			upstream
 * leaf			EAX			ECX			ECX			ECX
 * on the stack		tcs, e, handler		tcs, e, handler		run			run
 * returns after EEXIT	0			0			0			0
 * after an exception	-EFAULT			-EFAULT			0			0
 * a handler's result	> 0: the next leaf; <= 0: returned, all versions
 * an exception shows	in the return value, e	in the return value, e	run->exit_reason	run->function != 4
 * caller's RBX		lost			kept			kept			kept
 */
#ifndef UAPI_SGX_VDSO_VERSIONS_H
#define UAPI_SGX_VDSO_VERSIONS_H

#include <stddef.h>
#include <stdint.h>

/* C3-2: v28 and v36; written on exceptions only. */
struct sgx_enclave_exception {
	uint32_t leaf;			/* EAX at the fault: 2 of EENTER, 3 inside or of ERESUME */
	uint16_t trapnr, error_code;
	uint64_t address;
	uint64_t reserved[2];
};

/* C3-4: v28 and v36. ursp: the enclave's RSP at the exit; ret: 0 or -EFAULT; e: as the caller gave it. */
typedef int (*sgx_enclave_exit_handler_v28_t)(long rdi, long rsi, long rdx, long ursp, long r8, long r9, void *tcs,
					      int ret, struct sgx_enclave_exception *e);
typedef sgx_enclave_exit_handler_v28_t sgx_enclave_exit_handler_v36_t;

/* v28 is not callable from C (C3-1): EAX leaf, 8(%rsp) tcs, 16(%rsp) e or 0, 24(%rsp) handler or 0; RBX is lost. */

typedef int (*vdso_sgx_enter_enclave_v36_t)(unsigned long rdi, unsigned long rsi, unsigned long rdx,
					    unsigned int leaf, unsigned long r8, unsigned long r9, void *tcs,
					    struct sgx_enclave_exception *e, sgx_enclave_exit_handler_v36_t handler);

#define SGX_V38_EXIT_EEXIT	0	/* sgx_enclave_run_v38.exit_reason */
#define SGX_V38_EXIT_EXCEPTION	1

struct sgx_enclave_run_v38 {
	uint64_t tcs;
	uint32_t flags;			/* must be 0 */
	uint32_t exit_reason;
	uint64_t user_handler;
	uint64_t user_data;		/* the caller's, for the handler */
	union {
		struct {
			uint32_t leaf;
			uint16_t trapnr, error_code;
			uint64_t address;
		} exception;
		uint8_t pad[224];
	};
};

typedef int (*sgx_enclave_exit_handler_v38_t)(long rdi, long rsi, long rdx, long ursp, long r8, long r9,
					      struct sgx_enclave_run_v38 *run);
typedef int (*vdso_sgx_enter_enclave_v38_t)(unsigned long rdi, unsigned long rsi, unsigned long rdx,
					    unsigned int leaf, unsigned long r8, unsigned long r9,
					    struct sgx_enclave_run_v38 *run);

_Static_assert(sizeof(struct sgx_enclave_exception) == 32 && offsetof(struct sgx_enclave_exception, leaf) == 0 &&
	       offsetof(struct sgx_enclave_exception, trapnr) == 4 &&
	       offsetof(struct sgx_enclave_exception, error_code) == 6 &&
	       offsetof(struct sgx_enclave_exception, address) == 8 &&
	       offsetof(struct sgx_enclave_exception, reserved) == 16, "C3-2");
_Static_assert(sizeof(struct sgx_enclave_run_v38) == 256 && offsetof(struct sgx_enclave_run_v38, flags) == 8 &&
	       offsetof(struct sgx_enclave_run_v38, exit_reason) == 12 &&
	       offsetof(struct sgx_enclave_run_v38, user_handler) == 16 &&
	       offsetof(struct sgx_enclave_run_v38, user_data) == 24 &&
	       offsetof(struct sgx_enclave_run_v38, exception.leaf) == 32 &&
	       offsetof(struct sgx_enclave_run_v38, exception.trapnr) == 36 &&
	       offsetof(struct sgx_enclave_run_v38, exception.error_code) == 38 &&
	       offsetof(struct sgx_enclave_run_v38, exception.address) == 40, "C.3, v38");

#endif
