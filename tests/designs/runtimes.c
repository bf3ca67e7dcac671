/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runtimes in one process that know nothing of each other (C.5): one after the other, within each other, at once.
 */
#include "designs/runtime.h"
#include "harness.h"

#include <pthread.h>
#include <stddef.h>

static runtime_run_t *const all[] = { runtime_signals, runtime_vdso, runtime_prefix, runtime_signals_too };
enum { RUNTIMES = sizeof(all) / sizeof(all[0]), ROUNDS = 100 };

/* Proves: C5-2, C5-4 */
TEST(runtimes, take_turns)
{
	unsigned i, k;

	for (k = 0; k < 5; k++)
		for (i = 0; i < RUNTIMES; i++)
			EXPECT_EQ(all[(i * 3 + k) % RUNTIMES](ROUNDS, NULL, NULL), 0);
}

/* The runtimes of a list, each within an exception of the one before. */
static unsigned nest(void *arg)
{
	runtime_run_t *const *list = arg;

	return *list ? (*list)(3, nest, (void *)(list + 1)) : 0;
}

/* Proves: C5-1, C5-3, C5-4 */
TEST(runtimes, within_each_other)
{
	unsigned a, b, c;

	for (a = 0; a < RUNTIMES; a++)
		for (b = 0; b < RUNTIMES; b++)
			for (c = 0; c < RUNTIMES; c++) {
				runtime_run_t *list[] = { all[a], all[b], all[c], NULL };

				EXPECT_EQ(nest(list), 0);
			}
}

static void *worker(void *arg)
{
	unsigned i, wrong = 0, first = (unsigned)(uintptr_t)arg;

	for (i = 0; i < 10; i++) {
		runtime_run_t *list[] = { all[first % RUNTIMES], all[(first + i) % RUNTIMES], NULL };

		wrong += all[(first + i) % RUNTIMES](20, NULL, NULL);
		wrong += nest(list);
	}
	return (void *)(uintptr_t)wrong;
}

/* Proves: C5-2, C5-4 */
TEST(runtimes, at_the_same_time)
{
	pthread_t threads[RUNTIMES];
	uintptr_t i;
	void *wrong;

	for (i = 0; i < RUNTIMES; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	for (i = 0; i < RUNTIMES; i++) {
		pthread_join(threads[i], &wrong);
		EXPECT_EQ((uintptr_t)wrong, 0);
	}
}
