/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ENCLU and exceptions at the border of an enclave. A trap comes in as a signal frame; what leaves is the same frame
 * with other contents: enclave state after an entry, synthetic state after an AEX, the host's own otherwise.
 */
#include "trap/engine.h"

#include "drv/peek.h"
#include "isa/secs.h"
#include "sys/sys.h"
#include "trap/entry_offsets.h"
#include "trap/insn.h"
#include "trap/rtcopy.h"
#include "trap/xfrm.h"

#define CHECK(field, off) static_assert(offsetof(struct thread, field) == (off), "entry_offsets.h: " #off)
CHECK(in_enclave, T_IN_ENCLAVE);	CHECK(host_fsbase, T_HOST_FSBASE);	CHECK(host_gsbase, T_HOST_GSBASE);
CHECK(spill_rdx, T_SPILL_RDX);		CHECK(spill_rdi, T_SPILL_RDI);		CHECK(aep, T_AEP);
CHECK(exit_neg, T_EXIT_NEG);		CHECK(tcs, T_TCS);			CHECK(tcs_word, T_TCS_WORD);
CHECK(tid, T_TID);			CHECK(stats, T_STATS);			CHECK(sud_selector, T_SUD);
CHECK(cache_debug, T_CACHE_DEBUG);	CHECK(cache.tcs_la, T_CACHE_TCS_LA);
CHECK(cache.generation, T_CACHE_GENERATION); CHECK(cache.generation_seen, T_CACHE_SEEN);
CHECK(cache.gpr, T_CACHE_GPR);		CHECK(cache.epoch, T_CACHE_EPOCH);	CHECK(cache.entry, T_CACHE_ENTRY);
CHECK(cache.fsbase, T_CACHE_FSBASE);	CHECK(cache.gsbase, T_CACHE_GSBASE);
CHECK(call_rax, T_CALL_RAX);		CHECK(call_rdx, T_CALL_RDX);		CHECK(call_rsi, T_CALL_RSI);
CHECK(call_rdi, T_CALL_RDI);		CHECK(call_r8, T_CALL_R8);		CHECK(call_r10, T_CALL_R10);
CHECK(call_r11, T_CALL_R11);		CHECK(call_rsp, T_CALL_RSP);		CHECK(call_rflags, T_CALL_RFLAGS);
CHECK(call_mask, T_CALL_MASK);		CHECK(again, T_AGAIN);			CHECK(fp_sw, T_FP_SW);
CHECK(stub_rip, T_STUB_RIP);		CHECK(stub_r11, T_STUB_R11);		CHECK(wait_rdi, T_WAIT_RDI);
CHECK(wait_rsi, T_WAIT_RSI);		CHECK(wait_rdx, T_WAIT_RDX);		CHECK(wait_r10, T_WAIT_R10);
CHECK(wait_r8, T_WAIT_R8);		CHECK(wait_r9, T_WAIT_R9);		CHECK(wait_rax, T_WAIT_RAX);
CHECK(wait_restore, T_WAIT_RESTORE);	CHECK(wait_outer, T_WAIT_OUTER);	CHECK(wait_open, T_WAIT_OPEN);
CHECK(wait_trap, T_WAIT_TRAP);		CHECK(wait_nr, T_WAIT_NR);
#define FRAME(field, off) static_assert(offsetof(struct ksigframe, field) == (off), "entry_offsets.h: " #off)
FRAME(uc.flags, UC_FLAGS);		FRAME(uc.link, UC_LINK);		FRAME(uc.stack, UC_STACK);
FRAME(uc.mc, UC_MC);			FRAME(uc.sigmask, UC_SIGMASK);
static_assert(CALL_FRAME + sizeof(struct ksigframe) <= CALL_FPSTATE && CALL_FPSTATE % 64 == 0, "call frame");
static_assert(SLOT_STACK_OFFSET == THREAD_STACK_OFFSET && sizeof(struct thread) < THREAD_STACK_OFFSET - 0x1000, "slot");
static_assert(offsetof(struct sgx_tcs, cssa) == TCS_CSSA && offsetof(struct sgx_tcs, aep) == TCS_AEP, "TCS");
static_assert(offsetof(struct sgx_tcs, flags) == TCS_FLAGS, "TCS");
static_assert(offsetof(struct sgx_gprsgx, ursp) == GPR_URSP && offsetof(struct sgx_gprsgx, urbp) == GPR_URBP, "SSA");
static_assert(1 << SLOT_SHIFT == THREAD_SLOT_SIZE, "slot");
static_assert(offsetof(struct thread_stats, eenter) == 0, "entry.S counts entries there");

/* The vDSO's ENCLU: the AEP of every fast entry. Constant after engine_init; entry.S reads it. */
uint64_t engine_vdso_enclu;

