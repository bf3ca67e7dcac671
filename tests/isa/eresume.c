/* SPDX-License-Identifier: BSD-2-Clause */
/* ERESUME, rule by rule. */
#include "isa/entry.h"

static struct fixture *eresume_ready(void)
{
	struct fixture *f = entry_ready();

	entry_interrupted(f);
	return f;
}

static struct fixture *eresume_ready_two_pages(void)
{
	struct fixture *f = entry_ready_two_pages();

	entry_interrupted(f);
	return f;
}

/* Proves: ERESUME-08, ERESUME-10 */
TEST(eresume, operand_illegal_is_gp)
{
	struct fixture *f = eresume_ready();

	f->c.regs.rbx = USER_TCS + 16;
	RULE_GP(f, "ERESUME-08");
	f->c.regs.rbx = USER_TCS;
	f->c.regs.rcx = USER_NONCANONICAL;
	RULE_GP(f, "ERESUME-10");
}

/* Proves: ERESUME-09, GEN-04 */
TEST(eresume, tcs_not_in_epc_is_pf)
{
	struct fixture *f = eresume_ready();

	fixture_refuse(f, USER_TCS, X86_PFEC_W);
	RULE_PAGING(f, "GEN-04", USER_TCS, X86_PFEC_W | X86_PFEC_P);
	fixture_map_host(f, USER_TCS);
	RULE_PF(f, "ERESUME-09", USER_TCS, X86_PFEC_W);
}

/* Proves: ERESUME-11 */
TEST(eresume, tcs_held_by_another_leaf_is_gp)
{
	struct fixture *f = eresume_ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_TCS]));
	RULE_GP(f, "ERESUME-11");
}

/* Proves: ERESUME-12, ERESUME-13, ERESUME-14, ERESUME-15, ERESUME-16, ERESUME-17 */
TEST(eresume, tcs_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "ERESUME-12", WRONG_VALID }, { "ERESUME-13", WRONG_BLOCKED }, { "ERESUME-14", WRONG_PENDING },
		{ "ERESUME-15", WRONG_MODIFIED }, { "ERESUME-16", WRONG_ADDRESS }, { "ERESUME-17", WRONG_PT },
	};
	struct fixture *f = eresume_ready();

	RULE_TABLE_PF(f, cases, FIXTURE_TCS, USER_TCS, X86_PFEC_W);
}

/* Proves: ERESUME-18, ERESUME-19, ERESUME-20, ERESUME-21 */
TEST(eresume, tcs_field_illegal_is_gp)
{
	struct fixture *f = eresume_ready();
	struct sgx_tcs *tcs = user_tcs(f);

	tcs->ossa |= 8;
	RULE_GP(f, "ERESUME-18");
	tcs->ossa &= ~UINT64_C(8);
	tcs->ofsbasgx = 8;
	RULE_GP(f, "ERESUME-19");
	tcs->ofsbasgx = 0;
	tcs->ogsbasgx = 2048;
	RULE_GP(f, "ERESUME-20");
	tcs->ogsbasgx = 0;
	tcs->flags = UINT64_C(4);
	RULE_GP(f, "ERESUME-21");
	tcs->flags = SGX_TCS_AEXNOTIFY | SGX_TCS_DBGOPTIN;
	RULE_GP(f, "ERESUME-21");
}

/* Proves: ERESUME-22, ERESUME-23, ERESUME-25, ERESUME-26 */
TEST(eresume, enclave_not_enterable_is_gp)
{
	struct fixture *f = eresume_ready();
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	f->profile.xcr0 = 3;
	RULE_GP(f, "ERESUME-26");
	f->profile.xcr0 = 0;
	RULE_GP(f, "ERESUME-25");
	secs->attributes.flags ^= SGX_ATTR_MODE64BIT;
	RULE_GP(f, "ERESUME-23");
	secs->attributes.flags ^= SGX_ATTR_MODE64BIT | SGX_ATTR_INIT;
	RULE_GP(f, "ERESUME-22");
}

