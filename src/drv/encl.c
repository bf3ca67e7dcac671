/* SPDX-License-Identifier: BSD-2-Clause */
/* See encl.h: attaching to the file of an enclave, its lock, who else uses it, its page records. */
#include "drv/encl.h"

#include <asm/fcntl.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/uio.h>

#include "drv/state.h"
#include "sys/mem.h"

static uint64_t place(uint64_t *end, uint64_t size)
{
	const uint64_t at = *end;

	*end = (at + size + DRV_PAGE - 1) & SGX_PAGE_MASK;
	return at;
}

void encl_layout(struct encl_layout *l, uint64_t elrange_size)
{
	uint64_t end = DRV_PAGE, pages;

	l->npages = elrange_size / DRV_PAGE;
	l->nva = l->npages / ENCL_CHUNK + 1;
	pages = l->npages + 1 + l->nva;
	l->epcm = place(&end, pages * sizeof(struct epcm_entry));
	l->recs = place(&end, l->npages * sizeof(struct page_rec));
	l->chunks = place(&end, (l->npages / ENCL_CHUNK + 1) * sizeof(uint16_t));
	l->slots = place(&end, l->nva * (ENCL_CHUNK / 8));
	l->epc = place(&end, pages * DRV_PAGE);
	l->backing = place(&end, (l->npages + 1) * DRV_PAGE);
	l->pcmd = place(&end, (l->npages + 1) * sizeof(struct sgx_pcmd));
	l->total = end;
}

void encl_register_user(struct drv *d, struct encl *e)
{
	struct encl_header *h = e->header;

	for (int i = 0; i < ENCL_USERS_MAX; i++) {
		if (h->users[i].pid && h->users[i].pid != d->pid)
			continue;
		h->users[i] = (struct encl_user){ d->pid, (uint64_t)h };
		return;
	}
	h->crowded = 1;
}

/* A process that was refused to look into counts as a user: better no reclaim than a wrong one. */
static bool user_attached(const struct encl_header *h, const struct encl_user *u)
{
	uint64_t id = 0;
	struct iovec l = { &id, sizeof(id) };
	struct iovec r = { (void *)(u->header + offsetof(struct encl_header, id)), sizeof(id) };
	long ret = sys_call6(__NR_process_vm_readv, (long)u->pid, (long)&l, 1, (long)&r, 1, 0);

	if (ret == -ESRCH || ret == -EFAULT)
		return false;
	return ret != sizeof(id) || id == h->id;
}

bool encl_exclusive(struct drv *d, struct encl *e)
{
	struct encl_header *h = e->header;
	bool alone = true;

	if (h->crowded || (h->fork_until && drv_now() < h->fork_until))
		return false;
	h->fork_until = 0;
	for (int i = 0; i < ENCL_USERS_MAX; i++) {
		if (!h->users[i].pid || h->users[i].pid == d->pid)
			continue;
		if (user_attached(h, &h->users[i]))
			alone = false;
		else
			h->users[i].pid = 0;
	}
	return alone;
}

static struct encl *find_file(struct drv *d, uint64_t dev, uint64_t ino)
{
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used && d->encls[i].ino == ino && d->encls[i].dev == dev)
			return &d->encls[i];
	return NULL;
}

static bool refers(const struct encl *e, int fd)
{
	struct stat st;

	return !sys_call2(__NR_fstat, fd, &st) && st.st_dev == e->dev && st.st_ino == e->ino;
}

static void remember_fd(struct encl *e, int fd)
{
	int free = -1;

	for (int i = 0; i < ENCL_FDS_MAX; i++)
		if (e->fds[i] == fd)
			return;
	for (int i = 0; i < ENCL_FDS_MAX && free < 0; i++)
		if (e->fds[i] < 0 || !refers(e, e->fds[i]))
			free = i;
	if (free < 0)
		e->fds_overflow = true;
	else
		e->fds[free] = fd;
}

/*
 * The descriptor may be open for one direction only, and the program may close it under us and open something else:
 * a descriptor of our own is looked at, and mapped. Without /proc the program's has to do.
 */
