/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of __vdso_sgx_enter_enclave and its user handler, register by register: see encl.h. */
	.text
	.globl	te_vcall
	.type	te_vcall, @function
te_vcall:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$24, %rsp		/* 0 run, 8 v, 16 mxcsr, 20 fcw */
	stmxcsr	16(%rsp)
	fnstcw	20(%rsp)
	mov	%rdi, 8(%rsp)
	mov	8(%rdi), %rax
	mov	%rax, (%rsp)
	mov	%rsp, 72(%rdi)
	mov	(%rdi), %rax
	push	144(%rdi)
	popfq
	mov	24(%rdi), %rbx
	mov	32(%rdi), %rcx
	mov	40(%rdi), %rdx
	mov	48(%rdi), %rsi
	mov	64(%rdi), %rbp
	mov	80(%rdi), %r8
	mov	88(%rdi), %r9
	mov	96(%rdi), %r10
	mov	104(%rdi), %r11
	mov	112(%rdi), %r12
	mov	120(%rdi), %r13
	mov	128(%rdi), %r14
	mov	136(%rdi), %r15
	mov	56(%rdi), %rdi
	call	*%rax
	pushfq
	xchg	%rdi, 16(%rsp)		/* v; the value of RDI in its place */
	pop	144(%rdi)
	mov	%rax, 16(%rdi)
	mov	%rbx, 24(%rdi)
	mov	%rcx, 32(%rdi)
	mov	%rdx, 40(%rdi)
	mov	%rsi, 48(%rdi)
	mov	8(%rsp), %rax
	mov	%rax, 56(%rdi)
	mov	%rbp, 64(%rdi)
	mov	%rsp, %rax
	sub	72(%rdi), %rax
	mov	%rax, 72(%rdi)
	mov	%r8, 80(%rdi)
	mov	%r9, 88(%rdi)
	mov	%r10, 96(%rdi)
	mov	%r11, 104(%rdi)
	mov	%r12, 112(%rdi)
	mov	%r13, 120(%rdi)
	mov	%r14, 128(%rdi)
	mov	%r15, 136(%rdi)
	stmxcsr	152(%rdi)
	fnstcw	156(%rdi)
	push	$0x202			/* DF and AC may be the enclave's */
	popfq
	ldmxcsr	16(%rsp)
	fnclex				/* AEX-13: a #MF inside is pending outside too */
	fldcw	20(%rsp)
	add	$24, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	te_vcall, . - te_vcall

	.globl	te_handler
	.type	te_handler, @function
te_handler:
	lea	te_seen(%rip), %rax
	mov	%rbx, (%rax)
	mov	%rcx, 8(%rax)
	mov	%rdx, 16(%rax)
	mov	%rsi, 24(%rax)
	mov	%rdi, 32(%rax)
	mov	%r8, 40(%rax)
	mov	%r9, 48(%rax)
	mov	%r10, 56(%rax)
	mov	%r11, 64(%rax)
	mov	%r12, 72(%rax)
	mov	%r13, 80(%rax)
	mov	%r14, 88(%rax)
	mov	%r15, 96(%rax)
	pushfq
	pop	104(%rax)
	mov	%rsp, 112(%rax)
	mov	8(%rsp), %rcx
	mov	%rcx, 120(%rax)
	incq	128(%rax)
	mov	te_handler_result(%rip), %eax
	ret
	.size	te_handler, . - te_handler

	.bss
	.balign	8
	.globl	te_seen, te_handler_result
te_seen:
	.zero	136
te_handler_result:
	.zero	8
	.section .note.GNU-stack, "", @progbits
