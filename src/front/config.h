/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `softsgx run` tells the runtime. It travels as one argument string, the structure in hexadecimal, so that the
 * program's environment and descriptors stay untouched:
 *
 *   execve(softsgx-rt, { "softsgx-rt", <hex>, PATH of the program, argv[0] of the program, argv[1]..., NULL }, environ)
 *
 * The string holds the platform's seed: softsgx-rt wipes it as soon as it has decoded it.
 */
#ifndef SOFTSGX_FRONT_CONFIG_H
#define SOFTSGX_FRONT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_CONFIG_MAGIC		UINT32_C(0x78677373)	/* "ssgx" */
#define RT_CONFIG_VERSION	2u
#define RT_CONFIG_PATH_MAX	256			/* with the NUL */
#define RT_CONFIG_AT_MAX	128			/* with the NUL */
#define RT_CONFIG_HEX_SIZE	(2 * sizeof(struct rt_config) + 1)

/** enum rt_patch - what happens to an ENCLU that has trapped with EAX = 4 (and, in raw hosts, 2). */
enum rt_patch {
	RT_PATCH_AUTO,		/* a jump, once the site is hot */
	RT_PATCH_OFF,		/* never: enclave memory is exact */
	RT_PATCH_INT3,		/* INT3 only, once the site is hot */
	RT_PATCH_JUMP,		/* a jump once the site is hot; a site that no jump fits stays as it is */
	RT_PATCH_FORCE,		/* as AUTO, but at the first trap: for tests */
};

/** enum rt_cpuid - how the program's CPUID is served. */
enum rt_cpuid {
	RT_CPUID_AUTO,		/* FAULT where the machine has it, else PATCH */
	RT_CPUID_FAULT,		/* CPUID faulting */
	RT_CPUID_PATCH,		/* CPUID instructions rewritten when their page becomes executable */
	RT_CPUID_OFF,		/* the program sees the machine's CPUID */
};

/** enum rt_vdso - which vDSO function there is (doc/exceptions.md). */
enum rt_vdso {
	RT_VDSO_UPSTREAM,	/* Linux 5.11 and later: section B */
	RT_VDSO_V28, RT_VDSO_V36, RT_VDSO_V38, /* of the patch series: section C.3 */
	RT_VDSO_NONE,		/* no such symbol: signals only, C.4 */
};

/* What else delivers exceptions; all of it beside the vDSO function and beside each other. */
#define RT_DELIVERY_PREFIX	(UINT32_C(1) << 0)	/* C.2: a prefixed ENCLU is fixed up */
#define RT_DELIVERY_ENCLU	(UINT32_C(1) << 1)	/* C.1: a handler per process, without which CREATE on /dev/sgx fails */
#define RT_DELIVERY_THREAD	(UINT32_C(1) << 2)	/* C5-6: handlers per thread */
#define RT_DELIVERY		(RT_DELIVERY_PREFIX | RT_DELIVERY_ENCLU | RT_DELIVERY_THREAD)

/** enum rt_abi_2018 - the driver ABI of /dev/sgx (C.0). */
enum rt_abi_2018 {
	RT_ABI_2018_OFF,	/* no /dev/sgx */
	RT_ABI_2018_BASE,	/* the numbers of v16 to v18 */
	RT_ABI_2018_RFC,	/* the numbers of RFC v3, with ENCLU_REGISTER */
};

/** enum rt_aex - when enclaves are interrupted besides. aex_n is N, MEAN or T; instructions are those of one thread. */
enum rt_aex {
	RT_AEX_OFF,
	RT_AEX_EVERY,		/* after every aex_n-th instruction inside */
	RT_AEX_RANDOM,		/* after 1 .. 2 * aex_n - 1 instructions, drawn from aex_seed */
	RT_AEX_AT,		/* at the instruction aex_at, SYMBOL+OFFSET, each time */
	RT_AEX_US,		/* every aex_n microseconds; the only one that does not single-step */
};

#define RT_AEX_N_MAX		UINT64_C(1000000000)

