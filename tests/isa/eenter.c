/* SPDX-License-Identifier: BSD-2-Clause */
/* EENTER, rule by rule. */
#include "isa/entry.h"

/* Proves: EENTER-08 */
TEST(eenter, tcs_misaligned_is_gp)
{
	struct fixture *f = entry_ready();

	f->c.regs.rbx = USER_TCS + 8;
	RULE_GP(f, "EENTER-08");
}

/* Proves: GEN-02 */
TEST(eenter, tcs_noncanonical_is_gp)
{
	struct fixture *f = entry_ready();

	f->c.regs.rbx = USER_NONCANONICAL;
	RULE_GP(f, "GEN-02");
}

/* Proves: EENTER-09 */
TEST(eenter, tcs_not_in_epc_is_pf)
{
	struct fixture *f = entry_ready();

	f->c.regs.rcx = USER_NONCANONICAL;	/* judged later */
	fixture_map_host(f, USER_TCS);
	RULE_PF(f, "EENTER-09", USER_TCS, X86_PFEC_W);
}

/* The processor writes to the TCS: a mapping that is read-only is not enough. */
/* Proves: GEN-04 */
TEST(eenter, tcs_mapping_refused_is_ordinary_pf)
{
	struct fixture *f = entry_ready();

	fixture_refuse(f, USER_TCS, X86_PFEC_W);
	RULE_PAGING(f, "GEN-04", USER_TCS, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, USER_TCS);
	RULE_PAGING(f, "GEN-04", USER_TCS, X86_PFEC_W);
}

/* Proves: EENTER-10 */
TEST(eenter, aep_noncanonical_is_gp)
{
	struct fixture *f = entry_ready();

	f->epcm[FIXTURE_TCS].valid = false;	/* judged later */
	f->c.regs.rcx = USER_NONCANONICAL;
	RULE_GP(f, "EENTER-10");
}

/* Proves: EENTER-11, CONC-07 */
TEST(eenter, tcs_held_by_another_leaf_is_gp)
{
	struct fixture *f = entry_ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_TCS]));
	RULE_GP(f, "EENTER-11");
	epcm_unlock_exclusive(&f->epcm[FIXTURE_TCS]);
	EXPECT_TRUE(epcm_lock_shared(&f->epcm[FIXTURE_TCS]));	/* EDBGRD, say: no conflict */
	user_enter(f);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].lock, 1);
}

/* Proves: EENTER-12, EENTER-13, EENTER-14, EENTER-15, EENTER-16, EENTER-17 */
TEST(eenter, tcs_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EENTER-12", WRONG_VALID }, { "EENTER-13", WRONG_BLOCKED }, { "EENTER-14", WRONG_ADDRESS },
		{ "EENTER-15", WRONG_PT }, { "EENTER-16", WRONG_PENDING }, { "EENTER-17", WRONG_MODIFIED },
	};
	struct fixture *f = entry_ready();

	RULE_TABLE_PF(f, cases, FIXTURE_TCS, USER_TCS, X86_PFEC_W);
}

/* Proves: EENTER-18, EENTER-19, EENTER-20, EENTER-21 */
TEST(eenter, tcs_field_illegal_is_gp)
{
	struct fixture *f = entry_ready();
	struct sgx_tcs *tcs = user_tcs(f);

	tcs->ossa |= 8;
	RULE_GP(f, "EENTER-18");
	tcs->ossa &= ~UINT64_C(8);
	tcs->ofsbasgx = 8;
	RULE_GP(f, "EENTER-19");
	tcs->ofsbasgx = 0;
	tcs->ogsbasgx = 2048;
	RULE_GP(f, "EENTER-20");
	tcs->ogsbasgx = 0;
	for (unsigned bit = 2; bit < 64; bit++) {
		tcs->flags = UINT64_C(1) << bit;
		RULE_GP(f, "EENTER-21");
	}
	/* Bit 1 is reserved where AEX-Notify does not exist, opted in or not. */
	f->profile.attributes &= ~SGX_ATTR_AEXNOTIFY;
	tcs->flags = SGX_TCS_AEXNOTIFY | SGX_TCS_DBGOPTIN;
	RULE_GP(f, "EENTER-21");
}