void engine_init(struct engine *e, struct drv *d, enum patch_mode patch_mode, uint64_t vdso_base,
		 uint32_t enclu, uint32_t eexit_pad, uint32_t exception_pad)
{
	e->drv = d;
	e->machine = drv_machine(d);
	e->patch_mode = patch_mode;
	e->vdso_enclu = vdso_base + enclu;
	e->vdso_eexit_pad = vdso_base + eexit_pad;
	e->vdso_exception_pad = exception_pad ? vdso_base + exception_pad : 0;
	e->xcr0 = e->machine->profile->xcr0;
	engine_vdso_enclu = e->vdso_enclu;
}

static void regs_from_uc(struct cpu_regs *r, const struct kmcontext *m)
{
	*r = (struct cpu_regs){
		.rax = m->rax, .rcx = m->rcx, .rdx = m->rdx, .rbx = m->rbx, .rsp = m->rsp, .rbp = m->rbp,
		.rsi = m->rsi, .rdi = m->rdi, .r8 = m->r8, .r9 = m->r9, .r10 = m->r10, .r11 = m->r11,
		.r12 = m->r12, .r13 = m->r13, .r14 = m->r14, .r15 = m->r15, .rflags = m->rflags, .rip = m->rip,
	};
}

static void regs_to_uc(struct kmcontext *m, const struct cpu_regs *r)
{
	m->rax = r->rax, m->rcx = r->rcx, m->rdx = r->rdx, m->rbx = r->rbx, m->rsp = r->rsp, m->rbp = r->rbp;
	m->rsi = r->rsi, m->rdi = r->rdi, m->r8 = r->r8, m->r9 = r->r9, m->r10 = r->r10, m->r11 = r->r11;
	m->r12 = r->r12, m->r13 = r->r13, m->r14 = r->r14, m->r15 = r->r15, m->rflags = r->rflags, m->rip = r->rip;
}

/* The thread's processor, as the signal frame and the live FS and GS show it. */
static struct cpu *cpu_load(struct thread *t, const struct kucontext *uc)
{
	struct cpu *c = &t->cpu;
	const struct kfpx_sw *sw = (const void *)(uc->mc.fpstate + X86_XSAVE_SW_RESERVED);

	regs_from_uc(&c->regs, &uc->mc);
	c->xstate = (uint8_t *)uc->mc.fpstate;
	c->xstate_size = X86_XSAVE_LEGACY_SIZE;
	if (c->xstate && sw->magic1 == KFP_XSTATE_MAGIC1) {
		c->xstate_size = sw->xstate_size;
		if (!t->fp_sw.magic1 && sw->extended_size <= THREAD_SLOT_SIZE - CALL_FPSTATE)
			t->fp_sw = *sw;
	}
	c->fsbase = rdfsbase();
	c->gsbase = rdgsbase();
	c->tid = (uint32_t)t->tid;
	c->enclave_mode = t->in_enclave;
	if (c->enclave_mode) {
		c->save_fsbase = t->host_fsbase;
		c->save_gsbase = t->host_gsbase;
	}
	return c;
}

/* The signal frame has XSAVE words of the kernel's own; the model wants room for a header at least. */
static bool xstate_usable(const struct cpu *c)
{
	return c->xstate && c->xstate_size >= X86_XSAVE_MIN_SIZE;
}

/* Host state is in @c: make it the thread's. */
static void thread_left(struct thread *t, struct kucontext *uc)
{
	struct cpu *c = &t->cpu;

	wrfsbase(c->fsbase);
	wrgsbase(c->gsbase);
	t->sud_selector = 0;
	t->in_enclave = 0;
	regs_to_uc(&uc->mc, &c->regs);
}

static void sud_enable(struct thread *t)
{
	extern const char rt_image_start[], rt_text_end[];	/* rt.ld */

	/* prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, start, length, selector); where refused, SYSCALL is not caught. */
	sys_call5(157, 59, 1, rt_image_start, rt_text_end - rt_image_start, &t->sud_selector);
	t->sud_on = true;
}

/* What the fast path may repeat: an entry into frame 0 that the model has just made. */
static void cache_fill(struct thread *t)
{
	struct cpu *c = &t->cpu;
	struct secs *secs = secs_of(&c->secs);

	t->cache.tcs_la = 0;
	if (t->tcs->cssa != 0 || t->tcs->flags & ~SGX_TCS_AEXNOTIFY || c->save_tf || t->delivery.entries)
		return;
	t->cache.generation = c->tcs.section->generation;
	t->cache.generation_seen = atomic_load_explicit(c->tcs.section->generation, memory_order_acquire);
	t->cache.gpr = c->gpr;
	t->cache.epoch = &secs->epoch;
	t->cache.entry = secs->baseaddr + t->tcs->oentry;
	t->cache.fsbase = secs->baseaddr + t->tcs->ofsbasgx;
	t->cache.gsbase = secs->baseaddr + t->tcs->ogsbasgx;
	t->cache_debug = encl_debugged(t->encl);
	t->cache.tcs_la = c->tcs_la;
}

