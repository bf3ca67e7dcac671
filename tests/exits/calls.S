/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of the vDSO function, of any version, and ENCLUs of our own, every register given and read back. */
#define X_FN		0
#define X_STACK		8
#define X_RAX		32
#define X_RBX		40
#define X_RCX		48
#define X_RDX		56
#define X_RSI		64
#define X_RDI		72
#define X_RBP		80
#define X_RSP		88
#define X_R8		96
#define X_R9		104
#define X_R10		112
#define X_R11		120
#define X_R12		128
#define X_R13		136
#define X_R14		144
#define X_R15		152
#define X_RFLAGS	160
#define X_LEVEL		168
#define X_MXCSR		176
#define X_MXCSR_OUT	180
#define X_FS		184
#define X_K		192
#define X_VECTOR	256

#define F_X		24	/* our frame: three words for the callee, then this */
#define F_MXCSR		32
#define F_FCW		36
#define F_FN		40
#define F_SIZE		56

	.macro	move_vectors load
	cmpq	$7, X_LEVEL(%rdi)
	ja	2f
	je	1f
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if	\load
	movdqu	X_VECTOR+64*\i(%rdi), %xmm\i
	.else
	movdqu	%xmm\i, X_VECTOR+64*\i(%rdi)
	.endif
	.endr
	jmp	3f
1:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.if	\load
	vmovdqu	X_VECTOR+64*\i(%rdi), %ymm\i
	.else
	vmovdqu	%ymm\i, X_VECTOR+64*\i(%rdi)
	.endif
	.endr
	jmp	3f
2:
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	.if	\load
	vmovdqu64 X_VECTOR+64*\i(%rdi), %zmm\i
	.else
	vmovdqu64 %zmm\i, X_VECTOR+64*\i(%rdi)
	.endif
	.endr
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	.if	\load
	kmovw	X_K+8*\i(%rdi), %k\i
	.else
	kmovw	%k\i, X_K+8*\i(%rdi)
	.endif
	.endr
3:
	.endm

	.macro	exact name, enter:vararg
	.text
	.globl	\name
	.type	\name, @function
\name:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$F_SIZE, %rsp
	stmxcsr	F_MXCSR(%rsp)
	fnstcw	F_FCW(%rsp)
	mov	%rdi, F_X(%rsp)
	.irp	i, 0, 8, 16
	mov	X_STACK+\i(%rdi), %rax
	mov	%rax, \i(%rsp)
	.endr
	mov	X_FN(%rdi), %rax
	mov	%rax, F_FN(%rsp)
	mov	%rsp, X_RSP(%rdi)
	move_vectors 1
	ldmxcsr	X_MXCSR(%rdi)
	mov	X_RAX(%rdi), %rax
	mov	X_RBX(%rdi), %rbx
	mov	X_RCX(%rdi), %rcx
	mov	X_RDX(%rdi), %rdx
	mov	X_RSI(%rdi), %rsi
	mov	X_RBP(%rdi), %rbp
	mov	X_R8(%rdi), %r8
	mov	X_R9(%rdi), %r9
	mov	X_R10(%rdi), %r10
	mov	X_R11(%rdi), %r11
	mov	X_R12(%rdi), %r12
	mov	X_R13(%rdi), %r13
	mov	X_R14(%rdi), %r14
	mov	X_R15(%rdi), %r15
	pushq	X_RFLAGS(%rdi)
	popfq
	mov	X_RDI(%rdi), %rdi
	\enter
	.globl	\name\()_out
\name\()_out:
	mov	%rdi, F_FN(%rsp)
	mov	F_X(%rsp), %rdi
	pushfq
	pop	X_RFLAGS(%rdi)
	pushq	$0x202			/* DF and AC may be the enclave's */
	popfq
	mov	%rax, X_RAX(%rdi)
	mov	%rbx, X_RBX(%rdi)
	mov	%rcx, X_RCX(%rdi)
	mov	%rdx, X_RDX(%rdi)
	mov	%rsi, X_RSI(%rdi)
	mov	%rbp, X_RBP(%rdi)
	mov	%r8, X_R8(%rdi)
	mov	%r9, X_R9(%rdi)
	mov	%r10, X_R10(%rdi)
	mov	%r11, X_R11(%rdi)
	mov	%r12, X_R12(%rdi)
	mov	%r13, X_R13(%rdi)
	mov	%r14, X_R14(%rdi)
	mov	%r15, X_R15(%rdi)
	mov	F_FN(%rsp), %rax
	mov	%rax, X_RDI(%rdi)
	mov	%rsp, %rax
	sub	X_RSP(%rdi), %rax
	mov	%rax, X_RSP(%rdi)
	stmxcsr	X_MXCSR_OUT(%rdi)
	move_vectors 0
	ldmxcsr	F_MXCSR(%rsp)
	fnclex				/* AEX-13: a #MF inside is pending outside too */
	fldcw	F_FCW(%rsp)
	add	$F_SIZE, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	\name, . - \name
	.endm

	exact	exact_vdso, call *F_FN(%rsp)

	.macro	own_enclu
	.globl	exact_raw_enclu
exact_raw_enclu:
	.byte	0x0f, 0x01, 0xd7
	.endm
	exact	exact_raw, own_enclu

	.macro	prefixed_enclu		/* C2-5 */
	.byte	0x3e, 0x3e, 0x3e, 0x0f, 0x01, 0xd7
	.endm
	exact	exact_prefixed, prefixed_enclu
	.globl	exact_prefixed_aep
exact_prefixed_aep:
	prefixed_enclu
	jmp	exact_prefixed_out	/* C2-3: where the fix-up leads */

	.globl	exact_raw_aep
exact_raw_aep:
	.byte	0x0f, 0x01, 0xd7
	ud2

/* EEXIT may land anywhere: from here to where it usually lands, behind the AEP. */
	.globl	exact_other_pad
exact_other_pad:
	lea	3(%rcx), %rcx
	jmp	*%rcx

/* A user handler of any version: EENTER again as often as the counter says; keeps all registers but RAX. */
	.globl	exact_handler
	.type	exact_handler, @function
exact_handler:
	xor	%eax, %eax
	cmpl	$0, exact_handler_count(%rip)
	je	1f
	decl	exact_handler_count(%rip)
	mov	$2, %eax
1:	ret
	.size	exact_handler, . - exact_handler

/*
 * A user handler (B.4): calls a function of the program, then enters again with the registers of a struct exact or leaves
 * as the function says. run->user_data: struct exact_ocall.
 */
	.text
	.globl	exact_ocall_handler
	.type	exact_ocall_handler, @function
exact_ocall_handler:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	mov	16(%rbp), %rdi
	mov	32(%rdi), %rdi
	mov	%rdi, %rbx
	and	$-16, %rsp
	call	*(%rdi)
	mov	8(%rbx), %rdi
	move_vectors 1
	mov	X_RDX(%rdi), %rdx
	mov	X_RSI(%rdi), %rsi
	mov	X_R8(%rdi), %r8
	mov	X_R9(%rdi), %r9
	mov	X_R10(%rdi), %r10
	mov	X_R11(%rdi), %r11
	mov	X_RDI(%rdi), %rdi
	lea	-8(%rbp), %rsp
	pop	%rbx
	pop	%rbp
	ret
	.size	exact_ocall_handler, . - exact_ocall_handler

	.bss
	.balign	8
	.globl	exact_handler_count
exact_handler_count:
	.zero	8
	.section .note.GNU-stack, "", @progbits
