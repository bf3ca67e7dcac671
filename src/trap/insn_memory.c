/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that an instruction accesses: SDM 2, chapters 2 (ModRM, SIB, EVEX) and 3 (implicit operands). */
#include "trap/insn.h"

#include <stddef.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define NIBBLE(word, i)	((word) >> (4 * (i)) & 15)

/*
 * What an EVEX disp8 is multiplied by. codes has a nibble for each prefix and W (index 2 * pp + W): 1..6 for 1 to 32
 * bytes; else so much per vector length, with a broadcast's element size: half means half a vector.
 */
enum { EIGHTH = 7, QUARTER16, HALF, FULL, MOVDDUP, FULL16, HALF16 };
static const struct evex_scale {
	uint8_t map, first, last;
	uint32_t codes;
} evex_scale[] = {
	{ 1, 0x10, 0x11, 0x4003a00a }, { 1, 0x12, 0x12, 0xb00a4004 }, { 1, 0x13, 0x13, 0x00004004 },
	{ 1, 0x14, 0x15, 0x0000a00a }, { 1, 0x16, 0x16, 0x000a4004 }, { 1, 0x17, 0x17, 0x00004004 },
	{ 1, 0x28, 0x29, 0x0000a00a }, { 1, 0x2a, 0x2a, 0x43430000 }, { 1, 0x2b, 0x2b, 0x0000a00a },
	{ 1, 0x2c, 0x2d, 0x44330000 }, { 1, 0x2e, 0x2f, 0x00004003 }, { 1, 0x51, 0x51, 0x4003a00a },
	{ 1, 0x54, 0x57, 0x0000a00a }, { 1, 0x58, 0x59, 0x4003a00a }, { 1, 0x5a, 0x5a, 0x4003a009 },
	{ 1, 0x5b, 0x5b, 0x000a0aaa }, { 1, 0x5c, 0x5f, 0x4003a00a }, { 1, 0x60, 0x61, 0x0000aa00 },
	{ 1, 0x62, 0x62, 0x00000a00 }, { 1, 0x63, 0x65, 0x0000aa00 }, { 1, 0x66, 0x66, 0x00000a00 },
	{ 1, 0x67, 0x69, 0x0000aa00 }, { 1, 0x6a, 0x6b, 0x00000a00 }, { 1, 0x6c, 0x6d, 0x0000a000 },
	{ 1, 0x6e, 0x6e, 0x00004300 }, { 1, 0x6f, 0x6f, 0xaaaaaa00 }, { 1, 0x70, 0x70, 0xaaaa0a00 },
	{ 1, 0x71, 0x75, 0x0000aa00 }, { 1, 0x76, 0x76, 0x00000a00 }, { 1, 0x78, 0x79, 0x4433a9aa },
	{ 1, 0x7a, 0x7a, 0xaaa9a900 }, { 1, 0x7b, 0x7b, 0x4343a900 }, { 1, 0x7e, 0x7e, 0x00404300 },
	{ 1, 0x7f, 0x7f, 0xaaaaaa00 }, { 1, 0xc2, 0xc2, 0x4003a00a }, { 1, 0xc4, 0xc4, 0x00002200 },
	{ 1, 0xc6, 0xc6, 0x0000a00a }, { 1, 0xd1, 0xd1, 0x00005500 }, { 1, 0xd2, 0xd2, 0x00000500 },
	{ 1, 0xd3, 0xd3, 0x00005000 }, { 1, 0xd4, 0xd4, 0x0000a000 }, { 1, 0xd5, 0xd5, 0x0000aa00 },
	{ 1, 0xd6, 0xd6, 0x00004000 }, { 1, 0xd8, 0xe0, 0x0000aa00 }, { 1, 0xe1, 0xe2, 0x00005500 },
	{ 1, 0xe3, 0xe5, 0x0000aa00 }, { 1, 0xe6, 0xe6, 0xa0a9a000 }, { 1, 0xe7, 0xe7, 0x00000a00 },
	{ 1, 0xe8, 0xef, 0x0000aa00 }, { 1, 0xf1, 0xf1, 0x00005500 }, { 1, 0xf2, 0xf2, 0x00000500 },
	{ 1, 0xf3, 0xf3, 0x00005000 }, { 1, 0xf4, 0xf4, 0x0000a000 }, { 1, 0xf5, 0xf6, 0x0000aa00 },
	{ 1, 0xf8, 0xf9, 0x0000aa00 }, { 1, 0xfa, 0xfa, 0x00000a00 }, { 1, 0xfb, 0xfb, 0x0000a000 },
	{ 1, 0xfc, 0xfd, 0x0000aa00 }, { 1, 0xfe, 0xfe, 0x00000a00 }, { 2, 0x00, 0x00, 0x0000aa00 },
	{ 2, 0x04, 0x04, 0x0000aa00 }, { 2, 0x0b, 0x0b, 0x0000aa00 }, { 2, 0x0c, 0x0c, 0x00000a00 },
	{ 2, 0x0d, 0x0d, 0x0000a000 }, { 2, 0x10, 0x10, 0x0009a000 }, { 2, 0x11, 0x11, 0x0008a000 },
	{ 2, 0x12, 0x12, 0x0007a000 }, { 2, 0x13, 0x13, 0x00090900 }, { 2, 0x14, 0x14, 0x0008aa00 },
	{ 2, 0x15, 0x15, 0x0009aa00 }, { 2, 0x16, 0x16, 0x0000aa00 }, { 2, 0x18, 0x18, 0x00000300 },
	{ 2, 0x19, 0x19, 0x00004400 }, { 2, 0x1a, 0x1a, 0x00005500 }, { 2, 0x1b, 0x1b, 0x00006600 },
	{ 2, 0x1c, 0x1d, 0x0000aa00 }, { 2, 0x1e, 0x1e, 0x00000a00 }, { 2, 0x1f, 0x1f, 0x0000a000 },
	{ 2, 0x20, 0x20, 0x00099900 }, { 2, 0x21, 0x21, 0x00088800 }, { 2, 0x22, 0x22, 0x00077700 },
	{ 2, 0x23, 0x23, 0x00099900 }, { 2, 0x24, 0x24, 0x00088800 }, { 2, 0x25, 0x25, 0x00090900 },
	{ 2, 0x26, 0x27, 0x00aaaa00 }, { 2, 0x28, 0x29, 0x0000a000 }, { 2, 0x2a, 0x2b, 0x00000a00 },
	{ 2, 0x2c, 0x2c, 0x0000aa00 }, { 2, 0x2d, 0x2d, 0x00004300 }, { 2, 0x30, 0x30, 0x00099900 },
	{ 2, 0x31, 0x31, 0x00088800 }, { 2, 0x32, 0x32, 0x00077700 }, { 2, 0x33, 0x33, 0x00099900 },
	{ 2, 0x34, 0x34, 0x00088800 }, { 2, 0x35, 0x35, 0x00090900 }, { 2, 0x36, 0x36, 0x0000aa00 },
	{ 2, 0x37, 0x37, 0x0000a000 }, { 2, 0x38, 0x40, 0x0000aa00 }, { 2, 0x42, 0x42, 0x0000aa00 },
	{ 2, 0x43, 0x43, 0x00004300 }, { 2, 0x44, 0x47, 0x0000aa00 }, { 2, 0x4c, 0x4c, 0x0000aa00 },
	{ 2, 0x4d, 0x4d, 0x00004300 }, { 2, 0x4e, 0x4e, 0x0000aa00 }, { 2, 0x4f, 0x4f, 0x00004300 },
	{ 2, 0x50, 0x51, 0x00000a00 }, { 2, 0x52, 0x52, 0x050a0a00 }, { 2, 0x53, 0x53, 0x05000a00 },
	{ 2, 0x54, 0x55, 0x0000aa00 }, { 2, 0x58, 0x58, 0x00000300 }, { 2, 0x59, 0x59, 0x00004400 },
	{ 2, 0x5a, 0x5a, 0x00005500 }, { 2, 0x5b, 0x5b, 0x00006600 }, { 2, 0x62, 0x63, 0x00002100 },
	{ 2, 0x64, 0x66, 0x0000aa00 }, { 2, 0x68, 0x68, 0xaa000000 }, { 2, 0x70, 0x70, 0x0000a000 },
	{ 2, 0x71, 0x71, 0x0000aa00 }, { 2, 0x72, 0x72, 0x0a0aa000 }, { 2, 0x73, 0x73, 0x0000aa00 },
	{ 2, 0x75, 0x77, 0x0000aa00 }, { 2, 0x78, 0x78, 0x00000100 }, { 2, 0x79, 0x79, 0x00000200 },
	{ 2, 0x7d, 0x7f, 0x0000aa00 }, { 2, 0x83, 0x83, 0x0000a000 }, { 2, 0x88, 0x8b, 0x00004300 },
	{ 2, 0x8d, 0x8d, 0x0000aa00 }, { 2, 0x8f, 0x8f, 0x00000a00 }, { 2, 0x90, 0x93, 0x00004300 },
	{ 2, 0x96, 0x98, 0x0000aa00 }, { 2, 0x99, 0x99, 0x00004300 }, { 2, 0x9a, 0x9a, 0x0500aa00 },
	{ 2, 0x9b, 0x9b, 0x05004300 }, { 2, 0x9c, 0x9c, 0x0000aa00 }, { 2, 0x9d, 0x9d, 0x00004300 },
	{ 2, 0x9e, 0x9e, 0x0000aa00 }, { 2, 0x9f, 0xa3, 0x00004300 }, { 2, 0xa6, 0xa8, 0x0000aa00 },
	{ 2, 0xa9, 0xa9, 0x00004300 }, { 2, 0xaa, 0xaa, 0x0500aa00 }, { 2, 0xab, 0xab, 0x05004300 },
	{ 2, 0xac, 0xac, 0x0000aa00 }, { 2, 0xad, 0xad, 0x00004300 }, { 2, 0xae, 0xae, 0x0000aa00 },
	{ 2, 0xaf, 0xaf, 0x00004300 }, { 2, 0xb4, 0xb5, 0x0000a000 }, { 2, 0xb6, 0xb8, 0x0000aa00 },
	{ 2, 0xb9, 0xb9, 0x00004300 }, { 2, 0xba, 0xba, 0x0000aa00 }, { 2, 0xbb, 0xbb, 0x00004300 },
	{ 2, 0xbc, 0xbc, 0x0000aa00 }, { 2, 0xbd, 0xbd, 0x00004300 }, { 2, 0xbe, 0xbe, 0x0000aa00 },
	{ 2, 0xbf, 0xbf, 0x00004300 }, { 2, 0xc4, 0xc4, 0x0000aa00 }, { 2, 0xc6, 0xc7, 0x00004300 },
	{ 2, 0xc8, 0xc8, 0x0000aa00 }, { 2, 0xca, 0xca, 0x0000aa00 }, { 2, 0xcb, 0xcb, 0x00004300 },
	{ 2, 0xcc, 0xcc, 0x0000aa00 }, { 2, 0xcd, 0xcd, 0x00004300 }, { 2, 0xcf, 0xcf, 0x00000a00 },
	{ 2, 0xdc, 0xdf, 0x0000aa00 }, { 3, 0x00, 0x01, 0x0000a000 }, { 3, 0x03, 0x03, 0x0000aa00 },
	{ 3, 0x04, 0x04, 0x00000a00 }, { 3, 0x05, 0x05, 0x0000a000 }, { 3, 0x08, 0x08, 0x00000a0c },
	{ 3, 0x09, 0x09, 0x0000a000 }, { 3, 0x0a, 0x0a, 0x00000302 }, { 3, 0x0b, 0x0b, 0x00004000 },
	{ 3, 0x0f, 0x0f, 0x0000aa00 }, { 3, 0x14, 0x14, 0x00001100 }, { 3, 0x15, 0x15, 0x00002200 },
	{ 3, 0x16, 0x16, 0x00004300 }, { 3, 0x17, 0x17, 0x00003300 }, { 3, 0x18, 0x19, 0x00005500 },
	{ 3, 0x1a, 0x1b, 0x00006600 }, { 3, 0x1d, 0x1d, 0x00000900 }, { 3, 0x1e, 0x1f, 0x0000aa00 },
	{ 3, 0x20, 0x20, 0x00001100 }, { 3, 0x21, 0x21, 0x00000300 }, { 3, 0x22, 0x22, 0x00004300 },
	{ 3, 0x23, 0x23, 0x0000aa00 }, { 3, 0x25, 0x25, 0x0000aa00 }, { 3, 0x26, 0x26, 0x0000aa0c },
	{ 3, 0x27, 0x27, 0x00004302 }, { 3, 0x38, 0x39, 0x00005500 }, { 3, 0x3a, 0x3b, 0x00006600 },
	{ 3, 0x3e, 0x3f, 0x0000aa00 }, { 3, 0x42, 0x42, 0x00000a00 }, { 3, 0x43, 0x44, 0x0000aa00 },
	{ 3, 0x50, 0x50, 0x0000aa00 }, { 3, 0x51, 0x51, 0x00004300 }, { 3, 0x54, 0x54, 0x0000aa00 },
	{ 3, 0x55, 0x55, 0x00004300 }, { 3, 0x56, 0x56, 0x0000aa0c }, { 3, 0x57, 0x57, 0x00004302 },
	{ 3, 0x66, 0x66, 0x0000aa0c }, { 3, 0x67, 0x67, 0x00004302 }, { 3, 0x70, 0x70, 0x0000a000 },
	{ 3, 0x71, 0x71, 0x0000aa00 }, { 3, 0x72, 0x72, 0x0000a000 }, { 3, 0x73, 0x73, 0x0000aa00 },
	{ 3, 0xc2, 0xc2, 0x0002000c }, { 3, 0xce, 0xcf, 0x0000a000 }, { 5, 0x10, 0x11, 0x00020000 },
	{ 5, 0x1d, 0x1d, 0x00000a03 }, { 5, 0x2a, 0x2a, 0x00430000 }, { 5, 0x2c, 0x2d, 0x00220000 },
	{ 5, 0x2e, 0x2f, 0x00000002 }, { 5, 0x51, 0x51, 0x0002000c }, { 5, 0x58, 0x59, 0x0002000c },
	{ 5, 0x5a, 0x5a, 0x4002a008 }, { 5, 0x5b, 0x5b, 0x000d0daa }, { 5, 0x5c, 0x5f, 0x0002000c },
	{ 5, 0x6e, 0x6e, 0x00002200 }, { 5, 0x78, 0x79, 0x0022080d }, { 5, 0x7a, 0x7a, 0xaa000800 },
	{ 5, 0x7b, 0x7b, 0x00430800 }, { 5, 0x7c, 0x7c, 0x00000c0c }, { 5, 0x7d, 0x7d, 0x0c0c0c0c },
	{ 5, 0x7e, 0x7e, 0x00002200 }, { 6, 0x13, 0x13, 0x00000d02 }, { 6, 0x2c, 0x2c, 0x00000c00 },
	{ 6, 0x2d, 0x2d, 0x00000200 }, { 6, 0x42, 0x42, 0x00000c00 }, { 6, 0x43, 0x43, 0x00000200 },
	{ 6, 0x4c, 0x4c, 0x00000c00 }, { 6, 0x4d, 0x4d, 0x00000200 }, { 6, 0x4e, 0x4e, 0x00000c00 },
	{ 6, 0x4f, 0x4f, 0x00000200 }, { 6, 0x56, 0x56, 0x0a0a0000 }, { 6, 0x57, 0x57, 0x03030000 },
	{ 6, 0x96, 0x98, 0x00000c00 }, { 6, 0x99, 0x99, 0x00000200 }, { 6, 0x9a, 0x9a, 0x00000c00 },
	{ 6, 0x9b, 0x9b, 0x00000200 }, { 6, 0x9c, 0x9c, 0x00000c00 }, { 6, 0x9d, 0x9d, 0x00000200 },
	{ 6, 0x9e, 0x9e, 0x00000c00 }, { 6, 0x9f, 0x9f, 0x00000200 }, { 6, 0xa6, 0xa8, 0x00000c00 },
	{ 6, 0xa9, 0xa9, 0x00000200 }, { 6, 0xaa, 0xaa, 0x00000c00 }, { 6, 0xab, 0xab, 0x00000200 },
	{ 6, 0xac, 0xac, 0x00000c00 }, { 6, 0xad, 0xad, 0x00000200 }, { 6, 0xae, 0xae, 0x00000c00 },
	{ 6, 0xaf, 0xaf, 0x00000200 }, { 6, 0xb6, 0xb8, 0x00000c00 }, { 6, 0xb9, 0xb9, 0x00000200 },
	{ 6, 0xba, 0xba, 0x00000c00 }, { 6, 0xbb, 0xbb, 0x00000200 }, { 6, 0xbc, 0xbc, 0x00000c00 },
	{ 6, 0xbd, 0xbd, 0x00000200 }, { 6, 0xbe, 0xbe, 0x00000c00 }, { 6, 0xbf, 0xbf, 0x00000200 },
	{ 6, 0xd6, 0xd6, 0x0a0a0000 }, { 6, 0xd7, 0xd7, 0x03030000 },
};

