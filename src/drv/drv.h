/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver: what /dev/sgx_enclave and /dev/sgx_provision do on Linux (section A of the contract), on top of the
 * instruction model. One enclave is one memfd that carries everything (see encl.h): state header, EPCM, the driver's
 * page records, EPC pages in linear layout, backing store. Descriptors, fork, exec and SCM_RIGHTS therefore work as the
 * kernel makes them work for any file; a process attaches to an enclave when it first meets the file.
 *
 * Context: every function here is called with all signals of the thread blocked, from the syscall gate or a signal
 * handler, and may take the locks below. The exceptions (drv_translate, drv_range_hit) say so.
 * Lock order: drv.lock, then encl_header.lock. Faults never happen inside: the program's memory is reached through
 * sys_copy_*_user.
 */
#ifndef SOFTSGX_DRV_DRV_H
#define SOFTSGX_DRV_DRV_H

#include "isa/machine.h"
#include "sys/lock.h"

struct drv;
struct encl;

/** struct drv_config - fixed at start. */
struct drv_config {
	uint64_t epc_pages;		/* size of the EPC, pages */
	uint64_t arena_base, arena_size; /* address space for aliases and tables: the driver maps nowhere else */
	bool     aexnotify;		/* ATTRIBUTES bit 10 allowed, as from Linux 6.2 on (A-CRE 10, A-INI-4) */
	bool     rfc_2018;		/* the ABI of 2018 has the numbers of RFC v3 (C.1) */
	bool     full_2018;		/* and its REMOVE_PAGES and MODIFY_PAGES do something (C0-7) */
	bool     patch_cpuid;		/* CPUID inside is to be #UD (INS-01), and the machine can't make it fault */
};

/** struct drv_counters - what happened; plain counters, bumped by the driver under its locks. */
struct drv_counters {
	uint64_t enclaves_created, enclaves_initialised, pages_added, pages_measured, pages_augmented, pages_removed;
	uint64_t page_faults, evictions, reloads, epc_peak;
};

/** struct drv_ops - what the driver needs from the engine. Any may be NULL in tests. */
struct drv_ops {
	/* Make every thread that is inside @encl leave by AEX (it may re-enter at once): Linux's IPI (A-TRK). */
	void (*kick)(struct drv *d, struct encl *encl);
	/* Is a signal pending that the program would see? ADD_PAGES, CREATE, INIT stop for it (A-ST-4). */
	bool (*signal_pending)(struct drv *d);
	/* Rights went away, or the bytes of an executable page of @encl changed: forget caches and patches of [start, end). */
	void (*invalidate)(struct drv *d, struct encl *encl, uint64_t start, uint64_t end);
	/* C1-3: may CREATE of the ABI of 2018 make enclaves? NULL: it may. */
	bool (*registered)(struct drv *d);
	/* EINIT of @encl succeeded. */
	void (*initialised)(struct drv *d, struct encl *encl);
	/*
	 * For what the machine would execute otherwise than enclave mode does. patch_code: @code [from, end) is a page
	 * that is about to become executable, with its surroundings; replace in @page, a copy of it, the instructions
	 * @what (DRV_CODE_*); false if there are none. unpatch_code undoes that for what begins in [from, end) of @code,
	 * which was read from address @addr.
	 */
#define DRV_CODE_XCR0	1u		/* those that show XCR0: the enclave's XFRM is another */
#define DRV_CODE_CPUID	2u
	bool (*patch_code)(unsigned int what, const uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
			   uint8_t *page);
	void (*unpatch_code)(unsigned int what, uint8_t *code, uint64_t size, uint64_t from, uint64_t end,
			     uint64_t addr);
};

/** enum drv_fault_result - what a fault means to the one who took it (A.9). */
enum drv_fault_result {
	DRV_FAULT_NOT_OURS,	/* no mapping of an enclave at this address */
	DRV_FAULT_RETRY,	/* repaired: run the instruction again */
	DRV_FAULT_SEGV,		/* SIGSEGV, SEGV_ACCERR; *exc has the error code */
	DRV_FAULT_BUS,		/* SIGBUS, BUS_ADRERR */
};

/*
 * Life of the driver's own state. drv_init lays out struct drv in memory that the caller provides (drv_size() bytes,
 * zeroed). drv_fork_* bracket a fork: prepare takes drv.lock, done releases it in parent and child.
 */
uint64_t drv_size(void);
long drv_init(struct drv *d, const struct drv_config *config, const struct drv_ops *ops,
	      const struct isa_profile *profile, const struct platform_keys *keys, struct drv_counters *counters);
void drv_fork_prepare(struct drv *d, uint32_t tid);
void drv_fork_done(struct drv *d, bool child);
/** drv_exec_prepare() - no helper of the driver's is at work from here on; until drv_exec_failed(), none begins. */
void drv_exec_prepare(struct drv *d, uint32_t tid);
void drv_exec_failed(struct drv *d, uint32_t tid);
/** drv_power_lost() - C0-9: the machine has slept. Enclaves of the ABI of 2018 are lost, and their ioctls say so. */
void drv_power_lost(struct drv *d, uint32_t tid);

