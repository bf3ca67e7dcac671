/* SPDX-License-Identifier: BSD-2-Clause */
/* EEXIT, rule by rule. */
#include "isa/entry.h"

/* Proves: EEXIT-01 */
TEST(eexit, target_noncanonical_is_gp)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	user_regs(f, EEXIT, USER_NONCANONICAL, 0, 0);
	RULE_GP(f, "EEXIT-01");
	EXPECT_TRUE(f->c.enclave_mode);
}

/* RSP, RBP, the rest of the registers and the extended state stay as the enclave left them. */
/* Proves: DBG-01 */
TEST(eexit, success_restores_only_segments_and_tf)
{
	struct fixture *f = entry_ready();
	uint8_t xstate[sizeof(f->xstate)];
	struct cpu_regs expected;

	user_enter(f);
	entry_cpu(f);
	user_regs(f, EEXIT, 0x400100, 0, 0x77);
	f->c.fsbase = f->c.gsbase = 0x1000;
	user_tcs(f)->cssa = 1;
	expected = f->c.regs;
	expected.rip = 0x400100;
	expected.rcx = USER_AEP;
	memcpy(xstate, f->xstate, sizeof(xstate));
	EXPECT_EQ(user_enclu(f), LEAF_DONE);

	EXPECT_MEMEQ(&f->c.regs, &expected, sizeof(expected));
	EXPECT_MEMEQ(f->xstate, xstate, sizeof(xstate));
	EXPECT_EQ(f->c.fsbase, 0x7f5500001000);
	EXPECT_EQ(f->c.gsbase, 0x7f6600002000);
	EXPECT_TRUE(!f->c.enclave_mode);
	EXPECT_EQ(f->epcm[FIXTURE_TCS].tcs_word, 0);
	EXPECT_EQ(user_tcs(f)->state, 0);
	EXPECT_EQ(user_tcs(f)->cssa, 1);
}

/* The fetch that follows is not EEXIT's business. */
/* Proves: EEXIT-01 */
TEST(eexit, target_inside_elrange_is_allowed)
{
	struct fixture *f = entry_ready();

	user_enter(f);
	user_regs(f, EEXIT, FIXTURE_BASE + 0x1000, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rip, FIXTURE_BASE + 0x1000);
	EXPECT_TRUE(!f->c.enclave_mode);
}

/* A debugger that opted in sees TF as it is. */
/* Proves: DBG-03 */
TEST(eexit, opt_in_leaves_tf_alone)
{
	struct fixture *f = entry_ready();

	user_tcs(f)->flags = SGX_TCS_DBGOPTIN;
	f->c.regs.rflags |= X86_FLAGS_TF;
	user_enter(f);
	f->c.regs.rflags &= ~X86_FLAGS_TF;	/* POPF inside */
	user_regs(f, EEXIT, 0x400100, 0, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rflags & X86_FLAGS_TF, 0);
}
