/* SPDX-License-Identifier: BSD-2-Clause */
/* EADD, check by check. */
#include "isa/fixture.h"

#define REG_RW	(SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_R | SGX_SECINFO_W)
#define TCS	SGX_SECINFO_OF_PT(SGX_PT_TCS)
#define TARGET	9

static enum leaf_status run(struct fixture *f)
{
	return encls_eadd(&f->m, &f->c);
}

/* An enclave in page 0, and everything ready for EADD of a RW page at its base into page TARGET, not yet run. */
static struct fixture *ready(void)
{
	struct fixture *f = fixture_new();

	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	for (unsigned i = 0; i < 4096; i++)
		f->source[i] = (uint8_t)(i * 3);
	f->secinfo = (struct sgx_secinfo){ .flags = REG_RW };
	f->pageinfo = (struct sgx_pageinfo){ .linaddr = FIXTURE_BASE, .srcpge = host(f->source),
					     .secinfo = host(&f->secinfo), .secs = fixture_epc(0) };
	f->c.regs.rbx = host(&f->pageinfo);
	f->c.regs.rcx = fixture_epc(TARGET);
	return f;
}

static struct fixture *ready_tcs(uint64_t attributes)
{
	struct fixture *f = fixture_new();
	struct sgx_tcs tcs = { .ossa = 0x2000, .nssa = 2, .oentry = 0x1000, .fslimit = 0x12345fff,
			       .gslimit = 0x54321fff };

	f->source_secs.attributes.flags = attributes;
	if (!(attributes & SGX_ATTR_MODE64BIT))
		f->source_secs.baseaddr = 0x10000000;
	EXPECT_EQ(fixture_ecreate(f, 0), LEAF_DONE);
	memcpy(f->source, &tcs, sizeof(tcs));
	f->secinfo = (struct sgx_secinfo){ .flags = TCS };
	f->pageinfo = (struct sgx_pageinfo){ .linaddr = f->source_secs.baseaddr, .srcpge = host(f->source),
					     .secinfo = host(&f->secinfo), .secs = fixture_epc(0) };
	f->c.regs.rbx = host(&f->pageinfo);
	f->c.regs.rcx = fixture_epc(TARGET);
	return f;
}

/* What must hold after every refusal. */
static void untouched(struct fixture *f)
{
	EXPECT_TRUE(!f->epcm[TARGET].valid);
	EXPECT_EQ(atomic_load(&f->epcm[TARGET].lock), 0);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->measure_lock), 0);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->children), 0);
	EXPECT_EQ(fixture_secs(f, 0)->tcs_first, 0);
	EXPECT_EQ(fixture_secs(f, 0)->measure_blocks, 1);
}

static void refused(struct fixture *f)
{
	EXPECT_GP(f, run(f));
	untouched(f);
}

TEST(eadd, regular_page_gets_content_and_entry)
{
	struct fixture *f = ready();
	struct epcm_entry *e = &f->epcm[TARGET];

	e->blocked = e->modified = e->pr = e->x = true;
	f->pageinfo.linaddr = FIXTURE_BASE + 0xff000;
	EXPECT_DONE(f, run(f));
	EXPECT_MEMEQ(f->mem[TARGET], f->source, 4096);
	EXPECT_TRUE(e->valid && e->r && e->w && !e->x);
	EXPECT_TRUE(!e->blocked && !e->pending && !e->modified && !e->pr);
	EXPECT_EQ(e->pt, SGX_PT_REG);
	EXPECT_EQ(e->enclaveaddress, FIXTURE_BASE + 0xff000);
	EXPECT_EQ(e->secs, 0);
	EXPECT_EQ(atomic_load(&e->lock), 0);
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 0);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->children), 1);
	EXPECT_EQ(fixture_secs(f, 0)->measure_blocks, 2);
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->measure_lock), 0);
}

TEST(eadd, tcs_page_is_cleaned_and_listed)
{
	struct fixture *f = ready_tcs(SGX_ATTR_MODE64BIT);
	const struct sgx_tcs *tcs = (const struct sgx_tcs *)(const void *)f->mem[TARGET];
	struct sgx_tcs *source = (struct sgx_tcs *)(void *)f->source;

	source->state = 1;
	source->flags = SGX_TCS_DBGOPTIN | SGX_TCS_AEXNOTIFY;
	source->cssa = 1;
	source->aep = 0x400000;
	f->secinfo.flags |= SGX_SECINFO_RWX;
	atomic_store(&f->epcm[TARGET].tcs_word, 99);
	EXPECT_DONE(f, run(f));
	EXPECT_EQ(tcs->state, 0);
	EXPECT_EQ(tcs->flags, SGX_TCS_AEXNOTIFY);
	EXPECT_EQ(tcs->cssa, 0);
	EXPECT_EQ(tcs->aep, 0);
	EXPECT_EQ(tcs->ossa, 0x2000);
	EXPECT_EQ(tcs->nssa, 2);
	EXPECT_EQ(tcs->fslimit, 0x12345fff);
	EXPECT_EQ(f->epcm[TARGET].pt, SGX_PT_TCS);
	EXPECT_TRUE(!f->epcm[TARGET].r && !f->epcm[TARGET].w && !f->epcm[TARGET].x);
	EXPECT_EQ(atomic_load(&f->epcm[TARGET].tcs_word), 0);
	EXPECT_EQ(fixture_secs(f, 0)->tcs_first, TARGET + 1);
}

