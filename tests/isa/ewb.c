/* SPDX-License-Identifier: BSD-2-Clause */
/* EWB: every check in its order, and what it writes. */
#include "crypto/crypto.h"
#include "isa/paging.h"

static struct backing out;
static const struct backing untouched;	/* what a leaf that fails leaves of its outputs */

/* A regular page, blocked and tracked, ready to go to slot 3. */
static struct fixture *prepared(void)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(do_eblock(f, FIXTURE_DATA), 0);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	out = untouched;
	prepare_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out);
	return f;
}

#define EXPECT_NO_OUTPUT() do {									\
	EXPECT_MEMEQ(out.cipher, untouched.cipher, sizeof(out.cipher));				\
	EXPECT_MEMEQ(&out.pcmd, &untouched.pcmd, sizeof(out.pcmd));				\
	EXPECT_EQ(out.pageinfo.linaddr, 0);							\
} while (0)

/* Proves: EWB-01 */
TEST(ewb, misaligned_pageinfo_is_gp)
{
	struct fixture *f = prepared();

	memcpy(out.gap + 16, &out.pageinfo, sizeof(out.pageinfo));	/* right but for the alignment */
	f->c.regs.rbx = host(out.gap + 16);
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
}

/* Proves: EWB-02 */
TEST(ewb, misaligned_page_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC + 8;	/* before EWB-03 */
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
}

/* Proves: EWB-03 */
TEST(ewb, page_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = NOT_EPC;
	f->c.regs.rdx += 4;		/* before EWB-04 */
	EXPECT_PF_UNCHANGED(f, encls_ewb(&f->m, &f->c), NOT_EPC);
}

/* Proves: EWB-04 */
TEST(ewb, misaligned_slot_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = NOT_EPC + 4;	/* before EWB-05 */
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
}

/* Proves: EWB-05 */
TEST(ewb, slot_outside_epc_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = NOT_EPC + 8;
	EXPECT_PF_UNCHANGED(f, encls_ewb(&f->m, &f->c), NOT_EPC + 8);
}

/* Proves: EWB-06 */
TEST(ewb, slot_in_the_page_itself_is_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rcx = fixture_epc(PAGE_VA);
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	f->c.regs.rcx = fixture_epc(PAGE_INVALID);
	f->c.regs.rdx = slot_epc(PAGE_INVALID, 1);	/* before EWB-13, and before the PAGEINFO is read */
	f->fault_addr = host(&out.pageinfo) & ~UINT64_C(0xfff);
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
}

/* Proves: EWB-07 */
TEST(ewb, linaddr_given_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.linaddr = FIXTURE_BASE;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_EQ(out.pageinfo.linaddr, FIXTURE_BASE);
}

