/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of calls on /dev/sgx of 2018: mappings that come before the enclave, are cut, moved and replaced; SECS,
 * SECINFO, TCS and SIGSTRUCT that are spoilt; pages that a worker adds, in another task or (first byte) in the call;
 * loss of power. After every call the accounts agree, records are the kernel's mappings, a dead enclave holds nothing,
 * and no descriptor is left. The input is a byte of options, then steps of eight bytes.
 */
#include "drv/abi2018.h"
#include "fuzz.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define REGION		UINT64_C(0x300000000000)	/* no kernel hands it out, no sanitizer uses it */
#define REGION_PAGES	256ull
#define REGION_END	(REGION + REGION_PAGES * PAGE)
#define USER		UINT64_C(0x310000000000)	/* arguments, structures, a page that can't be read */
#define STRUCTURE	(USER + 2048)
#define SOURCE		(USER + PAGE)
#define USER_END	(USER + 2 * PAGE)
#define FD_MAX		64
#define STEPS_MAX	64

enum op {
	MAP, MAP_AT, CREATE, ADD, ADD_TCS, ADD_MORE, INIT, MODIFY, REMOVE, ANY, UNMAP, PROTECT, REMAP, OTHER, FAULT,
	ACCEPT, POWER, OPS
};

struct step {
	uint8_t op, page, count, mode, value, spoil, odd, more;
};

static struct env *v;
static int fd;
static bool baseline[FD_MAX];

static const uint64_t odd_values[] = {
	0, 1, 8, 4095, 4097, 3 * PAGE, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 62, UINT64_C(0xfffffffffffff000),
	UINT64_C(0x0008000000000000), UINT64_C(0xffff888000000000), USER_END, USER_END - 8, UINT64_C(1) << 41,
	REGION + PAGE,
};

/* @sensible, unless this step spoils argument @which. */
static uint64_t spoiled(const struct step *s, unsigned which, uint64_t sensible)
{
	const uint64_t odd = odd_values[s->odd % (sizeof(odd_values) / sizeof(odd_values[0]))];

	return s->spoil == which ? odd : s->spoil == which + 16 ? sensible + odd : s->spoil == which + 32 ?
	       sensible ^ (uint64_t)1 << s->odd % 64 : sensible;
}

static uint64_t address(const struct step *s)
{
	return spoiled(s, 1, REGION + s->page % REGION_PAGES * PAGE);
}

static uint64_t length(const struct step *s)
{
	return spoiled(s, 2, PAGE << s->count % 8);
}

static bool harmless(uint64_t addr, uint64_t size)
{
	size = (size + PAGE - 1) & -PAGE;
	return addr % PAGE || addr + size < addr || (addr >= REGION && addr + size <= REGION_END);
}

#define CHECK_RESULT(ret, ...) do {						\
	static const long allowed_[] = { __VA_ARGS__ };				\
	bool found_ = false;							\
										\
	for (size_t i_ = 0; i_ < sizeof(allowed_) / sizeof(long); i_++)		\
		found_ |= (ret) == allowed_[i_];				\
	if (!found_)								\
		fprintf(stderr, "op %u returned %ld\n", s->op % OPS, (long)(ret));	\
	FUZZ_CHECK(found_);							\
} while (0)

static long call(const struct step *s, uint32_t cmd, const void *arg, size_t size)
{
	memcpy((void *)USER, arg, size);
	return drv_ioctl(v->d, v->tid, fd, cmd, spoiled(s, 10, USER));
}

