/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries that can't be, in the version at hand: which fault it is, and where. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/vdso_call.h"
#include "harness.h"

#include <pthread.h>
#include <sys/mman.h>

#define NON_CANONICAL	UINT64_C(0x8000000000001000)

SNIPPET(snip_count, "incq (%rsi);" DV_LEAVE);
SNIPPET(snip_ud2, "ud2");
/* Says that it is inside, and waits to be let out, or for its exception. */
SNIPPET(snip_spin, "movl $1, (%rsi); 1: pause; cmpl $0, 4(%rsi); je 1b;" DV_LEAVE);
SNIPPET(snip_spin_ud2, "movl $1, (%rsi); 1: pause; cmpl $0, 4(%rsi); je 1b; ud2");

static uint64_t counter[4];

static uint8_t *new_page(int prot)
{
	return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* An EENTER of TCS @tcs that does not get in. */
static void expect_refused(uint64_t tcs, uint32_t leaf, unsigned vector, unsigned error_code, uint64_t address)
{
	DV_START(snip_count, counter);
	counter[0] = 0;
	play_set_tcs(tcs);
	play_leaf(leaf);
	play();
	EXPECT_EXCEPTION(leaf, vector, error_code, address);
	EXPECT_EQ(play_out.r.r15, play_in.r.r15);	/* no AEX: all others are the caller's */
	EXPECT_EQ(play_out.r.r9, play_in.r.r9);
	EXPECT_EQ(play_out.r.rdi, vector);
	EXPECT_EQ(play_out.r.rsi, error_code);
	EXPECT_EQ(play_out.r.rdx, address);
	EXPECT_EQ(play_out.r.rbx, play_version == VDSO_V28 ? tcs : play_in.r.rbx);
	EXPECT_EQ(counter[0], 0);
	EXPECT_EQ(caught.count, 0);
}

/* Proves: C3-1, C3-2, B-36 */
TEST(vdso_entries, tcs_that_is_none)
{
	uint64_t page;
	uint32_t leaf;

	if (!dv_ready())
		return;
	page = (uint64_t)new_page(PROT_READ | PROT_WRITE);
	*(volatile uint8_t *)page = 0;
	catch_begin(0);
	for (leaf = EENTER; leaf <= ERESUME; leaf++) {
		expect_refused(0, leaf, PF, 6, 0xfff);			/* C3-1: not looked at before */
		expect_refused(dv_te.tcs[0] + 8, leaf, GP, 0, 0);
		expect_refused(page, leaf, PF, 0x8007, page + 0xfff);
		expect_refused(dv_te.data, leaf, PF, 0x8007, dv_te.data + 0xfff);
		expect_refused(NON_CANONICAL, leaf, GP, 0, 0);
	}
	expect_refused(dv_te.tcs[0], ERESUME, GP, 0, 0);		/* CSSA is 0 */
	munmap((void *)page, 4096);
	for (leaf = EENTER; leaf <= ERESUME; leaf++)
		expect_refused(page, leaf, PF, 6, page + 0xfff);
	catch_end();
}

/* Another thread, on TCS 1, with structs of its own. */
static volatile uint32_t spin[2];
static struct {
	pthread_t thread;
	struct sgx_enclave_run run;
	struct sgx_enclave_run_v38 run38;
	struct sgx_enclave_exception e;
	struct dv_any call;
} other;

static void *other_thread(void *unused)
{
	(void)unused;
	return (void *)dv_saving_call(&other.call);
}

/* Returns when it is inside. It goes on when spin[1] is set. */
static bool other_begin(const uint8_t *code, const uint8_t *end)
{
	memset(&other, 0, sizeof(other));
	spin[0] = spin[1] = 0;
	memcpy((void *)(dv_te.scratch + 2048), code, (size_t)(end - code));
	other.run.tcs = other.run38.tcs = dv_te.tcs[1];
	other.call = (struct dv_any){
		.fn = dv_address(dv_info->enter), .rdi = TE_JUMP, .rsi = (uint64_t)spin, .rdx = dv_te.scratch + 2048,
		.leaf = EENTER, .r9 = dv_te.eexit,
		.stack = { play_version == VDSO_V38 ? (uint64_t)&other.run38 : (uint64_t)&other.run },
	};
	if (!dv_has_run()) {
		other.call.stack[0] = dv_te.tcs[1];
		other.call.stack[1] = (uint64_t)&other.e;
	}
	if (pthread_create(&other.thread, NULL, other_thread, NULL)) {
		test_fail(__FILE__, __LINE__, "no thread");
		return false;
	}
	while (!spin[0])
		;
	return true;
}

static uint64_t other_end(void)
{
	void *result;

	spin[1] = 1;
	pthread_join(other.thread, &result);
	return (uint64_t)result;
}

static struct dv_exit other_exit(void)
{
	if (play_version == VDSO_UPSTREAM)
		return (struct dv_exit){ .leaf = other.run.function, .vector = other.run.exception_vector,
					 .address = other.run.exception_addr };
	if (play_version == VDSO_V38)
		return (struct dv_exit){ .leaf = other.run38.exception.leaf, .vector = other.run38.exception.trapnr,
					 .address = other.run38.exception.address };
	return (struct dv_exit){ .leaf = other.e.leaf, .vector = other.e.trapnr, .address = other.e.address };
}

/* Proves: B-36, C3-3 */
TEST(vdso_entries, tcs_in_use_by_another_thread)
{
	if (!dv_ready())
		return;
	catch_begin(0);
	DV_START(snip_count, counter);
	if (!other_begin(snip_spin, snip_spin_end))
		return;
	expect_refused(dv_te.tcs[1], EENTER, GP, 0, 0);
	expect_refused(dv_te.tcs[1], ERESUME, GP, 0, 0);
	EXPECT_EQ(other_end(), 0);
	DV_START(snip_count, counter);
	play_set_tcs(dv_te.tcs[1]);
	play();
	EXPECT_EEXIT();
	catch_end();
}

/* Proves: C3-2, B-36 */
TEST(vdso_entries, cssa_that_has_no_frame_left)
{
	unsigned i;

	if (!dv_ready())
		return;
	catch_begin(0);
	for (i = 0; i < 3; i++) {			/* of three frames */
		DV_START(snip_ud2, 0);
		play();
		EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	}
	expect_refused(dv_te.tcs[0], EENTER, GP, 0, 0);
	DV_START(snip_ud2, 0);
	play_leaf(ERESUME);				/* the third goes on, and faults again */
	play();
	EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	catch_end();
	te_destroy(&dv_te);
	memset(&dv_te, 0, sizeof(dv_te));
}

/* Proves: B-36, C3-2 */
TEST(vdso_entries, ssa_that_is_gone)
{
	if (!dv_ready())
		return;
	catch_begin(0);
	DV_START(snip_ud2, 0);
	play();						/* so that frame 0 is in use */
	EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	mprotect((void *)(dv_te.ssa[0] + 4096), 4096, PROT_NONE);
	DV_START(snip_count, counter);			/* frame 1 */
	play();
	EXPECT_EQ(dv_exit().leaf, EENTER);
	EXPECT_EQ(dv_exit().vector, PF);
	EXPECT_EQ(dv_exit().address & ~UINT64_C(0xfff), dv_te.ssa[0] + 4096);
	EXPECT_EQ(dv_exit().error_code & ~1, 6);
	munmap((void *)dv_te.ssa[0], 4096);
	play_leaf(ERESUME);				/* frame 0 */
	play();
	EXPECT_EQ(dv_exit().leaf, ERESUME);
	EXPECT_EQ(dv_exit().vector, PF);
	EXPECT_EQ(dv_exit().address & ~UINT64_C(0xfff), dv_te.ssa[0]);
	EXPECT_EQ(dv_exit().error_code & ~2, 4);
	EXPECT_EQ(caught.count, 0);
	DV_START(snip_count, counter);			/* another TCS does not mind */
	play_set_tcs(dv_te.tcs[1]);
	play();
	EXPECT_EEXIT();
	catch_end();
	te_destroy(&dv_te);
	memset(&dv_te, 0, sizeof(dv_te));
}

/* Proves: B-36, C3-2 */
TEST(vdso_entries, ssa_that_goes_while_a_thread_is_inside)
{
	struct dv_exit x;

	if (!dv_ready())
		return;
	catch_begin(0);
	DV_START(snip_count, counter);
	if (!other_begin(snip_spin_ud2, snip_spin_ud2_end))
		return;
	munmap((void *)dv_te.ssa[1], 4096);		/* the entry has found the frame already */
	EXPECT_EQ(other_end(), dv_result());
	x = other_exit();
	EXPECT_EQ(x.leaf, ERESUME);
	if (x.vector == PF)				/* interrupted before (--aex): it could not be resumed */
		EXPECT_EQ(x.address & ~UINT64_C(0xfff), dv_te.ssa[1]);
	else
		EXPECT_EQ(x.vector, UD);
	DV_START(snip_count, counter);			/* and nobody finds it again */
	play_set_tcs(dv_te.tcs[1]);
	play_leaf(ERESUME);
	play();
	EXPECT_EQ(dv_exit().leaf, ERESUME);
	EXPECT_EQ(dv_exit().vector, PF);
	EXPECT_EQ(dv_exit().address & ~UINT64_C(0xfff), dv_te.ssa[1]);
	EXPECT_EQ(caught.count, 0);
	catch_end();
	te_destroy(&dv_te);
	memset(&dv_te, 0, sizeof(dv_te));
}
