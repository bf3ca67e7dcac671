/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Version 38 of the patch series: v36 with everything in one struct, which has room for the caller's user_data.
 * Upstream is this with other fields.
 * The frame:	16(%rbp) run	8(%rbp) return address	(%rbp) caller's RBP	-8(%rbp) caller's RBX
 */
#include "vdso/sgx_enter.h"

#define RUN		16		/* argument, from RBP */
#define RUN_TCS		0
#define RUN_FLAGS	8
#define RUN_EXIT_REASON	12
#define RUN_HANDLER	16
#define RUN_LEAF	32
#define RUN_TRAPNR	36
#define RUN_ERROR_CODE	38
#define RUN_ADDRESS	40

	ENTER_BEGIN
	push	%rbx
	.cfi_rel_offset %rbx, -8
	mov	%ecx, %eax

.Lpass:	/* EAX: the leaf to execute. Everything in run is read anew */
	LEAF_OR	.Linvalid			/* before run is touched */
	mov	RUN(%rbp), %rbx
	cmpl	$0, RUN_FLAGS(%rbx)
	jne	.Linvalid
	mov	RUN_TCS(%rbx), %rbx
	ENCLU_GATE

	mov	RUN(%rbp), %rbx
	movl	$0, RUN_EXIT_REASON(%rbx)

.Lexit:	/* RBX: run */
	mov	RUN_HANDLER(%rbx), %rax
	test	%rax, %rax			/* 0 is what is returned, after exceptions too */
	jnz	.Lhandler

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
	mov	RUN(%rbp), %rbx
	movl	$1, RUN_EXIT_REASON(%rbx)
	mov	%eax, RUN_LEAF(%rbx)
	mov	%di, RUN_TRAPNR(%rbx)
	mov	%si, RUN_ERROR_CODE(%rbx)
	mov	%rdx, RUN_ADDRESS(%rbx)
	jmp	.Lexit

.Lhandler: /* RAX: the handler, RBX: run */
	mov	%rsp, %rcx
	and	$-16, %rsp
	push	%rax				/* only to keep the alignment */
	push	%rbx
	mov	%ecx, %ebx
	and	$15, %ebx			/* what the alignment took; the handler preserves RBX */
	cld
	RETPOLINE_CALL
	lea	16(%rsp, %rbx), %rsp		/* B-22 */
	mov	%eax, %eax
	test	%eax, %eax
	jg	.Lpass
	jmp	.Lreturn

	RETPOLINE_BODY
	ENTER_END
