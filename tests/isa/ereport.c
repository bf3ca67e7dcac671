/* SPDX-License-Identifier: BSD-2-Clause */
/* EREPORT, rule by rule. */
#include "crypto/crypto.h"
#include "isa/user.h"

enum { TARGET_PAGE = FIXTURE_FREE, DATA_PAGE, REPORT_PAGE };

#define TARGET	(FIXTURE_BASE + 0x10000)
#define DATA	(FIXTURE_BASE + 0x11000)
#define REPORT	(FIXTURE_BASE + 0x12000)

/* Each operand on a page of its own, all legal. */
static struct fixture *ereport_ready(void)
{
	struct fixture *f = user_inside();

	user_page(f, TARGET_PAGE, TARGET);
	user_page(f, DATA_PAGE, DATA);
	user_page(f, REPORT_PAGE, REPORT);
	user_regs(f, EREPORT, TARGET, DATA, REPORT);
	return f;
}

static void ereport_regs(struct fixture *f, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	user_regs(f, EREPORT, rbx, rcx, rdx);
}

/* Proves: EREPORT-01, EREPORT-13, EREPORT-24 */
TEST(ereport, operand_misaligned_is_gp)
{
	struct fixture *f = ereport_ready();

	ereport_regs(f, TARGET + 256, DATA, REPORT);
	RULE_GP(f, "EREPORT-01");
	ereport_regs(f, TARGET, DATA + 64, REPORT);
	RULE_GP(f, "EREPORT-13");
	ereport_regs(f, TARGET, DATA, REPORT + 256);
	RULE_GP(f, "EREPORT-24");
}

/* Proves: EREPORT-02, EREPORT-14, EREPORT-25 */
TEST(ereport, operand_outside_elrange_is_gp)
{
	static const uint64_t outside[] = {
		FIXTURE_BASE - 512, FIXTURE_BASE + 0x100000, 0x1000, USER_NONCANONICAL,
	};
	struct fixture *f = ereport_ready();

	for (size_t i = 0; i < USER_COUNT(outside); i++) {
		ereport_regs(f, outside[i], DATA, REPORT);
		RULE_GP(f, "EREPORT-02");
		ereport_regs(f, TARGET, outside[i], REPORT);
		RULE_GP(f, "EREPORT-14");
		ereport_regs(f, TARGET, DATA, outside[i]);
		RULE_GP(f, "EREPORT-25");
	}
}

/* Proves: EREPORT-03, EREPORT-15, EREPORT-26 */
TEST(ereport, operand_not_in_epc_is_pf)
{
	struct fixture *f = ereport_ready();

	fixture_map_host(f, REPORT);
	RULE_PF(f, "EREPORT-26", REPORT, X86_PFEC_W);
	fixture_map_host(f, DATA);
	RULE_PF(f, "EREPORT-15", DATA, 0);
	fixture_map_host(f, TARGET);
	RULE_PF(f, "EREPORT-03", TARGET, 0);
}

/* Proves: GEN-04 */
TEST(ereport, operand_without_page_is_ordinary_pf)
{
	struct fixture *f = ereport_ready();

	fixture_refuse(f, REPORT, X86_PFEC_W);
	RULE_PAGING(f, "GEN-04", REPORT, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, DATA);
	RULE_PAGING(f, "GEN-04", DATA, 0);
	fixture_unmap(f, TARGET);
	RULE_PAGING(f, "GEN-04", TARGET, 0);
}

/* Proves: EREPORT-04, EREPORT-05, EREPORT-06, EREPORT-07, EREPORT-08, EREPORT-09, EREPORT-10, EREPORT-11 */
TEST(ereport, targetinfo_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EREPORT-04", WRONG_VALID }, { "EREPORT-05", WRONG_BLOCKED }, { "EREPORT-06", WRONG_PT },
		{ "EREPORT-07", WRONG_SECS }, { "EREPORT-08", WRONG_PENDING }, { "EREPORT-09", WRONG_MODIFIED },
		{ "EREPORT-10", WRONG_ADDRESS }, { "EREPORT-11", WRONG_R },
	};
	struct fixture *f = ereport_ready();

	RULE_TABLE_PF(f, cases, TARGET_PAGE, TARGET, 0);
}

/* Proves: EREPORT-16, EREPORT-17, EREPORT-18, EREPORT-19, EREPORT-20, EREPORT-21, EREPORT-22, EREPORT-23 */
TEST(ereport, reportdata_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EREPORT-16", WRONG_VALID }, { "EREPORT-17", WRONG_BLOCKED }, { "EREPORT-18", WRONG_PT },
		{ "EREPORT-19", WRONG_SECS }, { "EREPORT-20", WRONG_PENDING }, { "EREPORT-21", WRONG_MODIFIED },
		{ "EREPORT-22", WRONG_ADDRESS }, { "EREPORT-23", WRONG_R },
	};
	struct fixture *f = ereport_ready();

	RULE_TABLE_PF(f, cases, DATA_PAGE, DATA, 0);
}

/* Proves: EREPORT-27, EREPORT-28, EREPORT-29, EREPORT-30, EREPORT-31, EREPORT-32, EREPORT-33, EREPORT-34 */
TEST(ereport, output_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EREPORT-27", WRONG_VALID }, { "EREPORT-28", WRONG_BLOCKED }, { "EREPORT-29", WRONG_PT },
		{ "EREPORT-30", WRONG_SECS }, { "EREPORT-31", WRONG_PENDING }, { "EREPORT-32", WRONG_MODIFIED },
		{ "EREPORT-33", WRONG_ADDRESS }, { "EREPORT-34", WRONG_W },
	};
	struct fixture *f = ereport_ready();

	RULE_TABLE_PF(f, cases, REPORT_PAGE, REPORT, X86_PFEC_W);
}