/* The model has entered: make enclave state the thread's. */
static void thread_entered(struct engine *e, struct thread *t, struct kucontext *uc, uint64_t generation)
{
	struct cpu *c = &t->cpu;

	if (!t->sud_on)
		sud_enable(t);
	t->host_fsbase = c->save_fsbase;
	t->host_gsbase = c->save_gsbase;
	t->tcs = (struct sgx_tcs *)(void *)c->tcs.mem;
	t->tcs_word = &c->tcs.epcm->tcs_word;
	t->aep = t->tcs->aep;
	t->encl = encl_of_section(c->tcs.section);	/* its mapping may be gone already */
	if (c->save_tf)
		t->exit_neg = ~UINT64_C(0);	/* TF must be put back: not by the fast exit */
	if (!e->step.on)
		cache_fill(t);
	t->cache.generation_seen = generation;	/* as it was before the model looked */
	regs_to_uc(&uc->mc, &c->regs);
	t->in_enclave = 1;
	t->sud_selector = 1;
	wrfsbase(c->fsbase);
	wrgsbase(c->gsbase);
}

static uint64_t generation_of(struct engine *e, uint64_t addr)
{
	struct encl *encl = drv_encl_at(e->drv, addr);

	return encl ? atomic_load_explicit(encl_section(encl)->generation, memory_order_acquire) : 0;
}

/* May a leaf have faulted because the driver was at work on a page? */
static bool lost_race(const struct exception *exc)
{
	return exc->vector == X86_GP || (exc->vector == X86_PF && (exc->error_code & X86_PFEC_SGX));
}

/* A debugger writes TCS.FLAGS through the mapping, where the kernel makes a copy of the page: before the model looks. */
static void tcs_settle(struct engine *e, struct thread *t, uint64_t tcs)
{
	struct encl *encl = drv_encl_at(e->drv, tcs);
	uint64_t flags;

	if (!encl || !encl_debugged(encl) || tcs & ~SGX_PAGE_MASK)
		return;
	if (rt_copy(&flags, (const void *)(tcs + offsetof(struct sgx_tcs, flags)), sizeof(flags)) ||
	    flags != ((const struct sgx_tcs *)(encl_section(encl)->mem + (tcs - encl_base(encl))))->flags)
		drv_settle(e->drv, (uint32_t)t->tid, tcs);
}

/* Around the model's work, which looks its memory up without a lock: threads_kick() waits for the end. Never blocks. */
static void model_begin(struct thread *t)
{
	atomic_store(&t->in_model, 1);		/* seen by others before the look-up is done */
}

static void model_end(struct thread *t)
{
	atomic_store_explicit(&t->in_model, 0, memory_order_release);
}

/*
 * Executes the ENCLU at uc's RIP, @size bytes. True: @uc is the state after it. False: *exc is its exception, *bus tells
 * whether Linux makes SIGBUS of it, and @uc is untouched. Outside, page faults that the driver can repair are repaired;
 * inside, they are the caller's, since the driver must not wait for this very thread to leave the enclave.
 */
static bool enclu_run(struct engine *e, struct thread *t, struct kucontext *uc, unsigned size, struct exception *exc,
		      bool *bus)
{
	struct cpu *c = cpu_load(t, uc);
	uint32_t leaf = (uint32_t)c->regs.rax;
	bool inside = c->enclave_mode;
	uint64_t generation;

	c->insn_size = (uint8_t)size;
	*bus = false;
	if ((leaf == ERESUME || leaf == EENTER) && !inside && !xstate_usable(c)) {
		*exc = (struct exception){ .vector = X86_GP };
		return false;
	}
	if (!inside && e->step.on)
		step_entering(e, t, drv_encl_at(e->drv, c->regs.rbx));
	for (;;) {
		generation = inside ? 0 : generation_of(e, c->regs.rbx);
		if (!inside && (leaf == EENTER || leaf == ERESUME))
			tcs_settle(e, t, c->regs.rbx);
		model_begin(t);
		if (isa_enclu(e->machine, c) == LEAF_DONE)
			break;
		model_end(t);
		*exc = c->exc;
		if (inside)
			return false;
		if (lost_race(exc) && drv_raced(e->drv, c->tid, exc->addr ? exc->addr : c->regs.rbx, generation))
			continue;
		if (exc->vector != X86_PF || (exc->error_code & X86_PFEC_SGX))
			return false;
		switch (drv_fault(e->drv, c->tid, exc->addr, exc->error_code | DRV_FAULT_WALK, false, exc)) {
		case DRV_FAULT_RETRY:
			continue;
		case DRV_FAULT_BUS:
			*bus = true;
			return false;
		case DRV_FAULT_NOT_OURS:
		case DRV_FAULT_SEGV:
			return false;
		}
	}
	if (c->enclave_mode && !inside) {
		if (leaf == EENTER) {
			t->stats->eenter++;
			delivery_entered(t, uc->mc.rsp);
		} else {
			t->stats->eresume++;
			delivery_resumed(t, c->tcs_la);
		}
		thread_entered(e, t, uc, generation);
		if (leaf == EENTER)
			step_entered(t, c->tcs_la, t->tcs->cssa);
		model_end(t);
		trace_entered(e, t, leaf, uc->mc.rip);
	} else if (inside && !c->enclave_mode) {
		t->stats->eexit++;
		t->exit_neg = c->save_tf ? ~UINT64_C(0) : -c->regs.rip;
		thread_left(t, uc);
		model_end(t);
		trace_left(e, t, uc->mc.rip);
	} else {
		model_end(t);
		regs_to_uc(&uc->mc, &c->regs);
		if (e->step.on)
			step_retired(e, t);
	}
	return true;
}

