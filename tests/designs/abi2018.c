/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /dev/sgx of 2018 (C.0) as a program meets it. Suite "old" runs with --delivery=thread-handler, which brings the
 * device with its base numbers; suite "full" with --abi-2018=full.
 */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/own.h"
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

#define PAGE		4096ul
#define QUEUED		400ul		/* pages; a second's work for nobody, but more than one page's */
#define CHILD		"ABI2018_CHILD"
#define RW		(SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_R | SGX_SECINFO_W)

static struct te te;

static bool build(uint64_t heap_pages)
{
	const struct te_options o = {
		.tcs = 3, .nssa = 3, .abi = TE_2018_BASE, .heap_pages = heap_pages, .heap_measured = true,
	};

	if (!te_build(&te, &o))
		return true;
	test_fail(__FILE__, __LINE__, "no enclave");
	return false;
}

static uint64_t sum(unsigned tcs)
{
	struct sgx_enclave_run run;
	uint64_t args[2] = { 1, 3 };

	return te_call(&te, tcs, TE_SUM, args, &run) || run.function != EEXIT ? 0 : args[0];
}

/* An enclave on @device of 1024 pages, with @n of them queued; its base, or 0. */
static uint64_t queue(int device, uint64_t n)
{
	static uint8_t contents[PAGE] __attribute__((aligned(4096)));
	struct sgx_secs secs __attribute__((aligned(4096))) = {
		.size = 1024 * PAGE, .ssaframesize = 1, .attributes = { SGX_ATTR_MODE64BIT, 3 },
	};
	struct sgx_secinfo secinfo = { .flags = RW };
	struct sgx_2018_create create = { .src = (uintptr_t)&secs };
	void *base = mmap(NULL, secs.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);

	secs.baseaddr = (uintptr_t)base;
	if (base == MAP_FAILED || ioctl(device, SGX_2018_CREATE, &create))
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		struct sgx_2018_add_page add = {
			.addr = secs.baseaddr + i * PAGE, .src = (uintptr_t)contents, .secinfo = (uintptr_t)&secinfo,
			.mrmask = 0xffff,
		};

		if (ioctl(device, SGX_2018_ADD_PAGE, &add))
			return 0;
	}
	return secs.baseaddr;
}

