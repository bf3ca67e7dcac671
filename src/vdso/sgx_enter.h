/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the images' versions of __vdso_sgx_enter_enclave share; for assembly. Each is one file sgx_enter*.S that
 * defines the labels below, which vdso.S puts into struct vdso_info: vdso_enter .. vdso_enter_end, vdso_gate
 * (`jmp *vdso_engine` with EAX leaf, RBX TCS, RCX the address of vdso_enclu), vdso_enclu, vdso_eexit_pad right behind
 * it, vdso_exception_pad.
 */
#ifndef SOFTSGX_VDSO_SGX_ENTER_H
#define SOFTSGX_VDSO_SGX_ENTER_H

#define EFAULT		14
#define EINVAL		22
#define EENTER		2
#define ERESUME		3
#define EEXIT		4

#ifdef __ASSEMBLER__

	/* For vdso.S; the image's symbol table does not have them. */
	.globl	vdso_enter, vdso_enter_end, vdso_gate, vdso_enclu, vdso_eexit_pad, vdso_exception_pad
	.hidden	vdso_enter, vdso_enter_end, vdso_gate, vdso_enclu, vdso_eexit_pad, vdso_exception_pad
	.hidden	vdso_engine

	.macro	ENTER_BEGIN			/* B-40: the CFA hangs on RBP; EAX is left alone */
	.text
	.balign	64
	.globl	__vdso_sgx_enter_enclave
	.type	__vdso_sgx_enter_enclave, @function
__vdso_sgx_enter_enclave:
vdso_enter:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	.endm

	.macro	ENTER_END
	.cfi_endproc
vdso_enter_end:
	.size	__vdso_sgx_enter_enclave, . - __vdso_sgx_enter_enclave
	.section .note.GNU-stack, "", @progbits
	.endm

	.macro	LEAF_OR invalid			/* B-2: clobbers ECX */
	lea	-EENTER(%rax), %ecx
	cmp	$(ERESUME - EENTER), %ecx
	ja	\invalid
	.endm

	/* B-5: where the ENCLU would be executed, the engine is called instead. It never returns here. */
	.macro	ENCLU_GATE
	lea	vdso_enclu(%rip), %rcx
vdso_gate:
	jmp	*vdso_engine(%rip)
vdso_enclu:
	.byte	0x0f, 0x01, 0xd7
vdso_eexit_pad:
	.endm

	.macro	ENTER_RETURN			/* the return address by RBP (B-12) */
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
	.endm

	/* v28 and v36: arguments on the stack, from RBP */
#define ARG_TCS		16
#define ARG_E		24
#define ARG_HANDLER	32

	.macro	EXCEPTION_TO_E			/* C3-2, C3-3; clobbers RCX */
	mov	ARG_E(%rbp), %rcx
	test	%rcx, %rcx
	jz	1f
	mov	%eax, (%rcx)
	mov	%di, 4(%rcx)
	mov	%si, 6(%rcx)
	mov	%rdx, 8(%rcx)
1:	mov	$-EFAULT, %eax
	.endm

	.macro	PUSH_HANDLER_ARGS		/* C3-4: the stack keeps its alignment; EAX is ret */
	push	%rax
	push	ARG_E(%rbp)
	push	%rax
	push	ARG_TCS(%rbp)
	.endm

	/*
	 * C3-7: call *%rax as it was before B-21's LFENCE: by a RET whose prediction leads into a loop. RSP in the
	 * middle of it does not matter to unwinders.
	 */
	.macro	RETPOLINE_CALL
	call	.Lretpoline
	.endm
	.macro	RETPOLINE_BODY
.Lretpoline:
	call	2f
1:	pause
	lfence
	jmp	1b
2:	mov	%rax, (%rsp)
	ret
	.endm

#endif
#endif
