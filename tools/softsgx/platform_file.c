/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform file: lines key=value, each key once, '#' starts a comment line.
 *
 * CPUSVN: its components are the security versions of parts of a processor's microcode and are small numbers on every
 * real one. Ours are 0xE0..0xEF, so nobody takes a report or a key of this platform for one of a processor.
 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_VERSION	"1"
#define FILE_SIZE_MAX	4096

const char *const platform_profiles[PROFILE_COUNT] = { "sgx1", "sgx2" };

const char *platform_path(const char *given)
{
	static char path[4096];
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct passwd *user;
	int length;

	if (given)
		return given;
	if (state && *state == '/') {	/* the specification says to ignore a relative path */
		length = snprintf(path, sizeof(path), "%s/softsgx/platform", state);
	} else {
		if (!home || *home != '/') {
			user = getpwuid(getuid());
			home = user ? user->pw_dir : NULL;
		}
		if (!home || *home != '/') {
			message("no place for the platform file: neither XDG_STATE_HOME nor HOME is set; "
				"give one with --platform=FILE");
			return NULL;
		}
		length = snprintf(path, sizeof(path), "%s/.local/state/softsgx/platform", home);
	}
	if ((size_t)length >= sizeof(path)) {
		message("the path of the platform file is too long; give one with --platform=FILE");
		return NULL;
	}
	return path;
}

bool platform_epc_valid(uint64_t epc)
{
	return epc && epc % 4096 == 0 && epc <= PLATFORM_EPC_MAX;
}

bool platform_init(struct platform *p)
{
	unsigned i;

	*p = (struct platform){ .profile = PROFILE_SGX2, .epc = PLATFORM_EPC_DEFAULT };
	for (i = 0; i < sizeof(p->cpusvn); i++)
		p->cpusvn[i] = (uint8_t)(0xe0 + i);
	if (getrandom(p->seed, sizeof(p->seed), 0) == sizeof(p->seed))
		return true;
	message("no random numbers for a new platform: %s", strerror(errno));
	return false;
}

/* The fields: how each is read; what it has to be. */
static bool version_parse(struct platform *p, const char *value)
{
	(void)p;
	return !strcmp(value, FILE_VERSION);
}

static bool seed_parse(struct platform *p, const char *value)
{
	return hex_parse(value, p->seed, sizeof(p->seed));
}

static bool cpusvn_parse(struct platform *p, const char *value)
{
	return hex_parse(value, p->cpusvn, sizeof(p->cpusvn));
}

static bool profile_parse(struct platform *p, const char *value)
{
	int i;

	for (i = 0; i < PROFILE_COUNT; i++) {
		if (!strcmp(value, platform_profiles[i])) {
			p->profile = (enum platform_profile)i;
			return true;
		}
	}
	return false;
}

static bool epc_parse(struct platform *p, const char *value)
{
	return size_parse(value, &p->epc) && platform_epc_valid(p->epc);
}

static const struct field {
	const char *name;
	bool (*parse)(struct platform *p, const char *value);
	const char *expected;
} fields[] = {
	{ "version", version_parse, FILE_VERSION " (this softsgx knows no other)" },
	{ "seed",    seed_parse,    "64 hexadecimal digits" },
	{ "cpusvn",  cpusvn_parse,  "32 hexadecimal digits" },
	{ "profile", profile_parse, "sgx1 or sgx2" },
	{ "epc",     epc_parse,     "a size from 4K to 1024G, a multiple of 4K" },
};

#define FIELDS	(sizeof(fields) / sizeof(fields[0]))

