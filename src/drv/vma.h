/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of this process's enclave mappings, sorted by address. Writers hold drv.lock. vma_lookup() and vma_hit()
 * need no lock: they retry while a writer is at work, and writers are never interrupted by a handler of their own.
 */
#ifndef SOFTSGX_DRV_VMA_H
#define SOFTSGX_DRV_VMA_H

#include "drv/encl.h"

#define VMA_MAX		65536	/* Linux's own default limit is 65530 */

#define VMA_MAYWRITE	1u	/* the descriptor was open for writing */
#define VMA_PLACEHOLDER	2u	/* the kernel's mapping is not yet of the right pages of the file */
#define VMA_DONTFORK	4u
#define VMA_UNBOUND	8u	/* of /dev/sgx, and no enclave created there yet (C0-1) */
#define VMA_OFFSET	16u	/* unbound, and not at the beginning of the file */

struct vma {
	uint64_t start, end;
	struct encl *encl;
	uint32_t prot;		/* PROT_*: what the program asked for */
	uint32_t flags;		/* VMA_* */
};

/** vma_at() - the mapping that holds @addr, or NULL. Context: drv.lock held; valid until the table changes. */
struct vma *vma_at(struct drv *d, uint64_t addr);
/** vma_from() - the first mapping that ends above @addr, or NULL. Context: as vma_at(). */
struct vma *vma_from(struct drv *d, uint64_t addr);
/** vma_next() - the one after @v, or NULL. */
struct vma *vma_next(struct drv *d, struct vma *v);
/** vma_room() - can the table take two more records? Asked before a call that can't be undone. */
bool vma_room(struct drv *d);
/** vma_insert() - into a hole. */
void vma_insert(struct drv *d, const struct vma *v);
/** vma_remove() - cut [start, end) out of the table; its PTEs are forgotten. Kills enclaves of 2018 (C0-8). */
void vma_remove(struct drv *d, uint64_t start, uint64_t end);
/** vma_cut() - the same, and nothing is killed: the mappings are those of the parent. */
void vma_cut(struct drv *d, uint64_t start, uint64_t end);
/** vma_bind() - unbound mapping @v is one of @encl from now on. */
void vma_bind(struct drv *d, struct vma *v, struct encl *encl);
/** vma_update() - set @prot and @flags on [start, end), which lies inside one mapping. */
void vma_update(struct drv *d, uint64_t start, uint64_t end, uint32_t prot, uint32_t flags);

bool vma_lookup(struct drv *d, uint64_t addr, struct vma *copy);
bool vma_hit(struct drv *d, uint64_t start, uint64_t end);

#endif
