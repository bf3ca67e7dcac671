// SPDX-License-Identifier: BSD-2-Clause
/*
 * What exec_threads executes: the process is the one it was, one thread, and its only child is the one from before,
 * which ended with status 7. The number of the process stands in argv[1] if the caller knows it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *child = getenv("CHILD");
	int status, pid = wait(&status);

	if (argc > 1 && atoi(argv[1]) != getpid())
		return printf("process %d instead of %s\n", getpid(), argv[1]), 1;
	if (!child || pid != atoi(child) || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		return printf("child %d with status %x\n", pid, status), 1;
	if (waitpid(-1, NULL, 0x40000000 /* __WALL */) != -1 || errno != ECHILD)
		return printf("another child\n"), 1;
	if (getauxval(AT_SYSINFO_EHDR) != 0x6f5000800000ul)
		return printf("no runtime\n"), 1;
	return 0;
}
