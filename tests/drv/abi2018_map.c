/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver ABI of late 2018: mmap, and which call is which (C0-1, C0-2). */
#include "drv/abi2018.h"

#include <sys/wait.h>

#define BAD	((void *)8)	/* no such address */

static struct env *v;
static int fd;
static struct exception exc;

static bool mapped(uint64_t addr)
{
	uint8_t resident;

	return !mincore((void *)addr, PAGE, &resident);
}

/* Proves: C0-1 */
TEST(abi2018_map, length_is_a_power_of_two_of_at_least_two_pages)
{
	static const uint64_t bad[] = {
		0, 1, PAGE, 3 * PAGE, 5 * PAGE, 12 * PAGE, UINT64_C(2) << 40, UINT64_C(3) << 30,
	};

	v = old_env(16, &fd);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(old_map(v, fd, bad[i]), -EINVAL);
	EXPECT_EQ(old_map(v, fd, UINT64_MAX), -ENOMEM);
	for (uint64_t size = 2 * PAGE; size <= UINT64_C(1) << 40; size *= 16) {
		const uint64_t at = old_map(v, fd, size - size / PAGE % 2);

		EXPECT_EQ(at % size, 0);
		EXPECT_TRUE(mapped(at) && mapped(at + size - PAGE));
		EXPECT_EQ(drv_munmap(v->d, v->tid, at, size), 0);
		EXPECT_TRUE(!mapped(at) && !mapped(at + size - PAGE));
	}
	old_done(v, fd, 0);
}

/* Proves: C0-1 */
TEST(abi2018_map, result_is_aligned_to_the_length_even_if_fixed)
{
	const uint64_t size = 64 * PAGE;
	const int plain = open("/dev/zero", O_RDWR);
	uint64_t area, at;

	v = old_env(16, &fd);
	area = reserve(4 * size);
	munmap((void *)area, 4 * size);
	/* A hint is one for twice the length. */
	EXPECT_EQ(old_map_at(v, area + PAGE, size, RW, MAP_PRIVATE, fd, 0), area + size);
	EXPECT_TRUE(!mapped(area + size - PAGE) && !mapped(area + 2 * size));
	EXPECT_EQ(drv_munmap(v->d, v->tid, area + size, size), 0);
	/* MAP_FIXED moves up, and replaces what is there, not what is at the address. */
	at = (uint64_t)mmap((void *)area, 3 * size, PROT_READ, MAP_PRIVATE | MAP_FIXED, plain, 0);
	EXPECT_EQ(at, area);
	EXPECT_EQ(old_map_at(v, area + PAGE, size, RW, MAP_SHARED | MAP_FIXED, fd, 0), area + size);
	EXPECT_TRUE(readable(area + size - 1) && !readable(area + size) && !readable(area + 2 * size - 1) &&
		    readable(area + 2 * size));
	EXPECT_EQ(old_map_at(v, area + PAGE, size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0), -EEXIST);
	EXPECT_EQ(old_map_at(v, area + 1, size, RW, MAP_SHARED | MAP_FIXED, fd, 0), -EINVAL);
	EXPECT_EQ(old_map_at(v, UINT64_C(0x7ffffffff000) - size, size, RW, MAP_SHARED | MAP_FIXED, fd, 0), -ENOMEM);
	EXPECT_EQ(drv_munmap(v->d, v->tid, area, 3 * size), 0);
	close(plain);
	old_done(v, fd, 0);
}

/* Proves: C0-1 */
TEST(abi2018_map, type_of_mapping_is_not_looked_at_and_rights_are_the_descriptors)
{
	int readonly, path;
	uint64_t at;

	v = old_env(16, &fd);
	readonly = (int)drv_open_2018(v->d, O_RDONLY);
	path = (int)drv_open_2018(v->d, O_PATH);
	EXPECT_EQ(old_map_at(v, 0, OLD_SIZE, RW, MAP_SHARED, readonly, 0), -EACCES);
	EXPECT_EQ(old_map_at(v, 0, OLD_SIZE, RW, MAP_SHARED, path, 0), -EBADF);
	EXPECT_EQ(old_map_at(v, 0, OLD_SIZE, RW, MAP_SHARED, fd, 1), -EINVAL);
	EXPECT_EQ(old_map_at(v, 0, OLD_SIZE, RW, 0, fd, 0), -EINVAL);
	at = (uint64_t)old_map_at(v, 0, OLD_SIZE, RW, MAP_PRIVATE, readonly, 0);
	EXPECT_EQ(at % OLD_SIZE, 0);
	EXPECT_EQ(drv_munmap(v->d, v->tid, at, OLD_SIZE), 0);
	at = (uint64_t)old_map_at(v, 0, OLD_SIZE, PROT_READ, MAP_SHARED, readonly, 0);
	EXPECT_EQ(drv_mprotect(v->d, v->tid, at, OLD_SIZE, RW, -1), -EACCES);
	EXPECT_EQ(drv_munmap(v->d, v->tid, at, OLD_SIZE), 0);
	close(readonly);
	drv_closed(v->d, readonly);
	close(path);
	old_done(v, fd, 0);
}

