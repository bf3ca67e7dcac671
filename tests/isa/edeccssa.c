/* SPDX-License-Identifier: BSD-2-Clause */
/* EDECCSSA, rule by rule, and with it the end of a notified handler. */
#include "isa/entry.h"

/* Inside, in frame 1, after a notification. */
static struct fixture *notified(struct fixture *f, uint64_t gpr)
{
	f->profile.edeccssa = true;
	entry_notify(f, gpr);
	entry_interrupted(f);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rax, 1);
	user_regs(f, EDECCSSA, 0x1b, 0x1c, 0x1d);
	return f;
}

static struct fixture *edeccssa_ready(void)
{
	return notified(entry_ready(), FIXTURE_SSA0);
}

static struct fixture *edeccssa_ready_two_pages(void)
{
	return notified(entry_ready_two_pages(), ENTRY_GPR0);
}

/* Proves: EDECCSSA-01 */
TEST(edeccssa, tcs_held_by_another_leaf_is_gp)
{
	struct fixture *f = edeccssa_ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_TCS]));
	RULE_GP(f, "EDECCSSA-01");
	epcm_unlock_exclusive(&f->epcm[FIXTURE_TCS]);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: EDECCSSA-02 */
TEST(edeccssa, no_frame_in_use_is_gp)
{
	struct fixture *f = edeccssa_ready();

	user_tcs(f)->cssa = 0;
	RULE_GP(f, "EDECCSSA-02");
	EXPECT_EQ(f->epcm[FIXTURE_TCS].lock, 0);
}

/* Proves: EDECCSSA-03, EDECCSSA-14 */
TEST(edeccssa, frame_refused_by_paging_is_ordinary_fault)
{
	struct fixture *f = edeccssa_ready_two_pages();

	fixture_refuse(f, ENTRY_GPR0_LA, X86_PFEC_W);
	RULE_PAGING(f, "EDECCSSA-14", ENTRY_GPR0_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, ENTRY_XSAVE0_LA);
	RULE_PAGING(f, "EDECCSSA-03", ENTRY_XSAVE0_LA, X86_PFEC_W);
	user_tcs(f)->ossa = ENTRY_BEYOND;
	RULE_GP(f, "EDECCSSA-03");
}

/* Proves: EDECCSSA-04, EDECCSSA-15 */
TEST(edeccssa, frame_not_in_epc_is_pf)
{
	struct fixture *f = edeccssa_ready_two_pages();

	fixture_map_host(f, ENTRY_GPR0_LA);
	RULE_PF(f, "EDECCSSA-15", ENTRY_GPR0_LA, X86_PFEC_W);
	fixture_map_host(f, ENTRY_XSAVE0_LA);
	RULE_PF(f, "EDECCSSA-04", ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: EDECCSSA-05, EDECCSSA-06, EDECCSSA-07, EDECCSSA-08, EDECCSSA-09 */
/* Proves: EDECCSSA-10, EDECCSSA-11, EDECCSSA-12, EDECCSSA-13 */
TEST(edeccssa, xsave_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EDECCSSA-05", WRONG_VALID }, { "EDECCSSA-06", WRONG_BLOCKED }, { "EDECCSSA-07", WRONG_PENDING },
		{ "EDECCSSA-08", WRONG_MODIFIED }, { "EDECCSSA-09", WRONG_ADDRESS }, { "EDECCSSA-10", WRONG_PT },
		{ "EDECCSSA-11", WRONG_SECS }, { "EDECCSSA-12", WRONG_R }, { "EDECCSSA-13", WRONG_W },
	};
	struct fixture *f = edeccssa_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_XSAVE0, ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: EDECCSSA-16, EDECCSSA-17, EDECCSSA-18, EDECCSSA-19, EDECCSSA-20 */
/* Proves: EDECCSSA-21, EDECCSSA-22, EDECCSSA-23, EDECCSSA-24 */
TEST(edeccssa, gpr_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EDECCSSA-16", WRONG_VALID }, { "EDECCSSA-17", WRONG_BLOCKED }, { "EDECCSSA-18", WRONG_PENDING },
		{ "EDECCSSA-19", WRONG_MODIFIED }, { "EDECCSSA-20", WRONG_ADDRESS }, { "EDECCSSA-21", WRONG_PT },
		{ "EDECCSSA-22", WRONG_SECS }, { "EDECCSSA-23", WRONG_R }, { "EDECCSSA-24", WRONG_W },
	};
	struct fixture *f = edeccssa_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_GPR0, ENTRY_GPR0_LA, X86_PFEC_W);
}

