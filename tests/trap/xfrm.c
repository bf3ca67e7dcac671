/* SPDX-License-Identifier: BSD-2-Clause */
/* Replacing the instructions that XCR0 governs, and recognising them again (INS-35). */
#define _GNU_SOURCE
#include "harness.h"
#include "trap/insn.h"
#include "trap/xfrm.h"

#include <link.h>
#include <stdlib.h>

#define PAGE	4096u

struct form {
	const char *name;
	uint8_t bytes[8], size, patched[8];
};

static const struct form forms[] = {
	{ "xsave (%rdi)", { 0x0f, 0xae, 0x27 }, 3, { 0xcc, 0xae, 0x27 } },
	{ "xsave64 (%rdi)", { 0x48, 0x0f, 0xae, 0x27 }, 4, { 0xcc, 0x48, 0xae, 0x27 } },
	{ "xsavec 64(%rsp)", { 0x0f, 0xc7, 0x64, 0x24, 0x40 }, 5, { 0xcc, 0xc7, 0x64, 0x24, 0x40 } },
	{ "xsaveopt64 (%r8)", { 0x49, 0x0f, 0xae, 0x30 }, 4, { 0xcc, 0x49, 0xae, 0x30 } },
	{ "xrstor %gs:(%rdi)", { 0x65, 0x0f, 0xae, 0x2f }, 4, { 0xcc, 0x65, 0xae, 0x2f } },
	{ "xrstor64 %fs:(%edi)", { 0x64, 0x67, 0x48, 0x0f, 0xae, 0x2f }, 6, { 0xcc, 0x64, 0x67, 0x48, 0xae, 0x2f } },
	{ "xgetbv", { 0x0f, 0x01, 0xd0 }, 3, { 0xcc, 0x01, 0xd0 } },
	{ "cpuid", { 0x0f, 0xa2 }, 2, { 0xcc, 0xa2 } },
	{ "rex.w cpuid", { 0x48, 0x0f, 0xa2 }, 3, { 0xcc, 0x48, 0xa2 } },
};
/* Look like them and are something else. */
static const struct form others[] = {
	{ "clwb (%rdi)", { 0x66, 0x0f, 0xae, 0x37 }, 4, { 0 } },
	{ "ptwrite (%rdi)", { 0xf3, 0x0f, 0xae, 0x27 }, 4, { 0 } },
	{ "fxsave (%rdi)", { 0x0f, 0xae, 0x07 }, 3, { 0 } },
	{ "lfence", { 0x0f, 0xae, 0xe8 }, 3, { 0 } },
	{ "enclu", { 0x0f, 0x01, 0xd7 }, 3, { 0 } },
	{ "cmpxchg16b (%rdi)", { 0x48, 0x0f, 0xc7, 0x0f }, 4, { 0 } },
	{ "mov $0xd0010f, %eax", { 0xb8, 0x0f, 0x01, 0xd0, 0x00 }, 5, { 0 } },
	{ "int3; add", { 0xcc, 0x01, 0xd0 }, 3, { 0 } },
	{ "repz cpuid", { 0xf3, 0x0f, 0xa2 }, 3, { 0 } },
	{ "mov $0xa20f, %eax", { 0xb8, 0x0f, 0xa2, 0x00, 0x00 }, 5, { 0 } },
};
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Code like any compiler's, with no more than one way to read it from a distance: mov, lea, test, jz, ret. */
static void surround(uint8_t *code, unsigned size)
{
	static const uint8_t piece[] = {
		0x48, 0x89, 0xd8, 0x48, 0x8d, 0x54, 0x24, 0x18, 0x85, 0xc0, 0x74, 0x05, 0xb9, 0x07, 0x10, 0x20, 0x30,
		0x5b, 0xc3, 0x90,
	};

	for (unsigned i = 0; i < size; i++)
		code[i] = piece[i % sizeof(piece)];
}

/* Three pages; the middle one is patched as the driver does it. */
struct pages {
	uint8_t bytes[3 * PAGE];
};

static struct pages with(const struct form *f, unsigned at)
{
	struct pages p;

	surround(p.bytes, sizeof(p.bytes));
	memset(p.bytes + at - 16, 0x90, 48);
	memcpy(p.bytes + at, f->bytes, f->size);
	return p;
}

#define ALL	(DRV_CODE_XCR0 | DRV_CODE_CPUID)

