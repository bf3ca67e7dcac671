/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw Linux system calls and the few memory functions that the libc-free runtime needs. Every function may run in any
 * context, a signal handler with the enclave's FS and GS included: no TLS, no errno, no locks. Errors are -errno.
 */
#ifndef SOFTSGX_SYS_SYS_H
#define SOFTSGX_SYS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#define sys_call0(nr)			sys_call6(nr, 0, 0, 0, 0, 0, 0)
#define sys_call1(nr, a)		sys_call6(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys_call2(nr, a, b)		sys_call6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys_call3(nr, a, b, c)		sys_call6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys_call4(nr, a, b, c, d)	sys_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys_call5(nr, a, b, c, d, e)	sys_call6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/** sys_is_error() - is @ret one of -1..-4095? */
static inline bool sys_is_error(long ret)
{
	return (unsigned long)ret > -4096UL;
}

/* uaccess.c: memory of the program, whose mappings may be anything. 0, or -EFAULT if any byte is inaccessible. */
long sys_copy_from_user(void *dst, uint64_t src, size_t size);
long sys_copy_to_user(uint64_t dst, const void *src, size_t size);
/* A NUL-terminated string of less than @size bytes: its length, -EFAULT, or -ENAMETOOLONG. */
long sys_copy_string_from_user(char *dst, uint64_t src, size_t size);

/* print.c: for messages from the runtime. %s %d %u %x %lx %lu %p %c %%; never allocates; always terminates @buf. */
size_t sys_format(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sys_print(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/**
 * sys_panic() - "softsgx: internal error: ...", and whose bug it is, in one write to stderr; then SIGABRT by default
 * action. For the impossible only.
 */
_Noreturn void sys_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
