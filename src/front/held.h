/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals of the platform's six that were sent and wait: the kernel can't keep them, since underneath they are never
 * blocked. What one thread has blocked and another has not, or waits for, moves to that one if it was sent to the
 * process, as the kernel would have chosen it.
 *
 * Context: asynchronous signals blocked; held_add() also in a handler that has interrupted the runtime.
 */
#ifndef SOFTSGX_FRONT_HELD_H
#define SOFTSGX_FRONT_HELD_H

#include "front/rt.h"

/* siginfo.code of signals that only make a thread look at what waits for it here, or leave its enclave for an instant. */
#define HELD_CODE	(-0x5347)
#define TICK_CODE	(-0x5348)	/* of a kick that --aex=us sends */

/** held_add() - @sig waits for @t. Standard signals do not queue: a second one is dropped. */
void held_add(struct thread *t, int sig, const struct ksiginfo *info);
/** held_send() - @sig to @to, a thread of this process. -ESRCH: it has ended. */
long held_send(struct thread *to, int sig, const struct ksiginfo *info);
/** held_send_process() - @sig to the process of @t; false if @t is of another than the runtime. */
bool held_send_process(struct thread *t, int sig, const struct ksiginfo *info);
/** held_ready() - those that @t may take and has not blocked with @mask; of the process's, too. */
uint64_t held_ready(const struct thread *t, uint64_t mask);
/** held_take() - one of held_ready(); false: another thread was faster. */
bool held_take(struct thread *t, int sig, struct ksiginfo *info);
/** held_share() - what was sent to the process and is blocked here is for any thread. */
void held_share(struct thread *t);
/**
 * held_give() - those in @set go back to the kernel, as signals pending for this thread, which must have all of them
 * blocked underneath until it waits or executes; the process's only if it has none of its own. False if there was none.
 */
bool held_give(struct thread *t, uint64_t set);
/** held_discard() - the program ignores @sig from now on. */
void held_discard(int sig);
/** held_forked() - in the child of a fork nothing is pending. */
void held_forked(struct thread *t);

#endif
