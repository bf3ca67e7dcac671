/* SPDX-License-Identifier: BSD-2-Clause */
/* EGETKEY, rule by rule. What the keys depend on is in keys_rules.c. */
#include "isa/user.h"

enum { REQUEST_PAGE = FIXTURE_FREE, KEY_PAGE };

#define REQUEST	(FIXTURE_BASE + 0x10000)
#define KEY	(FIXTURE_BASE + 0x11000)

static struct fixture *egetkey_ready(void)
{
	struct fixture *f = user_inside();

	user_page(f, REQUEST_PAGE, REQUEST);
	user_page(f, KEY_PAGE, KEY);
	user_regs(f, EGETKEY, REQUEST, KEY, 0);
	return f;
}

static struct sgx_keyrequest *request(struct fixture *f)
{
	return (struct sgx_keyrequest *)(void *)f->mem[REQUEST_PAGE];
}

/* Proves: EGETKEY-01, EGETKEY-12 */
TEST(egetkey, operand_misaligned_is_gp)
{
	struct fixture *f = egetkey_ready();

	user_regs(f, EGETKEY, REQUEST + 256, KEY, 0);
	RULE_GP(f, "EGETKEY-01");
	user_regs(f, EGETKEY, REQUEST, KEY + 8, 0);
	RULE_GP(f, "EGETKEY-12");
}

/* Proves: EGETKEY-02, EGETKEY-13 */
TEST(egetkey, operand_outside_elrange_is_gp)
{
	static const uint64_t outside[] = {
		FIXTURE_BASE - 512, FIXTURE_BASE + 0x100000, 0x1000, USER_NONCANONICAL,
	};
	struct fixture *f = egetkey_ready();

	for (size_t i = 0; i < USER_COUNT(outside); i++) {
		user_regs(f, EGETKEY, outside[i], KEY, 0);
		RULE_GP(f, "EGETKEY-02");
		user_regs(f, EGETKEY, REQUEST, outside[i], 0);
		RULE_GP(f, "EGETKEY-13");
	}
}

/* Proves: EGETKEY-03, EGETKEY-14 */
TEST(egetkey, operand_not_in_epc_is_pf)
{
	struct fixture *f = egetkey_ready();

	fixture_map_host(f, KEY);
	RULE_PF(f, "EGETKEY-14", KEY, X86_PFEC_W);
	fixture_map_host(f, REQUEST);
	RULE_PF(f, "EGETKEY-03", REQUEST, 0);
}

/* Proves: EGETKEY-04, EGETKEY-05, EGETKEY-06, EGETKEY-07, EGETKEY-08, EGETKEY-09, EGETKEY-10, EGETKEY-11 */
TEST(egetkey, request_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EGETKEY-04", WRONG_VALID }, { "EGETKEY-05", WRONG_BLOCKED }, { "EGETKEY-06", WRONG_PT },
		{ "EGETKEY-07", WRONG_SECS }, { "EGETKEY-08", WRONG_PENDING }, { "EGETKEY-09", WRONG_MODIFIED },
		{ "EGETKEY-10", WRONG_ADDRESS }, { "EGETKEY-11", WRONG_R },
	};
	struct fixture *f = egetkey_ready();

	RULE_TABLE_PF(f, cases, REQUEST_PAGE, REQUEST, 0);
}

/* Proves: EGETKEY-15, EGETKEY-16, EGETKEY-17, EGETKEY-18, EGETKEY-19, EGETKEY-20, EGETKEY-21, EGETKEY-22 */
TEST(egetkey, output_page_unusable_is_pf)
{
	static const struct epcm_case cases[] = {
		{ "EGETKEY-15", WRONG_VALID }, { "EGETKEY-16", WRONG_BLOCKED }, { "EGETKEY-17", WRONG_PT },
		{ "EGETKEY-18", WRONG_SECS }, { "EGETKEY-19", WRONG_PENDING }, { "EGETKEY-20", WRONG_MODIFIED },
		{ "EGETKEY-21", WRONG_ADDRESS }, { "EGETKEY-22", WRONG_W },
	};
	struct fixture *f = egetkey_ready();

	RULE_TABLE_PF(f, cases, KEY_PAGE, KEY, X86_PFEC_W);
}

/* Proves: EGETKEY-23 */
TEST(egetkey, reserved_byte_is_gp)
{
	static const unsigned reserved[] = { 6, 7, 78, 300, 511 };
	struct fixture *f = egetkey_ready();

	for (size_t i = 0; i < USER_COUNT(reserved); i++) {
		f->mem[REQUEST_PAGE][reserved[i]] = 1;
		RULE_GP(f, "EGETKEY-23");
		f->mem[REQUEST_PAGE][reserved[i]] = 0;
	}
}

/* The output page is judged before the request is read. */
/* Proves: EGETKEY-22, EGETKEY-23 */
TEST(egetkey, output_is_judged_before_request)
{
	struct fixture *f = egetkey_ready();

	f->mem[REQUEST_PAGE][511] = 1;
	f->epcm[KEY_PAGE].w = false;
	RULE_PF(f, "EGETKEY-22", KEY, X86_PFEC_W);
}

/* Proves: EGETKEY-24 */
TEST(egetkey, keypolicy_reserved_bit_is_gp)
{
	struct fixture *f = egetkey_ready();

	request(f)->keyname = SGX_KEY_SEAL;
	for (unsigned bit = 6; bit < 16; bit++) {
		request(f)->keypolicy = (uint16_t)(1u << bit);
		RULE_GP(f, "EGETKEY-24");
	}
}

