/* SPDX-License-Identifier: BSD-2-Clause */
/* What the program sees of CPUID on several kinds of machine, and finding the instruction in code. */
#define _GNU_SOURCE
#include "harness.h"

#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front/cpuid.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

struct rt rt;

/* In the runtime this needs its fault handler. */
uint64_t rt_copy(void *dst, const void *src, size_t size)
{
	return sys_copy_from_user(dst, (uintptr_t)src, size) ? size : 0;
}

/* A machine in a table; leaves that it does not have are 0, or, beyond the last one of Intel's, like the last. */
struct fake {
	struct cpuid_source source;
	uint32_t last;
	bool intel;
	struct { uint32_t leaf, subleaf; struct cpuid_result r; } row[16];
};

static struct cpuid_result fake_query(const struct cpuid_source *s, uint32_t leaf, uint32_t subleaf)
{
	const struct fake *f = (const struct fake *)s;
	size_t i;

	if (leaf > f->last && leaf < 0x40000000) {
		if (!f->intel)
			return (struct cpuid_result){ 0 };
		leaf = f->last;
	}
	for (i = 0; i < 16; i++)
		if (f->row[i].leaf == leaf && f->row[i].subleaf == subleaf && (leaf || i == 0))
			return f->row[i].r;
	return (struct cpuid_result){ 0 };
}

static struct fake intel(void)
{
	return (struct fake){ { fake_query }, 0x20, true, {
		{ 0, 0, { 0x20, 0x756e6547, 0x6c65746e, 0x49656e69 } },
		{ 1, 0, { 0x806f8, 0x05100800, 0x7ffefbff, 0xbfebfbff } },
		{ 7, 0, { 2, 0xf1bf07ab, 0x1b415f6e, 0xffc14412 } }, { 7, 1, { 0x1c30, 0, 0, 0 } },
		{ 0xd, 0, { 0x602e7, 0x2b00, 0x2b00, 0 } }, { 0xd, 2, { 0x100, 0x240, 0, 0 } },
		{ 0xd, 5, { 0x40, 0x440, 0, 0 } }, { 0xd, 6, { 0x200, 0x480, 0, 0 } }, { 0xd, 7, { 0x400, 0x680, 0, 0 } },
		{ 0xd, 9, { 8, 0xa80, 0, 0 } }, { 0xd, 17, { 0x40, 0xac0, 2, 0 } }, { 0xd, 18, { 0x2000, 0xb00, 6, 0 } },
		{ 0x12, 0, { 0xdead, 0xdead, 0xdead, 0xdead } }, { 0x20, 1, { 5, 6, 7, 8 } },
	} };
}

static struct fake amd(void)
{
	struct fake f = { { fake_query }, 0xd, false, {
		{ 0, 0, { 0xd, 0x68747541, 0x444d4163, 0x69746e65 } },
		{ 1, 0, { 0x800f12, 0, 0x7ed8320b, 0x178bfbff } }, { 7, 0, { 0, 0x209c01a9, 0, 0 } },
		{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	} };

	return f;
}

static struct cpuid_result view(const struct fake *f, uint32_t leaf, uint32_t subleaf)
{
	struct isa_profile p;

