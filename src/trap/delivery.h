/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an exception at an ENCLU of the program continues instead of becoming a signal: the designs of doc/exceptions.md.
 * They coexist, because each looks at another instruction. In this order: a pair registered by the thread (C5-6), the
 * process's pair (C.1), the vDSO function's ENCLU (B.5, C.3), an ENCLU with the opt-in prefix (C.2); else a signal.
 *
 * Context: as engine.h; @uc is host state.
 */
#ifndef SOFTSGX_TRAP_DELIVERY_H
#define SOFTSGX_TRAP_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/machine.h"
#include "sys/signal.h"

#define DELIVERY_PAIRS_MAX	32
#define DELIVERY_ENTRIES_MAX	32

/* An exception with RIP at enclu continues at handler (C1-4). */
struct enclu_pair {
	uint64_t enclu, handler;
};

/** struct delivery - of the process. */
struct delivery {
	bool prefix;				/* C.2 is on */
	struct enclu_pair process;		/* C1-2; both 0: never registered */
};

/*
 * struct thread_delivery - a thread's pairs, a stack (C5-6), and its entries that AEX interrupted: each remembers which
 * pair was on top, since nothing can be registered while the thread is inside. Pairs are numbered from 1; one that was
 * taken away stays in its place as long as an entry may bring it back, so that nobody's pushing and popping meanwhile
 * disturbs it.
 */
struct thread_delivery {
	uint32_t top, entries;			/* top: 0 for none */
	uint32_t fresh;				/* of them, from top down: pushed since the last entry or AEX */
	bool     popped;			/* since then an older one was taken away */
	struct {
		struct enclu_pair pair;
		uint32_t below;			/* less than its own number */
	} pushed[DELIVERY_PAIRS_MAX];
	struct {
		uint64_t tcs, rsp;
		uint32_t top;
	} entry[DELIVERY_ENTRIES_MAX];
};

struct engine;
struct thread;

/** delivery_register() - C1-2: the process's pair, set by @t. 0, -EINVAL. */
long delivery_register(struct engine *e, const struct thread *t, const struct enclu_pair *pair);
/** delivery_registered() - C1-3: has there been a registration that lets enclaves be created? */
bool delivery_registered(const struct engine *e);
/** delivery_register_thread() - C5-6: pushes, or for (0,0) pops. 0, -EINVAL, -ENOMEM. @rsp: the program's. */
long delivery_register_thread(struct thread *t, const struct enclu_pair *pair, uint64_t rsp);

/** delivery_entered() - EENTER with the host's @rsp. While the thread has interrupted entries none may be missed. */
void delivery_entered(struct thread *t, uint64_t rsp);
/** delivery_interrupted(), delivery_resumed() - an AEX of the entry through @tcs, with the host's @rsp; its ERESUME. */
void delivery_interrupted(struct thread *t, uint64_t tcs, uint64_t rsp);
void delivery_resumed(struct thread *t, uint64_t tcs);

/**
 * delivery_fixup() - @exc at @uc's RIP: true if a design catches it; @uc then is where the program continues. For
 * exceptions that would become a signal (B-32); never for #DB and #BP (B-34).
 */
bool delivery_fixup(struct engine *e, struct thread *t, const struct exception *exc, struct kucontext *uc);

#endif
