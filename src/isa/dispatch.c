/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ENCLS and ENCLU: EAX picks the leaf. What needs a privilege level, a mode or a control register of a real
 * processor (ENCLS-01..04, 06..09, 11, 12; ENCLU-01..05, 07..10, 12..14) cannot occur here: the driver is the
 * kernel's side, and a Linux process is in 64-bit mode at CPL 3. EVERIFYREPORT2 is a hole of the table, so that ENCLU-23 is
 * covered by ENCLU-11.
 */
#include "isa/machine.h"

enum leaf_set { SGX1, SGX2, NOTIFY };
enum leaf_side { OUTSIDE, INSIDE };

struct leaf {
	enum leaf_status (*run)(struct machine *m, struct cpu *c);
	enum leaf_set since;
	enum leaf_side side;	/* ENCLU only */
};

static const struct leaf encls_leaf[] = {
	[ECREATE] = { encls_ecreate, .since = SGX1 },
	[EADD]    = { encls_eadd,    .since = SGX1 },
	[EINIT]   = { encls_einit,   .since = SGX1 },
	[EREMOVE] = { encls_eremove, .since = SGX1 },
	[EDBGRD]  = { encls_edbgrd,  .since = SGX1 },
	[EDBGWR]  = { encls_edbgwr,  .since = SGX1 },
	[EEXTEND] = { encls_eextend, .since = SGX1 },
	[ELDB]    = { encls_eldb,    .since = SGX1 },
	[ELDU]    = { encls_eldu,    .since = SGX1 },
	[EBLOCK]  = { encls_eblock,  .since = SGX1 },
	[EPA]     = { encls_epa,     .since = SGX1 },
	[EWB]     = { encls_ewb,     .since = SGX1 },
	[ETRACK]  = { encls_etrack,  .since = SGX1 },
	[EAUG]    = { encls_eaug,    .since = SGX2 },
	[EMODPR]  = { encls_emodpr,  .since = SGX2 },
	[EMODT]   = { encls_emodt,   .since = SGX2 },
};

static const struct leaf enclu_leaf[] = {
	[EREPORT]     = { enclu_ereport,     .since = SGX1, .side = INSIDE },	/* ENCLU-17 */
	[EGETKEY]     = { enclu_egetkey,     .since = SGX1, .side = INSIDE },	/* ENCLU-18 */
	[EENTER]      = { enclu_eenter,      .since = SGX1, .side = OUTSIDE },	/* ENCLU-15 */
	[ERESUME]     = { enclu_eresume,     .since = SGX1, .side = OUTSIDE },	/* ENCLU-16 */
	[EEXIT]       = { enclu_eexit,       .since = SGX1, .side = INSIDE },	/* ENCLU-19 */
	[EACCEPT]     = { enclu_eaccept,     .since = SGX2, .side = INSIDE },	/* ENCLU-20 */
	[EMODPE]      = { enclu_emodpe,      .since = SGX2, .side = INSIDE },	/* ENCLU-21 */
	[EACCEPTCOPY] = { enclu_eacceptcopy, .since = SGX2, .side = INSIDE },	/* ENCLU-22 */
	[EDECCSSA]    = { enclu_edeccssa,    .since = NOTIFY, .side = INSIDE },	/* ENCLU-24 */
};

/* NULL: a hole, past the end, or not enumerated by this machine. The upper half of RAX does not count. */
static const struct leaf *leaf_find(const struct machine *m, const struct leaf *table, uint32_t count,
				    uint64_t rax)
{
	uint32_t eax = (uint32_t)rax;

	if (eax >= count || !table[eax].run)
		return NULL;
	if (table[eax].since == SGX2 && !m->profile->sgx2)
		return NULL;
	if (table[eax].since == NOTIFY && !m->profile->edeccssa)
		return NULL;
	return &table[eax];
}

#define COUNT(table)	((uint32_t)(sizeof(table) / sizeof((table)[0])))

enum leaf_status isa_encls(struct machine *m, struct cpu *c)
{
	const struct leaf *leaf = leaf_find(m, encls_leaf, COUNT(encls_leaf), c->regs.rax);

	if (!m->profile->sgx1)			return leaf_ud(c);	/* ENCLS-05 */
	if (!leaf)				return leaf_gp(c);	/* ENCLS-10 */
	return leaf->run(m, c);
}

enum leaf_status isa_enclu(struct machine *m, struct cpu *c)
{
	const struct leaf *leaf = leaf_find(m, enclu_leaf, COUNT(enclu_leaf), c->regs.rax);

	if (!m->profile->sgx1)			return leaf_ud(c);	/* ENCLU-06 */
	if (!leaf)				return leaf_gp(c);	/* ENCLU-11 */
	if ((leaf->side == INSIDE) != c->enclave_mode)
		return leaf_gp(c);					/* ENCLU-15..22, 24 */
	return leaf->run(m, c);
}
