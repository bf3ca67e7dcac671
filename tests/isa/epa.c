/* SPDX-License-Identifier: BSD-2-Clause */
/* EPA, check by check. */
#include "isa/fixture.h"

static enum leaf_status run(struct fixture *f)
{
	return encls_epa(&f->m, &f->c);
}

static struct fixture *ready(void)
{
	struct fixture *f = fixture_new();

	f->c.regs.rbx = SGX_PT_VA;
	f->c.regs.rcx = fixture_epc(3);
	memset(f->mem[3], 0xff, 4096);
	return f;
}

TEST(epa, page_becomes_an_empty_version_array)
{
	static const uint8_t zero[4096];
	struct fixture *f = ready();

	f->epcm[3].w = f->epcm[3].blocked = true;
	EXPECT_DONE(f, run(f));
	EXPECT_MEMEQ(f->mem[3], zero, 4096);
	EXPECT_TRUE(f->epcm[3].valid && !f->epcm[3].r && !f->epcm[3].w && !f->epcm[3].x && !f->epcm[3].blocked);
	EXPECT_EQ(f->epcm[3].pt, SGX_PT_VA);
	EXPECT_EQ(f->epcm[3].enclaveaddress, 0);
	EXPECT_EQ(atomic_load(&f->epcm[3].lock), 0);
}

/* Proves: EPA-01 */
TEST(epa, other_page_type_is_gp)
{
	static const uint64_t values[] = { 0, 1, 2, 4, 0x103, UINT64_C(1) << 32 | 3 };
	struct fixture *f = ready();

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		f->c.regs.rbx = values[i];
		EXPECT_GP(f, run(f));
	}
	EXPECT_TRUE(!f->epcm[3].valid);
}

/* Proves: EPA-02 */
TEST(epa, misaligned_target_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rcx += 8;
	EXPECT_GP(f, run(f));
}

/* Proves: EPA-03, GEN-02 */
TEST(epa, target_outside_epc_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_PAGES), 0);
	f->c.regs.rcx = UINT64_C(0x800000000000);
	EXPECT_GP(f, run(f));
}

/* Proves: EPA-04, CONC-01 */
TEST(epa, busy_target_is_gp)
{
	struct fixture *f = ready();

	EXPECT_TRUE(epcm_lock_shared(&f->epcm[3]));
	EXPECT_GP(f, run(f));
	EXPECT_TRUE(!f->epcm[3].valid);
	EXPECT_EQ(f->mem[3][0], 0xff);
}

/* Proves: EPA-05 */
TEST(epa, used_target_is_pf)
{
	struct fixture *f = ready();

	EXPECT_DONE(f, run(f));
	f->mem[3][8] = 8;
	EXPECT_EPC_PF(f, run(f), fixture_epc(3), 0);
	EXPECT_EQ(f->mem[3][8], 8);
	EXPECT_EQ(atomic_load(&f->epcm[3].lock), 0);
}
