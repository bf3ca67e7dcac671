/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills the table of a copy of the vDSO image: see vdso.h. */
#include "vdso/vdso.h"

#include <linux/elf.h>

#ifndef DT_GNU_HASH
#define DT_GNU_HASH	0x6ffffef5
#endif

/** struct symbols - the dynamic symbols of an image. */
struct symbols {
	const uint8_t *bias;		/* what addresses in the image are relative to */
	const Elf64_Sym *table;
	uint32_t count;
	const char *names;
};

/* DT_GNU_HASH has no count: the last chain's last symbol is the last symbol of all. */
static uint32_t gnu_hash_count(const uint32_t *hash)
{
	uint32_t buckets = hash[0], first = hash[1], blooms = hash[2], last = 0, i;
	const uint32_t *bucket = hash + 4 + 2 * blooms, *chain = bucket + buckets;

	for (i = 0; i < buckets; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

static bool symbols_find(const uint8_t *image, struct symbols *symbols)
{
	const Elf64_Ehdr *ehdr = (const void *)image;
	const Elf64_Phdr *phdr = (const void *)(image + ehdr->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const uint8_t *bias = NULL;
	uint32_t i;

	if (__builtin_memcmp(ehdr->e_ident, ELFMAG, SELFMAG) || ehdr->e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (i = ehdr->e_phnum; i-- > 0;) {	/* so that the first PT_LOAD is the one that stays */
		if (phdr[i].p_type == PT_LOAD)
			bias = image + phdr[i].p_offset - phdr[i].p_vaddr;
		else if (phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(image + phdr[i].p_offset);
	}
	*symbols = (struct symbols){ .bias = bias };
	if (!bias || !dyn)
		return false;
	for (; dyn->d_tag != DT_NULL; dyn++) {
		const uint8_t *at = bias + dyn->d_un.d_ptr;

		switch (dyn->d_tag) {
		case DT_SYMTAB:
			symbols->table = (const void *)at;
			break;
		case DT_STRTAB:
			symbols->names = (const char *)at;
			break;
		case DT_HASH:
			symbols->count = ((const uint32_t *)(const void *)at)[1];
			break;
		case DT_GNU_HASH:
			if (!symbols->count)
				symbols->count = gnu_hash_count((const void *)at);
			break;
		}
	}
	return symbols->table && symbols->names;
}

static bool string_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

uint64_t vdso_symbol(const void *vdso, const char *name)
{
	struct symbols symbols;
	uint32_t i;

	if (!symbols_find(vdso, &symbols))
		return 0;
	for (i = 0; i < symbols.count; i++) {
		const Elf64_Sym *symbol = &symbols.table[i];

		if (symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
		    string_equal(symbols.names + symbol->st_name, name))
			return (uint64_t)(uintptr_t)(symbols.bias + symbol->st_value);
	}
	return 0;
}

const struct vdso_info *vdso_info(const void *image)
{
	const struct vdso_info *info = (const void *)((const uint8_t *)image + VDSO_INFO_OFFSET);

	return info->magic == VDSO_INFO_MAGIC && info->size == sizeof(*info) ? info : NULL;
}

bool vdso_bind(void *image, uint64_t base, const void *real, uint64_t engine, uint64_t sigreturn)
{
	const struct vdso_info *info = vdso_info(image);
	uint8_t *bytes = image;
	uint32_t i;

	if (!info)
		return false;
	for (i = 0; i < info->table_size; i += 8)
		*(uint64_t *)(void *)(bytes + info->table + i) += base;
	for (i = 0; real && i < info->count; i++) {
		uint64_t address = vdso_symbol(real, (const char *)bytes + info->real[i].name);

		if (address)
			*(uint64_t *)(void *)(bytes + info->real[i].pointer) = address;
	}
	if (engine)
		*(uint64_t *)(void *)(bytes + info->engine) = engine;
	if (sigreturn)
		*(uint64_t *)(void *)(bytes + info->sigreturn_pointer) = sigreturn;
	return true;
}
