/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file some memory was made from, and its symbols: on a file that is put together here, and on damaged ones. */
#include "harness.h"

#include <elf.h>
#include <string.h>

#include "front/elf.h"

#define CODE_AT		0x1000
#define CODE_SIZE	0x1800
#define VADDR		0x3000

/* One executable segment, .symtab and .dynsym with their strings. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[2];
	Elf64_Shdr section[5];
	Elf64_Sym symbol[4], dynamic[1];
	char names[32], dynamic_names[16];
	uint8_t pad[CODE_AT - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 5 * sizeof(Elf64_Shdr) -
		    5 * sizeof(Elf64_Sym) - 48];
	uint8_t code[CODE_SIZE];
};

struct buffer {
	struct elf_bytes bytes;
	const uint8_t *data;
	uint64_t base;
};

static bool buffer_read(const struct elf_bytes *bytes, uint64_t at, void *dst, size_t size)
{
	const struct buffer *b = (const struct buffer *)bytes;

	at -= b->base;
	if (at > bytes->size || size > bytes->size - at)
		return false;
	memcpy(dst, b->data + at, size);
	return true;
}

static struct buffer buffer_of(const void *data, uint64_t size, uint64_t base)
{
	return (struct buffer){ .bytes = { .read = buffer_read, .size = size }, .data = data, .base = base };
}

static struct image image;

static struct buffer build(void)
{
	static const char names[] = "\0entry\0local\0both", dynamic[] = "\0exported";

	memset(&image, 0, sizeof(image));
	image.header = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 }, .e_type = ET_DYN, .e_machine = EM_X86_64,
		.e_version = 1, .e_phoff = offsetof(struct image, segment), .e_shoff = offsetof(struct image, section),
		.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 5,
	};
	image.segment[0] = (Elf64_Phdr){ .p_type = PT_NOTE };
	image.segment[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = CODE_AT, .p_vaddr = VADDR, .p_filesz = CODE_SIZE,
		.p_memsz = CODE_SIZE,
	};
	image.section[1] = (Elf64_Shdr){ .sh_type = SHT_DYNSYM, .sh_offset = offsetof(struct image, dynamic),
		.sh_size = sizeof(image.dynamic), .sh_entsize = sizeof(Elf64_Sym), .sh_link = 2 };
	image.section[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct image, dynamic_names),
		.sh_size = sizeof(dynamic) };
	image.section[3] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_offset = offsetof(struct image, symbol),
		.sh_size = sizeof(image.symbol), .sh_entsize = sizeof(Elf64_Sym), .sh_link = 4 };
	image.section[4] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct image, names),
		.sh_size = sizeof(names) };
	memcpy(image.names, names, sizeof(names));
	memcpy(image.dynamic_names, dynamic, sizeof(dynamic));
	image.symbol[0] = (Elf64_Sym){ .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1,
		.st_value = VADDR + 0x40 };
	image.symbol[1] = (Elf64_Sym){ .st_name = 7, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC), .st_shndx = 1,
		.st_value = VADDR + 0x80 };
	image.symbol[2] = (Elf64_Sym){ .st_name = 13, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC), .st_shndx = 1,
		.st_value = VADDR + 0xc0 };
	image.symbol[3] = (Elf64_Sym){ .st_name = 13, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1,
		.st_value = VADDR + 0x100 };
	image.dynamic[0] = (Elf64_Sym){ .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1,
		.st_value = VADDR + 0x140 };
	for (int i = 64; i < CODE_SIZE; i++)
		image.code[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
	return buffer_of(&image, sizeof(image), 0);
}

static uint64_t value_of(const struct buffer *file, const char *name)
{
	uint64_t value = 0;
	struct elf elf;

	return elf_open(&elf, &file->bytes) && elf_symbol(&elf, &file->bytes, name, strlen(name), &value) ? value : 0;
}

TEST(elf, symbols_are_found_in_both_tables_and_global_ones_first)
{
	const struct buffer file = build();

	EXPECT_EQ(value_of(&file, "entry"), VADDR + 0x40);
	EXPECT_EQ(value_of(&file, "local"), VADDR + 0x80);
	EXPECT_EQ(value_of(&file, "both"), VADDR + 0x100);
	EXPECT_EQ(value_of(&file, "exported"), VADDR + 0x140);
	EXPECT_EQ(value_of(&file, "entr"), 0);
	EXPECT_EQ(value_of(&file, "ntry"), 0);
	EXPECT_EQ(value_of(&file, ""), 0);
}

TEST(elf, code_in_memory_is_recognised_at_its_bias_only)
{
	const struct buffer file = build();
	static uint8_t memory[0x8000];
	const struct buffer there = buffer_of(memory, sizeof(memory), 0x700000);
	struct elf elf;

	memset(memory, 0, sizeof(memory));
	memcpy(memory + 0x5000, image.code, CODE_SIZE);
	EXPECT_TRUE(elf_open(&elf, &file.bytes));
	EXPECT_TRUE(elf_fits(&elf, &file.bytes, &there.bytes, 0x702000));
	EXPECT_TRUE(!elf_fits(&elf, &file.bytes, &there.bytes, 0x701000));
	EXPECT_TRUE(!elf_fits(&elf, &file.bytes, &there.bytes, 0x800000));	/* nothing there */
	memory[0x5100] ^= 1;						/* an engine's patch */
	EXPECT_TRUE(elf_fits(&elf, &file.bytes, &there.bytes, 0x702000));
	for (int i = 0; i < 0x800; i += ELF_LINE)
		memory[0x5100 + i] ^= 2;
	EXPECT_TRUE(!elf_fits(&elf, &file.bytes, &there.bytes, 0x702000));
}