	cpuid_profile(&p, &f->source, 0x2e7, 0xffff, true, false);
	return cpuid_view(&f->source, &p, 0x6000, leaf, subleaf);
}

static bool same(struct cpuid_result a, struct cpuid_result b)
{
	return !memcmp(&a, &b, sizeof(a));
}

TEST(cpuid, sgx_is_enumerated)
{
	const struct fake f = intel();
	struct cpuid_result r = view(&f, 7, 0);

	EXPECT_EQ(r.ebx, 0xf1bf07ab | 1 << 2);
	EXPECT_EQ(r.ecx, 0x1b415f6e | 1u << 30);
	EXPECT_EQ(r.edx, 0xffc14412 & ~2u);
	r = view(&f, 0x12, 0);
	EXPECT_EQ(r.eax, 3);
	EXPECT_EQ(r.ebx, 1);
	EXPECT_EQ(r.ecx, 0);
	EXPECT_EQ(r.edx, 42 << 8 | 31);
	r = view(&f, 0x12, 1);
	EXPECT_EQ(r.eax, 0xb6);
	EXPECT_EQ(r.ebx, 0);
	EXPECT_EQ(r.ecx, 0x2e7);
	EXPECT_EQ(r.edx, 0);
	r = view(&f, 0x12, 2);
	EXPECT_EQ(r.eax, 1);
	EXPECT_EQ(r.ebx, 0x40);
	EXPECT_EQ(r.ecx, 0x6000001);
	EXPECT_EQ(r.edx, 0);
	EXPECT_TRUE(same(view(&f, 0x12, 3), (struct cpuid_result){ 0 }));
}

TEST(cpuid, large_epc_is_described)
{
	const struct fake f = intel();
	struct isa_profile p;
	struct cpuid_result r;

	cpuid_profile(&p, &f.source, 7, 0xffff, false, false);
	r = cpuid_view(&f.source, &p, RT_EPC_PAGES_MAX, 0x12, 2);
	EXPECT_EQ(r.ecx, 1);
	EXPECT_EQ(r.edx, 0x100);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 0).eax, 1);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 1).ecx, 7);
}

TEST(cpuid, other_leaves_are_the_machines)
{
	const struct fake machines[] = { intel(), amd() };
	size_t i;
	uint32_t leaf, subleaf;

	for (i = 0; i < 2; i++) {
		for (subleaf = 0; subleaf < 20; subleaf++) {
			for (leaf = 1; leaf <= machines[i].last; leaf++)
				if (leaf != 0x12 && !(leaf == 7 && !subleaf))
					EXPECT_TRUE(same(view(&machines[i], leaf, subleaf),
							 fake_query(&machines[i].source, leaf, subleaf)));
		}
		EXPECT_EQ(view(&machines[i], 0, 0).ebx, machines[i].row[0].r.ebx);
		EXPECT_EQ(view(&machines[i], 0, 0).edx, machines[i].row[0].r.edx);
	}
	/* What real machines say beyond their last leaf, they still say. */
	EXPECT_EQ(view(&machines[0], 0, 0).eax, 0x20);
	EXPECT_TRUE(same(view(&machines[0], 0x77, 1), (struct cpuid_result){ 5, 6, 7, 8 }));
}

TEST(cpuid, last_leaf_is_raised_to_sgx)
{
	struct fake f = amd();

	EXPECT_EQ(view(&f, 0, 0).eax, 0x12);
	EXPECT_EQ(view(&f, 7, 0).ebx, 0x209c01ad);
	EXPECT_EQ(view(&f, 0x12, 1).eax, 0xb6);
	EXPECT_TRUE(same(view(&f, 0xf, 0), (struct cpuid_result){ 0 }));
	EXPECT_TRUE(same(view(&f, 0x13, 1), (struct cpuid_result){ 0 }));
	f = intel();
	f.last = 0xd;
	f.row[0].r.eax = 0xd;
	EXPECT_EQ(view(&f, 0, 0).eax, 0x12);
	EXPECT_TRUE(same(view(&f, 0xf, 2), (struct cpuid_result){ 0 }));
	EXPECT_TRUE(same(view(&f, 0x13, 1), view(&f, 0x12, 1)));
}

TEST(cpuid, signature_gives_way_to_a_hypervisor_that_reaches_it)
{
	struct fake f = intel();
	struct cpuid_result r = view(&f, CPUID_SIGNATURE_LEAF, 0);
	char name[13] = { 0 };

	EXPECT_EQ(r.eax, CPUID_SIGNATURE_LEAF);
	memcpy(name, &r.ebx, 4);
	memcpy(name + 4, &r.ecx, 4);
	memcpy(name + 8, &r.edx, 4);
	EXPECT_MEMEQ(name, "softsgx\0\0\0\0\0", 12);
	f.row[1].r.ecx |= 1u << 31;
	f.row[14].leaf = 0x40000000;
	f.row[14].r = (struct cpuid_result){ 0x40000010, 1, 2, 3 };
	EXPECT_EQ(view(&f, CPUID_SIGNATURE_LEAF, 0).ebx, r.ebx);
	EXPECT_EQ(view(&f, 0x40000000, 0).edx, 3);
	f.row[14].r.eax = 0x40005400;
	EXPECT_EQ(view(&f, CPUID_SIGNATURE_LEAF, 0).ebx, 0);
}

