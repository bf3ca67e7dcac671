/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EINIT: verify the signature, finish the measurement, apply launch control. SIGSTRUCT and EINITTOKEN are copied
 * before anything of them is looked at. An error leaves the SECS as it was, so that EINIT can be tried again. CET
 * attributes are zero in every SECS and SIGSTRUCT, so that EINIT-23 cannot occur; in the token they are reserved
 * (EINIT-26).
 */
#include "crypto/crypto.h"
#include "isa/encls/operand.h"
#include "isa/keys.h"
#include "isa/measure.h"
#include "isa/sigstruct.h"

#define TOKEN_ALIGN	512
#define TOKEN_MACED	192	/* bytes of EINITTOKEN that its MAC covers */

struct einit {
	struct sgx_sigstruct sig;
	struct sgx_einittoken token;
	uint8_t mrenclave[32], mrsigner[32], padding[352];
};

static bool token_well_formed(const struct sgx_einittoken *t)
{
	return is_zero(t->reserved1, sizeof(t->reserved1)) && is_zero(t->reserved2, sizeof(t->reserved2)) &&
	       is_zero(t->reserved3, sizeof(t->reserved3)) && is_zero(t->reserved4, sizeof(t->reserved4)) &&
	       !t->cet_masked_attributes_le;
}

static bool token_mac_right(const struct machine *m, const struct sgx_einittoken *t)
{
	uint8_t key[16], mac[16];

	key_einittoken(m->keys, t, m->sglepubkeyhash, key);
	aes128_cmac(mac, key, t, TOKEN_MACED);
	return crypto_verify16(mac, t->mac);
}

/* The token of a launch enclave: EINIT-25..32. SGX_SUCCESS: it permits this enclave. */
static enum sgx_error token_check(const struct machine *m, const struct secs *secs, const struct einit *in)
{
	const struct sgx_einittoken *t = &in->token;

	if ((t->maskedattributesle.flags & SGX_ATTR_DEBUG) && !(secs->attributes.flags & SGX_ATTR_DEBUG))
		return SGX_INVALID_EINITTOKEN;						/* EINIT-25 */
	if (!token_well_formed(t))				return SGX_INVALID_EINITTOKEN; /* EINIT-26 */
	if (t->valid & ~1u)					return SGX_INVALID_EINITTOKEN; /* EINIT-27 */
	if (key_cpusvn_beyond(t->cpusvnle, m->keys->cpusvn))	return SGX_INVALID_CPUSVN; /* EINIT-28, KEY-13 */
	if (!token_mac_right(m, t))				return SGX_INVALID_EINITTOKEN; /* EINIT-29 */
	if (!crypto_verify32(t->mrenclave, in->mrenclave))	return SGX_INVALID_MEASUREMENT; /* EINIT-30 */
	if (!crypto_verify32(t->mrsigner, in->mrsigner))	return SGX_INVALID_MEASUREMENT; /* EINIT-31 */
	if (t->attributes.flags != secs->attributes.flags || t->attributes.xfrm != secs->attributes.xfrm)
		return SGX_INVALID_ATTRIBUTE;						/* EINIT-32 */
	return SGX_SUCCESS;
}

static bool attributes_match(const struct secs *secs, const struct sgx_sigstruct *sig)
{
	return !((secs->attributes.flags ^ sig->attributes.flags) & sig->attributemask.flags) &&
	       !((secs->attributes.xfrm ^ sig->attributes.xfrm) & sig->attributemask.xfrm);
}

/* Measurement, attributes and launch control: EINIT-19..32. */
static enum sgx_error launch_check(const struct machine *m, const struct secs *secs, const struct einit *in)
{
	bool launch_signer = crypto_verify32(in->mrsigner, m->sglepubkeyhash);

	if (!crypto_verify32(in->mrenclave, in->sig.enclavehash))
		return SGX_INVALID_MEASUREMENT;						/* EINIT-19 */
	if ((secs->attributes.flags & SGX_ATTR_EINITTOKEN_KEY) && !launch_signer)
		return SGX_INVALID_ATTRIBUTE;						/* EINIT-20 */
	if (!attributes_match(secs, &in->sig))			return SGX_INVALID_ATTRIBUTE; /* EINIT-21 */
	if ((secs->miscselect ^ in->sig.miscselect) & in->sig.miscmask)
		return SGX_INVALID_ATTRIBUTE;						/* EINIT-22 */
	if (in->token.valid & 1)				return token_check(m, secs, in);
	return launch_signer ? SGX_SUCCESS : SGX_INVALID_EINITTOKEN;			/* EINIT-24 */
}

