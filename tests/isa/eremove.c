/* SPDX-License-Identifier: BSD-2-Clause */
/* EREMOVE, check by check, and the list of TCS pages that it and EADD keep. */
#include "isa/fixture.h"

static enum leaf_status run(struct fixture *f, uint64_t index)
{
	f->c.regs.rcx = fixture_epc(index);
	return encls_eremove(&f->m, &f->c);
}

/* The default enclave with RCX = @index. */
static struct fixture *ready(uint64_t index)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	f->c.regs.rcx = fixture_epc(index);
	return f;
}

TEST(eremove, whole_enclave_page_by_page)
{
	struct fixture *f = ready(FIXTURE_SECS);
	uint64_t generation = atomic_load(&f->generation);

	for (uint64_t i = FIXTURE_TCS; i <= FIXTURE_RODATA; i++) {
		f->c.regs.rcx = fixture_epc(i);
		EXPECT_OK(f, run(f, i));
		EXPECT_TRUE(!f->epcm[i].valid);
		EXPECT_EQ(atomic_load(&f->epcm[i].lock), 0);
		EXPECT_EQ(atomic_load(&fixture_secs(f, FIXTURE_SECS)->children), FIXTURE_RODATA - i);
		EXPECT_TRUE(atomic_load(&f->generation) > generation);
		generation = atomic_load(&f->generation);
	}
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->tcs_first, 0);
	f->c.regs.rcx = fixture_epc(FIXTURE_SECS);
	EXPECT_OK(f, run(f, FIXTURE_SECS));
	EXPECT_TRUE(!f->epcm[FIXTURE_SECS].valid);
}

/* Proves: EREMOVE-01 */
TEST(eremove, misaligned_page_is_gp)
{
	struct fixture *f = ready(FIXTURE_DATA);

	f->c.regs.rcx += 1;
	EXPECT_GP(f, encls_eremove(&f->m, &f->c));
	EXPECT_TRUE(f->epcm[FIXTURE_DATA].valid);
}

/* Proves: EREMOVE-02, GEN-02 */
TEST(eremove, page_outside_epc_is_pf)
{
	struct fixture *f = fixture_new();

	f->c.regs.rcx = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, encls_eremove(&f->m, &f->c), fixture_epc(FIXTURE_PAGES), 0);
	f->c.regs.rcx = UINT64_C(0x800000000000);
	EXPECT_GP(f, encls_eremove(&f->m, &f->c));
}

/* Proves: EREMOVE-03, CONC-01, CONC-09 */
TEST(eremove, busy_page_is_gp)
{
	struct fixture *f = ready(FIXTURE_DATA);

	EXPECT_TRUE(epcm_lock_shared(&f->epcm[FIXTURE_DATA]));
	fixture_snapshot(f);
	EXPECT_GP(f, encls_eremove(&f->m, &f->c));
	EXPECT_UNCHANGED(f);
	epcm_unlock_shared(&f->epcm[FIXTURE_DATA]);
	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_DATA]));
	EXPECT_GP(f, encls_eremove(&f->m, &f->c));
}

/* Proves: EREMOVE-04 */
TEST(eremove, free_page_is_no_error)
{
	struct fixture *f = ready(FIXTURE_FREE);

	fixture_snapshot(f);
	EXPECT_OK(f, encls_eremove(&f->m, &f->c));
	EXPECT_UNCHANGED(f);
}

/* Proves: EREMOVE-05 */
TEST(eremove, secs_with_children_stays)
{
	struct fixture *f = ready(FIXTURE_SECS);

	fixture_snapshot(f);
	EXPECT_CODE(f, encls_eremove(&f->m, &f->c), SGX_CHILD_PRESENT);
	EXPECT_UNCHANGED(f);
}

