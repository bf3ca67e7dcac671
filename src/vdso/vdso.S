/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of the real vDSO, forwarded; the signal restorer; struct vdso_info and the table of pointers.
 *
 * Section .softsgx, which the linker script puts at VDSO_INFO_OFFSET, has in this order: 0 vdso_info up to its slots,
 * 1 the slots, 2 the table, 3 names. So the distance of anything to vdso_info is known when the image is linked, and
 * OFFSET(x), x's offset in the image, needs no relocation.
 */
#include <asm/unistd.h>
#include "vdso/vdso.h"

#define ENOSYS		38
#define OFFSET(x)	(x) - vdso_info + VDSO_INFO_OFFSET
#ifdef VDSO_WITHOUT_ENTER
#define ENTER(x)	0
#else
#define ENTER(x)	OFFSET(x)
#endif

	.section .softsgx, "a"
	.balign	8
	.globl	__softsgx_vdso_info
	.type	__softsgx_vdso_info, @object
__softsgx_vdso_info:
vdso_info:
	.long	VDSO_INFO_MAGIC
	.long	.Lslots_end - vdso_info
	.long	ENTER(vdso_enter), ENTER(vdso_enter_end)
	.long	ENTER(vdso_gate)
	.long	ENTER(vdso_enclu)
	.long	ENTER(vdso_eexit_pad)
	.long	ENTER(vdso_exception_pad)
	.long	OFFSET(.Lsigreturn)
	.long	OFFSET(.Ltable), .Ltable_end - .Ltable
	.long	OFFSET(vdso_engine)
	.long	OFFSET(.Lsigreturn_pointer)
	.long	(.Lslots_end - .Lslots) / 8
	.subsection 1
.Lslots:
	.subsection 2
	.balign	64			/* entry reads one line of the table */
.Ltable:
	.globl	vdso_engine
	.hidden	vdso_engine
vdso_engine:
	.quad	ENTER(vdso_enclu)
.Lsigreturn_pointer:
	.quad	OFFSET(.Lfallback_sigreturn)

	/* name: a function of the real vDSO; alias: its weak name; code: what stands in for it. */
	.macro	forward name, alias, code:vararg
	.section .softsgx, "a"
	.subsection 1
	.long	OFFSET(.Lname_\name), OFFSET(.Lpointer_\name)
	.subsection 2
.Lpointer_\name:
	.quad	OFFSET(.Lfallback_\name)
	.subsection 3
.Lname_\name:
	.asciz	"\name"

	.text
	.balign	16
	.globl	\name
	.weak	\alias
	.type	\name, @function
	.type	\alias, @function
\name:
\alias:
	.cfi_startproc
	jmp	*.Lpointer_\name(%rip)
.Lfallback_\name:
	\code
	ret
	.cfi_endproc
	.size	\name, . - \name
	.size	\alias, . - \alias
	.endm

	.macro	system_call number:req
	mov	$\number, %eax
	syscall
	.endm

	forward	__vdso_clock_gettime, clock_gettime, system_call __NR_clock_gettime
	forward	__vdso_gettimeofday, gettimeofday, system_call __NR_gettimeofday
	forward	__vdso_clock_getres, clock_getres, system_call __NR_clock_getres
	forward	__vdso_time, time, system_call __NR_time
	forward	__vdso_getcpu, getcpu, system_call __NR_getcpu
	forward	__vdso_getrandom, getrandom, mov $-ENOSYS, %rax

	.section .softsgx, "a"
	.subsection 1
.Lslots_end:
	.size	__softsgx_vdso_info, . - __softsgx_vdso_info
	.subsection 2
.Ltable_end:

/*
 * The restorer. A handler returns here with RSP at the ucontext; unwinders find the interrupted registers there. They
 * look up the byte before a return address, hence the nop.
 */
	.macro	saved dwarf_register, offset	/* DW_CFA_expression: DW_OP_breg7 offset */
	.cfi_escape 0x10, \dwarf_register, 3, 0x77, (\offset) & 0x7f | 0x80, (\offset) >> 7
	.endm
#define UC(register)	(40 + 8 * (register))	/* uc_mcontext; offsets as two-byte LEB128 */

	.text
	.balign	16
	.cfi_startproc
	.cfi_signal_frame
	/* DW_CFA_def_cfa_expression: DW_OP_breg7 offset, DW_OP_deref: the interrupted RSP */
	.cfi_escape 0x0f, 4, 0x77, UC(15) & 0x7f | 0x80, UC(15) >> 7, 0x06
	saved	8, UC(0)
	saved	9, UC(1)
	saved	10, UC(2)
	saved	11, UC(3)
	saved	12, UC(4)
	saved	13, UC(5)
	saved	14, UC(6)
	saved	15, UC(7)
	saved	5, UC(8)			/* RDI */
	saved	4, UC(9)			/* RSI */
	saved	6, UC(10)			/* RBP */
	saved	3, UC(11)			/* RBX */
	saved	1, UC(12)			/* RDX */
	saved	0, UC(13)			/* RAX */
	saved	2, UC(14)			/* RCX */
	saved	7, UC(15)			/* RSP */
	saved	16, UC(16)			/* RIP */
	nop
	.globl	__softsgx_sigreturn
	.type	__softsgx_sigreturn, @function
__softsgx_sigreturn:
.Lsigreturn:
	jmp	*.Lsigreturn_pointer(%rip)
.Lfallback_sigreturn:
	mov	$__NR_rt_sigreturn, %eax
	syscall
	hlt
	.cfi_endproc
	.size	__softsgx_sigreturn, . - __softsgx_sigreturn

	.section .note.GNU-stack, "", @progbits
