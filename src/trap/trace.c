/* SPDX-License-Identifier: BSD-2-Clause */
#include "trap/trace.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "sys/sys.h"
#include "trap/engine.h"

/* One line: the fields that all have are there already. */
struct line {
	char *at;
	size_t room;
	bool json;
};

static void line_end(const struct engine *e, struct thread *t, struct line *l)
{
	l->at += sys_format(l->at, l->room, l->json ? "}\n" : "\n");
	t->trace.used = (uint32_t)((uint8_t *)l->at - (e->trace.buffers + (uint64_t)t->index * TRACE_BUFFER));
}

static struct line line_begin(const struct engine *e, struct thread *t)
{
	struct line l = { .json = e->trace.json };

	if (t->trace.used + TRACE_LINE_MAX > TRACE_BUFFER)
		trace_flush(e, t);
	l.at = (char *)e->trace.buffers + (uint64_t)t->index * TRACE_BUFFER + t->trace.used;
	l.room = TRACE_LINE_MAX;
	l.at += sys_format(l.at, l.room, l.json ? "{\"thread\":%lu,\"tcs\":\"0x%lx\"" : "%lu tcs=%lx", t->ordinal,
			   t->cpu.tcs_la);
	return l;
}

static void line_word(struct line *l, const char *name, const char *value)
{
	l->at += sys_format(l->at, l->room, l->json ? ",\"%s\":\"%s\"" : " %s=%s", name, value);
}

static void line_address(struct line *l, const char *name, uint64_t value)
{
	l->at += sys_format(l->at, l->room, l->json ? ",\"%s\":\"0x%lx\"" : " %s=%lx", name, value);
}

/* RIP and, inside, its offset in ELRANGE, which does not depend on where the enclave was loaded. */
static void line_rip(struct line *l, const struct thread *t, uint64_t rip)
{
	const uint64_t offset = rip - t->cpu.elrange_base;

	line_address(l, "rip", rip);
	if (offset < t->cpu.elrange_size)
		line_address(l, "offset", offset);
}

void trace_prepare(const struct engine *e, struct thread *t, const uint8_t *bytes, const struct kucontext *uc)
{
	const struct kmcontext *m = &uc->mc;

	if (!e->trace.path)
		return;
	const struct insn_regs regs = {
		.gpr = { m->rax, m->rcx, m->rdx, m->rbx, m->rsp, m->rbp, m->rsi, m->rdi,
			 m->r8, m->r9, m->r10, m->r11, m->r12, m->r13, m->r14, m->r15 },
		.rip = m->rip, .fsbase = rdfsbase(), .gsbase = rdgsbase(),
	};
	t->trace.count = t->step.insn.kind == INSN_INVALID ? 0 :
			 insn_memory(bytes, &t->step.insn, &regs, t->trace.memory);
}

void trace_step(const struct engine *e, struct thread *t)
{
	struct line l;
	uint32_t i;

	if (!e->trace.path)
		return;
	l = line_begin(e, t);
	line_rip(&l, t, t->step.rip);
	for (i = 0; i < t->trace.count; i++)
		l.at += sys_format(l.at, l.room, l.json ? i ? ",\"0x%lx\"" : ",\"memory\":[\"0x%lx\"" :
				   i ? ",%lx" : " memory=%lx", t->trace.memory[i]);
	if (l.json && i)
		l.at += sys_format(l.at, l.room, "]");
	line_end(e, t, &l);
}

void trace_entered(const struct engine *e, struct thread *t, uint32_t leaf, uint64_t rip)
{
	struct line l;

	if (!e->trace.path)
		return;
	l = line_begin(e, t);
	line_word(&l, "event", leaf == EENTER ? "eenter" : "eresume");
	line_rip(&l, t, rip);
	line_end(e, t, &l);
}

void trace_left(const struct engine *e, struct thread *t, uint64_t rip)
{
	struct line l;

	if (!e->trace.path)
		return;
	l = line_begin(e, t);
	line_word(&l, "event", "eexit");
	line_address(&l, "rip", rip);
	line_end(e, t, &l);
}

void trace_aex(const struct engine *e, struct thread *t, const struct exception *exc, uint64_t rip)
{
	struct line l;

	if (!e->trace.path)
		return;
	l = line_begin(e, t);
	line_word(&l, "event", "aex");
	line_rip(&l, t, rip);
	if (exc->vector != X86_INTR)
		l.at += sys_format(l.at, l.room, l.json ? ",\"vector\":%u" : " vector=%u", exc->vector);
	if (exc->vector == X86_PF)
		line_address(&l, "address", exc->addr);
	line_end(e, t, &l);
}

void trace_flush(const struct engine *e, struct thread *t)
{
	const uint8_t *buffer = e->trace.buffers + (uint64_t)t->index * TRACE_BUFFER;
	long fd, done;

	fd = sys_call3(__NR_open, e->trace.path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY, 0);
	for (; fd >= 0 && t->trace.used; t->trace.used -= (uint32_t)done, buffer += done) {
		done = sys_call3(__NR_write, fd, buffer, t->trace.used);
		if (done <= 0)
			break;
	}
	if (fd >= 0)
		sys_call1(__NR_close, fd);
	t->trace.used = 0;
}
