/* SPDX-License-Identifier: BSD-2-Clause */
#include "common.h"

#include "run_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Calls @take for each word of a list with commas. */
static bool each_word(const char *list, bool (*take)(const char *word, size_t length, struct rt_config *config),
		      struct rt_config *config)
{
	for (;;) {
		const size_t length = strcspn(list, ",");

		if (!take(list, length, config))
			return false;
		if (!list[length])
			return true;
		list += length + 1;
	}
}

static bool word_is(const char *word, size_t length, const char *name)
{
	return strlen(name) == length && !memcmp(word, name, length);
}

static bool take_delivery(const char *word, size_t length, struct rt_config *config)
{
	static const char *const vdso[] = { "upstream", "vdso-v28", "vdso-v36", "vdso-v38", "signals" };
	static const char *const beside[] = { "prefix", "enclu-handler", "thread-handler" };
	uint32_t i;

	for (i = 0; i < sizeof(vdso) / sizeof(vdso[0]); i++) {
		if (!word_is(word, length, vdso[i]))
			continue;
		config->vdso = i;
		return true;
	}
	for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		if (!word_is(word, length, beside[i]))
			continue;
		config->delivery |= UINT32_C(1) << i;
		return true;
	}
	message("--delivery: `%.*s' is none of upstream, vdso-v28, vdso-v36, vdso-v38, signals, enclu-handler, "
		"thread-handler, prefix", (int)length, word);
	return false;
}

bool delivery_parse(const char *list, struct rt_config *config)
{
	return each_word(list, take_delivery, config);
}

static bool take_abi_2018(const char *word, size_t length, struct rt_config *config)
{
	if (word_is(word, length, "base"))
		config->abi_2018 = RT_ABI_2018_BASE;
	else if (word_is(word, length, "rfc"))
		config->abi_2018 = RT_ABI_2018_RFC;
	else if (word_is(word, length, "full"))
		config->flags |= RT_FLAG_ABI_2018_FULL;
	else {
		message("--abi-2018: `%.*s' is none of base, rfc, full", (int)length, word);
		return false;
	}
	return true;
}

bool abi_2018_parse(const char *list, struct rt_config *config)
{
	return each_word(list, take_abi_2018, config);
}

/* A decimal number that ends at @end. */
static bool number(const char *text, char end, uint64_t max, uint64_t *value, const char **rest)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &stop, 10);
	*rest = stop + 1;
	return !errno && *stop == end && *value <= max;
}

bool aex_parse(const char *when, struct rt_config *config)
{
	const char *rest;

	config->aex_n = config->aex_seed = 0;
	memset(config->aex_at, 0, sizeof(config->aex_at));
	if (!strncmp(when, "every:", 6) && number(when + 6, 0, RT_AEX_N_MAX, &config->aex_n, &rest) && config->aex_n) {
		config->aex = RT_AEX_EVERY;
	} else if (!strncmp(when, "us:", 3) && number(when + 3, 0, RT_AEX_N_MAX, &config->aex_n, &rest) &&
		   config->aex_n) {
		config->aex = RT_AEX_US;
	} else if (!strncmp(when, "random:", 7) && number(when + 7, ':', UINT64_MAX, &config->aex_seed, &rest) &&
		   number(rest, 0, RT_AEX_N_MAX, &config->aex_n, &rest) && config->aex_n) {
		config->aex = RT_AEX_RANDOM;
	} else if (!strncmp(when, "at:", 3) && when[3] && strlen(when + 3) < RT_CONFIG_AT_MAX) {
		config->aex = RT_AEX_AT;
		strcpy(config->aex_at, when + 3);
	} else {
		message("--aex=%s: must be every:N, random:SEED:MEAN, us:T (numbers of 1 to %llu; any SEED), or "
			"at:SYMBOL+OFFSET (up to %d bytes)", when, (unsigned long long)RT_AEX_N_MAX, RT_CONFIG_AT_MAX - 1);
		return false;
	}
	return true;
}
