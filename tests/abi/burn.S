/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Computations over every register that an enclave has, as code for the scratch page that also runs outside:
 * burn_3, burn_7, burn_e7 by the XFRM they need. Entry: RSI = struct burn (burn.h), RCX = where to go with EAX = 4,
 * RBX = RCX through the address in burn.exit. RSP and RBP come back as they were; meanwhile
 * the stack is a few words of struct burn, where no signal frame would fit.
 */
#define B_GPR		0
#define B_EXIT		128
#define B_FLAGS		136
#define B_SAVE		144
#define B_X87		256
#define B_K		384
#define B_VECTOR	512
#define B_STACK_TOP	3840

	.macro	mix_general
	add	%rbx, %rax
	rol	$7, %rbx
	adc	%rdx, %rcx
	imul	%r9, %r8
	add	%r8, %r9
	xor	%r11, %r10
	lea	(%r11,%r12,2), %r11
	sub	%rdi, %rsi
	sbb	%rbp, %rdi
	bswap	%r12
	add	%rax, %r12
	rcl	$3, %r13
	adc	%r13, %r14
	ror	$11, %rbp
	adc	%r14, %rbp
	add	%rcx, %rdx
	adc	$1, %rsi
	fabs
	fsqrt
	fadd	%st(1), %st
	fincstp
	.endm

	.macro	mix_sse
	.irp	i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	paddd	%xmm0, %xmm\i
	pxor	%xmm\i, %xmm0
	.endr
	pmuludq	%xmm1, %xmm2
	.endm

	.macro	mix_avx
	.irp	i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vpaddd	%ymm0, %ymm\i, %ymm\i
	vpxor	%ymm\i, %ymm0, %ymm0
	.endr
	vpmuludq %ymm1, %ymm2, %ymm2
	.endm

	.macro	mix_avx512
	.irp	i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vpaddd	%zmm0, %zmm\i, %zmm\i
	vpxord	%zmm\i, %zmm0, %zmm0
	.endr
	.irp	i, 1, 2, 3, 4, 5, 6
	kxorw	%k7, %k\i, %k\i
	kshiftlw $1, %k7, %k0
	kxnorw	%k\i, %k0, %k7
	.endr
	vpaddd	%zmm1, %zmm2, %zmm2{%k3}
	.endm

	.macro	burn name, mix, load, save
	.text
	.balign	16
	.globl	\name, \name\()_end
\name:
	mov	%rsp, B_SAVE(%rsi)
	mov	%rbp, B_SAVE+8(%rsi)
	mov	%rcx, B_SAVE+16(%rsi)
	lea	B_STACK_TOP(%rsi), %rsp
	push	%rsi
	fninit
	.set	i, 0
	.rept	8
	fldl	B_X87 + i * 8(%rsi)
	.set	i, i + 1
	.endr
	\load
	mov	B_GPR+0(%rsi), %rax
	mov	B_GPR+8(%rsi), %rbx
	mov	B_GPR+16(%rsi), %rcx
	mov	B_GPR+24(%rsi), %rdx
	mov	B_GPR+40(%rsi), %rdi
	mov	B_GPR+48(%rsi), %rbp
	mov	B_GPR+56(%rsi), %r8
	mov	B_GPR+64(%rsi), %r9
	mov	B_GPR+72(%rsi), %r10
	mov	B_GPR+80(%rsi), %r11
	mov	B_GPR+88(%rsi), %r12
	mov	B_GPR+96(%rsi), %r13
	mov	B_GPR+104(%rsi), %r14
	mov	B_GPR+112(%rsi), %r15
	mov	B_GPR+32(%rsi), %rsi
1:	mix_general
	\mix
	dec	%r15
	jnz	1b
	push	%rsi
	mov	8(%rsp), %rsi
	mov	%rax, B_GPR+0(%rsi)
	mov	%rbx, B_GPR+8(%rsi)
	mov	%rcx, B_GPR+16(%rsi)
	mov	%rdx, B_GPR+24(%rsi)
	mov	%rdi, B_GPR+40(%rsi)
	mov	%rbp, B_GPR+48(%rsi)
	mov	%r8, B_GPR+56(%rsi)
	mov	%r9, B_GPR+64(%rsi)
	mov	%r10, B_GPR+72(%rsi)
	mov	%r11, B_GPR+80(%rsi)
	mov	%r12, B_GPR+88(%rsi)
	mov	%r13, B_GPR+96(%rsi)
	mov	%r14, B_GPR+104(%rsi)
	mov	%r15, B_GPR+112(%rsi)
	pushfq
	pop	B_FLAGS(%rsi)
	pop	B_GPR+32(%rsi)
	.set	i, 0
	.rept	8
	fstpl	B_X87 + i * 8(%rsi)
	.set	i, i + 1
	.endr
	\save
	mov	B_EXIT(%rsi), %rax
	mov	B_SAVE(%rsi), %rsp
	mov	B_SAVE+8(%rsi), %rbp
	mov	B_SAVE+16(%rsi), %rcx
	mov	%rcx, %rbx
	mov	%rax, %rdx
	mov	$4, %eax
	jmp	*%rdx
\name\()_end:
	.endm

	.macro	load_sse
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	B_VECTOR+\i*64(%rsi), %xmm\i
	.endr
	.endm
	.macro	save_sse
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movdqu	%xmm\i, B_VECTOR+\i*64(%rsi)
	.endr
	.endm
	.macro	load_avx
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	B_VECTOR+\i*64(%rsi), %ymm\i
	.endr
	.endm
	.macro	save_avx
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovdqu	%ymm\i, B_VECTOR+\i*64(%rsi)
	.endr
	.endm
	.macro	load_avx512
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 B_VECTOR+\i*64(%rsi), %zmm\i
	.endr
	.irp	i, 1, 2, 3, 4, 5, 6, 7
	kmovw	B_K+\i*8(%rsi), %k\i
	.endr
	.endm
	.macro	save_avx512
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vmovdqu64 %zmm\i, B_VECTOR+\i*64(%rsi)
	.endr
	.irp	i, 1, 2, 3, 4, 5, 6, 7
	kmovw	%k\i, B_K+\i*8(%rsi)
	.endr
	.endm

	burn	burn_3, mix_sse, load_sse, save_sse
	burn	burn_7, mix_avx, load_avx, save_avx
	burn	burn_e7, mix_avx512, load_avx512, save_avx512

/* void burn_outside(code, struct burn *) */
	.text
	.globl	burn_outside
	.type	burn_outside, @function
burn_outside:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	lea	burn_outside_exit(%rip), %rax
	mov	%rax, B_EXIT(%rsi)
	lea	1f(%rip), %rcx
	jmp	*%rdi
1:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
burn_outside_exit:
	jmp	*%rbx
	.size	burn_outside, . - burn_outside
	.section .note.GNU-stack, "", @progbits
