/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside: uses memory as if it were there. The second phase accepts the pages that the kernel adds. */
#include "../common/inside.h"

#define PAGE	UINT64_C(4096)

/* Writes to the first @pages pages of the heap, then adds up what is in them. */
long enclave_main(long pages, void *argument)
{
	uint64_t size, sum = 0;
	uint8_t *memory = heap(&size);
	long i;

	(void)argument;
	if (pages < 0 || (uint64_t)pages > size / PAGE)
		return -1;
	for (i = 0; i < pages; i++)
		*(volatile long *)(memory + (uint64_t)i * PAGE + 8) = i + 1;
	for (i = 0; i < pages; i++)
		sum += *(volatile uint64_t *)(memory + (uint64_t)i * PAGE + 8);
	return (long)sum;
}

long enclave_exception(struct ssa_gpr *gpr)
{
	const struct secinfo secinfo = { .flags = SECINFO_R | SECINFO_W | SECINFO_PENDING | SECINFO_REG };
	const struct ssa_exinfo *exinfo = (const struct ssa_exinfo *)gpr - 1;
	uint64_t size, page = exinfo->maddr & ~(PAGE - 1);
	uint8_t *memory = heap(&size);

	if (!(gpr->exitinfo & EXITINFO_VALID) || EXITINFO_VECTOR(gpr->exitinfo) != 14 ||
	    page - (uintptr_t)memory >= size)
		return GIVE_UP;
	/*
	 * The page is pending: nothing can be read from it or written to it before the enclave says that it wants
	 * it, so the host can't replace pages that are in use by empty ones.
	 */
	return enclu(EACCEPT, &secinfo, (void *)page, NULL) ? GIVE_UP : RESUME;
}
