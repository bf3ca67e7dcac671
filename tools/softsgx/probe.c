/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel permits. What could change this process is tried in a child. */
#define _GNU_SOURCE
#include "probe.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ARCH_GET_CPUID
#define ARCH_GET_CPUID			0x1011
#define ARCH_SET_CPUID			0x1012
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ			51
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#endif
#define DISPATCH_OFF			0
#define DISPATCH_INCLUSIVE_ON		2	/* Linux 6.16 */

void probe_finding(struct finding *f, enum probe_state state, const char *meaning, const char *value, ...)
{
	va_list ap;

	f->state = state;
	f->meaning = meaning;
	va_start(ap, value);
	vsnprintf(f->value, sizeof(f->value), value, ap);
	va_end(ap);
}

/* @function's result, from a child process; its errno is the exit status. */
static int error_in_child(int (*function)(void))
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return errno;
	if (!child)
		_exit(function());
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
}

static void found_or_error(struct finding *f, int error, const char *yes, const char *no)
{
	if (error)
		probe_finding(f, PROBE_NO, no, "no (%s)", strerror(error));
	else
		probe_finding(f, PROBE_YES, yes, "yes");
}

static void probe_kernel(struct finding *f)
{
	struct utsname name;
	bool fine = false;
	int major, minor;

	if (uname(&name))
		strcpy(name.release, "?");
	else
		fine = sscanf(name.release, "%d.%d", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 11));
	probe_finding(f, fine ? PROBE_FACT : PROBE_NO,
		      fine ? "new enough (5.11 or later)" :
			     "softsgx needs Linux 5.11 or later: syscall user dispatch", "%s", name.release);
}

static int try_seccomp(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { .len = 1, .filter = allow };
	uint32_t action = SECCOMP_RET_TRAP;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		return errno;
	return 0;
}

static void probe_seccomp(struct finding *f)
{
	found_or_error(f, error_in_child(try_seccomp), "the devices and the driver's system calls can be provided",
		       "softsgx run can't work: permit seccomp(2) in the container's seccomp profile");
}

static int try_ptrace(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return errno;
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(errno);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		return errno;
	if (!WIFSTOPPED(status))
		return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EPERM;
	status = ptrace(PTRACE_DETACH, child, NULL, NULL) ? errno : 0;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return status;
}

static void probe_ptrace(struct finding *f)
{
	found_or_error(f, error_in_child(try_ptrace), "programs can be prepared when they start",
		       "softsgx run can't work: permit ptrace(2) in the container (docker run --cap-add SYS_PTRACE)");
}

static void probe_cpuid_faulting(struct finding *f)
{
	/* 1 leaves CPUID as it is, unless something switched it off before us. */
	bool was_on = syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) != 0;
	int error = syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1) ? errno : 0;

	if (!error && !was_on)
		syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
	found_or_error(f, error, "programs see SGX in CPUID (--cpuid=fault)",
		       "CPUID instructions must be replaced in programs' memory (--cpuid=patch)");
}

static int try_dispatch(void)
{
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_OFF, 0, 0, 0) ? errno : 0;
}

static int try_dispatch_inclusive(void)
{
	/* A range without code, so that nothing is dispatched. */
	static char nothing[4096];

	return prctl(PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_INCLUSIVE_ON, nothing, sizeof(nothing), 0) ? errno : 0;
}

static void probe_dispatch(struct finding *f)
{
	int error = error_in_child(try_dispatch);

	if (error)
		found_or_error(f, error, NULL, "SYSCALL inside an enclave can't be refused: it reaches the kernel");
	else
		probe_finding(f, PROBE_YES, "SYSCALL inside an enclave is #UD, as on a processor", "yes%s",
			      error_in_child(try_dispatch_inclusive) ? "" : ", also for one address range (Linux 6.16)");
}

static void probe_modify_ldt(struct finding *f)
{
	uint64_t entry;

	found_or_error(f, syscall(SYS_modify_ldt, 0, &entry, sizeof(entry)) < 0 ? errno : 0,
		       "programs may make segments of their own; softsgx itself does not",
		       "programs that make segments of their own fail, here and without softsgx");
}

