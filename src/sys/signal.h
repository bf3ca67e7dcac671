/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's signal ABI on x86-64, spelled out because the runtime sees it raw: no libc wraps these structures. */
#ifndef SOFTSGX_SYS_SIGNAL_H
#define SOFTSGX_SYS_SIGNAL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KSIG_HUP = 1, KSIG_ILL = 4, KSIG_TRAP = 5, KSIG_ABRT = 6, KSIG_BUS = 7, KSIG_FPE = 8, KSIG_KILL = 9,
	KSIG_SEGV = 11, KSIG_CHLD = 17, KSIG_STOP = 19, KSIG_SYS = 31, KSIG_MAX = 64,
};
#define KSIG_BIT(sig)		(UINT64_C(1) << ((sig) - 1))

#define KSA_NOCLDSTOP		UINT64_C(0x00000001)
#define KSA_NOCLDWAIT		UINT64_C(0x00000002)
#define KSA_SIGINFO		UINT64_C(0x00000004)
#define KSA_UNSUPPORTED		UINT64_C(0x00000400)
#define KSA_EXPOSE_TAGBITS	UINT64_C(0x00000800)
#define KSA_RESTORER		UINT64_C(0x04000000)
#define KSA_ONSTACK		UINT64_C(0x08000000)
#define KSA_RESTART		UINT64_C(0x10000000)
#define KSA_NODEFER		UINT64_C(0x40000000)
#define KSA_RESETHAND		UINT64_C(0x80000000)

#define KSIG_DFL		UINT64_C(0)
#define KSIG_IGN		UINT64_C(1)

enum { KSIG_BLOCK = 0, KSIG_UNBLOCK = 1, KSIG_SETMASK = 2 };
enum { KSS_ONSTACK = 1, KSS_DISABLE = 2 };
#define KSS_AUTODISARM		(1u << 31)

/* siginfo.code */
enum {
	KSI_USER = 0, KSI_KERNEL = 0x80, KSI_QUEUE = -1, KSI_TKILL = -6,
	KILL_ILLOPN = 2, KFPE_INTDIV = 1, KFPE_FLTINV = 7, KSEGV_MAPERR = 1, KSEGV_ACCERR = 2, KBUS_ADRALN = 1, KBUS_ADRERR = 2,
	KTRAP_BRKPT = 1, KTRAP_TRACE = 2, KSYS_SECCOMP = 1, KSYS_USER_DISPATCH = 2,
};

struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};

struct kstack {
	uint64_t sp;
	int32_t  flags;
	uint32_t pad;
	uint64_t size;
};

struct ksiginfo {
	int32_t signo, errno_, code, pad0;
	union {
		struct { uint64_t addr; } fault;
		struct { uint64_t call_addr; int32_t syscall; uint32_t arch; } sys;
		struct { int32_t pid; uint32_t uid; uint64_t value; } rt;
		uint8_t bytes[112];
	};
};
static_assert(sizeof(struct ksiginfo) == 128, "siginfo_t");

/* struct sigcontext_64: the order of the registers is the kernel's. */
struct kmcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;		/* address of the XSAVE image, or 0 */
	uint64_t reserved[8];
};
static_assert(sizeof(struct kmcontext) == 256, "struct sigcontext");

struct kucontext {
	uint64_t flags, link;
	struct kstack stack;
	struct kmcontext mc;
	uint64_t sigmask;
};
static_assert(offsetof(struct kucontext, mc) == 40, "struct ucontext");
static_assert(offsetof(struct kucontext, sigmask) == 296, "struct ucontext");

/* What lies on the stack when a handler starts: RSP points to pretcode. The fpstate follows, 64-byte aligned. */
struct ksigframe {
	uint64_t pretcode;
	struct kucontext uc;
	struct ksiginfo info;
};

/* The software words of the XSAVE image of a signal frame: struct _fpx_sw_bytes at byte 464. */
struct kfpx_sw {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};
static_assert(sizeof(struct kfpx_sw) == 48, "struct _fpx_sw_bytes");
#define KFP_XSTATE_MAGIC1	0x46505853u
#define KFP_XSTATE_MAGIC2	0x46505845u

#endif
