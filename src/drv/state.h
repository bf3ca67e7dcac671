/* SPDX-License-Identifier: BSD-2-Clause */
/* struct drv, and what the parts of the driver offer each other. Everything: Context: drv.lock held, unless told. */
#ifndef SOFTSGX_DRV_STATE_H
#define SOFTSGX_DRV_STATE_H

#include "drv/drv.h"
#include "drv/encl.h"
#include "drv/vma.h"
#include "sys/sys.h"

#define DRV_ERESTARTSYS	512
#define DRV_ENCLS_MAX	MACHINE_SECTIONS_MAX
#define DRV_BOUNCE	64		/* pages that ADD_PAGES reads at once */
#define DRV_LOW_WATER	32		/* A-EPC-2 */
#define DRV_BATCH	16
#define DRV_PAGE	SGX_PAGE_SIZE

#define KIND_ENCLAVE	1
#define KIND_PROVISION	2
#define KIND_2018	3

/* Operands of leaves and buffers, in the arena because a handler's stack is small. */
struct scratch {
	uint8_t bounce[DRV_BOUNCE * 4096];
	uint8_t page[4096];		/* SECS or SIGSTRUCT */
	struct sgx_einittoken token __attribute__((aligned(512)));
	struct sgx_secinfo secinfo __attribute__((aligned(64)));
	struct sgx_pageinfo pageinfo __attribute__((aligned(32)));
} __attribute__((aligned(4096)));

struct region {
	uint64_t start, size;
};

/* C0-5: the helper that adds pages; one for all enclaves of the process, as there was one work queue. */
struct build_worker {
	long     pid;			/* not reaped yet; 0: none */
	uint64_t stack;			/* in the arena; 0: none yet */
	bool     done;			/* it is about to end and looks at no queue any more */
	bool     forbidden;		/* an execve is on the way */
};

#define RETIRED_MAX	16
/* The address space of an enclave that is detached: see encl_put(). */
struct retired {
	struct encl *e;
	uint64_t area, header;		/* area: 0 if there is none */
};

struct drv {
	struct lock lock;
	uint32_t tid;			/* of the lock's holder */
	uint32_t pid;
	struct drv_config config;
	const struct drv_ops *ops;
	struct drv_counters *counters;
	struct machine machine;
	struct machine_shared shared;
	struct cpu cpu;			/* for ENCLS leaves */
	struct encl *leaf_encl;		/* whose EPC the leaf in progress works on */
	uint64_t epc_used;
	uint64_t fork_until;		/* what the last fork of this process wrote into headers */
	struct build_worker worker;	/* of the ABI of 2018 */
	struct retired retired[RETIRED_MAX];
	uint32_t retired_first, retired_count;
	bool forking;			/* in the child: the parent's threads are not ours to kick */
	/* In the arena: */
	struct scratch *scratch;
	struct encl *encls;		/* [encl_count] slots, used or not */
	uint32_t encl_count, reclaim_next;
	struct region *regions;		/* sorted, in the arena's address order */
	uint32_t region_count;
	struct vma *vmas;
	_Atomic uint32_t vma_count, vma_seq;
};

/* drv.c */
void drv_lock(struct drv *d, uint32_t tid);
void drv_unlock(struct drv *d);
uint32_t drv_self(void);			/* gettid */
bool drv_signal_pending(struct drv *d);
void drv_invalidate(struct drv *d, struct encl *e, uint64_t start, uint64_t end);
uint64_t drv_now(void);				/* CLOCK_MONOTONIC, ns */

/* machine.c */
void machine_setup(struct drv *d, const struct isa_profile *profile, const struct platform_keys *keys);

/* arena.c: address space. */
long arena_init(struct drv *d);
uint64_t arena_take(struct drv *d, uint64_t size);	/* 0: full */
void arena_give(struct drv *d, uint64_t start);		/* unmaps it */
long arena_map(uint64_t start, uint64_t size);		/* memory for what arena_take() gave */

/* open.c */
long drv_reopen(int fd, int flags);		/* any context */

