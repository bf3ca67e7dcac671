/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx run: decides everything that can be decided outside the program, then becomes softsgx-rt (front/config.h). */
#define _GNU_SOURCE
#include "common.h"

#include "front/config.h"
#include "run_options.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID		0x1012
#endif
#define HWCAP2_FSGSBASE		(1ul << 1)
#define STATS_MAGIC_TEXT	"tsgxst1"	/* first bytes of a statistics file (front/stats.h) */

static void help(FILE *to)
{
	fputs("Usage: softsgx run [OPTION...] [--] PROGRAM [ARGUMENT...]\n\n"
	      "Runs PROGRAM so that it finds SGX: the devices, CPUID, the vDSO function and the ENCLU instruction. Its exit\n"
	      "status is PROGRAM's; 125 if softsgx fails, 126 if PROGRAM can't be run, 127 if it is not found.\n\n"
	      "  --epc=SIZE       enclave page cache: 4K to 1024G (default: the platform's, else 128M)\n"
	      "  --platform=FILE  the platform whose keys enclaves get (default: see softsgx-platform(1))\n"
	      "  --sgx1           a processor without dynamic memory management (SGX2)\n"
	      "  --nosgx          no SGX at all, as the kernel's boot parameter of this name\n"
	      "  --patch=MODE     what becomes of an ENCLU that is executed often:\n"
	      "                     auto   a jump where one fits, else INT3 (default)\n"
	      "                     off    nothing: enclave memory is exact\n"
	      "                     int3   INT3 only\n"
	      "                     jump   a jump where one fits, else nothing\n"
	      "                     force  as auto, but at the first time\n"
	      "  --cpuid=MODE     how PROGRAM's CPUID instructions are answered:\n"
	      "                     auto   fault if the machine can, else patch (default)\n"
	      "                     fault  by CPUID faulting\n"
	      "                     patch  by replacing them in executable pages\n"
	      "                     off    not at all: PROGRAM sees the machine's CPUID\n"
	      "  --delivery=LIST  how exceptions of enclaves reach PROGRAM; of the first line one, of the second any:\n"
	      "                     upstream, vdso-v28, vdso-v36, vdso-v38, signals   (default: upstream)\n"
	      "                     enclu-handler, thread-handler, prefix\n"
	      "  --abi-2018=LIST  the driver ABI of 2018 on /dev/sgx: base or rfc (its numbers), full (SGX2 works too)\n"
	      "  --aex=WHEN       interrupt enclaves besides:\n"
	      "                     every:N           after every N instructions\n"
	      "                     random:SEED:MEAN  after MEAN instructions on average; the same SEED, the same exits\n"
	      "                     at:SYMBOL+OFFSET  at an instruction\n"
	      "                     us:T              every T microseconds\n"
	      "  --step           single-step all enclave code\n"
	      "  --trace=FILE     write each step's address, TCS and memory accesses to FILE, as text\n"
	      "  --trace-json=FILE  the same, as JSON lines\n"
	      "  --no-aexnotify   a processor and a kernel without AEX-Notify\n"
	      "  --stats=FILE     count what happens into FILE\n"
	      "  --verbose        say on stderr what is set up\n"
	      "  --help           this text\n", to);
}

/* A word out of @words, whose positions are the values. */
static bool choose(const char *option, const char *word, const char *const *words, uint32_t *value)
{
	uint32_t i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(word, words[i])) {
			*value = i;
			return true;
		}
	}
	fprintf(stderr, "softsgx: --%s=%s: must be one of", option, word);
	for (i = 0; words[i]; i++)
		fprintf(stderr, "%s %s", i ? "," : "", words[i]);
	fputc('\n', stderr);
	return false;
}