static long map_header(struct drv *d, struct encl *e, int fd)
{
	const long own = drv_reopen(fd, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	const int file = sys_is_error(own) ? fd : (int)own;
	const uint64_t at = arena_take(d, DRV_PAGE);
	long ret = -ENOMEM;
	struct stat st;
	int kind;

	if (!at)
		goto close;
	ret = -EBADF;
	kind = drv_fd_kind(d, file);
	if ((kind != KIND_ENCLAVE && kind != KIND_2018) || sys_call2(__NR_fstat, file, &st))
		goto give;
	ret = sys_call6(__NR_mmap, (long)at, (long)DRV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
			file, 0);
	if ((uint64_t)ret != at) {
		ret = -ENOMEM;
		goto give;
	}
	/* What is cloned from this inherits both: a core dump is spared it, and mlockall() does not fill sparse files. */
	sys_call3(__NR_madvise, at, DRV_PAGE, MADV_DONTDUMP);
	sys_call2(__NR_munlock, at, DRV_PAGE);
	e->header = (struct encl_header *)at;
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->file_size = (uint64_t)st.st_size;
	e->abi.device = kind == KIND_2018;
	ret = 0;
	goto close;
give:
	arena_give(d, at);
close:
	if (!sys_is_error(own))
		sys_call1(__NR_close, own);
	return ret;
}

struct encl *encl_attach(struct drv *d, int fd, long *error)
{
	struct encl *e = NULL;
	struct stat st;
	uint32_t i;

	*error = sys_call2(__NR_fstat, fd, &st);
	if (*error)
		return NULL;
	e = find_file(d, st.st_dev, st.st_ino);
	if (e) {
		remember_fd(e, fd);
		if (!e->npages && encl_state(e) != ENCL_NEW) {
			encl_lock(d, e);
			*error = encl_see(d, e, e->header->size);
			encl_unlock(d, e);
		}
		return *error ? NULL : e;
	}
	for (i = 0; i < DRV_ENCLS_MAX && (d->encls[i].used || d->encls[i].retired); i++)
		;
	*error = -ENOMEM;
	if (i == DRV_ENCLS_MAX)
		return NULL;
	e = &d->encls[i];
	memset(e, 0, sizeof(*e));
	e->abi.head = e->abi.tail = e->abi.working = ENCL_NO_PAGE;
	*error = map_header(d, e, fd);
	if (*error)
		return NULL;
	e->used = true;
	for (int k = 0; k < ENCL_FDS_MAX; k++)
		e->fds[k] = -1;
	remember_fd(e, fd);
	if (i >= d->encl_count)
		d->encl_count = i + 1;
	encl_lock(d, e);
	encl_register_user(d, e);
	if (encl_state(e) != ENCL_NEW)
		*error = encl_see(d, e, e->header->size);
	if (!*error && e->npages)
		encl_patches_degrade(e);
	encl_unlock(d, e);
	if (*error) {
		encl_put(d, e);
		return NULL;
	}
	return e;
}

/* A second view of a shared mapping at @to, without a descriptor: mremap() of "nothing" duplicates. */
static long clone_mapping(uint64_t from, uint64_t to, uint64_t size)
{
	long ret = sys_call5(__NR_mremap, from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	return sys_is_error(ret) ? ret : 0;
}

/* Zeroes that no core dump has, and mlockall() does not fill. */
static long map_blank(uint64_t at, uint64_t size)
{
	long ret = sys_call6(__NR_mmap, (long)at, (long)size, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (sys_is_error(ret))
		return ret;
	sys_call2(__NR_munlock, at, size);
	sys_call3(__NR_madvise, at, size, MADV_DONTDUMP);
	return sys_call3(__NR_mprotect, at, size, PROT_READ | PROT_WRITE);
}

long encl_see(struct drv *d, struct encl *e, uint64_t elrange_size)
{
	struct encl_header *h = e->header;
	struct encl_layout l;
	uint64_t area, donor, pte, epc_size;
	long ret;

	if (elrange_size < 2 * DRV_PAGE || (elrange_size & (elrange_size - 1)) || elrange_size > e->file_size)
		return -ENOMEM;
	encl_layout(&l, elrange_size);
	if (l.total > e->file_size)
		return -ENOMEM;
	epc_size = l.npages * DRV_PAGE;
	e->area_size = l.total + epc_size + ((l.npages + DRV_PAGE - 1) & SGX_PAGE_MASK);
	area = arena_take(d, e->area_size);
	if (!area)
		return -ENOMEM;
	donor = area + l.total;
	pte = donor + epc_size;
	ret = clone_mapping((uint64_t)h, area, l.total);
	if (!ret)
		ret = clone_mapping(area + l.epc, donor, epc_size);
	if (!ret)
		ret = sys_call3(__NR_mprotect, donor, epc_size, PROT_NONE);
	if (!ret)
		ret = map_blank(pte, l.npages);
	if (ret) {
		arena_give(d, area);
		return -ENOMEM;
	}
	e->section = (struct epc_section){
		.base = area + l.epc, .npages = l.npages + 1 + l.nva, .epcm = (struct epcm_entry *)(area + l.epcm),
		.mem = (uint8_t *)(area + l.epc), .generation = &h->generation,
	};
	e->recs = (struct page_rec *)(area + l.recs);
	e->chunks = (uint16_t *)(area + l.chunks);
	e->slots = (uint64_t *)(area + l.slots);
	e->backing = (uint8_t *)(area + l.backing);
	e->pcmd = (struct sgx_pcmd *)(area + l.pcmd);
	e->pte = (uint8_t *)pte;
	e->donor = donor;
	e->area = area;
	e->base = h->base;
	e->size = elrange_size;
	__atomic_store_n(&e->npages, l.npages, __ATOMIC_RELEASE);
	return 0;
}

void encl_unsee(struct drv *d, struct encl *e)
{
	struct encl_layout l;

	encl_layout(&l, e->size);
	private_give(d, e);
	epc_punch(e->area + l.epcm, l.total - l.epcm);
	arena_give(d, e->area);
	e->npages = e->size = e->base = e->area = 0;
	memset(&e->section, 0, sizeof(e->section));
}

static void give_back(struct drv *d, const struct retired *r)
{
	if (r->area)
		arena_give(d, r->area);
	arena_give(d, r->header);
}

bool encl_forget_oldest(struct drv *d)
{
	const struct retired *r = &d->retired[d->retired_first];

	if (!d->retired_count)
		return false;
	give_back(d, r);
	r->e->retired = false;
	d->retired_first = (d->retired_first + 1) % RETIRED_MAX;
	d->retired_count--;
	return true;
}

/* Zeroes instead of what is there, in one step: others are looking. */
static long blank_over(struct drv *d, uint64_t at, uint64_t size)
{
	const uint64_t from = arena_take(d, size);
	long ret = from ? map_blank(from, size) : -ENOMEM;

	if (!ret)
		ret = sys_call5(__NR_mremap, from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	if (from)
		arena_give(d, from);
	return sys_is_error(ret) ? ret : 0;
}

static void retire(struct drv *d, struct encl *e)
{
	const struct retired r = { e, e->npages ? e->area : 0, (uint64_t)e->header };

	/* Of an enclave of 2018 that is dead there is little left already: see abi2018.c. */
	if (!e->abi.dead && ((r.area && blank_over(d, r.area, e->area_size)) || blank_over(d, r.header, DRV_PAGE))) {
		give_back(d, &r);
		return;
	}
	if (d->retired_count == RETIRED_MAX)
		encl_forget_oldest(d);
	d->retired[(d->retired_first + d->retired_count++) % RETIRED_MAX] = r;
	e->retired = true;
}

/*
 * Who is inside has lost the mapping: the AEX that comes of it needs what is about to go. So does that of a thread that
 * is on its way in: with a new generation no fast entry gets past its last check.
 */
static void throw_out(struct drv *d, struct encl *e)
{
	section_touch(&e->section);
	d->ops->kick(d, e);
}

void encl_put(struct drv *d, struct encl *e)
{
	if (e->vmas || e->pins || e->fds_overflow)
		return;
	for (int i = 0; i < ENCL_FDS_MAX; i++) {
		if (e->fds[i] < 0)
			continue;
		if (refers(e, e->fds[i]))
			return;
		e->fds[i] = -1;
	}
	encl_lock(d, e);
	for (int i = 0; i < ENCL_USERS_MAX; i++)
		if (e->header->users[i].pid == d->pid)
			e->header->users[i].pid = 0;
	encl_unlock(d, e);
	d->epc_used -= e->counted;
	e->counted = 0;			/* a thread that found it before may still lock it, and finds nothing resident */
	private_give(d, e);
	e->used = false;
	if (e->npages && !e->abi.dead && !d->forking && d->ops && d->ops->kick)
		throw_out(d, e);
	retire(d, e);
	while (d->encl_count && !d->encls[d->encl_count - 1].used)
		d->encl_count--;
}

/* The owner died inside a change: free the EPCM locks that it held, and count anew. */
static void heal(struct encl *e)
{
	struct encl_header *h = e->header;
	uint64_t pages = 0;

	if (!e->npages)
		return;
	h->children = 0;
	for (uint64_t i = encl_next_page(e, 0, e->npages); i < e->npages; i = encl_next_page(e, i + 1, e->npages)) {
		uint32_t exclusive = EPCM_EXCLUSIVE;

		pages++;
		if (page_state(e, i) != PAGE_RESIDENT && page_state(e, i) != PAGE_QUEUED)
			continue;
		h->children += page_state(e, i) == PAGE_RESIDENT;
		atomic_compare_exchange_strong(&e->section.epcm[i].lock, &exclusive, 0);
	}
	for (uint64_t i = e->npages; i < e->npages + 1 + h->va_count; i++) {
		uint32_t exclusive = EPCM_EXCLUSIVE;

		atomic_compare_exchange_strong(&e->section.epcm[i].lock, &exclusive, 0);
	}
	h->resident = h->children + h->va_count + (h->secs_state == PAGE_RESIDENT);
	h->page_cnt = pages + 1;
}

static void take_stock(struct drv *d, struct encl *e)
{
	d->epc_used += e->header->resident - e->counted;
	e->counted = e->header->resident;
}

void encl_lock(struct drv *d, struct encl *e)
{
	if (lock_acquire(&e->header->lock, d->tid))
		heal(e);
	take_stock(d, e);
}

bool encl_try_lock(struct drv *d, struct encl *e)
{
	if (!lock_try(&e->header->lock, d->tid))
		return false;
	take_stock(d, e);
	return true;
}

void encl_unlock(struct drv *d, struct encl *e)
{
	take_stock(d, e);
	lock_release(&e->header->lock);
}

uint64_t encl_next_page(const struct encl *e, uint64_t i, uint64_t end)
{
	while (i < end) {
		if (!e->chunks[i / ENCL_CHUNK])
			i = (i / ENCL_CHUNK + 1) * ENCL_CHUNK;
		else if (page_state(e, i) == PAGE_ABSENT)
			i++;
		else
			break;
	}
	return i;
}

void encl_rec_add(struct encl *e, uint64_t i, enum sgx_pt type, uint8_t max_prot)
{
	struct page_rec *r = &e->recs[i];

	r->type = (uint8_t)type;
	r->max_prot = max_prot;
	r->code = 0;
	e->chunks[i / ENCL_CHUNK]++;
	e->header->page_cnt++;
	e->header->children++;
	atomic_store_explicit(&r->state, PAGE_RESIDENT, memory_order_release);
}

void encl_rec_queue(struct encl *e, uint64_t i, enum sgx_pt type)
{
	struct page_rec *r = &e->recs[i];

	r->type = (uint8_t)type;
	r->max_prot = PROT_READ | PROT_WRITE | PROT_EXEC;	/* 2018: the EPCM alone says no */
	r->code = 0;
	e->chunks[i / ENCL_CHUNK]++;
	e->header->page_cnt++;
	atomic_store_explicit(&r->state, PAGE_QUEUED, memory_order_release);
}

void encl_rec_remove(struct encl *e, uint64_t i)
{
	struct page_rec *r = &e->recs[i];

	if (page_state(e, i) == PAGE_RESIDENT)
		e->header->children--;
	e->chunks[i / ENCL_CHUNK]--;
	e->header->page_cnt--;
	atomic_store_explicit(&r->state, PAGE_ABSENT, memory_order_release);
}
