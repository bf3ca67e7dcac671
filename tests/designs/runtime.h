/* SPDX-License-Identifier: BSD-2-Clause */
/* Small SGX runtimes in shared libraries, which share nothing and know nothing of each other; runtime.c. */
#ifndef SOFTSGX_TESTS_DESIGNS_RUNTIME_H
#define SOFTSGX_TESTS_DESIGNS_RUNTIME_H

/*
 * @rounds calls into the library's own enclave, each with an exception that the enclave repairs; @between(@arg),
 * if any, is called while the exception waits. How many went wrong. From any thread.
 */
typedef unsigned runtime_run_t(unsigned rounds, unsigned (*between)(void *arg), void *arg);
runtime_run_t runtime_vdso, runtime_prefix, runtime_signals, runtime_signals_too;

#endif
