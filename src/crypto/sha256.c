/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 over nettle: digests, and the running state of whole blocks that a SECS keeps. */
#include "crypto/crypto.h"

#include <nettle/sha2.h>

void sha256(uint8_t digest[32], const void *data, size_t size)
{
	sha256_2(digest, data, size, NULL, 0);
}

void sha256_2(uint8_t digest[32], const void *a, size_t a_size, const void *b, size_t b_size)
{
	struct sha256_ctx ctx;

	nettle_sha256_init(&ctx);
	nettle_sha256_update(&ctx, a_size, a);
	if (b_size)
		nettle_sha256_update(&ctx, b_size, b);
	nettle_sha256_digest(&ctx, SHA256_DIGEST_SIZE, digest);
}

void sha256_state_init(uint32_t state[8])
{
	static const uint32_t h[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	__builtin_memcpy(state, h, sizeof(h));
}

/* With an empty buffer nettle compresses whole blocks from where they lie, so the context is only a carrier. */
static void state_load(struct sha256_ctx *ctx, const uint32_t state[8])
{
	__builtin_memcpy(ctx->state, state, sizeof(ctx->state));
	ctx->count = 0;
	ctx->index = 0;
}

void sha256_state_blocks(uint32_t state[8], const void *blocks, size_t count)
{
	struct sha256_ctx ctx;

	state_load(&ctx, state);
	nettle_sha256_update(&ctx, count * SHA256_BLOCK_SIZE, blocks);
	__builtin_memcpy(state, ctx.state, sizeof(ctx.state));
}

void sha256_state_record(uint32_t state[8], const void *header, const void *blocks, size_t count)
{
	struct sha256_ctx ctx;

	state_load(&ctx, state);
	nettle_sha256_update(&ctx, SHA256_BLOCK_SIZE, header);
	nettle_sha256_update(&ctx, count * SHA256_BLOCK_SIZE, blocks);
	__builtin_memcpy(state, ctx.state, sizeof(ctx.state));
}

void sha256_state_final(uint8_t digest[32], const uint32_t state[8], uint64_t blocks)
{
	struct sha256_ctx ctx;

	__builtin_memcpy(ctx.state, state, sizeof(ctx.state));
	ctx.count = blocks;
	ctx.index = 0;
	nettle_sha256_digest(&ctx, SHA256_DIGEST_SIZE, digest);
}
