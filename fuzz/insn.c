/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder on any bytes. Nothing beyond what is available is read; more bytes than the instruction has change
 * nothing, fewer make it none; the parts fit together; and where Zydis, if it is there, finds an instruction, ours has
 * its length.
 */
#include "fuzz.h"
#include "guarded.h"
#include "trap/insn.h"

#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>

static void check_zydis(const uint8_t *bytes, unsigned int size, const struct insn *ours)
{
	static ZydisDecoder decoder;
	static bool ready;
	ZydisDecodedInstruction insn;

	if (!ready) {
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		ready = true;
	}
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, size, &insn)))
		return;
	/* Only Knights Corner has these. */
	if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX || insn.mnemonic == ZYDIS_MNEMONIC_JKZD ||
	    insn.mnemonic == ZYDIS_MNEMONIC_JKNZD)
		return;
	FUZZ_CHECK(ours->length == insn.length);
}
#else
static void check_zydis(const uint8_t *bytes, unsigned int size, const struct insn *ours)
{
	(void)bytes;
	(void)size;
	(void)ours;
}
#endif

static bool is_prefix(uint8_t byte)
{
	return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || (byte >= 0x64 && byte <= 0x67) ||
	       byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || (byte & 0xf0) == 0x40;
}

static void check_parts(const uint8_t *bytes, const struct insn *insn)
{
	FUZZ_CHECK(insn->length >= 1 && insn->length <= INSN_LENGTH_MAX);
	FUZZ_CHECK(insn->kind != INSN_INVALID);
	FUZZ_CHECK(insn->opcode_at < insn->length);
	for (unsigned int i = 0; i < insn->opcode_at; i++)
		FUZZ_CHECK(is_prefix(bytes[i]));
	FUZZ_CHECK(!insn->rex || (insn->opcode_at && bytes[insn->opcode_at - 1] == insn->rex));
	FUZZ_CHECK(!insn->modrm_at || (insn->modrm_at > insn->opcode_at && insn->modrm_at < insn->length &&
				       bytes[insn->modrm_at] == insn->modrm));
	if (insn->kind == INSN_CPUID)
		FUZZ_CHECK(bytes[insn->opcode_at] == 0x0f && bytes[insn->opcode_at + 1] == 0xa2);
	if (insn->kind == INSN_ENCLU)
		FUZZ_CHECK(!memcmp(bytes + insn->opcode_at, "\x0f\x01\xd7", 3) &&
			   insn->length == insn->opcode_at + 3u);
	if (insn->prefixes & INSN_PREFIX_F0)
		FUZZ_CHECK(!insn_is_illegal_inside(insn->kind));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned int most = size < 20 ? (unsigned int)size : 20;
	struct insn whole;
	const bool valid = insn_decode(guarded_copy(data, most), most, &whole);

	if (valid)
		check_parts(data, &whole);
	else
		FUZZ_CHECK(whole.kind == INSN_INVALID && !whole.length);
	check_zydis(data, most, &whole);
	for (unsigned int available = 0; available <= most; available++) {
		const uint8_t *bytes = guarded_copy(data, available);
		unsigned int length = 99;
		struct insn insn;
		const bool here = insn_decode(bytes, available, &insn);
		const enum insn_kind kind = insn_classify(bytes, available, &length);

		FUZZ_CHECK(here == (valid && available >= whole.length));
		FUZZ_CHECK(kind == insn.kind && length == insn.length);
		if (here) {
			const struct insn_regs regs = { .rip = 0x1000 };
			uint64_t out[INSN_MEMORY_MAX];

			FUZZ_CHECK(insn.length == whole.length && insn.kind == whole.kind &&
				   insn.opcode == whole.opcode && insn.modrm_at == whole.modrm_at);
			FUZZ_CHECK(insn_memory(bytes, &insn, &regs, out) <= INSN_MEMORY_MAX);
		}
		insn_is_illegal_inside(kind);
	}
	return 0;
}
