/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID as the program sees it: the machine's, with SGX. The rules are pure (cpuid_view.c); cpuid.c applies them with
 * the real instruction and cpuid_scan.c finds the instructions to replace.
 */
#ifndef SOFTSGX_FRONT_CPUID_H
#define SOFTSGX_FRONT_CPUID_H

#include "front/rt.h"

/*
 * The platform says what it is: this leaf, as a hypervisor's, has "softsgx" in EBX, ECX, EDX. No real processor and no
 * known hypervisor answers there.
 */
#define CPUID_SIGNATURE_LEAF	UINT32_C(0x40005300)
#define CPUID_EPC_BASE		UINT64_C(0x4000000000)	/* of the section that leaf 12H.2 describes */

/** struct cpuid_source - the machine's own CPUID; tests have a table. */
struct cpuid_source {
	struct cpuid_result (*query)(const struct cpuid_source *s, uint32_t leaf, uint32_t subleaf);
};

/** cpuid_view() - what the program sees. Any context in which @s may be asked. */
struct cpuid_result cpuid_view(const struct cpuid_source *s, const struct isa_profile *p, uint64_t epc_pages,
			       uint32_t leaf, uint32_t subleaf);
/** cpuid_profile() - the processor that the platform is on a machine with this CPUID, XCR0 and MXCSR mask. */
void cpuid_profile(struct isa_profile *p, const struct cpuid_source *s, uint64_t xcr0, uint32_t mxcsr_mask, bool sgx2,
		   bool aexnotify);

/** cpuid_patching() - are CPUID instructions replaced? After cpuid_init(). */
static inline bool cpuid_patching(void)
{
	return !rt.cpuid_faulting && (rt.config.cpuid == RT_CPUID_AUTO || rt.config.cpuid == RT_CPUID_PATCH);
}

/**
 * cpuid_scan() - the first offset >= @from and < @end of @code at which a CPUID instruction starts, or @end. @size bytes
 * may be read: CPUID_SCAN_MARGIN more on each side, where they exist, make the answer good. Pure.
 */
#define CPUID_SCAN_MARGIN	96u
uint64_t cpuid_scan(const uint8_t *code, uint64_t size, uint64_t from, uint64_t end);

#endif
