/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trap of an instruction that XCR0 governs: executed for real on a copy of its operand, with the state of the signal
 * frame; and of CPUID. See xfrm.h.
 */
#include "trap/xfrm.h"

#include "trap/insn.h"
#include "trap/rtcopy.h"

enum { AREA_MAX = 12288, XMM_END = 416, COMPACTED = 63 };

struct site {
	struct insn insn;
	uint64_t start;			/* of the instruction, prefixes included */
	uint8_t bytes[INSN_LENGTH_MAX + 2];
};

/* One access to the operand; false: *exc is its fault. */
struct access {
	struct thread *t;
	uint64_t addr;
	bool write;
	struct exception *exc;
};

static bool fault_of_copy(const struct access *a)
{
	const struct copy_fault *f = &a->t->copy_fault;

	*a->exc = f->vector == X86_PF ? (struct exception){ X86_PF, f->error_code, f->info.fault.addr } :
					(struct exception){ .vector = X86_GP };
	return false;
}

static bool transfer(const struct access *a, uint8_t *area, uint64_t offset, uint64_t size)
{
	void *operand = (void *)(a->addr + offset);
	const uint64_t left = a->write ? rt_copy(operand, area + offset, size) : rt_copy(area + offset, operand, size);

	return !left || fault_of_copy(a);
}

static uint64_t header(const uint8_t *area, unsigned int offset)
{
	uint64_t v;

	__builtin_memcpy(&v, area + offset, 8);
	return v;
}

/* The components in @set but the first two; @xcomp_bv is of a compacted area, or 0. */
static bool transfer_components(const struct access *a, const struct isa_profile *p, uint8_t *area, uint64_t set,
				uint64_t xcomp_bv)
{
	const uint64_t legacy = X86_XFEATURE_X87 | X86_XFEATURE_SSE;
	uint64_t compacted = X86_XSAVE_MIN_SIZE, offset, bits;

	set &= ~legacy & ~(UINT64_C(1) << COMPACTED);
	for (bits = (set | xcomp_bv) & ~legacy & ~(UINT64_C(1) << COMPACTED); bits; bits &= bits - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(bits);

		offset = p->xsave_offset[i];
		if (xcomp_bv) {
			if (p->xsave_aligned >> i & 1)
				compacted = (compacted + 63) & ~UINT64_C(63);
			offset = compacted;
			compacted += p->xsave_size[i];
		}
		if (offset + p->xsave_size[i] > AREA_MAX)
			break;
		if ((set >> i & 1) && !transfer(a, area, offset, p->xsave_size[i]))
			return false;
	}
	return true;
}

static bool run(uint32_t operation, uint8_t *area, uint64_t rfbm, struct kucontext *uc, struct exception *exc)
{
	const struct kfpx_sw *sw = (const void *)(uc->mc.fpstate + X86_XSAVE_SW_RESERVED);
	uint32_t failed = xfrm_run(operation, area, rfbm, (void *)uc->mc.fpstate, sw->xfeatures);

	if (failed)
		*exc = (struct exception){ .vector = failed == X86_UD + 1 ? X86_UD : X86_GP };
	return !failed;
}

/* XSAVE, XSAVEC, XSAVEOPT. What the instruction does not write is not written. */
static bool save(struct access *a, const struct isa_profile *p, uint32_t operation, uint64_t rfbm, struct kucontext *uc)
{
	uint8_t area[AREA_MAX] __attribute__((aligned(64)));
	const bool compacted = (operation & ~1u) == XFRM_XSAVEC;
	uint64_t written = rfbm;

	if (!transfer(a, area, 0, X86_XSAVE_MIN_SIZE) || !run(operation, area, rfbm, uc, a->exc))
		return false;
	if ((operation & ~1u) != XFRM_XSAVE)
		written &= header(area, X86_XSAVE_XSTATE_BV);
	a->write = true;
	if ((rfbm & (X86_XFEATURE_X87 | X86_XFEATURE_SSE | X86_XFEATURE_AVX)) && !transfer(a, area, 0, XMM_END))
		return false;
	return transfer_components(a, p, area, written, compacted ? header(area, X86_XSAVE_XCOMP_BV) : 0) &&
	       transfer(a, area, X86_XSAVE_XSTATE_BV, compacted ? 16 : 8);
}

