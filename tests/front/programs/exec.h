/* SPDX-License-Identifier: BSD-2-Clause */
/* execve for the programs of this directory. */
#ifndef TESTS_FRONT_EXEC_H
#define TESTS_FRONT_EXEC_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline int do_execve(const char *path, char *const *argv, char *const *envp)
{
	return execve(path, argv, envp);
}

#endif
