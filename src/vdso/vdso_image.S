/* SPDX-License-Identifier: BSD-2-Clause */
/* The built images as bytes of the runtime, and their table: see vdso.h. */
	.macro	image	name, file
	.section .rodata, "a"
	.balign	64
.Lstart_\name:
	.incbin	"\file"
.Lend_\name:
	.section .data.rel.ro, "aw"
	.quad	.Lstart_\name, .Lend_\name
	.endm

	.section .data.rel.ro, "aw"
	.balign	8
	.globl	vdso_images
	.hidden	vdso_images
	.type	vdso_images, @object
vdso_images:				/* in the order of enum vdso_version */
	image	upstream, VDSO_UPSTREAM_SO
	image	v28, VDSO_V28_SO
	image	v36, VDSO_V36_SO
	image	v38, VDSO_V38_SO
	image	none, VDSO_NONE_SO
	.size	vdso_images, . - vdso_images
	.section .note.GNU-stack, "", @progbits
