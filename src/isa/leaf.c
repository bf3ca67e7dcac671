/* SPDX-License-Identifier: BSD-2-Clause */
/* How a leaf ends: a fault, a code in RAX, or nothing at all (sgx-isa section 0). */
#include "isa/machine.h"

static enum leaf_status leaf_fault(struct cpu *c, enum x86_vector vector, uint32_t error_code, uint64_t addr)
{
	c->exc = (struct exception){ .vector = vector, .error_code = error_code, .addr = addr };
	return LEAF_FAULT;
}

static enum leaf_status leaf_code(struct cpu *c, uint64_t rax, uint64_t flags)
{
	c->regs.rax = rax;
	c->regs.rflags = (c->regs.rflags & ~X86_FLAGS_ARITH) | flags;
	return leaf_done(c);
}

enum leaf_status leaf_gp(struct cpu *c)
{
	return leaf_fault(c, X86_GP, 0, 0);
}

enum leaf_status leaf_ud(struct cpu *c)
{
	return leaf_fault(c, X86_UD, 0, 0);
}

/* Every #PF that the EPC or the EPCM causes has P, U and SGX: the page tables did allow the access. */
enum leaf_status leaf_pf(struct cpu *c, uint64_t addr, uint32_t pfec)
{
	return leaf_fault(c, X86_PF, pfec | X86_PFEC_P | X86_PFEC_U | X86_PFEC_SGX, addr);
}

enum leaf_status leaf_not_epc(struct cpu *c, uint64_t addr)
{
	return x86_is_canonical(addr) ? leaf_pf(c, addr, 0) : leaf_gp(c);	/* GEN-02 */
}

enum leaf_status leaf_err(struct cpu *c, enum sgx_error code)
{
	return leaf_code(c, code, X86_FLAGS_ZF);
}

enum leaf_status leaf_info(struct cpu *c, enum sgx_error code)
{
	return leaf_code(c, code, X86_FLAGS_CF);
}

enum leaf_status leaf_ok(struct cpu *c)
{
	return leaf_code(c, SGX_SUCCESS, 0);
}

enum leaf_status leaf_done(struct cpu *c)
{
	c->regs.rip += c->insn_size;
	return LEAF_DONE;
}
