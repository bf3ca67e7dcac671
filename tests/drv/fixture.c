/* SPDX-License-Identifier: BSD-2-Clause */
/* See fixture.h. Signatures are made by tests/isa/sign.c. */
#include "drv/fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "crypto/crypto.h"
#include "isa/keys.h"

#define ARENA_BASE	UINT64_C(0x200000000000)	/* where no sanitizer has its heap */
#define ARENA_SIZE	UINT64_C(0x0f0000000000)

void fixture_sign(struct sgx_sigstruct *s, unsigned signer);

static struct env env;
static uint8_t source[64 * PAGE] __attribute__((aligned(4096)));

static void kick(struct drv *d, struct encl *e)
{
	(void)d;
	env.kicks++;
	for (uint64_t i = 0; env.kick_leaves && i < e->npages; i++)
		if (page_state(e, i) == PAGE_RESIDENT)
			atomic_store(&e->section.epcm[i].tcs_word, 0);
}

static bool signal_pending(struct drv *d)
{
	(void)d;
	if (env.signal_after < 0)
		return false;
	return env.signal_after-- == 0 ? (env.signal_after = 0, true) : false;
}

static void invalidate(struct drv *d, struct encl *e, uint64_t start, uint64_t end)
{
	(void)d, (void)e;
	env.invalidates++;
	env.invalid_start = start;
	env.invalid_end = end;
}

static void initialised(struct drv *d, struct encl *e)
{
	(void)d, (void)e;
	env.initialised++;
}

static struct drv_ops ops = {
	.kick = kick, .signal_pending = signal_pending, .invalidate = invalidate, .initialised = initialised,
};

void env_code(bool (*patch)(unsigned int, const uint8_t *, uint64_t, uint64_t, uint64_t, uint8_t *),
	      void (*unpatch)(unsigned int, uint8_t *, uint64_t, uint64_t, uint64_t, uint64_t))
{
	ops.patch_code = patch;
	ops.unpatch_code = unpatch;
}

static struct env *start(uint64_t epc_pages, bool sgx2, bool aexnotify)
{
	static const uint8_t cpusvn[16] = { 5, 4, 3, 2, 1 }, seed[32] = { 0x5a };
	const struct drv_config config = {
		.epc_pages = epc_pages, .arena_base = ARENA_BASE, .arena_size = ARENA_SIZE,
		.aexnotify = aexnotify,
	};

	if (env.d) {
		munmap((void *)ARENA_BASE, ARENA_SIZE);
		free(env.d);
	}
	env_code(NULL, NULL);
	env = (struct env){ .signal_after = -1, .kick_leaves = true, .tid = (uint32_t)syscall(SYS_gettid) };
	env.profile = (struct isa_profile){
		.sgx1 = true, .sgx2 = sgx2, .miscselect = SGX_MISC_EXINFO, .log2_size_32 = 31, .log2_size_64 = 40,
		.attributes = SGX_ATTR_DEBUG | SGX_ATTR_MODE64BIT | SGX_ATTR_PROVISIONKEY | SGX_ATTR_EINITTOKEN_KEY |
			      SGX_ATTR_KSS | SGX_ATTR_AEXNOTIFY,
		.xfrm = 7, .xcr0 = 7, .mxcsr_mask = 0xffff,
		.xsave_offset = { [2] = 576 }, .xsave_size = { [2] = 256 },
	};
	keys_derive(&env.keys, seed, cpusvn);
	crypto_init();
	memset(source, 0x5a, sizeof(source));
	env.d = calloc(1, drv_size());
	if (drv_init(env.d, &config, &ops, &env.profile, &env.keys, &env.counters))
		abort();
	return &env;
}

struct env *env_new(uint64_t epc_pages)
{
	return start(epc_pages, true, false);
}

struct env *env_old_cpu(uint64_t epc_pages)
{
	return start(epc_pages, false, false);
}

struct env *env_aexnotify(uint64_t epc_pages)
{
	return start(epc_pages, true, true);
}

long ioc(struct env *v, int fd, uint32_t cmd, void *arg)
{
	return drv_ioctl(v->d, v->tid, fd, cmd, (uint64_t)arg);
}

uint64_t reserve(uint64_t size)
{
	uint64_t at = (uint64_t)mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t base = (at + size - 1) & ~(size - 1);

	if (at == (uint64_t)MAP_FAILED)
		abort();
	if (base != at)
		munmap((void *)at, base - at);
	if (at + 2 * size != base + size)
		munmap((void *)(base + size), at + size - base);
	return base;
}

struct sgx_secs secs_for(uint64_t base, uint64_t size)
{
	return (struct sgx_secs){
		.size = size, .baseaddr = base, .ssaframesize = 1, .attributes = { SGX_ATTR_MODE64BIT, 3 },
	};
}

