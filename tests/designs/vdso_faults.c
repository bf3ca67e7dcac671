/* SPDX-License-Identifier: BSD-2-Clause */
/* Structures and handlers that are no good, in the version at hand: which fault it is, and where. */
#define _GNU_SOURCE
#include "abi/caught.h"
#include "designs/vdso_call.h"
#include "harness.h"

#include <sys/mman.h>

#define NON_CANONICAL	UINT64_C(0x8000000000001000)

SNIPPET(snip_count, "incq (%rsi);" DV_LEAVE);
SNIPPET(snip_ud2, "ud2");
/* Writes what R11 says to where R10 says, in the host's memory, and leaves. */
SNIPPET(snip_poke, "mov %r11, (%r10);" DV_LEAVE);
/* The same, and an exception. */
SNIPPET(snip_poke_ud2, "mov %r11, (%r10); ud2");
/* Leaves with RBP = R10. */
SNIPPET(snip_rbp, "mov %r10, %rbp;" DV_LEAVE);

static uint64_t counter[4];

static uint8_t *new_page(int prot)
{
	return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The run structure, or e, at @page instead. */
static void move_struct(uint8_t *page)
{
	if (play_version == VDSO_UPSTREAM)
		memcpy(page, &play_run, sizeof(play_run));
	else if (play_version == VDSO_V38)
		memcpy(page, &play_run38, sizeof(play_run38));
	play_stack[dv_has_run() ? 0 : 1] = (uint64_t)page;
}

static bool in_function(uint64_t rip)
{
	return rip - dv_address(dv_info->enter) < dv_info->enter_end - dv_info->enter;
}

/* A #PF of the host with RIP in the function, from @first on. */
static void expect_page_fault(uint64_t address, uint64_t error_code, uint32_t first)
{
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], PF);
	EXPECT_EQ(caught.gregs[REG_CR2], address);
	EXPECT_EQ(caught.addr, address);
	EXPECT_EQ(caught.gregs[REG_ERR], error_code);
	EXPECT_TRUE(in_function((uint64_t)caught.gregs[REG_RIP]));
	EXPECT_TRUE((uint64_t)caught.gregs[REG_RIP] >= dv_address(first));
	EXPECT_EQ(caught.count, 1);
}

/* Proves: B-2, C3-1 */
TEST(vdso_faults, run_that_is_not_there_faults_before_the_entry)
{
	uint8_t *page;

	if (!dv_ready() || !dv_has_run())
		return;
	counter[0] = 0;
	page = new_page(PROT_NONE);
	catch_begin(0);
	DV_START(snip_count, counter);
	play_stack[0] = (uint64_t)page;
	EXPECT_TRUE(CAUGHT(play()));
	/* What is read first: upstream the reserved area, v38 the flags. */
	expect_page_fault((uint64_t)page + (play_version == VDSO_V38 ? 8 : 40), 4, dv_info->enter);
	EXPECT_TRUE((uint64_t)caught.gregs[REG_RIP] < dv_address(dv_info->enclu));
	play_stack[0] = 0;
	EXPECT_TRUE(CAUGHT(play()));
	expect_page_fault(play_version == VDSO_V38 ? 8 : 40, 4, dv_info->enter);
	play_stack[0] = NON_CANONICAL;
	EXPECT_TRUE(CAUGHT(play()));
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SI_KERNEL);
	EXPECT_EQ(caught.gregs[REG_TRAPNO], GP);
	EXPECT_TRUE((uint64_t)caught.gregs[REG_RIP] < dv_address(dv_info->enclu));
	EXPECT_EQ(counter[0], 0);
	catch_end();
	munmap(page, 4096);
}

/* Proves: B-30, C3-2 */
TEST(vdso_faults, struct_that_cannot_be_written_faults_at_the_exit)
{
	uint8_t *page;

	if (!dv_ready())
		return;
	counter[0] = 0;
	catch_begin(0);
	page = new_page(PROT_READ | PROT_WRITE);
	page[0] = 0;
	DV_START(snip_count, counter);
	move_struct(page);
	mprotect(page, 4096, PROT_READ);
	if (dv_has_run()) {
		EXPECT_TRUE(CAUGHT(play()));
		expect_page_fault((uint64_t)page + (play_version == VDSO_V38 ? 12 : 8), 7, dv_info->eexit_pad);
	} else {
		play();				/* e is written on exceptions only */
		EXPECT_EEXIT();
	}
	EXPECT_EQ(counter[0], 1);

	DV_START(snip_ud2, 0);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	move_struct(page);
	mprotect(page, 4096, PROT_READ);
	EXPECT_TRUE(CAUGHT(play()));
	expect_page_fault((uint64_t)page + (play_version == VDSO_V38 ? 12 : dv_has_run() ? 8 : 0), 7,
			  dv_info->exception_pad);
	EXPECT_EQ(caught.gregs[REG_RDI], UD);	/* the exception inside was fixed up; this is another one, outside */
	EXPECT_EQ(caught.gregs[REG_RAX], ERESUME);
	dv_leave();
	catch_end();
	munmap(page, 4096);
}

