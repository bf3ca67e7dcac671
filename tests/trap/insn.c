/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder against tables, and against Zydis: wherever Zydis finds an instruction, ours has the same length, on
 * random bytes and on the code of the libraries that this program is linked with.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <link.h>

#include "trap/insn.h"

static enum insn_kind kind(const char *bytes, unsigned int size, unsigned int *length)
{
	return insn_classify((const uint8_t *)bytes, size, length);
}

struct sample {
	const char *bytes;
	unsigned int size;
	enum insn_kind kind;
};
#define SAMPLE(bytes, kind) { bytes, sizeof(bytes) - 1, kind }

static void check_samples(const struct sample *s, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++, s++) {
		char padded[32];
		unsigned int length, cut;

		memset(padded, 0x90, sizeof(padded));
		memcpy(padded, s->bytes, s->size);
		if (kind(padded, sizeof(padded), &length) != s->kind || length != (s->kind ? s->size : 0))
			test_fail(__FILE__, __LINE__, "sample %zu (%02x %02x %02x): kind %d length %u", i,
				  (uint8_t)padded[0], (uint8_t)padded[1], (uint8_t)padded[2],
				  kind(padded, sizeof(padded), &length), length);
		/* Cut off anywhere, it is not an instruction; with nothing behind it, it is. */
		for (cut = 0; s->kind && cut < s->size; cut++)
			EXPECT_EQ(kind(s->bytes, cut, &length), INSN_INVALID);
		EXPECT_EQ(kind(s->bytes, s->size, &length), s->kind);
	}
}

TEST(insn, enclu_with_ignored_prefixes_is_enclu)
{
	static const struct sample samples[] = {
		SAMPLE("\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x2e\x0f\x01\xd7", INSN_ENCLU), SAMPLE("\x3e\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x26\x0f\x01\xd7", INSN_ENCLU), SAMPLE("\x36\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x64\x0f\x01\xd7", INSN_ENCLU), SAMPLE("\x65\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x67\x0f\x01\xd7", INSN_ENCLU), SAMPLE("\x48\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x4f\x0f\x01\xd7", INSN_ENCLU), SAMPLE("\x2e\x67\x48\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x48\x2e\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x0f\x01\xd7", INSN_ENCLU),
		SAMPLE("\x66\x0f\x01\xd7", INSN_OTHER), SAMPLE("\xf2\x0f\x01\xd7", INSN_OTHER),
		SAMPLE("\xf3\x0f\x01\xd7", INSN_OTHER), SAMPLE("\xf0\x0f\x01\xd7", INSN_OTHER),
		SAMPLE("\x0f\x01\xcf", INSN_ENCLS), SAMPLE("\x0f\x01\xc0", INSN_ENCLV),
		SAMPLE("\x66\x0f\x01\xcf", INSN_OTHER), SAMPLE("\xf3\x0f\x01\xc0", INSN_OTHER),
		SAMPLE("\x0f\x01\xd6", INSN_OTHER), SAMPLE("\x0f\x01\xd5", INSN_OTHER),
		SAMPLE("\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x0f\x01\xd7", INSN_INVALID),
	};

	check_samples(samples, sizeof(samples) / sizeof(samples[0]));
}

