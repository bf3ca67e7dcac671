/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registered pairs (C.1, C5-6) under any sequence of registrations, entries, exits, resumptions and abandoned frames:
 * compared with lists that are simply copied where the runtime remembers a number.
 */
#include "fuzz.h"
#include "trap/engine.h"
#include "trap/rtcopy.h"

#include <linux/errno.h>

#define DEEP	64
#define ADDRS	8

struct list {
	unsigned int count;
	struct enclu_pair pair[DELIVERY_PAIRS_MAX];
};

static struct engine engine;
static struct thread thread;
static struct list now;
static struct { uint64_t tcs, rsp; struct list saved; } entry[DEEP];
static unsigned int entries, fresh;	/* fresh: the last ones of now, pushed since the last entry or exit */
static bool popped;			/* and one that is older was taken away */

uint64_t rt_copy(void *dst, const void *src, size_t size)
{
	(void)dst;
	(void)src;
	return size;
}

static void drop(uint64_t rsp)
{
	while (entries && entry[entries - 1].rsp <= rsp) {
		struct list list = entry[--entries].saved;

		if (popped)
			continue;
		for (unsigned int i = now.count - fresh; i < now.count; i++)
			list.pair[list.count++] = now.pair[i];
		now = list;
	}
}

static void settle(void)
{
	fresh = 0;
	popped = false;
}

static void entered(uint64_t rsp)
{
	delivery_entered(&thread, rsp);
	drop(rsp);
	settle();
}

/* false: the runtime's room is used up, from which on it may forget what is outermost. */
static bool push(const struct enclu_pair *pair, uint64_t rsp)
{
	const long ret = delivery_register_thread(&thread, pair, rsp);

	drop(rsp);
	if (!pair->enclu && !pair->handler) {
		FUZZ_CHECK(ret == (now.count ? 0 : -EINVAL));
		if (ret)
			return true;
		now.count--;
		popped |= !fresh;
		fresh -= !!fresh;
	} else if (pair->enclu == pair->handler) {
		FUZZ_CHECK(ret == -EINVAL);
	} else if (ret == -ENOMEM) {
		return false;
	} else {
		FUZZ_CHECK(ret == 0 && now.count < DELIVERY_PAIRS_MAX);
		now.pair[now.count++] = *pair;
		fresh++;
	}
	return true;
}

static bool interrupted(uint64_t tcs, uint64_t rsp)
{
	delivery_interrupted(&thread, tcs, rsp);
	if (!now.count && !entries)
		return true;
	drop(rsp);
	if (entries == DELIVERY_ENTRIES_MAX)
		return false;
	entry[entries].tcs = tcs;
	entry[entries].rsp = rsp;
	entry[entries++].saved = now;
	settle();
	return true;
}

static void resumed(uint64_t tcs)
{
	delivery_resumed(&thread, tcs);
	for (unsigned int i = entries; i-- > 0;)
		if (entry[i].tcs == tcs) {
			now = entry[i].saved;
			entries = i;
			settle();
			return;
		}
}

static void check(const struct enclu_pair *process)
{
	FUZZ_CHECK(thread.delivery.entries == entries && thread.delivery.top <= DELIVERY_PAIRS_MAX);
	for (uint64_t rip = 0; rip < ADDRS; rip++) {
		const struct exception exc = { .vector = X86_UD };
		struct kucontext uc = { .mc.rip = rip };
		const bool caught = delivery_fixup(&engine, &thread, &exc, &uc);
		unsigned int i = now.count;

		while (i && now.pair[i - 1].enclu != rip)
			i--;
		if (i)
			FUZZ_CHECK(caught && uc.mc.rip == now.pair[i - 1].handler);
		else if ((process->enclu || process->handler) && process->enclu == rip)
			FUZZ_CHECK(caught && uc.mc.rip == process->handler);
		else
			FUZZ_CHECK(!caught && uc.mc.rip == rip);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enclu_pair process = { 0, 0 }, pair;
	size_t i;

	memset(&engine, 0, sizeof(engine));
	memset(&thread, 0, sizeof(thread));
	thread.altstack.sp = 100;
	thread.altstack.size = 20;
	now.count = entries = 0;
	settle();
	for (i = 0; i + 3 <= size; i += 3) {
		const uint64_t rsp = 200 - data[i + 2] % 64;	/* above the alternate stack */

		pair = (struct enclu_pair){ data[i + 1] % ADDRS, data[i + 1] / ADDRS };
		switch (data[i] % 5) {
		case 0:
			if (!push(&pair, rsp))
				return 0;
			break;
		case 1:
			if (!interrupted(data[i + 1] % 4, rsp))
				return 0;
			break;
		case 2:
			resumed(data[i + 1] % 4);
			break;
		case 3:
			FUZZ_CHECK(delivery_register(&engine, &thread, &pair) ==
				   (pair.enclu == pair.handler ? -EINVAL : 0));
			if (pair.enclu != pair.handler)
				process = pair;
			break;
		case 4:
			entered(rsp);
			break;
		}
		check(&process);
	}
	return 0;
}
