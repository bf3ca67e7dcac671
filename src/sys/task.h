/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A helper that shares memory and descriptors with the process but is no thread of it: invisible in /proc/self/task, to
 * SIGCHLD, to tracers, and to every wait that does not ask for __WALL. It dies with the thread that made it.
 */
#ifndef SOFTSGX_SYS_TASK_H
#define SOFTSGX_SYS_TASK_H

/**
 * sys_task() - run @run(@arg) on a stack that ends at @stack_top (16-byte aligned). Returns the helper's pid, or -errno.
 * @run uses neither TLS nor anything that the caller waits for without sys_task_join().
 */
long sys_task(void *stack_top, void (*run)(void *), void *arg);
/** sys_task_join() - wait until the helper has ended. */
void sys_task_join(long pid);

#endif
