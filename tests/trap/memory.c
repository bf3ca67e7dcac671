/* SPDX-License-Identifier: BSD-2-Clause */
/* insn_memory() against Zydis, on random encodings, and against a table where Zydis has no opinion. */
#include "harness.h"

#include <Zydis/Zydis.h>

#include "trap/insn.h"

enum { RANDOM = 3000000 };

static uint64_t state = 0x1234567;
static unsigned wrong;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static struct insn_regs random_regs(void)
{
	struct insn_regs r = { .rip = next(), .fsbase = next() << 16, .gsbase = next() << 17 };

	for (unsigned i = 0; i < 16; i++)
		r.gpr[i] = next();
	return r;
}

/* Of what Zydis knows by the registers' values; VSIB and tiles: the index does not count. */
static uint64_t value(const struct insn_regs *r, ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		return r->gpr[reg - ZYDIS_REGISTER_RAX];
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		return (uint32_t)r->gpr[reg - ZYDIS_REGISTER_EAX];
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return r->rip;
	return 0;
}

static uint64_t address(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o, const struct insn_regs *r)
{
	uint64_t base = value(r, o->mem.base), a;
	const bool vector = o->mem.type == ZYDIS_MEMOP_TYPE_VSIB || in->meta.category == ZYDIS_CATEGORY_AMX_TILE;

	if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
		base += in->length;
	a = base + (vector ? 0 : value(r, o->mem.index) * o->mem.scale) + (uint64_t)o->mem.disp.value;
	if (in->address_width == 32)
		a = (uint32_t)a;
	return a + (o->mem.segment == ZYDIS_REGISTER_FS ? r->fsbase : o->mem.segment == ZYDIS_REGISTER_GS ? r->gsbase : 0);
}

/* The explicit memory operand of what Zydis decodes there, if it is accessed. */
static bool explicit_access(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o, const struct insn_regs *r,
			    uint64_t *out)
{
	for (unsigned i = 0; i < in->operand_count_visible; i++) {
		if (o[i].type != ZYDIS_OPERAND_TYPE_MEMORY || o[i].mem.type == ZYDIS_MEMOP_TYPE_AGEN ||
		    o[i].encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
			continue;
		*out = address(in, &o[i], r);
		return true;
	}
	return false;
}

static bool left_out(const ZydisDecodedInstruction *in)
{
	/* Zydis 4.0 has R13D as base then; processors none, as with 64-bit addresses: the table below. */
	if (in->address_width == 32 && !in->raw.modrm.mod && in->raw.modrm.rm == 4 && in->raw.sib.base == 5)
		return true;
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTC:
		return true;			/* the bit's own address: the table below */
	case ZYDIS_MNEMONIC_POP:
		return true;			/* RSP as base: the table below */
	default:
		return in->opcode_map == ZYDIS_OPCODE_MAP_0F && (in->opcode == 0x0d || (in->opcode & 0xf8) == 0x18);
	}
}

static void check(const ZydisDecoder *d, const uint8_t *bytes)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	struct insn insn;
	struct insn_regs r;
	uint64_t out[INSN_MEMORY_MAX + 2] = { [INSN_MEMORY_MAX] = 1, 2 }, expected = 0;
	unsigned count;
	bool accessed;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, bytes, 15, &in, o)) || !insn_decode(bytes, 15, &insn) || left_out(&in))
		return;
	r = random_regs();
	accessed = explicit_access(&in, o, &r, &expected);
	count = insn_memory(bytes, &insn, &r, out);
	if (count > INSN_MEMORY_MAX || out[INSN_MEMORY_MAX] != 1)
		test_fail(__FILE__, __LINE__, "%u accesses", count);
	if (accessed && (!count || out[0] != expected)) {
		wrong++;
		test_fail(__FILE__, __LINE__, "%s %02x %02x %02x %02x %02x %02x %02x %02x: %#llx, expected %#llx",
			  ZydisMnemonicGetString(in.mnemonic), bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5],
			  bytes[6], bytes[7], (unsigned long long)out[0], (unsigned long long)expected);
	}
}

