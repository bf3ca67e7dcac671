/* SPDX-License-Identifier: BSD-2-Clause */
/* See pagecrypto.h. */
#include "isa/pagecrypto.h"

#include "crypto/crypto.h"

struct iv {
	uint8_t bytes[12];
};

static struct iv iv_of(uint64_t version)
{
	struct iv iv = { { 0 } };

	for (int i = 0; i < 8; i++)
		iv.bytes[4 + i] = (uint8_t)(version >> (8 * i));
	return iv;
}

void pagecrypto_seal(const struct platform_keys *keys, uint64_t version, const struct mac_header *header,
		     const void *plain, void *cipher, uint8_t mac[16])
{
	struct iv iv = iv_of(version);

	aes128_gcm_seal(keys->base_pk, iv.bytes, header, sizeof(*header), plain, cipher, SGX_PAGE_SIZE, mac);
}

bool pagecrypto_open(const struct platform_keys *keys, uint64_t version, const struct mac_header *header,
		     const void *cipher, void *plain, const uint8_t mac[16])
{
	struct iv iv = iv_of(version);

	if (aes128_gcm_open(keys->base_pk, iv.bytes, header, sizeof(*header), cipher, plain, SGX_PAGE_SIZE, mac))
		return true;
	__builtin_memset(plain, 0, SGX_PAGE_SIZE);
	return false;
}
