/* SPDX-License-Identifier: BSD-2-Clause */
/* See elf.h. */
#include "front/elf.h"

#include <linux/elf.h>

#include "sys/mem.h"

#define PAGE		4096
#define PHDRS_MAX	128
#define PHDRS_CHUNK	16
#define FIT_PAGES	16		/* of each segment that are compared */
#define SYMBOLS_MAX	(UINT64_C(1) << 22)
#define SYMBOLS_CHUNK	32
#define WINDOW		1024		/* of a string table */
#define NAME_MAX	256

static bool read_at(const struct elf_bytes *file, uint64_t at, void *dst, size_t size)
{
	return at <= file->size && size <= file->size - at && file->read(file, at, dst, size);
}

static bool segment_valid(const struct elf_bytes *file, const Elf64_Phdr *p)
{
	uint64_t end;

	return p->p_filesz && p->p_filesz <= p->p_memsz && p->p_offset <= file->size &&
	       p->p_filesz <= file->size - p->p_offset && !__builtin_add_overflow(p->p_vaddr, p->p_memsz, &end);
}

bool elf_open(struct elf *elf, const struct elf_bytes *file)
{
	static const unsigned char magic[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB };
	Elf64_Phdr headers[PHDRS_CHUNK], *p = headers;
	bool code = false;
	Elf64_Ehdr h;

	*elf = (struct elf){ 0 };
	if (!read_at(file, 0, &h, sizeof(h)) || memcmp(h.e_ident, magic, sizeof(magic)) || h.e_machine != EM_X86_64 ||
	    (h.e_type != ET_EXEC && h.e_type != ET_DYN) || h.e_phentsize != sizeof(*p) || h.e_phnum > PHDRS_MAX)
		return false;
	for (uint32_t i = 0; i < h.e_phnum && elf->count < ELF_SEGMENTS_MAX; i++, p++) {
		const uint32_t n = h.e_phnum - i < PHDRS_CHUNK ? h.e_phnum - i : PHDRS_CHUNK;
		uint64_t at;

		if (i % PHDRS_CHUNK == 0) {
			p = headers;
			if (__builtin_add_overflow(h.e_phoff, i * sizeof(*p), &at) ||
			    !read_at(file, at, headers, n * sizeof(*p)))
				return false;
		}
		if (p->p_type != PT_LOAD || !p->p_memsz || !p->p_filesz)
			continue;
		if (!segment_valid(file, p))
			return false;
		elf->segment[elf->count++] = (struct elf_segment){
			p->p_offset, p->p_vaddr, p->p_filesz, p->p_memsz, p->p_flags,
		};
		code |= p->p_flags & PF_X;
	}
	if (h.e_shentsize == sizeof(Elf64_Shdr)) {
		elf->shoff = h.e_shoff;
		elf->shnum = h.e_shnum;
	}
	return code;
}

static bool section(const struct elf *elf, const struct elf_bytes *file, uint32_t i, Elf64_Shdr *s)
{
	uint64_t at;

	return i < elf->shnum && !__builtin_add_overflow(elf->shoff, i * sizeof(*s), &at) &&
	       read_at(file, at, s, sizeof(*s)) && s->sh_offset <= file->size &&
	       s->sh_size <= file->size - s->sh_offset;
}

/* A part of a string table: symbols are mostly in the order of their names' places. */
struct strings {
	const struct elf_bytes *file;
	uint64_t offset, size;
	uint64_t at;
	size_t length;
	char bytes[WINDOW];
};

static bool name_is(struct strings *s, uint64_t at, const char *name, size_t length)
{
	if (at >= s->size || length + 1 > s->size - at)
		return false;
	if (at < s->at || at - s->at + length + 1 > s->length) {
		s->at = at;
		s->length = s->size - at < WINDOW ? s->size - at : WINDOW;
		if (!read_at(s->file, s->offset + at, s->bytes, s->length)) {
			s->length = 0;
			return false;
		}
	}
	return !memcmp(s->bytes + (at - s->at), name, length) && !s->bytes[at - s->at + length];
}

static unsigned rank(const Elf64_Sym *s)
{
	if (s->st_shndx == SHN_UNDEF || s->st_shndx >= SHN_LORESERVE)
		return 0;
	return ELF_ST_BIND(s->st_info) == STB_LOCAL ? 1 : 2;
}

static bool table_lookup(const struct elf_bytes *file, const Elf64_Shdr *table, const Elf64_Shdr *strtab,
			 const char *name, size_t length, uint64_t *value)
{
	struct strings strings = { .file = file, .offset = strtab->sh_offset, .size = strtab->sh_size };
	uint64_t left = table->sh_size / sizeof(Elf64_Sym), at = table->sh_offset;
	Elf64_Sym symbol[SYMBOLS_CHUNK];
	unsigned best = 0;

	for (left = left < SYMBOLS_MAX ? left : SYMBOLS_MAX; left; ) {
		const size_t n = left < SYMBOLS_CHUNK ? left : SYMBOLS_CHUNK;

		if (!read_at(file, at, symbol, n * sizeof(*symbol)))
			break;
		for (size_t i = 0; i < n; i++) {
			if (rank(&symbol[i]) <= best || !name_is(&strings, symbol[i].st_name, name, length))
				continue;
			best = rank(&symbol[i]);
			*value = symbol[i].st_value;
		}
		left -= n;
		at += n * sizeof(*symbol);
	}
	return best;
}

