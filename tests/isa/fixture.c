/* SPDX-License-Identifier: BSD-2-Clause */
/* See fixture.h. Signing is in sign.c. */
#include "isa/fixture.h"

#include <stdlib.h>

#include "crypto/crypto.h"
#include "isa/measure.h"

#define XFRM_DEFAULT	UINT64_C(7)

static struct fixture fixture;

static bool faults(const struct fixture *f, uint64_t addr, uint64_t size, uint32_t pfec, struct exception *exc)
{
	if (!f->fault_addr || addr + size <= f->fault_addr || addr >= f->fault_addr + 4096)
		return false;
	*exc = (struct exception){ .vector = X86_PF, .error_code = pfec | X86_PFEC_U,
				   .addr = addr < f->fault_addr ? f->fault_addr : addr };
	return true;
}

static bool host_read(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc)
{
	if (faults(m->owner, addr, size, 0, exc))
		return false;
	memcpy(dst, (const void *)(uintptr_t)addr, size);
	return true;
}

static bool host_write(struct machine *m, uint64_t addr, const void *src, uint64_t size, struct exception *exc)
{
	if (faults(m->owner, addr, size, X86_PFEC_W, exc))
		return false;
	memcpy((void *)(uintptr_t)addr, src, size);
	return true;
}

static struct fixture_mapping *find_mapping(struct fixture *f, uint64_t addr)
{
	for (unsigned i = 0; i < f->mapped; i++)
		if (f->map[i].addr == addr / 4096 * 4096)
			return &f->map[i];
	return NULL;
}

static enum translation translate(struct machine *m, uint64_t addr, uint32_t pfec, struct epc_page *page,
				  struct exception *exc)
{
	struct fixture *f = m->owner;
	const struct fixture_mapping *map = find_mapping(f, addr);

	*exc = (struct exception){ .vector = X86_PF, .error_code = pfec | X86_PFEC_U, .addr = addr };
	if (map) {
		if (map->refused & pfec) {
			exc->error_code |= X86_PFEC_P;
			return TRANSLATION_FAULT;
		}
		if (map->kind == TRANSLATION_EPC)
			*page = fixture_page(f, map->index);
		return map->kind;
	}
	if (addr - FIXTURE_BASE < 0x10000000 || faults(f, addr, 1, pfec, exc))
		return TRANSLATION_FAULT;
	return TRANSLATION_HOST;
}

static bool owner_alive(struct machine *m, uint32_t tid)
{
	const struct fixture *f = m->owner;

	return tid != f->dead_tid;
}

static bool event_pending(struct machine *m)
{
	const struct fixture *f = m->owner;

	return f->event;
}

static struct epc_section *section_at(struct machine *m, uint64_t addr)
{
	struct fixture *f = m->owner;

	return addr - FIXTURE_EPC < FIXTURE_PAGES * 4096 ? &f->section : NULL;
}

static void profile_init(struct isa_profile *p)
{
	*p = (struct isa_profile){
		.sgx1 = true, .sgx2 = true, .miscselect = SGX_MISC_EXINFO, .log2_size_32 = 31, .log2_size_64 = 36,
		.attributes = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY |
			      SGX_ATTR_KSS,
		.xfrm = 0xe7, .xcr0 = 0xe7, .mxcsr_mask = 0xffff,
	};
	static const struct { unsigned i; uint32_t offset, size; } layout[] = {
		{ 2, 576, 256 }, { 5, 1088, 64 }, { 6, 1152, 512 }, { 7, 1664, 1024 }, { 9, 2688, 8 },
		{ 17, 2752, 64 }, { 18, 2816, 8192 },
	};
	for (unsigned i = 0; i < sizeof(layout) / sizeof(layout[0]); i++) {
		p->xsave_offset[layout[i].i] = layout[i].offset;
		p->xsave_size[layout[i].i] = layout[i].size;
	}
}

