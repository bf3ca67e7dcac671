/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The code of the test enclave, position-independent. Entry: RDI = operation, RSI = address of the argument array
 * (uint64_t[16], host memory), the stack is the caller's. R12..R15, RBX's callee part and RBP survive an exit.
 *
 *   0 TE_NOP     leave at once
 *   1 TE_RUN     call the enclave address a[0] with RAX..R9 = a[1..]: see te_run(); results back in place
 *   2 TE_READ    a[1] = 8 bytes at a[0]
 *   3 TE_WRITE   8 bytes at a[0] = a[1]
 *   4 TE_COPY    copy a[2] bytes from a[1] to a[0]
 *   5 TE_SPIN    count in a[1] until the word at a[0] is not 0
 *   6 TE_SUM     a[1] rounds of a multiply-add chain from a[0], result in a[0]
 *   7 TE_LEAF    ENCLU with RAX = a[0], RBX = a[1], RCX = a[2], RDX = a[3]; RAX and RFLAGS back in a[0], a[4]
 *   8 TE_JUMP    jump to RDX at once, with every register but flags as the entry left it; at CSSA > 0 too
 *   9 TE_XSAVE32 .. 14 TE_XGETBV: a[0] = area, a[1] = mask. Before it, XRSTOR64 from a[2] with mask a[3], unless a[2]
 *                is 0; behind it, XSAVE64 to a[4] with mask a[5], unless a[4] is 0. TE_XGETBV: ECX = a[1]; a[0] = EAX,
 *                a[1] = EDX. The addressing forms differ on purpose. Leaves with MXCSR and x87 in their initial state.
 *  15 TE_CPUID   CPUID with EAX = a[0], ECX = a[1]; EAX, ECX back
 * On an entry with CSSA > 0 (a handler): add a[1] to the word at a[0], and leave: RIP of the frame below, say.
 */
	.section .rodata
	.balign 4096
	.globl	te_code_start, te_code_end, te_code_eexit
te_code_start:
	cmp	$8, %edi
	je	op_jump
	mov	%rcx, %r10
	test	%rax, %rax
	jnz	op_handler
	test	%edi, %edi
	jz	op_exit
	lea	table(%rip), %r11
	cmp	$15, %edi
	ja	op_exit
	movslq	(%r11,%rdi,4), %rax
	add	%r11, %rax
	jmp	*%rax

	.balign 8
table:	.long	op_exit - table, op_run - table, op_read - table, op_write - table, op_copy - table, op_spin - table
	.long	op_sum - table, op_leaf - table, op_exit - table, op_xsave32 - table, op_xsave - table
	.long	op_xsavec - table, op_xsaveopt - table, op_xrstor - table, op_xgetbv - table, op_cpuid - table

op_exit:
	mov	$4, %eax
	mov	%r10, %rbx
te_code_eexit:
	.byte	0x0f, 0x01, 0xd7
	endbr64
	ud2

op_jump:
	jmp	*%rdx

op_handler:
	mov	(%rsi), %rax
	mov	8(%rsi), %rdx
	add	%rdx, (%rax)
	jmp	op_exit

op_run:
	push	%rbp
	push	%r10
	push	%rsi
	mov	(%rsi), %rbp
	mov	8(%rsi), %rax
	mov	16(%rsi), %rbx
	mov	24(%rsi), %rcx
	mov	32(%rsi), %rdx
	mov	40(%rsi), %rdi
	mov	48(%rsi), %r8
	mov	56(%rsi), %r9
	call	*%rbp
	pop	%rsi
	mov	%rax, 8(%rsi)
	mov	%rbx, 16(%rsi)
	mov	%rcx, 24(%rsi)
	mov	%rdx, 32(%rsi)
	mov	%rdi, 40(%rsi)
	mov	%r8, 48(%rsi)
	mov	%r9, 56(%rsi)
	pushfq
	pop	64(%rsi)
	pop	%r10
	pop	%rbp
	jmp	op_exit

op_read:
	mov	(%rsi), %rax
	mov	(%rax), %rax
	mov	%rax, 8(%rsi)
	jmp	op_exit

op_write:
	mov	(%rsi), %rax
	mov	8(%rsi), %rdx
	mov	%rdx, (%rax)
	jmp	op_exit

op_copy:
	mov	(%rsi), %rdi
	mov	16(%rsi), %rcx
	mov	8(%rsi), %rsi
	rep movsb
	jmp	op_exit

op_spin:
	mov	(%rsi), %rax
1:	incq	8(%rsi)
	pause
	cmpq	$0, (%rax)
	je	1b
	jmp	op_exit

op_sum:
	mov	(%rsi), %rax
	mov	8(%rsi), %rcx
	mov	$0x5851f42d4c957f2d, %rdx
