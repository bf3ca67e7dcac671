/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory calls (A.8): those on our descriptors and those that touch mappings of enclaves are the driver's. */
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "front/cpuid.h"
#include "front/debug.h"
#include "front/device_path.h"
#include "front/rt.h"
#include "sys/sys.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif
#define PAGE	UINT64_C(4096)

/*
 * The filter for a new mapping of an enclave covers its whole ELRANGE, once that is known: programs map it in pieces,
 * and filters are few.
 */
static long watch(uint64_t start, uint64_t length)
{
	uint64_t end = start + ((length + PAGE - 1) & ~(PAGE - 1));
	const struct encl *encl = drv_encl_at(rt.drv, start);

	if (encl && encl_size(encl) && start >= encl_base(encl) && end <= encl_base(encl) + encl_size(encl)) {
		start = encl_base(encl);
		end = start + encl_size(encl);
	}
	return filter_add_range(start, end);
}

static long map_enclave(struct thread *t, const struct kmcontext *m)
{
	const uint32_t tid = (uint32_t)t->tid;
	const long ret = drv_mmap(rt.drv, tid, m->rdi, m->rsi, m->rdx, m->r10, (int)m->r8, m->r9);

	if (sys_is_error(ret) || !watch((uint64_t)ret, m->rsi))
		return ret;
	drv_munmap(rt.drv, tid, (uint64_t)ret, m->rsi);
	return -ENOMEM;
}

static void gate_mmap(struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	const uint64_t flags = m->r10;
	const bool file = !(flags & MAP_ANONYMOUS) && (int)m->r8 >= 0;

	switch (file ? drv_fd_kind(rt.drv, (int)m->r8) : DEVICE_NONE) {
	case DEVICE_ENCLAVE:
	case DEVICE_2018:
		filter_add_fd((int)m->r8);	/* it may be a duplicate, met for the first time */
		m->rax = (uint64_t)map_enclave(t, m);
		if (!sys_is_error((long)m->rax))
			debug_pass(t, uc);
		return;
	case DEVICE_PROVISION:
		m->rax = (uint64_t)(m->rsi ? -ENODEV : -EINVAL);	/* A-DEV-4 */
		return;
	}
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) && drv_range_hit(rt.drv, m->rdi, m->rsi)) {
		m->rax = (uint64_t)drv_mmap_other(rt.drv, (uint32_t)t->tid, m->rdi, m->rsi, m->rdx, flags, (int)m->r8,
						  m->r9);
	} else if (file && m->rdx & PROT_EXEC && !(flags & MAP_SHARED) && cpuid_patching()) {
		m->rax = (uint64_t)sys_call6(__NR_mmap, (long)m->rdi, (long)m->rsi, (long)m->rdx, (long)flags,
					     (long)m->r8, (long)m->r9);
	} else {
		gate_continue(t, uc);
		return;
	}
	if (file && m->rdx & PROT_EXEC && cpuid_patching() && !sys_is_error((long)m->rax))
		cpuid_patch_range(m->rax, m->rax + ((m->rsi + PAGE - 1) & ~(PAGE - 1)));
}

static void gate_mremap(struct thread *t, struct kucontext *uc)
{
	struct kmcontext *m = &uc->mc;
	/* An old length of 0 asks for a second mapping of the same pages. */
	const bool from_enclave = drv_range_hit(rt.drv, m->rdi, m->rsi ? m->rsi : 1);
	long ret;

	if (!from_enclave && !(m->r10 & MREMAP_FIXED && drv_range_hit(rt.drv, m->r8, m->rdx))) {
		gate_continue(t, uc);
		return;
	}
	ret = drv_mremap(rt.drv, (uint32_t)t->tid, m->rdi, m->rsi, m->rdx, m->r10, m->r8);
	/* Too late to refuse: where no filter can be added (-EBUSY), calls on the new place are the kernel's. */
	if (from_enclave && !sys_is_error(ret))
		watch((uint64_t)ret, m->rdx);
	m->rax = (uint64_t)ret;
}

void gate_memory(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	struct kmcontext *m = &uc->mc;
	const uint32_t tid = (uint32_t)t->tid;
	long ret;

	if (nr == __NR_mmap) {
		gate_mmap(t, uc);
		return;
	}
	if (nr == __NR_mremap) {
		gate_mremap(t, uc);
		return;
	}
	if (!drv_range_hit(rt.drv, m->rdi, m->rsi)) {
		gate_continue(t, uc);
		return;
	}
	switch (nr) {
	case __NR_munmap:
		ret = drv_munmap(rt.drv, tid, m->rdi, m->rsi);
		break;
	case __NR_mprotect:
		ret = drv_mprotect(rt.drv, tid, m->rdi, m->rsi, m->rdx, -1);
		break;
	case __NR_pkey_mprotect:
		ret = drv_mprotect(rt.drv, tid, m->rdi, m->rsi, m->rdx, (int)m->r10);
		break;
	default:
		ret = drv_madvise(rt.drv, tid, m->rdi, m->rsi, m->rdx);
		break;
	}
	m->rax = (uint64_t)ret;
}
