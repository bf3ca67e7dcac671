/* SPDX-License-Identifier: BSD-2-Clause */
/* Start-up of the cryptographic code, and comparisons whose time says nothing about the data. */
#include "crypto/canary.h"
#include "crypto/crypto.h"

static bool verify(const uint8_t *a, const uint8_t *b, size_t size)
{
	volatile uint8_t differences = 0;

	while (size--)
		differences |= *a++ ^ *b++;
	return differences == 0;
}

bool crypto_verify16(const uint8_t a[16], const uint8_t b[16])
{
	return verify(a, b, 16);
}

bool crypto_verify32(const uint8_t a[32], const uint8_t b[32])
{
	return verify(a, b, 32);
}

/*
 * nettle picks SHA-NI, AES-NI and CLMUL at the first call of each function, by CPUID. Doing that here, before CPUID
 * faults and before there are threads, keeps both out of its way later.
 */
void crypto_init(void)
{
	static const uint8_t zero[64];
	const uint64_t fsbase = canary_enter();
	uint8_t out[64], tag[16];

	sha256(out, zero, sizeof(zero));
	aes128_cmac(tag, zero, zero, sizeof(zero));
	aes128_gcm_seal(zero, zero, zero, 16, zero, out, sizeof(out), tag);
	canary_leave(fsbase);
}