/* The address being worked out: prefixes and extension bits of all encodings alike. */
struct form {
	const uint8_t *bytes;
	const struct insn *insn;
	const struct insn_regs *regs;
	uint64_t segment;
	unsigned int b, x, r;		/* 8 or 0: added to base, index, reg */
	uint64_t mask;			/* of the address size */
	uint64_t rsp;			/* as the operand sees it */
};

static uint64_t evex_disp8_scale(const struct form *f)
{
	const uint8_t *p = f->bytes + f->insn->opcode_at;
	const unsigned int w = p[2] >> 7, pp = p[2] & 3, length = p[3] >> 5 & 3, broadcast = p[3] >> 4 & 1;
	unsigned int i, code = 0;

	for (i = 0; i < sizeof(evex_scale) / sizeof(evex_scale[0]); i++) {
		const struct evex_scale *s = &evex_scale[i];

		if (s->map == f->insn->map && f->insn->opcode >= s->first && f->insn->opcode <= s->last) {
			code = NIBBLE(s->codes, 2 * pp + w);
			break;
		}
	}
	if (code >= EIGHTH && broadcast)
		return code == QUARTER16 || code >= FULL16 ? 2 : w ? 8 : 4;
	switch (code) {
	case 0:
		return 1;
	case EIGHTH:
		return UINT64_C(2) << length;
	case QUARTER16:
		return UINT64_C(4) << length;
	case HALF:
	case HALF16:
		return UINT64_C(8) << length;
	case FULL:
	case FULL16:
		return UINT64_C(16) << length;
	case MOVDDUP:
		return length ? UINT64_C(16) << length : 8;
	default:
		return UINT64_C(1) << (code - 1);
	}
}

