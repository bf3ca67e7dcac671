/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XCR0 := XFRM inside (EENTER effect 4): what XSAVE and its relatives do in enclaves with less than the machine has is,
 * byte for byte, what the machine does with the mask ANDed with XFRM.
 */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "harness.h"
#include "support/encl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AREA		8192
#define HEADER		512
#define X87		1u
#define SSE		2u
#define AVX		4u
#define AVX512		0xe0u
#define ALL		UINT64_MAX

enum { UD = 6, GP = 13, PF = 14 };

struct area {
	uint8_t bytes[AREA];
} __attribute__((aligned(64)));

static struct te te;
static struct sgx_enclave_run run __attribute__((aligned(64)));

static uint64_t xgetbv(uint32_t i)
{
	uint32_t a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(i));
	return (uint64_t)d << 32 | a;
}

static uint64_t get64(const struct area *a, unsigned offset)
{
	uint64_t v;

	memcpy(&v, a->bytes + offset, 8);
	return v;
}

static void put64(struct area *a, unsigned offset, uint64_t v)
{
	memcpy(a->bytes + offset, &v, 8);
}

static const uint64_t xfrms[] = { X87 | SSE, X87 | SSE | AVX, X87 | SSE | AVX | AVX512 };

/* The enclave of xfrms[i] in te; false if this machine has none. */
static bool build(unsigned i)
{
	if (xfrms[i] & ~xgetbv(0))
		return false;
	if (te_build(&te, &(struct te_options){ .tcs = 2, .nssa = 3, .xfrm = xfrms[i], .heap_pages = 4 }) || !te.vdso) {
		test_fail(__FILE__, __LINE__, "no enclave with XFRM %llx", (unsigned long long)xfrms[i]);
		return false;
	}
	return true;
}

static void fill(struct area *a, unsigned seed)
{
	uint64_t state = 88172645463325252u + seed;

	for (unsigned i = 0; i < AREA; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		a->bytes[i] = (uint8_t)(state >> 32);
	}
}

/* An image in the standard format with everything in it, and @xstate_bv. */
static void image(struct area *a, unsigned seed, uint64_t xstate_bv)
{
	static const uint8_t control[32] = { 0x7f, 0x0b, [4] = 0xff, [24] = 0xa1, 0x1f, [28] = 0xff, 0xff };

	fill(a, seed);
	memcpy(a->bytes, control, sizeof(control));
	for (unsigned i = 0; i < 8; i++)
		memset(a->bytes + 32 + 16 * i + 10, 0, 6);
	memset(a->bytes + HEADER, 0, 64);
	put64(a, HEADER, xstate_bv);
}

#define CLEAN	"fninit; ldmxcsr %[mxcsr]"
static const uint32_t mxcsr_initial = 0x1f80;

/* What the machine does: load @before with @before_mask, execute @op, store to @after with @after_mask. */
static void oracle(uint64_t op, struct area *area, uint64_t mask, const struct area *before, uint64_t before_mask,
		   struct area *after, uint64_t after_mask)
{
#define HALVES(m)	"a"((uint32_t)(m)), "d"((uint32_t)((m) >> 32))
	static struct area between;
	const uint64_t all = xgetbv(0);

	/* One statement each: between them the state lives in memory. */
	__asm__ volatile("xrstor64 %[b]\n\t"
		"mov %[all], %%eax\n\txor %%edx, %%edx\n\txsave64 %[s]\n\t" CLEAN
		: [s] "=m"(between) : [b] "m"(*before), HALVES(before_mask), [all] "r"((uint32_t)all),
		  [mxcsr] "m"(mxcsr_initial) : "memory");
#define EXECUTE(insn)											\
	__asm__ volatile("mov %[all], %%eax\n\txor %%edx, %%edx\n\txrstor64 %[s]\n\t"			\
		"mov %[lo], %%eax\n\tmov %[hi], %%edx\n\t" insn " %[area]\n\t"				\
		"mov %[all], %%eax\n\txor %%edx, %%edx\n\txsave64 %[s]\n\t" CLEAN			\
		: [s] "+m"(between), [area] "+m"(*area)							\
		: [lo] "r"((uint32_t)mask), [hi] "r"((uint32_t)(mask >> 32)), [all] "r"((uint32_t)all),	\
		  [mxcsr] "m"(mxcsr_initial) : "eax", "edx", "memory")
	switch (op) {
	case TE_XSAVE32:
		EXECUTE("xsave");
		break;
	case TE_XSAVE:
		EXECUTE("xsave64");
		break;
	case TE_XSAVEC:
		EXECUTE("xsavec64");
		break;
	case TE_XSAVEOPT:
		EXECUTE("xsaveopt64");
		break;
	case TE_XRSTOR:
		EXECUTE("xrstor64");
		break;
	}
	if (!after)
		return;
	__asm__ volatile("mov %[all], %%eax\n\txor %%edx, %%edx\n\txrstor64 %[s]\n\t"
		"mov %[lo], %%eax\n\tmov %[hi], %%edx\n\txsave64 %[after]\n\t" CLEAN
		: [after] "+m"(*after) : [s] "m"(between), [lo] "r"((uint32_t)after_mask),
		  [hi] "r"((uint32_t)(after_mask >> 32)), [all] "r"((uint32_t)all), [mxcsr] "m"(mxcsr_initial)
		: "eax", "edx", "memory");
}

