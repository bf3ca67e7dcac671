/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of leaves over a small machine, with operands good and bad. After every step the invariants of
 * isa_world.h must hold. Bytes of the input are taken in steps of struct step; nothing else decides what happens.
 */
#include "fuzz.h"
#include "isa_world.h"

enum op {
	OP_ECREATE, OP_EADD, OP_EINIT, OP_EREMOVE, OP_EDBGRD, OP_EDBGWR, OP_EEXTEND, OP_ELDB, OP_ELDU, OP_EBLOCK,
	OP_EPA, OP_EWB, OP_ETRACK, OP_EAUG, OP_EMODPR, OP_EMODT,
	OP_EREPORT, OP_EGETKEY, OP_EENTER, OP_ERESUME, OP_EEXIT, OP_EACCEPT, OP_EMODPE, OP_EACCEPTCOPY,
	OP_AEX, OP_INIT, OP_MAP, OP_STORE, OP_KILL, OP_ENCLS, OP_ENCLU, OPS
};

static const uint8_t encls_of[] = {
	[OP_ECREATE] = ECREATE, [OP_EADD] = EADD, [OP_EINIT] = EINIT, [OP_EREMOVE] = EREMOVE, [OP_EDBGRD] = EDBGRD,
	[OP_EDBGWR] = EDBGWR, [OP_EEXTEND] = EEXTEND, [OP_ELDB] = ELDB, [OP_ELDU] = ELDU, [OP_EBLOCK] = EBLOCK,
	[OP_EPA] = EPA, [OP_EWB] = EWB, [OP_ETRACK] = ETRACK, [OP_EAUG] = EAUG, [OP_EMODPR] = EMODPR,
	[OP_EMODT] = EMODT,
};

static struct operands operands_of(const struct step *s)
{
	struct operands o = { .page = s->page % PAGES, .enclave = s->who % ENCLAVES, .slot = s->slot % SLOTS };
	uint64_t va = s->value % PAGES;

	o.secs = w.secs[o.enclave];
	/* One below and one above ELRANGE, too. */
	o.linaddr = base_of(o.enclave) + (uint64_t)(s->la % (LA_PAGES + 2)) * 4096 - 4096;
	/* A step may name a VA page; most find the first one there is. */
	for (uint64_t i = 0; i < PAGES && !(s->mode & 0x40); i++)
		if (w.epcm[i].valid && w.epcm[i].pt == SGX_PT_VA) {
			va = i;
			break;
		}
	o.slot_ptr = slot_at(va, o.slot);
	o.va_slot = epc_of(va) + 8 * o.slot;
	return o;
}

static void set_pageinfo(uint64_t linaddr, uint64_t srcpge, uint64_t secinfo, uint64_t secs)
{
	*(struct sgx_pageinfo *)host_ptr(HOST_OPERANDS, AT_PAGEINFO) =
		(struct sgx_pageinfo){ linaddr, srcpge, secinfo, secs };
}

static void set_secinfo(uint64_t flags)
{
	*(struct sgx_secinfo *)host_ptr(HOST_OPERANDS, AT_SECINFO) = (struct sgx_secinfo){ .flags = flags };
}