/* Proves: EREPORT-12 */
TEST(ereport, targetinfo_reserved_byte_is_gp)
{
	static const unsigned reserved[] = { 48, 49, 56, 63, 128, 511 };
	struct fixture *f = ereport_ready();

	for (size_t i = 0; i < USER_COUNT(reserved); i++) {
		f->mem[TARGET_PAGE][reserved[i]] = 1;
		RULE_GP(f, "EREPORT-12");
		ereport_regs(f, TARGET, DATA + 1, REPORT);	/* the next step's check does not come first */
		fixture_unmap(f, DATA);
		RULE_GP(f, "EREPORT-12");
		fixture_map(f, DATA, DATA_PAGE);
		ereport_regs(f, TARGET, DATA, REPORT);
		f->mem[TARGET_PAGE][reserved[i]] = 0;
	}
}

/* TARGETINFO is judged before REPORTDATA is looked at. */
/* Proves: EREPORT-11, EREPORT-13 */
TEST(ereport, operands_are_judged_in_order)
{
	struct fixture *f = ereport_ready();

	ereport_regs(f, TARGET, DATA + 1, REPORT + 1);
	f->epcm[TARGET_PAGE].r = false;
	RULE_PF(f, "EREPORT-11", TARGET, 0);
	f->epcm[TARGET_PAGE].r = true;
	RULE_GP(f, "EREPORT-13");
}

/* Proves: DBG-15 */
TEST(ereport, success_reports_the_enclave_with_a_mac)
{
	struct fixture *f = ereport_ready();
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	struct sgx_targetinfo *t = (void *)f->mem[TARGET_PAGE];
	const struct sgx_report *r = (const void *)f->mem[REPORT_PAGE];
	static const uint8_t zero[64];
	uint8_t key[16], mac[16];

	memset(secs->configid, 0xc1, sizeof(secs->configid));
	memset(secs->isvfamilyid, 0xfa, sizeof(secs->isvfamilyid));
	memset(secs->isvextprodid, 0xee, sizeof(secs->isvextprodid));
	memset(t->measurement, 0x5a, sizeof(t->measurement));
	t->attributes.flags = 0x1234;
	t->configsvn = 9;
	memset(f->mem[DATA_PAGE], 0x77, 64);
	memset(f->mem[REPORT_PAGE], 0xee, 4096);
	EXPECT_DONE(f, user_enclu(f));

	EXPECT_MEMEQ(r->cpusvn, f->keys.cpusvn, 16);
	EXPECT_EQ(r->miscselect, secs->miscselect);
	EXPECT_EQ(r->cet_attributes, 0);
	EXPECT_MEMEQ(r->reserved1, zero, sizeof(r->reserved1));
	EXPECT_MEMEQ(r->isvextprodid, secs->isvextprodid, 16);
	EXPECT_MEMEQ(&r->attributes, &secs->attributes, 16);
	EXPECT_EQ(r->attributes.flags & (SGX_ATTR_INIT | SGX_ATTR_DEBUG), SGX_ATTR_INIT | SGX_ATTR_DEBUG);
	EXPECT_MEMEQ(r->mrenclave, secs->mrenclave, 32);
	EXPECT_MEMEQ(r->reserved2, zero, 32);
	EXPECT_MEMEQ(r->mrsigner, secs->mrsigner, 32);
	EXPECT_MEMEQ(r->reserved3, zero, 32);
	EXPECT_MEMEQ(r->configid, secs->configid, 64);
	EXPECT_EQ(r->isvprodid, 1);
	EXPECT_EQ(r->isvsvn, 2);
	EXPECT_EQ(r->configsvn, 3);
	EXPECT_MEMEQ(r->reserved4, zero, sizeof(r->reserved4));
	EXPECT_MEMEQ(r->isvfamilyid, secs->isvfamilyid, 16);
	EXPECT_MEMEQ(r->reportdata, f->mem[DATA_PAGE], 64);
	EXPECT_MEMEQ(r->keyid, f->keys.report_keyid, 32);
	key_report(&f->keys, t, key);
	aes128_cmac(mac, key, r, 384);
	EXPECT_MEMEQ(r->mac, mac, 16);
	EXPECT_EQ(f->mem[REPORT_PAGE][432], 0xee);
}

/* All zero is a legal target; the output may overlap the inputs, which are consumed first. */
/* Proves: EREPORT-12 */
TEST(ereport, output_over_inputs_is_the_same_report)
{
	struct fixture *f = ereport_ready();
	uint8_t first[432];

	EXPECT_DONE(f, user_enclu(f));
	memcpy(first, f->mem[REPORT_PAGE], sizeof(first));
	ereport_regs(f, TARGET, TARGET + 128, TARGET);
	EXPECT_DONE(f, user_enclu(f));
	EXPECT_MEMEQ(f->mem[TARGET_PAGE], first, sizeof(first));
}

/* An index names a SECS within one section only. */
/* Proves: EREPORT-07 */
TEST(ereport, page_of_another_section_is_pf)
{
	struct fixture *f = ereport_ready();
	struct epc_section other = f->section;

	f->c.secs.section = &other;
	RULE_PF(f, "EREPORT-07", TARGET, 0);
}
