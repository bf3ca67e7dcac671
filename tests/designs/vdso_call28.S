/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int dv_call28(fn, rdi, rsi, rdx, leaf, r8, r9, stack): what a program in C needs to call v28's function (C3-1, C3-5).
 * Of the callee-saved registers it keeps RBX only, which the function loses; the enclave answers for the others.
 */
	.text
	.globl	dv_call28
	.type	dv_call28, @function
dv_call28:
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	sub	$8, %rsp			/* the three words at an address with the ABI's alignment */
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %r10
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8d, %eax
	mov	%r9, %r8
	mov	24(%rsp), %r9
	mov	32(%rsp), %rcx
	push	16(%rcx)
	.cfi_adjust_cfa_offset 8
	push	8(%rcx)
	.cfi_adjust_cfa_offset 8
	push	(%rcx)
	.cfi_adjust_cfa_offset 8
	call	*%r10
	add	$32, %rsp
	.cfi_adjust_cfa_offset -32
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
	.cfi_endproc
	.size	dv_call28, . - dv_call28
	.section .note.GNU-stack, "", @progbits
