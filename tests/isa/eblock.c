/* SPDX-License-Identifier: BSD-2-Clause */
/* EBLOCK: every check in its order, and what a success changes. */
#include "isa/paging.h"

static struct fixture *prepared(uint64_t index)
{
	struct fixture *f = paging_fixture();

	f->c.regs.rcx = fixture_epc(index);
	return f;
}

/* Proves: EBLOCK-01 */
TEST(eblock, misaligned_page_is_gp)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	f->c.regs.rcx += 8;
	EXPECT_GP_UNCHANGED(f, encls_eblock(&f->m, &f->c));
	f->c.regs.rcx = NOT_EPC + 8;	/* before EBLOCK-02 */
	EXPECT_GP_UNCHANGED(f, encls_eblock(&f->m, &f->c));
}

/* Proves: EBLOCK-02 */
TEST(eblock, page_outside_epc_is_pf)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	f->c.regs.rcx = NOT_EPC;
	EXPECT_PF_UNCHANGED(f, encls_eblock(&f->m, &f->c), NOT_EPC);
}

/* Proves: GEN-02 */
TEST(eblock, address_that_is_not_canonical_is_gp)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	f->c.regs.rcx = NOT_CANONICAL;
	EXPECT_GP_UNCHANGED(f, encls_eblock(&f->m, &f->c));
}

/* Proves: EBLOCK-03, CONC-03 */
TEST(eblock, page_held_exclusively_is_conflict)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	f->epcm[FIXTURE_DATA].lock = EPCM_EXCLUSIVE;
	EXPECT_CODE_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
	f->epcm[FIXTURE_DATA].valid = false;	/* before EBLOCK-04 */
	EXPECT_CODE_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
}

/* Proves: EBLOCK-03 */
TEST(eblock, page_held_shared_is_no_conflict)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	f->epcm[FIXTURE_DATA].lock = 1 | EPCM_SGX2;
	EXPECT_OK(f, encls_eblock(&f->m, &f->c));
	EXPECT_EQ(f->epcm[FIXTURE_DATA].lock, 1 | EPCM_SGX2);
	EXPECT_TRUE(f->epcm[FIXTURE_DATA].blocked);
}

/* Proves: EBLOCK-04 */
TEST(eblock, invalid_page_is_pg_invld)
{
	struct fixture *f = prepared(PAGE_INVALID);

	EXPECT_CODE_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_PG_INVLD);
}

/* Proves: EBLOCK-05 */
TEST(eblock, secs_is_pg_is_secs)
{
	struct fixture *f = prepared(FIXTURE_SECS);

	EXPECT_INFO_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_PG_IS_SECS);
}

/* Proves: EBLOCK-06 */
TEST(eblock, va_page_is_not_blockable)
{
	struct fixture *f = prepared(PAGE_VA);

	EXPECT_INFO_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_NOTBLOCKABLE);
}

/* Proves: EBLOCK-07, PAG-08 */
TEST(eblock, blocked_page_is_blkstate)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	EXPECT_OK(f, encls_eblock(&f->m, &f->c));
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	f->c.regs.rcx = fixture_epc(FIXTURE_DATA);
	EXPECT_INFO_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_BLKSTATE);	/* the stamp stays too */
	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;	/* before EBLOCK-08 */
	EXPECT_INFO_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_BLKSTATE);
}

/* Proves: EBLOCK-08 */
TEST(eblock, running_etrack_is_entryepoch_locked)
{
	struct fixture *f = prepared(FIXTURE_DATA);

	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;
	EXPECT_CODE_UNCHANGED(f, encls_eblock(&f->m, &f->c), SGX_ENTRYEPOCH_LOCKED);
}

TEST(eblock, child_page_is_blocked_and_stamped)
{
	static const uint64_t page[] = { FIXTURE_DATA, FIXTURE_TCS, FIXTURE_CODE };
	struct fixture *f = paging_fixture();

	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	EXPECT_EQ(do_emodt(f, FIXTURE_CODE, SGX_PT_TRIM), 0);	/* the third type */
	for (unsigned i = 0; i < 3; i++) {
		struct epcm_entry want = f->epcm[page[i]];
		uint64_t generation = f->generation;

		fixture_snapshot(f);
		f->c.regs.rcx = fixture_epc(page[i]);
		EXPECT_OK(f, encls_eblock(&f->m, &f->c));
		want.blocked = true;
		want.epoch = 2;
		EXPECT_EPCM(f, page[i], want);
		EXPECT_MEMEQ(f->mem, f->before.mem, sizeof(f->mem));
		EXPECT_TRUE(f->generation > generation);
	}
}