/* The signal that Linux makes of an exception, where it was not that already. */
static void exception_signal(const struct exception *exc, bool bus, int *sig, struct ksiginfo *info,
			     struct kucontext *uc)
{
	static const struct { uint8_t sig, code; } of_vector[] = {
		[X86_DE] = { KSIG_FPE, KFPE_INTDIV }, [X86_DB] = { KSIG_TRAP, KTRAP_TRACE },
		[X86_BP] = { KSIG_TRAP, KSI_KERNEL }, [X86_BR] = { KSIG_SEGV, KSI_KERNEL },
		[X86_UD] = { KSIG_ILL, KILL_ILLOPN }, [X86_GP] = { KSIG_SEGV, KSI_KERNEL },
		[X86_PF] = { KSIG_SEGV, KSEGV_ACCERR }, [X86_AC] = { KSIG_BUS, KBUS_ADRALN },
		[X86_OF] = { KSIG_SEGV, KSI_KERNEL }, [X86_TS] = { KSIG_SEGV, KSI_KERNEL },
		[X86_NP] = { KSIG_BUS, KSI_KERNEL }, [X86_SS] = { KSIG_BUS, KSI_KERNEL },
		/* The kernel looks at FSW and MXCSR, which are the synthetic ones (AEX-13, AEX-14). */
		[X86_MF] = { KSIG_FPE, KFPE_FLTINV }, [X86_XM] = { KSIG_FPE, KFPE_FLTINV },
	};
	int code = of_vector[exc->vector].code;

	if (exc->vector == X86_PF && !(exc->error_code & X86_PFEC_SGX) && info->signo == KSIG_SEGV)
		code = info->code;		/* SEGV_MAPERR or SEGV_ACCERR, SEGV_PKUERR */
	*sig = bus ? KSIG_BUS : of_vector[exc->vector].sig;
	*info = (struct ksiginfo){ .signo = *sig, .code = bus ? KBUS_ADRERR : code };
	info->fault.addr = exc->vector == X86_PF ? exc->addr :
			   code == KSI_KERNEL || exc->vector == X86_AC ? 0 : uc->mc.rip;
	uc->mc.trapno = exc->vector;
	uc->mc.err = exc->error_code;
	uc->mc.cr2 = exc->vector == X86_PF ? exc->addr : 0;
}

/* An exception that software is to see; @uc is host state already. A fix-up (delivery.h), or a signal. */
static enum engine_result exception_deliver(struct engine *e, struct thread *t, const struct exception *exc, bool bus, int *sig,
					    struct ksiginfo *info, struct kucontext *uc)
{
	if (delivery_fixup(e, t, exc, uc))
		return ENGINE_RETURN;
	exception_signal(exc, bus, sig, info, uc);
	return ENGINE_DELIVER;
}

/* AEX for *exc: @uc becomes the synthetic state at the AEP. */
static void aex(struct engine *e, struct thread *t, struct kucontext *uc, struct exception *exc)
{
	struct cpu *c = cpu_load(t, uc);

	trace_aex(e, t, exc, uc->mc.rip);
	model_begin(t);
	isa_aex(e->machine, c, exc);
	thread_left(t, uc);
	model_end(t);
	delivery_interrupted(t, c->tcs_la, uc->mc.rsp);
}

void engine_async(struct engine *e, struct thread *t, struct kucontext *uc)
{
	struct exception event = { .vector = X86_INTR };

	t->stats->aex_async++;
	aex(e, t, uc, &event);
}

/*
 * Is there an ENCLU at @addr? Programs rewrite their code, so nothing is remembered; a debugger's INT3 in place of the
 * vDSO's ENCLU is to fire (B-41).
 */
static bool is_plain_enclu(struct engine *e, uint64_t addr, bool inside, unsigned *size)
{
	uint8_t bytes[16];
	unsigned length, available = 15;

	*size = 3;
	available -= (unsigned)rt_copy(bytes, (const void *)addr, available);
	if (insn_classify(bytes, available, &length) == INSN_ENCLU) {
		*size = length;
		return true;
	}
	return patch_is_site(e, addr, inside);
}