/* @name, of --@option, as an absolute path, since the program may change its directory. */
static bool absolute_path(const char *option, const char *name, char path[RT_CONFIG_PATH_MAX])
{
	char directory[PATH_MAX] = "";

	if (*name != '/' && !getcwd(directory, sizeof(directory))) {
		message("--%s=%s: can't name the current directory: %s", option, name, strerror(errno));
		return false;
	}
	if ((size_t)snprintf(path, RT_CONFIG_PATH_MAX, "%s%s%s", directory, *name == '/' ? "" : "/", name) >=
	    RT_CONFIG_PATH_MAX) {
		message("--%s=%s: its absolute path has %d bytes or more", option, name, RT_CONFIG_PATH_MAX);
		return false;
	}
	return true;
}

/* The statistics file is emptied, so that counts begin at zero. */
static bool prepare_stats(const char *name, char path[RT_CONFIG_PATH_MAX])
{
	char magic[sizeof(STATS_MAGIC_TEXT)] = "";
	bool ours = false;
	struct stat st;
	int fd;

	if (!absolute_path("stats", name, path))
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0 || fstat(fd, &st)) {
		message("--stats=%s: %s", name, strerror(errno));
		return false;
	}
	if (S_ISREG(st.st_mode))
		ours = !st.st_size || (pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
				       !memcmp(magic, STATS_MAGIC_TEXT, sizeof(magic)));
	if (!ours)
		message("--stats=%s: there is a file already that holds something else", name);
	else if (ftruncate(fd, 0)) {
		message("--stats=%s: %s", name, strerror(errno));
		ours = false;
	}
	close(fd);
	return ours;
}

/* The trace's file is made, or emptied. */
static bool prepare_trace(const char *option, const char *name, char path[RT_CONFIG_PATH_MAX])
{
	int fd;

	if (!absolute_path(option, name, path))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0) {
		message("--%s=%s: %s", option, name, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static bool is_runtime(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* $SOFTSGX_RT, else beside us, where it is installed, or where it is built. */
static bool find_runtime(char path[RT_CONFIG_PATH_MAX])
{
	static const char *const places[] = { "", "../libexec/softsgx/", "../../src/" };
	const char *given = getenv("SOFTSGX_RT");
	char self[PATH_MAX], candidate[PATH_MAX + 64], resolved[PATH_MAX];
	ssize_t length;
	char *slash;
	unsigned i;

	resolved[0] = 0;
	if (given && *given) {
		if (!is_runtime(given) || !realpath(given, resolved)) {
			message("SOFTSGX_RT=%s: there is no such program", given);
			return false;
		}
	} else {
		length = readlink("/proc/self/exe", self, sizeof(self) - 1);
		self[length < 0 ? 0 : length] = 0;
		slash = strrchr(self, '/');
		if (!slash) {
			message("can't find softsgx-rt: /proc/self/exe can't be read; set SOFTSGX_RT to its path");
			return false;
		}
		slash[1] = 0;
		for (i = 0; i < sizeof(places) / sizeof(places[0]) && !resolved[0]; i++) {
			snprintf(candidate, sizeof(candidate), "%s%ssoftsgx-rt", self, places[i]);
			if (is_runtime(candidate) && !realpath(candidate, resolved))
				resolved[0] = 0;
		}
		if (!resolved[0]) {
			message("can't find softsgx-rt: it is neither in %s nor in %s../libexec/softsgx; "
				"set SOFTSGX_RT to its path", self, self);
			return false;
		}
	}
	if (strlen(resolved) >= RT_CONFIG_PATH_MAX) {
		message("%s: this path has %d bytes or more: install softsgx-rt elsewhere", resolved, RT_CONFIG_PATH_MAX);
		return false;
	}
	strcpy(path, resolved);
	return true;
}

/*
 * What softsgx can't do without. Whether ptrace is permitted is seen when softsgx-rt uses it, a moment later: asking
 * before costs a process.
 */
static bool check_machine(enum rt_cpuid cpuid)
{
	static const uint32_t action = SECCOMP_RET_TRAP;
	int error;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		message("this machine lacks FSGSBASE (the instructions that switch FS and GS): softsgx needs a processor "
			"with them, Linux 5.9 or later, and no `nofsgsbase' on the kernel's command line");
		return false;
	}
	/* A filter at address 0 is refused with EFAULT where filters are permitted. */
	error = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ? errno : 0;
	if (!error && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) && errno != EFAULT && errno != EACCES)
		error = errno;
	if (error) {
		message("seccomp filters are refused here (%s): softsgx needs them to see the program's system calls. In a "
			"container, use a seccomp profile that permits seccomp(2) and prctl(2), for example "
			"`docker run --security-opt seccomp=unconfined'", strerror(error));
		return false;
	}
	/* 1: CPUID stays enabled. */
	if (cpuid == RT_CPUID_FAULT && syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1)) {
		message("--cpuid=fault: this machine has no CPUID faulting (%s); try --cpuid=patch", strerror(errno));
		return false;
	}
	return true;
}

