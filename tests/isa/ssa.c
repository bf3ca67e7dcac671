/* SPDX-License-Identifier: BSD-2-Clause */
/* SSA frames and their count: which frame an entry, an exit and a resume use. */
#include "isa/entry.h"

static void interrupt(struct fixture *f, uint64_t rip)
{
	f->c.regs.rip = rip;
	user_aex(f, X86_UD, 0, 0);
	f->c.regs.rip = 0x400000;
}

/* Proves: SSA-01 */
TEST(ssa, one_frame_cannot_be_entered_after_a_fault)
{
	struct fixture *f = entry_ready();

	user_tcs(f)->nssa = 1;
	user_enter(f);
	interrupt(f, FIXTURE_BASE + 0x1100);
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "SSA-01");
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1100);
}

/* Proves: SSA-02, SSA-03 */
TEST(ssa, two_frames_take_a_fault_in_the_handler_but_no_third_entry)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	interrupt(f, FIXTURE_BASE + 0x1100);
	user_enter(f);
	EXPECT_EQ(f->c.regs.rax, 1);
	interrupt(f, FIXTURE_BASE + 0x1200);
	EXPECT_EQ(user_tcs(f)->cssa, 2);
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "SSA-02");
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1200);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
}

/* Proves: SSA-05 */
TEST(ssa, eexit_from_the_handler_then_eresume_resumes_frame_0)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	interrupt(f, FIXTURE_BASE + 0x1100);
	user_enter(f);
	user_regs(f, EEXIT, 0x400100, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1100);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
}

/* Proves: SSA-04 */
TEST(ssa, eresume_without_frame_is_gp)
{
	struct fixture *f = entry_ready();

	f->c.regs.rax = ERESUME;
	RULE_GP(f, "SSA-04");
}

/* Whatever happens to the mapping or to the EPCM after entry, the frame is there. */
/* Proves: SSA-06, AEX-29 */
TEST(ssa, aex_needs_no_mapping)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	fixture_unmap(f, USER_SSA0);
	f->epcm[FIXTURE_SSA0].blocked = true;
	f->epcm[FIXTURE_SSA0].w = false;
	interrupt(f, FIXTURE_BASE + 0x1100);
	EXPECT_EQ(entry_gpr(f, FIXTURE_SSA0)->rip, FIXTURE_BASE + 0x1100);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
}

/* Proves: SSA-07 */
TEST(ssa, one_frame_cannot_be_notified)
{
	struct fixture *f = entry_ready();

	user_tcs(f)->nssa = 1;
	entry_notify(f, FIXTURE_SSA0);
	user_enter(f);
	interrupt(f, FIXTURE_BASE + 0x1100);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "SSA-07");
}

/*
 * An XSAVE area of several pages that do not lie side by side in the EPC: every page is checked, and every
 * byte lands.
 */
/* Proves: EENTER-31, AEX-19 */
TEST(ssa, xsave_area_spans_pages)
{
	enum { LAST = FIXTURE_FREE + 5, MIDDLE = FIXTURE_FREE + 9 };
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();
	uint8_t before[sizeof(f->xstate)];
	uint64_t bv;

	spec.ssaframesize = 3;
	f->profile.xcr0 = f->profile.xfrm = 0x600e7;
	spec.attributes.xfrm = 0x600e7;
	fixture_build(f, &spec);
	user_page(f, MIDDLE, FIXTURE_BASE + 0x3000);
	user_page(f, LAST, FIXTURE_BASE + 0x4000);
	entry_cpu(f);
	memcpy(f->xstate + 512, &(uint64_t){ 0x600e7 }, 8);
	memcpy(before, f->xstate, sizeof(before));
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0);
	f->epcm[MIDDLE].pending = true;
	RULE_PF(f, "EENTER-33", FIXTURE_BASE + 0x3000, X86_PFEC_W);
	f->epcm[MIDDLE].pending = false;
	f->epcm[LAST].blocked = true;
	RULE_PF(f, "EENTER-32", FIXTURE_BASE + 0x4000, X86_PFEC_W);
	f->epcm[LAST].blocked = false;
	user_enter(f);
	EXPECT_TRUE(f->c.gpr == entry_gpr(f, LAST));
	user_aex(f, X86_INTR, 0, 0);

	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0] + 1664, before + 1664, 1024);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0] + 2816, before + 2816, 4096 - 2816);
	EXPECT_MEMEQ(f->mem[MIDDLE], before + 4096, 4096);
	EXPECT_MEMEQ(f->mem[LAST], before + 8192, 11008 - 8192);

	memset(f->xstate + 576, 0, sizeof(f->xstate) - 576);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	memcpy(&bv, f->xstate + 512, 8);
	EXPECT_EQ(bv, 0x600e7);
	EXPECT_MEMEQ(f->xstate + 1152, before + 1152, 512 + 1024);
	EXPECT_MEMEQ(f->xstate + 2816, before + 2816, 8192);
}
