/* SPDX-License-Identifier: BSD-2-Clause */
/* Symbols of the runtime, from the file that the environment variable EXITS_RT names, and of the vDSO image. */
#ifndef SOFTSGX_TESTS_EXITS_SYMBOLS_H
#define SOFTSGX_TESTS_EXITS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

bool symbols_load(void);
/** symbols_find() - the address of @name in the runtime, or 0. */
uint64_t symbols_find(const char *name);
/** symbols_name() - the symbol of runtime or vDSO at or below @address, and how far it is. */
const char *symbols_name(uint64_t address, uint64_t *offset);
uint64_t symbols_vdso(const char *name, uint64_t *size);
/** symbols_vdso_next() - the functions of the image one by one: the first at or above @from; its size. 0: no more.
 */
uint64_t symbols_vdso_next(uint64_t from, uint64_t *size);

#endif
