/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of calls on the driver, with arguments good and bad, several enclaves, and an EPC so small that pages go out
 * and come in. After every call the world must be in order (drv_world.h), and the call's error must be one that the
 * contract has for it. The input is a byte that says how large the EPC is, then steps.
 */
#include "drv_world.h"

#include <linux/mman.h>

#include "crypto/crypto.h"

#define STEPS_MAX	96
#define TASK_END	(UINT64_C(1) << 47)

enum op {
	OP_OPEN, OP_CLOSE, OP_DUP, OP_CREATE, OP_ADD, OP_ADD_MORE, OP_INIT, OP_PROVISION, OP_RESTRICT, OP_MODIFY,
	OP_REMOVE, OP_ANY_IOCTL, OP_MAP, OP_MAP_ANYWHERE, OP_MAP_OTHER, OP_UNMAP, OP_PROTECT, OP_REMAP, OP_ADVISE,
	OP_FAULT, OP_FAULT_MORE, OP_ACCEPT, OP_ENTER, OP_LEAVE, OP_SIGNAL, OP_DESCRIPTOR, OPS
};

/* Values that are wrong nearly everywhere. */
static const uint64_t odd_values[] = {
	0, 1, 8, 4095, 4097, 3 * PAGE, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 62, UINT64_C(0xfffffffffffff000),
	TASK_END - PAGE, TASK_END, UINT64_C(0x0008000000000000), UINT64_C(0xffff888000000000), USER_END,
	USER_END - 8, USER_READ_ONLY, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(0x200000),
};

static uint64_t odd(uint8_t i)
{
	return odd_values[i % (sizeof(odd_values) / sizeof(odd_values[0]))];
}

/* @sensible, unless this step spoils argument @which. */
static uint64_t spoiled(const struct step *s, unsigned which, uint64_t sensible)
{
	if (s->spoil == which)
		return odd(s->odd);
	return s->spoil == which + 16 ? sensible + odd(s->odd) : s->spoil == which + 32 ? sensible ^ s->odd : sensible;
}

static uint64_t page_of(const struct step *s)
{
	return REGION + s->page % REGION_PAGES * PAGE;
}

static int fd_of(const struct step *s)
{
	static const int bad[] = { -1, FD_MAX + 1000, INT32_MAX, INT32_MIN };

	if (s->spoil == 15)
		return s->odd & 4 ? bad[s->odd % 4] : foreign[s->odd % 3];
	return fds[s->who % FDS];
}

/* May a memory call name this range? If the kernel would act on it, it must lie in the region. */
static bool harmless(uint64_t addr, uint64_t length)
{
	const uint64_t size = (length + PAGE - 1) & -PAGE;

	if (addr % PAGE || addr + size < addr)
		return true;
	return addr >= REGION && addr + size <= REGION_END;
}

#define CHECK_ERROR(ret, ...) do {						\
	static const int allowed_[] = { __VA_ARGS__ };				\
	bool found_ = !sys_is_error(ret);					\
										\
	for (size_t i_ = 0; i_ < sizeof(allowed_) / sizeof(int); i_++)		\
		found_ |= (ret) == -allowed_[i_];				\
	if (!found_)								\
		fprintf(stderr, "returned %ld\n", (long)(ret));		\
	FUZZ_CHECK(found_);							\
} while (0)

static long call_ioctl(const struct step *s, uint32_t cmd, const void *arg, size_t size)
{
	memcpy((void *)USER, arg, size);
	return drv_ioctl(v->d, v->tid, fd_of(s), cmd, spoiled(s, 10, USER));
}

static uint64_t offset_of(const struct step *s)
{
	return spoiled(s, 1, s->page % 64 * PAGE);
}

static uint64_t length_of(const struct step *s)
{
	return spoiled(s, 2, (1 + (s->count & 0x80 ? 63 + s->count % 16 : s->count % 8)) * PAGE);
}

