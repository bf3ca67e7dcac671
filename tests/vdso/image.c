/* SPDX-License-Identifier: BSD-2-Clause */
/* The image as programs, dynamic linkers and debuggers look at it, and the functions it forwards. */
#define _GNU_SOURCE
#include "harness.h"
#include "play.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {
	"__vdso_clock_gettime", "clock_gettime", "__vdso_gettimeofday", "gettimeofday", "__vdso_clock_getres",
	"clock_getres", "__vdso_time", "time", "__vdso_getcpu", "getcpu", "__vdso_getrandom", "getrandom",
	"__vdso_sgx_enter_enclave",
};
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* A test of every image. */
#define TEST_IMAGES(suite, name)							\
	static void each_##name(void);							\
	TEST(suite, name)								\
	{										\
		for (play_version = 0; play_version < VDSO_VERSIONS; play_version++)	\
			each_##name();							\
		play_version = VDSO_UPSTREAM;						\
	}										\
	static void each_##name(void)

/* The last of names[] is the one that VDSO_NONE is without. */
static unsigned names_count(void)
{
	return COUNT(names) - (play_version == VDSO_NONE);
}

static uint64_t image_size(void)
{
	return (uint64_t)(vdso_images[play_version].end - vdso_images[play_version].start);
}

static const Elf64_Ehdr *ehdr(void)
{
	return (const void *)play_image();
}

static const Elf64_Phdr *segment(uint32_t type)
{
	const Elf64_Phdr *phdr = (const void *)(play_image() + ehdr()->e_phoff);
	unsigned i;

	for (i = 0; i < ehdr()->e_phnum; i++)
		if (phdr[i].p_type == type)
			return &phdr[i];
	return NULL;
}

/* The dynamic entry's value as a pointer: an offset from the image, not an address, before any dynamic linker. */
static const void *dynamic(int64_t tag)
{
	const Elf64_Phdr *phdr = segment(PT_DYNAMIC);
	const Elf64_Dyn *dyn = phdr ? (const void *)(play_image() + phdr->p_offset) : NULL;

	for (; dyn && dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == tag)
			return play_image() + dyn->d_un.d_ptr;
	return NULL;
}

static const char *string(uint32_t offset)
{
	return (const char *)dynamic(DT_STRTAB) + offset;
}

static const Elf64_Sym *lookup_hash(const char *name)
{
	const uint32_t *hash = dynamic(DT_HASH);
	const Elf64_Sym *symbols = dynamic(DT_SYMTAB);
	uint32_t h = 0, i;
	const char *c;

	for (c = name; *c; c++) {
		h = (h << 4) + (unsigned char)*c;
		h ^= (h & 0xf0000000) >> 24;
		h &= 0x0fffffff;
	}
	for (i = hash[2 + h % hash[0]]; i; i = hash[2 + hash[0] + i])
		if (!strcmp(string(symbols[i].st_name), name))
			return &symbols[i];
	return NULL;
}

static const Elf64_Sym *lookup_gnu_hash(const char *name)
{
	const uint32_t *hash = dynamic(DT_GNU_HASH);
	const Elf64_Sym *symbols = dynamic(DT_SYMTAB);
	uint32_t buckets = hash[0], first = hash[1], blooms = hash[2], shift = hash[3], h = 5381, i;
	const uint64_t *bloom = (const void *)(hash + 4);
	const uint32_t *bucket = hash + 4 + 2 * blooms, *chain = bucket + buckets;
	const char *c;
	uint64_t word;

	for (c = name; *c; c++)
		h = h * 33 + (unsigned char)*c;
	word = bloom[h / 64 % blooms];
	if (!(word >> h % 64 & word >> (h >> shift) % 64 & 1))
		return NULL;
	for (i = bucket[h % buckets]; i; i++) {
		if ((chain[i - first] | 1) == (h | 1) && !strcmp(string(symbols[i].st_name), name))
			return &symbols[i];
		if (chain[i - first] & 1)
			break;
	}
	return NULL;
}

static uint32_t symbol_index(const Elf64_Sym *symbol)
{
	return (uint32_t)(symbol - (const Elf64_Sym *)dynamic(DT_SYMTAB));
}

