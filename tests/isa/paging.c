/* SPDX-License-Identifier: BSD-2-Clause */
/* The paging protocol (section 8) and what page encryption protects (section 6.6), through the leaves together. */
#include "isa/paging.h"

#define SECS_EPC	fixture_epc(FIXTURE_SECS)

static struct backing out, out2;

/* FIXTURE_DATA is out, its version in slot 3. */
static struct fixture *evicted(void)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	return f;
}

static uint64_t reload(struct fixture *f)
{
	return do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, SECS_EPC);
}

/* What was spoilt is refused and leaves no trace; undone, it is taken. */
#define EXPECT_SPOILT(f, spoil, undo) do {							\
	spoil;											\
	fixture_snapshot(f);									\
	EXPECT_EQ(reload(f), SGX_MAC_COMPARE_FAIL);						\
	EXPECT_UNCHANGED(f);									\
	undo;											\
} while (0)

/* Proves: PGC-01 */
TEST(paging, flipped_bit_of_the_ciphertext)
{
	static const unsigned byte[] = { 0, 1, 15, 16, 2048, 4095 };
	struct fixture *f = evicted();

	for (unsigned i = 0; i < 6; i++)
		EXPECT_SPOILT(f, out.cipher[byte[i]] ^= 1, out.cipher[byte[i]] ^= 1);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-02 */
TEST(paging, modified_mac)
{
	struct fixture *f = evicted();

	for (unsigned bit = 0; bit < 128; bit++)
		EXPECT_SPOILT(f, out.pcmd.mac[bit / 8] ^= 1 << bit % 8, out.pcmd.mac[bit / 8] ^= 1 << bit % 8);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-03 */
TEST(paging, modified_secinfo)
{
	static const uint64_t flip[] = {
		SGX_SECINFO_R, SGX_SECINFO_W, SGX_SECINFO_X, SGX_SECINFO_PENDING, SGX_SECINFO_MODIFIED,
		SGX_SECINFO_PR, UINT64_C(1) << 6, UINT64_C(1) << 63,
		SGX_SECINFO_OF_PT(SGX_PT_REG ^ SGX_PT_TCS), SGX_SECINFO_OF_PT(SGX_PT_REG ^ SGX_PT_TRIM),
	};
	struct fixture *f = evicted();

	for (unsigned i = 0; i < sizeof(flip) / sizeof(flip[0]); i++)
		EXPECT_SPOILT(f, out.pcmd.secinfo.flags ^= flip[i], out.pcmd.secinfo.flags ^= flip[i]);
	EXPECT_SPOILT(f, out.pcmd.secinfo.reserved[55] = 1, out.pcmd.secinfo.reserved[55] = 0);

	out.pcmd.secinfo.flags ^= SGX_SECINFO_OF_PT(SGX_PT_REG ^ SGX_PT_VA);	/* another class: ELD-20 first */
	EXPECT_EQ(reload(f), FAULTED);
	EXPECT_EQ(f->c.exc.vector, X86_GP);
	out.pcmd.secinfo.flags ^= SGX_SECINFO_OF_PT(SGX_PT_REG ^ SGX_PT_VA);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-04 */
TEST(paging, modified_reserved_bytes_of_the_pcmd)
{
	struct fixture *f = evicted();

	for (unsigned i = 0; i < 40; i++)
		EXPECT_SPOILT(f, out.pcmd.reserved[i] = 1, out.pcmd.reserved[i] = 0);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-05 */
TEST(paging, enclaveid_of_the_pcmd_is_a_hint)
{
	struct fixture *f = evicted();

	out.pcmd.enclaveid ^= ~UINT64_C(0);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-06 */
TEST(paging, different_linaddr)
{
	struct fixture *f = evicted();

	EXPECT_SPOILT(f, out.pageinfo.linaddr += 4096, out.pageinfo.linaddr -= 4096);
	EXPECT_SPOILT(f, out.pageinfo.linaddr ^= 1, out.pageinfo.linaddr ^= 1);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-07 */
TEST(paging, secs_of_another_enclave)
{
	struct fixture *f = evicted();
	struct enclave_spec spec = fixture_spec();

	spec.secs = SECOND_SECS;
	spec.base += 0x10000000;
	fixture_build(f, &spec);
	fixture_snapshot(f);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, fixture_epc(SECOND_SECS)),
		  SGX_MAC_COMPARE_FAIL);
	EXPECT_UNCHANGED(f);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-08, PAG-11 */
TEST(paging, wrong_or_emptied_slot)
{
	struct fixture *f = evicted();
	uint64_t version = *slot_at(f, PAGE_VA, 3);

	EXPECT_EQ(evict(f, FIXTURE_RODATA, FIXTURE_SECS, slot_epc(PAGE_VA, 4), &out2), 0);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 4), &out, SECS_EPC), SGX_MAC_COMPARE_FAIL);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 5), &out, SECS_EPC), SGX_MAC_COMPARE_FAIL);
	EXPECT_SPOILT(f, *slot_at(f, PAGE_VA, 3) = 0, *slot_at(f, PAGE_VA, 3) = version);
	EXPECT_SPOILT(f, *slot_at(f, PAGE_VA, 3) = version + 1, *slot_at(f, PAGE_VA, 3) = version);
	EXPECT_EQ(reload(f), 0);
}

