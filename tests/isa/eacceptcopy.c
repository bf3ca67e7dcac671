/* SPDX-License-Identifier: BSD-2-Clause */
/* EACCEPTCOPY, rule by rule. */
#include "isa/user.h"

enum { INFO_PAGE = FIXTURE_FREE, TO_PAGE, FROM_PAGE };

#define INFO	(FIXTURE_BASE + 0x10000)
#define TO	(FIXTURE_BASE + 0x11000)
#define FROM	(FIXTURE_BASE + 0x12000)

#define REG	SGX_SECINFO_OF_PT(SGX_PT_REG)

static struct sgx_secinfo *secinfo(struct fixture *f)
{
	return (struct sgx_secinfo *)(void *)f->mem[INFO_PAGE];
}

static void operands(struct fixture *f, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	user_regs(f, EACCEPTCOPY, rbx, rcx, rdx);
}

static struct fixture *eacceptcopy_ready(void)
{
	struct fixture *f = user_inside();

	user_page(f, INFO_PAGE, INFO);
	user_page(f, TO_PAGE, TO);
	user_page(f, FROM_PAGE, FROM);
	f->epcm[TO_PAGE].pending = true;
	memset(f->mem[FROM_PAGE], 0x6b, 4096);
	secinfo(f)->flags = REG | SGX_SECINFO_R | SGX_SECINFO_X;
	operands(f, INFO, TO, FROM);
	return f;
}

/* Proves: EACCEPTCOPY-01, EACCEPTCOPY-02, EACCEPTCOPY-03 */
TEST(eacceptcopy, operand_misaligned_is_gp)
{
	struct fixture *f = eacceptcopy_ready();

	operands(f, INFO + 32, TO, FROM);
	RULE_GP(f, "EACCEPTCOPY-01");
	operands(f, INFO, TO + 64, FROM);
	RULE_GP(f, "EACCEPTCOPY-02");
	operands(f, INFO, TO, FROM + 64);
	RULE_GP(f, "EACCEPTCOPY-03");
}

/* Proves: EACCEPTCOPY-04, EACCEPTCOPY-05, EACCEPTCOPY-06 */
TEST(eacceptcopy, operand_outside_elrange_is_gp)
{
	static const uint64_t outside[] = {
		FIXTURE_BASE - 4096, FIXTURE_BASE + 0x100000, 0x1000, USER_NONCANONICAL,
	};
	struct fixture *f = eacceptcopy_ready();

	for (size_t i = 0; i < USER_COUNT(outside); i++) {
		operands(f, outside[i], TO, FROM);
		RULE_GP(f, "EACCEPTCOPY-04");
		operands(f, INFO, outside[i], FROM);
		RULE_GP(f, "EACCEPTCOPY-05");
		operands(f, INFO, TO, outside[i]);
		RULE_GP(f, "EACCEPTCOPY-06");
	}
}

/* All operands are found, in order, before any is judged. */
/* Proves: EACCEPTCOPY-07, EACCEPTCOPY-08, EACCEPTCOPY-09 */
TEST(eacceptcopy, operand_not_in_epc_is_pf)
{
	struct fixture *f = eacceptcopy_ready();

	f->epcm[INFO_PAGE].valid = false;
	fixture_map_host(f, FROM);
	RULE_PF(f, "EACCEPTCOPY-09", FROM, 0);
	fixture_map_host(f, TO);
	RULE_PF(f, "EACCEPTCOPY-08", TO, X86_PFEC_W);
	fixture_map_host(f, INFO);
	RULE_PF(f, "EACCEPTCOPY-07", INFO, 0);
}

/* Proves: GEN-04 */
TEST(eacceptcopy, destination_mapped_read_only_is_ordinary_pf)
{
	struct fixture *f = eacceptcopy_ready();

	fixture_refuse(f, TO, X86_PFEC_W);
	RULE_PAGING(f, "GEN-04", TO, X86_PFEC_W | X86_PFEC_P);
}

/* Proves: EACCEPTCOPY-10, EACCEPTCOPY-11, EACCEPTCOPY-12, EACCEPTCOPY-13 */
/* Proves: EACCEPTCOPY-14, EACCEPTCOPY-15, EACCEPTCOPY-16, EACCEPTCOPY-17 */
TEST(eacceptcopy, secinfo_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPTCOPY-10", WRONG_VALID }, { "EACCEPTCOPY-11", WRONG_R },
		{ "EACCEPTCOPY-12", WRONG_PENDING }, { "EACCEPTCOPY-13", WRONG_MODIFIED },
		{ "EACCEPTCOPY-14", WRONG_BLOCKED }, { "EACCEPTCOPY-15", WRONG_PT },
		{ "EACCEPTCOPY-16", WRONG_SECS }, { "EACCEPTCOPY-17", WRONG_ADDRESS },
	};
	struct fixture *f = eacceptcopy_ready();

	RULE_TABLE_PF(f, cases, INFO_PAGE, INFO, 0);
}

