/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime's argument string. What is accepted is exactly what the encoder writes for a valid configuration. The
 * input is taken twice: as the string, and as the bytes of a configuration that is encoded first.
 */
#include "front/config.h"
#include "fuzz.h"

static void check_accepted(const struct rt_config *config, const char *hex)
{
	char again[RT_CONFIG_HEX_SIZE];

	rt_config_encode(again, config);
	FUZZ_CHECK(!strcmp(again, hex));
	FUZZ_CHECK(rt_config_valid(config) && config->magic == RT_CONFIG_MAGIC && config->version == 1);
	FUZZ_CHECK(config->epc_pages >= 1 && config->epc_pages <= RT_EPC_PAGES_MAX);
	FUZZ_CHECK(config->patch <= RT_PATCH_FORCE && config->cpuid <= RT_CPUID_OFF && config->flags <= RT_FLAGS);
	FUZZ_CHECK(memchr(config->stats_path, 0, RT_CONFIG_PATH_MAX) && memchr(config->rt_path, 0, RT_CONFIG_PATH_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *hex = malloc(RT_CONFIG_HEX_SIZE);
	struct rt_config config, decoded;

	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	if (rt_config_decode(&decoded, text))
		check_accepted(&decoded, text);
	free(text);

	memset(&config, 0, sizeof(config));
	memcpy(&config, data, size < sizeof(config) ? size : sizeof(config));
	rt_config_encode(hex, &config);
	FUZZ_CHECK(rt_config_decode(&decoded, hex) == rt_config_valid(&config));
	FUZZ_CHECK(!memcmp(&decoded, &config, sizeof(config)));
	if (rt_config_valid(&config))
		check_accepted(&decoded, hex);
	/* One digit less, and one more. */
	hex[RT_CONFIG_HEX_SIZE - 2] = 0;
	FUZZ_CHECK(!rt_config_decode(&decoded, hex));
	free(hex);
	return 0;
}
