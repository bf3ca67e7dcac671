/* SPDX-License-Identifier: BSD-2-Clause */
/* The image without the function (--delivery=signals): everything else of it works, and exceptions are signals. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/vdso_call.h"
#include "harness.h"

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unwind.h>

SNIPPET(snip_skip, "ud2; incq (%rsi);" DV_LEAVE);

/* Proves: C4-1 */
TEST(vdso_none, symbol_is_not_there_and_all_others_are)
{
	static const char *const names[] = { "clock_gettime", "gettimeofday", "clock_getres", "time", "getcpu",
					     "__vdso_clock_gettime", "__vdso_time", "__vdso_getrandom" };
	int (*gettime)(clockid_t, struct timespec *);
	struct timespec now, by_vdso = { 0 };
	void *handle;
	unsigned i;

	if (!dv_ready())
		return;
	ASSERT_EQ(play_version, VDSO_NONE);
	handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	ASSERT_TRUE(handle);
	EXPECT_TRUE(!dlsym(handle, "__vdso_sgx_enter_enclave"));
	EXPECT_TRUE(!te_vdso());
	EXPECT_EQ(vdso_symbol((const void *)dv_address(0), "__vdso_sgx_enter_enclave"), 0);
	EXPECT_TRUE(!memmem((const void *)dv_address(0), 4096, "\x0f\x01\xd7", 3));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t address = (uint64_t)dlvsym(handle, names[i], "LINUX_2.6");

		EXPECT_TRUE(address - dv_address(0) < 4096);
		EXPECT_EQ(address, vdso_symbol((const void *)dv_address(0), names[i]));
	}
	gettime = (int (*)(clockid_t, struct timespec *))dlsym(handle, "__vdso_clock_gettime");
	clock_gettime(CLOCK_MONOTONIC, &now);
	EXPECT_EQ(gettime(CLOCK_MONOTONIC, &by_vdso), 0);
	EXPECT_TRUE(by_vdso.tv_sec - now.tv_sec >= 0 && by_vdso.tv_sec - now.tv_sec < 10);
}

static unsigned exceptions;
static uint64_t interrupted[4];		/* RIP, RAX, RBX, RCX */

/* Moves the enclave over the UD2 (its memory is open from outside) and lets the AEP resume. */
static int resume_behind(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct sgx_gprsgx *g = (void *)te_gpr(&dv_te, 0, 0);
	const greg_t *r = uc->uc_mcontext.gregs;

	if (sig != SIGILL || info->si_code != ILL_ILLOPN)
		return 0;
	interrupted[0] = (uint64_t)r[REG_RIP];
	interrupted[1] = (uint64_t)r[REG_RAX];
	interrupted[2] = (uint64_t)r[REG_RBX];
	interrupted[3] = (uint64_t)r[REG_RCX];
	g->rip += 2;
	exceptions++;
	return 1;
}

static struct te_regs entry(uint64_t *counter)
{
	memcpy((void *)dv_te.scratch, snip_skip, (size_t)(snip_skip_end - snip_skip));
	return (struct te_regs){ .rax = EENTER, .rbx = dv_te.tcs[0], .rcx = (uint64_t)te_raw_aep, .rdi = TE_JUMP,
				 .rdx = dv_te.scratch, .rsi = (uint64_t)counter, .r9 = dv_te.eexit };
}

/* Proves: C4-1, C4-4, C4-5 */
TEST(vdso_none, exceptions_are_signals_at_the_programs_own_aep)
{
	uint64_t counter[4] = { 0 };
	struct te_regs r;
	unsigned i;

	if (!dv_ready())
		return;
	catch_begin(0);
	caught_hook = resume_behind;
	exceptions = 0;
	for (i = 1; i <= 150; i++) {
		r = entry(counter);
		te_raw(&r);
		EXPECT_EQ(r.rax, EEXIT);
		EXPECT_EQ(counter[0], i);
		EXPECT_EQ(exceptions, i);
		EXPECT_EQ(interrupted[0], (uint64_t)te_raw_aep);
		EXPECT_EQ(interrupted[1], ERESUME);
		EXPECT_EQ(interrupted[2], dv_te.tcs[0]);
		EXPECT_EQ(interrupted[3], (uint64_t)te_raw_aep);
	}
	caught_hook = NULL;
	r = (struct te_regs){ .rax = EENTER, .rbx = dv_te.tcs[0] + 8, .rcx = (uint64_t)te_raw_aep };
	EXPECT_TRUE(CAUGHT(te_raw(&r)));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SI_KERNEL);
	EXPECT_EQ(caught.gregs[REG_RIP], (uint64_t)te_raw_enclu);
	EXPECT_EQ(caught.gregs[REG_RAX], EENTER);
	catch_end();
}

static void call_image(void)
{
	((void (*)(void))dv_address(0))();
}

/* Proves: B-30 */
TEST(vdso_none, nothing_in_the_image_is_fixed_up)
{
	if (!dv_ready())
		return;
	catch_begin(0);
	mprotect((void *)dv_address(0), 4096, PROT_NONE);	/* the handler does not return through it */
	EXPECT_TRUE(CAUGHT(call_image()));
	mprotect((void *)dv_address(0), 4096, PROT_READ | PROT_EXEC);
	EXPECT_EQ(caught.count, 1);
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SEGV_ACCERR);
	EXPECT_EQ(caught.addr, dv_address(0));
	EXPECT_EQ(caught.gregs[REG_RIP], dv_address(0));
	catch_end();
}

/* A backtrace out of the handler: over the restorer in the image, to the frame that was at the AEP. */
static struct {
	unsigned frames, restorer, host;
} walk;

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
	uint64_t ip = _Unwind_GetIP(context);

	(void)argument;
	walk.frames++;
	if (ip == dv_address(dv_info->sigreturn))
		walk.restorer = walk.frames;
	if (ip == (uint64_t)te_raw_aep)
		walk.host = walk.frames;
	return _URC_NO_REASON;
}

static int walk_and_resume(int sig, siginfo_t *info, ucontext_t *uc)
{
	_Unwind_Backtrace(visit, NULL);
	return resume_behind(sig, info, uc);
}

/* Proves: C4-4 */
TEST(vdso_none, backtrace_from_a_handler_crosses_the_restorer)
{
	uint64_t counter[4] = { 0 };
	struct te_regs r;

	if (!dv_ready())
		return;
	memset(&walk, 0, sizeof(walk));
	catch_begin(0);
	caught_hook = walk_and_resume;
	r = entry(counter);
	te_raw(&r);
	EXPECT_EQ(r.rax, EEXIT);
	EXPECT_TRUE(walk.restorer > 1);
	EXPECT_EQ(walk.host, walk.restorer + 1);
	catch_end();
}
