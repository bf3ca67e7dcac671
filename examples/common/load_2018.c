/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In 2018 an enclave was found by its address, not by a descriptor. So it is mapped before there is anything to
 * map, all of it at once, and the driver chooses where. Adding a page means queueing it; INIT waits until all have
 * been added.
 */
#include "load_2018.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <uapi/sgx_2018.h>

#define PAGE	4096

int device_2018(void)
{
	int device = open("/dev/sgx", O_RDWR | O_CLOEXEC);

	if (device < 0)
		err(1, "/dev/sgx");
	return device;
}

int enclave_load_2018(struct enclave *e, const char *name, int device)
{
	const struct image *image = image_open(name);
	const uint8_t *content = (const uint8_t *)(image + 1);
	struct sgx_2018_create create;
	struct sgx_2018_init init;
	uint64_t page;
	unsigned i;
	void *base;

	base = mmap(NULL, image->size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, device, 0);
	if (base == MAP_FAILED)
		err(1, "mmap of /dev/sgx");
	*e = (struct enclave){ .base = (uintptr_t)base, .size = image->size, .image = image };
	create.src = (uintptr_t)secs_of(image, e->base);
	if (ioctl(device, SGX_RFC_CREATE, &create)) {
		int error = errno;

		munmap(base, image->size);
		return -error;
	}
	for (i = 0; i < image->segments; i++) {
		struct { uint64_t flags, reserved[7]; } secinfo __attribute__((aligned(64))) = {
			.flags = image->segment[i].secinfo,
		};

		for (page = 0; secinfo.flags && page < image->segment[i].pages; page++, content += PAGE) {
			struct sgx_2018_add_page add = {
				.addr = e->base + image->segment[i].offset + page * PAGE,
				.src = (uintptr_t)content, .secinfo = (uintptr_t)&secinfo, .mrmask = 0xffff,
			};

			if (ioctl(device, SGX_RFC_ADD_PAGE, &add))
				err(1, "SGX_RFC_ADD_PAGE");
		}
	}
	init.addr = e->base;
	init.sigstruct = (uintptr_t)image->sigstruct;
	if (ioctl(device, SGX_RFC_INIT, &init))
		err(1, "SGX_RFC_INIT");
	for (i = 0; i < image->threads; i++)
		e->tcs[i] = e->base + image->tcs[i];
	return 0;
}