/** drv_open() - open /dev/sgx_enclave (or sgx_provision): a new descriptor, or -errno. @flags as for open(2). */
long drv_open(struct drv *d, int flags);
long drv_open_provision(struct drv *d, int flags);
long drv_open_2018(struct drv *d, int flags);	/* /dev/sgx */
/** drv_fd_kind() - 0 not ours, 1 enclave, 2 provision, 3 /dev/sgx. Asks the kernel: any process's one counts. */
int drv_fd_kind(struct drv *d, int fd);
/** drv_closed() - @fd was ours and has been closed: detach enclaves that nothing here refers to any more. */
void drv_closed(struct drv *d, int fd);
/** drv_stat() - make a struct stat of a memfd of ours look like the device's (character device, 10:minor, mode). */
void drv_stat_fixup(struct drv *d, int kind, void *kernel_stat);

/** drv_ioctl() - A.4 to A.7, A.11, C.0. @tid is the caller's. Returns what ioctl(2) does; -ERESTARTSYS as -512. */
long drv_ioctl(struct drv *d, uint32_t tid, int fd, uint32_t cmd, uint64_t arg);

/*
 * Memory calls (A.8). drv_mmap is for descriptors of ours. The others are for any range: they split it at enclave
 * mappings, apply the rules there and pass the rest to the kernel, and return what the call returns.
 * drv_mmap_other: mmap with MAP_FIXED of something else over a range that may hold enclave mappings.
 */
long drv_mmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags, int fd,
	      uint64_t offset);
long drv_mmap_other(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags,
		    int fd, uint64_t offset);
long drv_munmap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length);
long drv_mprotect(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t prot, int pkey /* -1 none */);
long drv_mremap(struct drv *d, uint32_t tid, uint64_t addr, uint64_t old_length, uint64_t new_length, uint64_t flags,
		uint64_t new_addr);
long drv_madvise(struct drv *d, uint32_t tid, uint64_t addr, uint64_t length, uint64_t advice);
/** drv_range_hit() - does [addr, addr+length) touch a mapping of an enclave? Lock-free. */
bool drv_range_hit(struct drv *d, uint64_t addr, uint64_t length);

/**
 * drv_fault() - an access with page-fault error code @pfec (W, I as the hardware said; other bits are worked out here)
 * at @addr faulted. @inside: the thread was in enclave mode; the EPCM is then checked after the page tables, and only
 * when the page's PTE was present already: a fault that made it so says RETRY, which is what ENCLU operands need. A
 * host access to a page whose EPCM entry refuses it is DRV_FAULT_SEGV with PFEC.SGX: hardware would not fault but read
 * ones and drop the write (abort page); the caller may emulate that. For DRV_FAULT_SEGV and _BUS, *exc is the #PF that
 * software sees (error code per A.9; address not yet masked).
 */
#define DRV_FAULT_WALK	UINT32_C(0x80000000)	/* with @pfec: an operand of a leaf; the EPCM is the leaf's business */
enum drv_fault_result drv_fault(struct drv *d, uint32_t tid, uint64_t addr, uint32_t pfec, bool inside,
				struct exception *exc);

/**
 * drv_raced() - a leaf of ENCLU has faulted by the EPCM, or lost against another leaf (#GP), on the page at @addr. True:
 * the driver was evicting or changing pages of that enclave, whose section's generation was @generation before the leaf;
 * run it again. (A processor would have found no translation, and faulted for the kernel to wait.) Waits for that work.
 */
bool drv_raced(struct drv *d, uint32_t tid, uint64_t addr, uint64_t generation);

/** drv_machine() - the model's machine of this process: its translate() walks the mappings (lock-free). */
struct machine *drv_machine(struct drv *d);

/* What the engine may ask about an enclave (all lock-free). */
struct encl *drv_encl_at(struct drv *d, uint64_t addr);		/* by an address inside a mapping of it */
uint64_t encl_base(const struct encl *e);
uint64_t encl_id(const struct encl *e);				/* random, for as long as it lives */
uint64_t encl_size(const struct encl *e);
struct epc_section *encl_section(struct encl *e);
struct encl *encl_of_section(struct epc_section *section);
/** drv_fetchable() - does our mapping of the enclave page at @addr allow execution at this moment? Lock-free. */
bool drv_fetchable(struct drv *d, uint64_t addr);
/* For patching code: the EPCM says execute and not write at this page now (encl_header.lock not needed). */
bool encl_page_is_code(struct encl *e, uint64_t addr);
/*
 * An ENCLU (0F 01 D7) at @addr is about to become an INT3 (CC 01 D7) or, with @jump, a jump. Every process that uses the
 * enclave executes those bytes, but only this one and its children know where a jump leads: as soon as another attaches,
 * jumps become INT3s. begin says which form may be written, and holds the driver's locks until end.
 */
enum encl_patch { ENCL_PATCH_NO, ENCL_PATCH_INT3, ENCL_PATCH_JUMP };
enum encl_patch encl_patch_begin(struct drv *d, uint32_t tid, struct encl *e, uint64_t addr, bool jump);
void encl_patch_end(struct drv *d, struct encl *e, uint64_t addr);
void encl_patch_remove(struct encl *e, uint64_t addr);		/* the ENCLU is back; any context */
bool encl_patched(const struct encl *e, uint64_t addr);		/* by any process; any context */
/* SECS.ATTRIBUTES.XFRM. Has drv_ops.patch_code replaced anything in the page of @addr? */
uint64_t encl_xfrm(const struct encl *e);
bool encl_page_patched(const struct encl *e, uint64_t addr);

#endif
