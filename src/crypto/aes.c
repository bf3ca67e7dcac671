/* SPDX-License-Identifier: BSD-2-Clause */
/* AES-128: CMAC for keys and reports, GCM for pages that leave the EPC. */
#include "crypto/canary.h"
#include "crypto/crypto.h"

#include <nettle/cmac.h>
#include <nettle/gcm.h>

void aes128_cmac(uint8_t mac[16], const uint8_t key[16], const void *data, size_t size)
{
	const uint64_t fsbase = canary_enter();
	struct cmac_aes128_ctx ctx;

	nettle_cmac_aes128_set_key(&ctx, key);
	nettle_cmac_aes128_update(&ctx, size, data);
	nettle_cmac_aes128_digest(&ctx, CMAC128_DIGEST_SIZE, mac);
	canary_leave(fsbase);
}

static void gcm_start(struct gcm_aes128_ctx *ctx, const uint8_t key[16], const uint8_t iv[12], const void *aad,
		      size_t aad_size)
{
	nettle_gcm_aes128_set_key(ctx, key);
	nettle_gcm_aes128_set_iv(ctx, GCM_IV_SIZE, iv);
	nettle_gcm_aes128_update(ctx, aad_size, aad);
}

void aes128_gcm_seal(const uint8_t key[16], const uint8_t iv[12], const void *aad, size_t aad_size,
		     const void *plain, void *cipher, size_t size, uint8_t tag[16])
{
	const uint64_t fsbase = canary_enter();
	struct gcm_aes128_ctx ctx;

	gcm_start(&ctx, key, iv, aad, aad_size);
	nettle_gcm_aes128_encrypt(&ctx, size, cipher, plain);
	nettle_gcm_aes128_digest(&ctx, GCM_DIGEST_SIZE, tag);
	canary_leave(fsbase);
}

bool aes128_gcm_open(const uint8_t key[16], const uint8_t iv[12], const void *aad, size_t aad_size,
		     const void *cipher, void *plain, size_t size, const uint8_t tag[16])
{
	const uint64_t fsbase = canary_enter();
	struct gcm_aes128_ctx ctx;
	uint8_t expected[GCM_DIGEST_SIZE];

	gcm_start(&ctx, key, iv, aad, aad_size);
	nettle_gcm_aes128_decrypt(&ctx, size, plain, cipher);
	nettle_gcm_aes128_digest(&ctx, sizeof(expected), expected);
	canary_leave(fsbase);
	return crypto_verify16(expected, tag);
}
