/* SPDX-License-Identifier: BSD-2-Clause */
/* Random calls with hostile arguments on a few enclaves under a small EPC; the books must balance after each. */
#include "drv/fixture.h"

#define ENCLAVES	3
#define PAGES		64ull

static struct env *v;
static int fds[ENCLAVES];
static uint64_t bases[ENCLAVES], seed;
static uint8_t source[PAGES * PAGE] __attribute__((aligned(4096)));

static uint64_t rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Mostly sensible, sometimes anything. */
static uint64_t hostile(uint64_t sensible)
{
	static const uint64_t odd[] = { 0, 1, 8, 4095, ~0ull, 1ull << 63, 1ull << 62, 0xfffffffffffff000, 0x7ffffffff000 };

	return rnd(20) ? sensible : odd[rnd(sizeof(odd) / sizeof(odd[0]))];
}

static void random_ioctl(unsigned k)
{
	static const uint64_t flags[] = { REG(SI_RW), REG(SI_RX), REG(SI_R), TCS, REG(SI_RWX), 0, ~0ull };
	struct sgx_secinfo secinfo = { .flags = flags[rnd(7)] };
	struct sgx_secs secs = secs_for(hostile(bases[k]), hostile(PAGES * PAGE));
	uint64_t arg[6] = { 0 }, offset = hostile(rnd(PAGES) * PAGE), length = hostile((1 + rnd(8)) * PAGE);

	switch (rnd(8)) {
	case 0:
		arg[0] = hostile((uint64_t)&secs);
		ioc(v, fds[k], SGX_IOC_ENCLAVE_CREATE, arg);
		break;
	case 1: case 2: case 3:
		arg[0] = hostile((uint64_t)source);
		arg[1] = offset;
		arg[2] = hostile(length);
		arg[3] = hostile((uint64_t)&secinfo);
		arg[4] = rnd(2);
		ioc(v, fds[k], SGX_IOC_ENCLAVE_ADD_PAGES, arg);
		break;
	case 4:
		if (rnd(20) == 0 && encl_state(encl_of(v, fds[k])) == ENCL_CREATED)
			init(v, fds[k]);
		break;
	case 5:
		arg[0] = offset;
		arg[1] = length;
		arg[2] = hostile(rnd(8));
		ioc(v, fds[k], SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, arg);
		break;
	case 6:
		arg[0] = offset;
		arg[1] = length;
		arg[2] = hostile(rnd(2) ? SGX_PT_TRIM : SGX_PT_TCS);
		ioc(v, fds[k], SGX_IOC_ENCLAVE_MODIFY_TYPES, arg);
		break;
	case 7:
		arg[0] = offset;
		arg[1] = length;
		ioc(v, fds[k], SGX_IOC_ENCLAVE_REMOVE_PAGES, arg);
		break;
	}
}

static void random_memory_call(unsigned k)
{
	const uint64_t addr = hostile(bases[k] + rnd(PAGES) * PAGE), size = hostile((1 + rnd(16)) * PAGE);
	const uint64_t in_range = bases[k] + rnd(PAGES - 16) * PAGE;
	struct exception exc;

	switch (rnd(8)) {
	case 0: case 1:	/* MAP_FIXED only where it hurts nobody */
		drv_mmap(v->d, v->tid, in_range, (1 + rnd(16)) * PAGE, rnd(8), MAP_SHARED | MAP_FIXED, fds[k],
			 hostile(0));
		break;
	case 2:
		drv_munmap(v->d, v->tid, in_range, (1 + rnd(4)) * PAGE);
		break;
	case 3:
		if (drv_range_hit(v->d, addr, 1))
			drv_mprotect(v->d, v->tid, addr, rnd(2) ? PAGE : hostile(PAGE), rnd(9), -1);
		break;
	case 4:
		if (addr >= bases[k] && addr < bases[k] + PAGES * PAGE)
			drv_madvise(v->d, v->tid, addr, PAGE, rnd(2) ? rnd(30) : hostile(4));
		break;
	case 5:
		if (drv_range_hit(v->d, in_range, 1))
			drv_mremap(v->d, v->tid, in_range, hostile(PAGE), hostile(PAGE), rnd(8) & ~2u, size);
		break;
	default:
		touch(v, addr, (uint32_t)rnd(2) * X86_PFEC_W | (uint32_t)rnd(2) * X86_PFEC_I, &exc);
		break;
	}
}

