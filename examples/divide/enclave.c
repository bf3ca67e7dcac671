/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside: a division whose divisor may be 0. The second phase makes the quotient as large as it gets. */
#include "../common/inside.h"
#include "divide.h"

extern const char division_at[], division_end[];

long enclave_main(long what, void *argument)
{
	struct division d, *out = argument;
	uint64_t rest = 0;

	(void)what;
	if (!outside(out, sizeof(*out)))
		return -1;
	d = *out;		/* once: the host may change it while we look at it */
	__asm__ volatile("division_at: div %2\ndivision_end:" : "=a"(d.quotient), "+d"(rest)
			 : "r"(d.divisor), "a"(d.dividend) : "cc");
	out->quotient = d.quotient;
	return 0;
}

/*
 * The host only said that something happened; what it was, the processor has written into the SSA frame, which
 * only this enclave can write. So that is looked at, and not what the host says.
 */
long enclave_exception(struct ssa_gpr *gpr)
{
	if (!(gpr->exitinfo & EXITINFO_VALID) || EXITINFO_VECTOR(gpr->exitinfo) != 0 ||
	    gpr->rip != (uintptr_t)division_at)
		return GIVE_UP;
	gpr->rax = UINT64_MAX;
	gpr->rip = (uintptr_t)division_end;
	return RESUME;
}
