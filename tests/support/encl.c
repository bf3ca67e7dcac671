/* SPDX-License-Identifier: BSD-2-Clause */
/* See encl.h. */
#define _GNU_SOURCE
#include "support/encl.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi/sgx_2018.h"

void fixture_sign(struct sgx_sigstruct *s, unsigned signer);	/* tests/isa/sign.c */

const void *te_vdso_code(uint64_t *size)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)image;
	const Elf64_Phdr *phdr;
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;
	uint32_t i;

	if (!image)
		return NULL;
	phdr = (const void *)(image + ehdr->e_phoff);
	for (i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(image + phdr[i].p_offset);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = (const void *)(image + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (const void *)(image + dyn->d_un.d_ptr);
	}
	for (i = 0; sym && str && hash && i < hash[1]; i++)
		if (!strcmp(str + sym[i].st_name, "__vdso_sgx_enter_enclave") && sym[i].st_value)
			return *size = sym[i].st_size, image + sym[i].st_value;
	return NULL;
}

vdso_sgx_enter_enclave_t te_vdso(void)
{
	uint64_t size;

	return (vdso_sgx_enter_enclave_t)(uintptr_t)te_vdso_code(&size);
}

struct builder {
	struct te *te;
	EVP_MD_CTX *hash;
	uint64_t offset;		/* where the next page goes */
	enum te_2018 abi;
};

static void record(struct builder *b, const char tag[8], uint64_t a, uint64_t c, const void *rest, size_t size)
{
	uint8_t block[64] = { 0 };

	memcpy(block, tag, 8);
	memcpy(block + 8, &a, 8);
	memcpy(block + 16, &c, 8);
	if (rest)
		memcpy(block + 16, rest, size);
	EVP_DigestUpdate(b->hash, block, sizeof(block));
}

/* Success means that the page is queued. */
static int add_queued(struct builder *b, const struct sgx_enclave_add_pages *pages)
{
	const unsigned long cmd = b->abi == TE_2018_RFC ? SGX_RFC_ADD_PAGE : SGX_2018_ADD_PAGE;
	struct sgx_2018_add_page add = {
		.addr = b->te->base + pages->offset, .src = pages->src, .secinfo = pages->secinfo,
		.mrmask = pages->flags & SGX_PAGE_MEASURE ? 0xffff : 0,
	};

	for (; add.addr < b->te->base + pages->offset + pages->length; add.addr += SGX_PAGE_SIZE) {
		if (ioctl(b->te->fd, cmd, &add)) {
			perror("SGX_2018_ADD_PAGE");
			return -errno;
		}
		add.src += SGX_PAGE_SIZE;
	}
	return 0;
}

static int add(struct builder *b, const void *src, uint64_t pages, uint64_t secinfo_flags, bool measure)
{
	struct sgx_secinfo secinfo __attribute__((aligned(64))) = { .flags = secinfo_flags };
	struct sgx_enclave_add_pages add = {
		.src = (uintptr_t)src, .offset = b->offset, .length = pages * SGX_PAGE_SIZE,
		.secinfo = (uintptr_t)&secinfo, .flags = measure ? SGX_PAGE_MEASURE : 0,
	};
	uint64_t page, chunk;

	if (b->abi) {
		int ret = add_queued(b, &add);

		if (ret)
			return ret;
		add.length = 0;
	}
	while (add.length) {
		if (ioctl(b->te->fd, SGX_IOC_ENCLAVE_ADD_PAGES, &add) && errno != EINTR) {
			perror("SGX_IOC_ENCLAVE_ADD_PAGES");
			return -errno;
		}
		add.src += add.count;
		add.offset += add.count;
		add.length -= add.count;
	}
	for (page = 0; page < pages; page++) {
		const uint8_t *bytes = (const uint8_t *)src + page * SGX_PAGE_SIZE;
		uint64_t at = b->offset + page * SGX_PAGE_SIZE;

		record(b, "EADD\0\0\0", at, 0, &secinfo, 48);
		for (chunk = 0; measure && chunk < SGX_PAGE_SIZE; chunk += 256) {
			record(b, "EEXTEND", at + chunk, 0, NULL, 0);
			EVP_DigestUpdate(b->hash, bytes + chunk, 256);
		}
	}
	b->offset += pages * SGX_PAGE_SIZE;
	return 0;
}

