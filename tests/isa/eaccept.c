/* SPDX-License-Identifier: BSD-2-Clause */
/* EACCEPT, rule by rule. */
#include "isa/user.h"

enum { INFO_PAGE = FIXTURE_FREE, TARGET_PAGE };

#define INFO	(FIXTURE_BASE + 0x10000)
#define TARGET	(FIXTURE_BASE + 0x11000)

#define RW	(SGX_SECINFO_R | SGX_SECINFO_W)
#define REG	SGX_SECINFO_OF_PT(SGX_PT_REG)
#define TCS	SGX_SECINFO_OF_PT(SGX_PT_TCS)
#define TRIM	SGX_SECINFO_OF_PT(SGX_PT_TRIM)

static struct sgx_secinfo *secinfo(struct fixture *f)
{
	return (struct sgx_secinfo *)(void *)f->mem[INFO_PAGE];
}

/* The target as EAUG leaves it, and a SECINFO that says so. */
static struct fixture *eaccept_ready(void)
{
	struct fixture *f = user_inside();

	user_page(f, INFO_PAGE, INFO);
	user_page(f, TARGET_PAGE, TARGET);
	f->epcm[TARGET_PAGE].pending = true;
	secinfo(f)->flags = REG | RW | SGX_SECINFO_PENDING;
	user_regs(f, EACCEPT, INFO, TARGET, 0);
	return f;
}

/* The target as EMODT leaves it, tracked: our thread entered after that. */
static struct fixture *eaccept_modified(enum sgx_pt pt)
{
	struct fixture *f = eaccept_ready();
	struct epcm_entry *e = &f->epcm[TARGET_PAGE];

	e->pending = e->r = e->w = false;
	e->modified = true;
	e->pt = pt;
	e->epoch = 1;
	fixture_secs(f, FIXTURE_SECS)->epoch = 2;
	f->epcm[FIXTURE_TCS].tcs_word = UINT64_C(2) << 32 | FIXTURE_TID;
	secinfo(f)->flags = SGX_SECINFO_OF_PT(pt) | SGX_SECINFO_MODIFIED;
	if (pt == SGX_PT_TCS)
		((struct sgx_tcs *)(void *)f->mem[TARGET_PAGE])->nssa = 1;
	return f;
}

/* Proves: EACCEPT-01, EACCEPT-13 */
TEST(eaccept, operand_misaligned_is_gp)
{
	struct fixture *f = eaccept_ready();

	user_regs(f, EACCEPT, INFO + 32, TARGET, 0);
	RULE_GP(f, "EACCEPT-01");
	user_regs(f, EACCEPT, INFO, TARGET + 64, 0);
	RULE_GP(f, "EACCEPT-13");
}

/* Proves: EACCEPT-02, EACCEPT-14 */
TEST(eaccept, operand_outside_elrange_is_gp)
{
	static const uint64_t outside[] = {
		FIXTURE_BASE - 4096, FIXTURE_BASE + 0x100000, 0x1000, USER_NONCANONICAL,
	};
	struct fixture *f = eaccept_ready();

	for (size_t i = 0; i < USER_COUNT(outside); i++) {
		user_regs(f, EACCEPT, outside[i], TARGET, 0);
		RULE_GP(f, "EACCEPT-02");
		user_regs(f, EACCEPT, INFO, outside[i], 0);
		RULE_GP(f, "EACCEPT-14");
	}
}

/* Proves: EACCEPT-03, EACCEPT-15, GEN-04 */
TEST(eaccept, operand_not_in_epc_is_pf)
{
	struct fixture *f = eaccept_ready();

	fixture_unmap(f, TARGET);		/* what makes Linux add the page */
	RULE_PAGING(f, "GEN-04", TARGET, 0);
	fixture_map_host(f, TARGET);
	RULE_PF(f, "EACCEPT-15", TARGET, 0);
	fixture_map_host(f, INFO);
	RULE_PF(f, "EACCEPT-03", INFO, 0);
}

/* Proves: EACCEPT-04, EACCEPT-05, EACCEPT-06, EACCEPT-07, EACCEPT-08, EACCEPT-09, EACCEPT-10, EACCEPT-11 */
TEST(eaccept, secinfo_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPT-04", WRONG_VALID }, { "EACCEPT-05", WRONG_R }, { "EACCEPT-06", WRONG_PENDING },
		{ "EACCEPT-07", WRONG_MODIFIED }, { "EACCEPT-08", WRONG_BLOCKED }, { "EACCEPT-09", WRONG_PT },
		{ "EACCEPT-10", WRONG_SECS }, { "EACCEPT-11", WRONG_ADDRESS },
	};
	struct fixture *f = eaccept_ready();

	RULE_TABLE_PF(f, cases, INFO_PAGE, INFO, 0);
}

