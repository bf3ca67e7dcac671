/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a debugger finds at RT_DEBUG_BASE: the enclaves of this process, and the files that they were made from. The
 * layout is an interface (doc/debugging.md): tools/gdb/softsgx-gdb.py reads it, others may.
 */
#ifndef SOFTSGX_FRONT_DEBUG_H
#define SOFTSGX_FRONT_DEBUG_H

#include <assert.h>

#include "front/symbols.h"
#include "trap/thread.h"

#define DEBUG_MAGIC	UINT64_C(0x6775626564677373)	/* "ssgdebug"; little-endian: "ssgdebug" in memory */
#define DEBUG_VERSION	1
#define DEBUG_ENCLAVES	1023

enum debug_searched { DEBUG_UNSEARCHED, DEBUG_SEARCHED, DEBUG_SEARCHED_DEEP };

struct debug_enclave {
	uint64_t base, size;		/* ELRANGE; size 0: unused */
	uint64_t attributes, xfrm;
	uint64_t id;			/* of the enclave: another one at the same address has another */
	uint64_t bias;			/* to add to the addresses in the file */
	uint32_t searched;		/* enum debug_searched */
	uint32_t ssaframesize;		/* pages; 0 if it is not known */
	uint32_t mapped, reserved;	/* mapped: its code is where it belongs, so that breakpoints can be set */
	char     path[SYMBOLS_PATH];	/* of the file; "" unknown */
};
static_assert(sizeof(struct debug_enclave) == 320, "an interface");

struct debug_table {
	uint64_t magic;
	uint32_t version, count;	/* entries up to the last one in use */
	uint64_t changes;		/* how many enclaves have become .mapped */
	uint64_t reserved2;
	uint64_t event;			/* address: the program passes it, with its signals open, when one has .. */
	uint32_t attached, reserved;	/* .. if this is not 0: a debugger writes it */
	uint64_t threads;		/* address of the thread slots (trap/thread.h) */
	uint64_t vdso_enclu;		/* address of the ENCLU of the vDSO function */
	char     rt_path[256];		/* softsgx-rt, for the symbols of the runtime */
	struct debug_enclave enclave[DEBUG_ENCLAVES];
};
static_assert(offsetof(struct debug_table, enclave) == 320, "an interface");

/** debug_init() - map the table. Without memory for it there is none, and only debuggers miss it. */
void debug_init(void);
/** debug_enclave() - the table's entry for the enclave at @base, made if need be; NULL: no such enclave, or no room. */
struct debug_enclave *debug_enclave(uint64_t base);
/** debug_initialised() - EINIT of the enclave at @base succeeded: the table shows it. */
void debug_initialised(uint64_t base);
/** debug_pass() - a call may have completed an enclave: if a debugger wants to know, the program passes .event. */
void debug_pass(struct thread *t, struct kucontext *uc);
extern const char rt_debug_event[];	/* entry.S */

#endif
