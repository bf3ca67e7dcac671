/* SPDX-License-Identifier: BSD-2-Clause */
#include "drv/abi2018.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "crypto/crypto.h"

void fixture_sign(struct sgx_sigstruct *s, unsigned signer);

struct env *old_env(uint64_t epc_pages, int *fd)
{
	struct env *v = env_new(epc_pages);

	*fd = (int)drv_open_2018(v->d, O_RDWR | O_CLOEXEC);
	return v;
}

long old_map_at(struct env *v, uint64_t addr, uint64_t length, int prot, int flags, int fd, uint64_t offset)
{
	return drv_mmap(v->d, v->tid, addr, length, (uint64_t)prot, (uint64_t)flags, fd, offset);
}

uint64_t old_map(struct env *v, int fd, uint64_t size)
{
	return (uint64_t)old_map_at(v, 0, size, RWX, MAP_SHARED, fd, 0);
}

long old_create(struct env *v, int fd, const struct sgx_secs *secs)
{
	struct sgx_2018_create p = { .src = (uint64_t)secs };

	return ioc(v, fd, SGX_2018_CREATE, &p);
}

uint64_t old_created(struct env *v, int fd)
{
	const uint64_t base = old_map(v, fd, OLD_SIZE);
	struct sgx_secs secs = secs_for(base, OLD_SIZE);

	if (sys_is_error((long)base) || old_create(v, fd, &secs)) {
		fprintf(stderr, "the test enclave can't be created\n");
		abort();
	}
	return base;
}

static long add_page(struct env *v, int fd, uint64_t addr, const void *src, uint64_t flags, uint16_t mrmask)
{
	struct sgx_secinfo secinfo = { .flags = flags };
	struct sgx_2018_add_page p = {
		.addr = addr, .src = (uint64_t)src, .secinfo = (uint64_t)&secinfo, .mrmask = mrmask,
	};

	return ioc(v, fd, SGX_2018_ADD_PAGE, &p);
}

long old_add(struct env *v, int fd, uint64_t base, uint64_t i, uint64_t flags, uint8_t fill, uint16_t mrmask)
{
	uint8_t page[PAGE];

	memset(page, fill, PAGE);
	return add_page(v, fd, base + i * PAGE, page, flags, mrmask);
}

void old_tcs(struct sgx_tcs *tcs)
{
	*tcs = (struct sgx_tcs){
		.ossa = 2 * PAGE, .nssa = 1, .oentry = PAGE, .fslimit = UINT32_MAX, .gslimit = UINT32_MAX,
	};
}

long old_add_tcs(struct env *v, int fd, uint64_t base, uint64_t i)
{
	struct sgx_tcs tcs;

	old_tcs(&tcs);
	return add_page(v, fd, base + i * PAGE, &tcs, TCS, 0xffff);
}

struct encl *old_encl(struct env *v, uint64_t base)
{
	return drv_encl_at(v->d, base);
}

const struct secs *old_secs(struct env *v, uint64_t base)
{
	const struct encl *e = old_encl(v, base);

	return (const struct secs *)(const void *)(e->section.mem + e->npages * PAGE);
}

void old_drain(struct env *v, uint64_t base)
{
	struct encl *e = old_encl(v, base);

	if (e)
		build_drain(v->d, v->tid, e);
}

void old_sign(struct env *v, uint64_t base, struct sgx_sigstruct *s)
{
	static const uint8_t header[16] = { 6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0 };
	static const uint8_t header2[16] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };
	const struct secs *secs = old_secs(v, base);

	memset(s, 0, sizeof(*s));
	memcpy(s->header, header, 16);
	memcpy(s->header2, header2, 16);
	s->attributes = secs->attributes;
	sha256_state_final(s->enclavehash, secs->measure_state, secs->measure_blocks);
	fixture_sign(s, 0);
}

long old_init_with(struct env *v, int fd, uint64_t base, struct sgx_sigstruct *s)
{
	struct sgx_2018_init p = { .addr = base, .sigstruct = (uint64_t)s };

	return ioc(v, fd, SGX_2018_INIT, &p);
}

long old_init(struct env *v, int fd, uint64_t base)
{
	struct sgx_sigstruct s;

	old_drain(v, base);
	old_sign(v, base, &s);
	return old_init_with(v, fd, base, &s);
}

uint64_t old_built(struct env *v, int fd)
{
	const uint64_t base = old_created(v, fd);

	if (old_add_tcs(v, fd, base, 0) || old_add(v, fd, base, 1, REG(SI_RX), 1, 0xffff) ||
	    old_add(v, fd, base, 2, REG(SI_RW), 2, 0xffff) || old_add(v, fd, base, 3, REG(SI_R), 3, 0xffff) ||
	    old_init(v, fd, base)) {
		fprintf(stderr, "the test enclave can't be built\n");
		abort();
	}
	return base;
}

pid_t old_hold(struct env *v)
{
	const pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	v->d->worker.pid = pid;
	v->d->worker.done = false;
	return pid;
}

void old_let_go(pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}
