/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: runs enclave code natively and does at its borders what the processor would. Its boundary is
 * {enter, aex, resume}; everything else (delivery of signals to the program, system calls) is the front's.
 *
 * Context of all functions: on a thread's alternate stack or with all asynchronous signals blocked.
 */
#ifndef SOFTSGX_TRAP_ENGINE_H
#define SOFTSGX_TRAP_ENGINE_H

#include "drv/drv.h"
#include "trap/delivery.h"
#include "trap/step.h"
#include "trap/thread.h"
#include "trap/trace.h"

/** enum patch_mode - what may replace a hot ENCLU in enclave code (doc/architecture.md, "Patching"). */
enum patch_mode {
	PATCH_AUTO,	/* a checked jump once a site is hot; INT3 where no jump fits */
	PATCH_OFF,
	PATCH_INT3,	/* INT3 once hot */
	PATCH_JUMP,	/* a jump once hot, or nothing */
	PATCH_FORCE,	/* as auto, at the first trap */
};

#define PATCH_HOT	64	/* traps of one site before it is patched */
#define PATCH_SITES_MAX	1024
#define PATCH_PAGES_MAX	64

/** enum patch_form - what stands in the place of an ENCLU. */
enum patch_form {
	PATCH_FORM_NONE,		/* it itself */
	PATCH_FORM_INT3,
	PATCH_FORM_JUMP,
};

struct patch_site {
	uint64_t addr;			/* linear address of the ENCLU, three bytes; 0: free */
	uint64_t trampoline;		/* that it has, or had when it was patched last; or 0 */
	uint32_t hits;
	uint8_t  form;			/* enum patch_form */
	bool     refused;		/* the last attempt to patch it failed */
	bool     host;			/* an EENTER in the program's code */
};

struct engine {
	struct drv *drv;
	struct machine *machine;
	enum patch_mode patch_mode;
	uint64_t vdso_enclu, vdso_eexit_pad, vdso_exception_pad;
	uint64_t xcr0;
	struct delivery delivery;
	struct step step;
	struct trace trace;
	struct lock patch_lock;
	uint32_t site_count, page_count;
	struct patch_site site[PATCH_SITES_MAX];
	uint64_t page[PATCH_PAGES_MAX];	/* pages of trampolines */
};

void engine_init(struct engine *e, struct drv *d, enum patch_mode patch_mode, uint64_t vdso_base,
		 uint32_t enclu, uint32_t eexit_pad, uint32_t exception_pad);

/** enum engine_result - what the caller of a signal function does next. */
enum engine_result {
	ENGINE_NOT_MINE,	/* nothing to do with SGX: deliver as it came */
	ENGINE_RETURN,		/* @uc is where to continue */
	ENGINE_DELIVER,		/* deliver *sig with *info; @uc is the interrupted host state */
};

/**
 * engine_window() - complete an entry or exit that the signal interrupted half-way; afterwards RIP is host or enclave.
 * True if it was an exit: a fault there means that the thread was not found, since the enclave has loaded DS.
 */
bool engine_window(struct engine *e, struct thread *t, struct kucontext *uc);
/** engine_trap_lost() - has a SIGTRAP that was sent displaced that of an INT3 of ours? Then it is to be executed again. */
bool engine_trap_lost(struct engine *e, struct thread *t, struct kucontext *uc);
/** engine_in_window() - is RIP where engine_window() understands the thread to be the program's still? */
bool engine_in_window(const struct kucontext *uc);
/** engine_signal() - a synchronous signal: ENCLU, exception inside, page fault on enclave memory. */
enum engine_result engine_signal(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
				 struct kucontext *uc);
/** engine_async() - an asynchronous signal hit the thread inside: AEX; @uc becomes the synthetic state at the AEP. */
void engine_async(struct engine *e, struct thread *t, struct kucontext *uc);
/** engine_inject() - an interrupt that nobody caused: AEX, and what the AEP does if that is a bare ENCLU. @t is inside. */
void engine_inject(struct engine *e, struct thread *t, struct kucontext *uc);
/** engine_exception() - *exc, of the instruction inside at @uc's RIP: as engine_signal(). */
enum engine_result engine_exception(struct engine *e, struct thread *t, struct exception *exc, int *sig,
				    struct ksiginfo *info, struct kucontext *uc);
/** engine_call() - the ENCLU of the vDSO, called instead of trapped: @uc is what a trap would have shown. */
enum engine_result engine_call(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
			       struct kucontext *uc);
/** engine_syscall_inside() - SYSCALL or INT 80H in enclave mode (user dispatch): #UD. */
enum engine_result engine_syscall_inside(struct engine *e, struct thread *t, int *sig, struct ksiginfo *info,
					 struct kucontext *uc);
/** engine_resume() - fused resume: if @uc is about to execute a bare ENCLU[ERESUME], do it now. */
void engine_resume(struct engine *e, struct thread *t, struct kucontext *uc);

/* Driver callbacks (struct drv_ops). */
void engine_invalidate(struct engine *e, struct encl *encl, uint64_t start, uint64_t end);

/* patch.c */
/* Is there, in enclave code or in the program's, an ENCLU that has been replaced? */
bool patch_is_site(struct engine *e, uint64_t addr, bool inside);
/* An EEXIT of an enclave, or an EENTER of the program, trapped at @addr: count it, and patch the site when it is hot. */
void patch_trapped(struct engine *e, struct thread *t, uint64_t addr, unsigned size, bool inside);
enum patch_unwound {
	PATCH_UNWOUND_NOTHING,	/* RIP is in no trampoline */
	PATCH_UNWOUND_SITE,	/* the registers are what they were at the site, and RIP is there */
	PATCH_UNWOUND_EXIT,	/* at the site of an EEXIT, but RCX is lost: the exit has to be completed */
};
enum patch_unwound patch_unwind(struct engine *e, struct kucontext *uc);

/* entry.S */
extern const char window_begin[], enter_common[], enter_raw_trap[], enter_spilled[], enter_taken_test[], enter_committed[], enter_end[];
extern const char enter_stale[], enter_taken[], enter_none[], enter_call[], call_rdx_saved[], call_rdx_back[], call_flags[];
extern const char call_spilled[], call_blocked[], call_busy[];
extern const char exit_checked[], exit_released[], window_end[], enter_trap[];
void enter_fast(void);
void enter_raw(void);

static inline uint64_t rdfsbase(void)
{
	uint64_t v;

	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static inline uint64_t rdgsbase(void)
{
	uint64_t v;

	__asm__ volatile("rdgsbase %0" : "=r"(v));
	return v;
}

static inline void wrfsbase(uint64_t v)
{
	__asm__ volatile("wrfsbase %0" : : "r"(v) : "memory");
}

static inline void wrgsbase(uint64_t v)
{
	__asm__ volatile("wrgsbase %0" : : "r"(v) : "memory");
}

#endif
