/* SPDX-License-Identifier: BSD-2-Clause */
/* ADD_PAGE of 2018 and the worker that adds what it queues (C0-4, C0-5). */
#include "drv/abi2018.h"

#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BAD	((void *)8)	/* no such address */

static struct env *v;
static int fd;

static long add_at(uint64_t addr, const void *src, const struct sgx_secinfo *secinfo)
{
	struct sgx_2018_add_page p = { .addr = addr, .src = (uint64_t)src, .secinfo = (uint64_t)secinfo, .mrmask = 1 };

	return ioc(v, fd, SGX_2018_ADD_PAGE, &p);
}

/* Proves: C0-4 */
TEST(abi2018_add, everything_is_wrong_and_put_right_in_order)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = TCS | SGX_SECINFO_W, .reserved = { 0 } };
	struct sgx_tcs *tcs = (struct sgx_tcs *)page;
	uint64_t base, unbound;

	v = old_env(64, &fd);
	unbound = old_map(v, fd, OLD_SIZE);
	base = old_created(v, fd);
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_RW), 1, 1), 0);
	old_drain(v, base);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base + OLD_SIZE - PAGE, PAGE), 0);	/* it is dead */
	memset(page, 0xff, PAGE);
	EXPECT_EQ(add_at(unbound - OLD_SIZE * 64 + 1, BAD, BAD), -EINVAL);
	EXPECT_EQ(add_at((uint64_t)page, BAD, BAD), -EINVAL);
	EXPECT_EQ(add_at(unbound, BAD, BAD), -ENOENT);
	old_encl(v, base)->abi.suspended = true;
	EXPECT_EQ(add_at(base + PAGE, BAD, BAD), 0x40000000);
	old_encl(v, base)->abi.suspended = false;
	EXPECT_EQ(add_at(base + PAGE, BAD, BAD), -EFAULT);
	EXPECT_EQ(add_at(base + PAGE, BAD, &secinfo), -EFAULT);
	EXPECT_EQ(add_at(base + PAGE, (void *)base, &secinfo), -EFAULT);
	EXPECT_EQ(add_at(base + PAGE, page, &secinfo), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, OLD_SIZE), 0);

	base = old_created(v, fd);
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_RW), 1, 1), 0);
	EXPECT_EQ(add_at(base + PAGE, page, &secinfo), -EINVAL);			/* W without R */
	secinfo.flags = TCS | SGX_SECINFO_RWX;
	EXPECT_EQ(add_at(base + PAGE, page, &secinfo), -EINVAL);			/* the contents of the TCS */
	old_tcs(tcs);
	EXPECT_EQ(add_at(base + PAGE, page, &secinfo), -EEXIST);
	EXPECT_EQ(add_at(base, page, &secinfo), 0);				/* rights of a TCS are not looked at */
	old_drain(v, base);
	EXPECT_EQ(old_encl(v, base)->section.epcm[0].pt, SGX_PT_TCS);
	EXPECT_EQ(old_init(v, fd, base), 0);
	EXPECT_EQ(add_at(base + 2 * PAGE, page, &secinfo), -EINVAL);		/* initialised */
	EXPECT_EQ(add_at(base + PAGE, page, &secinfo), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, unbound, OLD_SIZE), 0);
	old_done(v, fd, base);
}

/* Proves: C0-4 */
TEST(abi2018_add, secinfo)
{
	struct sgx_secinfo secinfo;
	uint64_t base;

	v = old_env(64, &fd);
	base = old_created(v, fd);
#define SECINFO(ret, change) do {						\
	static const uint8_t zero[PAGE];					\
										\
	secinfo = (struct sgx_secinfo){ .flags = REG(SI_RW) };			\
	change;									\
	EXPECT_EQ(add_at(base, zero, &secinfo), ret);				\
} while (0)
	for (unsigned type = 0; type < 256; type++)
		if (type != SGX_PT_REG && type != SGX_PT_TCS)
			SECINFO(-EINVAL, secinfo.flags = SGX_SECINFO_OF_PT(type));
	SECINFO(-EINVAL, secinfo.flags = REG(SGX_SECINFO_W));
	SECINFO(-EINVAL, secinfo.flags = REG(SGX_SECINFO_W | SGX_SECINFO_X));
	for (unsigned bit = 3; bit < 64; bit++)
		if (bit < 8 || bit > 15)
			SECINFO(-EINVAL, secinfo.flags |= UINT64_C(1) << bit);
	for (unsigned i = 0; i < sizeof(secinfo.reserved); i++)
		SECINFO(-EINVAL, ((uint8_t *)secinfo.reserved)[i] = 1);
	SECINFO(0, (void)0);
	old_done(v, fd, base);
}

