/* SPDX-License-Identifier: BSD-2-Clause */
/* EEXTEND: measure 256 bytes of a page, where they lie. The page types of CET in EEXTEND-07 do not exist here. */
#include "isa/encls/operand.h"
#include "isa/measure.h"

#define CHUNK	256

/* Context: page locked shared. The owner's SECS page needs no lock: it can't leave while it has children. */
static enum leaf_status extend(struct cpu *c, const struct epc_page *page, const struct epc_page *secs_page)
{
	const struct epcm_entry *e = page->epcm;
	uint64_t in_page = c->regs.rcx % SGX_PAGE_SIZE;
	struct secs *secs;

	if (!e->valid)						return leaf_pf(c, c->regs.rcx, 0); /* EEXTEND-06 */
	if (e->pt != SGX_PT_REG && e->pt != SGX_PT_TCS)		return leaf_pf(c, c->regs.rcx, 0); /* EEXTEND-07 */
	if (secs_page->section != page->section || secs_page->index != e->secs)
		return leaf_gp(c);						/* EEXTEND-08 */
	secs = secs_of(secs_page);
	if (!measure_trylock(secs))				return leaf_gp(c); /* EEXTEND-09, 10, CONC-02 */
	if (secs->attributes.flags & SGX_ATTR_INIT) {
		measure_unlock(secs);
		return leaf_gp(c);						/* EEXTEND-11 */
	}
	measure_eextend(secs, e->enclaveaddress + in_page - secs->baseaddr, page->mem + in_page);
	measure_unlock(secs);
	return leaf_done(c);
}

enum leaf_status encls_eextend(struct machine *m, struct cpu *c)
{
	struct epc_page page, secs_page;
	enum leaf_status status;

	if (!is_aligned(c->regs.rbx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EEXTEND-01 */
	if (!epc_at(m, c->regs.rbx, &secs_page))
		return leaf_not_epc(c, c->regs.rbx);					/* EEXTEND-02 */
	if (!is_aligned(c->regs.rcx, CHUNK))			return leaf_gp(c);	/* EEXTEND-03 */
	if (!epc_at(m, c->regs.rcx, &page))
		return leaf_not_epc(c, c->regs.rcx);					/* EEXTEND-04 */
	if (!epcm_lock_shared(page.epcm))			return leaf_gp(c);	/* EEXTEND-05 */
	status = extend(c, &page, &secs_page);
	epcm_unlock_shared(page.epcm);
	return status;
}
