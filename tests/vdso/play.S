/* SPDX-License-Identifier: BSD-2-Clause */
/* Register-exact calls: see play.h. Offsets are those of struct cpu_regs; the FXSAVE image follows at FX. */
#define RAX	0
#define RCX	8
#define RDX	16
#define RBX	24
#define RSP	32
#define RBP	40
#define RSI	48
#define RDI	56
#define R8	64
#define R9	72
#define R10	80
#define R11	88
#define R12	96
#define R13	104
#define R14	112
#define R15	120
#define RFLAGS	128
#define RIP	136
#define FX	144

	.macro	save_all regs			/* but RFLAGS, RIP */
	mov	%rax, RAX+\regs(%rip)
	mov	%rcx, RCX+\regs(%rip)
	mov	%rdx, RDX+\regs(%rip)
	mov	%rbx, RBX+\regs(%rip)
	mov	%rsp, RSP+\regs(%rip)
	mov	%rbp, RBP+\regs(%rip)
	mov	%rsi, RSI+\regs(%rip)
	mov	%rdi, RDI+\regs(%rip)
	mov	%r8, R8+\regs(%rip)
	mov	%r9, R9+\regs(%rip)
	mov	%r10, R10+\regs(%rip)
	mov	%r11, R11+\regs(%rip)
	mov	%r12, R12+\regs(%rip)
	mov	%r13, R13+\regs(%rip)
	mov	%r14, R14+\regs(%rip)
	mov	%r15, R15+\regs(%rip)
	fxsave64 FX+\regs(%rip)
	.endm

	.macro	load_all regs			/* but RSP, RFLAGS, RIP */
	fxrstor64 FX+\regs(%rip)
	mov	RAX+\regs(%rip), %rax
	mov	RCX+\regs(%rip), %rcx
	mov	RDX+\regs(%rip), %rdx
	mov	RBX+\regs(%rip), %rbx
	mov	RBP+\regs(%rip), %rbp
	mov	RSI+\regs(%rip), %rsi
	mov	RDI+\regs(%rip), %rdi
	mov	R8+\regs(%rip), %r8
	mov	R9+\regs(%rip), %r9
	mov	R10+\regs(%rip), %r10
	mov	R11+\regs(%rip), %r11
	mov	R12+\regs(%rip), %r12
	mov	R13+\regs(%rip), %r13
	mov	R14+\regs(%rip), %r14
	mov	R15+\regs(%rip), %r15
	.endm

	.text
	/* void play_call(void *function) */
	.globl	play_call
	.type	play_call, @function
play_call:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	push	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	push	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	push	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	sub	$520, %rsp
	.cfi_adjust_cfa_offset 520
	fxsave64 (%rsp)
	mov	%rdi, .Lfunction(%rip)
	sub	$32, %rsp			/* the words lie at an address with the ABI's alignment */
	.cfi_adjust_cfa_offset 32
	.irp	i, 0, 8, 16
	mov	\i+play_stack(%rip), %rax
	mov	%rax, \i(%rsp)
	.endr
	mov	%rsp, play_call_stack(%rip)
	load_all play_in
	push	RFLAGS+play_in(%rip)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
	call	*.Lfunction(%rip)
	.globl	play_return_address
play_return_address:
	save_all play_out
	mov	play_call_stack(%rip), %rsp		/* a test may have sent the return through another frame */
	pushfq
	.cfi_adjust_cfa_offset 8
	pop	%rax
	.cfi_adjust_cfa_offset -8
	mov	%rax, RFLAGS+play_out(%rip)
	push	$0x202
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
	add	$32, %rsp
	.cfi_adjust_cfa_offset -32
	fxrstor64 (%rsp)
	add	$520, %rsp
	.cfi_adjust_cfa_offset -520
	pop	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	pop	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	pop	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	play_call, . - play_call

	.globl	play_engine
	.type	play_engine, @function
play_engine:
	save_all play_engine_regs
	lea	.Lengine_stack(%rip), %rsp
	pushfq
	pop	%rax
	mov	%rax, RFLAGS+play_engine_regs(%rip)
	cld
	call	play_engine_enter
	load_all play_engine_regs
	push	RFLAGS+play_engine_regs(%rip)
	popfq
	mov	RSP+play_engine_regs(%rip), %rsp
	jmp	*RIP+play_engine_regs(%rip)
	.size	play_engine, . - play_engine

	.globl	play_handler
	.type	play_handler, @function
play_handler:
	save_all play_handler_regs
	lea	.Lhandler_stack(%rip), %rsp
	pushfq
	pop	%rax
	mov	%rax, RFLAGS+play_handler_regs(%rip)
	cld
	call	play_handler_enter
	load_all play_handler_regs
	mov	RSP+play_handler_regs(%rip), %rsp
	ret
	.size	play_handler, . - play_handler

	.bss
	.balign	16
	.skip	65536
.Lengine_stack:
	.skip	65536
.Lhandler_stack:
.Lfunction:
	.skip	8
	.globl	play_call_stack
play_call_stack:
	.skip	8

	.section .note.GNU-stack, "", @progbits