static void do_open(const struct step *s)
{
	static const int modes[] = {
		O_RDWR, O_RDWR, O_RDWR | O_CLOEXEC, O_RDONLY, O_WRONLY, O_RDWR | O_NONBLOCK | O_SYNC, O_PATH, O_RDWR | O_APPEND,
		O_RDWR | O_CREAT | O_EXCL, O_RDONLY | O_DIRECTORY, O_RDWR | O_DIRECT, 3,
	};
	const unsigned slot = s->who % FDS;
	const int flags = modes[s->mode % 12];
	long ret;

	if (fds[slot] >= 0)
		return;
	ret = s->value % 8 == 7 ? drv_open_provision(v->d, flags) : drv_open(v->d, flags);
	CHECK_ERROR(ret, EEXIST, ENOTDIR, EINVAL, ENOMEM, EMFILE);
	if (sys_is_error(ret))
		return;
	FUZZ_CHECK(ret < FD_MAX);
	fds[slot] = (int)ret;
	FUZZ_CHECK(drv_fd_kind(v->d, (int)ret) == (s->value % 8 == 7 ? KIND_PROVISION : KIND_ENCLAVE));
	FUZZ_CHECK(!!(fcntl((int)ret, F_GETFD) & FD_CLOEXEC) == !!(flags & O_CLOEXEC));
}

static void do_close(unsigned slot)
{
	if (fds[slot] < 0)
		return;
	close(fds[slot]);
	drv_closed(v->d, fds[slot]);
	fds[slot] = -1;
}

static void do_dup(const struct step *s)
{
	const unsigned from = s->who % FDS, to = s->page % FDS;

	if (from == to || fds[from] < 0)
		return;
	do_close(to);
	fds[to] = dup(fds[from]);
}

/* ELRANGEs of 64 pages, some of 128 or 2, that may overlap; the image of the SECS may be spoiled anywhere. */
static void do_create(const struct step *s)
{
	static const uint64_t sizes[] = { 64, 64, 64, 128, 2, 1024, 64, 1 };
	static const uint64_t flags[] = { SGX_ATTR_DEBUG, SGX_ATTR_PROVISIONKEY, SGX_ATTR_KSS, SGX_ATTR_AEXNOTIFY };
	struct sgx_secs secs = secs_for(REGION + s->page % 4 * 64 * PAGE, sizes[s->count % 8] * PAGE);
	uint64_t arg = spoiled(s, 1, USER_SOURCE(0));
	long ret;

	if (s->mode & 1)
		secs.attributes.flags |= flags[s->mode / 2 % 4];
	if (s->spoil == 4)
		((uint8_t *)&secs)[s->value * 16 % 4096 + s->odd % 16] ^= (uint8_t)(s->odd | 1);
	if (s->spoil == 5)
		secs.size = odd(s->odd) == 0x200000 ? 3 * PAGE : odd(s->odd);
	if (s->spoil == 6)
		secs.baseaddr = odd(s->odd);
	if (secs.size > PAGES_MAX * PAGE && secs.size < UINT64_C(1) << 40)
		return;		/* would be valid, and takes long to check */
	memcpy((void *)USER_SOURCE(0), &secs, sizeof(secs));
	ret = call_ioctl(s, SGX_IOC_ENCLAVE_CREATE, &arg, sizeof(arg));
	memset((void *)USER_SOURCE(0), 0x11, PAGE);
	CHECK_ERROR(ret, EINVAL, EFAULT, ENOMEM, EIO, ERESTARTSYS, EBADF, ENOTTY);
	FUZZ_CHECK(ret <= 0);
}

