/* SPDX-License-Identifier: BSD-2-Clause */
/* EINIT, check by check; the signature itself is in sigstruct.c. */
#include "crypto/crypto.h"
#include "isa/fixture.h"

static enum leaf_status run(struct fixture *f)
{
	return encls_einit(&f->m, &f->c);
}

/* An enclave with attributes @flags, signed, its signer in the hash MSRs, an empty token: EINIT would succeed. */
static struct fixture *ready_with(uint64_t flags)
{
	struct fixture *f = fixture_new();
	struct enclave_spec spec = fixture_spec();

	spec.attributes.flags = flags;
	spec.uninitialised = true;
	fixture_build(f, &spec);
	fixture_sigstruct(f, FIXTURE_SECS, 0);
	fixture_mrsigner(0, f->m.sglepubkeyhash);
	f->c.regs.rbx = host(&f->sigstruct);
	f->c.regs.rcx = fixture_epc(FIXTURE_SECS);
	f->c.regs.rdx = host(&f->token);
	return f;
}

static struct fixture *ready(void)
{
	return ready_with(SGX_ATTR_MODE64BIT | SGX_ATTR_DEBUG | SGX_ATTR_KSS);
}

/* EINIT ends with @error and can be tried again. */
static void refused(struct fixture *f, enum sgx_error error)
{
	fixture_snapshot(f);
	EXPECT_CODE(f, run(f), error);
	EXPECT_UNCHANGED(f);
}

static void fixture_retry(struct fixture *f)
{
	EXPECT_OK(f, run(f));
	EXPECT_TRUE(fixture_secs(f, FIXTURE_SECS)->attributes.flags & SGX_ATTR_INIT);
}

TEST(einit, identity_is_committed)
{
	struct fixture *f = ready();
	const struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	uint8_t mrsigner[32];

	f->sigstruct.isvprodid = 0x1234;
	f->sigstruct.isvsvn = 0x5678;
	memset(f->sigstruct.isvfamilyid, 0xfa, 16);
	memset(f->sigstruct.isvextprodid, 0xec, 16);
	fixture_sign(&f->sigstruct, 0);
	EXPECT_OK(f, run(f));
	fixture_mrsigner(0, mrsigner);
	EXPECT_TRUE(secs->attributes.flags & SGX_ATTR_INIT);
	EXPECT_MEMEQ(secs->mrenclave, f->sigstruct.enclavehash, 32);
	EXPECT_MEMEQ(secs->mrsigner, mrsigner, 32);
	EXPECT_EQ(secs->isvprodid, 0x1234);
	EXPECT_EQ(secs->isvsvn, 0x5678);
	EXPECT_MEMEQ(secs->isvfamilyid, f->sigstruct.isvfamilyid, 16);
	EXPECT_MEMEQ(secs->isvextprodid, f->sigstruct.isvextprodid, 16);
	EXPECT_MEMEQ(secs->padding, key_padding, 352);
	EXPECT_EQ(atomic_load(&secs->measure_lock), 0);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_SECS].lock), 0);
}

/* Proves: EINIT-01, EINIT-02, EINIT-03 */
TEST(einit, misaligned_operand_is_gp)
{
	struct fixture *f = ready();

	f->c.regs.rbx += 2048;
	EXPECT_GP(f, run(f));
	f->c.regs.rbx = host(&f->sigstruct);
	f->c.regs.rcx += 64;
	EXPECT_GP(f, run(f));
	f->c.regs.rcx = fixture_epc(FIXTURE_SECS);
	f->c.regs.rdx += 256;
	EXPECT_GP(f, run(f));
	f->c.regs.rdx = host(&f->token);
	fixture_retry(f);
}

/* Proves: EINIT-04, GEN-02 */
TEST(einit, secs_outside_epc_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(FIXTURE_PAGES);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_PAGES), 0);
	f->c.regs.rcx = UINT64_C(0x800000000000);
	EXPECT_GP(f, run(f));
	f->c.regs.rcx = fixture_epc(FIXTURE_SECS);
	f->c.regs.rbx = UINT64_C(0x800000000000);
	EXPECT_GP(f, run(f));
}

