/* SPDX-License-Identifier: BSD-2-Clause */
/* See measure.h. */
#include "isa/measure.h"

#include "crypto/crypto.h"

#define BLOCK		64
#define CHUNK_BLOCKS	4	/* EEXTEND: 256 bytes */

/* The first eight bytes of a record: the leaf's name, zero-padded. */
#define TAG_ECREATE	UINT64_C(0x0045544145524345)
#define TAG_EADD	UINT64_C(0x0000000044444145)
#define TAG_EEXTEND	UINT64_C(0x00444E4554584545)

struct record_ecreate {
	uint64_t tag;
	uint32_t ssaframesize;
	uint64_t size, cet_leg_bitmap_offset;
	uint8_t  reserved[36];
} __attribute__((packed));
SGX_SIZE(record_ecreate, BLOCK);

/* SHA-256 loads 16 bytes at a time; two words stored one by one just before would not be forwarded to the load. */
typedef uint64_t word2 __attribute__((vector_size(16)));

struct record_page {
	word2   tag_offset;
	uint8_t secinfo[48];	/* EADD only */
};
SGX_SIZE(record_page, BLOCK);

bool measure_trylock(struct secs *secs)
{
	uint32_t nobody = 0;

	return atomic_compare_exchange_strong_explicit(&secs->measure_lock, &nobody, 1, memory_order_acquire,
						       memory_order_relaxed);
}

void measure_unlock(struct secs *secs)
{
	atomic_store_explicit(&secs->measure_lock, 0, memory_order_release);
}

static void measure_blocks(struct secs *secs, const void *blocks, uint64_t count)
{
	sha256_state_blocks(secs->measure_state, blocks, count);
	secs->measure_blocks += count;
}

void measure_ecreate(struct secs *secs)
{
	struct record_ecreate record = {
		.tag = TAG_ECREATE, .ssaframesize = secs->ssaframesize, .size = secs->size,
		.cet_leg_bitmap_offset = secs->cet_leg_bitmap_offset,
	};

	sha256_state_init(secs->measure_state);
	secs->measure_blocks = 0;
	measure_blocks(secs, &record, 1);
}

void measure_eadd(struct secs *secs, uint64_t offset, const struct sgx_secinfo *secinfo)
{
	struct record_page record = { .tag_offset = { TAG_EADD, offset } };

	__builtin_memcpy(record.secinfo, secinfo, sizeof(record.secinfo));
	measure_blocks(secs, &record, 1);
}

void measure_eextend(struct secs *secs, uint64_t offset, const void *chunk)
{
	struct record_page record = { .tag_offset = { TAG_EEXTEND, offset } };

	sha256_state_record(secs->measure_state, &record, chunk, CHUNK_BLOCKS);
	secs->measure_blocks += 1 + CHUNK_BLOCKS;
}

void measure_final(const struct secs *secs, uint8_t mrenclave[32])
{
	sha256_state_final(mrenclave, secs->measure_state, secs->measure_blocks);
}