TEST(memory, random_encodings_have_zydis_addresses)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0x64, 0x65, 0x48, 0x4f, 0x43, 0x44, 0x3e };
	static const uint8_t escapes[] = { 0x0f, 0xc4, 0xc5, 0x62, 0x62, 0x62, 0x8f };
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned i = 0; i < RANDOM && wrong < 20; i++) {
		uint64_t words[2] = { next(), next() };
		uint8_t bytes[16];
		unsigned at = 0;

		memcpy(bytes, words, 16);
		if (i & 1)
			bytes[at++] = prefixes[next() % sizeof(prefixes)];
		if (i & 2)
			bytes[at++] = prefixes[next() % sizeof(prefixes)];
		if (i & 4)
			bytes[at++] = escapes[next() % sizeof(escapes)];
		check(&d, bytes);
	}
}

/* Every EVEX opcode with every prefix, W, length and broadcast, and an 8-bit displacement. */
TEST(memory, evex_displacements_are_scaled)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (unsigned i = 0; i < 8 * 256 * 8 * 8 * 2 && wrong < 20; i++) {
		const uint8_t p0 = 0xf0 | (i & 7), op = (uint8_t)(i >> 3), p1 = (uint8_t)((i >> 11 & 4) << 5 | 0x7c | (i >> 11 & 3));
		const uint8_t p2 = (uint8_t)((i >> 14 & 7) << 4 | 8 | (i >> 17));
		const uint8_t vector[16] = { 0x62, p0, p1, p2, op, 0x43, 0x11, 0x77 };
		const uint8_t sib[16] = { 0x62, p0, p1, p2, op, 0x44, 0x8b, 0xee, 0x77 };

		check(&d, vector);
		check(&d, sib);
	}
}

struct sample {
	const char *bytes;
	unsigned size, count;
	uint64_t out[2];
};
#define SAMPLE(bytes, ...) { bytes, sizeof(bytes) - 1, __VA_ARGS__ }

