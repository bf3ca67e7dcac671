/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction model's world: a machine (EPC, capabilities, keys), a logical processor, and the functions that are
 * the leaves. src/isa does no system call, takes no signal and has no global state: a struct machine and a struct cpu
 * go in, an enum leaf_status comes out. Everything that may be shared between processes (EPCM, SECS, TCS owner words)
 * is position-independent and lives in memory that the caller provides.
 */
#ifndef SOFTSGX_ISA_MACHINE_H
#define SOFTSGX_ISA_MACHINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/sgx.h"
#include "arch/x86.h"

/** enum leaf_status - DONE: RAX/RFLAGS and memory written as the leaf says. FAULT: nothing written but cpu.exc. */
enum leaf_status { LEAF_DONE, LEAF_FAULT };

/** struct exception - a fault. addr is CR2 for #PF, else 0. A #PF caused by the EPC or EPCM has PFEC.SGX set. */
struct exception {
	uint32_t vector;	/* enum x86_vector */
	uint32_t error_code;
	uint64_t addr;
};

/*
 * EPCM entry. 64 bytes, shared between processes.
 *
 * lock: 0 free; EPCM_EXCLUSIVE held by one leaf; otherwise the number of leaves that hold it shared. Leaves only ever
 * try (sgx-isa section 3.3): the loser reports a conflict, it never waits.
 *
 * tcs_word (PT_TCS): 0 idle; else bits 31:0 the tid inside through this TCS, 63:32 the tracking epoch at its entry.
 *   idle -> owner: EENTER, ERESUME by compare-and-swap.   owner -> idle: EEXIT, AEX, by that thread only, or an entry
 *   that finds that the owner no longer lives.
 */
#define EPCM_EXCLUSIVE	UINT32_C(0x80000000)
#define EPCM_SGX2	UINT32_C(0x40000000)	/* with shared: a leaf that changes a page under a running enclave */

struct epcm_entry {
	_Atomic uint32_t lock;
	bool     valid, r, w, x, blocked, pending, modified, pr;
	uint8_t  pt;			/* enum sgx_pt */
	uint8_t  reserved[3];
	uint32_t epoch;			/* tracking: SECS epoch when EBLOCK, EMODPR or EMODT stamped the page */
	uint32_t tcs_next;		/* PT_TCS: index + 1 of the next TCS of this enclave in the section; 0 ends */
	uint64_t enclaveaddress;
	uint64_t secs;			/* ENCLAVESECS: index of the owner's SECS page in the same section */
	_Atomic uint64_t tcs_word;
	uint64_t reserved2[2];
};
static_assert(sizeof(struct epcm_entry) == 64, "at most 64 bytes of metadata a page");

/*
 * EPC section: npages pages whose "physical" address range, as ENCLS operands name them, is [base, base + npages * 4096).
 * The page with index i has its EPCM entry at epcm[i] and its bytes at mem + i * 4096. An enclave, its SECS and its
 * children, lies in one section. *generation is incremented (section_touch) by every leaf that takes a right or a page
 * away, or changes a TCS field that entry reads, CSSA apart, so that an engine may cache what an entry found.
 */
struct epc_section {
	uint64_t base, npages;
	struct epcm_entry *epcm;
	uint8_t *mem;
	_Atomic uint64_t *generation;
};

/** struct epc_page - one EPC page: section, index in it, EPCM entry, bytes. */
struct epc_page {
	struct epc_section *section;
	uint64_t index;
	struct epcm_entry *epcm;
	uint8_t *mem;
};

/** enum translation - what a linear address is. */
enum translation {
	TRANSLATION_FAULT,	/* ordinary paging refuses the access: *exc is that fault, PFEC.SGX = 0 */
	TRANSLATION_HOST,	/* ordinary memory, not EPC */
	TRANSLATION_EPC,	/* an EPC page, whatever its EPCM entry says */
};

struct machine;
struct cpu;

struct machine_ops {
	/*
	 * Walk the page tables for linear address @addr with access @pfec (X86_PFEC_W and/or _I, or 0 to read).
	 * ENCLU operands, TCS and SSA pages are found this way. Never blocks.
	 */
	enum translation (*translate)(struct machine *m, uint64_t addr, uint32_t pfec, struct epc_page *page,
				      struct exception *exc);
	/* Read or write ordinary memory (operands of ENCLS outside the EPC). False: *exc is the fault (GEN-04). */
	bool (*read)(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc);
	bool (*write)(struct machine *m, uint64_t addr, const void *src, uint64_t size, struct exception *exc);
	/* Does the thread that owns a TCS still live? Entry takes a TCS over from a dead one (A-LIF-7). */
	bool (*owner_alive)(struct machine *m, uint32_t tid);
	/* EINIT-10: is an unmasked event pending? May be NULL (never). */
	bool (*event_pending)(struct machine *m);
};

