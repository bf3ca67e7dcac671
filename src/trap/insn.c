/* SPDX-License-Identifier: BSD-2-Clause */
/* Instruction lengths and kinds. SDM 2, chapter 2 and appendix A. */
#include "trap/insn.h"

#include <stddef.h>

/* What follows an opcode. The letters keep the tables readable at a glance. */
enum {
	N,	/* nothing */
	M,	/* ModRM */
	I,	/* ModRM, imm8 */
	Z,	/* ModRM, imm16 or imm32 by operand size */
	R,	/* ModRM whose mod field is ignored: always registers */
	b,	/* imm8 */
	w,	/* imm16 */
	z,	/* imm16 or imm32 by operand size */
	d,	/* rel32 */
	v,	/* imm16, imm32 or imm64 by operand size */
	o,	/* moffs: by address size */
	e,	/* ENTER: imm16, imm8 */
	G,	/* group 3: ModRM; TEST has an immediate as large as the operand */
	X,	/* not in 64-bit mode, or a prefix or escape that insn_decode() handles before it comes here */
};

static const uint8_t map0[256] = {
	M, M, M, M, b, z, X, X, M, M, M, M, b, z, X, X,
	M, M, M, M, b, z, X, X, M, M, M, M, b, z, X, X,
	M, M, M, M, b, z, X, X, M, M, M, M, b, z, X, X,
	M, M, M, M, b, z, X, X, M, M, M, M, b, z, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	X, X, X, M, X, X, X, X, z, Z, b, I, N, N, N, N,
	b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b,
	I, Z, X, I, M, M, M, M, M, M, M, M, M, M, M, M,
	N, N, N, N, N, N, N, N, N, N, X, N, N, N, N, N,
	o, o, o, o, N, N, N, N, b, z, N, N, N, N, N, N,
	b, b, b, b, b, b, b, b, v, v, v, v, v, v, v, v,
	I, I, w, N, X, X, I, Z, e, N, w, N, N, b, X, N,
	M, M, M, M, X, X, X, N, M, M, M, M, M, M, M, M,
	b, b, b, b, b, b, b, b, d, d, X, b, N, N, N, N,
	X, N, X, X, N, N, G, G, N, N, N, N, N, N, M, M,
};

static const uint8_t map1[256] = {
	M, M, M, M, X, N, N, N, N, N, X, N, X, M, N, I,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	R, R, R, R, X, X, X, X, M, M, M, M, M, M, M, M,
	N, N, N, N, N, N, X, N, X, X, X, X, X, X, X, X,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	I, I, I, I, M, M, M, N, M, M, X, X, M, M, M, M,
	d, d, d, d, d, d, d, d, d, d, d, d, d, d, d, d,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	N, N, N, M, I, M, M, M, N, N, N, M, I, M, M, M,
	M, M, M, M, M, M, M, M, M, M, I, M, M, M, M, M,
	M, M, I, M, I, I, I, M, N, N, N, N, N, N, N, N,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};

struct cursor {
	const uint8_t *bytes;
	unsigned int at, end;
	bool short_of_bytes;
};

static uint8_t take(struct cursor *c)
{
	if (c->at >= c->end) {
		c->short_of_bytes = true;
		return 0;
	}
	return c->bytes[c->at++];
}

static void skip(struct cursor *c, unsigned int count)
{
	if (count > c->end - c->at)
		c->short_of_bytes = true;
	else
		c->at += count;
}

static unsigned int mod(uint8_t modrm)
{
	return modrm >> 6;
}

static unsigned int reg(uint8_t modrm)
{
	return modrm >> 3 & 7;
}