/* Proves: ERESUME-27, NTF-06, NTF-07, DBG-14 */
TEST(eresume, aexnotify_mismatch_is_gp_unless_opted_in)
{
	struct fixture *f = eresume_ready();

	f->profile.attributes |= SGX_ATTR_AEXNOTIFY;
	user_tcs(f)->flags = SGX_TCS_AEXNOTIFY;
	RULE_GP(f, "NTF-07");
	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_AEXNOTIFY;
	user_tcs(f)->flags = 0;
	RULE_GP(f, "NTF-06");
	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: ERESUME-28, SSA-04 */
TEST(eresume, no_frame_in_use_is_gp)
{
	struct fixture *f = eresume_ready();

	user_tcs(f)->cssa = 0;
	RULE_GP(f, "ERESUME-28");
}

/* Proves: ERESUME-29, ERESUME-40 */
TEST(eresume, frame_refused_by_paging_is_ordinary_fault)
{
	struct fixture *f = eresume_ready_two_pages();

	fixture_refuse(f, ENTRY_GPR0_LA, X86_PFEC_W);
	RULE_PAGING(f, "ERESUME-40", ENTRY_GPR0_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_unmap(f, ENTRY_XSAVE0_LA);
	RULE_PAGING(f, "ERESUME-29", ENTRY_XSAVE0_LA, X86_PFEC_W);
	user_tcs(f)->ossa = ENTRY_BEYOND;
	RULE_GP(f, "ERESUME-29");
}

/* Proves: ERESUME-30, ERESUME-41 */
TEST(eresume, frame_not_in_epc_is_pf)
{
	struct fixture *f = eresume_ready_two_pages();

	fixture_map_host(f, ENTRY_GPR0_LA);
	RULE_PF(f, "ERESUME-41", ENTRY_GPR0_LA, X86_PFEC_W);
	fixture_map_host(f, ENTRY_XSAVE0_LA);
	RULE_PF(f, "ERESUME-30", ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: ERESUME-31, ERESUME-32, ERESUME-33, ERESUME-34, ERESUME-35 */
/* Proves: ERESUME-36, ERESUME-37, ERESUME-38, ERESUME-39 */
TEST(eresume, xsave_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "ERESUME-31", WRONG_VALID }, { "ERESUME-32", WRONG_BLOCKED }, { "ERESUME-33", WRONG_PENDING },
		{ "ERESUME-34", WRONG_MODIFIED }, { "ERESUME-35", WRONG_ADDRESS }, { "ERESUME-36", WRONG_PT },
		{ "ERESUME-37", WRONG_SECS }, { "ERESUME-38", WRONG_R }, { "ERESUME-39", WRONG_W },
	};
	struct fixture *f = eresume_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_XSAVE0, ENTRY_XSAVE0_LA, X86_PFEC_W);
}

/* Proves: ERESUME-42, ERESUME-43, ERESUME-44, ERESUME-45, ERESUME-46 */
/* Proves: ERESUME-47, ERESUME-48, ERESUME-49, ERESUME-50 */
TEST(eresume, gpr_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "ERESUME-42", WRONG_VALID }, { "ERESUME-43", WRONG_BLOCKED }, { "ERESUME-44", WRONG_PENDING },
		{ "ERESUME-45", WRONG_MODIFIED }, { "ERESUME-46", WRONG_ADDRESS }, { "ERESUME-47", WRONG_PT },
		{ "ERESUME-48", WRONG_SECS }, { "ERESUME-49", WRONG_R }, { "ERESUME-50", WRONG_W },
	};
	struct fixture *f = eresume_ready_two_pages();

	RULE_TABLE_PF(f, cases, ENTRY_GPR0, ENTRY_GPR0_LA, X86_PFEC_W);
}

