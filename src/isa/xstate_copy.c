/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended state between a processor and an SSA frame. */
#include "isa/xstate_copy.h"

enum {
	FCW_INIT = 0x037F, MXCSR_SYNTHETIC = 0x1FB0, MXCSR_AFTER_XM = 0x1F01,
	FCW_AFTER_MF = 0x037E, FSW_AFTER_MF = 0x8081,
	XMM_SIZE = 256, ST_SIZE = 128,
	HEADER_ZEROED = 16,		/* header bytes 8..23: XCOMP_BV and the quadword behind it */
};

#define XFEATURE_LEGACY	(X86_XFEATURE_X87 | X86_XFEATURE_SSE)

static uint64_t read64(const uint8_t *p)
{
	uint64_t value;

	__builtin_memcpy(&value, p, sizeof(value));
	return value;
}

static void write16(uint8_t *p, uint16_t value)
{
	__builtin_memcpy(p, &value, sizeof(value));
}

static void write32(uint8_t *p, uint32_t value)
{
	__builtin_memcpy(p, &value, sizeof(value));
}

static void write64(uint8_t *p, uint64_t value)
{
	__builtin_memcpy(p, &value, sizeof(value));
}

static void x87_init(uint8_t *area, uint16_t fcw, uint16_t fsw)
{
	__builtin_memset(area, 0, X86_XSAVE_MXCSR);
	__builtin_memset(area + X86_XSAVE_ST0, 0, ST_SIZE);
	write16(area + X86_XSAVE_FCW, fcw);
	write16(area + X86_XSAVE_FSW, fsw);
}

/* x87 and XMM; a component in INIT is written as such, which costs nothing and is what XSAVE does. Not MXCSR. */
static void legacy_copy(uint8_t *to, const uint8_t *from, uint64_t xstate_bv)
{
	if (xstate_bv & X86_XFEATURE_X87) {
		__builtin_memcpy(to, from, X86_XSAVE_MXCSR);
		__builtin_memcpy(to + X86_XSAVE_ST0, from + X86_XSAVE_ST0, ST_SIZE);
	} else {
		x87_init(to, FCW_INIT, 0);
	}
	if (xstate_bv & X86_XFEATURE_SSE)
		__builtin_memcpy(to + X86_XSAVE_XMM0, from + X86_XSAVE_XMM0, XMM_SIZE);
	else
		__builtin_memset(to + X86_XSAVE_XMM0, 0, XMM_SIZE);
}

/* Adjacent components go as one copy: with AVX-512 in use that is two copies instead of four. */
struct run {
	uint32_t offset, size;
};

/* Take the lowest component off @rest, and those that follow it without a gap. */
static struct run run_next(const struct isa_profile *p, uint64_t *rest)
{
	unsigned int i = (unsigned int)__builtin_ctzll(*rest);
	struct run run = { p->xsave_offset[i], p->xsave_size[i] };

	for (*rest &= *rest - 1; *rest; *rest &= *rest - 1) {
		i = (unsigned int)__builtin_ctzll(*rest);
		if (p->xsave_offset[i] != run.offset + run.size)
			break;
		run.size += p->xsave_size[i];
	}
	return run;
}

/* Bytes [offset, offset + size) of the frame's area that lie on one page with @offset. */
static uint32_t within_page(uint32_t offset, uint32_t size)
{
	uint32_t room = (uint32_t)SGX_PAGE_SIZE - offset % (uint32_t)SGX_PAGE_SIZE;

	return size < room ? size : room;
}

/* Bytes of the area in the frame, to or from the same offset of @live. */
static void run_save(uint8_t *const page[], const uint8_t *live, uint32_t offset, uint32_t size)
{
	for (uint32_t part; size; offset += part, size -= part) {
		part = within_page(offset, size);
		__builtin_memcpy(page[offset / SGX_PAGE_SIZE] + offset % SGX_PAGE_SIZE, live + offset, part);
	}
}

static void run_load(uint8_t *live, uint8_t *const page[], uint32_t offset, uint32_t size)
{
	for (uint32_t part; size; offset += part, size -= part) {
		part = within_page(offset, size);
		__builtin_memcpy(live + offset, page[offset / SGX_PAGE_SIZE] + offset % SGX_PAGE_SIZE, part);
	}
}

static bool component_fits(const struct isa_profile *p, unsigned int i, uint32_t size)
{
	return p->xsave_size[i] && p->xsave_offset[i] + p->xsave_size[i] <= size;
}

