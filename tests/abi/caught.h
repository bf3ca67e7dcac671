/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals that a test expects: what its handler saw, register by register. */
#ifndef SOFTSGX_TESTS_ABI_CAUGHT_H
#define SOFTSGX_TESTS_ABI_CAUGHT_H

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

struct caught {
	unsigned count;			/* signals since catch_begin() */
	int sig, code;
	uint64_t addr;
	uint64_t gregs[NGREG];		/* REG_RIP .. REG_CR2 */
	uint32_t mxcsr;
	uint16_t fcw, fsw;
	uint8_t  xmm0[16];
};
extern struct caught caught;
/* Where the handler continues: 0: siglongjmp to caught_jump, else RIP. */
extern uint64_t caught_continue;
/* Called by the handler, if set, before it continues as above; not 0: it returns with the context as it is then. */
extern int (*caught_hook)(int sig, siginfo_t *info, ucontext_t *uc);
extern sigjmp_buf caught_jump;

/** catch_begin() - handlers for SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP and SIGSYS until catch_end(); @flags added. */
void catch_begin(int flags);
void catch_end(void);
/* Runs @statement; true if a signal ended it. */
#define CAUGHT(statement) ({							\
	int signalled_ = sigsetjmp(caught_jump, 1);				\
	caught = (struct caught){ 0 };						\
	if (!signalled_) { statement; }						\
	else caught = caught_copy;						\
	signalled_ != 0; })
extern struct caught caught_copy;

#endif
