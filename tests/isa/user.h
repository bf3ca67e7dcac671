/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of ENCLU leaves: the default enclave with pages set up by hand, one EPCM entry broken in one way,
 * and the outcome of the leaf that RAX names, reported by rule ID.
 */
#ifndef SOFTSGX_TESTS_ISA_USER_H
#define SOFTSGX_TESTS_ISA_USER_H

#include "isa/fixture.h"

#define USER_TCS	FIXTURE_BASE			/* linear addresses of the default enclave's pages */
#define USER_SSA0	(FIXTURE_BASE + 0x2000)
#define USER_SSA1	(FIXTURE_BASE + 0x3000)
#define USER_DATA	(FIXTURE_BASE + 0x4000)
#define USER_AEP	UINT64_C(0x500000)
#define USER_NONCANONICAL UINT64_C(0x8000000000000000)
#define USER_COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/** user_page() - give the default enclave an accepted REG page with R and W: EPC page @index at linear @addr. */
static inline uint8_t *user_page(struct fixture *f, uint64_t index, uint64_t addr)
{
	struct epcm_entry *e = &f->epcm[index];

	memset(e, 0, sizeof(*e));
	e->valid = e->r = e->w = true;
	e->pt = SGX_PT_REG;
	e->enclaveaddress = addr;
	e->secs = FIXTURE_SECS;
	memset(f->mem[index], 0, sizeof(f->mem[index]));
	fixture_map(f, addr, index);
	return f->mem[index];
}

/** user_outside(), user_inside() - a machine with the default enclave, the processor outside or inside. */
static inline struct fixture *user_outside(void)
{
	struct fixture *f = fixture_new();

	fixture_build(f, NULL);
	return f;
}

static inline struct fixture *user_inside(void)
{
	struct fixture *f = user_outside();

	fixture_inside(f);
	return f;
}

/** user_regs() - operands of the next isa_enclu(). */
static inline void user_regs(struct fixture *f, uint64_t rax, uint64_t rbx, uint64_t rcx, uint64_t rdx)
{
	f->c.regs.rax = rax;
	f->c.regs.rbx = rbx;
	f->c.regs.rcx = rcx;
	f->c.regs.rdx = rdx;
}

static inline enum leaf_status user_enclu(struct fixture *f)
{
	return isa_enclu(&f->m, &f->c);
}

static inline struct sgx_tcs *user_tcs(struct fixture *f)
{
	return (struct sgx_tcs *)(void *)f->mem[FIXTURE_TCS];
}

/** user_enter() - EENTER through the default TCS, which must succeed. */
static inline void user_enter(struct fixture *f)
{
	user_regs(f, EENTER, USER_TCS, USER_AEP, f->c.regs.rdx);
	EXPECT_EQ(user_enclu(f), LEAF_DONE);
	EXPECT_TRUE(f->c.enclave_mode);
}

/** user_aex() - AEX for @vector, which must leave enclave mode. */
static inline struct exception user_aex(struct fixture *f, uint32_t vector, uint32_t error_code, uint64_t addr)
{
	struct exception event = { .vector = vector, .error_code = error_code, .addr = addr };

	isa_aex(&f->m, &f->c, &event);
	EXPECT_TRUE(!f->c.enclave_mode);
	return event;
}

/** enum wrong - one thing wrong with an EPCM entry. */
enum wrong {
	WRONG_VALID, WRONG_BLOCKED, WRONG_PT, WRONG_SECS, WRONG_PENDING, WRONG_MODIFIED, WRONG_ADDRESS,
	WRONG_R, WRONG_W, WRONG_X,
};

static inline void user_break(struct epcm_entry *e, enum wrong wrong)
{
	switch (wrong) {
	case WRONG_VALID:	e->valid = !e->valid; break;
	case WRONG_BLOCKED:	e->blocked = !e->blocked; break;
	case WRONG_PT:		e->pt = SGX_PT_VA; break;
	case WRONG_SECS:	e->secs = FIXTURE_PAGES - 1; break;
	case WRONG_PENDING:	e->pending = !e->pending; break;
	case WRONG_MODIFIED:	e->modified = !e->modified; break;
	case WRONG_ADDRESS:	e->enclaveaddress += 4096; break;
	case WRONG_R:		e->r = !e->r; break;
	case WRONG_W:		e->w = !e->w; break;
	case WRONG_X:		e->x = !e->x; break;
	}
}