/* Proves: CPU-12H-0 */
TEST(cpuid, aexnotify_is_an_attribute_and_edeccssa)
{
	const struct fake f = intel();
	struct isa_profile p;

	cpuid_profile(&p, &f.source, 7, 0xffff, true, true);
	EXPECT_EQ(p.attributes, 0x4b6);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 0).eax, 0x803);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 1).eax, 0x4b6);
	cpuid_profile(&p, &f.source, 7, 0xffff, true, false);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 0).eax, 3);
	EXPECT_EQ(cpuid_view(&f.source, &p, 1, 0x12, 1).eax, 0xb6);
}

TEST(cpuid, profile_follows_the_machine)
{
	const struct fake f = intel();
	struct isa_profile p;

	cpuid_profile(&p, &f.source, 0x602e7, 0xffbf, true, false);
	EXPECT_EQ(p.xfrm, 0x602e7);
	EXPECT_EQ(p.xcr0, 0x602e7);
	EXPECT_EQ(p.mxcsr_mask, 0xffbf);
	EXPECT_EQ(p.attributes, 0xb6);
	EXPECT_EQ(p.miscselect, 1);
	EXPECT_TRUE(p.sgx1 && p.sgx2 && !p.edeccssa);
	EXPECT_EQ(p.xsave_offset[0], 0);
	EXPECT_EQ(p.xsave_size[1], 0);
	EXPECT_EQ(p.xsave_offset[2], 0x240);
	EXPECT_EQ(p.xsave_size[18], 0x2000);
	/* Bits that no enclave can have: MPX, CET, reserved. */
	cpuid_profile(&p, &f.source, 0x1a1f, 0xffff, false, false);
	EXPECT_EQ(p.xfrm, 0x207);
	EXPECT_TRUE(!p.sgx2);
	EXPECT_EQ(p.xsave_offset[17], 0);
}

TEST(cpuid, without_faulting_the_instruction_is_executed)
{
	unsigned int a, b, c, d;
	struct cpuid_result r;

	memset(&rt, 0, sizeof(rt));
	rt.config.cpuid = RT_CPUID_PATCH;
	rt.config.flags = RT_FLAG_SGX2;
	rt.config.epc_pages = 16;
	cpuid_init();
	EXPECT_TRUE(!rt.cpuid_faulting && cpuid_patching());
	EXPECT_EQ(rt.profile.xfrm & 3, 3);
	EXPECT_TRUE(rt.profile.mxcsr_mask & 0x40);
	__cpuid(1, a, b, c, d);
	r = cpuid_emulate(1, 0);
	EXPECT_EQ(r.eax, a);
	EXPECT_EQ(r.ecx, c);
	EXPECT_EQ(r.edx, d);
	r = cpuid_emulate(0x12, 2);
	EXPECT_EQ(r.ecx, 0x10001);
}

#define ASKED_MAX	400

static const uint32_t asked_leaves[] = {
	1, 2, 4, 5, 6, 0xa, 0xb, 0xd, 0x10, 0x14, 0x15, 0x16, 0x80000000, 0x80000001, 0x80000002, 0x80000008, 0x8000001d,
};

/* More answers than are kept. In a child: where the machine can fault, it will from the first question on. */
static int ask_faulting(void)
{
	static struct cpuid_result expected[ASKED_MAX];
	const size_t leaves = sizeof(asked_leaves) / sizeof(asked_leaves[0]);
	unsigned int i, round;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		return 1;
	for (i = 0; i < ASKED_MAX; i++) {
		struct cpuid_result *r = &expected[i];

		__cpuid_count(asked_leaves[i % leaves], i / leaves, r->eax, r->ebx, r->ecx, r->edx);
	}
	rt.cpuid_faulting = true;
	for (round = 0; round < 2; round++)
		for (i = 0; i < ASKED_MAX; i++)
			if (!same(cpuid_emulate(asked_leaves[i % leaves], i / leaves), expected[i]))
				return 2;
	return 0;
}

