/* SPDX-License-Identifier: BSD-2-Clause */
/* AEX: what the frame holds, what software outside sees, and how each vector is reported. */
#include "isa/entry.h"

static struct sgx_gprsgx *frame(struct fixture *f)
{
	return entry_gpr(f, FIXTURE_SSA0);
}

/* Inside, with registers that tell each other apart. */
static struct fixture *aex_ready(void)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	entry_cpu(f);
	f->c.regs.rip = FIXTURE_BASE + 0x1234;
	f->c.fsbase = FIXTURE_BASE + 0x8000;
	f->c.gsbase = FIXTURE_BASE + 0x9000;
	memset(entry_exinfo(f, FIXTURE_SSA0), 0xee, 16);
	frame(f)->exitinfo = 0xeeeeeeee;
	return f;
}

/* Proves: AEX-01, AEX-02, AEX-03, AEX-04, AEX-30 */
TEST(aex, registers_outside_are_synthetic)
{
	struct fixture *f = aex_ready();
	struct cpu_regs expected = { .rax = 3, .rbx = USER_TCS, .rcx = USER_AEP, .rip = USER_AEP };

	expected.rsp = frame(f)->ursp;
	expected.rbp = frame(f)->urbp;
	expected.rflags = f->c.regs.rflags & ~X86_FLAGS_ARITH;
	user_aex(f, X86_UD, 0, 0);
	EXPECT_MEMEQ(&f->c.regs, &expected, sizeof(expected));
	EXPECT_TRUE(!f->c.enclave_mode);
	EXPECT_EQ(f->c.fsbase, 0x7f5500001000);
	EXPECT_EQ(f->c.gsbase, 0x7f6600002000);
}

/* Proves: AEX-05 */
TEST(aex, stack_outside_is_what_the_enclave_left_in_the_frame)
{
	struct fixture *f = aex_ready();

	frame(f)->ursp -= 0x1000;
	frame(f)->urbp = 0x42;
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_EQ(f->c.regs.rsp, frame(f)->ursp);
	EXPECT_EQ(f->c.regs.rbp, 0x42);
}

/* Proves: AEX-06, AEX-07, AEX-11 */
TEST(aex, rflags_are_saved_without_tf_and_cleared_outside_in_part)
{
	struct fixture *f = aex_ready();
	const uint64_t kept = X86_FLAGS_DF | X86_FLAGS_IF | X86_FLAGS_NT | X86_FLAGS_AC | X86_FLAGS_ID | 2;

	f->c.regs.rflags = X86_FLAGS_ARITH | X86_FLAGS_RF | X86_FLAGS_TF | kept;
	user_aex(f, X86_UD, 0, 0);
	EXPECT_EQ(frame(f)->rflags, X86_FLAGS_ARITH | X86_FLAGS_RF | kept);
	EXPECT_EQ(f->c.regs.rflags, kept);
}

/* RF in the frame is what the exception would have pushed, which only the caller knows. */
/* Proves: AEX-08, AEX-09, AEX-10 */
TEST(aex, rf_is_saved_as_given)
{
	struct fixture *f = aex_ready();

	f->c.regs.rflags |= X86_FLAGS_RF;
	user_aex(f, X86_GP, 0, 0);
	EXPECT_EQ(frame(f)->rflags & X86_FLAGS_RF, X86_FLAGS_RF);
	f = aex_ready();
	f->c.regs.rflags &= ~X86_FLAGS_RF;
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_EQ(frame(f)->rflags & X86_FLAGS_RF, 0);
}

/* Proves: DBG-02 */
TEST(aex, opt_out_gives_tf_of_the_entry_back)
{
	struct fixture *f = entry_ready();

	f->c.regs.rflags |= X86_FLAGS_TF;
	user_enter(f);
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, X86_FLAGS_TF);
	EXPECT_EQ(frame(f)->rflags & X86_FLAGS_TF, 0);
}

/* Proves: DBG-05, AEX-07 */
TEST(aex, opt_in_leaves_tf_as_it_is)
{
	struct fixture *f = entry_ready();

	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	f->c.regs.rflags |= X86_FLAGS_TF;
	user_enter(f);
	user_aex(f, X86_DB, 0, 0);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, X86_FLAGS_TF);
	EXPECT_EQ(frame(f)->rflags & X86_FLAGS_TF, 0);
}