static bool patch_what(struct pages *p, unsigned page, unsigned what)
{
	const struct pages view = *p;

	return xfrm_patch(what, view.bytes, sizeof(view.bytes), page * PAGE, (page + 1) * PAGE, p->bytes + page * PAGE);
}

static bool patch(struct pages *p, unsigned page)
{
	return patch_what(p, page, ALL);
}

static void unpatch(struct pages *p, unsigned page)
{
	xfrm_unpatch(ALL, p->bytes, sizeof(p->bytes), page * PAGE, (page + 1) * PAGE, 0x10000);
}

TEST(xfrm, sites_are_replaced_and_recognised)
{
	for (unsigned i = 0; i < COUNT(forms); i++) {
		const struct form *f = &forms[i];
		struct pages p = with(f, PAGE + 1000), before = p, expected = p;
		uint8_t original[INSN_LENGTH_MAX];
		bool rest = true;

		memcpy(expected.bytes + PAGE + 1000, f->patched, f->size);
		EXPECT_TRUE(patch(&p, 1));
		EXPECT_MEMEQ(p.bytes, expected.bytes, sizeof(p.bytes));
		EXPECT_EQ(xfrm_original(ALL, p.bytes + PAGE + 1000, 15, 0x11000 + 1000, original, &rest), f->size);
		EXPECT_MEMEQ(original, f->bytes, f->size);
		EXPECT_TRUE(!rest);
		EXPECT_EQ(xfrm_original(ALL, p.bytes + PAGE + 1000, f->size - 1, 0x11000 + 1000, original, &rest), 0);
		EXPECT_TRUE(!patch(&p, 1));
		unpatch(&p, 1);
		EXPECT_MEMEQ(p.bytes, before.bytes, sizeof(p.bytes));
	}
}

TEST(xfrm, only_what_is_asked_for)
{
	for (unsigned i = 0; i < COUNT(forms); i++) {
		const unsigned what = strstr(forms[i].name, "cpuid") ? DRV_CODE_CPUID : DRV_CODE_XCR0;
		struct pages p = with(&forms[i], PAGE + 1000), before = p;
		uint8_t original[INSN_LENGTH_MAX];
		bool rest;

		EXPECT_TRUE(!patch_what(&p, 1, ALL ^ what));
		EXPECT_TRUE(patch_what(&p, 1, what));
		EXPECT_EQ(xfrm_original(ALL ^ what, p.bytes + PAGE + 1000, 15, 0x11000 + 1000, original, &rest), 0);
		EXPECT_EQ(xfrm_original(what, p.bytes + PAGE + 1000, 15, 0x11000 + 1000, original, &rest), forms[i].size);
		EXPECT_MEMEQ(original, forms[i].bytes, forms[i].size);
		xfrm_unpatch(ALL ^ what, p.bytes, sizeof(p.bytes), PAGE, 2 * PAGE, 0x10000);
		EXPECT_EQ(p.bytes[PAGE + 1000], 0xcc);
		unpatch(&p, 1);
		EXPECT_MEMEQ(p.bytes, before.bytes, sizeof(p.bytes));
	}
}

TEST(xfrm, other_instructions_are_left_alone)
{
	for (unsigned i = 0; i < COUNT(others); i++) {
		struct pages p = with(&others[i], PAGE + 1000), before = p;

		if (patch(&p, 1))
			test_fail(__FILE__, __LINE__, "%s is replaced", others[i].name);
		EXPECT_MEMEQ(p.bytes, before.bytes, sizeof(p.bytes));
	}
}

/* A site lies on both pages: each page is patched on its own, in either order. */
TEST(xfrm, sites_across_pages)
{
	for (unsigned i = 0; i < COUNT(forms); i++)
		for (unsigned first = 1; first < forms[i].size; first++) {
			const struct form *f = &forms[i];
			struct pages p = with(f, 2 * PAGE - first), before = p, q;
			const uint8_t *zero_f = memchr(f->bytes, 0x0f, f->size);
			const unsigned prefixes = (unsigned)(zero_f - f->bytes);
			bool rest = false;
			uint8_t original[INSN_LENGTH_MAX];

			if (first < prefixes) {		/* prefixes on both sides: left alone */
				EXPECT_TRUE(!patch(&p, 1) && !patch(&p, 2));
				continue;
			}
			q = p;
			if (first == prefixes) {
				EXPECT_TRUE(!patch(&p, 1));
				EXPECT_TRUE(patch(&p, 2));
				EXPECT_EQ(p.bytes[2 * PAGE], 0xcc);
				EXPECT_EQ(xfrm_original(ALL, p.bytes + 2 * PAGE, 15, 0x12000, original, &rest),
					  f->size - prefixes);
				EXPECT_TRUE(rest);
				EXPECT_MEMEQ(original, f->bytes + prefixes, f->size - prefixes);
				unpatch(&p, 2);
			} else {
				EXPECT_TRUE(patch(&p, 1));
				EXPECT_TRUE(!patch(&q, 2));
				EXPECT_EQ(xfrm_original(ALL, p.bytes + 2 * PAGE - first, 15, 0x12000 - first, original, &rest),
					  f->size);
				EXPECT_TRUE(!rest);
				EXPECT_MEMEQ(original, f->bytes, f->size);
				unpatch(&p, 1);
			}
			EXPECT_MEMEQ(p.bytes, before.bytes, sizeof(p.bytes));
		}
}