static void do_add(const struct step *s)
{
	static const uint64_t flags[] = { REG(SI_RW), REG(SI_RX), REG(SI_R), TCS, REG(SI_RWX), REG(SI_RW), 0, TCS };
	struct sgx_secinfo secinfo = { .flags = spoiled(s, 3, flags[s->value % 8]) };
	struct sgx_enclave_add_pages p = { .offset = offset_of(s), .length = length_of(s), .flags = s->mode & 1 };
	const bool tcs = SGX_SECINFO_PT(secinfo.flags) == SGX_PT_TCS;
	struct sgx_tcs *image = (struct sgx_tcs *)USER_TCS;
	long ret;

	*image = (struct sgx_tcs){
		.ossa = 2 * PAGE, .nssa = 1, .oentry = PAGE, .fslimit = UINT32_MAX, .gslimit = UINT32_MAX,
	};
	if (s->spoil == 4)
		((uint8_t *)image)[s->odd] ^= 1;
	if (s->spoil == 5)
		((uint8_t *)&secinfo)[s->odd % 64] ^= 1;
	if (tcs)
		p.length = spoiled(s, 2, PAGE);
	/* A source may be an enclave's mapping, and may end before the length does. */
	p.src = spoiled(s, 6, tcs ? USER_TCS : s->mode & 0x80 ? page_of(s) :
			USER_SOURCE(s->spoil == 7 ? USER_SOURCES - s->odd % 8 : s->page % 8));
	memcpy((void *)(USER + 512), &secinfo, sizeof(secinfo));
	p.secinfo = spoiled(s, 8, USER + 512);
	ret = call_ioctl(s, SGX_IOC_ENCLAVE_ADD_PAGES, &p, sizeof(p));
	CHECK_ERROR(ret, EINVAL, EFAULT, ENOMEM, ERESTARTSYS, EBUSY, EIO, EBADF, ENOTTY);
	FUZZ_CHECK(ret <= 0);
	memcpy(&p, (void *)USER, sizeof(p));
	if (!ret && s->spoil)
		return;
	if (!ret)
		FUZZ_CHECK(p.count % PAGE == 0 && p.count <= p.length && (p.count == p.length || v->signal_after >= 0));
	FUZZ_CHECK(ret != -ERESTARTSYS || !p.count);
}

/* Signatures are slow; the same few enclaves come again and again. */
static void sign(int fd, struct sgx_sigstruct *s)
{
	static struct { uint8_t hash[32]; uint64_t flags; struct sgx_sigstruct s; } made[64];
	const struct encl *e = encl_of(v, fd);
	const struct secs *secs = (const struct secs *)(const void *)(e->section.mem + e->npages * PAGE);
	uint8_t hash[32];
	unsigned i;

	sha256_state_final(hash, secs->measure_state, secs->measure_blocks);
	i = hash[0] % 64;
	if (memcmp(made[i].hash, hash, 32) || made[i].flags != secs->attributes.flags || !made[i].s.exponent) {
		sigstruct_for(v, fd, &made[i].s);
		memcpy(made[i].hash, hash, 32);
		made[i].flags = secs->attributes.flags;
	}
	*s = made[i].s;
}

static void do_init(const struct step *s)
{
	const int fd = fd_of(s);
	struct sgx_sigstruct sig = { .exponent = 3 };
	uint64_t arg = spoiled(s, 1, USER_SOURCE(1));
	const struct encl *e = fd >= 0 && drv_fd_kind(v->d, fd) == KIND_ENCLAVE ? encl_of(v, fd) : NULL;
	long ret;

	if (e && encl_state(e) == ENCL_CREATED)
		sign(fd, &sig);
	if (s->spoil >= 64)
		((uint8_t *)&sig)[(s->value | s->mode << 8) % sizeof(sig)] ^= (uint8_t)(1 << s->odd % 8);
	memcpy((void *)USER_SOURCE(1), &sig, sizeof(sig));
	ret = call_ioctl(s, SGX_IOC_ENCLAVE_INIT, &arg, sizeof(arg));
	memset((void *)USER_SOURCE(1), 0x22, PAGE);
	CHECK_ERROR(ret, EINVAL, EFAULT, ENOMEM, EACCES, EIO, EPERM, ERESTARTSYS, EBADF, ENOTTY);
	FUZZ_CHECK(ret <= 0 && (ret || s->spoil < 64));		/* no bit of it may differ */
	FUZZ_CHECK(s->spoil || ret != -EPERM);
}

