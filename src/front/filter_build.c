/* SPDX-License-Identifier: BSD-2-Clause */
#include "front/filter_build.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "front/layout.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif
#define ARCH_GET_CPUID		0x1011
#define ARCH_SET_CPUID		0x1012
#ifndef __NR_epoll_pwait2
#define __NR_epoll_pwait2	441
#endif
#define SGX_IOCTL_TYPE		0xa4

#define DATA(field)		((uint32_t)offsetof(struct seccomp_data, field))
#define ARG_LOW(i)		(DATA(args) + 8 * (i))
#define ARG_HIGH(i)		(DATA(args) + 8 * (i) + 4)
#define LOW(x)			((uint32_t)(x))
#define HIGH(x)			((uint32_t)((uint64_t)(x) >> 32))

_Static_assert(LOW(RT_BASE) == 0 && HIGH(RT_BASE) == HIGH(RT_BASE + RT_TEXT_MAX), "one comparison of each half");

/* A conditional jump reaches 255 instructions: blocks therefore answer on the spot and do not share an end far away. */
static void emit(struct filter_program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (p->count < FILTER_INSN_MAX)
		p->insn[p->count] = (struct sock_filter){ code, yes, no, k };
	p->count++;
}

static void load(struct filter_program *p, uint32_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void answer(struct filter_program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* A number in A selects the next @skip instructions if it is @k; else they are jumped over. */
static void unless_equal_skip(struct filter_program *p, uint32_t k, uint8_t skip)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip);
}

static void prologue(struct filter_program *p)
{
	p->count = 0;
	load(p, DATA(arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	answer(p, SECCOMP_RET_ALLOW);
	load(p, DATA(nr));
}

/* Selected: @action unless the call comes from the runtime. 6 instructions. */
#define SELECTED_SIZE	6
static void selected(struct filter_program *p, uint32_t action)
{
	load(p, DATA(instruction_pointer) + 4);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, HIGH(RT_BASE), 0, 3);
	load(p, DATA(instruction_pointer));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, LOW(RT_BASE) + RT_TEXT_MAX, 1, 0);
	answer(p, SECCOMP_RET_ALLOW);
	answer(p, action);
}

/* Any of @numbers: TRAP. */
static void trap_numbers(struct filter_program *p, const uint16_t *numbers, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(count - 1 - i), i + 1 == count ? SELECTED_SIZE : 0);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
}

/* One number with conditions: what stands between begin_number() and end_number() answers on every path. */
static uint16_t begin_number(struct filter_program *p, uint32_t nr)
{
	uint16_t at = p->count;

	unless_equal_skip(p, nr, 0);
	return at;
}

static void end_number(struct filter_program *p, uint16_t at)
{
	if (p->count <= FILTER_INSN_MAX)
		p->insn[at].jf = (uint8_t)(p->count - at - 1);
}

/* @argument must be one of the signals that the runtime lives on, or the call is allowed. */
static void require_platform_signal(struct filter_program *p, unsigned int argument)
{
	static const uint8_t numbers[] = { 4, 5, 7, 8, 11, 31 };
	const unsigned int count = sizeof(numbers);
	unsigned int i;

	load(p, ARG_LOW(argument));
	for (i = 0; i < count; i++)
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(count - i), 0);
	answer(p, SECCOMP_RET_ALLOW);
}

/* A & @bits must not be 0, or the call is allowed. */
static void require_bits(struct filter_program *p, uint32_t bits)
{
	emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
	answer(p, SECCOMP_RET_ALLOW);
}

static void refuse_bits(struct filter_program *p, uint32_t bits)
{
	emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
}

static void finish(struct filter_program *p)
{
	answer(p, SECCOMP_RET_ALLOW);
	if (p->count > FILTER_INSN_MAX)
		p->count = 0;
}