/* Where the handler's address lies, for an enclave that spoils it. */
static uint64_t handler_field(void)
{
	return play_version == VDSO_UPSTREAM ? (uint64_t)&play_run.user_handler :
	       play_version == VDSO_V38 ? (uint64_t)&play_run38.user_handler : play_call_stack + 16;
}

/* Proves: C3-4 */
TEST(vdso_faults, enclave_that_spoils_the_handlers_address_decides_where_it_is)
{
	uint64_t nowhere;

	if (!dv_ready())
		return;
	nowhere = (uint64_t)new_page(PROT_NONE);
	catch_begin(0);
	DV_START(snip_count, counter);
	play();					/* play_call_stack is what it will be below */
	DV_START(snip_poke, 0);
	play_in.r.r10 = handler_field();
	play_in.r.r11 = nowhere;
	EXPECT_TRUE(CAUGHT(play()));
	EXPECT_EQ(play_in.r.r10, handler_field());
	EXPECT_EQ(caught.sig, SIGSEGV);
	EXPECT_EQ(caught.code, SEGV_ACCERR);
	EXPECT_EQ(caught.gregs[REG_RIP], nowhere);
	EXPECT_EQ(caught.gregs[REG_CR2], nowhere);
	EXPECT_EQ(caught.gregs[REG_ERR], 0x14);
	catch_end();
	munmap((void *)nowhere, 4096);
}

/* What a call to a non-canonical address does on this processor: RIP at the call, or at the target. */
static uint64_t calls_address;
static __attribute__((noinline)) void call_address(void)
{
	((void (*)(void))calls_address)();
	__asm__ volatile("");
}

static bool fault_is_at_the_target(void)
{
	calls_address = NON_CANONICAL;
	EXPECT_TRUE(CAUGHT(call_address()));
	return (uint64_t)caught.gregs[REG_RIP] == NON_CANONICAL;
}

static void handler_at(uint64_t address, bool excepted)
{
	if (excepted)
		DV_START(snip_ud2, 0);
	else
		DV_START(snip_count, counter);
	play_set_handler(address);
	counter[0] = 0;
	EXPECT_TRUE(CAUGHT(play()));
	EXPECT_EQ(caught.count, 1);
	EXPECT_EQ(dv_exit().exception, excepted);	/* the exit was complete */
	EXPECT_EQ(counter[0], !excepted);
}

/* Where the host stood: its frame, and the handler's arguments. */
static void expect_handler_context(bool excepted)
{
	const uint64_t rcx = play_call_stack - (play_version == VDSO_V28 ? 16 : 24);

	EXPECT_EQ(caught.gregs[REG_RBP], play_call_stack - 16);
	EXPECT_EQ(caught.gregs[REG_RCX], rcx);
	EXPECT_EQ(caught.gregs[REG_RBX], play_version == VDSO_V28 ? rcx : rcx & 15);
	EXPECT_EQ(caught.gregs[REG_RDI], excepted ? UD : TE_JUMP);
	EXPECT_EQ(caught.gregs[REG_R15], excepted ? 0 : play_in.r.r15);
	EXPECT_EQ(caught.gregs[REG_EFL] & 0x400, 0);
}

/* Proves: C3-4, B-30 */
TEST(vdso_faults, handler_at_a_bad_address_is_a_fault_there)
{
	static const uint8_t code[] = { 0x0f, 0x0b };		/* UD2, inside ELRANGE */
	unsigned excepted;
	uint64_t page;
	bool at_target;

	if (!dv_ready())
		return;
	catch_begin(0);
	at_target = fault_is_at_the_target();
	for (excepted = 0; excepted < 2; excepted++) {
		page = (uint64_t)new_page(PROT_READ);
		(void)*(volatile uint8_t *)page;
		handler_at(page, excepted);			/* not executable */
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.code, SEGV_ACCERR);
		EXPECT_EQ(caught.addr, page);
		EXPECT_EQ(caught.gregs[REG_RIP], page);
		EXPECT_EQ(caught.gregs[REG_ERR], 0x15);
		EXPECT_EQ(caught.gregs[REG_TRAPNO], PF);
		EXPECT_EQ((caught.gregs[REG_RSP] + 8) % 16, 0);
		EXPECT_TRUE(in_function(*(uint64_t *)caught.gregs[REG_RSP]));	/* called from there */
		expect_handler_context(excepted);
		if (excepted)
			dv_leave();

		munmap((void *)page, 4096);
		handler_at(page, excepted);			/* not mapped */
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.code, SEGV_MAPERR);
		EXPECT_EQ(caught.addr, page);
		EXPECT_EQ(caught.gregs[REG_RIP], page);
		EXPECT_EQ(caught.gregs[REG_ERR], 0x14);
		expect_handler_context(excepted);
		if (excepted)
			dv_leave();

		handler_at(NON_CANONICAL, excepted);
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.code, SI_KERNEL);
		EXPECT_EQ(caught.addr, 0);
		EXPECT_EQ(caught.gregs[REG_TRAPNO], GP);
		EXPECT_EQ(caught.gregs[REG_ERR], 0);
		if (at_target)
			EXPECT_EQ(caught.gregs[REG_RIP], NON_CANONICAL);
		else
			EXPECT_TRUE(in_function((uint64_t)caught.gregs[REG_RIP]));
		expect_handler_context(excepted);
		if (excepted)
			dv_leave();

		handler_at(dv_te.data, excepted);		/* inside ELRANGE, not executable */
		EXPECT_EQ(caught.sig, SIGSEGV);
		EXPECT_EQ(caught.code, SEGV_ACCERR);
		EXPECT_EQ(caught.addr, dv_te.data);
		EXPECT_EQ(caught.gregs[REG_RIP], dv_te.data);
		EXPECT_EQ(caught.gregs[REG_ERR] & ~1, 0x14);
		expect_handler_context(excepted);
		if (excepted)
			dv_leave();

		memcpy((void *)(dv_te.scratch + 2048), code, sizeof(code));
		handler_at(dv_te.scratch + 2048, excepted);	/* inside, executable: still the host, so not fixed up */
		EXPECT_EQ(caught.sig, SIGILL);
		EXPECT_EQ(caught.addr, dv_te.scratch + 2048);
		EXPECT_EQ(caught.gregs[REG_RIP], dv_te.scratch + 2048);
		EXPECT_EQ(caught.gregs[REG_TRAPNO], UD);
		expect_handler_context(excepted);
		if (excepted)
			dv_leave();
	}
	catch_end();
}

