/* SPDX-License-Identifier: BSD-2-Clause */
/* The signature of a SIGSTRUCT, byte by byte. Each case is one that a correct signature differs from in one thing. */
#include "isa/sigstruct.h"

#include "isa/fixture.h"

#include <openssl/sha.h>

static struct sgx_sigstruct valid(void)
{
	static struct sgx_sigstruct s;

	if (!s.exponent) {
		s.date = 0x20240131;
		s.swdefined = 3;
		memset(s.enclavehash, 0x3c, sizeof(s.enclavehash));
		fixture_sign(&s, 0);
	}
	return s;
}

static bool verifies(const struct sgx_sigstruct *s)
{
	uint8_t padding[352];

	return sigstruct_verify(s, padding);
}

TEST(sigstruct, valid_signature_verifies)
{
	struct sgx_sigstruct s = valid();
	uint8_t padding[352], mrsigner[32], expected[32];

	EXPECT_TRUE(sigstruct_verify(&s, padding));
	EXPECT_MEMEQ(padding, key_padding, 352);
	sigstruct_mrsigner(&s, mrsigner);
	fixture_mrsigner(0, expected);
	EXPECT_MEMEQ(mrsigner, expected, 32);
}

/* Every bit of every eleventh byte, and the ends. */
static void no_flip_verifies(unsigned first, unsigned size)
{
	struct sgx_sigstruct s = valid();

	for (unsigned i = 0; i < size; i += i + 12 < size ? 11 : 1)
		for (unsigned bit = 0; bit < 8; bit += 7) {
			((uint8_t *)&s)[first + i] ^= (uint8_t)(1u << bit);
			EXPECT_TRUE(!verifies(&s));
			((uint8_t *)&s)[first + i] ^= (uint8_t)(1u << bit);
		}
	EXPECT_TRUE(verifies(&s));
}

static void add(uint8_t a[384], const uint8_t b[384])
{
	unsigned carry = 0;

	for (int i = 0; i < 384; i++) {
		carry += a[i] + b[i];
		a[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

/* Proves: SIG-01 */
TEST(sigstruct, modified_signature_fails)
{
	no_flip_verifies(offsetof(struct sgx_sigstruct, signature), 384);
}

/* Proves: SIG-01 */
TEST(sigstruct, signature_not_below_the_modulus_fails)
{
	struct sgx_sigstruct s = valid();

	memcpy(s.signature, s.modulus, 384);
	memset(s.q1, 0, 384);
	memcpy(s.q1, s.modulus, 384);		/* N^2 = N * N, remainder 0: the equations themselves hold */
	memset(s.q2, 0, 384);
	EXPECT_TRUE(!verifies(&s));
	s = valid();
	add(s.signature, s.modulus);		/* the same residue, if it fits */
	EXPECT_TRUE(!verifies(&s));
}

/* Proves: SIG-02 */
TEST(sigstruct, wrong_q1_fails)
{
	struct sgx_sigstruct s = valid();

	no_flip_verifies(offsetof(struct sgx_sigstruct, q1), 384);
	memset(s.q1, 0, 384);
	EXPECT_TRUE(!verifies(&s));
	memset(s.q1, 0xff, 384);
	EXPECT_TRUE(!verifies(&s));
}

/* Proves: SIG-03 */
TEST(sigstruct, wrong_q2_fails)
{
	struct sgx_sigstruct s = valid();

	no_flip_verifies(offsetof(struct sgx_sigstruct, q2), 384);
	memset(s.q2, 0, 384);
	EXPECT_TRUE(!verifies(&s));
	memset(s.q2, 0xff, 384);
	EXPECT_TRUE(!verifies(&s));
}

/* Proves: SIG-04 */
TEST(sigstruct, modified_modulus_fails)
{
	struct sgx_sigstruct s = valid();
	uint8_t before[32], after[32];

	no_flip_verifies(offsetof(struct sgx_sigstruct, modulus), 384);
	sigstruct_mrsigner(&s, before);
	s.modulus[200] ^= 1;
	sigstruct_mrsigner(&s, after);
	EXPECT_TRUE(memcmp(before, after, 32) != 0);
	memset(s.modulus, 0, 384);
	EXPECT_TRUE(!verifies(&s));
}

/* Proves: SIG-05 */
TEST(sigstruct, modified_first_part_fails)
{
	no_flip_verifies(0, 128);
}

/* Proves: SIG-06 */
TEST(sigstruct, modified_second_part_fails)
{
	no_flip_verifies(900, 128);
}

/* Sign a block that differs from the right one in byte @i. */
static bool block_verifies(int i)
{
	static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
					       0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	struct sgx_sigstruct s = valid();
	uint8_t message[256], block[384];

	memcpy(message, &s, 128);
	memcpy(message + 128, (const uint8_t *)&s + 900, 128);
	memset(block, 0xff, sizeof(block));
	block[0] = 0;
	block[1] = 1;
	block[332] = 0;
	memcpy(block + 333, digest_info, sizeof(digest_info));
	SHA256(message, sizeof(message), block + 352);
	if (i >= 0)
		block[i] ^= 1;
	fixture_sign_block(&s, 0, block);
	return verifies(&s);
}

TEST(sigstruct, right_block_verifies)
{
	EXPECT_TRUE(block_verifies(-1));
}

/* Proves: SIG-07 */
TEST(sigstruct, wrong_block_type_fails)
{
	EXPECT_TRUE(!block_verifies(0));
	EXPECT_TRUE(!block_verifies(1));
}

/* Proves: SIG-08 */
TEST(sigstruct, wrong_padding_byte_fails)
{
	EXPECT_TRUE(!block_verifies(2));
	EXPECT_TRUE(!block_verifies(100));
	EXPECT_TRUE(!block_verifies(331));
}

/* Proves: SIG-09 */
TEST(sigstruct, wrong_separator_fails)
{
	EXPECT_TRUE(!block_verifies(332));
}

/* Proves: SIG-10 */
TEST(sigstruct, wrong_digest_info_fails)
{
	EXPECT_TRUE(!block_verifies(333));
	EXPECT_TRUE(!block_verifies(345));
	EXPECT_TRUE(!block_verifies(351));
}

/* Proves: SIG-11 */
TEST(sigstruct, wrong_digest_fails)
{
	EXPECT_TRUE(!block_verifies(352));
	EXPECT_TRUE(!block_verifies(383));
}

/* Proves: SIG-12 */
TEST(sigstruct, modulus_without_top_bit_is_decided_by_the_equations)
{
	struct sgx_sigstruct s = valid();

	fixture_sign(&s, FIXTURE_SHORT_SIGNER);
	EXPECT_EQ(s.modulus[383] >> 7, 0);
	EXPECT_TRUE(verifies(&s));
	s.modulus[383] |= 0x80;
	EXPECT_TRUE(!verifies(&s));
}
