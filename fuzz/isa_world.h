/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world that isa_leaves.c steps through: two enclaves' worth of EPC, two threads, ordinary memory at an
 * address of its own; and the invariants that hold in it whatever the steps were. For isa_leaves.c only.
 */
#ifndef SOFTSGX_FUZZ_ISA_WORLD_H
#define SOFTSGX_FUZZ_ISA_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "isa/secs.h"

#define PAGES		24
#define SLOTS		8		/* slots of a VA page, and backings, that steps may name */
#define ENCLAVES	2
#define THREADS		2
#define LA_PAGES	16		/* pages of an ELRANGE */
#define EPC_BASE	UINT64_C(0x100000000000)
#define HOST_BASE	UINT64_C(0x500000000000)
#define XSTATE_SIZE	576
#define NOT_CANONICAL	UINT64_C(0x0008000000000000)

/* Pages of ordinary memory. */
enum {
	HOST_OPERANDS, HOST_PCMD, HOST_REG, HOST_TCS, HOST_SECS, HOST_SIGSTRUCT, HOST_CIPHER,
	HOST_PAGES = HOST_CIPHER + SLOTS,
};
/* In HOST_OPERANDS. */
enum { AT_PAGEINFO = 0, AT_SECINFO = 64, AT_TOKEN = 512, AT_AEP = 2048 };

struct step {
	uint8_t op, page, who, la, slot, mode, value;
};

/* What a page was when it left, by its backing. */
struct evicted {
	uint64_t version, eid;
	struct epcm_entry epcm;
	uint8_t plain[4096];
};

struct world {
	struct epcm_entry epcm[PAGES];
	uint8_t mem[PAGES][4096] __attribute__((aligned(4096)));
	uint8_t host[HOST_PAGES][4096] __attribute__((aligned(4096)));
	uint8_t xstate[THREADS][XSTATE_SIZE] __attribute__((aligned(64)));
	struct evicted evicted[SLOTS];
	uint8_t table[ENCLAVES][LA_PAGES];	/* page tables: index + 1, or 0 */
	uint8_t secs[ENCLAVES];			/* where each enclave's SECS was last seen */
	struct cpu kernel, thread[THREADS];
	uint32_t next_tid;
	_Atomic uint64_t generation;
	struct machine_shared shared;
};

/* What a leaf may have changed, as it was. */
struct before {
	struct epcm_entry epcm[PAGES];
	uint8_t plain[4096];		/* of the page that the step names */
	uint64_t slot, generation;
	struct cpu_regs regs;
};

static struct world w, fresh;
static struct before before;
static struct isa_profile profile;
static struct platform_keys keys;
static struct machine machine;
static struct epc_section section;
static const struct step *current;

#define CHECK(x) do {										\
	if (!(x)) {										\
		fprintf(stderr, "%s:%d: %s: op %u page %u who %u la %u slot %u mode %#x value %u\n",	\
			__FILE__, __LINE__, #x, current->op, current->page, current->who, current->la,	\
			current->slot, current->mode, current->value);				\
		abort();									\
	}											\
} while (0)

/* What a step names, brought into range. */
struct operands {
	uint64_t page, secs, linaddr, va_slot;
	unsigned enclave, slot;
	uint64_t *slot_ptr;
};

static uint64_t base_of(unsigned enclave)
{
	return UINT64_C(0x200000000000) + enclave * UINT64_C(0x1000000);
}

static uint64_t host_at(unsigned page, unsigned offset)
{
	return HOST_BASE + page * 4096 + offset;
}

static void *host_ptr(unsigned page, unsigned offset)
{
	return &w.host[page][offset];
}

static uint64_t epc_of(uint64_t index)
{
	return EPC_BASE + index * 4096;
}

static struct epc_page page_at(uint64_t index)
{
	return (struct epc_page){ &section, index, &w.epcm[index], w.mem[index] };
}

static struct secs *secs_at(uint64_t index)
{
	return (struct secs *)(void *)w.mem[index];
}