TEST_IMAGES(vdso_image, is_one_page_read_execute_segment)
{
	const Elf64_Phdr *phdr = (const void *)(play_image() + ehdr()->e_phoff);
	unsigned i, loads = 0;

	ASSERT_EQ(memcmp(ehdr()->e_ident, ELFMAG, SELFMAG), 0);
	EXPECT_EQ(ehdr()->e_type, ET_DYN);
	EXPECT_EQ(ehdr()->e_machine, EM_X86_64);
	for (i = 0; i < ehdr()->e_phnum; i++) {
		EXPECT_EQ(phdr[i].p_offset, phdr[i].p_vaddr);
		if (phdr[i].p_type == PT_LOAD) {
			loads++;
			EXPECT_EQ(phdr[i].p_flags, PF_R | PF_X);
			EXPECT_EQ(phdr[i].p_filesz, phdr[i].p_memsz);
			EXPECT_EQ(phdr[i].p_vaddr, 0);
		}
	}
	EXPECT_EQ(loads, 1);
	EXPECT_TRUE(image_size() <= VDSO_IMAGE_SIZE_MAX);
	EXPECT_TRUE(segment(PT_GNU_EH_FRAME) && segment(PT_DYNAMIC) && segment(PT_NOTE));
	EXPECT_EQ(segment(PT_DYNAMIC)->p_flags, PF_R);
}

TEST_IMAGES(vdso_image, has_no_relocations_and_needs_no_library)
{
	EXPECT_TRUE(!dynamic(DT_RELA) && !dynamic(DT_REL) && !dynamic(DT_JMPREL) && !dynamic(DT_RELR));
	EXPECT_TRUE(!dynamic(DT_NEEDED) && !dynamic(DT_INIT) && !dynamic(DT_TEXTREL));
	ASSERT_TRUE(dynamic(DT_SONAME));
	EXPECT_EQ(strcmp(string((const uint8_t *)dynamic(DT_SONAME) - play_image()), "linux-vdso.so.1"), 0);
}

TEST_IMAGES(vdso_image, both_hash_tables_find_every_function)
{
	unsigned i;

	for (i = 0; i < names_count(); i++) {
		const Elf64_Sym *symbol = lookup_hash(names[i]);

		if (!symbol) {
			test_fail(__FILE__, __LINE__, "%s is not there", names[i]);
			continue;
		}
		EXPECT_TRUE(lookup_gnu_hash(names[i]) == symbol);
		EXPECT_EQ(ELF64_ST_TYPE(symbol->st_info), STT_FUNC);
		EXPECT_EQ(ELF64_ST_BIND(symbol->st_info), names[i][0] == '_' ? STB_GLOBAL : STB_WEAK);
		EXPECT_TRUE(symbol->st_size > 0 && symbol->st_shndx != SHN_UNDEF);
		EXPECT_EQ(vdso_symbol(play_image(), names[i]), play_address(play_image(), symbol->st_value));
	}
	EXPECT_TRUE(!lookup_hash("nothing") && !lookup_gnu_hash("nothing") && !vdso_symbol(play_image(), "nothing"));
	EXPECT_TRUE(!vdso_symbol(play_image(), "tim") && !vdso_symbol(play_image(), "times"));
}

TEST_IMAGES(vdso_image, every_symbol_has_version_linux_2_6)
{
	const uint16_t *versions = dynamic(DT_VERSYM);
	const Elf64_Verdef *def = dynamic(DT_VERDEF);
	const Elf64_Verdaux *aux;
	unsigned i;

	ASSERT_TRUE(versions && def);
	while (!(def->vd_ndx == 2) && def->vd_next)
		def = (const void *)((const uint8_t *)def + def->vd_next);
	aux = (const void *)((const uint8_t *)def + def->vd_aux);
	EXPECT_EQ(def->vd_ndx, 2);
	EXPECT_EQ(strcmp(string(aux->vda_name), "LINUX_2.6"), 0);
	for (i = 0; i < names_count(); i++)
		EXPECT_EQ(versions[symbol_index(lookup_hash(names[i]))], 2);
}

TEST_IMAGES(vdso_image, has_section_headers_with_dynsym)
{
	const Elf64_Shdr *sections = (const void *)(play_image() + ehdr()->e_shoff);
	const char *section_names;
	unsigned i, j, found = 0, functions = 0;

	ASSERT_TRUE(ehdr()->e_shoff && ehdr()->e_shnum && ehdr()->e_shstrndx < ehdr()->e_shnum);
	ASSERT_TRUE(ehdr()->e_shoff + ehdr()->e_shnum * sizeof(*sections) <=
		    image_size());
	section_names = (const char *)play_image() + sections[ehdr()->e_shstrndx].sh_offset;
	for (i = 0; i < ehdr()->e_shnum; i++) {
		const Elf64_Sym *symbols = (const void *)(play_image() + sections[i].sh_offset);

		if (sections[i].sh_type != SHT_DYNSYM)
			continue;
		found++;
		EXPECT_EQ(strcmp(section_names + sections[i].sh_name, ".dynsym"), 0);
		EXPECT_EQ(sections[i].sh_entsize, sizeof(Elf64_Sym));
		EXPECT_TRUE((const void *)symbols == dynamic(DT_SYMTAB));
		EXPECT_TRUE((const void *)(play_image() + sections[sections[i].sh_link].sh_offset) ==
			    dynamic(DT_STRTAB));
		for (j = 0; j < sections[i].sh_size / sizeof(*symbols); j++)
			functions += !strcmp(string(symbols[j].st_name), "__vdso_sgx_enter_enclave");
	}
	EXPECT_EQ(found, 1);
	EXPECT_EQ(functions, play_version != VDSO_NONE);
}

