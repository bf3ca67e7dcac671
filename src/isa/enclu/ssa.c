/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of an SSA frame, as an entry finds and checks them. */
#include "isa/enclu/ssa.h"
#include "isa/secs.h"

static bool page_usable(const struct epc_page *page, const struct epc_page *secs, uint64_t addr)
{
	const struct epcm_entry *e = page->epcm;

	return e->valid && !e->blocked && !e->pending && !e->modified &&
	       e->enclaveaddress == (addr & SGX_PAGE_MASK) && e->pt == SGX_PT_REG &&
	       page->section == secs->section && e->secs == secs->index && e->r && e->w;
}

/*
 * One page, rows 29..39 or 40..50. @addr is what CR2 shows: the page for the XSAVE area, the structure for
 * GPRSGX.
 */
static enum leaf_status page_find(struct machine *m, struct cpu *c, const struct epc_page *secs, uint64_t addr,
				  struct epc_page *page)
{
	if (!x86_is_canonical(addr))
		return leaf_gp(c);
	switch (m->ops->translate(m, addr, X86_PFEC_W, page, &c->exc)) {
	case TRANSLATION_FAULT:
		return LEAF_FAULT;
	case TRANSLATION_HOST:
		return leaf_pf(c, addr, X86_PFEC_W);
	case TRANSLATION_EPC:
		break;
	}
	if (!page_usable(page, secs, addr))
		return leaf_pf(c, addr, X86_PFEC_W);
	/*
	 * Entry is refused while EREMOVE works on the frame: it may have looked for threads before we took
	 * the TCS.
	 */
	if (atomic_load(&page->epcm->lock) & EPCM_EXCLUSIVE)
		return leaf_gp(c);
	return LEAF_DONE;
}

enum leaf_status ssa_frame_find(struct machine *m, struct cpu *c, const struct epc_page *secs, uint64_t base,
				struct ssa_frame *frame)
{
	const struct secs *s = secs_of(secs);
	const uint64_t last = base + (isa_xsave_size(m->profile, s->attributes.xfrm) & SGX_PAGE_MASK);
	const uint64_t gpr = base + s->ssaframesize * SGX_PAGE_SIZE - sizeof(struct sgx_gprsgx);
	struct epc_page page;
	uint32_t n = 0;
	uint8_t *gpr_mem;

	for (uint64_t addr = base;; addr += SGX_PAGE_SIZE) {
		if (page_find(m, c, secs, addr, &page))
			return LEAF_FAULT;
		frame->xsave[n++] = page.mem;
		if (addr == last)
			break;
	}
	/* In the common frame of one page GPRSGX shares the page just checked. */
	if ((gpr & SGX_PAGE_MASK) != last && page_find(m, c, secs, gpr, &page))
		return LEAF_FAULT;
	gpr_mem = page.mem + gpr % SGX_PAGE_SIZE;
	frame->gpr = (struct sgx_gprsgx *)(void *)gpr_mem;
	frame->misc = NULL;
	if (s->miscselect & (SGX_MISC_EXINFO | SGX_MISC_CPINFO))
		frame->misc = gpr_mem - sizeof(struct sgx_exinfo);
	return LEAF_DONE;
}
