/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for gdb to attach to: "ready PID", then, once its stdin has a line, an enclave and calls into it. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "common/call.h"

enum { COUNT, FAULT, ASK };

static struct call call;

__attribute__((noinline)) long host_ocall(struct call *c, long what, void *argument)
{
	(void)c, (void)argument;
	return what + 41;
}

__attribute__((noinline)) int host_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9,
					   struct sgx_enclave_run *run)
{
	return call_handler(rdi, rsi, rdx, rsp, r8, r9, run);
}

__attribute__((noinline)) long host_call(long what, void *argument)
{
	const long result = ecall(&call, what, argument);

	printf("%ld: %ld\n", what, result);
	return result;
}

static void wait_line(void)
{
	char c;

	while (read(0, &c, 1) == 1 && c != '\n')
		;
}

static void *calls(void *unused)
{
	for (int i = 0; i < 3; i++) {
		host_call(COUNT, (void *)3);
		host_call(FAULT, NULL);
		host_call(ASK, NULL);
	}
	return unused;
}

/* "late": the enclave is loaded behind the line. "thread": a thread, whose stack lies below the enclave, calls. */
int main(int argc, char **argv)
{
	static struct enclave e;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "late")) {
		printf("ready %d\n", getpid());
		wait_line();
	}
	enclave_load(&e, "debug.enclave");
	call = (struct call){ .tcs = e.tcs[0], .handler = host_handler, .ocall = host_ocall };
	host_call(COUNT, (void *)2);
	if (argc <= 1 || strcmp(argv[1], "late")) {
		printf("ready %d\n", getpid());
		wait_line();
	}
	if (argc > 1 && !strcmp(argv[1], "thread")) {
		pthread_t thread;

		pthread_create(&thread, NULL, calls, NULL);
		pthread_join(thread, NULL);
	} else {
		calls(NULL);
	}
	puts("done");
	return 0;
}
