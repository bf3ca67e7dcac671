/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * int __vdso_sgx_enter_enclave(rdi, rsi, rdx, ecx = function, r8, r9, run on the stack)
 *
 * RDI, RSI, RDX, R8-R15 and the vector registers belong to caller and enclave all the way; only RAX, RBX and RCX are
 * ours. The frame:	16(%rbp) run	8(%rbp) return address	(%rbp) caller's RBP	-8(%rbp) caller's RBX
 */
#define EINVAL		22
#define EENTER		2
#define ERESUME		3
#define EEXIT		4

#define RUN		16		/* argument, from RBP */
#define RUN_TCS		0
#define RUN_FUNCTION	8
#define RUN_VECTOR	12
#define RUN_ERROR_CODE	14
#define RUN_ADDR	16
#define RUN_HANDLER	24
#define RUN_RESERVED	40
#define RUN_SIZE	256

	/* For vdso.S; the image's symbol table does not have them. */
	.globl	vdso_enter, vdso_enter_end, vdso_gate, vdso_enclu, vdso_eexit_pad, vdso_exception_pad
	.hidden	vdso_enter, vdso_enter_end, vdso_gate, vdso_enclu, vdso_eexit_pad, vdso_exception_pad
	.hidden	vdso_engine

	.text
	.balign	64
	.globl	__vdso_sgx_enter_enclave
	.type	__vdso_sgx_enter_enclave, @function
__vdso_sgx_enter_enclave:
vdso_enter:
	.cfi_startproc
	push	%rbp				/* B-1, B-40 */
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rbx
	.cfi_rel_offset %rbx, -8
	mov	%ecx, %eax

.Lpass:	/* EAX: the leaf to execute. B-25: everything in run is read anew */
	lea	-EENTER(%rax), %ecx		/* B-2: before run is touched */
	cmp	$(ERESUME - EENTER), %ecx
	ja	.Linvalid

	mov	RUN(%rbp), %rbx
	xor	%ecx, %ecx			/* B-3; ORed, since only RCX is free and branches would cost more */
	.set	offset, RUN_RESERVED
	.rept	(RUN_SIZE - RUN_RESERVED) / 8
	or	offset(%rbx), %rcx
	.set	offset, offset + 8
	.endr
	jnz	.Linvalid

	mov	RUN_TCS(%rbx), %rbx		/* B-4 */
	lea	vdso_enclu(%rip), %rcx

	/* B-5: where the ENCLU would be executed, the engine is called instead. It never returns here. */
vdso_gate:
	jmp	*vdso_engine(%rip)
vdso_enclu:
	.byte	0x0f, 0x01, 0xd7

vdso_eexit_pad:
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
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
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
	.cfi_endproc
vdso_enter_end:
	.size	__vdso_sgx_enter_enclave, . - __vdso_sgx_enter_enclave

	.section .note.GNU-stack, "", @progbits
