/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A place that is never executed. tools/gdb/softsgx-gdb.py puts a frame with this address between those of an enclave
 * and of its host, whose stacks lie anywhere: gdb takes a stack that goes the wrong way for a damaged one, except behind
 * the function of this name, by which split stacks go on elsewhere. (The frame is at the UD2: gdb looks before it.)
 */
	.text
	.globl	__morestack
	.type	__morestack, @function
__morestack:
	nop
	nop
	ud2
	.size	__morestack, . - __morestack
	.section .note.GNU-stack, "", @progbits
