/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * String functions of the runtime blob; never part of a hosted library. REP MOVSB and STOSB are the processor's own
 * fast copy and, unlike a loop in C, can't be turned into a call to the function they implement.
 */
#include "sys/mem.h"

#include <stdint.h>

void *memcpy(void *__restrict dst, const void *__restrict src, size_t size)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(size) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= size)
		return memcpy(dst, src, size);
	/* dst lies inside the source: backwards. STD forms are slow, but nothing large comes this way. */
	d += size - 1;
	s += size - 1;
	__asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(size) : : "memory", "cc");
	return dst;
}

void *memset(void *dst, int value, size_t size)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	/* Whole words first: MACs, reserved fields and pages are compared with this. */
	for (; size - i >= 8; i += 8) {
		uint64_t p, q;

		__builtin_memcpy(&p, x + i, 8);
		__builtin_memcpy(&q, y + i, 8);
		if (p != q) {
			p = __builtin_bswap64(p);
			q = __builtin_bswap64(q);
			return p < q ? -1 : 1;
		}
	}
	for (; i < size; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t strlen(const char *s)
{
	const volatile char *p = s;	/* volatile: not to be recognised as strlen() */

	while (*p)
		p++;
	return (size_t)(p - s);
}