static void take_modrm(struct cursor *c, struct insn *insn, bool registers_only)
{
	unsigned int rm;

	insn->modrm_at = (uint8_t)c->at;
	insn->modrm = take(c);
	rm = insn->modrm & 7;
	if (registers_only || mod(insn->modrm) == 3)
		return;
	if (rm == 4) {
		uint8_t sib = take(c);

		if (!mod(insn->modrm) && (sib & 7) == 5)
			skip(c, 4);
	} else if (!mod(insn->modrm) && rm == 5) {
		skip(c, 4);
	}
	if (mod(insn->modrm) == 1)
		skip(c, 1);
	else if (mod(insn->modrm) == 2)
		skip(c, 4);
}

static void take_operands(struct cursor *c, struct insn *insn, unsigned int form)
{
	const bool wide = insn->rex & 8, narrow = !wide && insn->prefixes & INSN_PREFIX_66;

	if (form == M || form == I || form == Z || form == R || form == G)
		take_modrm(c, insn, form == R);
	switch (form) {
	case I:
	case b:
		skip(c, 1);
		break;
	case w:
		skip(c, 2);
		break;
	case Z:
	case z:
		skip(c, narrow ? 2 : 4);
		break;
	case d:
		skip(c, 4);
		break;
	case v:
		skip(c, wide ? 8 : narrow ? 2 : 4);
		break;
	case o:
		skip(c, insn->prefixes & INSN_PREFIX_67 ? 4 : 8);
		break;
	case e:
		skip(c, 3);
		break;
	case G:
		if (reg(insn->modrm) < 2)
			skip(c, insn->opcode == 0xf6 ? 1 : narrow ? 2 : 4);
		break;
	}
}

/* VEX, EVEX and XOP: the opcode map and opcode are in place, the operands follow. */
static bool take_vector(struct cursor *c, struct insn *insn)
{
	unsigned int form = M;

	/* With these before it the encoding is #UD. */
	if (insn->rex || insn->prefixes & ~INSN_PREFIX_67)
		return false;
	if (insn->encoding == INSN_XOP) {
		if (insn->map > 10)
			return false;
		take_modrm(c, insn, false);
		skip(c, insn->map == 8 ? 1 : insn->map == 10 ? 4 : 0);
		return true;
	}
	switch (insn->map) {
	case 1:
		if (insn->opcode == 0x77 && insn->encoding == INSN_VEX)
			form = N;
		else if (map1[insn->opcode] == I)
			form = I;
		break;
	case 2:
		break;
	case 3:
		form = I;
		break;
	case 5:
	case 6:
		if (insn->encoding == INSN_EVEX)
			break;
		return false;
	default:
		return false;
	}
	take_operands(c, insn, form);
	return true;
}

/* Forms whose ModRM byte names no instruction. */
static bool undefined_form(const struct insn *insn)
{
	const unsigned int r = reg(insn->modrm), m = mod(insn->modrm);

	if (insn->map)
		return false;
	switch (insn->opcode) {
	case 0x8c:
		return r > 5;
	case 0x8d:
		return m == 3;
	case 0x8e:
		return r == 1 || r > 5;
	case 0x8f:
		return r != 0;
	case 0xc6:
	case 0xc7:
		return r != 0 && insn->modrm != 0xf8;	/* XABORT, XBEGIN */
	case 0xfe:
		return r > 1;
	case 0xff:
		return r == 7 || ((r == 3 || r == 5) && m == 3);
	}
	return false;
}

static enum insn_kind kind_map0(const struct insn *insn)
{
	switch (insn->opcode) {
	case 0x6c: case 0x6d:
		return INSN_INS;
	case 0x6e: case 0x6f:
		return INSN_OUTS;
	case 0x8e:
		return INSN_MOV_SEGMENT;
	case 0xca: case 0xcb:
		return INSN_FAR_RET;
	case 0xcc:
		return INSN_INT3;
	case 0xcd:
		return INSN_INT;
	case 0xcf:
		return INSN_IRET;
	case 0xe4: case 0xe5: case 0xec: case 0xed:
		return INSN_IN;
	case 0xe6: case 0xe7: case 0xee: case 0xef:
		return INSN_OUT;
	case 0xf1:
		return INSN_INT1;
	case 0xf4:
		return INSN_HLT;
	case 0xff:
		return reg(insn->modrm) == 3 ? INSN_FAR_CALL : reg(insn->modrm) == 5 ? INSN_FAR_JMP : INSN_OTHER;
	}
	return INSN_OTHER;
}

