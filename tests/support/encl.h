/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test enclave: built from memory through /dev/sgx_enclave or /dev/sgx, signed on the spot, entered through the vDSO
 * or a raw ENCLU. For programs that run under `softsgx run` (or on hardware). Operations: encl_code.S.
 */
#ifndef SOFTSGX_TESTS_SUPPORT_ENCL_H
#define SOFTSGX_TESTS_SUPPORT_ENCL_H

#include <stdbool.h>

#include "arch/sgx.h"
#include "uapi/sgx.h"

enum {
	TE_NOP, TE_RUN, TE_READ, TE_WRITE, TE_COPY, TE_SPIN, TE_SUM, TE_LEAF, TE_JUMP,
	TE_XSAVE32, TE_XSAVE, TE_XSAVEC, TE_XSAVEOPT, TE_XRSTOR, TE_XGETBV, TE_CPUID,
};
enum { TE_TCS_MAX = 64 };

struct te_options {
	unsigned tcs, nssa, ssaframesize;	/* 0 means 1, 2, 1 */
	uint64_t attributes, xfrm;		/* added to MODE64BIT; 0 means 3 */
	uint32_t miscselect;
	uint64_t heap_pages;			/* RW, not measured */
	bool     heap_measured;
	uint64_t hole_pages;			/* left empty behind the heap, inside ELRANGE and mapped RWX */
	uint64_t base;				/* 0: anywhere */
	bool     premap_heap;		/* map the heap RWX before its pages are added */
	uint64_t tcs_flags;		/* of every TCS */
	uint64_t last_entry;		/* not 0: OENTRY of the last TCS is this offset in the scratch page */
	const char *save_sigstruct;	/* a file for the 1808 bytes */
	bool     no_map;			/* leave the reservation in place */
	enum te_2018 { TE_UPSTREAM, TE_2018_BASE, TE_2018_RFC } abi; /* /dev/sgx, with these numbers; one mapping, RWX */
};

struct te {
	int fd;
	uint64_t base, size;
	unsigned tcs_count;
	uint64_t tcs[TE_TCS_MAX];
	uint64_t ssa[TE_TCS_MAX];	/* frame 0 of each TCS */
	uint64_t ssaframe;		/* bytes of a frame */
	uint64_t code, data, scratch, heap, hole;	/* data RW, one page; scratch RWX, one page */
	uint64_t eexit;			/* address of the ENCLU that leaves */
	uint8_t  mrenclave[32];
	vdso_sgx_enter_enclave_t vdso;
};

/** te_build() - 0, or -errno with a message on stderr. */
int te_build(struct te *te, const struct te_options *o);
void te_destroy(struct te *te);
/** te_vdso() - __vdso_sgx_enter_enclave as AT_SYSINFO_EHDR has it, or NULL. */
vdso_sgx_enter_enclave_t te_vdso(void);
const void *te_vdso_code(uint64_t *size);	/* the same as bytes */

int te_enter(vdso_sgx_enter_enclave_t fn, uint64_t op, uint64_t *args, unsigned leaf, struct sgx_enclave_run *run);
/** te_call() - EENTER at @tcs through the vDSO; run (zeroed here, tcs set) shows how it ended. */
int te_call(struct te *te, unsigned tcs, uint64_t op, uint64_t *args, struct sgx_enclave_run *run);
/**
 * te_resume() - ERESUME of what @run left. The enclave's RBP still is that of the call that entered: call this from the
 * function that called te_call(), so that the vDSO's frame lies at the same place.
 */
int te_resume(struct te *te, struct sgx_enclave_run *run);
/** te_leave() - ends what an exception interrupted on @tcs, CSSA 1: ERESUME to code that leaves. 0, or -1. */
int te_leave(struct te *te, unsigned tcs);
/** te_load() - put @size bytes of code at offset @offset of the scratch page, from inside; its address. */
uint64_t te_load(struct te *te, unsigned offset, const void *code, uint64_t size);

/* The vDSO call with every register of the caller's choice, and every register afterwards; vcall.S. */
struct te_vcall {
	uint64_t fn;
	struct sgx_enclave_run *run;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
	uint32_t mxcsr;
	uint16_t fcw;
};
void te_vcall(struct te_vcall *v);		/* RAX and RSP are out only; RSP relative to what it was at the call */
/* A user handler: stores what it gets in te_seen and returns te_handler_result. */
int te_handler(long rdi, long rsi, long rdx, long rsp, long r8, long r9, struct sgx_enclave_run *run);
struct te_seen {
	uint64_t rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags, rsp, run, count;
};
extern struct te_seen te_seen;
extern uint64_t te_handler_result;

/* Code for the scratch page: SNIPPET(name, "instructions"); position-independent, name[] to name##_end[]. */
#define SNIPPET(name, code)							\
	extern const uint8_t name[], name##_end[];				\
	__asm__(".pushsection .rodata\n\t.balign 16\n" #name ":\n\t" code	\
		"\n" #name "_end:\n\t.popsection")
#define TE_LOAD(te, offset, name)	te_load(te, offset, name, (uint64_t)(name##_end - name))
#define ENCLU	".byte 0x0f, 0x01, 0xd7\n\t"

struct te_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, rflags;
};
void te_raw(struct te_regs *r);
extern const char te_raw_enclu[], te_raw_aep[], te_raw_out[];
extern const uint8_t te_code_start[], te_code_end[], te_code_eexit[];
extern const uint8_t te_code_xsave[], te_code_xrstor[], te_code_cpuid[];

/** te_gpr() - the GPRSGX of frame @frame of @tcs (readable from the host only where the platform lets it). */
static inline uint64_t te_gpr(const struct te *te, unsigned tcs, unsigned frame)
{
	return te->ssa[tcs] + (frame + 1) * te->ssaframe - sizeof(struct sgx_gprsgx);
}

#endif
