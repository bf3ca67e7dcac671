/* SPDX-License-Identifier: BSD-2-Clause */
/* EPC account, eviction and reload: A-EPC. */
#include "drv/fixture.h"

static struct env *v;
static int fd;
static uint64_t base, size;
static struct exception exc;

/* An initialised enclave of @pages RW pages in an EPC of @epc_pages, mapped. */
static void ready(uint64_t pages, uint64_t epc_pages)
{
	for (size = 2 * PAGE; size < pages * PAGE; size *= 2)
		;
	v = env_new(epc_pages);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	base = reserve(size);
	EXPECT_EQ(create(v, fd, base, size), 0);
	EXPECT_EQ(add(v, fd, 0, pages, REG(SI_RW), NULL), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(map(v, fd, base, size, RW), base);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, size);
	close(fd);
	drv_closed(v->d, fd);
}

/* As a program would: until the access works. */
static volatile uint64_t *access_page(uint64_t i, bool write)
{
	const uint64_t addr = base + i * PAGE;

	for (int tries = 0; tries < 4 && !(write ? writable(addr) : readable(addr)); tries++)
		if (touch(v, addr, write ? X86_PFEC_W : 0, &exc) != DRV_FAULT_RETRY)
			return NULL;
	return (volatile uint64_t *)addr;
}

/* Proves: A-EPC-5, A-EPC-6, A-EPC-7, A-EPC-14, A-FLT-5 */
TEST(drv_reclaim, contents_survive_many_rounds)
{
	unsigned wrong = 0;

	ready(200, 64);
	EXPECT_TRUE(v->d->epc_used <= 64);
	for (uint64_t i = 0; i < 200; i++)
		*access_page(i, true) = i * 0x0101010101010101;
	for (uint64_t round = 1; round < 4; round++)
		for (uint64_t k = 0; k < 200; k++) {
			const uint64_t i = k * 77 % 200;
			volatile uint64_t *p = access_page(i, true);

			wrong += *p != i * 0x0101010101010101 + round - 1;
			wrong += p[511] != 0x5a5a5a5a5a5a5a5a;
			*p += 1;
		}
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(v->counters.evictions > 500 && v->counters.reloads > 500);
	EXPECT_TRUE(v->counters.epc_peak <= 64);
	EXPECT_EQ(v->d->epc_used, encl_of(v, fd)->header->resident);
	done();
}

/* Proves: A-EPC-10 */
TEST(drv_reclaim, backing_holds_only_ciphertext)
{
	struct encl *e;
	uint64_t swapped = 0;

	ready(100, 32);
	e = encl_of(v, fd);
	for (uint64_t i = 0; i < 100; i++) {
		if (page_state(e, i) != PAGE_SWAPPED)
			continue;
		swapped++;
		EXPECT_TRUE(((uint64_t *)e->backing)[i * 512] != 0x5a5a5a5a5a5a5a5a);
		EXPECT_EQ(e->pcmd[i].secinfo.flags, REG(SI_RW));
		EXPECT_TRUE(!e->section.epcm[i].valid);
		EXPECT_EQ(*(uint64_t *)(e->section.mem + i * PAGE), 0);		/* memory is given back */
	}
	EXPECT_TRUE(swapped >= 70);
	done();
}

/* Proves: A-EPC-9 */
TEST(drv_reclaim, slots_are_taken_and_given_back)
{
	struct encl *e;
	uint64_t bits = 0, swapped = 0;

	ready(1100, 128);
	e = encl_of(v, fd);
	EXPECT_EQ(e->header->va_count, 3);	/* 1101 / 512, rounded up */
	for (uint64_t i = 0; i < 1100; i++)
		access_page(i * 37 % 1100, false);
	for (uint64_t w = 0; w < 3 * 8; w++)
		bits += (uint64_t)__builtin_popcountll(e->slots[w]);
	for (uint64_t i = 0; i < 1100; i++)
		swapped += page_state(e, i) == PAGE_SWAPPED;
	EXPECT_EQ(bits, swapped);
	EXPECT_EQ(swapped + e->header->children, 1100);
	done();
}

/* Proves: A-EPC-8 */
TEST(drv_reclaim, secs_follows_the_last_page_and_comes_back_first)
{
	struct encl *e;
	uint64_t other, secs[512];
	int fd2;

	ready(8, 24);
	e = encl_of(v, fd);
	memcpy(secs, e->section.mem + e->npages * PAGE, sizeof(secs));
	fd2 = (int)drv_open(v->d, O_RDWR);
	other = reserve(64 * PAGE);
	EXPECT_EQ(create(v, fd2, other, 64 * PAGE), 0);
	EXPECT_EQ(add(v, fd2, 0, 60, REG(SI_RW), NULL), 0);
	EXPECT_EQ(e->header->children, 0);
	EXPECT_EQ(e->header->secs_state, PAGE_SWAPPED);
	EXPECT_EQ(e->header->resident, 1);		/* the VA page */
	EXPECT_EQ(encl_of(v, fd2)->header->secs_state, PAGE_RESIDENT);	/* not before INIT */
	EXPECT_EQ(*access_page(3, false), 0x5a5a5a5a5a5a5a5a);
	EXPECT_EQ(e->header->secs_state, PAGE_RESIDENT);
	EXPECT_MEMEQ(e->section.mem + e->npages * PAGE, secs, 720 - 352 - 60);
	close(fd2);
	drv_closed(v->d, fd2);
	done();
}

