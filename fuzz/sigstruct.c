/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EINIT's look at a SIGSTRUCT, on valid ones of which bytes were changed, before or after signing. It is compared with
 * OpenSSL: the signature stands for what RSA says, and Q1 and Q2 are the quotients.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>

#include "crypto/crypto.h"
#include "fuzz.h"
#include "isa/sigstruct.h"

void fixture_sign(struct sgx_sigstruct *s, unsigned which);

#define SIGNERS	3

static BN_CTX *ctx;

/* The bytes that have to be what they are: constants and reserved ones; of the vendor, two values. */
static bool well_formed(const uint8_t *now, const uint8_t *valid)
{
	static const struct { uint16_t at, size; } fixed[] = {
		{ 0, 16 }, { 24, 16 }, { 44, 84 }, { 512, 4 }, { 908, 4 }, { 992, 16 }, { 1028, 12 },
	};
	uint32_t vendor;

	memcpy(&vendor, now + 16, sizeof(vendor));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (memcmp(now + fixed[i].at, valid + fixed[i].at, fixed[i].size))
			return false;
	return vendor == 0 || vendor == 0x8086;
}

/* Does OpenSSL's own PKCS #1 verification accept? */
static bool openssl_verifies(const struct sgx_sigstruct *s, const uint8_t message[256])
{
	BIGNUM *n = BN_lebin2bn(s->modulus, 384, NULL), *e = BN_new();
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *from = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;
	uint8_t signature[384];
	bool good;

	for (int i = 0; i < 384; i++)
		signature[i] = s->signature[383 - i];
	BN_set_word(e, 3);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(build);
	good = EVP_PKEY_fromdata_init(from) == 1 &&
	       EVP_PKEY_fromdata(from, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
	       EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(digest, signature, sizeof(signature), message, 256) == 1;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(from);
	EVP_MD_CTX_free(digest);
	EVP_PKEY_free(key);
	BN_free(n);
	BN_free(e);
	return good;
}

/* The same by arithmetic, with the quotients, and for moduli that no key has. */
static bool numbers_agree(const struct sgx_sigstruct *s, const uint8_t message[256])
{
	static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
					       0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	BIGNUM *n, *sig, *q1, *q2, *q, *r, *t;
	uint8_t block[384], result[384];
	bool good;

	memset(block, 0xff, sizeof(block));
	block[0] = 0;
	block[1] = 1;
	block[332] = 0;
	memcpy(block + 333, digest_info, sizeof(digest_info));
	SHA256(message, 256, block + 352);

	BN_CTX_start(ctx);
	n = BN_lebin2bn(s->modulus, 384, BN_CTX_get(ctx));
	sig = BN_lebin2bn(s->signature, 384, BN_CTX_get(ctx));
	q1 = BN_lebin2bn(s->q1, 384, BN_CTX_get(ctx));
	q2 = BN_lebin2bn(s->q2, 384, BN_CTX_get(ctx));
	q = BN_CTX_get(ctx);
	r = BN_CTX_get(ctx);
	t = BN_CTX_get(ctx);
	good = !BN_is_zero(n) && BN_cmp(sig, n) < 0;
	good = good && BN_sqr(t, sig, ctx) && BN_div(q, r, t, n, ctx) && !BN_cmp(q, q1);
	good = good && BN_mul(t, r, sig, ctx) && BN_div(q, r, t, n, ctx) && !BN_cmp(q, q2);
	good = good && BN_bn2binpad(r, result, sizeof(result)) == sizeof(result) && !memcmp(result, block, sizeof(block));
	BN_CTX_end(ctx);
	return good;
}

static void valid_sigstruct(struct sgx_sigstruct *s, uint8_t seed)
{
	static const uint8_t header[16] = { 6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t header2[16] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };

	memset(s, 0, sizeof(*s));
	memcpy(s->header, header, 16);
	memcpy(s->header2, header2, 16);
	s->exponent = 3;
	memset(s->enclavehash, seed, sizeof(s->enclavehash));
	s->attributes.flags = seed & 7;
	s->isvsvn = seed;
}

/* Numbers of the signature one off, or the same modulo N. */
static void change_number(struct sgx_sigstruct *s, uint8_t which)
{
	uint8_t *number = which & 4 ? s->q2 : which & 2 ? s->q1 : s->signature;
	BIGNUM *n = BN_lebin2bn(s->modulus, 384, NULL), *x = BN_lebin2bn(number, 384, NULL);

	switch (which >> 3 & 3) {
	case 0:
		BN_add_word(x, 1);
		break;
	case 1:
		if (!BN_is_zero(x))
			BN_sub_word(x, 1);
		break;
	case 2:
		BN_add(x, x, n);
		break;
	case 3:
		if (BN_cmp(x, n) <= 0)
			BN_sub(x, n, x);
		break;
	}
	if (BN_num_bytes(x) <= 384)
		BN_bn2lebinpad(x, number, 384);
	BN_free(n);
	BN_free(x);
}

/* Signing is slow: three signers times eight bodies are signed once. */
static const struct sgx_sigstruct *signed_before(unsigned which, unsigned seed)
{
	static struct sgx_sigstruct made[SIGNERS][8];
	struct sgx_sigstruct *s = &made[which % SIGNERS][seed % 8];

	if (!s->exponent) {
		if (!ctx) {
			ctx = BN_CTX_new();
			crypto_init();
		}
		valid_sigstruct(s, (uint8_t)(seed % 8));
		fixture_sign(s, which % SIGNERS);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sgx_sigstruct *valid;
	uint8_t padding[352], message[256], hash[32], mrsigner[32], *bytes;
	struct sgx_sigstruct s;
	bool accepted, formed;

	if (size < 2)
		return 0;
	valid = signed_before(data[0], data[0] / 4);
	s = *valid;
	bytes = (uint8_t *)&s;
	for (size_t i = 2; i + 3 <= size; i += 3) {
		const unsigned int at = data[i] | (unsigned int)data[i + 1] << 8;

		if (at < sizeof(s))
			bytes[at] ^= data[i + 2];
		else
			change_number(&s, data[i + 2]);
	}
	if (data[1] & 1)	/* the changes are the signer's own */
		fixture_sign(&s, data[0] % SIGNERS);

	memcpy(message, &s, 128);
	memcpy(message + 128, bytes + 900, 128);
	formed = sigstruct_well_formed(&s);
	accepted = sigstruct_verify(&s, padding);
	FUZZ_CHECK(formed == well_formed(bytes, (const uint8_t *)valid));
	FUZZ_CHECK(accepted == numbers_agree(&s, message));
	FUZZ_CHECK(!accepted || openssl_verifies(&s, message));
	FUZZ_CHECK(!(data[1] & 1) || accepted);
	FUZZ_CHECK(!accepted || (padding[0] == 0 && padding[1] == 1 && padding[2] == 0xff && padding[332] == 0));
	sigstruct_mrsigner(&s, mrsigner);
	SHA256(s.modulus, sizeof(s.modulus), hash);
	FUZZ_CHECK(!memcmp(mrsigner, hash, 32));
	return 0;
}