/* Proves: EWB-08 */
TEST(ewb, secs_given_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.secs = fixture_epc(FIXTURE_SECS);
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-09 */
TEST(ewb, misaligned_pcmd_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.secinfo += 64;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-10 */
TEST(ewb, misaligned_output_is_gp)
{
	struct fixture *f = prepared();

	out.pageinfo.srcpge += 2048;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-11 */
TEST(ewb, page_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_DATA].lock = 1;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	f->epcm[FIXTURE_DATA].lock = EPCM_EXCLUSIVE;
	f->epcm[FIXTURE_DATA].valid = false;	/* before EWB-13 */
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-12 */
TEST(ewb, va_page_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_VA].lock = EPCM_EXCLUSIVE;
	f->epcm[FIXTURE_DATA].valid = false;	/* before EWB-13 */
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	f->epcm[FIXTURE_DATA].valid = true;
	f->epcm[PAGE_VA].lock = 1;		/* a second EWB with the same VA page is no conflict */
	EXPECT_OK(f, encls_ewb(&f->m, &f->c));
	EXPECT_EQ(f->epcm[PAGE_VA].lock, 1);
}

/* Proves: EWB-13 */
TEST(ewb, invalid_page_is_pf)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_DATA].valid = false;
	f->epcm[PAGE_VA].valid = false;		/* before EWB-14 */
	EXPECT_PF_UNCHANGED(f, encls_ewb(&f->m, &f->c), fixture_epc(FIXTURE_DATA));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-14 */
TEST(ewb, invalid_va_page_is_pf)
{
	struct fixture *f = prepared();

	f->epcm[PAGE_VA].valid = false;
	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;	/* before EWB-16 */
	EXPECT_PF_UNCHANGED(f, encls_ewb(&f->m, &f->c), slot_epc(PAGE_VA, 3));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-15 */
TEST(ewb, slot_in_a_page_that_is_no_va_page_is_pf)
{
	struct fixture *f = prepared();

	f->c.regs.rdx = slot_epc(FIXTURE_CODE, 3);
	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;	/* before EWB-16 */
	EXPECT_PF_UNCHANGED(f, encls_ewb(&f->m, &f->c), slot_epc(FIXTURE_CODE, 3));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-16 */
TEST(ewb, tracking_in_use_is_gp)
{
	struct fixture *f = prepared();

	f->epcm[FIXTURE_DATA].blocked = false;	/* before EWB-17 */
	fixture_secs(f, FIXTURE_SECS)->track_lock = 1;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-17, PAG-01 */
TEST(ewb, page_not_blocked)
{
	struct fixture *f = paging_fixture();

	out = untouched;
	prepare_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out);	/* before EWB-18 */
	EXPECT_CODE_UNCHANGED(f, encls_ewb(&f->m, &f->c), SGX_PAGE_NOT_BLOCKED);
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-18, PAG-02 */
TEST(ewb, page_not_tracked)
{
	struct fixture *f = paging_fixture();

	out = untouched;
	EXPECT_EQ(do_eblock(f, FIXTURE_DATA), 0);
	prepare_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out);
	EXPECT_CODE_UNCHANGED(f, encls_ewb(&f->m, &f->c), SGX_NOT_TRACKED);
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-19, PAG-10 */
TEST(ewb, secs_with_children_is_child_present)
{
	struct fixture *f = prepared();

	prepare_ewb(f, FIXTURE_SECS, slot_epc(PAGE_VA, 4), &out);
	EXPECT_CODE_UNCHANGED(f, encls_ewb(&f->m, &f->c), SGX_CHILD_PRESENT);
	EXPECT_NO_OUTPUT();
}

/* Proves: EWB-21 */
TEST(ewb, occupied_slot_is_overwritten_and_reported)
{
	struct fixture *f = prepared();

	*slot_at(f, PAGE_VA, 3) = 0x7770;
	EXPECT_INFO(f, encls_ewb(&f->m, &f->c), SGX_VA_SLOT_OCCUPIED);
	EXPECT_TRUE(!f->epcm[FIXTURE_DATA].valid);
	EXPECT_TRUE(*slot_at(f, PAGE_VA, 3) != 0x7770);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, fixture_epc(FIXTURE_SECS)), 0);
}

static uint64_t refused;	/* address that cannot be written, though it can be read */

static bool write_unless_refused(struct machine *m, uint64_t addr, const void *src, uint64_t size,
				 struct exception *exc)
{
	(void)m;
	if (refused - addr < size) {
		*exc = (struct exception){ X86_PF, X86_PFEC_P | X86_PFEC_W, addr };
		return false;
	}
	memcpy((void *)(uintptr_t)addr, src, size);
	return true;
}

/* Proves: GEN-04 */
TEST(ewb, output_that_cannot_be_written_is_pf_and_nothing_else)
{
	struct fixture *f = prepared();
	const uint64_t output[] = { host(&out.pageinfo), host(&out.pcmd), host(out.cipher) };

	f->ops.write = write_unless_refused;
	for (unsigned i = 0; i < 3; i++) {
		refused = output[i];
		fixture_snapshot(f);
		EXPECT_FAULT(f, encls_ewb(&f->m, &f->c), X86_PF, X86_PFEC_P | X86_PFEC_W, output[i]);
		EXPECT_UNCHANGED(f);
		EXPECT_NO_OUTPUT();
	}
	refused = 0;
	EXPECT_OK(f, encls_ewb(&f->m, &f->c));
}

/* Proves: GEN-02 */
TEST(ewb, pointers_that_are_not_canonical_are_gp)
{
	struct fixture *f = prepared();

	f->c.regs.rbx = NOT_CANONICAL;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	prepare_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out);
	out.pageinfo.srcpge = NOT_CANONICAL;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	prepare_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out);
	out.pageinfo.secinfo = NOT_CANONICAL;
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	prepare_ewb(f, FIXTURE_DATA, NOT_CANONICAL, &out);
	EXPECT_GP_UNCHANGED(f, encls_ewb(&f->m, &f->c));
	EXPECT_NO_OUTPUT();
}

