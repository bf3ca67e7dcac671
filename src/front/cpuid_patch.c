/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where CPUID cannot be made to fault: 0F A2 becomes CC A2 in code that the process has for itself. The handler of the
 * breakpoint knows the sites by their addresses and reads the A2 as confirmation, since code can be unmapped and
 * something else with a breakpoint of its own mapped there without anybody noticing.
 */
#include <asm/fcntl.h>
#include <asm/unistd.h>
#include <linux/mman.h>
#include <stdatomic.h>

#include "front/cpuid.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#define PAGE		UINT64_C(4096)
#define CHUNK		UINT64_C(8192)
#define SITE_SLOTS	8192u		/* a hash table of 64 KiB */
#define SITES_MAX	7168u
#define SITES_PER_CHUNK	128u

static _Atomic uint64_t sites[SITE_SLOTS];
static _Atomic uint32_t site_count;

struct mapping {
	uint64_t start, end;
	int prot;
	bool shared;
};

static uint32_t slot_of(uint64_t addr)
{
	return (uint32_t)(addr * UINT64_C(0x9e3779b97f4a7c15) >> 51);
}
_Static_assert(SITE_SLOTS == 1 << (64 - 51), "slot_of() covers the table");

static bool site_known(uint64_t addr)
{
	uint32_t i;

	for (i = slot_of(addr);; i = (i + 1) % SITE_SLOTS) {
		uint64_t at = atomic_load_explicit(&sites[i], memory_order_acquire);

		if (!at || at == addr)
			return at;
	}
}

/* Sites stay for ever: a library that is loaded again meets its old ones. */
static bool site_add(uint64_t addr)
{
	uint32_t i;

	if (site_known(addr))
		return true;
	if (atomic_fetch_add(&site_count, 1) >= SITES_MAX) {
		atomic_fetch_sub(&site_count, 1);
		return false;
	}
	for (i = slot_of(addr);; i = (i + 1) % SITE_SLOTS) {
		uint64_t expected = 0;

		if (atomic_compare_exchange_strong(&sites[i], &expected, addr) || expected == addr)
			return true;
	}
}

bool cpuid_is_patched(uint64_t rip)
{
	uint8_t bytes[2];

	return site_known(rip) && !rt_copy(bytes, (const void *)(uintptr_t)rip, sizeof(bytes)) && bytes[0] == 0xcc &&
	       bytes[1] == 0xa2;
}

static const char *parse_hex(const char *p, uint64_t *value)
{
	for (*value = 0;; p++) {
		if (*p >= '0' && *p <= '9')
			*value = *value << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*value = *value << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

/* "start-end rwxp": false if @line is not of /proc/PID/maps. */
static bool parse_mapping(const char *line, struct mapping *m)
{
	const char *p = parse_hex(line, &m->start);

	if (*p != '-')
		return false;
	p = parse_hex(p + 1, &m->end);
	if (p[0] != ' ' || !p[1] || !p[2] || !p[3] || !p[4])
		return false;
	m->prot = (p[1] == 'r' ? PROT_READ : 0) | (p[2] == 'w' ? PROT_WRITE : 0) | (p[3] == 'x' ? PROT_EXEC : 0);
	m->shared = p[4] == 's';
	return true;
}

static bool mapping_find(uint64_t addr, struct mapping *m)
{
	char line[64], buf[1024];
	size_t length = 0;
	bool found = false;
	long got, i, fd = sys_call3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return false;
	while (!found && (got = sys_call3(__NR_read, fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < got && !found; i++) {
			if (buf[i] != '\n') {
				if (length < sizeof(line) - 1)
					line[length++] = buf[i];
				continue;
			}
			line[length] = 0;
			length = 0;
			found = parse_mapping(line, m) && addr >= m->start && addr < m->end;
		}
	}
	sys_call1(__NR_close, fd);
	return found;
}

/* Room in the table? Shared mappings are left alone: they are the file. */
static bool site_wanted(uint64_t addr, const struct mapping *m)
{
	static _Atomic bool said;

	if (m->shared || !(m->prot & PROT_EXEC))
		return false;
	if (site_add(addr))
		return true;
	if (!atomic_exchange(&said, true))
		sys_print(2, "softsgx: more than %u CPUID instructions: the others show the machine's CPUID\n", SITES_MAX);
	return false;
}

/* One page at a time is writable: a change of protection costs more than all else. 0 closes the last. */
static bool page_open(uint64_t *open, uint64_t page, const struct mapping *m)
{
	if (*open == page || m->prot & PROT_WRITE)
		return true;
	if (*open)
		sys_call3(__NR_mprotect, *open, PAGE, m->prot);
	*open = 0;
	if (!page)
		return true;
	if (sys_is_error(sys_call3(__NR_mprotect, page, PAGE, m->prot | PROT_READ | PROT_WRITE))) {
		if (rt.config.flags & RT_FLAG_VERBOSE)
			sys_print(2, "softsgx: CPUID instructions in the page 0x%lx can't be replaced\n", page);
		return false;
	}
	*open = page;
	return true;
}

/* Pages that cannot be read (beyond the end of a file) become zeros. False if that is all of them. */
static bool read_code(uint8_t *dst, uint64_t start, uint64_t end)
{
	bool any = false;

	if (!rt_copy(dst, (const void *)(uintptr_t)start, end - start))
		return true;
	while (start < end) {
		uint64_t part = PAGE - (start & (PAGE - 1));

		if (part > end - start)
			part = end - start;
		if (rt_copy(dst, (const void *)(uintptr_t)start, part))
			__builtin_memset(dst, 0, part);
		else
			any = true;
		dst += part;
		start += part;
	}
	return any;
}

/* Several sites are collected and their mapping looked up once: sites are rare, and close to each other. */
static void patch_chunk(uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	uint8_t code[CHUNK + 2 * CPUID_SCAN_MARGIN];
	const uint64_t low = from - start > CPUID_SCAN_MARGIN ? from - CPUID_SCAN_MARGIN : start;
	const uint64_t high = end - to > CPUID_SCAN_MARGIN ? to + CPUID_SCAN_MARGIN : end;
	uint16_t found[SITES_PER_CHUNK];
	struct mapping m = { 0 };
	uint32_t count = 0, i;
	uint64_t at, open = 0;

	if (!read_code(code, low, high))
		return;
	for (at = from - low; at < to - low && count < SITES_PER_CHUNK; at++) {
		at = cpuid_scan(code, high - low, at, to - low);
		if (at < to - low)
			found[count++] = (uint16_t)at;
	}
	for (i = 0; i < count; i++) {
		const uint64_t addr = low + found[i];

		if (addr < m.start || addr >= m.end) {
			page_open(&open, 0, &m);
			if (!mapping_find(addr, &m))
				continue;
		}
		/* One byte is written, so that code running here sees the old instruction or the new. */
		if (site_wanted(addr, &m) && page_open(&open, addr & ~(PAGE - 1), &m))
			*(volatile uint8_t *)(uintptr_t)addr = 0xcc;
	}
	page_open(&open, 0, &m);
}

void cpuid_patch_range(uint64_t start, uint64_t end)
{
	uint64_t from;

	if (start >= RT_BASE && start < RT_VDSO_BASE)
		return;		/* the runtime asks the machine */
	for (from = start; from < end; from += CHUNK)
		patch_chunk(start, end, from, end - from > CHUNK ? from + CHUNK : end);
}
