/* SPDX-License-Identifier: BSD-2-Clause */
#include "trap/step.h"

#include "sys/signal.h"
#include "trap/engine.h"
#include "trap/rtcopy.h"
#include "trap/trace.h"

#define OPCODE_PUSHF	0x9c
#define OPCODE_POPF	0x9d
#define PAGE		UINT64_C(4096)

/* The frame that is current, as a bit of at_done. */
static uint32_t level(uint32_t cssa)
{
	return UINT32_C(1) << (cssa < 31 ? cssa : 31);
}

static bool is_opcode(const struct insn *insn, uint8_t opcode)
{
	return insn->kind == INSN_OTHER && insn->encoding == INSN_LEGACY && !insn->map && insn->opcode == opcode;
}

/* A string instruction that repeats: a step is one turn. */
static bool repeats(const struct insn *insn)
{
	return insn->kind != INSN_INVALID && insn->encoding == INSN_LEGACY && !insn->map &&
	       (insn->prefixes & (INSN_PREFIX_F2 | INSN_PREFIX_F3)) &&
	       ((insn->opcode >= 0xa4 && insn->opcode <= 0xa7) || (insn->opcode >= 0xaa && insn->opcode <= 0xaf));
}

/* splitmix64: any seed is a good one. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void next_exit(const struct step *step, struct thread *t)
{
	struct thread_step *s = &t->step;

	if (step->when == STEP_EVERY) {
		s->left = step->n;
		return;
	}
	if (!s->random) {		/* the first time; a state of 0 later only draws the thread's numbers again */
		s->random = step->seed;
		s->random = draw(&s->random) + t->ordinal;
	}
	s->left = 1 + draw(&s->random) % (2 * step->n - 1);
}

void step_entering(struct engine *e, struct thread *t, struct encl *encl)
{
	struct thread_step *s = &t->step;
	const uint64_t id = encl ? encl_id(encl) : 0;
	unsigned int i;

	s->at_rip = 0;
	if (e->step.when != STEP_AT || !encl)
		return;
	for (i = 0; i < STEP_ENCLAVES; i++) {
		if (s->at[i].encl == id) {
			s->at_rip = s->at[i].rip;
			return;
		}
	}
	i = s->at_next++ % STEP_ENCLAVES;
	s->at[i].encl = id;
	s->at[i].rip = s->at_rip = e->step.resolve(encl_base(encl));
}

void step_entered(struct thread *t, uint64_t tcs, uint32_t cssa)
{
	if (t->step.at_tcs == tcs)
		t->step.at_done &= level(cssa) - 1;
}

void step_retired(struct engine *e, struct thread *t)
{
	struct thread_step *s = &t->step;

	if (s->rip == s->at_rip)
		s->at_done &= ~level(t->tcs->cssa);
	if ((e->step.when == STEP_EVERY || e->step.when == STEP_RANDOM) && !--s->left) {
		s->due = true;
		next_exit(&e->step, t);
	}
	trace_step(e, t);
}

void step_disarm(struct thread *t, struct kucontext *uc)
{
	struct thread_step *s = &t->step;

	if (!s->armed)
		return;
	s->armed = false;
	if (is_opcode(&s->insn, OPCODE_POPF) && uc->mc.rip != s->rip)	/* it has loaded TF: INS-38 */
		s->own_tf = t->cpu.dbgoptin && (uc->mc.rflags & X86_FLAGS_TF);
	uc->mc.rflags = (uc->mc.rflags & ~X86_FLAGS_TF) | (s->own_tf ? X86_FLAGS_TF : 0);
}

/* PUSHF has pushed our TF. False: the page is gone meanwhile; the instruction is undone, and will bring it back. */
static bool pushf_repair(const struct thread_step *s, struct kucontext *uc)
{
	const uint64_t size = s->insn.prefixes & INSN_PREFIX_66 ? 2 : 8;
	const uint64_t at = uc->mc.rsp + 1;
	uint8_t byte;

	if (!rt_copy(&byte, (const void *)at, 1)) {
		byte &= (uint8_t)~(X86_FLAGS_TF >> 8);
		if (!rt_copy((void *)at, &byte, 1))
			return true;
	}
	uc->mc.rip = s->rip;
	uc->mc.rsp += size;
	return false;
}

