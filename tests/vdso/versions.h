/* SPDX-License-Identifier: BSD-2-Clause */
/* The stage of play.h for tests that run on v28, v36 and v38 alike: what is recorded, and the scripts that do it. */
#ifndef SOFTSGX_TESTS_VDSO_VERSIONS_H
#define SOFTSGX_TESTS_VDSO_VERSIONS_H

#include "play.h"

#include <string.h>

#define EINVAL_RAX	UINT64_C(0xFFFFFFEA)
#define EFAULT_RAX	UINT64_C(0xFFFFFFF2)
#define ALL(body)	play_each(VDSO_V28, body)

static struct play_regs at_entry[4], at_exit, at_handler;
static uint64_t handler_result[4], handler_stack[4], exit_rsp_offset;
static void (*at_exit_hook)(struct play_regs *regs);

static inline void record_entry(const struct play_regs *regs)
{
	if (play_engine_calls <= 4)
		at_entry[play_engine_calls - 1] = *regs;
}

static inline void leave(struct play_regs *regs)
{
	regs->r.rsp -= exit_rsp_offset;
	if (at_exit_hook)
		at_exit_hook(regs);
	at_exit = *regs;
}

static inline void eexit(struct play_regs *regs)
{
	record_entry(regs);
	play_eexit(regs);
	leave(regs);
}

static inline void exception(struct play_regs *regs)
{
	record_entry(regs);
	play_exception(regs);
	leave(regs);
}

/* Returns the results in handler_result, one a call. */
static inline void handler(struct play_regs *regs)
{
	at_handler = *regs;
	memcpy(handler_stack, (const void *)regs->r.rsp, sizeof(handler_stack));
	regs->r.rax = handler_result[play_handler_calls - 1];
}

static inline void start(play_script engine)
{
	play_start();
	memset(handler_result, 0, sizeof(handler_result));
	exit_rsp_offset = 0;
	at_exit_hook = NULL;
	play_engine_script = engine;
	play_handler_script = handler;
}

static inline void start_with_handler(play_script engine)
{
	start(engine);
	play_set_handler((uint64_t)play_handler);
}

static inline bool keeps_rbx(void)
{
	return play_version != VDSO_V28;
}

static inline bool has_run(void)
{
	return play_version == VDSO_V38;
}

static inline void new_registers(struct play_regs *regs)
{
	uint64_t *r = &regs->r.r8;
	unsigned i;

	for (i = 0; i < 8; i++)
		r[i] = 0x4040404040404040 + i;
	regs->r.rdx = 0xd0d0;
	regs->r.rsi = 0x5050;
	regs->r.rdi = 0xd1d1;
	regs->r.rflags |= X86_FLAGS_DF;
	for (i = 0; i < 256; i++)
		regs->fx[X86_XSAVE_XMM0 + i] = (uint8_t)~i;
	*(uint32_t *)(regs->fx + X86_XSAVE_MXCSR) = 0x1FB0;
}

#endif