/* Proves: C0-4 */
TEST(abi2018_add, contents_of_a_tcs)
{
	struct sgx_secinfo secinfo = { .flags = TCS };
	union { struct sgx_tcs t; uint8_t bytes[PAGE]; } u;
	uint64_t base;

	v = old_env(64, &fd);
	base = old_created(v, fd);
#define REFUSED(change) do {							\
	old_tcs(&u.t);								\
	change;									\
	EXPECT_EQ(add_at(base, &u, &secinfo), -EINVAL);				\
} while (0)
	REFUSED(u.t.flags = SGX_TCS_DBGOPTIN);
	REFUSED(u.t.flags = 2);
	REFUSED(u.t.ossa = 1);
	REFUSED(u.t.ossa = OLD_SIZE);
	REFUSED(u.t.ofsbasgx = PAGE + 8);
	REFUSED(u.t.ofsbasgx = OLD_SIZE);
	REFUSED(u.t.ogsbasgx = 16);
	REFUSED(u.t.ogsbasgx = UINT64_MAX << 12);
	REFUSED(u.t.fslimit = 0xffe);
	REFUSED(u.t.gslimit = 0);
	for (unsigned i = 72; i < PAGE; i++)
		REFUSED(u.bytes[i] = 1);
	old_tcs(&u.t);
	EXPECT_EQ(add_at(base, &u, &secinfo), 0);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, success_means_queued)
{
	uint64_t base;
	struct encl *e;
	pid_t held;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	e = old_encl(v, base);
	held = old_hold(v);
	for (uint64_t i = 4; i-- > 0;)
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), (uint8_t)i, 0xffff), 0);
	EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 2, 0xffff), -EEXIST);
	for (uint64_t i = 0; i < 4; i++)
		EXPECT_EQ(page_state(e, i), PAGE_QUEUED);
	EXPECT_EQ(v->d->epc_used, 2);
	EXPECT_EQ(v->counters.pages_added, 0);
	old_let_go(held);
	/* The next call finds that there is no worker, and starts one. All in the order of the calls. */
	EXPECT_EQ(old_add(v, fd, base, 4, REG(SI_RW), 4, 0), 0);
	old_drain(v, base);
	EXPECT_EQ(v->counters.pages_added, 5);
	EXPECT_EQ(v->counters.pages_measured, 4);
	EXPECT_EQ(v->d->epc_used, 7);
	for (uint64_t i = 0; i < 5; i++) {
		EXPECT_EQ(page_state(e, i), PAGE_RESIDENT);
		EXPECT_EQ(e->section.mem[i * PAGE + 77], i);
	}
	EXPECT_EQ(old_init(v, fd, base), 0);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, failure_afterwards_kills_and_drops_the_rest)
{
	struct sgx_sigstruct s = { 0 };
	uint64_t base;
	struct encl *e;
	pid_t held;

	v = old_env(2, &fd);						/* SECS and VA page, and no more */
	base = old_created(v, fd);
	e = old_encl(v, base);
	held = old_hold(v);
	EXPECT_EQ(old_add(v, fd, base, 0, REG(SI_RW), 1, 1), 0);
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_RW), 1, 1), 0);
	EXPECT_TRUE(!e->abi.dead);
	old_let_go(held);
	EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 1, 1), 0);	/* queued, too */
	while (!atomic_load(&e->abi.dead))				/* the worker finds out */
		sched_yield();
	EXPECT_EQ(old_add(v, fd, base, 3, REG(SI_RW), 1, 1), -EINVAL);
	EXPECT_EQ(old_init_with(v, fd, base, &s), -EFAULT);
	for (uint64_t i = 0; i < 3; i++)
		EXPECT_EQ(page_state(e, i), PAGE_ABSENT);
	EXPECT_EQ(v->counters.pages_added, 0);
	EXPECT_EQ(v->d->epc_used, 0);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, init_does_not_wait_for_a_worker_that_there_is_not)
{
	struct sgx_sigstruct s;
	uint64_t base, twin;
	pid_t held;

	v = old_env(64, &fd);
	twin = old_created(v, fd);
	for (uint64_t i = 0; i < 8; i++)
		EXPECT_EQ(old_add(v, fd, twin, i, REG(SI_RW), (uint8_t)i, 0x00ff), 0);
	old_drain(v, twin);
	old_sign(v, twin, &s);
	base = old_created(v, fd);
	held = old_hold(v);
	for (uint64_t i = 0; i < 8; i++)
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), (uint8_t)i, 0x00ff), 0);
	EXPECT_EQ(page_state(old_encl(v, base), 7), PAGE_QUEUED);
	old_let_go(held);
	EXPECT_EQ(old_init_with(v, fd, base, &s), 0);			/* the same measurement */
	EXPECT_EQ(drv_munmap(v->d, v->tid, twin, OLD_SIZE), 0);
	old_done(v, fd, base);
}

