/* SPDX-License-Identifier: BSD-2-Clause */
/* ETRACK: every check, and the epochs of section 6.7. */
#include "isa/paging.h"

static struct fixture *prepared(void)
{
	struct fixture *f = paging_fixture();

	f->c.regs.rcx = fixture_epc(FIXTURE_SECS);
	return f;
}

/* Proves: ETRACK-01 */
TEST(etrack, misaligned_secs_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rcx += 1;
	EXPECT_GP_UNCHANGED(f, encls_etrack(&f->m, &f->c));
	f->c.regs.rcx = NOT_EPC + 1;	/* before ETRACK-02 */
	EXPECT_GP_UNCHANGED(f, encls_etrack(&f->m, &f->c));
}

/* Proves: ETRACK-02 */
TEST(etrack, secs_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC;
	EXPECT_PF_UNCHANGED(f, encls_etrack(&f->m, &f->c), NOT_EPC);
}

/* Proves: ETRACK-03, CONC-11 */
TEST(etrack, tracking_in_use_is_gp)
{
	struct fixture *f = prepared();

	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;
	EXPECT_GP_UNCHANGED(f, encls_etrack(&f->m, &f->c));
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->track_lock, 1);
}

/* Proves: ETRACK-03 */
TEST(etrack, secs_held_exclusively_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_SECS].lock = EPCM_EXCLUSIVE;
	EXPECT_GP_UNCHANGED(f, encls_etrack(&f->m, &f->c));
	f->epcm[FIXTURE_SECS].valid = false;	/* before ETRACK-04 */
	EXPECT_GP_UNCHANGED(f, encls_etrack(&f->m, &f->c));
	f->epcm[FIXTURE_SECS].valid = true;
	f->epcm[FIXTURE_SECS].lock = 2;		/* shared holders are no conflict */
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
	EXPECT_EQ(f->epcm[FIXTURE_SECS].lock, 2);
}

/* Proves: ETRACK-04 */
TEST(etrack, invalid_page_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = fixture_epc(PAGE_INVALID);
	EXPECT_PF_UNCHANGED(f, encls_etrack(&f->m, &f->c), fixture_epc(PAGE_INVALID));
}

/* Proves: ETRACK-05 */
TEST(etrack, page_that_is_no_secs_is_pf)
{
	static const uint64_t page[] = { FIXTURE_DATA, FIXTURE_TCS, PAGE_VA };
	struct fixture *f = prepared();

	for (unsigned i = 0; i < 3; i++) {
		f->c.regs.rcx = fixture_epc(page[i]);
		EXPECT_PF_UNCHANGED(f, encls_etrack(&f->m, &f->c), fixture_epc(page[i]));
	}
}

/* Proves: ETRACK-06, PAG-06 */
TEST(etrack, previous_cycle_incomplete)
{
	struct fixture *f = prepared();

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->epoch, 2);
	EXPECT_CODE_UNCHANGED(f, encls_etrack(&f->m, &f->c), SGX_PREV_TRK_INCMPL);
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->track_lock, 0);

	enter_by_hand(f, FIXTURE_TCS, 2);	/* left, and came back at once */
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->epoch, 3);
}

/* Proves: A-LIF-7 */
TEST(etrack, thread_that_died_inside_is_not_waited_for)
{
	struct fixture *f = prepared();

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
	f->dead_tid = FIXTURE_TID;
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
}

TEST(etrack, success_changes_the_epoch_only)
{
	struct fixture *f = prepared();

	fixture_snapshot(f);
	EXPECT_OK(f, encls_etrack(&f->m, &f->c));
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->epoch, 2);
	fixture_secs(f, FIXTURE_SECS)->epoch = 1;
	EXPECT_UNCHANGED(f);
}