/* epc.c: the account of EPC pages, and the leaves. */
#define ENCLS_FAULT	(-1L)
long encls(struct drv *d, struct encl *e, enum sgx_encls leaf, uint64_t rbx, uint64_t rcx, uint64_t rdx);
uint64_t epc_addr(const struct encl *e, uint64_t index);
uint64_t epc_free(const struct drv *d);
/*
 * epc_take() - one EPC page for @e, reclaiming if none is free but never page @keep. -ENOMEM if there is nothing that
 * could be evicted; with @interruptible also -ERESTARTSYS. epc_give() returns it and drops the bytes of page @index.
 */
long epc_take(struct drv *d, struct encl *e, uint64_t keep, bool interruptible);
void epc_give(struct drv *d, struct encl *e, uint64_t index);
/** epc_punch() - give memory behind [start, start + size) of one of our mappings back to the system. */
void epc_punch(uint64_t start, uint64_t size);
/** epc_load() - bring page @i, and its SECS, back. 0, -ENOMEM (no EPC page), -EFAULT (absent, lost). */
long epc_load(struct drv *d, struct encl *e, uint64_t i);
long epc_load_secs(struct drv *d, struct encl *e, uint64_t keep);
/** epc_track() - ETRACK, then make every thread leave (A-TRK). -EFAULT. */
long epc_track(struct drv *d, struct encl *e);
/** epc_eremove() - free resident page @i and forget it. False: EREMOVE refused. */
bool epc_eremove(struct drv *d, struct encl *e, uint64_t i);

/* va.c */
long va_grow(struct drv *d, struct encl *e, bool interruptible);	/* before the page count rises (A-EPC-9) */
uint32_t va_slot_take(struct encl *e);
void va_slot_give(struct encl *e, uint32_t slot);
uint64_t va_slot_addr(const struct encl *e, uint32_t slot);

/* reclaim.c */
bool reclaim_possible(struct drv *d);	/* is there a page that may be evicted in principle? */
/** reclaim_pass() - evict up to 16 pages, never @keep of @locked, whose header lock is held. False: nothing to evict. */
bool reclaim_pass(struct drv *d, struct encl *locked, uint64_t keep);
/** reclaim_unblock() - finish the eviction of a page that stayed BLOCKED. */
bool reclaim_unblock(struct drv *d, struct encl *e, uint64_t i);

/* pte.c: rights of our mappings. @i is a page of ELRANGE. */
uint32_t pte_native(const struct encl *e, uint64_t i, uint32_t prot);	/* EPCM and @prot */
uint32_t pte_ready(const struct drv *d, const struct encl *e, uint64_t i, uint32_t prot); /* less what waits for code.c */
bool pte_install(struct drv *d, struct encl *e, uint64_t i);		/* with neighbours; needs a mapping there */
void pte_refit(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint32_t prot); /* narrow to EPCM and @prot */
void pte_zap(struct drv *d, struct encl *e, uint64_t i, uint64_t count);	/* PTEs vanish */
void pte_forget(struct encl *e, uint64_t start, uint64_t end);		/* mapping is gone; addresses */

/*
 * private.c: how pages of debug enclaves are mapped. For others all of it does nothing.
 * private_prepare() - a mapping to clone from, now that there is a descriptor; without one everything is shared.
 * private_clone() - map [start, end) of ELRANGE privately, PROT_NONE.
 * private_kind() - PTE_SHARED or 0: how a page with these rights is to be mapped. private_convert() maps pages so; they
 * are PROT_NONE then. False: the kernel's limit, or it is not one mapping.
 * private_settle() - what a debugger has written becomes the page's contents. private_fresh() - or is forgotten, because
 * a new page begins.
 */
void private_prepare(struct drv *d, struct encl *e, int fd);
void private_give(struct drv *d, struct encl *e);
long private_clone(const struct encl *e, uint64_t start, uint64_t end);
uint8_t private_kind(const struct encl *e, uint32_t rights);
bool private_convert(struct drv *d, struct encl *e, uint64_t i, uint64_t count, uint8_t kind);
void private_settle(struct drv *d, struct encl *e, uint64_t i, uint64_t count);
void private_fresh(struct drv *d, struct encl *e, uint64_t i);

