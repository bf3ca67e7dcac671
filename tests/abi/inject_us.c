/* SPDX-License-Identifier: BSD-2-Clause */
/* --aex=us: its helper ticks whoever made it, whatever that thread does then, and nobody sees it. */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

SNIPPET(snip_loop, "1: dec %r8; jnz 1b; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

uint64_t us_count;
extern const char us_aep[];
__asm__(".text\n us_aep: incq us_count(%rip); .byte 0x0f, 0x01, 0xd7; ud2");

static struct te te;

/* Inside until ten exits have come, or for a long time. */
static bool ticked(void)
{
	unsigned i;

	us_count = 0;
	for (i = 0; i < 2000 && us_count < 10; i++) {
		struct te_regs r = { .rax = EENTER, .rbx = te.tcs[0], .rcx = (uintptr_t)us_aep, .rdi = TE_JUMP,
				     .rdx = te.scratch, .r9 = te.eexit, .r8 = 2000000 };

		te_raw(&r);
		if (r.rax != EEXIT)
			return false;
	}
	return us_count >= 10;
}

static void *ticked_thread(void *arg)
{
	*(bool *)arg = ticked();
	return NULL;
}

static bool ready(void)
{
	if (te.base)
		return true;
	if (te_build(&te, NULL))
		return false;
	TE_LOAD(&te, 0, snip_loop);
	return true;
}

TEST(inject_us, thread_that_is_first_may_end)
{
	pthread_t thread;
	bool ok = false;

	ASSERT_TRUE(ready());
	pthread_create(&thread, NULL, ticked_thread, &ok);
	pthread_join(thread, NULL);
	EXPECT_TRUE(ok);
	EXPECT_TRUE(ticked());
}

TEST(inject_us, helper_is_no_child_that_anybody_waits_for)
{
	ASSERT_TRUE(ready());
	EXPECT_TRUE(ticked());
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG), (pid_t)-1);
	EXPECT_EQ(errno, ECHILD);
}

TEST(inject_us, child_of_fork_has_its_own)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(ready());
	EXPECT_TRUE(ticked());
	pid = fork();
	if (!pid)
		_exit(!ticked());
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(ticked());
}

TEST(inject_us, exec_ends_it_and_a_failed_one_does_not)
{
	int status;
	pid_t pid;

	ASSERT_TRUE(ready());
	execl("/nonexistent", "x", NULL);
	EXPECT_TRUE(ticked());
	pid = vfork();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(ticked());
	pid = fork();
	if (!pid) {				/* the new image has no child */
		if (ticked())
			execl("/bin/sh", "sh", "-c", "c=; read -r c </proc/$$/task/$$/children || :; test -z \"$c\"", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}
