/* SPDX-License-Identifier: BSD-2-Clause */
#include "front/device_path.h"

#include <stdint.h>

#include "sys/mem.h"

static const struct {
	const char *path;
	uint8_t name;		/* where the last component starts */
	uint8_t device;
} devices[] = {
	{ "/dev/sgx_enclave", 5, DEVICE_ENCLAVE },
	{ "/dev/sgx/enclave", 9, DEVICE_ENCLAVE },
	{ "/dev/sgx_provision", 5, DEVICE_PROVISION },
	{ "/dev/sgx/provision", 9, DEVICE_PROVISION },
	{ "/dev/sgx", 5, DEVICE_2018 },
};
#define DEVICES (sizeof(devices) / sizeof(devices[0]))

/* Without the slashes and "." components at the end, which demand a directory and change nothing else. */
static size_t strip(const char *path, size_t length)
{
	for (;;) {
		if (length && path[length - 1] == '/')
			length--;
		else if (length > 1 && path[length - 1] == '.' && path[length - 2] == '/')
			length--;
		else
			return length;
	}
}

bool device_name_plausible(const char *path, size_t length)
{
	size_t i, start;

	length = strip(path, length);
	for (start = length; start && path[start - 1] != '/'; start--)
		;
	for (i = 0; i < DEVICES; i++) {
		const char *name = devices[i].path + devices[i].name;

		if (strlen(name) == length - start && !memcmp(name, path + start, length - start))
			return true;
	}
	return false;
}

enum device device_of_path(char *path, bool *directory)
{
	const size_t length = strlen(path), wanted = strip(path, length);
	size_t from = 0, to = 0, i;

	*directory = wanted != length;
	while (from < wanted) {
		size_t end, size;

		while (from < wanted && path[from] == '/')
			from++;
		for (end = from; end < wanted && path[end] != '/'; end++)
			;
		size = end - from;
		if (size == 2 && path[from] == '.' && path[from + 1] == '.') {
			while (to && path[--to] != '/')
				;
		} else if (size && !(size == 1 && path[from] == '.')) {
			path[to++] = '/';
			memmove(path + to, path + from, size);
			to += size;
		}
		from = end;
	}
	path[to] = 0;
	for (i = 0; i < DEVICES; i++)
		if (strlen(devices[i].path) == to && !memcmp(devices[i].path, path, to))
			return devices[i].device;
	return DEVICE_NONE;
}
