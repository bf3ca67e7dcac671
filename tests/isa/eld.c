/* SPDX-License-Identifier: BSD-2-Clause */
/* ELDB and ELDU: every check in its order, and what comes back. */
#include "isa/paging.h"

static struct backing out;

static enum leaf_status (*const eld[])(struct machine *m, struct cpu *c) = { encls_eldb, encls_eldu };
#define FOR_BOTH(leaf)	for (unsigned leaf = 0; leaf < 2; leaf++)

/* FIXTURE_DATA is out, its version in slot 3; the registers reload it into PAGE_SPARE. */
static struct fixture *prepared(void)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	prepare_eld(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, fixture_epc(FIXTURE_SECS));
	return f;
}

/* Proves: ELD-01 */
TEST(eld, misaligned_pageinfo_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rbx += 16;
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-02 */
TEST(eld, misaligned_page_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC + 64;	/* before ELD-03 */
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-03 */
TEST(eld, page_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC;
	f->c.regs.rdx += 1;		/* before ELD-04 */
	FOR_BOTH(i)
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), NOT_EPC);
}

/* Proves: ELD-04 */
TEST(eld, misaligned_slot_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = NOT_EPC + 4;	/* before ELD-05 */
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-05 */
TEST(eld, slot_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = NOT_EPC;
	out.pageinfo.secinfo += 64;	/* before ELD-06 */
	FOR_BOTH(i)
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), NOT_EPC);
}

/* Proves: ELD-06 */
TEST(eld, misaligned_pcmd_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.secinfo = (host(out.gap + 128) & ~UINT64_C(127)) + 64;	/* right but for the alignment */
	memcpy((void *)(uintptr_t)out.pageinfo.secinfo, &out.pcmd, sizeof(out.pcmd));
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-07 */
TEST(eld, misaligned_source_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.srcpge += 128;
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-08 */
TEST(eld, page_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_SPARE].lock = 1;
	f->epcm[PAGE_SPARE].valid = true;	/* before ELD-12 */
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-10 */
TEST(eld, va_page_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_VA].lock = EPCM_EXCLUSIVE;
	f->epcm[PAGE_SPARE].valid = true;	/* before ELD-12 */
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-12 */
TEST(eld, page_that_is_not_free_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = fixture_epc(FIXTURE_CODE);
	f->epcm[PAGE_VA].valid = false;		/* before ELD-13 */
	FOR_BOTH(i)
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), fixture_epc(FIXTURE_CODE));
}

/* Proves: ELD-13 */
TEST(eld, invalid_va_page_is_pf)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_VA].valid = false;
	out.pageinfo.secs += 8;			/* before ELD-15 */
	FOR_BOTH(i)
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), slot_epc(PAGE_VA, 3));
}

/* Proves: ELD-14 */
TEST(eld, slot_in_a_page_that_is_no_va_page_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = slot_epc(FIXTURE_CODE, 3);
	out.pageinfo.secs += 8;			/* before ELD-15 */
	FOR_BOTH(i)
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), slot_epc(FIXTURE_CODE, 3));
}

static const enum sgx_pt child_type[] = { SGX_PT_REG, SGX_PT_TCS, SGX_PT_TRIM, SGX_PT_SS_FIRST, SGX_PT_SS_REST };

/* Proves: ELD-15 */
TEST(eld, misaligned_secs_is_gp_for_children)
{
	struct fixture *f = prepared();

	out.pageinfo.secs = NOT_EPC + 8;	/* before ELD-16 */
	for (unsigned pt = 0; pt < 5; pt++) {
		out.pcmd.secinfo.flags = SGX_SECINFO_OF_PT(child_type[pt]);
		FOR_BOTH(i)
			EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
	}
}

/* Proves: ELD-16 */
TEST(eld, secs_outside_epc_is_pf_for_children)
{
	struct fixture *f = prepared();

	for (unsigned pt = 0; pt < 5; pt++) {
		out.pcmd.secinfo.flags = SGX_SECINFO_OF_PT(child_type[pt]);
		FOR_BOTH(i) {
			out.pageinfo.secs = NOT_EPC;
			EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), NOT_EPC);
			out.pageinfo.secs = 0;
			EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), 0);
		}
	}
}

