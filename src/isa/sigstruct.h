/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGSTRUCT: its constants, its signature, its signer (sgx-isa 1.13, 5.3, 5.4). */
#ifndef SOFTSGX_ISA_SIGSTRUCT_H
#define SOFTSGX_ISA_SIGSTRUCT_H

#include <stdbool.h>

#include "arch/sgx.h"

/** sigstruct_well_formed() - constants and reserved bytes: EINIT-05..09. */
bool sigstruct_well_formed(const struct sgx_sigstruct *s);
/**
 * sigstruct_verify() - RSA-3072 with e = 3, checked with Q1 and Q2 instead of a division (EINIT-11, SIG-01..12).
 * @padding: on success the top 352 bytes of the encoded message.
 */
bool sigstruct_verify(const struct sgx_sigstruct *s, uint8_t padding[352]);
/** sigstruct_mrsigner() - SHA-256 of the modulus as it is stored. */
void sigstruct_mrsigner(const struct sgx_sigstruct *s, uint8_t mrsigner[32]);

#endif
