/* SPDX-License-Identifier: BSD-2-Clause */
/* This process's page of the statistics file (stats.h). Statistics never stop a program: what fails is left out. */
#include "front/stats.h"
#include "front/rt.h"
#include "sys/sys.h"

#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

enum { MODE_TYPE = 0170000, MODE_REGULAR = 0100000 };	/* <linux/stat.h> hides these from glibc's users */

static _Atomic uint32_t threads_claimed;
static uint32_t page_number;	/* in the file, where 0 is the header */

static struct stats_process *page(void)
{
	return (struct stats_process *)RT_STATS_BASE;
}

/* A new or empty file becomes ours; any other must be ours. Several processes may do this at once. */
static bool prepare(int fd)
{
	struct stats_header header = {
		.magic = STATS_MAGIC,
		.drv_size = sizeof(struct drv_counters), .thread_size = sizeof(struct thread_stats),
	}, found = { 0 };
	const size_t fixed = offsetof(struct stats_header, claimed);
	struct stat st;

	if (sys_call2(__NR_fstat, fd, &st) || (st.st_mode & MODE_TYPE) != MODE_REGULAR)
		return false;
	if (!st.st_size)
		return !sys_call2(__NR_ftruncate, fd, STATS_FILE_SIZE) &&
		       sys_call4(__NR_pwrite64, fd, &header, fixed, 0) == (long)fixed;
	if ((uint64_t)st.st_size != STATS_FILE_SIZE || sys_call4(__NR_pread64, fd, &found, fixed, 0) != (long)fixed)
		return false;
	if (!found.magic)	/* another process is between the two calls above */
		return sys_call4(__NR_pwrite64, fd, &header, fixed, 0) == (long)fixed;
	return !__builtin_memcmp(&found, &header, fixed);
}

/* The number of a page that no other process has, while there are any; @own if that has been claimed before. 0: none. */
static uint32_t claim(int fd, uint32_t own)
{
	long ret = sys_call6(__NR_mmap, RT_STATS_BASE, STATS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	struct stats_header *header = (struct stats_header *)ret;
	uint32_t n;

	if (sys_is_error(ret))
		return 0;
	if (own && own <= atomic_load(&header->claimed))
		return own;
	n = atomic_fetch_add(&header->claimed, 1);
	return 1 + (n < STATS_PROCESSES ? n : STATS_PROCESSES - 1);
}

static bool attach(uint32_t own)
{
	long fd, ret = -1;

	fd = sys_call3(__NR_open, rt.config.stats_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	page_number = prepare((int)fd) ? claim((int)fd, own) : 0;
	if (page_number)
		ret = sys_call6(__NR_mmap, RT_STATS_BASE, STATS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				fd, (long)page_number * STATS_PAGE);
	sys_call1(__NR_close, fd);
	if (sys_is_error(ret))
		return false;
	page()->pid = (uint64_t)sys_call0(__NR_getpid);
	return true;
}

void stats_init(void)
{
	if (!rt.config.stats_path[0])
		return;
	if (attach(rt_start.stats_page))
		rt.counters_shared = &page()->drv;
	else if (rt.config.flags & RT_FLAG_VERBOSE)
		sys_print(2, "softsgx: no statistics: %s can't be used\n", rt.config.stats_path);
}

void stats_fork_child(void)
{
	if (!rt.counters_shared)
		return;
	/* Pointers into the page are everywhere: something must stay at the address, and not the parent's. */
	if (!attach(0))
		sys_call6(__NR_mmap, RT_STATS_BASE, STATS_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

uint32_t stats_page(void)
{
	return rt.counters_shared && page()->pid == (uint64_t)sys_call0(__NR_getpid) ? page_number : 0;
}

struct thread_stats *stats_claim_thread(void)
{
	if (!rt.counters_shared)
		return NULL;
	return &page()->thread[atomic_fetch_add(&threads_claimed, 1) % STATS_THREADS];
}