/* Components that no enclave with less than AVX-512 may see or lose. */
static void dirty(uint64_t v)
{
	if (xgetbv(0) & AVX512)
		__asm__ volatile("vpbroadcastq %0, %%zmm16\n\tvpbroadcastq %0, %%zmm31\n\tkmovw %k0, %%k5" : : "r"(v));
}

static bool is_dirty(uint64_t v)
{
	uint64_t zmm16 = v, zmm31 = v, k5 = v & 0xffff;

	if (xgetbv(0) & AVX512)
		__asm__ volatile("vmovq %%xmm16, %0\n\tvmovq %%xmm31, %1\n\tkmovw %%k5, %k2"
				 : "=r"(zmm16), "=r"(zmm31), "=r"(k5));
	return zmm16 == v && zmm31 == v && k5 == (v & 0xffff);
}

static unsigned differences(const struct area *a, const struct area *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < AREA; i++)
		n += a->bytes[i] != b->bytes[i];
	return n;
}

static const uint64_t masks[] = { ALL, 0, X87, SSE, AVX, X87 | SSE, X87 | SSE | AVX, AVX512, ALL ^ SSE };
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static void check_save(uint64_t xfrm, uint64_t op, uint64_t mask, uint64_t in_use)
{
	static struct area state, area, expected;
	uint64_t args[16] = { (uintptr_t)&area, mask, (uintptr_t)&state, ALL };

	image(&state, 1, in_use & xfrm);
	fill(&area, 2);
	fill(&expected, 2);
	oracle(op, &expected, mask & xfrm, &state, xfrm, NULL, 0);
	dirty(0x1234567812345678);
	te_call(&te, 0, op, args, &run);
	EXPECT_TRUE((xfrm & AVX512) || is_dirty(0x1234567812345678));
	EXPECT_EQ(run.function, EEXIT);
	if (differences(&area, &expected))
		test_fail(__FILE__, __LINE__, "operation %llu, XFRM %llx, mask %llx, in use %llx: %u bytes differ",
			  (unsigned long long)op, (unsigned long long)xfrm, (unsigned long long)mask,
			  (unsigned long long)in_use, differences(&area, &expected));
	if (op == TE_XSAVEC)
		EXPECT_EQ(get64(&area, HEADER) & ~xfrm, 0);
}

/* Proves: INS-35 */
TEST(xfrm, xsave_stores_what_xfrm_allows)
{
	for (unsigned i = 0; i < COUNT(xfrms); i++) {
		if (!build(i))
			continue;
		for (uint64_t op = TE_XSAVE32; op <= TE_XSAVEOPT; op++)
			for (unsigned m = 0; m < COUNT(masks); m++) {
				check_save(xfrms[i], op, masks[m], ALL);
				check_save(xfrms[i], op, masks[m], X87 | SSE);
				check_save(xfrms[i], op, masks[m], 0);
			}
		te_destroy(&te);
	}
}

static void check_restore(uint64_t xfrm, bool compacted, uint64_t mask, uint64_t in_use)
{
	static struct area state, other, area, after, expected;
	uint64_t args[16] = { (uintptr_t)&area, mask, (uintptr_t)&state, ALL, (uintptr_t)&after, ALL };

	image(&state, 3, xfrm);
	image(&other, 4, in_use & xfrm);
	area = other;
	if (compacted) {
		memset(&area, 0, sizeof(area));
		oracle(TE_XSAVEC, &area, xfrm, &other, xfrm, NULL, 0);
	}
	fill(&after, 5);
	fill(&expected, 5);
	oracle(TE_XRSTOR, &area, mask & xfrm, &state, xfrm, &expected, xfrm);
	dirty(0x8765432187654321);
	te_call(&te, 0, TE_XRSTOR, args, &run);
	EXPECT_TRUE((xfrm & AVX512) || is_dirty(0x8765432187654321));
	EXPECT_EQ(run.function, EEXIT);
	if (differences(&after, &expected))
		test_fail(__FILE__, __LINE__, "XRSTOR, XFRM %llx, mask %llx, in use %llx: %u bytes differ",
			  (unsigned long long)xfrm, (unsigned long long)mask, (unsigned long long)in_use,
			  differences(&after, &expected));
}