static enum insn_kind kind_0f01(uint8_t modrm, bool bare)
{
	if (mod(modrm) != 3 && reg(modrm) < 2)
		return reg(modrm) ? INSN_SIDT : INSN_SGDT;
	if (reg(modrm) == 4)
		return INSN_SMSW;
	if (modrm == 0xf9)
		return INSN_RDTSCP;
	if (!bare)
		return INSN_OTHER;
	switch (modrm) {
	case 0xc0:
		return INSN_ENCLV;
	case 0xc1:
		return INSN_VMCALL;
	case 0xcf:
		return INSN_ENCLS;
	case 0xd0:
		return INSN_XGETBV;
	case 0xd4:
		return INSN_VMFUNC;
	case 0xd7:
		return INSN_ENCLU;
	case 0xd9:
		return INSN_VMMCALL;
	}
	return INSN_OTHER;
}

static enum insn_kind kind_map1(const struct insn *insn)
{
	const bool bare = !(insn->prefixes & (INSN_PREFIX_66 | INSN_PREFIX_F2 | INSN_PREFIX_F3));
	const bool memory = mod(insn->modrm) != 3;

	switch (insn->opcode) {
	case 0x00:
		return reg(insn->modrm) == 0 ? INSN_SLDT : reg(insn->modrm) == 1 ? INSN_STR : INSN_OTHER;
	case 0x01:
		return kind_0f01(insn->modrm, bare);
	case 0x05:
		return INSN_SYSCALL;
	case 0x0b:
		return INSN_UD2;
	case 0x31:
		return INSN_RDTSC;
	case 0x33:
		return INSN_RDPMC;
	case 0x34:
		return INSN_SYSENTER;
	case 0x37:
		return bare ? INSN_GETSEC : INSN_OTHER;
	case 0xa1: case 0xa9:
		return INSN_POP_SEGMENT;
	case 0xa2:
		return INSN_CPUID;
	case 0xae:
		if (!memory || !bare)
			return INSN_OTHER;
		return reg(insn->modrm) == 4 ? INSN_XSAVE : reg(insn->modrm) == 5 ? INSN_XRSTOR :
		       reg(insn->modrm) == 6 ? INSN_XSAVEOPT : INSN_OTHER;
	case 0xb2: case 0xb4: case 0xb5:
		return memory ? INSN_LOAD_FAR_POINTER : INSN_OTHER;
	case 0xc7:
		return memory && bare && reg(insn->modrm) == 4 ? INSN_XSAVEC : INSN_OTHER;
	}
	return INSN_OTHER;
}

static enum insn_kind kind_of(const struct insn *insn)
{
	if (insn->encoding != INSN_LEGACY || insn->map > 1 || insn->prefixes & INSN_PREFIX_F0)
		return INSN_OTHER;
	return insn->map ? kind_map1(insn) : kind_map0(insn);
}

/* Legacy prefixes and REX. A REX that another prefix follows has no effect. Returns the first byte after them. */
static uint8_t take_prefixes(struct cursor *c, struct insn *insn)
{
	for (;;) {
		uint8_t byte = take(c);

		switch (byte) {
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
			break;
		case 0x66:
			insn->prefixes |= INSN_PREFIX_66;
			break;
		case 0x67:
			insn->prefixes |= INSN_PREFIX_67;
			break;
		case 0xf0:
			insn->prefixes |= INSN_PREFIX_F0;
			break;
		case 0xf2:
			insn->prefixes = (uint8_t)((insn->prefixes & ~INSN_PREFIX_F3) | INSN_PREFIX_F2);
			break;
		case 0xf3:
			insn->prefixes = (uint8_t)((insn->prefixes & ~INSN_PREFIX_F2) | INSN_PREFIX_F3);
			break;
		default:
			if ((byte & 0xf0) != 0x40)
				return byte;
			insn->rex = byte;
			continue;
		}
		insn->rex = 0;
	}
}

