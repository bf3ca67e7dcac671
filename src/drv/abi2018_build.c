/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ADD_PAGE of the ABI of 2018 and the worker behind it (C0-4, C0-5). The call judges the page, copies it into the
 * enclave's backing area and queues it; EADD and EEXTEND happen later, in order. The worker is a hidden task that
 * shares our memory, begins with a queue that was empty and ends with one that is. Whoever has reason to wait helps
 * instead: INIT, and ADD_PAGE where no task can be had.
 */
#include "drv/state.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/wait.h>

#include "sys/mem.h"
#include "sys/signal.h"
#include "sys/task.h"
#include "uapi/sgx_2018.h"

#define STACK		0x10000
#define CHUNK		256
#define LIMIT_LOW	0xfffu

static long check_secinfo(const struct sgx_secinfo *s)
{
	const enum sgx_pt type = SGX_SECINFO_PT(s->flags);

	if (type != SGX_PT_REG && type != SGX_PT_TCS)
		return -EINVAL;
	if ((s->flags & SGX_SECINFO_W) && !(s->flags & SGX_SECINFO_R))
		return -EINVAL;
	if (s->flags & ~(SGX_SECINFO_RWX | UINT64_C(0xff00)))
		return -EINVAL;
	return bytes_zero(s->reserved, sizeof(s->reserved)) ? 0 : -EINVAL;
}

static bool offset_valid(const struct encl *e, uint64_t offset)
{
	return offset % DRV_PAGE == 0 && offset < e->size;
}

static long check_tcs(const struct encl *e, const struct sgx_tcs *t)
{
	if (t->flags)
		return -EINVAL;
	if (!offset_valid(e, t->ossa) || !offset_valid(e, t->ofsbasgx) || !offset_valid(e, t->ogsbasgx))
		return -EINVAL;
	if ((t->fslimit & LIMIT_LOW) != LIMIT_LOW || (t->gslimit & LIMIT_LOW) != LIMIT_LOW)
		return -EINVAL;
	return bytes_zero(&t->ocetssa, sizeof(*t) - offsetof(struct sgx_tcs, ocetssa)) ? 0 : -EINVAL;
}

static struct build_request *request(const struct encl *e, uint64_t i)
{
	return (struct build_request *)&e->pcmd[i];
}

static void enqueue(struct encl *e, uint64_t i, uint64_t secinfo, uint16_t mrmask)
{
	*request(e, i) = (struct build_request){ ENCL_NO_PAGE, secinfo, mrmask };
	if (e->abi.head == ENCL_NO_PAGE)
		e->abi.head = i;
	else
		request(e, e->abi.tail)->next = i;
	e->abi.tail = i;
}

/* C0-4, in this order. drv.lock and header lock are held. */
static long add_page(struct drv *d, struct encl *e, const struct sgx_2018_add_page *p)
{
	const uint64_t i = (p->addr - e->base) / DRV_PAGE;
	struct sgx_secinfo secinfo;
	long ret;

	if (sys_copy_from_user(&secinfo, p->secinfo, sizeof(secinfo)))
		return -EFAULT;
	if (vma_hit(d, p->src, p->src + DRV_PAGE) || sys_copy_from_user(d->scratch->page, p->src, DRV_PAGE))
		return -EFAULT;
	ret = check_secinfo(&secinfo);
	if (!ret && SGX_SECINFO_PT(secinfo.flags) == SGX_PT_TCS)
		ret = check_tcs(e, (const struct sgx_tcs *)d->scratch->page);
	if (ret)
		return ret;
	if (encl_state(e) == ENCL_INITIALISED || e->abi.dead)
		return -EINVAL;
	if (page_state(e, i) != PAGE_ABSENT)
		return -EEXIST;
	ret = va_grow(d, e, true);
	if (ret)
		return ret;
	memcpy(e->backing + i * DRV_PAGE, d->scratch->page, DRV_PAGE);
	encl_rec_queue(e, i, SGX_SECINFO_PT(secinfo.flags));
	enqueue(e, i, secinfo.flags, p->mrmask);
	return 0;
}