/* EACCEPT here and there, so that pages come through their states. */
static void accept_some(unsigned k)
{
	struct encl *e = encl_of(v, fds[k]);
	const uint64_t i = rnd(PAGES);

	if (e->npages && page_state(e, i) == PAGE_RESIDENT)
		eaccept(e, i);
}

static void check_books(const char *where)
{
	uint64_t total = 0;

	for (unsigned k = 0; k < ENCLAVES; k++) {
		const struct encl *e = encl_of(v, fds[k]);
		uint64_t resident = 0, existing = 0, slots = 0, swapped = 0, chunks = 0;

		total += e->header->resident;
		EXPECT_EQ(e->counted, e->header->resident);
		if (!e->npages)
			continue;
		for (uint64_t i = 0; i < e->npages; i++) {
			const enum page_state s = page_state(e, i);

			existing += s != PAGE_ABSENT;
			resident += s == PAGE_RESIDENT;
			swapped += s == PAGE_SWAPPED;
			EXPECT_EQ(e->section.epcm[i].valid, s == PAGE_RESIDENT);
			EXPECT_EQ(atomic_load(&e->section.epcm[i].lock), 0);
			if (s != PAGE_RESIDENT)
				EXPECT_EQ(e->pte[i], 0);
			EXPECT_EQ(e->pte[i] & PTE_PROT & ~RWX, 0);
		}
		chunks = e->chunks[0];
		swapped += e->header->secs_state == PAGE_SWAPPED;
		for (uint64_t w = 0; w < e->header->va_count * 8; w++)
			slots += (uint64_t)__builtin_popcountll(e->slots[w]);
		EXPECT_EQ(chunks, existing);
		EXPECT_EQ(e->header->children, resident);
		EXPECT_EQ(e->header->page_cnt, existing + 1);
		EXPECT_EQ(slots, swapped);
		EXPECT_EQ(e->header->resident, resident + e->header->va_count + (e->header->secs_state == PAGE_RESIDENT));
	}
	EXPECT_EQ(v->d->epc_used, total);
	if (v->d->epc_used != total)
		printf("after %s\n", where);
}

/* Proves: A-ST-2, A-EPC-9, A-EPC-14 */
TEST(drv_random, books_balance)
{
	for (uint64_t run = 1; run <= 6; run++) {
		seed = run * 0x9e3779b97f4a7c15;
		v = env_new(run & 1 ? 40 : 400);
		for (unsigned k = 0; k < ENCLAVES; k++) {
			fds[k] = (int)drv_open(v->d, O_RDWR);
			bases[k] = reserve(PAGES * PAGE);
		}
		for (unsigned i = 0; i < 3000; i++) {
			const unsigned k = (unsigned)rnd(ENCLAVES);

			if (rnd(2))
				random_ioctl(k);
			else
				random_memory_call(k);
			accept_some(k);
			if (i % 16 == 0)
				check_books("a call");
		}
		for (unsigned k = 0; k < ENCLAVES; k++) {
			drv_munmap(v->d, v->tid, bases[k], PAGES * PAGE);
			munmap((void *)bases[k], PAGES * PAGE);
			close(fds[k]);
			drv_closed(v->d, fds[k]);
		}
		EXPECT_EQ(v->d->epc_used, 0);
		EXPECT_EQ(v->d->encl_count, 0);
		EXPECT_EQ(atomic_load(&v->d->vma_count), 0);
	}
}
