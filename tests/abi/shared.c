/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One enclave, several processes (A.10). All execute the same bytes, so whatever one of them replaces in the enclave's
 * code has to work in the others: in children that were forked before or after, and in programs that get the descriptor.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 500 };		/* enough to make a site hot */

static const struct te_options options = { .tcs = 2 };

/* How many of CALLS calls did not come back by EEXIT. */
static int calls(struct te *te, unsigned tcs)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 0 };
	int bad = 0;

	for (int i = 0; i < CALLS; i++) {
		te_call(te, tcs, TE_NOP, args, &run);
		bad += run.function != EEXIT;
	}
	return bad;
}

/* What @child, a process of ours, thinks of it: 0 is good. */
static int outcome(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return status;
}

/* Proves: A-LIF-2 */
TEST(shared, child_from_before_executes_what_its_parent_made_hot)
{
	struct te te;
	int gate[2];
	pid_t child;
	char byte;

	ASSERT_EQ(te_build(&te, &options), 0);
	ASSERT_EQ(pipe(gate), 0);
	child = fork();
	if (!child) {
		close(gate[1]);
		(void)!read(gate[0], &byte, 1);
		_exit(calls(&te, 1) ? 1 : 0);
	}
	EXPECT_EQ(calls(&te, 0), 0);
	close(gate[1]);
	close(gate[0]);
	EXPECT_EQ(outcome(child), 0);
	EXPECT_EQ(calls(&te, 0), 0);
	te_destroy(&te);
}

/* Proves: A-LIF-2 */
TEST(shared, child_from_after_executes_what_its_parent_made_hot)
{
	struct te te;
	pid_t child;

	ASSERT_EQ(te_build(&te, &options), 0);
	EXPECT_EQ(calls(&te, 0), 0);
	child = fork();
	if (!child)
		_exit(calls(&te, 1) ? 1 : 0);
	EXPECT_EQ(calls(&te, 0), 0);
	EXPECT_EQ(outcome(child), 0);
	EXPECT_EQ(calls(&te, 0), 0);
	te_destroy(&te);
}

static bool map(const struct te *te, uint64_t start, uint64_t end, int prot)
{
	return mmap((void *)start, end - start, prot, MAP_SHARED | MAP_FIXED, te->fd, 0) == (void *)start;
}

/* The program that executed() starts: argv has the descriptor of the enclave and that of its struct te. */
__attribute__((constructor)) static void second_program(int argc, char **argv)
{
	struct te te;

	if (argc != 4 || strcmp(argv[1], "--second"))
		return;
	if (pread(atoi(argv[3]), &te, sizeof(te), 0) != sizeof(te))
		_exit(2);
	te.fd = atoi(argv[2]);
	te.vdso = te_vdso();
	if (!map(&te, te.base, te.code, PROT_READ | PROT_WRITE) || !map(&te, te.code, te.data, PROT_READ | PROT_EXEC) ||
	    !map(&te, te.data, te.scratch, PROT_READ | PROT_WRITE))
		_exit(3);
	_exit(calls(&te, 1) ? 1 : 0);
}

/* Proves: A-LIF-3, A-LIF-4 */
TEST(shared, program_that_inherits_the_descriptor_executes_what_another_made_hot)
{
	int memory = memfd_create("te", 0);
	char fd[16], description[16];
	struct te te;
	pid_t child;

	ASSERT_EQ(te_build(&te, &options), 0);
	ASSERT_EQ(fcntl(te.fd, F_SETFD, 0), 0);
	ASSERT_EQ(pwrite(memory, &te, sizeof(te), 0), sizeof(te));
	EXPECT_EQ(calls(&te, 0), 0);
	snprintf(fd, sizeof(fd), "%d", te.fd);
	snprintf(description, sizeof(description), "%d", memory);
	child = fork();
	if (!child) {
		execl("/proc/self/exe", "shared", "--second", fd, description, (char *)NULL);
		_exit(4);
	}
	EXPECT_EQ(outcome(child), 0);
	EXPECT_EQ(calls(&te, 0), 0);
	close(memory);
	te_destroy(&te);
}
