/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file that sign.c writes and load.c gives to the driver. After the two pages of the header: the segments'
 * pages.
 */
#ifndef EXAMPLES_IMAGE_H
#define EXAMPLES_IMAGE_H

#include <stdint.h>

#define IMAGE_MAGIC	"enclave1"
#define IMAGE_SEGMENTS	64
#define IMAGE_THREADS	8

struct image {
	char magic[8];
	uint64_t size;				/* ELRANGE */
	uint64_t attributes, xfrm;
	uint32_t miscselect, threads, segments, zero;
	uint64_t tcs[IMAGE_THREADS];		/* offsets */
	struct {
		uint64_t offset, pages;
		uint64_t secinfo;		/* 0: nothing is added, memory for the enclave to grow into */
	} segment[IMAGE_SEGMENTS];
	uint8_t pad[4096 - 48 - 8 * IMAGE_THREADS - 24 * IMAGE_SEGMENTS];
	uint8_t sigstruct[4096];		/* 1808 bytes of it */
};
_Static_assert(sizeof(struct image) == 8192, "two pages");

#define SIGSTRUCT_ATTRIBUTES	928		/* where SIGSTRUCT says what TARGETINFO wants to know */
#define SIGSTRUCT_ENCLAVEHASH	960

#endif
