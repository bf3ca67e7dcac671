/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx: the table of commands. */
#include "common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run",      run_main,      "Run a program that finds SGX" },
	{ "info",     info_main,     "Show what this machine can do and what follows from it [--json]" },
	{ "platform", platform_main, "Make or show the identity that keys derive from [--json]" },
	{ "gdb",      gdb_main,      "Debug a program and its enclaves with gdb" },
	{ "stats",    stats_main,    "Show what `run --stats=FILE' counted [--json]" },
};

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

void message(const char *format, ...)
{
	va_list ap;

	fputs("softsgx: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void help(FILE *to)
{
	size_t i;

	fputs("Usage: softsgx COMMAND [OPTION...]\n\n"
	      "A software SGX platform for programs that need one.\n\nCommands:\n", to);
	for (i = 0; i < COUNT(commands); i++)
		fprintf(to, "  %-10s%s\n", commands[i].name, commands[i].help);
	fputs("\n`softsgx COMMAND --help' lists a command's options; man softsgx(1) and softsgx-COMMAND(1) say more.\n",
	      to);
}

int main(int argc, char **argv)
{
	size_t i;
	int status;

	if (argc < 2) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("softsgx " SOFTSGX_VERSION);
		return 0;
	}
	for (i = 0; i < COUNT(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		status = commands[i].main(argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout)) {
			message("can't write the output");
			status = status ? status : STATUS_FAILURE;
		}
		return status;
	}
	message("there is no command `%s'; `softsgx --help' lists them", argv[1]);
	return STATUS_USAGE;
}
