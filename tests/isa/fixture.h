/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for tests of the instruction model: one EPC section of plain memory, a processor, ordinary memory (the
 * test's own, by pointer), page tables as a small map, and ready-made enclaves with a valid signature.
 *
 *	struct fixture *f = fixture_new();
 *	fixture_build(f, NULL);					// the default enclave, initialised
 *	f->c.regs.rcx = fixture_epc(FIXTURE_DATA);
 *	EXPECT_GP(f, encls_edbgrd(&f->m, &f->c));
 */
#ifndef SOFTSGX_TESTS_ISA_FIXTURE_H
#define SOFTSGX_TESTS_ISA_FIXTURE_H

#include "harness.h"
#include "isa/keys.h"
#include "isa/machine.h"
#include "isa/secs.h"

#define FIXTURE_PAGES	64
#define FIXTURE_EPC	UINT64_C(0x100000000000)	/* base of the section, as ENCLS operands name it */
#define FIXTURE_BASE	UINT64_C(0x200000000000)	/* BASEADDR of the default enclave; 0x100000 bytes */
#define FIXTURE_TID	77				/* tid of the fixture's processor */
#define FIXTURE_SHORT_SIGNER	2			/* its modulus has 3071 bits */

/* Pages of the default enclave: index in the section. The page with index i lies at FIXTURE_BASE + (i - 1) * 4096. */
enum {
	FIXTURE_SECS,
	FIXTURE_TCS,		/* OSSA 0x2000, NSSA 2, OENTRY 0x1000 */
	FIXTURE_CODE,		/* R X, at 0x1000 */
	FIXTURE_SSA0,		/* R W, at 0x2000 */
	FIXTURE_SSA1,		/* R W, at 0x3000 */
	FIXTURE_DATA,		/* R W, at 0x4000 */
	FIXTURE_RODATA,		/* R, at 0x5000 */
	FIXTURE_FREE,		/* first page that the default enclave leaves free */
};

/** struct enclave_spec - what fixture_build() builds; fixture_spec() gives the default. */
struct enclave_spec {
	uint64_t secs;			/* index of the SECS; the other pages follow it */
	uint64_t base, size;
	struct sgx_attributes attributes; /* MODE64BIT | DEBUG | KSS, XFRM 7 */
	uint32_t miscselect;		/* EXINFO */
	uint32_t ssaframesize;		/* 1 */
	uint64_t tcs_flags;
	uint16_t isvprodid, isvsvn, configsvn; /* 1, 2, 3 */
	uint8_t  content;		/* byte that fills code and data pages: another one, another MRENCLAVE */
	unsigned signer;		/* 0 or 1: two signing keys exist, and FIXTURE_SHORT_SIGNER */
	bool     uninitialised;		/* stop before EINIT */
};

/** struct fixture_mapping - a page of the test's page tables. Absent: #PF with P = 0. */
struct fixture_mapping {
	uint64_t addr;
	enum translation kind;
	uint64_t index;			/* TRANSLATION_EPC */
	uint32_t refused;		/* accesses (X86_PFEC_W, X86_PFEC_I) that paging refuses */
};

struct fixture {
	struct machine m;
	struct cpu c;
	struct isa_profile profile;
	struct platform_keys keys;
	struct machine_shared shared;
	struct machine_ops ops;
	struct epc_section section;
	_Atomic uint64_t generation;
	struct epcm_entry epcm[FIXTURE_PAGES];
	uint8_t mem[FIXTURE_PAGES][4096] __attribute__((aligned(4096)));

	/* Operands in ordinary memory, each aligned as its leaf wants it. */
	struct sgx_sigstruct sigstruct __attribute__((aligned(4096)));
	uint8_t source[4096] __attribute__((aligned(4096)));		/* SRCPGE */
	struct sgx_secs source_secs __attribute__((aligned(4096)));	/* SRCPGE of ECREATE */
	struct sgx_einittoken token __attribute__((aligned(512)));
	struct sgx_pcmd pcmd __attribute__((aligned(128)));
	struct sgx_secinfo secinfo __attribute__((aligned(64)));
	struct sgx_pageinfo pageinfo __attribute__((aligned(64)));
	uint8_t xstate[11008] __attribute__((aligned(64)));

	uint64_t fault_addr;		/* host page whose access faults; 0: none */
	uint32_t dead_tid;		/* owner_alive() is false for this tid; 0: none is dead */
	bool     event;			/* event_pending() */
	struct fixture_mapping map[FIXTURE_PAGES];
	unsigned mapped;

	struct {
		struct epcm_entry epcm[FIXTURE_PAGES];
		uint8_t mem[FIXTURE_PAGES][4096];
		struct cpu_regs regs;
	} before;			/* fixture_snapshot() */
};

/** fixture_new() - a fresh machine with an empty EPC; one exists at a time. RAX.. 0, RIP 0x400000, flags 0xad7 | IF. */
struct fixture *fixture_new(void);

/** fixture_epc() - EPC address of page @index. */
static inline uint64_t fixture_epc(uint64_t index)
{
	return FIXTURE_EPC + index * 4096;
}

/** fixture_page() - the page with @index. */
struct epc_page fixture_page(struct fixture *f, uint64_t index);
/** fixture_secs() - the inside view of the SECS in page @index. */
struct secs *fixture_secs(struct fixture *f, uint64_t index);
/** host() - address of an operand in ordinary memory. */
static inline uint64_t host(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* Leaves, with every register set up: the state of f->c is otherwise kept. */
/** fixture_ecreate() - ECREATE of f->source_secs into page @index. */
enum leaf_status fixture_ecreate(struct fixture *f, uint64_t index);
/** fixture_eadd() - EADD of f->source, as @flags (SECINFO.FLAGS) at linear address @addr, to the enclave in @secs. */
enum leaf_status fixture_eadd(struct fixture *f, uint64_t index, uint64_t secs, uint64_t addr, uint64_t flags);
/** fixture_eextend() - EEXTEND of the chunk at @offset of page @index. */
enum leaf_status fixture_eextend(struct fixture *f, uint64_t index, uint64_t secs, uint64_t offset);
/** fixture_einit() - EINIT with f->sigstruct and f->token; the hash MSRs keep what m.sglepubkeyhash says. */
enum leaf_status fixture_einit(struct fixture *f, uint64_t secs);

/** fixture_spec() - the default enclave: first page 0, FIXTURE_BASE. */
struct enclave_spec fixture_spec(void);
/** fixture_build() - ECREATE, EADD, EEXTEND, EINIT of @spec (NULL: default), and map its pages. Aborts on any error. */
void fixture_build(struct fixture *f, const struct enclave_spec *spec);
/** fixture_sigstruct() - fill f->sigstruct for the enclave in @secs as it stands, and sign it. */
void fixture_sigstruct(struct fixture *f, uint64_t secs, unsigned signer);
/** fixture_sign() - sign @s: MODULUS, EXPONENT, SIGNATURE, Q1, Q2. Keys are made once a process. */
void fixture_sign(struct sgx_sigstruct *s, unsigned signer);
/** fixture_sign_block() - the same for a padded message block of the caller's (big-endian). */
void fixture_sign_block(struct sgx_sigstruct *s, unsigned signer, const uint8_t block[384]);
/** fixture_mrsigner() - SHA-256 of a signer's modulus. */
void fixture_mrsigner(unsigned signer, uint8_t digest[32]);

/** fixture_map() - let linear page @addr be EPC page @index. Replaces an earlier mapping. */
void fixture_map(struct fixture *f, uint64_t addr, uint64_t index);
/** fixture_map_host() - let linear page @addr be ordinary memory; outside every ELRANGE that is so without it. */
void fixture_map_host(struct fixture *f, uint64_t addr);
/** fixture_unmap() - accesses fault with P = 0. */
void fixture_unmap(struct fixture *f, uint64_t addr);
/** fixture_refuse() - paging refuses @access (X86_PFEC_W, X86_PFEC_I) to a mapped page, with P = 1. */
void fixture_refuse(struct fixture *f, uint64_t addr, uint32_t access);
/** fixture_inside() - put the processor into enclave mode by hand, through the default TCS, epoch of now. */
void fixture_inside(struct fixture *f);

/** fixture_snapshot() - remember EPC, EPCM and registers for EXPECT_UNCHANGED. */
void fixture_snapshot(struct fixture *f);

#define EXPECT_UNCHANGED(f) do {								\
	EXPECT_MEMEQ((f)->epcm, (f)->before.epcm, sizeof((f)->epcm));				\
	EXPECT_MEMEQ((f)->mem, (f)->before.mem, sizeof((f)->mem));				\
} while (0)

/* A fault: vector, error code and address exact; registers as they were. */
#define EXPECT_FAULT(f, call, vec, ec, cr2) do {						\
	struct cpu_regs regs_ = (f)->c.regs;							\
	(f)->c.exc = (struct exception){ .vector = 255 };					\
	EXPECT_EQ(call, LEAF_FAULT);								\
	EXPECT_EQ((f)->c.exc.vector, vec);							\
	EXPECT_EQ((f)->c.exc.error_code, ec);							\
	EXPECT_EQ((f)->c.exc.addr, cr2);							\
	EXPECT_MEMEQ(&(f)->c.regs, &regs_, sizeof(regs_));					\
} while (0)
#define EXPECT_GP(f, call)		EXPECT_FAULT(f, call, X86_GP, 0, 0)
#define EXPECT_UD(f, call)		EXPECT_FAULT(f, call, X86_UD, 0, 0)
/* #PF caused by EPC or EPCM; @access is 0, X86_PFEC_W or X86_PFEC_I. */
#define EXPECT_EPC_PF(f, call, cr2, access)							\
	EXPECT_FAULT(f, call, X86_PF, X86_PFEC_SGX | X86_PFEC_U | X86_PFEC_P | (access), cr2)

/* A leaf that completes: RAX, the six flags and RIP exact, other flags as they were. */
#define EXPECT_RESULT(f, call, code, flags) do {						\
	struct cpu_regs regs_ = (f)->c.regs;							\
	EXPECT_EQ(call, LEAF_DONE);								\
	EXPECT_EQ((f)->c.regs.rax, code);							\
	EXPECT_EQ((f)->c.regs.rflags, (regs_.rflags & ~X86_FLAGS_ARITH) | (flags));		\
	EXPECT_EQ((f)->c.regs.rip, regs_.rip + (f)->c.insn_size);				\
} while (0)
#define EXPECT_OK(f, call)		EXPECT_RESULT(f, call, SGX_SUCCESS, 0)
#define EXPECT_CODE(f, call, code)	EXPECT_RESULT(f, call, code, X86_FLAGS_ZF)
#define EXPECT_INFO(f, call, code)	EXPECT_RESULT(f, call, code, X86_FLAGS_CF)
/* A leaf without a result: RAX and flags stay. */
#define EXPECT_DONE(f, call)									\
	EXPECT_RESULT(f, call, regs_.rax, regs_.rflags & X86_FLAGS_ARITH)

#endif
