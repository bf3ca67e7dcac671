/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EENTER and ERESUME share: taking the TCS, the checks up to the SSA frame, and the change into enclave
 * mode. The inverse, giving the TCS back, is shared by EEXIT and AEX.
 */
#ifndef SOFTSGX_ISA_ENCLU_ENTRY_H
#define SOFTSGX_ISA_ENCLU_ENTRY_H

#include "isa/enclu/ssa.h"
#include "isa/machine.h"
#include "isa/secs.h"

/** struct entry - an entry in progress. TCS fields are read once: a debugger may write to them meanwhile. */
struct entry {
	struct epc_page tcs, secs;
	uint64_t flags, ossa, oentry, ofsbasgx, ogsbasgx;
	uint32_t cssa, nssa;
	uint64_t word;		/* what we put into tcs_word; 0: another thread is inside through this TCS */
};

/**
 * entry_begin() - steps 6..21 of both leaves. On LEAF_DONE the TCS page is locked shared and, unless
 * entry.word is 0, taken: entry_commit() or entry_cancel() must follow.
 *
 * The TCS is taken here and not at the step that checks TCS.STATE, so that from now on the trackers of EWB
 * and EREMOVE count this thread: a page of the frame that is found good after this stays until the thread
 * leaves.
 */
enum leaf_status entry_begin(struct machine *m, struct cpu *c, struct entry *en);

/** entry_frame() - linear address of SSA frame @cssa. */
uint64_t entry_frame(const struct entry *en, uint32_t cssa);

/**
 * entry_oentry_valid() - target and segment bases of an entry at OENTRY are canonical. EENTER-52, 58, 59;
 * ERESUME-75, 81, 82.
 */
bool entry_oentry_valid(const struct entry *en);

/** entry_cancel() - drop an entry that faulted. Returns LEAF_FAULT. */
enum leaf_status entry_cancel(const struct entry *en);

/**
 * entry_commit() - enclave mode: CREGs, TCS.STATE, TCS.AEP, TF. General registers and segment bases are the
 * leaf's.
 */
void entry_commit(struct cpu *c, const struct entry *en, const struct ssa_frame *frame);

/** entry_at_oentry() - the registers of an entry at OENTRY; URSP and URBP. After entry_commit(). */
void entry_at_oentry(struct cpu *c, const struct entry *en);

/**
 * entry_leave() - out of enclave mode: outside FS, GS and TF back, the TCS idle. Enclave memory is off limits
 * after.
 */
void entry_leave(struct cpu *c);

#endif