long create(struct env *v, int fd, uint64_t base, uint64_t size)
{
	struct sgx_secs secs = secs_for(base, size);
	struct sgx_enclave_create p = { .src = (uint64_t)&secs };

	secs.attributes.flags |= v->debug ? SGX_ATTR_DEBUG : 0;
	return ioc(v, fd, SGX_IOC_ENCLAVE_CREATE, &p);
}

long add(struct env *v, int fd, uint64_t offset, uint64_t pages, uint64_t flags, uint64_t *count)
{
	static uint8_t tcs[PAGE] __attribute__((aligned(4096)));
	struct sgx_secinfo secinfo = { .flags = flags };
	struct sgx_enclave_add_pages p = { .secinfo = (uint64_t)&secinfo, .flags = SGX_PAGE_MEASURE };
	uint64_t done = 0;
	long ret = 0;

	memcpy(tcs + 16, &(uint64_t){ 2 * PAGE }, 8);		/* OSSA */
	memcpy(tcs + 28, &(uint32_t){ 1 }, 4);			/* NSSA */
	memcpy(tcs + 32, &(uint64_t){ PAGE }, 8);		/* OENTRY */
	memset(tcs + 64, 0xff, 8);
	while (done < pages && !ret) {
		p.src = (uint64_t)(SGX_SECINFO_PT(flags) == SGX_PT_TCS ? tcs : source);
		p.offset = offset + done * PAGE;
		p.length = (SGX_SECINFO_PT(flags) == SGX_PT_TCS ? 1 : pages - done < 64 ? pages - done : 64) * PAGE;
		p.count = 0;
		ret = ioc(v, fd, SGX_IOC_ENCLAVE_ADD_PAGES, &p);
		done += p.count / PAGE;
		if (!ret && !p.count)
			break;
	}
	if (count)
		*count = done * PAGE;
	return ret;
}

struct encl *encl_of(struct env *v, int fd)
{
	struct encl *e;
	long error;

	drv_lock(v->d, v->tid);
	e = encl_attach(v->d, fd, &error);
	drv_unlock(v->d);
	return e;
}

void sigstruct_for(struct env *v, int fd, struct sgx_sigstruct *s)
{
	static const uint8_t header[16] = { 6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0 };
	static const uint8_t header2[16] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };
	const struct encl *e = encl_of(v, fd);
	const struct secs *secs = (const struct secs *)(e->section.mem + e->npages * PAGE);

	memset(s, 0, sizeof(*s));
	memcpy(s->header, header, 16);
	memcpy(s->header2, header2, 16);
	s->attributes = secs->attributes;
	sha256_state_final(s->enclavehash, secs->measure_state, secs->measure_blocks);
	fixture_sign(s, 0);
}

long init(struct env *v, int fd)
{
	struct sgx_sigstruct s;
	struct sgx_enclave_init p = { .sigstruct = (uint64_t)&s };

	sigstruct_for(v, fd, &s);
	return ioc(v, fd, SGX_IOC_ENCLAVE_INIT, &p);
}

int built(struct env *v, uint64_t *base)
{
	int fd = (int)drv_open(v->d, O_RDWR | O_CLOEXEC);

	*base = reserve(16 * PAGE);
	if (fd < 0 || create(v, fd, *base, 16 * PAGE) || add(v, fd, 0, 1, TCS, NULL) ||
	    add(v, fd, PAGE, 1, REG(SI_RX), NULL) || add(v, fd, 2 * PAGE, 1, REG(SI_RW), NULL) ||
	    add(v, fd, 3 * PAGE, 1, REG(SI_R), NULL) || init(v, fd)) {
		fprintf(stderr, "the test enclave can't be built\n");
		abort();
	}
	return fd;
}

long map(struct env *v, int fd, uint64_t addr, uint64_t size, int prot)
{
	return drv_mmap(v->d, v->tid, addr, size, (uint64_t)prot, MAP_SHARED | MAP_FIXED, fd, 0);
}

enum drv_fault_result touch(struct env *v, uint64_t addr, uint32_t access, struct exception *exc)
{
	*exc = (struct exception){ 0 };
	return drv_fault(v->d, v->tid, addr, access, true, exc);
}

bool readable(uint64_t addr)
{
	uint8_t byte;
	struct iovec l = { &byte, 1 }, r = { (void *)addr, 1 };

	return process_vm_readv(getpid(), &l, 1, &r, 1, 0) == 1;
}

bool writable(uint64_t addr)
{
	uint8_t byte;
	struct iovec l = { &byte, 1 }, r = { (void *)addr, 1 };

	return process_vm_readv(getpid(), &l, 1, &r, 1, 0) == 1 && process_vm_writev(getpid(), &l, 1, &r, 1, 0) == 1;
}

unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3;	/* ".", "..", and the directory */
}

unsigned mappings(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, name) != NULL;
	fclose(f);
	return n;
}

void eaccept(struct encl *e, uint64_t i)
{
	struct epcm_entry *p = &e->section.epcm[i];

	p->pending = p->modified = p->pr = false;
}
