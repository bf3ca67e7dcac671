/* SPDX-License-Identifier: BSD-2-Clause */
/* EPA: an empty version array. */
#include "isa/encls/operand.h"

enum leaf_status encls_epa(struct machine *m, struct cpu *c)
{
	struct epc_page page;
	enum leaf_status status;

	if (c->regs.rbx != SGX_PT_VA)				return leaf_gp(c);	/* EPA-01 */
	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EPA-02 */
	if (!epc_at(m, c->regs.rcx, &page))			return leaf_not_epc(c, c->regs.rcx); /* EPA-03 */
	if (!epcm_lock_exclusive(page.epcm))			return leaf_gp(c);	/* EPA-04, CONC-01 */
	if (page.epcm->valid) {
		status = leaf_pf(c, c->regs.rcx, 0);					/* EPA-05 */
	} else {
		__builtin_memset(page.mem, 0, SGX_PAGE_SIZE);
		epcm_set(page.epcm, SGX_SECINFO_OF_PT(SGX_PT_VA), 0, 0);
		status = leaf_done(c);
	}
	epcm_unlock_exclusive(page.epcm);
	return status;
}