static void form_init(struct form *f, const uint8_t *bytes, const struct insn *insn, const struct insn_regs *regs)
{
	const uint8_t *p = bytes + insn->opcode_at;
	unsigned int i;

	*f = (struct form){ .bytes = bytes, .insn = insn, .regs = regs, .rsp = regs->gpr[RSP] };
	f->mask = insn->prefixes & INSN_PREFIX_67 ? UINT32_MAX : UINT64_MAX;
	for (i = 0; i < insn->opcode_at; i++)
		f->segment = bytes[i] == 0x64 ? regs->fsbase : bytes[i] == 0x65 ? regs->gsbase : f->segment;
	if (insn->encoding == INSN_LEGACY) {
		f->b = insn->rex & 1 ? 8 : 0;
		f->x = insn->rex & 2 ? 8 : 0;
		f->r = insn->rex & 4 ? 8 : 0;
	} else if (*p != 0xc5) {		/* VEX of three bytes, EVEX, XOP: the same bits, inverted */
		f->b = p[1] & 0x20 ? 0 : 8;
		f->x = p[1] & 0x40 ? 0 : 8;
		f->r = p[1] & 0x80 ? 0 : 8;
	}
}

static int64_t displacement(const uint8_t *at, unsigned int size)
{
	uint32_t v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (uint32_t)at[i] << (8 * i);
	return size == 1 ? (int8_t)v : (int32_t)v;
}

