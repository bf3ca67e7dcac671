/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's own memory runs out: its address space for records, tables and views, which is the kernel's on Linux. */
#include "drv/fixture.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#define HUGE	(UINT64_C(1) << 40)	/* an ELRANGE whose tables and views take more than 3 TiB of the arena */
#define FDS_MAX	100
#define EPC	1024			/* pages: not what runs out here */

static struct env *v;
static int fds[FDS_MAX];
static unsigned count;

/*
 * Enclaves of @size until there is no memory for one more, then of half the size, down to @last. The result of the last
 * CREATE; its descriptor is fds[count].
 */
static long exhaust(uint64_t size, uint64_t last)
{
	long ret = 0;

	for (count = 0; count < FDS_MAX - 1;) {
		fds[count] = (int)drv_open(v->d, O_RDWR);
		ret = create(v, fds[count], 0x10000000000, size);
		if (!ret) {
			count++;
			continue;
		}
		if (size == last)
			break;
		close(fds[count]);
		drv_closed(v->d, fds[count]);
		size /= 2;
	}
	return ret;
}

static void drop(int fd)
{
	close(fd);
	drv_closed(v->d, fd);
}

/* Proves: A-CRE-3 */
TEST(drv_memory, create_without_memory_is_enomem_and_changes_nothing)
{
	struct sgx_secs bad_secs = { .size = HUGE - 1 };
	struct sgx_enclave_create p = { .src = (uint64_t)&bad_secs };
	uint64_t used;
	uint32_t regions;
	int fd;

	v = env_new(EPC);
	v->profile.log2_size_64 = 41;
	ASSERT_EQ(exhaust(HUGE, HUGE), -ENOMEM);
	ASSERT_TRUE(count > 0 && count < FDS_MAX - 1);
	fd = fds[count];
	used = v->d->epc_used;
	regions = v->d->region_count;
	EXPECT_EQ(used, 2 * count);			/* SECS and VA page of each that exists */
	EXPECT_EQ(create(v, fd, 0x10000000000, HUGE), -ENOMEM);
	EXPECT_EQ(v->d->epc_used, used);
	EXPECT_EQ(v->d->region_count, regions);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p), -EINVAL);	/* A-CRE-5 is still said of what is wrong */
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_RW), NULL), -EINVAL);	/* no enclave came of it */
	EXPECT_EQ(create(v, fd, 0x10000, 16 * PAGE), 0);	/* for a small one there is memory */
	drop(fd);
	fd = (int)drv_open(v->d, O_RDWR);
	drop(fds[--count]);
	EXPECT_EQ(create(v, fd, 0x10000000000, HUGE), 0);
	drop(fd);
	while (count)
		drop(fds[--count]);
	EXPECT_EQ(v->d->epc_used, 0);
}

/*
 * The child has the mapping by inheritance, made when the enclave had no size yet; it learns the size when it first
 * touches it, and has no memory then for what it must know of the enclave.
 */
static int child_without_memory(uint64_t base)
{
	static const uint32_t access[] = { 0, X86_PFEC_W, X86_PFEC_I };
	struct exception exc;
	int bad = 0;
	unsigned i, page;

	if (exhaust(HUGE, 2 * PAGE) != -ENOMEM || v->d->epc_used > EPC / 2)
		return 1;
	for (i = 0; i < 3; i++)
		for (page = 0; page < 16; page++) {
			if (touch(v, base + page * PAGE + 8, access[i], &exc) != DRV_FAULT_BUS)
				bad |= 2;
			if (exc.vector != X86_PF || exc.addr != base + page * PAGE + 8 ||
			    exc.error_code != (access[i] | X86_PFEC_U))
				bad |= 4;
		}
	if (readable(base) || writable(base + 2 * PAGE))
		bad |= 8;
	drop(fds[0]);				/* memory comes back: so does the enclave */
	if (touch(v, base + 2 * PAGE, X86_PFEC_W, &exc) != DRV_FAULT_RETRY)
		bad |= 16;
	else if (*(volatile uint8_t *)(base + 2 * PAGE) != 0x5a)
		bad |= 32;
	return bad;
}

/* Proves: A-FLT-11 */
TEST(drv_memory, inherited_mapping_that_cannot_be_recorded_is_sigbus)
{
	uint64_t base;
	int fd, go[2], status = 0;
	pid_t pid;
	char byte = 0;

	v = env_new(EPC);
	v->profile.log2_size_64 = 41;
	base = reserve(16 * PAGE);
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(map(v, fd, base, 16 * PAGE, RWX), base);
	ASSERT_EQ(pipe(go), 0);
	drv_fork_prepare(v->d, v->tid);
	pid = fork();
	drv_fork_done(v->d, pid == 0);
	if (!pid) {
		v->tid = (uint32_t)syscall(SYS_gettid);
		_exit(read(go[0], &byte, 1) == 1 ? child_without_memory(base) : 64);
	}
	EXPECT_EQ(create(v, fd, base, 16 * PAGE), 0);
	EXPECT_EQ(add(v, fd, 0, 1, TCS, NULL), 0);
	EXPECT_EQ(add(v, fd, PAGE, 15, REG(SI_RWX), NULL), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(write(go[1], &byte, 1), 1);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	close(go[0]);
	close(go[1]);
	drv_munmap(v->d, v->tid, base, 16 * PAGE);
	drop(fd);
}
