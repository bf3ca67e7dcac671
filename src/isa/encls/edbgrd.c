/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EDBGRD: read eight bytes of a debug enclave, or whether a VA slot is in use. EDBGRD-02 is for 32-bit code; the
 * page types of CET in EDBGRD-06 do not exist here. EPCM permissions and BLOCKED do not matter.
 */
#include "isa/encls/operand.h"
#include "isa/secs.h"

#define VA_SLOT_RSVD	UINT64_C(7)	/* low bits that do not make a slot occupied */

static bool is_debug(const struct epc_page *page)
{
	struct epc_page secs_page = epc_secs_of(page);

	return secs_of(&secs_page)->attributes.flags & SGX_ATTR_DEBUG;
}

/* Context: page locked shared. */
static enum leaf_status debug_read(struct cpu *c, const struct epc_page *page)
{
	const struct epcm_entry *e = page->epcm;
	uint64_t in_page = c->regs.rcx % SGX_PAGE_SIZE;

	if (!e->valid)						return leaf_pf(c, c->regs.rcx, 0); /* EDBGRD-05 */
	if (e->pt != SGX_PT_REG && e->pt != SGX_PT_TCS && e->pt != SGX_PT_VA)
		return leaf_pf(c, c->regs.rcx, 0);					/* EDBGRD-06 */
	if (e->pending || e->modified)
		return leaf_err(c, SGX_PAGE_NOT_DEBUGGABLE);			/* EDBGRD-07, 08 */
	if (e->pt == SGX_PT_TCS && in_page >= SGX_TCS_LIMIT)	return leaf_gp(c);	/* EDBGRD-09 */
	if (e->pt != SGX_PT_VA && !is_debug(page))		return leaf_gp(c);	/* EDBGRD-10 */

	/* The enclave may be writing these bytes: load them at once. */
	c->regs.rbx = __atomic_load_n((const uint64_t *)(const void *)(page->mem + in_page), __ATOMIC_RELAXED);
	if (e->pt == SGX_PT_VA)
		c->regs.rbx = c->regs.rbx & ~VA_SLOT_RSVD ? ~UINT64_C(0) : 0;
	return leaf_ok(c);
}

enum leaf_status encls_edbgrd(struct machine *m, struct cpu *c)
{
	struct epc_page page;
	enum leaf_status status;

	if (!is_aligned(c->regs.rcx, 8))			return leaf_gp(c);	/* EDBGRD-01 */
	if (!epc_at(m, c->regs.rcx, &page))
		return leaf_not_epc(c, c->regs.rcx);					/* EDBGRD-03 */
	if (!epcm_lock_shared(page.epcm))			return leaf_gp(c);	/* EDBGRD-04, CONC-09 */
	status = debug_read(c, &page);
	epcm_unlock_shared(page.epcm);
	return status;
}
