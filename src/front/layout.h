/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the runtime lives. All of it lies in address space that the kernel hands out only on request, far from the
 * heap, the mmap area, the stack and the ranges that sanitizers and managed runtimes claim; nothing lies below. The
 * blob is linked at RT_BASE: the system call filter knows its own calls by this range, across exec too.
 */
#ifndef SOFTSGX_FRONT_LAYOUT_H
#define SOFTSGX_FRONT_LAYOUT_H

#define RT_BASE			0x6f5000000000		/* the blob: text first, then data; linker script rt.ld */
#define RT_TEXT_MAX		0x100000		/* the filter lets system calls through from [RT_BASE, + RT_TEXT_MAX) */
#define RT_TRAP_DATA		0x5347			/* si_errno of the filter's SIGSYS: tells it from those of the program's filters */
#define RT_SIZE			0x400000		/* text, data and bss */
#define RT_VDSO_BASE		0x6f5000800000		/* the vDSO image */
#define RT_DEBUG_BASE		0x6f5000c00000		/* what debuggers read: front/debug.h */
#define RT_DRV_STATE		0x6f5001000000		/* struct drv */
#define RT_STATS_BASE		0x6f5010000000		/* this process's part of the statistics file */
#define RT_LAUNCH_BASE		0x6f5020000000		/* from here on, briefly: stacks of helpers that inject */
#define RT_TRACE_BASE		0x6f5030000000		/* buffers of the trace: trap/trace.h */
#define RT_THREADS_BASE		0x6f5040000000		/* thread slots: trap/thread.h */
#define RT_DRV_BASE		0x650000000000		/* the driver's arena; gcc's ASan has its heap below 0x640100000000 */
#define RT_DRV_SIZE		0x0a0000000000

#endif