/* What the world has beside the enclaves; everything that is queued is added first. */
static void check_world(void)
{
	uint64_t used = 0;
	uint32_t owned = 0;
	uint8_t resident;

	for (uint32_t k = 0; k < v->d->encl_count; k++)
		if (v->d->encls[k].used && v->d->encls[k].abi.enclave)
			build_drain(v->d, v->tid, &v->d->encls[k]);
	FUZZ_CHECK(!v->d->worker.pid && !atomic_load(&v->d->lock.owner));
	for (uint32_t k = 0; k < v->d->encl_count; k++) {
		const struct encl *e = &v->d->encls[k];
		const struct encl_header *h = e->header;
		uint64_t children = 0;

		if (!e->used)
			continue;
		FUZZ_CHECK(e->abi.enclave != e->abi.device && !e->pins && e->counted == h->resident);
		FUZZ_CHECK(!atomic_load(&h->lock.owner) && (e->vmas || e->abi.device) && !e->abi.doomed);
		FUZZ_CHECK(e->abi.head == ENCL_NO_PAGE && e->abi.working == ENCL_NO_PAGE);
		FUZZ_CHECK(e->abi.device == !e->npages && (!e->abi.suspended || e->abi.dead));
		used += e->counted;
		owned += e->vmas;
		for (uint64_t i = 0; (i = encl_next_page(e, i, e->npages)) < e->npages; i++) {
			FUZZ_CHECK(page_state(e, i) == PAGE_RESIDENT || page_state(e, i) == PAGE_SWAPPED);
			children += page_state(e, i) == PAGE_RESIDENT;
		}
		FUZZ_CHECK(children == h->children);
		FUZZ_CHECK(!e->abi.dead || (!h->page_cnt && !h->resident));
	}
	FUZZ_CHECK(used == v->d->epc_used && owned == v->d->vma_count);
	for (uint32_t k = 0; k < v->d->vma_count; k++) {
		const struct vma *r = &v->d->vmas[k];

		FUZZ_CHECK(r->start < r->end && (!k || r[-1].end <= r->start));
		FUZZ_CHECK(r->start >= REGION && r->end <= REGION_END);
		FUZZ_CHECK(!!(r->flags & VMA_UNBOUND) == r->encl->abi.device && r->flags & VMA_DONTFORK);
		FUZZ_CHECK(r->encl->abi.device || r->encl->abi.dead ||
			   (r->start >= r->encl->base && r->end <= r->encl->base + r->encl->size));
		FUZZ_CHECK(!mincore((void *)r->start, PAGE, &resident));
		FUZZ_CHECK(!mincore((void *)(r->end - PAGE), PAGE, &resident));
	}
	for (int i = 0; i < FD_MAX; i++)
		FUZZ_CHECK((fcntl(i, F_GETFD) >= 0) == (baseline[i] || i == fd));
}

static void do_map(const struct step *s, bool fixed)
{
	static const int types[] = { MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, 0 };
	const uint64_t size = length(s), up = (size + PAGE - 1) & -PAGE, addr = fixed ? address(s) : 0;
	const int flags = types[s->mode % 4] | (!fixed ? 0 : s->mode & 4 ? MAP_FIXED_NOREPLACE : MAP_FIXED);
	long ret;

	/* Twice the length is where it may come to lie. */
	if (fixed && (addr % PAGE == 0) && up && !(up & (up - 1)) &&
	    (addr < REGION || addr > REGION_END || up > REGION_END - ((addr + up - 1) & -up)))
		return;
	ret = old_map_at(v, addr, size, s->value % 8, flags, fd, spoiled(s, 3, 0));
	CHECK_RESULT(ret < 0 && ret > -4096 ? ret : 0, 0, -EINVAL, -ENOMEM, -EEXIST, -EOVERFLOW, -EACCES, -EOPNOTSUPP);
	if (ret < 0 && ret > -4096)
		return;
	FUZZ_CHECK((uint64_t)ret % up == 0 && drv_range_hit(v->d, (uint64_t)ret, 1));
	if ((uint64_t)ret < REGION || (uint64_t)ret >= REGION_END)
		FUZZ_CHECK(!drv_munmap(v->d, v->tid, (uint64_t)ret, up));
}

static void do_create(const struct step *s)
{
	struct sgx_secs secs = secs_for(spoiled(s, 4, REGION + s->page % REGION_PAGES * PAGE),
					spoiled(s, 5, PAGE << s->count % 8));
	struct sgx_2018_create p = { .src = spoiled(s, 6, SOURCE) };
	long ret;

	if (s->spoil == 7)
		((uint8_t *)&secs)[(s->value << 4 | s->odd) % 4096] ^= s->more;
	secs.attributes.flags |= s->mode & 1 ? SGX_ATTR_DEBUG : 0;
	if (secs.size > REGION_PAGES * PAGE && secs.size < UINT64_C(1) << 40)
		return;
	memcpy((void *)SOURCE, &secs, sizeof(secs));
	ret = call(s, SGX_2018_CREATE, &p, sizeof(p));
	CHECK_RESULT(ret, 0, -EINVAL, -EFAULT, -ENOMEM);
}

