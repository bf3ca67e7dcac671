/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse WHAT PROGRAM ARGUMENT... - runs PROGRAM where WHAT fails with EPERM, as a container's seccomp profile has it.
 * WHAT: seccomp (the system call and the prctl), ptrace.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARGUMENT	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define REFUSE		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	struct sock_filter no_seccomp[] = {
		NUMBER, IF(SYS_seccomp, 3, 0), IF(SYS_prctl, 0, 3), ARGUMENT, IF(PR_SET_SECCOMP, 0, 1), REFUSE, ALLOW,
	};
	struct sock_filter no_ptrace[] = { NUMBER, IF(SYS_ptrace, 0, 1), REFUSE, ALLOW };
	struct sock_fprog program = { .len = 7, .filter = no_seccomp };

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "ptrace"))
		program = (struct sock_fprog){ .len = 4, .filter = no_ptrace };
	else if (strcmp(argv[1], "seccomp"))
		return 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("refuse: seccomp");
		return 77;
	}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 2;
}
