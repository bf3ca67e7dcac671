/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens around a vDSO call and is not its doing: traps, signals, death, filters; and what its image shows (B). */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DB = 1, BP = 3, PF = 14 };
#define TF	0x100
#define PLAIN	0x202
#define STEPS	1024

SNIPPET(snip_leave_at_once, "nop; nop; nop; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");
SNIPPET(snip_store, "movq $1, (%rsi)");

static struct te te;
static struct sgx_enclave_run run __attribute__((aligned(64)));
static uint64_t vdso_enclu;		/* what RCX carries in as AEP and a return leaves there */

static struct te_vcall entry(const uint8_t *code, const uint8_t *end)
{
	memset(&run, 0, sizeof(run));
	run.tcs = te.tcs[0];
	return (struct te_vcall){
		.fn = (uintptr_t)te.vdso, .run = &run, .rcx = EENTER, .rdi = TE_JUMP,
		.rdx = code ? te_load(&te, 0, code, (uint64_t)(end - code)) : te.scratch, .r9 = te.eexit, .rflags = PLAIN,
	};
}

static bool ready(void)
{
	struct te_vcall v;

	if (te.size)
		return true;
	if (te_build(&te, &(struct te_options){ .tcs = 3, .nssa = 4, .heap_pages = 64 })) {
		test_fail(__FILE__, __LINE__, "no enclave");
		return false;
	}
	v = entry(snip_leave_at_once, snip_leave_at_once_end);
	te_vcall(&v);
	vdso_enclu = v.rcx;
	return true;
}

static uint64_t steps[STEPS];
static unsigned step_count, bad_steps;

static int step_hook(int sig, siginfo_t *info, ucontext_t *uc)
{
	if (sig != SIGTRAP)
		return 0;
	if (info->si_code != TRAP_TRACE || uc->uc_mcontext.gregs[REG_TRAPNO] != DB)
		bad_steps++;
	if (step_count < STEPS)
		steps[step_count++] = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	return 1;
}

/* Proves: B-41, B-34, DBG-01 */
TEST(contract, enclave_is_one_instruction_to_a_single_step)
{
	unsigned i, round, at_enclu = 0, at_pad = 0;
	struct te_vcall v;

	if (!ready())
		return;
	for (round = 0; round < 50; round++) {
		v = entry(snip_leave_at_once, snip_leave_at_once_end);
		v.rflags = PLAIN | TF;
		step_count = bad_steps = at_enclu = at_pad = 0;
		catch_begin(0);
		caught_hook = step_hook;
		te_vcall(&v);
		catch_end();
		EXPECT_EQ(v.rax, 0);
		EXPECT_EQ(run.function, EEXIT);		/* no trap was made an exception of the call's */
		EXPECT_EQ(run.exception_vector, 0);
		EXPECT_TRUE(v.rflags & TF);
		EXPECT_EQ(bad_steps, 0);
		ASSERT_TRUE(step_count < STEPS);
		for (i = 0; i < step_count; i++) {
			if (steps[i] - te.base < te.size)
				test_fail(__FILE__, __LINE__, "a step inside, at %llx", (unsigned long long)(steps[i] - te.base));
			if (steps[i] != vdso_enclu)
				continue;
			at_enclu++;
			if (i + 1 < step_count && steps[i + 1] == vdso_enclu + 3)
				at_pad++;
		}
		EXPECT_EQ(at_enclu, 1);
		EXPECT_EQ(at_pad, 1);
		if (round == 0 && getenv("TRACE"))
			for (i = 0; i < step_count; i++)
				printf("%llx\n", (unsigned long long)(steps[i] - vdso_enclu));
	}
}
