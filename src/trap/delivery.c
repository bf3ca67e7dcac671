/* SPDX-License-Identifier: BSD-2-Clause */
#include "trap/delivery.h"

#include <linux/errno.h>

#include "trap/engine.h"
#include "trap/insn.h"
#include "trap/rtcopy.h"

#define PREFIX		0x3e	/* C2-5: a segment override that 64-bit mode ignores, three times */
#define PREFIX_COUNT	3
#define PREFIXED_SIZE	(PREFIX_COUNT + 3)

long delivery_register(struct engine *e, const struct thread *t, const struct enclu_pair *pair)
{
	if (pair->enclu == pair->handler)				return -EINVAL;		/* C1-2 */
	lock_acquire(&e->patch_lock, (uint32_t)t->tid);
	e->delivery.process = *pair;
	lock_release(&e->patch_lock);
	return 0;
}

bool delivery_registered(const struct engine *e)
{
	return e->delivery.process.enclu || e->delivery.process.handler;
}

/*
 * What was in force when an abandoned entry began, @top, is so again, under what was registered since: nobody says when
 * an entry is abandoned, but its handler does not register something and then enter nothing.
 */
static void restore(struct thread_delivery *d, uint32_t top)
{
	uint32_t i = d->top, n = d->fresh;

	if (d->popped)
		return;
	if (!n) {
		d->top = top;
		return;
	}
	while (--n)
		i = d->pushed[i - 1].below;
	d->pushed[i - 1].below = top;
}

static void settle(struct thread_delivery *d)
{
	d->fresh = 0;
	d->popped = false;
}

/* Entries whose host frame the program has left: abandoned. */
static void drop_abandoned(struct thread *t, uint64_t rsp)
{
	struct thread_delivery *d = &t->delivery;

	if (rsp - t->altstack.sp - 1 < t->altstack.size)
		return;				/* of a signal handler, in the middle of something */
	while (d->entries && d->entry[d->entries - 1].rsp <= rsp)
		restore(d, d->entry[--d->entries].top);
}

/* How many places are taken: those above the highest that is in force, or will be, are free. */
static uint32_t places_taken(const struct thread_delivery *d)
{
	uint32_t taken = d->top, i;

	for (i = 0; i < d->entries; i++)
		if (d->entry[i].top > taken)
			taken = d->entry[i].top;
	return taken;
}

long delivery_register_thread(struct thread *t, const struct enclu_pair *pair, uint64_t rsp)
{
	struct thread_delivery *d = &t->delivery;
	uint32_t place;

	drop_abandoned(t, rsp);
	if (!pair->enclu && !pair->handler) {
		if (!d->top)						return -EINVAL;
		d->top = d->pushed[d->top - 1].below;
		if (d->fresh)
			d->fresh--;
		else
			d->popped = true;
		return 0;
	}
	place = places_taken(d);
	if (pair->enclu == pair->handler)				return -EINVAL;
	if (place == DELIVERY_PAIRS_MAX)				return -ENOMEM;
	d->pushed[place].pair = *pair;
	d->pushed[place].below = d->top;
	d->top = place + 1;
	d->fresh++;
	return 0;
}

void delivery_entered(struct thread *t, uint64_t rsp)
{
	if (t->delivery.entries)
		drop_abandoned(t, rsp);
	settle(&t->delivery);
}

void delivery_interrupted(struct thread *t, uint64_t tcs, uint64_t rsp)
{
	struct thread_delivery *d = &t->delivery;

	if (!d->top && !d->entries)
		return;
	drop_abandoned(t, rsp);
	if (d->entries == DELIVERY_ENTRIES_MAX) {	/* more frames than anybody resumes: the outermost one's is lost */
		d->entries--;
		__builtin_memmove(d->entry, d->entry + 1, d->entries * sizeof(d->entry[0]));
	}
	d->entry[d->entries].tcs = tcs;
	d->entry[d->entries].rsp = rsp;
	d->entry[d->entries].top = d->top;
	d->entries++;
	settle(d);
	t->cache.tcs_la = 0;		/* the fast path would tell nobody */
}

void delivery_resumed(struct thread *t, uint64_t tcs)
{
	struct thread_delivery *d = &t->delivery;
	uint32_t i;

	for (i = d->entries; i-- > 0;) {
		if (d->entry[i].tcs != tcs)
			continue;
		d->top = d->entry[i].top;
		d->entries = i;
		settle(d);
		return;
	}
}

/* The handler for an exception at @rip, or NULL. The thread's pairs are searched for the address, so that a runtime
 * that forgot its pair does not hide another's. */
static const struct enclu_pair *pair_at(const struct engine *e, const struct thread *t, uint64_t rip)
{
	const struct thread_delivery *d = &t->delivery;
	uint32_t i;

	for (i = d->top; i; i = d->pushed[i - 1].below)
		if (d->pushed[i - 1].pair.enclu == rip)
			return &d->pushed[i - 1].pair;
	return delivery_registered(e) && e->delivery.process.enclu == rip ? &e->delivery.process : NULL;
}

/* C2-1, C2-5. */
static bool is_prefixed_enclu(uint64_t rip)
{
	static const uint8_t prefixed[PREFIXED_SIZE] = { PREFIX, PREFIX, PREFIX, 0x0f, 0x01, 0xd7 };
	uint8_t bytes[PREFIXED_SIZE];

	return !rt_copy(bytes, (const void *)rip, sizeof(bytes)) && !__builtin_memcmp(bytes, prefixed, sizeof(bytes));
}

bool delivery_fixup(struct engine *e, struct thread *t, const struct exception *exc, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	const struct enclu_pair *pair;

	if (exc->vector == X86_DB || exc->vector == X86_BP)		/* B-34 */
		return false;
	pair = pair_at(e, t, m->rip);
	if (pair) {
		m->rip = pair->handler;					/* C1-4 */
	} else if (e->vdso_exception_pad && m->rip == e->vdso_enclu) {
		m->rip = e->vdso_exception_pad;				/* B-31 */
	} else if (e->delivery.prefix && (m->rax == EENTER || m->rax == ERESUME) && is_prefixed_enclu(m->rip)) {
		m->rax = EFAULT;					/* C2-2 */
		m->rip += PREFIXED_SIZE;
	} else {
		return false;
	}
	m->rdi = exc->vector;
	m->rsi = exc->error_code;
	m->rdx = exc->vector == X86_PF ? exc->addr : 0;
	return true;
}
