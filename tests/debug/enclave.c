/* SPDX-License-Identifier: BSD-2-Clause */
/* What gdb.sh looks at from outside: functions that call each other, variables, an exception, an OCALL. */
#include "common/inside.h"

enum { COUNT, FAULT, ASK };

volatile long debug_counter = 5;
volatile long debug_written;

__attribute__((noinline)) long debug_inner(long n)
{
	debug_counter += n;
	return debug_counter * 2;
}

__attribute__((noinline)) long debug_outer(long n)
{
	long sum = 0;

	for (long i = 0; i < n; i++)
		sum += debug_inner(i);
	return sum + debug_written;
}

__attribute__((noinline)) long debug_fault(void)
{
	__asm__ volatile("ud2" : : : "memory");
	return debug_counter;
}

long enclave_main(long what, void *argument)
{
	if (what == COUNT)
		return debug_outer((long)argument);
	if (what == FAULT)
		return debug_fault();
	return ocall(1, NULL);
}

long enclave_exception(struct ssa_gpr *gpr)
{
	gpr->rip += 2;
	return RESUME;
}
