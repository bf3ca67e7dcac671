/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices and the ioctls that build an enclave: A-DEV, A-ST, A-CRE, A-ADD, A-INI, A-PRV, A-EPC accounting. */
#include "drv/fixture.h"

#include <openssl/sha.h>
#include <sys/stat.h>

#include "crypto/crypto.h"

#define BAD	((void *)8)	/* no such address */

static struct env *v;
static int fd;
static uint64_t base;

/* A driver and an enclave file, NEW. */
static void fresh(uint64_t epc_pages)
{
	v = env_new(epc_pages);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	base = reserve(64 * PAGE);
}

static void created(uint64_t epc_pages)
{
	fresh(epc_pages);
	create(v, fd, base, 64 * PAGE);
}

static void done(void)
{
	close(fd);
	drv_closed(v->d, fd);
	munmap((void *)base, 64 * PAGE);
}

/* Proves: A-DEV-5, A-EPC-14, A-CRE-11 */
TEST(drv_build, enclave_is_built_and_counted)
{
	struct encl *e;

	v = env_new(64);
	fd = built(v, &base);
	e = encl_of(v, fd);
	EXPECT_EQ(encl_state(e), ENCL_INITIALISED);
	EXPECT_EQ(v->d->epc_used, 4 + 2);	/* pages, SECS, VA */
	EXPECT_EQ(v->counters.enclaves_created, 1);
	EXPECT_EQ(v->counters.enclaves_initialised, 1);
	EXPECT_EQ(v->counters.pages_added, 4);
	EXPECT_EQ(v->counters.pages_measured, 4);
	EXPECT_EQ(v->initialised, 1);
	close(fd);
	drv_closed(v->d, fd);
	munmap((void *)base, 16 * PAGE);
	EXPECT_EQ(v->d->epc_used, 0);
	EXPECT_EQ(v->d->encl_count, 0);
}

/* Proves: A-DEV-1, A-DEV-4 */
TEST(drv_device, kinds_and_appearance)
{
	int provision, plain, memfd, path;
	struct stat st;

	fresh(16);
	provision = (int)drv_open_provision(v->d, O_RDONLY);
	plain = open("/dev/null", O_RDWR);
	memfd = memfd_create("sgx_enclave", MFD_ALLOW_SEALING);
	path = (int)drv_open(v->d, O_PATH | O_CLOEXEC);
	EXPECT_EQ(drv_fd_kind(v->d, fd), 1);
	EXPECT_EQ(drv_fd_kind(v->d, provision), 2);
	EXPECT_EQ(drv_fd_kind(v->d, path), 1);
	EXPECT_EQ(drv_fd_kind(v->d, plain), 0);
	EXPECT_EQ(drv_fd_kind(v->d, memfd), 0);
	EXPECT_EQ(drv_fd_kind(v->d, 999), 0);
	EXPECT_EQ(drv_fd_kind(v->d, -1), 0);
	EXPECT_EQ(ioc(v, provision, SGX_IOC_ENCLAVE_CREATE, BAD), -ENOTTY);
	EXPECT_EQ(drv_mmap(v->d, v->tid, 0, PAGE, PROT_READ, MAP_SHARED, provision, 0), -ENODEV);
	EXPECT_EQ(ioc(v, path, SGX_IOC_ENCLAVE_CREATE, BAD), -EBADF);
	EXPECT_EQ(ioc(v, plain, SGX_IOC_ENCLAVE_CREATE, BAD), -EBADF);
	drv_stat_fixup(v->d, 1, &st);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_rdev >> 8, 10);
	close(provision);
	close(plain);
	close(memfd);
	close(path);
	done();
}

/* Proves: A-DEV-5 */
TEST(drv_device, open_flags)
{
	fresh(16);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	for (int mode = O_RDONLY; mode <= O_WRONLY; mode++) {
		int other = (int)drv_open(v->d, mode);

		EXPECT_EQ(other, fd + 1);	/* the lowest free number */
		EXPECT_EQ(fcntl(other, F_GETFL) & O_ACCMODE, mode);
		EXPECT_EQ(fcntl(other, F_GETFD), 0);
		close(other);
	}
	EXPECT_EQ(drv_open(v->d, O_RDWR | O_DIRECTORY), -ENOTDIR);
	EXPECT_EQ(drv_open(v->d, O_RDWR | O_CREAT | O_EXCL), -EEXIST);
	EXPECT_EQ(ftruncate(fd, 0), -1);	/* the file can't lose its pages under us */
	done();
}