/* What the C library's lazy binding looks like: stores that keep a stream out of step. */
TEST(xfrm, equal_instructions_before_a_site)
{
	static const uint8_t store[] = { 0x48, 0x89, 0x94, 0x24, 0x50, 0x02, 0x00, 0x00 };

	for (unsigned offset = 200; offset < 4000; offset += 37) {
		struct pages p;

		surround(p.bytes, sizeof(p.bytes));
		for (unsigned i = 0; i < 16; i++)
			memcpy(p.bytes + PAGE + offset - 8 * (i + 1), store, sizeof(store));
		memset(p.bytes + PAGE + offset - 8 * 17, 0x90, 8);
		memset(p.bytes + PAGE + offset, 0x90, 16);
		memcpy(p.bytes + PAGE + offset, forms[2].bytes, 5);
		EXPECT_TRUE(patch(&p, 1));
		EXPECT_EQ(p.bytes[PAGE + offset], 0xcc);
	}
}

TEST(xfrm, relocations_are_no_code)
{
	static const uint8_t relocation[24] = { 0x0f, 0xae, 0x6f, 0x01, [8] = 0x70, 0x67, 0xc8, 0x01, [16] = 0x08 };
	struct pages p;

	for (unsigned i = 0; i < sizeof(p.bytes) / 24; i++)
		memcpy(p.bytes + 24 * i, relocation, 24);
	EXPECT_TRUE(!patch(&p, 1));
}

/* The last instruction before a JMP, and behind that constants. */
TEST(xfrm, data_behind_a_jump)
{
	static const uint8_t end[] = { 0xdb, 0xe3, 0xeb, 0x80, 0x80, 0x1f };
	struct pages p = with(&forms[1], PAGE + 1000);

	memset(p.bytes + PAGE + 1004, 0, 200);
	memcpy(p.bytes + PAGE + 1004, end, sizeof(end));
	EXPECT_TRUE(patch(&p, 1));
	EXPECT_EQ(p.bytes[PAGE + 1000], 0xcc);
}

static unsigned sites_of(const uint8_t *code, uint64_t size)
{
	unsigned n = 0;

	for (uint64_t at = 0; at < size; at += PAGE) {
		const uint64_t low = at < PAGE ? 0 : at - PAGE, end = size - at < PAGE ? size : at + PAGE;
		const uint64_t high = size - end < PAGE ? size : end + PAGE;
		uint8_t page[PAGE];

		memcpy(page, code + at, end - at);
		xfrm_patch(DRV_CODE_XCR0, code + low, high - low, at - low, end - low, page);
		for (uint64_t i = at; i < end; i++)
			n += page[i - at] == 0xcc && code[i] != 0xcc;
	}
	return n;
}

static int scan_loader(struct dl_phdr_info *info, size_t size, void *sites)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/ld-linux"))
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X))
			*(unsigned *)sites += sites_of((const uint8_t *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
						       info->dlpi_phdr[i].p_memsz);
	return 0;
}

/* XSAVE, XSAVEC with an XRSTOR each; newer ones have more. */
TEST(xfrm, the_loaders_sites_are_found)
{
	unsigned sites = 0;

	dl_iterate_phdr(scan_loader, &sites);
	EXPECT_TRUE(sites >= 4 && sites <= 40);
}

TEST(xfrm, random_data_is_left_alone)
{
	static uint8_t data[1 << 20];
	uint64_t state = 88172645463325252u;

	for (unsigned i = 0; i < sizeof(data); i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = (uint8_t)(state >> 32);
	}
	/* About 10 places decode to one of the instructions. */
	EXPECT_TRUE(sites_of(data, sizeof(data)) <= 1);
}