static void probe_membarrier(struct finding *f)
{
	const int needed = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
			   MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	found_or_error(f, commands < 0 ? errno : (commands & needed) == needed ? 0 : EOPNOTSUPP,
		       "hot ENCLU instructions can be replaced by jumps while other threads run",
		       "--patch=off only: every EEXIT traps, which takes microseconds");
}

static void probe_vm_readv(struct finding *f)
{
	char from[8] = "readable", to[8] = "";
	struct iovec local = { to, sizeof(to) }, remote = { from, sizeof(from) };
	ssize_t n = syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);

	found_or_error(f, n < 0 ? errno : 0, "a bad pointer given to the driver is EFAULT",
		       "bad pointers are found by slower means");
}

static void probe_minsigstksz(struct finding *f)
{
	unsigned long size = getauxval(AT_MINSIGSTKSZ);

	if (size)
		probe_finding(f, PROBE_FACT, "the room that a signal takes on a stack, extended registers included",
			      "%lu bytes", size);
	else
		probe_finding(f, PROBE_FACT, "the kernel does not tell how much room a signal takes", "unknown");
}

static bool read_number(const char *path, unsigned long *number)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	*number = strtoul(text, NULL, 10);
	return true;
}

static void probe_max_map_count(struct finding *f)
{
	unsigned long count;

	if (read_number("/proc/sys/vm/max_map_count", &count))
		probe_finding(f, PROBE_FACT, count >= 65530 ?
			      "enough, unless an enclave's pages have permissions in a fine mixture" :
			      "low: enclaves with pages of mixed permissions may not fit; raise vm.max_map_count",
			      "%lu mappings", count);
	else
		probe_finding(f, PROBE_FACT, "how many mappings a process may have is not known", "unknown");
}

static void probe_mmap_min_addr(struct finding *f)
{
	unsigned long address;

	if (read_number("/proc/sys/vm/mmap_min_addr", &address))
		probe_finding(f, PROBE_FACT, "enclaves at address 0 have no pages below this", "0x%lx", address);
	else
		probe_finding(f, PROBE_FACT, "the lowest address of a mapping is not known", "unknown");
}

static void probe_devices(struct finding *f)
{
	bool there = !access("/dev/sgx_enclave", F_OK);

	probe_finding(f, PROBE_FACT, probe_inside_softsgx() ? "provided by softsgx" :
		      there ? "programs may use the processor's SGX without softsgx; under it they don't" :
		      "only programs under softsgx find SGX devices", "%s",
		      there ? "/dev/sgx_enclave exists" : "none");
}

static void probe_isolation(struct finding *f)
{
	probe_finding(f, PROBE_FACT,
		      "host code reads and writes enclave memory where hardware would give all ones and drop writes", "none");
}

const struct probe probes[] = {
	{ "cpu",                    "Processor",               false, probe_cpu },
	{ "kernel",                 "Linux",                   false, probe_kernel },
	{ "sgx_cpuid",              "SGX in CPUID",            false, probe_sgx },
	{ "sgx_devices",            "SGX devices",             false, probe_devices },
	{ "enclu",                  "ENCLU",                   false, probe_enclu },
	{ "fsgsbase",               "FSGSBASE",                true,  probe_fsgsbase },
	{ "seccomp_filter",         "Seccomp filters",         true,  probe_seccomp },
	{ "ptrace",                 "ptrace",                  true,  probe_ptrace },
	{ "cpuid_faulting",         "CPUID faulting",          false, probe_cpuid_faulting },
	{ "syscall_user_dispatch",  "Syscall user dispatch",   false, probe_dispatch },
	{ "membarrier_sync_core",   "membarrier SYNC_CORE",    false, probe_membarrier },
	{ "process_vm_readv",       "process_vm_readv",        false, probe_vm_readv },
	{ "protection_keys",        "Protection keys",         false, probe_pkeys },
	{ "isolation",              "Isolation",               false, probe_isolation },
	{ "modify_ldt",             "modify_ldt",              false, probe_modify_ldt },
	{ "xcr0",                   "Extended registers",      false, probe_xcr0 },
	{ "minsigstksz",            "Signal frame",            false, probe_minsigstksz },
	{ "max_map_count",          "vm.max_map_count",        false, probe_max_map_count },
	{ "mmap_min_addr",          "vm.mmap_min_addr",        false, probe_mmap_min_addr },
};
const size_t probe_count = sizeof(probes) / sizeof(probes[0]);
