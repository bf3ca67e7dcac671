/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that come and go while signals of the runtime's own kind arrive at the process, and everything that clone can
 * make. Prints the same with and without the runtime.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2000, STACK = 65536 };

static _Atomic int done;
static volatile int stop;

static void on_signal(int sig)
{
	(void)sig;
}

static void *worker(void *argument)
{
	int fd = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	if (fd < 0 || close(fd) || pthread_sigmask(SIG_BLOCK, &none, NULL))
		abort();
	done++;
	return argument;
}

static void *sender(void *argument)
{
	while (!stop) {
		kill(getpid(), SIGSEGV);
		kill(getpid(), SIGUSR1);
		usleep(50);
	}
	return argument;
}

static int child(void *argument)
{
	int fd = open("/dev/null", O_RDONLY);

	(void)argument;
	return fd < 0 || close(fd) ? 1 : 5;
}

int main(void)
{
	static const int flags[] = {
		0, CLONE_VM, CLONE_VM | CLONE_VFORK, CLONE_FILES | CLONE_FS, CLONE_VM | CLONE_FILES | CLONE_SIGHAND,
		CLONE_VFORK,
	};
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread, interrupter;
	pthread_attr_t detached;
	unsigned int i;
	int status;
	pid_t pid;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&detached, STACK);
	signal(SIGSEGV, on_signal);
	signal(SIGUSR1, on_signal);
	pthread_create(&interrupter, NULL, sender, NULL);
	for (i = 0; i < THREADS; i++)
		while (pthread_create(&thread, &detached, worker, NULL))
			usleep(100);
	while (done < THREADS)
		usleep(1000);
	stop = 1;
	pthread_join(interrupter, NULL);
	printf("%d threads\n", done);
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		pid = clone(child, stack + STACK, flags[i] | SIGCHLD, NULL);
		waitpid(pid, &status, 0);
		printf("clone %x: %x\n", (unsigned int)flags[i], (unsigned int)status);
	}
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 0; i < 20; i++) {
			pthread_create(&thread, NULL, worker, NULL);
			pthread_join(thread, NULL);
		}
		_exit(done - THREADS);
	}
	waitpid(pid, &status, 0);
	printf("threads of a fork: %x\n", (unsigned int)status);
	fflush(stdout);
	pthread_create(&thread, &detached, worker, NULL);
	pthread_exit(NULL);
}
