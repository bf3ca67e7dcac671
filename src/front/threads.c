/* SPDX-License-Identifier: BSD-2-Clause */
/* Thread slots: see trap/thread.h. */
#include "front/held.h"
#include "sys/sys.h"

#include <asm/ldt.h>
#include <linux/errno.h>
#include <linux/mman.h>

enum { NR_MMAP = 9, NR_MPROTECT = 10, NR_SIGALTSTACK = 131, NR_SCHED_YIELD = 24, NR_MODIFY_LDT = 154,
       NR_GETPID = 39, NR_GETTID = 186 };

extern struct thread *thread_table[];		/* entry.S: by selector - 7 */

static uint16_t read_ds(void)
{
	uint16_t ds;

	__asm__ volatile("movw %%ds, %0" : "=r"(ds));
	return ds;
}

static void write_ds(const struct thread *t)
{
	uint16_t selector = THREAD_SELECTOR(t->index);

	__asm__ volatile("movw %0, %%ds" : : "r"(selector));
}

void thread_mark(const struct thread *t)
{
	if (read_ds() != THREAD_SELECTOR(t->index))
		write_ds(t);
}

struct thread *thread_next(const struct thread *after)
{
	uint64_t index = after ? ((uintptr_t)after - RT_THREADS_BASE) / THREAD_SLOT_SIZE + 1 : 0, word;

	for (word = index / 64; word < sizeof(rt.slots_used) / 8; index = ++word * 64) {
		const uint64_t used = __atomic_load_n(&rt.slots_used[word], __ATOMIC_ACQUIRE) & ~UINT64_C(0) << index % 64;

		if (used)
			return (struct thread *)(RT_THREADS_BASE +
						 (word * 64 + (uint64_t)__builtin_ctzll(used)) * THREAD_SLOT_SIZE);
	}
	return NULL;
}

struct thread *thread_of(uint64_t pid, uint64_t tid)
{
	struct thread *t;

	for_each_thread(t)
		if (t->tid == tid && (!pid || t->pid == pid))
			return t;
	return NULL;
}

/* The slot of the calling thread, found by its number: the program or an enclave has loaded DS. */
static struct thread *thread_search(void)
{
	struct thread *t = thread_of(0, (uint64_t)sys_call0(NR_GETTID));

	if (t)
		write_ds(t);
	return t;
}

struct thread *thread_current(void)
{
	uint16_t ds = read_ds();

	return (ds & 7) == 7 ? thread_table[ds >> 3] : thread_search();
}

/* The processor looks at the descriptor only when DS is loaded: any present data segment of user privilege will do. */
static long ldt_entry(uint32_t index)
{
	struct user_desc desc = {
		.entry_number = index + 1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1,
	};

	return sys_call3(NR_MODIFY_LDT, 0x11, &desc, sizeof(desc));
}

struct thread *thread_alloc(void)
{
	uint32_t word, index;
	struct thread *t;

