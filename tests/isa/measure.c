/* SPDX-License-Identifier: BSD-2-Clause */
/* The measurement against an independent one, and frame sizes. */
#include "isa/fixture.h"

#include <openssl/evp.h>

#include "isa/measure.h"

static EVP_MD_CTX *hash;

static void record(const char *tag, uint64_t first, const void *rest, size_t rest_size)
{
	uint8_t block[64] = { 0 };

	memcpy(block, tag, strlen(tag));
	memcpy(block + 8, &first, 8);
	if (rest_size)
		memcpy(block + 16, rest, rest_size);
	EVP_DigestUpdate(hash, block, sizeof(block));
}

static void golden_page(uint64_t offset, uint64_t flags, const void *data)
{
	record("EADD", offset, &flags, 8);
	for (unsigned chunk = 0; chunk < 4096; chunk += 256) {
		record("EEXTEND", offset + chunk, NULL, 0);
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
	uint8_t page[4096], expected[32], size[12] = { [2] = 0x10 };
	uint8_t first[8] = { 1, 0, 0, 0 };	/* SSAFRAMESIZE, then SIZE from byte 12: 0x100000 */
	uint64_t qword;

	fixture_build(f, NULL);

	hash = EVP_MD_CTX_new();
	EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
	memcpy(first + 4, size, 4);
	memcpy(&qword, first, 8);
	record("ECREATE", qword, size + 4, 8);
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