/* Proves: ERESUME-52, NTF-05, SSA-07 */
TEST(eresume, notify_without_free_frame_is_gp)
{
	struct fixture *f = eresume_ready();

	entry_notify(f, FIXTURE_SSA0);
	fixture_unmap(f, USER_SSA1);	/* judged later */
	user_tcs(f)->nssa = 1;
	RULE_GP(f, "ERESUME-52");
}

/* Proves: ERESUME-53, ERESUME-54, ERESUME-64 */
TEST(eresume, notify_frame_not_there_is_pf)
{
	struct fixture *f = eresume_ready_two_pages();

	entry_notify(f, ENTRY_GPR0);
	fixture_refuse(f, ENTRY_GPR1_LA, X86_PFEC_W);
	RULE_PAGING(f, "GEN-04", ENTRY_GPR1_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_map_host(f, ENTRY_GPR1_LA);
	RULE_PF(f, "ERESUME-64", ENTRY_GPR1_LA, X86_PFEC_W);
	fixture_refuse(f, ENTRY_XSAVE1_LA, X86_PFEC_W);
	RULE_PAGING(f, "ERESUME-53", ENTRY_XSAVE1_LA, X86_PFEC_W | X86_PFEC_P);
	fixture_map_host(f, ENTRY_XSAVE1_LA);
	RULE_PF(f, "ERESUME-54", ENTRY_XSAVE1_LA, X86_PFEC_W);
}

/* Proves: ERESUME-55, ERESUME-56, ERESUME-57, ERESUME-58, ERESUME-59 */
/* Proves: ERESUME-60, ERESUME-61, ERESUME-62, ERESUME-63 */
TEST(eresume, notify_xsave_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "ERESUME-55", WRONG_VALID }, { "ERESUME-56", WRONG_BLOCKED }, { "ERESUME-57", WRONG_PENDING },
		{ "ERESUME-58", WRONG_MODIFIED }, { "ERESUME-59", WRONG_ADDRESS }, { "ERESUME-60", WRONG_PT },
		{ "ERESUME-61", WRONG_SECS }, { "ERESUME-62", WRONG_R }, { "ERESUME-63", WRONG_W },
	};
	struct fixture *f = eresume_ready_two_pages();

	entry_notify(f, ENTRY_GPR0);
	RULE_TABLE_PF(f, cases, ENTRY_XSAVE1, ENTRY_XSAVE1_LA, X86_PFEC_W);
}

/* Proves: ERESUME-65, ERESUME-66, ERESUME-67, ERESUME-68, ERESUME-69 */
/* Proves: ERESUME-70, ERESUME-71, ERESUME-72, ERESUME-73 */
TEST(eresume, notify_gpr_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "ERESUME-65", WRONG_VALID }, { "ERESUME-66", WRONG_BLOCKED }, { "ERESUME-67", WRONG_PENDING },
		{ "ERESUME-68", WRONG_MODIFIED }, { "ERESUME-69", WRONG_ADDRESS }, { "ERESUME-70", WRONG_PT },
		{ "ERESUME-71", WRONG_SECS }, { "ERESUME-72", WRONG_R }, { "ERESUME-73", WRONG_W },
	};
	struct fixture *f = eresume_ready_two_pages();

	entry_notify(f, ENTRY_GPR0);
	RULE_TABLE_PF(f, cases, ENTRY_GPR1, ENTRY_GPR1_LA, X86_PFEC_W);
}

