/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that enclave mode executes otherwise than the machine outside would, and that do not trap: they are
 * replaced by an INT3 before the page that holds them becomes executable, and the trap does what hardware does. A trap
 * costs about 3 us.
 *
 * XCR0 inside. Hardware runs an enclave with XCR0 := SECS.ATTRIBUTES.XFRM (EENTER effect 4), which user space cannot do.
 * What shows the difference are XSAVE, XSAVEC, XSAVEOPT, XRSTOR and XGETBV (INS-35): where XFRM is not the machine's
 * XCR0, the trap executes each of them with its mask ANDed with XFRM.
 *
 * Components outside XFRM that the host left in use stay as they are, as on hardware, and the enclave cannot see them:
 * masked instructions neither save nor load them. Not covered are the instructions that XCR0 would refuse (AVX with
 * XFRM = 3).
 *
 * CPUID is #UD inside (INS-01). Where the machine can make it fault, no site is needed.
 *
 * Not covered are sites in pages that the enclave itself can write. Who reads code (EDBGRD, the enclave itself) sees the
 * INT3. What is no instruction and is taken for one stays as harmless as the scan is good: insn_scan.c.
 */
#ifndef SOFTSGX_TRAP_XFRM_H
#define SOFTSGX_TRAP_XFRM_H

#include "trap/engine.h"

/*
 * The form of a site: the page's own bytes say what stood there, since pages are shared between processes, evicted and
 * reloaded. The first byte becomes CC; prefixes move up one byte over the 0F; the rest stays:
 *
 *	48 0F AE 21	CC 48 AE 21
 *	   0F AE 21	   CC AE 21
 *
 * An instruction whose prefixes lie on the page before gets its CC at the 0F instead, and the byte behind it has bit 0
 * inverted (AE C7 01 -> AF C6 00). Only pages that the driver has marked are looked at, and nobody else writes to them.
 */

/**
 * xfrm_patch() - replace all instructions @what (DRV_CODE_*) of @code [from, end), a page, in @page, a copy of it; false
 * if there are none. Pure.
 */
bool xfrm_patch(unsigned int what, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint8_t *page);
/** xfrm_unpatch() - undo it for the sites that begin in @code [from, end); @code, @size bytes, is from address @addr. Pure. */
void xfrm_unpatch(unsigned int what, uint8_t *code, uint64_t size, uint64_t from, uint64_t end, uint64_t addr);
/**
 * xfrm_original() - the instruction, one of @what, that a site at @addr stands for. @patched are its bytes, of which @available may be
 * read; @original has room for INSN_LENGTH_MAX. *rest: its prefixes are on the page before. Its length, or 0 if it is
 * no site or bytes are missing. Pure.
 */
unsigned int xfrm_original(unsigned int what, const uint8_t *patched, unsigned int available, uint64_t addr,
			   uint8_t *original, bool *rest);

/** xfrm_is_prefix() - may this byte stand before the 0F of a site? */
bool xfrm_is_prefix(uint8_t byte);

/** enum xfrm_result - of xfrm_trap(). */
enum xfrm_result {
	XFRM_NOT_MINE,		/* an INT3 of the enclave's own */
	XFRM_DONE,		/* executed, @uc is behind it */
	XFRM_EXCEPTION,		/* *exc; @uc is where that leaves it; *sig and *info are what a fault in place had brought */
};

/** xfrm_is_site() - is the INT3 at @addr, in an enclave, one of xfrm_patch()? */
bool xfrm_is_site(struct engine *e, uint64_t addr);
/** xfrm_trap() - the thread is inside and has met an INT3; @uc is behind that. */
enum xfrm_result xfrm_trap(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info, struct kucontext *uc,
			   struct exception *exc);

/* xfrm_run.S: operations of xfrm_run(), REX.W added to each. */
enum xfrm_operation { XFRM_XSAVE = 0, XFRM_XSAVEC = 2, XFRM_XSAVEOPT = 4, XFRM_XRSTOR = 6 };
/**
 * xfrm_run() - with the state in @live (a signal frame's image, components @components): execute @operation on @area
 * with mask @rfbm, and put the state back into @live if the operation loads. 0, or the vector of its exception + 1.
 * Context: no vector register matters; the thread's nested handler knows xfrm_guard.
 */
uint32_t xfrm_run(uint32_t operation, void *area, uint64_t rfbm, void *live, uint64_t components);
extern const char xfrm_guard[], xfrm_guard_end[], xfrm_guard_fault[];

#endif