/* Proves: ELD-17 */
TEST(eld, secs_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_SECS].lock = EPCM_EXCLUSIVE;
	f->epcm[FIXTURE_SECS].valid = false;	/* before ELD-19 */
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
	f->epcm[FIXTURE_SECS].valid = true;
	f->epcm[FIXTURE_SECS].lock = 3;		/* shared holders are no conflict */
	EXPECT_OK(f, encls_eldu(&f->m, &f->c));
	EXPECT_EQ(f->epcm[FIXTURE_SECS].lock, 3);
}

/* Proves: ELD-19 */
TEST(eld, secs_that_is_none_is_pf)
{
	struct fixture *f = prepared();

	out.pcmd.mac[0] ^= 1;			/* before ELD-21 */
	FOR_BOTH(i) {
		out.pageinfo.secs = fixture_epc(PAGE_INVALID);
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), fixture_epc(PAGE_INVALID));
		out.pageinfo.secs = fixture_epc(PAGE_VA2);
		EXPECT_PF_UNCHANGED(f, eld[i](&f->m, &f->c), fixture_epc(PAGE_VA2));
	}
}

TEST(eld, secs_in_another_section_is_gp)
{
	struct fixture *f = prepared();

	f->m.section_at = two_sections;
	out.pageinfo.secs = OTHER_SECTION;
	FOR_BOTH(i)
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
}

/* Proves: ELD-20 */
TEST(eld, secs_given_for_a_page_without_owner_is_gp)
{
	static const uint8_t pt[] = { SGX_PT_SECS, SGX_PT_VA, 7, 0xff };
	struct fixture *f = prepared();

	for (unsigned n = 0; n < 4; n++) {
		out.pcmd.secinfo.flags = SGX_SECINFO_OF_PT(pt[n]);
		FOR_BOTH(i)
			EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
	}
	out.pageinfo.secs = 0;
	for (unsigned n = 0; n < 4; n++) {
		out.pcmd.secinfo.flags = SGX_SECINFO_OF_PT(pt[n]);
		FOR_BOTH(i)
			EXPECT_CODE_UNCHANGED(f, eld[i](&f->m, &f->c), SGX_MAC_COMPARE_FAIL);
	}
}

/* Proves: ELD-21 */
TEST(eld, wrong_mac_leaves_page_free_and_slot_as_it_was)
{
	struct fixture *f = prepared();

	out.pcmd.mac[15] ^= 0x80;
	FOR_BOTH(i)
		EXPECT_CODE_UNCHANGED(f, eld[i](&f->m, &f->c), SGX_MAC_COMPARE_FAIL);
	out.pcmd.mac[15] ^= 0x80;
	EXPECT_OK(f, encls_eldu(&f->m, &f->c));
}

/* Proves: GEN-02 */
TEST(eld, pointers_that_are_not_canonical_are_gp)
{
	struct fixture *f = prepared();
	const struct sgx_pageinfo good = out.pageinfo;

	FOR_BOTH(i) {
		out.pageinfo.srcpge = NOT_CANONICAL;
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
		out.pageinfo = good;
		out.pageinfo.secinfo = NOT_CANONICAL;
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
		out.pageinfo = good;
		out.pageinfo.secs = NOT_CANONICAL;
		EXPECT_GP_UNCHANGED(f, eld[i](&f->m, &f->c));
		out.pageinfo = good;
	}
}

static uint64_t unreadable;

static bool read_unless_refused(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc)
{
	(void)m;
	if (addr == unreadable) {
		*exc = (struct exception){ X86_PF, 0, addr };
		return false;
	}
	memcpy(dst, (const void *)(uintptr_t)addr, size);
	return true;
}

/* Proves: GEN-04 */
TEST(eld, operand_that_cannot_be_read_is_pf)
{
	struct fixture *f = prepared();
	const uint64_t operand[] = { host(&out.pageinfo), host(&out.pcmd), host(out.cipher) };

	f->ops.read = read_unless_refused;
	for (unsigned n = 0; n < 3; n++) {
		unreadable = operand[n];
		FOR_BOTH(i) {
			fixture_snapshot(f);
			EXPECT_FAULT(f, eld[i](&f->m, &f->c), X86_PF, 0, operand[n]);
			EXPECT_UNCHANGED(f);
		}
	}
}

