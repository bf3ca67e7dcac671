/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sign key KEY - make a test key: RSA of 3072 bits with exponent 3.
 * sign enclave KEY ELF IMAGE [--threads=N] [--grow=PAGES] [--exinfo] - lay the enclave out, measure it, sign it.
 *
 * Layout: the ELF file from address 0; for each thread a hole of a page, stack, its page (protocol.h), SSA frames,
 * TCS; memory to grow into. A debug enclave, so that gdb can look into it.
 */
#include <elf.h>
#include <err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/core_names.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "protocol.h"

#define PAGE		4096
#define PAGES_MAX	256
#define STACK_PAGES	4
#define NSSA		3
#define THREAD_PAGES	(1 + STACK_PAGES + 1 + NSSA + 1)
#define SECINFO_REG	0x200
#define SECINFO_TCS	0x100
#define RW		3

struct page {
	uint64_t offset, secinfo;
	uint8_t bytes[PAGE];
};

/* DEBUG and MODE64BIT; x87 and SSE. */
static struct image image = { .magic = IMAGE_MAGIC, .attributes = 6, .xfrm = 3 };
static struct page pages[PAGES_MAX];
static unsigned count;

static void must(int ok, const char *what)
{
	if (!ok)
		errx(1, "%s failed", what);
}

static uint8_t *add(uint64_t offset, uint64_t secinfo)
{
	must(count < PAGES_MAX, "more pages");
	pages[count].offset = offset;
	pages[count].secinfo = secinfo;
	return pages[count++].bytes;
}

static void put(void *to, uint64_t value, unsigned size)
{
	memcpy(to, &value, size);
}

/* The segments of the ELF file; where they end. */
static uint64_t add_elf(const char *path, uint64_t *entry)
{
	static uint8_t file[PAGES_MAX * PAGE];
	const Elf64_Ehdr *ehdr = (const void *)file;
	uint64_t at, end = 0;
	FILE *f = fopen(path, "r");
	size_t size;
	int i;

	must(f != NULL, path);
	size = fread(file, 1, sizeof(file), f);
	fclose(f);
	must(size > sizeof(*ehdr) && size < sizeof(file) &&
	     ehdr->e_phoff + ehdr->e_phnum * sizeof(Elf64_Phdr) <= size, "reading the ELF file");
	*entry = ehdr->e_entry;
	for (i = 0; i < ehdr->e_phnum; i++) {
		const Elf64_Phdr *p = (const Elf64_Phdr *)(file + ehdr->e_phoff) + i;

		if (p->p_type != PT_LOAD)
			continue;
		must(p->p_vaddr % PAGE == 0 && p->p_vaddr == end && p->p_offset + p->p_filesz <= size,
		     "a segment");
		for (at = 0; at < p->p_memsz; at += PAGE) {
			uint64_t n = at < p->p_filesz ? p->p_filesz - at : 0;

			memcpy(add(end, SECINFO_REG | (p->p_flags & PF_X ? 5 : RW)), file + p->p_offset + at,
			       n < PAGE ? n : PAGE);
			end += PAGE;
		}
	}
	return end;
}

static uint64_t add_thread(uint64_t at, uint64_t entry, uint64_t heap, uint64_t heap_size)
{
	uint8_t *own, *tcs;
	uint64_t fs;
	int i;

	at += PAGE;			/* the hole: a stack that overflows faults */
	for (i = 0; i < STACK_PAGES; i++, at += PAGE)
		add(at, SECINFO_REG | RW);
	fs = at;
	own = add(at, SECINFO_REG | RW);
	put(own + THREAD_SIZE, image.size, 8);
	put(own + THREAD_HEAP, heap, 8);
	put(own + THREAD_HEAP_SIZE, heap_size, 8);
	at += PAGE;
	for (i = 0; i < NSSA; i++, at += PAGE)
		add(at, SECINFO_REG | RW);
	tcs = add(at, SECINFO_TCS);
	put(tcs + 16, fs + PAGE, 8);	/* OSSA, NSSA, OENTRY, OFSBASE, OGSBASE, limits */
	put(tcs + 28, NSSA, 4);
	put(tcs + 32, entry, 8);
	put(tcs + 48, fs, 8);
	put(tcs + 56, fs, 8);
	put(tcs + 64, 0xfff, 4);
	put(tcs + 68, 0xfff, 4);
	image.tcs[image.threads++] = at;
	return at + PAGE;
}

/* MRENCLAVE: what ECREATE, EADD and EEXTEND hash. */
static void measure(uint8_t digest[32])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t block[64] = "ECREATE";
	unsigned i, chunk;

	put(block + 8, 1, 4);
	put(block + 12, image.size, 8);
	EVP_DigestInit(hash, EVP_sha256());
	EVP_DigestUpdate(hash, block, 64);
	for (i = 0; i < count; i++) {
		memset(block, 0, 64);
		memcpy(block, "EADD", 5);
		put(block + 8, pages[i].offset, 8);
		put(block + 16, pages[i].secinfo, 8);
		EVP_DigestUpdate(hash, block, 64);
		for (chunk = 0; chunk < PAGE; chunk += 256) {
			memset(block, 0, 64);
			memcpy(block, "EEXTEND", 8);
			put(block + 8, pages[i].offset + chunk, 8);
			EVP_DigestUpdate(hash, block, 64);
			EVP_DigestUpdate(hash, pages[i].bytes + chunk, 256);
		}
	}
	EVP_DigestFinal(hash, digest, NULL);
	EVP_MD_CTX_free(hash);
}

