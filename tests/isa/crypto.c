/* SPDX-License-Identifier: BSD-2-Clause */
/* Published vectors: FIPS 180 examples, RFC 4493, and the GCM specification's test cases 1, 2 and 4. */
#include "crypto/crypto.h"

#include "harness.h"

static size_t unhex(uint8_t *out, const char *hex)
{
	size_t n = strlen(hex) / 2;
	unsigned byte;

	for (size_t i = 0; i < n; i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (uint8_t)byte;
	}
	return n;
}

TEST(crypto, sha256_of_fips_examples)
{
	static const struct { const char *message, *digest; } vectors[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	uint8_t expected[32], digest[32];

	crypto_init();
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t size = strlen(vectors[i].message);

		unhex(expected, vectors[i].digest);
		sha256(digest, vectors[i].message, size);
		EXPECT_MEMEQ(digest, expected, 32);
		sha256_2(digest, vectors[i].message, size / 3, vectors[i].message + size / 3, size - size / 3);
		EXPECT_MEMEQ(digest, expected, 32);
	}
}

TEST(crypto, sha256_state_equals_one_digest)
{
	uint8_t data[64 * 7], expected[32], digest[32];
	uint32_t state[8], saved[8];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	sha256(expected, data, sizeof(data));
	sha256_state_init(state);
	sha256_state_blocks(state, data, 2);
	sha256_state_blocks(state, data + 128, 5);
	memcpy(saved, state, sizeof(state));
	sha256_state_final(digest, state, 7);
	EXPECT_MEMEQ(digest, expected, 32);
	EXPECT_MEMEQ(state, saved, sizeof(state));
}

TEST(crypto, cmac_of_rfc_4493)
{
	static const struct { size_t size; const char *mac; } vectors[] = {
		{ 0, "bb1d6929e95937287fa37d129b756746" }, { 16, "070a16b46b4d4144f79bdd9dd04a287c" },
		{ 40, "dfa66747de9ae63030ca32611497c827" }, { 64, "51f0bebf7e3b9d92fc49741779363cfe" },
	};
	uint8_t key[16], message[64], mac[16], expected[16];

	unhex(key, "2b7e151628aed2a6abf7158809cf4f3c");
	unhex(message, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
		       "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		unhex(expected, vectors[i].mac);
		aes128_cmac(mac, key, message, vectors[i].size);
		EXPECT_MEMEQ(mac, expected, 16);
	}
}

TEST(crypto, gcm_of_the_specification)
{
	static const struct { const char *key, *iv, *aad, *plain, *cipher, *tag; } vectors[] = {
		{ "00000000000000000000000000000000", "000000000000000000000000", "", "", "",
		  "58e2fccefa7e3061367f1d57a4e7455a" },
		{ "00000000000000000000000000000000", "000000000000000000000000", "",
		  "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78",
		  "ab6e47d42cec13bdf53a67b21257bddf" },
		{ "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		  "5bc94fbc3221a5db94fae95ae7121a47" },
	};
	uint8_t key[16], iv[12], aad[32], plain[64], cipher[64], tag[16], out[64], got[16];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t size = unhex(plain, vectors[i].plain), aad_size = unhex(aad, vectors[i].aad);

		unhex(key, vectors[i].key);
		unhex(iv, vectors[i].iv);
		unhex(cipher, vectors[i].cipher);
		unhex(tag, vectors[i].tag);
		aes128_gcm_seal(key, iv, aad, aad_size, plain, out, size, got);
		EXPECT_MEMEQ(out, cipher, size);
		EXPECT_MEMEQ(got, tag, 16);
		EXPECT_TRUE(aes128_gcm_open(key, iv, aad, aad_size, cipher, out, size, tag));
		EXPECT_MEMEQ(out, plain, size);
		tag[15] ^= 1;
		EXPECT_TRUE(!aes128_gcm_open(key, iv, aad, aad_size, cipher, out, size, tag));
	}
}

TEST(crypto, verify_sees_every_byte)
{
	uint8_t a[32] = { 1, 2, 3 }, b[32] = { 1, 2, 3 };

	EXPECT_TRUE(crypto_verify16(a, b));
	EXPECT_TRUE(crypto_verify32(a, b));
	for (int i = 0; i < 32; i++) {
		b[i] ^= 0x80;
		EXPECT_EQ(crypto_verify16(a, b), i >= 16);
		EXPECT_TRUE(!crypto_verify32(a, b));
		b[i] ^= 0x80;
	}
}