/* Proves: A-DEV-3, A-MAP-2 */
TEST(drv_device, open_mode_limits_mmap_only)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };

	for (int i = 0; i < 2; i++) {
		v = env_new(32);
		fd = (int)drv_open(v->d, modes[i]);
		base = reserve(64 * PAGE);
		EXPECT_EQ(create(v, fd, base, 64 * PAGE), 0);
		EXPECT_EQ(add(v, fd, 0, 2, REG(SI_RW), NULL), 0);
		EXPECT_EQ(init(v, fd), 0);
		EXPECT_EQ(map(v, fd, base, PAGE, PROT_READ), modes[i] == O_RDONLY ? (long)base : -EACCES);
		EXPECT_EQ(map(v, fd, base, PAGE, RW), -EACCES);
		drv_munmap(v->d, v->tid, base, 64 * PAGE);
		done();
	}
}

/* Proves: A-ST-1 */
TEST(drv_state, second_ioctl_is_busy_even_for_unknown_commands)
{
	struct encl *e;

	fresh(16);
	e = encl_of(v, fd);
	atomic_store(&e->header->busy, (uint32_t)getppid());
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, BAD), -EBUSY);
	EXPECT_EQ(ioc(v, fd, 0x1234, BAD), -EBUSY);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, BAD), -EBUSY);
	atomic_store(&e->header->busy, 0x3fffffff);	/* no such thread: it died inside */
	EXPECT_EQ(ioc(v, fd, 0x1234, BAD), -ENOTTY);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_VEPC_REMOVE_ALL, BAD), -ENOTTY);
	EXPECT_EQ(atomic_load(&e->header->busy), 0);
	done();
}

/* Proves: A-ST-2, A-CRE-1, A-ADD-1, A-INI-1 */
TEST(drv_state, wrong_state_wins_over_bad_pointer)
{
	fresh(32);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_MODIFY_TYPES, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, BAD), -EINVAL);
	EXPECT_EQ(create(v, fd, base, 64 * PAGE), 0);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_REMOVE_PAGES, BAD), -EINVAL);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, BAD), -EINVAL);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, BAD), -EINVAL);
	done();
}

/* Proves: A-CRE-2, A-CRE-4, A-CRE-5, A-CRE-7, A-CRE-9 */
TEST(drv_create, checks_in_order)
{
	struct sgx_secs secs;
	struct sgx_enclave_create p = { .src = 8 };
	static const struct { uint64_t size; long ret; } sizes[] = {
		{ 0, -EINVAL }, { 3 * PAGE, -EINVAL }, { 1, -EIO }, { PAGE, -EIO }, { 1ull << 40, -EIO },
		{ 1ull << 62, -EIO }, { 1ull << 63, -EINVAL },
	};

	fresh(16);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, BAD), -EFAULT);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p), -EFAULT);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		EXPECT_EQ(create(v, fd, base, sizes[i].size), sizes[i].ret);
	EXPECT_EQ(create(v, fd, base + PAGE, 64 * PAGE), -EIO);		/* not EINVAL */
	secs = secs_for(base, 64 * PAGE);
	secs.ssaframesize = 0;
	p.src = (uint64_t)&secs;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p), -EIO);
	EXPECT_EQ(v->d->epc_used, 0);					/* nothing stays: A-ST-2 */
	EXPECT_EQ(create(v, fd, base, 64 * PAGE), 0);
	EXPECT_EQ(v->d->epc_used, 2);
	done();
}

/* Proves: A-CRE-6, A-CRE-8, A-EPC-4 */
TEST(drv_create, without_epc_is_enomem_before_eio)
{
	for (uint64_t pages = 0; pages < 2; pages++) {
		fresh(pages);
		EXPECT_EQ(create(v, fd, base, 64 * PAGE), -ENOMEM);
		EXPECT_EQ(create(v, fd, base, 3 * PAGE), -EINVAL);
		EXPECT_EQ(create(v, fd, base + PAGE, 64 * PAGE), -ENOMEM);
		EXPECT_EQ(v->d->epc_used, 0);
		done();
	}
}