/* The MAC header by its bytes, not by the model's struct. */
static bool opens(struct fixture *f, const struct backing *b, uint64_t version, uint64_t eid, uint8_t plain[4096])
{
	uint8_t header[128] = { 0 }, iv[12] = { 0 };

	memcpy(header, &b->pcmd.secinfo, 64);
	memcpy(header + 104, &eid, 8);
	memcpy(header + 112, &b->pageinfo.linaddr, 8);
	memcpy(iv + 4, &version, 8);
	return aes128_gcm_open(f->keys.base_pk, iv, header, 128, b->cipher, plain, 4096, b->pcmd.mac);
}

TEST(ewb, child_page_goes_out_whole)
{
	struct fixture *f = prepared();
	struct epcm_entry want = f->epcm[FIXTURE_DATA];
	const uint64_t eid = fixture_secs(f, FIXTURE_SECS)->eid;
	const uint64_t children = fixture_secs(f, FIXTURE_SECS)->children, generation = f->generation;
	uint8_t plain[4096], zero[4096] = { 0 };

	memset(&out.pcmd, 0x5a, sizeof(out.pcmd));
	fixture_snapshot(f);
	EXPECT_OK(f, encls_ewb(&f->m, &f->c));

	want.valid = false;
	EXPECT_EPCM(f, FIXTURE_DATA, want);
	EXPECT_EQ(out.pageinfo.linaddr, want.enclaveaddress);
	EXPECT_EQ(out.pcmd.secinfo.flags, SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_OF_PT(SGX_PT_REG));
	EXPECT_MEMEQ(out.pcmd.secinfo.reserved, zero, sizeof(out.pcmd.secinfo.reserved));
	EXPECT_MEMEQ(out.pcmd.reserved, zero, sizeof(out.pcmd.reserved));
	EXPECT_EQ(out.pcmd.enclaveid, eid);
	EXPECT_TRUE(*slot_at(f, PAGE_VA, 3) != 0);
	EXPECT_EQ(*slot_at(f, PAGE_VA, 3) & 7, 0);
	EXPECT_TRUE(opens(f, &out, *slot_at(f, PAGE_VA, 3), eid, plain));
	EXPECT_MEMEQ(plain, f->before.mem[FIXTURE_DATA], 4096);
	EXPECT_MEMEQ(f->mem[FIXTURE_DATA], zero, 4096);
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->children, children - 1);
	EXPECT_TRUE(f->generation > generation);
}

TEST(ewb, every_flag_of_the_page_goes_into_the_pcmd)
{
	static const struct { bool pending, modified, pr, x; uint64_t flags; } table[] = {
		{ .pending = true, .flags = SGX_SECINFO_PENDING },
		{ .modified = true, .flags = SGX_SECINFO_MODIFIED },
		{ .pr = true, .flags = SGX_SECINFO_PR },
		{ .x = true, .flags = SGX_SECINFO_X },
	};

	for (unsigned i = 0; i < 4; i++) {
		struct fixture *f = prepared();
		struct epcm_entry *e = &f->epcm[FIXTURE_DATA];

		e->pending = table[i].pending;
		e->modified = table[i].modified;
		e->pr = table[i].pr;
		e->x = table[i].x;
		EXPECT_OK(f, encls_ewb(&f->m, &f->c));
		EXPECT_EQ(out.pcmd.secinfo.flags, SGX_SECINFO_R | SGX_SECINFO_W | table[i].flags |
			  SGX_SECINFO_OF_PT(SGX_PT_REG));
	}
}

