/* SPDX-License-Identifier: BSD-2-Clause */
/* Large measured ADD_PAGES calls, whose source a helper copies ahead: nothing but their speed may differ. */
#include "drv/fixture.h"

enum { PAGES = 1200, ELRANGE = 2048 };

static struct env *v;
static uint8_t *src;

static int created(uint64_t *base)
{
	int fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);

	*base = reserve(ELRANGE * PAGE);
	EXPECT_EQ(create(v, fd, *base, ELRANGE * PAGE), 0);
	return fd;
}

static void destroy(int fd, uint64_t base)
{
	close(fd);
	drv_closed(v->d, fd);
	munmap((void *)base, ELRANGE * PAGE);
}

static void source_new(void)
{
	src = mmap(NULL, PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t i = 0; i < PAGES * PAGE / 8; i++)
		((uint64_t *)src)[i] = i * UINT64_C(0x9e3779b97f4a7c15);
}

static long add_from(int fd, uint64_t first, uint64_t pages, uint64_t *count)
{
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = {
		.src = (uint64_t)src + first * PAGE, .offset = first * PAGE, .length = pages * PAGE,
		.secinfo = (uint64_t)&secinfo, .flags = SGX_PAGE_MEASURE,
	};
	long ret = ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, &p);

	*count = p.count;
	return ret;
}

static struct secs *secs_page(int fd)
{
	struct encl *e = encl_of(v, fd);

	return (struct secs *)(void *)(e->section.mem + e->npages * PAGE);
}

/* Proves: A-ADD-14 */
TEST(drv_copier, one_large_call_measures_like_many_small_ones)
{
	uint64_t base[2], count, i;
	unsigned fds = open_fds();
	int fd[2];

	v = env_new(4 * PAGES);
	source_new();
	fd[0] = created(&base[0]);
	fd[1] = created(&base[1]);
	EXPECT_EQ(add_from(fd[0], 0, PAGES, &count), 0);
	EXPECT_EQ(count, PAGES * PAGE);
	for (i = 0; i < PAGES; i += 50)
		EXPECT_EQ(add_from(fd[1], i, 50, &count), 0);
	EXPECT_MEMEQ(secs_page(fd[0])->measure_state, secs_page(fd[1])->measure_state, 32);
	EXPECT_MEMEQ(encl_of(v, fd[0])->section.mem, src, PAGES * PAGE);
	EXPECT_MEMEQ(encl_of(v, fd[1])->section.mem, src, PAGES * PAGE);
	destroy(fd[0], base[0]);
	destroy(fd[1], base[1]);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(open_fds(), fds);
	munmap(src, PAGES * PAGE);
}

/* Proves: A-ADD-10, A-ADD-13 */
TEST(drv_copier, an_unreadable_page_stops_exactly_there)
{
	uint64_t base, count;
	struct encl *e;
	int fd;

	v = env_new(4 * PAGES);
	source_new();
	fd = created(&base);
	mprotect(src + 700 * PAGE, PAGE, PROT_NONE);
	EXPECT_EQ(add_from(fd, 0, PAGES, &count), -EFAULT);
	EXPECT_EQ(count, 700 * PAGE);
	e = encl_of(v, fd);
	EXPECT_EQ(v->d->epc_used, 700 + 1 + e->header->va_count);
	EXPECT_TRUE(page_state(e, 699) == PAGE_RESIDENT && page_state(e, 700) == PAGE_ABSENT);
	mprotect(src + 700 * PAGE, PAGE, RW);
	EXPECT_EQ(add_from(fd, 700, PAGES - 700, &count), 0);
	EXPECT_MEMEQ(e->section.mem, src, PAGES * PAGE);
	destroy(fd, base);
	munmap(src, PAGES * PAGE);
}

/* Proves: A-ADD-7 */
TEST(drv_copier, a_signal_ends_the_call_and_what_was_copied_ahead_is_given_back)
{
	uint64_t base, count;
	struct encl *e;
	int fd;

	v = env_new(4 * PAGES);
	source_new();
	fd = created(&base);
	v->signal_after = 3;
	EXPECT_EQ(add_from(fd, 0, PAGES, &count), 0);
	EXPECT_TRUE(count > 0 && count < PAGES * PAGE);
	e = encl_of(v, fd);
	EXPECT_EQ(e->section.mem[count], 0);	/* the first page that is nobody's reads as new memory */
	v->signal_after = -1;
	EXPECT_EQ(add_from(fd, count / PAGE, PAGES - count / PAGE, &count), 0);
	EXPECT_MEMEQ(e->section.mem, src, PAGES * PAGE);
	destroy(fd, base);
	munmap(src, PAGES * PAGE);
}