/* Proves: GEN-04 */
TEST(einit, fault_of_an_operand_is_its_own_pf)
{
	struct fixture *f = ready();

	f->fault_addr = host(&f->sigstruct);
	EXPECT_FAULT(f, run(f), X86_PF, X86_PFEC_U, host(&f->sigstruct));
	f->fault_addr = 0;
	fixture_retry(f);
}

/* Proves: EINIT-05, EINIT-07 */
TEST(einit, wrong_header_is_an_invalid_sigstruct)
{
	struct fixture *f = ready();

	for (unsigned i = 0; i < 16; i++) {
		f->sigstruct.header[i] ^= 0x80;
		refused(f, SGX_INVALID_SIG_STRUCT);
		f->sigstruct.header[i] ^= 0x80;
		f->sigstruct.header2[i] ^= 1;
		refused(f, SGX_INVALID_SIG_STRUCT);
		f->sigstruct.header2[i] ^= 1;
	}
	fixture_retry(f);
}

/* Proves: EINIT-06 */
TEST(einit, unknown_vendor_is_an_invalid_sigstruct)
{
	struct fixture *f = ready();

	f->sigstruct.vendor = 0x8087;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_SIG_STRUCT);
	f->sigstruct.vendor = 0x8086;
	fixture_sign(&f->sigstruct, 0);
	fixture_retry(f);
}

/* Proves: EINIT-08 */
TEST(einit, other_exponent_is_an_invalid_sigstruct)
{
	struct fixture *f = ready();

	f->sigstruct.exponent = 65537;
	refused(f, SGX_INVALID_SIG_STRUCT);
}

/* Proves: EINIT-09 */
TEST(einit, reserved_byte_is_an_invalid_sigstruct)
{
	static const struct { unsigned first, end; } reserved[] = {
		{ 44, 128 }, { 908, 912 }, { 992, 1008 }, { 1028, 1040 },
	};
	struct fixture *f = ready();

	for (size_t i = 0; i < 4; i++)
		for (unsigned byte = reserved[i].first; byte < reserved[i].end; byte++) {
			uint8_t *p = (uint8_t *)&f->sigstruct + byte;

			*p = 1;
			EXPECT_CODE(f, run(f), SGX_INVALID_SIG_STRUCT);
			*p = 0;
		}
	fixture_retry(f);
}

/* Proves: EINIT-10 */
TEST(einit, pending_event_comes_before_the_signature)
{
	struct fixture *f = ready();

	f->event = true;
	f->sigstruct.signature[7] ^= 1;
	refused(f, SGX_UNMASKED_EVENT);
	f->sigstruct.exponent = 5;
	refused(f, SGX_INVALID_SIG_STRUCT);	/* ... but after the constants */
	f->sigstruct.exponent = 3;
	f->sigstruct.signature[7] ^= 1;
	f->event = false;
	fixture_retry(f);
}

/* Proves: EINIT-11 */
TEST(einit, wrong_signature_is_reported)
{
	struct fixture *f = ready();

	f->sigstruct.signature[0] ^= 1;
	refused(f, SGX_INVALID_SIGNATURE);
	f->sigstruct.signature[0] ^= 1;
	fixture_retry(f);
}

/* Proves: EINIT-12 */
TEST(einit, busy_secs_is_gp)
{
	struct fixture *f = ready();

	EXPECT_TRUE(epcm_lock_exclusive(&f->epcm[FIXTURE_SECS]));
	EXPECT_GP(f, run(f));
	epcm_unlock_exclusive(&f->epcm[FIXTURE_SECS]);
	fixture_retry(f);
}

/* Proves: EINIT-13, EINIT-14 */
TEST(einit, page_that_is_no_secs_is_pf)
{
	struct fixture *f = ready();

	f->c.regs.rcx = fixture_epc(FIXTURE_FREE);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_FREE), 0);
	f->c.regs.rcx = fixture_epc(FIXTURE_DATA);
	EXPECT_EPC_PF(f, run(f), fixture_epc(FIXTURE_DATA), 0);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_DATA].lock), 0);
}

