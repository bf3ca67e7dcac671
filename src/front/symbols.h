/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which file an enclave was made from, and where its symbols are in memory. Programs copy the file into the enclave in
 * ways of their own, so nobody says it: the runtime remembers the files that the program has opened, and compares their
 * code with the enclave's when somebody asks.
 *
 * Context: signals blocked; neither drv.lock nor a header's lock held; takes rt.symbols.lock. Reads files.
 */
#ifndef SOFTSGX_FRONT_SYMBOLS_H
#define SOFTSGX_FRONT_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/lock.h"

#define SYMBOLS_OPENED	64
#define SYMBOLS_PATH	256		/* with the NUL; longer ones are not remembered */

/** struct symbols - part of struct rt: what the program has opened last. */
struct symbols {
	struct lock lock;
	uint32_t next;
	struct symbols_opened {
		uint64_t hash;
		uint32_t misses;		/* enclaves that it turned out not to be, since it was opened */
		char path[SYMBOLS_PATH];	/* as the program gave it; "" unused */
	} opened[SYMBOLS_OPENED];
};

/**
 * symbols_resolve() - the address that @expression means in the enclave whose ELRANGE begins at @elrange_base: SYMBOL,
 * SYMBOL+10, SYMBOL+0x1f, or 0x1234, an offset from the base. 0 if unknown.
 */
uint64_t symbols_resolve(uint64_t elrange_base, const char *expression);

/** symbols_path() - the ELF file that the enclave was made from, or NULL. Valid while the enclave is there. */
const char *symbols_path(uint64_t elrange_base);

/** symbols_opened() - the program opens the path at address @path. Only the gate calls it. Waits for no lock. */
void symbols_opened(int dirfd, uint64_t path, uint64_t flags);

/** symbols_search() - as symbols_path(), but with little effort: something may come of it later. */
void symbols_search(uint64_t elrange_base);

/** symbols_find() - look for the file of the enclave; *bias is what to add to its addresses. @deep: spare no effort.
 * Context: rt.symbols.lock held. */
bool symbols_find(uint64_t elrange_base, bool deep, char path[SYMBOLS_PATH], uint64_t *bias);

/** symbols_forked() - in the child: nobody holds the lock. */
void symbols_forked(void);

#endif
