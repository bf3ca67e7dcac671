/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls on files: the devices by path, and descriptors of ours, which are memfds that have to look like character
 * devices (A-DEV-1..A-DEV-5). Everything else goes back to the program.
 */
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "front/debug.h"
#include "front/device_path.h"
#include "front/held.h"
#include "front/rt.h"
#include "sys/mem.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"
#include "uapi/sgx_2018.h"

#define PATH_SIZE	4096
#define ACCESS_X	1
#define ACCESS_ALL	7
#define SYSCALL_SIZE	2
#define RESTART_SYS	512	/* ERESTARTSYS: never leaves the kernel, nor this file */

static bool nosgx(void)
{
	return rt.config.flags & RT_FLAG_NOSGX;		/* A-DEV-7 */
}

/* C.0: without --abi-2018 /dev/sgx is at most a directory of the machine's. */
static enum device existing(enum device device)
{
	return device == DEVICE_2018 && !rt.config.abi_2018 ? DEVICE_NONE : device;
}

/*
 * What @fd is to us. A duplicate, or a descriptor from another process, is met here for the first time; that a filter
 * for it may be refused only means that reading from it is not. Without SGX another process's is a file like any other.
 */
static enum device device_of_fd(int fd)
{
	const enum device device = nosgx() ? DEVICE_NONE : existing((enum device)drv_fd_kind(rt.drv, fd));

	if (device)
		filter_add_fd(fd);
	return device;
}

/* Length of the program's string at @src, or -1 if it can't be read or is too long: the kernel will say which. */
static long read_path(char path[PATH_SIZE], uint64_t src)
{
	uint64_t at, i;

	for (at = 0; at < PATH_SIZE; at += 64) {
		const uint64_t got = 64 - rt_copy(path + at, (const void *)(uintptr_t)(src + at), 64);

		for (i = 0; i < got; i++)
			if (!path[at + i])
				return (long)(at + i);
		if (got < 64)
			return -1;
	}
	return -1;
}

/* The device that the path relative to @dirfd names. Out of line: its buffers are not on the way of other paths. */
__attribute__((noinline))
static enum device resolve(int dirfd, const char *path, bool *directory)
{
	char full[2 * PATH_SIZE], link[32];
	long length = 0;

	if (path[0] != '/') {
		if (dirfd == AT_FDCWD)
			sys_format(link, sizeof(link), "/proc/self/cwd");
		else
			sys_format(link, sizeof(link), "/proc/self/fd/%d", dirfd);
		length = sys_call3(__NR_readlink, link, full, PATH_SIZE - 1);
		if (sys_is_error(length) || full[0] != '/')
			return DEVICE_NONE;
		full[length++] = '/';
	}
	memcpy(full + length, path, strlen(path) + 1);
	return existing(device_of_path(full, directory));
}

/* @empty: the path is "" (or absent), so that with AT_EMPTY_PATH the descriptor itself is meant. */
static enum device device_at(int dirfd, uint64_t address, bool *directory, bool *empty)
{
	char path[PATH_SIZE];
	long length;

	*directory = false;
	*empty = !address;
	length = read_path(path, address);
	if (length < 0)
		return DEVICE_NONE;
	*empty = !length;
	if (!device_name_plausible(path, (size_t)length))
		return DEVICE_NONE;
	return resolve(dirfd, path, directory);
}

static long open_device(enum device device, bool directory, uint64_t flags)
{
	const int how = (int)flags | (directory ? O_DIRECTORY : 0);
	long fd = device == DEVICE_ENCLAVE ? drv_open(rt.drv, how) :
		  device == DEVICE_2018 ? drv_open_2018(rt.drv, how) : drv_open_provision(rt.drv, how), ret;

	if (sys_is_error(fd))
		return fd;
	ret = filter_add_fd((int)fd);
	if (ret) {
		sys_call1(__NR_close, fd);
		return -ENOMEM;
	}
	return fd;
}

static void gate_open(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	const bool at = nr == __NR_openat || nr == __NR_openat2;
	const int dirfd = at ? (int)m->rdi : AT_FDCWD;
	uint64_t flags = at ? m->rdx : nr == __NR_creat ? O_CREAT | O_WRONLY | O_TRUNC : m->rsi;
	bool directory, empty;
	enum device device = device_at(dirfd, at ? m->rsi : m->rdi, &directory, &empty);
	struct open_how how;

	if (device && nr == __NR_openat2) {
		/* What the kernel would refuse, or resolve otherwise, it is left to. */
		if (m->r10 != sizeof(how) || rt_copy(&how, (const void *)m->rdx, sizeof(how)) ||
		    how.flags >> 32 || how.resolve & ~(uint64_t)(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS))
			device = DEVICE_NONE;
		else
			flags = how.flags;
	}
	if (device && nosgx())
		m->rax = (uint64_t)-ENOENT;
	else if (device)
		m->rax = (uint64_t)open_device(device, directory, flags);
	else {
		if (nr != __NR_creat && nr != __NR_openat2)
			symbols_opened(dirfd, at ? m->rsi : m->rdi, flags);
		gate_continue(t, uc);
	}
}

