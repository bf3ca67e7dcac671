/* SPDX-License-Identifier: BSD-2-Clause */
/* Which paths are the devices'. */
#include "harness.h"

#include "front/device_path.h"

static enum device device_of(const char *path, bool *directory)
{
	char copy[256];

	strcpy(copy, path);
	return device_of_path(copy, directory);
}

/* Proves: A-DEV-1 */
TEST(device_path, devices_are_recognised_however_they_are_spelled)
{
	static const struct { const char *path; enum device device; bool directory; } table[] = {
		{ "/dev/sgx_enclave", DEVICE_ENCLAVE, false }, { "/dev/sgx/enclave", DEVICE_ENCLAVE, false },
		{ "/dev/sgx_provision", DEVICE_PROVISION, false }, { "/dev/sgx/provision", DEVICE_PROVISION, false },
		{ "//dev///sgx_enclave", DEVICE_ENCLAVE, false }, { "/dev/./sgx_enclave", DEVICE_ENCLAVE, false },
		{ "/dev/shm/../sgx_enclave", DEVICE_ENCLAVE, false }, { "/../../dev/sgx/enclave", DEVICE_ENCLAVE, false },
		{ "/dev/sgx/../sgx_provision", DEVICE_PROVISION, false },
		{ "/dev/sgx_enclave/", DEVICE_ENCLAVE, true }, { "/dev/sgx_enclave//", DEVICE_ENCLAVE, true },
		{ "/dev/sgx_enclave/.", DEVICE_ENCLAVE, true }, { "/dev/sgx/enclave/./", DEVICE_ENCLAVE, true },
		{ "/dev/sgx_enclave/..", DEVICE_NONE, false }, { "/dev/sgx_enclave/x", DEVICE_NONE, false },
		{ "/dev/sgx_enclav", DEVICE_NONE, false }, { "/dev/sgx_enclave2", DEVICE_NONE, false },
		{ "/dev/sgx", DEVICE_2018, false }, { "/dev/sgx/", DEVICE_2018, true },
		{ "/sgx", DEVICE_NONE, false }, { "/dev/sgx2", DEVICE_NONE, false }, { "/sgx_enclave", DEVICE_NONE, false },
		{ "/tmp/dev/sgx_enclave", DEVICE_NONE, false }, { "/dev/sgx_vepc", DEVICE_NONE, false },
		{ "/dev/enclave", DEVICE_NONE, false }, { "/dev/sgx/sgx_enclave", DEVICE_NONE, false },
		{ "/dev.sgx_enclave", DEVICE_NONE, false }, { "/", DEVICE_NONE, true }, { "/.", DEVICE_NONE, true },
		{ "/..", DEVICE_NONE, false }, { "/dev/..sgx_enclave", DEVICE_NONE, false },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool directory;
		enum device device = device_of(table[i].path, &directory);

		if (device != table[i].device || (device && directory != table[i].directory))
			test_fail(__FILE__, __LINE__, "%s is device %d, directory %d", table[i].path, device, directory);
		/* The cheap look must never miss one. */
		EXPECT_TRUE(!device || device_name_plausible(table[i].path, strlen(table[i].path)));
	}
}

TEST(device_path, cheap_look_refuses_other_names)
{
	static const char *const others[] = {
		"", "/", ".", "..", "/etc/passwd", "/dev/sgx_enclave/..", "/dev/sgx_enclave2", "xsgx_enclave", "/dev/xsgx", "/dev/sgx/x",
		"provision.txt", "/proc/self/maps", "sgx_enclave/x", "./.",
	};
	static const char *const names[] = { "sgx_enclave", "./enclave", "a/provision/", "sgx_provision/./", "enclave", "sgx" };
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		EXPECT_TRUE(!device_name_plausible(others[i], strlen(others[i])));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		EXPECT_TRUE(device_name_plausible(names[i], strlen(names[i])));
}
