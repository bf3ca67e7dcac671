/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state between a processor (struct cpu's xstate, as a signal frame has it) and an SSA frame. Both
 * sides are XSAVE areas in standard format; the one in the SSA frame lies in pages that need not be adjacent.
 * Only architectural bytes of components in XFRM pass: never the software words of a signal frame, never a
 * component outside XFRM.
 */
#ifndef SOFTSGX_ISA_XSTATE_COPY_H
#define SOFTSGX_ISA_XSTATE_COPY_H

#include "isa/machine.h"

/**
 * xstate_save() - XSAVE with mask @xfrm from @live (@live_size bytes) to the frame's @page list; header
 * clean-up.
 */
void xstate_save(const struct isa_profile *p, uint64_t xfrm, const uint8_t *live, uint32_t live_size,
		 uint8_t *const page[SSA_XSAVE_PAGES_MAX]);

/**
 * xstate_synthetic() - the state that software outside sees after @vector (sgx-isa 7.3): INIT but for MXCSR,
 * FCW, FSW.
 */
void xstate_synthetic(const struct isa_profile *p, uint64_t xfrm, uint32_t vector, uint8_t *live);

/** struct xstate_image - what XRSTOR judges an image by, read once. */
struct xstate_image {
	uint64_t xstate_bv;
	uint32_t mxcsr;
};

/**
 * xstate_image_read() - read and judge the image whose first page is @first, as XRSTOR with mask @xfrm would; also
 * false if a component that it has would not fit into @live_size bytes. False is #GP(0), ERESUME-102..105.
 */
bool xstate_image_read(const struct isa_profile *p, uint64_t xfrm, const uint8_t *first, uint32_t live_size,
		       struct xstate_image *image);

/** xstate_load() - XRSTOR with mask @xfrm to @live. Components outside @xfrm are untouched. */
void xstate_load(const struct isa_profile *p, uint64_t xfrm, uint8_t *const page[SSA_XSAVE_PAGES_MAX],
		 const struct xstate_image *image, uint8_t *live);

#endif
