/* SPDX-License-Identifier: BSD-2-Clause */
/* EAUG: every check in its order (EAUG-11 and on for SECINFO: a machine without CET), and the page it makes. */
#include "isa/paging.h"

#define TARGET	(FIXTURE_BASE + 0x20000)

static struct fixture *prepared(void)
{
	struct fixture *f = paging_fixture();

	prepare_eaug(f, PAGE_SPARE, FIXTURE_SECS, TARGET);
	return f;
}

/* Proves: EAUG-01 */
TEST(eaug, misaligned_pageinfo_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rbx += 8;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-02 */
TEST(eaug, misaligned_page_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC + 8;	/* before EAUG-03 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-03 */
TEST(eaug, page_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC;
	f->pageinfo.secinfo = 8;	/* before EAUG-04 */
	EXPECT_PF_UNCHANGED(f, encls_eaug(&f->m, &f->c), NOT_EPC);
}

/* Proves: EAUG-04 */
TEST(eaug, misaligned_secinfo_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.secinfo = host(&f->secinfo) + 32;
	f->pageinfo.secs = NOT_EPC;	/* before EAUG-08 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-05 */
TEST(eaug, misaligned_secs_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.secs = NOT_EPC + 16;	/* before EAUG-08 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-06 */
TEST(eaug, misaligned_linaddr_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.linaddr += 1;
	f->pageinfo.secs = NOT_EPC;	/* before EAUG-08 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-07 */
TEST(eaug, source_given_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.srcpge = host(f->source);
	f->pageinfo.secs = NOT_EPC;	/* before EAUG-08 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-08 */
TEST(eaug, secs_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->pageinfo.secs = NOT_EPC;
	f->epcm[PAGE_SPARE].lock = 1;	/* before EAUG-09 */
	EXPECT_PF_UNCHANGED(f, encls_eaug(&f->m, &f->c), NOT_EPC);
	f->pageinfo.secs = NOT_CANONICAL & ~UINT64_C(0xfff);	/* GEN-02 */
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-09 */
TEST(eaug, page_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_SPARE].valid = true;	/* before EAUG-10 */
	f->epcm[PAGE_SPARE].lock = 1;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	f->epcm[PAGE_SPARE].lock = EPCM_EXCLUSIVE;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-10 */
TEST(eaug, page_that_is_not_free_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = fixture_epc(FIXTURE_CODE);
	f->pageinfo.secinfo = host(&f->secinfo);	/* before EAUG-11 */
	EXPECT_PF_UNCHANGED(f, encls_eaug(&f->m, &f->c), fixture_epc(FIXTURE_CODE));
}

/* Proves: EAUG-11, EAUG-12, EAUG-13, EAUG-14, EAUG-15, EAUG-16, EAUG-17 */
TEST(eaug, any_secinfo_is_gp_without_cet)
{
	static const struct sgx_secinfo table[] = {
		{ .flags = 1 << 6 }, { .reserved = { [55] = 1 } },			/* 11 */
		{ .flags = SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_OF_PT(SGX_PT_SS_FIRST) }, /* 12, 17 */
		{ .flags = SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_OF_PT(SGX_PT_REG) },	/* 13 */
		{ .flags = SGX_SECINFO_W | SGX_SECINFO_OF_PT(SGX_PT_SS_REST) },	/* 14 */
		{ .flags = SGX_SECINFO_R | SGX_SECINFO_OF_PT(SGX_PT_SS_REST) },	/* 15 */
		{ .flags = SGX_SECINFO_RWX | SGX_SECINFO_OF_PT(SGX_PT_SS_REST) },	/* 16 */
	};
	struct fixture *f = prepared();

	f->pageinfo.secinfo = host(&f->secinfo);
	f->epcm[FIXTURE_SECS].valid = false;	/* before EAUG-19 */
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		f->secinfo = table[i];
		EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	}
}

/* Proves: GEN-04 */
TEST(eaug, secinfo_that_cannot_be_read_is_pf)
{
	static struct sgx_secinfo elsewhere __attribute__((aligned(4096)));
	struct fixture *f = prepared();

	f->pageinfo.secinfo = f->fault_addr = host(&elsewhere);
	fixture_snapshot(f);
	EXPECT_FAULT(f, encls_eaug(&f->m, &f->c), X86_PF, X86_PFEC_U, host(&elsewhere));
	EXPECT_UNCHANGED(f);
}

TEST(eaug, secs_in_another_section_is_gp)
{
	struct fixture *f = prepared();

	f->m.section_at = two_sections;
	f->pageinfo.secs = OTHER_SECTION;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-18 */
TEST(eaug, secs_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_SECS].valid = false;	/* before EAUG-19 */
	f->epcm[FIXTURE_SECS].lock = EPCM_EXCLUSIVE;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	f->epcm[FIXTURE_SECS].valid = true;
	f->epcm[FIXTURE_SECS].lock = 1;		/* a second EAUG is no conflict */
	EXPECT_DONE(f, encls_eaug(&f->m, &f->c));
	EXPECT_EQ(f->epcm[FIXTURE_SECS].lock, 1);
}

/* Proves: EAUG-19 */
TEST(eaug, invalid_secs_is_pf)
{
	struct fixture *f = prepared();

	f->pageinfo.secs = fixture_epc(PAGE_INVALID);
	EXPECT_PF_UNCHANGED(f, encls_eaug(&f->m, &f->c), fixture_epc(PAGE_INVALID));
}

/* Proves: EAUG-20 */
TEST(eaug, secs_that_is_none_is_pf)
{
	struct fixture *f = prepared();

	f->pageinfo.secs = fixture_epc(FIXTURE_DATA);
	EXPECT_PF_UNCHANGED(f, encls_eaug(&f->m, &f->c), fixture_epc(FIXTURE_DATA));
}

/* Proves: EAUG-21 */
TEST(eaug, enclave_that_is_not_initialised_is_gp)
{
	struct enclave_spec spec = fixture_spec();
	struct fixture *f = fixture_new();

	spec.uninitialised = true;
	fixture_build(f, &spec);
	prepare_eaug(f, PAGE_SPARE, FIXTURE_SECS, TARGET);
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-22 */
TEST(eaug, linaddr_below_elrange_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.linaddr = FIXTURE_BASE - 4096;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	f->pageinfo.linaddr = 0;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
}

/* Proves: EAUG-23 */
TEST(eaug, linaddr_above_elrange_is_gp)
{
	struct fixture *f = prepared();

	f->pageinfo.linaddr = FIXTURE_BASE + fixture_secs(f, FIXTURE_SECS)->size;
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	f->pageinfo.linaddr = ~UINT64_C(0xfff);
	EXPECT_GP_UNCHANGED(f, encls_eaug(&f->m, &f->c));
	f->pageinfo.linaddr = FIXTURE_BASE + fixture_secs(f, FIXTURE_SECS)->size - 4096;
	EXPECT_DONE(f, encls_eaug(&f->m, &f->c));
}

/* EAUG-24 and EAUG-25 are for shadow-stack pages only. */
TEST(eaug, first_and_last_page_are_for_regular_pages_too)
{
	struct fixture *f = prepared();

	EXPECT_EQ(do_eaug(f, PAGE_SPARE, FIXTURE_SECS, FIXTURE_BASE), LEAF_DONE);
	EXPECT_EQ(do_eaug(f, PAGE_SPARE2, FIXTURE_SECS, FIXTURE_BASE + fixture_secs(f, FIXTURE_SECS)->size - 4096),
		  LEAF_DONE);
}

TEST(eaug, page_is_zero_and_pending)
{
	struct enclave_spec spec = fixture_spec();
	struct fixture *f = fixture_new();
	const struct epcm_entry want = {
		.valid = true, .r = true, .w = true, .pending = true, .pt = SGX_PT_REG, .enclaveaddress = TARGET,
		.secs = SECOND_SECS,
	};
	uint8_t zero[4096] = { 0 };
	uint64_t children;

	spec.secs = SECOND_SECS;
	fixture_build(f, &spec);
	children = fixture_secs(f, SECOND_SECS)->children;
	prepare_eaug(f, PAGE_SPARE, SECOND_SECS, TARGET);

	memset(f->mem[PAGE_SPARE], 0xee, 4096);
	f->epcm[PAGE_SPARE] = (struct epcm_entry){	/* what a page of the past may have left */
		.x = true, .blocked = true, .modified = true, .pr = true, .pt = SGX_PT_TCS, .epoch = 9,
		.tcs_word = 5,
	};
	EXPECT_DONE(f, encls_eaug(&f->m, &f->c));
	EXPECT_EPCM(f, PAGE_SPARE, want);
	EXPECT_MEMEQ(f->mem[PAGE_SPARE], zero, 4096);
	EXPECT_EQ(fixture_secs(f, SECOND_SECS)->children, children + 1);
	EXPECT_EQ(f->epcm[SECOND_SECS].lock, 0);
}
