/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where control comes from elsewhere: the kernel starting softsgx-rt, the injector starting the runtime in a new
 * program, a helper process's first and last instructions.
 */
#include <asm/unistd.h>

#define INIT_STACK_SIZE	0x10000
#define MXCSR_DEFAULT	0x1f80
#define XCR0_BUT_PKRU	0xfffffdff	/* PKRU's initial configuration is not what Linux starts programs with */

	.text

	.globl	rt_exec_entry
	.type	rt_exec_entry, @function
rt_exec_entry:
	xor	%ebp, %ebp
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	rt_main
	ud2

/*
 * The first instruction of a new program: RSP is the program's initial stack, which the ABI does not let anyone write
 * below before the program does, so the runtime initialises on a stack of its own. At the end every register is what
 * the kernel had left: zero, the extended state in its initial configuration.
 */
	.globl	rt_entry
	.type	rt_entry, @function
rt_entry:
	lea	init_stack_top(%rip), %rsp
	xor	%ebp, %ebp
	call	rt_init
	xor	%ecx, %ecx
	xgetbv
	and	$XCR0_BUT_PKRU, %eax
	xrstor64 xstate_initial(%rip)
	pushq	$0x202
	popfq
	mov	$0, %eax
	mov	$0, %ebx
	mov	$0, %ecx
	mov	$0, %edx
	mov	$0, %esi
	mov	$0, %edi
	mov	$0, %r8d
	mov	$0, %r9d
	mov	$0, %r10d
	mov	$0, %r11d
	mov	$0, %r12d
	mov	$0, %r13d
	mov	$0, %r14d
	mov	$0, %r15d
	mov	$0, %ebp
	mov	rt_entry_rsp(%rip), %rsp
	jmp	*rt_entry_rip(%rip)

/*
 * long launch_clone(flags, stack_top, child_tid, function, argument): clone(2) whose child calls function(argument) on
 * its own stack. The function must not return.
 */
	.globl	launch_clone
	.type	launch_clone, @function
launch_clone:
	mov	%rcx, -16(%rsi)
	mov	%r8, -8(%rsi)
	sub	$16, %rsi
	mov	%rdx, %r10
	xor	%edx, %edx
	xor	%r8d, %r8d
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	pop	%rax
	pop	%rdi
	call	*%rax
	ud2

/* void launch_vanish(stack, size): unmaps the stack it runs on and ends the thread. */
	.globl	launch_vanish
	.type	launch_vanish, @function
launch_vanish:
	mov	$__NR_munmap, %eax
	syscall
	xor	%edi, %edi
	mov	$__NR_exit, %eax
	syscall
	ud2

	.section .rodata
	.balign	64
xstate_initial:				/* standard format, XSTATE_BV = 0: every component named in RFBM is initialised */
	.zero	24
	.long	MXCSR_DEFAULT
	.zero	576 - 28

	.bss
	.balign	16
	.zero	INIT_STACK_SIZE
init_stack_top:
	.globl	rt_entry_rip, rt_entry_rsp
rt_entry_rip:
	.zero	8
rt_entry_rsp:
	.zero	8
	.section .note.GNU-stack, "", @progbits
