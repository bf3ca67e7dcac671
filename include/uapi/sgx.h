/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's SGX ABI (A.2, B.2): ioctls of /dev/sgx_enclave and the argument of __vdso_sgx_enter_enclave. */
#ifndef SOFTSGX_UAPI_SGX_H
#define SOFTSGX_UAPI_SGX_H

#include <stdint.h>

#define SGX_MAGIC				0xA4
#define SGX_IOC_ENCLAVE_CREATE			0x4008A400u
#define SGX_IOC_ENCLAVE_ADD_PAGES		0xC030A401u
#define SGX_IOC_ENCLAVE_INIT			0x4008A402u
#define SGX_IOC_ENCLAVE_PROVISION		0x4008A403u
#define SGX_IOC_VEPC_REMOVE_ALL			0x0000A404u
#define SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS	0xC028A405u
#define SGX_IOC_ENCLAVE_MODIFY_TYPES		0xC028A406u
#define SGX_IOC_ENCLAVE_REMOVE_PAGES		0xC018A407u

#define SGX_PAGE_MEASURE			1u	/* sgx_enclave_add_pages.flags */

struct sgx_enclave_create {
	uint64_t src;
};

struct sgx_enclave_add_pages {
	uint64_t src, offset, length, secinfo, flags, count;
};

struct sgx_enclave_init {
	uint64_t sigstruct;
};

struct sgx_enclave_provision {
	uint64_t fd;
};

struct sgx_enclave_restrict_permissions {
	uint64_t offset, length, permissions, result, count;
};

struct sgx_enclave_modify_types {
	uint64_t offset, length, page_type, result, count;
};

struct sgx_enclave_remove_pages {
	uint64_t offset, length, count;
};

struct sgx_enclave_run {
	uint64_t tcs;
	uint32_t function;
	uint16_t exception_vector, exception_error_code;
	uint64_t exception_addr, user_handler, user_data;
	uint8_t  reserved[216];
};

typedef int (*sgx_enclave_user_handler_t)(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
					  struct sgx_enclave_run *run);
typedef int (*vdso_sgx_enter_enclave_t)(unsigned long rdi, unsigned long rsi, unsigned long rdx,
					unsigned int function, unsigned long r8, unsigned long r9,
					struct sgx_enclave_run *run);

_Static_assert(sizeof(struct sgx_enclave_run) == 256, "B.2");

#endif
