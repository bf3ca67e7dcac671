// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a program can find out about its own start. launch.sh compares the lines with those of a run without softsgx;
 * addresses, which differ from run to run, are left out.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void proc(const char *what)
{
	char path[64], buf[4096];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	close(fd);
	printf("%s", what);
	for (ssize_t i = 0; i < size; i++)
		printf("%c", buf[i] ? buf[i] : ' ');
	printf("\n");
}

static void descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			printf("fd %s\n", e->d_name);
	closedir(d);
}

static void signals(void)
{
	sigset_t mask, pending;
	struct sigaction action;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (!sigaction(sig, NULL, &action))
			printf("signal %d blocked %d pending %d %s\n", sig, sigismember(&mask, sig),
			       sigismember(&pending, sig), action.sa_handler == SIG_IGN ? "ignored" :
			       action.sa_handler == SIG_DFL ? "default" : "handled");
}

/* All entries, with the value where it is not an address of this run. */
static void vector(const char *name, const ElfW(auxv_t) *v)
{
	for (; v->a_type != AT_NULL; v++) {
		int value = v->a_type == AT_PAGESZ || v->a_type == AT_CLKTCK || v->a_type == AT_UID ||
			    v->a_type == AT_EUID || v->a_type == AT_GID || v->a_type == AT_EGID ||
			    v->a_type == AT_SECURE || v->a_type == AT_HWCAP || v->a_type == AT_HWCAP2 ||
			    v->a_type == AT_PHNUM || v->a_type == AT_MINSIGSTKSZ;

		printf("%s %lu %lx\n", name, (unsigned long)v->a_type, value ? (unsigned long)v->a_un.a_val : 0);
	}
}

int main(int argc, char **argv)
{
	static ElfW(auxv_t) published[64];
	char link[4096] = "";
	struct rlimit limit;
	char **p = environ;
	int fd;

	for (int i = 0; i < argc; i++)
		printf("argument %s\n", argv[i]);
	for (; *p; p++)
		printf("environment %s\n", *p);
	vector("auxv", (const ElfW(auxv_t) *)(p + 1));
	fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	if (read(fd, published, sizeof(published) - sizeof(*published)) < 0)
		printf("no /proc/self/auxv\n");
	close(fd);
	vector("proc", published);
	if (memcmp(published, p + 1, 8 * sizeof(*published)))
		printf("/proc/self/auxv is not what the stack holds\n");

	if (readlink("/proc/self/exe", link, sizeof(link) - 1) > 0)
		printf("exe %s\n", link);
	proc("comm");
	proc("cmdline");
	proc("loginuid");
	proc("cgroup");
	descriptors();
	signals();
	printf("parent %d group %d session %d\n", getppid(), getpgid(0) == getpid(), getsid(0));
	printf("ids %d %d %d %d, umask %o, nice %d\n", getuid(), geteuid(), getgid(), getegid(), umask(0), nice(0));
	printf("dumpable %d death signal %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_PDEATHSIG, &fd) + fd);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (!getrlimit(i, &limit))
			printf("limit %d %lx %lx\n", i, limit.rlim_cur, limit.rlim_max);
	printf("program break %d, alternate stack %d\n", sbrk(4096) != (void *)-1, sigaltstack(NULL, NULL));
	return 0;
}
