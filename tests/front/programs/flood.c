/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that the runtime uses itself, sent as fast as another thread can, at any moment of system calls, handlers and
 * their returns. The handler runs on the program's stack and is never interrupted by what it blocks.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int stop, inside;
static volatile long handled;
static char *stack;
static pid_t target;
static int sig, failed;

static void on_signal(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	if (inside++ || number != sig || info->si_code != SI_TKILL || llabs(&here - stack) > 1 << 20)
		failed = 1;
	handled++;
	inside = 0;
}

static void *sender(void *argument)
{
	while (!stop)
		syscall(SYS_tgkill, getpid(), target, sig);
	return argument;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t thread;
	time_t end;
	sigset_t mask;
	int fd;

	if (argc < 2)
		return 2;
	sig = atoi(argv[1]);
	stack = (char *)&mask;
	target = getpid();
	sigfillset(&action.sa_mask);
	sigaction(sig, &action, NULL);
	sigemptyset(&mask);
	if (pthread_create(&thread, NULL, sender, NULL))
		return 2;
	for (end = time(NULL) + 2; time(NULL) < end && !failed;) {
		fd = open("/dev/null", O_RDONLY);
		if (fd < 0 || pthread_sigmask(SIG_BLOCK, &mask, NULL))
			failed = 1;
		close(fd);
	}
	stop = 1;
	pthread_join(thread, NULL);
	if (failed || !handled)
		printf("signal %d: %ld handled, failed\n", sig, handled);
	return failed || !handled;
}
