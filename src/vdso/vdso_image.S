/* SPDX-License-Identifier: BSD-2-Clause */
/* The built image, VDSO_IMAGE, as bytes of the runtime. */
	.section .rodata, "a"
	.globl	vdso_image_start, vdso_image_end
	.hidden	vdso_image_start, vdso_image_end
	.balign	64
vdso_image_start:
	.incbin	VDSO_IMAGE
vdso_image_end:
	.section .note.GNU-stack, "", @progbits
