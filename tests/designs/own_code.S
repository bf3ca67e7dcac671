/* SPDX-License-Identifier: BSD-2-Clause */
/* See own.h. */
#define R(n) 16+8*n
#define RFLAGS 144
#define OUT 152
#define STACK 160
#define MXCSR 168

	.text
	.globl	own_call
	.type	own_call, @function
own_call:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	push	%fs:own_current@tpoff
	mov	%rdi, %fs:own_current@tpoff
	mov	%rsp, STACK(%rdi)
	sub	$8, %rsp
	mov	%rsp, 8(%rdi)
	mov	(%rdi), %rax
	mov	%rax, -8(%rsp)
	push	RFLAGS(%rdi)
	popfq
	mov	%rax, -8(%rsp)		/* in the red zone, which no signal touches */
	mov	R(0)(%rdi), %rax
	mov	R(1)(%rdi), %rcx
	mov	R(2)(%rdi), %rdx
	mov	R(3)(%rdi), %rbx
	mov	R(5)(%rdi), %rbp
	mov	R(6)(%rdi), %rsi
	mov	R(8)(%rdi), %r8
	mov	R(9)(%rdi), %r9
	mov	R(10)(%rdi), %r10
	mov	R(11)(%rdi), %r11
	mov	R(12)(%rdi), %r12
	mov	R(13)(%rdi), %r13
	mov	R(14)(%rdi), %r14
	mov	R(15)(%rdi), %r15
	mov	R(7)(%rdi), %rdi
	jmp	*-8(%rsp)

landed:	/* Nothing is written to the stack: an ERESUME brings RSP of the EENTER, from another depth of calls. */
	mov	%rdi, %fs:own_rdi@tpoff
	mov	%fs:own_current@tpoff, %rdi
	mov	%rax, R(0)(%rdi)
	mov	%rcx, R(1)(%rdi)
	mov	%rdx, R(2)(%rdi)
	mov	%rbx, R(3)(%rdi)
	mov	%rbp, R(5)(%rdi)
	mov	%rsi, R(6)(%rdi)
	mov	%r8, R(8)(%rdi)
	mov	%r9, R(9)(%rdi)
	mov	%r10, R(10)(%rdi)
	mov	%r11, R(11)(%rdi)
	mov	%r12, R(12)(%rdi)
	mov	%r13, R(13)(%rdi)
	mov	%r14, R(14)(%rdi)
	mov	%r15, R(15)(%rdi)
	mov	%rsp, R(4)(%rdi)
	mov	STACK(%rdi), %rsp
	pushfq
	pop	RFLAGS(%rdi)
	mov	%fs:own_rdi@tpoff, %rax
	mov	%rax, R(7)(%rdi)
	mov	%fs:own_where@tpoff, %rax
	mov	%rax, OUT(%rdi)
	stmxcsr	MXCSR(%rdi)
	fnstcw	MXCSR+4(%rdi)
	pop	%fs:own_current@tpoff
	push	$0x202			/* DF and AC may be the enclave's */
	popfq
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	own_call, . - own_call

	.macro	SITE id, bytes:vararg
	.balign	16
enclu_\id:
	.byte	\bytes
next_\id:
	movq	$\id, %fs:own_where@tpoff
	jmp	landed
	.pushsection .data.rel.ro
	.quad	enclu_\id
	.popsection
	.endm

	.section .data.rel.ro, "aw"
	.balign	8
	.globl	own_enclu
own_enclu:
	.text
	SITE	0, 0x0f, 0x01, 0xd7
	SITE	1, 0x0f, 0x01, 0xd7
	SITE	2, 0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7
	SITE	3, 0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7
	SITE	4, 0x3e, 0x0f, 0x01, 0xd7
	SITE	5, 0x3e, 0x3e, 0x0f, 0x01, 0xd7
	SITE	6, 0x3e, 0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7
	SITE	7, 0x2e, 0x2e, 0x2e, 0x0f, 0x01, 0xd7
	SITE	8, 0x67, 0x0f, 0x01, 0xd7
	SITE	9, 0x48, 0x0f, 0x01, 0xd7
	SITE	10, 0x3e, 0x3e, 0x3e, 0x48, 0x0f, 0x01, 0xd7
	SITE	11, 0x3e, 0x3e, 0x2e, 0x0f, 0x01, 0xd7
	.globl	own_counting
own_counting:
	lock incq own_count(%rip)
	SITE	12, 0x0f, 0x01, 0xd7

	.macro	LANDING name, id
	.globl	\name
\name:
	movq	$\id, %fs:own_where@tpoff
	jmp	landed
	.endm
	LANDING	own_out, 13
	LANDING	own_abandon, 14
	LANDING	own_fixed, 15
	.globl	own_resumes
own_resumes:
	lock incq own_resumed(%rip)
	mov	$3, %eax
	jmp	enclu_0

	.section .data.rel.ro, "aw"
	.globl	own_next
own_next:
	.irp	id, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
	.quad	next_\id
	.endr

	.section .tbss, "awT", @nobits
	.balign	8
own_current:				/* the struct of the innermost call of this thread */
	.zero	8
own_rdi:
	.zero	8
own_where:
	.zero	8

	.bss
	.balign	8
	.globl	own_count, own_resumed
own_count:
	.zero	8
own_resumed:
	.zero	8
	.section .note.GNU-stack, "", @progbits