/* Which device a call that may name it by path or by descriptor is about. */
static enum device device_of_call(int dirfd, uint64_t path, uint64_t flags, bool *directory)
{
	bool empty;
	enum device device = device_at(dirfd, path, directory, &empty);

	if (empty && flags & AT_EMPTY_PATH && dirfd >= 0)
		return device_of_fd(dirfd);
	return device;
}

static long copy_out(uint64_t dst, const void *src, size_t size)
{
	return rt_copy((void *)(uintptr_t)dst, src, size) ? -EFAULT : 0;
}

static long stat_device(enum device device, bool directory, uint64_t buffer)
{
	struct stat st;

	if (directory)
		return -ENOTDIR;
	drv_stat_fixup(rt.drv, (int)device, &st);
	return copy_out(buffer, &st, sizeof(st));
}

static long statx_device(enum device device, bool directory, uint64_t buffer)
{
	struct stat st;
	struct statx x = { .stx_mask = STATX_BASIC_STATS };

	if (directory)
		return -ENOTDIR;
	drv_stat_fixup(rt.drv, (int)device, &st);
	x.stx_blksize = (uint32_t)st.st_blksize;
	x.stx_nlink = (uint32_t)st.st_nlink;
	x.stx_uid = st.st_uid;
	x.stx_gid = st.st_gid;
	x.stx_mode = (uint16_t)st.st_mode;
	x.stx_ino = st.st_ino;
	x.stx_rdev_major = (uint32_t)(st.st_rdev >> 8 & 0xfff);
	x.stx_rdev_minor = (uint32_t)(st.st_rdev & 0xff);
	x.stx_dev_major = (uint32_t)(st.st_dev >> 8 & 0xfff);
	x.stx_dev_minor = (uint32_t)(st.st_dev & 0xff);
	return copy_out(buffer, &x, sizeof(x));
}

static void gate_stat(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	enum device device;
	bool directory = false;

	switch (nr) {
	case __NR_fstat:
		device = device_of_fd((int)m->rdi);
		break;
	case __NR_stat:
	case __NR_lstat:
		device = device_of_call(AT_FDCWD, m->rdi, 0, &directory);
		break;
	case __NR_newfstatat:
		device = device_of_call((int)m->rdi, m->rsi, m->r10, &directory);
		break;
	default:
		device = device_of_call((int)m->rdi, m->rsi, m->rdx, &directory);
		break;
	}
	if (!device)
		gate_continue(t, uc);
	else if (nosgx())
		m->rax = (uint64_t)-ENOENT;
	else if (nr == __NR_statx)
		m->rax = (uint64_t)statx_device(device, directory, m->r8);
	else
		m->rax = (uint64_t)stat_device(device, directory, nr == __NR_newfstatat ? m->rdx : m->rsi);
}

