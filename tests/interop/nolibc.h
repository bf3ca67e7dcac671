/* SPDX-License-Identifier: BSD-2-Clause */
/* Where things lie in the enclave that nolibc_image.c prepares and nolibc.c builds, in pages. */
#ifndef SOFTSGX_TESTS_INTEROP_NOLIBC_H
#define SOFTSGX_TESTS_INTEROP_NOLIBC_H

enum {
	IMAGE_PAGES = 16, IMAGE_TCS = 2, IMAGE_NSSA = 3, IMAGE_STRIDE = 1 + IMAGE_NSSA,	/* TCS n: page n * stride */
	IMAGE_CODE = IMAGE_TCS * IMAGE_STRIDE, IMAGE_DATA, IMAGE_END,
};
/* Operations. RSI: two words: a value, a number. */
enum { IMAGE_SUM, IMAGE_FAULT, IMAGE_COUNT };

#endif