static uint64_t *slot_at(uint64_t va, unsigned slot)
{
	return (uint64_t *)(void *)&w.mem[va][8 * slot];
}

static bool is_child(const struct epcm_entry *e)
{
	return e->pt != SGX_PT_SECS && e->pt != SGX_PT_VA;
}

/* The machine's world outside the EPC. */

static bool in_host(uint64_t addr, uint64_t size)
{
	return addr - HOST_BASE < sizeof(w.host) && size <= sizeof(w.host) - (addr - HOST_BASE);
}

static bool host_fault(uint64_t addr, uint32_t pfec, struct exception *exc)
{
	*exc = (struct exception){ X86_PF, pfec, addr };
	return false;
}

static bool host_read(struct machine *m, void *dst, uint64_t addr, uint64_t size, struct exception *exc)
{
	(void)m;
	if (!in_host(addr, size))
		return host_fault(addr, 0, exc);
	memcpy(dst, (uint8_t *)w.host + (addr - HOST_BASE), size);
	return true;
}

static bool host_write(struct machine *m, uint64_t addr, const void *src, uint64_t size, struct exception *exc)
{
	(void)m;
	if (!in_host(addr, size))
		return host_fault(addr, X86_PFEC_W, exc);
	memcpy((uint8_t *)w.host + (addr - HOST_BASE), src, size);
	return true;
}

static enum translation translate(struct machine *m, uint64_t addr, uint32_t pfec, struct epc_page *page,
				  struct exception *exc)
{
	(void)m;
	for (unsigned e = 0; e < ENCLAVES; e++) {
		uint64_t offset = addr - base_of(e);

		if (offset >= LA_PAGES * 4096)
			continue;
		if (!w.table[e][offset / 4096])
			return host_fault(addr, pfec, exc), TRANSLATION_FAULT;
		*page = page_at(w.table[e][offset / 4096] - 1);
		return TRANSLATION_EPC;
	}
	return TRANSLATION_HOST;
}

static bool owner_alive(struct machine *m, uint32_t tid)
{
	(void)m;
	for (unsigned t = 0; t < THREADS; t++)
		if (w.thread[t].tid == tid)
			return true;
	return false;
}

static struct epc_section *section_at(struct machine *m, uint64_t addr)
{
	(void)m;
	return addr - EPC_BASE < PAGES * 4096 ? &section : NULL;
}

static const struct machine_ops ops = {
	.translate = translate, .read = host_read, .write = host_write, .owner_alive = owner_alive,
};

/* Invariants. */

static void check_page(uint64_t index)
{
	const struct epcm_entry *e = &w.epcm[index];

	CHECK(e->lock == 0);
	if (!e->valid)
		return;
	CHECK(e->pt <= SGX_PT_TRIM);
	CHECK(!e->w || e->r);
	CHECK(e->pt == SGX_PT_REG || (!e->r && !e->w && !e->x));
	CHECK(!e->pending || !e->modified);
	if (is_child(e)) {
		const struct epcm_entry *owner;

		CHECK(e->secs < PAGES);
		owner = &w.epcm[e->secs];
		CHECK(owner->valid && owner->pt == SGX_PT_SECS);
		CHECK(e->epoch <= secs_at(e->secs)->epoch);
		CHECK(e->enclaveaddress - secs_at(e->secs)->baseaddr < secs_at(e->secs)->size);
	} else {
		CHECK(!e->blocked && !e->pending && !e->modified && !e->pr);
	}
	if (e->tcs_word) {
		CHECK(e->pt == SGX_PT_TCS || e->pt == SGX_PT_TRIM);
		CHECK(e->tcs_word >> 32 <= secs_at(e->secs)->epoch);
	}
}