static bool restore(struct access *a, const struct isa_profile *p, uint32_t operation, uint64_t xfrm, uint64_t rfbm,
		    struct kucontext *uc)
{
	uint8_t area[AREA_MAX] __attribute__((aligned(64)));
	uint64_t xstate_bv, xcomp_bv, compacted = UINT64_C(1) << COMPACTED;

	if (!transfer(a, area, 0, X86_XSAVE_MIN_SIZE))
		return false;
	xstate_bv = header(area, X86_XSAVE_XSTATE_BV);
	xcomp_bv = header(area, X86_XSAVE_XCOMP_BV);
	if (((xcomp_bv & compacted ? xcomp_bv & ~compacted : xstate_bv) & ~xfrm)) {	/* the rest the processor checks */
		*a->exc = (struct exception){ .vector = X86_GP };
		return false;
	}
	return transfer_components(a, p, area, rfbm & xstate_bv, xcomp_bv & compacted ? xcomp_bv : 0) &&
	       run(operation, area, rfbm, uc, a->exc);
}

static uint64_t reg(const struct kmcontext *m, unsigned int i)
{
	const uint64_t regs[16] = {
		m->rax, m->rcx, m->rdx, m->rbx, m->rsp, m->rbp, m->rsi, m->rdi,
		m->r8, m->r9, m->r10, m->r11, m->r12, m->r13, m->r14, m->r15,
	};

	return regs[i & 15];
}

static uint64_t segment_base(const struct site *s)
{
	uint64_t base = 0;
	unsigned int i;

	for (i = 0; i < s->insn.opcode_at; i++) {
		if (s->bytes[i] == 0x64)
			base = rdfsbase();
		if (s->bytes[i] == 0x65)
			base = rdgsbase();
	}
	return base;
}

static uint64_t operand_address(const struct site *s, const struct kmcontext *m)
{
	const unsigned int mod = s->insn.modrm >> 6, rm = s->insn.modrm & 7;
	const unsigned int rex_b = s->insn.rex & 1 ? 8 : 0, rex_x = s->insn.rex & 2 ? 8 : 0;
	const uint8_t *p = s->bytes + s->insn.modrm_at + 1;
	bool disp32 = mod == 2;
	uint64_t ea = 0;
	int32_t wide;

	if (rm == 4) {
		const unsigned int index = (*p >> 3 & 7) | rex_x, base = *p & 7;

		if (index != 4)
			ea = reg(m, index) << (*p >> 6);
		if (base == 5 && !mod)
			disp32 = true;
		else
			ea += reg(m, base | rex_b);
		p++;
	} else if (rm == 5 && !mod) {
		ea = s->start + s->insn.length;
		disp32 = true;
	} else {
		ea = reg(m, rm | rex_b);
	}
	if (mod == 1)
		ea += (uint64_t)(int64_t)(int8_t)*p;
	if (disp32) {
		__builtin_memcpy(&wide, p, 4);
		ea += (uint64_t)(int64_t)wide;
	}
	if (s->insn.prefixes & INSN_PREFIX_67)
		ea = (uint32_t)ea;
	return segment_base(s) + ea;
}

/*
 * What stands at @addr. False with vector 0 in *exc: no site. Otherwise the code is not there: the next page's was never
 * needed yet, or the page has been evicted since.
 */
static bool site_read(struct site *s, struct thread *t, unsigned int what, uint64_t addr, struct exception *exc)
{
	uint8_t patched[INSN_LENGTH_MAX];
	unsigned int available, length, prefixes = 0;
	const struct access fetch = { .t = t, .exc = exc };
	bool rest;

	*exc = (struct exception){ 0 };
	available = INSN_LENGTH_MAX - (unsigned int)rt_copy(patched, (const void *)addr, INSN_LENGTH_MAX);
	length = xfrm_original(what, patched, available, addr, s->bytes + 2, &rest);
	if (!length && available < INSN_LENGTH_MAX)
		goto fetch_fault;
	if (!length)
		return false;
	if (rest) {
		if (rt_copy(s->bytes, (const void *)(addr - 2), 2))
			goto fetch_fault;
		prefixes = xfrm_is_prefix(s->bytes[1]) ? xfrm_is_prefix(s->bytes[0]) ? 2 : 1 : 0;
	}
	__builtin_memmove(s->bytes, s->bytes + 2 - prefixes, INSN_LENGTH_MAX);
	s->start = addr - prefixes;
	return insn_decode(s->bytes, length + prefixes, &s->insn);
fetch_fault:
	s->start = addr;
	fault_of_copy(&fetch);
	exc->error_code |= X86_PFEC_I;
	return false;
}