void engine_resume(struct engine *e, struct thread *t, struct kucontext *uc)
{
	struct exception exc;
	unsigned size;
	bool bus;

	if (t->in_enclave || (uint32_t)uc->mc.rax != ERESUME || !is_plain_enclu(e, uc->mc.rip, false, &size))
		return;
	enclu_run(e, t, uc, size, &exc, &bus);	/* if it fails, the program's own ENCLU is going to show how */
}

void engine_inject(struct engine *e, struct thread *t, struct kucontext *uc)
{
	struct exception event = { .vector = X86_INTR };

	t->stats->aex_injected++;
	aex(e, t, uc, &event);
	engine_resume(e, t, uc);
}

/*
 * A page fault inside on memory that may be the driver's to repair. The processor leaves the enclave first and the
 * kernel looks at the fault then: the TCS must not be held while the driver waits for others. Only the driver knows the
 * error code; EXINFO gets it if the fault turns out not to be repairable. @operand: of a leaf, which walks the page
 * tables for it; what the EPCM says of the page is in the leaf's own checks.
 */
static enum engine_result page_fault_inside(struct engine *e, struct thread *t, const struct exception *fault,
					    bool operand, int *sig, struct ksiginfo *info, struct kucontext *uc)
{
	struct exception exc = *fault, seen = *fault;
	struct sgx_exinfo *exinfo = (void *)t->cpu.misc;
	bool in_elrange = fault->addr - t->cpu.elrange_base < t->cpu.elrange_size;
	enum drv_fault_result result;

	aex(e, t, uc, &seen);
	result = drv_fault(e->drv, (uint32_t)t->tid, fault->addr,
			   fault->error_code | (operand ? DRV_FAULT_WALK : 0), in_elrange, &exc);
	if (result == DRV_FAULT_RETRY) {
		engine_resume(e, t, uc);
		return ENGINE_RETURN;
	}
	if (exinfo && result != DRV_FAULT_NOT_OURS)
		exinfo->errcd = exc.error_code;
	exc.addr &= SGX_PAGE_MASK;
	return exception_deliver(e, t, &exc, result == DRV_FAULT_BUS, sig, info, uc);
}

/*
 * A fault or trap of an instruction inside. @leaf: of an ENCLU; points to the generation of the enclave before it. A #PF
 * by the EPCM in a leaf asks the driver only whether it was at work on the page just then.
 */
static enum engine_result exception_inside(struct engine *e, struct thread *t, struct exception *exc,
					   const uint64_t *leaf, int *sig, struct ksiginfo *info, struct kucontext *uc)
{
	const uint64_t operand = uc->mc.rcx;

	bool bus = *sig == KSIG_BUS && exc->vector == X86_PF;

	if (exc->vector != X86_DB)
		uc->mc.rflags |= X86_FLAGS_RF;
	t->stats->aex_sync++;
	if (exc->vector == X86_PF && !(exc->error_code & X86_PFEC_SGX) && drv_range_hit(e->drv, exc->addr, 1))
		return page_fault_inside(e, t, exc, leaf, sig, info, uc);
	aex(e, t, uc, exc);
	if (leaf && lost_race(exc) && drv_raced(e->drv, (uint32_t)t->tid, exc->addr ? exc->addr : operand, *leaf)) {
		engine_resume(e, t, uc);
		return ENGINE_RETURN;
	}
	return exception_deliver(e, t, exc, bus, sig, info, uc);
}

enum engine_result engine_exception(struct engine *e, struct thread *t, struct exception *exc, int *sig,
				    struct ksiginfo *info, struct kucontext *uc)
{
	*sig = 0;
	*info = (struct ksiginfo){ 0 };
	return exception_inside(e, t, exc, NULL, sig, info, uc);
}

/* INS-01 to INS-25: instructions that enclave mode refuses with #UD. */
static bool illegal_inside(enum insn_kind kind)
{
	switch (kind) {
	case INSN_CPUID: case INSN_GETSEC: case INSN_RDPMC: case INSN_SGDT: case INSN_SIDT: case INSN_SLDT:
	case INSN_STR: case INSN_SMSW: case INSN_VMCALL: case INSN_VMMCALL: case INSN_VMFUNC: case INSN_IN:
	case INSN_INS: case INSN_OUT: case INSN_OUTS: case INSN_FAR_CALL: case INSN_FAR_JMP: case INSN_FAR_RET:
	case INSN_IRET: case INSN_INT: case INSN_MOV_SEGMENT: case INSN_POP_SEGMENT: case INSN_LOAD_FAR_POINTER:
	case INSN_SYSCALL: case INSN_SYSENTER: case INSN_ENCLS: case INSN_ENCLV:
		return true;
	default:
		return false;
	}
}

#define INSN_BYTE_INT	0xcd
#define INSN_BYTE_INT1	0xf1

/* What exception is it inside, where the kernel's view of it differs from what enclave mode demands? */
static void exception_of_signal(struct thread *t, const struct kucontext *uc, struct kucontext *fixed,
				struct exception *exc)
{
	uint8_t bytes[16];
	unsigned length, available = 15;