/* What is hashed: a block for each leaf, behind EEXTEND's the bytes. */
static uint8_t stream[32768], *end_of_stream;

static void measured(const char *name, uint64_t at8, uint64_t at16, const void *bytes, size_t size)
{
	memset(end_of_stream, 0, 64);
	memcpy(end_of_stream, name, strlen(name));
	memcpy(end_of_stream + 8, &at8, 8);
	memcpy(end_of_stream + 16, &at16, 8);
	if (size)
		memcpy(end_of_stream + 64, bytes, size);
	end_of_stream += 64 + size;
}

/* Proves: C0-5 */
TEST(abi2018_worker, each_bit_of_mrmask_measures_a_chunk)
{
	static const uint16_t masks[] = { 0x8001, 0, 0x0ff0, 0xffff };
	struct sgx_sigstruct s;
	uint8_t chunk[256], expected[32];
	uint64_t base;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	end_of_stream = stream;
	measured("ECREATE", 1 | OLD_SIZE << 32, OLD_SIZE >> 32, NULL, 0);	/* SSAFRAMESIZE at 8, SIZE at 12 */
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), (uint8_t)(0x40 + i), masks[i]), 0);
		measured("EADD", i * PAGE, REG(SI_RW), NULL, 0);
		memset(chunk, (int)(0x40 + i), sizeof(chunk));
		for (unsigned k = 0; k < 16; k++)
			if (masks[i] >> k & 1)
				measured("EEXTEND", i * PAGE + k * 256, 0, chunk, sizeof(chunk));
	}
	old_drain(v, base);
	old_sign(v, base, &s);
	SHA256(stream, (size_t)(end_of_stream - stream), expected);
	EXPECT_MEMEQ(s.enclavehash, expected, 32);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, measurement_is_that_of_the_other_device)
{
	struct sgx_sigstruct s, t;
	uint64_t base, other;
	int upstream;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	EXPECT_EQ(old_add_tcs(v, fd, base, 0), 0);
	for (uint64_t i = 1; i < 12; i++)
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), 0x5a, 0xffff), 0);
	old_drain(v, base);
	old_sign(v, base, &s);
	other = reserve(OLD_SIZE);
	upstream = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(create(v, upstream, other, OLD_SIZE), 0);
	EXPECT_EQ(add(v, upstream, 0, 1, TCS, NULL), 0);
	EXPECT_EQ(add(v, upstream, PAGE, 11, REG(SI_RW), NULL), 0);
	sigstruct_for(v, upstream, &t);
	EXPECT_MEMEQ(s.enclavehash, t.enclavehash, 32);
	close(upstream);
	drv_closed(v->d, upstream);
	old_done(v, fd, base);
}

static volatile sig_atomic_t children;

static void on_child(int sig)
{
	(void)sig;
	children++;
}

/* Proves: C0-5 */
TEST(abi2018_worker, nobody_sees_it)
{
	struct sigaction action = { .sa_handler = on_child }, old;
	uint64_t base, added;
	bool ran = false;

	v = old_env(1024, &fd);
	sigaction(SIGCHLD, &action, &old);
	children = 0;
	base = old_created(v, fd);
	for (added = 0; added < OLD_PAGES; added++) {
		EXPECT_EQ(old_add(v, fd, base, added, REG(SI_RW), 1, 0xffff), 0);
		ran |= v->d->worker.pid > 0;
		EXPECT_EQ(waitpid(-1, NULL, WNOHANG), -1);		/* no child of whom wait() knows */
		EXPECT_EQ(errno, ECHILD);
	}
	EXPECT_TRUE(ran);
	EXPECT_EQ(old_init(v, fd, base), 0);
	EXPECT_EQ(v->d->worker.pid, 0);
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG | __WALL), -1);		/* it has left nothing behind */
	EXPECT_EQ(children, 0);
	sigaction(SIGCHLD, &old, NULL);
	old_done(v, fd, base);
}

static uint64_t base_of_thread;