/* Is the SIB index a vector, or a stride of tiles? Then the address is that of the base. */
static bool vector_index(const struct insn *insn)
{
	const uint8_t op = insn->opcode;

	if (insn->encoding == INSN_LEGACY || insn->encoding == INSN_XOP || insn->map != 2)
		return false;
	return (op >= 0x90 && op <= 0x93) ||
	       (insn->encoding == INSN_EVEX ? (op >= 0xa0 && op <= 0xa3) || op == 0xc6 || op == 0xc7 : op == 0x4b);
}

static uint64_t modrm_address(const struct form *f)
{
	const struct insn *insn = f->insn;
	const uint8_t *at = f->bytes + insn->modrm_at + 1;
	const unsigned int mod = insn->modrm >> 6, rm = insn->modrm & 7;
	unsigned int base = rm, size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	uint64_t address = 0, scale = 1;

	if (!mod && rm == 5)			/* RIP-relative */
		return f->segment + ((f->regs->rip + insn->length + (uint64_t)displacement(at, 4)) & f->mask);
	if (rm == 4) {
		const uint8_t sib = *at++;
		const unsigned int index = (sib >> 3 & 7) | f->x;

		base = sib & 7;
		if (index != RSP && !vector_index(insn))
			address = f->regs->gpr[index] << (sib >> 6);
		if (!mod && base == 5)
			size = 4;
	}
	if (mod || base != 5)
		address += (base | f->b) == RSP ? f->rsp : f->regs->gpr[base | f->b];
	if (size == 1 && insn->encoding == INSN_EVEX)
		scale = evex_disp8_scale(f);
	if (size)
		address += (uint64_t)displacement(at, size) * scale;
	return f->segment + (address & f->mask);
}

