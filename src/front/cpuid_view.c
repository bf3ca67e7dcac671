/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUID says: sgx-isa section 2. Leaves that SGX does not touch stay the machine's. */
#include "front/cpuid.h"

#define LEAF_SGX		0x12u
#define HYPERVISOR_BASE		0x40000000u
#define HYPERVISOR_END		0x40010000u
#define VENDOR_INTEL_EBX	0x756e6547u	/* "Genu" */
#define ECX_HYPERVISOR		(UINT32_C(1) << 31)
#define EBX_SGX			(UINT32_C(1) << 2)
#define ECX_SGX_LC		(UINT32_C(1) << 30)
#define EDX_SGX_KEYS		(UINT32_C(1) << 1)

/*
 * The largest ELRANGE: 4 TiB, because the driver maps each enclave twice more, with its tables, in RT_DRV_SIZE. Outside
 * 64-bit mode 2 GiB, as on processors.
 */
#define LOG2_SIZE_64		42
#define LOG2_SIZE_32		31

/* Components that enclaves may have; CET is the model's only, supervisor state is out of the question. */
#define XFRM_LEGAL	(X86_XFEATURE_X87 | X86_XFEATURE_SSE | X86_XFEATURE_AVX | X86_XFEATURE_OPMASK | \
			 X86_XFEATURE_ZMM_HI256 | X86_XFEATURE_HI16_ZMM | X86_XFEATURE_PKRU | \
			 X86_XFEATURE_TILECFG | X86_XFEATURE_TILEDATA)

static struct cpuid_result sgx_leaf(const struct isa_profile *p, uint64_t epc_pages, uint32_t subleaf)
{
	struct cpuid_result r = { 0 };
	uint64_t size = epc_pages * 4096;

	switch (subleaf) {
	case 0:
		r.eax = (uint32_t)p->sgx1 | (uint32_t)p->sgx2 << 1 | (uint32_t)p->edeccssa << 11;
		r.ebx = p->miscselect;
		r.edx = (uint32_t)p->log2_size_32 | (uint32_t)p->log2_size_64 << 8;
		break;
	case 1:
		r.eax = (uint32_t)p->attributes;
		r.ebx = (uint32_t)(p->attributes >> 32);
		r.ecx = (uint32_t)p->xfrm;
		r.edx = (uint32_t)(p->xfrm >> 32);
		break;
	case 2:			/* the EPC: one section, confidential and of verified integrity */
		r.eax = (uint32_t)CPUID_EPC_BASE | 1;
		r.ebx = (uint32_t)(CPUID_EPC_BASE >> 32);
		r.ecx = (uint32_t)size | 1;
		r.edx = (uint32_t)(size >> 32);
		break;
	}
	return r;
}

static bool host_hypervisor_reaches(const struct cpuid_source *s, uint32_t leaf)
{
	uint32_t last;

	if (!(s->query(s, 1, 0).ecx & ECX_HYPERVISOR))
		return false;
	last = s->query(s, HYPERVISOR_BASE, 0).eax;
	return last >= leaf && last < HYPERVISOR_END;
}

struct cpuid_result cpuid_view(const struct cpuid_source *s, const struct isa_profile *p, uint64_t epc_pages,
			       uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_result signature = {
		CPUID_SIGNATURE_LEAF, 0x74666f73 /* "soft" */, 0x00786773 /* "sgx" */, 0,
	};
	struct cpuid_result r = { 0 }, host0;

	if (leaf == LEAF_SGX)
		return sgx_leaf(p, epc_pages, subleaf);
	if (leaf == CPUID_SIGNATURE_LEAF && !host_hypervisor_reaches(s, leaf))
		return signature;
	if (leaf >= HYPERVISOR_BASE)
		return s->query(s, leaf, subleaf);

	host0 = s->query(s, 0, 0);
	if (leaf <= host0.eax || host0.eax >= LEAF_SGX)
		r = s->query(s, leaf, subleaf);
	else if (leaf > LEAF_SGX && host0.ebx == VENDOR_INTEL_EBX)
		return sgx_leaf(p, epc_pages, subleaf);	/* beyond the last leaf Intel's processors repeat it */
	if (!leaf && r.eax < LEAF_SGX)
		r.eax = LEAF_SGX;
	if (leaf == 7 && !subleaf) {
		r.ebx |= EBX_SGX;
		r.ecx |= ECX_SGX_LC;
		r.edx &= ~EDX_SGX_KEYS;
	}
	return r;
}

void cpuid_profile(struct isa_profile *p, const struct cpuid_source *s, uint64_t xcr0, uint32_t mxcsr_mask, bool sgx2,
		   bool aexnotify)
{
	uint64_t bits;

	*p = (struct isa_profile){
		.sgx1 = true, .sgx2 = sgx2, .edeccssa = aexnotify,
		.miscselect = SGX_MISC_EXINFO,
		.log2_size_32 = LOG2_SIZE_32, .log2_size_64 = LOG2_SIZE_64,
		.attributes = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY |
			      SGX_ATTR_KSS | (aexnotify ? SGX_ATTR_AEXNOTIFY : 0),
		.xfrm = xcr0 & XFRM_LEGAL,
		.xcr0 = xcr0,
		.mxcsr_mask = mxcsr_mask,
	};
	for (bits = xcr0 & ~(X86_XFEATURE_X87 | X86_XFEATURE_SSE) & ~(UINT64_C(1) << 63); bits; bits &= bits - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(bits);
		const struct cpuid_result r = s->query(s, 0xd, i);

		p->xsave_size[i] = r.eax;
		p->xsave_offset[i] = r.ebx;
		p->xsave_aligned |= (uint64_t)(r.ecx >> 1 & 1) << i;
	}
}
