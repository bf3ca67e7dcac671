/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key derivation (sgx-isa 6.1..6.5): a key is AES-128-CMAC, under the package's device key, of the fields that it
 * depends on. Checks of a request (which key, which SVN, which policy) are the leaf's; here every input is legal.
 */
#ifndef SOFTSGX_ISA_KEYS_H
#define SOFTSGX_ISA_KEYS_H

#include "isa/machine.h"
#include "isa/secs.h"

/** struct key_dependencies - KEYDEPENDENCIES in the order of table 6.1. Serialised as it lies in memory. */
struct key_dependencies {
	uint16_t keyname;
	uint8_t  isvfamilyid[16], isvextprodid[16];
	uint16_t isvprodid, isvsvn;
	uint8_t  owner_epoch[16];
	struct sgx_attributes attributes, attributesmask;
	uint8_t  mrenclave[32], mrsigner[32], keyid[32], seal_key_fuses[16], cpusvn[16], padding[352];
	uint32_t miscselect, miscmask;
	uint16_t keypolicy;
	uint8_t  configid[64];
	uint16_t configsvn;
	uint8_t  cet_attributes, cet_attributes_mask;
} __attribute__((packed));
SGX_SIZE(key_dependencies, 644);

/** key_padding - PADDING of every valid signature: 00 01, 330 times FF, 00, DigestInfo of SHA-256. */
extern const uint8_t key_padding[352];

/** key_from_dependencies() - the derivation itself. */
void key_from_dependencies(const struct platform_keys *k, const struct key_dependencies *d, uint8_t key[16]);

/**
 * key_derive() - the key that an enclave asks for: one column of table 6.1, chosen by @r->keyname.
 * @secs: the enclave that asks. @r: its request, already checked by EGETKEY; keyname is one of enum sgx_keyname.
 */
void key_derive(const struct platform_keys *k, const struct secs *secs, const struct sgx_keyrequest *r,
		uint8_t key[16]);

/** key_report() - the key that EREPORT makes the MAC with, for the enclave that @t describes (6.5). */
void key_report(const struct platform_keys *k, const struct sgx_targetinfo *t, uint8_t key[16]);

/** key_einittoken() - the key that EINIT checks the MAC of @t with (6.4). */
void key_einittoken(const struct platform_keys *k, const struct sgx_einittoken *t, const uint8_t mrsigner[32],
		    uint8_t key[16]);

/** key_cpusvn_beyond() - is any component of @cpusvn newer than @current (KEY-13)? */
bool key_cpusvn_beyond(const uint8_t cpusvn[16], const uint8_t current[16]);

#endif
