/* SPDX-License-Identifier: BSD-2-Clause */
/* ECREATE, check by check. */
#include "isa/fixture.h"

static enum leaf_status run(struct fixture *f)
{
	return encls_ecreate(&f->m, &f->c);
}

/* A machine with everything ready for ECREATE into page 0, not yet run. */
static struct fixture *ready(void)
{
	struct fixture *f = fixture_new();

	f->secinfo = (struct sgx_secinfo){ .flags = SGX_SECINFO_OF_PT(SGX_PT_SECS) };
	f->pageinfo = (struct sgx_pageinfo){ .srcpge = host(&f->source_secs), .secinfo = host(&f->secinfo) };
	f->c.regs.rbx = host(&f->pageinfo);
	f->c.regs.rcx = fixture_epc(0);
	return f;
}

/* #GP, and the page is as free as before. */
static void refused(struct fixture *f)
{
	EXPECT_GP(f, run(f));
	EXPECT_TRUE(!f->epcm[0].valid);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	EXPECT_EQ(atomic_load(&f->shared.next_eid), 1);
}

/* The state that a successful ECREATE leaves. */
TEST(ecreate, legal_secs_becomes_a_page)
{
	struct fixture *f = ready();
	struct secs *secs = fixture_secs(f, 0);
	static const uint8_t zero[32];

	memset(f->source_secs.mrenclave, 0xaa, 32);
	memset(f->source_secs.mrsigner, 0xbb, 32);
	f->source_secs.isvprodid = 7;
	f->source_secs.isvsvn = 8;
	f->epcm[0].blocked = f->epcm[0].pending = f->epcm[0].modified = f->epcm[0].pr = f->epcm[0].w = true;
	EXPECT_DONE(f, run(f));
	EXPECT_TRUE(f->epcm[0].valid);
	EXPECT_EQ(f->epcm[0].pt, SGX_PT_SECS);
	EXPECT_EQ(f->epcm[0].enclaveaddress, 0);
	EXPECT_TRUE(!f->epcm[0].r && !f->epcm[0].w && !f->epcm[0].x);
	EXPECT_TRUE(!f->epcm[0].blocked && !f->epcm[0].pending && !f->epcm[0].modified && !f->epcm[0].pr);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	EXPECT_MEMEQ(secs->mrenclave, zero, 32);
	EXPECT_MEMEQ(secs->mrsigner, zero, 32);
	EXPECT_EQ(secs->isvprodid, 0);
	EXPECT_EQ(secs->isvsvn, 0);
	EXPECT_EQ(secs->measure_blocks, 1);
	EXPECT_EQ(atomic_load(&secs->epoch), 1);
	EXPECT_EQ(atomic_load(&secs->children), 0);
	EXPECT_EQ(secs->tcs_first, 0);
	EXPECT_TRUE(secs->eid != 0);
}

TEST(ecreate, every_enclave_has_its_own_eid)
{
	struct fixture *f = fixture_new();

	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	EXPECT_EQ(fixture_ecreate(f, 1), LEAF_DONE);
	EXPECT_TRUE(fixture_secs(f, 0)->eid != fixture_secs(f, 1)->eid);
}

/* Proves: ECREATE-01 */
TEST(ecreate, misaligned_pageinfo_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rbx += 16;
	refused(f);
}

/* Proves: ECREATE-02 */
TEST(ecreate, misaligned_target_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rcx += 2048;
	refused(f);
}

/* Proves: ECREATE-03 */
TEST(ecreate, target_outside_epc_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_PAGES), 0);
	f->c.regs.rcx = FIXTURE_EPC - 4096;
	EXPECT_EPC_PF(f, run(f), FIXTURE_EPC - 4096, 0);
}

/* Proves: GEN-02 */
TEST(ecreate, non_canonical_operand_is_gp)
{
	const uint64_t bad = UINT64_C(0x8000000000001000);
	struct fixture *f = ready();

	f->c.regs.rcx = bad;
	refused(f);
	f = ready();
	f->c.regs.rbx = bad;
	refused(f);
	f = ready();
	f->pageinfo.srcpge = bad;
	refused(f);
	f = ready();
	f->pageinfo.secinfo = bad;
	refused(f);
}

/* Proves: GEN-04 */
TEST(ecreate, fault_of_an_operand_is_its_own_pf)
{
	struct fixture *f = ready();

	f->fault_addr = host(&f->source_secs);
	EXPECT_FAULT(f, run(f), X86_PF, X86_PFEC_U, host(&f->source_secs));
	EXPECT_TRUE(!f->epcm[0].valid);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	f->fault_addr = host(&f->pageinfo) / 4096 * 4096;
	EXPECT_FAULT(f, run(f), X86_PF, X86_PFEC_U, host(&f->pageinfo));
}