	for (word = 0; word < sizeof(rt.slots_used) / 8; word++) {
		uint64_t used = __atomic_load_n(&rt.slots_used[word], __ATOMIC_RELAXED);

		while (~used) {
			uint64_t bit = ~used & -~used;

			index = word * 64 + (uint32_t)__builtin_ctzll(bit);
			if (index >= THREAD_SLOTS_MAX)
				return NULL;
			if (__atomic_compare_exchange_n(&rt.slots_used[word], &used, used | bit, false,
							__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
				goto found;
		}
	}
	return NULL;
found:
	t = (struct thread *)(RT_THREADS_BASE + (uint64_t)index * THREAD_SLOT_SIZE);
	if (!(__atomic_load_n(&rt.slots_ready[word], __ATOMIC_ACQUIRE) & UINT64_C(1) << (index % 64))) {
		if (ldt_entry(index) ||
		    sys_call3(NR_MPROTECT, (uintptr_t)t + THREAD_STACK_OFFSET - 0x1000, 0x1000, PROT_NONE)) {
			thread_free(t);
			return NULL;
		}
		__atomic_fetch_or(&rt.slots_ready[word], UINT64_C(1) << (index % 64), __ATOMIC_RELEASE);
	}
	__builtin_memset(t, 0, sizeof(*t));
	t->index = index;
	t->ordinal = atomic_fetch_add(&rt.threads_made, 1);
	t->stats = stats_claim_thread();
	if (!t->stats)
		t->stats = &t->own_stats;
	thread_table[index + 1] = t;
	return t;
}

uint64_t *thread_slot_word(struct thread *t)
{
	return &rt.slots_used[t->index / 64];
}

void thread_free(struct thread *t)
{
	__atomic_fetch_and(thread_slot_word(t), ~(UINT64_C(1) << (t->index % 64)), __ATOMIC_RELEASE);
}

/* The calling thread becomes the owner of @t. */
void thread_adopt(struct thread *t)
{
	t->tid = (uint64_t)sys_call0(NR_GETTID);
	t->pid = (uint64_t)sys_call0(NR_GETPID);
	write_ds(t);
}

/** rt_thread_start() - first code of a new thread, on its slot's stack, all signals blocked. */
void rt_thread_start(struct thread *t)
{
	thread_adopt(t);
}

/** threads_forked() - in the child of a fork: only @t is left. */
void threads_forked(struct thread *t)
{
	__builtin_memset(rt.slots_used, 0, sizeof(rt.slots_used));
	rt.slots_used[t->index / 64] = UINT64_C(1) << (t->index % 64);
	t->tid = (uint64_t)sys_call0(NR_GETTID);
	t->sud_on = false;			/* the kernel turns user dispatch off in a child */
	t->pid = rt.pid = (uint64_t)sys_call0(NR_GETPID);
	t->lent.valid = t->lent.acted = false;
	held_forked(t);
	t->delivery.top = t->delivery.entries = t->delivery.fresh = 0;	/* C5-6 */
	t->delivery.popped = false;
	t->stats = stats_claim_thread();
	if (!t->stats)
		t->stats = &t->own_stats;
}

/* Does the word lie in the EPCM of @encl as it is mapped now? A slot remembers words of enclaves that are long gone. */
static bool is_word_of(const struct epc_section *s, const _Atomic uint64_t *word)
{
	return (uintptr_t)word - (uintptr_t)s->epcm < s->npages * sizeof(*s->epcm);
}

static void let_models_end(const struct thread *self)
{
	struct thread *t;

	for_each_thread(t)
		while (t != self && atomic_load(&t->in_model))
			sys_call0(NR_SCHED_YIELD);
}

static void kick(struct thread *slot, struct encl *encl)
{
	volatile struct thread *t = slot;
	_Atomic uint64_t *owner = t->tcs_word;
	bool kicked = false;
	uint64_t before;

	if (t->encl != encl || !is_word_of(encl_section(encl), owner))
		return;
	before = atomic_load(owner);
	if ((uint32_t)before != t->tid)
		return;
	while (atomic_load(owner) == before) {	/* before in_enclave it goes on, or back, by itself */
		if (!kicked && t->in_enclave) {
			if (!signals_kick(slot))
				return;
			kicked = true;
		}
		sys_call0(NR_SCHED_YIELD);
	}
}

/**
 * threads_kick() - make every other thread of this process that is inside @encl, or on its way in, leave it; it may be
 * back at once, unless its mapping is gone or the section's generation is a new one. A thread that has taken a fault
 * there has left already (engine.c), so nobody waited for here can be waiting for us.
 */
void threads_kick(struct encl *encl, const struct thread *self)
{
	struct thread *t;

	let_models_end(self);
	for_each_thread(t)
		if (t != self)
			kick(t, encl);
	let_models_end(self);
}

void threads_forget(uint64_t start, uint64_t end)
{
	struct thread *slot;

	for_each_thread(slot) {
		volatile struct thread *t = slot;

		if (t->cache.tcs_la - start < end - start)
			t->cache.tcs_la = 0;
	}
}

void threads_init(void)
{
	struct kstack stack = { .size = THREAD_SLOT_SIZE - THREAD_STACK_OFFSET };
	struct thread *t;
	long ret;

	ret = sys_call6(NR_MMAP, RT_THREADS_BASE, (uint64_t)THREAD_SLOTS_MAX * THREAD_SLOT_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (sys_is_error(ret))
		rt_fail("no address space for thread slots", "is memory limited (ulimit -v)?", ret);
	ret = ldt_entry(0);
	if (ret)
		rt_fail("modify_ldt is refused", "threads are told apart by LDT selectors: does the kernel have "
			"CONFIG_MODIFY_LDT_SYSCALL, and the container's profile permit it?", ret);
	t = thread_alloc();
	if (!t)
		rt_fail("no slot for the first thread", "is memory limited (ulimit -v)?", -ENOMEM);
	thread_adopt(t);
	rt.pid = t->pid;
	stack.sp = (uintptr_t)t + THREAD_STACK_OFFSET;
	ret = sys_call2(NR_SIGALTSTACK, &stack, NULL);
	if (ret)
		rt_fail("the alternate stack is refused", "does this machine have more extended state than there is room?",
			ret);
}
