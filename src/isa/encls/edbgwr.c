/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EDBGWR: write eight bytes of a debug enclave; of a TCS only FLAGS. EDBGWR-02 is for 32-bit code; the page types
 * of CET in EDBGWR-06 do not exist here.
 */
#include "isa/encls/operand.h"
#include "isa/secs.h"

/* Context: page locked shared. */
static enum leaf_status debug_write(struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;
	uint64_t in_page = c->regs.rcx % SGX_PAGE_SIZE;
	struct epc_page secs_page;

	if (!e->valid)						return leaf_pf(c, c->regs.rcx, 0); /* EDBGWR-05 */
	if (e->pt != SGX_PT_REG && e->pt != SGX_PT_TCS)		return leaf_pf(c, c->regs.rcx, 0); /* EDBGWR-06 */
	if (e->pending || e->modified)
		return leaf_err(c, SGX_PAGE_NOT_DEBUGGABLE);			/* EDBGWR-07, 08 */
	if (e->pt == SGX_PT_TCS && in_page != offsetof(struct sgx_tcs, flags))
		return leaf_gp(c);							/* EDBGWR-09 */
	secs_page = epc_secs_of(page);
	if (!(secs_of(&secs_page)->attributes.flags & SGX_ATTR_DEBUG))
		return leaf_gp(c);							/* EDBGWR-10 */

	__atomic_store_n((uint64_t *)(void *)(page->mem + in_page), c->regs.rbx, __ATOMIC_RELAXED);
	if (e->pt == SGX_PT_TCS)
		section_touch(page->section);
	return leaf_ok(c);
}

enum leaf_status encls_edbgwr(struct machine *m, struct cpu *c)
{
	struct epc_page page;
	enum leaf_status status;

	if (!is_aligned(c->regs.rcx, 8))			return leaf_gp(c);	/* EDBGWR-01 */
	if (!epc_at(m, c->regs.rcx, &page))
		return leaf_not_epc(c, c->regs.rcx);					/* EDBGWR-03 */
	if (!epcm_lock_shared(page.epcm))			return leaf_gp(c);	/* EDBGWR-04, CONC-09 */
	status = debug_write(c, &page);
	epcm_unlock_shared(page.epcm);
	return status;
}