static void do_provision(const struct step *s)
{
	uint64_t arg = spoiled(s, 1, (uint64_t)(int64_t)fds[s->page % FDS]);
	const long ret = call_ioctl(s, SGX_IOC_ENCLAVE_PROVISION, &arg, sizeof(arg));

	CHECK_ERROR(ret, EFAULT, EINVAL, EBADF, ENOTTY, ENOMEM);
	FUZZ_CHECK(ret <= 0);
}

static void do_sgx2(const struct step *s, enum op op)
{
	static const uint64_t types[] = { SGX_PT_TRIM, SGX_PT_TCS, SGX_PT_TRIM, SGX_PT_REG };
	/* The three structures have the same beginning. */
	struct sgx_enclave_modify_types p = { .offset = offset_of(s), .length = length_of(s) };
	const uint64_t length = p.length;
	long ret;

	p.page_type = spoiled(s, 3, op == OP_MODIFY ? types[s->value % 4] : op == OP_RESTRICT ? s->value % 8 : 0);
	p.count = op != OP_REMOVE && s->spoil == 5 ? s->odd : 0;
	ret = call_ioctl(s, op == OP_MODIFY ? SGX_IOC_ENCLAVE_MODIFY_TYPES :
			 op == OP_RESTRICT ? SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS : SGX_IOC_ENCLAVE_REMOVE_PAGES,
			 &p, sizeof(p));
	if (op == OP_RESTRICT)
		CHECK_ERROR(ret, ENODEV, EINVAL, EFAULT, EAGAIN, EBADF, ENOTTY, ENOMEM);
	else if (op == OP_MODIFY)
		CHECK_ERROR(ret, ENODEV, EINVAL, EFAULT, EAGAIN, EPERM, EBADF, ENOTTY, ENOMEM);
	else
		CHECK_ERROR(ret, ENODEV, EINVAL, EFAULT, EAGAIN, EPERM, EBUSY, EBADF, ENOTTY, ENOMEM);
	FUZZ_CHECK(ret <= 0);
	memcpy(&p, (void *)USER, sizeof(p));
	if (!ret && !s->spoil)
		FUZZ_CHECK((op == OP_REMOVE ? p.page_type : p.count) == length);
}

static void do_any_ioctl(const struct step *s)
{
	static const uint32_t cmds[] = { 0xa404, 0, UINT32_MAX, 0x4008a408, 0x4008a500, 0x0000a400, 0x5401, 0xc030a402 };
	const long ret = drv_ioctl(v->d, v->tid, fd_of(s), cmds[s->mode % 8], spoiled(s, 10, USER));

	CHECK_ERROR(ret, ENOTTY, EBADF, ENOMEM);
	FUZZ_CHECK(ret < 0);
}

static void do_descriptor(const struct step *s)
{
	struct stat st;
	const int fd = fd_of(s), kind = drv_fd_kind(v->d, fd);

	FUZZ_CHECK(kind >= 0 && kind <= 2 && (kind || s->spoil == 15 || fd < 0));
	if (kind && !fstat(fd, &st)) {
		drv_stat_fixup(v->d, kind, &st);
		FUZZ_CHECK(S_ISCHR(st.st_mode));
	}
}

static void check_mapped(uint64_t addr, uint64_t length, bool mapped)
{
	for (uint64_t at = addr; at < addr + length; at += PAGE)
		FUZZ_CHECK(drv_range_hit(v->d, at, 1) == mapped);
}

static uint64_t map_flags(const struct step *s)
{
	static const uint64_t types[] = { MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_PRIVATE, 0, 0xf };
	static const uint64_t others[] = { 0, 0, 0, MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_32BIT, MAP_SYNC,
					   MAP_GROWSDOWN, MAP_HUGETLB, MAP_NONBLOCK, MAP_STACK };

	return (s->spoil ? types[s->mode % 6] : MAP_SHARED) | others[s->mode / 8 % 12];
}

