/* SPDX-License-Identifier: BSD-2-Clause */
/* Enclaves that several processes use, and what is left when they are gone (A.10). */
#define _GNU_SOURCE
#include "harness.h"
#include "support/encl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GP = 13 };

static uint64_t sum_of(uint64_t a, uint64_t n)
{
	while (n--)
		a = a * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return a;
}

/* 0 if an entry at @tcs computes what it should; else what went wrong: vector * 16 + function. */
static int use(struct te *te, unsigned tcs)
{
	struct sgx_enclave_run run;
	uint64_t args[16] = { 42, 1000 };

	te_call(te, tcs, TE_SUM, args, &run);
	if (run.function != EEXIT)
		return run.exception_vector * 16 + (int)run.function;
	return args[0] == sum_of(42, 1000) ? 0 : 1;
}

static int status_of(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Proves: A-LIF-2 */
TEST(process, child_of_fork_enters_the_same_enclave)
{
	struct te te;
	struct sgx_enclave_run run;
	uint64_t args[16];
	unsigned i;
	pid_t pid;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2, .nssa = 3 }), 0);
	EXPECT_EQ(use(&te, 0), 0);
	for (i = 0; i < 20; i++) {
		pid = fork();
		if (!pid) {
			unsigned k;
			int ret = 0;

			for (k = 0; k < 100; k++)
				ret |= use(&te, k % 2);
			args[0] = te.data + 64;
			args[1] = 1000 + i;
			te_call(&te, 0, TE_WRITE, args, &run);
			_exit(ret ? ret & 255 : run.function != EEXIT);
		}
		EXPECT_EQ(status_of(pid), 0);
		memset(args, 0, sizeof(args));
		args[0] = te.data + 64;
		te_call(&te, 1, TE_READ, args, &run);
		EXPECT_EQ(args[1], 1000 + i);		/* the same page, not a copy */
	}
	EXPECT_EQ(use(&te, 0), 0);
	te_destroy(&te);
}

/* Shared memory with a word for TE_SPIN. */
static uint64_t *shared_words(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static pid_t spin_in_child(struct te *te, unsigned tcs, uint64_t *words)
{
	pid_t pid = fork();

	if (!pid) {
		struct sgx_enclave_run run;

		words[2] = (uintptr_t)&words[0];
		te_call(te, tcs, TE_SPIN, &words[2], &run);
		_exit(run.function == EEXIT ? 7 : 8);
	}
	while (!*(volatile uint64_t *)&words[3])	/* a[1]: it counts, so it is inside */
		sched_yield();
	return pid;
}

/* Proves: A-LIF-2 */
TEST(process, tcs_busy_in_another_process_is_gp)
{
	uint64_t *words = shared_words();
	struct te te;
	pid_t pid;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2, .nssa = 3 }), 0);
	pid = spin_in_child(&te, 0, words);
	EXPECT_EQ(use(&te, 0), GP * 16 + EENTER);
	EXPECT_EQ(use(&te, 1), 0);
	EXPECT_EQ(use(&te, 0), GP * 16 + EENTER);
	*(volatile uint64_t *)&words[0] = 1;
	EXPECT_EQ(status_of(pid), 7);
	EXPECT_EQ(use(&te, 0), 0);
	munmap(words, 4096);
	te_destroy(&te);
}

/* Proves: A-LIF-4, A-LIF-7 */
TEST(process, death_inside_frees_the_tcs)
{
	struct te te;
	unsigned i;

	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2, .nssa = 4 }), 0);
	for (i = 0; i < 10; i++) {
		uint64_t *words = shared_words();
		pid_t pid = spin_in_child(&te, 0, words);
		int left;

		EXPECT_EQ(use(&te, 0), GP * 16 + EENTER);
		kill(pid, SIGKILL);
		EXPECT_EQ(status_of(pid), 1000 + SIGKILL);
		left = use(&te, 1);
		EXPECT_EQ(left, 0);
		/* Its frame stays: CSSA is 1 more than before, which is no error for this entry until NSSA is reached. */
		left = use(&te, 0);
		EXPECT_TRUE(left == 0 || left == 1 || left == GP * 16 + EENTER || left == 14 * 16 + ERESUME);
		munmap(words, 4096);
		te_destroy(&te);
		ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2, .nssa = 4 }), 0);
	}
	te_destroy(&te);
}

static void send_fd(int socket, int fd)
{
	char data = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	sendmsg(socket, &msg, 0);
}