/* Proves: INS-35 */
TEST(xfrm, xrstor_loads_what_xfrm_allows)
{
	for (unsigned i = 0; i < COUNT(xfrms); i++) {
		if (!build(i))
			continue;
		for (unsigned m = 0; m < COUNT(masks); m++)
			for (int compacted = 0; compacted < 2; compacted++) {
				check_restore(xfrms[i], compacted, masks[m], ALL);
				check_restore(xfrms[i], compacted, masks[m], SSE);
				check_restore(xfrms[i], compacted, masks[m], 0);
			}
		te_destroy(&te);
	}
}

/* Proves: INS-35 */
TEST(xfrm, xgetbv_shows_xfrm)
{
	for (unsigned i = 0; i < COUNT(xfrms); i++) {
		static struct area state;
		uint64_t args[16] = { 0, 0, (uintptr_t)&state, ALL };

		if (!build(i))
			continue;
		image(&state, 6, xfrms[i]);
		te_call(&te, 0, TE_XGETBV, args, &run);
		EXPECT_EQ(args[0], xfrms[i]);
		EXPECT_EQ(args[1], 0);
		args[1] = 1;
		dirty(1);
		te_call(&te, 0, TE_XGETBV, args, &run);
		EXPECT_EQ(args[0], xfrms[i]);
		EXPECT_EQ(args[1], 0);
		te_destroy(&te);
	}
}

static void expect_exception(uint64_t op, struct area *area, uint64_t offset, unsigned vector, const uint8_t *site)
{
	uint64_t args[16] = { (uintptr_t)area + offset, ALL };

	te_call(&te, 0, op, args, &run);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, vector);
	if (site)
		EXPECT_EQ(((const struct sgx_gprsgx *)te_gpr(&te, 0, 0))->rip, te.code + (uint64_t)(site - te_code_start));
	te_destroy(&te);
}

/* Proves: INS-35 */
TEST(xfrm, bad_operands_fault_at_the_instruction)
{
	static struct area area;

	for (unsigned i = 0; i < COUNT(xfrms); i++) {
		const uint64_t beyond = xgetbv(0) & ~xfrms[i] ? xgetbv(0) & ~xfrms[i] : UINT64_C(1) << 62;

		if (!build(i))
			continue;
		expect_exception(TE_XSAVE, &area, 8, GP, te_code_xsave);
		ASSERT_TRUE(build(i));
		image(&area, 7, xfrms[i] | (beyond & -beyond));
		expect_exception(TE_XRSTOR, &area, 0, GP, te_code_xrstor);
		ASSERT_TRUE(build(i));
		image(&area, 7, xfrms[i]);
		put64(&area, HEADER + 8, UINT64_C(1) << 63 | xfrms[i] | beyond);
		expect_exception(TE_XRSTOR, &area, 0, GP, te_code_xrstor);
		ASSERT_TRUE(build(i));
		image(&area, 7, xfrms[i]);
		put64(&area, HEADER + 16, 1);
		expect_exception(TE_XRSTOR, &area, 0, GP, te_code_xrstor);
		ASSERT_TRUE(build(i));
		image(&area, 7, xfrms[i]);
		put64(&area, 24, 0xffffffff);		/* MXCSR */
		expect_exception(TE_XRSTOR, &area, 0, GP, te_code_xrstor);
	}
}