void filter_build_base(struct filter_program *p, bool exec_mappings)
{
	/* Calls that may come with a mask to wait with: the argument that points to it. */
	static const struct { uint16_t nr, argument; } with_mask[] = {
		{ __NR_ppoll, 3 }, { __NR_pselect6, 5 }, { __NR_epoll_pwait, 4 }, { __NR_epoll_pwait2, 4 },
		{ __NR_io_pgetevents, 5 },
	};
	/* Calls that send a signal: the argument that says which. */
	static const struct { uint16_t nr, argument; } senders[] = {
		{ __NR_tgkill, 2 }, { __NR_tkill, 1 }, { __NR_rt_tgsigqueueinfo, 2 }, { __NR_rt_sigqueueinfo, 1 },
	};
	static const uint16_t always[] = {
		/* Paths have to be looked at. */
		__NR_openat, __NR_open, __NR_openat2, __NR_creat, __NR_newfstatat, __NR_stat, __NR_lstat, __NR_statx,
		__NR_access, __NR_faccessat, __NR_faccessat2,
		/* Signals and threads are virtual. */
		__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_sigaltstack, __NR_rt_sigreturn,
		__NR_rt_sigpending, __NR_rt_sigtimedwait, __NR_rt_sigsuspend,
		__NR_execve, __NR_execveat, __NR_fork, __NR_exit,
	};
	unsigned int i;
	uint16_t at;

	prologue(p);

	at = begin_number(p, __NR_ioctl);
	load(p, ARG_LOW(1));
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0xff00, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, SGX_IOCTL_TYPE << 8, 1, 0);
	answer(p, SECCOMP_RET_ALLOW);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	end_number(p, at);

	at = begin_number(p, __NR_mmap);
	load(p, ARG_LOW(3));
	refuse_bits(p, MAP_ANONYMOUS);
	if (exec_mappings) {
		emit(p, BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 3, 0);
		load(p, ARG_LOW(2));
		require_bits(p, PROT_EXEC);
	} else {
		require_bits(p, MAP_SHARED);
	}
	/* Without a descriptor the kernel answers EBADF; programs probe with -1. */
	load(p, ARG_LOW(4));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	end_number(p, at);

	for (i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		at = begin_number(p, senders[i].nr);
		require_platform_signal(p, senders[i].argument);
		selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
		end_number(p, at);
	}
	for (i = 0; i < sizeof(with_mask) / sizeof(with_mask[0]); i++) {
		at = begin_number(p, with_mask[i].nr);
		load(p, ARG_LOW(with_mask[i].argument));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
		load(p, ARG_HIGH(with_mask[i].argument));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		answer(p, SECCOMP_RET_ALLOW);
		selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
		end_number(p, at);
	}

	/* A child that borrows its parent's memory and stack must not see the gate: it would use the parent's frames. */
	at = begin_number(p, __NR_clone);
	load(p, ARG_LOW(0));
	emit(p, BPF_ALU | BPF_AND | BPF_K, CLONE_VFORK | CLONE_VM, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, CLONE_VFORK | CLONE_VM, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	end_number(p, at);

	at = begin_number(p, __NR_arch_prctl);
	load(p, ARG_LOW(0));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH_GET_CPUID, 2, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH_SET_CPUID, 1, 0);
	answer(p, SECCOMP_RET_ALLOW);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	end_number(p, at);

	/* Its flags lie in memory, where a filter cannot look; every caller knows kernels without it. */
	unless_equal_skip(p, __NR_clone3, SELECTED_SIZE);
	selected(p, SECCOMP_RET_ERRNO | ENOSYS);

	trap_numbers(p, always, sizeof(always) / sizeof(always[0]));
	finish(p);
}

void filter_build_fd(struct filter_program *p, uint32_t first, uint32_t last)
{
	static const uint16_t numbers[] = {
		__NR_read, __NR_write, __NR_close, __NR_fstat, __NR_lseek, __NR_pread64, __NR_pwrite64, __NR_readv,
		__NR_writev, __NR_preadv, __NR_pwritev, __NR_preadv2, __NR_pwritev2, __NR_ftruncate, __NR_fallocate,
	};
	const unsigned int count = sizeof(numbers) / sizeof(numbers[0]);
	const uint8_t block = 4 + SELECTED_SIZE;
	unsigned int i, argument;

	prologue(p);
	for (i = 0; i < count; i++)
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(count - 1 - i), i + 1 == count ? block : 0);
	for (argument = 0; argument <= 4; argument += 4) {
		load(p, ARG_LOW(argument));
		emit(p, BPF_JMP | BPF_JGE | BPF_K, first, 0, 1);
		emit(p, BPF_JMP | BPF_JGT | BPF_K, last, 0, 1);
		answer(p, SECCOMP_RET_ALLOW);
		selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
		if (!argument)
			unless_equal_skip(p, __NR_mmap, block);
	}
	finish(p);
}