TEST_IMAGES(vdso_image, real_vdso_has_no_function_that_the_image_lacks)
{
	const uint8_t *real = (const void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)real;
	const Elf64_Shdr *sections = (const void *)(real + header->e_shoff);
	unsigned i, j;

	if (!real)
		SKIP("this machine has no vDSO");
	for (i = 0; i < header->e_shnum; i++) {
		const Elf64_Sym *symbols = (const void *)(real + sections[i].sh_offset);
		const char *strings = (const char *)real + sections[sections[i].sh_link].sh_offset;

		if (sections[i].sh_type != SHT_DYNSYM)
			continue;
		for (j = 0; j < sections[i].sh_size / sizeof(*symbols); j++) {
			const char *name = strings + symbols[j].st_name;

			if (ELF64_ST_TYPE(symbols[j].st_info) == STT_FUNC && !lookup_hash(name))
				test_fail(__FILE__, __LINE__, "the image lacks %s", name);
		}
	}
}

TEST_IMAGES(vdso_image, dynamic_linker_accepts_it)
{
	void *handle = play_handle();
	unsigned i;

	if (!handle)
		test_fail(__FILE__, __LINE__, "%s", dlerror());
	for (i = 0; handle && i < names_count(); i++)
		EXPECT_TRUE(dlvsym(handle, names[i], "LINUX_2.6"));
}

TEST_IMAGES(vdso_image, info_is_at_its_fixed_offset)
{
	const struct vdso_info *info = vdso_info(play_image());

	ASSERT_TRUE(info);
	EXPECT_EQ(lookup_hash("__softsgx_vdso_info")->st_value, VDSO_INFO_OFFSET);
	EXPECT_EQ(lookup_hash("__softsgx_vdso_info")->st_size, sizeof(*info));
	EXPECT_EQ(lookup_hash("__softsgx_sigreturn")->st_value, info->sigreturn);
	if (play_version == VDSO_NONE) {
		EXPECT_TRUE(!lookup_hash("__vdso_sgx_enter_enclave") && !lookup_gnu_hash("__vdso_sgx_enter_enclave"));
		EXPECT_EQ(info->enter | info->enter_end | info->gate | info->enclu | info->eexit_pad, 0);
		EXPECT_EQ(info->exception_pad, 0);
	} else {
		EXPECT_EQ(lookup_hash("__vdso_sgx_enter_enclave")->st_value, info->enter);
		EXPECT_EQ(lookup_hash("__vdso_sgx_enter_enclave")->st_size, info->enter_end - info->enter);
	}
	EXPECT_EQ(info->count, VDSO_REAL_COUNT);
	EXPECT_TRUE(info->table >= VDSO_INFO_OFFSET + sizeof(*info));
	EXPECT_EQ(info->table_size, 8 * (VDSO_REAL_COUNT + 2));
}

TEST(vdso_image, bind_refuses_what_is_not_an_image)
{
	static uint8_t zero[4096];
	static uint8_t before[4096];

	EXPECT_TRUE(!vdso_bind(zero, 0x1000, NULL, 1, 2));
	EXPECT_MEMEQ(zero, before, sizeof(zero));
	EXPECT_EQ(vdso_symbol(zero, "time"), 0);
}

/* A copy bound without a real vDSO: all functions are system calls. */
static const uint8_t *lonely_image(void)
{
	static uint8_t images[VDSO_VERSIONS][VDSO_IMAGE_SIZE_MAX] __attribute__((aligned(4096)));
	uint8_t *image = images[play_version];

	if (!image[0]) {
		play_bytes(image, VDSO_IMAGE_SIZE_MAX);
		if (!vdso_bind(image, (uint64_t)image, NULL, 0, 0) ||
		    mprotect(image, VDSO_IMAGE_SIZE_MAX, PROT_READ | PROT_EXEC))
			abort();
	}
	return image;
}