TEST(eld, child_page_comes_back_as_it_was)
{
	FOR_BOTH(i) {
		struct fixture *f = prepared();
		uint64_t children = fixture_secs(f, FIXTURE_SECS)->children;
		struct epcm_entry want = {
			.valid = true, .r = true, .w = true, .blocked = eld[i] == encls_eldb, .pt = SGX_PT_REG,
			.enclaveaddress = FIXTURE_BASE + (FIXTURE_DATA - 1) * 4096, .secs = FIXTURE_SECS,
		};

		f->epcm[PAGE_SPARE] = (struct epcm_entry){	/* what a page of the past may have left */
			.x = true, .pending = true, .modified = true, .pr = true, .epoch = 9, .tcs_word = 5,
			.blocked = true,
		};
		EXPECT_OK(f, eld[i](&f->m, &f->c));
		EXPECT_EPCM(f, PAGE_SPARE, want);
		EXPECT_EQ(*slot_at(f, PAGE_VA, 3), 0);
		EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->children, children + 1);
		EXPECT_EQ(f->epcm[FIXTURE_SECS].lock, 0);
		EXPECT_EQ(f->epcm[PAGE_VA].lock, 0);
	}
}

TEST(eld, content_comes_back)
{
	struct fixture *f = paging_fixture();
	uint8_t original[4096];

	for (unsigned i = 0; i < 4096; i++)
		f->mem[FIXTURE_DATA][i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(original, f->mem[FIXTURE_DATA], 4096);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, fixture_epc(FIXTURE_SECS)), 0);
	EXPECT_MEMEQ(f->mem[PAGE_SPARE], original, 4096);
}

TEST(eld, tcs_is_listed_again_and_idle)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(evict(f, FIXTURE_TCS, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), 0);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 0), &out, fixture_epc(FIXTURE_SECS)), 0);
	EXPECT_TRUE(tcs_listed(f, FIXTURE_SECS, PAGE_SPARE));
	EXPECT_TRUE(!tcs_listed(f, FIXTURE_SECS, FIXTURE_TCS));
	EXPECT_EQ(f->epcm[PAGE_SPARE].tcs_word, 0);
	EXPECT_EQ(f->epcm[PAGE_SPARE].pt, SGX_PT_TCS);
}

TEST(eld, va_page_comes_back_and_eldb_does_not_block_it)
{
	FOR_BOTH(i) {
		struct fixture *f = paging_fixture();
		struct epcm_entry want = { .valid = true, .pt = SGX_PT_VA };

		*slot_at(f, PAGE_VA, 9) = 0x1238;
		EXPECT_EQ(do_ewb(f, PAGE_VA, slot_epc(PAGE_VA2, 0), &out), 0);
		prepare_eld(f, PAGE_SPARE, slot_epc(PAGE_VA2, 0), &out, 0);
		EXPECT_OK(f, eld[i](&f->m, &f->c));
		EXPECT_EPCM(f, PAGE_SPARE, want);
		EXPECT_EQ(*slot_at(f, PAGE_SPARE, 9), 0x1238);
	}
}

/* Of two reloads of one version, the slower finds the slot changed under it. */
static struct fixture *racing;

static bool read_and_empty_slot(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc)
{
	(void)m;
	(void)exc;
	if (addr == host(out.cipher))
		*slot_at(racing, PAGE_VA, 3) = 0;
	memcpy(dst, (const void *)(uintptr_t)addr, size);
	return true;
}

/* Proves: ELD-10 */
TEST(eld, slot_that_changes_meanwhile_is_gp)
{
	struct fixture *f = racing = prepared();
	uint8_t zero[4096] = { 0 };

	f->ops.read = read_and_empty_slot;
	EXPECT_GP(f, encls_eldu(&f->m, &f->c));
	EXPECT_TRUE(!f->epcm[PAGE_SPARE].valid);
	EXPECT_MEMEQ(f->mem[PAGE_SPARE], zero, 4096);
}