bool step_stopped(struct engine *e, struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc)
{
	struct thread_step *s = &t->step;
	const bool own = s->own_tf, trap = sig == KSIG_TRAP && uc->mc.trapno == X86_DB && info->code == KTRAP_TRACE;

	step_disarm(t, uc);
	/* A SIGTRAP that was sent, and was pending, has displaced that of the step: RIP tells. */
	if (!trap && (sig != KSIG_TRAP || info->code > 0 || uc->mc.rip == s->rip))
		return false;
	if (trap && s->insn.kind == INSN_INT1)		/* INS-33, INS-34: its own #DB, not ours */
		return false;
	if (is_opcode(&s->insn, OPCODE_PUSHF) && uc->mc.rip != s->rip && !own && !pushf_repair(s, uc))
		return trap;
	if (uc->mc.rip == s->rip && repeats(&s->insn))
		uc->mc.rflags |= X86_FLAGS_RF;		/* AEX-10 */
	step_retired(e, t);
	return trap && !own;
}

/* Is this the boundary before STEP_AT's instruction, reached and not resumed at? */
static bool at_reached(struct thread *t, uint64_t rip)
{
	struct thread_step *s = &t->step;

	if (rip != s->at_rip)
		return false;
	if (s->at_tcs != t->cpu.tcs_la) {
		s->at_tcs = t->cpu.tcs_la;
		s->at_done = 0;
	}
	if (s->at_done & level(t->tcs->cssa))
		return false;
	s->at_done |= level(t->tcs->cssa);
	return true;
}

/* The instruction at @rip, as far as it can be read; its own fetch tells the enclave what is wrong with it. */
static bool fetch(struct thread_step *s, uint64_t rip, uint8_t bytes[INSN_LENGTH_MAX])
{
	const uint64_t here = PAGE - rip % PAGE;
	unsigned int have = here < INSN_LENGTH_MAX ? (unsigned int)here : INSN_LENGTH_MAX;

	s->insn = (struct insn){ .kind = INSN_INVALID };
	if (rt_copy(bytes, (const void *)rip, have))
		return false;
	if (insn_decode(bytes, have, &s->insn))
		return true;
	if (have == INSN_LENGTH_MAX || rt_copy(bytes + have, (const void *)(rip + have), INSN_LENGTH_MAX - have))
		return false;
	return insn_decode(bytes, INSN_LENGTH_MAX, &s->insn);
}

/* What enclave mode refuses at @rip, where CPL 3 would not. Vector 255: nothing. */
static struct exception refused(const struct thread *t, uint64_t rip)
{
	const struct insn *insn = &t->step.insn;
	const uint64_t offset = rip - t->cpu.elrange_base;

	if (offset >= t->cpu.elrange_size || insn->length > t->cpu.elrange_size - offset)
		return (struct exception){ .vector = X86_GP };				/* ACC-01 */
	if (insn_is_illegal_inside(insn->kind))
		return (struct exception){ .vector = X86_UD };
	return (struct exception){ .vector = 255 };
}

bool step_arm(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info, struct kucontext *uc)
{
	uint8_t bytes[INSN_LENGTH_MAX];
	struct thread_step *s = &t->step;
	struct exception exc;

	if (!s->left && e->step.when != STEP_NEVER && e->step.when != STEP_AT)
		next_exit(&e->step, t);
	while (s->due || at_reached(t, uc->mc.rip)) {
		s->due = false;
		engine_inject(e, t, uc);
		if (!t->in_enclave)
			return false;
	}
	s->rip = uc->mc.rip;
	fetch(s, s->rip, bytes);
	exc = refused(t, s->rip);
	if (exc.vector != 255)
		return engine_exception(e, t, &exc, sig, info, uc) == ENGINE_DELIVER;
	trace_prepare(e, t, bytes, uc);
	s->own_tf = uc->mc.rflags & X86_FLAGS_TF;
	uc->mc.rflags |= X86_FLAGS_TF;
	s->armed = true;
	return false;
}
