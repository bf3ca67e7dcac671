/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the vDSO function with a real enclave, whatever its version: the stage of tests/vdso/play.h, with the image
 * that this program runs with and the enclave of tests/support/encl.h. Enclave code is a SNIPPET in the scratch page,
 * entered by TE_JUMP, so it gets every register but flags as the caller left it: RCX where to leave to, R9 the ENCLU
 * that leaves.
 */
#ifndef SOFTSGX_TESTS_DESIGNS_VDSO_CALL_H
#define SOFTSGX_TESTS_DESIGNS_VDSO_CALL_H

#include "support/encl.h"
#include "vdso/play.h"

enum { DE = 0, UD = 6, GP = 13, PF = 14 };
#define DV_LEAVE	"mov $4, %eax; mov %rcx, %rbx; jmp *%r9;"

extern struct te dv_te;			/* 4 TCSs of 3 SSA frames, built by dv_ready() */
extern const struct vdso_info *dv_info;

/** dv_ready() - finds the image and its version, builds the enclave; false (and the test has failed) if it can't. */
bool dv_ready(void);
/** dv_address() - of an offset in dv_info. */
uint64_t dv_address(uint32_t offset);
/** dv_start() - play_start() for an entry of TCS 0 to @code, at most 2 KiB, with RSI. No handler; R8 is 0. */
void dv_start(const uint8_t *code, const uint8_t *end, uint64_t rsi);
#define DV_START(name, rsi)	dv_start(name, name##_end, (uint64_t)(rsi))
/** dv_leave() - ends what an exception interrupted on TCS 0, CSSA 1: ERESUME to code that leaves. Uses play(). */
void dv_leave(void);

/* What the last call of the function left behind, in every version's way. */
struct dv_exit {
	bool exception;
	uint32_t leaf;			/* as vector, error_code, address: of the last exception, 0 if there was none */
	unsigned vector, error_code;
	uint64_t address;
};
struct dv_exit dv_exit(void);
/** dv_has_run() - one struct is on the stack (v38, upstream); else TCS, exception struct and handler (v28, v36). */
bool dv_has_run(void);
/** dv_result() - what the function returns after an exception if there is no handler: 0, or -EFAULT, as 32 bits. */
uint64_t dv_result(void);
/** dv_expect() - the last call ended with this exception, RAX and struct (C3-2, C3-3, B-7). */
void dv_expect(const char *file, int line, uint32_t leaf, unsigned vector, unsigned error_code, uint64_t address);
#define EXPECT_EXCEPTION(leaf, vector, error_code, address)			\
	dv_expect(__FILE__, __LINE__, leaf, vector, error_code, address)
/** dv_expect_eexit() - it ended by EEXIT and returned 0. */
void dv_expect_eexit(const char *file, int line);
#define EXPECT_EEXIT()	dv_expect_eexit(__FILE__, __LINE__)

/* A call: the function's register arguments, and the words on the stack as play_stack has them. */
struct dv_any {
	uint64_t fn, rdi, rsi, rdx, leaf, r8, r9, stack[3];
};
/** dv_any() - an entry as dv_start() prepared it, as a struct. */
struct dv_any dv_any(void);
/** dv_call() - the call in C; of v28 by a wrapper (dv_call28). C believes that callee-saved registers survive. */
uint64_t dv_call(const struct dv_any *a);
/* vdso_calls.S: */
uint64_t dv_call28(const struct dv_any *a);	/* what C needs for v28: arguments in place, RBX kept */
uint64_t dv_saving_call(const struct dv_any *a); /* any version; keeps what C wants kept, come what may (C3-12) */
/**
 * dv_escaping_call() - the same with a handler that never returns to the function: it leaves to the caller of this,
 * with RDI, RSI and RDX in dv_escaped and 1 as the result. Without an exit: what the function returned.
 */
uint64_t dv_escaping_call(const struct dv_any *a);
extern uint64_t dv_escaped[3];
void dv_escape(void);				/* that handler */
void play_call(void *function);			/* of tests/vdso/play.S: any function, play_in to play_out */

#endif
