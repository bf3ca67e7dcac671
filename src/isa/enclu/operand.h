/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of the leaves that run inside an enclave: where they must lie, and what the EPCM must say of their
 * page. Where every row of a leaf's table has the same consequence, #PF at the operand, the rows are one
 * predicate here.
 */
#ifndef SOFTSGX_ISA_ENCLU_OPERAND_H
#define SOFTSGX_ISA_ENCLU_OPERAND_H

#include "isa/machine.h"

/**
 * enclu_operand_in_elrange() - do all @size bytes (at least 1) at @addr lie in the running enclave's range?
 * Used by EREPORT (-02, -14, -25), EGETKEY (-02, -13), EACCEPT (-02, -14), EMODPE (-03, -04), EACCEPTCOPY
 * (-04..06).
 */
bool enclu_operand_in_elrange(const struct cpu *c, uint64_t addr, uint64_t size);

/**
 * enclu_operand_page() - the EPC page behind @addr, accessed with @pfec (X86_PFEC_W or 0).
 * LEAF_FAULT: GEN-04, the fault of ordinary paging; or "not in EPC", #PF(@addr).
 * Used by EREPORT (-03, -15, -26), EGETKEY (-03, -14), EACCEPT (-03, -15), EMODPE (-05, -06),
 * EACCEPTCOPY (-07..09).
 */
enum leaf_status enclu_operand_page(struct machine *m, struct cpu *c, uint64_t addr, uint32_t pfec,
				    struct epc_page *page);

/** enclu_operand_owned() - is the valid page a child of the running enclave? */
bool enclu_operand_owned(const struct cpu *c, const struct epc_page *page);

/**
 * enclu_operand_readable(), _writable() - may the leaf take data from @addr on @page, or put data there?
 * False means #PF(@addr). VALID, BLOCKED, PT_REG, owner, PENDING, MODIFIED, ENCLAVEADDRESS, and R or W.
 * _readable is used by EREPORT (-04..11, -16..23), EGETKEY (-04..11), EACCEPT (-04..11), EMODPE (-07..14),
 * EACCEPTCOPY (-10..17, -21..28). _writable by EREPORT (-27..34), EGETKEY (-15..22).
 */
bool enclu_operand_readable(const struct cpu *c, const struct epc_page *page, uint64_t addr);
bool enclu_operand_writable(const struct cpu *c, const struct epc_page *page, uint64_t addr);

/** enclu_operand_data() - where the bytes of @addr, on @page, are. */
static inline void *enclu_operand_data(const struct epc_page *page, uint64_t addr)
{
	return page->mem + addr % SGX_PAGE_SIZE;
}

/** enclu_operand_zero() - are @size bytes all zero? */
bool enclu_operand_zero(const void *data, uint32_t size);

/**
 * enclu_secinfo_load() - copy the SECINFO from @page, since other threads of the enclave may be writing to it.
 * False: reserved bits or bytes are set, #GP(0). Used by EACCEPT (-12), EMODPE (-15), EACCEPTCOPY (-18).
 */
bool enclu_secinfo_load(const struct epc_page *page, uint64_t addr, struct sgx_secinfo *secinfo);

/**
 * enclu_operand_claim() - take the page against leaves that hold it exclusively and against the other SGX2 leaves
 * (sgx-isa 3.3). False is #GP(0): EACCEPT-30, EMODPE-22, EACCEPTCOPY-35.
 */
bool enclu_operand_claim(const struct epc_page *page);
void enclu_operand_unclaim(const struct epc_page *page);

#endif
