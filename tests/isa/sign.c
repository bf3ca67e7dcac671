/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures for the fixture's enclaves: RSA-3072 with e = 3 and the quotients that EINIT wants, by OpenSSL. */
#include "isa/fixture.h"

#include <openssl/bn.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define SIGNERS	3

struct signer { BIGNUM *n, *d; };

static BN_CTX *ctx;

static void must(int ok)
{
	if (!ok)
		abort();
}

/* A prime p with p - 1 not a multiple of 3, so that 3 has an inverse. The top two of its @bits are set. */
static BIGNUM *prime(int bits)
{
	BIGNUM *p = BN_new();

	do
		must(BN_generate_prime_ex(p, bits, 0, NULL, NULL, NULL));
	while (BN_mod_word(p, 3) != 2);
	return p;
}

static const struct signer *signer_get(unsigned which)
{
	static struct signer signers[SIGNERS];
	struct signer *s = &signers[which];

	if (!ctx)
		ctx = BN_CTX_new();
	if (!s->n) {
		BIGNUM *p = prime(1536), *q = prime(which == FIXTURE_SHORT_SIGNER ? 1535 : 1536);
		BIGNUM *phi = BN_new(), *e = BN_new();

		s->n = BN_new();
		s->d = BN_new();
		must(BN_mul(s->n, p, q, ctx) && BN_sub_word(p, 1) && BN_sub_word(q, 1) && BN_mul(phi, p, q, ctx) &&
		     BN_set_word(e, 3) && BN_mod_inverse(s->d, e, phi, ctx) != NULL);
		BN_free(p);
		BN_free(q);
		BN_free(phi);
		BN_free(e);
	}
	return s;
}

void fixture_sign_block(struct sgx_sigstruct *s, unsigned which, const uint8_t block[384])
{
	const struct signer *key = signer_get(which);
	BIGNUM *m = BN_bin2bn(block, 384, NULL), *sig = BN_new(), *q = BN_new(), *r = BN_new(), *t = BN_new();

	must(m && BN_mod_exp(sig, m, key->d, key->n, ctx));
	must(BN_bn2lebinpad(key->n, s->modulus, 384) == 384 && BN_bn2lebinpad(sig, s->signature, 384) == 384);
	s->exponent = 3;
	must(BN_sqr(t, sig, ctx) && BN_div(q, r, t, key->n, ctx) && BN_bn2lebinpad(q, s->q1, 384) == 384);
	must(BN_mul(t, r, sig, ctx) && BN_div(q, r, t, key->n, ctx) && BN_bn2lebinpad(q, s->q2, 384) == 384);
	BN_free(m);
	BN_free(sig);
	BN_free(q);
	BN_free(r);
	BN_free(t);
}

/* The encoded message is spelt out here, not taken from the model. */
void fixture_sign(struct sgx_sigstruct *s, unsigned which)
{
	static const uint8_t digest_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
					       0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	uint8_t message[256], block[384];

	memcpy(message, s, 128);
	memcpy(message + 128, (const uint8_t *)s + 900, 128);
	memset(block, 0xff, sizeof(block));
	block[0] = 0;
	block[1] = 1;
	block[332] = 0;
	memcpy(block + 333, digest_info, sizeof(digest_info));
	SHA256(message, sizeof(message), block + 352);
	fixture_sign_block(s, which, block);
}

void fixture_mrsigner(unsigned which, uint8_t digest[32])
{
	uint8_t modulus[384];

	must(BN_bn2lebinpad(signer_get(which)->n, modulus, 384) == 384);
	SHA256(modulus, sizeof(modulus), digest);
}
