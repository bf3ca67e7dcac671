/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page encryption of EWB and ELDB/ELDU (sgx-isa 6.6): AES-128-GCM under CR_BASE_PK. Where the manual leaves the
 * form open, softsgx fixes it: the IV is 4 zero bytes and the version, little-endian; the MAC header is below.
 */
#ifndef SOFTSGX_ISA_PAGECRYPTO_H
#define SOFTSGX_ISA_PAGECRYPTO_H

#include "isa/machine.h"

/* Authenticated with the page, never stored. PCMD.ENCLAVEID is not part of it: software may change that hint. */
struct mac_header {
	struct sgx_secinfo secinfo;
	uint8_t  rsvd[40];	/* PCMD's reserved bytes */
	uint64_t eid;		/* owner's; 0 for PT_SECS and PT_VA */
	uint64_t linaddr;
	uint8_t  zero[8];
};
SGX_AT(mac_header, rsvd, 64);	SGX_AT(mac_header, eid, 104);	SGX_AT(mac_header, linaddr, 112);
SGX_SIZE(mac_header, 128);

/** pagecrypto_seal() - encrypt the 4096 bytes at @plain to @cipher, which must not overlap it. */
void pagecrypto_seal(const struct platform_keys *keys, uint64_t version, const struct mac_header *header,
		     const void *plain, void *cipher, uint8_t mac[16]);

/** pagecrypto_open() - decrypt; false, and @plain all zero, if anything is not as it was sealed. */
bool pagecrypto_open(const struct platform_keys *keys, uint64_t version, const struct mac_header *header,
		     const void *cipher, void *plain, const uint8_t mac[16]);

/** pt_is_child() - does a page of this type belong to a SECS? The list that EBLOCK, EWB and ELD share. */
static inline bool pt_is_child(enum sgx_pt pt)
{
	return pt == SGX_PT_REG || pt == SGX_PT_TCS || pt == SGX_PT_TRIM || pt == SGX_PT_SS_FIRST ||
	       pt == SGX_PT_SS_REST;
}

#endif
