/* SPDX-License-Identifier: BSD-2-Clause */
/* What the enclaves of recursion and their host exchange, in the host's memory. */
#include "attest.h"

enum { APPLICATION, QUOTING, CERTIFICATION, LEVELS };

struct request {
	struct targetinfo next;		/* the enclave that this one is to ask */
	struct report asker;		/* in: who wants to be certified by this one */
	struct report mine;		/* out, with an OCALL: for the next one to look at */
	struct report answer;		/* in: what the next one said */
	struct report reply;		/* out: for the asker */
};