static void prepare_encls(enum op op, const struct step *s, const struct operands *o, struct cpu *c)
{
	const uint64_t secinfo = host_at(HOST_OPERANDS, AT_SECINFO);
	const uint64_t pcmd = host_at(HOST_PCMD, o->slot * sizeof(struct sgx_pcmd));
	const uint64_t cipher = host_at(HOST_CIPHER + o->slot, 0);
	struct sgx_pcmd *p = host_ptr(HOST_PCMD, o->slot * sizeof(*p));
	struct sgx_secs *secs = host_ptr(HOST_SECS, 0);
	struct sgx_tcs *tcs = host_ptr(HOST_TCS, 0);

	c->regs.rax = encls_of[op];
	c->regs.rbx = host_at(HOST_OPERANDS, AT_PAGEINFO);
	c->regs.rcx = epc_of(o->page);
	c->regs.rdx = o->va_slot;
	switch (op) {
	case OP_ECREATE:
		secs->baseaddr = base_of(o->enclave);
		secs->attributes.flags = SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG |
					 (s->value & 1 ? SGX_ATTR_AEXNOTIFY : 0);
		set_secinfo(SGX_SECINFO_OF_PT(SGX_PT_SECS));
		set_pageinfo(0, host_at(HOST_SECS, 0), secinfo, 0);
		break;
	case OP_EADD:
		set_secinfo((s->value & 0x3f) | SGX_SECINFO_OF_PT(s->value & 0x80 ? SGX_PT_TCS : SGX_PT_REG));
		tcs->flags = s->value & 1 ? SGX_TCS_AEXNOTIFY : 0;
		set_pageinfo(o->linaddr, host_at(s->value & 0x80 ? HOST_TCS : HOST_REG, 0), secinfo,
			     epc_of(o->secs));
		break;
	case OP_EINIT:
		c->regs.rbx = host_at(HOST_SIGSTRUCT, 0);
		c->regs.rcx = epc_of(o->secs);
		c->regs.rdx = host_at(HOST_OPERANDS, AT_TOKEN);
		break;
	case OP_EDBGRD:
	case OP_EDBGWR:
		c->regs.rcx += 8 * (s->value % 16);
		break;
	case OP_EEXTEND:
		c->regs.rbx = epc_of(o->secs);
		c->regs.rcx += 256 * (s->value % 16);
		break;
	case OP_ELDB:
	case OP_ELDU:
		set_pageinfo(w.evicted[o->slot].epcm.enclaveaddress, cipher, pcmd,
			     is_child(&(struct epcm_entry){ .pt = SGX_SECINFO_PT(p->secinfo.flags) }) ?
			     epc_of(o->secs) : 0);
		break;
	case OP_EPA:
		c->regs.rbx = SGX_PT_VA;
		break;
	case OP_EWB:
		set_pageinfo(0, cipher, pcmd, 0);
		break;
	case OP_ETRACK:
		c->regs.rcx = epc_of(o->secs);
		break;
	case OP_EAUG:
		set_pageinfo(o->linaddr, 0, s->value & 0x80 ? secinfo : 0, epc_of(o->secs));
		break;
	case OP_EMODPR:
	case OP_EMODT:
		set_secinfo((s->value & 0x3f) | SGX_SECINFO_OF_PT(s->value & 0x40 ? SGX_PT_TCS : SGX_PT_TRIM));
		c->regs.rbx = secinfo;
		break;
	default:
		break;
	}
}

/* One operand goes wrong. Returns the lock word that was taken in advance, to be given back. */
static _Atomic uint32_t *spoil(const struct step *s, const struct operands *o, struct cpu *c, uint32_t *held)
{
	struct sgx_pageinfo *pi = host_ptr(HOST_OPERANDS, AT_PAGEINFO);
	_Atomic uint32_t *lock = NULL;

	switch (s->mode & 0x3f) {
	case 1:	 c->regs.rbx += s->value;					break;
	case 2:	 c->regs.rcx += s->value;					break;
	case 3:	 c->regs.rdx += s->value;					break;
	case 4:	 c->regs.rcx = epc_of(PAGES);					break;
	case 5:	 c->regs.rdx = epc_of(PAGES);					break;
	case 6:	 c->regs.rcx ^= NOT_CANONICAL;					break;
	case 7:	 c->regs.rbx = host_at(HOST_PAGES, 0);				break;
	case 8:	 pi->linaddr += (uint64_t)s->value << (s->slot % 16);		break;
	case 9:	 pi->srcpge += (uint64_t)s->value << 5;				break;
	case 10: pi->secinfo += (uint64_t)s->value << 5;			break;
	case 11: pi->secs = epc_of(s->value % PAGES);				break;
	case 12: pi->secs += s->value;						break;
	case 13: pi->secinfo ^= NOT_CANONICAL;					break;
	case 14: w.host[HOST_PCMD][o->slot * 128 + s->value % 128] ^= 1 << s->la % 8; break;
	case 15: w.host[HOST_CIPHER + o->slot][s->value * 16] ^= 1 << s->la % 8; break;
	case 16: w.host[HOST_OPERANDS][AT_SECINFO + s->value % 64] ^= 1 << s->la % 8; break;
	case 17: lock = &w.epcm[o->page].lock; *held = EPCM_EXCLUSIVE;		break;
	case 18: lock = &w.epcm[o->page].lock; *held = 1;			break;
	case 19: lock = &w.epcm[o->page].lock; *held = EPCM_SGX2 | 1;		break;
	case 20: lock = &w.epcm[o->secs].lock; *held = EPCM_EXCLUSIVE;		break;
	case 21: lock = &w.epcm[o->secs].lock; *held = 1;			break;
	case 22: lock = &secs_at(o->secs)->track_lock; *held = 1;		break;
	case 23: lock = &secs_at(o->secs)->measure_lock; *held = 1;		break;
	default:								break;
	}
	/* The locks in a SECS exist where there is one; their holders keep it in the EPC. */
	if ((s->mode & 0x3f) >= 22 &&
	    (o->page == o->secs || !w.epcm[o->secs].valid || w.epcm[o->secs].pt != SGX_PT_SECS))
		lock = NULL;
	if (lock)
		*lock = *held;
	return lock;
}