/* Components of @live that are not in INIT. Without XSAVE there is no header: both legacy ones count (AEX-20). */
static uint64_t live_xstate_bv(const struct isa_profile *p, uint64_t xfrm, const uint8_t *live)
{
	return p->xcr0 ? read64(live + X86_XSAVE_XSTATE_BV) & xfrm : xfrm;
}

void xstate_save(const struct isa_profile *p, uint64_t xfrm, const uint8_t *live, uint32_t live_size,
		 uint8_t *const page[SSA_XSAVE_PAGES_MAX])
{
	uint64_t xstate_bv = live_xstate_bv(p, xfrm, live);
	uint8_t *area = page[0];

	legacy_copy(area, live, xstate_bv);
	__builtin_memcpy(area + X86_XSAVE_MXCSR, live + X86_XSAVE_MXCSR, 2 * sizeof(uint32_t));
	for (uint64_t rest = xstate_bv & ~XFEATURE_LEGACY; rest; rest &= rest - 1) {
		if (!component_fits(p, (unsigned int)__builtin_ctzll(rest), live_size))
			xstate_bv &= ~(rest & -rest);
	}
	for (uint64_t rest = xstate_bv & ~XFEATURE_LEGACY; rest; ) {
		struct run run = run_next(p, &rest);

		run_save(page, live, run.offset, run.size);
	}
	write64(area + X86_XSAVE_XSTATE_BV, xstate_bv);
	__builtin_memset(area + X86_XSAVE_XCOMP_BV, 0, HEADER_ZEROED);
}

/*
 * XSTATE_BV.SSE stays set although XMM is zero: MXCSR is not at its INIT value, and a loader that goes by
 * XSTATE_BV must not skip it.
 */
void xstate_synthetic(const struct isa_profile *p, uint64_t xfrm, uint32_t vector, uint8_t *live)
{
	uint64_t xstate_bv = X86_XFEATURE_SSE;

	x87_init(live, FCW_INIT, 0);
	if (vector == X86_MF) {
		x87_init(live, FCW_AFTER_MF, FSW_AFTER_MF);
		xstate_bv |= X86_XFEATURE_X87;
	}
	write32(live + X86_XSAVE_MXCSR, vector == X86_XM ? MXCSR_AFTER_XM : MXCSR_SYNTHETIC);
	__builtin_memset(live + X86_XSAVE_XMM0, 0, XMM_SIZE);
	if (p->xcr0)
		write64(live + X86_XSAVE_XSTATE_BV,
			(read64(live + X86_XSAVE_XSTATE_BV) & ~xfrm) | xstate_bv);
}

bool xstate_image_read(const struct isa_profile *p, uint64_t xfrm, const uint8_t *first, uint32_t live_size,
		       struct xstate_image *image)
{
	image->xstate_bv = read64(first + X86_XSAVE_XSTATE_BV);
	__builtin_memcpy(&image->mxcsr, first + X86_XSAVE_MXCSR, sizeof(image->mxcsr));
	if (image->xstate_bv & ~xfrm)
		return false;					/* ERESUME-102 */
	if (read64(first + X86_XSAVE_XCOMP_BV) || read64(first + X86_XSAVE_XCOMP_BV + 8))
		return false;					/* ERESUME-103, 105 */
	if (image->mxcsr & ~p->mxcsr_mask)
		return false;					/* ERESUME-104 */
	for (uint64_t rest = image->xstate_bv & ~XFEATURE_LEGACY; rest; rest &= rest - 1) {
		if (!component_fits(p, (unsigned int)__builtin_ctzll(rest), live_size))
			return false;				/* ERESUME-105 */
	}
	return true;
}

void xstate_load(const struct isa_profile *p, uint64_t xfrm, uint8_t *const page[SSA_XSAVE_PAGES_MAX],
		 const struct xstate_image *image, uint8_t *live)
{
	legacy_copy(live, page[0], image->xstate_bv);
	write32(live + X86_XSAVE_MXCSR, image->mxcsr);
	for (uint64_t rest = image->xstate_bv & ~XFEATURE_LEGACY; rest; ) {
		struct run run = run_next(p, &rest);

		run_load(live, page, run.offset, run.size);
	}
	/* XRSTOR loads MXCSR whatever XSTATE_BV.SSE says; with the bit set no loader can skip it. */
	if (p->xcr0)
		write64(live + X86_XSAVE_XSTATE_BV, (read64(live + X86_XSAVE_XSTATE_BV) & ~xfrm) |
			image->xstate_bv | X86_XFEATURE_SSE);
}
