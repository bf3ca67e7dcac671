/* SPDX-License-Identifier: BSD-2-Clause */
/* The platform file with any contents: what is accepted is a platform, and comes back the same from the file it makes. */
#define _GNU_SOURCE
#include "../tools/softsgx/common.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static unsigned messages;
static char directory[] = "/dev/shm/fuzz-platform-XXXXXX", stored[64];

/* In place of the program's: one line of printable characters, whatever the file holds. */
void message(const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (const char *c = text; *c; c++)
		FUZZ_CHECK(*c >= ' ' && *c <= '~');
	messages++;
}

static void remove_directory(void)
{
	rmdir(directory);
}

static void check_stored(const struct platform *p)
{
	struct platform again;
	bool missing, exists;

	if (!*stored) {
		if (!mkdtemp(directory))
			return;
		atexit(remove_directory);
		snprintf(stored, sizeof(stored), "%s/platform", directory);
	}
	FUZZ_CHECK(platform_store(p, stored, true, &exists) && !exists);
	FUZZ_CHECK(platform_load(&again, stored, &missing));
	FUZZ_CHECK(!memcmp(again.seed, p->seed, sizeof(p->seed)) &&
		   !memcmp(again.cpusvn, p->cpusvn, sizeof(p->cpusvn)) && again.profile == p->profile &&
		   again.epc == p->epc);
	FUZZ_CHECK(platform_store(p, stored, false, &exists) && exists);
	unlink(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct platform p;
	char path[32];
	bool missing;

	if (fd < 0)
		fd = memfd_create("platform", MFD_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	messages = 0;
	if (!platform_load(&p, path, &missing)) {
		FUZZ_CHECK(!missing && messages == 1);
		return 0;
	}
	FUZZ_CHECK(!messages && !missing && p.profile < PROFILE_COUNT && platform_epc_valid(p.epc));
	check_stored(&p);
	return 0;
}