/* Proves: ECREATE-04, ECREATE-05, ECREATE-06, ECREATE-07 */
TEST(ecreate, bad_pageinfo_is_gp)
{
	struct fixture *f = ready();

	f->pageinfo.srcpge += 64;
	refused(f);
	f = ready();
	f->pageinfo.secinfo += 32;
	refused(f);
	f = ready();
	f->pageinfo.linaddr = FIXTURE_BASE;
	refused(f);
	f = ready();
	f->pageinfo.secs = fixture_epc(1);
	refused(f);
}

/* Proves: ECREATE-08 */
TEST(ecreate, reserved_secinfo_is_gp)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		struct fixture *f = ready();

		if (bit < 6 || (bit >= 8 && bit < 16))
			continue;
		f->secinfo.flags |= UINT64_C(1) << bit;
		refused(f);
	}
	for (unsigned byte = 0; byte < 56; byte++) {
		struct fixture *f = ready();

		f->secinfo.reserved[byte] = 1;
		refused(f);
	}
}

/* Proves: ECREATE-09 */
TEST(ecreate, other_page_type_is_gp)
{
	for (unsigned pt = 1; pt < 256; pt++) {
		struct fixture *f = ready();

		f->secinfo.flags = SGX_SECINFO_OF_PT(pt);
		refused(f);
	}
}

/* Proves: ECREATE-10, CONC-01 */
TEST(ecreate, busy_target_is_gp)
{
	struct fixture *f = ready();

	EXPECT_TRUE(epcm_lock_shared(&f->epcm[0]));
	EXPECT_GP(f, run(f));
	epcm_unlock_shared(&f->epcm[0]);
	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[0]));
	EXPECT_GP(f, run(f));
	epcm_unlock_exclusive(&f->epcm[0]);
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-11 */
TEST(ecreate, used_target_is_pf)
{
	struct fixture *f = ready();

	EXPECT_DONE(f, run(f));
	fixture_snapshot(f);
	EXPECT_EPC_PF(f, run(f), fixture_epc(0), 0);
	EXPECT_UNCHANGED(f);
}

static void xfrm(uint64_t value, bool legal)
{
	struct fixture *f = ready();

	f->profile.xfrm = UINT64_MAX;	/* so that only the rules of XSETBV decide */
	f->source_secs.attributes.xfrm = value;
	f->source_secs.ssaframesize = 16;
	if (legal)
		EXPECT_DONE(f, run(f));
	else
		refused(f);
}

/* Proves: ECREATE-12 */
TEST(ecreate, xfrm_without_x87_and_sse_is_gp)
{
	xfrm(0, false);
	xfrm(1, false);
	xfrm(2, false);
	xfrm(6, false);
	xfrm(3, true);
}

/* Proves: ECREATE-13 */
TEST(ecreate, xfrm_that_xsetbv_refuses_is_gp)
{
	static const uint64_t illegal[] = { 0x0b, 0x13, 0x23, 0x27, 0xc7, 0xa7, 0xe3, 0x103, 0x403, 0x20003, 0x40003,
					    UINT64_C(1) << 62 | 3 };
	static const uint64_t legal[] = { 3, 7, 0x1b, 0xe7, 0x203, 0x60003, 0x602ff };

	for (size_t i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++)
		xfrm(illegal[i], false);
	for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++)
		xfrm(legal[i], true);
}

/* Proves: ECREATE-14 */
TEST(ecreate, xfrm_bit_63_is_gp)
{
	xfrm(UINT64_C(1) << 63 | 3, false);
}

/* Proves: ECREATE-15 */
TEST(ecreate, xfrm_beyond_sse_without_xsave_is_gp)
{
	struct fixture *f = ready();

	f->profile.xcr0 = 0;
	refused(f);
	f->source_secs.attributes.xfrm = 3;
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-16, ECREATE-17, ECREATE-18, ECREATE-19, ECREATE-20, ECREATE-23, ECREATE-24 */
TEST(ecreate, cet_fields_are_gp)
{
	for (unsigned bit = 0; bit < 8; bit++) {
		struct fixture *f = ready();

		f->source_secs.cet_attributes = (uint8_t)(1u << bit);
		refused(f);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		struct fixture *f = ready();

		f->source_secs.cet_leg_bitmap_offset = UINT64_C(1) << bit;
		refused(f);
	}
}

/* Proves: ECREATE-25 */
TEST(ecreate, unsupported_miscselect_is_gp)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		struct fixture *f = ready();

		f->source_secs.miscselect = UINT32_C(1) << bit;
		if (UINT32_C(1) << bit & f->profile.miscselect)
			EXPECT_DONE(f, run(f));
		else
			refused(f);
	}
}