/* Proves: EREMOVE-07 */
TEST(eremove, page_of_an_active_enclave_stays)
{
	static const enum sgx_pt types[] = { SGX_PT_REG, SGX_PT_TCS, SGX_PT_TRIM };
	struct fixture *f = ready(FIXTURE_DATA);

	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(1) << 32 | 4711);
	f->epcm[FIXTURE_DATA].modified = true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		f->epcm[FIXTURE_DATA].pt = (uint8_t)types[i];
		fixture_snapshot(f);
		EXPECT_CODE(f, encls_eremove(&f->m, &f->c), SGX_ENCLAVE_ACT);
		EXPECT_UNCHANGED(f);
	}
	f->c.regs.rcx = fixture_epc(FIXTURE_TCS);
	EXPECT_CODE(f, encls_eremove(&f->m, &f->c), SGX_ENCLAVE_ACT);
	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, 0);
	EXPECT_OK(f, encls_eremove(&f->m, &f->c));
}

/* Proves: EREMOVE-07 */
TEST(eremove, accepted_trim_page_goes_while_threads_are_inside)
{
	struct fixture *f = ready(FIXTURE_DATA);

	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(1) << 32 | 4711);
	f->epcm[FIXTURE_DATA].pt = SGX_PT_TRIM;
	EXPECT_OK(f, encls_eremove(&f->m, &f->c));
	EXPECT_TRUE(!f->epcm[FIXTURE_DATA].valid);
}

/* Proves: EREMOVE-07 */
TEST(eremove, version_array_does_not_care_for_threads)
{
	struct fixture *f = ready(FIXTURE_FREE);

	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(1) << 32 | 4711);
	f->c.regs.rbx = SGX_PT_VA;
	EXPECT_DONE(f, encls_epa(&f->m, &f->c));
	EXPECT_OK(f, encls_eremove(&f->m, &f->c));
	EXPECT_EQ(atomic_load(&fixture_secs(f, FIXTURE_SECS)->children), 6);
}

/* A thread that died inside is not inside. */
TEST(eremove, dead_owner_of_a_tcs_does_not_count)
{
	struct fixture *f = ready(FIXTURE_DATA);

	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(1) << 32 | 4711);
	f->dead_tid = 4711;
	EXPECT_OK(f, encls_eremove(&f->m, &f->c));
}

TEST(track, threads_count_from_their_epoch)
{
	struct fixture *f = ready(FIXTURE_DATA);
	struct epc_page secs = fixture_page(f, FIXTURE_SECS);

	EXPECT_TRUE(!track_any_inside(&f->m, &secs, UINT32_MAX));
	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(5) << 32 | 4711);
	EXPECT_TRUE(!track_any_inside(&f->m, &secs, 4));
	EXPECT_TRUE(track_any_inside(&f->m, &secs, 5));

	atomic_store(&fixture_secs(f, FIXTURE_SECS)->epoch, 5);
	EXPECT_TRUE(track_done(&f->m, &secs, 4));
	EXPECT_TRUE(!track_done(&f->m, &secs, 5));		/* no ETRACK since */
	atomic_store(&fixture_secs(f, FIXTURE_SECS)->epoch, 6);
	EXPECT_TRUE(!track_done(&f->m, &secs, 5));		/* one thread of epoch 5 left */
	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, 0);
	EXPECT_TRUE(track_done(&f->m, &secs, 5));
}

TEST(track, list_keeps_every_tcs_page)
{
	struct fixture *f = fixture_new();
	struct epc_page secs, page[4];
	static const unsigned removal[] = { 2, 0, 3, 1 };

	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	secs = fixture_page(f, 0);
	for (unsigned i = 0; i < 4; i++) {
		page[i] = fixture_page(f, 10 + i);
		track_tcs_link(&secs, &page[i]);
		atomic_store(&page[i].epcm->tcs_word, UINT64_C(1) << 32 | (i + 1));
	}
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_TRUE(track_any_inside(&f->m, &secs, 1));
		track_tcs_unlink(&secs, &page[removal[i]]);
		track_tcs_unlink(&secs, &page[removal[i]]);	/* not listed: nothing happens */
	}
	EXPECT_TRUE(!track_any_inside(&f->m, &secs, 1));
	EXPECT_EQ(secs_of(&secs)->tcs_first, 0);
}