/* Proves: SSA-06 */
TEST(aex, frame_holds_the_registers)
{
	struct fixture *f = aex_ready();
	struct cpu_regs inside = f->c.regs;

	user_aex(f, X86_UD, 0, 0);
	EXPECT_MEMEQ(frame(f), &inside, sizeof(inside));
	EXPECT_EQ(frame(f)->fsbase, FIXTURE_BASE + 0x8000);
	EXPECT_EQ(frame(f)->gsbase, FIXTURE_BASE + 0x9000);
}

/* Proves: AEX-17, AEX-18, AEX-19 */
TEST(aex, frame_holds_the_extended_state_of_xfrm)
{
	struct fixture *f = aex_ready();
	uint8_t *image = f->mem[FIXTURE_SSA0], before[sizeof(f->xstate)];
	uint64_t bv;

	memcpy(f->xstate + 512, &(uint64_t){ 0xe7 }, 8);	/* AVX-512 in use, but XFRM is 7 */
	memset(image, 0xcc, 2048);
	memcpy(before, f->xstate, sizeof(before));
	user_aex(f, X86_INTR, 0, 0);

	EXPECT_MEMEQ(image, before, 416);
	EXPECT_MEMEQ(image + 576, before + 576, 256);
	memcpy(&bv, image + 512, 8);
	EXPECT_EQ(bv, 7);
	for (unsigned i = 520; i < 536; i++)
		EXPECT_EQ(image[i], 0);
	for (unsigned i = 464; i < 512; i++)	/* words of the signal frame do not get in */
		EXPECT_EQ(image[i], 0xcc);
	for (unsigned i = 832; i < 2048; i++)	/* nor do components outside XFRM */
		EXPECT_EQ(image[i], 0xcc);
}

/* Proves: AEX-17 */
TEST(aex, components_in_init_are_not_marked)
{
	struct fixture *f = aex_ready();
	uint8_t *image = f->mem[FIXTURE_SSA0];
	uint64_t bv;

	memset(f->xstate + 512, 0, 8);
	memcpy(f->xstate + X86_XSAVE_MXCSR, &(uint32_t){ 0x1fa0 }, 4);
	user_aex(f, X86_INTR, 0, 0);
	memcpy(&bv, image + 512, 8);
	EXPECT_EQ(bv, 0);
	EXPECT_EQ(image[0] | image[1] << 8, 0x37f);
	EXPECT_EQ(image[X86_XSAVE_MXCSR] | image[X86_XSAVE_MXCSR + 1] << 8, 0x1fa0);
	for (unsigned i = X86_XSAVE_ST0; i < 416; i++)
		EXPECT_EQ(image[i], 0);
}

/* Proves: AEX-20 */
TEST(aex, without_xsave_the_header_says_xfrm)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();
	uint8_t legacy[512];
	uint64_t bv;

	spec.attributes.xfrm = 3;
	fixture_build(f, &spec);
	f->profile.xcr0 = 0;
	entry_cpu(f);
	f->c.xstate_size = 512;
	memset(f->xstate + 512, 0x5c, 64);		/* not there: neither read nor written */
	memcpy(legacy, f->xstate, sizeof(legacy));
	user_enter(f);
	user_aex(f, X86_INTR, 0, 0);
	memcpy(&bv, f->mem[FIXTURE_SSA0] + 512, 8);
	EXPECT_EQ(bv, 3);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0], legacy, 416);
	EXPECT_EQ(f->xstate[X86_XSAVE_MXCSR], 0xb0);
	for (unsigned i = 512; i < 576; i++)
		EXPECT_EQ(f->xstate[i], 0x5c);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_MEMEQ(f->xstate, legacy, 512);
}

static uint32_t live_mxcsr(const struct fixture *f)
{
	uint32_t mxcsr;

	memcpy(&mxcsr, f->xstate + X86_XSAVE_MXCSR, 4);
	return mxcsr;
}

/* Proves: AEX-12, AEX-15, AEX-16 */
TEST(aex, extended_state_outside_is_init_but_for_mxcsr)
{
	struct fixture *f = aex_ready();
	uint8_t before[sizeof(f->xstate)];
	uint64_t bv;

	memcpy(f->xstate + 512, &(uint64_t){ 0xe7 }, 8);
	memcpy(before, f->xstate, sizeof(before));
	user_aex(f, X86_PF, X86_PFEC_U, USER_DATA);
	EXPECT_EQ(live_mxcsr(f), 0x1fb0);
	EXPECT_EQ(f->xstate[0] | f->xstate[1] << 8, 0x37f);
	for (unsigned i = 2; i < X86_XSAVE_MXCSR; i++)
		EXPECT_EQ(f->xstate[i], 0);
	for (unsigned i = X86_XSAVE_ST0; i < 416; i++)
		EXPECT_EQ(f->xstate[i], 0);
	memcpy(&bv, f->xstate + 512, 8);
	EXPECT_EQ(bv & X86_XFEATURE_AVX, 0);	/* INIT */
	EXPECT_EQ(bv & X86_XFEATURE_X87, 0);
	EXPECT_EQ(bv & ~UINT64_C(7), 0xe0);	/* outside XFRM: untouched */
	EXPECT_MEMEQ(f->xstate + 832, before + 832, sizeof(before) - 832);
	EXPECT_MEMEQ(f->xstate + 464, before + 464, 48);
}

