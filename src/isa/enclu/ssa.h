/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SSA frames. An entry checks every page that an AEX will write and keeps their addresses, so that an AEX
 * cannot fault (AEX-29): the enclave's pages do not leave the EPC while the thread is inside.
 */
#ifndef SOFTSGX_ISA_ENCLU_SSA_H
#define SOFTSGX_ISA_ENCLU_SSA_H

#include "isa/machine.h"

/** struct ssa_frame - one frame, page by page. */
struct ssa_frame {
	uint8_t *xsave[SSA_XSAVE_PAGES_MAX];
	struct sgx_gprsgx *gpr;
	uint8_t *misc;			/* EXINFO, or NULL if MISCSELECT has none */
};

/**
 * ssa_frame_find() - the frame at linear address @base of the enclave @secs: EENTER-29..39 for its XSAVE pages in
 * order, then EENTER-40..50 for its GPRSGX. Used by EENTER, and by ERESUME for the frame that it restores
 * (ERESUME-29..50) and for the frame of a notification (ERESUME-53..73).
 */
enum leaf_status ssa_frame_find(struct machine *m, struct cpu *c, const struct epc_page *secs, uint64_t base,
				struct ssa_frame *frame);

#endif
