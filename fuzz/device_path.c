/* SPDX-License-Identifier: BSD-2-Clause */
/* Which paths are the devices', compared with a second opinion that takes the path apart into a stack of components. */
#include "front/device_path.h"
#include "fuzz.h"

#define COMPONENTS	512

static enum device second_opinion(const char *path)
{
	static const char *const names[][3] = {
		{ "dev", "sgx_enclave", NULL }, { "dev", "sgx", "enclave" },
		{ "dev", "sgx_provision", NULL }, { "dev", "sgx", "provision" },
	};
	const char *component[COMPONENTS];
	size_t length[COMPONENTS], depth = 0;

	while (*path) {
		const size_t size = strcspn(path, "/");

		if (size == 2 && !memcmp(path, "..", 2)) {
			depth -= depth != 0;
		} else if (size && !(size == 1 && *path == '.') && depth < COMPONENTS) {
			component[depth] = path;
			length[depth++] = size;
		}
		path += size + (path[size] == '/');
	}
	for (size_t i = 0; i < 4; i++) {
		const size_t wanted = names[i][2] ? 3 : 2;
		size_t k = 0;

		while (k < wanted && depth == wanted && strlen(names[i][k]) == length[k] &&
		       !memcmp(names[i][k], component[k], length[k]))
			k++;
		if (k == wanted)
			return i < 2 ? DEVICE_ENCLAVE : DEVICE_PROVISION;
	}
	return DEVICE_NONE;
}

static bool ends_with(const char *path, const char *end)
{
	const size_t a = strlen(path), b = strlen(end);

	return a >= b && !strcmp(path + a - b, end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t length = strnlen((const char *)data, size);
	enum device expected, device;
	char *path, *again;
	bool directory, plausible, climbs;

	if (length > COMPONENTS)
		return 0;
	path = malloc(length + 2);
	path[0] = '/';
	memcpy(path + 1, data, length);
	path[length + 1] = 0;

	plausible = device_name_plausible(path, length + 1);
	expected = second_opinion(path);
	FUZZ_CHECK(!plausible || strstr(path, "enclave") || strstr(path, "provision"));
	again = strdup(path);
	device = device_of_path(path, &directory);
	FUZZ_CHECK(device == expected);
	FUZZ_CHECK(directory == (ends_with(again, "/") || ends_with(again, "/.")));
	for (climbs = false; !climbs && (ends_with(again, "/") || ends_with(again, "/.")) && *again;)
		again[strlen(again) - 1] = 0;
	climbs = ends_with(again, "/..");
	FUZZ_CHECK(device == DEVICE_NONE || plausible || climbs);

	/* What comes out is in its simplest form. */
	FUZZ_CHECK(strlen(path) <= length + 1 && (!*path || *path == '/'));
	FUZZ_CHECK(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
	FUZZ_CHECK(!ends_with(path, "/") && !ends_with(path, "/.") && !ends_with(path, "/.."));
	free(again);
	again = strdup(path);
	FUZZ_CHECK(device_of_path(again, &directory) == device && !directory && !strcmp(again, path));
	free(again);
	free(path);
	return 0;
}
