/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seccomp filters as programs: rules in, instructions out. Pure: no system call, no global.
 *
 * A call that no rule names is allowed by its number alone, so that the kernel keeps it in its bitmap of calls for
 * which it need not run the filter. A call that a rule selects is looked at last for who made it: the runtime's own
 * calls, known by their address, pass.
 */
#ifndef SOFTSGX_FRONT_FILTER_BUILD_H
#define SOFTSGX_FRONT_FILTER_BUILD_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#define FILTER_INSN_MAX		512

/** struct filter_program - count is 0 if the program did not fit (the builders below always fit). */
struct filter_program {
	uint16_t count;
	struct sock_filter insn[FILTER_INSN_MAX];
};

/** filter_build_base() - calls looked at from the start. @exec_mappings: mmap of executable files too. */
void filter_build_base(struct filter_program *p, bool exec_mappings);
/** filter_build_fd() - the calls on descriptors @first..@last. */
void filter_build_fd(struct filter_program *p, uint32_t first, uint32_t last);
/** filter_build_range() - the memory calls that touch [@start, @end), page aligned. */
void filter_build_range(struct filter_program *p, uint64_t start, uint64_t end);

#endif