static void commit(struct secs *secs, const struct einit *in)
{
	__builtin_memcpy(secs->mrenclave, in->mrenclave, sizeof(secs->mrenclave));
	__builtin_memcpy(secs->mrsigner, in->mrsigner, sizeof(secs->mrsigner));
	__builtin_memcpy(secs->isvfamilyid, in->sig.isvfamilyid, sizeof(secs->isvfamilyid));
	__builtin_memcpy(secs->isvextprodid, in->sig.isvextprodid, sizeof(secs->isvextprodid));
	__builtin_memcpy(secs->padding, in->padding, sizeof(secs->padding));
	secs->isvprodid = in->sig.isvprodid;
	secs->isvsvn = in->sig.isvsvn;
	__atomic_store_n(&secs->attributes.flags, secs->attributes.flags | SGX_ATTR_INIT, __ATOMIC_RELEASE);
}

/* Context: SECS page locked shared. */
static enum leaf_status initialise(struct machine *m, struct cpu *c, const struct epc_page *page, struct einit *in)
{
	struct secs *secs = secs_of(page);
	enum sgx_error error;

	if (!page->epcm->valid)					return leaf_pf(c, c->regs.rcx, 0); /* EINIT-13 */
	if (page->epcm->pt != SGX_PT_SECS)			return leaf_pf(c, c->regs.rcx, 0); /* EINIT-14 */
	if (!(secs->attributes.flags & SGX_ATTR_KSS) && !is_zero(in->sig.isvfamilyid, sizeof(in->sig.isvfamilyid)))
		return leaf_err(c, SGX_INVALID_SIG_STRUCT);			/* EINIT-15 */
	if (!measure_trylock(secs))				return leaf_gp(c); /* EINIT-16, 17, CONC-02 */
	if (secs->attributes.flags & SGX_ATTR_INIT) {
		measure_unlock(secs);
		return leaf_gp(c);						/* EINIT-18 */
	}
	measure_final(secs, in->mrenclave);
	sigstruct_mrsigner(&in->sig, in->mrsigner);
	error = launch_check(m, secs, in);
	if (!error)
		commit(secs, in);
	measure_unlock(secs);
	return error ? leaf_err(c, error) : leaf_ok(c);
}

enum leaf_status encls_einit(struct machine *m, struct cpu *c)
{
	struct epc_page page;
	struct einit in;
	enum leaf_status status;

	if (!is_aligned(c->regs.rbx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EINIT-01 */
	if (!is_aligned(c->regs.rcx, SGX_PAGE_SIZE))		return leaf_gp(c);	/* EINIT-02 */
	if (!is_aligned(c->regs.rdx, TOKEN_ALIGN))		return leaf_gp(c);	/* EINIT-03 */
	if (!epc_at(m, c->regs.rcx, &page))			return leaf_not_epc(c, c->regs.rcx); /* EINIT-04 */
	if (!operand_read(m, c, &in.sig, c->regs.rbx, sizeof(in.sig)))
		return LEAF_FAULT;
	if (!operand_read(m, c, &in.token, c->regs.rdx, sizeof(in.token)))
		return LEAF_FAULT;
	if (!sigstruct_well_formed(&in.sig))
		return leaf_err(c, SGX_INVALID_SIG_STRUCT);			/* EINIT-05..09 */
	if (m->ops->event_pending && m->ops->event_pending(m))
		return leaf_err(c, SGX_UNMASKED_EVENT);				/* EINIT-10 */
	if (!sigstruct_verify(&in.sig, in.padding))
		return leaf_err(c, SGX_INVALID_SIGNATURE);			/* EINIT-11 */
	if (!epcm_lock_shared(page.epcm))			return leaf_gp(c);	/* EINIT-12 */
	status = initialise(m, c, &page, &in);
	epcm_unlock_shared(page.epcm);
	return status;
}
