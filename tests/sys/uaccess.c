/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of the program: good ranges, holes, forbidden pages, strings at the edge of a mapping. */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sys/sys.h"

#define PAGE	4096u

/* Three pages: the first read-write, the second as asked for, the third unmapped. */
static uint8_t *three_pages(int second_prot)
{
	uint8_t *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	mprotect(p + PAGE, PAGE, second_prot);
	munmap(p + 2 * PAGE, PAGE);
	return p;
}

static void unmap(uint8_t *p)
{
	munmap(p, 2 * PAGE);
}

TEST(uaccess, readable_range_is_copied)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE), copy[64];

	memset(p + PAGE - 32, 0x5a, 64);
	EXPECT_EQ(sys_copy_from_user(copy, (uintptr_t)p + PAGE - 32, 64), 0);
	EXPECT_MEMEQ(copy, p + PAGE - 32, 64);
	unmap(p);
}

TEST(uaccess, empty_range_needs_no_mapping)
{
	EXPECT_EQ(sys_copy_from_user(NULL, 1, 0), 0);
	EXPECT_EQ(sys_copy_to_user(1, NULL, 0), 0);
}

TEST(uaccess, hole_is_efault)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE), copy[64] = { 0 };

	EXPECT_EQ(sys_copy_from_user(copy, (uintptr_t)p + 2 * PAGE - 8, 16), -EFAULT);
	EXPECT_EQ(sys_copy_to_user((uintptr_t)p + 2 * PAGE - 8, copy, 16), -EFAULT);
	EXPECT_EQ(sys_copy_from_user(copy, 0, 1), -EFAULT);
	EXPECT_EQ(sys_copy_from_user(copy, UINT64_C(0xffffffff81000000), 8), -EFAULT);
	EXPECT_EQ(sys_copy_from_user(copy, UINT64_C(0xfffffffffffffff8), 16), -EFAULT);
	unmap(p);
}

TEST(uaccess, prot_none_is_efault)
{
	uint8_t *p = three_pages(PROT_NONE), copy[8];

	EXPECT_EQ(sys_copy_from_user(copy, (uintptr_t)p + PAGE, 8), -EFAULT);
	unmap(p);
}

TEST(uaccess, read_only_page_is_read_and_not_written)
{
	uint8_t *p = three_pages(PROT_READ), copy[8];

	EXPECT_EQ(sys_copy_from_user(copy, (uintptr_t)p + PAGE, 8), 0);
	EXPECT_EQ(sys_copy_to_user((uintptr_t)p + PAGE, copy, 8), -EFAULT);
	unmap(p);
}

TEST(uaccess, writable_range_is_written)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE);
	static const char text[] = "across the page boundary";

	EXPECT_EQ(sys_copy_to_user((uintptr_t)p + PAGE - 10, text, sizeof(text)), 0);
	EXPECT_MEMEQ(p + PAGE - 10, text, sizeof(text));
	unmap(p);
}

TEST(uaccess, string_ends_in_last_mapped_byte)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE);
	char copy[256];

	memcpy(p + 2 * PAGE - 4, "abc", 4);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)p + 2 * PAGE - 4, sizeof(copy)), 3);
	EXPECT_MEMEQ(copy, "abc", 4);
	unmap(p);
}

TEST(uaccess, string_before_forbidden_page_is_read)
{
	uint8_t *p = three_pages(PROT_NONE);
	char copy[256];

	memcpy(p + PAGE - 6, "/dev/", 6);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)p + PAGE - 6, sizeof(copy)), 5);
	unmap(p);
}

TEST(uaccess, string_running_into_hole_is_efault)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE);
	char copy[256];

	memset(p + 2 * PAGE - 4, 'x', 4);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)p + 2 * PAGE - 4, sizeof(copy)), -EFAULT);
	unmap(p);
}

TEST(uaccess, string_across_pages_is_read)
{
	uint8_t *p = three_pages(PROT_READ | PROT_WRITE);
	char copy[256];

	memset(p + PAGE - 50, 'y', 100);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)p + PAGE - 50, sizeof(copy)), 100);
	unmap(p);
}

TEST(uaccess, string_must_fit_with_its_terminator)
{
	char copy[8];

	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)"1234567", sizeof(copy)), 7);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)"12345678", sizeof(copy)), -ENAMETOOLONG);
	EXPECT_EQ(sys_copy_string_from_user(copy, (uintptr_t)"1", 0), -ENAMETOOLONG);
}
