/* SPDX-License-Identifier: BSD-2-Clause */
/* What the host asks of faulty.c. */
#ifndef EXAMPLES_FAULTY_H
#define EXAMPLES_FAULTY_H

#define NOTHING		0
#define INVALID_OPCODE	1	/* UD2: the second phase steps over it */
#define HOPELESS	2	/* reads the address that is the argument: the second phase gives up */
#define ANSWER		42

#endif
