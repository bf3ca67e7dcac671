/* SPDX-License-Identifier: BSD-2-Clause */
/* How a program gets the runtime: between launch.c (the one that executes), inject.c (its helper) and start.S. */
#ifndef SOFTSGX_FRONT_LAUNCH_H
#define SOFTSGX_FRONT_LAUNCH_H

#include "front/rt.h"

#define LAUNCH_STACK_SIZE	0x8000

/* launch_job.state, a futex. Starts as STARTING; the kernel writes GONE when the helper ends. */
enum launch_state { LAUNCH_GONE, LAUNCH_STARTING, LAUNCH_READY, LAUNCH_REFUSED };

/** struct launch_job - at the low end of the helper's stack, shared by it and the one that executes. */
struct launch_job {
	_Atomic uint32_t state;
	int32_t tracee;			/* thread to seize */
	long    error;			/* -errno of ptrace, if REFUSED */
	struct rt_start start;		/* for the new program; the helper adds its own number and the entry */
};

/** launch_execve() - as rt_execve(). *refused: the failure is ptrace's, not that of execve. */
long launch_execve(int dirfd, const char *path, char *const *argv, char *const *envp, int flags,
		   const struct rt_start *start, bool *refused);

/** launch_helper() - the helper's main function; @argument is its struct launch_job. */
_Noreturn void launch_helper(void *argument);

/* start.S */
long launch_clone(uint64_t flags, void *stack_top, _Atomic uint32_t *child_tid, void (*function)(void *),
		  void *argument);
_Noreturn void launch_vanish(void *stack, uint64_t size);
void rt_entry(void);
extern uint64_t rt_entry_rip, rt_entry_rsp;

/* rt.ld */
extern uint8_t rt_image_start[], rt_text_end[], rt_image_end[]; /* text and constants */
extern uint8_t rt_data_start[], rt_data_end[], rt_pristine[];	 /* data, and what it was before anyone wrote to it */

#endif