static void map(uint64_t linaddr, uint64_t index)
{
	for (unsigned e = 0; e < ENCLAVES; e++)
		if (linaddr - base_of(e) < LA_PAGES * 4096)
			w.table[e][(linaddr - base_of(e)) / 4096] = (uint8_t)(index + 1);
}

/* What the page was is what comes back, or it does not come back. */
static void check_reload(const struct operands *o)
{
	const struct evicted *ev = &w.evicted[o->slot];
	const struct epcm_entry *e = &w.epcm[o->page], *was = &ev->epcm;

	CHECK(before.slot && ev->version == before.slot && !*o->slot_ptr);
	CHECK(!before.epcm[o->page].valid);
	CHECK(!memcmp(w.mem[o->page], ev->plain, 4096));
	CHECK(e->r == was->r && e->w == was->w && e->x == was->x && e->pt == was->pt && e->pr == was->pr);
	CHECK(e->pending == was->pending && e->modified == was->modified);
	CHECK(e->enclaveaddress == was->enclaveaddress);
	CHECK(!is_child(e) || secs_at(e->secs)->eid == ev->eid);
}

static void after_encls(enum op op, const struct operands *o)
{
	static const uint8_t zero[4096];
	const struct epcm_entry *e = &w.epcm[o->page];

	switch (op) {
	case OP_ECREATE:
		w.secs[o->enclave] = (uint8_t)o->page;
		break;
	case OP_EADD:
	case OP_EAUG:
		map(e->enclaveaddress, o->page);
		break;
	case OP_EWB:
		CHECK(!memcmp(w.mem[o->page], zero, 4096));
		w.evicted[o->slot].version = *o->slot_ptr;
		w.evicted[o->slot].epcm = before.epcm[o->page];
		w.evicted[o->slot].eid = is_child(e) ? secs_at(e->secs)->eid : 0;
		memcpy(w.evicted[o->slot].plain, before.plain, 4096);
		break;
	case OP_ELDB:
	case OP_ELDU:
		check_reload(o);
		if (e->pt == SGX_PT_SECS)
			w.secs[o->enclave] = (uint8_t)o->page;
		else if (e->pt != SGX_PT_VA)
			map(e->enclaveaddress, o->page);
		break;
	default:
		break;
	}
}

static bool run_encls(enum op op, const struct step *s, const struct operands *o)
{
	struct cpu *c = &w.kernel;
	_Atomic uint32_t *lock;
	uint32_t held = 0;
	enum leaf_status status;
	bool succeeded;

	prepare_encls(op, s, o, c);
	lock = spoil(s, o, c, &held);
	remember(o, c);
	status = isa_encls(&machine, c);
	succeeded = status == LEAF_DONE && !(c->regs.rflags & X86_FLAGS_ZF);
	if (status == LEAF_DONE)
		CHECK(c->regs.rip == before.regs.rip + c->insn_size);
	check_step(c, status, succeeded);
	if (lock) {
		CHECK(*lock == held);
		*lock = 0;
	}
	if (succeeded && before.regs.rdx == o->va_slot)		/* else it was another slot than the step's */
		after_encls(op, o);
	return succeeded;
}

static uint64_t epcm_flags(const struct epcm_entry *e)
{
	return (uint64_t)e->r | (uint64_t)e->w << 1 | (uint64_t)e->x << 2 | (uint64_t)e->pending << 3 |
	       (uint64_t)e->modified << 4 | (uint64_t)e->pr << 5 | SGX_SECINFO_OF_PT(e->pt);
}

/* A store of the enclave's own, to the page at @linaddr, if it may. */
static void store(uint64_t linaddr, uint64_t offset, const void *data, size_t size)
{
	struct exception exc;
	struct epc_page page;

	if (translate(&machine, linaddr, X86_PFEC_W, &page, &exc) != TRANSLATION_EPC)
		return;
	if (page.epcm->valid && page.epcm->pt == SGX_PT_REG && page.epcm->w &&
	    page.epcm->enclaveaddress == linaddr)
		memcpy(page.mem + offset, data, size);
}

