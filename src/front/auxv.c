/* SPDX-License-Identifier: BSD-2-Clause */
/* The auxiliary vector on the stack and in /proc, and /proc/self/maps, read without a libc. */
#include "front/auxv.h"
#include "sys/sys.h"

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#define STAT_FIELDS	52	/* /proc/PID/stat, numbered from 1 as proc(5) does */

void auxv_find(struct auxv *auxv, uint64_t sp)
{
	const uint64_t *p = (const uint64_t *)sp;

	p += 1 + p[0] + 1;	/* argc, argv, NULL */
	while (*p++)		/* envp, NULL */
		;
	auxv->entry = (struct auxv_entry *)(uintptr_t)p;
	for (auxv->count = 1; auxv->entry[auxv->count - 1].type != AT_NULL; auxv->count++)
		;
}

uint64_t auxv_get(const struct auxv *auxv, uint64_t type)
{
	uint32_t i;

	for (i = 0; i < auxv->count; i++)
		if (auxv->entry[i].type == type)
			return auxv->entry[i].value;
	return 0;
}

void auxv_set(struct auxv *auxv, uint64_t type, uint64_t value)
{
	uint32_t i;

	for (i = 0; i < auxv->count; i++)
		if (auxv->entry[i].type == type)
			auxv->entry[i].value = value;
}

static long read_file(const char *path, char *buf, size_t size)
{
	long fd = sys_call3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0), ret;

	if (fd < 0)
		return fd;
	ret = sys_call3(__NR_read, fd, buf, size);
	sys_call1(__NR_close, fd);
	return ret;
}

/* The numbers of /proc/self/stat by field; the command, field 2, may hold anything but ends with the last ')'. */
static bool read_stat(uint64_t field[STAT_FIELDS + 1])
{
	char buf[1024];
	long size = read_file("/proc/self/stat", buf, sizeof(buf) - 1), i = 0;
	unsigned n = 2;

	if (size <= 0)
		return false;
	buf[size] = 0;
	for (i = size; i > 0 && buf[i] != ')'; i--)
		;
	for (; buf[i]; i++) {
		if (buf[i] == ' ') {
			if (++n > STAT_FIELDS)
				return true;
			field[n] = 0;
		} else if (buf[i] >= '0' && buf[i] <= '9') {
			field[n] = field[n] * 10 + (uint64_t)(buf[i] - '0');
		}
	}
	return n >= STAT_FIELDS - 1;
}

void auxv_publish(const struct auxv *auxv)
{
	uint64_t field[STAT_FIELDS + 1] = { 0 };
	struct prctl_mm_map map;

	if (!read_stat(field))
		return;
	/* The call sets everything at once: all but the vector is what it was. */
	map = (struct prctl_mm_map){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47],
		.brk = (uint64_t)sys_call1(__NR_brk, 0),
		.arg_start = field[48], .arg_end = field[49], .env_start = field[50], .env_end = field[51],
		.auxv = (__u64 *)auxv->entry, .auxv_size = auxv->count * (uint32_t)sizeof(*auxv->entry),
		.exe_fd = ~0u,
	};
	sys_call5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

/* One line of maps: "start-end rwxp offset device inode path". */
struct map_line {
	uint64_t start, end;
	bool execute, file;
};

static const char *parse_hex(const char *p, uint64_t *value)
{
	for (*value = 0;; p++) {
		if (*p >= '0' && *p <= '9')
			*value = *value << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*value = *value << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

static struct map_line parse_line(const char *line)
{
	struct map_line m = { 0 };
	const char *p = parse_hex(line, &m.start);

	if (*p != '-')
		return m;
	p = parse_hex(p + 1, &m.end);
	if (p[0] != ' ' || !p[1] || !p[2] || !p[3])
		return m;
	m.execute = p[3] == 'x';
	while (*p && *p != '/')		/* "[vdso]" and the like have none */
		p++;
	m.file = *p == '/';
	return m;
}

void maps_each_code(void (*visit)(uint64_t start, uint64_t end))
{
	long fd = sys_call3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), got, i;
	char line[128], buf[1024];	/* longer lines have a longer path: nobody looks at it */
	size_t length = 0;

	if (fd < 0)
		return;
	while ((got = sys_call3(__NR_read, fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < got; i++) {
			if (buf[i] != '\n') {
				if (length < sizeof(line) - 1)
					line[length++] = buf[i];
				continue;
			}
			line[length] = 0;
			length = 0;
			const struct map_line m = parse_line(line);

			if (m.execute && m.file)
				visit(m.start, m.end);
		}
	}
	sys_call1(__NR_close, fd);
}