/* RAX = 0x1000, RCX = 3, RDX = 0x2000, RBX = 0x3000, RSP = 0x4000 .. RDI = 0x7000, R8 = 0x8000 ..; RIP = 0x100000. */
TEST(memory, implicit_operands)
{
	static const struct sample samples[] = {
		SAMPLE("\x50", 1, { 0x3ff8 }), SAMPLE("\x66\x50", 1, { 0x3ffe }), SAMPLE("\x41\x57", 1, { 0x3ff8 }),
		SAMPLE("\x6a\x01", 1, { 0x3ff8 }), SAMPLE("\x68\1\2\3\4", 1, { 0x3ff8 }), SAMPLE("\x9c", 1, { 0x3ff8 }),
		SAMPLE("\x66\x9c", 1, { 0x3ffe }), SAMPLE("\x58", 1, { 0x4000 }), SAMPLE("\x9d", 1, { 0x4000 }),
		SAMPLE("\xe8\0\0\0\0", 1, { 0x3ff8 }), SAMPLE("\xc3", 1, { 0x4000 }), SAMPLE("\xc2\x08\0", 1, { 0x4000 }),
		SAMPLE("\xc9", 1, { 0x5000 }), SAMPLE("\xc8\x10\0\0", 1, { 0x3ff8 }),
		SAMPLE("\xff\x10", 2, { 0x1000, 0x3ff8 }), SAMPLE("\xff\xd0", 1, { 0x3ff8 }),
		SAMPLE("\xff\x30", 2, { 0x1000, 0x3ff8 }), SAMPLE("\xff\x20", 1, { 0x1000 }),
		SAMPLE("\x8f\x00", 2, { 0x1000, 0x4000 }), SAMPLE("\x8f\x04\x24", 2, { 0x4008, 0x4000 }),
		SAMPLE("\xa4", 2, { 0x6000, 0x7000 }), SAMPLE("\x64\xa4", 2, { 0x56000, 0x7000 }),
		SAMPLE("\xa6", 2, { 0x6000, 0x7000 }), SAMPLE("\xab", 1, { 0x7000 }), SAMPLE("\xad", 1, { 0x6000 }),
		SAMPLE("\xae", 1, { 0x7000 }), SAMPLE("\xf3\xa5", 2, { 0x6000, 0x7000 }),
		SAMPLE("\x65\xd7", 1, { 0x93000 }), SAMPLE("\xa1\1\2\3\4\5\6\0\0", 1, { 0x60504030201 }),
		SAMPLE("\x67\xa1\1\2\3\4", 1, { 0x4030201 }), SAMPLE("\x0f\xa0", 1, { 0x3ff8 }),
		SAMPLE("\x0f\xf7\xc1", 1, { 0x7000 }), SAMPLE("\xc5\xf9\xf7\xc1", 1, { 0x7000 }),
		SAMPLE("\x66\x0f\x38\xf8\x08", 2, { 0x1000, 3 }),
		SAMPLE("\x8d\x00", 0, { 0 }), SAMPLE("\x0f\x1f\x00", 0, { 0 }), SAMPLE("\x0f\x18\x08", 0, { 0 }),
		SAMPLE("\x90", 0, { 0 }), SAMPLE("\x01\xc0", 0, { 0 }), SAMPLE("\xeb\x00", 0, { 0 }),
		SAMPLE("\x8b\x05\x10\0\0\0", 1, { 0x100016 }), SAMPLE("\x64\x48\x8b\x04\x25\x28\0\0\0", 1, { 0x50028 }),
		SAMPLE("\x67\x43\x8b\x04\x25\x10\0\0\0", 1, { 0xc010 }),
		SAMPLE("\x0f\xa3\x10", 1, { 0x1400 }),		/* bit 0x2000 is in the doubleword 0x400 bytes on */
		SAMPLE("\x48\x0f\xab\x08", 1, { 0x1000 }), SAMPLE("\x0f\xba\x20\x7f", 1, { 0x1000 }),
		SAMPLE("\xc4\xe2\x69\x90\x04\x08", 1, { 0x1000 }),	/* a gather: its base */
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		struct insn_regs r = { .rip = 0x100000, .fsbase = 0x50000, .gsbase = 0x90000 };
		uint64_t out[INSN_MEMORY_MAX] = { 0 };
		uint8_t bytes[16] = { 0 };
		struct insn insn;
		unsigned count;

		for (unsigned g = 0; g < 16; g++)
			r.gpr[g] = g * 0x1000;
		r.gpr[0] = 0x1000, r.gpr[1] = 3;
		memcpy(bytes, s->bytes, s->size);
		ASSERT_TRUE(insn_decode(bytes, 15, &insn));
		EXPECT_EQ(insn.length, s->size);
		count = insn_memory(bytes, &insn, &r, out);
		if (count != s->count || (count && out[0] != s->out[0]) || (count > 1 && out[1] != s->out[1]))
			test_fail(__FILE__, __LINE__, "sample %zu: %u accesses, %#llx %#llx", i, count,
				  (unsigned long long)out[0], (unsigned long long)out[1]);
	}
}

/* A repeated string instruction that has nothing left to do. */
TEST(memory, repeated_string_of_no_turns)
{
	static const uint8_t bytes[15] = { 0xf3, 0xa4 };
	struct insn_regs r = { .gpr = { [6] = 1, [7] = 2 } };
	uint64_t out[INSN_MEMORY_MAX];
	struct insn insn;

	ASSERT_TRUE(insn_decode(bytes, 15, &insn));
	EXPECT_EQ(insn_memory(bytes, &insn, &r, out), 0);
	r.gpr[1] = 1;
	EXPECT_EQ(insn_memory(bytes, &insn, &r, out), 2);
}
