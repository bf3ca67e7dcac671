/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor has, and what it makes of ENCLU. */
#define _GNU_SOURCE
#include "probe.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#define HWCAP2_FSGSBASE		(1ul << 1)

#define SIGNATURE_LEAF		0x40005300	/* front/cpuid.h */

enum { EENTER = 2, EEXIT = 4 };

bool probe_inside_softsgx(void)
{
	union { uint32_t words[3]; char text[12]; } signature;
	uint32_t eax;

	__cpuid(SIGNATURE_LEAF, eax, signature.words[0], signature.words[1], signature.words[2]);
	return eax == SIGNATURE_LEAF && !memcmp(signature.text, "softsgx\0\0\0\0", sizeof(signature.text));
}

void probe_cpu(struct finding *f)
{
	union { uint32_t words[13]; char text[52]; } brand = { { 0 } }, vendor = { { 0 } };
	uint32_t eax, ebx, ecx, edx, i;
	const char *model;

	__cpuid(0, eax, vendor.words[0], vendor.words[2], vendor.words[1]);
	__cpuid(1, eax, ebx, ecx, edx);
	if (__get_cpuid_max(0x80000000, NULL) >= 0x80000004)
		for (i = 0; i < 3; i++)
			__cpuid(0x80000002 + i, brand.words[4 * i], brand.words[4 * i + 1], brand.words[4 * i + 2],
				brand.words[4 * i + 3]);
	for (model = brand.text; *model == ' '; model++)
		continue;
	probe_finding(f, PROBE_FACT, ecx >> 31 ? "a virtual machine: its host decides what traps cost" :
		      "not a virtual machine", "%s %s, family %u model %u stepping %u", vendor.text, model,
		      (eax >> 8 & 15) + (eax >> 20 & 255), (eax >> 4 & 15) | (eax >> 12 & 0xf0), eax & 15);
}

void probe_sgx(struct finding *f)
{
	uint32_t eax, ebx = 0, ecx = 0, edx;

	__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
	if (!(ebx & bit_SGX)) {
		probe_finding(f, PROBE_FACT, "programs need softsgx to find SGX", "no");
		return;
	}
	__cpuid_count(0x12, 0, eax, ebx, edx, edx);
	probe_finding(f, PROBE_FACT, probe_inside_softsgx() ?
		      "this is softsgx: programs here, `softsgx info' too, see the machine that it provides" :
		      "the processor has SGX; under softsgx, programs see softsgx's instead",
		      "yes:%s%s%s%s", eax & 1 ? " SGX1" : " not enabled", eax & 2 ? " SGX2" : "",
		      ecx >> 30 & 1 ? " launch control" : "", probe_inside_softsgx() ? " (softsgx)" : "");
}

void probe_fsgsbase(struct finding *f)
{
	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
		probe_finding(f, PROBE_YES, "enclaves get their FS and GS", "yes");
	else
		probe_finding(f, PROBE_NO, "softsgx run can't work: use a processor with FSGSBASE and Linux 5.9 or later "
			      "without `nofsgsbase'", "no");
}

void probe_pkeys(struct finding *f)
{
	long key = syscall(SYS_pkey_alloc, 0, 0);

	if (key >= 0) {
		syscall(SYS_pkey_free, key);
		probe_finding(f, PROBE_YES, "not used by softsgx yet", "yes");
	} else {
		probe_finding(f, PROBE_NO, "enclave memory can't be closed to host code at the speed of a processor",
			      "no (%s)", strerror(errno));
	}
}

void probe_xcr0(struct finding *f)
{
	static const struct { unsigned bit; const char *name; } components[] = {
		{ 2, "AVX" }, { 7, "AVX-512" }, { 9, "PKRU" }, { 18, "AMX" },
	};
	uint32_t eax = 0, ebx, ecx = 0, edx = 0, size = 0;
	char names[64] = "";
	uint64_t xcr0;
	unsigned i;

	__get_cpuid(1, &eax, &ebx, &ecx, &edx);
	if (!(ecx & bit_OSXSAVE)) {
		probe_finding(f, PROBE_NO, "enclaves need XSAVE: no enclave can be entered", "no XSAVE");
		return;
	}
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	xcr0 = (uint64_t)edx << 32 | eax;
	for (i = 0; i < sizeof(components) / sizeof(components[0]); i++)
		if (xcr0 >> components[i].bit & 1)
			sprintf(names + strlen(names), " %s", components[i].name);
	__cpuid_count(13, 0, eax, size, ecx, edx);
	probe_finding(f, PROBE_FACT, "the most that an enclave may have in its XFRM (PKRU excepted)",
		      "XCR0 0x%llx:%s; %u bytes", (unsigned long long)xcr0, *names ? names : " x87 SSE", size);
}

static int result_fd;

/** struct trap - what an ENCLU did, as the child reports it. */
struct trap {
	int signal, code;
	unsigned vector, error_code;
};

static void on_trap(int signal, siginfo_t *info, void *context)
{
	const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct trap trap = {
		.signal = signal, .code = info->si_code,
		.vector = (unsigned)registers[REG_TRAPNO], .error_code = (unsigned)registers[REG_ERR],
	};
	ssize_t n = write(result_fd, &trap, sizeof(trap));

	_exit(n != sizeof(trap));
}

/* Executes ENCLU with @leaf in a child, on a page that is no TCS. */
static bool execute_enclu(uint32_t leaf, struct trap *trap)
{
	static char page[4096] __attribute__((aligned(4096)));
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	static const int signals[] = { SIGSEGV, SIGILL, SIGBUS, SIGTRAP };
	int fds[2], status;
	ssize_t n;
	pid_t child;
	unsigned i;

	if (pipe(fds))
		return false;
	child = fork();
	if (!child) {
		result_fd = fds[1];
		for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			sigaction(signals[i], &action, NULL);
		__asm__ volatile("lea 1f(%%rip), %%rcx\n1:	.byte 0x0f, 0x01, 0xd7"
				 : : "a"((uint64_t)leaf), "b"(page) : "rcx", "memory");
		_exit(1);
	}
	close(fds[1]);
	n = child < 0 ? -1 : read(fds[0], trap, sizeof(*trap));
	close(fds[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return n == sizeof(*trap);
}

static void describe_trap(const struct trap *trap, char text[64])
{
	static const char *const vectors[] = { [3] = "#BP", [6] = "#UD", [13] = "#GP", [14] = "#PF" };
	const char *vector = trap->vector < sizeof(vectors) / sizeof(vectors[0]) ? vectors[trap->vector] : NULL;

	snprintf(text, 64, "%s 0x%x, SIG%s code %d", vector ? vector : "vector ?", trap->error_code,
		 sigabbrev_np(trap->signal), trap->code);
}

void probe_enclu(struct finding *f)
{
	struct trap entry, exit;
	char first[64], second[64];

	if (!execute_enclu(EENTER, &entry) || !execute_enclu(EEXIT, &exit)) {
		probe_finding(f, PROBE_NO, "ENCLU does not trap: softsgx can't see it", "no signal");
		return;
	}
	describe_trap(&entry, first);
	describe_trap(&exit, second);
	probe_finding(f, PROBE_FACT, entry.vector == 6 && exit.vector == 6 ?
		      "ENCLU is unknown here and traps; in a virtual machine that may be slow, --patch=auto avoids it" :
		      probe_inside_softsgx() ? "provided by softsgx" :
		      "the processor knows ENCLU, whatever CPUID says, and refuses it: softsgx takes it from there",
		      "EENTER: %s; EEXIT: %s", first, second);
}
