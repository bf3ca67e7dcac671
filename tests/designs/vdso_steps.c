/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal at every instruction of the vDSO function, in the version at hand: the program steps itself through it by
 * RFLAGS.TF, and at each step another signal is sent that arrives at the same instruction. The outcome must be that of an
 * undisturbed call.
 */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define TF	0x100

SNIPPET(snip_count, "incq (%rsi);" DV_LEAVE);
SNIPPET(snip_ud2, "incq (%rsi); ud2");

static uint64_t counter[4];
static struct {
	unsigned signals, wrong;
	uint64_t last;
	uint8_t at[4096];		/* by offset in the image: times that a step ended there */
} seen;

static uint64_t rip_of(void *context)
{
	return (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	const uint64_t at = rip_of(context) - dv_address(0);

	(void)sig, (void)info;
	seen.last = rip_of(context);
	if (at >= sizeof(seen.at))
		return;				/* the caller's code */
	seen.at[at]++;
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);	/* blocked until this handler is left */
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	seen.signals++;
	seen.wrong += rip_of(context) != seen.last;
}

/* All of them, but PAUSE, LFENCE and JMP of a retpoline, and where the exception lands: there is no step to that. */
static const unsigned instructions[] = { [VDSO_UPSTREAM] = 70, [VDSO_V28] = 43, [VDSO_V36] = 46, [VDSO_V38] = 46 };

static void return_2_then_0(struct play_regs *regs)
{
	const uint64_t again[] = { EENTER, 0 };

	regs->r.rdi = TE_JUMP;
	regs->r.rsi = (uint64_t)counter;
	regs->r.rdx = dv_te.scratch;
	regs->r.r9 = dv_te.eexit;
	regs->r.rax = again[play_handler_calls - 1];
}

enum { EEXITS, FAULTS, REFUSED, HANDLED, VARIANTS };

static void call(unsigned variant, bool stepped)
{
	if (variant == FAULTS)
		DV_START(snip_ud2, counter);
	else
		DV_START(snip_count, counter);
	if (variant == REFUSED)
		play_leaf(1);
	if (variant == HANDLED) {
		play_set_handler((uint64_t)play_handler);
		play_handler_script = return_2_then_0;
	}
	if (stepped)
		play_in.r.rflags |= TF;
	counter[0] = 0;
	play();
}

/* Proves: B-41, C3-10, C3-14 */
TEST(vdso_steps, signal_at_every_instruction_makes_no_difference)
{
	struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	struct sigaction sent = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	static struct play_regs plain;
	unsigned i, variant, covered = 0;
	uint8_t at[sizeof(seen.at)] = { 0 };
	struct dv_exit exit;

	if (!dv_ready())
		return;
	sigaddset(&step.sa_mask, SIGUSR1);
	sigaction(SIGTRAP, &step, NULL);
	sigaction(SIGUSR1, &sent, NULL);
	for (variant = EEXITS; variant < VARIANTS; variant++) {
		call(variant, false);
		plain = play_out;
		exit = dv_exit();
		if (variant == FAULTS)
			dv_leave();
		memset(&seen, 0, sizeof(seen));
		call(variant, true);
		EXPECT_EQ(counter[0], variant == REFUSED ? 0 : variant == HANDLED ? 2 : 1);
		EXPECT_MEMEQ(&play_out.r, &plain.r, offsetof(struct cpu_regs, rflags));
		EXPECT_MEMEQ(play_out.fx, plain.fx, PLAY_FX_SIZE);
		EXPECT_EQ(play_out.r.rflags & TF, TF);
		EXPECT_EQ(dv_exit().exception, exit.exception);
		EXPECT_EQ(dv_exit().vector, exit.vector);
		EXPECT_TRUE(seen.signals > 9);
		EXPECT_EQ(seen.wrong, 0);
		EXPECT_EQ(seen.at[dv_info->enclu], variant == REFUSED ? 0 : variant == HANDLED ? 2 : 1);
		for (i = 0; i < sizeof(at); i++)
			at[i] |= seen.at[i];
		if (variant == FAULTS)
			dv_leave();
	}
	for (i = 0; i < sizeof(at); i++) {
		EXPECT_TRUE(!at[i] || i - dv_info->enter < dv_info->enter_end - dv_info->enter);
		covered += !!at[i];
	}
	EXPECT_EQ(covered, instructions[play_version]);
	signal(SIGTRAP, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}