static void *add_and_end(void *arg)
{
	(void)arg;
	v->tid = (uint32_t)syscall(SYS_gettid);
	base_of_thread = old_created(v, fd);
	for (uint64_t i = 0; i < OLD_PAGES; i++)
		if (old_add(v, fd, base_of_thread, i, REG(SI_RW), (uint8_t)i, 0xffff))
			return "ADD_PAGE failed";
	return NULL;
}

/* Proves: C0-5 */
TEST(abi2018_worker, thread_that_queued_may_end)
{
	pthread_t thread;
	void *message;

	v = old_env(64, &fd);
	pthread_create(&thread, NULL, add_and_end, NULL);
	pthread_join(thread, &message);
	EXPECT_TRUE(!message);
	v->tid = (uint32_t)syscall(SYS_gettid);
	EXPECT_EQ(old_init(v, fd, base_of_thread), 0);
	EXPECT_EQ(v->counters.pages_added, OLD_PAGES);
	old_done(v, fd, base_of_thread);
}

/* Proves: C0-5, C0-8 */
TEST(abi2018_worker, ends_with_the_process)
{
	for (int how = 0; how < 2; how++) {
		struct pollfd end = { .events = POLLIN };
		int ends[2], status;
		pid_t pid;

		EXPECT_EQ(pipe(ends), 0);
		pid = fork();
		if (!pid) {
			uint64_t base;

			close(ends[0]);
			v = old_env(8192, &fd);
			base = old_created(v, fd);
			for (uint64_t i = 0; i < OLD_PAGES; i++)
				old_add(v, fd, base, i, REG(SI_RW), 1, 0xffff);
			if (how)
				kill(getpid(), SIGKILL);
			_exit(0);
		}
		close(ends[1]);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		end.fd = ends[0];
		EXPECT_EQ(poll(&end, 1, 5000), 1);	/* whoever shares the descriptors is gone, too */
		EXPECT_TRUE(end.revents & POLLHUP);
		close(ends[0]);
	}
}

/* Proves: C0-5 */
TEST(abi2018_worker, execve_ends_it_and_a_failed_one_lets_it_go_on)
{
	uint64_t base;
	pid_t held;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	held = old_hold(v);
	EXPECT_EQ(old_add(v, fd, base, 0, REG(SI_RW), 1, 0xffff), 0);
	old_let_go(held);
	drv_exec_prepare(v->d, v->tid);
	EXPECT_EQ(v->d->worker.pid, 0);
	EXPECT_EQ(page_state(old_encl(v, base), 0), PAGE_QUEUED);
	/* Without a worker: done at once, and in order. */
	EXPECT_EQ(old_add(v, fd, base, 1, REG(SI_RW), 1, 0xffff), 0);
	EXPECT_EQ(page_state(old_encl(v, base), 0), PAGE_RESIDENT);
	EXPECT_EQ(page_state(old_encl(v, base), 1), PAGE_RESIDENT);
	drv_exec_failed(v->d, v->tid);
	EXPECT_EQ(old_add(v, fd, base, 2, REG(SI_RW), 1, 0xffff), 0);
	EXPECT_TRUE(v->d->worker.pid > 0);
	EXPECT_EQ(old_init(v, fd, base), 0);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, death_in_the_middle_of_a_page_kills_the_enclave)
{
	uint64_t base;
	pid_t held;

	v = old_env(64, &fd);
	base = old_created(v, fd);
	held = old_hold(v);
	EXPECT_EQ(old_add(v, fd, base, 0, REG(SI_RW), 1, 0xffff), 0);
	old_encl(v, base)->abi.working = 0;
	old_let_go(held);
	old_drain(v, base);
	EXPECT_TRUE(old_encl(v, base)->abi.dead);
	old_done(v, fd, base);
}

/* Proves: C0-5 */
TEST(abi2018_worker, pages_are_evicted_while_others_are_added)
{
	uint64_t base;

	v = old_env(8, &fd);
	base = old_created(v, fd);
	for (uint64_t i = 0; i < OLD_PAGES; i++)
		EXPECT_EQ(old_add(v, fd, base, i, REG(SI_RW), (uint8_t)i, 0xffff), 0);
	EXPECT_EQ(old_init(v, fd, base), 0);
	EXPECT_TRUE(v->counters.evictions > 0);
	EXPECT_TRUE(v->d->epc_used <= 8);
	for (uint64_t i = 0; i < OLD_PAGES; i++) {
		struct exception exc;

		EXPECT_EQ(touch(v, base + i * PAGE, 0, &exc), DRV_FAULT_RETRY);
		EXPECT_EQ(*(volatile uint8_t *)(base + i * PAGE + 99), i);
	}
	old_done(v, fd, base);
}
