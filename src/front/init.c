/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's first moments in a program: before the program's first instruction, on a stack of the runtime's own. */
#include "crypto/crypto.h"
#include "front/auxv.h"
#include "front/cpuid.h"
#include "front/debug.h"
#include "front/held.h"
#include "front/launch.h"
#include "sys/sys.h"
#include "trap/xfrm.h"
#include "vdso/vdso.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/wait.h>

enum { EXIT_SOFTSGX = 125 };

struct rt rt;
struct rt_start rt_start;
static bool initialised;

/* restore.S of src/trap: where handlers of the program return to. */
void rt_sigreturn_entry(void);

bool rt_initialised(void)
{
	return initialised;
}

_Noreturn void rt_fail(const char *what, const char *advice, long error)
{
	sys_print(2, "softsgx: %s (error %d); %s\n", what, (int)-error, advice);
	for (;;)
		sys_call1(__NR_exit_group, EXIT_SOFTSGX);
}

/* Text becomes unwritable, the rest not executable. */
static void protect(void)
{
	const uint64_t text = RT_BASE, constants = (uint64_t)(uintptr_t)rt_text_end;
	const uint64_t data = (uint64_t)(uintptr_t)rt_image_end;
	long ret;

	ret = sys_call3(__NR_mprotect, text, constants - text, PROT_READ | PROT_EXEC);
	if (!ret)
		ret = sys_call3(__NR_mprotect, constants, data - constants, PROT_READ);
	if (!ret)
		ret = sys_call3(__NR_mprotect, data, RT_BASE + RT_SIZE - data, PROT_READ | PROT_WRITE);
	if (ret)
		rt_fail("the runtime's memory can't be protected", "does a security module forbid it?", ret);
}

_Static_assert((int)RT_VDSO_UPSTREAM == VDSO_UPSTREAM && (int)RT_VDSO_V28 == VDSO_V28 &&
	       (int)RT_VDSO_V36 == VDSO_V36 && (int)RT_VDSO_V38 == VDSO_V38 && (int)RT_VDSO_NONE == VDSO_NONE,
	       "--delivery chooses the image");

static const struct vdso_info *vdso_map(struct auxv *auxv)
{
	const struct vdso_image *chosen = &vdso_images[rt.config.vdso];
	const size_t size = (size_t)(chosen->end - chosen->start);
	void *const image = (void *)RT_VDSO_BASE;
	const void *real = (const void *)auxv_get(auxv, AT_SYSINFO_EHDR);
	const struct vdso_info *info;
	long ret;

	ret = sys_call6(__NR_mmap, RT_VDSO_BASE, (long)size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ret != (long)RT_VDSO_BASE)
		rt_fail("the vDSO image can't be mapped", "is memory limited (ulimit -v)?", ret);
	__builtin_memcpy(image, chosen->start, size);
	if (!vdso_bind(image, RT_VDSO_BASE, real, (uint64_t)(uintptr_t)enter_fast,
		       (uint64_t)(uintptr_t)rt_sigreturn_entry))
		rt_fail("the vDSO image is damaged", "install softsgx again", -EINVAL);
	info = vdso_info(image);
	ret = sys_call3(__NR_mprotect, image, size, PROT_READ | PROT_EXEC);
	if (ret)
		rt_fail("the vDSO image can't be made executable", "does a security module forbid it?", ret);
	auxv_set(auxv, AT_SYSINFO_EHDR, RT_VDSO_BASE);
	return info;
}

static void invalidate(struct drv *d, struct encl *encl, uint64_t start, uint64_t end)
{
	(void)d;
	threads_forget(start, end);
	engine_invalidate(&rt.engine, encl, start, end);
}

static void kick(struct drv *d, struct encl *encl)
{
	(void)d;
	threads_kick(encl, thread_current());
}

/* Is a signal waiting that the program has not blocked? All are blocked underneath while the driver works. */
static bool signal_pending(struct drv *d)
{
	const struct thread *t = thread_current();
	uint64_t pending = 0;

	(void)d;
	sys_call2(__NR_rt_sigpending, &pending, 8);
	return (pending & ~t->blocked & ~signals_discarded()) || held_ready(t, t->vmask);
}

static void enclave_initialised(struct drv *d, struct encl *encl)
{
	(void)d;
	debug_initialised(encl_base(encl));
}

/* C1-3: the pair of the RFC is asked for where the RFC is in force. */
static bool registered(struct drv *d)
{
	(void)d;
	return !(rt.config.delivery & RT_DELIVERY_ENCLU) || delivery_registered(&rt.engine);
}

static const struct drv_ops drv_ops = { .invalidate = invalidate, .kick = kick, .signal_pending = signal_pending,
					.initialised = enclave_initialised,
					.patch_code = xfrm_patch, .unpatch_code = xfrm_unpatch,
					.registered = registered };