static unsigned int operand_size(const struct insn *insn)
{
	return insn->rex & 8 ? 8 : insn->prefixes & INSN_PREFIX_66 ? 2 : 4;
}

/* BT and its kind with a register: the bit may be far from the operand. */
static uint64_t bit_offset(const struct form *f)
{
	const unsigned int size = operand_size(f->insn), shift = size == 8 ? 6 : size == 4 ? 5 : 4;
	const uint64_t reg = f->regs->gpr[(f->insn->modrm >> 3 & 7) | f->r];
	const int64_t bit = size == 8 ? (int64_t)reg : size == 4 ? (int32_t)reg : (int16_t)reg;

	return (uint64_t)((bit >> shift) * (int64_t)size);
}

/* ModRM operands that are no access: LEA, and the hints among them. */
static bool address_only(const struct insn *insn)
{
	if (insn->encoding != INSN_LEGACY)
		return false;
	return (!insn->map && insn->opcode == 0x8d) ||
	       (insn->map == 1 && (insn->opcode == 0x0d || (insn->opcode >= 0x18 && insn->opcode <= 0x1f)));
}

struct list {
	uint64_t *out;
	unsigned int count;
};

static void add(struct list *l, uint64_t address)
{
	l->out[l->count++] = address;
}

static uint64_t source(const struct form *f, unsigned int reg)
{
	return f->segment + (f->regs->gpr[reg] & f->mask);
}

