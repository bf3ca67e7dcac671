/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx stats FILE: the sums of what the processes of `softsgx run --stats=FILE` counted. */
#define _GNU_SOURCE
#include "common.h"

#include "front/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counter {
	const char *name, *text;
};

/* In the order of the structures, which hold nothing but uint64_t. */
static const struct counter drv_counters[] = {
	{ "enclaves_created",     "enclaves created" },
	{ "enclaves_initialised", "enclaves initialised" },
	{ "pages_added",          "pages added" },
	{ "pages_measured",       "pages measured" },
	{ "pages_augmented",      "pages added to initialised enclaves" },
	{ "pages_removed",        "pages removed from initialised enclaves" },
	{ "page_faults",          "page faults on enclave memory" },
	{ "evictions",            "pages evicted" },
	{ "reloads",              "pages loaded back" },
	{ "epc_peak",             "EPC pages in use, at most" },
};

static const struct counter thread_counters[] = {
	{ "eenter",        "entries" },
	{ "eresume",       "resumptions" },
	{ "eexit",         "exits" },
	{ "aex_sync",      "asynchronous exits for an exception" },
	{ "aex_async",     "asynchronous exits for a signal" },
	{ "aex_injected",  "asynchronous exits for --aex" },
	{ "enclu_trapped", "ENCLU instructions trapped" },
	{ "gate",          "system calls trapped" },
	{ "signals",       "signals passed to the program" },
};

#define DRV_COUNT	(sizeof(drv_counters) / sizeof(drv_counters[0]))
#define THREAD_COUNT	(sizeof(thread_counters) / sizeof(thread_counters[0]))
_Static_assert(sizeof(struct drv_counters) == DRV_COUNT * sizeof(uint64_t), "drv_counters");
_Static_assert(sizeof(struct thread_stats) == THREAD_COUNT * sizeof(uint64_t), "thread_counters");
_Static_assert(offsetof(struct drv_counters, epc_peak) == (DRV_COUNT - 1) * sizeof(uint64_t), "the one that is no sum");
#define EPC_PEAK	(DRV_COUNT - 1)

struct sums {
	uint64_t processes, drv[DRV_COUNT], thread[THREAD_COUNT];
};

static void add_process(struct sums *sums, const struct stats_process *process)
{
	uint64_t drv[DRV_COUNT], thread[THREAD_COUNT];
	size_t i, t;

	memcpy(drv, &process->drv, sizeof(drv));
	for (i = 0; i < DRV_COUNT; i++) {
		if (i != EPC_PEAK)
			sums->drv[i] += drv[i];
		else if (drv[i] > sums->drv[i])
			sums->drv[i] = drv[i];
	}
	for (t = 0; t < STATS_THREADS; t++) {
		memcpy(thread, &process->thread[t], sizeof(thread));
		for (i = 0; i < THREAD_COUNT; i++)
			sums->thread[i] += thread[i];
	}
}

/* False after a message. */
static bool load(const char *path, struct sums *sums)
{
	union {
		struct stats_header header;
		struct stats_process process;
		char bytes[STATS_PAGE];
	} page;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t i, claimed;

	if (fd < 0) {
		message("%s: %s", path, strerror(errno));
		return false;
	}
	if (read(fd, &page, sizeof(page)) != sizeof(page) || page.header.magic != STATS_MAGIC ||
	    page.header.drv_size != sizeof(struct drv_counters) ||
	    page.header.thread_size != sizeof(struct thread_stats)) {
		message("%s: not a statistics file of this version of softsgx", path);
		close(fd);
		return false;
	}
	claimed = page.header.claimed;
	sums->processes = claimed;
	for (i = 0; i < claimed && i < STATS_PROCESSES; i++) {
		if (read(fd, &page, sizeof(page)) != sizeof(page)) {
			message("%s: ends early", path);
			close(fd);
			return false;
		}
		add_process(sums, &page.process);
	}
	close(fd);
	return true;
}

static void print(const struct counter *counter, const uint64_t *value, size_t count, bool json)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (json)
			printf(",\n  \"%s\": %" PRIu64, counter[i].name, value[i]);
		else
			printf("%14" PRIu64 "  %s\n", value[i], counter[i].text);
	}
}

int stats_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct sums sums = { 0 };
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			puts("Usage: softsgx stats [--json] FILE\n\n"
			     "Print what the processes of `softsgx run --stats=FILE' counted.");
			return 0;
		default:
			return STATUS_USAGE;
		}
	}
	if (argc - optind != 1) {
		message("usage: softsgx stats [--json] FILE");
		return STATUS_USAGE;
	}
	if (!load(argv[optind], &sums))
		return STATUS_FAILURE;
	printf(json ? "{\n  \"processes\": %" PRIu64 : "%14" PRIu64 "  processes\n", sums.processes);
	print(drv_counters, sums.drv, DRV_COUNT, json);
	print(thread_counters, sums.thread, THREAD_COUNT, json);
	fputs(json ? "\n}\n" : "", stdout);
	return 0;
}