static bool load_platform(const char *given, struct platform *p)
{
	const char *path = platform_path(given);
	bool missing, exists;

	if (!path)
		return false;
	if (platform_load(p, path, &missing))
		return true;
	if (!missing)
		return false;
	if (!platform_init(p) || !platform_store(p, path, false, &exists))
		return false;
	if (!exists)
		return true;
	/* Another process was first. */
	if (platform_load(p, path, &missing))
		return true;
	if (missing)
		message("%s: the platform file comes and goes", path);
	return false;
}

/** struct options - as given. */
struct options {
	const char *epc, *platform, *stats, *trace;
	bool sgx1, nosgx, no_aexnotify, trace_json;
};

/* The index of PROGRAM in argv, or 0 after a message; -1 after --help. */
static int parse(int argc, char **argv, struct options *options, struct rt_config *config)
{
	static const char *const patch_modes[] = { "auto", "off", "int3", "jump", "force", NULL };
	static const char *const cpuid_modes[] = { "auto", "fault", "patch", "off", NULL };
	static const struct option names[] = {
		{ "delivery", required_argument, NULL, 'd' },
		{ "abi-2018", required_argument, NULL, 'b' },
		{ "aex",      required_argument, NULL, 'a' },
		{ "step",     no_argument,       NULL, 'S' },
		{ "trace",    required_argument, NULL, 'T' },
		{ "trace-json", required_argument, NULL, 'J' },
		{ "no-aexnotify", no_argument,   NULL, 'N' },
		{ "epc",      required_argument, NULL, 'e' },
		{ "platform", required_argument, NULL, 'p' },
		{ "patch",    required_argument, NULL, 't' },
		{ "cpuid",    required_argument, NULL, 'c' },
		{ "stats",    required_argument, NULL, 's' },
		{ "sgx1",     no_argument,       NULL, '1' },
		{ "nosgx",    no_argument,       NULL, 'n' },
		{ "verbose",  no_argument,       NULL, 'v' },
		{ "help",     no_argument,       NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		switch (c) {
		case 'e': options->epc = optarg; break;
		case 'p': options->platform = optarg; break;
		case 's': options->stats = optarg; break;
		case '1': options->sgx1 = true; break;
		case 'n': options->nosgx = true; break;
		case 'v': config->flags |= RT_FLAG_VERBOSE; break;
		case 'N': options->no_aexnotify = true; break;
		case 'S': config->flags |= RT_FLAG_STEP; break;
		case 'T':
		case 'J':
			options->trace = optarg;
			options->trace_json = c == 'J';
			break;
		case 'd':
			if (!delivery_parse(optarg, config))
				return 0;
			break;
		case 'b':
			if (!abi_2018_parse(optarg, config))
				return 0;
			break;
		case 'a':
			if (!aex_parse(optarg, config))
				return 0;
			break;
		case 't':
			if (!choose("patch", optarg, patch_modes, &config->patch))
				return 0;
			break;
		case 'c':
			if (!choose("cpuid", optarg, cpuid_modes, &config->cpuid))
				return 0;
			break;
		case 'h':
			help(stdout);
			return -1;
		default:
			return 0;
		}
	}
	if (optind < argc)
		return optind;
	message("run: which program? See `softsgx run --help'");
	return 0;
}

/* What of the options depends on each other. */
static bool complete(const struct options *options, struct rt_config *config)
{
	const bool handler = config->delivery & RT_DELIVERY_ENCLU;

	if (handler && config->abi_2018 == RT_ABI_2018_BASE) {
		message("--delivery=enclu-handler: the base ABI of 2018 has no call for it: --abi-2018=rfc");
		return false;
	}
	if (!config->abi_2018 && (config->delivery & (RT_DELIVERY_ENCLU | RT_DELIVERY_THREAD) ||
				  config->flags & RT_FLAG_ABI_2018_FULL))
		config->abi_2018 = handler ? RT_ABI_2018_RFC : RT_ABI_2018_BASE;
	if (options->nosgx && config->abi_2018) {
		message("--nosgx: there are no devices then: no --abi-2018, no --delivery by handlers");
		return false;
	}
	if (options->trace && !(config->flags & RT_FLAG_STEP)) {
		message("--trace: only single steps are written: add --step");
		return false;
	}
	if (options->trace_json)
		config->flags |= RT_FLAG_TRACE_JSON;
	if (!options->nosgx && config->flags & RT_FLAG_SGX2 && !options->no_aexnotify)
		config->flags |= RT_FLAG_AEXNOTIFY;
	return !options->trace ||
	       prepare_trace(options->trace_json ? "trace-json" : "trace", options->trace, config->trace_path);
}

static bool configure(const struct options *options, struct rt_config *config)
{
	struct platform platform;
	uint64_t epc = 0;

	if (options->epc && (!size_parse(options->epc, &epc) || !platform_epc_valid(epc))) {
		message("--epc=%s: must be a size from 4K to 1024G, a multiple of 4K", options->epc);
		return false;
	}
	if (!load_platform(options->platform, &platform))
		return false;
	config->magic = RT_CONFIG_MAGIC;
	config->version = RT_CONFIG_VERSION;
	config->epc_pages = (epc ? epc : platform.epc) / 4096;
	if (options->nosgx)
		config->flags |= RT_FLAG_NOSGX;
	else if (platform.profile == PROFILE_SGX2 && !options->sgx1)
		config->flags |= RT_FLAG_SGX2;
	memcpy(config->seed, platform.seed, sizeof(config->seed));
	memcpy(config->cpusvn, platform.cpusvn, sizeof(config->cpusvn));
	return complete(options, config) && (!options->stats || prepare_stats(options->stats, config->stats_path));
}

int run_main(int argc, char **argv)
{
	char path[PATH_MAX], hex[RT_CONFIG_HEX_SIZE];
	struct rt_config config = { 0 };
	struct options options = { 0 };
	char **arguments;
	int program, status, count;

	program = parse(argc, argv, &options, &config);
	if (program <= 0)
		return program < 0 ? 0 : STATUS_RUN;
	status = resolve_program(argv[program], path, sizeof(path));
	if (status)
		return status;
	if (!check_machine(config.cpuid) || !find_runtime(config.rt_path) || !configure(&options, &config))
		return STATUS_RUN;

	count = argc - program;
	arguments = calloc((size_t)count + 4, sizeof(*arguments));
	if (!arguments) {
		message("out of memory");
		return STATUS_RUN;
	}
	rt_config_encode(hex, &config);
	arguments[0] = "softsgx-rt";
	arguments[1] = hex;
	arguments[2] = path;
	memcpy(arguments + 3, argv + program, (size_t)count * sizeof(*arguments));
	execve(config.rt_path, arguments, environ);
	message("%s: %s", config.rt_path, strerror(errno));
	free(arguments);
	return STATUS_RUN;
}
