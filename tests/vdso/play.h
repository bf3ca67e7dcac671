/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stage for __vdso_sgx_enter_enclave of any version. play() calls it with every register and the words on the stack
 * chosen. Where the ENCLU would be executed, play_engine() runs the test's `engine` script, which sees and sets every
 * register and so plays the enclave; play_handler is a user handler that does the same with the `handler` script.
 * Scripts run on stacks of their own.
 */
#ifndef SOFTSGX_TESTS_VDSO_PLAY_H
#define SOFTSGX_TESTS_VDSO_PLAY_H

#include "isa/machine.h"
#include "uapi/sgx.h"
#include "uapi/sgx_vdso_versions.h"
#include "vdso/vdso.h"

#define PLAY_TCS	0x7001000
#define PLAY_FX_SIZE	416	/* FXSAVE64 leaves the rest alone */

struct play_regs {
	struct cpu_regs r;
	uint8_t fx[512] __attribute__((aligned(16)));	/* FXSAVE64 image */
};

typedef void (*play_script)(struct play_regs *regs);

extern enum vdso_version play_version;	/* of the images below; VDSO_UPSTREAM unless a test sets it */

/** play_bytes() - copies the image of play_version, as it was linked, to @copy, which has @size bytes. */
void play_bytes(void *copy, size_t size);
/** play_image() - a bound copy of the image as the runtime makes it; its engine is play_engine. Made once. */
const uint8_t *play_image(void);
/** play_handle() - the image as a handle of dlopen(), or NULL. */
void *play_handle(void);
/** play_dlopen() - what play_image() makes, loaded by the dynamic linker, so that unwinders know it. */
const uint8_t *play_dlopen(void);
uint64_t play_address(const uint8_t *image, uint32_t offset);

/** play_each() - @body for play_version from @first to VDSO_V38. */
void play_each(enum vdso_version first, void (*body)(void));

/**
 * play_start() - fresh registers with recognisable values, leaf EENTER, TCS PLAY_TCS, no handler, no scripts; a zeroed
 * play_run, play_run38, or play_e, as play_version wants it.
 */
void play_start(void);
void play_leaf(uint64_t leaf);			/* in the register in which play_version has it */
void play_set_handler(uint64_t handler);
void play_set_tcs(uint64_t tcs);
/** play() - one call of the function in play_current; result in play_out. */
void play(void);

extern const uint8_t *play_current;	/* image in use: play_image() unless a test sets it */
extern struct sgx_enclave_run play_run;
extern struct sgx_enclave_run_v38 play_run38;
extern struct sgx_enclave_exception play_e;
extern uint64_t play_stack[3];		/* the words at 8, 16 and 24(%rsp) of the function called */
extern struct play_regs play_in, play_out;
extern struct play_regs play_engine_regs, play_handler_regs;
extern play_script play_engine_script, play_handler_script;
extern int play_engine_calls, play_handler_calls;

/* play.S */
void play_engine(void);
int play_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run);
extern const uint8_t play_return_address[];	/* where the call in play() returns to */
extern uint64_t play_call_stack;	/* RSP at that call */

/* Scripts that many tests need: EEXIT to the pad; an AEX for #PF, fixed up (B-31). */
void play_eexit(struct play_regs *regs);
void play_exception(struct play_regs *regs);

#endif
