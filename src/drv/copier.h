/* SPDX-License-Identifier: BSD-2-Clause */
/* A helper that copies source pages into their frames ahead of ADD_PAGES: copier.c. */
#ifndef SOFTSGX_DRV_COPIER_H
#define SOFTSGX_DRV_COPIER_H

#include "drv/state.h"

#define COPIER_GROUP	(DRV_BOUNCE * DRV_PAGE)

/* Lies at the low end of the helper's own stack. */
struct copier {
	uint64_t src, size, offset, view; /* from the program's address to the file's offset, which we see at view */
	int      fd;
	long     pid;			/* 0: has ended */
	_Atomic uint64_t ready;		/* bytes that are in place */
	_Atomic uint64_t used;		/* bytes that have been added */
	_Atomic bool stop;
};

/** copier_start() - NULL if there can be none. Context: drv.lock held. The frames are absent and the EPC has room for all. */
struct copier *copier_start(struct drv *d, int fd, uint64_t src, uint64_t size, uint64_t offset, uint64_t view);
/** copier_wait() - until the first @end bytes are in place; false if they never will be. */
bool copier_wait(struct copier *c, uint64_t end);
/** copier_stop() - end and free it; the bytes that were put in place. Context: drv.lock held. */
uint64_t copier_stop(struct drv *d, struct copier *c);

#endif
