/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libnettle.a refers to in a C library; runtime blob only. Its processor dispatch looks at two debugging
 * variables of the environment, which are never set here, and prints only when they are. Its assertions can't fail
 * with the calls that src/crypto makes.
 */
#include "sys/mem.h"
#include "sys/sys.h"

void *stderr;

char *getenv(const char *name);
char *secure_getenv(const char *name);
size_t fwrite(const void *p, size_t size, size_t count, void *stream);
int __fprintf_chk(void *stream, int flag, const char *format, ...);
char *strchr(const char *s, int c);
_Noreturn void __assert_fail(const char *expression, const char *file, unsigned line, const char *function);
_Noreturn void __stack_chk_fail(void);

char *getenv(const char *name)
{
	(void)name;
	return NULL;
}

char *secure_getenv(const char *name)
{
	return getenv(name);
}

size_t fwrite(const void *p, size_t size, size_t count, void *stream)
{
	(void)p, (void)size, (void)stream;
	return count;
}

int __fprintf_chk(void *stream, int flag, const char *format, ...)
{
	(void)stream, (void)flag, (void)format;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)(uintptr_t)s;
}

void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
	sys_panic("%s:%u: %s: %s", file, line, function, expression);
}

void __stack_chk_fail(void)
{
	sys_panic("stack overwritten");
}
