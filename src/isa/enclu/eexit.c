/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EEXIT: synchronous exit. RSP, RBP and every other register stay as the enclave left them (an introduction in the
 * manual says otherwise; its operation section does not). EEXIT-02 is 32-bit only.
 */
#include "isa/enclu/entry.h"

enum leaf_status enclu_eexit(struct machine *m, struct cpu *c)
{
	const struct sgx_tcs *tcs = (const struct sgx_tcs *)(const void *)c->tcs.mem;

	(void)m;
	if (!x86_is_canonical(c->regs.rbx))
		return leaf_gp(c);				/* EEXIT-01 */
	c->regs.rip = c->regs.rbx;
	c->regs.rcx = tcs->aep;
	entry_leave(c);
	return LEAF_DONE;
}
