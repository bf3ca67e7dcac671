/* SPDX-License-Identifier: BSD-2-Clause */
/* EGETKEY: a key of the running enclave, as KEYREQUEST describes it. */
#include "isa/enclu/operand.h"
#include "isa/keys.h"

enum { KEYREQUEST_ALIGN = 512, KEY_ALIGN = 16, KEY_SIZE = 16 };

static bool keyrequest_reserved_zero(const struct sgx_keyrequest *r)
{
	return !r->cet_attributes_mask && !r->reserved1 && enclu_operand_zero(r->reserved2, sizeof(r->reserved2));
}

/*
 * May this enclave have this key? SGX_SUCCESS, or the code for RAX. The attribute comes first, then CPUSVN,
 * ISVSVN and, for SEAL only, CONFIGSVN. A REPORT key is always given (EGETKEY-27..39).
 */
static enum sgx_error request_check(const struct platform_keys *k, const struct secs *secs,
				    const struct sgx_keyrequest *r)
{
	uint64_t attribute = 0;

	switch (r->keyname) {
	case SGX_KEY_SEAL:
		break;
	case SGX_KEY_EINITTOKEN:
		attribute = SGX_ATTR_EINITTOKEN_KEY;
		break;
	case SGX_KEY_PROVISION:
	case SGX_KEY_PROVISION_SEAL:
		attribute = SGX_ATTR_PROVISIONKEY;
		break;
	case SGX_KEY_REPORT:
		return SGX_SUCCESS;
	default:
		return SGX_INVALID_KEYNAME;			/* EGETKEY-39 */
	}
	if (attribute && !(secs->attributes.flags & attribute))
		return SGX_INVALID_ATTRIBUTE;			/* EGETKEY-30, 33, 36 */
	if (key_cpusvn_beyond(r->cpusvn, k->cpusvn))
		return SGX_INVALID_CPUSVN;			/* EGETKEY-27, 31, 34, 37 */
	if (r->isvsvn > secs->isvsvn)
		return SGX_INVALID_ISVSVN;			/* EGETKEY-28, 32, 35, 38 */
	if (r->keyname == SGX_KEY_SEAL && r->configsvn > secs->configsvn)
		return SGX_INVALID_ISVSVN;			/* EGETKEY-29 */
	return SGX_SUCCESS;
}

enum leaf_status enclu_egetkey(struct machine *m, struct cpu *c)
{
	const struct secs *secs = secs_of(&c->secs);
	const uint64_t rbx = c->regs.rbx, rcx = c->regs.rcx;
	struct epc_page in, out;
	struct sgx_keyrequest r;
	enum sgx_error error;
	uint8_t key[KEY_SIZE];

	if (rbx % KEYREQUEST_ALIGN)				return leaf_gp(c);	/* EGETKEY-01 */
	if (!enclu_operand_in_elrange(c, rbx, sizeof(r)))	return leaf_gp(c);	/* EGETKEY-02 */
	if (enclu_operand_page(m, c, rbx, 0, &in))		return LEAF_FAULT;	/* EGETKEY-03 */
	if (!enclu_operand_readable(c, &in, rbx))		return leaf_pf(c, rbx, 0); /* EGETKEY-04..11 */
	if (rcx % KEY_ALIGN)					return leaf_gp(c);	/* EGETKEY-12 */
	if (!enclu_operand_in_elrange(c, rcx, KEY_SIZE))	return leaf_gp(c);	/* EGETKEY-13 */
	if (enclu_operand_page(m, c, rcx, X86_PFEC_W, &out))	return LEAF_FAULT;	/* EGETKEY-14 */
	if (!enclu_operand_writable(c, &out, rcx))
		return leaf_pf(c, rcx, X86_PFEC_W);			/* EGETKEY-15..22 */

	__builtin_memcpy(&r, enclu_operand_data(&in, rbx), sizeof(r));
	if (!keyrequest_reserved_zero(&r))			return leaf_gp(c);	/* EGETKEY-23 */
	if (r.keypolicy & SGX_KEYPOLICY_RSVD)			return leaf_gp(c);	/* EGETKEY-24 */
	if (!(secs->attributes.flags & SGX_ATTR_KSS)) {
		if (r.keypolicy & SGX_KEYPOLICY_KSS)		return leaf_gp(c);	/* EGETKEY-25 */
		if (r.configsvn)				return leaf_gp(c);	/* EGETKEY-26 */
	}
	error = request_check(m->keys, secs, &r);
	if (error)						return leaf_err(c, error);

	key_derive(m->keys, secs, &r, key);
	__builtin_memcpy(enclu_operand_data(&out, rcx), key, sizeof(key));
	return leaf_ok(c);
}
