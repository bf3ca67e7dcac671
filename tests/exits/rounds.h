/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that goes ways through the runtime, one kind of round each, checks what comes back register by
 * register, and has signal handlers that check what they see. It stops before each round and takes its orders from
 * shared memory.
 */
#ifndef SOFTSGX_TESTS_EXITS_ROUNDS_H
#define SOFTSGX_TESTS_EXITS_ROUNDS_H

#include <stdint.h>

enum kind {
	FAST,
	RESUME,
	RAW,
	RAW_RESUME,
	TARGET,
	REFUSED,
	ASYNC,
	HANDLER,
	INVALID,
	NO_DS,
	ANOTHER_TCS,
	BUSY,
	GATE,
	BAD_TCS,
	THREAD,
	VDSO,
	WAIT,
	RAW_SLOW,
	LEAF,
	KINDS,
};

/* What is injected, and what the handler does. */
enum shot { PLAIN_SIGNAL, ENTER, JUMP, SENT_SEGV, KICK, NESTED, SHOTS };

enum { ROUNDS_SITES = 8 };

struct shared {
	volatile int kind, shot;
	volatile unsigned handled, nested, wrong, jumped, at_aep;
	volatile int wrong_line;
	volatile uint64_t rip;		/* that the last handler saw */
	uint64_t te_base, te_size, site[ROUNDS_SITES]; /* trampolines */
};
extern struct shared *shared;

_Noreturn void rounds_program(void);

#endif