/* R, W, X of a TCS are measured as zero. */
TEST(eadd, tcs_permissions_are_not_measured)
{
	uint32_t first[8];
	struct fixture *f = ready_tcs(SGX_ATTR_MODE64BIT);

	EXPECT_DONE(f, run(f));
	memcpy(first, fixture_secs(f, 0)->measure_state, sizeof(first));
	f = ready_tcs(SGX_ATTR_MODE64BIT);
	f->secinfo.flags |= SGX_SECINFO_RWX;
	EXPECT_DONE(f, run(f));
	EXPECT_MEMEQ(fixture_secs(f, 0)->measure_state, first, sizeof(first));
}

/* PENDING, MODIFIED and PR of SECINFO are not refused: they change the measurement and nothing else. */
TEST(eadd, state_bits_of_secinfo_are_measured_only)
{
	uint32_t first[8];
	struct fixture *f = ready();

	EXPECT_DONE(f, run(f));
	memcpy(first, fixture_secs(f, 0)->measure_state, sizeof(first));
	f = ready();
	f->secinfo.flags |= SGX_SECINFO_PENDING | SGX_SECINFO_MODIFIED | SGX_SECINFO_PR;
	EXPECT_DONE(f, run(f));
	EXPECT_TRUE(memcmp(fixture_secs(f, 0)->measure_state, first, sizeof(first)) != 0);
	EXPECT_TRUE(!f->epcm[TARGET].pending && !f->epcm[TARGET].modified && !f->epcm[TARGET].pr);
}

/* Proves: EADD-01, EADD-02 */
TEST(eadd, misaligned_operand_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rbx += 16;
	refused(f);
	f = ready();
	f->c.regs.rcx += 256;
	refused(f);
}

/* Proves: EADD-03 */
TEST(eadd, target_outside_epc_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_PAGES), 0);
	untouched(f);
}

/* Proves: EADD-04, EADD-05, EADD-06, EADD-07 */
TEST(eadd, misaligned_pageinfo_field_is_gp)
{
	struct fixture *f = ready();

	f->pageinfo.srcpge += 8;
	refused(f);
	f = ready();
	f->pageinfo.secs += 64;
	refused(f);
	f = ready();
	f->pageinfo.secinfo += 32;
	refused(f);
	f = ready();
	f->pageinfo.linaddr += 2048;
	refused(f);
}

/* Proves: EADD-08 */
TEST(eadd, secs_outside_epc_is_pf)
{
	struct fixture *f = ready();

	f->pageinfo.secs = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_PAGES), 0);
	untouched(f);
}

/* Proves: GEN-02, GEN-04 */
TEST(eadd, operand_faults_are_delivered)
{
	const uint64_t bad = UINT64_C(0x800000000000);
	struct fixture *f = ready();

	f->pageinfo.srcpge = bad;
	refused(f);
	f = ready();
	f->pageinfo.secinfo = bad;
	refused(f);
	f = ready();
	f->pageinfo.secs = bad;
	refused(f);
	f = ready();
	f->c.regs.rbx = bad;
	refused(f);
	f = ready();
	f->c.regs.rcx = bad;
	refused(f);
	f = ready();
	f->fault_addr = host(f->source);
	EXPECT_FAULT(f, run(f), X86_PF, X86_PFEC_U, host(f->source));
	untouched(f);
}

/* Proves: EADD-09 */
TEST(eadd, reserved_secinfo_is_gp)
{
	for (unsigned bit = 6; bit < 64; bit++) {
		struct fixture *f = ready();

		if (bit >= 8 && bit < 16)
			continue;
		f->secinfo.flags |= UINT64_C(1) << bit;
		refused(f);
	}
	for (unsigned byte = 0; byte < 56; byte++) {
		struct fixture *f = ready();

		f->secinfo.reserved[byte] = 0x80;
		refused(f);
	}
}

/* Proves: EADD-10 */
TEST(eadd, other_page_type_is_gp)
{
	for (unsigned pt = 0; pt < 256; pt++) {
		struct fixture *f = ready();

		if (pt == SGX_PT_REG || pt == SGX_PT_TCS)
			continue;
		f->secinfo.flags = SGX_SECINFO_OF_PT(pt) | SGX_SECINFO_R;
		refused(f);
	}
}

