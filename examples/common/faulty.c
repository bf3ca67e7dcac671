/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The enclave of most examples. An ECALL raises an exception between registers of known values and tells whether
 * all of them are the same afterwards. The second phase steps over the instruction, if the first phase asks for
 * it.
 */
#include "inside.h"
#include "faulty.h"

/* Fills every register but RSP, executes UD2, and counts which have changed. */
long registers_that_change(void);
__asm__(".text\n"
"registers_that_change:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov $101, %eax; mov $102, %ebx; mov $103, %ecx; mov $104, %edx; mov $105, %esi; mov $106, %edi\n"
"	mov $107, %ebp; mov $108, %r8d; mov $109, %r9d; mov $110, %r10d; mov $111, %r11d\n"
"	mov $112, %r12d; mov $113, %r13d; mov $114, %r14d; mov $115, %r15d\n"
"	movq %rax, %xmm0; movq %r15, %xmm15; stc\n"
"	ud2\n"
"	jnc 9f; movq %xmm15, %xmm1; movq %r15, %xmm2; pxor %xmm2, %xmm1\n"
"	lea -101(%rax), %rax; lea -102(%rbx), %rbx; or %rbx, %rax; lea -103(%rcx), %rcx; or %rcx, %rax\n"
"	lea -104(%rdx), %rdx; or %rdx, %rax; lea -105(%rsi), %rsi; or %rsi, %rax\n"
"	lea -106(%rdi), %rdi; or %rdi, %rax; lea -107(%rbp), %rbp; or %rbp, %rax\n"
"	lea -108(%r8), %r8; or %r8, %rax; lea -109(%r9), %r9; or %r9, %rax\n"
"	lea -110(%r10), %r10; or %r10, %rax; lea -111(%r11), %r11; or %r11, %rax\n"
"	lea -112(%r12), %r12; or %r12, %rax; lea -113(%r13), %r13; or %r13, %rax\n"
"	lea -114(%r14), %r14; or %r14, %rax; lea -115(%r15), %r15; or %r15, %rax\n"
"	movq %xmm1, %rcx; or %rcx, %rax; movq %xmm0, %rcx; sub $101, %rcx; or %rcx, %rax; jmp 10f\n"
"9:	mov $1, %eax\n"
"10:	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

long enclave_main(long what, void *argument)
{
	switch (what) {
	case INVALID_OPCODE:
		return registers_that_change() ? -1 : ANSWER;
	case HOPELESS:
		__asm__ volatile("mov (%0), %%al" : : "r"(argument) : "rax", "memory");
		return -1;
	default:
		return ANSWER;
	}
}

long enclave_exception(struct ssa_gpr *gpr)
{
	if (gpr->exitinfo != (EXITINFO_VALID | 3 << 8 | 6))	/* a hardware exception, #UD */
		return GIVE_UP;
	gpr->rip += 2;
	return RESUME;
}
