/* SPDX-License-Identifier: BSD-2-Clause */
/* Lifetime: close, unmap, fork, passing descriptors, death (A-LIF); nothing leaks. */
#include "drv/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct env *v;
static int fd;
static uint64_t base;
static struct exception exc;

static void ready(void)
{
	v = env_new(64);
	fd = built(v, &base);
	for (uint64_t i = 0; i < 4; i++)
		map(v, fd, base + i * PAGE, PAGE, encl_of(v, fd)->recs[i].max_prot);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

/* fork() as the engine does it. In the child v->tid is its own. */
static pid_t fork_with_driver(void)
{
	pid_t pid;

	drv_fork_prepare(v->d, v->tid);
	pid = fork();
	drv_fork_done(v->d, pid == 0);
	if (!pid)
		v->tid = (uint32_t)syscall(SYS_gettid);
	return pid;
}

/* The child's verdict: each bit a check that failed. */
static int verdict(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Proves: A-LIF-1, A-LIF-5 */
TEST(drv_life, descriptor_or_mapping_keeps_the_enclave)
{
	ready();
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(v->d->encl_count, 1);			/* the mappings hold it */
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 0x5a);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, 3 * PAGE), 0);
	EXPECT_EQ(v->d->encl_count, 1);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base + 3 * PAGE, PAGE), 0);
	EXPECT_EQ(v->d->encl_count, 0);
	EXPECT_EQ(mappings("/memfd:sgx_enclave"), 0);
	EXPECT_EQ(v->d->epc_used, 0);
	ready();
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, 4 * PAGE), 0);
	EXPECT_EQ(v->d->encl_count, 1);			/* the descriptor does */
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	done();
}

/* Proves: A-LIF-1, A-MAP-3 */
TEST(drv_life, another_enclave_mapped_over_its_last_mapping_ends_it)
{
	int other;

	ready();
	close(fd);
	drv_closed(v->d, fd);
	other = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(map(v, other, base, 4 * PAGE, PROT_NONE), base);
	EXPECT_EQ(v->d->epc_used, 0);
	fd = other;
	done();
	EXPECT_EQ(v->d->encl_count, 0);
}

/* Proves: A-LIF-1, A-DEV-5 */
TEST(drv_life, unknown_duplicates_find_the_enclave_again)
{
	int copy;

	ready();
	copy = dup(fd);
	done();
	EXPECT_EQ(v->d->encl_count, 0);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(map(v, copy, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	EXPECT_EQ(v->d->epc_used, 6);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 0x5a);
	fd = copy;
	done();
}

/* Proves: A-LIF-1, A-LIF-6 */
TEST(drv_life, nothing_leaks)
{
	unsigned fds, maps;

	ready();
	done();
	while (encl_forget_oldest(v->d))
		;
	fds = open_fds();
	maps = mappings("");
	for (int i = 0; i < 20; i++) {
		fd = built(v, &base);
		map(v, fd, base + 2 * PAGE, PAGE, RW);
		touch(v, base + 2 * PAGE, X86_PFEC_W, &exc);
		done();
	}
	EXPECT_EQ(open_fds(), fds);
	EXPECT_EQ(v->d->epc_used, 0);
	while (encl_forget_oldest(v->d))
		;
	EXPECT_EQ(mappings(""), maps);
	EXPECT_EQ(v->d->region_count, 1);
	EXPECT_EQ(atomic_load(&v->d->vma_count), 0);
}

/* Proves: A-LIF-2 */
TEST(drv_life, fork_shares_pages_state_and_thread_slots)
{
	struct encl *e;
	pid_t pid;

	ready();
	e = encl_of(v, fd);
	atomic_store(&e->section.epcm[0].tcs_word, v->tid);	/* the parent is inside */
	pid = fork_with_driver();
	if (!pid) {
		struct epc_page page;
		int bad = 0;

		bad |= touch(v, base + 2 * PAGE, X86_PFEC_W, &exc) != DRV_FAULT_RETRY ? 1 : 0;
		*(volatile uint64_t *)(base + 2 * PAGE) = 77;
		bad |= touch(v, base + 9 * PAGE, 0, &exc) != DRV_FAULT_NOT_OURS ? 2 : 0;
		bad |= map(v, fd, base + 9 * PAGE, PAGE, RW) != (long)(base + 9 * PAGE) ? 4 : 0;
		bad |= touch(v, base + 9 * PAGE, 0, &exc) != DRV_FAULT_RETRY ? 8 : 0;	/* EAUG */
		bad |= v->d->machine.ops->translate(&v->d->machine, base, X86_PFEC_W, &page, &exc) !=
		       TRANSLATION_EPC ? 16 : 0;
		bad |= !atomic_load(&page.epcm->tcs_word) ? 32 : 0;
		bad |= encl_exclusive(v->d, e) ? 64 : 0;
		_exit(bad);
	}
	EXPECT_EQ(verdict(pid), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint64_t *)(base + 2 * PAGE), 77);
	EXPECT_EQ(page_state(e, 9), PAGE_RESIDENT);		/* what the child added is there */
	EXPECT_EQ(e->header->resident, 7);
	done();
}

