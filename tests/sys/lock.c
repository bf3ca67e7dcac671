/* SPDX-License-Identifier: BSD-2-Clause */
/* The mutex in one word: exclusion between threads and processes, and owners that die. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "sys/lock.h"

struct shared {
	struct lock lock;
	volatile unsigned count;
};

static uint32_t self(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static void *work(void *arg)
{
	struct shared *s = arg;
	const uint32_t tid = self();

	for (int i = 0; i < 20000; i++) {
		lock_acquire(&s->lock, tid);
		s->count = s->count + 1;
		lock_release(&s->lock);
	}
	return NULL;
}

static struct shared *shared_new(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

TEST(lock, threads_and_processes_exclude_each_other)
{
	struct shared *s = shared_new();
	pthread_t threads[3];
	pid_t pid = fork();

	if (!pid) {
		work(s);
		_exit(0);
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, s);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(s->count, 4 * 20000);
	EXPECT_EQ(atomic_load(&s->lock.owner), 0);
	EXPECT_EQ(atomic_load(&s->lock.waiters), 0);
	munmap(s, 4096);
}

TEST(lock, dead_owner_is_noticed_and_told)
{
	struct shared *s = shared_new();
	pid_t pid = fork();

	if (!pid) {
		lock_acquire(&s->lock, self());
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(atomic_load(&s->lock.owner), pid);
	EXPECT_TRUE(!lock_try(&s->lock, self()));
	EXPECT_TRUE(lock_acquire(&s->lock, self()));
	EXPECT_EQ(atomic_load(&s->lock.owner), self());
	lock_release(&s->lock);
	EXPECT_TRUE(!lock_acquire(&s->lock, self()));
	lock_release(&s->lock);
	EXPECT_TRUE(lock_try(&s->lock, self()));
	lock_release(&s->lock);
	munmap(s, 4096);
}
