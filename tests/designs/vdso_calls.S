/* SPDX-License-Identifier: BSD-2-Clause */
/* Callers and handlers in assembly: see vdso_call.h. Offsets are those of struct dv_any. */

	/* R10: the struct; RSP is 8 below a multiple of 16. Leaves the stack arguments, 32 bytes, behind. */
	.macro	call_any
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	.irp	i, 72, 64, 56
	push	\i(%r10)
	.cfi_adjust_cfa_offset 8
	.endr
	mov	8(%r10), %rdi
	mov	16(%r10), %rsi
	mov	24(%r10), %rdx
	mov	32(%r10), %rcx
	mov	%rcx, %rax			/* v28 has the leaf here */
	mov	40(%r10), %r8
	mov	48(%r10), %r9
	call	*(%r10)
	.endm

	.macro	push_saved registers:vararg
	.irp	register, \registers
	push	%\register
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %\register, 0
	.endr
	.endm

	.macro	pop_saved registers:vararg
	.irp	register, \registers
	pop	%\register
	.cfi_adjust_cfa_offset -8
	.cfi_restore %\register
	.endr
	.endm

	.macro	function name
	.globl	\name
	.type	\name, @function
\name:
	.endm

	.text
	function dv_call28
	.cfi_startproc
	push_saved rbx
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %r10
	call_any
	add	$40, %rsp
	.cfi_adjust_cfa_offset -40
	pop_saved rbx
	ret
	.cfi_endproc
	.size	dv_call28, . - dv_call28

	function dv_saving_call
	.cfi_startproc
	push_saved rbp, rbx, r12, r13, r14, r15
	sub	$16, %rsp
	.cfi_adjust_cfa_offset 16
	stmxcsr	8(%rsp)
	fnstcw	12(%rsp)
	mov	%rdi, %r10
	call_any
	add	$32, %rsp
	.cfi_adjust_cfa_offset -32
	cld
	ldmxcsr	8(%rsp)
	fldcw	12(%rsp)
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	pop_saved r15, r14, r13, r12, rbx, rbp
	ret
	.cfi_endproc
	.size	dv_saving_call, . - dv_saving_call

	function dv_escaping_call
	.cfi_startproc
	push_saved rbp, rbx, r12, r13, r14, r15
	sub	$16, %rsp
	.cfi_adjust_cfa_offset 16
	stmxcsr	8(%rsp)
	fnstcw	12(%rsp)
	mov	%rsp, .Lescape_rsp(%rip)
	mov	%rdi, %r10
	call_any
	add	$32, %rsp
	.cfi_adjust_cfa_offset -32
.Lescaped:
	cld
	ldmxcsr	8(%rsp)
	fldcw	12(%rsp)
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	pop_saved r15, r14, r13, r12, rbx, rbp
	ret
	.cfi_endproc
	.size	dv_escaping_call, . - dv_escaping_call

	function dv_escape
	mov	%rdi, dv_escaped(%rip)
	mov	%rsi, 8+dv_escaped(%rip)
	mov	%rdx, 16+dv_escaped(%rip)
	mov	.Lescape_rsp(%rip), %rsp
	mov	$1, %eax
	jmp	.Lescaped
	.size	dv_escape, . - dv_escape

	.bss
	.balign	8
	.globl	dv_escaped
dv_escaped:
	.zero	24
.Lescape_rsp:
	.zero	8
	.section .note.GNU-stack, "", @progbits
