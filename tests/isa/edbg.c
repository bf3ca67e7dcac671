/* SPDX-License-Identifier: BSD-2-Clause */
/* EDBGRD and EDBGWR, check by check: the two differ in what they refuse of VA and TCS pages. */
#include "isa/fixture.h"

#define DATA	UINT64_C(0x1122334455667788)

static enum leaf_status read8(struct fixture *f)
{
	return encls_edbgrd(&f->m, &f->c);
}

static enum leaf_status write8(struct fixture *f)
{
	return encls_edbgwr(&f->m, &f->c);
}

static struct fixture *ready(uint64_t index, uint64_t offset)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	f->c.regs.rbx = DATA;
	f->c.regs.rcx = fixture_epc(index) + offset;
	return f;
}

TEST(edbgrd, word_of_a_regular_page)
{
	struct fixture *f = ready(FIXTURE_DATA, 0xff8);

	memcpy(f->mem[FIXTURE_DATA] + 0xff8, &(uint64_t){ 0x0102030405060708 }, 8);
	f->epcm[FIXTURE_DATA].r = f->epcm[FIXTURE_DATA].w = false;	/* permissions do not matter, nor BLOCKED */
	f->epcm[FIXTURE_DATA].blocked = true;
	fixture_snapshot(f);
	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, 0x0102030405060708);
	EXPECT_UNCHANGED(f);
}

TEST(edbgrd, word_of_a_tcs)
{
	struct fixture *f = ready(FIXTURE_TCS, offsetof(struct sgx_tcs, oentry));

	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, 0x1000);
	f->c.regs.rcx = fixture_epc(FIXTURE_TCS) + 24;
	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, UINT64_C(2) << 32);	/* CSSA 0, NSSA 2 */
}

TEST(edbgrd, version_slot_tells_only_whether_it_is_used)
{
	struct fixture *f = ready(FIXTURE_FREE, 0);
	uint64_t *slot = (uint64_t *)(void *)f->mem[FIXTURE_FREE];

	f->c.regs.rbx = SGX_PT_VA;
	EXPECT_DONE(f, encls_epa(&f->m, &f->c));
	slot[1] = 0x7;
	slot[2] = 0x1238;
	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, 0);
	f->c.regs.rcx += 8;
	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, 0);
	f->c.regs.rcx += 8;
	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, UINT64_MAX);
}

TEST(edbgwr, word_is_stored)
{
	struct fixture *f = ready(FIXTURE_RODATA, 0x10);

	EXPECT_OK(f, write8(f));
	EXPECT_MEMEQ(f->mem[FIXTURE_RODATA] + 0x10, &(uint64_t){ DATA }, 8);
	EXPECT_EQ(f->mem[FIXTURE_RODATA][0x0f], 0xc5);
	EXPECT_EQ(f->mem[FIXTURE_RODATA][0x18], 0xc5);
	EXPECT_EQ(f->c.regs.rbx, DATA);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_RODATA].lock), 0);
}

TEST(edbgwr, tcs_flags_are_stored_reserved_bits_included)
{
	struct fixture *f = ready(FIXTURE_TCS, 8);
	uint64_t generation = atomic_load(&f->generation);

	EXPECT_OK(f, write8(f));
	EXPECT_EQ(((struct sgx_tcs *)(void *)f->mem[FIXTURE_TCS])->flags, DATA);
	EXPECT_TRUE(atomic_load(&f->generation) > generation);
}

/* Proves: EDBGRD-01, EDBGWR-01 */
TEST(edbg, misaligned_address_is_gp)
{
	for (unsigned offset = 1; offset < 8; offset++) {
		struct fixture *f = ready(FIXTURE_DATA, offset);

		EXPECT_GP(f, read8(f));
		EXPECT_GP(f, write8(f));
	}
}

/* Proves: EDBGRD-03, EDBGWR-03, GEN-02 */
TEST(edbg, address_outside_epc_is_pf)
{
	struct fixture *f = ready(FIXTURE_PAGES, 0x18);

	EXPECT_EPC_PF(f, read8(f), fixture_epc(FIXTURE_PAGES) + 0x18, 0);
	EXPECT_EPC_PF(f, write8(f), fixture_epc(FIXTURE_PAGES) + 0x18, 0);
	f->c.regs.rcx = UINT64_C(0x800000000000);
	EXPECT_GP(f, read8(f));
	EXPECT_GP(f, write8(f));
}