/* Proves: EACCEPT-12 */
TEST(eaccept, secinfo_reserved_bit_is_gp)
{
	struct fixture *f = eaccept_ready();
	const uint64_t good = secinfo(f)->flags;

	user_regs(f, EACCEPT, INFO, TARGET + 64, 0);	/* judged later */
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(SGX_SECINFO_RSVD >> bit & 1))
			continue;
		secinfo(f)->flags = good | UINT64_C(1) << bit;
		RULE_GP(f, "EACCEPT-12");
	}
	user_regs(f, EACCEPT, INFO, TARGET, 0);
	secinfo(f)->flags = good;
	secinfo(f)->reserved[0] = 1;
	RULE_GP(f, "EACCEPT-12");
	secinfo(f)->reserved[0] = 0;
	secinfo(f)->reserved[55] = 1;
	RULE_GP(f, "EACCEPT-12");
}

/* Proves: EACCEPT-16, EACCEPT-17, EACCEPT-18, EACCEPT-19, EACCEPT-20, EACCEPT-25 */
TEST(eaccept, secinfo_state_that_no_leaf_makes_is_gp)
{
	static const struct { const char *rule; uint64_t flags; } cases[] = {
		{ "EACCEPT-16", REG | RW | SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED },
		{ "EACCEPT-17", REG | RW },
		{ "EACCEPT-18", TCS }, { "EACCEPT-18", TRIM },
		{ "EACCEPT-19", TCS | SGX_SECINFO_MODIFIED | SGX_SECINFO_PENDING },
		{ "EACCEPT-19", TRIM | SGX_SECINFO_MODIFIED | SGX_SECINFO_PENDING },
		{ "EACCEPT-20", TCS | SGX_SECINFO_MODIFIED | SGX_SECINFO_PR },
		{ "EACCEPT-20", TRIM | SGX_SECINFO_MODIFIED | SGX_SECINFO_PR },
		{ "EACCEPT-25", SGX_SECINFO_OF_PT(SGX_PT_SECS) | SGX_SECINFO_PENDING },
		{ "EACCEPT-25", SGX_SECINFO_OF_PT(SGX_PT_VA) | SGX_SECINFO_MODIFIED },
		{ "EACCEPT-25", SGX_SECINFO_OF_PT(7) | SGX_SECINFO_PENDING },
		{ "EACCEPT-25", SGX_SECINFO_OF_PT(255) | SGX_SECINFO_MODIFIED },
	};
	struct fixture *f = eaccept_ready();

	f->epcm[TARGET_PAGE].valid = false;	/* judged later */
	for (size_t i = 0; i < USER_COUNT(cases); i++) {
		secinfo(f)->flags = cases[i].flags;
		RULE_GP(f, cases[i].rule);
	}
}

/* Without CET, shadow stack pages are an unknown type. */
/* Proves: EACCEPT-21 */
TEST(eaccept, shadow_stack_types_are_gp)
{
	struct fixture *f = eaccept_ready();

	for (unsigned pt = SGX_PT_SS_FIRST; pt <= SGX_PT_SS_REST; pt++) {
		secinfo(f)->flags = SGX_SECINFO_OF_PT(pt) | SGX_SECINFO_PENDING;
		RULE_GP(f, "EACCEPT-21");
	}
}

/* Proves: EACCEPT-26, EACCEPT-27, EACCEPT-28, EACCEPT-29 */
TEST(eaccept, target_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPT-26", WRONG_VALID }, { "EACCEPT-27", WRONG_BLOCKED }, { "EACCEPT-28", WRONG_PT },
		{ "EACCEPT-29", WRONG_SECS },
	};
	struct fixture *f = eaccept_ready();

	RULE_TABLE_PF(f, cases, TARGET_PAGE, TARGET, 0);
}

/* Proves: EACCEPT-30, CONC-04 */
TEST(eaccept, target_in_use_is_gp)
{
	struct fixture *f = eaccept_ready();
	struct epcm_entry *e = &f->epcm[TARGET_PAGE];

	EXPECT_TRUE(epcm_lock_exclusive(e));		/* EMODT */
	RULE_GP(f, "EACCEPT-30");
	epcm_unlock_exclusive(e);
	EXPECT_TRUE(epcm_lock_shared(e) && epcm_lock_sgx2(e));	/* EMODPR */
	RULE_GP(f, "CONC-04");
	epcm_unlock_sgx2(e);				/* EDBGRD */
	EXPECT_OK(f, user_enclu(f));
	EXPECT_EQ(e->lock, 1);
}