/* Proves: INS-01, INS-02, INS-03, INS-04, INS-05, INS-06, INS-07, INS-08, INS-09, INS-10, INS-11, INS-12, INS-13 */
TEST(insn, trapped_and_refused_instructions_are_recognised)
{
	static const struct sample samples[] = {
		SAMPLE("\x0f\xa2", INSN_CPUID), SAMPLE("\x48\x0f\xa2", INSN_CPUID), SAMPLE("\xf3\x0f\xa2", INSN_CPUID),
		SAMPLE("\x0f\x37", INSN_GETSEC), SAMPLE("\x66\x0f\x37", INSN_OTHER),
		SAMPLE("\x0f\x33", INSN_RDPMC), SAMPLE("\x0f\x31", INSN_RDTSC), SAMPLE("\x0f\x01\xf9", INSN_RDTSCP),
		SAMPLE("\xf4", INSN_HLT), SAMPLE("\x0f\x0b", INSN_UD2),
		SAMPLE("\x0f\x01\x00", INSN_SGDT), SAMPLE("\x0f\x01\x04\x25\0\0\0\0", INSN_SGDT),
		SAMPLE("\x0f\x01\x48\x10", INSN_SIDT), SAMPLE("\x0f\x01\xc8", INSN_OTHER),
		SAMPLE("\x0f\x00\xc0", INSN_SLDT), SAMPLE("\x0f\x00\x05\1\2\3\4", INSN_SLDT),
		SAMPLE("\x66\x0f\x00\xc8", INSN_STR), SAMPLE("\x0f\x00\xd0", INSN_OTHER),
		SAMPLE("\x0f\x01\xe0", INSN_SMSW), SAMPLE("\x0f\x01\x20", INSN_SMSW), SAMPLE("\x0f\x01\x30", INSN_OTHER),
		SAMPLE("\x0f\x01\xc1", INSN_VMCALL), SAMPLE("\x0f\x01\xd4", INSN_VMFUNC),
		SAMPLE("\x0f\x01\xd9", INSN_VMMCALL),
		SAMPLE("\xe4\x10", INSN_IN), SAMPLE("\x66\xe5\x10", INSN_IN), SAMPLE("\xec", INSN_IN),
		SAMPLE("\xed", INSN_IN), SAMPLE("\x6c", INSN_INS), SAMPLE("\xf3\x6d", INSN_INS),
		SAMPLE("\xe6\x10", INSN_OUT), SAMPLE("\xe7\x10", INSN_OUT), SAMPLE("\xee", INSN_OUT),
		SAMPLE("\xef", INSN_OUT), SAMPLE("\xf3\x6e", INSN_OUTS), SAMPLE("\x6f", INSN_OUTS),
	};

	check_samples(samples, sizeof(samples) / sizeof(samples[0]));
}

/* Proves: INS-14, INS-15, INS-16, INS-17, INS-18, INS-19, INS-20, INS-21, INS-22, INS-23, INS-24, INS-30, INS-31, INS-33 */
TEST(insn, transfers_and_segment_loads_are_recognised)
{
	static const struct sample samples[] = {
		SAMPLE("\xff\x18", INSN_FAR_CALL), SAMPLE("\x48\xff\x5c\x24\x08", INSN_FAR_CALL),
		SAMPLE("\xff\x28", INSN_FAR_JMP), SAMPLE("\xff\xd8", INSN_INVALID), SAMPLE("\xff\x10", INSN_OTHER),
		SAMPLE("\xff\xe0", INSN_OTHER), SAMPLE("\xca\x08\x00", INSN_FAR_RET), SAMPLE("\x48\xcb", INSN_FAR_RET),
		SAMPLE("\xc3", INSN_OTHER), SAMPLE("\xcd\x80", INSN_INT), SAMPLE("\xce", INSN_INVALID),
		SAMPLE("\x48\xcf", INSN_IRET), SAMPLE("\xcc", INSN_INT3), SAMPLE("\xf1", INSN_INT1),
		SAMPLE("\x0f\x05", INSN_SYSCALL), SAMPLE("\x0f\x34", INSN_SYSENTER),
		SAMPLE("\x8e\xd8", INSN_MOV_SEGMENT), SAMPLE("\x8e\x20", INSN_MOV_SEGMENT),
		SAMPLE("\x8e\xc8", INSN_INVALID), SAMPLE("\x8c\xd8", INSN_OTHER),
		SAMPLE("\x0f\xa1", INSN_POP_SEGMENT), SAMPLE("\x0f\xa9", INSN_POP_SEGMENT), SAMPLE("\x0f\xa0", INSN_OTHER),
		SAMPLE("\x07", INSN_INVALID), SAMPLE("\x17", INSN_INVALID), SAMPLE("\x1f", INSN_INVALID),
		SAMPLE("\x0f\xb2\x00", INSN_LOAD_FAR_POINTER), SAMPLE("\x48\x0f\xb4\x00", INSN_LOAD_FAR_POINTER),
		SAMPLE("\x0f\xb5\x00", INSN_LOAD_FAR_POINTER),
	};

	check_samples(samples, sizeof(samples) / sizeof(samples[0]));
}

/* Proves: INS-35 */
TEST(insn, extended_state_instructions_are_recognised)
{
	static const struct sample samples[] = {
		SAMPLE("\x0f\xae\x20", INSN_XSAVE), SAMPLE("\x48\x0f\xae\x64\x24\x40", INSN_XSAVE),
		SAMPLE("\x0f\xc7\x27", INSN_XSAVEC), SAMPLE("\x48\x0f\xc7\x27", INSN_XSAVEC),
		SAMPLE("\x48\x0f\xae\x37", INSN_XSAVEOPT), SAMPLE("\x66\x0f\xae\x37", INSN_OTHER),
		SAMPLE("\x0f\xae\x2f", INSN_XRSTOR), SAMPLE("\x48\x0f\xae\x2d\1\2\3\4", INSN_XRSTOR),
		SAMPLE("\x0f\xae\xe8", INSN_OTHER), SAMPLE("\xf3\x0f\xae\xe8", INSN_OTHER),
		SAMPLE("\xf3\x0f\xae\x20", INSN_OTHER), SAMPLE("\x0f\xc7\x2f", INSN_OTHER),
		SAMPLE("\x0f\xc7\xf0", INSN_OTHER), SAMPLE("\x0f\x01\xd0", INSN_XGETBV),
		SAMPLE("\x66\x0f\x01\xd0", INSN_OTHER), SAMPLE("\x0f\x01\xd1", INSN_OTHER),
	};

	check_samples(samples, sizeof(samples) / sizeof(samples[0]));
}

