/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of the paging and SGX2 leaves, on top of fixture.h: prepare_*() loads the registers and the structures
 * that they point to, so that a test can spoil one of them before it runs the leaf; do_*() runs the leaf too and
 * says what became of it.
 */
#ifndef SOFTSGX_TESTS_ISA_PAGING_H
#define SOFTSGX_TESTS_ISA_PAGING_H

#include "isa/fixture.h"

/* Pages beside the default enclave. */
enum { PAGE_VA = 40, PAGE_VA2, PAGE_SPARE, PAGE_SPARE2, PAGE_INVALID, SECOND_SECS = 48 };

#define NOT_CANONICAL	UINT64_C(0x0008000000000000)
#define NOT_EPC		fixture_epc(FIXTURE_PAGES)
#define FAULTED	UINT64_C(0xfa017)	/* do_*(): the leaf faulted, f->c.exc says how */

/* What EWB writes outside the EPC, and ELDU reads back. */
struct backing {
	uint8_t cipher[4096] __attribute__((aligned(4096)));
	struct sgx_pcmd pcmd __attribute__((aligned(128)));
	struct sgx_pageinfo pageinfo __attribute__((aligned(32)));
	uint8_t gap[4096 - 192] __attribute__((aligned(32)));
};

static inline void make_va(struct fixture *f, uint64_t index)
{
	f->epcm[index] = (struct epcm_entry){ .valid = true, .pt = SGX_PT_VA };
	memset(f->mem[index], 0, 4096);
}

/* The default enclave, initialised, and two VA pages. */
static inline struct fixture *paging_fixture(void)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	make_va(f, PAGE_VA);
	make_va(f, PAGE_VA2);
	return f;
}

static inline uint64_t slot_epc(uint64_t va, unsigned slot)
{
	return fixture_epc(va) + 8 * slot;
}

static inline uint64_t *slot_at(struct fixture *f, uint64_t va, unsigned slot)
{
	return (uint64_t *)(void *)&f->mem[va][8 * slot];
}

static inline uint64_t rax_of(struct fixture *f, enum leaf_status status)
{
	return status == LEAF_DONE ? f->c.regs.rax : FAULTED;
}

static inline void enter_by_hand(struct fixture *f, uint64_t tcs, uint32_t epoch)
{
	atomic_store(&f->epcm[tcs].tcs_word, (uint64_t)epoch << 32 | FIXTURE_TID);
}

static inline void leave_by_hand(struct fixture *f, uint64_t tcs)
{
	atomic_store(&f->epcm[tcs].tcs_word, 0);
}

static inline uint64_t do_eblock(struct fixture *f, uint64_t index)
{
	f->c.regs.rcx = fixture_epc(index);
	return rax_of(f, encls_eblock(&f->m, &f->c));
}

static inline uint64_t do_etrack(struct fixture *f, uint64_t secs)
{
	f->c.regs.rcx = fixture_epc(secs);
	return rax_of(f, encls_etrack(&f->m, &f->c));
}

static inline void prepare_ewb(struct fixture *f, uint64_t index, uint64_t slot, struct backing *b)
{
	b->pageinfo = (struct sgx_pageinfo){ .srcpge = host(b->cipher), .secinfo = host(&b->pcmd) };
	f->c.regs.rbx = host(&b->pageinfo);
	f->c.regs.rcx = fixture_epc(index);
	f->c.regs.rdx = slot;
}

static inline uint64_t do_ewb(struct fixture *f, uint64_t index, uint64_t slot, struct backing *b)
{
	prepare_ewb(f, index, slot, b);
	return rax_of(f, encls_ewb(&f->m, &f->c));
}

/* EBLOCK, ETRACK, EWB of a child of @secs. */
static inline uint64_t evict(struct fixture *f, uint64_t index, uint64_t secs, uint64_t slot, struct backing *b)
{
	if (do_eblock(f, index) || do_etrack(f, secs))
		return FAULTED;
	return do_ewb(f, index, slot, b);
}

/* @secs: EPC address, or 0 for PT_SECS and PT_VA. LINADDR is what EWB left in the PAGEINFO. */
static inline void prepare_eld(struct fixture *f, uint64_t index, uint64_t slot, struct backing *b, uint64_t secs)
{
	b->pageinfo.srcpge = host(b->cipher);
	b->pageinfo.secinfo = host(&b->pcmd);
	b->pageinfo.secs = secs;
	f->c.regs.rbx = host(&b->pageinfo);
	f->c.regs.rcx = fixture_epc(index);
	f->c.regs.rdx = slot;
}