/* Proves: A-CRE-10 */
TEST(drv_create, no_address_is_reserved_and_ranges_may_overlap)
{
	int other;

	created(16);
	other = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(create(v, other, base, 64 * PAGE), 0);
	EXPECT_EQ(v->d->epc_used, 4);
	close(other);
	drv_closed(v->d, other);
	EXPECT_EQ(v->d->epc_used, 2);
	done();
}

/* Proves: A-CRE-5 */
TEST(drv_create, large_elranges_are_sparse)
{
	v = env_new(32);
	fd = (int)drv_open(v->d, O_RDWR);
	base = 0;
	v->profile.log2_size_64 = 41;
	close(fd);
	fd = (int)drv_open(v->d, O_RDWR);
	EXPECT_EQ(create(v, fd, 0x10000000000, 1ull << 40), 0);
	EXPECT_EQ(add(v, fd, (1ull << 40) - PAGE, 1, REG(SI_RW), NULL), 0);
	EXPECT_EQ(add(v, fd, 1ull << 39, 1, REG(SI_R), NULL), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(v->d->epc_used, 4);
	close(fd);
	drv_closed(v->d, fd);
	EXPECT_EQ(v->d->epc_used, 0);
}

static long add_raw(struct sgx_enclave_add_pages *p)
{
	p->count = 0x77;
	return ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, p);
}

/* Proves: A-ADD-2, A-ADD-3, A-ADD-4, A-ADD-5, A-ADD-6 */
TEST(drv_add, arguments_in_order_without_write_back)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = REG(SI_R) };
	const struct sgx_enclave_add_pages good = {
		.src = (uint64_t)page, .length = PAGE, .secinfo = (uint64_t)&secinfo,
	};
	static const struct { uint64_t offset, length; } ranges[] = {
		{ 1, PAGE }, { 0, 0 }, { 0, PAGE + 1 }, { PAGE, -PAGE }, { 64 * PAGE, PAGE }, { 63 * PAGE, 2 * PAGE },
		{ 0x8000000000000000, 0x8000000000000000 },
	};
	static const uint64_t flags[] = {
		REG(SGX_SECINFO_W), REG(SGX_SECINFO_W | SGX_SECINFO_X), TCS | SI_R, TCS | SI_RW, SGX_SECINFO_OF_PT(0),
		SGX_SECINFO_OF_PT(3), SGX_SECINFO_OF_PT(4), SGX_SECINFO_OF_PT(0xff), REG(8), REG(0x20), REG(1ull << 16),
		REG(1ull << 63),
	};
	struct sgx_enclave_add_pages p = good;

	created(16);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, BAD), -EFAULT);
	p.src++;
	p.secinfo = 8;
	EXPECT_EQ(add_raw(&p), -EINVAL);
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		p = good;
		p.secinfo = 8;		/* the range is looked at first */
		p.offset = ranges[i].offset;
		p.length = ranges[i].length;
		EXPECT_EQ(add_raw(&p), -EINVAL);
		EXPECT_EQ(p.count, 0x77);
	}
	p = good;
	p.secinfo = 8;
	EXPECT_EQ(add_raw(&p), -EFAULT);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		p = good;
		p.src = 0;		/* and the source last */
		secinfo.flags = flags[i];
		EXPECT_EQ(add_raw(&p), -EINVAL);
		EXPECT_EQ(p.count, 0x77);
	}
	p = good;
	secinfo.flags = REG(SI_R);
	secinfo.reserved[55] = 1;
	EXPECT_EQ(add_raw(&p), -EINVAL);
	secinfo.reserved[55] = 0;
	EXPECT_EQ(v->d->epc_used, 2);
	p.flags = ~UINT64_C(1);		/* unknown flags are ignored */
	EXPECT_EQ(add_raw(&p), 0);
	EXPECT_EQ(p.count, PAGE);
	EXPECT_EQ(v->counters.pages_measured, 0);
	done();
}

