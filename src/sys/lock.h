/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mutex in one word, for shared or private memory. Holders run with every signal blocked, so a handler never meets a
 * lock that the code below it holds. The word is 0 or the owner's tid; a waiter that has waited long asks whether the
 * owner still lives and takes the lock over from a dead one.
 */
#ifndef SOFTSGX_SYS_LOCK_H
#define SOFTSGX_SYS_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t owner;
	_Atomic uint32_t waiters;
};

/** lock_acquire() - as @tid (the caller's). Returns true if the lock was taken over from an owner that died. */
_Bool lock_acquire(struct lock *l, uint32_t tid);
/** lock_try() - take it if it is free; never waits, never takes over. */
_Bool lock_try(struct lock *l, uint32_t tid);
void lock_release(struct lock *l);

#endif