static unsigned tasks(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Proves: A-DEV-1, C0-2 */
TEST(old, device_looks_like_one)
{
	const char *const names[] = { "/dev/sgx", "//dev/./sgx", "/dev/../dev/sgx" };
	struct stat by_path, by_fd;
	int fd;

	for (unsigned i = 0; i < 3; i++) {
		fd = open(names[i], O_RDWR | O_CLOEXEC);
		EXPECT_TRUE(fd >= 0);
		EXPECT_EQ(stat(names[i], &by_path), 0);
		EXPECT_EQ(fstat(fd, &by_fd), 0);
		EXPECT_TRUE(S_ISCHR(by_path.st_mode) && (by_path.st_rdev >> 8) == 10);
		EXPECT_EQ(by_path.st_rdev, by_fd.st_rdev);
		EXPECT_EQ(by_path.st_mode, by_fd.st_mode);
		EXPECT_EQ(access(names[i], R_OK | W_OK), 0);
		EXPECT_EQ(read(fd, &by_fd, 8), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(lseek(fd, 0, SEEK_SET), -1);
		EXPECT_EQ(errno, ESPIPE);
		EXPECT_EQ(ioctl(fd, SGX_RFC_CREATE, NULL), -1);
		EXPECT_EQ(errno, ENOTTY);
		close(fd);
	}
	EXPECT_EQ(stat("/dev/sgx_enclave", &by_fd), 0);
	EXPECT_TRUE(by_path.st_rdev != by_fd.st_rdev);
	EXPECT_EQ(open("/dev/sgx/", O_RDWR), -1);
	EXPECT_EQ(errno, ENOTDIR);
	EXPECT_EQ(open("/dev/sgx", O_RDWR | O_CREAT | O_EXCL, 0600), -1);
	EXPECT_EQ(errno, EEXIST);
}

/* The measurement is computed by the test, so that EINIT compares it with what the worker has added. */
/* Proves: C0-3, C0-4, C0-5, C0-6 */
TEST(old, enclave_is_built_and_entered)
{
	struct te upstream;
	uint64_t expected;

	EXPECT_EQ(te_build(&upstream, NULL), 0);
	if (!build(600))
		return;
	expected = sum(0);
	EXPECT_TRUE(expected != 0);
	close(te.fd);				/* the mapping is what counts */
	EXPECT_EQ(sum(1), expected);
	munmap((void *)te.base, te.size);
	te = upstream;
	EXPECT_EQ(sum(0), expected);
	te_destroy(&te);
}

/* Proves: C0-1 */
TEST(old, private_mapping_of_a_readable_descriptor)
{
	const int fd = open("/dev/sgx", O_RDONLY);
	void *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	EXPECT_TRUE(at != MAP_FAILED && (uintptr_t)at % (16 * PAGE) == 0);
	EXPECT_EQ(munmap(at, 16 * PAGE), 0);
	EXPECT_TRUE(mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	EXPECT_TRUE(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	close(fd);
}

/* Proves: C0-1, C0-8 */
TEST(old, child_of_fork_has_no_mapping)
{
	uint64_t expected;
	int status;
	pid_t pid;

	if (!build(0))
		return;
	expected = sum(0);
	pid = fork();
	if (!pid) {
		volatile uint8_t *page = (void *)te.data;
		uint8_t resident;
		int wrong = 0;

		catch_begin(0);
		wrong |= !CAUGHT((void)*page) || caught.sig != SIGSEGV || caught.code != SEGV_MAPERR;
		catch_end();
		wrong |= (mincore((void *)te.base, PAGE, &resident) != -1) << 1;
		/* Not even by way of the addresses that the parent has. */
		wrong |= (sum(0) != 0) << 2;
		wrong |= (!build(0) || sum(0) != expected) << 3;
		_exit(wrong);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(sum(1), expected);
	te_destroy(&te);
}

static struct own inside;
static uint64_t spin_args[2];
static _Atomic uint64_t never;

static void *spin(void *arg)
{
	struct sgx_enclu_register pair = { (uintptr_t)own_enclu[OWN_PLAIN], (uintptr_t)own_fixed };

	(void)arg;
	if (!ioctl(te.fd, SGX_IOC_ENCLU_REGISTER_THREAD, &pair))
		own_call(&inside);
	return NULL;
}

/* Proves: C0-8, C0-10 */
TEST(old, threads_inside_are_thrown_out_when_a_part_is_unmapped)
{
	for (unsigned i = 0; i < 20; i++) {
		const bool all = i & 1;
		pthread_t thread;

		if (!build(0))
			return;
		spin_args[0] = (uintptr_t)&never;
		spin_args[1] = 0;
		inside = own_eenter(&te, 0, OWN_PLAIN, (uintptr_t)own_enclu[OWN_PLAIN]);
		inside.r[RDI] = TE_SPIN;
		inside.r[RSI] = (uintptr_t)spin_args;
		pthread_create(&thread, NULL, spin, NULL);
		while (!*(volatile uint64_t *)&spin_args[1])
			sched_yield();
		EXPECT_EQ(munmap((void *)(te.base + (all ? 0 : te.size - PAGE)), all ? te.size : PAGE), 0);
		pthread_join(thread, NULL);
		/* ERESUME at the AEP is what fails. */
		EXPECT_EQ(inside.out, OWN_FIXED);
		EXPECT_EQ(inside.r[RAX], ERESUME);
		EXPECT_EQ(inside.r[RBX], te.tcs[0]);
		EXPECT_EQ(inside.r[RDI], 14);
		te_destroy(&te);
	}
}

static _Atomic unsigned entering;

static void *enter_until_it_fails(void *arg)
{
	struct sgx_enclu_register pair = { (uintptr_t)own_enclu[OWN_PLAIN], (uintptr_t)own_fixed };
	const unsigned tcs = (unsigned)(uintptr_t)arg;
	struct own o;

	if (ioctl(te.fd, SGX_IOC_ENCLU_REGISTER_THREAD, &pair))
		return "no registration";
	entering++;
	do {
		o = own_eenter(&te, tcs, OWN_PLAIN, (uintptr_t)own_enclu[OWN_PLAIN]);
		own_call(&o);
	} while (o.out == OWN_PLAIN);
	/* #PF, or #GP of a leaf that met the driver at its work. */
	return o.out == OWN_FIXED && (o.r[RDI] == 14 || o.r[RDI] == 13) ? NULL : "another end";
}

/* Proves: C0-8 */
TEST(old, threads_that_enter_meanwhile_fault)
{
	for (unsigned i = 0; i < 60; i++) {
		pthread_t threads[3];
		void *wrong;

		if (!build(0))
			return;
		entering = 0;
		for (uintptr_t k = 0; k < 3; k++)
			pthread_create(&threads[k], NULL, enter_until_it_fails, (void *)k);
		while (entering < 3)
			sched_yield();
		usleep(i * 37 % 1500);
		munmap((void *)(te.base + (i & 1 ? 0 : te.size - PAGE)), i & 1 ? te.size : PAGE);
		for (unsigned k = 0; k < 3; k++) {
			pthread_join(threads[k], &wrong);
			if (wrong)
				test_fail(__FILE__, __LINE__, "%s", (const char *)wrong);
		}
		te_destroy(&te);
	}
}

/* Proves: C0-10 */
TEST(old, only_initialised_enclaves_have_pages)
{
	const int device = open("/dev/sgx", O_RDWR);
	volatile uint8_t *page = (void *)queue(device, 2);

	EXPECT_TRUE(page != NULL);
	catch_begin(0);
	EXPECT_TRUE(CAUGHT((void)*page));
	EXPECT_EQ(caught.sig, SIGBUS);
	EXPECT_EQ(caught.code, BUS_ADRERR);
	EXPECT_EQ(caught.addr, (uintptr_t)page);
	munmap((void *)page, 1024 * PAGE);
	if (build(0)) {
		EXPECT_TRUE(!CAUGHT((void)*(volatile uint8_t *)te.data));
		EXPECT_TRUE(CAUGHT((void)*(volatile uint8_t *)(te.base + te.size - PAGE)));	/* no EAUG */
		EXPECT_EQ(caught.sig, SIGBUS);
		te_destroy(&te);
	}
	catch_end();
	close(device);
}

static volatile sig_atomic_t children;

static void on_child(int sig)
{
	(void)sig;
	children++;
}

/* Proves: C0-5 */
TEST(old, worker_is_nobodys_child)
{
	struct sigaction action = { .sa_handler = on_child }, before;
	const int device = open("/dev/sgx", O_RDWR);
	int status;
	pid_t pid;
	uint64_t base;

	sigaction(SIGCHLD, &action, &before);
	children = 0;
	base = queue(device, QUEUED);
	EXPECT_TRUE(base != 0);
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG), -1);
	EXPECT_EQ(errno, ECHILD);
	EXPECT_EQ(wait(NULL), -1);			/* and does not wait */
	EXPECT_EQ(tasks(), 1);
	pid = fork();
	if (!pid)	/* the worker is the parent's */
		_exit(waitpid(-1, NULL, WNOHANG | __WALL) != -1 || queue(device, 3) == 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(children, 1);
	sigaction(SIGCHLD, &before, NULL);
	munmap((void *)base, 1024 * PAGE);
	close(device);
	if (!build(100))
		return;
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG | __WALL), -1);	/* INIT leaves none */
	te_destroy(&te);
}

/* After execve, in a process that had queued pages. */
__attribute__((constructor)) static void after_exec(void)
{
	if (getenv(CHILD))
		_exit(waitpid(-1, NULL, WNOHANG | __WALL) != -1 || errno != ECHILD || access("/dev/sgx", F_OK));
}

/* Proves: C0-5, C0-8 */
TEST(old, worker_ends_with_its_process_or_its_image)
{
	for (unsigned how = 0; how < 4; how++) {
		struct pollfd end = { .events = POLLIN };
		int ends[2], status;
		pid_t pid;

		EXPECT_EQ(pipe(ends), 0);
		pid = fork();
		if (!pid) {
			const int device = open("/dev/sgx", O_RDWR | O_CLOEXEC);

			close(ends[0]);
			if (!queue(device, QUEUED))
				_exit(9);
			if (how == 0)
				_exit(0);
			if (how == 1)
				kill(getpid(), SIGKILL);
			if (how == 2) {
				setenv(CHILD, "1", 1);
				execl("/nonexistent", "case", (char *)NULL);
				execl("/proc/self/exe", "case", (char *)NULL);
			}
			__asm__ volatile("ud2");
		}
		close(ends[1]);
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status & 0xff7f, how == 1 ? SIGKILL : how == 3 ? SIGILL : 0);		/* core or not */
		end.fd = ends[0];
		EXPECT_EQ(poll(&end, 1, 5000), 1);
		EXPECT_TRUE(end.revents & POLLHUP);	/* nobody has the descriptors any more */
		close(ends[0]);
	}
}

static void *queue_in_thread(void *arg)
{
	return (void *)queue(*(int *)arg, QUEUED);
}

/* Proves: C0-5 */
TEST(old, threads_queue_at_the_same_time_and_end)
{
	int device = open("/dev/sgx", O_RDWR);
	pthread_t threads[3];
	void *base[3];

	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, queue_in_thread, &device);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], &base[i]);
	if (build(50))
		te_destroy(&te);
	for (unsigned i = 0; i < 3; i++) {
		struct sgx_2018_init init = { .addr = (uintptr_t)base[i] };
		static struct sgx_sigstruct bad;

		EXPECT_TRUE(base[i] != NULL);
		init.sigstruct = (uintptr_t)&bad;
		/* All was added: EINIT has its verdict. */
		EXPECT_EQ(ioctl(device, SGX_2018_INIT, &init), SGX_INVALID_SIG_STRUCT);
		munmap(base[i], 1024 * PAGE);
	}
	close(device);
}