struct fixture *fixture_new(void)
{
	static const uint8_t cpusvn[16] = { 5, 4, 3, 2, 1 };
	struct fixture *f = &fixture;
	uint8_t seed[32];

	memset(f, 0, sizeof(*f));
	memset(seed, 0x5a, sizeof(seed));
	profile_init(&f->profile);
	keys_derive(&f->keys, seed, cpusvn);
	atomic_store(&f->shared.next_eid, 1);
	atomic_store(&f->shared.paging_version, 1);
	f->ops = (struct machine_ops){ .translate = translate, .read = host_read, .write = host_write,
				       .owner_alive = owner_alive, .event_pending = event_pending };
	f->section = (struct epc_section){ .base = FIXTURE_EPC, .npages = FIXTURE_PAGES, .epcm = f->epcm,
					   .mem = f->mem[0], .generation = &f->generation };
	f->m = (struct machine){ .profile = &f->profile, .keys = &f->keys, .ops = &f->ops, .shared = &f->shared,
				 .section_at = section_at, .owner = f };
	f->c = (struct cpu){ .xstate = f->xstate, .xstate_size = sizeof(f->xstate), .tid = FIXTURE_TID,
			     .insn_size = 3 };
	f->c.regs.rip = 0x400000;
	f->c.regs.rflags = X86_FLAGS_ARITH | X86_FLAGS_IF | 2;
	f->c.fsbase = 0x7f0000001000;
	f->c.gsbase = 0x7f0000002000;
	f->xstate[X86_XSAVE_FCW] = 0x7f;
	f->xstate[X86_XSAVE_FCW + 1] = 0x03;
	f->xstate[X86_XSAVE_MXCSR] = 0x80;
	f->xstate[X86_XSAVE_MXCSR + 1] = 0x1f;

	f->source_secs = (struct sgx_secs){
		.size = 0x100000, .baseaddr = FIXTURE_BASE, .ssaframesize = 1, .miscselect = SGX_MISC_EXINFO,
		.attributes = { SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG | SGX_ATTR_KSS, XFRM_DEFAULT },
	};
	return f;
}

struct epc_page fixture_page(struct fixture *f, uint64_t index)
{
	return (struct epc_page){ .section = &f->section, .index = index, .epcm = &f->epcm[index],
				  .mem = f->mem[index] };
}

struct secs *fixture_secs(struct fixture *f, uint64_t index)
{
	return (struct secs *)(void *)f->mem[index];
}

static void set_operands(struct fixture *f, enum sgx_encls leaf, uint64_t rbx, uint64_t rcx)
{
	f->c.regs.rax = leaf;
	f->c.regs.rbx = rbx;
	f->c.regs.rcx = rcx;
}

enum leaf_status fixture_ecreate(struct fixture *f, uint64_t index)
{
	f->secinfo = (struct sgx_secinfo){ .flags = SGX_SECINFO_OF_PT(SGX_PT_SECS) };
	f->pageinfo = (struct sgx_pageinfo){ .srcpge = host(&f->source_secs), .secinfo = host(&f->secinfo) };
	set_operands(f, ECREATE, host(&f->pageinfo), fixture_epc(index));
	return encls_ecreate(&f->m, &f->c);
}

enum leaf_status fixture_eadd(struct fixture *f, uint64_t index, uint64_t secs, uint64_t addr, uint64_t flags)
{
	f->secinfo = (struct sgx_secinfo){ .flags = flags };
	f->pageinfo = (struct sgx_pageinfo){ .linaddr = addr, .srcpge = host(f->source), .secinfo = host(&f->secinfo),
					     .secs = fixture_epc(secs) };
	set_operands(f, EADD, host(&f->pageinfo), fixture_epc(index));
	return encls_eadd(&f->m, &f->c);
}

