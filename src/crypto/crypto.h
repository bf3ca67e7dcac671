/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's thin face over nettle: no allocation, no global state, usable in a signal handler. */
#ifndef SOFTSGX_CRYPTO_CRYPTO_H
#define SOFTSGX_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** sha256() - digest of @size bytes. */
void sha256(uint8_t digest[32], const void *data, size_t size);
/** sha256_2() - digest of two pieces, one after the other (SIGSTRUCT's signed message). */
void sha256_2(uint8_t digest[32], const void *a, size_t a_size, const void *b, size_t b_size);
/* Running hash of whole 64-byte blocks, as MRENCLAVE needs it: the state is eight words that can be stored anywhere. */
void sha256_state_init(uint32_t state[8]);
void sha256_state_blocks(uint32_t state[8], const void *blocks, size_t count);	/* count blocks of 64 bytes */
/* The same for a header of one block and @count blocks that follow it from elsewhere. */
void sha256_state_record(uint32_t state[8], const void *header, const void *blocks, size_t count);
void sha256_state_final(uint8_t digest[32], const uint32_t state[8], uint64_t blocks); /* pads; state unchanged */

/** aes128_cmac() - AES-128-CMAC (NIST SP 800-38B) of @size bytes. */
void aes128_cmac(uint8_t mac[16], const uint8_t key[16], const void *data, size_t size);
/** aes128_gcm_seal()/_open() - AES-128-GCM; open returns false, with @plain undefined, if the tag does not match. */
void aes128_gcm_seal(const uint8_t key[16], const uint8_t iv[12], const void *aad, size_t aad_size,
		     const void *plain, void *cipher, size_t size, uint8_t tag[16]);
bool aes128_gcm_open(const uint8_t key[16], const uint8_t iv[12], const void *aad, size_t aad_size,
		     const void *cipher, void *plain, size_t size, const uint8_t tag[16]);
/** crypto_verify16()/32() - constant-time equality. */
bool crypto_verify16(const uint8_t a[16], const uint8_t b[16]);
bool crypto_verify32(const uint8_t a[32], const uint8_t b[32]);
/** crypto_init() - choose the processor's fast code (nettle's dispatch); once, before threads. */
void crypto_init(void);

#endif
