/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The five string functions that compilers call on their own. Hosted programs get them from their C library; the
 * runtime blob gets them from mem.c. Any context; the direction flag must be clear, as the ABI demands.
 */
#ifndef SOFTSGX_SYS_MEM_H
#define SOFTSGX_SYS_MEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *__restrict dst, const void *__restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *s);

#ifdef __cplusplus
}
#endif

#endif