/* Proves: PGC-09 */
TEST(paging, replay_of_the_same_data)
{
	struct fixture *f = evicted();

	EXPECT_EQ(reload(f), 0);
	EXPECT_EQ(*slot_at(f, PAGE_VA, 3), 0);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE2, slot_epc(PAGE_VA, 3), &out, SECS_EPC), SGX_MAC_COMPARE_FAIL);
	EXPECT_TRUE(!f->epcm[PAGE_SPARE2].valid);
}

/* Proves: PGC-10 */
TEST(paging, older_ciphertext_with_the_newer_version)
{
	struct fixture *f = evicted();

	EXPECT_EQ(reload(f), 0);
	EXPECT_EQ(evict(f, PAGE_SPARE, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out2), 0);
	EXPECT_EQ(reload(f), SGX_MAC_COMPARE_FAIL);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out2, SECS_EPC), 0);
	EXPECT_TRUE(memcmp(out.cipher, out2.cipher, 4096));	/* the same page, but never the same bytes */
}

/* Proves: PGC-11 */
TEST(paging, reload_to_another_page)
{
	struct fixture *f = paging_fixture();
	uint8_t original[4096];

	memcpy(original, f->mem[FIXTURE_DATA], 4096);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(do_eldu(f, PAGE_SPARE2, slot_epc(PAGE_VA, 3), &out, SECS_EPC), 0);
	EXPECT_MEMEQ(f->mem[PAGE_SPARE2], original, 4096);
	EXPECT_EQ(f->epcm[PAGE_SPARE2].enclaveaddress, f->epcm[FIXTURE_DATA].enclaveaddress);
}

/* Proves: PGC-12 */
TEST(paging, reload_under_another_key)
{
	struct fixture *f = evicted();

	f->keys.base_pk[0] ^= 1;	/* a reboot draws a new CR_BASE_PK */
	EXPECT_EQ(reload(f), SGX_MAC_COMPARE_FAIL);
}

/* Proves: PAG-03, PAG-04 */
TEST(paging, thread_inside_since_before_holds_the_page)
{
	struct fixture *f = paging_fixture();

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), SGX_NOT_TRACKED);
	EXPECT_TRUE(f->epcm[FIXTURE_DATA].valid);
	leave_by_hand(f, FIXTURE_TCS);
	EXPECT_EQ(do_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out), 0);
}

/* Proves: PAG-05 */
TEST(paging, thread_that_came_back_does_not_hold_the_page)
{
	struct fixture *f = paging_fixture();

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), SGX_NOT_TRACKED);
	enter_by_hand(f, FIXTURE_TCS, 2);	/* left, and entered in the epoch that ETRACK opened */
	EXPECT_EQ(do_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out), 0);
}

/* Proves: PAG-07 */
TEST(paging, etrack_before_eblock_does_not_count)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	EXPECT_EQ(do_eblock(f, FIXTURE_DATA), 0);
	EXPECT_EQ(do_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out), SGX_NOT_TRACKED);
}

