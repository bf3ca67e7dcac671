/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ENCLU instructions of a test's own, plain and with prefixes: every register goes in as the test says, and is
 * recorded where the program comes out, which is behind one of them.
 */
#ifndef SOFTSGX_TESTS_DESIGNS_OWN_H
#define SOFTSGX_TESTS_DESIGNS_OWN_H

#include "support/encl.h"

/* Which ENCLU, and where the program came out: behind the one of that name. */
enum own_site {
	OWN_PLAIN, OWN_PLAIN_2, OWN_PREFIXED, OWN_PREFIXED_2,
	OWN_3E, OWN_3E_3E, OWN_3E_4, OWN_2E_3, OWN_67, OWN_48, OWN_3E_3_48, OWN_3E_2_2E,
	OWN_COUNTING,		/* plain; before it a counter, at own_counting */
	OWN_SITES,
	OWN_SIGNAL = OWN_SITES,	/* own_out: where signal handlers make it end */
	OWN_ABANDON,		/* own_abandon: an AEP that does not resume */
	OWN_FIXED,		/* own_fixed: a handler that is jumped to (C1-4), which stops */
	OWN_RESUMES,		/* never: own_resumes is one that jumps back to OWN_PLAIN with RAX = 3 */
};
extern const char *const own_enclu[OWN_SITES], *const own_next[OWN_SITES];
extern const char own_counting[], own_out[], own_abandon[], own_fixed[], own_resumes[];
extern _Atomic uint64_t own_count, own_resumed;

/* In the order of struct own.r, as the processor numbers them. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct own {
	uint64_t jump;		/* in: address of the ENCLU */
	uint64_t base;		/* out: RSP at the ENCLU */
	uint64_t r[16];		/* in and out; RSP: out only */
	uint64_t rflags;	/* in and out */
	uint64_t out;		/* out: enum own_site */
	uint64_t stack;
	uint32_t mxcsr;		/* out */
	uint16_t fcw, pad;
};
void own_call(struct own *o);

/** own_eenter() - registers for an EENTER by @site: those that it does not use have values of their own. */
struct own own_eenter(const struct te *te, unsigned tcs, enum own_site site, uint64_t aep);
/** own_fault() - ... that is going to execute @code (of the macro OWN_FAULT) in the scratch page. */
struct own own_fault(const struct te *te, unsigned tcs, enum own_site site, uint64_t aep, uint64_t code);

/*
 * Code that fills all registers, executes @insn of two bytes with RCX = 0x1000, and leaves with RDI = 0 if all are
 * the same as before, behind it.
 */
#define OWN_FAULT(name, insn) \
	SNIPPET(name, "mov %rcx, %gs:64; mov %r9, %gs:72; mov %rbp, %gs:88; mov $0x1000, %ecx;" \
		"mov $101, %eax; mov $102, %ebx; mov $104, %edx; mov $105, %esi; mov $106, %edi;" \
		"mov $107, %ebp; mov $108, %r8d; mov $109, %r9d; mov $110, %r10d; mov $111, %r11d;" \
		"mov $112, %r12d; mov $113, %r13d; mov $114, %r14d; mov $115, %r15d; movq %rax, %xmm0;" \
		"movq %r15, %xmm15; stc;" \
		insn ";" \
		"jnc 1f; cmp $0x1000, %rcx; jne 1f; cmp $101, %rax; jne 1f; cmp $102, %rbx; jne 1f;" \
		"cmp $104, %rdx; jne 1f; cmp $105, %rsi; jne 1f; cmp $106, %rdi; jne 1f;" \
		"cmp $107, %rbp; jne 1f; cmp $108, %r8; jne 1f; cmp $109, %r9; jne 1f; cmp $110, %r10;" \
		"jne 1f; cmp $111, %r11; jne 1f; cmp $112, %r12; jne 1f; cmp $113, %r13; jne 1f;" \
		"cmp $114, %r14; jne 1f; cmp $115, %r15; jne 1f; movq %xmm0, %rax; cmp $101, %rax;" \
		"jne 1f; movq %xmm15, %rax; cmp $115, %rax; jne 1f; xor %edi, %edi; jmp 2f;" \
		"1: mov $1, %edi; 2: mov %gs:64, %rbx; mov %gs:88, %rbp; mov $4, %eax; jmp *%gs:72")

/** own_load() - as te_load(), also where there is no vDSO function. */
uint64_t own_load(const struct te *te, unsigned offset, const void *code, uint64_t size);
#define OWN_LOAD(te, offset, name)	own_load(te, offset, name, (uint64_t)(name##_end - name))

/** own_repair() - the second phase, by the enclave: adds 2 to RIP in frame @frame of @tcs. False if it did not. */
bool own_repair(const struct te *te, unsigned tcs, unsigned frame);
/** own_finish() - ERESUME of frame 0 of @tcs, which then leaves. False if the enclave found a register changed. */
bool own_finish(const struct te *te, unsigned tcs);
/** own_expect_aex() - @o shows what an AEX leaves (AEX-02 to AEX-06, AEX-12), but for RAX, RDI, RSI and RDX. */
void own_expect_aex(const struct own *o, const struct te *te, unsigned tcs, uint64_t aep, uint64_t rbp);

/** own_unmapped() - a page at which nothing is. */
uint64_t own_unmapped(void);
/** own_delivery() - is WORD one of those of --delivery? (DESIGNS_DELIVERY in the environment) */
bool own_delivery(const char *word);
/** own_patched() - may an EENTER of a test's own be a jump, which loses arithmetic flags (doc/quirks.md)? */
bool own_patched(void);

#endif