enum leaf_status fixture_eextend(struct fixture *f, uint64_t index, uint64_t secs, uint64_t offset)
{
	set_operands(f, EEXTEND, fixture_epc(secs), fixture_epc(index) + offset);
	return encls_eextend(&f->m, &f->c);
}

enum leaf_status fixture_einit(struct fixture *f, uint64_t secs)
{
	set_operands(f, EINIT, host(&f->sigstruct), fixture_epc(secs));
	f->c.regs.rdx = host(&f->token);
	return encls_einit(&f->m, &f->c);
}

struct enclave_spec fixture_spec(void)
{
	return (struct enclave_spec){
		.secs = FIXTURE_SECS, .base = FIXTURE_BASE, .size = 0x100000,
		.attributes = { SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG | SGX_ATTR_KSS, XFRM_DEFAULT },
		.miscselect = SGX_MISC_EXINFO, .ssaframesize = 1, .isvprodid = 1, .isvsvn = 2, .configsvn = 3,
		.content = 0xc5,
	};
}

void fixture_sigstruct(struct fixture *f, uint64_t secs_index, unsigned signer)
{
	const struct secs *secs = fixture_secs(f, secs_index);

	f->sigstruct = (struct sgx_sigstruct){
		.header = { 0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01 },
		.header2 = { 0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01 },
		.date = 0x20240131,
		.miscselect = secs->miscselect, .miscmask = UINT32_MAX,
		.attributes = { secs->attributes.flags & ~SGX_ATTR_INIT, secs->attributes.xfrm },
		.attributemask = { UINT64_MAX, UINT64_MAX },
		.isvprodid = 1, .isvsvn = 2,
	};
	measure_final(secs, f->sigstruct.enclavehash);
	fixture_sign(&f->sigstruct, signer);
}

static void must_be_done(enum leaf_status status, const char *what)
{
	if (status == LEAF_DONE)
		return;
	fprintf(stderr, "fixture_build: %s failed, vector %u\n", what, fixture.c.exc.vector);
	abort();
}

static void build_page(struct fixture *f, const struct enclave_spec *s, unsigned page, uint64_t flags)
{
	uint64_t index = s->secs + page, addr = s->base + (page - 1) * 4096;

	must_be_done(fixture_eadd(f, index, s->secs, addr, flags), "EADD");
	for (unsigned offset = 0; offset < 4096; offset += 256)
		must_be_done(fixture_eextend(f, index, s->secs, offset), "EEXTEND");
	fixture_map(f, addr, index);
}

static void build_pages(struct fixture *f, const struct enclave_spec *s)
{
	const uint64_t reg = SGX_SECINFO_OF_PT(SGX_PT_REG), rw = reg | SGX_SECINFO_R | SGX_SECINFO_W;
	struct sgx_tcs tcs = { .flags = s->tcs_flags, .ossa = 0x2000, .nssa = 2, .oentry = 0x1000,
			       .fslimit = UINT32_MAX, .gslimit = UINT32_MAX };

	tcs.ossa = FIXTURE_SSA0 * 4096 - 4096;
	memcpy(f->source, &tcs, sizeof(tcs));
	build_page(f, s, FIXTURE_TCS, SGX_SECINFO_OF_PT(SGX_PT_TCS));
	memset(f->source, s->content, sizeof(f->source));
	build_page(f, s, FIXTURE_CODE, reg | SGX_SECINFO_R | SGX_SECINFO_X);
	memset(f->source, 0, sizeof(f->source));
	build_page(f, s, FIXTURE_SSA0, rw);
	build_page(f, s, FIXTURE_SSA1, rw);
	memset(f->source, s->content, sizeof(f->source));
	build_page(f, s, FIXTURE_DATA, rw);
	build_page(f, s, FIXTURE_RODATA, reg | SGX_SECINFO_R);
}