/* The vector of *exc is 0 unless it failed. */
static void execute(struct engine *e, struct thread *t, const struct site *s, uint64_t xfrm, struct kucontext *uc,
		    struct exception *exc)
{
	const struct isa_profile *p = e->machine->profile;
	const uint64_t mask = uc->mc.rdx << 32 | (uint32_t)uc->mc.rax;
	const uint32_t wide = s->insn.rex & 8 ? 1 : 0;
	struct access a = { .t = t, .exc = exc };
	uint64_t value;

	*exc = (struct exception){ 0 };
	if (s->insn.kind == INSN_CPUID) {
		exc->vector = X86_UD;			/* INS-01 */
		return;
	}
	if (s->insn.kind == INSN_XGETBV) {
		if ((uint32_t)uc->mc.rcx > 1) {
			exc->vector = X86_GP;
			return;
		}
		value = xfrm;
		if ((uint32_t)uc->mc.rcx == 1)
			value &= header((const uint8_t *)uc->mc.fpstate, X86_XSAVE_XSTATE_BV);
		uc->mc.rax = (uint32_t)value;
		uc->mc.rdx = value >> 32;
		return;
	}
	a.addr = operand_address(s, &uc->mc);
	if (a.addr & 63)
		exc->vector = X86_GP;
	else if (s->insn.kind == INSN_XRSTOR)
		restore(&a, p, XFRM_XRSTOR + wide, xfrm, mask & xfrm, uc);
	else
		save(&a, p, (s->insn.kind == INSN_XSAVE ? XFRM_XSAVE : s->insn.kind == INSN_XSAVEC ? XFRM_XSAVEC :
			     XFRM_XSAVEOPT) + wide, mask & xfrm, uc);
}

bool xfrm_is_site(struct engine *e, uint64_t addr)
{
	struct encl *encl = drv_encl_at(e->drv, addr);
	uint8_t patched[INSN_LENGTH_MAX], original[INSN_LENGTH_MAX + 2];
	unsigned int available, what = DRV_CODE_CPUID;
	bool rest;

	if (!encl || !encl_page_patched(encl, addr))
		return false;
	if (encl_xfrm(encl) != e->xcr0)
		what |= DRV_CODE_XCR0;
	available = INSN_LENGTH_MAX - (unsigned int)rt_copy(patched, (const void *)addr, INSN_LENGTH_MAX);
	return xfrm_original(what, patched, available, addr, original, &rest);
}

enum xfrm_result xfrm_trap(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info, struct kucontext *uc,
			   struct exception *exc)
{
	const uint64_t addr = uc->mc.rip - 1;
	struct encl *encl = drv_encl_at(e->drv, addr);
	unsigned int what = DRV_CODE_CPUID;
	struct site s;

	if (!encl || !encl_page_patched(encl, addr))
		return XFRM_NOT_MINE;
	if (encl_xfrm(encl) != e->xcr0)
		what |= DRV_CODE_XCR0;
	if (site_read(&s, t, what, addr, exc))
		execute(e, t, &s, encl_xfrm(encl), uc, exc);
	else if (!exc->vector)
		return XFRM_NOT_MINE;
	if (!exc->vector) {
		uc->mc.rip = s.start + s.insn.length;
		if (!(uc->mc.rflags & X86_FLAGS_TF))
			return XFRM_DONE;
		exc->vector = X86_DB;			/* the single step ends here, not behind the next instruction */
		return XFRM_EXCEPTION;
	}
	uc->mc.rip = s.start;
	if (exc->vector == X86_PF) {
		*info = t->copy_fault.info;
		*sig = info->signo;
	}
	return XFRM_EXCEPTION;
}