static void do_add(const struct step *s, bool tcs)
{
	struct sgx_secinfo secinfo = { .flags = spoiled(s, 4, tcs ? TCS : REG(s->value % 8)) };
	struct sgx_2018_add_page p = {
		.addr = address(s), .src = spoiled(s, 5, SOURCE), .secinfo = spoiled(s, 6, STRUCTURE),
		.mrmask = (uint16_t)(s->mode << 8 | s->more),
	};
	struct sgx_tcs *image = (struct sgx_tcs *)SOURCE;
	long ret;

	memset(image, s->value, PAGE);
	if (tcs)
		old_tcs(image);
	if (s->spoil == 7)
		((uint8_t *)image)[s->odd] ^= 1;
	if (s->spoil == 8)
		((uint8_t *)&secinfo)[s->odd % 64] ^= 1;
	memcpy((void *)STRUCTURE, &secinfo, sizeof(secinfo));
	ret = call(s, SGX_2018_ADD_PAGE, &p, sizeof(p));
	CHECK_RESULT(ret, 0, -EINVAL, -ENOENT, -EFAULT, -EEXIST, -ENOMEM, -ERESTARTSYS, POWER_LOST);
}

static void do_init(const struct step *s)
{
	static struct { uint8_t hash[32]; struct sgx_sigstruct s; } made[16];
	struct sgx_2018_init p = { .addr = address(s), .sigstruct = spoiled(s, 4, SOURCE) };
	struct encl *e = drv_encl_at(v->d, p.addr);
	struct sgx_sigstruct sig = { .exponent = 3 };
	long ret;

	if (e && e->abi.enclave && !e->abi.dead && encl_state(e) == ENCL_CREATED) {
		const struct secs *secs = (const struct secs *)(const void *)(e->section.mem + e->npages * PAGE);
		uint8_t hash[32];

		build_drain(v->d, v->tid, e);
		if (!e->abi.dead) {	/* signatures are slow */
			memcpy(hash, secs->measure_state, 32);
			if (memcmp(made[hash[0] % 16].hash, hash, 32)) {
				old_sign(v, p.addr, &made[hash[0] % 16].s);
				memcpy(made[hash[0] % 16].hash, hash, 32);
			}
			sig = made[hash[0] % 16].s;
		}
	}
	if (s->spoil == 5)
		((uint8_t *)&sig)[(s->value << 8 | s->odd) % sizeof(sig)] ^= s->more;
	memcpy((void *)SOURCE, &sig, sizeof(sig));
	ret = call(s, SGX_2018_INIT, &p, sizeof(p));
	if (ret <= 0 || ret == POWER_LOST)
		CHECK_RESULT(ret, 0, -EINVAL, -ENOENT, -EFAULT, -ERESTARTSYS, POWER_LOST);
	else
		FUZZ_CHECK(ret < 256);
}

static void do_sgx2(const struct step *s, bool modify)
{
	const uint64_t types[] = { SGX_SECINFO_OF_PT(SGX_PT_TRIM), TCS, SI_R, 0 };
	struct sgx_secinfo secinfo = { .flags = spoiled(s, 4, types[s->value % 4]) };
	struct sgx_2018_modify_pages p = {
		.addr = address(s), .length = length(s), .secinfo = spoiled(s, 6, STRUCTURE), .op = s->mode % 3,
	};
	long ret;

	memcpy((void *)STRUCTURE, &secinfo, sizeof(secinfo));
	ret = call(s, modify ? SGX_2018_MODIFY_PAGES : SGX_2018_REMOVE_PAGES, &p,
		   modify ? sizeof(p) : sizeof(struct sgx_2018_remove_pages));
	CHECK_RESULT(ret, 0, -EINVAL, -ENOENT, -EFAULT, -EPERM, -EBUSY, -EAGAIN, -ENOMEM, -ENODEV, -ENOTTY, POWER_LOST);
}

static void do_other(const struct step *s)
{
	const uint64_t addr = address(s), size = length(s);

	if (!harmless(addr, size))
		return;
	drv_mmap_other(v->d, v->tid, addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		       -1, 0);
}

static void do_remap(const struct step *s)
{
	const uint64_t addr = address(s), size = length(s), to = spoiled(s, 4, REGION + s->value % REGION_PAGES * PAGE);
	const uint64_t flags = s->mode % 4, smaller = s->mode & 4 ? size / 2 : size;
	long ret;

	if (!harmless(addr, size) || !harmless(to, size))
		return;
	ret = drv_mremap(v->d, v->tid, addr, size, smaller, flags, to);
	if (ret > 0 && ((uint64_t)ret < REGION || (uint64_t)ret >= REGION_END))
		munmap((void *)ret, smaller);
}

