/* SPDX-License-Identifier: BSD-2-Clause */
/* mmap, mprotect, munmap, mremap, madvise of enclaves: A-MAP, A-MPR, A-MUN. */
#include "drv/fixture.h"

#include <sys/personality.h>

static struct env *v;
static int fd;
static uint64_t base;

static void fresh(void)
{
	v = env_new(64);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	base = reserve(16 * PAGE);
}

static void ready(void)
{
	v = env_new(64);
	fd = built(v, &base);
}

static void done(void)
{
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
}

static long mm(uint64_t addr, uint64_t length, int prot, int flags, uint64_t offset)
{
	return drv_mmap(v->d, v->tid, addr, length, (uint64_t)prot, (uint64_t)flags, fd, offset);
}

static long protect(uint64_t addr, uint64_t length, int prot)
{
	return drv_mprotect(v->d, v->tid, addr, length, (uint64_t)prot, -1);
}

static bool mapped(uint64_t addr)
{
	unsigned char in_core;

	return !mincore((void *)addr, PAGE, &in_core);
}

/* Proves: A-MAP-1 */
TEST(drv_mmap, type_and_length_in_order)
{
	const int p = MAP_PRIVATE, s = MAP_SHARED, f = MAP_FIXED, validate = MAP_SHARED_VALIDATE;
	uint64_t at;

	ready();
	EXPECT_EQ(mm(base, 0, PROT_READ, s | f, 0), -EINVAL);
	EXPECT_EQ(mm(base, ~0ull, PROT_READ, p | f, 0), -ENOMEM);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, s | f, 1), -EINVAL);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, s | f, ~0xfffull), -EOVERFLOW);
	EXPECT_EQ(mm(base, PAGE, RWX, p | f, 0), -EINVAL);		/* before rights are looked at */
	EXPECT_EQ(mm(base, PAGE, PROT_READ, p, 0), -EINVAL);
	EXPECT_TRUE(mapped(base));					/* and before anything is unmapped */
	EXPECT_EQ(mm(base + 1, PAGE, PROT_READ, s | f, 0), -EINVAL);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, validate | f | MAP_SYNC, 0), -EOPNOTSUPP);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, f, 0), -EINVAL);		/* neither shared nor private */
	at = (uint64_t)mm(base, PAGE, 0, validate | f, 0);
	EXPECT_EQ(at, base);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, s | MAP_FIXED_NOREPLACE, 0), -EEXIST);
	done();
}

/* Proves: A-MAP-3, A-MAP-4 */
TEST(drv_mmap, refused_mapping_leaves_a_hole)
{
	ready();
	EXPECT_EQ(mm(base + 15 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 0), -EACCES);
	EXPECT_TRUE(!mapped(base + 15 * PAGE));
	EXPECT_EQ(mm(0, PAGE, PROT_READ, MAP_SHARED, 0), -EACCES);	/* anywhere is outside */
	EXPECT_EQ(mm(base, PAGE, 0, MAP_SHARED | MAP_FIXED, 0), base);
	EXPECT_EQ(mm(base, 2 * PAGE, PROT_EXEC, MAP_SHARED | MAP_FIXED, 0), -EACCES);	/* page 0 is a TCS */
	EXPECT_TRUE(!mapped(base));
	EXPECT_TRUE(!drv_range_hit(v->d, base, PAGE));
	done();
}

/* Proves: A-MAP-5 */
TEST(drv_mmap, read_implies_exec_is_refused)
{
	ready();
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, PROT_NONE), base);
	personality(READ_IMPLIES_EXEC);
	EXPECT_EQ(mm(base, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 0), -EACCES);
	EXPECT_EQ(protect(base + PAGE, PAGE, PROT_READ), -EACCES);
	EXPECT_EQ(protect(base + PAGE, PAGE, PROT_NONE), 0);
	personality(0);
	done();
}