/* Proves: ERESUME-75, ERESUME-81, ERESUME-82 */
TEST(eresume, target_or_segment_noncanonical_is_gp)
{
	struct fixture *f = eresume_ready();
	struct sgx_gprsgx *gpr = entry_gpr(f, FIXTURE_SSA0);
	const struct sgx_gprsgx good = *gpr;

	user_tcs(f)->oentry = ENTRY_BEYOND;	/* does not count without a notification */
	gpr->rip = USER_NONCANONICAL;
	RULE_GP(f, "ERESUME-75");
	*gpr = good;
	gpr->fsbase = USER_NONCANONICAL;
	RULE_GP(f, "ERESUME-81");
	*gpr = good;
	gpr->gsbase = USER_NONCANONICAL;
	RULE_GP(f, "ERESUME-82");
	*gpr = good;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: ERESUME-75, ERESUME-81, ERESUME-82 */
TEST(eresume, notify_target_or_segment_noncanonical_is_gp)
{
	struct fixture *f = eresume_ready();
	struct sgx_tcs *tcs = user_tcs(f);
	uint64_t oentry = tcs->oentry;

	entry_notify(f, FIXTURE_SSA0);
	entry_gpr(f, FIXTURE_SSA0)->rip = USER_NONCANONICAL;	/* does not count with a notification */
	tcs->oentry = ENTRY_BEYOND;
	RULE_GP(f, "ERESUME-75");
	tcs->oentry = oentry;
	tcs->ofsbasgx = ENTRY_BEYOND;
	RULE_GP(f, "ERESUME-81");
	tcs->ofsbasgx = 0;
	tcs->ogsbasgx = ENTRY_BEYOND;
	RULE_GP(f, "ERESUME-82");
	tcs->ogsbasgx = 0;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: ERESUME-83, CONC-08 */
TEST(eresume, tcs_in_use_is_gp)
{
	struct fixture *f = eresume_ready();

	f->epcm[FIXTURE_TCS].tcs_word = UINT64_C(1) << 32 | ENTRY_OWNER;
	RULE_GP(f, "ERESUME-83");
	entry_notify(f, FIXTURE_SSA0);
	RULE_GP(f, "ERESUME-83");
	f->dead_tid = ENTRY_OWNER;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: ERESUME-102, ERESUME-103, ERESUME-104, ERESUME-105 */
TEST(eresume, image_that_xrstor_refuses_is_gp)
{
	struct fixture *f = eresume_ready();
	uint8_t *image = f->mem[FIXTURE_SSA0];

	for (unsigned bit = 3; bit < 64; bit++) {
		memcpy(image + 512, &(uint64_t){ UINT64_C(1) << bit }, 8);
		RULE_GP(f, "ERESUME-102");
	}
	memcpy(image + 512, &(uint64_t){ 7 }, 8);
	for (unsigned byte = 520; byte < 536; byte++) {
		image[byte] = 0x80;
		RULE_GP(f, byte < 528 ? "ERESUME-105" : "ERESUME-103");
		image[byte] = 0;
	}
	image[X86_XSAVE_MXCSR + 2] = 1;
	RULE_GP(f, "ERESUME-104");
	image[X86_XSAVE_MXCSR + 2] = 0;
	f->profile.mxcsr_mask = 0xffbf;
	image[X86_XSAVE_MXCSR] |= 0x40;
	RULE_GP(f, "ERESUME-104");
	image[X86_XSAVE_MXCSR] &= 0xbf;
	f->c.xstate_size = 576;				/* no room for AVX */
	RULE_GP(f, "ERESUME-105");
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, 0);
	f->c.xstate_size = 832;
	image[536] = 1;					/* not judged */
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
}

/* Proves: SSA-05 */
TEST(eresume, success_restores_the_frame)
{
	struct fixture *f = entry_ready();
	struct sgx_gprsgx *gpr = entry_gpr(f, FIXTURE_SSA0);
	uint64_t generation;

	entry_interrupted(f);
	entry_cpu(f);				/* what the caller has in its registers does not leak in */
	user_regs(f, ERESUME, USER_TCS, 0x600000, 0x99);
	for (unsigned i = 0; i < 16; i++)
		((uint64_t *)(void *)gpr)[i] = 0x2222000000000000 + i;
	gpr->rip = FIXTURE_BASE + 0x1234;
	gpr->fsbase = FIXTURE_BASE + 0x8000;
	gpr->gsbase = FIXTURE_BASE + 0x9000;
	gpr->ursp = 0xaaaa;
	gpr->urbp = 0xbbbb;
	generation = f->generation;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	EXPECT_MEMEQ(&f->c.regs, gpr, 16 * 8);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1234);
	EXPECT_EQ(f->c.fsbase, FIXTURE_BASE + 0x8000);
	EXPECT_EQ(f->c.gsbase, FIXTURE_BASE + 0x9000);
	EXPECT_EQ(f->c.save_fsbase, 0x7f5500001000);
	EXPECT_EQ(f->c.save_gsbase, 0x7f6600002000);
	EXPECT_TRUE(f->c.enclave_mode);
	EXPECT_TRUE(f->c.gpr == gpr);
	EXPECT_EQ(f->c.tcs_la, USER_TCS);
	EXPECT_EQ(user_tcs(f)->aep, 0x600000);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
	EXPECT_EQ(user_tcs(f)->state, 1);
	EXPECT_EQ(gpr->ursp, 0xaaaa);		/* URSP and URBP are an entry's at OENTRY only */
	EXPECT_EQ(gpr->urbp, 0xbbbb);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, UINT64_C(1) << 32 | FIXTURE_TID);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].lock, 0);
	EXPECT_EQ(f->generation, generation);	/* cached entries stay good: CSSA is no part of them */
}

