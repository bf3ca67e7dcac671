/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands of the leaves that run inside an enclave. */
#include "isa/enclu/operand.h"

bool enclu_operand_in_elrange(const struct cpu *c, uint64_t addr, uint64_t size)
{
	uint64_t offset = addr - c->elrange_base;

	return offset < c->elrange_size && size <= c->elrange_size - offset;
}

enum leaf_status enclu_operand_page(struct machine *m, struct cpu *c, uint64_t addr, uint32_t pfec,
				    struct epc_page *page)
{
	switch (m->ops->translate(m, addr, pfec, page, &c->exc)) {
	case TRANSLATION_FAULT:
		return LEAF_FAULT;
	case TRANSLATION_HOST:
		return leaf_pf(c, addr, pfec);
	case TRANSLATION_EPC:
		break;
	}
	return LEAF_DONE;
}

bool enclu_operand_owned(const struct cpu *c, const struct epc_page *page)
{
	return page->section == c->secs.section && page->epcm->secs == c->secs.index;
}

static bool operand_usable(const struct cpu *c, const struct epc_page *page, uint64_t addr)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && !e->blocked && e->pt == SGX_PT_REG && enclu_operand_owned(c, page) && !e->pending &&
	       !e->modified && e->enclaveaddress == (addr & SGX_PAGE_MASK);
}

bool enclu_operand_readable(const struct cpu *c, const struct epc_page *page, uint64_t addr)
{
	return operand_usable(c, page, addr) && page->epcm->r;
}

bool enclu_operand_writable(const struct cpu *c, const struct epc_page *page, uint64_t addr)
{
	return operand_usable(c, page, addr) && page->epcm->w;
}

bool enclu_operand_zero(const void *data, uint32_t size)
{
	const uint8_t *byte = data;
	uint8_t any = 0;

	for (uint32_t i = 0; i < size; i++)
		any |= byte[i];
	return !any;
}

bool enclu_secinfo_load(const struct epc_page *page, uint64_t addr, struct sgx_secinfo *secinfo)
{
	__builtin_memcpy(secinfo, enclu_operand_data(page, addr), sizeof(*secinfo));
	return !(secinfo->flags & SGX_SECINFO_RSVD) &&
	       enclu_operand_zero(secinfo->reserved, sizeof(secinfo->reserved));
}

bool enclu_operand_claim(const struct epc_page *page)
{
	if (!epcm_lock_shared(page->epcm))
		return false;
	if (epcm_lock_sgx2(page->epcm))
		return true;
	epcm_unlock_shared(page->epcm);
	return false;
}

void enclu_operand_unclaim(const struct epc_page *page)
{
	epcm_unlock_sgx2(page->epcm);
	epcm_unlock_shared(page->epcm);
}
