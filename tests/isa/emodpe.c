/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODPE, rule by rule. */
#include "isa/user.h"

enum { INFO_PAGE = FIXTURE_FREE, TARGET_PAGE };

#define INFO	(FIXTURE_BASE + 0x10000)
#define TARGET	(FIXTURE_BASE + 0x11000)

static struct sgx_secinfo *secinfo(struct fixture *f)
{
	return (struct sgx_secinfo *)(void *)f->mem[INFO_PAGE];
}

/* A page with R alone, to be given W and X. */
static struct fixture *emodpe_ready(void)
{
	struct fixture *f = user_inside();

	user_page(f, INFO_PAGE, INFO);
	user_page(f, TARGET_PAGE, TARGET);
	f->epcm[TARGET_PAGE].w = false;
	secinfo(f)->flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_RWX;
	user_regs(f, EMODPE, INFO, TARGET, 0);
	return f;
}

/* Proves: EMODPE-01, EMODPE-02 */
TEST(emodpe, operand_misaligned_is_gp)
{
	struct fixture *f = emodpe_ready();

	user_regs(f, EMODPE, INFO + 32, TARGET, 0);
	RULE_GP(f, "EMODPE-01");
	user_regs(f, EMODPE, INFO, TARGET + 64, 0);
	RULE_GP(f, "EMODPE-02");
}

/* Proves: EMODPE-03, EMODPE-04 */
TEST(emodpe, operand_outside_elrange_is_gp)
{
	static const uint64_t outside[] = {
		FIXTURE_BASE - 4096, FIXTURE_BASE + 0x100000, 0x1000, USER_NONCANONICAL,
	};
	struct fixture *f = emodpe_ready();

	for (size_t i = 0; i < USER_COUNT(outside); i++) {
		user_regs(f, EMODPE, outside[i], TARGET, 0);
		RULE_GP(f, "EMODPE-03");
		user_regs(f, EMODPE, INFO, outside[i], 0);
		RULE_GP(f, "EMODPE-04");
	}
}

/* Both operands are found before either is judged. */
/* Proves: EMODPE-05, EMODPE-06 */
TEST(emodpe, operand_not_in_epc_is_pf)
{
	struct fixture *f = emodpe_ready();

	f->epcm[INFO_PAGE].valid = false;
	fixture_map_host(f, TARGET);
	RULE_PF(f, "EMODPE-06", TARGET, 0);
	fixture_map_host(f, INFO);
	RULE_PF(f, "EMODPE-05", INFO, 0);
}

/* Proves: EMODPE-07, EMODPE-08, EMODPE-09, EMODPE-10, EMODPE-11, EMODPE-12, EMODPE-13, EMODPE-14 */
TEST(emodpe, secinfo_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EMODPE-07", WRONG_VALID }, { "EMODPE-08", WRONG_R }, { "EMODPE-09", WRONG_PENDING },
		{ "EMODPE-10", WRONG_MODIFIED }, { "EMODPE-11", WRONG_BLOCKED }, { "EMODPE-12", WRONG_PT },
		{ "EMODPE-13", WRONG_SECS }, { "EMODPE-14", WRONG_ADDRESS },
	};
	struct fixture *f = emodpe_ready();

	RULE_TABLE_PF(f, cases, INFO_PAGE, INFO, 0);
}

/* Proves: EMODPE-15 */
TEST(emodpe, secinfo_reserved_bit_is_gp)
{
	struct fixture *f = emodpe_ready();

	f->epcm[TARGET_PAGE].valid = false;	/* judged later */
	secinfo(f)->flags |= UINT64_C(1) << 16;
	RULE_GP(f, "EMODPE-15");
	secinfo(f)->flags ^= UINT64_C(1) << 16 | 1 << 6;
	RULE_GP(f, "EMODPE-15");
	secinfo(f)->flags ^= 1 << 6;
	secinfo(f)->reserved[55] = 1;
	RULE_GP(f, "EMODPE-15");
}

/* Proves: EMODPE-16, EMODPE-17, EMODPE-18, EMODPE-19, EMODPE-20, EMODPE-21, EMODPE-28 */
TEST(emodpe, target_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EMODPE-16", WRONG_VALID }, { "EMODPE-17", WRONG_PENDING }, { "EMODPE-18", WRONG_MODIFIED },
		{ "EMODPE-19", WRONG_BLOCKED }, { "EMODPE-20", WRONG_PT }, { "EMODPE-21", WRONG_SECS },
		{ "EMODPE-28", WRONG_ADDRESS },
	};
	struct fixture *f = emodpe_ready();

	RULE_TABLE_PF(f, cases, TARGET_PAGE, TARGET, 0);
	EXPECT_EQ(f->epcm[TARGET_PAGE].lock, 0);
}

/* Proves: EMODPE-22, CONC-05 */
TEST(emodpe, target_in_use_is_gp)
{
	struct fixture *f = emodpe_ready();
	struct epcm_entry *e = &f->epcm[TARGET_PAGE];

	EXPECT_TRUE(epcm_lock_exclusive(e));
	RULE_GP(f, "CONC-05");
	epcm_unlock_exclusive(e);
	EXPECT_TRUE(epcm_lock_shared(e) && epcm_lock_sgx2(e));
	RULE_GP(f, "EMODPE-22");
	epcm_unlock_sgx2(e);
	EXPECT_DONE(f, user_enclu(f));
	EXPECT_EQ(e->lock, 1);
}

/* Proves: EMODPE-29 */
TEST(emodpe, write_without_read_is_gp)
{
	struct fixture *f = emodpe_ready();

	f->epcm[TARGET_PAGE].r = false;
	secinfo(f)->flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_W;
	RULE_GP(f, "EMODPE-29");
	f->epcm[TARGET_PAGE].r = true;		/* the page has R: W may be added alone */
	EXPECT_DONE(f, user_enclu(f));
	EXPECT_TRUE(f->epcm[TARGET_PAGE].r && f->epcm[TARGET_PAGE].w && !f->epcm[TARGET_PAGE].x);
}

/* Rights are added, never taken; RAX and flags stay. */
/* Proves: EMODPE-29 */
TEST(emodpe, rights_are_united)
{
	for (unsigned had = 0; had < 8; had++) {
		for (unsigned asked = 0; asked < 8; asked++) {
			struct fixture *f = emodpe_ready();
			struct epcm_entry *e = &f->epcm[TARGET_PAGE], expected;

			if ((had & 3) == 2 || (!(had & 1) && (asked & 3) == 2))
				continue;
			e->r = had & 1;
			e->w = had & 2;
			e->x = had & 4;
			expected = *e;
			expected.r |= asked & 1;
			expected.w |= !!(asked & 2);
			expected.x |= !!(asked & 4);
			secinfo(f)->flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | asked;
			EXPECT_DONE(f, user_enclu(f));
			EXPECT_MEMEQ(e, &expected, sizeof(expected));
		}
	}
}
