/* SPDX-License-Identifier: BSD-2-Clause */
/* What the examples' hosts share: loading an enclave, finding the vDSO function, checking. */
#ifndef EXAMPLES_HOST_H
#define EXAMPLES_HOST_H

#include <asm/sgx.h>		/* the kernel's: ioctls, struct sgx_enclave_run */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "protocol.h"

struct enclave {
	uint64_t base, size;
	uint64_t tcs[IMAGE_THREADS];
	const struct image *image;
};

/** enclave_load() - builds the enclave of file @name, which lies beside the program, through /dev/sgx_enclave. */
void enclave_load(struct enclave *e, const char *name);
/** vdso_function() - __vdso_sgx_enter_enclave, as the kernel maps it into every process. */
void *vdso_function(void);

/* For load.c and load_2018.c. */
const struct image *image_open(const char *name);
extern void *secs_of(const struct image *image, uint64_t base);	/* a page for SGX_IOC_ENCLAVE_CREATE */

#define CHECK(condition) do {								\
	if (!(condition)) {								\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);	\
		exit(1);								\
	}										\
} while (0)

#endif
