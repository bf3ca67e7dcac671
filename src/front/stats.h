/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The statistics file: a header page, then pages that processes claim, one each, and write in place as they run, so
 * that nothing is lost when a process is killed. Counters are added by the reader. A process without a page left shares
 * the last one, a thread without a slot left shares one: such counts may be a little low.
 */
#ifndef SOFTSGX_FRONT_STATS_H
#define SOFTSGX_FRONT_STATS_H

#include "drv/drv.h"
#include "trap/thread.h"

#define STATS_MAGIC		UINT64_C(0x31747378677374)	/* "tsgxst1" */
#define STATS_PAGE		4096
#define STATS_PROCESSES		4096
#define STATS_THREADS		((STATS_PAGE - 128) / sizeof(struct thread_stats))
#define STATS_FILE_SIZE		((uint64_t)STATS_PAGE * (1 + STATS_PROCESSES))

struct stats_header {
	uint64_t magic;
	uint32_t drv_size, thread_size;		/* of the two structures */
	_Atomic uint32_t claimed;		/* pages given out; may count past STATS_PROCESSES */
};

struct stats_process {
	struct drv_counters drv;
	uint64_t pid;				/* the process that claimed it; it keeps it over execve */
	uint8_t  reserved[120 - sizeof(struct drv_counters)];
	struct thread_stats thread[STATS_THREADS];
};
_Static_assert(sizeof(struct stats_process) <= STATS_PAGE, "a page for each process");

#endif
