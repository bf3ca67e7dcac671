/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>

/* What divide's host and its enclave exchange: quotient = dividend / divisor. */
struct division {
	uint64_t dividend, divisor, quotient;
};
