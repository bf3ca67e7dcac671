/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUID instruction of this machine, and faulting. What the runtime has once learnt it keeps: in a virtual machine
 * the instruction takes microseconds, and with faulting on the runtime itself would fault, so that to learn something
 * it turns faulting off for its thread and on again (20 us).
 */
#include <asm/unistd.h>
#include <linux/errno.h>
#include <stdatomic.h>

#include "front/cpuid.h"
#include "sys/sys.h"

#define ARCH_SET_CPUID		0x1012
#define KNOWN_MAX		128	/* leaves and subleaves; what comes later is asked for each time */
#define CPU_MAX			1024

enum { FREE, BEING_WRITTEN, WRITTEN };

struct known {
	_Atomic uint32_t state;
	uint32_t leaf, subleaf;
	struct cpuid_result result;
};

/* No lock: an entry is claimed, written, published, and never changes again. */
static struct known known[KNOWN_MAX];
static _Atomic uint16_t apic_id_plus_1[CPU_MAX];

static struct cpuid_result execute(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "0"(leaf), "2"(subleaf));
	return r;
}

static struct cpuid_result ask(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result r;

	if (!rt.cpuid_faulting)
		return execute(leaf, subleaf);
	sys_call2(__NR_arch_prctl, ARCH_SET_CPUID, 1);
	r = execute(leaf, subleaf);
	sys_call2(__NR_arch_prctl, ARCH_SET_CPUID, 0);
	return r;
}

/* Does the answer depend on which processor executes it? Topology, and the kind of core. */
static bool is_per_cpu(uint32_t leaf)
{
	return leaf == 0xb || leaf == 0x1a || leaf == 0x1f || leaf == 0x8000001e || leaf == 0x80000026;
}

static struct cpuid_result learn(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result r;
	uint32_t i;

	for (i = 0; i < KNOWN_MAX; i++) {
		uint32_t state = atomic_load_explicit(&known[i].state, memory_order_acquire);

		if (state == WRITTEN && known[i].leaf == leaf && known[i].subleaf == subleaf)
			return known[i].result;
		if (state == FREE)
			break;
	}
	r = ask(leaf, subleaf);
	for (; i < KNOWN_MAX; i++) {
		uint32_t state = FREE;

		if (!atomic_compare_exchange_strong(&known[i].state, &state, BEING_WRITTEN))
			continue;
		known[i].leaf = leaf;
		known[i].subleaf = subleaf;
		known[i].result = r;
		atomic_store_explicit(&known[i].state, WRITTEN, memory_order_release);
		break;
	}
	return r;
}

/* Leaf 1 is asked for often and varies with the processor only by EBX[31:24], the initial APIC ID. */
static struct cpuid_result leaf_1(void)
{
	struct cpuid_result r;
	uint32_t cpu = CPU_MAX;
	uint16_t id_plus_1;

	if (!rt.cpuid_faulting)
		return execute(1, 0);
	r = learn(1, 0);
	sys_call3(__NR_getcpu, &cpu, NULL, NULL);
	if (cpu >= CPU_MAX)
		return ask(1, 0);
	id_plus_1 = atomic_load_explicit(&apic_id_plus_1[cpu], memory_order_relaxed);
	if (!id_plus_1) {
		id_plus_1 = (uint16_t)((ask(1, 0).ebx >> 24) + 1);
		atomic_store_explicit(&apic_id_plus_1[cpu], id_plus_1, memory_order_relaxed);
	}
	r.ebx = (r.ebx & 0x00ffffff) | (uint32_t)(id_plus_1 - 1) << 24;
	return r;
}

/* Leaves that ignore ECX would otherwise be learnt once for each value that happens to be in it. */
static bool ignores_ecx(uint32_t leaf)
{
	switch (leaf) {
	case 0x0: case 0x1: case 0x2: case 0x3: case 0x5: case 0x6: case 0x9: case 0xa: case 0x15: case 0x16: case 0x19:
		return true;
	}
	return leaf >= 0x40000000 && leaf <= 0x80000008;
}

static struct cpuid_result query(const struct cpuid_source *s, uint32_t leaf, uint32_t subleaf)
{
	(void)s;
	if (leaf == 1)
		return leaf_1();
	if (is_per_cpu(leaf))
		return ask(leaf, subleaf);
	return learn(leaf, ignores_ecx(leaf) ? 0 : subleaf);
}

static const struct cpuid_source host = { query };

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static uint32_t mxcsr_mask(void)
{
	struct { uint8_t bytes[X86_XSAVE_LEGACY_SIZE]; } __attribute__((aligned(16))) area = { { 0 } };
	uint32_t mask;

	__asm__ volatile("fxsave64 %0" : "+m"(area));
	__builtin_memcpy(&mask, area.bytes + X86_XSAVE_MXCSR_MASK, sizeof(mask));
	return mask ? mask : 0xffbf;
}

static void turn_faulting_on(void)
{
	long ret = sys_call2(__NR_arch_prctl, ARCH_SET_CPUID, 0);

	rt.cpuid_faulting = !ret;
	if (ret && rt.config.cpuid == RT_CPUID_FAULT)
		sys_print(2, "softsgx: this machine has no CPUID faulting: the program sees a processor without SGX. "
			  "--cpuid=patch needs none.\n");
	else if (ret && rt.config.flags & RT_FLAG_VERBOSE)
		sys_print(2, "softsgx: no CPUID faulting on this machine: CPUID instructions are replaced\n");
}

void cpuid_init(void)
{
	rt.cpuid_faulting = false;
	cpuid_profile(&rt.profile, &host, xgetbv0(), mxcsr_mask(), rt.config.flags & RT_FLAG_SGX2,
		      rt.config.flags & RT_FLAG_AEXNOTIFY);
	if (rt.config.flags & RT_FLAG_NOSGX) {		/* A-DEV-7: the machine's own CPUID, and ENCLU is #UD */
		rt.profile.sgx1 = false;
		rt.config.cpuid = RT_CPUID_OFF;
	}
	if (rt.config.cpuid == RT_CPUID_AUTO || rt.config.cpuid == RT_CPUID_FAULT)
		turn_faulting_on();
}

struct cpuid_result cpuid_emulate(uint32_t leaf, uint32_t subleaf)
{
	return cpuid_view(&host, &rt.profile, rt.config.epc_pages, leaf, subleaf);
}