static void check_functions(const uint8_t *image, const char *prefix)
{
	int (*gettime)(clockid_t, struct timespec *), (*getres)(clockid_t, struct timespec *);
	int (*gettimeofday_)(struct timeval *, struct timezone *);
	time_t (*time_)(time_t *);
	int (*getcpu_)(unsigned *, unsigned *, void *);
	struct timespec expected, ts = { 0 };
	struct timeval tv = { 0 };
	unsigned cpu = ~0u, node = ~0u;
	char name[64];
	time_t t = 0;

#define FUNCTION(pointer, symbol) do {							\
	snprintf(name, sizeof(name), "%s%s", prefix, symbol);				\
	pointer = (void *)vdso_symbol(image, name);					\
	ASSERT_TRUE(pointer);								\
} while (0)
	FUNCTION(gettime, "clock_gettime");
	FUNCTION(getres, "clock_getres");
	FUNCTION(gettimeofday_, "gettimeofday");
	FUNCTION(time_, "time");
	FUNCTION(getcpu_, "getcpu");

	clock_gettime(CLOCK_MONOTONIC, &expected);
	EXPECT_EQ(gettime(CLOCK_MONOTONIC, &ts), 0);
	EXPECT_TRUE(ts.tv_sec - expected.tv_sec >= 0 && ts.tv_sec - expected.tv_sec < 10);
	EXPECT_EQ(gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);	/* no vDSO has this one: it falls through */
	EXPECT_EQ(gettime(12345, &ts), -EINVAL);
	EXPECT_EQ(getres(CLOCK_MONOTONIC, &ts), 0);
	clock_getres(CLOCK_MONOTONIC, &expected);
	EXPECT_EQ(ts.tv_nsec, expected.tv_nsec);
	clock_gettime(CLOCK_REALTIME, &expected);
	EXPECT_EQ(gettimeofday_(&tv, NULL), 0);
	EXPECT_TRUE(tv.tv_sec - expected.tv_sec >= 0 && tv.tv_sec - expected.tv_sec < 10);
	EXPECT_EQ(time_(&t), t);
	EXPECT_TRUE(t - expected.tv_sec >= -1 && t - expected.tv_sec < 10);
	EXPECT_EQ(getcpu_(&cpu, &node, NULL), 0);
	EXPECT_TRUE(cpu < CPU_SETSIZE && node < 1024);
}

TEST(vdso_functions, work_when_forwarded)
{
	if (!getauxval(AT_SYSINFO_EHDR))
		SKIP("this machine has no vDSO");
	check_functions(play_image(), "__vdso_");
	check_functions(play_image(), "");
}

TEST_IMAGES(vdso_functions, work_without_a_real_vdso)
{
	check_functions(lonely_image(), "__vdso_");
	check_functions(lonely_image(), "");
}

TEST(vdso_functions, getrandom_is_forwarded_or_enosys)
{
	const void *real = (const void *)getauxval(AT_SYSINFO_EHDR);
	long (*forwarded)(void *, size_t, unsigned, void *, size_t) =
		(void *)vdso_symbol(play_image(), "__vdso_getrandom");
	long (*lonely)(void *, size_t, unsigned, void *, size_t) =
		(void *)vdso_symbol(lonely_image(), "__vdso_getrandom");
	struct { uint32_t size, prot, flags, reserved[13]; } parameters = { 0 };
	long result;

	EXPECT_EQ(lonely(NULL, 0, 0, &parameters, ~0ul), -ENOSYS);
	result = forwarded(NULL, 0, 0, &parameters, ~0ul);
	if (real && vdso_symbol(real, "__vdso_getrandom")) {
		EXPECT_EQ(result, 0);
		EXPECT_TRUE(parameters.size > 0);
	} else {
		EXPECT_EQ(result, -ENOSYS);
	}
}

TEST_IMAGES(vdso_functions, table_points_to_the_real_vdso)
{
	const struct vdso_info *info = vdso_info(play_image());
	const void *real = (const void *)getauxval(AT_SYSINFO_EHDR);
	unsigned i;

	for (i = 0; real && i < info->count; i++) {
		uint64_t expected = vdso_symbol(real, (const char *)play_image() + info->real[i].name);

		if (expected)
			EXPECT_EQ(*(const uint64_t *)(play_image() + info->real[i].pointer), expected);
	}
	EXPECT_EQ(*(const uint64_t *)(play_image() + info->engine), (uint64_t)play_engine);
	EXPECT_EQ(*(const uint64_t *)(lonely_image() + info->engine), play_address(lonely_image(), info->enclu));
}
