/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building an enclave through /dev/sgx, as the patches of late 2018 had it, with the RFC's numbers. In no kernel.
 */
#ifndef EXAMPLES_LOAD_2018_H
#define EXAMPLES_LOAD_2018_H

#include "host.h"

int device_2018(void);
/** enclave_load_2018() - 0, or -errno if there may be no enclave; other errors end the program. */
int enclave_load_2018(struct enclave *e, const char *name, int device);

#endif
