/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How debug enclaves are mapped: what a debugger writes stays, whatever happens to the page; evicted pages are errors.
 * The debugger is this process, through /proc/self/mem.
 */
#include "drv/fixture.h"

#include <string.h>

static struct env *v;
static int fd, mem = -1;
static uint64_t base;
static struct exception exc;

static void ready(uint64_t epc_pages)
{
	if (mem < 0)
		mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	v = env_new(epc_pages);
	v->debug = true;
	fd = built(v, &base);
	EXPECT_EQ(map(v, fd, base, PAGE, RW), base);
	EXPECT_EQ(map(v, fd, base + PAGE, PAGE, RX), base + PAGE);
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	EXPECT_EQ(map(v, fd, base + 3 * PAGE, PAGE, PROT_READ), base + 3 * PAGE);
	EXPECT_EQ(map(v, fd, base + 4 * PAGE, 12 * PAGE, RWX), base + 4 * PAGE);
	EXPECT_TRUE(encl_of(v, fd)->private_donor != 0);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

static long peek(uint64_t addr, void *dst, size_t size)
{
	const ssize_t n = pread(mem, dst, size, (off_t)addr);

	return n < 0 ? -errno : n;
}

static long poke(uint64_t addr, const void *src, size_t size)
{
	const ssize_t n = pwrite(mem, src, size, (off_t)addr);

	return n < 0 ? -errno : n;
}

static void evict_all(void)
{
	struct encl *e = encl_of(v, fd);

	drv_lock(v->d, v->tid);
	for (int i = 0; i < 8 && e->header->children; i++)
		reclaim_pass(v->d, NULL, ENCL_NO_PAGE);
	drv_unlock(v->d);
}

/* Proves: A-DBG-2, A-DBG-3 */
TEST(drv_debug, breakpoint_survives_eviction)
{
	uint8_t byte, *page;
	struct encl *e;

	ready(64);
	e = encl_of(v, fd);
	page = (uint8_t *)epc_addr(e, 1);
	EXPECT_EQ(touch(v, base + PAGE, X86_PFEC_I, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(poke(base + PAGE + 17, "\xcc", 1), 1);
	EXPECT_EQ(page[17], 0x5a);			/* a copy, until something happens to the page */
	evict_all();
	EXPECT_EQ(page_state(e, 1), PAGE_SWAPPED);
	EXPECT_EQ(touch(v, base + PAGE, X86_PFEC_I, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(page[17], 0xcc);
	EXPECT_EQ(page[16], 0x5a);
	EXPECT_EQ(peek(base + PAGE + 17, &byte, 1), 1);
	EXPECT_EQ(byte, 0xcc);
	EXPECT_EQ(poke(base + PAGE + 17, "\x5a", 1), 1);
	EXPECT_EQ(peek(base + PAGE + 17, &byte, 1), 1);
	EXPECT_EQ(byte, 0x5a);
	done();
}

/* What the kernel makes impossible, see doc/quirks.md: nobody can bring the page back for it. */
/* Proves: A-DBG-4 */
TEST(drv_debug, evicted_page_is_an_error_and_not_zeros)
{
	uint8_t byte = 0;

	ready(64);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	*(volatile uint8_t *)(base + 2 * PAGE) = 7;
	EXPECT_EQ(touch(v, base + PAGE, X86_PFEC_I, &exc), DRV_FAULT_RETRY);
	evict_all();
	for (uint64_t i = 1; i < 4; i++) {
		EXPECT_EQ(peek(base + i * PAGE, &byte, 1), -EIO);
		EXPECT_EQ(poke(base + i * PAGE, &byte, 1), -EIO);
	}
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(peek(base + 2 * PAGE, &byte, 1), 1);
	EXPECT_EQ(byte, 7);
	byte = 8;
	EXPECT_EQ(poke(base + 2 * PAGE, &byte, 1), 1);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 8);
	done();
}

/* Proves: A-DBG-3 */
TEST(drv_debug, page_that_was_not_touched_takes_what_is_written)
{
	uint8_t byte = 9;

	ready(64);
	EXPECT_EQ(poke(base + 2 * PAGE + 5, &byte, 1), 1);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE + 5), 9);
	EXPECT_EQ(((uint8_t *)epc_addr(encl_of(v, fd), 2))[5], 9);
	done();
}

/* Proves: A-DBG-3 */
TEST(drv_debug, new_page_begins_without_what_was_written_before_it)
{
	uint8_t byte = 9;
	struct encl *e;

	ready(64);
	e = encl_of(v, fd);
	poke(base + 9 * PAGE, &byte, 1);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	eaccept(e, 9);
	EXPECT_EQ(touch(v, base + 9 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 9 * PAGE), 0);
	done();
}

/* Proves: A-DBG-6 */
TEST(drv_debug, copy_of_a_tcs_gives_back_flags_only)
{
	const struct sgx_tcs *tcs;
	uint64_t ones = ~0ull, flags = 1;

	ready(64);
	tcs = (const struct sgx_tcs *)(void *)epc_addr(encl_of(v, fd), 0);
	EXPECT_EQ(poke(base + offsetof(struct sgx_tcs, ossa), &ones, 8), 8);
	EXPECT_EQ(poke(base + offsetof(struct sgx_tcs, flags), &flags, 8), 8);
	EXPECT_EQ(tcs->flags, 0);
	drv_lock(v->d, v->tid);
	private_settle(v->d, encl_of(v, fd), 0, 1);
	drv_unlock(v->d);
	EXPECT_EQ(tcs->flags, 1);
	EXPECT_TRUE(tcs->ossa != ones);
	EXPECT_EQ(peek(base + offsetof(struct sgx_tcs, ossa), &ones, 8), 8);
	EXPECT_EQ(ones, tcs->ossa);
	done();
}

/* Neighbours of equal rights are one mapping, shared or private. */
TEST(drv_debug, mappings_stay_few)
{
	enum { PAGES = 512 };
	unsigned before;

	if (mem < 0)
		mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	v = env_new(2 * PAGES + 64);
	v->debug = true;
	base = reserve(2 * PAGES * PAGE);
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(create(v, fd, base, 2 * PAGES * PAGE), 0);
	EXPECT_EQ(add(v, fd, 0, PAGES, REG(SI_RX), NULL), 0);
	EXPECT_EQ(add(v, fd, PAGES * PAGE, PAGES, REG(SI_RW), NULL), 0);
	before = mappings("sgx_enclave");
	EXPECT_EQ(map(v, fd, base, PAGES * PAGE, RX), base);
	EXPECT_EQ(map(v, fd, base + PAGES * PAGE, PAGES * PAGE, RW), base + PAGES * PAGE);
	for (uint64_t i = 0; i < PAGES; i++) {
		touch(v, base + i * PAGE, X86_PFEC_I, &exc);
		touch(v, base + (PAGES + (i * 37) % PAGES) * PAGE, X86_PFEC_W, &exc);
	}
	EXPECT_TRUE(mappings("sgx_enclave") <= before + 2 + 2);		/* and the two donors */
	for (uint64_t i = 0; i < PAGES; i++)
		*(volatile uint8_t *)(base + (PAGES + i) * PAGE) = (uint8_t)i;
	drv_munmap(v->d, v->tid, base, 2 * PAGES * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}
