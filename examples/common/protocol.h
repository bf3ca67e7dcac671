/* SPDX-License-Identifier: BSD-2-Clause */
/* What both sides of the examples agree on, in C and in assembly: see entry.S. */
#ifndef EXAMPLES_PROTOCOL_H
#define EXAMPLES_PROTOCOL_H

#define EENTER		2
#define ERESUME		3
#define EEXIT		4

/* RDI at EENTER. On an entry with CSSA > 0 it is not looked at: such an entry is always for the exception. */
#define ECALL		0	/* RSI, RDX: arguments of enclave_main() */
#define ORET		1	/* back from an OCALL; RSI: its result */
/* RDI at EEXIT. */
#define DONE		0	/* RSI: result of enclave_main() or enclave_exception() */
#define OCALL		1	/* RSI, RDX: what the enclave asks of the host */

/* The page of a thread, at FS base. The stack ends where it begins, its SSA frames lie behind it. */
#define THREAD_HOST	0	/* registers of the host, 64 bytes for each of two levels: CSSA 0 and 1 */
#define THREAD_OCALL	128	/* RSP inside during an OCALL, otherwise 0 */
#define THREAD_SIZE	136	/* size of the enclave, put here by sign.c */
#define THREAD_HEAP	144	/* offset of the memory to grow into, and its size */
#define THREAD_HEAP_SIZE 152
#define THREAD_GPR	(8192 - 184)	/* the registers that an exception saved in SSA frame 0 */

#endif
