/* SPDX-License-Identifier: BSD-2-Clause */
/* See caught.h. */
#define _GNU_SOURCE
#include "abi/caught.h"

#include <string.h>

static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP, SIGSYS };
static struct sigaction before[sizeof(signals) / sizeof(signals[0])];
struct caught caught, caught_copy;
uint64_t caught_continue;
int (*caught_hook)(int sig, siginfo_t *info, ucontext_t *uc);
sigjmp_buf caught_jump;

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	__asm__ volatile("pushfq; andl $~0x40000, (%%rsp); popfq" : : : "memory", "cc");	/* AC is the enclave's */
	caught.count++;
	caught.sig = sig;
	caught.code = info->si_code;
	caught.addr = (uintptr_t)info->si_addr;
	memcpy(caught.gregs, uc->uc_mcontext.gregs, sizeof(caught.gregs));
	caught.mxcsr = uc->uc_mcontext.fpregs->mxcsr;
	caught.fcw = uc->uc_mcontext.fpregs->cwd;
	caught.fsw = uc->uc_mcontext.fpregs->swd;
	memcpy(caught.xmm0, &uc->uc_mcontext.fpregs->_xmm[0], 16);
	if (caught_hook && caught_hook(sig, info, uc))
		return;
	if (caught_continue) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)caught_continue;
		return;
	}
	caught_copy = caught;
	siglongjmp(caught_jump, 1);
}

void catch_begin(int flags)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
	unsigned i;

	caught = caught_copy = (struct caught){ 0 };
	caught_continue = 0;
	caught_hook = NULL;
	sigemptyset(&act.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, &before[i]);
}

void catch_end(void)
{
	unsigned i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &before[i], NULL);
	caught_hook = NULL;
	caught_continue = 0;
}
