/* SPDX-License-Identifier: BSD-2-Clause */
/* See vdso_call.h. */
#define _GNU_SOURCE
#include "designs/vdso_call.h"
#include "harness.h"

#include <stdlib.h>
#include <sys/auxv.h>

struct te dv_te;
const struct vdso_info *dv_info;

static const uint8_t *live_image(void)
{
	return (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
}

/* The images differ in the function's code. */
static bool find_version(void)
{
	const uint8_t *live = live_image();

	dv_info = live ? vdso_info(live) : NULL;
	for (play_version = VDSO_UPSTREAM; dv_info && play_version < VDSO_VERSIONS; play_version++) {
		const uint8_t *image = vdso_images[play_version].start;

		if (vdso_info(image)->enter_end == dv_info->enter_end &&
		    !memcmp(image + dv_info->enter, live + dv_info->enter, dv_info->enter_end - dv_info->enter))
			return true;
	}
	return false;
}

bool dv_ready(void)
{
	if (!dv_te.size && (!find_version() || te_build(&dv_te, &(struct te_options){ .tcs = 4, .nssa = 3 }))) {
		test_fail(__FILE__, __LINE__, "no image, or no enclave");
		return false;
	}
	return true;
}

uint64_t dv_address(uint32_t offset)
{
	return (uint64_t)live_image() + offset;
}

void dv_start(const uint8_t *code, const uint8_t *end, uint64_t rsi)
{
	if (end - code > 2048)
		abort();
	play_start();
	play_current = live_image();
	memcpy((void *)dv_te.scratch, code, (size_t)(end - code));
	play_set_tcs(dv_te.tcs[0]);
	play_in.r.rdi = TE_JUMP;
	play_in.r.rsi = rsi;
	play_in.r.rdx = dv_te.scratch;
	play_in.r.r8 = 0;
	play_in.r.r9 = dv_te.eexit;
}

/* An ERESUME does not note the caller's stack, so the code finds the vDSO's frame below RSP at the call, *R8. */
SNIPPET(snip_leave, "mov (%r8), %rax; lea -16(%rax), %rbp; lea -24(%rax), %rsp;" DV_LEAVE);

void dv_leave(void)
{
	struct sgx_gprsgx *g = (void *)te_gpr(&dv_te, 0, 0);

	dv_start(snip_leave, snip_leave, 0);
	memcpy((void *)(dv_te.scratch + 3072), snip_leave, (size_t)(snip_leave_end - snip_leave));
	g->rip = dv_te.scratch + 3072;
	g->rcx = dv_address(dv_info->eexit_pad);
	g->r8 = (uint64_t)&play_call_stack;
	g->r9 = dv_te.eexit;
	g->rflags = 0x202;
	play_leaf(ERESUME);
	play();
	EXPECT_EEXIT();
}

struct dv_exit dv_exit(void)
{
	struct dv_exit x = { 0 };

	switch (play_version) {
	case VDSO_UPSTREAM:
		x.exception = play_run.function != EEXIT;
		x.leaf = x.exception ? play_run.function : 0;
		x.vector = play_run.exception_vector;
		x.error_code = play_run.exception_error_code;
		x.address = play_run.exception_addr;
		break;
	case VDSO_V38:
		x.exception = play_run38.exit_reason;
		x.leaf = play_run38.exception.leaf;
		x.vector = play_run38.exception.trapnr;
		x.error_code = play_run38.exception.error_code;
		x.address = play_run38.exception.address;
		break;
	default:
		x.exception = play_e.leaf;	/* 0 unless there was one, since play_start() */
		x.leaf = play_e.leaf;
		x.vector = play_e.trapnr;
		x.error_code = play_e.error_code;
		x.address = play_e.address;
	}
	return x;
}

bool dv_has_run(void)
{
	return play_version == VDSO_V38 || play_version == VDSO_UPSTREAM;
}

uint64_t dv_result(void)
{
	return dv_has_run() ? 0 : 0xfffffff2;
}

void dv_expect(const char *file, int line, uint32_t leaf, unsigned vector, unsigned error_code, uint64_t address)
{
	struct dv_exit x = dv_exit();

	if (!x.exception || x.leaf != leaf || x.vector != vector || x.error_code != error_code ||
	    x.address != address || play_out.r.rax != dv_result())
		test_fail(file, line, "exception %d, leaf %u, vector %u, error %x, address %llx, RAX %llx", x.exception,
			  x.leaf, x.vector, x.error_code, (unsigned long long)x.address,
			  (unsigned long long)play_out.r.rax);
}

void dv_expect_eexit(const char *file, int line)
{
	struct dv_exit x = dv_exit();

	if (x.exception || play_out.r.rax)
		test_fail(file, line, "leaf %u, vector %u, error %x, address %llx, RAX %llx", x.leaf, x.vector,
			  x.error_code, (unsigned long long)x.address, (unsigned long long)play_out.r.rax);
}

struct dv_any dv_any(void)
{
	return (struct dv_any){
		.fn = dv_address(dv_info->enter), .rdi = play_in.r.rdi, .rsi = play_in.r.rsi, .rdx = play_in.r.rdx,
		.leaf = EENTER, .r8 = play_in.r.r8, .r9 = play_in.r.r9,
		.stack = { play_stack[0], play_stack[1], play_stack[2] },
	};
}

uint64_t dv_call(const struct dv_any *a)
{
	void *fn = (void *)a->fn;
	int result;

	switch (play_version) {
	case VDSO_V28:
		return dv_call28(a);
	case VDSO_V36:
		result = ((vdso_sgx_enter_enclave_v36_t)fn)(a->rdi, a->rsi, a->rdx, (unsigned)a->leaf, a->r8, a->r9,
			(void *)a->stack[0], (void *)a->stack[1], (sgx_enclave_exit_handler_v36_t)a->stack[2]);
		break;
	case VDSO_V38:
		result = ((vdso_sgx_enter_enclave_v38_t)fn)(a->rdi, a->rsi, a->rdx, (unsigned)a->leaf, a->r8, a->r9,
			(void *)a->stack[0]);
		break;
	default:
		result = ((vdso_sgx_enter_enclave_t)fn)(a->rdi, a->rsi, a->rdx, (unsigned)a->leaf, a->r8, a->r9,
			(void *)a->stack[0]);
	}
	return (uint32_t)result;
}