/* Proves: EENTER-22, EENTER-23 */
TEST(eenter, enclave_not_initialised_or_32_bit_is_gp)
{
	struct fixture *f = entry_ready();
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	secs->attributes.flags &= ~SGX_ATTR_INIT;
	RULE_GP(f, "EENTER-22");
	secs->attributes.flags |= SGX_ATTR_INIT;
	secs->attributes.flags &= ~SGX_ATTR_MODE64BIT;
	RULE_GP(f, "EENTER-23");
}

/* Proves: EENTER-25, EENTER-26 */
TEST(eenter, xfrm_beyond_xcr0_is_gp)
{
	struct fixture *f = entry_ready();

	f->profile.xcr0 = 3;
	RULE_GP(f, "EENTER-26");
	f->profile.xcr0 = 0;			/* CR4.OSXSAVE = 0 */
	RULE_GP(f, "EENTER-25");
	fixture_secs(f, FIXTURE_SECS)->attributes.xfrm = 3;
	user_enter(f);
}

/* Proves: EENTER-27, NTF-06, NTF-07, DBG-14 */
TEST(eenter, aexnotify_mismatch_is_gp_unless_opted_in)
{
	struct fixture *f = entry_ready();
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	f->profile.attributes |= SGX_ATTR_AEXNOTIFY;
	user_tcs(f)->flags = SGX_TCS_AEXNOTIFY;
	RULE_GP(f, "NTF-07");
	secs->attributes.flags |= SGX_ATTR_AEXNOTIFY;
	user_tcs(f)->flags = 0;
	RULE_GP(f, "NTF-06");
	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	user_enter(f);
}

/* Proves: EENTER-28 */
TEST(eenter, no_frame_left_is_gp)
{
	struct fixture *f = entry_ready();

	fixture_unmap(f, USER_SSA1);		/* judged later */
	user_tcs(f)->cssa = 2;
	RULE_GP(f, "EENTER-28");
	user_tcs(f)->cssa = 3;
	RULE_GP(f, "EENTER-28");
}

/* Proves: EENTER-29, EENTER-40 */
TEST(eenter, frame_refused_by_paging_is_ordinary_fault)
{
	struct fixture *f = entry_ready_two_pages();

	fixture_refuse(f, ENTRY_GPR0_LA & ~UINT64_C(4095), X86_PFEC_W);
	RULE_PAGING(f, "EENTER-40", ENTRY_GPR0_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, ENTRY_GPR0_LA & ~UINT64_C(4095));
	RULE_PAGING(f, "EENTER-40", ENTRY_GPR0_LA, X86_PFEC_W);
	fixture_refuse(f, ENTRY_XSAVE0_LA, X86_PFEC_W);
	RULE_PAGING(f, "EENTER-29", ENTRY_XSAVE0_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, ENTRY_XSAVE0_LA);
	RULE_PAGING(f, "EENTER-29", ENTRY_XSAVE0_LA, X86_PFEC_W);
	user_tcs(f)->ossa = ENTRY_BEYOND;
	RULE_GP(f, "EENTER-29");
}

