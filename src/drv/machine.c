/* SPDX-License-Identifier: BSD-2-Clause */
/* What the instruction model asks of a machine, answered from the table of mappings and the attached enclaves. */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "sys/mem.h"

static struct epc_section *section_at(struct machine *m, uint64_t addr)
{
	struct drv *d = m->owner;

	/* Only operands of ENCLS are looked up by EPC address, and those are all in the enclave at work. */
	if (d->leaf_encl && addr - d->leaf_encl->section.base < d->leaf_encl->section.npages * DRV_PAGE)
		return &d->leaf_encl->section;
	return NULL;
}

/* Operands of ENCLS outside the EPC are always in the arena: our own scratch, or the backing store. */
static bool in_arena(struct drv *d, uint64_t addr, uint64_t size, struct exception *exc)
{
	if (addr - d->config.arena_base < d->config.arena_size && size <= d->config.arena_size)
		return true;
	*exc = (struct exception){ X86_PF, 0, addr };
	return false;
}

static bool machine_read(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc)
{
	if (!in_arena(m->owner, addr, size, exc))
		return false;
	if ((uint64_t)dst != addr)		/* EADD of a page whose bytes are in their frame already */
		memcpy(dst, (const void *)addr, size);
	return true;
}

static bool machine_write(struct machine *m, uint64_t addr, const void *src, uint64_t size, struct exception *exc)
{
	if (!in_arena(m->owner, addr, size, exc))
		return false;
	memcpy((void *)addr, src, size);
	return true;
}

static bool owner_alive(struct machine *m, uint32_t tid)
{
	(void)m;
	return sys_call2(__NR_tkill, tid, 0) != -ESRCH;
}

static enum translation fault(struct exception *exc, uint64_t addr, uint32_t error_code)
{
	*exc = (struct exception){ X86_PF, error_code | X86_PFEC_U, addr };
	return TRANSLATION_FAULT;
}

/* Lock-free. A page that is not in the EPC is a fault without P: drv_fault() brings it, or says what it means. */
static enum translation translate(struct machine *m, uint64_t addr, uint32_t pfec, struct epc_page *page,
				  struct exception *exc)
{
	struct drv *d = m->owner;
	struct encl *e;
	struct vma v;
	uint32_t p;
	uint64_t i;
	uint8_t probe;

	if (!vma_lookup(d, addr, &v))
		return sys_copy_from_user(&probe, addr, 1) ? fault(exc, addr, pfec) : TRANSLATION_HOST;
	e = v.encl;
	i = (addr - e->base) / DRV_PAGE;
	if (!encl_covers(e, addr) || e->abi.dead)
		return fault(exc, addr, pfec);
	p = v.prot && (e->pte[i] & PTE_PRESENT) ? X86_PFEC_P : 0;
	if (!v.prot || ((pfec & X86_PFEC_W) && !(v.prot & PROT_WRITE)))
		return fault(exc, addr, pfec | p);
	if (page_state(e, i) != PAGE_RESIDENT)
		return fault(exc, addr, pfec);
	if (!p && (v.prot & ~e->recs[i].max_prot))
		return fault(exc, addr, pfec);		/* A-FLT-6 */
	if ((pfec & X86_PFEC_I) && !(v.prot & PROT_EXEC))
		return fault(exc, addr, pfec | X86_PFEC_P);
	*page = (struct epc_page){
		.section = &e->section, .index = i, .epcm = &e->section.epcm[i], .mem = e->section.mem + i * DRV_PAGE,
	};
	return TRANSLATION_EPC;
}

void machine_setup(struct drv *d, const struct isa_profile *profile, const struct platform_keys *keys)
{
	static const struct machine_ops ops = {
		.translate = translate, .read = machine_read, .write = machine_write, .owner_alive = owner_alive,
	};

	d->machine = (struct machine){
		.profile = profile, .keys = keys, .ops = &ops, .shared = &d->shared,
		.section_at = section_at, .owner = d,
	};
}