/* Proves: A-ADD-6, A-ADD-11 */
TEST(drv_add, odd_rights_that_the_kernel_leaves_to_eadd)
{
	created(16);
	EXPECT_EQ(add(v, fd, 0, 1, REG(0), NULL), 0);
	EXPECT_EQ(add(v, fd, PAGE, 1, REG(SGX_SECINFO_X), NULL), 0);
	done();
}

/* Proves: A-ADD-9, A-ADD-10, A-ADD-11, A-ADD-13 */
TEST(drv_add, failures_keep_what_was_done)
{
	uint8_t *src = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = {
		.src = (uint64_t)src, .length = 4 * PAGE, .secinfo = (uint64_t)&secinfo, .flags = 1,
	};
	struct encl *e;
	struct secs *secs;
	uint64_t blocks;

	created(16);
	mprotect(src + 2 * PAGE, PAGE, PROT_NONE);
	EXPECT_EQ(add_raw(&p), -EFAULT);
	EXPECT_EQ(p.count, 2 * PAGE);
	EXPECT_EQ(v->d->epc_used, 4);
	EXPECT_EQ(add_raw(&p), -EBUSY);			/* before the source is looked at */
	EXPECT_EQ(p.count, 0);
	p.offset = 2 * PAGE;
	p.src = (uint64_t)src + 2 * PAGE;
	EXPECT_EQ(add_raw(&p), -EFAULT);
	EXPECT_EQ(p.count, 0);
	mprotect(src + 2 * PAGE, PAGE, RW);
	memset(src + 2 * PAGE, 0xff, PAGE);		/* no TCS */
	secinfo.flags = TCS;
	p.length = PAGE;
	e = encl_of(v, fd);
	secs = (struct secs *)(e->section.mem + e->npages * PAGE);
	blocks = secs->measure_blocks;
	EXPECT_EQ(add_raw(&p), -EIO);
	EXPECT_EQ(secs->measure_blocks, blocks);
	secinfo.flags = REG(SI_RW);
	EXPECT_EQ(add_raw(&p), 0);			/* the slot can be used again */
	EXPECT_EQ(init(v, fd), 0);
	munmap(src, 4 * PAGE);
	done();
}

/* Proves: A-ADD-9, A-ADD-10, A-ADD-13, A-DEV-3 */
TEST(drv_add, large_calls_stop_at_the_right_page)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY };
	uint8_t *src = mmap(NULL, 256 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = { .src = (uint64_t)src, .secinfo = (uint64_t)&secinfo };
	unsigned fds;

	for (uint64_t i = 0; i < 256; i++)
		memset(src + i * PAGE, (int)i, PAGE);
	for (int k = 0; k < 3; k++) {
		const uint8_t *mem;

		v = env_new(512);
		fd = (int)drv_open(v->d, modes[k]);
		fds = open_fds();
		base = reserve(256 * PAGE);
		EXPECT_EQ(create(v, fd, base, 256 * PAGE), 0);
		mem = encl_of(v, fd)->section.mem;
		mprotect(src + 100 * PAGE, PAGE, PROT_NONE);
		p.offset = 0;
		p.length = 128 * PAGE;
		EXPECT_EQ(add_raw(&p), -EFAULT);
		EXPECT_EQ(p.count, 100 * PAGE);
		EXPECT_EQ(v->d->epc_used, 102);
		EXPECT_EQ(mem[101 * PAGE], 0);			/* nothing of what lay behind it */
		mprotect(src + 100 * PAGE, PAGE, RW);
		p.offset = 100 * PAGE;
		EXPECT_EQ(add_raw(&p), 0);
		p.offset = 228 * PAGE;
		p.length = 28 * PAGE;
		EXPECT_EQ(add_raw(&p), 0);
		for (uint64_t i = 0; i < 256; i++)
			EXPECT_EQ(mem[i * PAGE + 9], (i < 100 ? i : i < 228 ? i - 100 : i - 228) & 0xff);
		EXPECT_EQ(open_fds(), fds);
		munmap((void *)base, 256 * PAGE);
		base = reserve(64 * PAGE);
		done();
	}
	v = env_new(512);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(256 * PAGE);
	EXPECT_EQ(create(v, fd, base, 256 * PAGE), 0);
	EXPECT_EQ(add(v, fd, 30 * PAGE, 1, REG(SI_RW), NULL), 0);
	p.offset = 0;
	p.length = 128 * PAGE;
	EXPECT_EQ(add_raw(&p), -EBUSY);
	EXPECT_EQ(p.count, 30 * PAGE);
	EXPECT_EQ(encl_of(v, fd)->section.mem[30 * PAGE], 0x5a);
	munmap((void *)base, 256 * PAGE);
	munmap(src, 256 * PAGE);
	base = reserve(64 * PAGE);
	done();
}

