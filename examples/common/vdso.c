/* SPDX-License-Identifier: BSD-2-Clause */
/* The vDSO is a small shared library that the kernel maps; no dynamic linker knows of it. */
#include <elf.h>
#include <err.h>
#include <string.h>
#include <sys/auxv.h>

#include "host.h"

void *vdso_function(void)
{
	uint8_t *image = (uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)image;
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;
	uint32_t i;

	for (i = 0; image && i < ehdr->e_phnum; i++) {
		const Elf64_Phdr *p = (const Elf64_Phdr *)(image + ehdr->e_phoff) + i;

		if (p->p_type == PT_DYNAMIC)
			dyn = (const void *)(image + p->p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			symbols = (const void *)(image + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_STRTAB)
			strings = (const void *)(image + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const void *)(image + dyn->d_un.d_ptr);
	}
	for (i = 0; symbols && strings && hash && i < hash[1]; i++)
		if (symbols[i].st_value && !strcmp(strings + symbols[i].st_name, "__vdso_sgx_enter_enclave"))
			return image + symbols[i].st_value;
	errx(1, "this kernel's vDSO has no __vdso_sgx_enter_enclave");
}
