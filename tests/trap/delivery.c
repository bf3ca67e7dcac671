/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of the thread (C5-6): what is pushed and popped, in any order, by code that knows nothing of its callers. */
#include "harness.h"
#include "trap/engine.h"
#include "trap/rtcopy.h"

#include <errno.h>

#define ENCLU(n)	(0x1000u * (n))
#define HANDLER(n)	(0x1000u * (n) + 0x800u)
#define STACK		0x70000000u

static struct engine engine;
static struct thread thread;

uint64_t rt_copy(void *dst, const void *src, size_t size)
{
	(void)dst;
	(void)src;
	return size;
}

static void begin(void)
{
	memset(&engine, 0, sizeof(engine));
	memset(&thread, 0, sizeof(thread));
}

static long push(unsigned n, uint64_t rsp)
{
	return delivery_register_thread(&thread, &(struct enclu_pair){ ENCLU(n), HANDLER(n) }, rsp);
}

static long pop(uint64_t rsp)
{
	return delivery_register_thread(&thread, &(struct enclu_pair){ 0, 0 }, rsp);
}

/* Where an exception at ENCLU(n) continues; 0: a signal. */
static uint64_t handler_of(unsigned n)
{
	struct exception exc = { .vector = X86_UD };
	struct kucontext uc = { .mc.rip = ENCLU(n) };

	return delivery_fixup(&engine, &thread, &exc, &uc) ? uc.mc.rip : 0;
}

/* Proves: C5-6 */
TEST(delivery, push_and_pop)
{
	begin();
	EXPECT_EQ(pop(STACK), -EINVAL);
	EXPECT_EQ(delivery_register_thread(&thread, &(struct enclu_pair){ 5, 5 }, STACK), -EINVAL);
	EXPECT_EQ(push(1, STACK), 0);
	EXPECT_EQ(push(2, STACK), 0);
	EXPECT_EQ(handler_of(1), HANDLER(1));		/* not hidden by what lies on top */
	EXPECT_EQ(handler_of(2), HANDLER(2));
	EXPECT_EQ(handler_of(3), 0);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(handler_of(2), 0);
	EXPECT_EQ(handler_of(1), HANDLER(1));
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
}

/* Proves: C5-6 */
TEST(delivery, one_more_than_there_is_room_for)
{
	unsigned n;

	begin();
	for (n = 1; n <= DELIVERY_PAIRS_MAX; n++)
		EXPECT_EQ(push(n, STACK), 0);
	EXPECT_EQ(push(n, STACK), -ENOMEM);
	EXPECT_EQ(handler_of(n), 0);
	EXPECT_EQ(handler_of(DELIVERY_PAIRS_MAX), HANDLER(DELIVERY_PAIRS_MAX));
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(push(n, STACK), 0);
}

/* Proves: C5-4, C5-6 */
TEST(delivery, resuming_brings_back_what_was_in_force)
{
	begin();
	push(1, STACK);
	delivery_interrupted(&thread, 0x100, STACK);
	push(2, STACK - 100);				/* and forgotten */
	push(3, STACK - 100);
	delivery_interrupted(&thread, 0x200, STACK - 200);
	EXPECT_EQ(pop(STACK - 300), 0);
	EXPECT_EQ(handler_of(3), 0);
	delivery_resumed(&thread, 0x200);
	EXPECT_EQ(handler_of(3), HANDLER(3));
	delivery_resumed(&thread, 0x100);
	EXPECT_EQ(handler_of(3), 0);
	EXPECT_EQ(handler_of(2), 0);
	EXPECT_EQ(handler_of(1), HANDLER(1));
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
}

