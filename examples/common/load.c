/* SPDX-License-Identifier: BSD-2-Clause */
/* Building an enclave through /dev/sgx_enclave, as Linux has it since 5.11. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define PAGE	4096

const struct image *image_open(const char *name)
{
	char self[PATH_MAX] = "", path[PATH_MAX + NAME_MAX];
	const struct image *image;
	struct stat st;
	int fd;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		err(1, "/proc/self/exe");
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED || (size_t)st.st_size < sizeof(*image) || memcmp(image->magic, IMAGE_MAGIC, 8))
		errx(1, "%s: not an enclave", path);
	close(fd);
	return image;
}

void *secs_of(const struct image *image, uint64_t base)
{
	static uint8_t secs[PAGE] __attribute__((aligned(PAGE)));

	memcpy(secs, &image->size, 8);
	memcpy(secs + 8, &base, 8);
	secs[16] = 1;					/* SSAFRAMESIZE, in pages */
	memcpy(secs + 20, &image->miscselect, 4);
	memcpy(secs + 48, &image->attributes, 16);	/* with XFRM */
	return secs;
}

/* ELRANGE is a power of two and lies at a multiple of it. */
static uint64_t reserve(uint64_t size)
{
	uint8_t *area = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t base = ((uintptr_t)area + size - 1) & ~(size - 1);

	if (area == MAP_FAILED)
		err(1, "address space");
	munmap(area, base - (uintptr_t)area);
	munmap((void *)(base + size), (uintptr_t)area + size - base);
	return base;
}

static void add(int fd, const uint8_t *from, uint64_t offset, uint64_t pages, uint64_t flags)
{
	struct { uint64_t flags, reserved[7]; } secinfo __attribute__((aligned(64))) = { .flags = flags };
	struct sgx_enclave_add_pages add = {
		.src = (uintptr_t)from, .offset = offset, .length = pages * PAGE, .secinfo = (uintptr_t)&secinfo,
		.flags = SGX_PAGE_MEASURE,
	};

	while (add.length) {		/* a signal ends it early */
		if (ioctl(fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add))
			err(1, "SGX_IOC_ENCLAVE_ADD_PAGES");
		add.src += add.count;
		add.offset += add.count;
		add.length -= add.count;
	}
}

void enclave_load(struct enclave *e, const char *name)
{
	const struct image *image = image_open(name);
	const uint8_t *content = (const uint8_t *)(image + 1);
	struct sgx_enclave_create create = { 0 };
	struct sgx_enclave_init init = { .sigstruct = (uintptr_t)image->sigstruct };
	int fd = open("/dev/sgx_enclave", O_RDWR | O_CLOEXEC);
	unsigned i;

	if (fd < 0)
		err(1, "/dev/sgx_enclave");
	e->image = image;
	e->size = image->size;
	e->base = reserve(e->size);
	create.src = (uintptr_t)secs_of(image, e->base);
	if (ioctl(fd, SGX_IOC_ENCLAVE_CREATE, &create))
		err(1, "SGX_IOC_ENCLAVE_CREATE");
	for (i = 0; i < image->segments; i++) {
		if (!image->segment[i].secinfo)
			continue;
		add(fd, content, image->segment[i].offset, image->segment[i].pages, image->segment[i].secinfo);
		content += image->segment[i].pages * PAGE;
	}
	if (ioctl(fd, SGX_IOC_ENCLAVE_INIT, &init))
		err(1, "SGX_IOC_ENCLAVE_INIT");
	for (i = 0; i < image->segments; i++) {
		int prot = (int)image->segment[i].secinfo & 7;	/* R, W, X have the same bits as PROT_ */

		if (!(prot & PROT_READ))
			prot = PROT_READ | PROT_WRITE;		/* a TCS, and memory to grow into */
		if (mmap((void *)(e->base + image->segment[i].offset), image->segment[i].pages * PAGE, prot,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			err(1, "mmap of the enclave");
	}
	close(fd);						/* the mappings keep the enclave */
	for (i = 0; i < image->threads; i++)
		e->tcs[i] = e->base + image->tcs[i];
}