static uint64_t destination(const struct form *f)	/* ES: no override applies */
{
	return f->regs->gpr[RDI] & f->mask;
}

static void strings(const struct form *f, struct list *l)
{
	if (f->insn->prefixes & (INSN_PREFIX_F2 | INSN_PREFIX_F3) && !(f->regs->gpr[RCX] & f->mask))
		return;
	switch (f->insn->opcode & ~1) {
	case 0xa4:
	case 0xa6:
		add(l, source(f, RSI));
		add(l, destination(f));
		break;
	case 0x6e:
	case 0xac:
		add(l, source(f, RSI));
		break;
	default:
		add(l, destination(f));
	}
}

static void implicit_map0(const struct form *f, struct list *l)
{
	const uint64_t rsp = f->regs->gpr[RSP];
	const unsigned int reg = f->insn->modrm >> 3 & 7;
	const uint64_t size = f->insn->prefixes & INSN_PREFIX_66 && !(f->insn->rex & 8) ? 2 : 8;

	switch (f->insn->opcode) {
	case 0x50 ... 0x57: case 0x68: case 0x6a: case 0x9c:
		add(l, rsp - size);
		break;
	case 0xc8: case 0xe8:			/* ENTER: the frame pointer; CALL has no 16-bit form */
		add(l, rsp - (f->insn->opcode == 0xe8 ? 8 : size));
		break;
	case 0xff:
		if (reg == 2 || reg == 6)
			add(l, rsp - (reg == 2 ? 8 : size));
		break;
	case 0x58 ... 0x5f: case 0x8f: case 0x9d: case 0xc2: case 0xc3: case 0xca: case 0xcb: case 0xcf:
		add(l, rsp);
		break;
	case 0xc9:
		add(l, f->regs->gpr[RBP]);
		break;
	case 0x6c ... 0x6f: case 0xa4 ... 0xa7: case 0xaa ... 0xaf:
		strings(f, l);
		break;
	case 0xa0 ... 0xa3: {			/* an absolute address */
		const uint8_t *at = f->bytes + f->insn->opcode_at + 1;
		uint64_t low = (uint32_t)displacement(at, 4);

		if (f->mask == UINT64_MAX)
			low |= (uint64_t)(uint32_t)displacement(at + 4, 4) << 32;
		add(l, f->segment + low);
		break;
	}
	case 0xd7:
		add(l, f->segment + ((f->regs->gpr[RBX] + (uint8_t)f->regs->gpr[RAX]) & f->mask));
		break;
	}
}