1:	imul	%rdx, %rax
	add	$12345, %rax
	dec	%rcx
	jnz	1b
	mov	%rax, (%rsi)
	jmp	op_exit

op_leaf:
	push	%r10
	push	%rsi
	mov	(%rsi), %rax
	mov	8(%rsi), %rbx
	mov	16(%rsi), %rcx
	mov	24(%rsi), %rdx
	.byte	0x0f, 0x01, 0xd7
	pop	%rsi
	mov	%rax, (%rsi)
	pushfq
	pop	32(%rsi)
	pop	%r10
	jmp	op_exit

	.macro	MASK index
	mov	8*\index(%rsi), %eax
	mov	8*\index+4(%rsi), %edx
	.endm

x_before:				/* RDI: area, EDX:EAX: mask */
	mov	16(%rsi), %rdi
	test	%rdi, %rdi
	jz	1f
	MASK	3
	xrstor64 (%rdi)
1:	mov	(%rsi), %rdi
	MASK	1
	ret

op_xsave32:
	call	x_before
	rdgsbase %r8
	sub	%r8, %rdi
	xsave	%gs:(%rdi)
	jmp	x_after
op_xsave:
	call	x_before
	.globl	te_code_xsave, te_code_xrstor
te_code_xsave:
	xsave64	(%rdi)
	jmp	x_after
op_xsavec:
	call	x_before
	lea	-0x12345678(%rdi), %r9
	xsavec64 0x12345678(%r9)
	jmp	x_after
op_xsaveopt:
	call	x_before
	mov	$5, %r9d
	sub	$64 + 40, %rdi
	xsaveopt64 64(%rdi,%r9,8)
	jmp	x_after
op_xrstor:
	call	x_before
	mov	%rdi, %r8
te_code_xrstor:
	xrstor64 (%r8)
	jmp	x_after
op_xgetbv:
	call	x_before
	mov	8(%rsi), %ecx
	xgetbv
	mov	%rax, (%rsi)
	mov	%rdx, 8(%rsi)
	jmp	x_after
op_cpuid:
	mov	(%rsi), %eax
	mov	8(%rsi), %ecx
	.globl	te_code_cpuid
te_code_cpuid:
	cpuid
	mov	%rax, (%rsi)
	mov	%rcx, 8(%rsi)
	jmp	op_exit
x_after:
	mov	32(%rsi), %rdi
	test	%rdi, %rdi
	jz	1f
	MASK	5
	xsave64	(%rdi)
1:	fninit
	ldmxcsr	x_mxcsr(%rip)
	jmp	op_exit
	.balign	4
x_mxcsr: .long	0x1f80
	.balign 4096
te_code_end:

/* int te_enter(fn, op, args, leaf, run): the vDSO call, with all callee-saved registers kept whatever happens inside. */
	.text
	.globl	te_enter
	.type	te_enter, @function
te_enter:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	push	$0
	push	%r8
	xor	%edx, %edx
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	call	*%rax
	lea	-48(%rbp), %rsp
	ldmxcsr	(%rsp)
	fnclex				/* AEX-13: a #MF inside is pending outside too */
	fldcw	4(%rsp)
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	push	$0x202			/* DF and AC may be the enclave's */
	popfq
	ret
	.size	te_enter, . - te_enter

/* void te_raw(regs): EENTER or ERESUME by an ENCLU of our own. regs: RAX RBX RCX RDX RSI RDI R8 R9, in and out, RFLAGS out. */
	.globl	te_raw, te_raw_enclu, te_raw_aep, te_raw_out
	.type	te_raw, @function
te_raw:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdi
	mov	%rdi, %r11
	mov	(%r11), %rax
	mov	8(%r11), %rbx
	mov	16(%r11), %rcx
	mov	24(%r11), %rdx
	mov	32(%r11), %rsi
	mov	40(%r11), %rdi
	mov	48(%r11), %r8
	mov	56(%r11), %r9
te_raw_enclu:
	.byte	0x0f, 0x01, 0xd7
te_raw_out:
	mov	(%rsp), %r11
	mov	%rax, (%r11)
	mov	%rbx, 8(%r11)
	mov	%rcx, 16(%r11)
	mov	%rdx, 24(%r11)
	mov	%rsi, 32(%r11)
	mov	%rdi, 40(%r11)
	mov	%r8, 48(%r11)
	mov	%r9, 56(%r11)
	pushfq
	pop	64(%r11)
	pop	%rdi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	push	$0x202			/* DF and AC may be the enclave's */
	popfq
	ret
te_raw_aep:
	.byte	0x0f, 0x01, 0xd7
	ud2
	.size	te_raw, . - te_raw
	.section .note.GNU-stack, "", @progbits
