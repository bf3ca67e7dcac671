/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world that drv_ioctl.c steps through: a driver with a small EPC, descriptors, a region of address space for all
 * mappings between two pages that nothing may touch, and memory for arguments. And what must hold after every step. For
 * drv_ioctl.c only.
 */
#ifndef SOFTSGX_FUZZ_DRV_WORLD_H
#define SOFTSGX_FUZZ_DRV_WORLD_H

#include "drv/fixture.h"
#include "fuzz.h"

#include <sys/stat.h>

#define REGION		UINT64_C(0x300000000000)	/* no kernel hands it out, no sanitizer uses it */
#define REGION_PAGES	256ull
#define REGION_SIZE	(REGION_PAGES * PAGE)
#define REGION_END	(REGION + REGION_SIZE)
#define USER		UINT64_C(0x310000000000)	/* arguments, source pages, a page that can't be read */
#define USER_SOURCES	80ull
#define USER_TCS	(USER + PAGE)
#define USER_SOURCE(i)	(USER + (2 + (i)) * PAGE)
#define USER_END	USER_SOURCE(USER_SOURCES)
#define USER_READ_ONLY	(USER_END + PAGE)
#define FDS		6
#define FD_MAX		64		/* no descriptor of a step has a higher number */
#define CANARY		0xa5
#define PAGES_MAX	1024		/* of the largest ELRANGE that steps make */
#define ENCLAVES_MAX	(16 + RETIRED_MAX)

struct step {
	uint8_t op, who, page, count, mode, value, spoil, odd;
};

/* What the pages of an enclave hold: nothing here writes to one, whatever way it takes through the backing store. */
struct shadow {
	uint64_t id;
	bool known[PAGES_MAX];
	uint8_t content[PAGES_MAX];
};

static struct env *v;
static int fds[FDS], foreign[3];		/* -1: closed */
static struct shadow shadows[ENCLAVES_MAX];
static bool baseline[FD_MAX];
static const struct step *current;
static unsigned step_number;
static bool stuck;				/* there was a thread that did not leave when it was kicked */

#undef FUZZ_CHECK
#define FUZZ_CHECK(x) do {									\
	if (!(x)) {										\
		fprintf(stderr, "%s:%d: %s: step %u: op %u who %u page %u count %u mode %#x value %u spoil %u "	\
			"odd %u\n", __FILE__, __LINE__, #x, step_number, current->op, current->who, current->page,	\
			current->count, current->mode, current->value, current->spoil, current->odd);	\
		abort();									\
	}											\
} while (0)

static void map_at(uint64_t addr, uint64_t size, int prot)
{
	if (mmap((void *)addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
	    (void *)addr)
		abort();
}

static void world_start(uint64_t epc_pages, bool sgx2)
{
	v = sgx2 ? env_new(epc_pages) : env_old_cpu(epc_pages);
	map_at(REGION - PAGE, REGION_SIZE + 2 * PAGE, PROT_READ | PROT_WRITE);
	memset((void *)(REGION - PAGE), CANARY, PAGE);
	memset((void *)REGION_END, CANARY, PAGE);
	map_at(REGION, REGION_SIZE, PROT_NONE);
	map_at(USER, USER_END - USER, PROT_READ | PROT_WRITE);
	for (uint64_t i = 0; i < USER_SOURCES; i++)
		memset((void *)USER_SOURCE(i), (int)(0x11 * (i % 8 + 1)), PAGE);
	map_at(USER_END, PAGE, PROT_NONE);
	map_at(USER_READ_ONLY, PAGE, PROT_READ);
	memset(shadows, 0, sizeof(shadows));
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	stuck = false;
	for (int fd = 0; fd < FD_MAX; fd++)
		baseline[fd] = fcntl(fd, F_GETFD) >= 0;
}

static struct shadow *shadow_of(const struct encl *e)
{
	unsigned i = 0;

	while (i < ENCLAVES_MAX - 1 && shadows[i].id && shadows[i].id != e->header->id)
		i++;
	if (shadows[i].id != e->header->id)
		shadows[i] = (struct shadow){ .id = e->header->id };
	return &shadows[i];
}

static bool is_open(const struct encl *e)
{
	struct stat st;

	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0 && !fstat(fds[i], &st) && st.st_ino == e->ino && st.st_dev == e->dev)
			return true;
	return false;
}

static bool slot_used(const struct encl *e, uint64_t slot)
{
	return e->slots[slot / 64] >> slot % 64 & 1;
}

