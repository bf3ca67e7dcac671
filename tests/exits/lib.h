/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Enclave calls for programs in other languages, by whichever delivery design the run has; a shared library. A
 * slot is a TCS with memory of its own: one thread at a time. With the environment variable EXITS_PRELOAD it
 * starts threads of its own when it is loaded and tells at the end of the program what became of their calls.
 */
#ifndef SOFTSGX_TESTS_EXITS_LIB_H
#define SOFTSGX_TESTS_EXITS_LIB_H

#include <stdint.h>

/** lib_start() - build the enclave with @slots TCSs for @design, a value of --delivery. 0, or -1. */
int lib_start(const char *design, unsigned slots);
/** lib_sum() - @rounds of a multiply-add chain from @seed, in the enclave. */
uint64_t lib_sum(unsigned slot, uint64_t seed, uint64_t rounds);
/** lib_exception() - a call that raises #UD and goes on behind it. 1, or 0 if something is not as it should be. */
int lib_exception(unsigned slot);
/** lib_count() - how many calls of lib_exception() the enclave itself has counted. */
uint64_t lib_count(unsigned slot);

/** lib_busy_start() - @count threads in slots from @first on; lib_busy_stop() returns their calls, or 0 if one was
 * wrong. */
void lib_busy_start(unsigned first, unsigned count);
uint64_t lib_busy_stop(void);

#endif