static void do_map(const struct step *s, bool fixed)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), length = spoiled(s, 2, (1 + s->count % 64) * PAGE);
	const uint64_t flags = map_flags(s) | (!fixed ? 0 : s->spoil == 9 ? MAP_FIXED_NOREPLACE : MAP_FIXED);
	long ret;

	if (fixed ? !harmless(addr, length) : length > UINT64_C(1) << 32 && length < TASK_END)
		return;
	ret = drv_mmap(v->d, v->tid, addr, length, spoiled(s, 1, s->value % 8), flags, fd_of(s), spoiled(s, 4, 0));
	CHECK_ERROR(ret, EBADF, EINVAL, ENOMEM, EOVERFLOW, EACCES, ENODEV, EEXIST, EOPNOTSUPP, EPERM);
	if (sys_is_error(ret))
		return;
	FUZZ_CHECK(fixed ? (uint64_t)ret == addr : !((uint64_t)ret % PAGE));
	check_mapped((uint64_t)ret, length, true);
	if ((uint64_t)ret < REGION || (uint64_t)ret + length > REGION_END) {
		FUZZ_CHECK(!drv_munmap(v->d, v->tid, (uint64_t)ret, length));
		check_mapped((uint64_t)ret, length, false);
	}
}

static void do_map_other(const struct step *s)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), length = spoiled(s, 2, (1 + s->count % 16) * PAGE);
	const uint64_t flags = s->mode & 1 ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS;
	long ret;

	if (!harmless(addr, length))
		return;
	ret = drv_mmap_other(v->d, v->tid, addr, length, s->value % 4, flags | MAP_FIXED | MAP_NORESERVE,
			     s->mode & 1 ? foreign[s->mode / 2 % 3] : -1, spoiled(s, 4, 0));
	CHECK_ERROR(ret, EINVAL, ENOMEM, EACCES, EBADF, ENODEV, EPERM, EOVERFLOW);
	if (!sys_is_error(ret))
		check_mapped(addr, length, false);
}

static void do_unmap(const struct step *s)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), length = spoiled(s, 2, (1 + s->count % 64) * PAGE);
	long ret;

	if (!harmless(addr, length))
		return;
	ret = drv_munmap(v->d, v->tid, addr, length);
	CHECK_ERROR(ret, EINVAL, ENOMEM);
	if (!ret)
		check_mapped(addr, length, false);
}

static void do_protect(const struct step *s)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), length = spoiled(s, 2, (1 + s->count % 64) * PAGE);
	const uint64_t prot = spoiled(s, 1, s->value % 8);
	struct vma copy;
	long ret;

	if (!harmless(addr, length))
		return;
	ret = drv_mprotect(v->d, v->tid, addr, length, prot, s->mode & 1 ? -1 : 0);
	CHECK_ERROR(ret, EINVAL, ENOMEM, EACCES, ENOSYS, EOPNOTSUPP);
	if (!ret && length)
		FUZZ_CHECK(!vma_lookup(v->d, addr, &copy) || copy.prot == (prot & RWX));
}

static void do_remap(const struct step *s)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), old = spoiled(s, 2, (s->count % 16) * PAGE);
	const uint64_t size = spoiled(s, 4, (s->value % 16) * PAGE), to = spoiled(s, 5, REGION + s->odd * PAGE);
	const uint64_t flags = s->mode % 8 | (s->spoil == 6 ? 0x100 : 0);
	long ret;

	if (!harmless(addr, old) || !harmless(addr, size) || ((flags & MREMAP_FIXED) && !harmless(to, size)))
		return;
	ret = drv_mremap(v->d, v->tid, addr, old, size, flags, to);
	CHECK_ERROR(ret, EINVAL, EFAULT, ENOMEM, EAGAIN);
	if (!sys_is_error(ret) && ((uint64_t)ret < REGION || (uint64_t)ret + size > REGION_END)) {
		check_mapped((uint64_t)ret, size, false);
		munmap((void *)ret, size);
	}
}

