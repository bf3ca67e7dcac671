/* SPDX-License-Identifier: BSD-2-Clause */
/* See sigstruct.h. The numbers are public, so nothing here needs to be constant-time; all sizes are constant. */
#include "isa/sigstruct.h"

#include "crypto/crypto.h"
#include "isa/encls/operand.h"
#include "isa/keys.h"

#define LIMBS		48	/* 3072 bits */
#define SIGNED_2	900	/* the second signed part: 900..1027; the first is 0..127 */
#define SIGNED_SIZE	128

typedef unsigned __int128 uint128_t;

/* A number and a product, least significant limb first. */
struct num { uint64_t limb[LIMBS]; };
struct product { uint64_t limb[2 * LIMBS]; };
static_assert(sizeof(struct num) == 384, "a number of SIGSTRUCT");

bool sigstruct_well_formed(const struct sgx_sigstruct *s)
{
	static const uint8_t header[16] = { 0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0 };
	static const uint8_t header2[16] = { 0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0 };

	if (__builtin_memcmp(s->header, header, sizeof(header)))	return false;	/* EINIT-05 */
	if (s->vendor != 0 && s->vendor != 0x8086)			return false;	/* EINIT-06 */
	if (__builtin_memcmp(s->header2, header2, sizeof(header2)))	return false;	/* EINIT-07 */
	if (s->exponent != 3)						return false;	/* EINIT-08 */
	return is_zero(s->reserved1, sizeof(s->reserved1)) &&				/* EINIT-09 */
	       !s->cet_attributes && !s->cet_attributes_mask &&		/* reserved without CET */
	       is_zero(s->reserved2, sizeof(s->reserved2)) &&
	       is_zero(s->reserved3, sizeof(s->reserved3)) &&
	       is_zero(s->reserved4, sizeof(s->reserved4));
}

static struct num load(const uint8_t bytes[384])
{
	struct num n;

	__builtin_memcpy(&n, bytes, sizeof(n));
	return n;
}

static bool is_below(const struct num *a, const struct num *b)
{
	for (int i = LIMBS - 1; i >= 0; i--)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i];
	return false;
}

static void multiply(struct product *p, const struct num *a, const struct num *b)
{
	*p = (struct product){ 0 };
	for (int i = 0; i < LIMBS; i++) {
		uint64_t carry = 0;

		for (int j = 0; j < LIMBS; j++) {
			uint128_t t = (uint128_t)a->limb[i] * b->limb[j] + p->limb[i + j] + carry;

			p->limb[i + j] = (uint64_t)t;
			carry = (uint64_t)(t >> 64);
		}
		p->limb[i + LIMBS] = carry;
	}
}

/* r = a * b - q * n. True if 0 <= r < n, that is, if q is the quotient of a * b by n and r its remainder. */
static bool reduce(struct num *r, const struct num *a, const struct num *b, const struct num *q,
		   const struct num *n)
{
	struct product p, qn;
	uint64_t borrow = 0, high = 0;

	multiply(&p, a, b);
	multiply(&qn, q, n);
	for (int i = 0; i < 2 * LIMBS; i++) {
		uint128_t t = (uint128_t)p.limb[i] - qn.limb[i] - borrow;

		p.limb[i] = (uint64_t)t;
		borrow = (uint64_t)(t >> 64) & 1;
	}
	for (int i = LIMBS; i < 2 * LIMBS; i++)
		high |= p.limb[i];
	__builtin_memcpy(r, &p, sizeof(*r));
	return !borrow && !high && is_below(r, n);
}

bool sigstruct_verify(const struct sgx_sigstruct *s, uint8_t padding[352])
{
	struct num n = load(s->modulus), signature = load(s->signature), q1 = load(s->q1), q2 = load(s->q2), r;
	uint8_t encoded[384], digest[32];

	if (!is_below(&signature, &n))				return false;	/* SIG-01 */
	if (!reduce(&r, &signature, &signature, &q1, &n))	return false;	/* SIG-02: S^2 mod N */
	if (!reduce(&r, &r, &signature, &q2, &n))		return false;	/* SIG-03: S^3 mod N */

	for (unsigned int i = 0; i < sizeof(encoded); i++)			/* big-endian */
		encoded[i] = (uint8_t)(r.limb[(383 - i) / 8] >> ((383 - i) % 8 * 8));
	sha256_2(digest, s, SIGNED_SIZE, (const uint8_t *)s + SIGNED_2, SIGNED_SIZE);
	__builtin_memcpy(padding, encoded, sizeof(key_padding));
	return !__builtin_memcmp(encoded, key_padding, sizeof(key_padding)) &&	/* SIG-07..10 */
	       !__builtin_memcmp(encoded + sizeof(key_padding), digest, sizeof(digest)); /* SIG-04..06, 11 */
}

void sigstruct_mrsigner(const struct sgx_sigstruct *s, uint8_t mrsigner[32])
{
	sha256(mrsigner, s->modulus, sizeof(s->modulus));
}