/* Proves: EGETKEY-25, EGETKEY-26 */
TEST(egetkey, kss_fields_without_kss_are_gp)
{
	struct fixture *f = egetkey_ready();

	fixture_secs(f, FIXTURE_SECS)->attributes.flags &= ~SGX_ATTR_KSS;
	request(f)->keyname = SGX_KEY_SEAL;
	for (unsigned bit = 2; bit < 6; bit++) {
		request(f)->keypolicy = (uint16_t)(1u << bit);
		RULE_GP(f, "EGETKEY-25");
	}
	request(f)->keypolicy = 0;
	request(f)->configsvn = 1;
	RULE_GP(f, "EGETKEY-26");
	request(f)->configsvn = 0;
	EXPECT_OK(f, user_enclu(f));
}

/* Proves: EGETKEY-30, EGETKEY-33, EGETKEY-36 */
TEST(egetkey, key_without_its_attribute_is_invalid_attribute)
{
	struct fixture *f = egetkey_ready();

	request(f)->cpusvn[0] = 0xff;		/* the attribute is judged before the versions */
	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_PROVISIONKEY;
	request(f)->keyname = SGX_KEY_EINITTOKEN;
	RULE_CODE(f, "EGETKEY-30", SGX_INVALID_ATTRIBUTE);
	fixture_secs(f, FIXTURE_SECS)->attributes.flags ^= SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY;
	request(f)->keyname = SGX_KEY_PROVISION;
	RULE_CODE(f, "EGETKEY-33", SGX_INVALID_ATTRIBUTE);
	request(f)->keyname = SGX_KEY_PROVISION_SEAL;
	RULE_CODE(f, "EGETKEY-36", SGX_INVALID_ATTRIBUTE);
}

static const struct { uint16_t name; const char *cpusvn, *isvsvn; } versioned[] = {
	{ SGX_KEY_SEAL, "EGETKEY-27", "EGETKEY-28" },
	{ SGX_KEY_EINITTOKEN, "EGETKEY-31", "EGETKEY-32" },
	{ SGX_KEY_PROVISION, "EGETKEY-34", "EGETKEY-35" },
	{ SGX_KEY_PROVISION_SEAL, "EGETKEY-37", "EGETKEY-38" },
};

/* Proves: EGETKEY-27, EGETKEY-28, EGETKEY-31, EGETKEY-32, EGETKEY-34, EGETKEY-35, EGETKEY-37, EGETKEY-38 */
TEST(egetkey, version_beyond_the_current_is_refused)
{
	struct fixture *f = egetkey_ready();

	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY;
	memset(f->keys.cpusvn, 5, sizeof(f->keys.cpusvn));
	for (size_t i = 0; i < USER_COUNT(versioned); i++) {
		request(f)->keyname = versioned[i].name;
		memset(request(f)->cpusvn, 5, 16);
		request(f)->isvsvn = 3;			/* SECS.ISVSVN + 1 */
		RULE_CODE(f, versioned[i].isvsvn, SGX_INVALID_ISVSVN);
		request(f)->cpusvn[15] = 6;		/* CPUSVN is judged before ISVSVN */
		RULE_CODE(f, versioned[i].cpusvn, SGX_INVALID_CPUSVN);
		request(f)->cpusvn[15] = 5;
		request(f)->isvsvn = 2;
		EXPECT_OK(f, user_enclu(f));
		user_regs(f, EGETKEY, REQUEST, KEY, 0);
	}
}

/* Proves: EGETKEY-29 */
TEST(egetkey, seal_with_later_configsvn_is_invalid_isvsvn)
{
	struct fixture *f = egetkey_ready();

	fixture_secs(f, FIXTURE_SECS)->attributes.flags |= SGX_ATTR_PROVISIONKEY;
	request(f)->keyname = SGX_KEY_SEAL;
	request(f)->configsvn = 4;			/* SECS.CONFIGSVN + 1, whatever the policy */
	RULE_CODE(f, "EGETKEY-29", SGX_INVALID_ISVSVN);
	request(f)->keypolicy = SGX_KEYPOLICY_CONFIGID;
	RULE_CODE(f, "EGETKEY-29", SGX_INVALID_ISVSVN);
	request(f)->keyname = SGX_KEY_PROVISION_SEAL;	/* has no upper bound */
	EXPECT_OK(f, user_enclu(f));
}

/* Proves: EGETKEY-39 */
TEST(egetkey, unknown_keyname_is_invalid_keyname)
{
	struct fixture *f = egetkey_ready();

	request(f)->keyname = 5;
	RULE_CODE(f, "EGETKEY-39", SGX_INVALID_KEYNAME);
	request(f)->keyname = 0xffff;
	RULE_CODE(f, "EGETKEY-39", SGX_INVALID_KEYNAME);
}

/* The REPORT key has no checks: neither its versions nor its name's policy count. */
/* Proves: EGETKEY-39 */
TEST(egetkey, report_key_is_always_given)
{
	struct fixture *f = egetkey_ready();
	uint8_t guard[16];

	memset(f->mem[KEY_PAGE], 0xab, 4096);
	memset(guard, 0xab, sizeof(guard));
	request(f)->keyname = SGX_KEY_REPORT;
	memset(request(f)->cpusvn, 0xff, 16);
	request(f)->isvsvn = 0xffff;
	EXPECT_OK(f, user_enclu(f));
	EXPECT_TRUE(memcmp(f->mem[KEY_PAGE], guard, 16) != 0);
	EXPECT_MEMEQ(f->mem[KEY_PAGE] + 16, guard, 16);
}