/* Proves: AEX-13 */
TEST(aex, x87_outside_after_mf)
{
	struct fixture *f = aex_ready();

	user_aex(f, X86_MF, 0, 0);
	EXPECT_EQ(f->xstate[0] | f->xstate[1] << 8, 0x37e);
	EXPECT_EQ(f->xstate[2] | f->xstate[3] << 8, 0x8081);
	EXPECT_EQ(f->xstate[512] & X86_XFEATURE_X87, X86_XFEATURE_X87);
	EXPECT_EQ(live_mxcsr(f), 0x1fb0);
}

/* Proves: AEX-14 */
TEST(aex, mxcsr_outside_after_xm)
{
	struct fixture *f = aex_ready();

	user_aex(f, X86_XM, 0, 0);
	EXPECT_EQ(live_mxcsr(f), 0x1f01);
	EXPECT_EQ(f->xstate[512] & X86_XFEATURE_SSE, X86_XFEATURE_SSE);
}

/* Proves: AEX-15 */
TEST(aex, pkru_of_xfrm_is_zero_outside)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();

	f->profile.xcr0 = f->profile.xfrm = 0x2e7;
	spec.attributes.xfrm = 0x207;
	fixture_build(f, &spec);
	entry_cpu(f);
	memcpy(f->xstate + 512, &(uint64_t){ 0x207 }, 8);
	memcpy(f->xstate + 2688, &(uint32_t){ 0x55555554 }, 4);
	user_enter(f);
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0] + 2688, (&(uint32_t){ 0x55555554 }), 4);
	EXPECT_EQ(f->xstate[513] & 2, 0);	/* INIT, which is 0 for PKRU */
}

/* Proves: AEX-22, AEX-26 */
TEST(aex, cssa_is_one_more_and_the_tcs_idle)
{
	struct fixture *f = aex_ready();
	uint64_t generation = f->generation;

	user_aex(f, X86_INTR, 0, 0);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
	EXPECT_EQ(user_tcs(f)->state, 0);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, 0);
	EXPECT_EQ(f->generation, generation);
	user_enter(f);
	EXPECT_EQ(f->c.regs.rax, 1);
}

/* Proves: AEX-23, AEX-24 */
TEST(aex, page_fault_address_is_masked_outside_and_full_inside)
{
	struct fixture *f = aex_ready();
	const uint32_t ec = X86_PFEC_SGX | X86_PFEC_U | X86_PFEC_W | X86_PFEC_P;
	struct exception seen = user_aex(f, X86_PF, ec, USER_DATA + 0x123);

	EXPECT_EQ(seen.vector, X86_PF);
	EXPECT_EQ(seen.error_code, ec);
	EXPECT_EQ(seen.addr, USER_DATA);
	EXPECT_EQ(entry_exinfo(f, FIXTURE_SSA0)->maddr, USER_DATA + 0x123);
	EXPECT_EQ(entry_exinfo(f, FIXTURE_SSA0)->errcd, ec);
}

/* Proves: AEX-25 */
TEST(aex, supervisor_page_fault_is_not_reported)
{
	struct fixture *f = aex_ready();

	user_aex(f, X86_PF, X86_PFEC_P, USER_DATA + 0x123);
	EXPECT_EQ(frame(f)->exitinfo, 0);
	EXPECT_EQ(entry_exinfo(f, FIXTURE_SSA0)->maddr, 0xeeeeeeeeeeeeeeee);
}

