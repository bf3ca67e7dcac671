/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors: opening the devices, recognising our files, looking like a character device (A.1). */
#include "drv/state.h"

#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "sys/mem.h"

#ifndef MFD_EXEC
#define MFD_EXEC	0x0010U
#endif

#define SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define MISC_MAJOR	10
#define MINOR_ENCLAVE	125	/* dynamic minors of misc devices go down from 127 or so */
#define MINOR_PROVISION	126
#define MINOR_2018	124
#define DEVTMPFS_DEV	5
#define TYPE_MASK	0170000	/* <linux/stat.h> has these only where no libc is */
#define TYPE_REGULAR	0100000
#define TYPE_CHARACTER	0020000

static const uint8_t magic[4][32] = {
	[KIND_ENCLAVE]   = "softsgx enclave \x9d\x1f\xc4\x07\x5a\xe6\x33\xb8 v1",
	[KIND_PROVISION] = "softsgx provision \xd3\x62\x0b\xf5\x8e\x21\x7c v1",
	[KIND_2018]      = "softsgx sgx 2018 \x8b\x74\xe9\x15\xa2\x3d\xc6\x50 v1",
};

long drv_reopen(int fd, int flags)
{
	char path[32];

	sys_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys_call3(__NR_open, path, flags, 0);
}

static long set_up_file(int fd, int kind, uint64_t size)
{
	uint64_t id = 0;
	long ret = sys_call2(__NR_ftruncate, fd, size);

	if (ret)
		return -ENOMEM;
	if (sys_call4(__NR_pwrite64, fd, magic[kind], sizeof(magic[kind]), 0) != sizeof(magic[kind]))
		return -ENOMEM;
	sys_call3(__NR_getrandom, &id, sizeof(id), 0);
	if (kind != KIND_PROVISION &&
	    sys_call4(__NR_pwrite64, fd, &id, sizeof(id), offsetof(struct encl_header, id)) != sizeof(id))
		return -ENOMEM;
	return sys_call3(__NR_fcntl, fd, F_ADD_SEALS, SEALS);
}

/* A descriptor of the file in the mode that the program asked for, under the number that open() would give it. */
static long set_mode(int fd, int flags)
{
	const int keep = O_ACCMODE | O_PATH | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC;
	long reopened, ret;

	if ((flags & keep) == O_RDWR)
		return 0;
	reopened = drv_reopen(fd, (flags & keep) | O_CLOEXEC);
	if (sys_is_error(reopened))
		return reopened;
	ret = sys_call3(__NR_dup3, reopened, fd, flags & O_CLOEXEC);
	sys_call1(__NR_close, reopened);
	return sys_is_error(ret) ? ret : 0;
}

static long open_kind(int kind, const char *name, int flags, uint64_t size)
{
	long fd, ret;

	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (flags & O_DIRECT)
		return -EINVAL;
	fd = sys_call2(__NR_memfd_create, name,
		       (flags & O_CLOEXEC ? MFD_CLOEXEC : 0) | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd == -EINVAL)	/* a kernel before 6.3 */
		fd = sys_call2(__NR_memfd_create, name, (flags & O_CLOEXEC ? MFD_CLOEXEC : 0) | MFD_ALLOW_SEALING);
	if (sys_is_error(fd))
		return fd;
	ret = set_up_file((int)fd, kind, size);
	if (!ret)
		ret = set_mode((int)fd, flags);
	if (ret) {
		sys_call1(__NR_close, fd);
		return ret;
	}
	return fd;
}

long drv_open(struct drv *d, int flags)
{
	struct encl_layout l;

	encl_layout(&l, UINT64_C(1) << d->machine.profile->log2_size_64);
	return open_kind(KIND_ENCLAVE, "sgx_enclave", flags, l.total);
}

/* Enclaves have files of their own, made by CREATE. This one is what is mapped until then. */
long drv_open_2018(struct drv *d, int flags)
{
	(void)d;
	return open_kind(KIND_2018, "sgx", flags, DRV_PAGE);
}

long drv_open_provision(struct drv *d, int flags)
{
	(void)d;
	return open_kind(KIND_PROVISION, "sgx_provision", flags, DRV_PAGE);
}

int drv_fd_kind(struct drv *d, int fd)
{
	long seals = sys_call3(__NR_fcntl, fd, F_GET_SEALS, 0), readable = -1;
	uint8_t bytes[32];
	struct stat st;
	long got;

	(void)d;
	/* Descriptors of other things say EINVAL. O_PATH ones say EBADF, and are looked at if they are of plain files. */
	if (seals != SEALS && (seals != -EBADF || sys_call2(__NR_fstat, fd, &st) ||
			       (st.st_mode & TYPE_MASK) != TYPE_REGULAR))
		return 0;
	got = sys_call4(__NR_pread64, fd, bytes, sizeof(bytes), 0);
	if (got == -EBADF) {
		readable = drv_reopen(fd, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (sys_is_error(readable))
			return 0;
		if (sys_call3(__NR_fcntl, readable, F_GET_SEALS, 0) == SEALS)
			got = sys_call4(__NR_pread64, readable, bytes, sizeof(bytes), 0);
		sys_call1(__NR_close, readable);
	}
	if (got != sizeof(bytes))
		return 0;
	for (int kind = KIND_ENCLAVE; kind <= KIND_2018; kind++)
		if (!memcmp(bytes, magic[kind], sizeof(bytes)))
			return kind;
	return 0;
}

void drv_closed(struct drv *d, int fd)
{
	uint32_t tid = drv_self();

	drv_lock(d, tid);
	for (uint32_t i = 0; i < d->encl_count; i++)
		for (int k = 0; d->encls[i].used && k < ENCL_FDS_MAX; k++)
			if (d->encls[i].fds[k] == fd)
				encl_put(d, &d->encls[i]);
	drv_unlock(d);
}

void drv_stat_fixup(struct drv *d, int kind, void *kernel_stat)
{
	static const uint8_t minors[] = {
		[KIND_ENCLAVE] = MINOR_ENCLAVE, [KIND_PROVISION] = MINOR_PROVISION, [KIND_2018] = MINOR_2018,
	};
	struct stat *st = kernel_stat;

	(void)d;
	memset(st, 0, sizeof(*st));
	st->st_dev = DEVTMPFS_DEV;
	st->st_ino = minors[kind];
	st->st_nlink = 1;
	st->st_mode = TYPE_CHARACTER | 0666;
	st->st_rdev = MISC_MAJOR << 8 | minors[kind];
	st->st_blksize = 4096;
}
