/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGX structures, constants and masks, each one its table in the manual (SDM 3D, "Enclave Data Structures"), with an
 * assertion for every offset. Nothing here is softsgx's own choice except struct sgx_secs from byte 262 on, which
 * the architecture leaves to the implementation (see isa/secs.h).
 */
#ifndef SOFTSGX_ARCH_SGX_H
#define SOFTSGX_ARCH_SGX_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SGX_AT(type, field, off) \
	static_assert(offsetof(struct type, field) == (off), #type "." #field " is at byte " #off)
#define SGX_SIZE(type, size)	static_assert(sizeof(struct type) == (size), #type " has " #size " bytes")

#define SGX_PAGE_SIZE		UINT64_C(4096)
#define SGX_PAGE_MASK		(~(SGX_PAGE_SIZE - 1))

/** enum sgx_encls - EAX of ENCLS. SDM 3D, "Intel SGX Instruction Overview". */
enum sgx_encls {
	ECREATE = 0x00, EADD = 0x01, EINIT = 0x02, EREMOVE = 0x03, EDBGRD = 0x04, EDBGWR = 0x05, EEXTEND = 0x06,
	ELDB = 0x07, ELDU = 0x08, EBLOCK = 0x09, EPA = 0x0A, EWB = 0x0B, ETRACK = 0x0C, EAUG = 0x0D,
	EMODPR = 0x0E, EMODT = 0x0F, ERDINFO = 0x10, ETRACKC = 0x11, ELDBC = 0x12, ELDUC = 0x13, EUPDATESVN = 0x18,
};

/** enum sgx_enclu - EAX of ENCLU. */
enum sgx_enclu {
	EREPORT = 0x00, EGETKEY = 0x01, EENTER = 0x02, ERESUME = 0x03, EEXIT = 0x04, EACCEPT = 0x05, EMODPE = 0x06,
	EACCEPTCOPY = 0x07, EVERIFYREPORT2 = 0x08, EDECCSSA = 0x09,
};

/** enum sgx_error - RAX after a leaf that reports errors. SDM 3D, "Error and Information Codes". */
enum sgx_error {
	SGX_SUCCESS			= 0,
	SGX_INVALID_SIG_STRUCT		= 1,
	SGX_INVALID_ATTRIBUTE		= 2,
	SGX_BLKSTATE			= 3,
	SGX_INVALID_MEASUREMENT		= 4,
	SGX_NOTBLOCKABLE		= 5,
	SGX_PG_INVLD			= 6,
	SGX_EPC_PAGE_CONFLICT		= 7,
	SGX_INVALID_SIGNATURE		= 8,
	SGX_MAC_COMPARE_FAIL		= 9,
	SGX_PAGE_NOT_BLOCKED		= 10,
	SGX_NOT_TRACKED			= 11,
	SGX_VA_SLOT_OCCUPIED		= 12,
	SGX_CHILD_PRESENT		= 13,
	SGX_ENCLAVE_ACT			= 14,
	SGX_ENTRYEPOCH_LOCKED		= 15,
	SGX_INVALID_EINITTOKEN		= 16,
	SGX_PREV_TRK_INCMPL		= 17,
	SGX_PG_IS_SECS			= 18,
	SGX_PAGE_ATTRIBUTES_MISMATCH	= 19,
	SGX_PAGE_NOT_MODIFIABLE		= 20,
	SGX_PAGE_NOT_DEBUGGABLE		= 21,
	SGX_INVALID_COUNTER		= 25,
	SGX_PG_NONEPC			= 26,
	SGX_TRACK_NOT_REQUIRED		= 27,
	SGX_INVALID_CPUSVN		= 32,
	SGX_INVALID_ISVSVN		= 64,
	SGX_UNMASKED_EVENT		= 128,
	SGX_INVALID_KEYNAME		= 256,
};

/** enum sgx_pt - EPCM page type, and SECINFO.FLAGS.PAGE_TYPE. */
enum sgx_pt {
	SGX_PT_SECS = 0, SGX_PT_TCS = 1, SGX_PT_REG = 2, SGX_PT_VA = 3, SGX_PT_TRIM = 4,
	SGX_PT_SS_FIRST = 5, SGX_PT_SS_REST = 6,
};

/* ATTRIBUTES: bits of the low quadword; the high quadword is XFRM. */
#define SGX_ATTR_INIT		(UINT64_C(1) << 0)
#define SGX_ATTR_DEBUG		(UINT64_C(1) << 1)
#define SGX_ATTR_MODE64BIT	(UINT64_C(1) << 2)
#define SGX_ATTR_PROVISIONKEY	(UINT64_C(1) << 4)
#define SGX_ATTR_EINITTOKEN_KEY	(UINT64_C(1) << 5)
#define SGX_ATTR_CET		(UINT64_C(1) << 6)
#define SGX_ATTR_KSS		(UINT64_C(1) << 7)
#define SGX_ATTR_AEXNOTIFY	(UINT64_C(1) << 10)

#define SGX_MISC_EXINFO		(UINT32_C(1) << 0)
#define SGX_MISC_CPINFO		(UINT32_C(1) << 1)

struct sgx_attributes {
	uint64_t flags, xfrm;
};
SGX_SIZE(sgx_attributes, 16);

/* SECS. Bytes 262.. are zero on input to ECREATE; inside the EPC they hold the implementation's own state. */
struct sgx_secs {
	uint64_t size, baseaddr;
	uint32_t ssaframesize, miscselect;
	uint64_t cet_leg_bitmap_offset;
	uint8_t  cet_attributes, reserved1[15];
	struct sgx_attributes attributes;
	uint8_t  mrenclave[32], reserved2[32], mrsigner[32], reserved3[32], configid[64];
	uint16_t isvprodid, isvsvn, configsvn;
	uint8_t  reserved4[3834];
} __attribute__((aligned(8)));
SGX_AT(sgx_secs, ssaframesize, 16);	SGX_AT(sgx_secs, miscselect, 20);
SGX_AT(sgx_secs, cet_leg_bitmap_offset, 24); SGX_AT(sgx_secs, cet_attributes, 32);
SGX_AT(sgx_secs, attributes, 48);	SGX_AT(sgx_secs, mrenclave, 64);
SGX_AT(sgx_secs, mrsigner, 128);	SGX_AT(sgx_secs, configid, 192);
SGX_AT(sgx_secs, isvprodid, 256);	SGX_AT(sgx_secs, configsvn, 260);
SGX_AT(sgx_secs, reserved4, 262);	SGX_SIZE(sgx_secs, 4096);

#define SGX_TCS_DBGOPTIN	(UINT64_C(1) << 0)
#define SGX_TCS_AEXNOTIFY	(UINT64_C(1) << 1)
#define SGX_TCS_FLAGS_RSVD	(~UINT64_C(3))
#define SGX_TCS_LIMIT		72	/* EDBGRD of a TCS: bytes that are defined (without CET) */

struct sgx_tcs {
	uint64_t state, flags, ossa;
	uint32_t cssa, nssa;
	uint64_t oentry, aep, ofsbasgx, ogsbasgx;
	uint32_t fslimit, gslimit;
	uint64_t ocetssa, prevssp;	/* CET only; reserved, and zero, without */
	uint8_t  reserved[4008];
};
SGX_AT(sgx_tcs, flags, 8);	SGX_AT(sgx_tcs, ossa, 16);	SGX_AT(sgx_tcs, cssa, 24);
SGX_AT(sgx_tcs, nssa, 28);	SGX_AT(sgx_tcs, oentry, 32);	SGX_AT(sgx_tcs, aep, 40);
SGX_AT(sgx_tcs, ofsbasgx, 48);	SGX_AT(sgx_tcs, ogsbasgx, 56);	SGX_AT(sgx_tcs, fslimit, 64);
SGX_AT(sgx_tcs, gslimit, 68);	SGX_AT(sgx_tcs, ocetssa, 72);	SGX_AT(sgx_tcs, prevssp, 80);
SGX_AT(sgx_tcs, reserved, 88);	SGX_SIZE(sgx_tcs, 4096);

/* EXITINFO: 7:0 vector, 10:8 type, 31 valid. */
#define SGX_EXITINFO_VALID	(UINT32_C(1) << 31)
#define SGX_EXITINFO_HW		(UINT32_C(3) << 8)
#define SGX_EXITINFO_SW		(UINT32_C(6) << 8)

struct sgx_gprsgx {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags, rip, ursp, urbp;
	uint32_t exitinfo;
	uint8_t  reserved[3], aexnotify;
	uint64_t fsbase, gsbase;
};
SGX_AT(sgx_gprsgx, rsp, 32);	SGX_AT(sgx_gprsgx, r8, 64);	SGX_AT(sgx_gprsgx, rflags, 128);
SGX_AT(sgx_gprsgx, rip, 136);	SGX_AT(sgx_gprsgx, ursp, 144);	SGX_AT(sgx_gprsgx, urbp, 152);
SGX_AT(sgx_gprsgx, exitinfo, 160); SGX_AT(sgx_gprsgx, aexnotify, 167); SGX_AT(sgx_gprsgx, fsbase, 168);
SGX_AT(sgx_gprsgx, gsbase, 176); SGX_SIZE(sgx_gprsgx, 184);

struct sgx_exinfo {
	uint64_t maddr;
	uint32_t errcd, reserved;
};
SGX_SIZE(sgx_exinfo, 16);

struct sgx_pageinfo {
	uint64_t linaddr, srcpge, secinfo, secs;	/* secinfo: PCMD for ELDx and EWB */
};
SGX_SIZE(sgx_pageinfo, 32);

/* SECINFO.FLAGS          63..16    15..8      7..6   5    4     3    2   1   0
 *                      | zero   | PT (type) | zero | PR | MOD | PND | X | W | R |      */
#define SGX_SECINFO_R		(UINT64_C(1) << 0)
#define SGX_SECINFO_W		(UINT64_C(1) << 1)
#define SGX_SECINFO_X		(UINT64_C(1) << 2)
#define SGX_SECINFO_RWX		UINT64_C(7)
#define SGX_SECINFO_PENDING	(UINT64_C(1) << 3)
#define SGX_SECINFO_MODIFIED	(UINT64_C(1) << 4)
#define SGX_SECINFO_PR		(UINT64_C(1) << 5)
#define SGX_SECINFO_PT(f)	((enum sgx_pt)(((f) >> 8) & 0xff))
#define SGX_SECINFO_OF_PT(pt)	((uint64_t)(pt) << 8)
#define SGX_SECINFO_RSVD	(~UINT64_C(0xff3f))

struct sgx_secinfo {
	uint64_t flags;
	uint8_t  reserved[56];
};
SGX_SIZE(sgx_secinfo, 64);

struct sgx_pcmd {
	struct sgx_secinfo secinfo;
	uint64_t enclaveid;
	uint8_t  reserved[40], mac[16];
};
SGX_AT(sgx_pcmd, enclaveid, 64);	SGX_AT(sgx_pcmd, mac, 112);	SGX_SIZE(sgx_pcmd, 128);

struct sgx_sigstruct {
	uint8_t  header[16];
	uint32_t vendor, date;
	uint8_t  header2[16];
	uint32_t swdefined;
	uint8_t  reserved1[84], modulus[384];
	uint32_t exponent;
	uint8_t  signature[384];
	uint32_t miscselect, miscmask;
	uint8_t  cet_attributes, cet_attributes_mask, reserved2[2], isvfamilyid[16];
	struct sgx_attributes attributes, attributemask;
	uint8_t  enclavehash[32], reserved3[16], isvextprodid[16];
	uint16_t isvprodid, isvsvn;
	uint8_t  reserved4[12], q1[384], q2[384];
} __attribute__((packed, aligned(4)));
SGX_AT(sgx_sigstruct, vendor, 16);	SGX_AT(sgx_sigstruct, header2, 24);
SGX_AT(sgx_sigstruct, swdefined, 40);	SGX_AT(sgx_sigstruct, modulus, 128);
SGX_AT(sgx_sigstruct, exponent, 512);	SGX_AT(sgx_sigstruct, signature, 516);
SGX_AT(sgx_sigstruct, miscselect, 900);	SGX_AT(sgx_sigstruct, cet_attributes, 908);
SGX_AT(sgx_sigstruct, isvfamilyid, 912); SGX_AT(sgx_sigstruct, attributes, 928);
SGX_AT(sgx_sigstruct, enclavehash, 960); SGX_AT(sgx_sigstruct, isvextprodid, 1008);
SGX_AT(sgx_sigstruct, isvprodid, 1024);	SGX_AT(sgx_sigstruct, q1, 1040);
SGX_AT(sgx_sigstruct, q2, 1424);	SGX_SIZE(sgx_sigstruct, 1808);

struct sgx_einittoken {
	uint32_t valid;
	uint8_t  reserved1[44];
	struct sgx_attributes attributes;
	uint8_t  mrenclave[32], reserved2[32], mrsigner[32], reserved3[32];
	uint8_t  cpusvnle[16];
	uint16_t isvprodidle, isvsvnle;
	uint8_t  cet_masked_attributes_le, reserved4[23];
	uint32_t maskedmiscselectle;
	struct sgx_attributes maskedattributesle;
	uint8_t  keyid[32], mac[16];
};
SGX_AT(sgx_einittoken, attributes, 48);	SGX_AT(sgx_einittoken, cpusvnle, 192);
SGX_AT(sgx_einittoken, maskedmiscselectle, 236); SGX_AT(sgx_einittoken, keyid, 256);
SGX_AT(sgx_einittoken, mac, 288);	SGX_SIZE(sgx_einittoken, 304);

struct sgx_report {
	uint8_t  cpusvn[16];
	uint32_t miscselect;
	uint8_t  cet_attributes, reserved1[11], isvextprodid[16];
	struct sgx_attributes attributes;
	uint8_t  mrenclave[32], reserved2[32], mrsigner[32], reserved3[32], configid[64];
	uint16_t isvprodid, isvsvn, configsvn;
	uint8_t  reserved4[42], isvfamilyid[16], reportdata[64];
	uint8_t  keyid[32], mac[16];		/* the MAC covers bytes 0..383 */
} __attribute__((aligned(8)));
SGX_AT(sgx_report, isvextprodid, 32);	SGX_AT(sgx_report, attributes, 48);
SGX_AT(sgx_report, mrsigner, 128);	SGX_AT(sgx_report, configid, 192);
SGX_AT(sgx_report, isvfamilyid, 304);	SGX_AT(sgx_report, reportdata, 320);
SGX_AT(sgx_report, keyid, 384);		SGX_SIZE(sgx_report, 432);

struct sgx_targetinfo {
	uint8_t  measurement[32];
	struct sgx_attributes attributes;
	uint8_t  cet_attributes, reserved1;
	uint16_t configsvn;
	uint32_t miscselect;
	uint8_t  reserved2[8], configid[64], reserved3[384];
};
SGX_AT(sgx_targetinfo, configsvn, 50);	SGX_AT(sgx_targetinfo, configid, 64);	SGX_SIZE(sgx_targetinfo, 512);

/** enum sgx_keyname - KEYREQUEST.KEYNAME. */
enum sgx_keyname {
	SGX_KEY_EINITTOKEN = 0, SGX_KEY_PROVISION = 1, SGX_KEY_PROVISION_SEAL = 2, SGX_KEY_REPORT = 3, SGX_KEY_SEAL = 4,
};

#define SGX_KEYPOLICY_MRENCLAVE		(1u << 0)
#define SGX_KEYPOLICY_MRSIGNER		(1u << 1)
#define SGX_KEYPOLICY_NOISVPRODID	(1u << 2)
#define SGX_KEYPOLICY_CONFIGID		(1u << 3)
#define SGX_KEYPOLICY_ISVFAMILYID	(1u << 4)
#define SGX_KEYPOLICY_ISVEXTPRODID	(1u << 5)
#define SGX_KEYPOLICY_KSS		0x3cu
#define SGX_KEYPOLICY_RSVD		0xffc0u

struct sgx_keyrequest {
	uint16_t keyname, keypolicy, isvsvn;
	uint8_t  cet_attributes_mask, reserved1, cpusvn[16];
	struct sgx_attributes attributemask;
	uint8_t  keyid[32];
	uint32_t miscmask;
	uint16_t configsvn;
	uint8_t  reserved2[434];
} __attribute__((aligned(8)));
SGX_AT(sgx_keyrequest, cpusvn, 8);	SGX_AT(sgx_keyrequest, attributemask, 24);
SGX_AT(sgx_keyrequest, keyid, 40);	SGX_AT(sgx_keyrequest, miscmask, 72);
SGX_AT(sgx_keyrequest, reserved2, 78);	SGX_SIZE(sgx_keyrequest, 512);

#define SGX_VA_SLOTS		512	/* 8-byte slots of a VA page; 0 = empty */

#endif
