/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For vdso_gdb.sh: stands still in a handler, for a debugger to look at. The handler is the one that the vDSO function
 * calls, or of a signal if there is no such function.
 */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#include <signal.h>
#include <unistd.h>

SNIPPET(snip_ud2, "ud2");

int paused_handler(void);
int paused_handler(void)
{
	printf("paused %d\n", getpid());
	fflush(stdout);
	pause();
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
	paused_handler();
}

void entering(void);
__attribute__((noinline)) void entering(void)
{
	struct te_regs r = { .rax = EENTER, .rbx = dv_te.tcs[0], .rcx = (uint64_t)te_raw_aep, .rdi = TE_JUMP,
			     .rdx = dv_te.scratch, .r9 = dv_te.eexit };
	struct dv_any a;

	if (play_version == VDSO_NONE) {
		signal(SIGILL, on_signal);
		memcpy((void *)dv_te.scratch, snip_ud2, (size_t)(snip_ud2_end - snip_ud2));
		te_raw(&r);
	} else {
		DV_START(snip_ud2, 0);
		play_set_handler((uint64_t)paused_handler);
		a = dv_any();
		dv_saving_call(&a);
	}
	__asm__ volatile("");
}

TEST(vdso_paused, in_a_handler)
{
	if (dv_ready())
		entering();
}