/** struct isa_profile - what CPUID says of this machine: leaves 12H.0, 12H.1 and the XSAVE layout of 0DH. */
struct isa_profile {
	bool     sgx1, sgx2;
	bool     edeccssa;		/* CPUID.12H.0:EAX[11] */
	uint32_t miscselect;		/* CPUID.12H.0:EBX */
	uint8_t  log2_size_32, log2_size_64; /* CPUID.12H.0:EDX[7:0], [15:8] */
	uint64_t attributes;		/* CPUID.12H.1:EBX:EAX */
	uint64_t xfrm;			/* CPUID.12H.1:EDX:ECX */
	uint64_t xcr0;			/* the machine's XCR0 */
	uint32_t mxcsr_mask;
	uint32_t xsave_offset[X86_XFEATURE_MAX + 1]; /* standard format; 0 if the component does not exist */
	uint32_t xsave_size[X86_XFEATURE_MAX + 1];
	uint64_t xsave_aligned;		/* components that start at a multiple of 64 in the compacted format */
};

/** struct platform_keys - the package's secrets and versions (sgx-isa section 2, CREGs). keys_derive() fills it. */
struct platform_keys {
	uint8_t device_key[16];		/* root of every derivation */
	uint8_t seal_fuses[16];		/* SEAL_KEY_FUSES */
	uint8_t owner_epoch[16];	/* SGXOWNEREPOCH */
	uint8_t base_pk[16];		/* CR_BASE_PK: page encryption */
	uint8_t report_keyid[32];	/* CR_REPORT_KEYID */
	uint8_t cpusvn[16];
};

/** struct machine_shared - counters of the package; may be shared between processes. */
struct machine_shared {
	_Atomic uint64_t next_eid;	/* NEXT_EID; 0 is never given */
	_Atomic uint64_t paging_version; /* CR_PAGING_VERSION, in units of one: slot value = version << 3 */
};

#define MACHINE_SECTIONS_MAX	16384

struct machine {
	const struct isa_profile *profile;
	const struct platform_keys *keys;
	const struct machine_ops *ops;
	struct machine_shared *shared;
	uint8_t sglepubkeyhash[32];	/* IA32_SGXLEPUBKEYHASH0..3 of the running thread: written before each EINIT */
	/* Find the section that holds EPC address @addr, or NULL. Tests have one section; the driver one per enclave. */
	struct epc_section *(*section_at)(struct machine *m, uint64_t addr);
	void *owner;			/* for ops and section_at: whose machine this is */
};

/** struct cpu_regs - general registers in GPRSGX order, so that AEX and ERESUME copy them as one block. */
struct cpu_regs {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rflags, rip;
};

#define SSA_XSAVE_PAGES_MAX	4	/* 11,008 bytes of state with AMX */

/*
 * A logical processor. rip is the address of the ENCLU when a leaf starts; a leaf that completes sets rip to the
 * next instruction (rip + insn_size) unless it transfers control. A leaf that faults leaves rip alone.
 * xstate points to the live extended state as an XSAVE area in standard format, xstate_size bytes (the header is
 * valid; the software words 464..511 may hold anything and are never copied). It may be NULL for leaves that neither
 * save nor restore it.
 */
struct cpu {
	struct cpu_regs regs;
	uint64_t fsbase, gsbase;
	uint8_t *xstate;
	uint32_t xstate_size;
	uint32_t tid;			/* who enters; goes into tcs_word */
	uint8_t  insn_size;		/* bytes of the ENCLU with its prefixes */
	struct exception exc;		/* written by a leaf that returns LEAF_FAULT */

	/* Control registers (CREGs), valid while enclave_mode. */
	bool     enclave_mode, dbgoptin;
	bool     save_tf;
	uint64_t tcs_la;
	uint64_t elrange_base, elrange_size;
	struct epc_page tcs, secs;
	struct sgx_gprsgx *gpr;		/* frame that the next AEX writes; pinned at entry */
	uint8_t *misc;			/* its EXINFO record, or NULL */
	uint8_t *xsave[SSA_XSAVE_PAGES_MAX]; /* its XSAVE pages */
	uint64_t save_fsbase, save_gsbase; /* outside FS and GS bases */
};

