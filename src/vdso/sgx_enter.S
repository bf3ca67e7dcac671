/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int __vdso_sgx_enter_enclave(rdi, rsi, rdx, ecx = function, r8, r9, run on the stack)
 *
 * RDI, RSI, RDX, R8-R15 and the vector registers belong to caller and enclave all the way; only RAX, RBX and RCX are
 * ours. The frame:	16(%rbp) run	8(%rbp) return address	(%rbp) caller's RBP	-8(%rbp) caller's RBX
 */
#include "vdso/sgx_enter.h"

#define RUN		16		/* argument, from RBP */
#define RUN_TCS		0
#define RUN_FUNCTION	8
#define RUN_VECTOR	12
#define RUN_ERROR_CODE	14
#define RUN_ADDR	16
#define RUN_HANDLER	24
#define RUN_RESERVED	40
#define RUN_SIZE	256

	ENTER_BEGIN				/* B-1, B-40 */
	push	%rbx
	.cfi_rel_offset %rbx, -8
	mov	%ecx, %eax

.Lpass:	/* EAX: the leaf to execute. B-25: everything in run is read anew */
	LEAF_OR	.Linvalid			/* B-2: before run is touched */

	mov	RUN(%rbp), %rbx
	xor	%ecx, %ecx			/* B-3; ORed, since only RCX is free and branches would cost more */
	.set	offset, RUN_RESERVED
	.rept	(RUN_SIZE - RUN_RESERVED) / 8
	or	offset(%rbx), %rcx
	.set	offset, offset + 8
	.endr
	jnz	.Linvalid

	mov	RUN_TCS(%rbx), %rbx		/* B-4 */
	ENCLU_GATE

	mov	RUN(%rbp), %rbx
	movl	$EEXIT, RUN_FUNCTION(%rbx)	/* B-6: the exception's fields keep their values */

.Lexit:	/* RBX: run */
	mov	RUN_HANDLER(%rbx), %rax		/* B-8 */
	test	%rax, %rax
	jnz	.Lhandler

.Lreturn: /* B-10: RBX from the enclave's RSP, the return address from RBP (B-12) */
	pop	%rbx
	.cfi_remember_state
	.cfi_restore %rbx
	ENTER_RETURN
	.cfi_restore_state

.Linvalid:
	mov	$-EINVAL, %eax
	jmp	.Lreturn

vdso_exception_pad:
	mov	RUN(%rbp), %rbx			/* B-7 */
	mov	%eax, RUN_FUNCTION(%rbx)
	mov	%di, RUN_VECTOR(%rbx)
	mov	%si, RUN_ERROR_CODE(%rbx)
	mov	%rdx, RUN_ADDR(%rbx)
	jmp	.Lexit

.Lhandler: /* RAX: the handler, RBX: run */
	mov	%rsp, %rcx			/* B-20: RSP at the exit, fourth argument */
	and	$-16, %rsp			/* B-21 */
	push	%rax				/* only to keep the alignment */
	push	%rbx
	mov	%ecx, %ebx
	and	$15, %ebx			/* what the alignment took; the handler preserves RBX */
	cld
	lfence
	call	*%rax
	lea	16(%rsp, %rbx), %rsp		/* B-22: relative, so that a handler may move the stack */
	mov	%eax, %eax			/* B-15 */
	test	%eax, %eax
	jg	.Lpass				/* B-9, B-23 */
	jmp	.Lreturn
	ENTER_END
