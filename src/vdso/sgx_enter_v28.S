/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Version 28 of the patch series (C3-1 to C3-7): leaf in EAX; tcs, e and handler on the stack; RBX is lost. So it is
 * not for C. All registers but RAX, RBX and RCX belong to caller and enclave all the way.
 * The frame:	32(%rbp) handler	24(%rbp) e	16(%rbp) tcs	8(%rbp) return address	(%rbp) caller's RBP
 */
#include "vdso/sgx_enter.h"

	ENTER_BEGIN
	.cfi_undefined %rbx			/* C3-5 */
	mov	%eax, %eax

.Lpass:	/* EAX: the leaf to execute */
	LEAF_OR	.Linvalid
	mov	ARG_TCS(%rbp), %rbx		/* C3-1: whatever it is */
	ENCLU_GATE
	xor	%eax, %eax			/* C3-3 */

.Lexit:	/* EAX: what is returned if there is no handler */
	cmpq	$0, ARG_HANDLER(%rbp)		/* C3-6: all 64 bits */
	jne	.Lhandler

.Lreturn:
	.cfi_remember_state
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
	mov	%rsp, %rbx			/* C3-5: the handler preserves it, or moves the stack by it */
	and	$-16, %rsp
	PUSH_HANDLER_ARGS
	cld
	mov	ARG_HANDLER(%rbp), %rax
	RETPOLINE_CALL
	mov	%rbx, %rsp
	mov	%eax, %eax
	test	%eax, %eax
	jg	.Lpass
	jmp	.Lreturn

	RETPOLINE_BODY
	ENTER_END
