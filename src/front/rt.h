/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform object: the runtime's one piece of global state, and the functions by which the parts of src/front call
 * each other. Unless a line says otherwise, functions run with all asynchronous signals blocked, on a thread's alternate
 * stack, while host FS/GS are in force.
 */
#ifndef SOFTSGX_FRONT_RT_H
#define SOFTSGX_FRONT_RT_H

#include "drv/drv.h"
#include "front/config.h"
#include "front/layout.h"
#include "front/symbols.h"
#include "sys/lock.h"
#include "sys/signal.h"
#include "trap/engine.h"
#include "trap/thread.h"

/* Signals that the runtime needs unblocked and handled by itself; the program's use of them is virtual. */
#define PLATFORM_SIGNALS (KSIG_BIT(KSIG_SEGV) | KSIG_BIT(KSIG_ILL) | KSIG_BIT(KSIG_BUS) | KSIG_BIT(KSIG_TRAP) | \
			  KSIG_BIT(KSIG_FPE) | KSIG_BIT(KSIG_SYS))

/* CPUID as the program sees it: leaf and subleaf to registers (cpuid.c). */
struct cpuid_result {
	uint32_t eax, ebx, ecx, edx;
};

struct range_filters {
	uint32_t count;			/* filters installed for enclave ranges; past the limit all ranges are trapped */
	bool     catch_all;
	struct { uint64_t start, end; } range[32];
	uint64_t fds[16];		/* bitmap of descriptor numbers below 1024 that have their filter */
};

/* The helper of --aex=us. */
struct ticker {
	_Atomic uint32_t state;		/* TICKER_* of aex.c */
	long pid;			/* of the helper */
	long program;			/* our own, which the helper can't ask for */
	uint8_t stack[4096] __attribute__((aligned(16)));
};

struct rt {
	struct rt_config config;
	struct isa_profile profile;
	struct platform_keys keys;
	struct drv *drv;
	struct drv_counters counters, *counters_shared;
	struct engine engine;
	struct lock lock;		/* protects what is below, down to filters; taken after no other lock */
	struct ksigaction action[KSIG_MAX + 1]; /* the program's dispositions */
	struct held_signals held;	/* held.c: sent to the process, and blocked in all its threads; no lock */
	uint64_t pid;
	uint64_t slots_used[(THREAD_SLOTS_MAX + 63) / 64];
	uint64_t slots_ready[(THREAD_SLOTS_MAX + 63) / 64]; /* LDT entry and guard exist */
	struct range_filters filters;
	uint64_t vdso_restorer;		/* address of __softsgx_sigreturn in the vDSO image */
	struct symbols symbols;
	struct debug_table *debug;	/* front/debug.h; NULL if there is no memory for it */
	struct ticker ticker;		/* aex.c */
	_Atomic uint64_t threads_made;	/* thread.ordinal of the next one */
	bool     cpuid_faulting;	/* CPUID raises #GP; else sites are patched if config says so */
};

extern struct rt rt;

/*
 * What a program inherits from the one that executed it and the kernel can't carry, because underneath the runtime
 * has its own: the signal mask (all signals), the platform signals that are ignored, the filters that stay in force.
 */
struct rt_inherit {
	uint64_t sigmask, ignored;	/* KSIG_BIT()s; ignored is a subset of PLATFORM_SIGNALS */
	struct range_filters filters;	/* launch.c fills it */
};

/* init.c: runs in the target at its first instruction, called from the injected start code. */
struct rt_start {		/* written by the injector at the symbol rt_start */
	struct rt_config config;
	uint64_t entry_rip, entry_rsp;	/* where the program itself starts, with which stack */
	struct rt_inherit inherit;	/* signals_init() takes over mask and ignored signals */
	uint32_t stats_page;		/* the process's page of the statistics file, 0 if it has none yet */
	int32_t  helper;		/* the injecting process, a child that nobody else waits for */
	bool     nested;		/* executed by a program that had the runtime: its filters are in force */
};
extern struct rt_start rt_start;
_Noreturn void rt_main(uint64_t *stack);	/* softsgx-rt as a program (main.c); called from start.S only */
void rt_init(void);				/* called from start.S only */
/** rt_fail() - the runtime can't start: say so, and what helps, and end with status 125. @error: -errno. */
_Noreturn void rt_fail(const char *what, const char *advice, long error);
bool rt_initialised(void);			/* false in softsgx-rt itself, before it has become the program */

/* launch.c */
/**
 * rt_execve() - execve(2) that brings the runtime along: arranges for a helper that injects it into the new image, then
 * executes @path natively. Returns only on failure, -errno, with nothing left behind. All pointers are the program's
 * memory or the runtime's, readable as they are (a bad one makes the kernel return -EFAULT).
 * @flags and @dirfd as for execveat(2); dirfd AT_FDCWD and flags 0 is execve. @sigmask and @ignored: see struct
 * rt_inherit; the kernel's own mask is all-blocked during the call and comes back as it was on failure.
 * Works in a vfork child and beside other threads. -EPERM also when the process may not be traced (a container without
 * ptrace, a debugger that is attached already).
 */
long rt_execve(int dirfd, const char *path, char *const *argv, char *const *envp, int flags, uint64_t sigmask,
	       uint64_t ignored);

/* filter.c: the seccomp filters. */
long filter_install_base(void);			/* once, before the program runs */
long filter_add_fd(int fd);			/* an enclave descriptor appeared: read, write, mmap, close... on it */
long filter_add_range(uint64_t start, uint64_t end); /* an enclave mapping appeared: memory calls that touch it */