/* CF PF AF ZF SF DF OF NT AC ID RF come from the frame, all else stays. */
/* Proves: DBG-01, DBG-04 */
TEST(eresume, rflags_come_from_the_frame_in_part)
{
	const uint64_t from_frame = X86_FLAGS_ARITH | X86_FLAGS_DF | X86_FLAGS_NT | X86_FLAGS_AC | X86_FLAGS_ID |
				    X86_FLAGS_RF;
	struct fixture *f = eresume_ready();

	f->c.regs.rflags = X86_FLAGS_IF | X86_FLAGS_TF | X86_FLAGS_DF | 2;
	entry_gpr(f, FIXTURE_SSA0)->rflags = ~UINT64_C(0) & ~X86_FLAGS_DF & ~X86_FLAGS_IF;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rflags, (from_frame & ~X86_FLAGS_DF) | X86_FLAGS_IF | 2);
	EXPECT_TRUE(f->c.save_tf);

	f = eresume_ready();
	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	f->c.regs.rflags = X86_FLAGS_IF | X86_FLAGS_TF | 2;
	entry_gpr(f, FIXTURE_SSA0)->rflags = 2;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rflags, X86_FLAGS_IF | X86_FLAGS_TF | 2);
}

/* Components absent from XSTATE_BV go to INIT, but MXCSR is loaded; components outside XFRM are untouched. */
/* Proves: ERESUME-102 */
TEST(eresume, extended_state_is_loaded_as_xrstor_does)
{
	struct fixture *f = eresume_ready();
	uint8_t *image = f->mem[FIXTURE_SSA0], live[sizeof(f->xstate)];
	uint64_t bv;

	for (unsigned i = 0; i < 512; i++)
		image[i] = (uint8_t)(i * 3);
	memcpy(image + X86_XSAVE_MXCSR, &(uint32_t){ 0x1fa5 }, 4);
	memcpy(image + 512, &(uint64_t){ X86_XFEATURE_AVX }, 8);
	memset(image + 576, 0xa1, 256);
	memset(f->xstate, 0xee, sizeof(f->xstate));
	memset(f->xstate + 512, 0, 64);
	memcpy(f->xstate + 512, &(uint64_t){ 0xe3 }, 8);
	memcpy(live, f->xstate, sizeof(live));
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	memcpy(&bv, f->xstate + 512, 8);
	EXPECT_EQ(bv & ~UINT64_C(7), 0xe0);
	EXPECT_EQ(bv & X86_XFEATURE_X87, 0);
	EXPECT_EQ(bv & X86_XFEATURE_AVX, X86_XFEATURE_AVX);
	EXPECT_EQ(f->xstate[0] | f->xstate[1] << 8, 0x37f);
	for (unsigned i = X86_XSAVE_XMM0; i < X86_XSAVE_XMM0 + 256; i++)
		EXPECT_EQ(f->xstate[i], 0);
	EXPECT_MEMEQ(f->xstate + X86_XSAVE_MXCSR, image + X86_XSAVE_MXCSR, 4);
	EXPECT_MEMEQ(f->xstate + X86_XSAVE_MXCSR_MASK, live + X86_XSAVE_MXCSR_MASK, 4);
	EXPECT_MEMEQ(f->xstate + 416, live + 416, 96);
	EXPECT_MEMEQ(f->xstate + 576, image + 576, 256);
	EXPECT_MEMEQ(f->xstate + 832, live + 832, sizeof(live) - 832);
}

