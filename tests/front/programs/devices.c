/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs under softsgx: the devices as a program meets them. No enclave is built here. */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENCLAVE		"/dev/sgx_enclave"
#define PROVISION	"/dev/sgx_provision"
#define CREATE		_IOW(0xa4, 0, uint64_t)
#define UNKNOWN		_IOW(0xa4, 0x7f, uint64_t)

#define EXPECT_ERROR(call, error) do {							\
	errno = 0;									\
	EXPECT_EQ((long)(call), -1);							\
	EXPECT_EQ(errno, error);							\
} while (0)

static void expect_device(const struct stat *st)
{
	EXPECT_TRUE(S_ISCHR(st->st_mode));
	EXPECT_EQ(st->st_mode & 0600, 0600);
	EXPECT_EQ(major(st->st_rdev), 10);
	EXPECT_EQ(st->st_size, 0);
	EXPECT_EQ(st->st_nlink, 1);
}

/* Proves: A-DEV-1 */
TEST(devices, nodes_are_character_devices)
{
	static const char *const paths[] = { ENCLAVE, "/dev/sgx/enclave", PROVISION, "/dev/sgx/provision", "//dev/./sgx_enclave" };
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct stat st, l, at, f;
		struct statx x;
		int fd = open(paths[i], O_RDWR | O_CLOEXEC);

		ASSERT_TRUE(fd >= 0);
		EXPECT_EQ(syscall(SYS_stat, paths[i], &st), 0);
		expect_device(&st);
		EXPECT_EQ(syscall(SYS_lstat, paths[i], &l), 0);
		EXPECT_MEMEQ(&st, &l, sizeof(st));
		EXPECT_EQ(fstatat(AT_FDCWD, paths[i], &at, 0), 0);
		EXPECT_MEMEQ(&st, &at, sizeof(st));
		EXPECT_EQ(syscall(SYS_fstat, fd, &f), 0);
		EXPECT_EQ(f.st_rdev, st.st_rdev);
		EXPECT_EQ(f.st_mode, st.st_mode);
		EXPECT_EQ(fstatat(fd, "", &f, AT_EMPTY_PATH), 0);
		EXPECT_EQ(f.st_rdev, st.st_rdev);
		EXPECT_EQ(statx(AT_FDCWD, paths[i], 0, STATX_BASIC_STATS, &x), 0);
		EXPECT_EQ(x.stx_mode, st.st_mode);
		EXPECT_EQ(makedev(x.stx_rdev_major, x.stx_rdev_minor), st.st_rdev);
		EXPECT_EQ(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x), 0);
		EXPECT_EQ(makedev(x.stx_rdev_major, x.stx_rdev_minor), st.st_rdev);
		close(fd);
	}
}

/* Proves: A-DEV-1 */
TEST(devices, relative_paths_lead_to_them)
{
	int dev = open("/dev", O_RDONLY | O_DIRECTORY), fd;
	char cwd[4096];

	ASSERT_TRUE(getcwd(cwd, sizeof(cwd)) && dev >= 0);
	fd = openat(dev, "sgx_enclave", O_RDWR);
	EXPECT_TRUE(fd >= 0);
	close(fd);
	EXPECT_EQ(faccessat(dev, "./sgx/../sgx_provision", R_OK, 0), 0);
	EXPECT_EQ(chdir("/dev/shm"), 0);
	fd = open("../sgx_enclave", O_RDWR);
	EXPECT_TRUE(fd >= 0);
	close(fd);
	EXPECT_ERROR(open("sgx_enclave", O_RDWR), ENOENT);
	EXPECT_EQ(chdir(cwd), 0);
	close(dev);
}

/* Proves: A-DEV-2 */
TEST(devices, access_is_read_and_write)
{
	EXPECT_EQ(access(ENCLAVE, F_OK), 0);
	EXPECT_EQ(access(ENCLAVE, R_OK | W_OK), 0);
	EXPECT_ERROR(access(ENCLAVE, R_OK | X_OK), EACCES);
	EXPECT_ERROR(access(ENCLAVE, 8), EINVAL);
	EXPECT_ERROR(access("/dev/sgx_vepc", F_OK), ENOENT);
	EXPECT_ERROR(access(ENCLAVE "/", F_OK), ENOTDIR);
	EXPECT_EQ(syscall(SYS_faccessat2, AT_FDCWD, PROVISION, R_OK, AT_EACCESS), 0);
}