/* Proves: A-EPC-11, A-FLT-5 */
TEST(drv_reclaim, failed_reload_loses_the_page)
{
	struct encl *e;
	uint64_t i;

	ready(100, 32);
	e = encl_of(v, fd);
	for (i = 0; page_state(e, i) != PAGE_SWAPPED; i++)
		;
	e->backing[i * PAGE + 100] ^= 1;
	EXPECT_EQ(touch(v, base + i * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(page_state(e, i), PAGE_LOST);
	EXPECT_EQ(e->pcmd[i].secinfo.flags, 0);
	EXPECT_EQ(touch(v, base + i * PAGE, 0, &exc), DRV_FAULT_BUS);
	EXPECT_EQ(v->d->epc_used, e->header->resident);
	done();
}

/* Proves: A-EPC-7, A-MOD-4 */
TEST(drv_reclaim, threads_inside_are_kicked_and_may_delay_it)
{
	struct sgx_enclave_modify_types m = { .length = PAGE, .page_type = SGX_PT_TRIM };
	struct encl *e;
	uint64_t used, i;

	ready(20, 64);
	e = encl_of(v, fd);
	EXPECT_EQ(touch(v, base + 21 * PAGE, 0, &exc), DRV_FAULT_RETRY);	/* stands for a TCS */
	/* The list of TCS pages gets page 0: somebody is inside through it since epoch 1. */
	((struct secs *)(e->section.mem + e->npages * PAGE))->tcs_first = 1;
	atomic_store(&e->section.epcm[0].tcs_word, 1ull << 32 | v->tid);
	v->kick_leaves = false;
	used = v->d->epc_used;
	v->d->config.epc_pages = used;
	EXPECT_EQ(touch(v, base + 22 * PAGE, 0, &exc), DRV_FAULT_RETRY);	/* Linux would not fail either */
	EXPECT_TRUE(v->kicks > 0);
	EXPECT_EQ(v->d->epc_used, used + 1);
	for (i = 0; i < 20 && !e->section.epcm[i].blocked; i++)
		;
	EXPECT_TRUE(i < 20);			/* victims stay blocked */
	m.offset = i * PAGE;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &m), -EAGAIN);
	EXPECT_EQ(m.count, 0);
	v->kick_leaves = true;
	atomic_store(&e->section.epcm[0].tcs_word, 0);
	EXPECT_EQ(*access_page(i, false), 0x5a5a5a5a5a5a5a5a);
	EXPECT_TRUE(!e->section.epcm[i].blocked);
	EXPECT_EQ(touch(v, base + 23 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(v->d->epc_used <= used);
	done();
}

/* Proves: A-EPC-4, A-LIF-2 */
TEST(drv_reclaim, enclaves_that_others_use_are_left_alone)
{
	struct encl *e;

	ready(20, 22);
	e = encl_of(v, fd);
	e->header->users[5] = (struct encl_user){ (uint64_t)getppid(), 0 };	/* not attached: forgotten */
	EXPECT_TRUE(encl_exclusive(v->d, e));
	EXPECT_EQ(e->header->users[5].pid, 0);
	e->header->crowded = 1;
	EXPECT_EQ(touch(v, base + 22 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(v->counters.evictions, 0);
	EXPECT_EQ(v->d->epc_used, 23);
	done();
}

/* Proves: A-EPC-6 */
TEST(drv_reclaim, pages_in_use_get_a_second_chance)
{
	struct encl *e;
	unsigned kept = 0;

	ready(40, 64);
	e = encl_of(v, fd);
	EXPECT_TRUE(readable((uint64_t)access_page(0, false)));	/* with its neighbours: they look used, too */
	EXPECT_TRUE(readable((uint64_t)access_page(16, false)));
	drv_lock(v->d, v->tid);
	encl_lock(v->d, e);
	for (uint64_t i = 20; i < 40; i++)
		pte_zap(v->d, e, i, 1);
	EXPECT_TRUE(reclaim_pass(v->d, e, ENCL_NO_PAGE));
	encl_unlock(v->d, e);
	drv_unlock(v->d);
	for (uint64_t i = 0; i < 20; i++)
		kept += page_state(e, i) == PAGE_RESIDENT;
	EXPECT_EQ(kept, 20);
	done();
}

/* Proves: A-ADD-18, A-EPC-5, A-EPC-13 */
TEST(drv_reclaim, unmapped_uninitialised_pages_are_reclaimed)
{
	v = env_new(20);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(64 * PAGE);
	size = 64 * PAGE;
	EXPECT_EQ(create(v, fd, base, size), 0);
	EXPECT_EQ(add(v, fd, 0, 64, REG(SI_RW), NULL), 0);
	EXPECT_TRUE(v->counters.evictions >= 46);
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-EPC-6, A-FLT-5, A-REM-3 */
TEST(drv_reclaim, sgx2_over_a_heap_of_twice_the_epc)
{
	struct sgx_enclave_modify_types m = { .length = 4096 * PAGE, .page_type = SGX_PT_TRIM };
	struct sgx_enclave_remove_pages r = { .length = 4096 * PAGE };
	struct encl *e;

	ready(4096, 2048);
	e = encl_of(v, fd);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, &m), 0);
	EXPECT_EQ(m.count, 4096 * PAGE);
	for (uint64_t i = 0; i < 4096; i++) {
		if (page_state(e, i) != PAGE_RESIDENT)
			EXPECT_EQ(touch(v, base + i * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
		EXPECT_TRUE(e->section.epcm[i].modified && e->section.epcm[i].pt == SGX_PT_TRIM);
		eaccept(e, i);
	}
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, &r), 0);
	EXPECT_EQ(r.count, 4096 * PAGE);
	EXPECT_EQ(e->header->children, 0);
	EXPECT_EQ(v->counters.pages_removed, 4096);
	done();
	EXPECT_EQ(v->d->epc_used, 0);
}