/* Proves: ECREATE-26 */
TEST(ecreate, frame_that_does_not_fit_is_gp)
{
	struct fixture *f = ready();

	f->source_secs.ssaframesize = 0;
	refused(f);

	f = ready();				/* 4096 exactly: 3896 + 200 */
	f->profile.xsave_offset[2] = 576;
	f->profile.xsave_size[2] = 3896 - 576;
	f->source_secs.ssaframesize = 1;
	EXPECT_DONE(f, run(f));
	f = ready();
	f->profile.xsave_size[2] = 3896 - 576 + 1;
	refused(f);
	f = ready();				/* no EXINFO, 16 bytes less */
	f->profile.xsave_size[2] = 3896 - 576 + 16;
	f->source_secs.miscselect = 0;
	EXPECT_DONE(f, run(f));
	f = ready();				/* 2^32 - 1 pages do not wrap */
	f->source_secs.ssaframesize = UINT32_MAX;
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-27 */
TEST(ecreate, non_canonical_base_is_gp)
{
	struct fixture *f = ready();

	f->source_secs.baseaddr = UINT64_C(0x0000800000000000);
	refused(f);
	f->source_secs.baseaddr = UINT64_C(0xffff800000000000);
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-28 */
TEST(ecreate, base_of_32_bit_enclave_above_4g_is_gp)
{
	struct fixture *f = ready();

	f->source_secs.attributes.flags &= ~SGX_ATTR_MODE64BIT;
	f->source_secs.baseaddr = UINT64_C(1) << 32;
	refused(f);
	f->source_secs.baseaddr = 0x10000000;
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-29, ECREATE-30 */
TEST(ecreate, size_beyond_the_limit_is_gp)
{
	struct fixture *f = ready();

	f->source_secs.size = UINT64_C(1) << 37;
	f->source_secs.baseaddr = UINT64_C(1) << 37;
	refused(f);
	f->source_secs.size = UINT64_C(1) << 35;
	EXPECT_DONE(f, run(f));

	f = ready();
	f->source_secs.attributes.flags &= ~SGX_ATTR_MODE64BIT;
	f->source_secs.size = UINT64_C(1) << 32;
	f->source_secs.baseaddr = 0;
	refused(f);
	f->source_secs.size = UINT64_C(1) << 30;
	EXPECT_DONE(f, run(f));
}

/* Proves: ECREATE-31, ECREATE-32, ECREATE-33 */
TEST(ecreate, illegal_size_or_base_is_gp)
{
	static const struct { uint64_t size, base; bool legal; } cases[] = {
		{ 0, 0, false }, { 4096, 0, false }, { 8192, 8192, true }, { 8192, 0, true },
		{ 0x3000, 0, false }, { 0x100001, 0, false }, { 0x180000, 0, false },
		{ 0x100000, 0x80000, false }, { 0x100000, 0x100001, false }, { 0x100000, 0x300000, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = ready();

		f->source_secs.size = cases[i].size;
		f->source_secs.baseaddr = cases[i].base;
		if (cases[i].legal)
			EXPECT_DONE(f, run(f));
		else
			refused(f);
	}
}

/* Proves: ECREATE-34 */
TEST(ecreate, attribute_that_cpuid_lacks_is_gp)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		struct fixture *f = ready();
		uint64_t mask = UINT64_C(1) << bit;

		f->source_secs.attributes.flags |= mask;
		if (mask & f->profile.attributes)
			EXPECT_DONE(f, run(f));
		else
			refused(f);
	}
	struct fixture *f = ready();

	f->source_secs.attributes.xfrm = 0x207;		/* PKRU: legal, but not in CPUID.12H.1 */
	refused(f);
}

/* Proves: ECREATE-35 */
TEST(ecreate, reserved_secs_byte_is_gp)
{
	static const struct { unsigned first, end; } reserved[] = {
		{ 33, 48 }, { 96, 128 }, { 160, 192 }, { 262, 4096 },
	};

	for (size_t i = 0; i < 4; i++)
		for (unsigned byte = reserved[i].first; byte < reserved[i].end; byte += byte < 800 ? 1 : 97) {
			struct fixture *f = ready();

			((uint8_t *)&f->source_secs)[byte] = 1;
			refused(f);
		}
}

/* Proves: ECREATE-36, ECREATE-37 */
TEST(ecreate, configuration_without_kss_is_gp)
{
	for (unsigned byte = 0; byte < 64; byte++) {
		struct fixture *f = ready();

		f->source_secs.configid[byte] = 1;
		f->source_secs.attributes.flags &= ~SGX_ATTR_KSS;
		refused(f);
		f->source_secs.attributes.flags |= SGX_ATTR_KSS;
		EXPECT_DONE(f, run(f));
	}
	struct fixture *f = ready();

	f->source_secs.configsvn = 1;
	f->source_secs.attributes.flags &= ~SGX_ATTR_KSS;
	refused(f);
	f->source_secs.attributes.flags |= SGX_ATTR_KSS;
	EXPECT_DONE(f, run(f));
}