/* Fault and result helpers. leaf_err and leaf_ok set RAX and the six arithmetic flags and advance RIP. */
enum leaf_status leaf_gp(struct cpu *c);
enum leaf_status leaf_pf(struct cpu *c, uint64_t addr, uint32_t pfec);	/* EPC or EPCM caused: adds P, U, SGX */
enum leaf_status leaf_ud(struct cpu *c);
enum leaf_status leaf_not_epc(struct cpu *c, uint64_t addr);		/* operand not in EPC: #PF, or GEN-02's #GP */
enum leaf_status leaf_err(struct cpu *c, enum sgx_error code);		/* RAX = code, ZF = 1 */
enum leaf_status leaf_info(struct cpu *c, enum sgx_error code);		/* RAX = code, CF = 1, ZF = 0 */
enum leaf_status leaf_ok(struct cpu *c);				/* RAX = 0, flags 0 */
enum leaf_status leaf_done(struct cpu *c);				/* RAX and flags untouched */

/* epcm.c: pages and their locks. */
bool epc_at(struct machine *m, uint64_t addr, struct epc_page *page);	/* ENCLS operand: in EPC? */
bool epcm_lock_shared(struct epcm_entry *e);
bool epcm_lock_exclusive(struct epcm_entry *e);
void epcm_unlock_shared(struct epcm_entry *e);
void epcm_unlock_exclusive(struct epcm_entry *e);
/* EACCEPT, EACCEPTCOPY (destination), EMODPE (target), EMODPR: on top of the shared lock, they exclude each other. */
bool epcm_lock_sgx2(struct epcm_entry *e);
void epcm_unlock_sgx2(struct epcm_entry *e);
void section_touch(struct epc_section *s);
struct epc_page epc_secs_of(const struct epc_page *page);		/* the owner's SECS page */

/* dispatch.c: ENCLS and ENCLU with the checks ENCLS-10, ENCLU-11, ENCLU-15..24; then the leaf's own file. */
enum leaf_status isa_encls(struct machine *m, struct cpu *c);
enum leaf_status isa_enclu(struct machine *m, struct cpu *c);

/* One leaf, one file: isa/encls/<leaf>.c, isa/enclu/<leaf>.c. ELDB and ELDU share eld.c. */
enum leaf_status encls_ecreate(struct machine *m, struct cpu *c);
enum leaf_status encls_eadd(struct machine *m, struct cpu *c);
enum leaf_status encls_einit(struct machine *m, struct cpu *c);
enum leaf_status encls_eremove(struct machine *m, struct cpu *c);
enum leaf_status encls_edbgrd(struct machine *m, struct cpu *c);
enum leaf_status encls_edbgwr(struct machine *m, struct cpu *c);
enum leaf_status encls_eextend(struct machine *m, struct cpu *c);
enum leaf_status encls_eldb(struct machine *m, struct cpu *c);
enum leaf_status encls_eldu(struct machine *m, struct cpu *c);
enum leaf_status encls_eblock(struct machine *m, struct cpu *c);
enum leaf_status encls_epa(struct machine *m, struct cpu *c);
enum leaf_status encls_ewb(struct machine *m, struct cpu *c);
enum leaf_status encls_etrack(struct machine *m, struct cpu *c);
enum leaf_status encls_eaug(struct machine *m, struct cpu *c);
enum leaf_status encls_emodpr(struct machine *m, struct cpu *c);
enum leaf_status encls_emodt(struct machine *m, struct cpu *c);
enum leaf_status enclu_ereport(struct machine *m, struct cpu *c);
enum leaf_status enclu_egetkey(struct machine *m, struct cpu *c);
enum leaf_status enclu_eenter(struct machine *m, struct cpu *c);
enum leaf_status enclu_eresume(struct machine *m, struct cpu *c);
enum leaf_status enclu_eexit(struct machine *m, struct cpu *c);
enum leaf_status enclu_eaccept(struct machine *m, struct cpu *c);
enum leaf_status enclu_emodpe(struct machine *m, struct cpu *c);
enum leaf_status enclu_eacceptcopy(struct machine *m, struct cpu *c);
enum leaf_status enclu_edeccssa(struct machine *m, struct cpu *c);

/*
 * aex.c: asynchronous exit of a processor in enclave mode for @event. Saves registers and extended state into the
 * pinned SSA frame, loads the synthetic state into @c (regs, xstate, fsbase, gsbase), CSSA + 1, releases the TCS. For
 * #PF the low 12 bits of the address that software outside sees (returned in *@event) are cleared. regs.rflags.RF and
 * regs.rip must already be what SSA is to hold. Cannot fail (AEX-29).
 */
void isa_aex(struct machine *m, struct cpu *c, struct exception *event);

/* xstate.c: size of the standard-format XSAVE area for @xfrm (at least 576). */
uint32_t isa_xsave_size(const struct isa_profile *p, uint64_t xfrm);
/* GPRSGX (184) and MISC bytes below the end of a frame. */
uint32_t isa_ssa_tail_size(uint32_t miscselect);

/* keys.c */
void keys_derive(struct platform_keys *k, const uint8_t seed[32], const uint8_t cpusvn[16]);

#endif