bool elf_symbol(const struct elf *elf, const struct elf_bytes *file, const char *name, size_t length, uint64_t *value)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };
	Elf64_Shdr table, strtab;

	if (!length || length >= NAME_MAX)
		return false;
	for (int k = 0; k < 2; k++)
		for (uint32_t i = 0; i < elf->shnum; i++)
			if (section(elf, file, i, &table) && table.sh_type == types[k] &&
			    table.sh_entsize == sizeof(Elf64_Sym) && section(elf, file, table.sh_link, &strtab) &&
			    strtab.sh_type == SHT_STRTAB && table_lookup(file, &table, &strtab, name, length, value))
				return true;
	return false;
}

static bool all_zero(const uint8_t *p, size_t size)
{
	while (size && !*p)
		p++, size--;
	return !size;
}

bool elf_probe(const struct elf *elf, const struct elf_bytes *file, uint64_t *vaddr, uint8_t line[ELF_LINE])
{
	for (uint32_t k = 0; k < elf->count; k++) {
		const struct elf_segment *s = &elf->segment[k];
		uint64_t at = (s->vaddr + ELF_LINE - 1) & ~(uint64_t)(ELF_LINE - 1);
		const uint64_t end = s->vaddr + s->filesz;

		if (!(s->flags & PF_X) || at < s->vaddr)
			continue;
		for (int n = 0; n < PAGE / ELF_LINE && at + ELF_LINE <= end; n++, at += ELF_LINE) {
			if (!read_at(file, s->offset + (at - s->vaddr), line, ELF_LINE))
				return false;
			if (all_zero(line, ELF_LINE))
				continue;
			*vaddr = at;
			return true;
		}
	}
	return false;
}

/* Compares lines of one page's worth; true while the whole still agrees well enough. */
static bool compare(const uint8_t *a, const uint8_t *b, size_t size, uint64_t *lines, uint64_t *equal)
{
	for (size_t i = 0; i < size; i += ELF_LINE) {
		const size_t part = size - i < ELF_LINE ? size - i : ELF_LINE;

		if (all_zero(a + i, part))
			continue;
		++*lines;
		*equal += !memcmp(a + i, b + i, part);
	}
	return *equal * 8 >= *lines * 7;
}

bool elf_fits(const struct elf *elf, const struct elf_bytes *file, const struct elf_bytes *memory, uint64_t bias)
{
	uint8_t ours[PAGE / 4], theirs[PAGE / 4];
	uint64_t lines = 0, equal = 0;

	for (uint32_t k = 0; k < elf->count; k++) {
		const struct elf_segment *s = &elf->segment[k];
		uint64_t at = 0;

		for (int n = 0; s->flags & PF_X && n < 4 * FIT_PAGES && at < s->filesz; n++) {
			const uint64_t room = sizeof(ours) - ((s->vaddr + at) & (sizeof(ours) - 1));
			const size_t size = s->filesz - at < room ? s->filesz - at : room;

			if (memory->read(memory, s->vaddr + at + bias, theirs, size) &&
			    (!read_at(file, s->offset + at, ours, size) ||
			     !compare(ours, theirs, size, &lines, &equal)))
				return false;
			at += size;
		}
	}
	return equal;
}

bool elf_find(const struct elf *elf, const struct elf_bytes *file, const uint8_t line[ELF_LINE], uint64_t *vaddr)
{
	uint8_t bytes[PAGE / 2];

	for (uint32_t k = 0; k < elf->count; k++) {
		const struct elf_segment *s = &elf->segment[k];
		uint64_t at = -s->vaddr & 15;

		if (!(s->flags & PF_X))
			continue;
		/* Chunks overlap by a line, less the step. */
		for (; at < s->filesz && s->filesz - at >= ELF_LINE; at += sizeof(bytes) - ELF_LINE + 16) {
			const size_t size = s->filesz - at < sizeof(bytes) ? s->filesz - at : sizeof(bytes);

			if (!read_at(file, s->offset + at, bytes, size))
				break;
			for (size_t i = 0; i + ELF_LINE <= size; i += 16)
				if (!memcmp(bytes + i, line, ELF_LINE)) {
					*vaddr = s->vaddr + at + i;
					return true;
				}
		}
	}
	return false;
}

static bool number(const char *p, uint64_t *value)
{
	const unsigned base = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') ? 16 : 10;

	*value = 0;
	p += base == 16 ? 2 : 0;
	if (!*p)
		return false;
	for (; *p; p++) {
		const unsigned digit = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') :
				       *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10) :
				       *p >= 'A' && *p <= 'F' ? (unsigned)(*p - 'A' + 10) : 16;

		if (digit >= base || __builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, digit, value))
			return false;
	}
	return true;
}

bool elf_expression(const char *text, struct elf_expression *e)
{
	*e = (struct elf_expression){ 0 };
	if (*text >= '0' && *text <= '9')
		return number(text, &e->offset);
	while (text[e->length] && text[e->length] != '+')
		e->length++;
	return e->length && (!text[e->length] || number(text + e->length + 1, &e->offset));
}