static void do_fault(const struct step *s)
{
	static const uint32_t accesses[] = { 0, X86_PFEC_W, X86_PFEC_I };
	const uint64_t addr = address(s) + s->odd;
	enum drv_fault_result result = DRV_FAULT_RETRY;
	struct exception exc;
	struct vma copy;

	for (int i = 0; i < 4 && result == DRV_FAULT_RETRY; i++)
		result = touch(v, addr, accesses[s->value % 3], &exc);
	if (!vma_lookup(v->d, addr, &copy))
		FUZZ_CHECK(result == DRV_FAULT_NOT_OURS);
	else if (!copy.encl->abi.enclave || copy.encl->abi.dead || encl_state(copy.encl) != ENCL_INITIALISED)
		FUZZ_CHECK(result == DRV_FAULT_BUS || result == DRV_FAULT_SEGV);
}

static void do_accept(const struct step *s)
{
	const uint64_t addr = address(s);
	struct encl *e = drv_encl_at(v->d, addr);

	if (e && encl_covers(e, addr) && page_state(e, (addr - e->base) / PAGE) == PAGE_RESIDENT)
		eaccept(e, (addr - e->base) / PAGE);
}

static void run_step(const struct step *s)
{
	switch ((enum op)(s->op % OPS)) {
	case MAP:	do_map(s, false);		break;
	case MAP_AT:	do_map(s, true);		break;
	case CREATE:	do_create(s);			break;
	case ADD:
	case ADD_MORE:	do_add(s, false);		break;
	case ADD_TCS:	do_add(s, true);		break;
	case INIT:	do_init(s);			break;
	case MODIFY:	do_sgx2(s, true);		break;
	case REMOVE:	do_sgx2(s, false);		break;
	case ANY:
		CHECK_RESULT(drv_ioctl(v->d, v->tid, fd, 0x4000a400u | (uint32_t)s->value << 16 | s->mode | 0x80000000u,
				       spoiled(s, 10, USER)), -ENOTTY);
		break;
	case UNMAP:
		if (harmless(address(s), length(s)))
			drv_munmap(v->d, v->tid, address(s), length(s));
		break;
	case PROTECT:
		if (harmless(address(s), length(s)))
			drv_mprotect(v->d, v->tid, address(s), length(s), s->value % 8, -1);
		break;
	case REMAP:	do_remap(s);			break;
	case OTHER:	do_other(s);			break;
	case FAULT:	do_fault(s);			break;
	case ACCEPT:	do_accept(s);			break;
	case POWER:
		if (s->mode == 0xff)
			drv_power_lost(v->d, v->tid);
		break;
	case OPS:
		break;
	}
}

static void map_at(uint64_t addr, uint64_t size, int prot)
{
	if (mmap((void *)addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
	    (void *)addr)
		abort();
}

static void start(uint8_t options)
{
	v = options & 4 ? env_old_cpu(16 + options / 16 * 4) : env_new(16 + options / 16 * 4);
	v->d->config.full_2018 = options & 2;
	v->d->worker.forbidden = options & 1;
	map_at(USER, 2 * PAGE, PROT_READ | PROT_WRITE);
	map_at(USER_END, PAGE, PROT_NONE);
	munmap((void *)(REGION - PAGE), (REGION_PAGES + 2) * PAGE);
	for (int i = 0; i < FD_MAX; i++)
		baseline[i] = fcntl(i, F_GETFD) >= 0;
	fd = (int)drv_open_2018(v->d, O_RDWR | O_CLOEXEC);
}

static void finish(void)
{
	struct vma *r;

	while ((r = vma_from(v->d, 0)))
		FUZZ_CHECK(!drv_munmap(v->d, v->tid, r->start, r->end - r->start));
	close(fd);
	drv_closed(v->d, fd);
	while (encl_forget_oldest(v->d))
		;
	FUZZ_CHECK(!v->d->encl_count && !v->d->epc_used && v->d->region_count <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct step s;

	if (!size)
		return 0;
	start(data[0]);
	for (size_t at = 1, n = 0; at + sizeof(s) <= size && n < STEPS_MAX; at += sizeof(s), n++) {
		memcpy(&s, data + at, sizeof(s));
		run_step(&s);
		check_world();
	}
	finish();
	return 0;
}
