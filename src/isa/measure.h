/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MRENCLAVE: one SHA-256 over 64-byte blocks (sgx-isa 5.1, 5.2), whose state lives in the SECS.
 * Context: measure_eadd, _eextend and _final want the measurement lock, ECREATE its page.
 */
#ifndef SOFTSGX_ISA_MEASURE_H
#define SOFTSGX_ISA_MEASURE_H

#include "isa/secs.h"

/** measure_trylock() - EADD, EEXTEND and EINIT of one enclave exclude each other; false: another one runs. */
bool measure_trylock(struct secs *secs);
void measure_unlock(struct secs *secs);

/** measure_ecreate() - start the measurement with the record of ECREATE. */
void measure_ecreate(struct secs *secs);
/** measure_eadd() - the record of EADD; @offset of the page in the enclave. */
void measure_eadd(struct secs *secs, uint64_t offset, const struct sgx_secinfo *secinfo);
/** measure_eextend() - the record of EEXTEND and the 256 bytes themselves, read where they lie. */
void measure_eextend(struct secs *secs, uint64_t offset, const void *chunk);
/** measure_final() - MRENCLAVE of what has been measured; the state stays. */
void measure_final(const struct secs *secs, uint8_t mrenclave[32]);

#endif
