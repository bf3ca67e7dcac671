/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside: local attestation. EREPORT signs a report with a key that only the target enclave can get, by EGETKEY,
 * on the same machine. The signature is AES-128-CMAC (RFC 4493) over its first 384 bytes.
 */
#include "inside.h"

#include <wmmintrin.h>		/* AES instructions: every processor with SGX has them */

/* The next round key: the last word goes through the S-box, then each word is added to the one behind it. */
static __m128i next_key(__m128i key, __m128i assist)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

static __m128i aes128(__m128i key, __m128i block)
{
	block = _mm_xor_si128(block, key);
#define ROUND(rcon, step)								\
	key = next_key(key, _mm_aeskeygenassist_si128(key, rcon));			\
	block = step(block, key)
	ROUND(0x01, _mm_aesenc_si128);
	ROUND(0x02, _mm_aesenc_si128);
	ROUND(0x04, _mm_aesenc_si128);
	ROUND(0x08, _mm_aesenc_si128);
	ROUND(0x10, _mm_aesenc_si128);
	ROUND(0x20, _mm_aesenc_si128);
	ROUND(0x40, _mm_aesenc_si128);
	ROUND(0x80, _mm_aesenc_si128);
	ROUND(0x1b, _mm_aesenc_si128);
	ROUND(0x36, _mm_aesenclast_si128);
	return block;
}

static __m128i load(const void *p)
{
	return _mm_loadu_si128(p);
}

/* Of whole blocks only. */
static void cmac(const uint8_t key[16], const uint8_t *data, size_t blocks, uint8_t mac[16])
{
	uint8_t subkey[16];
	__m128i state = _mm_setzero_si128();
	int i, carry;

	_mm_storeu_si128((void *)subkey, aes128(load(key), state));
	carry = subkey[0] >> 7;
	for (i = 0; i < 16; i++)
		subkey[i] = (uint8_t)(subkey[i] << 1 | (i < 15 ? subkey[i + 1] >> 7 : 0));
	subkey[15] ^= (uint8_t)(carry * 0x87);
	for (; blocks; blocks--, data += 16) {
		state = _mm_xor_si128(state, load(data));
		if (blocks == 1)
			state = _mm_xor_si128(state, load(subkey));
		state = aes128(load(key), state);
	}
	_mm_storeu_si128((void *)mac, state);
}

void report_for(struct report *r, const struct targetinfo *target, const void *data)
{
	static uint8_t aligned[64] __attribute__((aligned(128)));

	memcpy(aligned, data, sizeof(aligned));
	enclu(EREPORT, target, aligned, r);
}

#define KEY_REPORT	3

bool report_is_mine(const struct report *r)
{
	static struct {
		uint16_t name, policy, isvsvn, zero;
		uint8_t cpusvn[16], attributemask[16], keyid[32], zero2[440];
	} request __attribute__((aligned(512)));
	static uint8_t key[16] __attribute__((aligned(16)));
	uint8_t mac[16];

	request.name = KEY_REPORT;
	memcpy(request.keyid, r->keyid, sizeof(request.keyid));
	if (enclu(EGETKEY, &request, key, NULL))
		return false;
	cmac(key, (const uint8_t *)r, 384 / 16, mac);
	memset(key, 0, sizeof(key));
	return !memcmp(mac, r->mac, sizeof(mac));
}