/* SECINFO, EREPORT's and EGETKEY's operands lie in the pages 4 and 5 of the enclave. */
static void prepare_enclu(enum op op, const struct step *s, const struct operands *o, struct cpu *c)
{
	const uint64_t base = c->enclave_mode ? c->elrange_base : base_of(o->enclave);
	const uint64_t target = base + o->linaddr - base_of(o->enclave), data = base + 5 * 4096;
	struct sgx_secinfo si = { .flags = (s->value & 0x3f) | SGX_SECINFO_OF_PT(s->slot % 5) };
	struct exception exc;
	struct epc_page page;

	if (!(s->mode & 0x80) && translate(&machine, target, 0, &page, &exc) == TRANSLATION_EPC)
		si.flags = epcm_flags(page.epcm);
	if (op == OP_EMODPE || op == OP_EACCEPTCOPY)
		si.flags = (s->value & 0x3f) | SGX_SECINFO_OF_PT(SGX_PT_REG);
	c->regs.rax = op - OP_EREPORT;	/* the order of enum sgx_enclu */
	c->regs.rcx = target;
	switch (op) {
	case OP_EREPORT:
		c->regs.rbx = data;
		c->regs.rcx = data + 512;
		c->regs.rdx = data + 1024;
		break;
	case OP_EGETKEY:
		c->regs.rbx = data + 2048;
		c->regs.rcx = data + 1024;
		break;
	case OP_EENTER:
	case OP_ERESUME:
		c->regs.rbx = target;
		c->regs.rcx = host_at(HOST_OPERANDS, AT_AEP);
		break;
	case OP_EEXIT:
		c->regs.rbx = host_at(HOST_OPERANDS, AT_AEP);
		break;
	default:
		c->regs.rbx = base + 4 * 4096;
		c->regs.rdx = base + (uint64_t)(s->value % LA_PAGES) * 4096;
		if (c->enclave_mode)
			store(c->regs.rbx, 0, &si, sizeof(si));
		break;
	}
}

static bool reports(enum op op)
{
	return op == OP_EGETKEY || op == OP_EACCEPT || op == OP_EACCEPTCOPY;
}

static bool run_enclu(enum op op, const struct step *s, const struct operands *o, struct cpu *c)
{
	_Atomic uint32_t *lock;
	uint32_t held = 0;
	enum leaf_status status;
	bool succeeded;

	prepare_enclu(op, s, o, c);
	lock = spoil(s, o, c, &held);
	remember(o, c);
	status = isa_enclu(&machine, c);
	succeeded = status == LEAF_DONE && !(reports(op) && (c->regs.rflags & X86_FLAGS_ZF));
	check_step(c, status, succeeded);
	if (lock) {
		CHECK(*lock == held);
		*lock = 0;
	}
	return succeeded;
}

/* Any leaf number with any registers: nothing is known but what holds always. */
static void run_raw(const struct step *s, const struct operands *o, struct cpu *c,
		    enum leaf_status (*leaf)(struct machine *m, struct cpu *c))
{
	const uint64_t value[] = {
		o->linaddr, epc_of(o->page), epc_of(o->secs), o->va_slot,
		host_at(HOST_OPERANDS, 64 * (s->slot % 64)), s->value, NOT_CANONICAL,
		host_at(s->slot % HOST_PAGES, 0),
	};
	enum leaf_status status;

	c->regs.rax = s->mode;
	c->regs.rbx = value[s->value % 8];
	c->regs.rcx = value[s->value / 8 % 8];
	c->regs.rdx = value[s->slot / 8 % 8];
	remember(o, c);
	status = leaf(&machine, c);
	check_step(c, status, status == LEAF_DONE);
}

static void thread_start(struct cpu *c, unsigned index)
{
	*c = (struct cpu){
		.tid = ++w.next_tid, .insn_size = 3, .xstate = w.xstate[index], .xstate_size = XSTATE_SIZE,
		.regs = { .rip = host_at(HOST_OPERANDS, AT_AEP), .rsp = HOST_BASE },
	};
}