long abi2018_add_page(struct drv *d, uint32_t tid, uint64_t arg)
{
	struct sgx_2018_add_page p;
	struct encl *e;
	bool started = true;
	long ret;

	if (sys_copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;						/* C0-2 */
	if (p.addr % DRV_PAGE)
		return -EINVAL;
	drv_lock(d, tid);
	e = abi2018_find(d, p.addr, &ret);
	if (e) {
		encl_lock(d, e);
		ret = add_page(d, e, &p);
		encl_unlock(d, e);
		started = ret || worker_start(d);
		e->pins += !started;
	}
	drv_unlock(d);
	if (started)
		return ret;
	build_drain(d, tid, e);
	drv_lock(d, tid);
	e->pins--;
	encl_put(d, e);
	drv_unlock(d);
	return ret;
}

/* One page, as the queue has it. False: some leaf has failed, or there is no EPC. */
static bool build(struct drv *d, struct encl *e, uint64_t i)
{
	const struct build_request r = *request(e, i);
	uint8_t *contents = e->backing + i * DRV_PAGE;
	struct scratch *s = d->scratch;

	if (epc_take(d, e, ENCL_NO_PAGE, false))
		return false;
	s->secinfo = (struct sgx_secinfo){ .flags = r.secinfo };
	s->pageinfo = (struct sgx_pageinfo){
		.linaddr = encl_addr(e, i), .srcpge = (uint64_t)contents, .secinfo = (uint64_t)&s->secinfo,
		.secs = epc_addr(e, e->npages),
	};
	if (encls(d, e, EADD, (uint64_t)&s->pageinfo, epc_addr(e, i), 0)) {
		epc_give(d, e, i);
		return false;
	}
	memset(&e->pcmd[i], 0, sizeof(e->pcmd[i]));
	epc_punch((uint64_t)contents, DRV_PAGE);
	e->header->children++;
	atomic_store_explicit(&e->recs[i].state, PAGE_RESIDENT, memory_order_release);
	for (unsigned k = 0; k < DRV_PAGE / CHUNK; k++)
		if ((r.mrmask >> k & 1) &&
		    encls(d, e, EEXTEND, epc_addr(e, e->npages), epc_addr(e, i) + k * CHUNK, 0))
			return false;
	if (d->counters) {
		d->counters->pages_added++;
		d->counters->pages_measured += !!r.mrmask;
	}
	return true;
}

bool build_next(struct drv *d, struct encl *e)
{
	const uint64_t i = e->abi.head;
	uint64_t next;

	if (e->abi.working != ENCL_NO_PAGE) {	/* who was at work has died in the middle */
		abi2018_kill_locked(d, e);
		return false;
	}
	if (i == ENCL_NO_PAGE)
		return false;
	next = request(e, i)->next;
	e->abi.working = i;
	if (!build(d, e, i)) {
		abi2018_kill_locked(d, e);				/* C0-5 */
		return false;
	}
	e->abi.head = next;
	e->abi.working = ENCL_NO_PAGE;
	return true;
}

void build_drain(struct drv *d, uint32_t tid, struct encl *e)
{
	bool more = true;

	while (more) {
		drv_lock(d, tid);
		encl_lock(d, e);
		more = build_next(d, e);
		encl_unlock(d, e);
		if (!more)
			worker_reap(d);
		drv_unlock(d);
	}
}

static struct encl *queued(struct drv *d)
{
	for (uint32_t i = 0; i < d->encl_count; i++)
		if (d->encls[i].used && d->encls[i].abi.head != ENCL_NO_PAGE)
			return &d->encls[i];
	return NULL;
}

/* drv.lock is held. False: the worker's work is done. */
static bool work(struct drv *d)
{
	struct encl *e = d->worker.forbidden ? NULL : queued(d);

	if (!e) {
		d->worker.done = true;
		return false;
	}
	encl_lock(d, e);
	build_next(d, e);
	encl_unlock(d, e);
	return true;
}

/*
 * The thread that started us may end long before the queue is empty, so its end must not be ours; that of the process
 * is seen by who our parent is.
 */
static void worker(void *arg)
{
	struct drv *d = arg;
	const uint32_t tid = drv_self();
	const uint64_t all = ~UINT64_C(0);
	bool more = true;

	/* A fault (no memory is left for the file) must not find the handlers, which look for a thread's slot. */
	sys_call4(__NR_rt_sigprocmask, KSIG_SETMASK, &all, 0, sizeof(all));
	sys_call5(__NR_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	__asm__ volatile("mov %0, %%ds" : : "r"(0));	/* it names the thread that started us, and we are none */
	while (more && sys_call0(__NR_getppid) == d->pid) {
		drv_lock(d, tid);
		more = work(d);
		drv_unlock(d);
		if (atomic_load(&d->lock.waiters))
			sys_call0(__NR_sched_yield);
	}
}

/* Has it ended, or is it about to? Then it is gone after this. */
static bool reap(struct drv *d)
{
	struct build_worker *w = &d->worker;

	if (!w->pid)
		return true;
	if (w->done)
		sys_task_join(w->pid);
	else if (!sys_call4(__NR_wait4, w->pid, 0, __WALL | WNOHANG, 0))
		return false;
	w->pid = 0;
	w->done = false;
	return true;
}

bool worker_start(struct drv *d)
{
	struct build_worker *w = &d->worker;

	if (w->forbidden)
		return false;
	if (!reap(d))
		return true;
	if (!w->stack) {
		w->stack = arena_take(d, STACK);
		if (w->stack && sys_is_error(arena_map(w->stack, STACK))) {
			arena_give(d, w->stack);
			w->stack = 0;
		}
	}
	if (!w->stack)
		return false;
	w->pid = sys_task((void *)(w->stack + STACK), worker, d);
	if (w->pid > 0)
		return true;
	w->pid = 0;
	return false;
}

/* If nothing is queued anywhere, it ends as soon as it gets the lock. */
void worker_reap(struct drv *d)
{
	while (!reap(d) && !queued(d)) {
		const uint32_t tid = d->tid;

		drv_unlock(d);
		sys_call0(__NR_sched_yield);
		drv_lock(d, tid);
	}
}

void drv_exec_prepare(struct drv *d, uint32_t tid)
{
	if (sys_call0(__NR_getpid) != d->pid)	/* a child of vfork: its execve is not ours */
		return;
	drv_lock(d, tid);
	d->worker.forbidden = true;
	while (!reap(d)) {
		drv_unlock(d);
		sys_call0(__NR_sched_yield);
		drv_lock(d, tid);
	}
	drv_unlock(d);
}

void drv_exec_failed(struct drv *d, uint32_t tid)
{
	if (sys_call0(__NR_getpid) != d->pid)
		return;
	drv_lock(d, tid);
	d->worker.forbidden = false;
	if (queued(d))
		worker_start(d);
	drv_unlock(d);
}
