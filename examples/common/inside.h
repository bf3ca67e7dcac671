/* SPDX-License-Identifier: BSD-2-Clause */
/* What the examples' enclaves are made of. This code runs inside: no C library, no system calls. */
#ifndef EXAMPLES_INSIDE_H
#define EXAMPLES_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attest.h"
#include "protocol.h"

/* GPRSGX: the registers that an exception interrupted. Changes take effect at ERESUME. */
struct ssa_gpr {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags, rip;
	uint64_t ursp, urbp;		/* the host's */
	uint32_t exitinfo, reserved;
	uint64_t fsbase, gsbase;
};
#define EXITINFO_VALID		UINT32_C(0x80000000)
#define EXITINFO_VECTOR(e)	((e) & 0xff)

/* MISC, right below the registers, if the enclave has MISCSELECT.EXINFO: of page faults and #GP. */
struct ssa_exinfo {
	uint64_t maddr;
	uint32_t errcd, reserved;
};

/** enclave_main() - each enclave's own: what an ECALL does. */
long enclave_main(long what, void *argument);
/** enclave_exception() - each enclave's own: the second phase. Its result tells the host what to do. */
enum { RESUME = 0, GIVE_UP = 1 };
long enclave_exception(struct ssa_gpr *gpr);
/** ocall() - leaves, and comes back with the host's answer. */
long ocall(long what, void *argument);

/** heap() - where the enclave may grow into, and how much of it there is (sign.c --grow); nothing is there yet. */
static inline uint8_t *heap(uint64_t *size)
{
	extern char enclave_base[] __attribute__((visibility("hidden")));
	uint64_t offset;

	__asm__("mov %%fs:%c2, %0; mov %%fs:%c3, %1" : "=&r"(offset), "=r"(*size) : "i"(THREAD_HEAP),
		"i"(THREAD_HEAP_SIZE));
	return (uint8_t *)enclave_base + offset;
}

/** outside() - is this memory of the host's, all of it? Who forgets to ask writes into the enclave for it. */
static inline bool outside(const void *p, size_t size)
{
	extern char enclave_base[] __attribute__((visibility("hidden")));
	uint64_t length, offset = (uintptr_t)p - (uintptr_t)enclave_base;

	__asm__("mov %%fs:%c1, %0" : "=r"(length) : "i"(THREAD_SIZE));
	return offset >= length && offset + size >= length && size < UINT64_C(1) << 47;
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* The leaves of ENCLU that enclaves use. Structures: the processor manual, Volume 3D, chapter 38. */
static inline uint64_t enclu(uint32_t leaf, const void *rbx, const void *rcx, void *rdx)
{
	uint64_t rax = leaf;

	__asm__ volatile(".byte 0x0f, 0x01, 0xd7" : "+a"(rax) : "b"(rbx), "c"(rcx), "d"(rdx) : "memory", "cc");
	return rax;
}
#define EREPORT		0
#define EGETKEY		1
#define EACCEPT		5

struct secinfo {
	uint64_t flags, reserved[7];
} __attribute__((aligned(64)));
#define SECINFO_R	1
#define SECINFO_W	2
#define SECINFO_PENDING	8
#define SECINFO_REG	(2 << 8)

/** report_for() - a report that only @target can check; @data: 64 bytes. */
void report_for(struct report *r, const struct targetinfo *target, const void *data);
/** report_is_mine() - was @r made for this enclave, on this machine? */
bool report_is_mine(const struct report *r);

#endif