#define RT_FLAG_SGX2		(UINT32_C(1) << 0)	/* the EDMM leaves and ioctls exist */
#define RT_FLAG_VERBOSE		(UINT32_C(1) << 1)	/* say on stderr what is set up and what could not be */
#define RT_FLAG_NOSGX		(UINT32_C(1) << 2)	/* no SGX at all (A-DEV-7) */
#define RT_FLAG_ABI_2018_FULL	(UINT32_C(1) << 3)	/* REMOVE_PAGES and MODIFY_PAGES of the 2018 ABI work (C0-7) */
#define RT_FLAG_STEP		(UINT32_C(1) << 4)	/* single-step all enclave code */
#define RT_FLAG_TRACE_JSON	(UINT32_C(1) << 5)	/* the trace is JSON lines */
#define RT_FLAG_AEXNOTIFY	(UINT32_C(1) << 6)	/* AEX-Notify and EDECCSSA exist */
#define RT_FLAGS		((UINT32_C(1) << 7) - 1)

#define RT_EPC_PAGES_MAX	(UINT64_C(1) << 28)	/* 1 TiB */

/** struct rt_config - fixed size, no pointers. Unused bytes are zero. */
struct rt_config {
	uint32_t magic, version;
	uint64_t epc_pages;		/* 1..RT_EPC_PAGES_MAX */
	uint32_t patch;			/* enum rt_patch */
	uint32_t cpuid;			/* enum rt_cpuid */
	uint32_t flags;			/* RT_FLAG_* */
	uint32_t vdso;			/* enum rt_vdso */
	uint32_t delivery;		/* RT_DELIVERY_* */
	uint32_t abi_2018;		/* enum rt_abi_2018 */
	uint32_t aex;			/* enum rt_aex */
	uint32_t reserved;
	uint64_t aex_n;			/* 1..RT_AEX_N_MAX, unless OFF or AT */
	uint64_t aex_seed;
	uint8_t  seed[32];		/* the platform's, for keys_derive() */
	uint8_t  cpusvn[16];
	char     aex_at[RT_CONFIG_AT_MAX]; /* SYMBOL+OFFSET, or "" */
	char     trace_path[RT_CONFIG_PATH_MAX]; /* absolute; of --step; "" for none */
	char     stats_path[RT_CONFIG_PATH_MAX]; /* absolute; counters are written here at exit; "" for nowhere */
	char     rt_path[RT_CONFIG_PATH_MAX];	/* absolute path of softsgx-rt, for the program's own execve */
};
_Static_assert(sizeof(struct rt_config) == 112 + RT_CONFIG_AT_MAX + 3 * RT_CONFIG_PATH_MAX, "the same in every build");

/** rt_config_encode() - @config in hexadecimal, NUL-terminated. */
static inline void rt_config_encode(char hex[RT_CONFIG_HEX_SIZE], const struct rt_config *config)
{
	const uint8_t *bytes = (const uint8_t *)config;
	size_t i;

	for (i = 0; i < sizeof(*config); i++) {
		hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	hex[2 * i] = 0;
}

static inline int rt_config_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** rt_config_valid() - is every field one that this version defines? */
static inline bool rt_config_valid(const struct rt_config *config)
{
	return config->magic == RT_CONFIG_MAGIC && config->version == RT_CONFIG_VERSION &&
	       config->epc_pages && config->epc_pages <= RT_EPC_PAGES_MAX &&
	       config->patch <= RT_PATCH_FORCE && config->cpuid <= RT_CPUID_OFF &&
	       config->vdso <= RT_VDSO_NONE && !(config->delivery & ~RT_DELIVERY) &&
	       config->abi_2018 <= RT_ABI_2018_RFC && config->aex <= RT_AEX_US && config->aex_n <= RT_AEX_N_MAX &&
	       (config->aex == RT_AEX_OFF || config->aex == RT_AEX_AT || config->aex_n) &&
	       (config->aex == RT_AEX_AT) == !!config->aex_at[0] &&
	       !(config->flags & ~RT_FLAGS) && !config->reserved &&
	       !config->aex_at[RT_CONFIG_AT_MAX - 1] && !config->trace_path[RT_CONFIG_PATH_MAX - 1] &&
	       !config->stats_path[RT_CONFIG_PATH_MAX - 1] && !config->rt_path[RT_CONFIG_PATH_MAX - 1];
}

/** rt_config_decode() - the inverse of rt_config_encode(); false if @hex is not exactly one valid configuration. */
static inline bool rt_config_decode(struct rt_config *config, const char *hex)
{
	uint8_t *bytes = (uint8_t *)config;
	size_t i;

	for (i = 0; i < sizeof(*config); i++) {
		int high = rt_config_digit(hex[2 * i]), low = high < 0 ? -1 : rt_config_digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return !hex[2 * i] && rt_config_valid(config);
}

#endif