/* Proves: PAG-09 */
TEST(paging, tcs_in_use_is_not_tracked)
{
	struct fixture *f = paging_fixture();

	enter_by_hand(f, FIXTURE_TCS, 1);
	EXPECT_EQ(evict(f, FIXTURE_TCS, FIXTURE_SECS, slot_epc(PAGE_VA, 0), &out), SGX_NOT_TRACKED);
	leave_by_hand(f, FIXTURE_TCS);
	EXPECT_EQ(do_ewb(f, FIXTURE_TCS, slot_epc(PAGE_VA, 0), &out), 0);
}

/* Section 8 from one end to the other: everything goes out, comes back to other pages, and runs. */
/* Proves: PAG-12 */
TEST(paging, whole_enclave_out_and_back)
{
	enum { SLOT_SECS = 100, NEW_SECS = 20, NEW = 20 };	/* child i comes back to page NEW + i */
	static struct backing child[FIXTURE_FREE], secs;
	static uint8_t original[FIXTURE_FREE][4096];
	struct fixture *f = paging_fixture();
	struct epcm_entry want;

	memcpy(original, f->mem, sizeof(original));
	for (unsigned i = FIXTURE_TCS; i < FIXTURE_FREE; i++)
		EXPECT_EQ(evict(f, i, FIXTURE_SECS, slot_epc(PAGE_VA, i), &child[i]), 0);
	EXPECT_EQ(do_ewb(f, FIXTURE_SECS, slot_epc(PAGE_VA, SLOT_SECS), &secs), 0);

	EXPECT_EQ(do_eldu(f, NEW + FIXTURE_DATA, slot_epc(PAGE_VA, FIXTURE_DATA), &child[FIXTURE_DATA], SECS_EPC),
		  FAULTED);
	EXPECT_EQ(f->c.exc.vector, X86_PF);
	EXPECT_EQ(f->c.exc.addr, SECS_EPC);

	EXPECT_EQ(do_eldu(f, NEW_SECS, slot_epc(PAGE_VA, SLOT_SECS), &secs, 0), 0);
	EXPECT_EQ(fixture_secs(f, NEW_SECS)->children, 0);
	EXPECT_EQ(fixture_secs(f, NEW_SECS)->tcs_first, 0);
	for (unsigned i = FIXTURE_TCS; i < FIXTURE_FREE; i++) {
		EXPECT_EQ(do_eldu(f, NEW + i, slot_epc(PAGE_VA, i), &child[i], fixture_epc(NEW_SECS)), 0);
		EXPECT_MEMEQ(f->mem[NEW + i], original[i], 4096);
		want = f->epcm[i];
		want.valid = true;
		want.blocked = false;
		want.secs = NEW_SECS;
		want.epoch = want.tcs_next = 0;
		EXPECT_EPCM(f, NEW + i, want);
		fixture_map(f, f->epcm[NEW + i].enclaveaddress, NEW + i);
	}
	EXPECT_EQ(fixture_secs(f, NEW_SECS)->children, FIXTURE_FREE - FIXTURE_TCS);
	EXPECT_MEMEQ(((struct sgx_secs *)(void *)f->mem[NEW_SECS])->mrenclave,
		     ((struct sgx_secs *)(void *)original[FIXTURE_SECS])->mrenclave, 32);

	f->c.regs.rax = EENTER;
	f->c.regs.rbx = FIXTURE_BASE;
	f->c.regs.rcx = 0x500000;
	EXPECT_EQ(isa_enclu(&f->m, &f->c), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1000);
	EXPECT_EQ(f->epcm[NEW + FIXTURE_TCS].tcs_word,
		  (uint64_t)fixture_secs(f, NEW_SECS)->epoch << 32 | FIXTURE_TID);
}

/* EREPORT, whose TARGETINFO, REPORTDATA and output lie in the page at @addr: an access to the page. */
static enum leaf_status access_page(struct fixture *f, uint64_t addr)
{
	f->c.regs.rax = EREPORT;
	f->c.regs.rbx = addr;
	f->c.regs.rcx = addr + 512;
	f->c.regs.rdx = addr + 1024;
	return isa_enclu(&f->m, &f->c);
}

