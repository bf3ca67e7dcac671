/* SPDX-License-Identifier: BSD-2-Clause */
/* Preloaded into softsgx: a machine whose AT_HWCAP2 has nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type)
{
	unsigned long (*next)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");

	return type == AT_HWCAP2 ? 0 : next(type);
}
