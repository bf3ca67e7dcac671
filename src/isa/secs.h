/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the implementation keeps in a SECS page behind the architectural fields (sgx-isa section 1.1: bytes from 262 on
 * are placement-specific). It travels with the page through EWB and ELDU, encrypted.
 */
#ifndef SOFTSGX_ISA_SECS_H
#define SOFTSGX_ISA_SECS_H

#include "isa/machine.h"

struct secs {
	uint64_t size, baseaddr;
	uint32_t ssaframesize, miscselect;
	uint64_t cet_leg_bitmap_offset;
	uint8_t  cet_attributes, reserved1[15];
	struct sgx_attributes attributes;
	uint8_t  mrenclave[32], reserved2[32], mrsigner[32], reserved3[32], configid[64];
	uint16_t isvprodid, isvsvn, configsvn;
	uint8_t  reserved4[2];
	/* Implementation's own from here. */
	uint64_t eid;
	uint8_t  isvfamilyid[16], isvextprodid[16];
	uint32_t measure_state[8];	/* SHA-256 chaining value: whole 64-byte blocks only (measure.h) */
	uint64_t measure_blocks;	/* blocks hashed so far */
	_Atomic uint32_t measure_lock;	/* EADD, EEXTEND, EINIT exclude each other */
	_Atomic uint32_t track_lock;	/* ETRACK */
	_Atomic uint64_t children;	/* child pages now in the EPC */
	_Atomic uint32_t epoch;		/* tracking epoch; 1 after ECREATE */
	uint32_t tcs_first;		/* index + 1 of the first TCS page in the EPC; linked by epcm_entry.tcs_next */
	uint8_t  padding[352];		/* PADDING: top of the encoded message of the signature */
	uint8_t  unused[4096 - 720];
};
static_assert(offsetof(struct secs, configsvn) == 260, "architectural part");
static_assert(sizeof(struct secs) == 4096, "a SECS is one page");

static inline struct secs *secs_of(const struct epc_page *secs_page)
{
	return (struct secs *)(void *)secs_page->mem;
}

/* track.c: threads inside and epochs (sgx-isa section 6.7). */
void track_tcs_link(const struct epc_page *secs, const struct epc_page *tcs);	/* a TCS page came into the EPC */
void track_tcs_unlink(const struct epc_page *secs, const struct epc_page *tcs);
bool track_any_inside(struct machine *m, const struct epc_page *secs, uint32_t epoch_at_most); /* entered at or before */
bool track_done(struct machine *m, const struct epc_page *secs, uint32_t stamp); /* epoch > stamp, nobody left from <= stamp */

/*
 * track_stamp() - tracking of this page begins now. A stamp never goes back: EBLOCK and EMODPR, which share the page,
 * may set it at the same time.
 */
static inline void track_stamp(struct epcm_entry *e, struct secs *secs)
{
	uint32_t now = atomic_load(&secs->epoch), stamp = __atomic_load_n(&e->epoch, __ATOMIC_RELAXED);

	while (stamp < now && !__atomic_compare_exchange_n(&e->epoch, &stamp, now, true, __ATOMIC_SEQ_CST,
							   __ATOMIC_RELAXED))
		;
}

#endif
