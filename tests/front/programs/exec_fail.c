// SPDX-License-Identifier: BSD-2-Clause
/*
 * execve that fails: the errno is the kernel's, and nothing is left behind -- no child, descriptor, mapping, thread;
 * mask and dumpable flag are what they were. argv[1]: a file that is not executable; argv[2]: one that is no program.
 */
#define _GNU_SOURCE
#include "exec.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int bad;

static void expect(const char *what, long got, long wanted)
{
	if (got == wanted)
		return;
	printf("%s: %ld, should be %ld\n", what, got, wanted);
	bad = 1;
}

static int lines(const char *path)
{
	FILE *f = fopen(path, "r");
	int c, n = 0;

	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static int first_free(void)
{
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	return fd;
}

static void fails(const char *what, const char *path, char *const *argv, char *const *envp, int error)
{
	sigset_t mask, before;
	int maps, fd = first_free();

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, &before);
	maps = lines("/proc/self/maps");
	errno = 0;
	expect(what, do_execve(path, argv, envp), -1);
	expect(what, errno, error);
	expect("mappings", lines("/proc/self/maps"), maps);
	expect("descriptor", first_free(), fd);
	expect("children", waitpid(-1, NULL, __WALL | WNOHANG), -1);
	expect("children", errno, ECHILD);
	sigprocmask(SIG_SETMASK, &before, &mask);
	expect("SIGUSR1 blocked", sigismember(&mask, SIGUSR1), 1);
	expect("SIGUSR2 blocked", sigismember(&mask, SIGUSR2), 0);
}

int main(int argc, char **argv)
{
	char *good[] = { "x", NULL }, *none[] = { NULL }, **many;
	int status;

	if (argc < 3)
		return 1;
	many = malloc(sizeof(*many) * 65);
	for (int i = 0; i < 64; i++) {
		many[i] = malloc(130000);	/* below the limit for one, 8 MiB together: more than a quarter of the stack */
		memset(many[i], 'a', 129999);
		many[i][129999] = 0;
	}
	many[64] = NULL;
	lines("/proc/self/maps");		/* stdio has its buffers now */

	fails("ENOENT", "/nowhere/x", good, none, ENOENT);
	fails("EACCES", argv[1], good, none, EACCES);
	fails("ENOEXEC", argv[2], good, none, ENOEXEC);
	fails("E2BIG", "/bin/true", many, none, E2BIG);
	fails("EFAULT path", (const char *)8, good, none, EFAULT);
	fails("EFAULT argv", "/bin/true", (char *const *)8, none, EFAULT);
	fails("EACCES directory", "/", good, none, EACCES);
	prctl(PR_SET_DUMPABLE, 0);
	fails("ENOENT, not dumpable", "/nowhere/x", good, none, ENOENT);
	expect("dumpable", prctl(PR_GET_DUMPABLE), 0);
	prctl(PR_SET_DUMPABLE, 1);

	/* And from a child of vfork, whose memory is the parent's. */
	if (!vfork()) {
		do_execve("/nowhere/x", good, none);
		_exit(errno);
	}
	expect("wait", wait(&status) > 0, 1);
	expect("vfork ENOENT", WEXITSTATUS(status), ENOENT);
	fails("ENOENT after vfork", "/nowhere/x", good, none, ENOENT);
	return bad;
}
