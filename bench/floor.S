/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * floor_roundtrip(state): what an entry and an exit cannot do without, and nothing else: no check, no lookup. FS and GS
 * out and in, the owner word, the words that the architecture wants in TCS and SSA, one indirect jump each way.
 *   state: 0 owner word, 8 tid, 16 TCS.AEP, 24 URSP, 32 URBP, 40 outside FS, 48 outside GS, 56 inside FS, 64 inside GS,
 *          72 in-enclave flag, 80 selector, 88 address of the "enclave"
 */
	.text
	.globl	floor_roundtrip, floor_enclave
	.type	floor_roundtrip, @function
	.balign	64
floor_roundtrip:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	lea	floor_out(%rip), %rbx
	mov	8(%rdi), %rsi
	xor	%eax, %eax
	lock cmpxchg %rsi, (%rdi)
	mov	%rbx, 16(%rdi)
	mov	%rsp, 24(%rdi)
	mov	%rbp, 32(%rdi)
	rdfsbase %rdx
	mov	%rdx, 40(%rdi)
	rdgsbase %rdx
	mov	%rdx, 48(%rdi)
	movb	$1, 80(%rdi)
	movq	$1, 72(%rdi)
	mov	56(%rdi), %rdx
	wrfsbase %rdx
	mov	64(%rdi), %rdx
	wrgsbase %rdx
	jmp	*88(%rdi)
floor_enclave:
	mov	40(%rdi), %rcx
	wrfsbase %rcx
	mov	48(%rdi), %rcx
	wrgsbase %rcx
	movb	$0, 80(%rdi)
	movq	$0, 72(%rdi)
	movq	$0, (%rdi)
	jmp	*%rbx
floor_out:
	pop	%rbx
	pop	%rbp
	ret
	.size	floor_roundtrip, . - floor_roundtrip
	.section .note.GNU-stack, "", @progbits
