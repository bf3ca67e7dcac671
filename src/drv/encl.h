/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An enclave: the file that carries it, and what one process knows about it.
 *
 * The file is sparse; its size is fixed at open for the largest ELRANGE, so that nobody can shrink it under a mapping:
 *
 *	0		struct encl_header
 *	epcm		struct epcm_entry	[n + 1 + nva]	n = SECS.SIZE / 4096
 *	recs		struct page_rec		[n]
 *	chunks		uint16_t		[n / 512]	existing pages of each 512, so that holes are never scanned
 *	slots		uint64_t		[nva][8]	VA slots in use
 *	epc		EPC pages		[n + 1 + nva]	page i of ELRANGE has index i; n is the SECS; then VA pages
 *	backing		evicted contents	[n + 1]		(A-EPC-10)
 *	pcmd		struct sgx_pcmd		[n + 1]
 *
 * The header alone has a meaning before CREATE. Everything in the file is protected by encl_header.lock, except words
 * that are atomic, and page_rec.state and EPCM entries, which may be read at any time.
 */
#ifndef SOFTSGX_DRV_ENCL_H
#define SOFTSGX_DRV_ENCL_H

#include "drv/drv.h"

#define ENCL_CHUNK		512	/* pages counted together; also VA slots of a VA page */
#define ENCL_USERS_MAX		64
#define ENCL_FDS_MAX		12
#define ENCL_PATCHED_MAX	128
#define ENCL_NO_PAGE		UINT64_MAX

enum encl_state { ENCL_NEW, ENCL_CREATED, ENCL_INITIALISED };

/*
 * enum page_state - of a page of ELRANGE.
 *   ABSENT -> RESIDENT: ADD_PAGES, EAUG.   RESIDENT -> SWAPPED: EWB.   SWAPPED -> RESIDENT: ELDU.
 *   SWAPPED -> LOST: ELDU failed (A-EPC-11).   RESIDENT -> ABSENT: REMOVE_PAGES, failed EEXTEND.
 *   ABSENT -> QUEUED -> RESIDENT: ADD_PAGE of 2018 and its worker (C0-5); meanwhile the backing area has the contents,
 *   and in place of the PCMD there is a struct build_request.
 */
enum page_state { PAGE_ABSENT, PAGE_RESIDENT, PAGE_SWAPPED, PAGE_LOST, PAGE_QUEUED };

#define CODE_SEEN	1u
#define CODE_PATCHED	2u

struct page_rec {
	_Atomic uint8_t state;		/* enum page_state */
	uint8_t type;			/* enum sgx_pt as recorded (A-MOD-6) */
	uint8_t max_prot;		/* PROT_*: the cap of A-ADD-17 */
	_Atomic uint8_t code;		/* CODE_*: what drv_ops.patch_code made of it */
	uint32_t va_slot;		/* while SWAPPED: VA page * 512 + slot */
};
static_assert(sizeof(struct page_rec) <= 16, "n of them, up to 2^28");

struct build_request {
	uint64_t next;			/* page number, or ENCL_NO_PAGE */
	uint64_t secinfo;		/* SECINFO.FLAGS */
	uint16_t mrmask;
};

/* Of an enclave of the ABI of 2018. It belongs to one process, so this is not in its file. Protected by drv.lock. */
struct abi_2018 {
	bool     device;		/* no enclave, but /dev/sgx itself: what is mapped and not created yet */
	bool     enclave;
	bool     doomed;		/* a mapping is just going (C0-8) */
	_Atomic bool dead;		/* C0-4: DEAD; may be read without a lock */
	bool     suspended;		/* C0-9 */
	uint64_t head, tail;		/* of the queue of the worker: page numbers */
	uint64_t working;		/* the page that is being added; else ENCL_NO_PAGE */
};

/* A process that is attached: @header is the address of its mapping of the header, to see whether it still is. */
struct encl_user {
	uint64_t pid, header;
};

struct encl_header {
	uint8_t  magic[32];
	struct lock lock;
	_Atomic uint32_t busy;		/* tid of the ioctl in progress (A-ST-1), or 0 */
	_Atomic uint32_t state;		/* enum encl_state: only grows */
	uint64_t id;			/* random */
	_Atomic uint64_t generation;	/* see struct epc_section */
	uint64_t base, size, attributes, xfrm;
	uint64_t allowed;		/* ATTRIBUTES that INIT accepts (A-CRE 10, A-PRV-1) */
	uint64_t page_cnt;		/* pages and the SECS (A-EPC-9) */
	uint64_t resident;		/* EPC pages that this enclave occupies, VA pages and SECS included */
	uint64_t children;		/* of them pages of ELRANGE */
	uint64_t va_count, va_hint;	/* VA pages; the first that may have a free slot */
	uint64_t hand;			/* where reclaim goes on */
	uint64_t secs_slot;		/* while the SECS is SWAPPED */
	uint32_t secs_state;		/* enum page_state */
	uint32_t crowded;		/* more users than the table holds: never reclaim */
	uint64_t fork_until;		/* CLOCK_MONOTONIC ns until which a forked child may not have registered yet */
	struct encl_user users[ENCL_USERS_MAX];
	_Atomic uint64_t patched[ENCL_PATCHED_MAX]; /* see encl_patch_begin(): addresses, 0 free, bit 63: a jump */
};
static_assert(sizeof(struct encl_header) <= 4096, "one page");

