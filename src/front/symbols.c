/* SPDX-License-Identifier: BSD-2-Clause */
/* See symbols.h. */
#include "front/symbols.h"

#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "drv/peek.h"
#include "front/debug.h"
#include "front/elf.h"
#include "front/rt.h"
#include "sys/mem.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#define S_IFMT		0170000		/* <linux/stat.h> hides them where there is a C library */
#define S_IFREG		0100000
#define CODE_QUICK	4096		/* pages of code that are looked at for each file, .. */
#define CODE_DEEP	(1 << 20)
#define QUICK_MISSES	2		/* then a file is not looked at until it is opened again, or somebody asks */

static uint32_t self(void)
{
	return (uint32_t)sys_call0(__NR_gettid);
}

static uint64_t hash_of(const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	return hash;
}

/* The program's string at @src; false if it is too long or can't be read. */
static bool read_path(char path[SYMBOLS_PATH], uint64_t src)
{
	for (uint64_t at = 0; at < SYMBOLS_PATH; at += 64) {
		const uint64_t got = 64 - rt_copy(path + at, (const void *)(uintptr_t)(src + at), 64);

		for (uint64_t i = 0; i < got; i++)
			if (!path[at + i])
				return at + i != 0;
		if (got < 64)
			break;
	}
	return false;
}

static bool starts_with(const char *path, const char *start)
{
	return !memcmp(path, start, strlen(start));
}

