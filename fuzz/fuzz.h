/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every fuzz target has: FUZZ_CHECK(), and two ways to be built: for libFuzzer, or, with FUZZ_REPLAY, as a program
 * that replays the files it is given. Included once, by the target's own file.
 */
#ifndef SOFTSGX_FUZZ_FUZZ_H
#define SOFTSGX_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(x) do {								\
	if (!(x)) {									\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);			\
		abort();								\
	}										\
} while (0)

#ifdef FUZZ_REPLAY
/* Each input in memory of exactly its size, so that AddressSanitizer sees what reads beyond it. */
int main(int argc, char **argv)
{
	static uint8_t buffer[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		uint8_t *data;
		size_t size;

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		size = fread(buffer, 1, sizeof(buffer), file);
		fclose(file);
		data = malloc(size);
		if (size)
			memcpy(data, buffer, size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%d inputs replayed\n", argc - 1);
	return 0;
}
#endif

#endif