/* Whoever pops what is not its own, and pushes something else, disturbs only itself. */
/* Proves: C5-4, C5-6 */
TEST(delivery, popping_too_often_disturbs_nobody_outside)
{
	begin();
	push(1, STACK);
	push(2, STACK);
	delivery_interrupted(&thread, 0x100, STACK);
	EXPECT_EQ(pop(STACK - 100), 0);
	EXPECT_EQ(pop(STACK - 100), 0);
	EXPECT_EQ(pop(STACK - 100), -EINVAL);
	EXPECT_EQ(push(3, STACK - 100), 0);
	EXPECT_EQ(push(4, STACK - 100), 0);
	EXPECT_EQ(handler_of(3), HANDLER(3));
	EXPECT_EQ(handler_of(1), 0);
	delivery_resumed(&thread, 0x100);
	EXPECT_EQ(handler_of(1), HANDLER(1));
	EXPECT_EQ(handler_of(2), HANDLER(2));
	EXPECT_EQ(handler_of(3), 0);
	EXPECT_EQ(handler_of(4), 0);
}

/* An entry whose frame the program has left ends as if it had been resumed. */
/* Proves: C5-6 */
TEST(delivery, abandoned_entries)
{
	begin();
	push(1, STACK);
	delivery_interrupted(&thread, 0x100, STACK - 1000);
	push(2, STACK - 2000);
	delivery_entered(&thread, STACK - 2500);
	delivery_interrupted(&thread, 0x200, STACK - 3000);
	push(3, STACK - 4000);
	delivery_entered(&thread, STACK - 4500);
	EXPECT_EQ(push(4, STACK - 1000), 0);		/* back where the first one began: both are gone */
	EXPECT_EQ(thread.delivery.entries, 0);
	EXPECT_EQ(handler_of(1), HANDLER(1));
	EXPECT_EQ(handler_of(2), 0);
	EXPECT_EQ(handler_of(3), 0);
	EXPECT_EQ(handler_of(4), HANDLER(4));
}

/* Proves: C5-6 */
TEST(delivery, more_entries_than_anybody_resumes)
{
	unsigned i;

	begin();
	push(1, STACK);
	for (i = 0; i < 3 * DELIVERY_ENTRIES_MAX; i++) {
		delivery_interrupted(&thread, 0x100 + i, STACK - 100 * (i + 1));
		EXPECT_EQ(push(2 + i, STACK - 100 * (i + 1) - 50), i + 2 <= DELIVERY_PAIRS_MAX ? 0 : -ENOMEM);
	}
	EXPECT_EQ(thread.delivery.entries, DELIVERY_ENTRIES_MAX);
	EXPECT_EQ(handler_of(1), HANDLER(1));
	for (i = 0; i < DELIVERY_PAIRS_MAX; i++)	/* what the lost ones forgot is there */
		EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(thread.delivery.entries, 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
	EXPECT_EQ(handler_of(1), 0);
}

/* Proves: C1-4, C1-8, C5-6, B-34 */
TEST(delivery, the_threads_pair_comes_before_the_processs)
{
	struct exception exc = { .vector = X86_PF, .error_code = 7, .addr = 0x123456 };
	struct kucontext uc = { .mc = { .rip = ENCLU(1), .rax = 3, .rbx = 1, .rcx = 2, .rsp = 4, .rdi = 9 } };
	const struct kucontext before = uc;

	begin();
	EXPECT_TRUE(!delivery_fixup(&engine, &thread, &exc, &uc));
	EXPECT_EQ(delivery_register(&engine, &thread, &(struct enclu_pair){ ENCLU(1), 0x77 }), 0);
	EXPECT_EQ(handler_of(1), 0x77);
	push(1, STACK);
	exc.vector = X86_DB;
	EXPECT_TRUE(!delivery_fixup(&engine, &thread, &exc, &uc));
	EXPECT_MEMEQ(&uc, &before, sizeof(uc));
	exc.vector = X86_PF;
	EXPECT_TRUE(delivery_fixup(&engine, &thread, &exc, &uc));
	EXPECT_EQ(uc.mc.rip, HANDLER(1));
	EXPECT_EQ(uc.mc.rdi, 14);
	EXPECT_EQ(uc.mc.rsi, 7);
	EXPECT_EQ(uc.mc.rdx, 0x123456);
	EXPECT_EQ(uc.mc.rax, 3);
	EXPECT_EQ(uc.mc.rbx, 1);
	EXPECT_EQ(uc.mc.rcx, 2);
	EXPECT_EQ(uc.mc.rsp, 4);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(handler_of(1), 0x77);
}
