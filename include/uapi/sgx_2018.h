/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver ABI of late 2018 (patch series v16 to v18) on /dev/sgx, and what was proposed for it: section C.0, C.1 and
 * C5-6 of the contract. In no kernel. Enclaves are found by an address inside them, not by descriptor.
 */
#ifndef UAPI_SGX_2018_H
#define UAPI_SGX_2018_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SGX_2018_MAGIC		0xA4
#define SGX_POWER_LOST_ENCLAVE	0x40000000	/* a result of ioctl, not an errno */

struct sgx_2018_create {
	__u64 src;			/* SECS */
};

struct sgx_2018_add_page {
	__u64 addr, src, secinfo;
	__u16 mrmask;			/* bit i: measure bytes 256 * i .. */
} __attribute__((packed));

struct sgx_2018_init {
	__u64 addr, sigstruct;
};

struct sgx_2018_remove_pages {
	__u64 addr, length;
};

#define SGX_2018_MODIFY_PERMISSIONS	0
#define SGX_2018_MODIFY_TYPES		1
struct sgx_2018_modify_pages {
	__u64 addr, length, secinfo;
	__u8  op;			/* SGX_2018_MODIFY_* */
} __attribute__((packed));

/* C1-1, C5-6: an exception at enclu continues at handler. */
struct sgx_enclu_register {
	__u64 enclu, handler;
};

#define SGX_2018_CREATE		_IOW(SGX_2018_MAGIC, 0x00, struct sgx_2018_create)
#define SGX_2018_ADD_PAGE	_IOW(SGX_2018_MAGIC, 0x01, struct sgx_2018_add_page)
#define SGX_2018_INIT		_IOW(SGX_2018_MAGIC, 0x02, struct sgx_2018_init)
#define SGX_2018_REMOVE_PAGES	_IOW(SGX_2018_MAGIC, 0x03, struct sgx_2018_remove_pages)
#define SGX_2018_MODIFY_PAGES	_IOW(SGX_2018_MAGIC, 0x04, struct sgx_2018_modify_pages)

/* The RFC of December 2018 put its call first. REMOVE_PAGES above and INIT here have the same number. */
#define SGX_RFC_ENCLU_REGISTER	_IOW(SGX_2018_MAGIC, 0x00, struct sgx_enclu_register)
#define SGX_RFC_CREATE		_IOW(SGX_2018_MAGIC, 0x01, struct sgx_2018_create)
#define SGX_RFC_ADD_PAGE	_IOW(SGX_2018_MAGIC, 0x02, struct sgx_2018_add_page)
#define SGX_RFC_INIT		_IOW(SGX_2018_MAGIC, 0x03, struct sgx_2018_init)
#define SGX_RFC_REMOVE_PAGES	_IOW(SGX_2018_MAGIC, 0x04, struct sgx_2018_remove_pages)
#define SGX_RFC_MODIFY_PAGES	_IOW(SGX_2018_MAGIC, 0x05, struct sgx_2018_modify_pages)

#define SGX_IOC_ENCLU_REGISTER_THREAD	_IOW(SGX_2018_MAGIC, 0x10, struct sgx_enclu_register)

_Static_assert(SGX_2018_CREATE == 0x4008A400 && SGX_2018_ADD_PAGE == 0x401AA401 && SGX_2018_INIT == 0x4010A402 &&
	       SGX_2018_REMOVE_PAGES == 0x4010A403 && SGX_2018_MODIFY_PAGES == 0x4019A404, "C.0");
_Static_assert(SGX_RFC_ENCLU_REGISTER == 0x4010A400 && SGX_RFC_CREATE == 0x4008A401 &&
	       SGX_RFC_ADD_PAGE == 0x401AA402 && SGX_RFC_INIT == 0x4010A403 && SGX_RFC_REMOVE_PAGES == 0x4010A404 &&
	       SGX_RFC_MODIFY_PAGES == 0x4019A405 && SGX_IOC_ENCLU_REGISTER_THREAD == 0x4010A410, "C.1, C5-6");

#endif