/* Proves: A-MAP-6 */
TEST(drv_mmap, rights_up_to_the_maximum_and_holes_impose_nothing)
{
	static const struct { uint64_t page, pages; int prot; bool ok; } cases[] = {
		{ 0, 1, RW, true }, { 0, 1, PROT_EXEC, false }, { 1, 1, RX, true }, { 1, 1, PROT_WRITE, false },
		{ 2, 1, RW, true }, { 2, 1, RX, false }, { 3, 1, PROT_READ, true }, { 3, 1, RW, false },
		{ 4, 12, RWX, true }, { 3, 13, RWX, false }, { 3, 13, PROT_READ, true }, { 0, 16, PROT_READ, true },
		{ 0, 16, PROT_NONE, true }, { 15, 1, RWX, true },
	};

	ready();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t at = base + cases[i].page * PAGE;

		EXPECT_EQ(map(v, fd, at, cases[i].pages * PAGE, cases[i].prot), cases[i].ok ? (long)at : -EACCES);
	}
	done();
}

/* Proves: A-MAP-7, A-MAP-9, A-MAP-10, D-1 */
TEST(drv_mmap, new_file_maps_anywhere_and_finds_its_pages_later)
{
	struct exception exc;
	long at, exec;

	fresh();
	at = mm(0, PAGE, PROT_READ, MAP_SHARED, 0);
	exec = mm(0, PAGE, PROT_EXEC, MAP_SHARED, 0);
	EXPECT_TRUE(at > 0 && exec > 0);
	EXPECT_EQ(drv_munmap(v->d, v->tid, (uint64_t)at, PAGE), 0);
	EXPECT_EQ(drv_munmap(v->d, v->tid, (uint64_t)exec, PAGE), 0);
	EXPECT_EQ(mm(base, 16 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 5 * PAGE), base);
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_BUS);	/* A-FLT-8 */
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(add(v, fd, PAGE, 2, REG(SI_R), NULL), 0);
	EXPECT_TRUE(!readable(base + PAGE));
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(readable(base + PAGE));
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE + 7), 0x5a);
	EXPECT_TRUE(!readable(base + 3 * PAGE));
	done();
}

/* Proves: A-MAP-8 */
TEST(drv_mmap, appears_as_the_device_in_maps_and_stays_one_mapping)
{
	struct exception exc;

	v = env_new(1024);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	base = reserve(512 * PAGE);
	EXPECT_EQ(create(v, fd, base, 512 * PAGE), 0);
	EXPECT_EQ(add(v, fd, 0, 512, REG(SI_RW), NULL), 0);
	EXPECT_EQ(mappings("---s"), 2 - 1);				/* the donor */
	for (uint64_t i = 0; i < 512; i++)
		EXPECT_EQ(mm(base + i * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, 0), base + i * PAGE);
	for (uint64_t i = 0; i < 512; i++)
		EXPECT_EQ(touch(v, base + (i * 7 & 511) * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(mappings("rw-s"), 2 + 1);				/* header, alias, enclave */
	EXPECT_TRUE(mappings("/memfd:sgx_enclave") == 4);
	drv_munmap(v->d, v->tid, base, 512 * PAGE);
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(mappings("/memfd:sgx_enclave"), 0);
}

/* Proves: A-MPR-1, A-MPR-4 */
TEST(drv_mprotect, generic_errors)
{
	ready();
	EXPECT_EQ(map(v, fd, base + PAGE, PAGE, PROT_READ), base + PAGE);
	EXPECT_EQ(protect(base + PAGE + 1, PAGE, PROT_READ), -EINVAL);
	EXPECT_EQ(protect(base + PAGE, 0, PROT_READ), 0);
	EXPECT_EQ(protect(base + PAGE, -PAGE, PROT_READ), -ENOMEM);
	EXPECT_EQ(protect(base + PAGE, PAGE, 0x40), -EINVAL);
	munmap((void *)(base + 2 * PAGE), PAGE);
	EXPECT_EQ(protect(base + PAGE, 2 * PAGE, PROT_EXEC), -ENOMEM);	/* a hole behind it */
	EXPECT_EQ(vma_at(v->d, base + PAGE)->prot, PROT_EXEC);		/* what came before it is done */
	EXPECT_EQ(protect(base + PAGE, PAGE, PROT_NONE), 0);
	done();
}

/* Proves: A-MPR-2 */
TEST(drv_mprotect, mappings_before_the_refused_one_keep_the_new_rights)
{
	ready();
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, PROT_READ), base + 2 * PAGE);
	EXPECT_EQ(map(v, fd, base + 3 * PAGE, PAGE, PROT_NONE), base + 3 * PAGE);
	EXPECT_EQ(protect(base + 2 * PAGE, 2 * PAGE, RW), -EACCES);
	EXPECT_EQ(vma_at(v->d, base + 2 * PAGE)->prot, RW);
	EXPECT_EQ(vma_at(v->d, base + 3 * PAGE)->prot, PROT_NONE);
	/* Ordinary memory on both sides of enclave pages, in one call. */
	EXPECT_EQ(protect(base, 16 * PAGE, PROT_READ), 0);
	EXPECT_TRUE(readable(base) && readable(base + 15 * PAGE));
	done();
}

