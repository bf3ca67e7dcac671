/* SPDX-License-Identifier: BSD-2-Clause */
/* Structures of local attestation. */
#ifndef EXAMPLES_ATTEST_H
#define EXAMPLES_ATTEST_H

#include <stdint.h>

struct targetinfo {
	uint8_t measurement[32], attributes[16], zero1[4];
	uint32_t miscselect;
	uint8_t zero2[456];
} __attribute__((aligned(512)));

struct report {
	uint8_t cpusvn[16];
	uint32_t miscselect;
	uint8_t zero1[28], attributes[16], mrenclave[32], zero2[32], mrsigner[32], zero3[96];
	uint16_t isvprodid, isvsvn;
	uint8_t zero4[60], data[64], keyid[32], mac[16], zero5[80];	/* to 512 */
} __attribute__((aligned(512)));
#define REPORT_SIZE	432

#endif
