/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx info: what this machine can do, and what follows for the user. */
#include "common.h"
#include "probe.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void help(FILE *to)
{
	fputs("Usage: softsgx info [--json]\n\n"
	      "Shows what this machine can do and what follows from it. Programs should read the JSON; the text may change.\n",
	      to);
}

static const char *state_json(enum probe_state state)
{
	return state == PROBE_YES ? "true" : state == PROBE_NO ? "false" : "null";
}

static void print_json(const struct finding *findings, bool usable)
{
	size_t i;

	printf("{\"version\": \"%s\", \"usable\": %s, \"findings\": [", SOFTSGX_VERSION, usable ? "true" : "false");
	for (i = 0; i < probe_count; i++) {
		printf("%s\n  {\"name\": \"%s\", \"available\": %s, \"essential\": %s, \"value\": ", i ? "," : "",
		       probes[i].name, state_json(findings[i].state), probes[i].essential ? "true" : "false");
		json_string(findings[i].value);
		printf(", \"meaning\": ");
		json_string(findings[i].meaning);
		putchar('}');
	}
	puts("\n]}");
}

static void print_text(const struct finding *findings, bool usable)
{
	size_t i;

	for (i = 0; i < probe_count; i++)
		printf("%-22s  %s%s\n%-22s    %s\n", probes[i].label, findings[i].value,
		       probes[i].essential && findings[i].state == PROBE_NO ? "  (essential)" : "", "",
		       findings[i].meaning);
	printf("\n%s\n", usable ? "softsgx run works here." :
	       "softsgx run does not work here: see what is marked essential.");
	puts("softsgx is no security boundary against this machine's owner: its keys come from a file (softsgx platform).");
}

int info_main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct finding findings[32];
	bool json = false, usable = true;
	size_t i;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'j': json = true; break;
		case 'h': help(stdout); return 0;
		default:  return STATUS_USAGE;
		}
	}
	if (optind != argc) {
		help(stderr);
		return STATUS_USAGE;
	}
	_Static_assert(sizeof(findings) / sizeof(findings[0]) >= 19, "room for all probes");
	for (i = 0; i < probe_count; i++) {
		probes[i].run(&findings[i]);
		usable = usable && !(probes[i].essential && findings[i].state == PROBE_NO);
	}
	if (json)
		print_json(findings, usable);
	else
		print_text(findings, usable);
	return 0;
}