/* code.c: pages that drv_ops.patch_code has to see before they are executed. */
/** code_ready() - are @rights to page @i, which the EPCM allows, to be had without code_prepare()? */
bool code_ready(const struct drv *d, const struct encl *e, uint64_t i, uint32_t rights);
/**
 * code_prepare() - have resident page @i patched, or unpatched if it has become writable. Its neighbours are looked at
 * too: @load says to bring them back if need be, otherwise nothing happens when one is evicted. False: @i could not be
 * kept resident.
 */
bool code_prepare(struct drv *d, struct encl *e, uint64_t i, bool load);

/* map.c */
bool map_allowed(struct encl *e, uint64_t start, uint64_t end, uint32_t prot);	/* A-MAP-4..6 */
long map_realise(struct drv *d, struct vma *v);		/* placeholder or lost mapping: map the file's right pages */
void map_drop_lost(struct drv *d, uint64_t start, uint64_t end);	/* after a call that unmapped it, or may have */

/* ioctl.c and ioc_*.c. Context: drv.lock not held; @e pinned and its busy flag ours. */
long ioc_create(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
/** encl_create() - of the SECS in scratch.page; errors of A-CRE-5 to A-CRE-9. Context: drv.lock, header lock held. */
long encl_create(struct drv *d, struct encl *e);
long ioc_add_pages(struct drv *d, uint32_t tid, struct encl *e, int fd, uint64_t arg);
long ioc_init(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
/** encl_einit() - of the SIGSTRUCT in scratch.page; result of encls(). Context: as encl_create(). */
long encl_einit(struct drv *d, struct encl *e);
long ioc_provision(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
long ioc_restrict_permissions(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
long ioc_modify_types(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
long ioc_remove_pages(struct drv *d, uint32_t tid, struct encl *e, uint64_t arg);
bool ioc_range_valid(const struct encl *e, uint64_t offset, uint64_t length);	/* A-ADD-4 */
/** sgx2_restrict(), _modify(), _remove() - of valid pages: what the ioctls do to each (A-RST, A-MOD, A-REM). */
long sgx2_ready(const struct drv *d, const struct encl *e);	/* -ENODEV, -EINVAL */
long sgx2_restrict(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length, uint64_t rights);
long sgx2_modify(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length, uint64_t type);
long sgx2_remove(struct drv *d, uint32_t tid, struct encl *e, uint64_t offset, uint64_t length);

/* abi2018*.c: the ABI of late 2018 (C.0). Context: drv.lock not held, unless told. */
long abi2018_ioctl(struct drv *d, uint32_t tid, uint32_t cmd, uint64_t arg);
long abi2018_create(struct drv *d, uint32_t tid, uint64_t arg);
long abi2018_add_page(struct drv *d, uint32_t tid, uint64_t arg);
long abi2018_mmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags, int fd,
		  uint64_t offset);
static inline bool bytes_zero(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	while (size && !*p)
		p++, size--;
	return !size;
}
/** abi2018_find() - the enclave at @addr; or NULL, *error -EINVAL, -ENOENT, POWER_LOST. Context: drv.lock held. */
struct encl *abi2018_find(struct drv *d, uint64_t addr, long *error);
/** abi2018_kill() - C0-8: @e is dead, its threads are out, its EPC free. Context: drv.lock held, header lock not. */
void abi2018_kill(struct drv *d, struct encl *e);
void abi2018_kill_locked(struct drv *d, struct encl *e);	/* header lock held */
/** build_next() - add the first queued page of @e; false: the queue is empty. Context: drv.lock, header lock held. */
bool build_next(struct drv *d, struct encl *e);
void build_drain(struct drv *d, uint32_t tid, struct encl *e);	/* @e is pinned */
/** worker_start() - see to it that a worker looks at the queues. False: nobody will. Context: drv.lock held. */
bool worker_start(struct drv *d);
/** worker_reap() - a worker that is done leaves no trace. Context: drv.lock held. */
void worker_reap(struct drv *d);

#endif