/* Proves: A-LIF-2, A-CRE-10 */
TEST(drv_life, create_in_a_child_is_seen_by_the_parent)
{
	pid_t pid;

	v = env_new(64);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(16 * PAGE);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, RW), base);
	pid = fork_with_driver();
	if (!pid)
		_exit(create(v, fd, base, 16 * PAGE) || add(v, fd, 0, 1, REG(SI_RW), NULL));
	EXPECT_EQ(verdict(pid), 0);
	EXPECT_EQ(touch(v, base, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)base, 0x5a);
	EXPECT_EQ(add(v, fd, PAGE, 1, REG(SI_RW), NULL), 0);
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-LIF-2, A-MAP-8 */
TEST(drv_life, dontfork_mappings_are_not_inherited)
{
	pid_t pid;

	ready();
	EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, PAGE, MADV_DONTFORK), 0);
	pid = fork_with_driver();
	if (!pid)
		_exit((touch(v, base + 2 * PAGE, 0, &exc) != DRV_FAULT_NOT_OURS) |
		      (touch(v, base + 3 * PAGE, 0, &exc) != DRV_FAULT_RETRY) << 1);
	EXPECT_EQ(verdict(pid), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	done();
}

/* Proves: A-LIF-3, A-LIF-4 */
TEST(drv_life, passed_descriptor_builds_and_maps_elsewhere)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int pair[2];
	pid_t pid;

	v = env_new(64);
	EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	base = reserve(16 * PAGE);
	pid = fork_with_driver();		/* a process that has never met the enclave */
	if (!pid) {
		char byte;
		struct iovec in = { &byte, 1 };

		m.msg_iov = &in;
		if (recvmsg(pair[1], &m, 0) != 1)
			_exit(1);
		memcpy(&fd, CMSG_DATA(&control.h), sizeof(fd));
		if (drv_fd_kind(v->d, fd) != 1)
			_exit(2);
		if (init(v, fd))
			_exit(3);
		if (map(v, fd, base, PAGE, RW) != (long)base || touch(v, base, X86_PFEC_W, &exc) != DRV_FAULT_RETRY)
			_exit(4);
		*(volatile uint64_t *)base = 99;
		_exit(0);
	}
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_RW), NULL), 0);
	control.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
	EXPECT_EQ(sendmsg(pair[0], &m, 0), 1);
	EXPECT_EQ(verdict(pid), 0);
	EXPECT_EQ(encl_state(encl_of(v, fd)), ENCL_INITIALISED);
	EXPECT_EQ(map(v, fd, base, PAGE, PROT_READ), base);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint64_t *)base, 99);
	close(pair[0]);
	close(pair[1]);
	done();
}

/* Proves: A-LIF-4, A-LIF-7, A-ST-1 */
TEST(drv_life, process_that_dies_with_locks_held_harms_nobody)
{
	struct encl *e;
	pid_t pid;

	ready();
	e = encl_of(v, fd);
	pid = fork_with_driver();
	if (!pid) {
		drv_lock(v->d, v->tid);
		encl_lock(v->d, e);
		atomic_store(&e->header->busy, v->tid);
		atomic_store(&e->section.epcm[2].lock, EPCM_EXCLUSIVE);
		atomic_store(&e->section.epcm[0].tcs_word, 1ull << 32 | v->tid);
		e->header->children = 1234;
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(verdict(pid), -1);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(e->header->children, 4);
	EXPECT_EQ(e->header->resident, 6);
	EXPECT_EQ(ioc(v, fd, 0x1234, NULL), -ENOTTY);
	EXPECT_EQ(atomic_load(&e->section.epcm[2].lock), 0);
	EXPECT_TRUE(!v->d->machine.ops->owner_alive(&v->d->machine, (uint32_t)pid));
	EXPECT_TRUE(v->d->machine.ops->owner_alive(&v->d->machine, v->tid));
	EXPECT_TRUE(!e->header->fork_until);		/* the child registered before it died */
	EXPECT_TRUE(encl_exclusive(v->d, e));
	done();
}

static void *other_thread(void *arg)
{
	struct exception x;
	const uint32_t tid = (uint32_t)syscall(SYS_gettid);

	(void)arg;
	for (unsigned i = 0; i < 2000; i++) {
		const uint64_t addr = base + (4 + i % 12) * PAGE;

		if (i % 3 == 0)
			drv_mprotect(v->d, tid, addr, PAGE, i & 1 ? RW : PROT_READ, -1);
		else
			drv_fault(v->d, tid, addr, 0, true, &x);
	}
	return NULL;
}

/* Proves: A-ST-3 */
TEST(drv_life, threads_fault_and_map_at_the_same_time)
{
	struct machine *m;
	pthread_t threads[3];
	struct epc_page page;
	unsigned odd = 0;

	ready();
	v->kick_leaves = false;
	m = drv_machine(v->d);
	EXPECT_EQ(map(v, fd, base + 4 * PAGE, 12 * PAGE, RW), base + 4 * PAGE);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, other_thread, NULL);
	for (int i = 0; i < 20000; i++) {
		odd += m->ops->translate(m, base + 2 * PAGE, X86_PFEC_W, &page, &exc) != TRANSLATION_EPC;
		odd += !drv_range_hit(v->d, base + 15 * PAGE, 1);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(odd, 0);
	EXPECT_EQ(v->d->epc_used, encl_of(v, fd)->header->resident);
	done();
}

/* Proves: A-MAP-8 */
TEST(drv_life, locked_memory_does_not_fill_the_file)
{
	struct encl *e;
	unsigned char in_core[16];

	v = env_new(64);
	if (mlockall(MCL_FUTURE))
		SKIP("RLIMIT_MEMLOCK is too small");
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(16 * PAGE);
	EXPECT_EQ(create(v, fd, base, 1ull << 30), -EIO);	/* base is not aligned: mapped, and unmapped again */
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	munlockall();
	e = encl_of(v, fd);
	EXPECT_EQ(mincore(e->section.mem, 16 * PAGE, in_core), 0);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(in_core[i] & 1, 0);
	done();
}