/* Proves: NTF-01, NTF-10, NTF-11 */
TEST(eresume, notification_enters_at_oentry)
{
	struct fixture *f = eresume_ready();
	struct cpu_regs expected;
	uint8_t xstate[sizeof(f->xstate)], frame0[4096];

	entry_notify(f, FIXTURE_SSA0);
	entry_cpu(f);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0x99);
	user_tcs(f)->ofsbasgx = 0x6000;
	expected = f->c.regs;
	expected.rax = 1;
	expected.rcx = f->c.regs.rip + f->c.insn_size;
	expected.rip = FIXTURE_BASE + 0x1000;
	memcpy(xstate, f->xstate, sizeof(xstate));
	memcpy(frame0, f->mem[FIXTURE_SSA0], sizeof(frame0));
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	EXPECT_MEMEQ(&f->c.regs, &expected, sizeof(expected));
	EXPECT_MEMEQ(f->xstate, xstate, sizeof(xstate));
	EXPECT_MEMEQ(f->mem[FIXTURE_SSA0], frame0, sizeof(frame0));
	EXPECT_EQ(f->c.fsbase, FIXTURE_BASE + 0x6000);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
	EXPECT_TRUE(f->c.gpr == entry_gpr(f, FIXTURE_SSA1));
	EXPECT_EQ(f->c.gpr->ursp, expected.rsp);
	EXPECT_EQ(f->c.gpr->urbp, expected.rbp);
}

/* Proves: NTF-02, NTF-03, NTF-04 */
TEST(eresume, no_notification_unless_flag_and_bit_0)
{
	struct fixture *f = eresume_ready();

	entry_notify(f, FIXTURE_SSA0);
	entry_gpr(f, FIXTURE_SSA0)->aexnotify = 0xfe;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(user_tcs(f)->cssa, 0);

	f = eresume_ready();
	entry_notify(f, FIXTURE_SSA0);
	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
	EXPECT_EQ(entry_gpr(f, FIXTURE_SSA0)->aexnotify, 1);

	f = eresume_ready();				/* the attribute is 0 */
	entry_gpr(f, FIXTURE_SSA0)->aexnotify = 1;
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(user_tcs(f)->cssa, 0);
}

/* Proves: NTF-08 */
TEST(eresume, aex_in_the_notified_handler_uses_the_next_frame)
{
	struct fixture *f = eresume_ready();

	entry_notify(f, FIXTURE_SSA0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	f->c.regs.rip = FIXTURE_BASE + 0x1777;
	user_aex(f, X86_INTR, 0, 0);
	EXPECT_EQ(user_tcs(f)->cssa, 2);
	EXPECT_EQ(entry_gpr(f, FIXTURE_SSA1)->rip, FIXTURE_BASE + 0x1777);
	user_regs(f, ERESUME, USER_TCS, USER_AEP, 0);	/* frame 1's own byte is 0 */
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1777);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
}