struct epcm_case {
	const char *rule;
	enum wrong wrong;
};

/* The leaf faults, exactly so, and changes nothing. */
static inline void user_fault(struct fixture *f, const char *rule, const char *file, int line, uint32_t vector,
			      uint32_t error_code, uint64_t addr)
{
	enum leaf_status status;

	fixture_snapshot(f);
	f->c.exc = (struct exception){ .vector = 255 };
	status = user_enclu(f);
	if (status != LEAF_FAULT)
		test_fail(file, line, "%s: no fault, RAX = %llu", rule, (unsigned long long)f->c.regs.rax);
	else if (f->c.exc.vector != vector || f->c.exc.error_code != error_code || f->c.exc.addr != addr)
		test_fail(file, line, "%s: vector %u error %#x at %#llx, expected %u %#x at %#llx", rule,
			  f->c.exc.vector, f->c.exc.error_code, (unsigned long long)f->c.exc.addr, vector,
			  error_code, (unsigned long long)addr);
	if (memcmp(&f->c.regs, &f->before.regs, sizeof(f->c.regs)))
		test_fail(file, line, "%s: registers changed", rule);
	if (memcmp(f->epcm, f->before.epcm, sizeof(f->epcm)))
		test_fail(file, line, "%s: EPCM changed", rule);
	if (memcmp(f->mem, f->before.mem, sizeof(f->mem)))
		test_fail(file, line, "%s: EPC changed", rule);
}

#define RULE_GP(f, rule)		user_fault(f, rule, __FILE__, __LINE__, X86_GP, 0, 0)
#define RULE_PF(f, rule, addr, access)							\
	user_fault(f, rule, __FILE__, __LINE__, X86_PF,					\
		   X86_PFEC_SGX | X86_PFEC_U | X86_PFEC_P | (access), addr)
/* The fault of ordinary paging: no SGX bit. */
#define RULE_PAGING(f, rule, addr, bits)							\
	user_fault(f, rule, __FILE__, __LINE__, X86_PF, X86_PFEC_U | (bits), addr)

/* The leaf reports @code in RAX with ZF and changes no page. */
static inline void user_code(struct fixture *f, const char *rule, const char *file, int line, uint64_t code)
{
	enum leaf_status status;

	fixture_snapshot(f);
	status = user_enclu(f);
	if (status != LEAF_DONE || f->c.regs.rax != code)
		test_fail(file, line, "%s: status %d, RAX = %llu, expected %llu", rule, status,
			  (unsigned long long)f->c.regs.rax, (unsigned long long)code);
	if ((f->c.regs.rflags & X86_FLAGS_ARITH) != X86_FLAGS_ZF)
		test_fail(file, line, "%s: flags %#llx", rule, (unsigned long long)f->c.regs.rflags);
	if (f->c.regs.rip != f->before.regs.rip + f->c.insn_size)
		test_fail(file, line, "%s: RIP is not at the next instruction", rule);
	if (memcmp(f->epcm, f->before.epcm, sizeof(f->epcm)) || memcmp(f->mem, f->before.mem, sizeof(f->mem)))
		test_fail(file, line, "%s: EPC or EPCM changed", rule);
	f->c.regs = f->before.regs;
}

#define RULE_CODE(f, rule, code)	user_code(f, rule, __FILE__, __LINE__, code)

/* Each case breaks the EPCM entry of page @index and expects #PF(@addr). */
#define RULE_TABLE_PF(f, cases, index, addr, access) do {					\
	for (size_t i_ = 0; i_ < USER_COUNT(cases); i_++) {					\
		struct epcm_entry saved_ = (f)->epcm[index];					\
		user_break(&(f)->epcm[index], (cases)[i_].wrong);				\
		RULE_PF(f, (cases)[i_].rule, addr, access);					\
		(f)->epcm[index] = saved_;							\
	}											\
} while (0)

#define RULE_TABLE_CODE(f, cases, index, code) do {						\
	for (size_t i_ = 0; i_ < USER_COUNT(cases); i_++) {					\
		struct epcm_entry saved_ = (f)->epcm[index];					\
		user_break(&(f)->epcm[index], (cases)[i_].wrong);				\
		RULE_CODE(f, (cases)[i_].rule, code);						\
		(f)->epcm[index] = saved_;							\
	}											\
} while (0)

#endif
