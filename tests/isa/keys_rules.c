/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys depend on, as an enclave sees it: through EGETKEY, EREPORT and EINIT. */
#include "crypto/crypto.h"
#include "isa/user.h"

enum { PAGE = FIXTURE_FREE };

#define REQUEST	(FIXTURE_BASE + 0x10000)	/* 512 bytes; TARGETINFO for EREPORT */
#define KEY	(REQUEST + 512)
#define DATA	(REQUEST + 640)
#define REPORT	(REQUEST + 1024)

struct key {
	uint8_t byte[16];
};

static struct fixture *keys_ready(uint16_t keyname)
{
	struct fixture *f = user_inside();
	struct sgx_keyrequest *r = (void *)user_page(f, PAGE, REQUEST);

	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY;
	r->keyname = keyname;
	r->attributemask.flags = ~UINT64_C(0);
	r->attributemask.xfrm = ~UINT64_C(0);
	return f;
}

static struct sgx_keyrequest *request(struct fixture *f)
{
	return (struct sgx_keyrequest *)(void *)f->mem[PAGE];
}

static struct key key_get(struct fixture *f)
{
	struct key key;

	user_regs(f, EGETKEY, REQUEST, KEY, 0);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_EQ(f->c.regs.rax, SGX_SUCCESS);
	memcpy(&key, f->mem[PAGE] + 512, sizeof(key));
	return key;
}

static bool same(struct key a, struct key b)
{
	return !memcmp(&a, &b, sizeof(a));
}

/* Flip a byte of @field, get the key, flip it back: does the key change? */
static bool depends(struct fixture *f, void *field)
{
	struct key before = key_get(f), after;

	*(uint8_t *)field ^= 1;
	after = key_get(f);
	*(uint8_t *)field ^= 1;
	EXPECT_TRUE(same(before, key_get(f)));
	return !same(before, after);
}

/* Proves: KEY-01 */
TEST(keys_rules, seal_by_mrenclave_differs_between_enclaves)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	request(f)->keypolicy = SGX_KEYPOLICY_MRENCLAVE;
	EXPECT_TRUE(depends(f, secs->mrenclave));
	EXPECT_TRUE(!depends(f, secs->mrsigner));
}

/* Proves: KEY-02 */
TEST(keys_rules, seal_by_mrsigner_is_shared_by_enclaves_of_a_signer)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	request(f)->keypolicy = SGX_KEYPOLICY_MRSIGNER;
	EXPECT_TRUE(!depends(f, secs->mrenclave));
	EXPECT_TRUE(depends(f, secs->mrsigner));
	EXPECT_TRUE(depends(f, &secs->isvprodid));
}

/* Proves: KEY-03 */
TEST(keys_rules, seal_by_neither_is_bound_to_product_versions_and_attributes)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	request(f)->isvsvn = 1;
	EXPECT_TRUE(!depends(f, secs->mrenclave));
	EXPECT_TRUE(!depends(f, secs->mrsigner));
	EXPECT_TRUE(depends(f, &secs->isvprodid));
	EXPECT_TRUE(depends(f, &request(f)->isvsvn));
	EXPECT_TRUE(depends(f, (uint8_t *)&secs->attributes.flags + 1));
	EXPECT_TRUE(depends(f, &secs->attributes.xfrm));
	memset(f->keys.cpusvn, 5, sizeof(f->keys.cpusvn));
	EXPECT_TRUE(depends(f, request(f)->cpusvn));
}

/* Proves: KEY-04 */
TEST(keys_rules, seal_of_lower_isvsvn_is_reproducible_by_a_newer_enclave)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct key old;

	request(f)->isvsvn = 1;
	fixture_secs(f, FIXTURE_SECS)->isvsvn = 1;
	old = key_get(f);
	fixture_secs(f, FIXTURE_SECS)->isvsvn = 7;
	EXPECT_TRUE(same(old, key_get(f)));
}

/* Proves: KEY-05 */
TEST(keys_rules, seal_without_isvprodid_is_shared_by_products)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);

	request(f)->keypolicy = SGX_KEYPOLICY_NOISVPRODID;
	EXPECT_TRUE(!depends(f, &fixture_secs(f, FIXTURE_SECS)->isvprodid));
}

