/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx gdb: gdb, attached to a program under softsgx, with what it has to know of enclaves. */
#include "common.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT	"softsgx-gdb.py"

static void help(void)
{
	puts("Usage: softsgx gdb [GDB-OPTION...] PID\n\n"
	     "Starts gdb, attached to process PID, which runs under `softsgx run'. gdb knows the symbols of its\n"
	     "enclaves, those of enclaves that are loaded later too, and backtraces go from enclaves to their\n"
	     "hosts. $SOFTSGX_GDB names another gdb. See doc/debugging.md and softsgx-gdb(1).");
}

/* Beside us, where it is built; where it is installed; where it stands in the source tree. */
static bool find_script(char path[PATH_MAX])
{
	static const char *const places[] = { "", "../share/softsgx/" };
	char self[PATH_MAX - sizeof("/../../tools/gdb/" SCRIPT)];
	const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (length < 0) {
		message("can't find " SCRIPT ": /proc/self/exe can't be read");
		return false;
	}
	self[length] = 0;
	slash = strrchr(self, '/');
	*(slash ? slash : self) = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, PATH_MAX, "%s/%s" SCRIPT, self, places[i]);
		if (!access(path, R_OK))
			return true;
	}
	message("can't find " SCRIPT " beside %s, nor in %s/../share/softsgx", self, self);
	return false;
}

int gdb_main(int argc, char **argv)
{
	const char *gdb = getenv("SOFTSGX_GDB");
	char script[PATH_MAX], *end;
	char **arguments;
	int n = 0, i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		help();
		return 0;
	}
	if (argc < 2 || !*argv[argc - 1] || (strtoul(argv[argc - 1], &end, 10), *end) || argv[argc - 1][0] == '-') {
		message("usage: softsgx gdb [GDB-OPTION...] PID");
		return STATUS_USAGE;
	}
	if (!find_script(script))
		return STATUS_FAILURE;
	arguments = calloc((size_t)argc + 6, sizeof(*arguments));
	if (!arguments) {
		message("no memory");
		return STATUS_FAILURE;
	}
	gdb = gdb && *gdb ? gdb : "gdb";
	arguments[n++] = (char *)gdb;
	arguments[n++] = "-p";
	arguments[n++] = argv[argc - 1];
	arguments[n++] = "-x";
	arguments[n++] = script;
	for (i = 1; i < argc - 1; i++)
		arguments[n++] = argv[i];
	execvp(gdb, arguments);
	message("%s: %s%s", gdb, strerror(errno),
		errno == ENOENT ? "; is it installed? ($SOFTSGX_GDB names another)" : "");
	return STATUS_FAILURE;
}