TEST(ewb, tcs_leaves_the_list)
{
	struct fixture *f = paging_fixture();

	EXPECT_TRUE(tcs_listed(f, FIXTURE_SECS, FIXTURE_TCS));
	EXPECT_EQ(evict(f, FIXTURE_TCS, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), 0);
	EXPECT_TRUE(!tcs_listed(f, FIXTURE_SECS, FIXTURE_TCS));
	EXPECT_EQ(out.pcmd.secinfo.flags, SGX_SECINFO_OF_PT(SGX_PT_TCS));
}

TEST(ewb, trimmed_tcs_leaves_the_list)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(do_emodt(f, FIXTURE_TCS, SGX_PT_TRIM), 0);
	EXPECT_EQ(evict(f, FIXTURE_TCS, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), 0);
	EXPECT_TRUE(!tcs_listed(f, FIXTURE_SECS, FIXTURE_TCS));
	EXPECT_EQ(out.pcmd.secinfo.flags, SGX_SECINFO_MODIFIED | SGX_SECINFO_OF_PT(SGX_PT_TRIM));
}

/* Section 8, step 8: no EBLOCK, no ETRACK; EID 0 everywhere. */
TEST(ewb, va_page_goes_into_another_va_page)
{
	struct fixture *f = paging_fixture();
	uint8_t plain[4096];

	out = untouched;
	*slot_at(f, PAGE_VA, 9) = 0x1238;
	fixture_snapshot(f);
	EXPECT_EQ(do_ewb(f, PAGE_VA, slot_epc(PAGE_VA2, 511), &out), 0);
	EXPECT_EQ(out.pcmd.enclaveid, 0);
	EXPECT_EQ(out.pcmd.secinfo.flags, SGX_SECINFO_OF_PT(SGX_PT_VA));
	EXPECT_EQ(out.pageinfo.linaddr, 0);
	EXPECT_TRUE(!f->epcm[PAGE_VA].valid);
	EXPECT_TRUE(opens(f, &out, *slot_at(f, PAGE_VA2, 511), 0, plain));
	EXPECT_MEMEQ(plain, f->before.mem[PAGE_VA], 4096);
}

TEST(ewb, secs_goes_out_with_its_own_eid_as_a_hint)
{
	struct fixture *f = paging_fixture();
	const uint64_t eid = fixture_secs(f, FIXTURE_SECS)->eid;
	static struct backing child;
	uint8_t plain[4096], zero[4096] = { 0 };

	for (uint64_t i = FIXTURE_TCS; i < FIXTURE_FREE; i++)
		EXPECT_EQ(evict(f, i, FIXTURE_SECS, slot_epc(PAGE_VA, (unsigned)i), &child), 0);
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->children, 0);
	fixture_snapshot(f);
	EXPECT_EQ(do_ewb(f, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), 0);
	EXPECT_EQ(out.pcmd.enclaveid, eid);
	EXPECT_TRUE(opens(f, &out, *slot_at(f, PAGE_VA, 0), 0, plain));
	EXPECT_MEMEQ(plain, f->before.mem[FIXTURE_SECS], 4096);
	EXPECT_MEMEQ(f->mem[FIXTURE_SECS], zero, 4096);
	EXPECT_TRUE(!f->epcm[FIXTURE_SECS].valid);
}

/* Section 6.6: unique per eviction, never 0, even where the counter wraps. */
TEST(ewb, versions_are_unique_and_never_zero)
{
	struct fixture *f = prepared();

	f->shared.paging_version = UINT64_C(1) << 61;	/* << 3 is 0 */
	EXPECT_OK(f, encls_ewb(&f->m, &f->c));
	EXPECT_EQ(*slot_at(f, PAGE_VA, 3), 8);
	EXPECT_EQ(evict(f, FIXTURE_RODATA, FIXTURE_SECS, slot_epc(PAGE_VA, 4), &out), 0);
	EXPECT_EQ(*slot_at(f, PAGE_VA, 4), 16);
}