static bool run_step(const struct step *s)
{
	static const uint16_t vector[] = { X86_DE, X86_UD, X86_GP, X86_PF, X86_BP, X86_DB, X86_AC, X86_INTR };
	enum op op = s->op % OPS;
	struct operands o = operands_of(s);
	unsigned index = s->who / ENCLAVES % THREADS;
	struct cpu *c = &w.thread[index];
	struct exception event = { .vector = vector[s->value % 8], .addr = o.linaddr };
	bool succeeded = true;

	current = s;
	switch (op) {
	case OP_AEX:
		if (c->enclave_mode)
			isa_aex(&machine, c, &event);
		break;
	case OP_INIT:	/* what a valid signature would do */
		if (w.epcm[o.secs].valid && w.epcm[o.secs].pt == SGX_PT_SECS)
			secs_at(o.secs)->attributes.flags |= SGX_ATTR_INIT;
		break;
	case OP_MAP:
		map(o.linaddr, o.page);
		break;
	case OP_STORE:	/* a TCS in the making */
		store(o.linaddr, 0, w.host[HOST_TCS], 4096);
		break;
	case OP_KILL:
		thread_start(c, index);
		break;
	case OP_ENCLS:
		run_raw(s, &o, &w.kernel, isa_encls);
		break;
	case OP_ENCLU:
		run_raw(s, &o, c, isa_enclu);
		break;
	default:
		if (op <= OP_EMODT)
			succeeded = run_encls(op, s, &o);
		else
			succeeded = run_enclu(op, s, &o, c);
		break;
	}
	check_world();
	return succeeded;
}

/* An enclave that runs (SECS 0), one that is being built (SECS 10), and two VA pages. */
static void machine_start(void)
{
	static const struct step build[] = {
		{ .op = OP_ECREATE, .page = 0 },
		{ .op = OP_EADD, .page = 1, .la = 1, .value = 0x80 },
		{ .op = OP_EADD, .page = 2, .la = 2, .value = SGX_SECINFO_R | SGX_SECINFO_X },
		{ .op = OP_EADD, .page = 3, .la = 3, .value = SGX_SECINFO_R | SGX_SECINFO_W },
		{ .op = OP_EADD, .page = 4, .la = 4, .value = SGX_SECINFO_R | SGX_SECINFO_W },
		{ .op = OP_EADD, .page = 5, .la = 5, .value = SGX_SECINFO_R | SGX_SECINFO_W },
		{ .op = OP_EADD, .page = 6, .la = 6, .value = SGX_SECINFO_R | SGX_SECINFO_W },
		{ .op = OP_INIT },
		{ .op = OP_EPA, .page = 8 },
		{ .op = OP_EPA, .page = 9 },
		{ .op = OP_ECREATE, .page = 10, .who = 1 },
	};
	static const uint8_t seed[32] = "softsgx fuzz", cpusvn[16];
	struct sgx_tcs *tcs = host_ptr(HOST_TCS, 0);

	profile = (struct isa_profile){
		.sgx1 = true, .sgx2 = true, .miscselect = SGX_MISC_EXINFO, .log2_size_32 = 31, .log2_size_64 = 36,
		.attributes = SGX_ATTR_INIT | SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_KSS |
			      SGX_ATTR_AEXNOTIFY, .xfrm = 3,
		.xcr0 = 3, .mxcsr_mask = 0xffff,
	};
	crypto_init();
	keys_derive(&keys, seed, cpusvn);
	section = (struct epc_section){
		.base = EPC_BASE, .npages = PAGES, .epcm = w.epcm, .mem = w.mem[0], .generation = &w.generation,
	};
	machine = (struct machine){
		.profile = &profile, .keys = &keys, .ops = &ops, .shared = &w.shared, .section_at = section_at,
	};
	w.kernel = (struct cpu){ .insn_size = 3 };
	for (unsigned t = 0; t < THREADS; t++)
		thread_start(&w.thread[t], t);
	w.host[HOST_REG][4096 - sizeof(struct sgx_gprsgx) + offsetof(struct sgx_gprsgx, aexnotify)] = 1;
	*tcs = (struct sgx_tcs){ .ossa = 0x2000, .nssa = 2, .oentry = 0x1000, .fslimit = 0xfff, .gslimit = 0xfff };
	*(struct sgx_secs *)host_ptr(HOST_SECS, 0) = (struct sgx_secs){
		.size = LA_PAGES * 4096, .ssaframesize = 1, .miscselect = SGX_MISC_EXINFO, .attributes.xfrm = 3,
	};
	for (unsigned i = 0; i < sizeof(build) / sizeof(build[0]); i++) {
		bool succeeded = run_step(&build[i]);

		CHECK(succeeded);
	}
	fresh = w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct step s;

	if (!fresh.next_tid)
		machine_start();
	w = fresh;
	for (; size >= sizeof(s); data += sizeof(s), size -= sizeof(s)) {
		memcpy(&s, data, sizeof(s));
		run_step(&s);
	}
	return 0;
}