/* Page @index goes out and comes back to the same page, of which nothing but the lock is left. */
static void expect_state_restored(struct fixture *f, uint64_t index)
{
	struct epcm_entry want = f->epcm[index];

	want.epoch = 0;
	EXPECT_EQ(evict(f, index, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	f->epcm[index] = (struct epcm_entry){ 0 };
	EXPECT_EQ(do_eldu(f, index, slot_epc(PAGE_VA, 3), &out, SECS_EPC), 0);
	EXPECT_EPCM(f, index, want);
}

/* Proves: PAG-13 */
TEST(paging, reloaded_page_is_accessible_and_its_state_restored)
{
	struct fixture *f = paging_fixture();
	const uint64_t addr = f->epcm[FIXTURE_DATA].enclaveaddress;

	memset(f->mem[FIXTURE_DATA], 0, 4096);		/* a TARGETINFO, a REPORTDATA */
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(reload(f), 0);
	fixture_map(f, addr, PAGE_SPARE);
	fixture_inside(f);
	EXPECT_EQ(access_page(f, addr), LEAF_DONE);
	leave_by_hand(f, FIXTURE_TCS);

	/* PENDING, PR, MODIFIED */
	EXPECT_EQ(do_eaug(f, PAGE_SPARE2, FIXTURE_SECS, FIXTURE_BASE + 0x20000), LEAF_DONE);
	expect_state_restored(f, PAGE_SPARE2);
	EXPECT_EQ(do_emodpr(f, PAGE_SPARE, SGX_SECINFO_R), 0);
	expect_state_restored(f, PAGE_SPARE);
	EXPECT_EQ(do_emodt(f, PAGE_SPARE, SGX_PT_TRIM), 0);
	expect_state_restored(f, PAGE_SPARE);
}

/* Proves: PAG-14 */
TEST(paging, eldb_leaves_the_page_blocked)
{
	struct fixture *f = paging_fixture();
	const uint64_t addr = f->epcm[FIXTURE_DATA].enclaveaddress;

	memset(f->mem[FIXTURE_DATA], 0, 4096);
	EXPECT_EQ(evict(f, FIXTURE_DATA, FIXTURE_SECS, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(do_eldb(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out, SECS_EPC), 0);
	EXPECT_TRUE(f->epcm[PAGE_SPARE].blocked);
	fixture_map(f, addr, PAGE_SPARE);
	fixture_inside(f);
	EXPECT_EQ(access_page(f, addr), LEAF_FAULT);
	EXPECT_EQ(f->c.exc.vector, X86_PF);
	EXPECT_EQ(f->c.exc.error_code & X86_PFEC_SGX, X86_PFEC_SGX);
	leave_by_hand(f, FIXTURE_TCS);

	/* It may go out again at once: nobody can have had a translation. */
	EXPECT_EQ(do_ewb(f, PAGE_SPARE, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(reload(f), 0);
	EXPECT_TRUE(!f->epcm[PAGE_SPARE].blocked);
}

/* EACCEPT of @addr as @flags; its SECINFO lies in the page of FIXTURE_SSA1. */
static uint64_t do_eaccept(struct fixture *f, uint64_t addr, uint64_t flags)
{
	struct sgx_secinfo si = { .flags = flags };

	memcpy(f->mem[FIXTURE_SSA1], &si, sizeof(si));
	f->c.regs.rax = EACCEPT;
	f->c.regs.rbx = f->epcm[FIXTURE_SSA1].enclaveaddress;
	f->c.regs.rcx = addr;
	return rax_of(f, isa_enclu(&f->m, &f->c));
}

/* Proves: PAG-15 */
TEST(paging, eaccept_needs_tracking_after_emodpr_and_emodt)
{
	struct fixture *f = paging_fixture();
	const uint64_t addr = f->epcm[FIXTURE_DATA].enclaveaddress;
	const uint64_t reg = SGX_SECINFO_R | SGX_SECINFO_PR | SGX_SECINFO_OF_PT(SGX_PT_REG);
	const uint64_t trim = SGX_SECINFO_MODIFIED | SGX_SECINFO_OF_PT(SGX_PT_TRIM);

	fixture_inside(f);
	EXPECT_EQ(do_emodpr(f, FIXTURE_DATA, SGX_SECINFO_R), 0);
	EXPECT_EQ(do_eaccept(f, addr, reg), SGX_NOT_TRACKED);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	EXPECT_EQ(do_eaccept(f, addr, reg), SGX_NOT_TRACKED);	/* this thread is in since before */
	enter_by_hand(f, FIXTURE_TCS, 2);
	EXPECT_EQ(do_eaccept(f, addr, reg), 0);

	EXPECT_EQ(do_emodt(f, FIXTURE_DATA, SGX_PT_TRIM), 0);
	EXPECT_EQ(do_eaccept(f, addr, trim), SGX_NOT_TRACKED);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	enter_by_hand(f, FIXTURE_TCS, 3);
	EXPECT_EQ(do_eaccept(f, addr, trim), 0);
}

/* Proves: PAG-16 */
TEST(paging, page_stays_accessible_between_emodpr_and_eaccept)
{
	struct fixture *f = paging_fixture();
	const uint64_t addr = f->epcm[FIXTURE_DATA].enclaveaddress;

	memset(f->mem[FIXTURE_DATA], 0, 4096);
	fixture_inside(f);
	EXPECT_EQ(do_emodpr(f, FIXTURE_DATA, SGX_SECINFO_R | SGX_SECINFO_W), 0);
	EXPECT_EQ(access_page(f, addr), LEAF_DONE);
	EXPECT_EQ(do_emodpr(f, FIXTURE_DATA, SGX_SECINFO_R), 0);
	EXPECT_EQ(access_page(f, addr), LEAF_FAULT);	/* EREPORT writes */
	EXPECT_EQ(f->c.exc.vector, X86_PF);
	EXPECT_EQ(f->c.exc.error_code & (X86_PFEC_SGX | X86_PFEC_W), X86_PFEC_SGX | X86_PFEC_W);
}

static uint64_t do_eremove(struct fixture *f, uint64_t index)
{
	f->c.regs.rcx = fixture_epc(index);
	return rax_of(f, encls_eremove(&f->m, &f->c));
}

/* Proves: PAG-17, PAG-18 */
TEST(paging, trimmed_and_accepted_page_is_removed_while_threads_run)
{
	struct fixture *f = paging_fixture();

	fixture_inside(f);
	EXPECT_EQ(do_eremove(f, FIXTURE_DATA), SGX_ENCLAVE_ACT);
	EXPECT_EQ(do_emodt(f, FIXTURE_DATA, SGX_PT_TRIM), 0);
	EXPECT_EQ(do_eremove(f, FIXTURE_DATA), SGX_ENCLAVE_ACT);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	enter_by_hand(f, FIXTURE_TCS, 2);
	EXPECT_EQ(do_eaccept(f, f->epcm[FIXTURE_DATA].enclaveaddress,
			     SGX_SECINFO_MODIFIED | SGX_SECINFO_OF_PT(SGX_PT_TRIM)), 0);
	EXPECT_EQ(do_eremove(f, FIXTURE_DATA), 0);
	EXPECT_TRUE(!f->epcm[FIXTURE_DATA].valid);
}

/* Proves: PAG-19 */
TEST(paging, nothing_but_eviction_and_removal_unblocks)
{
	struct fixture *f = paging_fixture();

	EXPECT_EQ(do_eblock(f, FIXTURE_DATA), 0);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	EXPECT_EQ(do_emodpr(f, FIXTURE_DATA, SGX_SECINFO_R), 0);
	EXPECT_EQ(do_emodt(f, FIXTURE_DATA, SGX_PT_TRIM), 0);
	EXPECT_TRUE(f->epcm[FIXTURE_DATA].blocked);
	EXPECT_EQ(do_etrack(f, FIXTURE_SECS), 0);
	EXPECT_EQ(do_ewb(f, FIXTURE_DATA, slot_epc(PAGE_VA, 3), &out), 0);
	EXPECT_EQ(reload(f), 0);
	EXPECT_TRUE(!f->epcm[PAGE_SPARE].blocked);

	EXPECT_EQ(do_eblock(f, PAGE_SPARE), 0);
	EXPECT_EQ(do_eremove(f, PAGE_SPARE), 0);
	EXPECT_EQ(do_eaug(f, PAGE_SPARE, FIXTURE_SECS, FIXTURE_BASE + 0x20000), LEAF_DONE);
	EXPECT_TRUE(!f->epcm[PAGE_SPARE].blocked);
}
