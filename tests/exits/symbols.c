/* SPDX-License-Identifier: BSD-2-Clause */
/* See symbols.h. */
#include "exits/symbols.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

static struct { const Elf64_Sym *symbol; const char *names; uint64_t count; } rt;
static struct { const Elf64_Sym *symbol; const char *names; uint64_t count, base; } vdso;

static bool load_rt(void)
{
	const char *path = getenv("EXITS_RT");
	FILE *f = path ? fopen(path, "r") : NULL;
	const Elf64_Shdr *section;
	const Elf64_Ehdr *ehdr;
	long size, i;
	char *file;

	if (!f)
		return false;
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	file = malloc((size_t)size);
	ehdr = (const void *)file;
	if (!file || fread(file, 1, (size_t)size, f) != (size_t)size)
		return false;
	fclose(f);
	section = (const void *)(file + ehdr->e_shoff);
	for (i = 0; i < ehdr->e_shnum; i++) {
		if (section[i].sh_type != SHT_SYMTAB)
			continue;
		rt.symbol = (const void *)(file + section[i].sh_offset);
		rt.count = section[i].sh_size / sizeof(Elf64_Sym);
		rt.names = file + section[section[i].sh_link].sh_offset;
	}
	return rt.count;
}

bool symbols_load(void)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)image;
	const Elf64_Phdr *phdr;
	const Elf64_Dyn *dyn = NULL;
	const uint32_t *hash = NULL;
	unsigned i;

	if (!image)
		return false;
	phdr = (const void *)(image + ehdr->e_phoff);
	for (i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(image + phdr[i].p_offset);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			vdso.symbol = (const void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			vdso.names = image + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_HASH)
			hash = (const void *)(image + dyn->d_un.d_ptr);
	}
	if (!hash)
		return false;
	vdso.count = hash[1];
	vdso.base = (uintptr_t)image;
	return load_rt();
}

uint64_t symbols_find(const char *name)
{
	uint64_t i;

	for (i = 0; i < rt.count; i++)
		if (!strcmp(rt.names + rt.symbol[i].st_name, name))
			return rt.symbol[i].st_value;
	return 0;
}

uint64_t symbols_vdso(const char *name, uint64_t *size)
{
	uint64_t i;

	for (i = 0; i < vdso.count; i++)
		if (!strcmp(vdso.names + vdso.symbol[i].st_name, name)) {
			*size = vdso.symbol[i].st_size;
			return vdso.base + vdso.symbol[i].st_value;
		}
	return 0;
}

uint64_t symbols_vdso_next(uint64_t from, uint64_t *size)
{
	uint64_t i, best = 0;

	for (i = 0; i < vdso.count; i++) {
		const Elf64_Sym *s = &vdso.symbol[i];
		const uint64_t address = vdso.base + s->st_value;

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || address < from || (best && address >= best))
			continue;
		best = address;
		*size = s->st_size;
	}
	return best;
}

static const char *nearest(const Elf64_Sym *symbol, uint64_t count, const char *names, uint64_t base,
			   uint64_t address, uint64_t *offset)
{
	const char *best = NULL;
	uint64_t i;

	for (i = 0; i < count; i++) {
		const uint64_t value = base + symbol[i].st_value;

		if (symbol[i].st_name && symbol[i].st_shndx && value <= address &&
		    (!best || address - value < *offset)) {
			best = names + symbol[i].st_name;
			*offset = address - value;
		}
	}
	return best;
}

const char *symbols_name(uint64_t address, uint64_t *offset)
{
	const char *name = address - vdso.base < 0x10000 ?
			   nearest(vdso.symbol, vdso.count, vdso.names, vdso.base, address, offset) :
			   nearest(rt.symbol, rt.count, rt.names, 0, address, offset);

	if (name && *offset < 4096)
		return name;
	*offset = address;
	return "";
}
