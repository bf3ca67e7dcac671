/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single-stepping of enclave code, and the exits that it makes possible (doc/architecture.md, "AEX at will"). TF is set
 * in every frame that leads into an enclave and taken out of every frame in which a signal finds the thread there, so
 * that neither the enclave nor the program sees it. Nothing is patched meanwhile and no entry cached: all ways in and
 * out are signal frames, and no step happens in the runtime.
 *
 * Context of all functions: as engine.h.
 */
#ifndef SOFTSGX_TRAP_STEP_H
#define SOFTSGX_TRAP_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "trap/insn.h"

/** enum step_when - when a thread is interrupted besides. */
enum step_when {
	STEP_NEVER,
	STEP_EVERY,		/* after every n-th instruction that a thread executes inside */
	STEP_RANDOM,		/* after 1 .. 2 * n - 1 of them, by a generator for each thread */
	STEP_AT,		/* before the instruction at an address */
};

/** struct step - of the process; constant. */
struct step {
	bool on;
	enum step_when when;
	uint64_t n, seed;
	/* STEP_AT: the address in the enclave at @base, or 0. Called outside of enclaves; may lock and read files. */
	uint64_t (*resolve)(uint64_t base);
};

#define STEP_ENCLAVES	4	/* of which a thread remembers the address */

/** struct thread_step - of a thread. */
struct thread_step {
	bool armed;		/* TF in the frame that was, or is going to be, loaded is ours .. */
	bool own_tf;		/* .. and this is what the enclave has there: never 1 but after an opt-in entry */
	bool due;		/* an exit at this boundary */
	uint32_t at_done;	/* frames of at_tcs, by CSSA: the exit before at_rip has happened, the instruction has not */
	uint32_t at_next;
	uint64_t at_tcs, at_rip;
	struct {
		uint64_t encl, rip;	/* encl_id(), address */
	} at[STEP_ENCLAVES];
	uint64_t rip;		/* of the instruction that is being stepped */
	struct insn insn;	/* kind INSN_INVALID: it could not be read */
	uint64_t left;		/* instructions until the next exit; 0: not drawn yet */
	uint64_t random;	/* state of the generator */
};

struct encl;
struct engine;
struct thread;
struct ksiginfo;
struct kucontext;

/** step_entering() - @t is about to enter @encl: where is STEP_AT there? */
void step_entering(struct engine *e, struct thread *t, struct encl *encl);
/** step_entered() - by EENTER at frame @cssa: what was interrupted there is abandoned. */
void step_entered(struct thread *t, uint64_t tcs, uint32_t cssa);
/** step_retired() - an instruction inside has been executed: by the processor, or by the model in its place. */
void step_retired(struct engine *e, struct thread *t);
/**
 * step_stopped() - signal @sig has stopped @t inside while it was armed: @uc is made what it would be without us. True:
 * it was nothing but our step.
 */
bool step_stopped(struct engine *e, struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc);
/** step_disarm() - @uc, armed but not loaded, is going to be looked at or changed. */
void step_disarm(struct thread *t, struct kucontext *uc);
/**
 * step_arm() - the last thing before @uc is loaded, if @t is inside: exits that are due, and TF. Instructions that
 * enclave mode refuses fault here (INS-01 to INS-25, ACC-01): true, deliver *sig with *info.
 */
bool step_arm(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info, struct kucontext *uc);

#endif