/* Proves: A-ADD-13 */
TEST(drv_add, failing_write_back_is_efault)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages *p = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	created(16);
	*p = (struct sgx_enclave_add_pages){ .src = (uint64_t)page, .length = PAGE, .secinfo = (uint64_t)&secinfo };
	mprotect(p, PAGE, PROT_READ);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, p), -EFAULT);
	EXPECT_EQ(v->counters.pages_added, 1);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, p), -EFAULT);	/* not EBUSY */
	munmap(p, PAGE);
	done();
}

/* Proves: A-ADD-10 */
TEST(drv_add, source_in_an_enclave_mapping_is_efault)
{
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = { .length = PAGE, .secinfo = (uint64_t)&secinfo };
	struct exception exc;

	created(16);
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_RW), NULL), 0);
	EXPECT_EQ(map(v, fd, base, PAGE, RW), base);
	EXPECT_EQ(touch(v, base, 0, &exc), DRV_FAULT_RETRY);
	p.src = base;
	p.offset = PAGE;
	EXPECT_EQ(add_raw(&p), -EFAULT);
	drv_munmap(v->d, v->tid, base, PAGE);
	done();
}

/* Proves: A-ADD-7, A-ST-4 */
TEST(drv_add, signal_stops_between_pages)
{
	static uint8_t pages[200 * PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = {
		.src = (uint64_t)pages, .length = 200 * PAGE, .secinfo = (uint64_t)&secinfo,
	};

	v = env_new(512);
	fd = (int)drv_open(v->d, O_RDWR);
	base = reserve(256 * PAGE);
	EXPECT_EQ(create(v, fd, base, 256 * PAGE), 0);
	v->signal_after = 0;
	EXPECT_EQ(add_raw(&p), -ERESTARTSYS);
	EXPECT_EQ(p.count, 0);
	v->signal_after = 2;
	EXPECT_EQ(add_raw(&p), 0);
	EXPECT_TRUE(p.count > 0 && p.count < p.length && p.count % PAGE == 0);
	EXPECT_EQ(v->counters.pages_added * PAGE, p.count);
	v->signal_after = -1;
	p.src += p.count;
	p.offset += p.count;
	p.length -= p.count;
	EXPECT_EQ(add_raw(&p), 0);
	EXPECT_EQ(v->counters.pages_added, 200);
	munmap((void *)base, 256 * PAGE);
	base = reserve(64 * PAGE);
	done();
}

/* Proves: A-ADD-8, A-ADD-15, A-EPC-4 */
TEST(drv_add, full_epc_reclaims_and_a_signal_then_counts)
{
	uint64_t count;

	created(6);	/* VA, SECS, four pages */
	EXPECT_EQ(add(v, fd, 0, 4, REG(SI_RW), NULL), 0);
	v->signal_after = 1;
	EXPECT_EQ(add(v, fd, 4 * PAGE, 1, REG(SI_RW), &count), -ERESTARTSYS);
	EXPECT_EQ(count, 0);
	v->signal_after = -1;
	EXPECT_EQ(add(v, fd, 4 * PAGE, 40, REG(SI_RW), &count), 0);
	EXPECT_EQ(count, 40 * PAGE);
	EXPECT_TRUE(v->counters.evictions >= 38);
	EXPECT_EQ(v->counters.epc_peak, 6);
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-ADD-14, A-ADD-16 */
TEST(drv_add, one_call_or_many_measure_the_same)
{
	struct secs *secs[2];
	uint32_t state[2][8];

	for (int i = 0; i < 2; i++) {
		created(128);
		for (uint64_t k = 0; k < (i ? 60 : 1); k++)
			EXPECT_EQ(add(v, fd, k * PAGE, i ? 1 : 60, REG(SI_RW), NULL), 0);
		secs[i] = (struct secs *)(encl_of(v, fd)->section.mem + 64 * PAGE);
		memcpy(state[i], secs[i]->measure_state, 32);
		EXPECT_EQ(secs[i]->measure_blocks, 1 + 60 * (1 + 16 * 5));
		done();
	}
	EXPECT_MEMEQ(state[0], state[1], 32);
}

/* Proves: A-ADD-12, A-ADD-14 */
TEST(drv_add, measurement_is_eadd_and_sixteen_eextends_a_page)
{
	static uint8_t stream[64 + 2 * (64 + 16 * 320)], data[2 * PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = REG(SI_RW) };
	struct sgx_enclave_add_pages p = {
		.src = (uint64_t)data, .offset = 5 * PAGE, .length = 2 * PAGE, .secinfo = (uint64_t)&secinfo, .flags = 1,
	};
	const struct secs *secs;
	uint8_t want[32], got[32], *at = stream;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
	created(16);
	EXPECT_EQ(add_raw(&p), 0);
	memcpy(at, "ECREATE\0", 8);
	memcpy(at + 8, &(uint32_t){ 1 }, 4);
	memcpy(at + 12, &(uint64_t){ 64 * PAGE }, 8);
	at += 64;
	for (uint64_t page = 0; page < 2; page++) {
		memcpy(at, "EADD\0\0\0\0", 8);
		memcpy(at + 8, &(uint64_t){ (5 + page) * PAGE }, 8);
		memcpy(at + 16, &secinfo, 48);
		at += 64;
		for (uint64_t k = 0; k < PAGE; k += 256, at += 320) {
			memcpy(at, "EEXTEND\0", 8);
			memcpy(at + 8, &(uint64_t){ (5 + page) * PAGE + k }, 8);
			memcpy(at + 64, data + page * PAGE + k, 256);
		}
	}
	secs = (const struct secs *)(encl_of(v, fd)->section.mem + 64 * PAGE);
	sha256_state_final(got, secs->measure_state, secs->measure_blocks);
	SHA256(stream, sizeof(stream), want);
	EXPECT_MEMEQ(got, want, 32);
	done();
}

/* Proves: A-ADD-17 */
TEST(drv_add, maximum_protection_is_recorded)
{
	static const struct { uint64_t flags; int prot; } pages[] = {
		{ TCS, RW }, { REG(SI_RX), RX }, { REG(SI_RW), RW }, { REG(SI_R), PROT_READ }, { REG(SI_RWX), RWX },
	};

	created(16);
	for (uint64_t i = 0; i < 5; i++) {
		EXPECT_EQ(add(v, fd, i * PAGE, 1, pages[i].flags, NULL), 0);
		EXPECT_EQ(encl_of(v, fd)->recs[i].max_prot, pages[i].prot);
	}
	done();
}

/* Proves: A-INI-2, A-INI-3, A-INI-4, A-INI-5, A-INI-8 */
TEST(drv_init_ioctl, checks_in_order)
{
	struct sgx_sigstruct s, bad;
	struct sgx_enclave_init p = { .sigstruct = 8 };
	struct encl *e;

	created(16);
	e = encl_of(v, fd);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, BAD), -EFAULT);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EFAULT);
	sigstruct_for(v, fd, &s);
	p.sigstruct = (uint64_t)&bad;

	e->header->attributes |= SGX_ATTR_PROVISIONKEY;
	bad = s;
	bad.vendor = 1;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EINVAL);	/* vendor before attributes */
	bad = s;
	bad.attributes.flags = bad.attributemask.flags = 8;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EACCES);	/* attributes before masks */
	e->header->attributes &= ~SGX_ATTR_PROVISIONKEY;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EINVAL);
	bad.attributemask.flags = 0;					/* set, but not masked in: EINIT's business */
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EPERM);
	bad = s;
	bad.miscselect = bad.miscmask = 2;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EINVAL);
	bad = s;
	bad.attributes.xfrm = bad.attributemask.xfrm = 8;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EINVAL);
	bad = s;
	bad.signature[0] ^= 1;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EPERM);
	EXPECT_EQ(add(v, fd, 0, 1, REG(SI_RW), NULL), 0);		/* still CREATED: A-ST-2 */
	bad = s;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), -EPERM);	/* measured otherwise now */
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-INI-4, A-CRE 10 */
TEST(drv_init_ioctl, attributes_that_are_allowed)
{
	static const struct { uint64_t attribute; long ret; } cases[] = {
		{ SGX_ATTR_DEBUG, 0 }, { SGX_ATTR_KSS, 0 }, { SGX_ATTR_PROVISIONKEY, -EACCES },
		{ SGX_ATTR_EINITTOKEN_KEY, -EACCES }, { SGX_ATTR_AEXNOTIFY, -EACCES },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sgx_secs secs;
		struct sgx_enclave_create p = { .src = (uint64_t)&secs };

		fresh(16);
		secs = secs_for(base, 64 * PAGE);
		secs.attributes.flags |= cases[i].attribute;
		EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p), 0);
		EXPECT_EQ(init(v, fd), cases[i].ret);
		done();
	}
}

