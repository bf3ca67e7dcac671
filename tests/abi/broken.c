/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * softsgx itself breaks, here because a program destroys its memory: that is said in one message which nobody takes for a
 * fault of the program's, and the process ends by SIGABRT, whatever the program does with signals.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "front/layout.h"
#include "support/encl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct te te;

static void mine(int sig)
{
	static const char text[] = "the program's handler\n";

	(void)sig;
	(void)!write(2, text, sizeof(text) - 1);
	_exit(9);
}

/* What @destroy and then @use leave behind: the message, and how the child ended. */
static int outcome(void (*destroy)(void), void (*use)(void), char *message, size_t size)
{
	int fds[2], status, sig;
	size_t length = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(fds))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], 2);
		for (sig = 1; sig < 32; sig++)
			signal(sig, mine);
		alarm(20);
		destroy();
		use();
		_exit(7);
	}
	close(fds[1]);
	while (length < size - 1 && (n = read(fds[0], message + length, size - 1 - length)) > 0)
		length += (size_t)n;
	message[length] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

static void lose_driver(void)
{
	munmap((void *)RT_DRV_STATE, 1 << 20);
}

static void lose_arena(void)
{
	munmap((void *)RT_DRV_BASE, RT_DRV_SIZE);
}

/* The runtime's data, as the list of mappings shows it. */
static void freeze_data(void)
{
	uint64_t start, end, found[8][2];
	unsigned count = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && count < 8 && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx rw", &start, &end) == 2 && strstr(line, " rw-p ") && start >= RT_BASE &&
		    end <= RT_BASE + RT_SIZE) {
			found[count][0] = start;
			found[count++][1] = end;
		}
	while (count--)
		mprotect((void *)found[count][0], found[count][1] - found[count][0], PROT_READ);
}

static void build(void)
{
	struct te other;

	te_build(&other, &(struct te_options){ .tcs = 1 });
}

static void enter(void)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };

	te_call(&te, 0, TE_NOP, args, &run);
}

static void look(void)
{
	signal(SIGUSR1, SIG_DFL);
}

static void expect_confession(void (*destroy)(void), void (*use)(void))
{
	char text[2048], *end;
	int status = outcome(destroy, use, text, sizeof(text));

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_TRUE(!strncmp(text, "softsgx: internal error: signal 11, code ", 41));
	EXPECT_TRUE(strstr(text, "softsgx: this is a bug of softsgx " SOFTSGX_VERSION ", not of /"));
	EXPECT_TRUE(strstr(text, "SIGABRT"));
	EXPECT_TRUE(!strstr(text, "the program's handler"));
	end = strstr(text, "what the program was doing.\n");
	EXPECT_TRUE(end && !strcmp(end, "what the program was doing.\n"));		/* and only once */
}

TEST(broken, runtime_without_its_driver_says_whose_bug_it_is)
{
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 1 }), 0);
	expect_confession(lose_driver, build);
	expect_confession(lose_driver, enter);
	expect_confession(lose_arena, enter);
	te_destroy(&te);
}

TEST(broken, runtime_that_can_not_write_says_whose_bug_it_is)
{
	expect_confession(freeze_data, look);
}