/* Proves: EACCEPTCOPY-18, EACCEPTCOPY-19, EACCEPTCOPY-20 */
TEST(eacceptcopy, secinfo_illegal_is_gp)
{
	struct fixture *f = eacceptcopy_ready();

	f->epcm[FROM_PAGE].valid = false;	/* judged later */
	secinfo(f)->flags = REG | SGX_SECINFO_R | UINT64_C(1) << 63;
	RULE_GP(f, "EACCEPTCOPY-18");
	secinfo(f)->flags = REG | SGX_SECINFO_R;
	secinfo(f)->reserved[10] = 1;
	RULE_GP(f, "EACCEPTCOPY-18");
	secinfo(f)->reserved[10] = 0;
	secinfo(f)->flags = REG | SGX_SECINFO_W;
	RULE_GP(f, "EACCEPTCOPY-19");
	for (unsigned pt = 0; pt < 8; pt++) {
		if (pt == SGX_PT_REG)
			continue;
		secinfo(f)->flags = SGX_SECINFO_OF_PT(pt) | SGX_SECINFO_R;
		RULE_GP(f, "EACCEPTCOPY-20");
	}
}

/* Proves: EACCEPTCOPY-21, EACCEPTCOPY-22, EACCEPTCOPY-23, EACCEPTCOPY-24 */
/* Proves: EACCEPTCOPY-25, EACCEPTCOPY-26, EACCEPTCOPY-27, EACCEPTCOPY-28 */
TEST(eacceptcopy, source_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPTCOPY-21", WRONG_VALID }, { "EACCEPTCOPY-22", WRONG_R },
		{ "EACCEPTCOPY-23", WRONG_PENDING }, { "EACCEPTCOPY-24", WRONG_MODIFIED },
		{ "EACCEPTCOPY-25", WRONG_BLOCKED }, { "EACCEPTCOPY-26", WRONG_PT },
		{ "EACCEPTCOPY-27", WRONG_SECS }, { "EACCEPTCOPY-28", WRONG_ADDRESS },
	};
	struct fixture *f = eacceptcopy_ready();

	f->epcm[TO_PAGE].valid = false;		/* judged later */
	RULE_TABLE_PF(f, cases, FROM_PAGE, FROM, 0);
}

/* Proves: EACCEPTCOPY-29, EACCEPTCOPY-30, EACCEPTCOPY-31, EACCEPTCOPY-32, EACCEPTCOPY-33, EACCEPTCOPY-34 */
/* Proves: EACCEPTCOPY-39, EACCEPTCOPY-40, EACCEPTCOPY-41, EACCEPTCOPY-44 */
TEST(eacceptcopy, destination_not_as_eaug_left_it_is_mismatch)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPTCOPY-29", WRONG_VALID }, { "EACCEPTCOPY-30", WRONG_PENDING },
		{ "EACCEPTCOPY-31", WRONG_MODIFIED }, { "EACCEPTCOPY-32", WRONG_BLOCKED },
		{ "EACCEPTCOPY-33", WRONG_PT }, { "EACCEPTCOPY-34", WRONG_SECS }, { "EACCEPTCOPY-39", WRONG_R },
		{ "EACCEPTCOPY-40", WRONG_W }, { "EACCEPTCOPY-41", WRONG_X }, { "EACCEPTCOPY-44", WRONG_ADDRESS },
	};
	struct fixture *f = eacceptcopy_ready();

	RULE_TABLE_CODE(f, cases, TO_PAGE, SGX_PAGE_ATTRIBUTES_MISMATCH);
	EXPECT_EQ(f->epcm[TO_PAGE].lock, 0);
}

/* Proves: EACCEPTCOPY-35, CONC-05 */
TEST(eacceptcopy, destination_in_use_is_gp)
{
	struct fixture *f = eacceptcopy_ready();
	struct epcm_entry *e = &f->epcm[TO_PAGE];

	e->enclaveaddress += 4096;		/* judged under the lock */
	EXPECT_TRUE(epcm_lock_exclusive(e));
	RULE_GP(f, "CONC-05");
	epcm_unlock_exclusive(e);
	EXPECT_TRUE(epcm_lock_shared(e) && epcm_lock_sgx2(e));
	RULE_GP(f, "EACCEPTCOPY-35");
}

/* Proves: EACCEPTCOPY-30 */
TEST(eacceptcopy, success_copies_and_sets_the_rights)
{
	struct fixture *f = eacceptcopy_ready();
	struct epcm_entry expected = f->epcm[TO_PAGE];

	expected.pending = expected.w = false;
	expected.x = true;
	EXPECT_OK(f, user_enclu(f));
	EXPECT_MEMEQ(f->mem[TO_PAGE], f->mem[FROM_PAGE], 4096);
	EXPECT_MEMEQ(&f->epcm[TO_PAGE], &expected, sizeof(expected));
	operands(f, INFO, TO, FROM);
	RULE_CODE(f, "EACCEPTCOPY-30", SGX_PAGE_ATTRIBUTES_MISMATCH);	/* accepted by now */
}
