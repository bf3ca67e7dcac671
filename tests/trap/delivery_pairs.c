/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exception goes where, and what is in force when: the engine's calls, in the order of real programs. */
#include "trap/delivery.h"

#include <errno.h>

#include "harness.h"
#include "trap/engine.h"

#define ENCLU		UINT64_C(0x401000)
#define OTHER		UINT64_C(0x402000)
#define STACK		UINT64_C(0x7ff000000000)

static struct engine e;
static struct thread t;
static struct kucontext uc;

static void fresh(void)
{
	memset(&e, 0, sizeof(e));
	memset(&t, 0, sizeof(t));
	t.tid = 1;
}

static long process(uint64_t enclu, uint64_t handler)
{
	return delivery_register(&e, &t, &(struct enclu_pair){ enclu, handler });
}

static long push(uint64_t enclu, uint64_t handler, uint64_t rsp)
{
	return delivery_register_thread(&t, &(struct enclu_pair){ enclu, handler }, rsp);
}

static long pop(uint64_t rsp)
{
	return push(0, 0, rsp);
}

/* Where an exception at @rip goes; 0: a signal. */
static uint64_t goes(uint64_t rip, enum x86_vector vector)
{
	const struct exception exc = { vector, 0x14, 0x1234 };

	uc.mc = (struct kmcontext){ .rip = rip, .rax = 3, .rdi = 7, .rsi = 8, .rdx = 9, .rsp = 10 };
	if (delivery_fixup(&e, &t, &exc, &uc)) {
		EXPECT_EQ(uc.mc.rdi, vector);
		EXPECT_EQ(uc.mc.rsi, 0x14);
		EXPECT_EQ(uc.mc.rdx, vector == X86_PF ? 0x1234 : 0);
		return uc.mc.rip;
	}
	EXPECT_TRUE(uc.mc.rip == rip && uc.mc.rdi == 7 && uc.mc.rsi == 8 && uc.mc.rdx == 9);
	return 0;
}

/* Proves: C1-2, C1-3, C1-8 */
TEST(delivery_pairs, process_pair)
{
	fresh();
	EXPECT_TRUE(!delivery_registered(&e));
	EXPECT_EQ(goes(0, X86_UD), 0);			/* not registered is not registered at 0 */
	EXPECT_EQ(process(0, 0), -EINVAL);
	EXPECT_EQ(process(ENCLU, ENCLU), -EINVAL);
	EXPECT_TRUE(!delivery_registered(&e));
	EXPECT_EQ(process(ENCLU, 0), 0);
	EXPECT_TRUE(delivery_registered(&e));
	EXPECT_EQ(process(0, 5), 0);
	EXPECT_TRUE(delivery_registered(&e));
	EXPECT_EQ(goes(0, X86_UD), 5);
	EXPECT_EQ(process(ENCLU, 1), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
	EXPECT_EQ(goes(ENCLU + 1, X86_UD), 0);
	EXPECT_EQ(goes(0, X86_UD), 0);
	EXPECT_EQ(process(ENCLU, 2), 0);
	EXPECT_EQ(goes(ENCLU, X86_PF), 2);
	EXPECT_EQ(uc.mc.rsp, 10);
	EXPECT_EQ(uc.mc.rax, 3);
}

/* Proves: C1-6 */
TEST(delivery_pairs, all_exceptions_but_debug_and_breakpoint)
{
	static const uint8_t vectors[] = { X86_DE, X86_BR, X86_UD, X86_GP, X86_PF, X86_MF, X86_AC, X86_XM };

	fresh();
	process(ENCLU, 1);
	push(OTHER, 2, STACK);
	e.vdso_enclu = 0x403000;
	e.vdso_exception_pad = 3;
	for (unsigned i = 0; i < sizeof(vectors); i++) {
		EXPECT_EQ(goes(ENCLU, vectors[i]), 1);
		EXPECT_EQ(goes(OTHER, vectors[i]), 2);
		EXPECT_EQ(goes(0x403000, vectors[i]), 3);
	}
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(goes((uint64_t[]){ ENCLU, OTHER, 0x403000 }[i], X86_DB), 0);
		EXPECT_EQ(goes((uint64_t[]){ ENCLU, OTHER, 0x403000 }[i], X86_BP), 0);
	}
}

