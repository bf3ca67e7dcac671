/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying from or to memory that may fault, without a system call: entry.S, with signals.c as its fault handler. */
#ifndef SOFTSGX_TRAP_RTCOPY_H
#define SOFTSGX_TRAP_RTCOPY_H

#include <stddef.h>
#include <stdint.h>

/** rt_copy() - copy @size bytes; returns how many at the end were not copied because of a fault. Any context. */
uint64_t rt_copy(void *dst, const void *src, size_t size);
uint64_t rt_copy_try(void *dst, const void *src, size_t size);	/* entry.S */
extern const char rt_copy_insn[], rt_copy_done[];

/*
 * rt_probe() - a write access that changes nothing. Not 0 if it faults; then the thread's copy_fault says how, as the
 * kernel saw it.
 */
long rt_probe(uint64_t addr);
long rt_probe_try(uint64_t addr);				/* entry.S */
extern const char rt_probe_faulted[];

#endif
