/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel laid out for a new program: its auxiliary vector and its mappings. */
#ifndef SOFTSGX_FRONT_AUXV_H
#define SOFTSGX_FRONT_AUXV_H

#include <linux/auxvec.h>
#include <stdint.h>

struct auxv_entry {
	uint64_t type, value;
};

struct auxv {
	struct auxv_entry *entry;	/* on the program's stack; ends with AT_NULL */
	uint32_t count;			/* AT_NULL included */
};

/** auxv_find() - behind argv and envp of the initial stack at @sp. */
void auxv_find(struct auxv *auxv, uint64_t sp);
/** auxv_get() - the value of @type, or 0. auxv_set() replaces it; an entry that is not there is not made. */
uint64_t auxv_get(const struct auxv *auxv, uint64_t type);
void auxv_set(struct auxv *auxv, uint64_t type, uint64_t value);
/** auxv_publish() - the same in /proc/self/auxv; where the kernel can't do that, it stays as it was. */
void auxv_publish(const struct auxv *auxv);

/** maps_each_code() - calls @visit for each executable mapping of the process that is a file's. */
void maps_each_code(void (*visit)(uint64_t start, uint64_t end));

#endif