/* Proves: EENTER-30, EENTER-41 */
TEST(eenter, frame_not_in_epc_is_pf)
{
	struct fixture *f = entry_ready_two_pages();

	fixture_map_host(f, ENTRY_GPR0_LA & ~UINT64_C(4095));
	RULE_PF(f, "EENTER-41", ENTRY_GPR0_LA, X86_PFEC_W);
	fixture_map_host(f, ENTRY_XSAVE0_LA);
	RULE_PF(f, "EENTER-30", ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: EENTER-31, EENTER-32, EENTER-33, EENTER-34, EENTER-35, EENTER-36, EENTER-37, EENTER-38, EENTER-39 */
TEST(eenter, xsave_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EENTER-31", WRONG_VALID }, { "EENTER-32", WRONG_BLOCKED }, { "EENTER-33", WRONG_PENDING },
		{ "EENTER-34", WRONG_MODIFIED }, { "EENTER-35", WRONG_ADDRESS }, { "EENTER-36", WRONG_PT },
		{ "EENTER-37", WRONG_SECS }, { "EENTER-38", WRONG_R }, { "EENTER-39", WRONG_W },
	};
	struct fixture *f = entry_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_XSAVE0, ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: EENTER-42, EENTER-43, EENTER-44, EENTER-45, EENTER-46, EENTER-47, EENTER-48, EENTER-49, EENTER-50 */
TEST(eenter, gpr_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EENTER-42", WRONG_VALID }, { "EENTER-43", WRONG_BLOCKED }, { "EENTER-44", WRONG_PENDING },
		{ "EENTER-45", WRONG_MODIFIED }, { "EENTER-46", WRONG_ADDRESS }, { "EENTER-47", WRONG_PT },
		{ "EENTER-48", WRONG_SECS }, { "EENTER-49", WRONG_R }, { "EENTER-50", WRONG_W },
	};
	struct fixture *f = entry_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_GPR0, ENTRY_GPR0_LA, X86_PFEC_W);
}

/* EENTER checks the frame that CSSA names and no other. */
/* Proves: EENTER-31 */
TEST(eenter, frame_is_the_one_of_cssa)
{
	struct fixture *f = entry_ready();

	f->epcm[FIXTURE_SSA0].valid = false;
	RULE_PF(f, "EENTER-31", USER_SSA0, X86_PFEC_W);
	user_tcs(f)->cssa = 1;
	user_enter(f);
	EXPECT_EQ(f->c.regs.rax, 1);
	EXPECT_TRUE(f->c.gpr == entry_gpr(f, FIXTURE_SSA1));
}

/* Removal of a page of the frame has looked for threads already: an entry now would pin a page that goes away. */
/* Proves: CONC-07 */
TEST(eenter, frame_page_held_exclusively_is_gp)
{
	struct fixture *f = entry_ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_SSA0]));
	RULE_GP(f, "CONC-07");
	epcm_unlock_exclusive(&f->epcm[FIXTURE_SSA0]);
	user_enter(f);
}

/* Proves: EENTER-52, EENTER-58, EENTER-59 */
TEST(eenter, target_or_segment_noncanonical_is_gp)
{
	struct fixture *f = entry_ready();
	struct sgx_tcs *tcs = user_tcs(f);
	uint64_t oentry = tcs->oentry;

	tcs->oentry = ENTRY_BEYOND;
	RULE_GP(f, "EENTER-52");
	tcs->oentry = oentry;
	tcs->ofsbasgx = ENTRY_BEYOND;
	RULE_GP(f, "EENTER-58");
	tcs->ofsbasgx = 0;
	tcs->ogsbasgx = ENTRY_BEYOND;
	RULE_GP(f, "EENTER-59");
}

/* Proves: EENTER-60, CONC-08 */
TEST(eenter, tcs_in_use_is_gp)
{
	struct fixture *f = entry_ready();
	struct cpu first;

	user_enter(f);
	first = f->c;
	f->c.enclave_mode = false;
	f->c.tid = ENTRY_OWNER;
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0);
	RULE_GP(f, "EENTER-60");
	f->c.tid = FIXTURE_TID;			/* nor may the same thread, from a signal handler, say */
	RULE_GP(f, "EENTER-60");
	f->epcm[FIXTURE_SSA0].valid = false;	/* the frame is judged before */
	RULE_PF(f, "EENTER-31", USER_SSA0, X86_PFEC_W);
	f->epcm[FIXTURE_SSA0].valid = true;
	f->c = first;
	user_regs(f, EEXIT, 0x400100, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	user_enter(f);
}