static void do_advise(const struct step *s)
{
	const uint64_t addr = spoiled(s, 3, page_of(s)), length = spoiled(s, 2, (1 + s->count % 16) * PAGE);
	const uint64_t advice = s->spoil == 1 ? odd(s->odd) : s->value % 27;
	long ret;

	if (!harmless(addr, length))
		return;
	ret = drv_madvise(v->d, v->tid, addr, length, advice);
	CHECK_ERROR(ret, EINVAL, ENOMEM, EACCES, ENODEV, EPERM, EBADF, EFAULT, EIO, EAGAIN);
	FUZZ_CHECK(ret <= 0);
}

/* A fault that says that the access may be tried again is followed by the try: that comes to an end. */
static void do_fault(const struct step *s)
{
	static const uint32_t accesses[] = { 0, X86_PFEC_W, X86_PFEC_I, X86_PFEC_W | X86_PFEC_I };
	const uint32_t access = accesses[s->value % 4];
	const uint32_t need = access & X86_PFEC_W ? PROT_WRITE : access & X86_PFEC_I ? PROT_EXEC : PROT_READ;
	const uint64_t addr = spoiled(s, 3, page_of(s) + s->odd);
	enum drv_fault_result result = DRV_FAULT_RETRY;
	struct exception exc;
	struct vma copy;
	unsigned tries = 0;

	while (result == DRV_FAULT_RETRY) {
		struct encl *e = drv_encl_at(v->d, addr);

		if (e && tries && encl_covers(e, addr) && (e->pte[(addr - e->base) / PAGE] & need))
			break;
		if (tries++ == 8) {
			FUZZ_CHECK(stuck);
			break;
		}
		result = touch(v, addr, access, &exc);
	}
	if (!vma_lookup(v->d, addr, &copy)) {
		FUZZ_CHECK(result == DRV_FAULT_NOT_OURS);
		return;
	}
	FUZZ_CHECK(result != DRV_FAULT_NOT_OURS);
	if (result == DRV_FAULT_SEGV)
		FUZZ_CHECK(exc.vector == X86_PF && exc.addr == addr && (exc.error_code & X86_PFEC_U));
	if (result == DRV_FAULT_RETRY && !stuck)
		FUZZ_CHECK((copy.prot & need) && (need != PROT_READ || readable(addr)));
}

/* A page of the enclave by descriptor that is there now, or NULL. */
static struct epcm_entry *resident(const struct step *s, struct encl **e)
{
	const int fd = fds[s->who % FDS];
	const uint64_t i = s->page % 64;

	if (fd < 0 || drv_fd_kind(v->d, fd) != KIND_ENCLAVE)
		return NULL;
	*e = encl_of(v, fd);
	if (!*e || i >= (*e)->npages || page_state(*e, i) != PAGE_RESIDENT)
		return NULL;
	return &(*e)->section.epcm[i];
}

static void do_accept(const struct step *s)
{
	struct encl *e;

	if (resident(s, &e))
		eaccept(e, s->page % 64);
}

/* A thread enters, or leaves. With mode odd, kicks do not move it. */
static void do_enter(const struct step *s, bool enter)
{
	const struct secs *secs;
	struct encl *e;
	struct epcm_entry *p = resident(s, &e);

	v->kick_leaves = !(s->mode & 1);
	stuck |= !v->kick_leaves;
	if (!p || p->pt != SGX_PT_TCS || encl_state(e) != ENCL_INITIALISED || p->blocked || p->pending || p->modified)
		return;
	secs = (const struct secs *)(const void *)(e->section.mem + e->npages * PAGE);
	atomic_store(&p->tcs_word, enter ? (uint64_t)secs->epoch << 32 | v->tid : 0);
}