/* Proves: A-MPR-3, A-FLT-2 */
TEST(drv_mprotect, present_pages_stay_present)
{
	struct exception exc;

	ready();
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(writable(base + 2 * PAGE));
	EXPECT_EQ(protect(base + 2 * PAGE, PAGE, PROT_READ), 0);
	EXPECT_TRUE(readable(base + 2 * PAGE) && !writable(base + 2 * PAGE));
	EXPECT_EQ(v->invalid_start, base + 2 * PAGE);
	EXPECT_EQ(touch(v, base + 2 * PAGE + 8, X86_PFEC_W, &exc), DRV_FAULT_SEGV);
	EXPECT_EQ(exc.error_code, 0x7);
	EXPECT_EQ(exc.addr, base + 2 * PAGE + 8);
	EXPECT_EQ(protect(base + 2 * PAGE, PAGE, RW), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_TRUE(writable(base + 2 * PAGE));
	done();
}

/* Proves: A-MUN-1 */
TEST(drv_munmap, pages_stay_and_can_be_mapped_again)
{
	struct exception exc;
	uint64_t used;

	ready();
	used = v->d->epc_used;
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, 2 * PAGE, PROT_READ), base + 2 * PAGE);
	EXPECT_EQ(protect(base + 2 * PAGE, PAGE, RW), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	*(volatile uint64_t *)(base + 2 * PAGE) = 0x1122334455667788;
	EXPECT_EQ(drv_munmap(v->d, v->tid, base + 2 * PAGE, PAGE), 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_NOT_OURS);
	EXPECT_TRUE(drv_range_hit(v->d, base + 2 * PAGE, 2 * PAGE));
	EXPECT_EQ(v->d->epc_used, used);
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	EXPECT_TRUE(!readable(base + 2 * PAGE));
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint64_t *)(base + 2 * PAGE), 0x1122334455667788);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base + 1, PAGE), -EINVAL);
	EXPECT_EQ(drv_munmap(v->d, v->tid, base, 0), -EINVAL);
	done();
}

/* Proves: A-MUN-1 */
TEST(drv_munmap, other_mappings_over_it_end_it)
{
	struct exception exc;

	ready();
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, PROT_NONE), base);
	EXPECT_EQ(drv_mmap_other(v->d, v->tid, base + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				 -1, 0), base + PAGE);
	EXPECT_EQ(touch(v, base + PAGE, 0, &exc), DRV_FAULT_NOT_OURS);
	EXPECT_TRUE(readable(base + PAGE));
	EXPECT_TRUE(drv_range_hit(v->d, base, 1) && !drv_range_hit(v->d, base + PAGE, PAGE));
	EXPECT_EQ(drv_mmap_other(v->d, v->tid, base, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
				 MAP_FIXED_NOREPLACE, -1, 0), -EEXIST);
	EXPECT_EQ(drv_mmap_other(v->d, v->tid, base + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				 -1, 0), -EINVAL);
	EXPECT_TRUE(drv_range_hit(v->d, base, 1));
	/* One that fails although its range is good, over a part. */
	EXPECT_EQ(drv_mmap_other(v->d, v->tid, base, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0), -EBADF);
	EXPECT_TRUE(drv_range_hit(v->d, base, 1));
	done();
}

static long remap(uint64_t old, uint64_t size, int flags, uint64_t to)
{
	return drv_mremap(v->d, v->tid, base, old, size, (uint64_t)flags, to);
}

