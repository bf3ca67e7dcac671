/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands of ENCLS in ordinary memory: PAGEINFO, SECINFO, source pages, SIGSTRUCT, EINITTOKEN. */
#ifndef SOFTSGX_ISA_ENCLS_OPERAND_H
#define SOFTSGX_ISA_ENCLS_OPERAND_H

#include "isa/machine.h"

/** is_aligned() - @size is a power of two. */
static inline bool is_aligned(uint64_t addr, uint64_t size)
{
	return (addr & (size - 1)) == 0;
}

/** is_zero() - are all @size bytes of @data zero? */
bool is_zero(const void *data, uint64_t size);

/** secinfo_rsvd_zero() - no reserved bit and no reserved byte of @si is set. */
bool secinfo_rsvd_zero(const struct sgx_secinfo *si);

/**
 * operand_read() - copy @size bytes from @addr, whose alignment keeps them in one page.
 * False: c->exc is #GP (GEN-02, @addr is not canonical) or the page tables' fault (GEN-04); return LEAF_FAULT.
 */
bool operand_read(struct machine *m, struct cpu *c, void *dst, uint64_t addr, uint64_t size);

/** operand_write() - the same for a store. */
bool operand_write(struct machine *m, struct cpu *c, uint64_t addr, const void *src, uint64_t size);

/**
 * epcm_set() - make @e a valid entry: all flags from @secinfo_flags (R, W, X, PT), nothing blocked or pending.
 * Context: @e locked exclusively. VALID is set last.
 */
void epcm_set(struct epcm_entry *e, uint64_t secinfo_flags, uint64_t enclaveaddress, uint64_t secs);

#endif
