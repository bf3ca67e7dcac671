/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside: local attestation. EREPORT signs a report with a key that only the target enclave can get, by EGETKEY,
 * on the same machine. The signature is AES-128-CMAC (RFC 4493) over its first 384 bytes.
 */
#include "inside.h"

static uint8_t times2(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
}

/* The S-box is computed, not looked up: multiplicative inverse in GF(2^8) as x^254, then the affine map. Slow, and
 * without a table whose accessed cache lines would tell the key. */
static uint8_t times(uint8_t a, uint8_t b)
{
	uint8_t product = 0;
	int i;

	for (i = 0; i < 8; i++) {
		product ^= (uint8_t)(-(b & 1) & a);
		a = times2(a);
		b >>= 1;
	}
	return product;
}

static uint8_t sbox(uint8_t x)
{
	uint8_t power = x, inverse = 1;
	int i;

	for (i = 0; i < 7; i++) {		/* 254 = 2 + 4 + ... + 128 */
		power = times(power, power);
		inverse = times(inverse, power);
	}
	x = inverse;
	for (i = 0; i < 4; i++) {
		inverse = (uint8_t)(inverse << 1 | inverse >> 7);
		x ^= inverse;
	}
	return x ^ 0x63;
}

static void aes128(const uint8_t key[16], uint8_t s[16])
{
	uint8_t k[16], t[16], rcon = 1;
	int round, i;

	memcpy(k, key, 16);
	for (i = 0; i < 16; i++)
		s[i] ^= k[i];
	for (round = 1; round <= 10; round++) {
		for (i = 0; i < 16; i++)		/* SubBytes, ShiftRows */
			t[i] = sbox(s[(i + 4 * (i % 4)) % 16]);
		for (i = 0; i < 4; i++)			/* the next round key */
			k[i] ^= sbox(k[12 + (i + 1) % 4]);
		k[0] ^= rcon;
		rcon = times2(rcon);
		for (i = 4; i < 16; i++)
			k[i] ^= k[i - 4];
		for (i = 0; i < 16; i++) {		/* MixColumns, but for the last round; AddRoundKey */
			const uint8_t *c = t + (i & ~3);

			s[i] = round == 10 ? t[i] : times2(c[i % 4]) ^ times2(c[(i + 1) % 4]) ^ c[(i + 1) % 4] ^
						    c[(i + 2) % 4] ^ c[(i + 3) % 4];
			s[i] ^= k[i];
		}
	}
}

/* Of whole blocks only. */
static void cmac(const uint8_t key[16], const uint8_t *data, size_t blocks, uint8_t mac[16])
{
	uint8_t subkey[16] = { 0 };
	int i, carry;

	aes128(key, subkey);
	carry = subkey[0] >> 7;
	for (i = 0; i < 16; i++)
		subkey[i] = (uint8_t)(subkey[i] << 1 | (i < 15 ? subkey[i + 1] >> 7 : 0));
	subkey[15] ^= (uint8_t)(carry * 0x87);
	memset(mac, 0, 16);
	for (; blocks; blocks--, data += 16) {
		for (i = 0; i < 16; i++)
			mac[i] ^= data[i] ^ (blocks == 1 ? subkey[i] : 0);
		aes128(key, mac);
	}
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