TEST(devices, open_refuses_what_it_refuses_for_a_device)
{
	EXPECT_ERROR(open(ENCLAVE "/", O_RDWR), ENOTDIR);
	EXPECT_ERROR(open(ENCLAVE, O_RDWR | O_DIRECTORY), ENOTDIR);
	EXPECT_ERROR(open(ENCLAVE, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	EXPECT_ERROR(open(ENCLAVE "2", O_RDWR), ENOENT);
	EXPECT_ERROR(open((const char *)1, O_RDWR), EFAULT);
}

TEST(devices, openat2_and_creat_open_them)
{
	struct open_how how = { .flags = O_RDWR | O_CLOEXEC };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, ENCLAVE, &how, sizeof(how));

	EXPECT_TRUE(fd >= 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
	fd = creat(ENCLAVE, 0600);
	EXPECT_TRUE(fd >= 0);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	close(fd);
}

/* Proves: A-DEV-4 */
TEST(devices, there_is_nothing_to_read_write_or_seek)
{
	static const char *const paths[] = { ENCLAVE, PROVISION };
	char byte = 0;
	struct iovec v = { &byte, 1 };
	int i;

	for (i = 0; i < 2; i++) {
		int fd = open(paths[i], O_RDWR);

		ASSERT_TRUE(fd >= 0);
		EXPECT_ERROR(read(fd, &byte, 1), EINVAL);
		EXPECT_ERROR(write(fd, &byte, 1), EINVAL);
		EXPECT_ERROR(pread(fd, &byte, 1, 0), EINVAL);
		EXPECT_ERROR(pwrite(fd, &byte, 1, 0), EINVAL);
		EXPECT_ERROR(readv(fd, &v, 1), EINVAL);
		EXPECT_ERROR(writev(fd, &v, 1), EINVAL);
		EXPECT_ERROR(preadv2(fd, &v, 1, 0, 0), EINVAL);
		EXPECT_ERROR(pwritev2(fd, &v, 1, 0, 0), EINVAL);
		EXPECT_ERROR(lseek(fd, 0, SEEK_CUR), ESPIPE);
		EXPECT_ERROR(ftruncate(fd, 0), EINVAL);
		EXPECT_ERROR(fallocate(fd, 0, 0, 1), ENODEV);
		EXPECT_ERROR(fallocate(fd, 0, 0, 0), EINVAL);
		close(fd);
		fd = open(paths[i], O_RDONLY);
		EXPECT_ERROR(read(fd, &byte, 1), EINVAL);
		EXPECT_ERROR(write(fd, &byte, 1), EBADF);
		EXPECT_ERROR(fallocate(fd, 0, 0, 1), EBADF);
		close(fd);
		EXPECT_ERROR(close(fd), EBADF);
	}
}

/* Proves: A-DEV-4 */
TEST(devices, provisioning_device_has_no_operations)
{
	int fd = open(PROVISION, O_RDONLY);

	ASSERT_TRUE(fd >= 0);
	EXPECT_ERROR(ioctl(fd, CREATE, 0), ENOTTY);
	EXPECT_ERROR(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	EXPECT_ERROR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
	close(fd);
}

/* Proves: A-DEV-3, A-DEV-5 */
TEST(devices, ioctls_reach_the_enclave_through_any_descriptor_of_it)
{
	int fd = open(ENCLAVE, O_RDONLY), copy = dup(fd), other = open("/dev/null", O_RDWR);

	ASSERT_TRUE(fd >= 0 && copy >= 0);
	EXPECT_ERROR(ioctl(fd, CREATE, 1), EFAULT);
	EXPECT_ERROR(ioctl(copy, CREATE, 1), EFAULT);
	EXPECT_ERROR(ioctl(fd, UNKNOWN, 0), ENOTTY);
	EXPECT_ERROR(ioctl(other, CREATE, 1), ENOTTY);
	EXPECT_ERROR(ioctl(-1, CREATE, 1), EBADF);
	/* The duplicate has been met: it is a device in every call. */
	EXPECT_ERROR(lseek(copy, 0, SEEK_CUR), ESPIPE);
	close(other);
	close(copy);
	close(fd);
}

/* Proves: A-LIF-3 */
TEST(devices, descriptor_from_another_process_is_one)
{
	int pair[2], fd = -1, status;
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 }, byte = 0;
	struct iovec v = { &byte, 1 };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	if (!pid) {
		fd = open(ENCLAVE, O_RDWR);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
		_exit(fd < 0 || sendmsg(pair[1], &message, 0) != 1);
	}
	EXPECT_EQ(recvmsg(pair[0], &message, 0), 1);
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	EXPECT_ERROR(ioctl(fd, CREATE, 1), EFAULT);
	EXPECT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* Proves: A-MAP-1, A-MAP-2, A-MAP-10 */
TEST(devices, new_enclave_can_be_mapped)
{
	int fd = open(ENCLAVE, O_RDWR), read_only = open(ENCLAVE, O_RDONLY);
	char *p;

	ASSERT_TRUE(fd >= 0 && read_only >= 0);
	p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(mprotect(p, 4096, PROT_NONE), 0);
	EXPECT_ERROR(madvise(p, 4096, MADV_DONTNEED), EINVAL);
	EXPECT_EQ(munmap(p, 8192), 0);
	p = mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, fd, 0);
	EXPECT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(munmap(p, 4096), 0);
	EXPECT_ERROR(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	EXPECT_ERROR(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
	EXPECT_ERROR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, read_only, 0), EACCES);
	close(fd);
	close(read_only);
}

TEST(devices, calls_on_other_memory_and_files_are_the_kernels)
{
	char name[] = "/tmp/softsgx-devices-XXXXXX", *p;
	int fd = mkstemp(name), device = open(ENCLAVE, O_RDWR);
	struct stat st;

	ASSERT_TRUE(fd >= 0 && device >= 0);
	EXPECT_EQ(write(fd, "0123456789", 10), 10);
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_TRUE(S_ISREG(st.st_mode));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	p[0] = 'x';
	EXPECT_EQ(munmap(p, 4096), 0);
	/* The number of a closed device is any file's again. */
	close(device);
	EXPECT_EQ(dup2(fd, device), device);
	EXPECT_EQ(lseek(device, 0, SEEK_SET), 0);
	EXPECT_EQ(read(device, name + 5, 2), 2);
	EXPECT_MEMEQ(name + 5, "x1", 2);
	EXPECT_EQ(ftruncate(device, 5), 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, device, 0);
	EXPECT_TRUE(p != MAP_FAILED && p[4] == '4' && !p[5]);
	p = mremap(p, 4096, 8192, MREMAP_MAYMOVE);
	EXPECT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(close(device), 0);
	close(fd);
}

TEST(devices, many_descriptors_stay_devices)
{
	int fds[80];
	size_t i;

	for (i = 0; i < 80; i++) {
		fds[i] = open(ENCLAVE, O_RDWR);
		EXPECT_TRUE(fds[i] >= 0);
	}
	for (i = 0; i < 80; i++)
		EXPECT_ERROR(lseek(fds[i], 0, SEEK_CUR), ESPIPE);
	for (i = 0; i < 80; i++)
		EXPECT_EQ(close(fds[i]), 0);
	EXPECT_EQ(write(1, "", 0), 0);
}

TEST(devices, many_mappings_stay_the_drivers)
{
	int fd = open(ENCLAVE, O_RDWR);
	char *p[40];
	size_t i;

	for (i = 0; i < 40; i++) {
		p[i] = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		EXPECT_TRUE(p[i] != MAP_FAILED);
		/* Keeps mappings apart. */
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	for (i = 0; i < 40; i++) {
		EXPECT_ERROR(madvise(p[i], 4096, MADV_DONTNEED), EINVAL);
		EXPECT_EQ(munmap(p[i], 4096), 0);
	}
	close(fd);
}

struct add_pages {
	uint64_t src, offset, length, secinfo, flags, count;
};
#define ADD_PAGES	_IOWR(0xa4, 1, struct add_pages)

#define ENCLAVE_SIZE	(UINT64_C(1) << 25)

/* An enclave of ENCLAVE_SIZE without pages, somewhere; 0 if it can't be made. */
static uint64_t create(int fd)
{
	uint64_t secs[512] __attribute__((aligned(4096))) = { 0 }, source = (uintptr_t)secs, base;
	char *p = mmap(NULL, 2 * ENCLAVE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	base = ((uintptr_t)p + ENCLAVE_SIZE - 1) & ~(ENCLAVE_SIZE - 1);
	secs[0] = ENCLAVE_SIZE;
	secs[1] = base;
	secs[2] = 1;		/* SSAFRAMESIZE */
	secs[6] = 6;		/* DEBUG, MODE64BIT */
	secs[7] = 3;		/* XFRM */
	return p == MAP_FAILED || ioctl(fd, CREATE, &source) ? 0 : base;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static pthread_t target;
static volatile bool firing;

static void *fire(void *unused)
{
	(void)unused;
	while (firing) {
		pthread_kill(target, SIGALRM);
		usleep(20);
	}
	return NULL;
}

/* Fills an enclave, page by page, while signals arrive; how often that was interrupted, or -1 if it failed otherwise. */
static int add_under_fire(int fd, int flags)
{
	static uint8_t source[4096] __attribute__((aligned(4096)));
	uint64_t secinfo[8] __attribute__((aligned(64))) = { 0x203 };
	struct sigaction action = { .sa_handler = on_tick, .sa_flags = flags };
	struct add_pages add = { .src = (uintptr_t)source, .length = 4096, .secinfo = (uintptr_t)secinfo };
	pthread_t thread;
	int interrupted = 0;

	sigaction(SIGALRM, &action, NULL);
	target = pthread_self();
	firing = true;
	if (pthread_create(&thread, NULL, fire, NULL))
		return -1;
	while (add.offset < ENCLAVE_SIZE && interrupted >= 0) {
		if (!ioctl(fd, ADD_PAGES, &add))
			add.offset += 4096;
		else
			interrupted = errno == EINTR ? interrupted + 1 : -1;
	}
	firing = false;
	pthread_join(thread, NULL);
	return interrupted;
}

/* Proves: A-ST-4 */
TEST(devices, interrupted_calls_restart_if_the_handler_says_so)
{
	int fd = open(ENCLAVE, O_RDWR), other = open(ENCLAVE, O_RDWR);

	ASSERT_TRUE(create(fd) && create(other));
	EXPECT_EQ(add_under_fire(fd, SA_RESTART), 0);
	EXPECT_TRUE(add_under_fire(other, 0) >= 0);
	EXPECT_TRUE(ticks > 0);
	close(fd);
	close(other);
}

/* Proves: A-MAP-3 */
TEST(devices, pieces_of_an_enclave_are_mapped_over_a_reservation)
{
	int fd = open(ENCLAVE, O_RDWR);
	uint64_t base = create(fd), i;

	ASSERT_TRUE(base);
	for (i = 0; i < 64; i++)
		EXPECT_EQ((uintptr_t)mmap((void *)(base + i * 8192), 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0),
			  base + i * 8192);
	EXPECT_ERROR(madvise((void *)(base + 16384), 4096, MADV_DONTNEED), EINVAL);
	/* Something else over one of them, and away with them. */
	EXPECT_EQ((uintptr_t)mmap((void *)(base + 16384), 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0),
		  base + 16384);
	EXPECT_EQ(madvise((void *)(base + 16384), 4096, MADV_DONTNEED), 0);
	EXPECT_EQ(munmap((void *)base, ENCLAVE_SIZE), 0);
	EXPECT_ERROR(mprotect((void *)base, 4096, PROT_READ), ENOMEM);
	close(fd);
}

/* Proves: A-LIF-2 */
TEST(devices, child_inherits_descriptor_and_mapping)
{
	int fd = open(ENCLAVE, O_RDWR), status;
	uint64_t base = create(fd);
	char *p = mmap((void *)base, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	pid_t pid;

	ASSERT_TRUE(base && p != MAP_FAILED);
	pid = fork();
	if (!pid) {
		uint64_t secs = 1;
		struct stat st;
		int bad = 0;

		bad |= !(ioctl(fd, CREATE, &secs) == -1 && errno == EINVAL);	/* created already */
		bad |= !(madvise(p, 4096, MADV_DONTNEED) == -1 && errno == EINVAL);
		bad |= fstat(fd, &st) || !S_ISCHR(st.st_mode);
		bad |= munmap(p, 4096);
		_exit(bad);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(munmap(p, 4096), 0);
	close(fd);
}
