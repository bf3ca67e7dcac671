/* SPDX-License-Identifier: BSD-2-Clause */
/* The measurement against an independent one, and frame sizes. */
#include "isa/fixture.h"

#include <openssl/evp.h>

#include "isa/measure.h"

static EVP_MD_CTX *hash;

/* One block: the name, zero-padded to eight bytes, and @size bytes from there on. */
static void record(const char *name, const void *rest, size_t size)
{
	uint8_t block[64] = { 0 };

	memcpy(block, name, strlen(name));
	memcpy(block + 8, rest, size);
	EVP_DigestUpdate(hash, block, sizeof(block));
}

static void golden_page(uint64_t offset, uint64_t flags, const void *data)
{
	const uint64_t eadd[2] = { offset, flags };

	record("EADD", eadd, sizeof(eadd));
	for (unsigned chunk = 0; chunk < 4096; chunk += 256) {
		const uint64_t at = offset + chunk;

		record("EEXTEND", &at, sizeof(at));
		EVP_DigestUpdate(hash, (const uint8_t *)data + chunk, 256);
	}
}

TEST(measure, mrenclave_equals_an_independent_stream)
{
	static const uint64_t flags[] = { 0x100, 0x205, 0x203, 0x203, 0x203, 0x201 };
	static const uint8_t content[] = { 0, 0xc5, 0, 0, 0xc5, 0xc5 };
	struct fixture *f = fixture_new();
	struct sgx_tcs tcs = { .ossa = 0x2000, .nssa = 2, .oentry = 0x1000, .fslimit = UINT32_MAX,
			       .gslimit = UINT32_MAX };
	static const uint32_t ecreate[3] = { 1, 0x100000, 0 };	/* SSAFRAMESIZE, SIZE */
	uint8_t page[4096], expected[32];

	fixture_build(f, NULL);

	hash = EVP_MD_CTX_new();
	EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
	record("ECREATE", ecreate, sizeof(ecreate));
	for (unsigned i = 0; i < 6; i++) {
		memset(page, content[i], sizeof(page));
		if (i == 0)
			memcpy(page, &tcs, sizeof(tcs));
		golden_page(i * 4096, flags[i], page);
	}
	EVP_DigestFinal_ex(hash, expected, NULL);
	EVP_MD_CTX_free(hash);

	EXPECT_MEMEQ(fixture_secs(f, FIXTURE_SECS)->mrenclave, expected, 32);
	EXPECT_EQ(fixture_secs(f, FIXTURE_SECS)->measure_blocks, 1 + 6 * (1 + 16 * 5));
}

TEST(xstate, frame_sizes_follow_xfrm_and_miscselect)
{
	const struct isa_profile *p = &fixture_new()->profile;

	EXPECT_EQ(isa_xsave_size(p, 3), 576);
	EXPECT_EQ(isa_xsave_size(p, 7), 832);
	EXPECT_EQ(isa_xsave_size(p, 0xe7), 2688);
	EXPECT_EQ(isa_xsave_size(p, 0x60000 | 0xe7), 11008);
	EXPECT_EQ(isa_ssa_tail_size(0), 184);
	EXPECT_EQ(isa_ssa_tail_size(SGX_MISC_EXINFO), 200);
	EXPECT_EQ(isa_ssa_tail_size(SGX_MISC_CPINFO), 200);
}
