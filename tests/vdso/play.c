/* SPDX-License-Identifier: BSD-2-Clause */
/* See play.h. */
#include "play.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum vdso_version play_version;
const uint8_t *play_current;
struct sgx_enclave_run play_run;
struct sgx_enclave_run_v38 play_run38;
struct sgx_enclave_exception play_e;
uint64_t play_stack[3];
struct play_regs play_in, play_out, play_engine_regs, play_handler_regs;
play_script play_engine_script, play_handler_script;
int play_engine_calls, play_handler_calls;

void play_call(void *function);			/* play.S */
void play_engine_enter(void);
void play_handler_enter(void);

static const uint8_t *bind(uint8_t *image, size_t size)
{
	if (mprotect(image, size, PROT_READ | PROT_WRITE) ||
	    !vdso_bind(image, (uint64_t)image, (void *)getauxval(AT_SYSINFO_EHDR), (uint64_t)play_engine, 0) ||
	    mprotect(image, size, PROT_READ | PROT_EXEC))
		abort();
	return image;
}

void play_bytes(void *copy, size_t size)
{
	const struct vdso_image *bytes = &vdso_images[play_version];

	if ((size_t)(bytes->end - bytes->start) > size)
		abort();
	memcpy(copy, bytes->start, bytes->end - bytes->start);
}

const uint8_t *play_image(void)
{
	static const uint8_t *images[VDSO_VERSIONS];
	const struct vdso_image *bytes = &vdso_images[play_version];
	const uint8_t **image = &images[play_version];
	size_t size = bytes->end - bytes->start;
	uint8_t *copy;

	if (!*image) {
		copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (copy == MAP_FAILED)
			abort();
		*image = bind(memcpy(copy, bytes->start, size), size);
	}
	return *image;
}

void *play_handle(void)
{
	static const char *const files[VDSO_VERSIONS] = {
		VDSO_UPSTREAM_SO, VDSO_V28_SO, VDSO_V36_SO, VDSO_V38_SO, VDSO_NONE_SO,
	};

	return dlopen(files[play_version], RTLD_NOW | RTLD_LOCAL);
}

const uint8_t *play_dlopen(void)
{
	static const uint8_t *images[VDSO_VERSIONS];
	const uint8_t **image = &images[play_version];
	void *handle, *info;

	if (!*image) {
		handle = play_handle();
		info = handle ? dlsym(handle, "__softsgx_vdso_info") : NULL;
		if (!info)
			abort();
		*image = bind((uint8_t *)info - VDSO_INFO_OFFSET, 4096);
	}
	return *image;
}

uint64_t play_address(const uint8_t *image, uint32_t offset)
{
	return (uint64_t)(image + offset);
}

void play_start(void)
{
	uint64_t *r = (uint64_t *)&play_in.r;
	unsigned i;

	memset(&play_run, 0, sizeof(play_run));
	memset(&play_run38, 0, sizeof(play_run38));
	memset(&play_e, 0, sizeof(play_e));
	memset(play_stack, 0, sizeof(play_stack));
	play_run.tcs = play_run38.tcs = PLAY_TCS;
	switch (play_version) {
	case VDSO_V28:
	case VDSO_V36:
		play_stack[0] = PLAY_TCS;
		play_stack[1] = (uint64_t)&play_e;
		break;
	case VDSO_V38:
		play_stack[0] = (uint64_t)&play_run38;
		break;
	default:
		play_stack[0] = (uint64_t)&play_run;
	}
	for (i = 0; i < 16; i++)
		r[i] = UINT64_C(0x1111111111111111) * (i + 1) ^ 0x8000000000000000;
	play_leaf(2);
	play_in.r.rflags = 0x202;
	__asm__ volatile("fxsave64 %0" : "=m"(play_in.fx));
	for (i = 0; i < 256; i++)
		play_in.fx[X86_XSAVE_XMM0 + i] = (uint8_t)(i * 7 + 1);
	memset(&play_out, 0xee, sizeof(play_out));
	play_engine_script = play_handler_script = NULL;
	play_engine_calls = play_handler_calls = 0;
	play_current = play_image();
}

void play_leaf(uint64_t leaf)
{
	*(play_version == VDSO_V28 ? &play_in.r.rax : &play_in.r.rcx) = leaf;
}

void play_set_handler(uint64_t handler)
{
	if (play_version == VDSO_UPSTREAM)
		play_run.user_handler = handler;
	else if (play_version == VDSO_V38)
		play_run38.user_handler = handler;
	else
		play_stack[2] = handler;
}

void play_set_tcs(uint64_t tcs)
{
	if (play_version == VDSO_UPSTREAM)
		play_run.tcs = tcs;
	else if (play_version == VDSO_V38)
		play_run38.tcs = tcs;
	else
		play_stack[0] = tcs;
}

void play_each(enum vdso_version first, void (*body)(void))
{
	for (play_version = first; play_version <= VDSO_V38; play_version++)
		body();
	play_version = VDSO_UPSTREAM;
}

void play(void)
{
	play_call((void *)vdso_symbol(play_current, "__vdso_sgx_enter_enclave"));
}

void play_engine_enter(void)
{
	play_engine_calls++;
	play_engine_script(&play_engine_regs);
}

void play_handler_enter(void)
{
	play_handler_calls++;
	play_handler_script(&play_handler_regs);
}

void play_eexit(struct play_regs *regs)
{
	uint64_t aep = regs->r.rcx;

	regs->r.rax = 4;
	regs->r.rbx = regs->r.rip = aep + 3;
}

void play_exception(struct play_regs *regs)
{
	/* RAX, RBX, RCX: the leaf, the TCS and the AEP, as AEX loads them and as EENTER had them. */
	regs->r.rdi = 14;
	regs->r.rsi = 0x8007;
	regs->r.rdx = 0x7123000;
	regs->r.rip = play_address(play_current, vdso_info(play_current)->exception_pad);
}
