/* SPDX-License-Identifier: BSD-2-Clause */
/* A hostile ELF file: nothing outside it is read, nothing takes long, and what is found is in it. */
#include "front/elf.h"
#include "fuzz.h"

struct input {
	struct elf_bytes bytes;
	const uint8_t *data;
	unsigned reads;
};

static bool input_read(const struct elf_bytes *bytes, uint64_t at, void *dst, size_t size)
{
	struct input *in = (struct input *)bytes;

	FUZZ_CHECK(at <= bytes->size && size <= bytes->size - at);
	in->reads++;
	memcpy(dst, in->data + at, size);
	return true;
}

/* Memory that holds the file's bytes everywhere. */
static bool memory_read(const struct elf_bytes *bytes, uint64_t at, void *dst, size_t size)
{
	const struct input *in = (const struct input *)bytes;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = in->data[(at + i) % bytes->size];
	return at % 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input file = { { input_read, size }, data, 0 }, memory = { { memory_read, size }, data, 0 };
	uint8_t line[ELF_LINE];
	struct elf_expression e;
	uint64_t value;
	char text[64];
	struct elf elf;

	snprintf(text, sizeof(text), "%.*s", (int)(size < 60 ? size : 60), (const char *)data);
	if (elf_expression(text, &e))
		FUZZ_CHECK(e.length <= strlen(text));
	if (!size || !elf_open(&elf, &file.bytes))
		return 0;
	FUZZ_CHECK(elf.count && elf.count <= ELF_SEGMENTS_MAX);
	elf_symbol(&elf, &file.bytes, "entry", 5, &value);
	elf_symbol(&elf, &file.bytes, "nothing of that name", 20, &value);
	if (elf_probe(&elf, &file.bytes, &value, line))
		FUZZ_CHECK(elf_find(&elf, &file.bytes, line, &value));
	elf_fits(&elf, &file.bytes, &memory.bytes, 0);
	elf_fits(&elf, &file.bytes, &memory.bytes, UINT64_MAX - 4096);
	return 0;
}
