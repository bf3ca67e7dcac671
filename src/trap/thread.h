/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread slots. Every thread of the program has one: an aligned block with struct thread (the TCB) at its base and the
 * alternate stack on which all of the runtime's handlers run above it. Two ways lead to the slot without TLS:
 *  - in a handler, RSP lies in the slot: mask it;
 *  - anywhere, DS holds an LDT selector whose index is the slot's number + 1. In 64-bit mode the processor ignores what
 *    DS selects, the kernel switches it with the thread, and neither host nor enclave code has a use for it.
 * A child of vfork runs on its suspended parent's slot.
 *
 * Whether a signal interrupted the program or the runtime, RIP alone tells (signals.c): there is no state that a thread
 * could leave behind when it ends, or leaves a handler by longjmp.
 */
#ifndef SOFTSGX_TRAP_THREAD_H
#define SOFTSGX_TRAP_THREAD_H

#include "drv/drv.h"
#include "isa/machine.h"
#include "sys/signal.h"
#include "trap/delivery.h"
#include "trap/step.h"
#include "trap/trace.h"

#define THREAD_SLOT_SIZE	0x20000		/* 128 KiB: TCB, guard page, alternate stack */
#define THREAD_STACK_OFFSET	0x4000		/* the stack's low end; the page below it is the guard */
#define THREAD_SLOTS_MAX	8191		/* as many as the LDT has entries */
#define THREAD_SELECTOR(i)	((uint16_t)((((i) + 1) << 3) | 7))

/* The entry that the vDSO's fast path may repeat without asking the model: engine.c fills it, entry.S reads it. */
struct entry_cache {
	uint64_t tcs_la;		/* 0: empty */
	_Atomic uint64_t *generation;	/* the section's; the cache is stale when it differs from .. */
	uint64_t generation_seen;
	struct sgx_gprsgx *gpr;		/* frame 0: the cache serves CSSA = 0 only */
	_Atomic uint32_t *epoch;	/* SECS epoch */
	uint64_t entry, fsbase, gsbase;
};

struct thread_stats {
	uint64_t eenter, eresume, eexit, aex_sync, aex_async, aex_injected, enclu_trapped, gate, signals;
};

/* Platform signals that wait. Anybody may add one: a number is claimed until the one that waited has been taken. */
struct held_signals {
	uint64_t claimed, pending;	/* KSIG_BIT()s */
	struct ksiginfo info[KSIG_SYS];	/* by number - 1 */
};

/* Why rt_copy() stopped. */
struct copy_fault {
	uint32_t vector, error_code;
	struct ksiginfo info;		/* the signal that the kernel made of it */
};

struct thread {
	/* Part 1 -- read by entry.S through entry_offsets.h. */
	uint64_t in_enclave;		/* set before FS and GS become the enclave's, cleared after they are the host's */
	uint64_t host_fsbase, host_gsbase;
	uint64_t spill_rdx, spill_rdi;
	uint64_t aep;			/* of the entry that is or was in force */
	uint64_t exit_neg;		/* minus the last EEXIT target that the model accepted */
	struct sgx_tcs *tcs;		/* of the entry in force; with its owner word */
	_Atomic uint64_t *tcs_word;
	uint64_t tid;
	struct thread_stats *stats;	/* plain increments by this thread only; eenter is its first field */
	uint8_t  sud_selector;		/* system call user dispatch: 0 allow, 1 block */
	bool     cache_debug;		/* TCS.FLAGS is to be looked at before the cache serves: a debugger may have written it */
	uint8_t  pad[6];
	struct entry_cache cache;
	uint64_t call_rax, call_rdx, call_rsi, call_rdi, call_r8, call_r10, call_r11, call_rsp, call_rflags;
	uint64_t call_mask;
	uint32_t again;			/* a signal interrupted the runtime: look at pending and kicked before leaving */
	struct kfpx_sw fp_sw;		/* of a signal frame of this thread: what the kernel wants to see in one */
	uint64_t stub_rip, stub_r11;	/* RCX (= RIP) and R11 behind the system call that a stub makes */
	/* rt_wait_stub: the program's registers, and what the call underneath gets in their place (gate_wait.c). */
	uint64_t wait_rdi, wait_rsi, wait_rdx, wait_r10, wait_r8, wait_r9, wait_rax;
	uint64_t wait_restore;		/* not 0: the mask underneath is to become wait_outer again behind the wait */
	uint64_t wait_outer;		/* the mask underneath, outside the wait */
	uint64_t wait_open;		/* platform signals that can end the wait that is made; 0: none is */
	uint64_t wait_trap;		/* not 0: its result has to be looked at */
	uint64_t wait_nr;

	/* Part 2 -- C only. */
	struct cpu cpu;			/* CREGs of the entry in force; the fast path repeats them unchanged */
	struct encl *encl;		/* the enclave inside which the thread is */
	_Atomic uint32_t in_model;	/* a leaf or an AEX is at work on the memory of an enclave: nobody may take that away */
	uint32_t index;			/* slot number */
	bool     sud_on;
	bool     kicked;		/* a kick interrupted the runtime */
	bool     faults_blocked;	/* in a handler of SEGV or BUS: both are blocked, rt_copy() has to open them */
	uint64_t vmask;			/* virtual mask: platform signals that the program has blocked */
	uint64_t blocked;		/* the mask underneath, while a system call of the program is answered */
	struct held_signals held;	/* that arrived while blocked, or interrupted the runtime */
	uint64_t stray;			/* of these, sent to the process: another thread may take them */
	bool     wait_cut;		/* a handler is to start with the mask of a wait: wait_mask */
	uint64_t wait_mask;
	uint64_t wait_argument[3];	/* what the call underneath reads: mask; its address and size */
	struct ksiginfo wait_info;
	uint64_t pid;			/* not every task that shares this memory is of one process */
	struct copy_fault copy_fault;
	struct kstack altstack;		/* the program's own; flags as it gave them */
	struct thread_delivery delivery;
	uint64_t ordinal;		/* of the threads of the process, in the order of their creation */
	struct thread_step step;
	struct thread_trace trace;
	struct {			/* what a child of vfork has changed here: its parent's, to be put back */
		bool     valid, acted;	/* acted: the child has dispositions of its own */
		uint64_t vmask, pending;
		struct kstack altstack;
		struct ksigaction action[KSIG_MAX + 1];
	} lent;
	struct thread_stats own_stats;	/* used when there is no statistics file */
};

/** frame_xstate_size() - bytes of the extended state in a signal frame with these words, the trailing magic included. */
static inline uint32_t frame_xstate_size(const struct kfpx_sw *sw)
{
	return sw->magic1 == KFP_XSTATE_MAGIC1 ? sw->extended_size : X86_XSAVE_LEGACY_SIZE;
}

static inline struct thread *thread_of_stack(const void *sp)
{
	return (struct thread *)((uintptr_t)sp & ~(uintptr_t)(THREAD_SLOT_SIZE - 1));
}

#endif