/* Proves: KEY-06, DBG-15 */
TEST(keys_rules, seal_of_debug_enclave_differs_whatever_the_mask)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	struct key debug;

	memset(&request(f)->attributemask, 0, sizeof(struct sgx_attributes));
	secs->attributes.flags |= SGX_ATTR_DEBUG;
	debug = key_get(f);
	secs->attributes.flags &= ~SGX_ATTR_DEBUG;
	EXPECT_TRUE(!same(debug, key_get(f)));
	EXPECT_TRUE(!depends(f, &secs->attributes.xfrm));	/* masked out */
}

/* Proves: KEY-07 */
TEST(keys_rules, seal_depends_on_every_field_of_the_request)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	struct sgx_keyrequest *r = request(f);

	EXPECT_TRUE(depends(f, r->keyid));
	EXPECT_TRUE(depends(f, r->keyid + 31));
	EXPECT_TRUE(depends(f, (uint8_t *)&r->attributemask.flags + 7));
	EXPECT_TRUE(depends(f, (uint8_t *)&r->attributemask.xfrm + 7));
	EXPECT_TRUE(depends(f, &r->miscmask));
	EXPECT_TRUE(depends(f, &r->keypolicy));
	EXPECT_TRUE(!depends(f, &r->configsvn));
	EXPECT_TRUE(!depends(f, secs->configid));
	EXPECT_TRUE(!depends(f, secs->isvfamilyid));
	EXPECT_TRUE(!depends(f, secs->isvextprodid));
	r->keypolicy = SGX_KEYPOLICY_CONFIGID | SGX_KEYPOLICY_ISVFAMILYID | SGX_KEYPOLICY_ISVEXTPRODID;
	EXPECT_TRUE(depends(f, &r->configsvn));
	EXPECT_TRUE(depends(f, secs->configid));
	EXPECT_TRUE(depends(f, secs->isvfamilyid));
	EXPECT_TRUE(depends(f, secs->isvextprodid));
}

/* Proves: KEY-08 */
TEST(keys_rules, seal_depends_on_owner_epoch_and_fuses)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);

	EXPECT_TRUE(depends(f, f->keys.owner_epoch));
	EXPECT_TRUE(depends(f, f->keys.seal_fuses));
	EXPECT_TRUE(depends(f, f->keys.device_key));
}

/* Proves: KEY-09 */
TEST(keys_rules, provision_ignores_owner_keyid_policy_and_fuses)
{
	struct fixture *f = keys_ready(SGX_KEY_PROVISION);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	EXPECT_TRUE(!depends(f, f->keys.owner_epoch));
	EXPECT_TRUE(!depends(f, f->keys.seal_fuses));
	EXPECT_TRUE(!depends(f, request(f)->keyid));
	EXPECT_TRUE(!depends(f, &request(f)->keypolicy));
	EXPECT_TRUE(!depends(f, secs->mrenclave));
	EXPECT_TRUE(depends(f, secs->mrsigner));
	EXPECT_TRUE(depends(f, &secs->isvprodid));
}

/* Proves: KEY-10 */
TEST(keys_rules, provision_seal_ignores_owner_and_keyid_but_not_fuses)
{
	struct fixture *f = keys_ready(SGX_KEY_PROVISION_SEAL);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	EXPECT_TRUE(!depends(f, f->keys.owner_epoch));
	EXPECT_TRUE(!depends(f, request(f)->keyid));
	EXPECT_TRUE(depends(f, f->keys.seal_fuses));
	EXPECT_TRUE(depends(f, secs->mrsigner));	/* included without being asked for */
	EXPECT_TRUE(!depends(f, secs->mrenclave));
}

