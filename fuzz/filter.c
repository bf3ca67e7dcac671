/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seccomp programs for any range and descriptors, asked about any call: well formed, and the answer is the one that
 * the rules, written down once more in 128 bits, give.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/mman.h>
#include <linux/sched.h>

#include "front/filter_run.h"
#include "front/layout.h"
#include "fuzz.h"

#define PAGE	4096ull
#define LIMIT	(1ull << 47)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

struct input {
	uint8_t  program, number, flags, ip;
	uint8_t  near[2];	/* which of the arguments are offsets from the range's start, or size */
	uint16_t spare;
	uint32_t first, last;
	uint64_t start, size;
	uint64_t args[6];
};

static struct filter_program program;

/* What the kernel asks of a program: jumps forwards and inside, no fall off the end. */
static void check_form(void)
{
	FUZZ_CHECK(program.count > 0 && program.count <= FILTER_INSN_MAX);
	for (unsigned int i = 0; i < program.count; i++) {
		const struct sock_filter *f = &program.insn[i];
		const unsigned int left = program.count - i - 1;

		if (BPF_CLASS(f->code) == BPF_RET)
			continue;
		if (f->code == (BPF_JMP | BPF_JA))
			FUZZ_CHECK(f->k < left);
		else if (BPF_CLASS(f->code) == BPF_JMP)
			FUZZ_CHECK(f->jt < left && f->jf < left);
		else
			FUZZ_CHECK(left > 0);
	}
}

static bool listed(uint32_t number, const uint16_t *numbers, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* [address, address + length) and the range have a byte in common; with @empty, so has an empty one at its start. */
static bool overlaps(const struct input *in, uint64_t address, uint64_t length, bool empty)
{
	const unsigned __int128 end = (unsigned __int128)address + length;

	return address < in->start + in->size && (end > in->start || (empty && end == in->start));
}

static bool range_rule(const struct input *in, uint32_t nr, const uint64_t *a)
{
	switch (nr) {
	case __NR_munmap: case __NR_mprotect: case __NR_pkey_mprotect: case __NR_madvise:
		return overlaps(in, a[0], a[1], false);
	case __NR_mmap:
		return (a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && overlaps(in, a[0], a[1], false);
	case __NR_mremap:
		return overlaps(in, a[0], a[1], true) || ((a[3] & MREMAP_FIXED) && overlaps(in, a[4], a[2], false));
	}
	return false;
}

static bool fd_rule(const struct input *i, uint32_t nr, const uint64_t *a)
{
	static const uint16_t numbers[] = {
		__NR_read, __NR_write, __NR_close, __NR_fstat, __NR_lseek, __NR_pread64, __NR_pwrite64, __NR_readv,
		__NR_writev, __NR_preadv, __NR_pwritev, __NR_preadv2, __NR_pwritev2, __NR_ftruncate, __NR_fallocate,
	};
	const uint32_t fd = (uint32_t)(nr == __NR_mmap ? a[4] : a[0]);

	return (nr == __NR_mmap || listed(nr, numbers, sizeof(numbers))) && fd >= i->first && fd <= i->last;
}

static uint32_t base_rule(bool exec, uint32_t nr, const uint64_t *a)
{
	static const uint16_t always[] = {
		__NR_openat, __NR_open, __NR_openat2, __NR_creat, __NR_newfstatat, __NR_stat, __NR_lstat, __NR_statx,
		__NR_access, __NR_faccessat, __NR_faccessat2, __NR_rt_sigaction, __NR_rt_sigprocmask,
		__NR_sigaltstack, __NR_rt_sigreturn, __NR_execve, __NR_execveat, __NR_fork, __NR_exit,
	};
	bool trap = listed(nr, always, sizeof(always));

	if (nr == __NR_clone3)
		return SECCOMP_RET_ERRNO | 38;
	if (nr == __NR_ioctl)
		trap = (a[1] >> 8 & 0xff) == 0xa4;
	if (nr == __NR_mmap)
		trap = !(a[3] & MAP_ANONYMOUS) && ((a[3] & MAP_SHARED) || (exec && (a[2] & PROT_EXEC))) &&
		       (uint32_t)a[4] != UINT32_MAX;
	if (nr == __NR_clone)
		trap = !(a[0] & CLONE_VFORK);
	if (nr == __NR_arch_prctl)
		trap = (uint32_t)a[0] == 0x1011 || (uint32_t)a[0] == 0x1012;
	return trap ? SECCOMP_RET_TRAP | RT_TRAP_DATA : SECCOMP_RET_ALLOW;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t numbers[] = {
		__NR_munmap, __NR_mprotect, __NR_pkey_mprotect, __NR_madvise, __NR_mmap, __NR_mremap, __NR_close,
		__NR_preadv2, __NR_ioctl, __NR_clone, __NR_arch_prctl, __NR_clone3, __NR_openat, __NR_exit, __NR_read,
	};
	static const uint64_t callers[] = {
		0x401000, RT_BASE, RT_BASE + RT_TEXT_MAX - 1, RT_BASE + RT_TEXT_MAX, RT_BASE - 1, RT_BASE + (1ull << 32),
	};
	struct seccomp_data call = { .arch = AUDIT_ARCH_X86_64 };
	uint32_t expected;
	struct input in;
	bool runtime;

	if (size < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	in.start = in.start % LIMIT & -PAGE;
	in.size = PAGE + (in.size % (LIMIT - in.start) & -PAGE);
	if (in.size > LIMIT - in.start)
		in.size = LIMIT - in.start;
	in.first &= INT32_MAX;
	in.last = in.last % (INT32_MAX - in.first + 1u) + in.first;
	for (int i = 0; i < 6; i++) {
		if (in.near[0] >> i & 1)
			in.args[i] += in.start;
		if (in.near[1] >> i & 1)
			in.args[i] += in.size;
		call.args[i] = in.args[i];
	}
	call.nr = in.number < 15 ? numbers[in.number] : in.number * 4;
	call.instruction_pointer = callers[in.ip % 6];
	call.arch = in.flags & 0x40 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
	runtime = call.instruction_pointer - RT_BASE < RT_TEXT_MAX;

	switch (in.program % 4) {
	case 0:
		filter_build_range(&program, in.start, in.start + in.size);
		expected = range_rule(&in, (uint32_t)call.nr, in.args) ? SECCOMP_RET_TRAP | RT_TRAP_DATA : SECCOMP_RET_ALLOW;
		break;
	case 1:
		filter_build_fd(&program, in.first, in.last);
		expected = fd_rule(&in, (uint32_t)call.nr, in.args) ? SECCOMP_RET_TRAP | RT_TRAP_DATA : SECCOMP_RET_ALLOW;
		break;
	default:
		filter_build_base(&program, in.program & 1);
		expected = base_rule(in.program & 1, (uint32_t)call.nr, in.args);
		break;
	}
	if (runtime || call.arch != AUDIT_ARCH_X86_64)
		expected = SECCOMP_RET_ALLOW;
	check_form();
	FUZZ_CHECK(filter_run(&program, &call) == expected);
	return 0;
}
