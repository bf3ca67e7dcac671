/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for softsgx-rt: prints what `softsgx run' hands over, then the arguments, the environment variable MARK and
 * the number of open descriptors; exits with EXIT_STATUS or dies by KILL_BY. With --descriptors, only their number.
 */
#include "front/config.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_hex(const char *name, const uint8_t *bytes, size_t size)
{
	printf("%s=", name);
	while (size--)
		printf("%02x", *bytes++);
	putchar('\n');
}

static void print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0;

	while (directory && (entry = readdir(directory)))
		count += entry->d_name[0] != '.' && atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(directory);
	if (directory)
		closedir(directory);
	printf("descriptors=%u\n", count);
}

int main(int argc, char **argv)
{
	static const char *const patch[] = { "auto", "off", "int3", "jump", "force" };
	static const char *const cpuid[] = { "auto", "fault", "patch", "off" };
	struct rt_config config;
	int i;

	if (argc == 2 && !strcmp(argv[1], "--descriptors")) {
		print_descriptors();
		return 0;
	}
	if (argc < 4 || !rt_config_decode(&config, argv[1])) {
		puts("bad configuration");
		return 1;
	}
	printf("epc_pages=%llu\npatch=%s\ncpuid=%s\n", (unsigned long long)config.epc_pages, patch[config.patch],
	       cpuid[config.cpuid]);
	printf("sgx2=%d\nverbose=%d\nnosgx=%d\n", !!(config.flags & RT_FLAG_SGX2), !!(config.flags & RT_FLAG_VERBOSE),
	       !!(config.flags & RT_FLAG_NOSGX));
	print_hex("seed", config.seed, sizeof(config.seed));
	print_hex("cpusvn", config.cpusvn, sizeof(config.cpusvn));
	printf("stats=%s\nrt=%s\nprogram=%s\n", config.stats_path, config.rt_path, argv[2]);
	for (i = 3; i < argc; i++)
		printf("arg%d=%s\n", i - 3, argv[i]);
	printf("argc=%d\nargv0=%s\nmark=%s\n", argc - 3, argv[0], getenv("MARK") ? getenv("MARK") : "");
	print_descriptors();
	fflush(stdout);
	if (getenv("KILL_BY"))
		kill(getpid(), atoi(getenv("KILL_BY")));
	return getenv("EXIT_STATUS") ? atoi(getenv("EXIT_STATUS")) : 0;
}
