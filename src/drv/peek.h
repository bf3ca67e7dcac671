/* SPDX-License-Identifier: BSD-2-Clause */
/* What debuggers and the search for symbols ask about enclaves. Context: neither drv.lock nor a header's lock held. */
#ifndef SOFTSGX_DRV_PEEK_H
#define SOFTSGX_DRV_PEEK_H

#include "drv/drv.h"

struct drv_enclave {
	uint64_t base, size, attributes, xfrm;
	uint32_t ssaframesize;		/* pages; 0 while the SECS is evicted */
	uint64_t id;			/* random: another enclave at the same base has another */
};

/** drv_describe() - the enclave of this process whose ELRANGE begins at @base; false: there is none. */
bool drv_describe(struct drv *d, uint32_t tid, uint64_t base, struct drv_enclave *info);
/** drv_peek() - bytes of regular pages as they are; evicted ones are brought back. False if one is not there. */
bool drv_peek(struct drv *d, uint32_t tid, uint64_t addr, void *dst, uint64_t size);
/** drv_next_code() - the first resident page of code at or after @addr in the enclave at @base, or 0. */
uint64_t drv_next_code(struct drv *d, uint32_t tid, uint64_t base, uint64_t addr);
/** drv_code_mapped() - are all resident pages of code of the enclave at @base mapped? False if there are none. */
bool drv_code_mapped(struct drv *d, uint32_t tid, uint64_t base);
/** encl_debugged() - do debuggers write to a TCS of @e through the mapping (private.c)? Any context. */
bool encl_debugged(const struct encl *e);
/** drv_settle() - what a debugger has written to the page at @addr becomes its contents; maps it, as an access would. */
void drv_settle(struct drv *d, uint32_t tid, uint64_t addr);

#endif
