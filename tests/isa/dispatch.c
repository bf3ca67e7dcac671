/* SPDX-License-Identifier: BSD-2-Clause */
/* Which leaf EAX picks, and from which side. */
#include "isa/fixture.h"

/* Proves: ENCLS-05 */
TEST(dispatch, encls_without_sgx1_is_ud)
{
	struct fixture *f = fixture_new();

	f->profile.sgx1 = false;
	for (uint64_t eax = 0; eax < 0x20; eax++) {
		f->c.regs.rax = eax;
		EXPECT_UD(f, isa_encls(&f->m, &f->c));
	}
}

/* Proves: ENCLU-06 */
TEST(dispatch, enclu_without_sgx1_is_ud)
{
	struct fixture *f = fixture_new();

	f->profile.sgx1 = false;
	for (uint64_t eax = 0; eax < 0x20; eax++) {
		f->c.regs.rax = eax;
		EXPECT_UD(f, isa_enclu(&f->m, &f->c));
	}
}

/* Proves: ENCLS-10 */
TEST(dispatch, encls_hole_is_gp)
{
	static const uint64_t holes[] = { ERDINFO, ETRACKC, ELDBC, ELDUC, 0x14, EUPDATESVN, 0x19, 0x100, 0xffffffff };
	struct fixture *f = fixture_new();

	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		f->c.regs.rax = holes[i];
		EXPECT_GP(f, isa_encls(&f->m, &f->c));
	}
}

/* Proves: ENCLS-10 */
TEST(dispatch, encls_sgx2_leaf_without_sgx2_is_gp)
{
	struct fixture *f = fixture_new();

	f->profile.sgx2 = false;
	fixture_build(f, NULL);
	f->c.regs.rax = EMODPR;
	f->c.regs.rbx = host(&f->secinfo);
	f->c.regs.rcx = fixture_epc(FIXTURE_DATA);
	f->secinfo = (struct sgx_secinfo){ .flags = SGX_SECINFO_R };
	EXPECT_GP(f, isa_encls(&f->m, &f->c));
	f->profile.sgx2 = true;
	EXPECT_OK(f, isa_encls(&f->m, &f->c));
	EXPECT_TRUE(!f->epcm[FIXTURE_DATA].w);
}

/* Proves: ENCLU-11, ENCLU-23 */
TEST(dispatch, enclu_hole_is_gp)
{
	static const uint64_t holes[] = { EVERIFYREPORT2, EDECCSSA, 0x0a, 0x100, 0xffffffff };
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		f->c.regs.rax = holes[i];
		EXPECT_GP(f, isa_enclu(&f->m, &f->c));
	}
	fixture_inside(f);
	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		f->c.regs.rax = holes[i];
		EXPECT_GP(f, isa_enclu(&f->m, &f->c));
	}
}

/* Proves: ENCLU-11 */
TEST(dispatch, enclu_sgx2_leaf_without_sgx2_is_gp)
{
	static const uint64_t leaves[] = { EACCEPT, EMODPE, EACCEPTCOPY };
	struct fixture *f = fixture_new();

	f->profile.sgx2 = false;
	fixture_build(f, NULL);
	fixture_inside(f);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		f->c.regs.rax = leaves[i];
		EXPECT_GP(f, isa_enclu(&f->m, &f->c));
	}
}

/* The leaf sees EAX only: with a valid operand ECREATE runs whatever RAX has above. */
TEST(dispatch, upper_half_of_rax_does_not_count)
{
	struct fixture *f = fixture_new();

	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	f->c.regs.rax = UINT64_C(0xdeadbeef00000000) | EPA;
	f->c.regs.rbx = SGX_PT_VA;
	f->c.regs.rcx = fixture_epc(1);
	EXPECT_DONE(f, isa_encls(&f->m, &f->c));
	EXPECT_EQ(f->epcm[1].pt, SGX_PT_VA);
}

/* Proves: ENCLU-15, ENCLU-16 */
TEST(dispatch, entry_from_inside_is_gp)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	fixture_inside(f);
	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, 0);	/* so that the TCS itself would be free */
	f->c.regs.rbx = FIXTURE_BASE;
	f->c.regs.rcx = 0x400000;
	f->c.regs.rax = EENTER;
	EXPECT_GP(f, isa_enclu(&f->m, &f->c));
	f->c.regs.rax = ERESUME;
	EXPECT_GP(f, isa_enclu(&f->m, &f->c));
}

/* Proves: ENCLU-17, ENCLU-18, ENCLU-19, ENCLU-20, ENCLU-21, ENCLU-22 */
TEST(dispatch, inside_leaf_from_outside_is_gp)
{
	static const uint64_t leaves[] = { EREPORT, EGETKEY, EEXIT, EACCEPT, EMODPE, EACCEPTCOPY };
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		f->c.regs.rax = leaves[i];
		EXPECT_GP(f, isa_enclu(&f->m, &f->c));
	}
}
