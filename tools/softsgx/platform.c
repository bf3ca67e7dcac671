/* SPDX-License-Identifier: BSD-2-Clause */
/* softsgx platform: make or show a platform's identity. */
#include "common.h"

#include "crypto/crypto.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/** struct options - of both subcommands. */
struct options {
	const char *path, *seed, *epc, *profile;
	bool force, json, show_seed;
};

static void help(FILE *to)
{
	fputs("Usage: softsgx platform new [--platform=FILE] [--seed=HEX] [--profile=NAME] [--epc=SIZE] [--force] [--json]\n"
	      "       softsgx platform show [--platform=FILE] [--show-seed] [--json]\n\n"
	      "A platform is the identity that an SGX processor has by its fuses: all keys derive from it.\n\n"
	      "  --platform=FILE  the platform file (default: $XDG_STATE_HOME/softsgx/platform, which is\n"
	      "                   ~/.local/state/softsgx/platform if XDG_STATE_HOME is not set)\n"
	      "  --seed=HEX       64 hexadecimal digits: the same seed gives the same keys (default: random)\n"
	      "  --profile=NAME   sgx2 (default) or sgx1: what the processor has\n"
	      "  --epc=SIZE       EPC of programs that are started without --epc (default: 128M)\n"
	      "  --force          replace a file that is there: its keys are lost\n"
	      "  --show-seed      print the seed too: who has it has all keys of the platform\n"
	      "  --json           print JSON\n", to);
}

/*
 * A name for a platform that may be told to anyone. It changes with the seed and with CPUSVN, as keys do; its prefix
 * keeps it apart from everything else that derives from the seed.
 */
static void fingerprint(const struct platform *p, char text[17])
{
	struct { char prefix[32]; uint8_t seed[32], cpusvn[16]; } input = { .prefix = "softsgx platform fingerprint 1" };
	uint8_t digest[32];

	memcpy(input.seed, p->seed, sizeof(p->seed));
	memcpy(input.cpusvn, p->cpusvn, sizeof(p->cpusvn));
	sha256(digest, &input, sizeof(input));
	hex_print(text, digest, 8);
}

static void show(const struct platform *p, const char *path, const struct options *options)
{
	char id[17], cpusvn[33], seed[65], epc[24];

	fingerprint(p, id);
	hex_print(cpusvn, p->cpusvn, sizeof(p->cpusvn));
	hex_print(seed, p->seed, sizeof(p->seed));
	size_print(epc, p->epc);
	if (options->json) {
		printf("{\"file\": ");
		json_string(path);
		printf(", \"fingerprint\": \"%s\", \"cpusvn\": \"%s\", \"profile\": \"%s\", \"epc\": %llu", id, cpusvn,
		       platform_profiles[p->profile], (unsigned long long)p->epc);
		if (options->show_seed)
			printf(", \"seed\": \"%s\"", seed);
		puts("}");
		return;
	}
	printf("File:         %s\nFingerprint:  %s\nCPUSVN:       %s\nProfile:      %s\nEPC:          %s\n", path, id, cpusvn,
	       platform_profiles[p->profile], epc);
	if (options->show_seed)
		printf("Seed:         %s\n", seed);
}

static int new_main(const struct options *options, const char *path)
{
	struct platform p;
	bool exists;
	int i;

	if (!platform_init(&p))
		return STATUS_FAILURE;
	if (options->seed && !hex_parse(options->seed, p.seed, sizeof(p.seed))) {
		message("--seed must be 64 hexadecimal digits");
		return STATUS_USAGE;
	}
	if (options->epc && (!size_parse(options->epc, &p.epc) || !platform_epc_valid(p.epc))) {
		message("--epc=%s: must be a size from 4K to 1024G, a multiple of 4K", options->epc);
		return STATUS_USAGE;
	}
	if (options->profile) {
		for (i = 0; i < PROFILE_COUNT && strcmp(options->profile, platform_profiles[i]); i++)
			continue;
		if (i == PROFILE_COUNT) {
			message("--profile=%s: must be sgx1 or sgx2", options->profile);
			return STATUS_USAGE;
		}
		p.profile = (enum platform_profile)i;
	}
	if (!platform_store(&p, path, options->force, &exists))
		return STATUS_FAILURE;
	if (exists) {
		message("%s: there is a platform already; --force replaces it, and its keys are lost", path);
		return STATUS_FAILURE;
	}
	show(&p, path, options);
	return 0;
}

static int show_main(const struct options *options, const char *path)
{
	struct platform p;
	bool missing;

	if (platform_load(&p, path, &missing)) {
		show(&p, path, options);
		return 0;
	}
	if (missing)
		message("%s: there is no platform yet; `softsgx platform new' makes one, and so does the first "
			"`softsgx run'", path);
	return STATUS_FAILURE;
}

int platform_main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "platform",  required_argument, NULL, 'p' },
		{ "seed",      required_argument, NULL, 's' },
		{ "profile",   required_argument, NULL, 'o' },
		{ "epc",       required_argument, NULL, 'e' },
		{ "force",     no_argument,       NULL, 'f' },
		{ "show-seed", no_argument,       NULL, 'S' },
		{ "json",      no_argument,       NULL, 'j' },
		{ "help",      no_argument,       NULL, 'h' },
		{ 0 },
	};
	struct options options = { 0 };
	const char *path, *verb;
	bool is_new;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'p': options.path = optarg; break;
		case 's': options.seed = optarg; break;
		case 'o': options.profile = optarg; break;
		case 'e': options.epc = optarg; break;
		case 'f': options.force = true; break;
		case 'S': options.show_seed = true; break;
		case 'j': options.json = true; break;
		case 'h': help(stdout); return 0;
		default:  return STATUS_USAGE;
		}
	}
	if (argc - optind != 1 || (strcmp(argv[optind], "new") && strcmp(argv[optind], "show"))) {
		help(stderr);
		return STATUS_USAGE;
	}
	verb = argv[optind];
	is_new = !strcmp(verb, "new");
	if (is_new ? options.show_seed : options.seed || options.profile || options.epc || options.force) {
		message("platform %s does not take that option; `softsgx platform --help' lists them", verb);
		return STATUS_USAGE;
	}
	path = platform_path(options.path);
	if (!path)
		return STATUS_FAILURE;
	return is_new ? new_main(&options, path) : show_main(&options, path);
}