static int add_tcs(struct builder *b, const struct te_options *o)
{
	struct te *te = b->te;
	uint64_t frames = (uint64_t)o->nssa * o->ssaframesize, i;
	struct sgx_tcs *tcs = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	uint8_t *zero = aligned_alloc(SGX_PAGE_SIZE, frames * SGX_PAGE_SIZE);
	int ret = 0;

	memset(zero, 0, frames * SGX_PAGE_SIZE);
	for (i = 0; i < te->tcs_count && !ret; i++) {
		te->tcs[i] = te->base + b->offset;
		te->ssa[i] = te->tcs[i] + SGX_PAGE_SIZE;
		memset(tcs, 0, sizeof(*tcs));
		tcs->ossa = te->ssa[i] - te->base;
		tcs->nssa = o->nssa;
		tcs->flags = o->tcs_flags;
		tcs->oentry = te->code - te->base;
		if (o->last_entry && i == te->tcs_count - 1)
			tcs->oentry = te->scratch - te->base + o->last_entry;
		tcs->fslimit = tcs->gslimit = 0xfff;
		tcs->ofsbasgx = te->data - te->base;
		tcs->ogsbasgx = te->data - te->base;
		ret = add(b, tcs, 1, SGX_SECINFO_OF_PT(SGX_PT_TCS), true);
		if (!ret)
			ret = add(b, zero, frames, SGX_SECINFO_OF_PT(SGX_PT_REG) | 3, true);
	}
	free(tcs);
	free(zero);
	return ret;
}

