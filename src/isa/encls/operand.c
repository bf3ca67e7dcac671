/* SPDX-License-Identifier: BSD-2-Clause */
/* See operand.h. */
#include "isa/encls/operand.h"

bool is_zero(const void *data, uint64_t size)
{
	const uint8_t *byte = data;
	uint8_t any = 0;

	while (size--)
		any |= *byte++;
	return !any;
}

bool secinfo_rsvd_zero(const struct sgx_secinfo *si)
{
	return !(si->flags & SGX_SECINFO_RSVD) && is_zero(si->reserved, sizeof(si->reserved));
}

bool operand_read(struct machine *m, struct cpu *c, void *dst, uint64_t addr, uint64_t size)
{
	if (!x86_is_canonical(addr))
		return leaf_gp(c), false;				/* GEN-02 */
	return m->ops->read(m, dst, addr, size, &c->exc);		/* GEN-04 */
}

bool operand_write(struct machine *m, struct cpu *c, uint64_t addr, const void *src, uint64_t size)
{
	if (!x86_is_canonical(addr))
		return leaf_gp(c), false;				/* GEN-02 */
	return m->ops->write(m, addr, src, size, &c->exc);		/* GEN-04 */
}

void epcm_set(struct epcm_entry *e, uint64_t secinfo_flags, uint64_t enclaveaddress, uint64_t secs)
{
	e->r = secinfo_flags & SGX_SECINFO_R;
	e->w = secinfo_flags & SGX_SECINFO_W;
	e->x = secinfo_flags & SGX_SECINFO_X;
	e->pt = SGX_SECINFO_PT(secinfo_flags);
	e->blocked = e->pending = e->modified = e->pr = false;
	e->enclaveaddress = enclaveaddress;
	e->secs = secs;
	e->epoch = 0;
	atomic_store_explicit(&e->tcs_word, 0, memory_order_relaxed);
	__atomic_store_n(&e->valid, true, __ATOMIC_RELEASE);
}
