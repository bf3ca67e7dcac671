/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory whose end is the end of what may be read: the page behind it faults, whatever the build. */
#ifndef SOFTSGX_FUZZ_GUARDED_H
#define SOFTSGX_FUZZ_GUARDED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GUARDED_MAX	(16u * 4096)

/** guarded_copy() - @size bytes (at most GUARDED_MAX) of @data, right before a page that can't be read. */
static inline uint8_t *guarded_copy(const uint8_t *data, size_t size)
{
	static uint8_t *end;

	if (!end) {
		uint8_t *start = mmap(NULL, GUARDED_MAX + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0);

		if (start == MAP_FAILED || mprotect(start + GUARDED_MAX, 4096, PROT_NONE))
			abort();
		end = start + GUARDED_MAX;
	}
	if (size)
		memcpy(end - size, data, size);
	return end - size;
}

#endif
