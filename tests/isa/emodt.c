/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODT: every check in its order, and the page it leaves. */
#include "isa/paging.h"

static struct fixture *prepared(enum sgx_pt pt)
{
	struct fixture *f = paging_fixture();

	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(pt));
	return f;
}

/* Proves: EMODT-01 */
TEST(emodt, misaligned_secinfo_is_gp)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	/* right but for the alignment */
	memcpy(f->source + 32, &f->secinfo, sizeof(f->secinfo));
	f->c.regs.rbx = host(f->source + 32);
	EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
}

/* Proves: EMODT-02 */
TEST(emodt, misaligned_page_is_gp)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->c.regs.rcx = NOT_EPC + 2048;	/* before EMODT-03 */
	EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
}

/* Proves: EMODT-03 */
TEST(emodt, page_outside_epc_is_pf)
{
	struct fixture *f = prepared(SGX_PT_REG);	/* before EMODT-05 */

	f->c.regs.rcx = NOT_EPC;
	EXPECT_PF_UNCHANGED(f, encls_emodt(&f->m, &f->c), NOT_EPC);
}

/* Proves: EMODT-04 */
TEST(emodt, reserved_bits_are_gp)
{
	static const uint64_t bit[] = { 6, 7, 16, 31, 32, 63 };
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->epcm[FIXTURE_DATA].lock = 1;		/* before EMODT-06 */
	for (unsigned i = 0; i < 6; i++) {
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(SGX_PT_TRIM) | UINT64_C(1) << bit[i]);
		EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
	}
	for (unsigned i = 0; i < 56; i++) {
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(SGX_PT_TRIM));
		f->secinfo.reserved[i] = 1;
		EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
	}
}

/* Proves: EMODT-05 */
TEST(emodt, new_type_other_than_tcs_and_trim_is_gp)
{
	struct fixture *f = prepared(SGX_PT_REG);

	f->epcm[FIXTURE_DATA].lock = 1;		/* before EMODT-06 */
	for (unsigned pt = 0; pt < 256; pt++) {
		if (pt == SGX_PT_TCS || pt == SGX_PT_TRIM)
			continue;
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(pt));
		EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
	}
}

