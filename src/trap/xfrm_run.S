/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xfrm_run(operation, area, rfbm, live, components): see xfrm.h. Protection keys are part of the state: while the
 * program's are in force anything may fault, so nothing but registers is trusted between the guards.
 */
	.text
	.globl	xfrm_run, xfrm_guard, xfrm_guard_end, xfrm_guard_fault
	.type	xfrm_run, @function
xfrm_run:
	push	%rbx
	push	%r12
	sub	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	%rdx, %r9		/* RFBM */
	mov	%rcx, %rbx		/* live */
	xor	%r12d, %r12d
	bt	$9, %r8			/* PKRU */
	jnc	1f
	xor	%ecx, %ecx
	rdpkru
	mov	%eax, %r12d
1:	lea	table(%rip), %r10
	movslq	(%r10,%rdi,4), %r11
	add	%r10, %r11
	xor	%r10d, %r10d		/* the result */
	mov	%r8d, %eax
	mov	%r8, %rdx
	shr	$32, %rdx
xfrm_guard:
	xrstor64 (%rbx)
	mov	%r9d, %eax
	mov	%r9, %rdx
	shr	$32, %rdx
	jmp	*%r11
xsave:	xsave	(%rsi)
	jmp	2f
xsave64:
	xsave64	(%rsi)
	jmp	2f
xsavec:	xsavec	(%rsi)
	jmp	2f
xsavec64:
	xsavec64 (%rsi)
	jmp	2f
xsaveopt:
	xsaveopt (%rsi)
	jmp	2f
xsaveopt64:
	xsaveopt64 (%rsi)
	jmp	2f
xrstor:	xrstor	(%rsi)
	jmp	1f
xrstor64:
	xrstor64 (%rsi)
1:	mov	%r8d, %eax
	mov	%r8, %rdx
	shr	$32, %rdx
	xsave64	(%rbx)
xfrm_guard_end:
	jmp	2f
xfrm_guard_fault:			/* EAX: the vector */
	lea	1(%rax), %r10d
2:	bt	$9, %r8
	jnc	3f
	mov	%r12d, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
3:	fninit
	fldcw	4(%rsp)
	ldmxcsr	(%rsp)
	mov	%r10d, %eax
	add	$8, %rsp
	pop	%r12
	pop	%rbx
	ret
	.size	xfrm_run, . - xfrm_run

	.section .rodata
	.balign	4
table:	.long	xsave - table, xsave64 - table, xsavec - table, xsavec64 - table
	.long	xsaveopt - table, xsaveopt64 - table, xrstor - table, xrstor64 - table
	.section .note.GNU-stack, "", @progbits