/* Proves: INS-35 */
TEST(xfrm, operand_faults_are_the_enclaves)
{
	struct area *guarded = mmap(NULL, 2 * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t args[16] = { (uintptr_t)guarded + AREA - 576, X87 | SSE };

	ASSERT_TRUE(build(0));
	ASSERT_EQ(mprotect((uint8_t *)guarded + AREA, AREA, PROT_NONE), 0);
	te_call(&te, 0, TE_XSAVE, args, &run);		/* fits exactly, with a mask beyond XFRM too */
	EXPECT_EQ(run.function, EEXIT);
	args[1] = ALL;
	te_call(&te, 0, TE_XSAVE, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	args[0] += 64;
	te_call(&te, 0, TE_XSAVE, args, &run);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, PF);
	EXPECT_EQ(run.exception_addr, (uintptr_t)guarded + AREA);
	ASSERT_EQ(mprotect((uint8_t *)guarded + AREA, AREA, PROT_READ | PROT_WRITE), 0);
	te_destroy(&te);
	munmap(guarded, 2 * AREA);
}

/* Proves: A-FLT-1 */
TEST(xfrm, operands_in_pages_not_yet_present)
{
	uint64_t args[16] = { 0, ALL, 0, 0, 0, 0 }, word[16] = { 0 };

	ASSERT_TRUE(build(1));
	args[0] = te.heap + 4096 - 704;			/* header on the page, AVX on the next */
	te_call(&te, 0, TE_XSAVE, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	args[0] = te.heap + 3 * 4096 - 576;
	te_call(&te, 0, TE_XSAVE, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	word[0] = args[0] + 24;
	te_call(&te, 0, TE_READ, word, &run);
	EXPECT_EQ((uint32_t)word[1], 0x1f80);
	te_destroy(&te);
}

/* The bytes of a site are the page's: any process that has the enclave recognises it. */
/* Proves: INS-35 */
TEST(xfrm, other_processes_recognise_the_sites)
{
	uint64_t args[16] = { 0, 0 };
	int status = -1;
	pid_t pid;

	ASSERT_TRUE(build(0));
	te_call(&te, 0, TE_XGETBV, args, &run);
	EXPECT_EQ(args[0], 3);
	pid = fork();
	if (!pid) {
		args[0] = args[1] = 0;
		te_call(&te, 1, TE_XGETBV, args, &run);
		_exit(args[0] == 3 ? 0 : 1);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	te_destroy(&te);
}

/* ---- pages that become code later ---- */

static void leaf(uint64_t function, uint64_t addr, uint64_t flags)
{
	struct sgx_secinfo secinfo __attribute__((aligned(64))) = { .flags = flags };
	uint64_t copy[16] = { te.data, (uintptr_t)&secinfo, sizeof(secinfo) };
	uint64_t args[16] = { function, te.data, addr };

	te_call(&te, 0, TE_COPY, copy, &run);
	te_call(&te, 0, TE_LEAF, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	if (function == EACCEPT)
		EXPECT_EQ(args[0], 0);
}

#define REG	SGX_SECINFO_OF_PT(SGX_PT_REG)

/* Two pages of the hole: NOPs, and @code ending where it says. Writable and executable. */
static void write_code(const uint8_t *code, uint64_t size, uint64_t at)
{
	static uint8_t pages[2 * 4096];
	uint64_t copy[16] = { te.hole, (uintptr_t)pages, sizeof(pages) };

	memset(pages, 0x90, sizeof(pages));
	memcpy(pages + at, code, size);
	pages[at + size] = 0xc3;
	for (unsigned i = 0; i < 2; i++) {
		leaf(EACCEPT, te.hole + 4096 * i, REG | SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING);
		leaf(EMODPE, te.hole + 4096 * i, REG | SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_X);
	}
	te_call(&te, 0, TE_COPY, copy, &run);
}

static void make_read_only(void)
{
	struct sgx_enclave_restrict_permissions p = {
		.offset = te.hole - te.base, .length = 2 * 4096, .permissions = SGX_SECINFO_R | SGX_SECINFO_X,
	};

	EXPECT_EQ(ioctl(te.fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, &p), 0);
	for (unsigned i = 0; i < 2; i++)
		leaf(EACCEPT, te.hole + 4096 * i, REG | SGX_SECINFO_R | SGX_SECINFO_X | SGX_SECINFO_PR);
}

/* RAX of XGETBV, executed at @at of the hole's pages. */
static uint64_t run_xgetbv(uint64_t at)
{
	uint64_t args[16] = { te.hole + at };

	te_call(&te, 0, TE_RUN, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	return args[1];
}

static bool build_hole(void)
{
	return !te_build(&te, &(struct te_options){ .tcs = 2, .hole_pages = 2 }) && te.vdso;
}

/* Proves: INS-35 */
TEST(xfrm, code_written_by_the_enclave)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0xd0 };
	uint64_t word[16] = { 0 };

	ASSERT_TRUE(build_hole());
	write_code(code, sizeof(code), 100);
	make_read_only();
	EXPECT_EQ(run_xgetbv(0), 3);
	EXPECT_EQ(run_xgetbv(100), 3);
	/* Writable again: what the enclave wrote is there. */
	leaf(EMODPE, te.hole, REG | SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_X);
	word[0] = te.hole + 200;
	word[1] = 0x9090909090909090;
	te_call(&te, 0, TE_WRITE, word, &run);
	EXPECT_EQ(run.function, EEXIT);
	word[0] = te.hole + 100;
	te_call(&te, 0, TE_READ, word, &run);
	EXPECT_EQ(word[1] & 0xffffff, 0xd0010f);
	/* And not any more. */
	make_read_only();
	EXPECT_EQ(run_xgetbv(100), 3);
	te_destroy(&te);
}

static void check_across_pages(const uint8_t *code, unsigned size, unsigned first, uint64_t operand)
{
	static struct area area, before;
	uint64_t args[16] = { 0, 0xffffffff, 0, 0, 0xffffffff, operand };

	ASSERT_TRUE(build_hole());
	write_code(code, size, 4096 - first);
	make_read_only();
	fill(&area, 8);
	before = area;
	args[0] = te.hole + 4096 - first - 10;
	args[5] += (uintptr_t)&area;
	te_call(&te, 0, TE_RUN, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_TRUE(memcmp(area.bytes, before.bytes, 576) != 0);
	EXPECT_MEMEQ(area.bytes + 576, before.bytes + 576, AREA - 576);
	te_destroy(&te);
}

/* Proves: INS-35 */
TEST(xfrm, sites_across_pages)
{
	static const uint8_t xsave64[] = { 0x48, 0x0f, 0xae, 0x27 }, xsavec[] = { 0x3e, 0x48, 0x0f, 0xc7, 0x67, 0x40 };
	static const uint8_t xsave[] = { 0x0f, 0xae, 0xa7, 0, 1, 0, 0 };

	for (unsigned first = 1; first <= sizeof(xsave64); first++)
		check_across_pages(xsave64, sizeof(xsave64), first, 0);
	for (unsigned first = 1; first <= sizeof(xsave); first++)
		check_across_pages(xsave, sizeof(xsave), first, (uint64_t)-256);
	for (unsigned first = 2; first <= sizeof(xsavec); first++)
		check_across_pages(xsavec, sizeof(xsavec), first, (uint64_t)-64);
}

/* A breakpoint of the enclave's own stays one. */
/* Proves: INS-31 */
TEST(xfrm, other_breakpoints_stay)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0xd0, 0xc3, 0xcc, 0x90, 0x90 };
	uint64_t args[16] = { 0 };

	ASSERT_TRUE(build_hole());
	write_code(code, sizeof(code), 100);
	make_read_only();
	EXPECT_EQ(run_xgetbv(100), 3);
	args[0] = te.hole + 104;
	te_call(&te, 0, TE_RUN, args, &run);
	EXPECT_EQ(run.function, ERESUME);
	EXPECT_EQ(run.exception_vector, UD);
	te_destroy(&te);
}

/* pushfq; or $0x100, (%rsp); popfq; xgetbv; nop: the step that POPFQ began ends behind XGETBV. */
TEST(xfrm, single_steps_see_one_instruction)
{
	static const uint8_t code[] = { 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0x01, 0xd0, 0x90 };
	uint64_t args[16] = { 0 };

	ASSERT_TRUE(build_hole());
	write_code(code, sizeof(code), 100);
	make_read_only();
	args[0] = te.hole + 100;
	catch_begin(0);
	EXPECT_TRUE(CAUGHT(te_call(&te, 0, TE_RUN, args, &run)));
	catch_end();
	EXPECT_EQ(caught.sig, SIGTRAP);
	EXPECT_EQ(((const struct sgx_gprsgx *)te_gpr(&te, 0, 0))->rip, te.hole + 112);
	EXPECT_EQ(((const struct sgx_gprsgx *)te_gpr(&te, 0, 0))->rax, 3);
	te_destroy(&te);
}

/* Proves: A-EPC-10 */
TEST(xfrm, code_that_was_evicted_before_it_ran)
{
	uint64_t args[16] = { 0 };

	/* More than the EPC of 32 MiB. */
	ASSERT_EQ(te_build(&te, &(struct te_options){ .tcs = 2, .heap_pages = 9000 }), 0);
	te_call(&te, 0, TE_XGETBV, args, &run);
	EXPECT_EQ(run.function, EEXIT);
	EXPECT_EQ(args[0], 3);
	for (uint64_t i = 0; i < 9000; i++) {
		uint64_t word[16] = { te.heap + 4096 * i };

		te_call(&te, 0, TE_READ, word, &run);
	}
	args[0] = args[1] = 0;
	te_call(&te, 0, TE_XGETBV, args, &run);
	EXPECT_EQ(args[0], 3);
	te_destroy(&te);
}