/* A round trip changes nothing that the enclave could see. */
/* Proves: AEX-19, AEX-22 */
TEST(aex, eresume_undoes_it)
{
	struct fixture *f = aex_ready();
	struct cpu_regs inside = f->c.regs;
	uint8_t before[sizeof(f->xstate)];

	memcpy(before, f->xstate, sizeof(before));
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_TRUE(memcmp(f->xstate, before, sizeof(before)) != 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);	/* RAX, RBX and RCX are ERESUME's operands already */
	EXPECT_MEMEQ(&f->c.regs, &inside, sizeof(inside));
	EXPECT_MEMEQ(f->xstate, before, sizeof(before));
	EXPECT_EQ(f->c.fsbase, FIXTURE_BASE + 0x8000);
	EXPECT_EQ(f->c.gsbase, FIXTURE_BASE + 0x9000);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
}

struct event_case {
	const char *rule;
	uint32_t vector, error_code, miscselect, exitinfo;
	bool exinfo;
};

/* Proves: EVT-01, EVT-02, EVT-03, EVT-04, EVT-05, EVT-06, EVT-07, EVT-08, EVT-09 */
/* Proves: EVT-10, EVT-11, EVT-12, EVT-13, EVT-14, EVT-15, EVT-16, EVT-17 */
TEST(aex, exitinfo_and_exinfo_by_vector)
{
	static const struct event_case cases[] = {
		{ "EVT-01", X86_DE, 0, 1, 0x80000300, false }, { "EVT-02", X86_DB, 0, 1, 0x80000301, false },
		{ "EVT-03", X86_BP, 0, 1, 0x80000603, false }, { "EVT-04", X86_BR, 0, 1, 0x80000305, false },
		{ "EVT-05", X86_UD, 0, 1, 0x80000306, false }, { "EVT-06", X86_GP, 8, 1, 0x8000030d, true },
		{ "EVT-07", X86_GP, 8, 0, 0, false }, { "EVT-08", X86_PF, 0x8007, 1, 0x8000030e, true },
		{ "EVT-09", X86_PF, 0x8007, 0, 0, false }, { "EVT-10", X86_MF, 0, 1, 0x80000310, false },
		{ "EVT-11", X86_AC, 0, 1, 0x80000311, false }, { "EVT-12", X86_XM, 0, 1, 0x80000313, false },
		{ "EVT-13", X86_CP, 2, 3, 0x80000315, true }, { "EVT-13", X86_CP, 2, 2, 0x80000315, true },
		{ "EVT-14", X86_CP, 2, 1, 0, false }, { "EVT-15", X86_INTR, 0, 3, 0, false },
		{ "EVT-15", X86_NMI, 0, 3, 0, false }, { "EVT-17", X86_NM, 0, 3, 0, false },
		{ "EVT-17", X86_DF, 0, 3, 0, false }, { "EVT-17", X86_TS, 8, 3, 0, false },
		{ "EVT-17", X86_NP, 8, 3, 0, false }, { "EVT-17", X86_SS, 8, 3, 0, false },
		{ "EVT-17", X86_MC, 0, 3, 0, false }, { "EVT-17", X86_VE, 0, 3, 0, false },
	};

	for (size_t i = 0; i < USER_COUNT(cases); i++) {
		const struct event_case *e = &cases[i];
		const uint64_t addr = e->vector == X86_PF ? USER_DATA + 0x123 : 0;
		struct fixture *f = aex_ready();
		struct sgx_exinfo expected = { .maddr = addr, .errcd = e->error_code };

		fixture_secs(f, FIXTURE_SECS)->miscselect = e->miscselect;
		if (!e->exinfo)
			memset(&expected, 0xee, sizeof(expected));	/* as it was */
		user_aex(f, e->vector, e->error_code, addr);
		if (frame(f)->exitinfo != e->exitinfo)
			test_fail(__FILE__, __LINE__, "%s: EXITINFO of vector %u is %#x", e->rule, e->vector,
				  frame(f)->exitinfo);
		if (memcmp(entry_exinfo(f, FIXTURE_SSA0), &expected, sizeof(expected)))
			test_fail(__FILE__, __LINE__, "%s: EXINFO of vector %u is wrong", e->rule, e->vector);
	}
}

/* Without MISCSELECT there is no EXINFO: the bytes below GPRSGX are the enclave's. */
/* Proves: EVT-16 */
TEST(aex, no_exinfo_without_miscselect)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();

	spec.miscselect = 0;
	fixture_build(f, &spec);
	entry_cpu(f);
	user_enter(f);
	EXPECT_TRUE(!f->c.misc);
	memset(entry_exinfo(f, FIXTURE_SSA0), 0xee, 16);
	user_aex(f, X86_PF, 0x8007, USER_DATA);
	EXPECT_EQ(entry_exinfo(f, FIXTURE_SSA0)->maddr, 0xeeeeeeeeeeeeeeee);
}