/* cpuid.c, cpuid_patch.c */
void cpuid_init(void);				/* take the host's view, decide the profile (rt.profile), turn faulting on */
struct cpuid_result cpuid_emulate(uint32_t leaf, uint32_t subleaf);
/* Look for CPUID instructions in executable memory [start, end) and replace them (INT3); may take microseconds per page. */
void cpuid_patch_range(uint64_t start, uint64_t end);
/* Is @rip (of the INT3) a patched CPUID? */
bool cpuid_is_patched(uint64_t rip);

/* gate.c and gate_*.c: one function for each group of trapped system calls; they finish @uc (RAX, or a new RIP). */
void gate_syscall(struct thread *t, struct kucontext *uc, uint32_t nr);
/* Let the program make the call itself: it continues in a stub inside the runtime that returns behind the original. */
void gate_continue(struct thread *t, struct kucontext *uc);
/* Has a system call that was to trap not done so? It is behind SYSCALL with its number in RAX. */
bool gate_lost(struct thread *t, const struct kucontext *uc);
bool gate_in_stub(const struct kucontext *uc);
void gate_stub_fixup(const struct thread *t, struct kucontext *uc); /* RIP in it: rewrite to the program's own instruction */
void gate_files(struct thread *t, struct kucontext *uc, uint32_t nr);
void gate_memory(struct thread *t, struct kucontext *uc, uint32_t nr);
void gate_signals(struct thread *t, struct kucontext *uc, uint32_t nr);
void gate_process(struct thread *t, struct kucontext *uc, uint32_t nr);

/* gate_send.c: calls that send a signal */
void gate_send(struct thread *t, struct kucontext *uc, uint32_t nr);

/* gate_wait.c: calls that wait with a mask of their own, or for signals */
void gate_wait(struct thread *t, struct kucontext *uc, uint32_t nr);
bool gate_in_wait(const struct kucontext *uc);
void gate_wait_end(struct thread *t, struct kucontext *uc);	/* RIP in the stub: at the program's SYSCALL, or behind it */
/*
 * @sig has met the thread in the stub; if it has ended the wait, a handler starts with the mask of the wait. True: it is
 * the stub's own trap, and has been dealt with.
 */
bool gate_wait_cut(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc);
void gate_wait_again(struct thread *t, struct kucontext *uc);	/* it was for nothing: the program waits on */

/* gate.c: CPUID at RIP (a patched one: @behind is how far RIP is behind its start). */
void gate_cpuid(struct kucontext *uc, unsigned behind);
bool gate_cpuid_faulted(struct kucontext *uc);	/* #GP: was it CPUID? then served */

/* signals.c */
void signals_init(void);
const struct ksigaction *signals_action(const struct thread *t, int sig);
void signals_set_action(struct thread *t, int sig, const struct ksigaction *act);
uint64_t signals_ignored(const struct thread *t);
uint64_t signals_discarded(void);
void signals_pending(struct thread *t, struct kucontext *uc);
bool signals_kick(const struct thread *t);
bool signals_tick(const struct thread *t);

/* deliver.c */
void signals_deliver(struct thread *t, int sig, const struct ksiginfo *info, struct kucontext *uc, bool forced);
bool signals_on_altstack(const struct thread *t, uint64_t sp);
long signals_altstack_set(struct thread *t, const struct kstack *new, uint64_t sp); /* gate_signals.c */
void signals_lend(struct thread *t);		/* before altstack and the like change: a child of vfork must not keep its parent's */
void signals_take_back(struct thread *t);
void signals_set_vmask(struct thread *t, uint64_t mask);

/* threads.c */
void threads_init(void);
struct thread *thread_alloc(void);		/* a slot with its LDT entry, or NULL */
void thread_free(struct thread *t);
uint64_t *thread_slot_word(struct thread *t);	/* of the bitmap of slots in use; bit index % 64 */
/* The slot in use behind @after, or the first for NULL; NULL: no more. Any context; threads come and go meanwhile. */
struct thread *thread_next(const struct thread *after);
#define for_each_thread(t) for ((t) = thread_next(NULL); (t); (t) = thread_next(t))
struct thread *thread_of(uint64_t pid, uint64_t tid); /* of this process or one that shares its memory; NULL: not known */
void thread_adopt(struct thread *t);
void thread_mark(const struct thread *t);	/* DS says who we are again, should somebody have loaded it */
void threads_forked(struct thread *t);
/* Entries through a TCS in [start, end) are for the model to judge again: its mapping has changed. */
void threads_forget(uint64_t start, uint64_t end);
void threads_kick(struct encl *encl, const struct thread *self);
struct thread *thread_current(void);		/* by DS: any context, async-signal-safe, no lock; NULL if DS is not ours */

/* aex.c: exits that the options ask for (--aex), steps and their trace. */
void aex_init(void);				/* behind the engine's own initialisation */
void aex_leaving(struct thread *t);		/* @t is about to continue, inside or outside */
void aex_exec(const struct thread *t, bool begin);	/* before execve; false: it has failed */
void aex_forked(struct thread *t);		/* in the child of a fork, whose only thread is @t */

/* stats.c: the statistics file (--stats), shared by every process of the run. */
void stats_init(void);				/* before threads and driver; sets rt.counters_shared, NULL without a file */
void stats_fork_child(void);			/* after fork: counters of the child's own at the same addresses */
uint32_t stats_page(void);			/* this process's page; 0 in a child of vfork: that one is the parent's */
struct thread_stats *stats_claim_thread(void);	/* for a new thread; NULL without a file: use own_stats */

#endif