/* Proves: EINIT-15 */
TEST(einit, family_without_kss_is_an_invalid_sigstruct)
{
	struct fixture *f = ready_with(SGX_ATTR_MODE64BIT);

	f->sigstruct.isvextprodid[3] = 1;	/* has no such rule */
	f->sigstruct.isvfamilyid[15] = 1;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_SIG_STRUCT);
	f->sigstruct.isvfamilyid[15] = 0;
	fixture_sign(&f->sigstruct, 0);
	fixture_retry(f);
}

/* Proves: EINIT-16, EINIT-17, CONC-02 */
TEST(einit, measurement_in_use_is_gp)
{
	struct fixture *f = ready();

	atomic_store(&fixture_secs(f, FIXTURE_SECS)->measure_lock, 1);
	EXPECT_GP(f, run(f));
	atomic_store(&fixture_secs(f, FIXTURE_SECS)->measure_lock, 0);
	EXPECT_EQ(atomic_load(&f->epcm[FIXTURE_SECS].lock), 0);
	fixture_retry(f);
}

/* Proves: EINIT-18 */
TEST(einit, second_time_is_gp)
{
	struct fixture *f = ready();

	EXPECT_OK(f, run(f));
	fixture_snapshot(f);
	EXPECT_GP(f, run(f));
	EXPECT_UNCHANGED(f);
}

/* Proves: EINIT-19 */
TEST(einit, other_measurement_is_reported)
{
	struct fixture *f = ready();

	f->sigstruct.enclavehash[31] ^= 1;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_MEASUREMENT);
}

/* Proves: EINIT-20 */
TEST(einit, einittoken_key_is_for_the_launch_signer)
{
	struct fixture *f = ready_with(SGX_ATTR_MODE64BIT | SGX_ATTR_EINITTOKEN_KEY);

	f->m.sglepubkeyhash[0] ^= 1;
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->token.valid = 1;			/* a token does not help */
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->token.valid = 0;
	f->m.sglepubkeyhash[0] ^= 1;
	fixture_retry(f);
}

/* Proves: EINIT-21 */
TEST(einit, masked_attributes_must_match)
{
	struct fixture *f = ready();

	f->sigstruct.attributes.flags ^= SGX_ATTR_DEBUG;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->sigstruct.attributemask.flags = ~SGX_ATTR_DEBUG;
	f->sigstruct.attributes.xfrm = 3;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->sigstruct.attributemask.xfrm = 3;
	fixture_sign(&f->sigstruct, 0);
	fixture_retry(f);
}

/* Proves: EINIT-22 */
TEST(einit, masked_miscselect_must_match)
{
	struct fixture *f = ready();

	f->sigstruct.miscselect = 0;
	fixture_sign(&f->sigstruct, 0);
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->sigstruct.miscmask = ~SGX_MISC_EXINFO;
	fixture_sign(&f->sigstruct, 0);
	fixture_retry(f);
}

/* Proves: EINIT-24 */
TEST(einit, no_token_is_for_the_launch_signer)
{
	struct fixture *f = ready();

	f->m.sglepubkeyhash[31] ^= 1;
	refused(f, SGX_INVALID_EINITTOKEN);
	f->m.sglepubkeyhash[31] ^= 1;
	memset(f->token.reserved1, 0xff, sizeof(f->token.reserved1));	/* an invalid token is not looked at */
	fixture_retry(f);
}

/* A token that a launch enclave of another signer (the one of the hash MSRs) gave for this enclave. */
static void make_token(struct fixture *f, const uint8_t enclave_signer[32])
{
	struct sgx_einittoken *t = &f->token;
	const struct secs *secs = fixture_secs(f, FIXTURE_SECS);
	uint8_t key[16];

	*t = (struct sgx_einittoken){ .valid = 1, .attributes = secs->attributes, .isvprodidle = 1, .isvsvnle = 2,
				      .maskedattributesle = { SGX_ATTR_INIT | SGX_ATTR_EINITTOKEN_KEY, 3 } };
	memcpy(t->mrenclave, f->sigstruct.enclavehash, 32);
	memcpy(t->mrsigner, enclave_signer, 32);
	memcpy(t->cpusvnle, f->keys.cpusvn, 16);
	memset(t->keyid, 0x77, 32);
	key_einittoken(&f->keys, t, f->m.sglepubkeyhash, key);
	aes128_cmac(t->mac, key, t, 192);
}

