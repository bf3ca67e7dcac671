/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to the file argv[1] the SIGSTRUCT of the enclave that nolibc.c builds. */
#include "support/encl.h"

int main(int argc, char **argv)
{
	struct te te;

	return argc != 2 || te_build(&te, &(struct te_options){ .save_sigstruct = argv[1], .no_map = true });
}
