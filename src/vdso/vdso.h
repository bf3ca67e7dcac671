/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vDSO image that programs find instead of the kernel's: a complete shared object of VDSO_IMAGE_SIZE_MAX bytes at
 * most, one segment, no relocations, position-independent. There is one for each version of the function that enters
 * enclaves, alike in everything else. The runtime copies one to page-aligned memory, calls vdso_bind(), makes the pages
 * readable and executable (not writable), and hands their address out as AT_SYSINFO_EHDR.
 *
 * Everything that leaves the image does so through a table of pointers in it. As linked, the table holds image-relative
 * offsets of fallbacks in the image itself; vdso_bind() turns them into addresses and puts the better ones in.
 */
#ifndef SOFTSGX_VDSO_VDSO_H
#define SOFTSGX_VDSO_VDSO_H

#define VDSO_INFO_OFFSET	0x200		/* of struct vdso_info in the image, always */
#define VDSO_INFO_MAGIC		0x6f736476	/* "vdso" */
#define VDSO_REAL_COUNT		6
#define VDSO_IMAGE_SIZE_MAX	8192

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct vdso_slot - a function of the real vDSO. */
struct vdso_slot {
	uint32_t name;			/* NUL-terminated name in the real vDSO */
	uint32_t pointer;		/* its 8-byte pointer in the table */
};

/** enum vdso_version - the images. */
enum vdso_version {
	VDSO_UPSTREAM,			/* B */
	VDSO_V28, VDSO_V36, VDSO_V38,	/* C.3 */
	VDSO_NONE,			/* __vdso_sgx_enter_enclave does not exist; enter .. exception_pad are 0 */
	VDSO_VERSIONS
};

/*
 * struct vdso_info - where things are. Every field but magic, size and count is an offset from the start of the image.
 *
 * enter..enter_end: __vdso_sgx_enter_enclave. At gate it jumps through the pointer `engine` with
 *   EAX leaf (2 or 3, upper half of RAX zero), RBX the TCS, RCX address of enclu, all else the caller's,
 *   RSP and RBP the frame that the exit continues on;
 * the engine continues, in its own time, with RIP at one of:
 *   eexit_pad	the instruction after enclu: EEXIT lands here unless the enclave chose another address;
 *   exception_pad	with EAX as at the fault, RDI vector, RSI error code, RDX address (B-31);
 *   enclu	the ENCLU itself, with RAX, RBX, RCX of AEX: to resume an enclave, or because nothing else is possible.
 * sigreturn: a restorer for signal handlers, with unwind information for the kernel's signal frame on the stack; it
 *   jumps through the pointer `sigreturn_pointer` with RSP at the frame's ucontext and nothing else changed.
 */
struct vdso_info {
	uint32_t magic;			/* VDSO_INFO_MAGIC */
	uint32_t size;			/* sizeof(struct vdso_info) */
	uint32_t enter, enter_end;
	uint32_t gate;			/* jmp *engine */
	uint32_t enclu;			/* 0F 01 D7 */
	uint32_t eexit_pad;
	uint32_t exception_pad;
	uint32_t sigreturn;
	uint32_t table, table_size;	/* all pointers; fallbacks are entered as image-relative offsets */
	uint32_t engine;		/* pointer in the table; fallback: enclu */
	uint32_t sigreturn_pointer;	/* pointer in the table; fallback: a plain rt_sigreturn */
	uint32_t count;			/* of real[] in use */
	struct vdso_slot real[VDSO_REAL_COUNT]; /* fallbacks: the system call; getrandom: -ENOSYS */
};

/** struct vdso_image - the bytes of an image inside the runtime. */
struct vdso_image {
	const uint8_t *start, *end;
};

extern const struct vdso_image vdso_images[VDSO_VERSIONS];

/** vdso_info() - the description in @image (an image or a copy), or NULL if that is not one of ours. */
const struct vdso_info *vdso_info(const void *image);

/**
 * vdso_symbol() - the address of the function @name in the ELF image mapped at @vdso, by DT_SYMTAB and either hash table
 * for the number of symbols, versions ignored. 0 if it is not there or if @vdso is no ELF image.
 * Any context; reads only the image.
 */
uint64_t vdso_symbol(const void *vdso, const char *name);

/**
 * vdso_bind() - fills the table of @image, which is writable now and will run at address @base.
 * @real: the kernel's vDSO, or NULL if there is none: every function then is its system call.
 * @engine, @sigreturn: code to jump to from the gate and from the restorer; 0 keeps the fallback.
 * To be called once per copy. False, and nothing written, if @image is not one of ours.
 */
bool vdso_bind(void *image, uint64_t base, const void *real, uint64_t engine, uint64_t sigreturn);

#endif
#endif