static void gate_access(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	const bool at = nr != __NR_access;
	const uint64_t mode = at ? m->rdx : m->rsi, flags = nr == __NR_faccessat2 ? m->r10 : 0;
	bool directory;
	enum device device = device_of_call(at ? (int)m->rdi : AT_FDCWD, at ? m->rsi : m->rdi, flags, &directory);

	if (!device)
		gate_continue(t, uc);
	else if (mode & ~(uint64_t)ACCESS_ALL ||
		 flags & ~(uint64_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		m->rax = (uint64_t)-EINVAL;
	else if (nosgx())
		m->rax = (uint64_t)-ENOENT;
	else if (directory)
		m->rax = (uint64_t)-ENOTDIR;
	else
		m->rax = (uint64_t)(mode & ACCESS_X ? -EACCES : 0);
}

/* Of the signals that are let in when this call ends, the first: does its handler want the call restarted? */
static bool wants_restart(const struct thread *t, const struct kucontext *uc)
{
	uint64_t held = held_ready(t, t->vmask), pending = 0;
	int sig;

	sys_call2(__NR_rt_sigpending, &pending, sizeof(pending));
	pending &= ~uc->sigmask;
	while (held || pending) {
		uint64_t *from = held ? &held : &pending;

		sig = __builtin_ctzll(*from) + 1;
		*from &= *from - 1;
		if (rt.action[sig].handler != KSIG_DFL && rt.action[sig].handler != KSIG_IGN)
			return rt.action[sig].flags & KSA_RESTART;
	}
	return true;
}

/*
 * A-ST-4: a driver that was interrupted. The kernel would decide between -EINTR and a restart while it delivers the
 * signal; here RIP goes back to the SYSCALL, which the handler's frame then shows as it would.
 */
static void interrupted(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	if (wants_restart(t, uc)) {
		uc->mc.rip -= SYSCALL_SIZE;
		uc->mc.rax = nr;
	} else {
		uc->mc.rax = (uint64_t)-EINTR;
	}
}

/*
 * Registrations (C.1, C5-6) are the engine's business, the rest of the ABI of 2018 the driver's. A child of vfork has no
 * registrations of its own: the thread's are its parent's.
 */
static long ioctl_2018(struct thread *t, const struct kmcontext *m)
{
	const bool process = (uint32_t)m->rsi == SGX_RFC_ENCLU_REGISTER && rt.config.abi_2018 == RT_ABI_2018_RFC &&
			     rt.config.delivery & RT_DELIVERY_ENCLU;
	const int fd = (int)m->rdi;
	struct sgx_enclu_register p;

	if (!process && (uint32_t)m->rsi != SGX_IOC_ENCLU_REGISTER_THREAD)
		return drv_ioctl(rt.drv, (uint32_t)t->tid, fd, (uint32_t)m->rsi, m->rdx);
	if (sys_call2(__NR_fcntl, fd, F_GETFL) & O_PATH)
		return -EBADF;
	if (rt_copy(&p, (const void *)m->rdx, sizeof(p)))
		return -EFAULT;							/* C1-2 */
	if (process)
		return delivery_register(&rt.engine, t, &(struct enclu_pair){ p.enclu, p.handler });
	if ((uint64_t)sys_call0(__NR_gettid) != t->tid)
		return -ENOMEM;
	return delivery_register_thread(t, &(struct enclu_pair){ p.enclu, p.handler }, m->rsp);
}

static void gate_ioctl(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	long ret;

	switch (device_of_fd((int)m->rdi)) {
	case DEVICE_ENCLAVE:
		ret = drv_ioctl(rt.drv, (uint32_t)t->tid, (int)m->rdi, (uint32_t)m->rsi, m->rdx);
		if (ret == -RESTART_SYS)
			interrupted(t, uc, nr);
		else
			m->rax = (uint64_t)ret;
		if (!ret)
			debug_pass(t, uc);
		break;
	case DEVICE_2018:
		ret = ioctl_2018(t, m);
		if (ret == -RESTART_SYS)
			interrupted(t, uc, nr);
		else
			m->rax = (uint64_t)ret;
		break;
	case DEVICE_PROVISION:
		m->rax = (uint64_t)-ENOTTY;	/* A-DEV-4 */
		break;
	default:
		gate_continue(t, uc);
	}
}

static bool opened_for(int fd, bool write)
{
	const long flags = sys_call2(__NR_fcntl, fd, F_GETFL), mode = flags & O_ACCMODE;

	return !sys_is_error(flags) && !(flags & O_PATH) && (mode == O_RDWR || mode == (write ? O_WRONLY : O_RDONLY));
}

static long close_device(int fd)
{
	const long ret = sys_call1(__NR_close, fd);

	drv_closed(rt.drv, fd);
	return ret;
}

/* A-DEV-4: there is nothing to read, write or seek; what is said before that is every character device's. */
static long device_io(int fd, uint32_t nr, const struct kmcontext *m)
{
	const bool path_only = sys_call2(__NR_fcntl, fd, F_GETFL) & O_PATH;

	if (path_only)
		return -EBADF;
	switch (nr) {
	case __NR_read:
	case __NR_pread64:
	case __NR_readv:
	case __NR_preadv:
	case __NR_preadv2:
		return opened_for(fd, false) ? -EINVAL : -EBADF;
	case __NR_write:
	case __NR_pwrite64:
	case __NR_writev:
	case __NR_pwritev:
	case __NR_pwritev2:
		return opened_for(fd, true) ? -EINVAL : -EBADF;
	case __NR_lseek:
		return -ESPIPE;
	case __NR_fallocate:
		if ((int64_t)m->rdx < 0 || (int64_t)m->r10 <= 0)
			return -EINVAL;
		return opened_for(fd, true) ? -ENODEV : -EBADF;
	default:
		return -EINVAL;		/* ftruncate */
	}
}

void gate_files(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;

	switch (nr) {
	case __NR_open:
	case __NR_openat:
	case __NR_openat2:
	case __NR_creat:
		gate_open(t, uc, nr);
		break;
	case __NR_stat:
	case __NR_lstat:
	case __NR_fstat:
	case __NR_newfstatat:
	case __NR_statx:
		gate_stat(t, uc, nr);
		break;
	case __NR_access:
	case __NR_faccessat:
	case __NR_faccessat2:
		gate_access(t, uc, nr);
		break;
	case __NR_ioctl:
		gate_ioctl(t, uc, nr);
		break;
	case __NR_read: case __NR_pread64: case __NR_readv: case __NR_preadv: case __NR_preadv2:
	case __NR_write: case __NR_pwrite64: case __NR_writev: case __NR_pwritev: case __NR_pwritev2:
	case __NR_lseek: case __NR_ftruncate: case __NR_fallocate:
		if (drv_fd_kind(rt.drv, (int)m->rdi))
			m->rax = (uint64_t)device_io((int)m->rdi, nr, m);
		else
			gate_continue(t, uc);
		break;
	case __NR_close:
		if (drv_fd_kind(rt.drv, (int)m->rdi))
			m->rax = (uint64_t)close_device((int)m->rdi);
		else
			gate_continue(t, uc);
		break;
	default:
		gate_continue(t, uc);
	}
}