/* Proves: EADD-12, EADD-14, CONC-01 */
TEST(eadd, busy_page_is_gp)
{
	struct fixture *f = ready();

	EXPECT_TRUE(epcm_lock_shared(&f->epcm[TARGET]));
	EXPECT_GP(f, run(f));
	epcm_unlock_shared(&f->epcm[TARGET]);
	untouched(f);

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[0]));
	EXPECT_GP(f, run(f));
	epcm_unlock_exclusive(&f->epcm[0]);
	untouched(f);

	EXPECT_TRUE(epcm_lock_shared(&f->epcm[0]));		/* SECS is shared: another EADD may hold it */
	EXPECT_DONE(f, run(f));
	EXPECT_EQ(atomic_load(&f->epcm[0].lock), 1);
}

/* Proves: EADD-13 */
TEST(eadd, used_target_is_pf)
{
	struct fixture *f = ready();

	EXPECT_DONE(f, run(f));
	fixture_snapshot(f);
	EXPECT_EPC_PF(f, run(f), fixture_epc(TARGET), 0);
	EXPECT_UNCHANGED(f);
}

/* Proves: EADD-15 */
TEST(eadd, invalid_secs_is_pf)
{
	struct fixture *f = ready();

	f->epcm[0].valid = false;
	EXPECT_EPC_PF(f, run(f), fixture_epc(0), 0);
	untouched(f);
}

/* Proves: EADD-16 */
TEST(eadd, secs_of_other_type_is_pf)
{
	struct fixture *f = ready();

	f->epcm[0].pt = SGX_PT_REG;
	EXPECT_EPC_PF(f, run(f), fixture_epc(0), 0);
	untouched(f);
}

/* Proves: EADD-17 */
TEST(eadd, reserved_tcs_byte_is_gp)
{
	for (unsigned byte = 72; byte < 4096; byte += byte < 128 ? 1 : 127) {
		struct fixture *f = ready_tcs(SGX_ATTR_MODE64BIT);

		f->source[byte] = 1;
		refused(f);
	}
}

/* Proves: EADD-18, EADD-19 */
TEST(eadd, tcs_limit_of_32_bit_enclave_is_gp)
{
	struct fixture *f = ready_tcs(0);

	EXPECT_DONE(f, run(f));
	f = ready_tcs(0);
	((struct sgx_tcs *)(void *)f->source)->fslimit = 0xffe;
	refused(f);
	f = ready_tcs(0);
	((struct sgx_tcs *)(void *)f->source)->gslimit = 0x7ff;
	refused(f);
	f = ready_tcs(SGX_ATTR_MODE64BIT);		/* no rule in 64-bit mode */
	((struct sgx_tcs *)(void *)f->source)->gslimit = 0;
	EXPECT_DONE(f, run(f));
}

/* Proves: EADD-21 */
TEST(eadd, write_without_read_is_gp)
{
	struct fixture *f = ready();

	f->secinfo.flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_W;
	refused(f);
	f->secinfo.flags |= SGX_SECINFO_X;
	refused(f);
	f->secinfo.flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_X;
	EXPECT_DONE(f, run(f));
	EXPECT_TRUE(!f->epcm[TARGET].r && f->epcm[TARGET].x);
}

/* Proves: EADD-30, EADD-31 */
TEST(eadd, address_outside_elrange_is_gp)
{
	struct fixture *f = ready();

	f->pageinfo.linaddr = FIXTURE_BASE - 4096;
	refused(f);
	f->pageinfo.linaddr = FIXTURE_BASE + 0x100000;
	refused(f);
	f->pageinfo.linaddr = UINT64_MAX - 4095;
	refused(f);
	f->pageinfo.linaddr = FIXTURE_BASE + 0xff000;
	EXPECT_DONE(f, run(f));
}

/* Proves: EADD-32, CONC-02 */
TEST(eadd, measurement_in_use_is_gp)
{
	struct fixture *f = ready();

	atomic_store(&fixture_secs(f, 0)->measure_lock, 1);
	EXPECT_GP(f, run(f));
	atomic_store(&fixture_secs(f, 0)->measure_lock, 0);
	untouched(f);
	EXPECT_DONE(f, run(f));
}

/* Proves: EADD-33 */
TEST(eadd, initialised_enclave_is_gp)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	EXPECT_EQ(fixture_eadd(f, 20, FIXTURE_SECS, FIXTURE_BASE + 0x10000, REG_RW), LEAF_FAULT);
	EXPECT_EQ(f->c.exc.vector, X86_GP);
	EXPECT_TRUE(!f->epcm[20].valid);
	EXPECT_EQ(atomic_load(&fixture_secs(f, FIXTURE_SECS)->children), 6);
	EXPECT_EQ(atomic_load(&fixture_secs(f, FIXTURE_SECS)->measure_lock), 0);
}

/* The same address twice is not an error. */
TEST(eadd, duplicate_address_is_accepted)
{
	struct fixture *f = ready();

	EXPECT_DONE(f, run(f));
	f->c.regs.rcx = fixture_epc(TARGET + 1);
	EXPECT_DONE(f, run(f));
	EXPECT_EQ(atomic_load(&fixture_secs(f, 0)->children), 2);
}
