/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace of --step: a line for each instruction that was executed inside, and for each way in or out
 * (softsgx-run(1), "Trace"). Each thread fills a buffer of its own, which goes to the file in whole lines when it is
 * full or the thread has left the enclave. No descriptor is kept: the program may close any.
 *
 * Context: as engine.h. Without a file every function returns at once.
 */
#ifndef SOFTSGX_TRAP_TRACE_H
#define SOFTSGX_TRAP_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "trap/insn.h"

#define TRACE_BUFFER		16384
#define TRACE_LINE_MAX		512

/** struct trace - of the process; constant. path NULL: no trace. */
struct trace {
	const char *path;
	bool json;
	uint8_t *buffers;	/* TRACE_BUFFER bytes for each thread slot */
};

/* struct thread_trace - of a thread. */
struct thread_trace {
	uint32_t used;		/* bytes in its buffer */
	uint32_t count;		/* accesses of the instruction that is being stepped */
	uint64_t memory[INSN_MEMORY_MAX];
};

struct engine;
struct exception;
struct kucontext;
struct thread;

/** trace_prepare() - the instruction in @t's step.insn, @bytes, is going to be executed with @uc. */
void trace_prepare(const struct engine *e, struct thread *t, const uint8_t *bytes, const struct kucontext *uc);
/** trace_step() - it has been. */
void trace_step(const struct engine *e, struct thread *t);
/** trace_entered() - by EENTER or ERESUME; trace_left() - by EEXIT; trace_aex() - at @rip inside, for *exc. */
void trace_entered(const struct engine *e, struct thread *t, uint32_t leaf, uint64_t rip);
void trace_left(const struct engine *e, struct thread *t, uint64_t rip);
void trace_aex(const struct engine *e, struct thread *t, const struct exception *exc, uint64_t rip);
/** trace_flush() - what @t has written goes to the file; lost if that can't be opened. */
void trace_flush(const struct engine *e, struct thread *t);

#endif