static void implicit(const struct form *f, struct list *l)
{
	const struct insn *insn = f->insn;
	const uint64_t rsp = f->regs->gpr[RSP];
	const uint64_t size = insn->prefixes & INSN_PREFIX_66 && !(insn->rex & 8) ? 2 : 8;

	if (insn->map == 1 && insn->opcode == 0xf7 && insn->encoding != INSN_EVEX && insn->encoding != INSN_XOP) {
		add(l, source(f, RDI));		/* MASKMOVQ, MASKMOVDQU */
		return;
	}
	if (insn->encoding != INSN_LEGACY)
		return;
	if (!insn->map) {
		implicit_map0(f, l);
	} else if (insn->map == 1 && (insn->opcode == 0xa0 || insn->opcode == 0xa8)) {
		add(l, rsp - size);
	} else if (insn->map == 1 && (insn->opcode == 0xa1 || insn->opcode == 0xa9)) {
		add(l, rsp);
	} else if (insn->map == 2 && insn->opcode == 0xf8 && l->count) {	/* MOVDIR64B, ENQCMD: to ES:reg */
		add(l, f->regs->gpr[(insn->modrm >> 3 & 7) | f->r] & f->mask);
	}
}

unsigned int insn_memory(const uint8_t *bytes, const struct insn *insn, const struct insn_regs *regs,
			 uint64_t out[INSN_MEMORY_MAX])
{
	struct list l = { .out = out };
	const bool legacy = insn->encoding == INSN_LEGACY;
	struct form f;

	form_init(&f, bytes, insn, regs);
	if (insn->modrm_at && insn->modrm >> 6 != 3 && !address_only(insn) &&
	    !(legacy && insn->map == 1 && insn->opcode >= 0x20 && insn->opcode <= 0x23)) {
		if (legacy && !insn->map && insn->opcode == 0x8f)	/* POP: RSP as it is afterwards */
			f.rsp += insn->prefixes & INSN_PREFIX_66 && !(insn->rex & 8) ? 2 : 8;
		add(&l, modrm_address(&f));
		if (legacy && insn->map == 1 && (insn->opcode & 0xe7) == 0xa3)	/* A3 AB B3 BB */
			l.out[0] += bit_offset(&f);
	}
	implicit(&f, &l);
	return l.count;
}