/* Proves: C0-7 */
TEST(old, pages_are_neither_removed_nor_modified)
{
	struct sgx_2018_modify_pages modify = { 0 };
	struct sgx_2018_remove_pages remove = { 0 };

	if (!build(0))
		return;
	remove.addr = modify.addr = te.data;
	remove.length = modify.length = PAGE;
	EXPECT_EQ(ioctl(te.fd, SGX_2018_REMOVE_PAGES, &remove), -1);
	EXPECT_EQ(errno, ENOTTY);
	EXPECT_EQ(ioctl(te.fd, SGX_2018_MODIFY_PAGES, &modify), -1);
	EXPECT_EQ(errno, ENOTTY);
	te_destroy(&te);
}

static uint64_t eaccept(uint64_t page, uint64_t flags)
{
	struct sgx_secinfo secinfo = { .flags = flags };
	uint64_t copy[3] = { te.data + 1024, (uintptr_t)&secinfo, sizeof(secinfo) };
	uint64_t leaf[5] = { 5, te.data + 1024, page };
	struct sgx_enclave_run run;

	if (te_call(&te, 0, TE_COPY, copy, &run) || run.function != EEXIT)
		return UINT64_MAX;
	if (te_call(&te, 0, TE_LEAF, leaf, &run) || run.function != EEXIT)
		return UINT64_MAX - 1;
	return leaf[0];
}