/* Offsets in the file. */
struct encl_layout {
	uint64_t npages, nva, epcm, recs, chunks, slots, epc, backing, pcmd, total;
};
void encl_layout(struct encl_layout *l, uint64_t elrange_size);

/* struct encl.pte[i]: the page table entry that Linux would have, and the rights that our mapping has now. */
#define PTE_PROT	7u		/* PROT_*: what the kernel's mapping allows */
#define PTE_PRESENT	8u		/* Linux's PTE would be present, whatever the EPCM says */
#define PTE_YOUNG	16u		/* installed since reclaim last looked */
#define PTE_SHARED	32u		/* of a debug enclave: see private.c */
#define PTE_GONE	64u
#define PTE_KIND	(PTE_SHARED | PTE_GONE)

/*
 * struct encl - one attached enclave of this process. Protected by drv.lock; fields above the line are set once, at
 * attach or when CREATE is first seen, and may be read by anybody who got the pointer from a mapping's record.
 */
struct encl {
	struct epc_section section;	/* EPC addresses are addresses in our read-write mapping of the file */
	struct encl_header *header;
	struct page_rec *recs;
	uint16_t *chunks;
	uint64_t *slots;
	uint8_t *backing;
	struct sgx_pcmd *pcmd;
	uint8_t *pte;			/* per page of ELRANGE; private */
	uint64_t donor;			/* PROT_NONE mapping of ELRANGE's EPC pages, to clone mappings from without an fd */
	uint64_t private_donor;		/* of a debug enclave, or 0: the same, private; then what lies behind the file */
	uint64_t base, size, npages;	/* npages is 0 until CREATE was seen */
	uint64_t dev, ino, file_size;
	/* -- */
	uint64_t area, area_size;	/* address space of everything but the header */
	uint64_t counted;		/* our share of drv.epc_used */
	uint32_t vmas;			/* records in the table of mappings */
	uint32_t pins;			/* ioctls in progress */
	struct abi_2018 abi;
	int      fds[ENCL_FDS_MAX];	/* descriptors that we have seen; -1: none */
	bool     fds_overflow;
	bool     used;
	bool     retired;		/* not used, and not to be used for another enclave yet */
};

/* All of these: Context: drv.lock held. */

/** encl_attach() - the enclave of the open file @fd, which drv_fd_kind() has called one. NULL and *error: -ENOMEM, -EBADF. */
struct encl *encl_attach(struct drv *d, int fd, long *error);
/**
 * encl_put() - detach @e if neither a mapping nor a descriptor that we know refers to it. A thread that looked it up
 * without a lock may be in the middle of a leaf on it still, or of an entry: what it finds instead are zeroes, until
 * RETIRED_MAX more enclaves are detached, or address space is short.
 */
void encl_put(struct drv *d, struct encl *e);
/** encl_forget_oldest() - give back the address space of the enclave that was detached first. False: there is none. */
bool encl_forget_oldest(struct drv *d);
/** encl_see() - map the rest of the file if CREATE has happened since. -ENOMEM. Context: header lock held too. */
long encl_see(struct drv *d, struct encl *e, uint64_t elrange_size);
/** encl_unsee() - the opposite, for a CREATE that failed; drops the contents. */
void encl_unsee(struct drv *d, struct encl *e);

/** encl_lock()/encl_unlock() - header lock; brings the account of EPC pages up to date, heals after a dead owner. */
void encl_lock(struct drv *d, struct encl *e);
void encl_unlock(struct drv *d, struct encl *e);
bool encl_try_lock(struct drv *d, struct encl *e);

/** encl_exclusive() - is no other live process attached? Forgets dead ones. Context: header lock held. */
bool encl_exclusive(struct drv *d, struct encl *e);
void encl_register_user(struct drv *d, struct encl *e);

/** encl_patches_degrade() - jumps of other processes into their trampolines become INT3s. Context: header lock held. */
void encl_patches_degrade(struct encl *e);

/** encl_next_page() - index of the first page at or after @i that exists; >= @end if none before it. */
uint64_t encl_next_page(const struct encl *e, uint64_t i, uint64_t end);
/** encl_rec_add()/_remove() - page @i begins or ceases to exist. */
void encl_rec_add(struct encl *e, uint64_t i, enum sgx_pt type, uint8_t max_prot);
void encl_rec_remove(struct encl *e, uint64_t i);
/** encl_rec_queue() - page @i begins to exist, and is not in the EPC yet: QUEUED. */
void encl_rec_queue(struct encl *e, uint64_t i, enum sgx_pt type);

static inline enum encl_state encl_state(const struct encl *e)
{
	return (enum encl_state)atomic_load_explicit(&e->header->state, memory_order_acquire);
}

static inline enum page_state page_state(const struct encl *e, uint64_t i)
{
	return (enum page_state)atomic_load_explicit(&e->recs[i].state, memory_order_acquire);
}

static inline uint64_t encl_addr(const struct encl *e, uint64_t i)
{
	return e->base + i * SGX_PAGE_SIZE;
}

static inline bool encl_covers(const struct encl *e, uint64_t addr)
{
	return e->npages && addr - e->base < e->size;
}

#endif