/*
 * Does [argument @address, + argument @length) overlap [start, end)? Yes falls through, No jumps over the next @skip
 * instructions; A and X are lost. A length of 2^63 or more is Yes, so that no sum overflows. Addresses are page aligned
 * or the call fails by itself, therefore lengths need no rounding. @or_touch: length 0 at @start is Yes too.
 */
#define OVERLAP_SIZE	24
static void overlap(struct filter_program *p, unsigned int address, unsigned int length, uint64_t start, uint64_t end,
		    bool or_touch, uint8_t skip)
{
	const uint16_t from = p->count;
	const uint16_t jump_low = BPF_JMP | BPF_K | (or_touch ? BPF_JGE : BPF_JGT);
#define TO(index)	((uint8_t)((index) - (p->count - from) - 1))
#define YES		TO(OVERLAP_SIZE)
#define NO		((uint8_t)(TO(OVERLAP_SIZE) + skip))
	/* 0: address < end? */
	load(p, ARG_HIGH(address));
	emit(p, BPF_JMP | BPF_JGT | BPF_K, HIGH(end), NO, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, HIGH(end), 0, TO(5));
	load(p, ARG_LOW(address));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, LOW(end), NO, 0);
	/* 5: M[0] = low half of the sum, A = high half. */
	load(p, ARG_HIGH(length));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, UINT32_C(1) << 31, YES, 0);
	load(p, ARG_LOW(address));
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(p, ARG_LOW(length));
	emit(p, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	emit(p, BPF_ST, 0, 0, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_X, 0, TO(16), 0);
	load(p, ARG_HIGH(address));
	emit(p, BPF_ALU | BPF_ADD | BPF_K, 1, 0, 0);
	emit(p, BPF_JMP | BPF_JA, 1, 0, 0);
	/* 16: */
	load(p, ARG_HIGH(address));
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	load(p, ARG_HIGH(length));
	emit(p, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	/* 20: sum > start? */
	emit(p, BPF_JMP | BPF_JGT | BPF_K, HIGH(start), YES, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, HIGH(start), 0, NO);
	emit(p, BPF_LD | BPF_MEM, 0, 0, 0);
	emit(p, jump_low, LOW(start), YES, NO);
#undef NO
#undef YES
#undef TO
}

void filter_build_range(struct filter_program *p, uint64_t start, uint64_t end)
{
	static const uint16_t numbers[] = { __NR_mprotect, __NR_munmap, __NR_madvise, __NR_pkey_mprotect };
	const unsigned int count = sizeof(numbers) / sizeof(numbers[0]);
	const uint8_t block = OVERLAP_SIZE + SELECTED_SIZE + 1;
	unsigned int i;
	uint16_t at;

	prologue(p);
	for (i = 0; i < count; i++)
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(count - 1 - i), i + 1 == count ? block : 0);
	overlap(p, 0, 1, start, end, false, SELECTED_SIZE);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	answer(p, SECCOMP_RET_ALLOW);

	at = begin_number(p, __NR_mmap);
	load(p, ARG_LOW(3));
	require_bits(p, MAP_FIXED | MAP_FIXED_NOREPLACE);
	overlap(p, 0, 1, start, end, false, SELECTED_SIZE);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	answer(p, SECCOMP_RET_ALLOW);
	end_number(p, at);

	/* An old length of 0 makes a second mapping of the same pages. */
	at = begin_number(p, __NR_mremap);
	overlap(p, 0, 1, start, end, true, SELECTED_SIZE);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	load(p, ARG_LOW(3));
	require_bits(p, MREMAP_FIXED);
	overlap(p, 4, 2, start, end, false, SELECTED_SIZE);
	selected(p, SECCOMP_RET_TRAP | RT_TRAP_DATA);
	answer(p, SECCOMP_RET_ALLOW);
	end_number(p, at);
	finish(p);
}