TEST(elf, first_line_of_code_that_is_not_zeros_is_the_probe)
{
	const struct buffer file = build();
	uint8_t line[ELF_LINE];
	uint64_t vaddr;
	struct elf elf;

	EXPECT_TRUE(elf_open(&elf, &file.bytes));
	EXPECT_TRUE(elf_probe(&elf, &file.bytes, &vaddr, line));
	EXPECT_EQ(vaddr, VADDR + 64);
	EXPECT_TRUE(!memcmp(line, image.code + 64, sizeof(line)));
}

TEST(elf, piece_of_code_is_found_in_the_file)
{
	const struct buffer file = build();
	uint64_t vaddr;
	struct elf elf;

	EXPECT_TRUE(elf_open(&elf, &file.bytes));
	for (uint64_t at = 64; at + ELF_LINE <= CODE_SIZE; at += 16) {
		EXPECT_TRUE(elf_find(&elf, &file.bytes, image.code + at, &vaddr));
		EXPECT_EQ(vaddr, VADDR + at);
	}
	EXPECT_TRUE(!elf_find(&elf, &file.bytes, (const uint8_t *)&image.header, &vaddr));
}

TEST(elf, file_that_is_none_or_is_damaged_is_refused)
{
	struct buffer file = build();
	struct elf elf;

	for (uint64_t size = 0; size < sizeof(image.header) + 2 * sizeof(Elf64_Phdr); size++) {
		file.bytes.size = size;
		EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	}
	file = build();
	image.header.e_machine = EM_AARCH64;
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.header.e_ident[EI_CLASS] = ELFCLASS32;
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.header.e_phoff = UINT64_MAX - 8;
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.segment[1].p_offset = sizeof(image);
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.segment[1].p_vaddr = UINT64_MAX - 16;
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.segment[1].p_flags = PF_R;
	EXPECT_TRUE(!elf_open(&elf, &file.bytes));
	build();
	image.section[3].sh_size = UINT64_MAX;
	EXPECT_EQ(value_of(&file, "entry"), 0);
	build();
	image.section[4].sh_size = 3;
	EXPECT_EQ(value_of(&file, "entry"), 0);
	build();
	image.symbol[0].st_name = UINT32_MAX;
	EXPECT_EQ(value_of(&file, "entry"), 0);
	build();
	image.header.e_shoff = UINT64_MAX - 64;
	EXPECT_EQ(value_of(&file, "entry"), 0);
}

TEST(elf, expressions_are_symbol_symbol_and_number_or_number)
{
	static const struct { const char *text; bool valid; size_t length; uint64_t offset; } table[] = {
		{ "entry", true, 5, 0 }, { "entry+10", true, 5, 10 }, { "entry+0x1f", true, 5, 0x1f },
		{ "0x1234", true, 0, 0x1234 }, { "4096", true, 0, 4096 }, { "f+0XaB", true, 1, 0xab },
		{ "", false, 0, 0 }, { "+1", false, 0, 0 }, { "entry+", false, 0, 0 }, { "entry+x", false, 0, 0 },
		{ "entry+1x", false, 0, 0 }, { "0x", false, 0, 0 }, { "12f", false, 0, 0 },
		{ "entry+-1", false, 0, 0 }, { "entry+1+1", false, 0, 0 }, { "0x10000000000000000", false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct elf_expression e;

		EXPECT_EQ(elf_expression(table[i].text, &e), table[i].valid);
		if (!table[i].valid)
			continue;
		EXPECT_EQ(e.length, table[i].length);
		EXPECT_EQ(e.offset, table[i].offset);
	}
}
