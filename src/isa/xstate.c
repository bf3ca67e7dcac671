/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes inside an SSA frame (sgx-isa 1.6). */
#include "isa/machine.h"

uint32_t isa_xsave_size(const struct isa_profile *p, uint64_t xfrm)
{
	uint32_t size = X86_XSAVE_MIN_SIZE;

	for (xfrm &= ~(X86_XFEATURE_X87 | X86_XFEATURE_SSE); xfrm; xfrm &= xfrm - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(xfrm);
		uint32_t end = p->xsave_offset[i] + p->xsave_size[i];

		if (end > size)
			size = end;
	}
	return size;
}

uint32_t isa_ssa_tail_size(uint32_t miscselect)
{
	uint32_t size = sizeof(struct sgx_gprsgx);

	if (miscselect & (SGX_MISC_EXINFO | SGX_MISC_CPINFO))	/* the two share one record */
		size += sizeof(struct sgx_exinfo);
	return size;
}