/* Proves: EDBGRD-04, EDBGWR-04, CONC-09 */
TEST(edbg, page_held_exclusively_is_gp)
{
	struct fixture *f = ready(FIXTURE_DATA, 0);

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_DATA]));
	fixture_snapshot(f);
	EXPECT_GP(f, read8(f));
	EXPECT_GP(f, write8(f));
	EXPECT_UNCHANGED(f);
	epcm_unlock_exclusive(&f->epcm[FIXTURE_DATA]);
	EXPECT_TRUE(epcm_lock_shared(&f->epcm[FIXTURE_DATA]));
	EXPECT_OK(f, read8(f));
	EXPECT_OK(f, write8(f));
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_DATA].lock), 1);
}

/* Proves: EDBGRD-05, EDBGWR-05 */
TEST(edbg, invalid_page_is_pf)
{
	struct fixture *f = ready(FIXTURE_FREE, 0x20);

	EXPECT_EPC_PF(f, read8(f), fixture_epc(FIXTURE_FREE) + 0x20, 0);
	EXPECT_EPC_PF(f, write8(f), fixture_epc(FIXTURE_FREE) + 0x20, 0);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_FREE].lock), 0);
}

/* Proves: EDBGRD-06, EDBGWR-06 */
TEST(edbg, other_page_type_is_pf)
{
	static const struct { enum sgx_pt pt; bool readable; } types[] = {
		{ SGX_PT_SECS, false }, { SGX_PT_TRIM, false }, { SGX_PT_VA, true },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct fixture *f = ready(FIXTURE_DATA, 0x40);

		f->epcm[FIXTURE_DATA].pt = (uint8_t)types[i].pt;
		if (types[i].readable)
			EXPECT_OK(f, read8(f));
		else
			EXPECT_EPC_PF(f, read8(f), fixture_epc(FIXTURE_DATA) + 0x40, 0);
		EXPECT_EPC_PF(f, write8(f), fixture_epc(FIXTURE_DATA) + 0x40, 0);
	}
}

/* Proves: EDBGRD-07, EDBGRD-08, EDBGWR-07, EDBGWR-08 */
TEST(edbg, pending_or_modified_page_is_not_debuggable)
{
	struct fixture *f = ready(FIXTURE_DATA, 0);

	f->epcm[FIXTURE_DATA].pending = true;
	fixture_snapshot(f);
	EXPECT_CODE(f, read8(f), SGX_PAGE_NOT_DEBUGGABLE);
	EXPECT_CODE(f, write8(f), SGX_PAGE_NOT_DEBUGGABLE);
	EXPECT_UNCHANGED(f);
	EXPECT_EQ(f->c.regs.rbx, DATA);
	f->epcm[FIXTURE_DATA].pending = false;
	f->epcm[FIXTURE_DATA].modified = true;
	EXPECT_CODE(f, read8(f), SGX_PAGE_NOT_DEBUGGABLE);
	EXPECT_CODE(f, write8(f), SGX_PAGE_NOT_DEBUGGABLE);
}

/* Proves: EDBGRD-09 */
TEST(edbgrd, tcs_beyond_its_fields_is_gp)
{
	struct fixture *f = ready(FIXTURE_TCS, 64);

	EXPECT_OK(f, read8(f));
	EXPECT_EQ(f->c.regs.rbx, UINT64_MAX);		/* FSLIMIT, GSLIMIT */
	f->c.regs.rcx = fixture_epc(FIXTURE_TCS) + 72;
	EXPECT_GP(f, read8(f));
	f->c.regs.rcx = fixture_epc(FIXTURE_TCS) + 4088;
	EXPECT_GP(f, read8(f));
}

/* Proves: EDBGWR-09 */
TEST(edbgwr, tcs_field_other_than_flags_is_gp)
{
	for (unsigned offset = 0; offset < 4096; offset += 8) {
		struct fixture *f;

		if (offset == 8 || (offset > 128 && offset % 512))
			continue;
		f = ready(FIXTURE_TCS, offset);
		fixture_snapshot(f);
		EXPECT_GP(f, write8(f));
		EXPECT_UNCHANGED(f);
	}
}

/* Proves: EDBGRD-10, EDBGWR-10 */
TEST(edbg, production_enclave_is_gp)
{
	static const uint64_t pages[] = { FIXTURE_DATA, FIXTURE_TCS };
	struct enclave_spec spec = fixture_spec();
	struct fixture *f = fixture_new();

	spec.attributes.flags &= ~SGX_ATTR_DEBUG;
	fixture_build(f, &spec);
	fixture_snapshot(f);
	for (size_t i = 0; i < 2; i++) {
		f->c.regs.rcx = fixture_epc(pages[i]) + 8;
		EXPECT_GP(f, read8(f));
		EXPECT_GP(f, write8(f));
	}
	EXPECT_UNCHANGED(f);
}