static int receive_fd(int socket)
{
	char data, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* Maps @te, of which only the descriptor is valid here, piece by piece. */
static int map_again(struct te *te)
{
	const struct { uint64_t from, to; int prot; } part[] = {
		{ te->base, te->code, PROT_READ | PROT_WRITE }, { te->code, te->data, PROT_READ | PROT_EXEC },
		{ te->data, te->scratch, PROT_READ | PROT_WRITE },
		{ te->scratch, te->heap, PROT_READ | PROT_WRITE | PROT_EXEC },
	};
	unsigned i;

	munmap((void *)te->base, te->size);
	for (i = 0; i < 4; i++)
		if (mmap((void *)part[i].from, part[i].to - part[i].from, part[i].prot, MAP_SHARED | MAP_FIXED, te->fd, 0) ==
		    MAP_FAILED)
			return -errno;
	te->vdso = te_vdso();
	return 0;
}

/* Proves: A-LIF-3 */
TEST(process, descriptor_sent_to_another_process)
{
	struct te te;
	int pair[2];
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();			/* before the enclave exists: nothing is inherited */
	if (!pid) {
		struct te got;

		if (read(pair[1], &got, sizeof(got)) != sizeof(got))
			_exit(100);
		got.fd = receive_fd(pair[1]);
		if (got.fd < 0)
			_exit(101);
		if (map_again(&got))
			_exit(102);
		_exit(use(&got, 1) ? 103 : 9);
	}
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2 }), 0);
	EXPECT_EQ(write(pair[0], &te, sizeof(te)), sizeof(te));
	send_fd(pair[0], te.fd);
	EXPECT_EQ(status_of(pid), 9);
	EXPECT_EQ(use(&te, 0), 0);
	close(pair[0]);
	close(pair[1]);
	te_destroy(&te);
}

/* Proves: A-LIF-1 */
TEST(process, mapping_outlives_the_descriptor_and_a_duplicate_serves)
{
	struct te te;
	int copy;

	ASSERT_EQ(te_build(&te, NULL), 0);
	copy = dup(te.fd);
	close(te.fd);
	EXPECT_EQ(use(&te, 0), 0);
	te.fd = copy;
	EXPECT_EQ(map_again(&te), 0);
	EXPECT_EQ(use(&te, 0), 0);
	close(copy);
	EXPECT_EQ(use(&te, 0), 0);
	munmap((void *)te.base, te.size);
}

static char self_path[4096];

/* What this program does when it was executed by the test below. */
__attribute__((constructor)) static void executed(int argc, char **argv)
{
	struct te te;
	FILE *f;

	if (argc != 3 || strcmp(argv[1], "use-enclave"))
		return;
	f = fopen(argv[2], "r");
	if (!f || fread(&te, sizeof(te), 1, f) != 1)
		_exit(100);
	fclose(f);
	if (map_again(&te))
		_exit(101);
	_exit(use(&te, 0) ? 102 : 11);
}

static void exec_self(const char *file)
{
	char *const argv[] = { self_path, (char *)"use-enclave", (char *)file, NULL };

	execv(self_path, argv);
	_exit(120);
}

/* Proves: A-LIF-4 */
TEST(process, descriptor_and_softsgx_survive_exec)
{
	char file[] = "/tmp/softsgx-abi-XXXXXX";
	struct te te;
	int out = mkstemp(file);
	pid_t pid;

	self_path[readlink("/proc/self/exe", self_path, sizeof(self_path) - 1)] = 0;
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2 }), 0);
	fcntl(te.fd, F_SETFD, 0);
	EXPECT_EQ(write(out, &te, sizeof(te)), sizeof(te));
	pid = fork();
	if (!pid)
		exec_self(file);
	EXPECT_EQ(status_of(pid), 11);
	pid = vfork();
	if (!pid)
		exec_self(file);
	EXPECT_EQ(status_of(pid), 11);
	EXPECT_EQ(use(&te, 0), 0);
	unlink(file);
	close(out);
	te_destroy(&te);
}

/* Proves: A-LIF-4 */
TEST(process, close_on_exec_closes)
{
	struct te te;
	char number[16];
	pid_t pid;

	ASSERT_EQ(te_build(&te, NULL), 0);
	snprintf(number, sizeof(number), "%d", te.fd);
	pid = fork();
	if (!pid) {
		execlp("sh", "sh", "-c", "test ! -e /proc/self/fd/$0", number, (char *)NULL);
		_exit(120);
	}
	EXPECT_EQ(status_of(pid), 0);
	te_destroy(&te);
}

static unsigned entries(const char *directory)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned n = 0;
	int c;

	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* Proves: A-LIF-1, A-LIF-6 */
TEST(process, enclaves_leave_nothing_behind)
{
	unsigned fds = 0, maps = 0, i;
	struct te te;

	for (i = 0; i < 52; i++) {
		ASSERT_EQ(te_build(&te, &(struct te_options){ .heap_pages = 64 }), 0);
		EXPECT_EQ(use(&te, 0), 0);
		te_destroy(&te);
		if (i == 20) {	/* of the last few some address space is kept */
			fds = entries("/proc/self/fd");
			maps = mappings();
		}
	}
	EXPECT_EQ(entries("/proc/self/fd"), fds);
	EXPECT_TRUE(mappings() <= maps + 2);
}
