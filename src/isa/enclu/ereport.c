/* SPDX-License-Identifier: BSD-2-Clause */
/* EREPORT: a report of the running enclave, with a MAC that the enclave described by TARGETINFO can check. */
#include "crypto/crypto.h"
#include "isa/enclu/operand.h"
#include "isa/keys.h"

enum {
	TARGETINFO_ALIGN = 512, REPORTDATA_ALIGN = 128, REPORT_ALIGN = 512,
	REPORTDATA_SIZE = sizeof(((struct sgx_report *)0)->reportdata),
	REPORT_MACED = offsetof(struct sgx_report, keyid),
};

/* One operand that is read: rows 01..11 for TARGETINFO, 13..23 for REPORTDATA. */
static enum leaf_status input_find(struct machine *m, struct cpu *c, uint64_t addr, uint32_t align, uint32_t size,
				   const void **data)
{
	struct epc_page page;

	if (addr % align)				return leaf_gp(c);		/* EREPORT-01, 13 */
	if (!enclu_operand_in_elrange(c, addr, size))	return leaf_gp(c);		/* EREPORT-02, 14 */
	if (enclu_operand_page(m, c, addr, 0, &page))	return LEAF_FAULT;		/* EREPORT-03, 15 */
	if (!enclu_operand_readable(c, &page, addr))
		return leaf_pf(c, addr, 0);				/* EREPORT-04..11, 16..23 */
	*data = enclu_operand_data(&page, addr);
	return LEAF_DONE;
}

static enum leaf_status output_find(struct machine *m, struct cpu *c, uint64_t addr, void **data)
{
	struct epc_page page;

	if (addr % REPORT_ALIGN)
		return leaf_gp(c);				/* EREPORT-24 */
	if (!enclu_operand_in_elrange(c, addr, sizeof(struct sgx_report)))
		return leaf_gp(c);				/* EREPORT-25 */
	if (enclu_operand_page(m, c, addr, X86_PFEC_W, &page))
		return LEAF_FAULT;				/* EREPORT-26 */
	if (!enclu_operand_writable(c, &page, addr))
		return leaf_pf(c, addr, X86_PFEC_W);		/* EREPORT-27..34 */
	*data = enclu_operand_data(&page, addr);
	return LEAF_DONE;
}

/* The MAC is over what the processor says of the enclave: all but KEYID and MAC itself. */
static void report_fill(struct sgx_report *r, const struct platform_keys *k, const struct secs *secs,
			const void *reportdata)
{
	__builtin_memset(r, 0, sizeof(*r));
	__builtin_memcpy(r->cpusvn, k->cpusvn, sizeof(r->cpusvn));
	r->miscselect = secs->miscselect;
	r->cet_attributes = secs->cet_attributes;
	__builtin_memcpy(r->isvextprodid, secs->isvextprodid, sizeof(r->isvextprodid));
	r->attributes = secs->attributes;
	__builtin_memcpy(r->mrenclave, secs->mrenclave, sizeof(r->mrenclave));
	__builtin_memcpy(r->mrsigner, secs->mrsigner, sizeof(r->mrsigner));
	__builtin_memcpy(r->configid, secs->configid, sizeof(r->configid));
	r->isvprodid = secs->isvprodid;
	r->isvsvn = secs->isvsvn;
	r->configsvn = secs->configsvn;
	__builtin_memcpy(r->isvfamilyid, secs->isvfamilyid, sizeof(r->isvfamilyid));
	__builtin_memcpy(r->reportdata, reportdata, sizeof(r->reportdata));
	__builtin_memcpy(r->keyid, k->report_keyid, sizeof(r->keyid));
}

static bool targetinfo_reserved_zero(const struct sgx_targetinfo *t)
{
	return !t->cet_attributes && !t->reserved1 && enclu_operand_zero(t->reserved2, sizeof(t->reserved2)) &&
	       enclu_operand_zero(t->reserved3, sizeof(t->reserved3));
}

enum leaf_status enclu_ereport(struct machine *m, struct cpu *c)
{
	const void *targetinfo = NULL, *reportdata = NULL;
	struct sgx_targetinfo target;
	struct sgx_report report;
	uint8_t key[16];
	void *out = NULL;

	if (input_find(m, c, c->regs.rbx, TARGETINFO_ALIGN, sizeof(target), &targetinfo))
		return LEAF_FAULT;
	__builtin_memcpy(&target, targetinfo, sizeof(target));
	if (!targetinfo_reserved_zero(&target))
		return leaf_gp(c);				/* EREPORT-12 */
	if (input_find(m, c, c->regs.rcx, REPORTDATA_ALIGN, REPORTDATA_SIZE, &reportdata))
		return LEAF_FAULT;
	if (output_find(m, c, c->regs.rdx, &out))
		return LEAF_FAULT;

	report_fill(&report, m->keys, secs_of(&c->secs), reportdata);
	key_report(m->keys, &target, key);
	aes128_cmac(report.mac, key, &report, REPORT_MACED);
	__builtin_memcpy(out, &report, sizeof(report));
	return leaf_done(c);
}