static int modify(uint64_t addr, uint64_t length, uint64_t flags, uint8_t op)
{
	struct sgx_secinfo secinfo = { .flags = flags };
	struct sgx_2018_modify_pages p = { addr, length, (uintptr_t)&secinfo, op };

	return ioctl(te.fd, SGX_2018_MODIFY_PAGES, &p) ? errno : 0;
}

/* Proves: C0-7 */
TEST(full, rights_types_and_removal_by_address)
{
	const uint64_t trim = SGX_SECINFO_OF_PT(SGX_PT_TRIM);
	struct sgx_2018_remove_pages remove;
	volatile uint8_t *page;

	if (!build(4))
		return;
	page = (void *)te.heap;
	*page = 1;
	EXPECT_EQ(modify(te.heap, PAGE, SGX_SECINFO_R, SGX_2018_MODIFY_PERMISSIONS), 0);
	EXPECT_EQ(eaccept(te.heap, SGX_SECINFO_OF_PT(SGX_PT_REG) | SGX_SECINFO_R | 1 << 5), 0);
	catch_begin(0);
	EXPECT_TRUE(CAUGHT(*page = 2));
	EXPECT_TRUE(!CAUGHT((void)*page));
	remove = (struct sgx_2018_remove_pages){ te.heap + PAGE, 2 * PAGE };
	EXPECT_EQ(ioctl(te.fd, SGX_2018_REMOVE_PAGES, &remove), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(modify(te.heap + PAGE, 2 * PAGE, trim, SGX_2018_MODIFY_TYPES), 0);
	EXPECT_EQ(eaccept(te.heap + PAGE, trim | 1 << 4), 0);
	EXPECT_EQ(eaccept(te.heap + 2 * PAGE, trim | 1 << 4), 0);
	EXPECT_EQ(ioctl(te.fd, SGX_2018_REMOVE_PAGES, &remove), 0);
	EXPECT_TRUE(CAUGHT((void)page[PAGE]));
	EXPECT_EQ(caught.sig, SIGBUS);
	catch_end();
	EXPECT_TRUE(sum(0) != 0);
	te_destroy(&te);
}