static uint64_t garbage[4];
static struct dv_exit at_handler[4];

static void returns_garbage(struct play_regs *regs)
{
	at_handler[play_handler_calls - 1] = dv_exit();
	regs->r.rax = garbage[play_handler_calls - 1];
	regs->r.rdi = TE_JUMP;
	regs->r.rsi = (uint64_t)counter;
	regs->r.rdx = dv_te.scratch;
	regs->r.r9 = dv_te.eexit;
}

static void start_garbage(uint64_t first, uint64_t second, uint64_t third)
{
	DV_START(snip_count, counter);
	counter[0] = 0;
	memset(at_handler, 0, sizeof(at_handler));
	garbage[0] = first;
	garbage[1] = second;
	garbage[2] = third;
	play_set_handler((uint64_t)play_handler);
	play_handler_script = returns_garbage;
	play();
}

/* Proves: C3-4, B-36 */
TEST(vdso_faults, handler_that_returns_garbage)
{
	static const uint64_t no_leaf[] = { 1, 4, 0x7fffffff, 0x102, 0xdeadbeef00000005 };
	unsigned i;

	if (!dv_ready())
		return;
	catch_begin(0);
	for (i = 0; i < sizeof(no_leaf) / sizeof(no_leaf[0]); i++) {
		start_garbage(no_leaf[i], 0, 0);
		EXPECT_EQ(play_out.r.rax, 0xffffffea);
		EXPECT_EQ(play_handler_calls, 1);
		EXPECT_EQ(counter[0], 1);
	}
	start_garbage(0xdeadbeef80000001, 0, 0);
	EXPECT_EQ((uint32_t)play_out.r.rax, 0x80000001);
	/* ERESUME with nothing to resume: #GP of ERESUME itself, which the handler hears of; EENTER then goes well. */
	start_garbage(ERESUME, EENTER, 0);
	EXPECT_EQ(play_handler_calls, 3);
	EXPECT_TRUE(!at_handler[0].exception);
	EXPECT_TRUE(at_handler[1].exception);
	EXPECT_EQ(at_handler[1].leaf, ERESUME);
	EXPECT_EQ(at_handler[1].vector, GP);
	EXPECT_EQ(at_handler[1].error_code | at_handler[1].address, 0);
	EXPECT_EQ(counter[0], 2);
	EXPECT_EQ(play_out.r.rax, 0);
	EXPECT_EQ(caught.count, 0);
	catch_end();
}

/* Proves: B-11, C3-14 */
TEST(vdso_faults, enclave_that_loses_rbp_faults_in_the_function)
{
	uint64_t page;

	if (!dv_ready())
		return;
	page = (uint64_t)new_page(PROT_NONE);
	catch_begin(0);
	DV_START(snip_rbp, 0);
	play_in.r.r10 = page;
	EXPECT_TRUE(CAUGHT(play()));
	expect_page_fault(page + (dv_has_run() ? 16 : 32), 4, dv_info->eexit_pad);	/* run, or handler */
	EXPECT_EQ(caught.gregs[REG_RBP], page);
	DV_START(snip_poke_ud2, 0);			/* AEX restores RBP whatever the enclave made of it */
	play_in.r.r10 = (uint64_t)counter;
	play();
	EXPECT_EXCEPTION(ERESUME, UD, 0, 0);
	dv_leave();
	catch_end();
	munmap((void *)page, 4096);
}