	*exc = (struct exception){ .vector = (uint32_t)uc->mc.trapno, .error_code = (uint32_t)uc->mc.err };
	switch (exc->vector) {
	case X86_PF:
		exc->addr = uc->mc.cr2;
		break;
	case X86_BP:				/* INS-31, INS-32: a fault at the INT3 itself */
	case X86_OF:
		if (!rt_copy(bytes, (const void *)(uc->mc.rip - 2), 2) && bytes[0] == INSN_BYTE_INT && bytes[1] == exc->vector) {
			fixed->mc.rip -= 2;		/* INS-17: INT 3 and INT 4 in two bytes */
			exc->vector = X86_UD;
		} else if (exc->vector == X86_BP) {
			fixed->mc.rip--;
			if (!t->cpu.dbgoptin)
				exc->vector = X86_UD;
		}
		exc->error_code = 0;
		break;
	case X86_DB:				/* INS-33, INS-34: INT1 is a fault inside; single steps are traps */
		if (uc->mc.rflags & X86_FLAGS_TF)
			break;
		for (length = 1; length < 2; length--) {	/* some hypervisors leave RIP at the INT1 */
			if (rt_copy(bytes, (const void *)(uc->mc.rip - length), 1) || bytes[0] != INSN_BYTE_INT1)
				continue;
			fixed->mc.rip -= length;
			fixed->mc.rflags |= X86_FLAGS_RF;
			exc->vector = t->cpu.dbgoptin ? X86_DB : X86_UD;
			exc->error_code = 0;
			break;
		}
		break;
	case X86_GP:				/* what enclave mode makes #UD, CPL 3 makes #GP (INS-01 to INS-25) */
		available -= (unsigned)rt_copy(bytes, (const void *)uc->mc.rip, available);
		if (illegal_inside(insn_classify(bytes, available, &length))) {
			exc->vector = X86_UD;
			exc->error_code = 0;
		}
		break;
	default:
		break;
	}
}

/* The ENCLU at uc's RIP, inside or outside, as an instruction of the program. */
static enum engine_result enclu_trapped(struct engine *e, struct thread *t, unsigned size, int *sig,
					struct ksiginfo *info, struct kucontext *uc)
{
	bool inside = t->in_enclave, bus;
	uint32_t leaf = (uint32_t)uc->mc.rax;
	uint64_t site = uc->mc.rip, generation = inside ? generation_of(e, t->cpu.tcs_la) : 0;
	struct exception exc;

	t->stats->enclu_trapped++;
	if (enclu_run(e, t, uc, size, &exc, &bus)) {
		if (leaf == (inside ? EEXIT : EENTER) && site != e->vdso_enclu)
			patch_trapped(e, t, site, size, inside);
		if (inside && !t->in_enclave && (uc->mc.rflags & X86_FLAGS_TF)) {	/* DBG-01: a step ends here */
			exception_signal(&(struct exception){ .vector = X86_DB }, false, sig, info, uc);
			return ENGINE_DELIVER;
		}
		return ENGINE_RETURN;
	}
	if (inside)
		return exception_inside(e, t, &exc, &generation, sig, info, uc);
	if ((leaf == EENTER || leaf == ERESUME) && exc.vector == X86_PF && exc.addr == uc->mc.rbx) {
		/* The processor's own access to a TCS is a write of its last byte (F-1, A-FLT-13). */
		exc.addr |= 0xfff;
		exc.error_code |= X86_PFEC_W;
		if (!drv_range_hit(e->drv, exc.addr, 1) && rt_probe(exc.addr)) {
			exc.error_code = t->copy_fault.error_code;
			info->signo = t->copy_fault.info.signo;
			info->code = t->copy_fault.info.code;
			bus = info->signo == KSIG_BUS;
		}
	}
	return exception_deliver(e, t, &exc, bus, sig, info, uc);
}

enum engine_result engine_call(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
			       struct kucontext *uc)
{
	return enclu_trapped(e, t, 3, sig, info, uc);
}

enum engine_result engine_syscall_inside(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
					 struct kucontext *uc)
{
	struct exception exc = { .vector = X86_UD };

	uc->mc.rip -= 2;			/* the kernel reports behind the instruction */
	return exception_inside(e, t, &exc, NULL, sig, info, uc);
}

/* Back to the ENCLU, with the registers that it would have had. */
static void window_undo(struct kmcontext *m, uint64_t enclu, uint64_t aep)
{
	m->rax = EENTER;
	m->rcx = aep;
	m->rip = enclu;
}

/*
 * Did another thread's page fault evict the page of the instruction that has just faulted? Then nobody knows its bytes;
 * executed again, it faults for the page to come back. Traps have been executed, and page faults are told by CR2.
 */
