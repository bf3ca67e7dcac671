/* SPDX-License-Identifier: BSD-2-Clause */
/* EMODPR: every check in its order, and what it takes away. */
#include "isa/paging.h"

static struct fixture *prepared(uint64_t flags)
{
	struct fixture *f = paging_fixture();

	prepare_modify(f, FIXTURE_DATA, flags);
	return f;
}

/* Proves: EMODPR-01 */
TEST(emodpr, misaligned_secinfo_is_gp)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	/* right but for the alignment */
	memcpy(f->source + 32, &f->secinfo, sizeof(f->secinfo));
	f->c.regs.rbx = host(f->source + 32);
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
}

/* Proves: EMODPR-02 */
TEST(emodpr, misaligned_page_is_gp)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	f->c.regs.rcx = NOT_EPC + 1;	/* before EMODPR-03 */
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
}

/* Proves: EMODPR-03 */
TEST(emodpr, page_outside_epc_is_pf)
{
	struct fixture *f = prepared(SGX_SECINFO_W);	/* before EMODPR-05 */

	f->c.regs.rcx = NOT_EPC;
	EXPECT_PF_UNCHANGED(f, encls_emodpr(&f->m, &f->c), NOT_EPC);
}

/* Proves: EMODPR-04 */
TEST(emodpr, reserved_bits_are_gp)
{
	static const uint64_t bit[] = { 6, 7, 16, 31, 32, 63 };
	struct fixture *f = prepared(0);

	f->epcm[FIXTURE_DATA].lock = EPCM_SGX2 | 1;	/* before EMODPR-08 */
	for (unsigned i = 0; i < 6; i++) {
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_R | UINT64_C(1) << bit[i]);
		EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
	}
	for (unsigned i = 0; i < 56; i++) {
		prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_R);
		f->secinfo.reserved[i] = 0x10;
		EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
	}
}

/* Proves: EMODPR-05 */
TEST(emodpr, write_without_read_is_gp)
{
	struct fixture *f = prepared(SGX_SECINFO_W);

	f->epcm[FIXTURE_DATA].pending = true;	/* before EMODPR-09 */
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_W | SGX_SECINFO_X);
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
}

/* Proves: EMODPR-06 */
TEST(emodpr, page_held_exclusively_is_gp)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	f->epcm[FIXTURE_DATA].lock = EPCM_EXCLUSIVE;
	f->epcm[FIXTURE_DATA].valid = false;	/* before EMODPR-07 */
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
}

/* Proves: EMODPR-07 */
TEST(emodpr, invalid_page_is_pf)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	f->epcm[FIXTURE_DATA].valid = false;
	f->epcm[FIXTURE_DATA].lock = EPCM_SGX2 | 1;	/* before EMODPR-08 */
	EXPECT_PF_UNCHANGED(f, encls_emodpr(&f->m, &f->c), fixture_epc(FIXTURE_DATA));
}

/* Proves: EMODPR-08, CONC-04 */
TEST(emodpr, page_in_use_by_another_sgx2_leaf_is_conflict)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	f->epcm[FIXTURE_DATA].pending = true;	/* before EMODPR-09 */
	f->epcm[FIXTURE_DATA].lock = EPCM_SGX2 | 1;
	EXPECT_CODE_UNCHANGED(f, encls_emodpr(&f->m, &f->c), SGX_EPC_PAGE_CONFLICT);
}

/* Proves: EMODPR-08 */
TEST(emodpr, page_held_shared_by_an_sgx1_leaf_is_no_conflict)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	f->epcm[FIXTURE_DATA].lock = 2;
	EXPECT_OK(f, encls_emodpr(&f->m, &f->c));
	EXPECT_EQ(f->epcm[FIXTURE_DATA].lock, 2);
}

/* Proves: EMODPR-09 */
TEST(emodpr, pending_page_is_not_modifiable)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	EXPECT_EQ(do_eaug(f, PAGE_SPARE, FIXTURE_SECS, FIXTURE_BASE + 0x20000), LEAF_DONE);
	prepare_modify(f, PAGE_SPARE, SGX_SECINFO_R);
	EXPECT_CODE_UNCHANGED(f, encls_emodpr(&f->m, &f->c), SGX_PAGE_NOT_MODIFIABLE);
}

/* Proves: EMODPR-10 */
TEST(emodpr, modified_page_is_not_modifiable)
{
	struct fixture *f = prepared(SGX_SECINFO_R);

	EXPECT_EQ(do_emodt(f, FIXTURE_DATA, SGX_PT_TRIM), 0);	/* before EMODPR-11 */
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_R);
	EXPECT_CODE_UNCHANGED(f, encls_emodpr(&f->m, &f->c), SGX_PAGE_NOT_MODIFIABLE);
}

/* Proves: EMODPR-11 */
TEST(emodpr, page_that_is_not_regular_is_pf)
{
	static const uint64_t page[] = { FIXTURE_TCS, FIXTURE_SECS, PAGE_VA };
	struct fixture *f = prepared(SGX_SECINFO_R);

	for (unsigned i = 0; i < 3; i++) {
		prepare_modify(f, page[i], SGX_SECINFO_R);
		EXPECT_PF_UNCHANGED(f, encls_emodpr(&f->m, &f->c), fixture_epc(page[i]));
	}
	f->epcm[FIXTURE_DATA].pt = SGX_PT_TRIM;		/* trimmed and accepted */
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_R);
	EXPECT_PF_UNCHANGED(f, encls_emodpr(&f->m, &f->c), fixture_epc(FIXTURE_DATA));
}

/* Proves: EMODPR-12 */
TEST(emodpr, enclave_that_is_not_initialised_is_gp)
{
	struct enclave_spec spec = fixture_spec();
	struct fixture *f = fixture_new();

	spec.uninitialised = true;
	fixture_build(f, &spec);
	prepare_modify(f, FIXTURE_DATA, SGX_SECINFO_R);
	EXPECT_GP_UNCHANGED(f, encls_emodpr(&f->m, &f->c));
}

TEST(emodpr, permissions_are_intersected)
{
	for (unsigned have = 0; have < 8; have++) {
		for (unsigned mask = 0; mask < 8; mask++) {
			struct fixture *f;
			struct epcm_entry *e, want;
			uint64_t generation;

			if ((have & 3) == 2 || (mask & 3) == 2)
				continue;
			f = paging_fixture();
			e = &f->epcm[FIXTURE_DATA];
			e->r = have & 1;
			e->w = have & 2;
			e->x = have & 4;
			e->blocked = true;	/* is not looked at */
			want = *e;
			want.r = have & mask & 1;
			want.w = have & mask & 2;
			want.x = have & mask & 4;
			want.pr = true;
			want.epoch = 1;
			generation = f->generation;
			fixture_snapshot(f);
			/* PT and the flags behind RWX of the operand are not used */
			prepare_modify(f, FIXTURE_DATA, mask | SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED |
				       SGX_SECINFO_PR | SGX_SECINFO_OF_PT(SGX_PT_TCS));
			EXPECT_OK(f, encls_emodpr(&f->m, &f->c));
			EXPECT_EPCM(f, FIXTURE_DATA, want);
			EXPECT_MEMEQ(f->mem, f->before.mem, sizeof(f->mem));
			EXPECT_TRUE(f->generation > generation);
		}
	}
}