/* Nothing changes but CSSA, RIP, and where the next AEX goes. */
/* Proves: NTF-09 */
TEST(edeccssa, success_pops_a_frame_and_the_next_aex_overwrites_it)
{
	struct fixture *f = edeccssa_ready();
	struct sgx_gprsgx *gpr = entry_gpr(f, FIXTURE_SSA0);
	struct cpu_regs expected;
	uint8_t frames[2][4096];
	uint64_t generation;

	f->profile.miscselect = SGX_MISC_EXINFO;
	gpr->ursp = 0xaaaa;			/* of the entry that was interrupted: the next AEX restores these */
	gpr->urbp = 0xbbbb;
	expected = f->c.regs;
	expected.rip += f->c.insn_size;
	memcpy(frames[0], f->mem[FIXTURE_SSA0], 4096);
	memcpy(frames[1], f->mem[FIXTURE_SSA1], 4096);
	generation = f->generation;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	EXPECT_MEMEQ(&f->c.regs, &expected, sizeof(expected));
	EXPECT_EQ(user_tcs(f)->cssa, 0);
	EXPECT_EQ(user_tcs(f)->state, 1);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0], frames[0], 4096);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA1], frames[1], 4096);
	EXPECT_TRUE(f->c.enclave_mode);
	EXPECT_TRUE(f->c.gpr == gpr);
	EXPECT_TRUE(f->c.misc == (uint8_t *)entry_exinfo(f, FIXTURE_SSA0));
	EXPECT_TRUE(f->c.xsave[0] == f->mem[FIXTURE_SSA0]);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].lock, 0);
	EXPECT_EQ(f->generation, generation);

	f->c.regs.rip = FIXTURE_BASE + 0x1444;
	user_aex(f, X86_GP, 0x5a, 0);
	EXPECT_EQ(gpr->rip, FIXTURE_BASE + 0x1444);
	EXPECT_EQ(entry_exinfo(f, FIXTURE_SSA0)->errcd, 0x5a);
	EXPECT_EQ(f->c.regs.rsp, 0xaaaa);
	EXPECT_EQ(f->c.regs.rbp, 0xbbbb);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA1], frames[1], 4096);
}

TEST(edeccssa, success_pops_a_frame_of_two_pages)
{
	struct fixture *f = edeccssa_ready_two_pages();

	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_TRUE(f->c.gpr == entry_gpr(f, ENTRY_GPR0));
	EXPECT_TRUE(f->c.xsave[0] == f->mem[ENTRY_XSAVE0]);
}

/* A handler that was entered by EENTER may pop as well, and leave; the frame is gone for good then. */
TEST(edeccssa, exit_after_it_leaves_the_thread_fresh)
{
	struct fixture *f = entry_ready();

	f->profile.edeccssa = true;
	entry_interrupted(f);
	user_enter(f);
	user_regs(f, EDECCSSA, 0, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	user_regs(f, EEXIT, 0x400100, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "ERESUME-28");
}

/* Proves: ENCLU-11 */
TEST(edeccssa, not_enumerated_is_gp)
{
	struct fixture *f = edeccssa_ready();

	f->profile.edeccssa = false;
	RULE_GP(f, "ENCLU-11");
}

/* Proves: ENCLU-24 */
TEST(edeccssa, outside_is_gp)
{
	struct fixture *f = entry_ready();

	f->profile.edeccssa = true;
	entry_interrupted(f);
	user_regs(f, EDECCSSA, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "ENCLU-24");
}