static bool take_instruction(struct cursor *c, struct insn *insn)
{
	unsigned int form;
	uint8_t byte = take_prefixes(c, insn), next;

	if (c->short_of_bytes)
		return false;
	insn->opcode_at = (uint8_t)(c->at - 1);
	switch (byte) {
	case 0xc5:
		insn->encoding = INSN_VEX;
		insn->map = 1;
		skip(c, 1);
		insn->opcode = take(c);
		return take_vector(c, insn);
	case 0xc4:
		insn->encoding = INSN_VEX;
		insn->map = take(c) & 31;
		skip(c, 1);
		insn->opcode = take(c);
		return take_vector(c, insn);
	case 0x62:
		insn->encoding = INSN_EVEX;
		next = take(c);
		insn->map = next & 7;
		if (next & 8 || !(take(c) & 4))
			return false;
		skip(c, 1);
		insn->opcode = take(c);
		return take_vector(c, insn);
	case 0x8f:
		next = take(c);
		if (c->short_of_bytes)
			return false;
		if ((next & 31) >= 8) {
			insn->encoding = INSN_XOP;
			insn->map = next & 31;
			skip(c, 1);
			insn->opcode = take(c);
			return take_vector(c, insn);
		}
		c->at--;
		break;
	case 0x0f:
		byte = take(c);
		insn->map = 1;
		if (byte == 0x38 || byte == 0x3a) {
			insn->map = byte == 0x38 ? 2 : 3;
			insn->opcode = take(c);
			take_operands(c, insn, insn->map == 2 ? M : I);
			return true;
		}
		insn->opcode = byte;
		form = map1[byte];
		take_operands(c, insn, form);
		if (byte == 0x78 && insn->prefixes & (INSN_PREFIX_66 | INSN_PREFIX_F2))
			skip(c, 2);	/* EXTRQ, INSERTQ */
		return form != X;
	}
	insn->opcode = byte;
	form = map0[byte];
	take_operands(c, insn, form);
	return form != X && !undefined_form(insn);
}

bool insn_decode(const uint8_t *bytes, unsigned int available, struct insn *insn)
{
	struct cursor c = { .bytes = bytes, .end = available < INSN_LENGTH_MAX ? available : INSN_LENGTH_MAX };

	*insn = (struct insn){ .kind = INSN_INVALID };
	if (!take_instruction(&c, insn) || c.short_of_bytes)
		return false;
	insn->length = (uint8_t)c.at;
	insn->kind = kind_of(insn);
	return true;
}

enum insn_kind insn_classify(const uint8_t *bytes, unsigned int available, unsigned int *length)
{
	struct insn insn;

	if (!insn_decode(bytes, available, &insn)) {
		*length = 0;
		return INSN_INVALID;
	}
	*length = insn.length;
	return insn.kind;
}

bool insn_is_illegal_inside(enum insn_kind kind)
{
	switch (kind) {
	case INSN_ENCLS: case INSN_ENCLV:
	case INSN_CPUID: case INSN_GETSEC: case INSN_RDPMC:
	case INSN_SGDT: case INSN_SIDT: case INSN_SLDT: case INSN_STR: case INSN_SMSW:
	case INSN_VMCALL: case INSN_VMMCALL: case INSN_VMFUNC:
	case INSN_IN: case INSN_INS: case INSN_OUT: case INSN_OUTS:
	case INSN_FAR_CALL: case INSN_FAR_JMP: case INSN_FAR_RET: case INSN_IRET:
	case INSN_INT: case INSN_SYSCALL: case INSN_SYSENTER:
	case INSN_MOV_SEGMENT: case INSN_POP_SEGMENT: case INSN_LOAD_FAR_POINTER:
		return true;
	default:
		return false;
	}
}
