/* SPDX-License-Identifier: BSD-2-Clause */
/* Sites that were patched and are not what they were: code mapped over them, written over them, restored while in
 * use. */
#define _GNU_SOURCE
#include "exits/calls.h"
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

/* uint64_t call(tcs, aep, args): TE_SUM by an EENTER at call_site - call_start from its beginning. */
SNIPPET(call_start, "push %rbx; mov %rdi, %rbx; mov %rsi, %rcx; mov %rdx, %rsi; mov $6, %edi; mov $2, %eax;"
	"call_site: .byte 0x0f, 0x01, 0xd7; pop %rbx; ret");
SNIPPET(trap_start, "push %rbx; mov %rdi, %rbx; mov %rsi, %rcx; mov %rdx, %rsi; mov $6, %edi; mov $2, %eax;"
	"int3; mov $77, %eax; pop %rbx; ret");
extern const uint8_t call_site[];

static struct te te;
static uint8_t *page;
static volatile unsigned traps;
static volatile uint64_t trap_rip;

static bool ready(void)
{
	if (!te.size)
		te_build(&te, &(struct te_options){ .tcs = 4 });
	return te.size != 0;
}

static bool patched_at_once(void)
{
	const char *mode = getenv("ABI_PATCH");

	return mode && !strcmp(mode, "force");
}

/* The page has new code: as a program does it that unmaps a library and maps another. */
static void put(const uint8_t *code, const uint8_t *end, bool anew)
{
	if (page && anew)
		munmap(page, 4096);
	else if (page)
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	if (!page || anew)
		page = mmap(page, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | (page ? MAP_FIXED : 0), -1, 0);
	memcpy(page + 64, code, (size_t)(end - code));
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static uint64_t call(uint64_t args[16])
{
	uint64_t (*fn)(uint64_t tcs, const void *aep, uint64_t *args) = NULL;
	const void *address = page + 64;

	memcpy(&fn, &address, sizeof(fn));
	return fn(te.tcs[0], exact_raw_aep, args);
}

static uint64_t sum_of(uint64_t a, uint64_t n)
{
	while (n--)
		a = a * UINT64_C(0x5851f42d4c957f2d) + 12345;
	return a;
}

static void expect_calls(unsigned count)
{
	const uint8_t *site = page + 64 + (call_site - call_start);
	unsigned i;

	for (i = 0; i < count; i++) {
		uint64_t args[16] = { i, 20 };

		EXPECT_EQ((uint32_t)call(args), EEXIT);
		EXPECT_EQ(args[0], sum_of(i, 20));
	}
	if (patched_at_once())
		EXPECT_TRUE(site[0] == 0xe9 || site[0] == 0xcc);
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info;
	traps++;
	trap_rip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void another_and_back(bool anew)
{
	struct sigaction act = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	uint64_t args[16] = { 0 };
	unsigned i;

	ASSERT_TRUE(ready());
	sigaction(SIGTRAP, &act, NULL);
	for (i = 0; i < 5; i++) {
		put(call_start, call_start_end, anew);
		expect_calls(70);
		traps = 0;
		put(trap_start, trap_start_end, anew);
		EXPECT_EQ((uint32_t)call(args),
			  77); /* an INT3 of the program's, where an ENCLU had been replaced */
		EXPECT_EQ(traps, 1);
		EXPECT_EQ(trap_rip, (uintptr_t)page + 64 + (uint64_t)(call_site - call_start) + 1);
	}
	signal(SIGTRAP, SIG_DFL);
}

/* Proves: C4-1 */
TEST(sites, code_mapped_over_a_patched_entry_is_what_it_is)
{
	another_and_back(true);
}

/* Proves: C4-1 */
TEST(sites, code_written_over_a_patched_entry_is_what_it_is)
{
	another_and_back(false);
}

static _Atomic bool stop;
static _Atomic unsigned wrong;
static _Atomic uint64_t calls;

static void *caller(void *tcs)
{
	struct sgx_enclave_run run;
	uint64_t i;

	for (i = 0; !stop; i++) {
		uint64_t args[16] = { i, 50 };

		te_call(&te, (unsigned)(uintptr_t)tcs, TE_SUM, args, &run);
		wrong += run.function != EEXIT || args[0] != sum_of(i, 50);
		calls++;
	}
	return NULL;
}

/* A change of the mapping puts an enclave's code back as it was; the next exits replace it again. */
TEST(sites, exits_while_their_site_is_restored_and_replaced)
{
	pthread_t thread[2];
	time_t end;
	uintptr_t i;

	ASSERT_TRUE(ready());
	stop = false;
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, caller, (void *)(i + 1));
	for (end = time(NULL) + 3; time(NULL) < end && !wrong;)
		EXPECT_EQ(mprotect((void *)te.code, te.data - te.code, PROT_READ | PROT_EXEC), 0);
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(wrong, 0);
	EXPECT_TRUE(calls > 1000);
}
