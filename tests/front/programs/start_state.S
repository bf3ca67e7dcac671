/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A static program without a libc: exit status 0 if the first instruction finds what the kernel leaves -- registers
 * zero, flags clear, extended state in its initial configuration, an aligned stack -- else the number of the check.
 */
#include <asm/unistd.h>

	.macro	check number
	jz	1f
	mov	$\number, %edi
	jmp	quit
1:
	.endm

	.text
	.globl	_start
_start:
	pushfq
	popq	flags
	test	%rax, %rax
	check	1
	test	%rbx, %rbx
	check	2
	test	%rcx, %rcx
	check	3
	test	%rdx, %rdx
	check	4
	test	%rsi, %rsi
	check	5
	test	%rdi, %rdi
	check	6
	test	%rbp, %rbp
	check	7
	mov	%r8, %rax
	or	%r9, %rax
	or	%r10, %rax
	or	%r11, %rax
	check	8
	mov	%r12, %rax
	or	%r13, %rax
	or	%r14, %rax
	or	%r15, %rax
	check	9
	mov	flags, %rax
	cmp	$0x202, %rax
	check	10
	test	$15, %rsp
	check	11
	stmxcsr	scratch
	cmpl	$0x1f80, scratch
	check	12
	fnstcw	scratch
	cmpw	$0x37f, scratch
	check	13
	mov	%gs, %eax
	mov	%fs, %ecx
	or	%ecx, %eax
	check	14
	fxsave64 area
	cld
	lea	area + 160, %rdi	/* XMM0..15 */
	mov	$32, %ecx
	xor	%eax, %eax
	repe scasq
	check	15
	cmpb	$0, area + 4		/* no x87 register in use */
	check	16
	cmpq	$1, (%rsp)		/* argc */
	check	17
	xor	%edi, %edi
quit:	mov	$__NR_exit_group, %eax
	syscall
	ud2

	.bss
	.balign	64
area:	.zero	512
flags:	.zero	8
scratch: .zero	8
	.section .note.GNU-stack, "", @progbits