/* A page of ELRANGE: its record, its EPCM entry and its PTE say the same, and its contents are what they were. */
static void check_page(const struct encl *e, uint64_t i, struct shadow *shadow, uint64_t *swapped)
{
	const struct epcm_entry *p = &e->section.epcm[i];
	const enum page_state state = page_state(e, i);
	const uint8_t *mem = e->section.mem + i * PAGE;

	FUZZ_CHECK(state == PAGE_RESIDENT || state == PAGE_SWAPPED);	/* LOST: what was evicted came back broken */
	FUZZ_CHECK(p->valid == (state == PAGE_RESIDENT) && !atomic_load(&p->lock));
	if (state == PAGE_SWAPPED) {
		(*swapped)++;
		FUZZ_CHECK(!e->pte[i] && slot_used(e, e->recs[i].va_slot));
		return;
	}
	FUZZ_CHECK(e->header->secs_state == PAGE_RESIDENT);
	FUZZ_CHECK(p->pt == SGX_PT_REG || p->pt == SGX_PT_TCS || p->pt == SGX_PT_TRIM);
	FUZZ_CHECK(p->pt == SGX_PT_REG || (!p->r && !p->w && !p->x));
	FUZZ_CHECK(!p->w || p->r);
	FUZZ_CHECK(!(p->pending && p->modified));
	FUZZ_CHECK(p->secs == e->npages && p->enclaveaddress == encl_addr(e, i));
	FUZZ_CHECK(stuck || p->pt == e->recs[i].type);
	FUZZ_CHECK(!(e->pte[i] & ~(PTE_PROT | PTE_PRESENT | PTE_YOUNG)));
	FUZZ_CHECK(!(e->pte[i] & PTE_PROT) || (e->pte[i] & PTE_PRESENT));
	if (p->pt != SGX_PT_REG || i >= PAGES_MAX)
		return;
	FUZZ_CHECK(mem[0] == mem[2048] && mem[0] == mem[4095]);
	if (shadow->known[i])
		FUZZ_CHECK(shadow->content[i] == mem[0]);
	shadow->known[i] = true;
	shadow->content[i] = mem[0];
}

/* VA pages: slots that are taken hold versions, the others zeroes. */
static void check_va(const struct encl *e, uint64_t swapped)
{
	uint64_t taken = 0;

	for (uint64_t va = 0; va < e->header->va_count; va++) {
		const uint64_t index = e->npages + 1 + va;
		const uint64_t *versions = (const uint64_t *)(const void *)(e->section.mem + index * PAGE);

		FUZZ_CHECK(e->section.epcm[index].valid && e->section.epcm[index].pt == SGX_PT_VA);
		FUZZ_CHECK(!atomic_load(&e->section.epcm[index].lock));
		for (uint64_t slot = 0; slot < ENCL_CHUNK; slot++) {
			FUZZ_CHECK(slot_used(e, va * ENCL_CHUNK + slot) == (versions[slot] != 0));
			taken += versions[slot] != 0;
		}
	}
	FUZZ_CHECK(taken == swapped);
	FUZZ_CHECK(e->header->va_count * ENCL_CHUNK >= e->header->page_cnt);
}

static void check_enclave(const struct encl *e)
{
	const struct encl_header *h = e->header;
	uint64_t existing = 0, resident = 0, swapped = h->secs_state == PAGE_SWAPPED;
	struct shadow *shadow;

	FUZZ_CHECK(e->counted == h->resident && !e->pins && !atomic_load(&h->busy) && !atomic_load(&h->lock.owner));
	FUZZ_CHECK(e->vmas || is_open(e));		/* else it has to be gone */
	if (!e->npages) {
		FUZZ_CHECK(encl_state(e) == ENCL_NEW && !h->resident && !h->page_cnt && !h->va_count);
		return;
	}
	FUZZ_CHECK(encl_state(e) != ENCL_NEW && e->npages <= PAGES_MAX);
	shadow = shadow_of(e);
	for (uint64_t chunk = 0; chunk < (e->npages + ENCL_CHUNK - 1) / ENCL_CHUNK; chunk++) {
		uint64_t in_chunk = 0;

		for (uint64_t i = chunk * ENCL_CHUNK; i < e->npages && i < (chunk + 1) * ENCL_CHUNK; i++) {
			if (page_state(e, i) == PAGE_ABSENT) {
				FUZZ_CHECK(!e->pte[i] && !e->section.epcm[i].valid);
				shadow->known[i] = false;
				continue;
			}
			in_chunk++;
			resident += page_state(e, i) == PAGE_RESIDENT;
			check_page(e, i, shadow, &swapped);
		}
		FUZZ_CHECK(e->chunks[chunk] == in_chunk);
		existing += in_chunk;
	}
	FUZZ_CHECK(h->secs_state == PAGE_RESIDENT || h->secs_state == PAGE_SWAPPED);
	FUZZ_CHECK(e->section.epcm[e->npages].valid == (h->secs_state == PAGE_RESIDENT));
	FUZZ_CHECK(h->children == resident && h->page_cnt == existing + 1);
	FUZZ_CHECK(h->resident == resident + h->va_count + (h->secs_state == PAGE_RESIDENT));
	if (h->secs_state == PAGE_RESIDENT) {
		const struct secs *secs = (const struct secs *)(const void *)(e->section.mem + e->npages * PAGE);

		FUZZ_CHECK(secs->children == resident && !secs->track_lock && !secs->measure_lock);
		FUZZ_CHECK(!!(secs->attributes.flags & SGX_ATTR_INIT) == (encl_state(e) == ENCL_INITIALISED));
	}
	check_va(e, swapped);
}

