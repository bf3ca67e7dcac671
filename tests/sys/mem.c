/* SPDX-License-Identifier: BSD-2-Clause */
/* The blob's string functions against the C library's; compiled here under other names. */
#include "harness.h"

#define memcpy	blob_memcpy
#define memmove	blob_memmove
#define memset	blob_memset
#define memcmp	blob_memcmp
#define strlen	blob_strlen
#include "../../src/sys/mem.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

#define SIZE	64

static void fill(uint8_t *p)
{
	for (unsigned i = 0; i < SIZE; i++)
		p[i] = (uint8_t)(i * 7 + 1);
}

TEST(mem, memmove_overlapping_both_ways)
{
	uint8_t ours[SIZE], theirs[SIZE];

	for (unsigned from = 0; from < 20; from++)
		for (unsigned to = 0; to < 20; to++)
			for (unsigned size = 0; size <= SIZE - 20; size += 11) {
				fill(ours);
				fill(theirs);
				EXPECT_TRUE(blob_memmove(ours + to, ours + from, size) == ours + to);
				memmove(theirs + to, theirs + from, size);
				EXPECT_MEMEQ(ours, theirs, SIZE);
			}
}

TEST(mem, memcpy_and_memset_touch_their_range_only)
{
	uint8_t from[SIZE], to[SIZE] = { 0 }, expected[SIZE] = { 0 };

	fill(from);
	EXPECT_TRUE(blob_memcpy(to + 3, from, 17) == to + 3);
	memcpy(expected + 3, from, 17);
	EXPECT_MEMEQ(to, expected, SIZE);
	EXPECT_TRUE(blob_memset(to + 30, 0x1a5, 9) == to + 30);
	memset(expected + 30, 0xa5, 9);
	EXPECT_MEMEQ(to, expected, SIZE);
}

TEST(mem, memcmp_orders_by_first_different_byte_unsigned)
{
	uint8_t a[SIZE], b[SIZE];

	for (unsigned at = 0; at < 40; at++) {
		fill(a);
		fill(b);
		EXPECT_EQ(blob_memcmp(a, b, SIZE), 0);
		a[at] = 0x80;
		b[at] = 0x7f;
		b[at + 1] = (uint8_t)~b[at + 1];
		EXPECT_EQ(blob_memcmp(a, b, at), 0);
		EXPECT_EQ(blob_memcmp(a, b, at + 1), 1);
		EXPECT_EQ(blob_memcmp(b, a, at + 1), -1);
		EXPECT_EQ(blob_memcmp(a, b, SIZE), 1);
	}
}

TEST(mem, strlen_counts_to_the_terminator)
{
	EXPECT_EQ(blob_strlen(""), 0);
	EXPECT_EQ(blob_strlen("/dev/sgx_enclave"), 16);
}
