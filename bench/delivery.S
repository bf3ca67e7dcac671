/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One exception after the other, or one OCALL after the other, in each design of doc/exceptions.md. bench_left counts
 * down; at zero the loop is left.
 */
#define EENTER	2
#define ERESUME	3
#define ENCLU	.byte 0x0f, 0x01, 0xd7
#define PREFIX	.byte 0x3e, 0x3e, 0x3e		/* C2-5 */

	.macro	BEGIN name
	.globl	\name
	.type	\name, @function
	.balign	64
\name:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, bench_rsp(%rip)
	.endm

	/* Whatever the enclave left in them: AEX has changed more than a caller in C expects. */
	.macro	END name
	mov	bench_rsp(%rip), %rsp
	ldmxcsr	mxcsr_initial(%rip)
	fninit
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	\name, . - \name
	.endm

	.text
/* void bench_vdso(fn, op, args, leaf, stack): any version: leaf in EAX and ECX, stack[0..2] as stack arguments. */
	BEGIN	bench_vdso
	mov	%rdi, %r11
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%ecx, %eax
	push	16(%r8)
	push	8(%r8)
	push	(%r8)
	call	*%r11
	END	bench_vdso

/* The handler for all versions: RDI is the enclave's operation at the next EENTER. */
	.globl	bench_handler
	.type	bench_handler, @function
bench_handler:
	decq	bench_left(%rip)
	jz	1f
	mov	bench_leaf(%rip), %eax
	xor	%edi, %edi
	ret
1:	xor	%eax, %eax
	ret
	.size	bench_handler, . - bench_handler

/* void bench_enclu(tcs, op, args): one ENCLU is EENTER, ERESUME and AEP; what catches its exceptions is bench_fault. */
	BEGIN	bench_enclu
	mov	%rdi, %rbx
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	$EENTER, %eax
again:
	lea	bench_enclu_insn(%rip), %rcx
	.globl	bench_enclu_insn, bench_fault, bench_enclu_out
bench_enclu_insn:
	ENCLU
	decq	bench_left(%rip)		/* EEXIT: an OCALL, made and answered */
	jz	bench_enclu_out
	mov	bench_tcs(%rip), %rbx
	xor	%edi, %edi
	mov	$EENTER, %eax
	jmp	again
bench_fault:					/* C1-4: RAX, RBX, RCX are as ERESUME wants them */
	decq	bench_left(%rip)
	jnz	bench_enclu_insn
bench_enclu_out:
	END	bench_enclu

/* void bench_prefix(tcs, op, args): C2-3, two prefixed ENCLUs with a landing pad each. */
	BEGIN	bench_prefix
	mov	%rdi, %rbx
	mov	%rsi, %rdi
	mov	%rdx, %rsi
1:	lea	prefix_aep(%rip), %rcx
	mov	$EENTER, %eax
	PREFIX
	ENCLU
	cmp	$4, %eax			/* EEXIT, or EFAULT of the EENTER */
	jne	2f
	decq	bench_left(%rip)
	jz	2f
	mov	bench_tcs(%rip), %rbx
	xor	%edi, %edi
	jmp	1b
prefix_aep:
	PREFIX
	ENCLU
	decq	bench_left(%rip)
	jz	2f
	mov	$ERESUME, %eax
	jmp	prefix_aep
2:
	END	bench_prefix

/* void bench_step(count): 2 * count instructions. */
	.globl	bench_step, bench_step_end
	.type	bench_step, @function
bench_step:
1:	dec	%rdi
	jnz	1b
	ret
bench_step_end:
	.size	bench_step, . - bench_step

	.section .rodata
	.balign	4
mxcsr_initial:	.long 0x1f80
	.bss
	.globl	bench_left, bench_leaf, bench_tcs
	.balign	8
bench_left:	.quad 0
bench_leaf:	.quad 0
bench_tcs:	.quad 0
bench_rsp:	.quad 0
	.section .note.GNU-stack, "", @progbits