TEST(insn, operands_have_their_lengths)
{
	static const struct sample samples[] = {
		SAMPLE("\xb8\1\2\3\4", INSN_OTHER), SAMPLE("\x66\xb8\1\2", INSN_OTHER),
		SAMPLE("\x48\xb8\1\2\3\4\5\6\7\x08", INSN_OTHER), SAMPLE("\x66\x48\xb8\1\2\3\4\5\6\7\x08", INSN_OTHER),
		SAMPLE("\x48\x66\xb8\1\2", INSN_OTHER),
		SAMPLE("\xa0\1\2\3\4\5\6\7\x08", INSN_OTHER), SAMPLE("\x67\xa1\1\2\3\4", INSN_OTHER),
		SAMPLE("\xc8\1\2\3", INSN_OTHER), SAMPLE("\xc2\1\2", INSN_OTHER),
		SAMPLE("\xf6\xc0\1", INSN_OTHER), SAMPLE("\xf6\xd0", INSN_OTHER), SAMPLE("\xf7\xc8\1\2\3\4", INSN_OTHER),
		SAMPLE("\x66\xf7\xc0\1\2", INSN_OTHER), SAMPLE("\x48\xf7\x04\x25\1\2\3\4\5\6\7\x08", INSN_OTHER),
		SAMPLE("\xf7\xd8", INSN_OTHER), SAMPLE("\xe8\1\2\3\4", INSN_OTHER), SAMPLE("\x66\xe9\1\2\3\4", INSN_OTHER),
		SAMPLE("\x0f\x84\1\2\3\4", INSN_OTHER), SAMPLE("\x0f\x20\x04", INSN_OTHER),
		SAMPLE("\x8b\x04\x25\1\2\3\4", INSN_OTHER), SAMPLE("\x8b\x44\x25\1", INSN_OTHER),
		SAMPLE("\x8b\x84\x25\1\2\3\4", INSN_OTHER), SAMPLE("\x8b\x05\1\2\3\4", INSN_OTHER),
		SAMPLE("\xc7\x05\1\2\3\4\5\6\7\x08", INSN_OTHER), SAMPLE("\x66\xc7\x45\1\2\3", INSN_OTHER),
		SAMPLE("\xc7\xf8\1\2\3\4", INSN_OTHER), SAMPLE("\xc6\xf8\1", INSN_OTHER), SAMPLE("\xc6\x08\1", INSN_INVALID),
		SAMPLE("\xc5\xf8\x77", INSN_OTHER), SAMPLE("\xc5\xf9\x70\xc0\1", INSN_OTHER),
		SAMPLE("\xc5\xfa\x6f\x44\x24\1", INSN_OTHER), SAMPLE("\xc4\xe2\x79\x18\x05\1\2\3\4", INSN_OTHER),
		SAMPLE("\xc4\xe3\x7d\x39\xc1\1", INSN_OTHER), SAMPLE("\x48\xc5\xf8\x77", INSN_INVALID),
		SAMPLE("\x62\xf1\x7c\x48\x28\x40\1", INSN_OTHER), SAMPLE("\x62\xf3\xfd\x48\x23\xc0\1", INSN_OTHER),
		SAMPLE("\x62\xf5\x7c\x48\x58\xc0", INSN_OTHER), SAMPLE("\x62\xf1\x78\x48\x28\xc0", INSN_INVALID),
		SAMPLE("\x8f\xe8\x78\xa2\xc0\1", INSN_OTHER), SAMPLE("\x8f\xe9\x78\x01\xc8", INSN_OTHER),
		SAMPLE("\x8f\xea\x78\x10\xc0\1\2\3\4", INSN_OTHER), SAMPLE("\x8f\xc0", INSN_OTHER),
		SAMPLE("\x0f\x0f\xc1\xb4", INSN_OTHER), SAMPLE("\x66\x0f\x78\xc0\1\2", INSN_OTHER),
		SAMPLE("\x0f\x38\xc8\xc1", INSN_OTHER), SAMPLE("\x0f\x3a\xcc\xc1\1", INSN_OTHER),
		SAMPLE("\x0f\xff\xc1", INSN_OTHER), SAMPLE("\x27", INSN_INVALID), SAMPLE("\x9a", INSN_INVALID),
		SAMPLE("\x0f\x04", INSN_INVALID), SAMPLE("\xd4\x0a", INSN_INVALID), SAMPLE("\x82", INSN_INVALID),
	};

	check_samples(samples, sizeof(samples) / sizeof(samples[0]));
}

