/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Just enough of ELF to know which file an enclave was made from, and where its symbols are. Files are hostile: every
 * offset is checked, every loop is bounded. Pure; nothing is kept between calls.
 */
#ifndef SOFTSGX_FRONT_ELF_H
#define SOFTSGX_FRONT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX	16	/* loadable ones; further ones are not looked at */

/** struct elf_bytes - something that can be read at an offset or address: a file, an enclave. All or nothing. */
struct elf_bytes {
	bool (*read)(const struct elf_bytes *b, uint64_t at, void *dst, size_t size);
	uint64_t size;			/* of a file */
};

struct elf_segment {
	uint64_t offset, vaddr, filesz, memsz;
	uint32_t flags;			/* PF_* */
};

struct elf {
	uint32_t count;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	uint64_t shoff;
	uint32_t shnum;
};

/** elf_open() - the headers of @file. False: no x86-64 executable or shared object, or damaged. */
bool elf_open(struct elf *elf, const struct elf_bytes *file);

/** elf_symbol() - *value is st_value of the defined symbol @name; global ones before local, .symtab before .dynsym. */
bool elf_symbol(const struct elf *elf, const struct elf_bytes *file, const char *name, size_t length, uint64_t *value);

#define ELF_LINE	64

/**
 * elf_probe() - the first line of executable bytes in @file that is not all zeros, aligned to ELF_LINE: *vaddr and
 * @line. Where in memory the same line lies tells the bias.
 */
bool elf_probe(const struct elf *elf, const struct elf_bytes *file, uint64_t *vaddr, uint8_t line[ELF_LINE]);

/**
 * elf_fits() - is the code of @file what @memory holds at vaddr + @bias? Seven eighths of the lines that are compared
 * have to agree, and one at least: engines patch code. Memory that can't be read is passed over.
 */
bool elf_fits(const struct elf *elf, const struct elf_bytes *file, const struct elf_bytes *memory, uint64_t bias);

/** elf_find() - *vaddr: where executable segments of @file hold @line, at multiples of 16. False: nowhere. */
bool elf_find(const struct elf *elf, const struct elf_bytes *file, const uint8_t line[ELF_LINE], uint64_t *vaddr);

/** struct elf_expression - SYMBOL, SYMBOL+NUMBER, or a number alone (@length is 0 then). Numbers: decimal, 0x... */
struct elf_expression {
	size_t length;			/* of the symbol, at the beginning of the text */
	uint64_t offset;
};
bool elf_expression(const char *text, struct elf_expression *e);

#endif
