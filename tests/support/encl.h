/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test enclave: built from memory through /dev/sgx_enclave, signed on the spot, entered through the vDSO or a raw
 * ENCLU. For programs that run under `softsgx run` (or on hardware). Operations: encl_code.S.
 */
#ifndef SOFTSGX_TESTS_SUPPORT_ENCL_H
#define SOFTSGX_TESTS_SUPPORT_ENCL_H

#include <stdbool.h>

#include "arch/sgx.h"
#include "uapi/sgx.h"

enum { TE_NOP, TE_RUN, TE_READ, TE_WRITE, TE_COPY, TE_SPIN, TE_SUM, TE_LEAF };
enum { TE_TCS_MAX = 64 };

struct te_options {
	unsigned tcs, nssa, ssaframesize;	/* 0 means 1, 2, 1 */
	uint64_t attributes, xfrm;		/* added to MODE64BIT; 0 means 3 */
	uint32_t miscselect;
	uint64_t heap_pages;			/* RW, not measured */
	bool     heap_measured;
	uint64_t hole_pages;			/* left empty behind the heap, inside ELRANGE and mapped RWX */
	uint64_t base;				/* 0: anywhere */
	bool     no_map;			/* leave the reservation in place */
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

int te_enter(vdso_sgx_enter_enclave_t fn, uint64_t op, uint64_t *args, unsigned leaf, struct sgx_enclave_run *run);
/** te_call() - EENTER at @tcs through the vDSO; run (zeroed here, tcs set) shows how it ended. */
int te_call(struct te *te, unsigned tcs, uint64_t op, uint64_t *args, struct sgx_enclave_run *run);
/** te_resume() - ERESUME of what @run left. */
int te_resume(struct te *te, struct sgx_enclave_run *run);
/** te_load() - put @size bytes of code at offset @offset of the scratch page, from inside; its address. */
uint64_t te_load(struct te *te, unsigned offset, const void *code, uint64_t size);

struct te_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, rflags;
};
void te_raw(struct te_regs *r);
extern const char te_raw_enclu[], te_raw_aep[], te_raw_out[];
extern const uint8_t te_code_start[], te_code_end[], te_code_eexit[];

/** te_gpr() - the GPRSGX of frame @frame of @tcs (readable from the host only where the platform lets it). */
static inline uint64_t te_gpr(const struct te *te, unsigned tcs, unsigned frame)
{
	return te->ssa[tcs] + (frame + 1) * te->ssaframe - sizeof(struct sgx_gprsgx);
}

#endif