static void rt_init_parts(struct auxv *auxv)
{
	struct drv_config drv_config = {
		.epc_pages = rt.config.epc_pages, .arena_base = RT_DRV_BASE, .arena_size = RT_DRV_SIZE,
		.aexnotify = rt.config.flags & RT_FLAG_AEXNOTIFY,
		.rfc_2018 = rt.config.abi_2018 == RT_ABI_2018_RFC,
		.full_2018 = rt.config.flags & RT_FLAG_ABI_2018_FULL,
	};
	const struct vdso_info *vdso;
	long ret;

	crypto_init();		/* asks CPUID: before it faults */
	vdso = vdso_map(auxv);
	keys_derive(&rt.keys, rt.config.seed, rt.config.cpusvn);
	rt.vdso_restorer = RT_VDSO_BASE + vdso->sigreturn;

	stats_init();
	cpuid_init();
	drv_config.patch_cpuid = cpuid_patching() && rt.config.patch != RT_PATCH_OFF;	/* OFF: memory is exact */
	threads_init();
	signals_init();

	ret = sys_call6(__NR_mmap, RT_DRV_STATE, (long)drv_size(), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ret != (long)RT_DRV_STATE)
		rt_fail("no memory for the driver", "is memory limited (ulimit -v)?", ret);
	rt.drv = (struct drv *)ret;
	ret = drv_init(rt.drv, &drv_config, &drv_ops, &rt.profile, &rt.keys,
		       rt.counters_shared ? rt.counters_shared : &rt.counters);
	if (ret)
		rt_fail("the driver can't be set up", "is memory limited (ulimit -v)?", ret);
	engine_init(&rt.engine, rt.drv, (enum patch_mode)rt.config.patch, RT_VDSO_BASE, vdso->enclu, vdso->eexit_pad,
		    vdso->exception_pad);
	aex_init();
	rt.engine.delivery.prefix = rt.config.delivery & RT_DELIVERY_PREFIX;
	debug_init();
}

/* Code that is there before the program runs; what it maps later comes through the gate. */
static void patch_cpuid(void)
{
	if (rt.config.cpuid == RT_CPUID_PATCH || (rt.config.cpuid == RT_CPUID_AUTO && !rt.cpuid_faulting))
		maps_each_code(cpuid_patch_range);
}

/*
 * The helper is about to end, or has. Because the program's image changed meanwhile, the kernel announces it by SIGCHLD
 * after all. That is gone as soon as SIGCHLD is unblocked, no handler being there yet; but a program that starts with
 * it blocked would find it pending.
 */
static void helper_reap(void)
{
	const uint64_t set = KSIG_BIT(KSIG_CHLD), now[2] = { 0 };
	struct ksiginfo info = { 0 };

	while (sys_call4(__NR_wait4, rt_start.helper, 0, __WALL, 0) == -EINTR)
		;
	if (!(rt_start.inherit.sigmask & set) ||
	    sys_call4(__NR_rt_sigtimedwait, &set, &info, now, sizeof(set)) != KSIG_CHLD)
		return;
	if (info.rt.pid == rt_start.helper) {	/* it may hide that of a child of the program, which ended later */
		info = (struct ksiginfo){ 0 };
		sys_call5(__NR_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, 0);
	}
	if (info.rt.pid)
		sys_call3(__NR_rt_sigqueueinfo, sys_call0(__NR_getpid), KSIG_CHLD, &info);
}

void rt_init(void)
{
	struct auxv auxv;
	long ret;

	protect();
	rt.config = rt_start.config;
	rt.filters = rt_start.inherit.filters;
	rt_entry_rip = rt_start.entry_rip;
	rt_entry_rsp = rt_start.entry_rsp;

	auxv_find(&auxv, rt_start.entry_rsp);
	rt_init_parts(&auxv);
	auxv_publish(&auxv);
	patch_cpuid();

	/* The launcher's traces: who may trace this process, and the helper. */
	sys_call2(__NR_prctl, PR_SET_PTRACER, 0);
	helper_reap();

	initialised = true;
	if (!rt_start.nested) {
		ret = filter_install_base();
		if (ret)
			rt_fail("the system call filter can't be installed",
			     "seccomp must be permitted (in a container, by its profile)", ret);
	}
	/* From the kernel's point of view platform signals stay open for ever; signals_init() took the program's view. */
	rt_start.inherit.sigmask &= ~PLATFORM_SIGNALS;
	sys_call4(__NR_rt_sigprocmask, KSIG_SETMASK, &rt_start.inherit.sigmask, 0, sizeof(uint64_t));
}