static inline uint64_t do_eldu(struct fixture *f, uint64_t index, uint64_t slot, struct backing *b, uint64_t secs)
{
	prepare_eld(f, index, slot, b, secs);
	return rax_of(f, encls_eldu(&f->m, &f->c));
}

static inline uint64_t do_eldb(struct fixture *f, uint64_t index, uint64_t slot, struct backing *b, uint64_t secs)
{
	prepare_eld(f, index, slot, b, secs);
	return rax_of(f, encls_eldb(&f->m, &f->c));
}

/* EMODPR, EMODT: @flags is SECINFO.FLAGS. */
static inline void prepare_modify(struct fixture *f, uint64_t index, uint64_t flags)
{
	f->secinfo = (struct sgx_secinfo){ .flags = flags };
	f->c.regs.rbx = host(&f->secinfo);
	f->c.regs.rcx = fixture_epc(index);
}

static inline uint64_t do_emodpr(struct fixture *f, uint64_t index, uint64_t rwx)
{
	prepare_modify(f, index, rwx);
	return rax_of(f, encls_emodpr(&f->m, &f->c));
}

static inline uint64_t do_emodt(struct fixture *f, uint64_t index, enum sgx_pt pt)
{
	prepare_modify(f, index, SGX_SECINFO_OF_PT(pt));
	return rax_of(f, encls_emodt(&f->m, &f->c));
}

static inline void prepare_eaug(struct fixture *f, uint64_t index, uint64_t secs, uint64_t linaddr)
{
	f->pageinfo = (struct sgx_pageinfo){ .linaddr = linaddr, .secs = fixture_epc(secs) };
	f->c.regs.rbx = host(&f->pageinfo);
	f->c.regs.rcx = fixture_epc(index);
}

static inline enum leaf_status do_eaug(struct fixture *f, uint64_t index, uint64_t secs, uint64_t linaddr)
{
	prepare_eaug(f, index, secs, linaddr);
	return encls_eaug(&f->m, &f->c);
}

/* Is the TCS in page @index on the list that tracking walks? */
static inline bool tcs_listed(struct fixture *f, uint64_t secs, uint64_t index)
{
	uint32_t link = fixture_secs(f, secs)->tcs_first;

	while (link && link != index + 1)
		link = f->epcm[link - 1].tcs_next;
	return link != 0;
}

/* A second EPC section, of one page: nothing in it can belong to an enclave of the fixture's. */
#define OTHER_SECTION	(FIXTURE_EPC + 0x10000000)

static inline struct epc_section *two_sections(struct machine *m, uint64_t addr)
{
	static struct epcm_entry epcm;
	static uint8_t mem[4096] __attribute__((aligned(4096)));
	static _Atomic uint64_t generation;
	static struct epc_section other = { OTHER_SECTION, 1, &epcm, mem, &generation };
	struct fixture *f = m->owner;

	epcm = (struct epcm_entry){ .valid = true, .pt = SGX_PT_SECS };
	memcpy(mem, f->mem[FIXTURE_SECS], sizeof(mem));
	return addr >= OTHER_SECTION ? &other : &f->section;
}

/* Every byte of an EPCM entry, the lock included. */
#define EXPECT_EPCM(f, index, expected) do {							\
	struct epcm_entry want_ = (expected);							\
	EXPECT_MEMEQ(&(f)->epcm[index], &want_, sizeof(want_));					\
} while (0)

/* The leaf must fault or fail with nothing changed: for the lines of a leaf's list. */
#define EXPECT_GP_UNCHANGED(f, call) do {							\
	fixture_snapshot(f);									\
	EXPECT_GP(f, call);									\
	EXPECT_UNCHANGED(f);									\
} while (0)
#define EXPECT_PF_UNCHANGED(f, call, cr2) do {							\
	fixture_snapshot(f);									\
	EXPECT_EPC_PF(f, call, cr2, 0);								\
	EXPECT_UNCHANGED(f);									\
} while (0)
#define EXPECT_CODE_UNCHANGED(f, call, code) do {						\
	fixture_snapshot(f);									\
	EXPECT_CODE(f, call, code);								\
	EXPECT_UNCHANGED(f);									\
} while (0)
#define EXPECT_INFO_UNCHANGED(f, call, code) do {						\
	fixture_snapshot(f);									\
	EXPECT_INFO(f, call, code);								\
	EXPECT_UNCHANGED(f);									\
} while (0)

#endif