/* Proves: EENTER-60 */
TEST(eenter, tcs_of_a_dead_thread_is_taken_over)
{
	struct fixture *f = entry_ready();

	f->c.tid = ENTRY_OWNER;
	user_enter(f);
	f->c.enclave_mode = false;
	f->c.tid = FIXTURE_TID;
	f->dead_tid = ENTRY_OWNER;
	f->epcm[FIXTURE_SSA0].valid = false;	/* a refused entry gives it back all the same */
	user_regs(f, EENTER, USER_TCS, USER_AEP, 0);
	EXPECT_EPC_PF(f, user_enclu(f), USER_SSA0, X86_PFEC_W);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, 0);
	EXPECT_EQ(user_tcs(f)->state, 0);
	f->epcm[FIXTURE_SSA0].valid = true;
	user_enter(f);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word & 0xffffffff, FIXTURE_TID);
}

/* Proves: SSA-06 */
TEST(eenter, success_changes_what_it_says_and_nothing_else)
{
	struct fixture *f = entry_ready();
	struct sgx_tcs *tcs = user_tcs(f);
	struct cpu_regs expected;
	uint8_t xstate[sizeof(f->xstate)];

	tcs->ofsbasgx = 0x6000;
	tcs->ogsbasgx = 0x7000;
	f->c.regs.rax = 0xdead000000000000 | EENTER;	/* the upper half does not count */
	fixture_secs(f, FIXTURE_SECS)->epoch = 5;
	expected = f->c.regs;
	expected.rax = 0;
	expected.rcx = f->c.regs.rip + f->c.insn_size;
	expected.rip = FIXTURE_BASE + 0x1000;
	memcpy(xstate, f->xstate, sizeof(xstate));
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	EXPECT_MEMEQ(&f->c.regs, &expected, sizeof(expected));
	EXPECT_MEMEQ(f->xstate, xstate, sizeof(xstate));
	EXPECT_EQ(f->c.fsbase, FIXTURE_BASE + 0x6000);
	EXPECT_EQ(f->c.gsbase, FIXTURE_BASE + 0x7000);
	EXPECT_EQ(f->c.save_fsbase, 0x7f5500001000);
	EXPECT_EQ(f->c.save_gsbase, 0x7f6600002000);
	EXPECT_EQ(f->c.tcs_la, USER_TCS);
	EXPECT_EQ(f->c.elrange_base, FIXTURE_BASE);
	EXPECT_EQ(f->c.elrange_size, 0x100000);
	EXPECT_TRUE(f->c.enclave_mode && !f->c.dbgoptin);
	EXPECT_TRUE(f->c.tcs.epcm == &f->epcm[FIXTURE_TCS] && f->c.secs.epcm == &f->epcm[FIXTURE_SECS]);
	EXPECT_TRUE(f->c.gpr == entry_gpr(f, FIXTURE_SSA0));
	EXPECT_TRUE(f->c.misc == (void *)entry_exinfo(f, FIXTURE_SSA0));
	EXPECT_TRUE(f->c.xsave[0] == f->mem[FIXTURE_SSA0]);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(5) << 32 | FIXTURE_TID);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].lock, 0);
	EXPECT_EQ(tcs->state, 1);
	EXPECT_EQ(tcs->aep, USER_AEP);
	EXPECT_EQ(tcs->cssa, 0);
	EXPECT_EQ(f->c.gpr->ursp, expected.rsp);
	EXPECT_EQ(f->c.gpr->urbp, expected.rbp);
}

/* Proves: DBG-01 */
TEST(eenter, opt_out_clears_tf_until_eexit)
{
	struct fixture *f = entry_ready();

	f->c.regs.rflags |= X86_FLAGS_TF;
	user_enter(f);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, 0);
	user_regs(f, EEXIT, 0x400100, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, X86_FLAGS_TF);
}

/* With TF left set, the first enclave instruction traps. */
/* Proves: DBG-03 */
TEST(eenter, opt_in_keeps_tf)
{
	struct fixture *f = entry_ready();

	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	f->c.regs.rflags |= X86_FLAGS_TF;
	user_enter(f);
	EXPECT_TRUE(f->c.dbgoptin);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, X86_FLAGS_TF);
}

/* Proves: DBG-13 */
TEST(eenter, eadd_clears_dbgoptin)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();

	spec.tcs_flags = SGX_TCS_DBGOPTIN;
	fixture_build(f, &spec);
	EXPECT_EQ(user_tcs(f)->flags, 0);
}