/* A report for the running enclave itself; its MAC is checked with the REPORT key that EGETKEY gives. */
static bool report_verifies(struct fixture *f)
{
	const struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	struct sgx_report report;
	struct sgx_targetinfo t = { .configsvn = secs->configsvn, .miscselect = secs->miscselect };
	struct key key;
	uint8_t mac[16];

	memcpy(t.measurement, secs->mrenclave, 32);
	memcpy(t.configid, secs->configid, 64);
	t.attributes = secs->attributes;
	memcpy(f->mem[PAGE], &t, sizeof(t));
	user_regs(f, EREPORT, REQUEST, DATA, REPORT);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	memcpy(&report, f->mem[PAGE] + 1024, sizeof(report));

	memset(f->mem[PAGE], 0, sizeof(struct sgx_keyrequest));
	request(f)->keyname = SGX_KEY_REPORT;
	memcpy(request(f)->keyid, report.keyid, sizeof(report.keyid));
	key = key_get(f);
	aes128_cmac(mac, key.byte, &report, offsetof(struct sgx_report, keyid));
	return !memcmp(mac, report.mac, 16);
}

/* Proves: KEY-11 */
TEST(keys_rules, report_key_verifies_a_report_made_for_the_enclave)
{
	struct fixture *f = keys_ready(SGX_KEY_REPORT);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);

	EXPECT_TRUE(report_verifies(f));
	memset(secs->configid, 0x42, sizeof(secs->configid));
	EXPECT_TRUE(report_verifies(f));
	memset(request(f), 0, sizeof(struct sgx_keyrequest));
	request(f)->keyname = SGX_KEY_REPORT;
	EXPECT_TRUE(depends(f, secs->mrenclave));
	EXPECT_TRUE(depends(f, (uint8_t *)&secs->attributes + 1));
	EXPECT_TRUE(depends(f, &secs->miscselect));
	EXPECT_TRUE(depends(f, secs->configid));
	EXPECT_TRUE(depends(f, &secs->configsvn));
	EXPECT_TRUE(depends(f, request(f)->keyid));
	EXPECT_TRUE(depends(f, f->keys.cpusvn));
	EXPECT_TRUE(!depends(f, secs->mrsigner));
	EXPECT_TRUE(!depends(f, &request(f)->isvsvn));
	EXPECT_TRUE(!depends(f, request(f)->cpusvn));
}

/* The launch enclave derives the key of a token; EINIT recomputes it from the token's own fields. */
/* Proves: KEY-12 */
TEST(keys_rules, einittoken_key_is_the_one_that_einit_recomputes)
{
	struct fixture *f = keys_ready(SGX_KEY_EINITTOKEN);
	struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	struct sgx_einittoken token = { .isvprodidle = secs->isvprodid, .isvsvnle = 2 };
	struct key key;

	request(f)->isvsvn = 2;
	request(f)->miscmask = ~0u;
	memset(request(f)->keyid, 0x1d, 32);
	memcpy(request(f)->cpusvn, f->keys.cpusvn, 16);
	memcpy(token.keyid, request(f)->keyid, 32);
	memcpy(token.cpusvnle, f->keys.cpusvn, 16);
	token.maskedmiscselectle = secs->miscselect;
	token.maskedattributesle = secs->attributes;
	key_einittoken(&f->keys, &token, secs->mrsigner, key.byte);
	EXPECT_TRUE(same(key, key_get(f)));
	token.maskedattributesle.flags ^= SGX_ATTR_DEBUG;
	key_einittoken(&f->keys, &token, secs->mrsigner, key.byte);
	EXPECT_TRUE(!same(key, key_get(f)));
}

/* Proves: KEY-13 */
TEST(keys_rules, cpusvn_is_compared_component_by_component)
{
	struct fixture *f = keys_ready(SGX_KEY_SEAL);

	memset(f->keys.cpusvn, 5, sizeof(f->keys.cpusvn));
	for (unsigned i = 0; i < 16; i++) {
		memset(request(f)->cpusvn, 0, 16);	/* a smaller number either way round, were it one */
		request(f)->cpusvn[i] = 6;
		user_regs(f, EGETKEY, REQUEST, KEY, 0);
		RULE_CODE(f, "KEY-13", SGX_INVALID_CPUSVN);
		request(f)->cpusvn[i] = 5;
		EXPECT_OK(f, user_enclu(f));
	}
}