static void remac(struct fixture *f)
{
	uint8_t key[16];

	key_einittoken(&f->keys, &f->token, f->m.sglepubkeyhash, key);
	aes128_cmac(f->token.mac, key, &f->token, 192);
}

static struct fixture *ready_token(void)
{
	struct fixture *f = ready_with(SGX_ATTR_MODE64BIT);
	uint8_t mrsigner[32];

	fixture_mrsigner(0, mrsigner);
	fixture_mrsigner(1, f->m.sglepubkeyhash);
	make_token(f, mrsigner);
	return f;
}

TEST(einit, valid_token_launches)
{
	struct fixture *f = ready_token();

	fixture_retry(f);
}

/* Proves: EINIT-25 */
TEST(einit, debug_token_is_for_debug_enclaves)
{
	struct fixture *f = ready_token();

	f->token.maskedattributesle.flags |= SGX_ATTR_DEBUG;
	remac(f);
	refused(f, SGX_INVALID_EINITTOKEN);
}

/* Proves: EINIT-26 */
TEST(einit, reserved_token_byte_is_an_invalid_token)
{
	static const struct { unsigned first, end; } reserved[] = {
		{ 4, 48 }, { 96, 128 }, { 160, 192 }, { 212, 236 },
	};
	struct fixture *f = ready_token();

	for (size_t i = 0; i < 4; i++)
		for (unsigned byte = reserved[i].first; byte < reserved[i].end; byte += 5) {
			uint8_t *p = (uint8_t *)&f->token + byte;

			*p = 1;
			remac(f);
			EXPECT_CODE(f, run(f), SGX_INVALID_EINITTOKEN);
			*p = 0;
		}
	remac(f);
	fixture_retry(f);
}

/* Proves: EINIT-27 */
TEST(einit, reserved_valid_bit_is_an_invalid_token)
{
	for (unsigned bit = 1; bit < 32; bit++) {
		struct fixture *f = ready_token();

		f->token.valid |= UINT32_C(1) << bit;
		remac(f);
		EXPECT_CODE(f, run(f), SGX_INVALID_EINITTOKEN);
	}
}

/* Proves: EINIT-28, KEY-13 */
TEST(einit, token_of_a_newer_cpusvn_is_refused)
{
	for (unsigned i = 0; i < 16; i++) {
		struct fixture *f = ready_token();

		f->token.cpusvnle[i]++;
		if (i)
			f->token.cpusvnle[0] = 0;	/* another component that is older does not make up for it */
		remac(f);
		refused(f, SGX_INVALID_CPUSVN);
	}
	struct fixture *f = ready_token();

	f->token.cpusvnle[2]--;				/* older is fine */
	remac(f);
	fixture_retry(f);
}

/* Proves: EINIT-29 */
TEST(einit, token_with_a_wrong_mac_is_refused)
{
	struct fixture *f = ready_token();

	f->token.mac[15] ^= 1;
	refused(f, SGX_INVALID_EINITTOKEN);
	f->token.mac[15] ^= 1;
	f->token.keyid[0] ^= 1;				/* an input of the key */
	refused(f, SGX_INVALID_EINITTOKEN);
	f->token.keyid[0] ^= 1;
	f->m.sglepubkeyhash[5] ^= 1;			/* so is the launch enclave's signer */
	refused(f, SGX_INVALID_EINITTOKEN);
}

/* Proves: EINIT-30, EINIT-31, EINIT-32 */
TEST(einit, token_of_another_enclave_is_refused)
{
	struct fixture *f = ready_token();

	f->token.mrenclave[0] ^= 1;
	remac(f);
	refused(f, SGX_INVALID_MEASUREMENT);
	f->token.mrenclave[0] ^= 1;
	f->token.mrsigner[31] ^= 1;
	remac(f);
	refused(f, SGX_INVALID_MEASUREMENT);
	f->token.mrsigner[31] ^= 1;
	f->token.attributes.flags |= SGX_ATTR_PROVISIONKEY;
	remac(f);
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->token.attributes.flags &= ~SGX_ATTR_PROVISIONKEY;
	f->token.attributes.xfrm = 3;
	remac(f);
	refused(f, SGX_INVALID_ATTRIBUTE);
	f->token.attributes.xfrm = 7;
	remac(f);
	fixture_retry(f);
}