TEST(cpuid, with_faulting_answers_are_kept)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(ask_faulting());
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* ---- finding and replacing instructions ---- */

static const uint8_t plain[] = {
	0x53,						/* push %rbx */
	0x49, 0x89, 0xd0,				/* mov %rdx,%r8 */
	0x89, 0xf8,					/* mov %edi,%eax */
	0x0f, 0xa2,					/* cpuid */
	0x41, 0x89, 0x00, 0x41, 0x89, 0x58, 0x04,	/* mov %eax,(%r8); mov %ebx,4(%r8) */
	0x5b, 0xc3,					/* pop %rbx; ret */
};

/* Instructions that contain the bytes. */
static const uint8_t embedded[] = {
	0xb8, 0x0f, 0xa2, 0x00, 0x00,			/* mov $0xa20f,%eax */
	0x48, 0x8d, 0x05, 0x0f, 0xa2, 0x00, 0x00,	/* lea 0xa20f(%rip),%rax */
	0x48, 0xb9, 0x11, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x44, /* movabs */
	0xe8, 0x0f, 0xa2, 0x01, 0x00,			/* call */
	0x81, 0xf9, 0x00, 0x0f, 0xa2, 0x00,		/* cmp $0xa20f00,%ecx */
	0x90, 0x90, 0x90, 0x90, 0xc3,
};

/* The same harmless code before and behind. */
static void surround(uint8_t *code, size_t size)
{
	static const uint8_t filler[] = {
		0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0x89, 0x7d, 0xfc, 0x8b, 0x45, 0xfc, 0x01, 0xc0, 0x48, 0x98,
		0x48, 0x8d, 0x14, 0x85, 0x00, 0x10, 0x00, 0x00, 0x83, 0xc0, 0x01, 0x85, 0xc0, 0x74, 0x05, 0x31, 0xc9, 0xc9,
		0xc3,
	};
	size_t i;

	for (i = 0; i < size; i++)
		code[i] = filler[i % sizeof(filler)];
}

TEST(cpuid, scan_finds_instructions_and_not_operands)
{
	uint8_t code[1024];
	size_t at;

	for (at = 185; at < 220; at++) {
		surround(code, sizeof(code));
		memcpy(code + at, plain, sizeof(plain));
		/* Where it does not start with an instruction of the filler, the code before it is not code. */
		if (at % 37 == 0)
			EXPECT_EQ(cpuid_scan(code, sizeof(code), 0, sizeof(code)), at + 6);
	}
	surround(code, sizeof(code));
	memcpy(code + 185, embedded, sizeof(embedded));
	EXPECT_EQ(cpuid_scan(code, sizeof(code), 0, sizeof(code)), sizeof(code));
	/* Bounds: the candidate belongs to the part that was asked for. */
	memcpy(code + 370, plain, sizeof(plain));
	EXPECT_EQ(cpuid_scan(code, sizeof(code), 376, 377), 376);
	EXPECT_EQ(cpuid_scan(code, sizeof(code), 377, 900), 900);
	EXPECT_EQ(cpuid_scan(code, sizeof(code), 0, 376), 376);
}

TEST(cpuid, scan_knows_code_that_starts_with_it)
{
	uint8_t code[64];

	memset(code, 0x90, sizeof(code));
	code[0] = 0x0f;
	code[1] = 0xa2;
	EXPECT_EQ(cpuid_scan(code, sizeof(code), 0, sizeof(code)), 0);
	EXPECT_EQ(cpuid_scan(code, 2, 0, 2), 0);
	EXPECT_EQ(cpuid_scan(code, 1, 0, 1), 1);
	EXPECT_EQ(cpuid_scan(code, 0, 0, 0), 0);
}