static bool code_vanished(struct engine *e, struct thread *t, const struct kucontext *uc, uint64_t generation)
{
	uint8_t byte;

	if (uc->mc.trapno == X86_DB || uc->mc.trapno == X86_BP || uc->mc.trapno == X86_PF)
		return false;
	if (uc->mc.rip - t->cpu.elrange_base >= t->cpu.elrange_size)
		return false;
	if (rt_copy(&byte, (const void *)uc->mc.rip, 1))	/* it was unmapped: sooner than the driver knows */
		return true;
	return !drv_fetchable(e->drv, uc->mc.rip) || generation_of(e, t->cpu.tcs_la) != generation;
}

/* Some other exception of the program. What a fix-up looks at is where it happened, not what the instruction was (C1-4). */
static enum engine_result not_of_sgx(struct engine *e, struct thread *t, struct kucontext *uc)
{
	const struct exception exc = {
		.vector = (uint32_t)uc->mc.trapno, .error_code = (uint32_t)uc->mc.err, .addr = uc->mc.cr2,
	};

	return delivery_fixup(e, t, &exc, uc) ? ENGINE_RETURN : ENGINE_NOT_MINE;
}

enum engine_result engine_signal(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
				 struct kucontext *uc)
{
	const uint64_t generation = t->in_enclave ? generation_of(e, t->cpu.tcs_la) : 0;
	struct exception exc;
	unsigned size;

	/* A debugger has kept the INT3 to itself, and the UD2 behind it has trapped. */
	if (uc->mc.trapno == X86_UD && (uc->mc.rip == (uintptr_t)enter_trap + 1 ||
					uc->mc.rip == (uintptr_t)enter_raw_trap + 1))
		uc->mc.trapno = X86_BP;
	if (uc->mc.trapno == X86_BP) {
		uint64_t at = uc->mc.rip - 1;

		if (at == (uintptr_t)enter_trap) {
			uc->mc.rip = e->vdso_enclu;
			uc->mc.rcx = e->vdso_enclu;
			return enclu_trapped(e, t, 3, sig, info, uc);
		}
		if (at == (uintptr_t)enter_raw_trap) {
			const uint64_t *words = (const uint64_t *)uc->mc.rsp;

			window_undo(&uc->mc, words[W_RETURN / 8] - 3, words[W_AEP / 8]);
			return enclu_trapped(e, t, 3, sig, info, uc);
		}
		/* Ours; of another process that has the enclave; or one that was taken back since it trapped. */
		if (patch_is_site(e, at, t->in_enclave) || (t->in_enclave && encl_patched(t->encl, at)) ||
		    (is_plain_enclu(e, at, t->in_enclave, &size) && size == 3)) {
			uc->mc.rip = at;
			return enclu_trapped(e, t, 3, sig, info, uc);
		}
		switch (t->in_enclave ? xfrm_trap(e, t, sig, info, uc, &exc) : XFRM_NOT_MINE) {
		case XFRM_DONE:
			if (e->step.on)
				step_retired(e, t);
			return ENGINE_RETURN;
		case XFRM_EXCEPTION:
			return exception_inside(e, t, &exc, NULL, sig, info, uc);
		case XFRM_NOT_MINE:
			break;
		}
	} else if (uc->mc.trapno != X86_DB && is_plain_enclu(e, uc->mc.rip, t->in_enclave, &size)) {	/* #DB: a step led here */
		return enclu_trapped(e, t, size, sig, info, uc);
	}
	if (t->in_enclave) {
		if (code_vanished(e, t, uc, generation))
			return ENGINE_RETURN;
		exception_of_signal(t, uc, uc, &exc);
		return exception_inside(e, t, &exc, NULL, sig, info, uc);
	}
	if (uc->mc.trapno == X86_PF && drv_range_hit(e->drv, uc->mc.cr2, 1)) {
		switch (drv_fault(e->drv, (uint32_t)t->tid, uc->mc.cr2, (uint32_t)uc->mc.err, false, &exc)) {
		case DRV_FAULT_RETRY:
			return ENGINE_RETURN;
		case DRV_FAULT_NOT_OURS:
			return not_of_sgx(e, t, uc);
		case DRV_FAULT_BUS:
			return exception_deliver(e, t, &exc, true, sig, info, uc);
		case DRV_FAULT_SEGV:
			return exception_deliver(e, t, &exc, false, sig, info, uc);
		}
	}
	return not_of_sgx(e, t, uc);
}

/* An entry is undone that may have taken its TCS already. */
static void window_release(struct thread *t)
{
	uint64_t owner = atomic_load_explicit(t->tcs_word, memory_order_relaxed);

	if ((uint32_t)owner == t->tid)
		atomic_compare_exchange_strong(t->tcs_word, &owner, 0);
}