static void run_step(const struct step *s)
{
	const enum op op = s->op % OPS;

	current = s;
	switch (op) {
	case OP_OPEN:		do_open(s);				break;
	case OP_CLOSE:		do_close(s->who % FDS);			break;
	case OP_DUP:		do_dup(s);				break;
	case OP_CREATE:		do_create(s);				break;
	case OP_ADD:
	case OP_ADD_MORE:	do_add(s);				break;
	case OP_INIT:		do_init(s);				break;
	case OP_PROVISION:	do_provision(s);			break;
	case OP_RESTRICT:
	case OP_MODIFY:
	case OP_REMOVE:		do_sgx2(s, op);				break;
	case OP_ANY_IOCTL:	do_any_ioctl(s);			break;
	case OP_MAP:		do_map(s, true);			break;
	case OP_MAP_ANYWHERE:	do_map(s, false);			break;
	case OP_MAP_OTHER:	do_map_other(s);			break;
	case OP_UNMAP:		do_unmap(s);				break;
	case OP_PROTECT:	do_protect(s);				break;
	case OP_REMAP:		do_remap(s);				break;
	case OP_ADVISE:		do_advise(s);				break;
	case OP_FAULT:
	case OP_FAULT_MORE:	do_fault(s);				break;
	case OP_ACCEPT:		do_accept(s);				break;
	case OP_ENTER:		do_enter(s, true);			break;
	case OP_LEAVE:		do_enter(s, false);			break;
	case OP_SIGNAL:		v->signal_after = s->mode & 1 ? s->value % 16 : -1;	break;
	case OP_DESCRIPTOR:	do_descriptor(s);			break;
	case OPS:							break;
	}
	check_world();
	step_number++;
}

/* Three descriptors, two enclaves of which one runs; so that short inputs come far. */
static void start(uint8_t first)
{
	static const struct step build[] = {
		{ .op = OP_OPEN, .who = 0 }, { .op = OP_OPEN, .who = 1 }, { .op = OP_OPEN, .who = 2, .value = 7 },
		{ .op = OP_CREATE, .who = 0, .page = 0 }, { .op = OP_CREATE, .who = 1, .page = 1 },
		{ .op = OP_ADD, .who = 0, .page = 0, .value = 3, .mode = 1 },
		{ .op = OP_ADD, .who = 0, .page = 1, .value = 1, .count = 1, .mode = 1 },
		{ .op = OP_ADD, .who = 0, .page = 3, .value = 0, .count = 4 },
		{ .op = OP_ADD, .who = 1, .page = 0, .value = 0, .count = 2 },
		{ .op = OP_INIT, .who = 0 },
		{ .op = OP_MAP, .who = 0, .page = 0, .count = 63, .value = RW },
	};

	world_start(24 + first % 4 * 16, !(first & 0x80));
	step_number = 0;
	for (unsigned i = 0; i < sizeof(build) / sizeof(build[0]) && !(first & 0x40); i++)
		run_step(&build[i]);
	FUZZ_CHECK((first & 0x40) || v->counters.enclaves_initialised == 1);
}

static void finish(void)
{
	static const struct step end = { .op = OPS };

	current = &end;
	check_mappings();
	FUZZ_CHECK(!drv_munmap(v->d, v->tid, REGION, REGION_SIZE));
	for (unsigned i = 0; i < FDS; i++)
		do_close(i);
	FUZZ_CHECK(!v->d->epc_used && !v->d->encl_count && !atomic_load(&v->d->vma_count));
	while (encl_forget_oldest(v->d))
		;
	FUZZ_CHECK(v->d->region_count == 1);		/* of the arena */
	check_descriptors();
}

static void open_foreign(void)
{
	foreign[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* The seals of ours, and not the contents. */
	foreign[1] = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (foreign[1] < 0 || ftruncate(foreign[1], 1 << 20) ||
	    fcntl(foreign[1], F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW))
		abort();
	foreign[2] = open("/", O_PATH | O_CLOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct step s;

	if (!size)
		return 0;
	if (!v)
		open_foreign();
	start(data[0]);
	data++;
	size--;
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(s); i++, data += sizeof(s), size -= sizeof(s)) {
		memcpy(&s, data, sizeof(s));
		run_step(&s);
	}
	finish();
	return 0;
}