TEST(cpuid, scan_leaves_random_data_alone)
{
	static uint8_t data[1 << 16];
	uint64_t state = 88172645463325252u;
	unsigned int i, taken = 0, pairs = 0;

	for (i = 0; i < sizeof(data); i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = (uint8_t)(state >> 32);
	}
	for (i = 200; i + 200 < sizeof(data); i += 100, pairs++) {
		memcpy(data + i, "\x0f\xa2", 2);
		taken += cpuid_scan(data + i - 100, 200, 100, 101) == 100;
	}
	/* Measured: 1 %. */
	if (taken > pairs / 25)
		test_fail(__FILE__, __LINE__, "%u of %u taken for instructions", taken, pairs);
}

static uint8_t *mapping(int flags, int fd)
{
	uint8_t *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		abort();
	surround(p, 4 * 4096);
	memcpy(p + 37 * 100, plain, sizeof(plain));
	memcpy(p + 37 * 221, plain, sizeof(plain));	/* 8177: cpuid at 8183 */
	memcpy(p + 37 * 300, embedded, sizeof(embedded));
	return p;
}

TEST(cpuid, private_code_is_patched)
{
	uint8_t *p = mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1), before[4 * 4096];
	unsigned int i, changed = 0;

	memcpy(before, p, sizeof(before));
	mprotect(p, 4 * 4096, PROT_READ | PROT_EXEC);
	cpuid_patch_range((uintptr_t)p, (uintptr_t)p + 4 * 4096);
	for (i = 0; i < sizeof(before); i++)
		changed += p[i] != before[i];
	EXPECT_EQ(changed, 2);
	EXPECT_EQ(p[3706], 0xcc);
	EXPECT_EQ(p[8183], 0xcc);
	EXPECT_TRUE(cpuid_is_patched((uintptr_t)p + 3706));
	EXPECT_TRUE(cpuid_is_patched((uintptr_t)p + 8183));
	EXPECT_TRUE(!cpuid_is_patched((uintptr_t)p + 3707));
	/* Unmapped and something else there: no longer ours. */
	mprotect(p, 4 * 4096, PROT_READ | PROT_WRITE);
	p[3707] = 0x90;
	EXPECT_TRUE(!cpuid_is_patched((uintptr_t)p + 3706));
	munmap(p, 4 * 4096);
	EXPECT_TRUE(!cpuid_is_patched((uintptr_t)p + 8183));
}

TEST(cpuid, protection_is_restored)
{
	uint8_t *p = mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char line[512], wanted[32];
	bool found = false;
	FILE *maps;

	mprotect(p, 4 * 4096, PROT_READ | PROT_EXEC);
	cpuid_patch_range((uintptr_t)p, (uintptr_t)p + 4 * 4096);
	EXPECT_EQ(p[3706], 0xcc);
	snprintf(wanted, sizeof(wanted), "%lx-", (unsigned long)p);
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps))
		found |= !strncmp(line, wanted, strlen(wanted)) && strstr(line, " r-xp ");
	if (maps)
		fclose(maps);
	EXPECT_TRUE(found);
	munmap(p, 4 * 4096);
}

TEST(cpuid, shared_code_and_data_are_left_alone)
{
	int fd = memfd_create("code", 0);
	uint8_t *shared, *data = mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	ASSERT_EQ(ftruncate(fd, 4 * 4096), 0);
	shared = mapping(MAP_SHARED, fd);
	mprotect(shared, 4 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	cpuid_patch_range((uintptr_t)shared, (uintptr_t)shared + 4 * 4096);
	cpuid_patch_range((uintptr_t)data, (uintptr_t)data + 4 * 4096);
	EXPECT_EQ(shared[3706], 0x0f);
	EXPECT_EQ(data[3706], 0x0f);
	munmap(shared, 4 * 4096);
	munmap(data, 4 * 4096);
	close(fd);
}

TEST(cpuid, mapping_beyond_the_end_of_its_file_is_survived)
{
	int fd = memfd_create("code", 0);
	uint8_t *p = mapping(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	ASSERT_EQ(pwrite(fd, p, 4096, 0), 4096);
	munmap(p, 4 * 4096);
	p = mmap(NULL, 4 * 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	cpuid_patch_range((uintptr_t)p, (uintptr_t)p + 4 * 4096);
	EXPECT_EQ(p[3706], 0xcc);
	munmap(p, 4 * 4096);
	close(fd);
}
