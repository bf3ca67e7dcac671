/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for a debugger to attach to: writes its process id to argv[1], runs until the debugger sets "done". */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

volatile int done, calls;

static void on_alarm(int sig)
{
	(void)sig;
	calls |= 1 << 20;
}

__attribute__((noinline)) int work(int n)
{
	calls++;
	return n + 1;
}

__attribute__((noinline)) int between(int n)
{
	usleep(2000);
	return work(n) * 2;
}

int main(int argc, char **argv)
{
	FILE *f;
	int i;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	signal(SIGALRM, on_alarm);
	f = fopen(argv[argc - 1], "w");
	fprintf(f, "%d\n", getpid());
	fclose(f);
	for (i = 0; i < 10000 && !done; i++)
		between(i);
	printf("%s %d\n", done ? "done" : "never stopped", !!(calls & 1 << 20));
	return 7;
}
