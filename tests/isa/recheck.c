/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EACCEPT, EMODPE and EACCEPTCOPY look at their target before they lock it, and again after. Here a second
 * thread, as a leaf that holds the page exclusively would, makes the target unfit and fit again: while it is
 * unfit, the leaf must not touch it, however late the change came.
 */
#include <pthread.h>

#include "isa/user.h"

enum { INFO_PAGE = FIXTURE_FREE, TARGET_PAGE, FROM_PAGE, ROUNDS = 3000 };

#define INFO	(FIXTURE_BASE + 0x10000)
#define TARGET	(FIXTURE_BASE + 0x11000)
#define FROM	(FIXTURE_BASE + 0x12000)

struct race {
	struct fixture *f;
	enum wrong wrong;
	struct epcm_entry fit;		/* the target, ready for the leaf */
	_Atomic bool stop;
	unsigned touched;		/* times that the leaf changed an unfit page */
};

static void entry_put(struct epcm_entry *e, const struct epcm_entry *from)
{
	while (!epcm_lock_exclusive(e))
		;
	memcpy((char *)e + sizeof(e->lock), (const char *)from + sizeof(e->lock), sizeof(*e) - sizeof(e->lock));
	epcm_unlock_exclusive(e);
}

static void *other_leaf(void *arg)
{
	struct race *race = arg;
	struct epcm_entry *e = &race->f->epcm[TARGET_PAGE], unfit = race->fit;

	user_break(&unfit, race->wrong);
	while (!race->stop) {
		entry_put(e, &race->fit);
		for (volatile unsigned spin = 0; spin < 60; spin++)
			;
		entry_put(e, &unfit);
		for (volatile unsigned spin = 0; spin < 60; spin++)
			;
		while (!epcm_lock_exclusive(e))
			;
		race->touched += memcmp((char *)e + sizeof(e->lock), (char *)&unfit + sizeof(unfit.lock),
					sizeof(unfit) - sizeof(unfit.lock)) != 0;
		epcm_unlock_exclusive(e);
	}
	return NULL;
}

static unsigned race(struct fixture *f, uint32_t leaf, enum wrong wrong, uint64_t secinfo_flags)
{
	struct race race = { .f = f, .wrong = wrong, .fit = f->epcm[TARGET_PAGE] };
	struct sgx_secinfo *si = (void *)user_page(f, INFO_PAGE, INFO);
	pthread_t thread;

	user_page(f, FROM_PAGE, FROM);
	si->flags = SGX_SECINFO_OF_PT(SGX_PT_REG) | secinfo_flags;
	if (pthread_create(&thread, NULL, other_leaf, &race)) {
		test_fail(__FILE__, __LINE__, "no thread");
		return 1;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		user_regs(f, leaf, INFO, TARGET, FROM);
		user_enclu(f);
	}
	race.stop = true;
	pthread_join(thread, NULL);
	return race.touched;
}

static struct fixture *pending_page(void)
{
	struct fixture *f = user_inside();

	user_page(f, TARGET_PAGE, TARGET);
	f->epcm[TARGET_PAGE].pending = true;
	return f;
}

/* Proves: EACCEPT-31, EACCEPT-32 */
TEST(recheck, eaccept_judges_the_target_again_under_the_lock)
{
	static const enum wrong cases[] = { WRONG_VALID, WRONG_SECS };

	for (size_t i = 0; i < USER_COUNT(cases); i++)
		EXPECT_EQ(race(pending_page(), EACCEPT, cases[i],
			       SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING), 0);
}

/* Proves: EMODPE-23, EMODPE-24, EMODPE-25, EMODPE-26, EMODPE-27 */
TEST(recheck, emodpe_judges_the_target_again_under_the_lock)
{
	static const enum wrong cases[] = { WRONG_VALID, WRONG_PENDING, WRONG_MODIFIED, WRONG_PT, WRONG_SECS };

	for (size_t i = 0; i < USER_COUNT(cases); i++) {
		struct fixture *f = user_inside();

		user_page(f, TARGET_PAGE, TARGET);
		EXPECT_EQ(race(f, EMODPE, cases[i], SGX_SECINFO_RWX), 0);
	}
}

/* Proves: EACCEPTCOPY-36, EACCEPTCOPY-37, EACCEPTCOPY-38, EACCEPTCOPY-42, EACCEPTCOPY-43 */
TEST(recheck, eacceptcopy_judges_the_destination_again_under_the_lock)
{
	static const enum wrong cases[] = { WRONG_VALID, WRONG_PENDING, WRONG_MODIFIED, WRONG_PT, WRONG_SECS };

	for (size_t i = 0; i < USER_COUNT(cases); i++)
		EXPECT_EQ(race(pending_page(), EACCEPTCOPY, cases[i], SGX_SECINFO_R), 0);
}