/* Proves: EMODT-06, CONC-06 */
TEST(emodt, page_in_use_by_an_sgx1_leaf_is_conflict)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->epcm[FIXTURE_DATA].lock = 1;
	EXPECT_CODE_UNCHANGED(f, encls_emodt(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
	f->epcm[FIXTURE_DATA].lock = EPCM_EXCLUSIVE;
	f->epcm[FIXTURE_DATA].valid = false;	/* before EMODT-07 */
	EXPECT_CODE_UNCHANGED(f, encls_emodt(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
}

/* Proves: EMODT-07 */
TEST(emodt, invalid_page_is_pf)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->epcm[FIXTURE_DATA].valid = false;
	f->epcm[FIXTURE_DATA].pending = true;	/* before EMODT-11 */
	EXPECT_PF_UNCHANGED(f, encls_emodt(&f->m, &f->c), fixture_epc(FIXTURE_DATA));
}

/* Proves: EMODT-08, CONC-05 */
TEST(emodt, page_in_use_by_another_sgx2_leaf_is_conflict)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->epcm[FIXTURE_DATA].lock = EPCM_SGX2 | 1;
	f->epcm[FIXTURE_DATA].pending = true;	/* before EMODT-11 */
	EXPECT_CODE_UNCHANGED(f, encls_emodt(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
}

/* Proves: EMODT-09 */
TEST(emodt, page_that_is_secs_va_or_trim_is_pf)
{
	struct fixture *f = prepared(SGX_PT_TRIM);
	const uint64_t page[] = { FIXTURE_SECS, PAGE_VA, FIXTURE_CODE };

	EXPECT_EQ(do_emodt(f, FIXTURE_CODE, SGX_PT_TRIM), 0);	/* MODIFIED: before EMODT-12 */
	for (unsigned i = 0; i < 3; i++) {
		prepare_modify(f, page[i], SGX_SECINFO_OF_PT(SGX_PT_TRIM));
		EXPECT_PF_UNCHANGED(f, encls_emodt(&f->m, &f->c), fixture_epc(page[i]));
		prepare_modify(f, page[i], SGX_SECINFO_OF_PT(SGX_PT_TCS));
		EXPECT_PF_UNCHANGED(f, encls_emodt(&f->m, &f->c), fixture_epc(page[i]));
	}
}

/* Proves: EMODT-10 */
TEST(emodt, tcs_to_tcs_is_pf)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	f->epcm[FIXTURE_TCS].modified = true;	/* before EMODT-12 */
	prepare_modify(f, FIXTURE_TCS, SGX_SECINFO_OF_PT(SGX_PT_TCS));
	EXPECT_PF_UNCHANGED(f, encls_emodt(&f->m, &f->c), fixture_epc(FIXTURE_TCS));
}

/* Proves: EMODT-11 */
TEST(emodt, pending_page_is_not_modifiable)
{
	struct fixture *f = prepared(SGX_PT_TRIM);

	EXPECT_EQ(do_eaug(f, PAGE_SPARE, FIXTURE_SECS, FIXTURE_BASE + 0x20000), LEAF_DONE);
	prepare_modify(f, PAGE_SPARE, SGX_SECINFO_OF_PT(SGX_PT_TCS));
	EXPECT_CODE_UNCHANGED(f, encls_emodt(&f->m, &f->c), SGX_PAGE_NOT_MODIFIABLE);
}

/* Proves: EMODT-12 */
TEST(emodt, modified_page_is_not_modifiable)
{
	struct fixture *f = prepared(SGX_PT_TCS);

	EXPECT_OK(f, encls_emodt(&f->m, &f->c));
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(SGX_PT_TRIM));
	EXPECT_CODE_UNCHANGED(f, encls_emodt(&f->m, &f->c), SGX_PAGE_NOT_MODIFIABLE);
}

/* Proves: EMODT-13 */
TEST(emodt, enclave_that_is_not_initialised_is_gp)
{
	struct enclave_spec spec = fixture_spec();
	struct fixture *f = fixture_new();

	spec.uninitialised = true;
	fixture_build(f, &spec);
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(SGX_PT_TRIM));
	EXPECT_GP_UNCHANGED(f, encls_emodt(&f->m, &f->c));
}

TEST(emodt, page_becomes_modified_without_permissions)
{
	static const enum sgx_pt new_type[] = { SGX_PT_TCS, SGX_PT_TRIM };

	for (unsigned i = 0; i < 2; i++) {
		struct fixture *f = prepared(new_type[i]);
		struct epcm_entry want;
		uint64_t generation;

		EXPECT_EQ(do_emodpr(f, FIXTURE_DATA, SGX_SECINFO_R), 0);
		EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
		generation = f->generation;
		want = f->epcm[FIXTURE_DATA];
		want.pr = want.r = want.w = want.x = false;
		want.modified = true;
		want.pt = new_type[i];
		want.epoch = 2;
		want.tcs_next = new_type[i] == SGX_PT_TCS ? fixture_secs(f, FIXTURE_SECS)->tcs_first : 0;
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_OF_PT(new_type[i]));
		EXPECT_OK(f, encls_emodt(&f->m, &f->c));
		EXPECT_EPCM(f, FIXTURE_DATA, want);
		EXPECT_EQ(tcs_listed(f, FIXTURE_SECS, FIXTURE_DATA), new_type[i] == SGX_PT_TCS);
		EXPECT_TRUE(tcs_listed(f, FIXTURE_SECS, FIXTURE_TCS));
		EXPECT_TRUE(f->generation > generation);
	}
}

/* Section 6.7: the thread that entered by a TCS counts until it leaves, even if the TCS is trimmed meanwhile. */
TEST(emodt, thread_inside_a_trimmed_tcs_is_still_tracked)
{
	struct fixture *f = paging_fixture();
	static struct backing out;

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_EQ(do_emodt(f, FIXTURE_TCS, SGX_PT_TRIM), 0);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), SGX_NOT_TRACKED);
	leave_by_hand(f, FIXTURE_TCS);
	EXPECT_EQ(do_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 0), &out), 0);
}