/* One line, without its newline. */
static bool line_parse(struct platform *p, const char *path, unsigned number, char *line, unsigned *seen)
{
	char *value = strchr(line, '=');
	unsigned i;

	if (!*line || *line == '#')
		return true;
	if (!value) {
		message("%s: line %u: expected key=value", path, number);
		return false;
	}
	*value++ = 0;
	for (i = 0; i < FIELDS; i++) {
		if (strcmp(line, fields[i].name))
			continue;
		if (*seen & 1u << i) {
			message("%s: line %u: field `%s' is given twice", path, number, fields[i].name);
			return false;
		}
		*seen |= 1u << i;
		if (fields[i].parse(p, value))
			return true;
		message("%s: line %u: field `%s' must be %s", path, number, fields[i].name, fields[i].expected);
		return false;
	}
	for (i = 0; line[i]; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	message("%s: line %u: there is no field `%.40s'; the fields are version, seed, cpusvn, profile and epc", path,
		number, line);
	return false;
}

static bool text_parse(struct platform *p, const char *path, char *text)
{
	unsigned number = 1, seen = 0, i;
	char *line, *end;

	for (line = text; *line; line = end, number++) {
		end = strchr(line, '\n');
		if (!end) {
			message("%s: line %u: is cut off: the newline at its end is missing", path, number);
			return false;
		}
		*end++ = 0;
		if (!line_parse(p, path, number, line, &seen))
			return false;
	}
	for (i = 0; i < FIELDS; i++) {
		if (!(seen & 1u << i)) {
			message("%s: line %u: end of file, but field `%s' is missing", path, number, fields[i].name);
			return false;
		}
	}
	return true;
}

static bool read_all(int fd, char *text, size_t size, size_t *length)
{
	ssize_t n;

	for (*length = 0; *length < size; *length += (size_t)n) {
		n = read(fd, text + *length, size - *length);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return !n;
	}
	return true;
}

bool platform_load(struct platform *p, const char *path, bool *missing)
{
	char text[FILE_SIZE_MAX + 1];
	bool loaded = false;
	size_t length;
	struct stat st;
	int fd;

	*p = (struct platform){ 0 };
	*missing = false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);	/* it may be a FIFO */
	if (fd < 0) {
		*missing = errno == ENOENT;
		if (!*missing)
			message("%s: can't open the platform file: %s", path, strerror(errno));
		return false;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		message("%s: the platform file must be a regular file", path);
	} else if (!read_all(fd, text, sizeof(text), &length)) {
		message("%s: can't read the platform file: %s", path, strerror(errno));
	} else if (length > FILE_SIZE_MAX) {
		message("%s: is no platform file: it has more than %d bytes", path, FILE_SIZE_MAX);
	} else if (memchr(text, 0, length)) {
		message("%s: is no platform file: it contains a NUL byte", path);
	} else {
		text[length] = 0;
		loaded = text_parse(p, path, text);
	}
	explicit_bzero(text, sizeof(text));
	close(fd);
	return loaded;
}

/* The directories above @path: mode 0700 where they are new. */
static bool make_directories(const char *path)
{
	char directory[4096];
	char *slash;

	if (strlen(path) >= sizeof(directory)) {
		message("%s: the path of the platform file is too long", path);
		return false;
	}
	strcpy(directory, path);
	for (slash = strchr(directory + 1, '/'); *directory && slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(directory, 0700) && errno != EEXIST && access(directory, F_OK)) {
			message("%s: can't make this directory for the platform file: %s", directory, strerror(errno));
			return false;
		}
		*slash = '/';
	}
	return true;
}

static bool text_write(int fd, const struct platform *p)
{
	char seed[65], cpusvn[33], epc[24], text[512];
	size_t length, done;
	ssize_t n;

	hex_print(seed, p->seed, sizeof(p->seed));
	hex_print(cpusvn, p->cpusvn, sizeof(p->cpusvn));
	size_print(epc, p->epc);
	length = (size_t)snprintf(text, sizeof(text),
				  "# A software SGX platform. Who has the seed has all its keys: keep it private.\n"
				  "version=" FILE_VERSION "\nseed=%s\ncpusvn=%s\nprofile=%s\nepc=%s\n",
				  seed, cpusvn, platform_profiles[p->profile], epc);
	for (done = 0; done < length; done += (size_t)n) {
		n = write(fd, text + done, length - done);
		if (n < 0)
			break;
	}
	explicit_bzero(seed, sizeof(seed));
	explicit_bzero(text, sizeof(text));
	return done == length && !fsync(fd);
}

/* Give the finished @temporary its name. Whoever comes first wins, unless @replace. */
static bool publish(const char *temporary, const char *path, bool replace, bool *exists)
{
	int error;

	if (replace ? !rename(temporary, path) : !renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE))
		return true;
	error = errno;
	if (!replace && (error == EINVAL || error == ENOSYS)) {	/* a file system that can't do that */
		error = link(temporary, path) ? errno : 0;
		unlink(temporary);
		if (!error)
			return true;
	} else {
		unlink(temporary);
	}
	*exists = !replace && error == EEXIST;
	if (!*exists)
		message("%s: can't make the platform file: %s", path, strerror(error));
	return *exists;
}

bool platform_store(const struct platform *p, const char *path, bool replace, bool *exists)
{
	char temporary[4096 + 8];
	int fd;

	*exists = false;
	if (!make_directories(path))
		return false;
	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);	/* O_EXCL, mode 0600 */
	if (fd < 0) {
		message("%s: can't make the platform file: %s", path, strerror(errno));
		return false;
	}
	if (!text_write(fd, p)) {
		message("%s: can't write the platform file: %s", path, strerror(errno));
		close(fd);
		unlink(temporary);
		return false;
	}
	close(fd);
	return publish(temporary, path, replace, exists);
}