/* Proves: EACCEPT-33, EACCEPT-34, EACCEPT-35, EACCEPT-36, EACCEPT-37, EACCEPT-38 */
TEST(eaccept, target_that_differs_is_mismatch)
{
	static const struct epcm_case cases[] = {
		{ "EACCEPT-33", WRONG_ADDRESS }, { "EACCEPT-34", WRONG_PENDING }, { "EACCEPT-36", WRONG_R },
		{ "EACCEPT-37", WRONG_W }, { "EACCEPT-38", WRONG_X }, { "EACCEPT-35", WRONG_MODIFIED },
	};
	struct fixture *f = eaccept_ready();

	RULE_TABLE_CODE(f, cases, TARGET_PAGE, SGX_PAGE_ATTRIBUTES_MISMATCH);
	EXPECT_EQ(f->epcm[TARGET_PAGE].lock, 0);
}

/* Proves: EACCEPT-35, EACCEPT-39 */
TEST(eaccept, target_of_another_type_is_mismatch)
{
	struct fixture *f = eaccept_modified(SGX_PT_TRIM);

	f->epcm[TARGET_PAGE].modified = false;
	RULE_CODE(f, "EACCEPT-35", SGX_PAGE_ATTRIBUTES_MISMATCH);
	f->epcm[TARGET_PAGE].modified = true;
	secinfo(f)->flags = TCS | SGX_SECINFO_MODIFIED;
	RULE_CODE(f, "EACCEPT-39", SGX_PAGE_ATTRIBUTES_MISMATCH);
}

/* Proves: EACCEPT-40 */
TEST(eaccept, modified_page_not_tracked_is_not_tracked)
{
	struct fixture *f = eaccept_modified(SGX_PT_TRIM);

	f->epcm[FIXTURE_TCS].tcs_word = UINT64_C(1) << 32 | FIXTURE_TID;	/* inside since before EMODT */
	RULE_CODE(f, "EACCEPT-40", SGX_NOT_TRACKED);
	f->epcm[FIXTURE_TCS].tcs_word = UINT64_C(2) << 32 | FIXTURE_TID;
	fixture_secs(f, FIXTURE_SECS)->epoch = 1;				/* no ETRACK since */
	RULE_CODE(f, "EACCEPT-40", SGX_NOT_TRACKED);
	fixture_secs(f, FIXTURE_SECS)->epoch = 2;
	EXPECT_OK(f, user_enclu(f));
}

/* A page that EAUG added carries no stamp. */
/* Proves: EACCEPT-40 */
TEST(eaccept, pending_page_needs_no_tracking)
{
	struct fixture *f = eaccept_ready();

	f->epcm[TARGET_PAGE].epoch = 9;
	EXPECT_OK(f, user_enclu(f));
	EXPECT_TRUE(!f->epcm[TARGET_PAGE].pending);
}

/* Proves: EACCEPT-41, EACCEPT-42, EACCEPT-43, EACCEPT-44, EACCEPT-45, DBG-13 */
TEST(eaccept, tcs_with_illegal_content_is_gp)
{
	struct fixture *f = eaccept_modified(SGX_PT_TCS);
	struct sgx_tcs *tcs = (void *)f->mem[TARGET_PAGE];

	tcs->ocetssa = 1;
	RULE_GP(f, "EACCEPT-41");
	tcs->ocetssa = 0;
	tcs->reserved[4007] = 1;
	RULE_GP(f, "EACCEPT-41");
	tcs->reserved[4007] = 0;
	tcs->flags = SGX_TCS_DBGOPTIN;
	RULE_GP(f, "EACCEPT-42");
	tcs->flags = 0;
	tcs->cssa = tcs->nssa;
	RULE_GP(f, "EACCEPT-43");
	tcs->cssa = 0;
	tcs->aep = 1;
	RULE_GP(f, "EACCEPT-44");
	tcs->aep = 0;
	tcs->state = 1;
	RULE_GP(f, "EACCEPT-45");
	tcs->state = 0;
	EXPECT_OK(f, user_enclu(f));
	EXPECT_TRUE(!f->epcm[TARGET_PAGE].modified);
}

/* PR is not compared: SECINFO may leave it out, or the page may not have it. */
/* Proves: EACCEPT-17, EACCEPT-36 */
TEST(eaccept, restricted_page_is_accepted)
{
	struct fixture *f = eaccept_ready();
	struct epcm_entry *e = &f->epcm[TARGET_PAGE], expected;

	e->pending = e->w = false;
	e->pr = true;
	e->epoch = 1;
	fixture_secs(f, FIXTURE_SECS)->epoch = 2;
	f->epcm[FIXTURE_TCS].tcs_word = UINT64_C(2) << 32 | FIXTURE_TID;
	secinfo(f)->flags = REG | SGX_SECINFO_R | SGX_SECINFO_PR;
	expected = *e;
	expected.pr = false;
	EXPECT_OK(f, user_enclu(f));
	EXPECT_MEMEQ(e, &expected, sizeof(expected));
	user_regs(f, EACCEPT, INFO, TARGET, 0);
	EXPECT_OK(f, user_enclu(f));		/* again: PR is clear by now */
}