static int add_segments(struct builder *b, const struct te_options *o)
{
	uint64_t reg = SGX_SECINFO_OF_PT(SGX_PT_REG);
	void *zero;
	int ret;

	ret = add_tcs(b, o);
	if (!ret)
		ret = add(b, te_code_start, (uint64_t)(te_code_end - te_code_start) / SGX_PAGE_SIZE, reg | 5, true);
	zero = mmap(NULL, (o->heap_pages + 1) * SGX_PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (!ret)
		ret = add(b, zero, 1, reg | 3, true);
	if (!ret)
		ret = add(b, zero, 1, reg | 7, true);
	if (!ret && o->heap_pages)
		ret = add(b, zero, o->heap_pages, reg | 3, o->heap_measured);
	munmap(zero, (o->heap_pages + 1) * SGX_PAGE_SIZE);
	return ret;
}

static int init(struct builder *b, const struct te_options *o)
{
	struct sgx_sigstruct *s = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	struct sgx_enclave_init init = { .sigstruct = (uintptr_t)s };
	static const uint8_t header[16] = { 6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t header2[16] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };
	int ret = 0;

	memset(s, 0, sizeof(*s));
	memcpy(s->header, header, 16);
	memcpy(s->header2, header2, 16);
	EVP_DigestFinal_ex(b->hash, b->te->mrenclave, NULL);
	memcpy(s->enclavehash, b->te->mrenclave, 32);
	s->attributes.flags = SGX_ATTR_MODE64BIT | o->attributes;
	s->attributes.xfrm = o->xfrm;
	s->miscselect = o->miscselect;
	s->isvprodid = 1;
	s->isvsvn = 2;
	fixture_sign(s, 0);
	if (o->save_sigstruct) {
		FILE *f = fopen(o->save_sigstruct, "w");

		fwrite(s, sizeof(*s), 1, f);
		fclose(f);
	}
	if (b->abi) {
		struct sgx_2018_init old = { .addr = b->te->base, .sigstruct = (uintptr_t)s };

		ret = ioctl(b->te->fd, b->abi == TE_2018_RFC ? SGX_RFC_INIT : SGX_2018_INIT, &old);
		if (ret)
			fprintf(stderr, "SGX_2018_INIT: %d\n", ret);
		ret = ret < 0 ? -errno : -ret;
	} else if (ioctl(b->te->fd, SGX_IOC_ENCLAVE_INIT, &init)) {
		ret = -errno;
		perror("SGX_IOC_ENCLAVE_INIT");
	}
	free(s);
	return ret;
}

static int map(struct te *te, uint64_t addr, uint64_t size, int prot)
{
	if (size && mmap((void *)addr, size, prot, MAP_SHARED | MAP_FIXED, te->fd, 0) == MAP_FAILED) {
		perror("mmap of the enclave");
		return -errno;
	}
	return 0;
}

static void layout(struct te *te, const struct te_options *o)
{
	uint64_t pages, code = (uint64_t)(te_code_end - te_code_start);

	te->ssaframe = o->ssaframesize * SGX_PAGE_SIZE;
	te->code = te->tcs_count * (SGX_PAGE_SIZE + o->nssa * te->ssaframe);
	te->eexit = te->code + (uint64_t)(te_code_eexit - te_code_start);
	te->data = te->code + code;
	te->scratch = te->data + SGX_PAGE_SIZE;
	te->heap = te->scratch + SGX_PAGE_SIZE;
	te->hole = te->heap + o->heap_pages * SGX_PAGE_SIZE;
	pages = te->hole + o->hole_pages * SGX_PAGE_SIZE;
	for (te->size = 2 * SGX_PAGE_SIZE; te->size < pages; te->size *= 2)
		;
}

/* In 2018 the enclave's own mapping comes first, and the kernel aligns it. */
static int reserve(struct te *te, uint64_t wanted, enum te_2018 abi)
{
	uint8_t *area = abi ? mmap(NULL, te->size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, te->fd, 0) :
			mmap(NULL, 2 * te->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t aligned = ((uintptr_t)area + te->size - 1) & ~(te->size - 1);

	if (area == MAP_FAILED)
		return -errno;
	if (!abi) {
		munmap(area, aligned - (uintptr_t)area);
		munmap((void *)(aligned + te->size), (uintptr_t)area + te->size - aligned);
	}
	te->base = wanted ? wanted : aligned;
	te->code += te->base;
	te->eexit += te->base;
	te->data += te->base;
	te->scratch += te->base;
	te->heap += te->base;
	te->hole += te->base;
	return 0;
}

int te_build(struct te *te, const struct te_options *options)
{
	struct te_options o = options ? *options : (struct te_options){ 0 };
	struct builder b = { .te = te };
	unsigned long cmd = SGX_IOC_ENCLAVE_CREATE;
	struct sgx_secs *secs;
	struct sgx_enclave_create create;
	int ret;

	memset(te, 0, sizeof(*te));
	te->tcs_count = o.tcs ? o.tcs : 1;
	o.nssa = o.nssa ? o.nssa : 2;
	o.ssaframesize = o.ssaframesize ? o.ssaframesize : 1;
	o.xfrm = o.xfrm ? o.xfrm : 3;
	layout(te, &o);
	te->vdso = te_vdso();
	b.abi = o.abi;
	te->fd = open(o.abi ? "/dev/sgx" : "/dev/sgx_enclave", O_RDWR | O_CLOEXEC);
	if (te->fd < 0) {
		ret = -errno;
		perror("the device");
		return ret;
	}
	ret = reserve(te, o.base, o.abi);
	if (ret)
		return ret;
	secs = aligned_alloc(SGX_PAGE_SIZE, SGX_PAGE_SIZE);
	memset(secs, 0, sizeof(*secs));
	secs->size = te->size;
	secs->baseaddr = te->base;
	secs->ssaframesize = o.ssaframesize;
	secs->miscselect = o.miscselect;
	secs->attributes.flags = SGX_ATTR_MODE64BIT | o.attributes;
	secs->attributes.xfrm = o.xfrm;
	create.src = (uintptr_t)secs;
	if (o.abi)
		cmd = o.abi == TE_2018_RFC ? SGX_RFC_CREATE : SGX_2018_CREATE;
	if (ioctl(te->fd, cmd, &create)) {
		ret = -errno;
		perror("CREATE");
		free(secs);
		return ret;
	}
	free(secs);
	b.hash = EVP_MD_CTX_new();
	EVP_DigestInit_ex(b.hash, EVP_sha256(), NULL);
	{
		uint8_t block[64] = { 0 };
		uint32_t frame = o.ssaframesize;

		memcpy(block, "ECREATE", 8);
		memcpy(block + 8, &frame, 4);
		memcpy(block + 12, &te->size, 8);
		EVP_DigestUpdate(b.hash, block, sizeof(block));
	}
	ret = o.premap_heap ? map(te, te->heap, te->hole - te->heap, PROT_READ | PROT_WRITE | PROT_EXEC) : 0;
	if (!ret)
		ret = add_segments(&b, &o);
	if (!ret)
		ret = init(&b, &o);
	EVP_MD_CTX_free(b.hash);
	if (ret || o.no_map || o.abi)
		return ret;
	ret = map(te, te->base, te->code - te->base, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = map(te, te->code, te->data - te->code, PROT_READ | PROT_EXEC);
	if (!ret)
		ret = map(te, te->data, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = map(te, te->scratch, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (!ret && !o.premap_heap)
		ret = map(te, te->heap, te->hole - te->heap, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = map(te, te->hole, o.hole_pages * SGX_PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	return ret;
}

void te_destroy(struct te *te)
{
	munmap((void *)te->base, te->size);
	close(te->fd);
	te->fd = -1;
}

int te_call(struct te *te, unsigned tcs, uint64_t op, uint64_t *args, struct sgx_enclave_run *run)
{
	memset(run, 0, sizeof(*run));
	run->tcs = te->tcs[tcs];
	return te_enter(te->vdso, op, args, EENTER, run);
}

int te_resume(struct te *te, struct sgx_enclave_run *run)
{
	return te_enter(te->vdso, 0, NULL, ERESUME, run);
}

/*
 * The frame is the enclave's memory, open from outside where nothing isolates it. An ERESUME does not note the caller's
 * stack, so the code finds the vDSO's frame from where te_vcall() stood (R8: its struct).
 */
SNIPPET(snip_leave, "mov 72(%r8), %rax; lea -16(%rax), %rbp; lea -24(%rax), %rsp; mov $4, %eax; mov %rcx, %rbx; jmp *%r9");

int te_leave(struct te *te, unsigned tcs)
{
	struct sgx_enclave_run run = { .tcs = te->tcs[tcs] };
	struct te_vcall v = { .fn = (uintptr_t)te->vdso, .run = &run, .rcx = ERESUME };
	struct sgx_gprsgx *g = (void *)te_gpr(te, tcs, 0);
	const uint8_t *enclu = (const uint8_t *)v.fn;

	while (memcmp(enclu, "\x0f\x01\xd7", 3))
		enclu++;
	memcpy((void *)(te->scratch + 3072), snip_leave, (size_t)(snip_leave_end - snip_leave));
	g->rip = te->scratch + 3072;
	g->rcx = (uintptr_t)enclu + 3;
	g->r8 = (uintptr_t)&v;
	g->r9 = te->eexit;
	g->rflags = 0x202;
	te_vcall(&v);
	return run.function == EEXIT ? 0 : -1;
}

uint64_t te_load(struct te *te, unsigned offset, const void *code, uint64_t size)
{
	uint64_t args[16] = { te->scratch + offset, (uintptr_t)code, size };
	struct sgx_enclave_run run;

	te_call(te, 0, TE_COPY, args, &run);
	return te->scratch + offset;
}