/* Proves: C0-1, C0-8 */
TEST(abi2018_map, child_of_fork_has_no_mapping_and_does_not_end_the_enclave)
{
	uint64_t base, unbound;
	int status;
	pid_t pid;

	v = old_env(64, &fd);
	base = old_built(v, fd);
	unbound = old_map(v, fd, OLD_SIZE);
	drv_fork_prepare(v->d, v->tid);
	pid = fork();
	drv_fork_done(v->d, !pid);
	if (!pid) {
		long error;

		v->tid = (uint32_t)getpid();
		drv_lock(v->d, v->tid);
		_exit(mapped(base) || mapped(unbound) || v->d->encl_count > 1 || v->d->epc_used ||
		      abi2018_find(v->d, base, &error) || error != -EINVAL);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(touch(v, base + 2 * PAGE, X86_PFEC_W, &exc), DRV_FAULT_RETRY);
	EXPECT_EQ(*(volatile uint8_t *)(base + 2 * PAGE), 2);
	EXPECT_EQ(drv_munmap(v->d, v->tid, unbound, OLD_SIZE), 0);
	old_done(v, fd, base);
}

/* Proves: C0-2 */
TEST(abi2018_ioctl, numbers_and_unreadable_arguments)
{
	static const uint32_t base_numbers[] = { SGX_2018_CREATE, SGX_2018_ADD_PAGE, SGX_2018_INIT };
	static const uint32_t rfc_numbers[] = { SGX_RFC_CREATE, SGX_RFC_ADD_PAGE, SGX_RFC_INIT };
	static const uint32_t unknown[] = {
		SGX_IOC_ENCLAVE_ADD_PAGES, SGX_IOC_ENCLAVE_INIT, SGX_IOC_ENCLAVE_PROVISION, SGX_RFC_ENCLU_REGISTER,
		0x4008A3FF, 0x4008A403, 0x400AA400, 0xC008A400, 0,
	};
	int path;

	v = old_env(16, &fd);
	path = (int)drv_open_2018(v->d, O_PATH);
	for (int rfc = 0; rfc < 2; rfc++) {
		v->d->config.rfc_2018 = rfc;
		for (unsigned i = 0; i < 3; i++) {
			EXPECT_EQ(ioc(v, fd, rfc ? rfc_numbers[i] : base_numbers[i], BAD), -EFAULT);
			EXPECT_EQ(ioc(v, fd, rfc ? base_numbers[i] : rfc_numbers[i], BAD), -ENOTTY);
			EXPECT_EQ(ioc(v, path, rfc ? rfc_numbers[i] : base_numbers[i], BAD), -EBADF);
		}
		for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
			EXPECT_EQ(ioc(v, fd, unknown[i], BAD), -ENOTTY);
	}
	close(path);
	old_done(v, fd, 0);
}

/* Proves: C0-2 */
TEST(abi2018_ioctl, exactly_the_structure_is_read)
{
	static const struct { uint32_t cmd; uint64_t size; } of[] = {
		{ SGX_2018_CREATE, 8 }, { SGX_2018_ADD_PAGE, 26 }, { SGX_2018_INIT, 16 }, { SGX_2018_REMOVE_PAGES, 16 },
		{ SGX_2018_MODIFY_PAGES, 25 },
	};
	uint8_t *pages;

	v = old_env(16, &fd);
	v->d->config.full_2018 = true;
	pages = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(pages, 0xff, PAGE);
	munmap(pages + PAGE, PAGE);
	for (unsigned i = 0; i < 5; i++) {
		/* The last byte is not there; then all is, and what it points to is not, or the address is refused. */
		EXPECT_EQ(ioc(v, fd, of[i].cmd, pages + PAGE - of[i].size + 1), -EFAULT);
		EXPECT_EQ(ioc(v, fd, of[i].cmd, pages + PAGE - of[i].size),
			  of[i].cmd == SGX_2018_ADD_PAGE || of[i].cmd == SGX_2018_REMOVE_PAGES ? -EINVAL : -EFAULT);
	}
	munmap(pages, PAGE);
	old_done(v, fd, 0);
}
