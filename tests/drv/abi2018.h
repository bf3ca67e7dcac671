/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixture's driver as /dev/sgx of 2018: calls by their base numbers. */
#ifndef SOFTSGX_TESTS_DRV_ABI2018_H
#define SOFTSGX_TESTS_DRV_ABI2018_H

#include "drv/fixture.h"
#include "uapi/sgx_2018.h"

#define OLD_PAGES	16ull
#define OLD_SIZE	(OLD_PAGES * PAGE)
#define POWER_LOST	SGX_POWER_LOST_ENCLAVE

/** old_env() - a driver, with /dev/sgx open at *fd. */
struct env *old_env(uint64_t epc_pages, int *fd);
/** old_map() - mmap(NULL, @size) of the device; old_map_at() with all that mmap takes. */
uint64_t old_map(struct env *v, int fd, uint64_t size);
long old_map_at(struct env *v, uint64_t addr, uint64_t length, int prot, int flags, int fd, uint64_t offset);
long old_create(struct env *v, int fd, const struct sgx_secs *secs);
/** old_created() - a mapping of OLD_SIZE with an enclave that has no pages yet. */
uint64_t old_created(struct env *v, int fd);
/** old_add() - page @i; the source is filled with @fill. old_add_tcs() - one that EENTER could use: SSA is page 2. */
long old_add(struct env *v, int fd, uint64_t base, uint64_t i, uint64_t flags, uint8_t fill, uint16_t mrmask);
long old_add_tcs(struct env *v, int fd, uint64_t base, uint64_t i);
void old_tcs(struct sgx_tcs *tcs);
struct encl *old_encl(struct env *v, uint64_t base);
const struct secs *old_secs(struct env *v, uint64_t base);
void old_sign(struct env *v, uint64_t base, struct sgx_sigstruct *s);
long old_init_with(struct env *v, int fd, uint64_t base, struct sgx_sigstruct *s);
/** old_drain() - all queued pages are added, and the worker is gone. old_init() - signed for what is added by then. */
void old_drain(struct env *v, uint64_t base);
long old_init(struct env *v, int fd, uint64_t base);
/** old_built() - initialised: page 0 TCS, 1 RX, 2 RW, 3 R. */
uint64_t old_built(struct env *v, int fd);
/**
 * old_hold() - a process that does nothing takes the place of the worker, so that what is queued stays queued.
 * old_let_go() - and it has died.
 */
pid_t old_hold(struct env *v);
void old_let_go(pid_t pid);

/** old_done() - nothing of the enclave at @base (0: none) is left, or the test fails. */
static inline void old_done(struct env *v, int fd, uint64_t base)
{
	if (base) {
		old_drain(v, base);
		drv_munmap(v->d, v->tid, base, OLD_SIZE);
	}
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(v->d->encl_count, 0);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(v->d->worker.pid, 0);
}

#endif