/* [window_begin, enter_end): EENTER. */
static void window_enter(struct engine *e, struct thread *t, struct kmcontext *m)
{
	const char *rip = (const char *)m->rip;
	const uint64_t *words = (const uint64_t *)m->rsp;	/* written from enter_common on */

	if (rip < (const char *)enter_fast) {
		window_undo(m, m->rcx - 3, m->rax);
	} else if (rip < enter_common) {
		m->rcx = m->rip = e->vdso_enclu;		/* RAX is as it came: the leaf */
	} else if (rip < enter_committed) {
		if (rip >= enter_taken_test)
			window_release(t);
		if (rip >= enter_spilled) {
			m->rdx = t->spill_rdx;
			m->rdi = t->spill_rdi;
		}
		window_undo(m, words[W_RETURN / 8] - 3, words[W_AEP / 8]);
	} else {
		/* Forward: what [enter_committed, enter_end) does, whatever of it is done already. */
		if (!t->in_enclave) {
			t->host_fsbase = rdfsbase();
			t->host_gsbase = rdgsbase();
		}
		t->aep = t->tcs->aep = words[W_AEP / 8];
		t->tcs->state = 1;
		t->cache.gpr->ursp = m->rsp;
		t->cache.gpr->urbp = m->rbp;
		t->sud_selector = 1;
		t->in_enclave = 1;
		wrfsbase(t->cache.fsbase);
		wrgsbase(t->cache.gsbase);
		m->rdx = t->spill_rdx;
		m->rdi = t->spill_rdi;
		m->rax = 0;
		m->rcx = words[W_RETURN / 8];
		m->rip = t->cache.entry;
	}
}

/* [enter_end, enter_trap]: the model has not been asked yet. */
static void window_call(struct engine *e, struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	const char *rip = (const char *)m->rip;
	const uint64_t *words = (const uint64_t *)m->rsp;

	if (rip <= enter_raw_trap) {
		if (rip < enter_taken)
			window_release(t);
		if (rip < enter_none) {
			m->rdx = t->spill_rdx;
			m->rdi = t->spill_rdi;
		}
		window_undo(m, words[W_RETURN / 8] - 3, words[W_AEP / 8]);
		return;
	}
	if (rip >= call_rdx_saved && rip < call_rdx_back) {
		m->rdx = words[-2];
	} else if (rip >= call_spilled && rip < enter_trap) {
		m->rax = t->call_rax, m->rdx = t->call_rdx, m->rsi = t->call_rsi, m->rdi = t->call_rdi;
		m->r8 = t->call_r8, m->r10 = t->call_r10, m->r11 = t->call_r11;
		if (rip == call_blocked)
			uc->sigmask = t->call_mask;
	}
	if (rip == call_flags)
		m->rsp += 8;
	m->rcx = m->rip = e->vdso_enclu;
}

bool engine_trap_lost(struct engine *e, struct thread *t, struct kucontext *uc)
{
	const uint64_t at = uc->mc.rip - 1;
	const struct encl *encl = t->in_enclave ? t->encl : NULL;
	uint8_t byte;

	if (at == (uintptr_t)enter_trap || at == (uintptr_t)enter_raw_trap)
		goto lost;
	if (rt_copy(&byte, (const void *)at, 1) || byte != 0xcc)
		return false;
	/* Nothing else can have RIP there: it is in the middle of what the INT3 replaced. */
	if (patch_is_site(e, at, encl) || (encl && (encl_patched(encl, at) || xfrm_is_site(e, at))))
		goto lost;
	return false;
lost:
	uc->mc.rip = at;
	return true;
}

bool engine_in_window(const struct kucontext *uc)
{
	const char *rip = (const char *)uc->mc.rip;

	return (rip >= window_begin && rip < call_busy) || (rip >= enter_trap && rip < window_end);
}

bool engine_window(struct engine *e, struct thread *t, struct kucontext *uc)
{
	const char *rip = (const char *)uc->mc.rip;
	struct kmcontext *m = &uc->mc;
	struct exception exc;
	bool bus;

	switch (patch_unwind(e, uc)) {
	case PATCH_UNWOUND_SITE:
		return false;
	case PATCH_UNWOUND_EXIT:			/* RBX may be anything: the model judges it */
		enclu_run(e, t, uc, 3, &exc, &bus);	/* refused: the site is going to say so to the enclave */
		return true;
	case PATCH_UNWOUND_NOTHING:
		break;
	}
	if (rip < window_begin || rip >= window_end || rip == enter_raw_trap + 1 ||
	    (rip > enter_trap && rip < exit_checked))
		return false;
	if (rip < enter_end) {
		window_enter(e, t, m);
		return false;
	}
	if (rip < exit_checked) {
		window_call(e, t, uc);
		return false;
	}
	if (rip < exit_released) {
		wrfsbase(t->host_fsbase);
		wrgsbase(t->host_gsbase);
		t->sud_selector = 0;
		t->in_enclave = 0;
		t->tcs->state = 0;
		atomic_store_explicit(t->tcs_word, 0, memory_order_release);
	}
	m->rcx = t->aep;
	m->rax = EEXIT;
	m->rip = m->rbx;
	return true;
}
