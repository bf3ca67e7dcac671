/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal at every instruction of the vDSO function, in the version at hand: the program steps itself through it by
 * RFLAGS.TF, and at each step another signal is sent that arrives at the same instruction. The outcome must be that
 * of an undisturbed call.
 */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

static volatile unsigned inside, elsewhere;
static unsigned wrong_state;

/* What a handler may see of an interrupted enclave: the ENCLU, about to resume. */
static void on_timer(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	if ((uint64_t)r[REG_RIP] - dv_te.base < dv_te.size)
		wrong_state++;
	if ((uint64_t)r[REG_RIP] != dv_address(dv_info->enclu) || r[REG_RAX] != ERESUME) {
		elsewhere++;
		return;
	}
	inside++;
	wrong_state += (uint64_t)r[REG_RBX] != dv_te.tcs[0] || r[REG_RCX] != r[REG_RIP] || r[REG_R8] || r[REG_R15] ||
		       (uint64_t)r[REG_RBP] != play_call_stack - 16;
}

/* Sums in every register that it has; RSI: rounds, result. Then out, with the callee-saved ones as they came. */
SNIPPET(snip_sum, "mov (%rsi), %rax; xor %edx, %edx; xor %r8d, %r8d; pxor %xmm3, %xmm3; mov $3, %r10d; movq %r10, %xmm4;"
	"1: lea 1(%rdx,%r10), %rdx; imul $7, %r8, %r8; add %rdx, %r8; paddq %xmm4, %xmm3; dec %rax; jnz 1b;"
	"movq %xmm3, %r11; add %r11, %r8; mov %r8, 8(%rsi);" DV_LEAVE);

/* Proves: C3-10, C4-7 */
TEST(vdso_steps, signals_while_inside_resume_where_it_was)
{
	struct sigaction timer = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
	const struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { 0 };
	uint64_t sum = 0, d = 0, rounds = 3000000, i;
	unsigned calls;

	if (!dv_ready())
		return;
	for (i = 0; i < rounds; i++) {
		d += 4;
		sum = sum * 7 + d;
	}
	sum += 3 * rounds;
	inside = elsewhere = wrong_state = 0;
	sigaction(SIGALRM, &timer, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (calls = 0; inside < 50 && calls < 2000; calls++) {
		DV_START(snip_sum, counter);
		counter[0] = rounds;
		counter[1] = 0;
		play();
		EXPECT_EEXIT();
		EXPECT_EQ(counter[1], sum);
		EXPECT_MEMEQ(&play_out.r.r12, &play_in.r.r12, 4 * 8);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	EXPECT_TRUE(inside >= 50);
	EXPECT_EQ(wrong_state, 0);
}
