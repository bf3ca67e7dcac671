/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices and the ioctls that build an enclave: A-DEV, A-ST, A-CRE, A-ADD, A-INI, A-PRV. */
#include "drv/fixture.h"

/* Proves: A-DEV-5, A-EPC-14, A-CRE-11 */
TEST(drv_build, enclave_is_built_and_counted)
{
	struct env *v = env_new(64);
	uint64_t base;
	int fd = built(v, &base);
	struct encl *e = encl_of(v, fd);

	EXPECT_EQ(encl_state(e), ENCL_INITIALISED);
	EXPECT_EQ(v->d->epc_used, 4 + 2);	/* pages, SECS, VA */
	EXPECT_EQ(v->counters.enclaves_created, 1);
	EXPECT_EQ(v->counters.enclaves_initialised, 1);
	EXPECT_EQ(v->counters.pages_added, 4);
	EXPECT_EQ(v->counters.pages_measured, 4);
	EXPECT_EQ(v->initialised, 1);
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(v->d->encl_count, 0);
	munmap((void *)base, 16 * PAGE);
}