static unsigned int zydis_length(const ZydisDecoder *decoder, const uint8_t *bytes, size_t size)
{
	ZydisDecodedInstruction instruction;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, bytes, size, &instruction)))
		return 0;
	/* Knights Corner, whose encodings mean other things on every other processor. */
	if (instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
	    instruction.mnemonic == ZYDIS_MNEMONIC_JKZD || instruction.mnemonic == ZYDIS_MNEMONIC_JKNZD)
		return 0;
	return instruction.length;
}

static bool same_length(const uint8_t *bytes, unsigned int ours, unsigned int theirs)
{
	char text[3 * INSN_LENGTH_MAX + 1];
	unsigned int i;

	if (ours == theirs)
		return true;
	for (i = 0; i < INSN_LENGTH_MAX; i++)
		sprintf(text + 3 * i, "%02x ", bytes[i]);
	test_fail(__FILE__, __LINE__, "%s: length %u, Zydis says %u", text, ours, theirs);
	return false;
}

TEST(insn, random_bytes_have_the_lengths_of_zydis)
{
	/* So that rare encodings are met: a random prefix or escape goes in front of random bytes. */
	static const char starts[][4] = {
		"", "\x0f", "\x0f\x01", "\x0f\x38", "\x0f\x3a", "\xc4", "\xc5", "\x62", "\x8f", "\x66", "\xf2", "\xf3", "\x48",
		"\x67", "\x66\x0f", "\xf2\x0f", "\xf3\x0f", "\xc4\xe1", "\xc4\xe2", "\xc4\xe3", "\x62\xf1", "\x62\xf2",
		"\x62\xf3", "\x62\xf5", "\x62\xf6", "\x8f\xe8", "\x8f\xe9", "\x8f\xea", "\x66\x48", "\x48\x66", "\xf0",
	};
	uint64_t state = 0x9e3779b97f4a7c15;
	unsigned int valid = 0, refused_by_both = 0, failures = 0;
	ZydisDecoder decoder;
	int round;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (round = 0; round < 2000000 && failures < 20; round++) {
		const char *start = starts[(unsigned int)round % (sizeof(starts) / sizeof(starts[0]))];
		uint8_t bytes[24];
		unsigned int i, ours, theirs;

		for (i = 0; i < sizeof(bytes); i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = (uint8_t)(state >> 56);
		}
		memcpy(bytes, start, strlen(start));
		insn_classify(bytes, 15, &ours);
		theirs = zydis_length(&decoder, bytes, 15);
		refused_by_both += !theirs && !ours;
		if (!theirs)
			continue;
		valid++;
		failures += !same_length(bytes, ours, theirs);
	}
	EXPECT_TRUE(valid > 500000);
	EXPECT_TRUE(refused_by_both > 50000);
}

/* Every executable segment of every loaded object, swept as Zydis steps. */
static int sweep_object(struct dl_phdr_info *object, size_t size, void *total)
{
	ZydisDecoder decoder;
	unsigned int failures = 0;
	int i;

	(void)size;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		const uint8_t *p, *end;

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || !object->dlpi_addr)
			continue;
		p = (const uint8_t *)(object->dlpi_addr + segment->p_vaddr);
		end = p + segment->p_filesz;
		while (p + INSN_LENGTH_MAX < end && failures < 20) {
			unsigned int ours, theirs = zydis_length(&decoder, p, INSN_LENGTH_MAX);

			insn_classify(p, INSN_LENGTH_MAX, &ours);
			failures += theirs && !same_length(p, ours, theirs);
			*(size_t *)total += !!theirs;
			p += theirs ? theirs : 1;
		}
	}
	return 0;
}

TEST(insn, real_code_has_the_lengths_of_zydis)
{
	size_t instructions = 0;

	dl_iterate_phdr(sweep_object, &instructions);
	EXPECT_TRUE(instructions > 200000);
}