/* Proves: C5-6 */
TEST(delivery_pairs, thread_first_then_process)
{
	fresh();
	process(ENCLU, 1);
	EXPECT_EQ(pop(STACK), -EINVAL);
	EXPECT_EQ(push(ENCLU, ENCLU, STACK), -EINVAL);
	EXPECT_EQ(push(ENCLU, 2, STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	EXPECT_EQ(push(OTHER, 3, STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	EXPECT_EQ(push(ENCLU, 4, STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 4);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
	EXPECT_EQ(pop(STACK), -EINVAL);
	for (unsigned i = 0; i < DELIVERY_PAIRS_MAX; i++)
		EXPECT_EQ(push(OTHER, 5, STACK), 0);
	EXPECT_EQ(push(OTHER, 5, STACK), -ENOMEM);
	for (unsigned i = 0; i < DELIVERY_PAIRS_MAX; i++)
		EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
}

/* Proves: C5-6 */
TEST(delivery_pairs, resumption_undoes_what_its_handler_registered)
{
	fresh();
	push(ENCLU, 1, STACK);
	delivery_entered(&t, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	EXPECT_EQ(push(ENCLU, 2, STACK - 200), 0);
	delivery_entered(&t, STACK - 300);
	delivery_interrupted(&t, 0xb000, STACK - 300);
	EXPECT_EQ(pop(STACK - 400), 0);
	EXPECT_EQ(pop(STACK - 400), 0);			/* more than its own */
	EXPECT_EQ(pop(STACK - 400), -EINVAL);
	EXPECT_EQ(push(ENCLU, 3, STACK - 400), 0);
	EXPECT_EQ(push(ENCLU, 4, STACK - 400), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 4);
	delivery_resumed(&t, 0xb000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	delivery_resumed(&t, 0xa000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
	EXPECT_EQ(t.delivery.entries, 0);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
	delivery_resumed(&t, 0xa000);			/* nobody's */
}

/* Proves: C5-6 */
TEST(delivery_pairs, the_same_tcs_twice_is_resumed_from_within)
{
	fresh();
	push(ENCLU, 1, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	push(ENCLU, 2, STACK - 100);
	delivery_entered(&t, STACK - 100);
	delivery_interrupted(&t, 0xa000, STACK - 100);
	push(ENCLU, 3, STACK - 200);
	delivery_resumed(&t, 0xa000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	delivery_resumed(&t, 0xa000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
}

/* Proves: C5-6 */
TEST(delivery_pairs, abandonment_undoes_it_too)
{
	fresh();
	push(ENCLU, 1, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	push(ENCLU, 2, STACK - 100);
	delivery_entered(&t, STACK - 200);		/* the handler calls an enclave */
	EXPECT_EQ(goes(ENCLU, X86_UD), 2);
	delivery_entered(&t, STACK);			/* and is gone */
	EXPECT_EQ(t.delivery.entries, 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
	/* Several at once, found by a registration further up. */
	for (uint64_t i = 0; i < 5; i++) {
		delivery_entered(&t, STACK - 100 * i);
		delivery_interrupted(&t, 0xa000 + i, STACK - 100 * i);
		push(ENCLU, 10 + i, STACK - 100 * i - 50);
	}
	delivery_entered(&t, STACK - 1000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 14);
	EXPECT_EQ(push(OTHER, 6, STACK + 8), 0);
	EXPECT_EQ(t.delivery.entries, 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
	EXPECT_EQ(goes(OTHER, X86_UD), 6);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
}

/* Proves: C5-6 */
TEST(delivery_pairs, what_comes_after_the_abandonment_stays)
{
	fresh();
	push(ENCLU, 1, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	push(ENCLU, 2, STACK - 100);			/* of the handler: it enters with it */
	delivery_entered(&t, STACK - 200);
	push(ENCLU, 3, STACK - 40);			/* nobody can tell whose */
	push(OTHER, 4, STACK - 40);
	EXPECT_EQ(goes(ENCLU, X86_UD), 3);
	delivery_entered(&t, STACK);			/* now it is clear */
	EXPECT_EQ(goes(ENCLU, X86_UD), 3);
	EXPECT_EQ(goes(OTHER, X86_UD), 4);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);		/* not 2 */
	/* What was taken away is not brought back. */
	delivery_interrupted(&t, 0xa000, STACK);
	EXPECT_EQ(pop(STACK - 40), 0);
	EXPECT_EQ(push(ENCLU, 5, STACK - 40), 0);
	delivery_entered(&t, STACK);
	EXPECT_EQ(goes(ENCLU, X86_UD), 5);
	EXPECT_EQ(pop(STACK), 0);
	EXPECT_EQ(pop(STACK), -EINVAL);
}

/* Proves: C5-6 */
TEST(delivery_pairs, handlers_on_the_alternate_stack_abandon_nothing)
{
	fresh();
	t.altstack = (struct kstack){ .sp = STACK + 0x10000, .size = 0x10000 };
	push(ENCLU, 1, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	EXPECT_EQ(push(ENCLU, 2, STACK + 0x18000), 0);
	delivery_entered(&t, STACK + 0x18000);
	EXPECT_EQ(t.delivery.entries, 1);
	delivery_resumed(&t, 0xa000);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
}

/* Proves: C5-6 */
TEST(delivery_pairs, more_interrupted_entries_than_are_remembered)
{
	const unsigned n = DELIVERY_ENTRIES_MAX + 5;

	fresh();
	push(ENCLU, 1, STACK);
	for (unsigned i = 0; i < n; i++) {
		delivery_entered(&t, STACK - 64 * i);
		delivery_interrupted(&t, 0xa000 + i, STACK - 64 * i);
	}
	EXPECT_EQ(t.delivery.entries, DELIVERY_ENTRIES_MAX);
	for (unsigned i = n; i-- > 0;)
		delivery_resumed(&t, 0xa000 + i);
	EXPECT_EQ(t.delivery.entries, 0);
	EXPECT_EQ(goes(ENCLU, X86_UD), 1);
}

/* Proves: C5-6 */
TEST(delivery_pairs, threads_without_pairs_remember_nothing)
{
	fresh();
	t.cache.tcs_la = 0xa000;
	delivery_entered(&t, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	EXPECT_EQ(t.delivery.entries, 0);
	EXPECT_EQ(t.cache.tcs_la, 0xa000);
	push(ENCLU, 1, STACK);
	delivery_interrupted(&t, 0xa000, STACK);
	EXPECT_EQ(t.cache.tcs_la, 0);		/* the next entry is not made past us */
}
