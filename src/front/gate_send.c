/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals of the platform's six that the program sends to one of its own threads. They do not go through the kernel:
 * there they would be dropped while one is pending that the runtime lives on, and one with the siginfo of a fault would
 * be taken for a fault.
 */
#include "front/held.h"
#include "sys/sys.h"
#include "trap/rtcopy.h"

#include <asm/unistd.h>
#include <linux/errno.h>

static struct ksiginfo from_self(int sig)
{
	struct ksiginfo info = { .signo = sig, .code = KSI_TKILL };

	info.rt.pid = (int32_t)sys_call0(__NR_getpid);
	info.rt.uid = (uint32_t)sys_call0(__NR_getuid);
	return info;
}

static void send(struct thread *t, struct kucontext *uc, uint64_t tgid, uint64_t tid, int sig,
		 const struct ksiginfo *info)
{
	struct thread *to = (int32_t)tid > 0 ? thread_of(tgid, (uint32_t)tid) : NULL;

	if (!to || to->pid != rt.pid || sig < 1 || sig > KSIG_MAX)
		gate_continue(t, uc);
	else
		uc->mc.rax = (uint64_t)held_send(to, sig, info);
}

void gate_send(struct thread *t, struct kucontext *uc, uint32_t nr)
{
	const struct kmcontext *m = &uc->mc;
	struct ksiginfo info = { 0 };

	switch (nr) {
	case __NR_tgkill:
		info = from_self((int)m->rdx);
		send(t, uc, (uint32_t)m->rdi, m->rsi, (int)m->rdx, &info);
		return;
	case __NR_tkill:
		info = from_self((int)m->rsi);
		send(t, uc, t->pid, m->rdi, (int)m->rsi, &info);
		return;
	case __NR_rt_tgsigqueueinfo:
		if (rt_copy(&info, (const void *)m->r10, sizeof(info)) ||
		    ((info.code >= 0 || info.code == KSI_TKILL) && (uint32_t)m->rsi != t->tid))
			break;			/* the kernel is to say so */
		info.signo = (int)m->rdx;
		send(t, uc, (uint32_t)m->rdi, m->rsi, info.signo, &info);
		return;
	default:			/* rt_sigqueueinfo: to oneself only, with what looks like a fault */
		if (rt_copy(&info, (const void *)m->rdx, sizeof(info)) || info.code <= 0 ||
		    (uint32_t)m->rdi != t->tid)
			break;
		info.signo = (int)m->rsi;
		if (!held_send_process(t, info.signo, &info))
			break;
		uc->mc.rax = 0;
		return;
	}
	gate_continue(t, uc);
}
