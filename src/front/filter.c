/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Installing the filters. A filter cannot be taken back, so each rule is installed once, and where rules would pile up
 * a general one takes their place: the kernel runs every filter for every call that any of them names.
 */
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "front/cpuid.h"
#include "front/filter_build.h"
#include "front/rt.h"
#include "sys/sys.h"

#define FD_SINGLE_MAX	64		/* descriptor numbers with a filter of their own */
#define ADDRESS_END	(UINT64_C(1) << 47)

static struct filter_program program;	/* protected by rt.lock */

/* Once one thread has a filter that the others lack (the program's own), nothing can be added for all: -EBUSY. */
static long install(void)
{
	struct { uint16_t length; struct sock_filter *filter; } fprog = { program.count, program.insn };
	long ret = sys_call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &fprog);

	return ret > 0 ? -EBUSY : ret;
}

static void lock(void)
{
	lock_acquire(&rt.lock, (uint32_t)sys_call0(__NR_gettid));
}

long filter_install_base(void)
{
	long ret = sys_call5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (ret)
		return ret;
	lock();
	filter_build_base(&program, cpuid_patching());
	ret = install();
	lock_release(&rt.lock);
	return ret;
}

static bool fd_has_filter(uint32_t fd)
{
	return __atomic_load_n(&rt.filters.fds[fd / 64], __ATOMIC_RELAXED) >> fd % 64 & 1;
}

static int fd_filters(void)
{
	uint64_t bits;
	unsigned int i;
	int count = 0;

	for (i = 0; i < sizeof(rt.filters.fds) / sizeof(rt.filters.fds[0]); i++)
		for (bits = rt.filters.fds[i]; bits; bits &= bits - 1)
			count++;
	return count;
}

long filter_add_fd(int fd)
{
	const uint32_t limit = sizeof(rt.filters.fds) * 8, number = (uint32_t)fd;
	uint32_t first = number, last = number, i;
	long ret = 0;

	/* The last bit stands for all numbers from there on. */
	if (number >= limit - 1) {
		first = limit - 1;
		last = INT32_MAX;
	}
	if (fd_has_filter(first))
		return 0;
	lock();
	if (fd_has_filter(first))
		goto out;
	if (fd_filters() >= FD_SINGLE_MAX) {
		first = 0;
		last = INT32_MAX;
	}
	filter_build_fd(&program, first, last);
	ret = install();
	if (ret)
		goto out;
	for (i = first; i < limit && i <= last; i++)
		__atomic_fetch_or(&rt.filters.fds[i / 64], UINT64_C(1) << i % 64, __ATOMIC_RELAXED);
out:
	lock_release(&rt.lock);
	return ret;
}

long filter_add_range(uint64_t start, uint64_t end)
{
	const uint32_t limit = sizeof(rt.filters.range) / sizeof(rt.filters.range[0]);
	struct range_filters *f = &rt.filters;
	long ret = 0;
	uint32_t i;

	lock();
	if (f->catch_all)
		goto out;
	for (i = 0; i < f->count; i++)
		if (start >= f->range[i].start && end <= f->range[i].end)
			goto out;
	if (f->count == limit) {
		filter_build_range(&program, 0, ADDRESS_END);
		ret = install();
		f->catch_all = !ret;
		goto out;
	}
	filter_build_range(&program, start, end);
	ret = install();
	if (!ret) {
		f->range[f->count].start = start;
		f->range[f->count].end = end;
		f->count++;
	}
out:
	lock_release(&rt.lock);
	return ret;
}