/* Proves: A-INI-4, A-CRE 10 */
TEST(drv_init_ioctl, aexnotify_is_allowed_where_the_kernel_knows_it)
{
	struct sgx_secs secs;
	struct sgx_enclave_create p = { .src = (uint64_t)&secs };

	fresh(16);
	v = env_aexnotify(16);
	fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);
	secs = secs_for(base, 64 * PAGE);
	secs.attributes.flags |= SGX_ATTR_AEXNOTIFY;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p), 0);
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-INI-6 */
TEST(drv_init_ioctl, any_signer_is_accepted_and_is_mrsigner)
{
	struct sgx_sigstruct s;
	struct sgx_enclave_init p = { .sigstruct = (uint64_t)&s };
	const struct secs *secs;

	created(16);
	sigstruct_for(v, fd, &s);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p), 0);
	secs = (const struct secs *)(encl_of(v, fd)->section.mem + 64 * PAGE);
	EXPECT_MEMEQ(secs->mrsigner, v->d->machine.sglepubkeyhash, 32);
	EXPECT_MEMEQ(secs->mrenclave, s.enclavehash, 32);
	done();
}

static int events;

static bool event_pending(struct machine *m)
{
	(void)m;
	return events && events--;
}

/* Proves: A-INI-7 */
TEST(drv_init_ioctl, unmasked_events_are_retried_for_a_while)
{
	struct machine_ops ops;

	created(16);
	ops = *v->d->machine.ops;
	ops.event_pending = event_pending;
	v->d->machine.ops = &ops;
	events = 1000000;
	v->signal_after = 1;
	EXPECT_EQ(init(v, fd), -ERESTARTSYS);		/* in the second pause */
	EXPECT_EQ(1000000 - events, 2 * 20);
	v->signal_after = -1;
	EXPECT_EQ(init(v, fd), -EPERM);
	EXPECT_EQ(1000000 - events, 2 * 20 + 50 * 20);
	events = 25;
	EXPECT_EQ(init(v, fd), 0);
	done();
}

/* Proves: A-PRV-1, A-PRV-2, A-PRV-3 */
TEST(drv_provision, must_come_between_create_and_init)
{
	struct sgx_secs secs;
	struct sgx_enclave_create c = { .src = (uint64_t)&secs };
	struct sgx_enclave_provision p;
	int provision, path;

	fresh(16);
	provision = (int)drv_open_provision(v->d, O_RDONLY);
	path = (int)drv_open_provision(v->d, O_PATH);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, BAD), -EFAULT);
	p.fd = 999;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), -EINVAL);
	p.fd = (uint64_t)fd;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), -EINVAL);
	p.fd = (uint64_t)path;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), -EINVAL);
	p.fd = (uint64_t)provision | 0xabcd00000000;			/* only the low half counts */
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), 0);	/* NEW: taken, and lost */
	secs = secs_for(base, 64 * PAGE);
	secs.attributes.flags |= SGX_ATTR_PROVISIONKEY;
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &c), 0);
	EXPECT_EQ(init(v, fd), -EACCES);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), 0);
	EXPECT_EQ(init(v, fd), 0);
	EXPECT_EQ(ioc(v, fd, SGX_IOC_ENCLAVE_PROVISION, &p), 0);
	close(provision);
	close(path);
	done();
}