TEST(drv_mremap, shrinking_what_lies_before_cuts_it_off)
{
	ready();
	EXPECT_EQ(map(v, fd, base + PAGE, 3 * PAGE, PROT_NONE), base + PAGE);
	EXPECT_EQ(drv_mremap(v->d, v->tid, base, 3 * PAGE, 2 * PAGE, 0, 0), base);
	EXPECT_TRUE(drv_range_hit(v->d, base + PAGE, PAGE) && !drv_range_hit(v->d, base + 2 * PAGE, PAGE));
	EXPECT_TRUE(drv_range_hit(v->d, base + 3 * PAGE, PAGE));
	EXPECT_EQ(drv_mremap(v->d, v->tid, base, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 8 * PAGE),
		  -EFAULT);
	EXPECT_TRUE(drv_range_hit(v->d, base + 3 * PAGE, PAGE) && !drv_range_hit(v->d, base + 8 * PAGE, PAGE));
	done();
}

TEST(drv_mremap, moving_something_with_a_hole_over_it_ends_it)
{
	unsigned char resident;

	ready();
	EXPECT_EQ(map(v, fd, base, 3 * PAGE, PROT_NONE), base);
	munmap((void *)(base + 9 * PAGE), PAGE);
	drv_mremap(v->d, v->tid, base + 8 * PAGE, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base);
	EXPECT_TRUE(!drv_range_hit(v->d, base, 3 * PAGE));
	EXPECT_EQ(mincore((void *)(base + PAGE), PAGE, &resident), -1);
	done();
}

/* Proves: A-MAP-8 */
TEST(drv_mremap, never_grows_and_never_duplicates)
{
	const uint64_t other = reserve(16 * PAGE);
	struct exception exc;

	ready();
	EXPECT_EQ(map(v, fd, base, 4 * PAGE, PROT_READ), base);
	EXPECT_EQ(remap(4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
	EXPECT_EQ(remap(0, PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
	EXPECT_EQ(remap(5 * PAGE, PAGE, 0, 0), -EFAULT);
	EXPECT_EQ(remap(4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	EXPECT_EQ(remap(4 * PAGE, 0, 0, 0), -EINVAL);
	EXPECT_EQ(remap(4 * PAGE, 4 * PAGE, MREMAP_FIXED, other), -EINVAL);
	EXPECT_EQ(remap(4 * PAGE, 4 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, base + PAGE), -EINVAL);
	EXPECT_EQ(remap(4 * PAGE, 2 * PAGE, 0, 0), base);
	EXPECT_TRUE(!mapped(base + 2 * PAGE) && mapped(base + PAGE));
	EXPECT_EQ(remap(2 * PAGE, 2 * PAGE, 0, 0), base);
	EXPECT_EQ(remap(2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, other), other);
	EXPECT_TRUE(!mapped(base) && drv_range_hit(v->d, other, 1));
	EXPECT_EQ(touch(v, other, 0, &exc), DRV_FAULT_BUS);	/* a wrong address is of no use */
	drv_munmap(v->d, v->tid, other, 2 * PAGE);
	done();
}

/* Proves: A-MAP-8 */
TEST(drv_madvise, what_linux_refuses_for_such_mappings)
{
	static const int refused[] = { MADV_DONTNEED, MADV_FREE, MADV_DODUMP, MADV_DOFORK, MADV_WIPEONFORK,
				       MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_PAGEOUT, MADV_COLD };
	struct exception exc;

	ready();
	EXPECT_EQ(map(v, fd, base + 2 * PAGE, PAGE, RW), base + 2 * PAGE);
	EXPECT_EQ(touch(v, base + 2 * PAGE, 0, &exc), DRV_FAULT_RETRY);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, PAGE, (uint64_t)refused[i]), -EINVAL);
	EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, PAGE, MADV_REMOVE), -ENODEV);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 0x5a);	/* and the page is still there */
	EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, PAGE, MADV_DONTDUMP), 0);
	EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, PAGE, 12345), -EINVAL);
	munmap((void *)(base + 3 * PAGE), PAGE);
	EXPECT_EQ(drv_madvise(v->d, v->tid, base + 2 * PAGE, 2 * PAGE, MADV_NORMAL), -ENOMEM);
	done();
}