void fixture_build(struct fixture *f, const struct enclave_spec *spec)
{
	struct enclave_spec s = spec ? *spec : fixture_spec();
	struct cpu_regs regs = f->c.regs;

	memset(&f->source_secs, 0, sizeof(f->source_secs));
	f->source_secs.size = s.size;
	f->source_secs.baseaddr = s.base;
	f->source_secs.ssaframesize = s.ssaframesize;
	f->source_secs.miscselect = s.miscselect;
	f->source_secs.attributes = s.attributes;
	if (s.attributes.flags & SGX_ATTR_KSS) {
		f->source_secs.configsvn = s.configsvn;
		memset(f->source_secs.configid, 0xcf, sizeof(f->source_secs.configid));
	}
	must_be_done(fixture_ecreate(f, s.secs), "ECREATE");
	build_pages(f, &s);
	if (!s.uninitialised) {
		fixture_sigstruct(f, s.secs, s.signer);
		f->sigstruct.isvprodid = s.isvprodid;
		f->sigstruct.isvsvn = s.isvsvn;
		if (s.attributes.flags & SGX_ATTR_KSS) {
			memset(f->sigstruct.isvfamilyid, 0xfa, sizeof(f->sigstruct.isvfamilyid));
			memset(f->sigstruct.isvextprodid, 0xec, sizeof(f->sigstruct.isvextprodid));
		}
		fixture_sign(&f->sigstruct, s.signer);
		fixture_mrsigner(s.signer, f->m.sglepubkeyhash);
		must_be_done(fixture_einit(f, s.secs), "EINIT");
		if (f->c.regs.rax) {
			fprintf(stderr, "fixture_build: EINIT says %llu\n", (unsigned long long)f->c.regs.rax);
			abort();
		}
	}
	f->c.regs = regs;
}

void fixture_map(struct fixture *f, uint64_t addr, uint64_t index)
{
	struct fixture_mapping *map = find_mapping(f, addr);

	if (!map) {
		if (f->mapped == FIXTURE_PAGES)
			abort();
		map = &f->map[f->mapped++];
	}
	*map = (struct fixture_mapping){ .addr = addr / 4096 * 4096, .kind = TRANSLATION_EPC, .index = index };
}

void fixture_map_host(struct fixture *f, uint64_t addr)
{
	fixture_map(f, addr, 0);
	find_mapping(f, addr)->kind = TRANSLATION_HOST;
}

void fixture_unmap(struct fixture *f, uint64_t addr)
{
	fixture_map(f, addr, 0);
	find_mapping(f, addr)->kind = TRANSLATION_FAULT;
}

void fixture_refuse(struct fixture *f, uint64_t addr, uint32_t access)
{
	struct fixture_mapping *map = find_mapping(f, addr);

	if (!map)
		abort();
	map->refused = access;
}

void fixture_inside(struct fixture *f)
{
	const struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	uint64_t epoch = atomic_load(&secs->epoch);

	f->c.enclave_mode = true;
	f->c.tcs_la = FIXTURE_BASE;
	f->c.elrange_base = secs->baseaddr;
	f->c.elrange_size = secs->size;
	f->c.tcs = fixture_page(f, FIXTURE_TCS);
	f->c.secs = fixture_page(f, FIXTURE_SECS);
	f->c.gpr = (struct sgx_gprsgx *)(void *)(f->mem[FIXTURE_SSA1] - sizeof(struct sgx_gprsgx));
	f->c.xsave[0] = f->mem[FIXTURE_SSA0];
	f->c.save_fsbase = f->c.fsbase;
	f->c.save_gsbase = f->c.gsbase;
	atomic_store(&f->epcm[FIXTURE_TCS].tcs_word, epoch << 32 | f->c.tid);
	f->c.regs.rip = FIXTURE_BASE + 0x1000;
}

void fixture_snapshot(struct fixture *f)
{
	memcpy(f->before.epcm, f->epcm, sizeof(f->epcm));
	memcpy(f->before.mem, f->mem, sizeof(f->mem));
	f->before.regs = f->c.regs;
}
