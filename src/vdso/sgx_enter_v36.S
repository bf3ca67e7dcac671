/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Version 36 of the patch series: v28 for callers in C (C.3's table of requests). Arguments in their SysV places, so
 * the leaf is in ECX; RBX is kept; a handler moves the stack by moving RSP (B-22).
 * The frame:	32(%rbp) handler	24(%rbp) e	16(%rbp) tcs	8(%rbp) return address	(%rbp) caller's RBP
 *		-8(%rbp) caller's RBX
 */
#include "vdso/sgx_enter.h"

	ENTER_BEGIN
	push	%rbx
	.cfi_rel_offset %rbx, -8
	mov	%ecx, %eax

.Lpass:	/* EAX: the leaf to execute */
	LEAF_OR	.Linvalid
	mov	ARG_TCS(%rbp), %rbx
	ENCLU_GATE
	xor	%eax, %eax			/* C3-3 */

.Lexit:	/* EAX: what is returned if there is no handler */
	cmpq	$0, ARG_HANDLER(%rbp)
	jne	.Lhandler

.Lreturn: /* RBX from the enclave's RSP, the return address from RBP (B-12) */
	pop	%rbx
	.cfi_remember_state
	.cfi_restore %rbx
	ENTER_RETURN
	.cfi_restore_state

.Linvalid:
	mov	$-EINVAL, %eax
	jmp	.Lreturn

vdso_exception_pad:
	EXCEPTION_TO_E
	jmp	.Lexit

.Lhandler: /* C3-4: EAX is its argument ret */
	mov	%rsp, %rcx
	mov	%rsp, %rbx
	and	$15, %ebx			/* what the alignment takes; the handler preserves RBX */
	and	$-16, %rsp
	PUSH_HANDLER_ARGS
	cld
	mov	ARG_HANDLER(%rbp), %rax
	RETPOLINE_CALL
	lea	32(%rsp, %rbx), %rsp		/* B-22 */
	mov	%eax, %eax
	test	%eax, %eax
	jg	.Lpass
	jmp	.Lreturn

	RETPOLINE_BODY
	ENTER_END
