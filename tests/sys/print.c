/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's formatter, and what a panic does to the process. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sys.h"

#define EXPECT_FORMAT(text, ...) do {				\
	char buf_[128];						\
	EXPECT_EQ(sys_format(buf_, sizeof(buf_), __VA_ARGS__), sizeof(text) - 1); \
	EXPECT_MEMEQ(buf_, text, sizeof(text));			\
} while (0)

TEST(print, integers_of_both_widths)
{
	EXPECT_FORMAT("0 -1 2147483647 -2147483648", "%d %d %d %d", 0, -1, 2147483647, (int)-2147483648);
	EXPECT_FORMAT("-9223372036854775808", "%ld", (long)INT64_MIN);
	EXPECT_FORMAT("4294967295 18446744073709551615", "%u %lu", 4294967295u, 18446744073709551615ul);
	EXPECT_FORMAT("0 deadbeef ffffffffffffffff", "%x %x %lx", 0u, 0xdeadbeefu, ~0ul);
}

TEST(print, text_characters_pointers)
{
	const char *volatile null = NULL;	/* hidden from -Wformat */

	EXPECT_FORMAT("a b (null) % 0x6f5000000000", "%c %s %s %% %p", 'a', "b", null,
		      (void *)0x6f5000000000);
}

TEST(print, output_is_cut_and_terminated)
{
	char buf[8];

	memset(buf, 'z', sizeof(buf));
	EXPECT_EQ(sys_format(buf, 4, "%s", "abcdef"), 3);
	EXPECT_MEMEQ(buf, "abc\0zzzz", 8);
	EXPECT_EQ(sys_format(buf, 1, "%d", 12345), 0);
	EXPECT_EQ(buf[0], 0);
	memset(buf, 'z', sizeof(buf));
	EXPECT_EQ(sys_format(buf, 0, "%s", "abcdef"), 0);
	EXPECT_EQ(buf[0], 'z');
}

TEST(print, unknown_conversion_stays_visible)
{
	char buf[32];
	static const char *volatile formats[] = { "%q", "%", "x%l", "%lq" };	/* hidden from -Wformat */

	for (unsigned i = 0; i < 4; i++) {
		size_t (*format)(char *, size_t, const char *, ...) = sys_format;

		EXPECT_EQ(format(buf, sizeof(buf), formats[i]), strlen(formats[i]));
		EXPECT_MEMEQ(buf, formats[i], strlen(formats[i]) + 1);
	}
}

TEST(print, line_reaches_the_descriptor)
{
	char buf[32] = { 0 };
	int fds[2];

	ASSERT_EQ(pipe(fds), 0);
	sys_print(fds[1], "%s=%d\n", "pages", 7);
	EXPECT_EQ(read(fds[0], buf, sizeof(buf)), 8);
	EXPECT_MEMEQ(buf, "pages=7\n", 9);
	close(fds[0]);
	close(fds[1]);
}

static void ignored(int sig)
{
	(void)sig;
}

TEST(print, panic_dies_by_sigabrt_even_if_caught_and_blocked)
{
	char buf[1024] = { 0 };
	int fds[2], status;
	pid_t pid;

	ASSERT_EQ(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const struct rlimit no_core = { 0, 0 };
		sigset_t all;

		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], 2);
		signal(SIGABRT, ignored);
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		sys_panic("lost page %d", 3);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGABRT);
	EXPECT_TRUE(read(fds[0], buf, sizeof(buf) - 1) > 0);
	EXPECT_TRUE(!strncmp(buf, "softsgx: internal error: lost page 3\n", 37));
	EXPECT_TRUE(strstr(buf, "\nsoftsgx: this is a bug of softsgx " SOFTSGX_VERSION ", not of /"));
	close(fds[0]);
	close(fds[1]);
}
