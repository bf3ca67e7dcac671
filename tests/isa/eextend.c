/* SPDX-License-Identifier: BSD-2-Clause */
/* EEXTEND, check by check. */
#include "isa/fixture.h"

#define REG_RW	(SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_R | SGX_SECINFO_W)
#define PAGE	5

static enum leaf_status run(struct fixture *f)
{
	return encls_eextend(&f->m, &f->c);
}

/* An uninitialised enclave with one page, ready to extend its first chunk. */
static struct fixture *ready(void)
{
	struct fixture *f = fixture_new();

	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	for (unsigned i = 0; i < 4096; i++)
		f->source[i] = (uint8_t)(i >> 4);
	EXPECT_EQ(fixture_eadd(f, PAGE, 0, FIXTURE_BASE + 0x3000, REG_RW), LEAF_DONE);
	f->c.regs.rax = EEXTEND;
	f->c.regs.rbx = fixture_epc(0);
	f->c.regs.rcx = fixture_epc(PAGE);
	return f;
}

static void untouched(struct fixture *f)
{
	EXPECT_EQ(fixture_secs(f, 0)->measure_blocks, 2);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	EXPECT_EQ(atomic_load(&f->epcm[PAGE].lock), 0);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->measure_lock), 0);
}

TEST(eextend, five_blocks_are_measured)
{
	uint32_t before[8];
	struct fixture *f = ready();

	for (unsigned chunk = 0; chunk < 16; chunk++) {
		f->c.regs.rcx = fixture_epc(PAGE) + chunk * 256;
		memcpy(before, fixture_secs(f, 0)->measure_state, sizeof(before));
		EXPECT_DONE(f, run(f));
		EXPECT_EQ(fixture_secs(f, 0)->measure_blocks, 2 + 5 * (chunk + 1));
		EXPECT_TRUE(memcmp(before, fixture_secs(f, 0)->measure_state, sizeof(before)) != 0);
	}
	EXPECT_EQ(atomic_load(&f->epcm[PAGE].lock), 0);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->measure_lock), 0);
}

/* Proves: EEXTEND-01, EEXTEND-03 */
TEST(eextend, misaligned_operand_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rbx += 2048;
	EXPECT_GP(f, run(f));
	f->c.regs.rbx = fixture_epc(0);
	f->c.regs.rcx += 128;
	EXPECT_GP(f, run(f));
	untouched(f);
}

/* Proves: EEXTEND-02, EEXTEND-04, GEN-02 */
TEST(eextend, operand_outside_epc_is_pf)
{
	const uint64_t outside = fixture_epc(FIXTURE_PAGES), bad = UINT64_C(0x800000000000);
	struct fixture *f = ready();

	f->c.regs.rbx = outside;
	EXPECT_EPC_PF(f, run(f), outside, 0);
	f->c.regs.rbx = bad;
	EXPECT_GP(f, run(f));
	f->c.regs.rbx = fixture_epc(0);
	f->c.regs.rcx = outside + 256;
	EXPECT_EPC_PF(f, run(f), outside + 256, 0);
	f->c.regs.rcx = bad;
	EXPECT_GP(f, run(f));
	untouched(f);
}

/* Proves: EEXTEND-05 */
TEST(eextend, busy_page_is_gp)
{
	struct fixture *f = ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[PAGE]));
	EXPECT_GP(f, run(f));
	epcm_unlock_exclusive(&f->epcm[PAGE]);
	untouched(f);
	EXPECT_TRUE(epcm_lock_shared(&f->epcm[PAGE]));		/* shared with shared, and the SECS is not locked */
	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[0]));
	EXPECT_DONE(f, run(f));
}

/* Proves: EEXTEND-06 */
TEST(eextend, invalid_page_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(PAGE + 1) + 512;
	EXPECT_EPC_PF(f, run(f), fixture_epc(PAGE + 1) + 512, 0);
	untouched(f);
}

/* Proves: EEXTEND-07 */
TEST(eextend, other_page_type_is_pf)
{
	static const enum sgx_pt types[] = { SGX_PT_SECS, SGX_PT_VA, SGX_PT_TRIM, SGX_PT_SS_FIRST, SGX_PT_SS_REST };
	struct fixture *f = ready();

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		f->epcm[PAGE].pt = (uint8_t)types[i];
		EXPECT_EPC_PF(f, run(f), fixture_epc(PAGE), 0);
	}
	untouched(f);
	f->epcm[PAGE].pt = SGX_PT_TCS;
	EXPECT_DONE(f, run(f));
}

/* Proves: EEXTEND-08 */
TEST(eextend, secs_that_does_not_own_the_page_is_gp)
{
	struct fixture *f = ready();

	EXPECT_EQ(fixture_ecreate(f, 1), LEAF_DONE);
	f->c.regs.rbx = fixture_epc(1);
	f->c.regs.rcx = fixture_epc(PAGE);
	EXPECT_GP(f, run(f));
	EXPECT_EQ(fixture_secs(f, 1)->measure_blocks, 1);
	untouched(f);
}

/* Proves: EEXTEND-09, EEXTEND-10, CONC-02 */
TEST(eextend, measurement_in_use_is_gp)
{
	struct fixture *f = ready();

	atomic_store(&fixture_secs(f, 0)->measure_lock, 1);
	EXPECT_GP(f, run(f));
	atomic_store(&fixture_secs(f, 0)->measure_lock, 0);
	untouched(f);
	EXPECT_DONE(f, run(f));
}

/* Proves: EEXTEND-11 */
TEST(eextend, initialised_enclave_is_gp)
{
	struct fixture *f = fixture_new();
	uint64_t blocks;

	fixture_build(f, NULL);
	blocks = fixture_secs(f, FIXTURE_SECS)->measure_blocks;
	f->c.regs.rbx = fixture_epc(FIXTURE_SECS);
	f->c.regs.rcx = fixture_epc(FIXTURE_DATA);
	EXPECT_GP(f, run(f));
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->measure_blocks, blocks);
	EXPECT_EQ(atomic_load(&fixture_secs(f, FIXTURE_SECS)->measure_lock), 0);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_DATA].lock), 0);
}
