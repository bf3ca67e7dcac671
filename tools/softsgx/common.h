/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of softsgx share. */
#ifndef SOFTSGX_TOOLS_COMMON_H
#define SOFTSGX_TOOLS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses. `run` passes the program's own through, so its own failures are 125 and up, as shells and env use. */
enum {
	STATUS_FAILURE = 1,
	STATUS_USAGE = 2,
	STATUS_RUN = 125,		/* softsgx run itself failed */
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
};

/* The commands: argv[0] is the command's name. They return the exit status. */
int run_main(int argc, char **argv);
int info_main(int argc, char **argv);
int platform_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int gdb_main(int argc, char **argv);

/* main.c */
/** message() - "softsgx: ..." and a newline on stderr. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* text.c */
/** size_parse() - a number with an optional suffix K, M, G; false unless the whole string is one, and not too big. */
bool size_parse(const char *text, uint64_t *size);
/** size_print() - the inverse, with the largest suffix that leaves no rest. */
void size_print(char text[24], uint64_t size);
/** hex_parse() - exactly @size bytes; false if @text is anything else. */
bool hex_parse(const char *text, uint8_t *bytes, size_t size);
/** hex_print() - @text has 2 * size + 1 bytes. */
void hex_print(char *text, const uint8_t *bytes, size_t size);
/** json_string() - prints @text as a JSON string, quotes included; bytes that are not ASCII are replaced. */
void json_string(const char *text);

/* platform_file.c */
#define PLATFORM_EPC_DEFAULT	(UINT64_C(128) << 20)
#define PLATFORM_EPC_MAX	(UINT64_C(1) << 40)

/** enum platform_profile - what the platform's processor has: one row of platform_profiles. */
enum platform_profile { PROFILE_SGX1, PROFILE_SGX2, PROFILE_COUNT };
extern const char *const platform_profiles[PROFILE_COUNT];

/** struct platform - the contents of a platform file. */
struct platform {
	uint8_t seed[32];
	uint8_t cpusvn[16];
	enum platform_profile profile;
	uint64_t epc;			/* bytes, a multiple of 4096 */
};

/** platform_path() - @given, or where the user's platform is; NULL after a message if there is no such place. */
const char *platform_path(const char *given);
/** platform_init() - a new platform: random seed, everything else as usual. False after a message. */
bool platform_init(struct platform *p);
/** platform_load() - false after a message that names file, line and field. *missing: there is no such file (no message). */
bool platform_load(struct platform *p, const char *path, bool *missing);
/**
 * platform_store() - writes @path, mode 0600, all or nothing, its directories too. If a file is there already: replaces
 * it if @replace, else leaves it alone and sets *exists. False after a message.
 */
bool platform_store(const struct platform *p, const char *path, bool replace, bool *exists);
/** platform_epc_valid() - is @epc a size that softsgx can provide? */
bool platform_epc_valid(uint64_t epc);

/* resolve.c */
/**
 * resolve_program() - the file that execvp() would run for @name, into @path of @size bytes, if softsgx can run it.
 * 0, or the exit status after a message: STATUS_NOT_FOUND or STATUS_CANNOT_EXECUTE.
 */
int resolve_program(const char *name, char *path, size_t size);

#endif
