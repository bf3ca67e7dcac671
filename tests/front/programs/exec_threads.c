// SPDX-License-Identifier: BSD-2-Clause
/*
 * Executes argv[2...] while other threads run. argv[1] says who does it: "leader", or "thread". A child that nobody
 * waited for must still be there afterwards, so it is made first and its number handed on in CHILD.
 */
#define _GNU_SOURCE
#include "exec.h"
#include <pthread.h>
#include <stdlib.h>

extern char **environ;
static char **args;

static void *spin(void *unused)
{
	for (;;)
		usleep(100);
	return unused;
}

static void *execute(void *unused)
{
	usleep(2000);
	do_execve(args[0], args, environ);
	perror("execve");
	exit(1);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char number[16];
	pid_t child;

	if (argc < 3)
		return 1;
	child = fork();
	if (!child)
		_exit(7);
	snprintf(number, sizeof(number), "%d", child);
	setenv("CHILD", number, 1);
	args = argv + 2;
	for (int i = 0; i < 8; i++)
		pthread_create(&thread, NULL, spin, NULL);
	if (!strcmp(argv[1], "thread")) {
		pthread_create(&thread, NULL, execute, NULL);
		spin(NULL);
	}
	execute(NULL);
	return 1;
}
