/* SPDX-License-Identifier: BSD-2-Clause */
/* See keys.h. Without CET, CET_ATTRIBUTES and its mask are zero in every key. */
#include "isa/keys.h"

#include "crypto/crypto.h"

#define COPY(dst, src) do {									\
	static_assert(sizeof(dst) == sizeof(src), "fields of one size");			\
	__builtin_memcpy(dst, src, sizeof(dst));						\
} while (0)

#define FF10	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define FF110	FF10, FF10, FF10, FF10, FF10, FF10, FF10, FF10, FF10, FF10, FF10

const uint8_t key_padding[352] = {
	0x00, 0x01, FF110, FF110, FF110, 0x00,
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
	0x20,
};

void key_from_dependencies(const struct platform_keys *k, const struct key_dependencies *d, uint8_t key[16])
{
	aes128_cmac(key, k->device_key, d, sizeof(*d));
}

/* INIT and DEBUG always count, so that a debug enclave never gets a production enclave's key (KEY-06). */
static struct sgx_attributes attributes_masked(const struct secs *secs, const struct sgx_keyrequest *r)
{
	return (struct sgx_attributes){
		.flags = secs->attributes.flags & (r->attributemask.flags | SGX_ATTR_INIT | SGX_ATTR_DEBUG),
		.xfrm = secs->attributes.xfrm & r->attributemask.xfrm,
	};
}

/* What all columns but REPORT's have in common. */
static void derive_common(struct key_dependencies *d, const struct secs *secs, const struct sgx_keyrequest *r)
{
	d->isvprodid = secs->isvprodid;
	d->isvsvn = r->isvsvn;
	d->attributes = attributes_masked(secs, r);
	d->miscselect = secs->miscselect & r->miscmask;
	COPY(d->mrsigner, secs->mrsigner);
	COPY(d->cpusvn, r->cpusvn);
	COPY(d->padding, secs->padding);
}

/* SEAL and PROVISION_SEAL: what KEYPOLICY adds and takes away (6.2). */
static void derive_policy(struct key_dependencies *d, const struct secs *secs, const struct sgx_keyrequest *r)
{
	d->keypolicy = r->keypolicy;
	if (r->keypolicy & SGX_KEYPOLICY_NOISVPRODID)
		d->isvprodid = 0;
	if (r->keypolicy & SGX_KEYPOLICY_ISVFAMILYID)
		COPY(d->isvfamilyid, secs->isvfamilyid);
	if (r->keypolicy & SGX_KEYPOLICY_ISVEXTPRODID)
		COPY(d->isvextprodid, secs->isvextprodid);
	if (r->keypolicy & SGX_KEYPOLICY_CONFIGID) {
		COPY(d->configid, secs->configid);
		d->configsvn = r->configsvn;
	}
}

static void derive_masks(struct key_dependencies *d, const struct sgx_keyrequest *r)
{
	d->attributesmask = r->attributemask;
	d->miscmask = ~r->miscmask;
}

static void derive_owner(struct key_dependencies *d, const struct platform_keys *k)
{
	COPY(d->owner_epoch, k->owner_epoch);
	COPY(d->seal_key_fuses, k->seal_fuses);
}

static void derive_seal(struct key_dependencies *d, const struct platform_keys *k, const struct secs *secs,
			const struct sgx_keyrequest *r)
{
	derive_common(d, secs, r);
	derive_masks(d, r);
	derive_policy(d, secs, r);
	derive_owner(d, k);
	COPY(d->keyid, r->keyid);
	if (r->keypolicy & SGX_KEYPOLICY_MRENCLAVE)
		COPY(d->mrenclave, secs->mrenclave);
	if (!(r->keypolicy & SGX_KEYPOLICY_MRSIGNER))
		__builtin_memset(d->mrsigner, 0, sizeof(d->mrsigner));
}

static void derive_report(struct key_dependencies *d, const struct platform_keys *k)
{
	derive_owner(d, k);
	COPY(d->cpusvn, k->cpusvn);
	COPY(d->padding, key_padding);
}