static void check_records(void)
{
	const uint32_t count = atomic_load(&v->d->vma_count);
	uint32_t owned[ENCLAVES_MAX] = { 0 };
	unsigned char resident[REGION_PAGES];

	for (uint32_t k = 0; k < count; k++) {
		const struct vma *r = &v->d->vmas[k];

		FUZZ_CHECK(r->start % PAGE == 0 && r->end % PAGE == 0 && r->start < r->end);
		FUZZ_CHECK(r->start >= REGION && r->end <= REGION_END);
		FUZZ_CHECK(!k || r[-1].end <= r->start);
		FUZZ_CHECK(r->encl->used && r->encl >= v->d->encls && r->encl < v->d->encls + ENCLAVES_MAX);
		FUZZ_CHECK(!(r->prot & ~(uint32_t)RWX) && (!(r->prot & PROT_WRITE) || (r->flags & VMA_MAYWRITE)));
		FUZZ_CHECK(!mincore((void *)r->start, r->end - r->start, resident));
		owned[r->encl - v->d->encls]++;
	}
	for (uint32_t k = 0; k < v->d->encl_count; k++)
		FUZZ_CHECK(!v->d->encls[k].used || v->d->encls[k].vmas == owned[k]);
}

/* One line of the kernel's list of mappings, in the region or its guards. Returns the pages in it that have a record. */
static uint64_t check_mapping(uint64_t start, uint64_t end, const char *perms, uint64_t offset, uint64_t ino, bool ours)
{
	const uint32_t prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
			      (perms[2] == 'x' ? PROT_EXEC : 0);
	uint64_t pages = 0;

	for (uint64_t addr = start; addr < end; addr += PAGE, offset += PAGE) {
		const struct vma *r = vma_at(v->d, addr);
		const struct encl *e = r ? r->encl : NULL;
		uint64_t i;

		FUZZ_CHECK(ours == (r != NULL));
		if (!ours)
			continue;
		pages++;
		FUZZ_CHECK(e->ino == ino && perms[3] == 's');
		if (!prot) {
			FUZZ_CHECK(!encl_covers(e, addr) || !(e->pte[(addr - e->base) / PAGE] & PTE_PROT));
			continue;
		}
		FUZZ_CHECK(encl_covers(e, addr) && !(r->flags & VMA_PLACEHOLDER));
		i = (addr - e->base) / PAGE;
		FUZZ_CHECK((e->pte[i] & PTE_PROT) == prot && !(prot & ~pte_native(e, i, r->prot)));
		FUZZ_CHECK(offset == (uint64_t)e->section.mem - e->area + i * PAGE);
	}
	return pages;
}

/* Mappings of enclaves and records are the same; rights are those of the PTEs; the guards are as they were. */
static void check_mappings(void)
{
	static char text[1 << 18];
	uint64_t pages = 0, recorded = 0;
	const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got;

	while ((got = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)got;
	close(fd);
	text[size] = 0;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		uint64_t from, to, offset, ino;
		char perms[5];
		bool ours;

		*end = 0;
		ours = strstr(line, "memfd:sgx_enclave") != NULL;
		if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &from, &to, perms, &offset, &ino) != 5)
			continue;
		if (from >= REGION && to <= REGION_END)
			pages += check_mapping(from, to, perms, offset, ino, ours);
		else	/* nothing of an enclave is anywhere but here and in the driver's arena */
			FUZZ_CHECK(!ours || from < REGION - PAGE);
	}
	for (uint32_t k = 0; k < atomic_load(&v->d->vma_count); k++)
		recorded += (v->d->vmas[k].end - v->d->vmas[k].start) / PAGE;
	FUZZ_CHECK(pages == recorded);
	for (uint64_t i = 0; i < PAGE; i++)
		FUZZ_CHECK(((uint8_t *)(REGION - PAGE))[i] == CANARY && ((uint8_t *)REGION_END)[i] == CANARY);
}

static void check_descriptors(void)
{
	bool expected[FD_MAX];

	memcpy(expected, baseline, sizeof(expected));
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			expected[fds[i]] = true;
	for (int fd = 0; fd < FD_MAX; fd++)
		FUZZ_CHECK((fcntl(fd, F_GETFD) >= 0) == expected[fd]);
}

static void check_world(void)
{
	uint64_t used = 0;

	FUZZ_CHECK(!atomic_load(&v->d->lock.owner) && !(atomic_load(&v->d->vma_seq) & 1));
	for (uint32_t k = 0; k < v->d->encl_count; k++)
		if (v->d->encls[k].used) {
			check_enclave(&v->d->encls[k]);
			used += v->d->encls[k].counted;
		}
	FUZZ_CHECK(v->d->epc_used == used);
	check_records();
	check_descriptors();
	if (step_number % 4 == 0)
		check_mappings();
}

#endif