/* SIGSTRUCT, with the quotients by which the processor checks the signature without dividing. */
static void sign(EVP_PKEY *key, uint8_t *s)
{
	static const uint8_t header[40] = { [0] = 6, [4] = 0xe1, [10] = 1, [24] = 1, 1, [28] = 0x60, [32] = 0x60,
					    [36] = 1 };
	uint8_t message[256], signature[384];
	size_t length = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	BN_CTX *bn = BN_CTX_new();
	BIGNUM *n = NULL, *sig, *q = BN_new(), *r = BN_new(), *t = BN_new();

	memcpy(s, header, sizeof(header));
	put(s + 900, image.miscselect, 4);
	put(s + 904, ~UINT32_C(0), 4);
	put(s + SIGSTRUCT_ATTRIBUTES, image.attributes, 8);
	put(s + SIGSTRUCT_ATTRIBUTES + 8, image.xfrm, 8);
	put(s + 944, ~UINT64_C(0), 8);
	put(s + 952, ~UINT64_C(0), 8);
	measure(s + SIGSTRUCT_ENCLAVEHASH);
	put(s + 1024, 1, 2);
	put(s + 1026, 1, 2);
	memcpy(message, s, 128);
	memcpy(message + 128, s + 900, 128);
	must(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestSign(context, signature, &length, message, sizeof(message)) == 1 && length == 384,
	     "signing");
	sig = BN_bin2bn(signature, 384, NULL);
	must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) && BN_bn2lebinpad(n, s + 128, 384) == 384 &&
	     BN_bn2lebinpad(sig, s + 516, 384) == 384, "key");
	put(s + 512, 3, 4);
	must(BN_sqr(t, sig, bn) && BN_div(q, r, t, n, bn) && BN_bn2lebinpad(q, s + 1040, 384) == 384, "Q1");
	must(BN_mul(t, r, sig, bn) && BN_div(q, r, t, n, bn) && BN_bn2lebinpad(q, s + 1424, 384) == 384, "Q2");
}

static void make_key(const char *path)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *key = NULL;
	FILE *f = fopen(path, "w");

	BN_set_word(e, 3);
	must(f && EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(context, 3072) == 1 &&
	     EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1 && EVP_PKEY_generate(context, &key) == 1 &&
	     PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && !fclose(f), "making a key");
}

/* Neighbours of the same kind are one segment; @grow pages behind them. */
static void find_segments(unsigned grow)
{
	unsigned i, n = 0;

	for (i = 0; i < count; i++) {
		if (n && pages[i].secinfo == image.segment[n - 1].secinfo &&
		    pages[i].offset == image.segment[n - 1].offset + image.segment[n - 1].pages * PAGE) {
			image.segment[n - 1].pages++;
			continue;
		}
		must(n < IMAGE_SEGMENTS - 1, "more segments");
		image.segment[n].offset = pages[i].offset;
		image.segment[n].secinfo = pages[i].secinfo;
		image.segment[n++].pages = 1;
	}
	if (grow) {
		image.segment[n].offset = pages[count - 1].offset + PAGE;
		image.segment[n++].pages = grow;
	}
	image.segments = n;
}

static void write_image(const char *path)
{
	FILE *f = fopen(path, "w");
	unsigned i;

	must(f && fwrite(&image, sizeof(image), 1, f) == 1, path);
	for (i = 0; i < count; i++)
		must(fwrite(pages[i].bytes, PAGE, 1, f) == 1, path);
	must(!fclose(f), path);
}

int main(int argc, char **argv)
{
	unsigned threads = 1, grow = 0;
	uint64_t entry, at, end;
	EVP_PKEY *key;
	FILE *f;
	int i;

	if (argc == 3 && !strcmp(argv[1], "key"))
		return make_key(argv[2]), 0;
	must(argc >= 5 && !strcmp(argv[1], "enclave"), "reading the arguments");
	for (i = 5; i < argc; i++)
		if (!strcmp(argv[i], "--exinfo"))
			image.miscselect = 1;
		else
			must(sscanf(argv[i], "--threads=%u", &threads) == 1 ||
			     sscanf(argv[i], "--grow=%u", &grow) == 1, argv[i]);
	must(threads >= 1 && threads <= IMAGE_THREADS, "--threads");
	f = fopen(argv[2], "r");
	key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	must(key != NULL, argv[2]);
	at = add_elf(argv[3], &entry);
	end = at + (uint64_t)threads * THREAD_PAGES * PAGE;
	for (image.size = 2 * PAGE; image.size < end + grow * (uint64_t)PAGE; image.size *= 2)
		;
	while (image.threads < threads)
		at = add_thread(at, entry, end, grow * (uint64_t)PAGE);
	find_segments(grow);
	sign(key, image.sigstruct);
	write_image(argv[4]);
	return 0;
}
