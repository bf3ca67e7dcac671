/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way into the examples' enclaves, and out. EENTER comes here with RAX = CSSA, RBX = TCS, RCX = where EEXIT is
 * to go, and everything else as the host had it: RSP and RBP above all, which an enclave must not use but has to
 * give back. CSSA is 0 for a call from outside; it is 1 if the thread is entered again while an exception waits to
 * be handled.
 */
#include "protocol.h"

	.text
	.globl	enclave_entry
enclave_entry:
	cld				/* flags are the host's, too */
	cmp	$1, %eax
	ja	.			/* more levels than there is room for: never leave, say nothing */
	rdfsbase %r10			/* the thread's page: TCS.OFSBASE */
	mov	%rax, %r11
	shl	$6, %r11
	add	%r10, %r11
	mov	%rsp, (%r11)
	mov	%rbp, 8(%r11)
	mov	%rcx, 16(%r11)
	mov	%r12, 24(%r11)
	mov	%r13, 32(%r11)
	mov	%r14, 40(%r11)
	mov	%r15, 48(%r11)
	xor	%ebp, %ebp
	test	%eax, %eax
	jnz	1f
	cmp	$ORET, %edi
	je	2f
	cmpq	$0, THREAD_OCALL(%r10)	/* an ECALL while its stack waits for an OCALL to return */
	jne	.
	mov	%r10, %rsp
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	call	enclave_main
	rdfsbase %r11
	jmp	done

1:	lea	4096(%r10), %rsp	/* the rest of the thread's page is the stack for this */
	lea	THREAD_GPR(%r10), %rdi
	call	enclave_exception
	rdfsbase %r11
	add	$64, %r11
done:	mov	$DONE, %edi
	mov	%rax, %rsi
	xor	%edx, %edx
leave:	mov	(%r11), %rsp
	mov	8(%r11), %rbp
	mov	16(%r11), %rbx
	mov	24(%r11), %r12
	mov	32(%r11), %r13
	mov	40(%r11), %r14
	mov	48(%r11), %r15
	xor	%r8d, %r8d		/* nothing of the enclave's goes out by chance */
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	mov	$EEXIT, %eax
	.byte	0x0f, 0x01, 0xd7	/* ENCLU; RCX becomes the AEP */

2:	mov	THREAD_OCALL(%r10), %rsp
	test	%rsp, %rsp
	jz	.			/* nobody has asked for that */
	movq	$0, THREAD_OCALL(%r10)
	mov	%rsi, %rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* long ocall(long what, void *argument) */
	.globl	ocall
ocall:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	rdfsbase %r11
	mov	%rsp, THREAD_OCALL(%r11)
	mov	%rsi, %rdx
	mov	%rdi, %rsi
	mov	$OCALL, %edi
	jmp	leave
	.section .note.GNU-stack, "", @progbits