static void check_enclave(uint64_t index)
{
	struct secs *secs = secs_at(index);
	uint64_t children = 0, tcs = 0, listed = 0;

	CHECK(!secs->track_lock && !secs->measure_lock);
	for (uint64_t i = 0; i < PAGES; i++) {
		const struct epcm_entry *e = &w.epcm[i];

		if (!e->valid || !is_child(e) || e->secs != index)
			continue;
		children++;
		tcs += e->pt == SGX_PT_TCS;
	}
	CHECK(secs->children == children);
	for (uint32_t link = secs->tcs_first, seen = 0; link; link = w.epcm[link - 1].tcs_next) {
		const struct epcm_entry *e = &w.epcm[link - 1];

		CHECK(link <= PAGES && !(seen >> link & 1));
		seen |= 1u << link;
		CHECK(e->valid && e->secs == index && (e->pt == SGX_PT_TCS || e->pt == SGX_PT_TRIM));
		listed += e->pt == SGX_PT_TCS;
	}
	CHECK(listed == tcs);
}

/* What an AEX writes stays in the EPC, and the enclave's, while the thread is inside (AEX-29). */
static void check_thread(const struct cpu *c)
{
	uint64_t frame;

	if (!c->enclave_mode)
		return;
	CHECK(c->tcs.epcm->valid && (uint32_t)c->tcs.epcm->tcs_word == c->tid);
	frame = (uint64_t)((const uint8_t *)c->gpr - w.mem[0]) / 4096;
	CHECK(frame < PAGES);
	CHECK(w.epcm[frame].valid && w.epcm[frame].secs == c->secs.index && is_child(&w.epcm[frame]));
}

/* No version exists twice (section 6.6). */
static void check_versions(void)
{
	uint64_t seen[PAGES * SLOTS];
	unsigned count = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		if (!w.epcm[i].valid || w.epcm[i].pt != SGX_PT_VA)
			continue;
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			uint64_t version = *slot_at(i, slot);

			if (!version)
				continue;
			CHECK(version % 8 == 0);
			for (unsigned n = 0; n < count; n++)
				CHECK(seen[n] != version);
			seen[count++] = version;
		}
	}
}

static void check_world(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		check_page(i);
	for (uint64_t i = 0; i < PAGES; i++)
		if (w.epcm[i].valid && w.epcm[i].pt == SGX_PT_SECS)
			check_enclave(i);
	for (unsigned t = 0; t < THREADS; t++)
		check_thread(&w.thread[t]);
	check_versions();
}

/* An entry took the TCS over from a dead thread and then failed: the word may go back to idle. */
static bool same_but_for_the_dead(const struct epcm_entry *now, struct epcm_entry before)
{
	if (before.tcs_word && !owner_alive(&machine, (uint32_t)before.tcs_word) && !now->tcs_word)
		before.tcs_word = 0;
	return !memcmp(now, &before, sizeof(before));
}

/* The enclave can no longer do what it could. With a PENDING page it could nothing. */
static bool takes_away(const struct epcm_entry *now, const struct epcm_entry *was)
{
	if (!was->valid || was->pending)
		return was->valid && !now->valid;
	return !now->valid || (was->r && !now->r) || (was->w && !now->w) || (was->x && !now->x) ||
	       now->blocked > was->blocked || now->modified > was->modified;
}

/* A leaf that did not succeed changed nothing in the EPCM; one that takes a right away says so to the engine. */
static void check_step(const struct cpu *c, enum leaf_status status, bool succeeded)
{
	if (status == LEAF_FAULT)
		CHECK(!memcmp(&c->regs, &before.regs, sizeof(c->regs)));
	for (uint64_t i = 0; i < PAGES; i++) {
		if (!succeeded)
			CHECK(same_but_for_the_dead(&w.epcm[i], before.epcm[i]));
		if (takes_away(&w.epcm[i], &before.epcm[i]))
			CHECK(w.generation != before.generation);
	}
}

static void remember(const struct operands *o, struct cpu *c)
{
	c->regs.rflags = 2;	/* so that ZF afterwards is the leaf's */
	memcpy(before.epcm, w.epcm, sizeof(w.epcm));
	memcpy(before.plain, w.mem[o->page], sizeof(before.plain));
	before.slot = *o->slot_ptr;
	before.generation = w.generation;
	before.regs = c->regs;
}

#endif