void key_derive(const struct platform_keys *k, const struct secs *secs, const struct sgx_keyrequest *r,
		uint8_t key[16])
{
	struct key_dependencies d = { .keyname = r->keyname };

	switch ((enum sgx_keyname)r->keyname) {
	case SGX_KEY_SEAL:
		derive_seal(&d, k, secs, r);
		break;
	case SGX_KEY_REPORT:
		derive_report(&d, k);
		d.attributes = secs->attributes;
		d.miscselect = secs->miscselect;
		d.configsvn = secs->configsvn;
		COPY(d.mrenclave, secs->mrenclave);
		COPY(d.configid, secs->configid);
		COPY(d.keyid, r->keyid);
		break;
	case SGX_KEY_EINITTOKEN:
		derive_common(&d, secs, r);
		derive_owner(&d, k);
		COPY(d.keyid, r->keyid);
		break;
	case SGX_KEY_PROVISION:
		derive_common(&d, secs, r);
		derive_masks(&d, r);
		break;
	case SGX_KEY_PROVISION_SEAL:
		derive_common(&d, secs, r);
		derive_masks(&d, r);
		derive_policy(&d, secs, r);
		COPY(d.seal_key_fuses, k->seal_fuses);
		break;
	}
	key_from_dependencies(k, &d, key);
}

void key_report(const struct platform_keys *k, const struct sgx_targetinfo *t, uint8_t key[16])
{
	struct key_dependencies d = { .keyname = SGX_KEY_REPORT };

	derive_report(&d, k);
	d.attributes = t->attributes;
	d.miscselect = t->miscselect;
	d.configsvn = t->configsvn;
	COPY(d.mrenclave, t->measurement);
	COPY(d.configid, t->configid);
	COPY(d.keyid, k->report_keyid);
	key_from_dependencies(k, &d, key);
}

void key_einittoken(const struct platform_keys *k, const struct sgx_einittoken *t, const uint8_t mrsigner[32],
		    uint8_t key[16])
{
	struct key_dependencies d = {
		.keyname = SGX_KEY_EINITTOKEN, .isvprodid = t->isvprodidle, .isvsvn = t->isvsvnle,
		.attributes = t->maskedattributesle, .miscselect = t->maskedmiscselectle,
	};

	derive_owner(&d, k);
	__builtin_memcpy(d.mrsigner, mrsigner, sizeof(d.mrsigner));
	COPY(d.keyid, t->keyid);
	COPY(d.cpusvn, t->cpusvnle);
	COPY(d.padding, key_padding);
	key_from_dependencies(k, &d, key);
}

bool key_cpusvn_beyond(const uint8_t cpusvn[16], const uint8_t current[16])
{
	for (int i = 0; i < 16; i++)
		if (cpusvn[i] > current[i])
			return true;
	return false;
}

/* One secret of the package: SHA-256 of its name, zero-padded to 32 bytes, and the seed. */
static void secret(void *dst, uint64_t size, const char *name, uint64_t name_size, const uint8_t seed[32])
{
	uint8_t label[32] = { 0 }, digest[32];

	__builtin_memcpy(label, name, name_size);
	sha256_2(digest, label, sizeof(label), seed, 32);
	__builtin_memcpy(dst, digest, size);
}

#define SECRET(field, name, seed)	secret(field, sizeof(field), name, sizeof(name), seed)

void keys_derive(struct platform_keys *k, const uint8_t seed[32], const uint8_t cpusvn[16])
{
	SECRET(k->device_key, "softsgx device key", seed);
	SECRET(k->seal_fuses, "softsgx seal key fuses", seed);
	SECRET(k->owner_epoch, "softsgx owner epoch", seed);
	SECRET(k->base_pk, "softsgx page encryption key", seed);
	SECRET(k->report_keyid, "softsgx report key id", seed);
	__builtin_memcpy(k->cpusvn, cpusvn, sizeof(k->cpusvn));
}