/* The directory that the relative @path is relative to, before it. False: too long, or unknown. */
static bool make_absolute(int dirfd, char path[SYMBOLS_PATH])
{
	char link[32], full[SYMBOLS_PATH];
	long length;

	if (dirfd == AT_FDCWD)
		sys_format(link, sizeof(link), "/proc/self/cwd");
	else
		sys_format(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	length = sys_call3(__NR_readlink, link, full, sizeof(full));
	if (sys_is_error(length) || full[0] != '/' || (size_t)length + 1 + strlen(path) + 1 > SYMBOLS_PATH)
		return false;
	memmove(path + length + 1, path, strlen(path) + 1);
	memcpy(path, full, (size_t)length);
	path[length] = '/';
	return true;
}

void symbols_opened(int dirfd, uint64_t address, uint64_t flags)
{
	struct symbols *s = &rt.symbols;
	const struct thread *t = thread_current();
	char path[SYMBOLS_PATH] = "";
	uint64_t hash;

	if ((flags & O_ACCMODE) == O_WRONLY || flags & (O_DIRECTORY | O_PATH | O_CREAT | O_TRUNC) || !t)
		return;
	if (!read_path(path, address) || starts_with(path, "/proc/") || starts_with(path, "/sys/") ||
	    starts_with(path, "/dev/"))
		return;
	if (path[0] != '/' && dirfd != AT_FDCWD && !make_absolute(dirfd, path))
		return;
	hash = hash_of(path);
	if (!lock_try(&s->lock, (uint32_t)t->tid))
		return;
	for (uint32_t i = 0; i < SYMBOLS_OPENED; i++) {
		if (s->opened[i].hash == hash && s->opened[i].path[0]) {
			s->opened[i].misses = 0;
			goto out;
		}
	}
	s->opened[s->next].hash = hash;
	s->opened[s->next].misses = 0;
	memcpy(s->opened[s->next].path, path, SYMBOLS_PATH);
	s->next = (s->next + 1) % SYMBOLS_OPENED;
out:
	lock_release(&s->lock);
}

void symbols_forked(void)
{
	rt.symbols.lock = (struct lock){ 0 };
}

struct file {
	struct elf_bytes bytes;
	int fd;
};

static bool file_read(const struct elf_bytes *bytes, uint64_t at, void *dst, size_t size)
{
	const struct file *f = (const struct file *)bytes;

	return sys_call4(__NR_pread64, f->fd, dst, size, at) == (long)size;
}

/* Regular files only: to open another may do something. */
static bool file_open(struct file *f, const char *path)
{
	const long name = sys_call3(__NR_open, path, O_PATH | O_CLOEXEC, 0);
	struct stat st;
	long fd = -EINVAL;

	if (sys_is_error(name))
		return false;
	if (!sys_call2(__NR_fstat, name, &st) && (st.st_mode & S_IFMT) == S_IFREG && st.st_size > 0) {
		char link[32];

		sys_format(link, sizeof(link), "/proc/self/fd/%d", (int)name);
		fd = sys_call3(__NR_open, link, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	}
	sys_call1(__NR_close, name);
	if (sys_is_error(fd))
		return false;
	*f = (struct file){ .bytes = { .read = file_read, .size = (uint64_t)st.st_size }, .fd = (int)fd };
	return true;
}

/* An enclave's memory, as it is in its pages, patches of the engine included. */
struct memory {
	struct elf_bytes bytes;
	struct drv_enclave enclave;
	uint32_t tid;
};

static bool memory_read(const struct elf_bytes *bytes, uint64_t at, void *dst, size_t size)
{
	const struct memory *m = (const struct memory *)bytes;

	return at - m->enclave.base < m->enclave.size && drv_peek(rt.drv, m->tid, at, dst, size);
}

/* Where the lowest segment begins at the base of ELRANGE, where addresses count from it, or nothing is moved. */
static bool usual_bias(const struct elf *elf, const struct file *file, const struct memory *m, uint64_t *bias)
{
	uint64_t low = UINT64_MAX;
	uint64_t guess[3];

	for (uint32_t i = 0; i < elf->count; i++)
		low = elf->segment[i].vaddr < low ? elf->segment[i].vaddr & SGX_PAGE_MASK : low;
	guess[0] = m->enclave.base;
	guess[1] = m->enclave.base - low;
	guess[2] = 0;
	for (int i = 0; i < 3; i++) {
		*bias = guess[i];
		if (elf_fits(elf, &file->bytes, &m->bytes, *bias))
			return true;
	}
	return false;
}

/* The file lies anywhere: look for its first line of code at the same place of every page of code. */
static bool any_bias(const struct elf *elf, const struct file *file, const struct memory *m, uint32_t pages,
		     uint64_t *bias)
{
	uint8_t line[ELF_LINE], there[ELF_LINE];
	uint64_t vaddr, addr = m->enclave.base;

	if (!elf_probe(elf, &file->bytes, &vaddr, line))
		return false;
	for (; pages-- && (addr = drv_next_code(rt.drv, m->tid, m->enclave.base, addr)); addr += SGX_PAGE_SIZE) {
		const uint64_t at = addr + (vaddr & ~SGX_PAGE_MASK);

		*bias = at - vaddr;
		if (drv_peek(rt.drv, m->tid, at, there, sizeof(there)) && !memcmp(there, line, sizeof(line)) &&
		    elf_fits(elf, &file->bytes, &m->bytes, *bias))
			return true;
	}
	return false;
}

/* The enclave is a piece of the file's code: its first line of code that is not zeros lies somewhere in it. */
static bool embedded(const struct elf *elf, const struct file *file, const struct memory *m, uint64_t *bias)
{
	const uint64_t page = drv_next_code(rt.drv, m->tid, m->enclave.base, m->enclave.base);
	static const uint8_t zeros[ELF_LINE];
	uint8_t line[ELF_LINE];
	uint64_t vaddr;

	for (uint64_t at = page; page && at < page + SGX_PAGE_SIZE; at += ELF_LINE) {
		if (!drv_peek(rt.drv, m->tid, at, line, sizeof(line)))
			return false;
		if (!memcmp(line, zeros, sizeof(line)))
			continue;
		*bias = 0;
		if (!elf_find(elf, &file->bytes, line, &vaddr))
			return false;
		*bias = at - vaddr;
		return true;
	}
	return false;
}

enum how { HOW_QUICK, HOW_DEEP, HOW_EMBEDDED };

static bool try_file(const struct memory *m, const char *path, enum how how, uint64_t *bias)
{
	struct file file;
	struct elf elf;
	bool found;

	if (!file_open(&file, path))
		return false;
	found = elf_open(&elf, &file.bytes) &&
		(how == HOW_EMBEDDED ? embedded(&elf, &file, m, bias) :
		 usual_bias(&elf, &file, m, bias) ||
		 any_bias(&elf, &file, m, how == HOW_DEEP ? CODE_DEEP : CODE_QUICK, bias));
	sys_call1(__NR_close, file.fd);
	return found;
}

/* The file that the program has opened, or, where that is of another kind, the ELF file that lies beside it. */
static bool try_files(const struct memory *m, char path[SYMBOLS_PATH], enum how how, uint64_t *bias)
{
	static const char *const endings[] = { ".elf", ".so", "" };
	size_t length = strlen(path), dot = length;

	if (try_file(m, path, how, bias))
		return true;
	while (dot && path[dot] != '.' && path[dot] != '/')
		dot--;
	if (path[dot] != '.' || dot + sizeof(".elf") > SYMBOLS_PATH)
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		memcpy(path + dot, endings[i], strlen(endings[i]) + 1);
		if (try_file(m, path, how, bias))
			return true;
	}
	return false;
}

bool symbols_find(uint64_t elrange_base, bool deep, char path[SYMBOLS_PATH], uint64_t *bias)
{
	struct symbols *s = &rt.symbols;
	struct memory m = { .bytes = { .read = memory_read }, .tid = self() };
	bool found = false;
	long length;

	if (!drv_describe(rt.drv, m.tid, elrange_base, &m.enclave))
		return false;
	for (uint32_t k = 1; k <= SYMBOLS_OPENED && !found; k++) {	/* the newest first */
		struct symbols_opened *o = &s->opened[(s->next - k) % SYMBOLS_OPENED];

		if (!o->path[0] || (!deep && o->misses == QUICK_MISSES))
			continue;
		memcpy(path, o->path, SYMBOLS_PATH);
		if (path[0] == '/' || make_absolute(AT_FDCWD, path))
			found = try_files(&m, path, deep ? HOW_DEEP : HOW_QUICK, bias);
		if (!deep)
			o->misses = found ? 0 : o->misses + 1;
	}
	if (found || !deep)
		return found;
	length = sys_call3(__NR_readlink, "/proc/self/exe", path, SYMBOLS_PATH - 1);
	if (sys_is_error(length))
		return false;
	path[length] = 0;
	return try_file(&m, path, HOW_DEEP, bias) || try_file(&m, path, HOW_EMBEDDED, bias);
}

static struct debug_enclave *find(uint64_t base, bool deep)
{
	struct debug_enclave *e = debug_enclave(base);

	if (!e || e->searched == DEBUG_SEARCHED_DEEP || (e->searched && (!deep || e->path[0])))
		return e;
	if (!symbols_find(base, deep, e->path, &e->bias))
		e->path[0] = 0;
	e->searched = deep ? DEBUG_SEARCHED_DEEP : DEBUG_SEARCHED;
	return e;
}

const char *symbols_path(uint64_t elrange_base)
{
	const struct debug_enclave *e;

	lock_acquire(&rt.symbols.lock, self());
	e = find(elrange_base, true);
	lock_release(&rt.symbols.lock);
	return e && e->path[0] ? e->path : NULL;
}

void symbols_search(uint64_t elrange_base)
{
	lock_acquire(&rt.symbols.lock, self());
	find(elrange_base, false);
	lock_release(&rt.symbols.lock);
}

static uint64_t resolve(const struct debug_enclave *e, const char *expression)
{
	struct elf_expression x;
	struct file file;
	struct elf elf;
	uint64_t value;
	bool found;

	if (!elf_expression(expression, &x))
		return 0;
	if (!x.length)
		return x.offset < e->size ? e->base + x.offset : 0;
	if (!e->path[0] || !file_open(&file, e->path))
		return 0;
	found = elf_open(&elf, &file.bytes) && elf_symbol(&elf, &file.bytes, expression, x.length, &value);
	sys_call1(__NR_close, file.fd);
	value += e->bias + x.offset;
	return found && value - e->base < e->size ? value : 0;
}

uint64_t symbols_resolve(uint64_t elrange_base, const char *expression)
{
	const struct debug_enclave *e;
	uint64_t addr = 0;

	lock_acquire(&rt.symbols.lock, self());
	e = find(elrange_base, true);
	if (e)
		addr = resolve(e, expression);
	lock_release(&rt.symbols.lock);
	return addr;
}
